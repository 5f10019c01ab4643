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
//! `sampler/native.rs` reads C with each sample: `native/innermost.rs` goes from frame to frame as far as perl's
//! innermost run loop, by steps that it remembers for each address (`PlainStep`), so that a sample costs no parsing. What
//! is above the loop belongs to perl's innermost frame, unless a comparator or a block of MULTICALL is on perl's stack:
//! that stays there between two calls, and has a run loop only while it runs. Then the whole stack is unwound,
//! `native/loops.rs` counts the loops by who called them, and `NativeReader::woven` decides by the difference; what
//! contradicts itself has no C, and is counted (`Tally::native`). `native/fold.rs` leaves out perl's own plumbing. The
//! frames have a kind of their own (`FrameKind::Native`), are where the Perl line below them is, and in a report their
//! time is that line's own.

mod fold;
mod functions;
mod innermost;
mod loops;
mod modules;
mod registers;
mod stack;
mod tables;
mod unwind;

pub use fold::{NativeLevel, ShownCode, shown};
pub use functions::{AskFunctions, FunctionTable};
pub use gimli::Register;
pub use innermost::{CodeFrame, InnermostCode, Unwinder};
pub use loops::CodeRole;
pub use modules::{Modules, OpenImage};
pub use registers::{Processor, Registers};
pub use stack::{NativeFrame, NativeStack, native_stack};
pub use tables::{AskUnwindTables, UnwindTables};
pub use unwind::StackEnd;
