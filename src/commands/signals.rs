//! What the user's Ctrl-C and kill mean while something is sampled.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

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
