//! What the user's Ctrl-C and kill mean while something is sampled.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

/// True when requests to end do what they usually do, though [`Held`] once took them.
static USUAL: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// One request to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// SIGINT, SIGTERM or SIGHUP.
    pub signal: i32,
    /// It came from the terminal, which sends it to a program that we started as well.
    pub from_terminal: bool,
}

/// Collects requests to end; from now on they do not end p5-spy by themselves.
pub struct Requests {
    signals: SignalsInfo<WithOrigin>,
}

impl Requests {
    /// Starts to collect.
    ///
    /// # Errors
    /// When the system refuses a handler.
    pub fn collect() -> std::io::Result<Self> {
        USUAL.store(false, Ordering::SeqCst);
        Ok(Requests {
            signals: SignalsInfo::new([SIGINT, SIGTERM, SIGHUP])?,
        })
    }

    /// The requests since the last call.
    pub fn take(&mut self) -> Vec<Request> {
        self.signals
            .pending()
            .map(|origin| Request {
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
        for signal in [SIGINT, SIGTERM, SIGHUP] {
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
