//! Being stopped by the terminal's Ctrl-Z or by somebody's SIGTSTP, at a moment of our own choice.

use super::inherited::was_ignored;
use std::sync::atomic::{AtomicBool, Ordering};

/// Somebody sent SIGTSTP.
static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn asked(_: libc::c_int) {
    ASKED.store(true, Ordering::SeqCst);
}

/// What SIGTSTP does from now on; what it did before is given back.
fn on_stop(handler: libc::sighandler_t) -> libc::sighandler_t {
    // SAFETY: a number that `signal` gave, or a function that only writes to an atomic.
    unsafe { libc::signal(libc::SIGTSTP, handler) }
}

/// Terminals stop programs here.
pub const EXISTS: bool = true;

/// Somebody could let us go on: a shell with jobs started us.
pub fn may_stop() -> bool {
    !was_ignored(libc::SIGTSTP)
}

/// From now on a request to stop waits until [`take_request`] has seen it.
pub fn listen() {
    if may_stop() {
        on_stop(asked as extern "C" fn(libc::c_int) as libc::sighandler_t);
    }
}

/// True once after a request.
pub fn take_request() -> bool {
    ASKED.swap(false, Ordering::SeqCst)
}

/// Stops everything that the terminal's Ctrl-Z would stop. Comes back when it goes on, or at once
/// where the kernel lets nobody stop, as no shell could let it go on.
pub fn stop_here() {
    let before = on_stop(libc::SIG_IGN);
    // SAFETY: takes numbers. The whole job, of which we are deaf to it just now...
    unsafe { libc::kill(0, libc::SIGTSTP) };
    on_stop(libc::SIG_DFL);
    // SAFETY: takes numbers. ... and then ourselves, in this thread: it comes back afterwards.
    unsafe { libc::raise(libc::SIGTSTP) };
    on_stop(before);
    ASKED.store(false, Ordering::SeqCst);
}
