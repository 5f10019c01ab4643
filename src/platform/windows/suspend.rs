//! Being stopped by the terminal, which no terminal of Windows does.

/// No terminal stops a program here.
pub const EXISTS: bool = false;

/// Nobody could let us go on.
pub fn may_stop() -> bool {
    false
}

/// Nothing to listen to.
pub fn listen() {}

/// No such request.
pub fn take_request() -> bool {
    false
}

/// Stays.
pub fn stop_here() {}
