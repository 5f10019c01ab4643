//! What the user's Ctrl-C and kill mean while something is sampled.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::origin::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To end.
    End,
    /// To write what there is so far (SIGUSR1).
    Write,
    /// To begin to sample, or to pause.
    Toggle,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What is asked for.
    pub wish: Wish,
    /// The signal.
    pub signal: i32,
    /// It came from the terminal, which sends it to a program that we started as well.
    pub from_terminal: bool,
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
        Ok(Requests {
            signals: SignalsInfo::new([SIGINT, SIGTERM, SIGHUP])?,
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
