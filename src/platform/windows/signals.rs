//! What the user's Ctrl-C, Ctrl-Break and the end of his session mean while something is sampled. The
//! system tells of each on a thread of its own.

pub use crate::platform::request::{Request, Wish};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, Once, PoisonError};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::STATUS_CONTROL_C_EXIT;
use windows_sys::Win32::System::Console::{CTRL_BREAK_EVENT, CTRL_C_EVENT, SetConsoleCtrlHandler};

/// True when requests to end do what they usually do.
static USUAL: AtomicBool = AtomicBool::new(true);
static LISTENING: Once = Once::new();
/// Requests that nobody has taken yet.
static ASKED: Mutex<VecDeque<i32>> = Mutex::new(VecDeque::new());
static NEWS: Condvar = Condvar::new();

/// Nobody sends one to a process: only its console tells it to end.
pub const ARE_SENT: bool = false;

/// The number of the console's Ctrl-C, as the C library has it.
pub const INTERRUPT: i32 = 2;
/// That of Ctrl-Break.
const BREAK: i32 = 21;
/// That of a closed console and the end of a session.
const TERMINATE: i32 = 15;
/// So long the system waits when a console is closed before it ends its programs.
const CLOSING: Duration = Duration::from_secs(5);

/// # Safety
/// Called by the system only, with one of its numbers.
unsafe extern "system" fn heard(event: u32) -> i32 {
    if USUAL.load(Ordering::SeqCst) {
        return 0;
    }
    let signal = match event {
        CTRL_C_EVENT => INTERRUPT,
        CTRL_BREAK_EVENT => BREAK,
        _ => TERMINATE,
    };
    ASKED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push_back(signal);
    NEWS.notify_all();
    if signal == TERMINATE {
        // The process is ended when this returns: what was recorded is to be written first.
        std::thread::sleep(CLOSING);
    }
    1
}

fn listen() -> io::Result<()> {
    let mut refused = None;
    LISTENING.call_once(|| {
        // SAFETY: the function lives as long as the program.
        if unsafe { SetConsoleCtrlHandler(Some(heard), 1) } == 0 {
            refused = Some(io::Error::last_os_error());
        }
    });
    refused.map_or(Ok(()), Err)
}

/// Sleeps so long, or until somebody asks p5-spy to end.
pub(super) fn wait(time: Duration) {
    let until = Instant::now() + time;
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    while asked.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        let waited = NEWS.wait_timeout(asked, left);
        asked = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Nothing ends p5-spy for the size of a file.
pub fn survive_limits() {}

/// None: there are no such signals.
pub fn harmless(_: &str) -> Option<i32> {
    None
}

/// Ends p5-spy as this request would have done.
///
/// # Errors
/// None.
pub fn end_by(_: i32) -> io::Result<()> {
    std::process::exit(STATUS_CONTROL_C_EXIT)
}

/// Collects requests; from now on they do not end p5-spy by themselves.
pub struct Requests;

impl Requests {
    /// Starts to collect.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn collect() -> io::Result<Self> {
        listen()?;
        USUAL.store(false, Ordering::SeqCst);
        Ok(Requests)
    }

    /// The same for a recording.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn of_recording(_: Option<i32>) -> io::Result<Self> {
        Self::collect()
    }

    /// From now on the next request ends p5-spy at once.
    pub fn let_go(&self) {
        USUAL.store(true, Ordering::SeqCst);
    }

    /// Collects them again.
    pub fn hold_again(&self) {
        USUAL.store(false, Ordering::SeqCst);
    }

    /// The requests to end since the last call.
    pub fn take(&mut self) -> Vec<Request> {
        self.take_all()
    }

    /// All requests since the last call.
    pub fn take_all(&mut self) -> Vec<Request> {
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        asked
            .drain(..)
            .map(|signal| Request {
                wish: Wish::End,
                signal,
                from_terminal: true,
            })
            .collect()
    }
}

/// Keeps requests to end from ending p5-spy while it has the console. When dropped they end it again,
/// until [`Requests`] are collected.
pub struct Held;

impl Held {
    /// Starts to hold them.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn hold() -> io::Result<Self> {
        listen()?;
        USUAL.store(false, Ordering::SeqCst);
        Ok(Held)
    }

    /// The request by which somebody asked p5-spy to end.
    pub fn asked(&self) -> Option<i32> {
        let asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        asked.back().copied()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        USUAL.store(true, Ordering::SeqCst);
    }
}

/// True for one that was ignored when p5-spy was started: not known here.
pub fn was_ignored(_: i32) -> bool {
    false
}
