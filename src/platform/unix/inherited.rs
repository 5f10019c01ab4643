//! What p5-spy was started with and keeps: the signals that nohup, a shell or a service manager has
//! set aside.

use std::sync::atomic::{AtomicU64, Ordering};

/// A bit for each signal that was ignored when this process began.
static IGNORED: AtomicU64 = AtomicU64::new(0);

/// Signals are numbers from 1 to this.
const LAST: i32 = 64;

/// Rust ignores SIGPIPE before `main`, so that this must be earlier: the C library calls what is in
/// this section when the program is loaded.
#[used]
// SAFETY: the section holds pointers to functions that return and whose arguments may be ignored.
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
static AT_START: extern "C" fn() = look;

extern "C" fn look() {
    for signal in 1..=LAST {
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: nothing is changed, and there is room for the answer.
        let asked = unsafe { libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) };
        // SAFETY: it is filled, and zeros would do.
        if asked == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN {
            IGNORED.fetch_or(bit(signal), Ordering::Relaxed);
        }
    }
}

fn bit(signal: i32) -> u64 {
    match signal {
        1..=LAST => 1 << (signal - 1),
        _ => 0,
    }
}

/// True for a signal that was ignored when p5-spy was started, as nohup has it with SIGHUP.
pub fn was_ignored(signal: i32) -> bool {
    IGNORED.load(Ordering::Relaxed) & bit(signal) != 0
}

/// Ignores again what was ignored then, and nothing that was not. For a new process, between fork
/// and exec: only system calls are made.
pub(super) fn ignore_again() {
    // What we ignore by ourselves (commands/signals.rs).
    if !was_ignored(libc::SIGXFSZ) {
        // SAFETY: takes numbers.
        unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_DFL) };
    }
    for signal in (1..=LAST).filter(|signal| was_ignored(*signal)) {
        // SAFETY: takes numbers.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}
