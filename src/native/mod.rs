//! C below Perl: the stack that the processor sees, unwound from registers and memory by what compilers write
//! down for exceptions (.eh_frame), and named by symbol tables.
//!
//! Nothing is guessed: where a file says nothing of an address, the stack ends there, and says so.
//!
//! A C stack (`native/`) begins with registers: of a core file, what the kernel says of a thread that waits
//! (`resting_place`), or those of a thread that runs, which the kernel records when it leaves its CPU for us
//! (`platform/linux/registers.rs`): then stack and Perl stack are read before it gets one again
//! (`commands/native.rs`). `native/unwind.rs` takes a step by .eh_frame, which gimli reads; whose file it is
//! in `native/modules.rs` knows. A step that nothing describes ends the stack, and it says so: nothing is
//! guessed. What a file says of unwinding, and which functions are at which addresses, are questions to the
//! child that has it open (`native/tables.rs`, `native/functions.rs`).
//!
//! In recordings the same registers are watched by the witness of each thread (`platform/linux/witness.rs`), and
//! `sampler/native.rs` reads C with each sample: `native/code.rs` goes from frame to frame as far as perl's innermost run
//! loop, by steps that it remembers for each address (`PlainStep`), so that a sample costs no parsing. What is above the
//! loop belongs to perl's innermost frame. Where C called Perl (`perl/entries.rs`) the whole stack is unwound,
//! `native/loops.rs` says of each loop who called it, and `native/weave.rs` pairs loops and entries, so that
//! `NativeReader::interleaved` can put the C between two Perl frames where it is: `sort`, `Perl_sortsv_flags`, the
//! comparator. A comparator or a block of MULTICALL that is between two calls has a context and no loop: it is left out,
//! and what calls it is on top. What contradicts itself keeps what is certain, the innermost C, or has none, and is
//! counted (`Tally::native`). `native/fold.rs` leaves out perl's own plumbing and gives functions Perl's names. The frames
//! have a kind of their own (`FrameKind::Native`), are where the Perl line below them is, and in a report their time is
//! that line's own.

mod code;
mod fold;
mod functions;
mod loops;
mod modules;
mod registers;
mod stack;
mod tables;
mod unwind;
mod weave;

pub use code::{CodeFrame, CodeStack, Unwinder};
pub use fold::{CodeSection, NativeLevel, ShownCode, inner_call, shown};
pub use functions::{AskFunctions, FunctionTable};
pub use gimli::Register;
pub use loops::{CodeRole, LoopKind, RunLoop};
pub use modules::{Modules, OpenImage};
pub use registers::{Processor, Registers};
pub use stack::{NativeFrame, NativeStack, native_stack};
pub use tables::{AskUnwindTables, UnwindTables};
pub use unwind::StackEnd;
pub use weave::{EntryKind, EntryLoop, idle_calls, weave};
