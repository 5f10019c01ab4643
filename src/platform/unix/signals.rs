//! What the user's Ctrl-C and kill mean while something is sampled.

use super::inherited::was_ignored;
pub use crate::platform::request::{Request, Wish};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// True when requests to end do what they usually do, though [`Held`] or [`Requests`] took them.
static USUAL: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// The signals that ask p5-spy to end. Under nohup the end of the terminal is no such request. A
/// shell's `&` without job control lets SIGINT be ignored, too: that one is for the terminal's sake,
/// and who sends it to p5-spy wants its end.
fn ending() -> impl Iterator<Item = i32> {
    let is_heard = |signal: &i32| *signal != SIGHUP || !was_ignored(SIGHUP);
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(is_heard)
}

/// A file that may not grow any more (`ulimit -f`) is an error like a full disk, no reason to die.
pub fn survive_limits() {
    // SAFETY: takes numbers. Programs that we start get the default again (spawn.rs).
    unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) };
}

/// Anybody can send p5-spy and others a signal.
pub const ARE_SENT: bool = true;

/// The signal of the terminal's Ctrl-C.
pub const INTERRUPT: i32 = SIGINT;

/// The number of a signal that means nothing to p5-spy and that nobody sends by accident, by its name
/// without SIG.
pub fn harmless(name: &str) -> Option<i32> {
    match name {
        "USR2" => Some(libc::SIGUSR2),
        "WINCH" => Some(libc::SIGWINCH),
        "URG" => Some(libc::SIGURG),
        "CONT" => Some(libc::SIGCONT),
        "IO" => Some(libc::SIGIO),
        _ => None,
    }
}

/// Ends p5-spy as this signal would have done.
///
/// # Errors
/// Where the signal ends nothing.
pub fn end_by(signal: i32) -> std::io::Result<()> {
    signal_hook::low_level::emulate_default_handler(signal)
}

/// Collects requests; from now on they do not end p5-spy by themselves.
pub struct Requests {
    signals: SignalsInfo<WithOrigin>,
    toggle: Option<i32>,
}

impl Requests {
    /// Starts to collect.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn collect() -> std::io::Result<Self> {
        USUAL.store(false, Ordering::SeqCst);
        for signal in ending() {
            signal_hook::flag::register_conditional_default(signal, USUAL.clone())?;
        }
        Ok(Requests {
            signals: SignalsInfo::new(ending())?,
            toggle: None,
        })
    }

    /// Starts to collect those of a recording too; `toggle` is the signal that begins to sample.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn of_recording(toggle: Option<i32>) -> std::io::Result<Self> {
        let mut requests = Self::collect()?;
        requests.toggle = toggle;
        for signal in toggle.into_iter().chain([SIGUSR1]) {
            requests.signals.add_signal(signal)?;
        }
        Ok(requests)
    }

    /// From now on the next request ends p5-spy at once: what comes now may wait for somebody else,
    /// such as a pipe that nobody reads.
    pub fn let_go(&self) {
        USUAL.store(true, Ordering::SeqCst);
    }

    /// Collects them again.
    pub fn hold_again(&self) {
        USUAL.store(false, Ordering::SeqCst);
    }

    /// The requests to end since the last call.
    pub fn take(&mut self) -> Vec<Request> {
        let mut all = self.take_all();
        all.retain(|request| request.wish == Wish::End);
        all
    }

    /// All requests since the last call.
    pub fn take_all(&mut self) -> Vec<Request> {
        let toggle = self.toggle;
        let wish = |signal| match signal {
            SIGUSR1 => Wish::Write,
            other if Some(other) == toggle => Wish::Toggle,
            _ => Wish::End,
        };
        self.signals
            .pending()
            .map(|origin| Request {
                wish: wish(origin.signal),
                signal: origin.signal,
                from_terminal: matches!(origin.cause, Cause::Kernel),
            })
            .collect()
    }
}

/// Keeps requests to end from ending p5-spy while it has the terminal. When dropped they end it
/// again, until [`Requests`] are collected.
pub struct Held {
    /// The signal; 0 for none.
    asked: Arc<AtomicUsize>,
}

impl Held {
    /// Starts to hold them.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn hold() -> std::io::Result<Self> {
        let asked = Arc::new(AtomicUsize::new(0));
        USUAL.store(false, Ordering::SeqCst);
        for signal in ending() {
            signal_hook::flag::register_conditional_default(signal, USUAL.clone())?;
            let number = usize::try_from(signal).unwrap_or(0);
            signal_hook::flag::register_usize(signal, asked.clone(), number)?;
        }
        Ok(Held { asked })
    }

    /// The signal by which somebody asked p5-spy to end.
    pub fn asked(&self) -> Option<i32> {
        let signal = self.asked.load(Ordering::SeqCst);
        i32::try_from(signal).ok().filter(|signal| *signal != 0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        USUAL.store(true, Ordering::SeqCst);
    }
}
