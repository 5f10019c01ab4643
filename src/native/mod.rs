//! C below Perl: the stack that the processor sees, unwound from registers and memory by what compilers write
//! down for exceptions (.eh_frame), and named by symbol tables.
//!
//! Nothing is guessed: where a file says nothing of an address, the stack ends there, and says so.

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
pub use modules::{Modules, OpenImage};
pub use registers::{Processor, Registers};
pub use stack::{NativeFrame, NativeStack, native_stack};
pub use tables::{AskUnwindTables, UnwindTables};
pub use unwind::StackEnd;
