//! What comes before everything else in a program that is linked without shared libraries.
//!
//! Such a program moves itself: every constant that holds an address is written to before `main`.
//! Their pages come one by one, each by a fault; to ask for all of them at once saves a twentieth of
//! the time that a `dump` takes on a virtual machine. So the entry point does that and goes on to that
//! of the C library. A kernel that does not know the request (before 5.14) refuses it, which changes
//! nothing.

use core::arch::global_asm;

global_asm!(
    ".globl p5_spy_start",
    ".hidden p5_spy_start",
    ".hidden __fini_array_start",
    ".hidden _end",
    ".type p5_spy_start, @function",
    "p5_spy_start:",
    // The C library takes rdx for a function to call at exit, and rsp for the arguments.
    "mov r8, rdx",
    "lea rdi, [rip + __fini_array_start]",
    "and rdi, -{page}",
    "lea rsi, [rip + _end]",
    "sub rsi, rdi",
    "mov edx, {populate}",
    "mov eax, {madvise}",
    "syscall",
    "mov rdx, r8",
    "jmp _start",
    page = const 4096,
    populate = const libc::MADV_POPULATE_WRITE,
    madvise = const libc::SYS_madvise,
);
