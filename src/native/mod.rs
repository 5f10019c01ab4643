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

mod functions;
mod modules;
mod registers;
mod stack;
mod tables;
mod unwind;

pub use functions::{FunctionsAt, NativeFunction};
pub use gimli::Register;
pub use modules::{Modules, OpenImage};
pub use registers::{Processor, Registers};
pub use stack::{NativeFrame, NativeStack, native_stack};
pub use tables::{AskUnwindTables, UnwindTables};
pub use unwind::StackEnd;
