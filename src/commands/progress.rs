//! The line that tells a person how a recording goes on.

use crate::platform::takes_escapes;
use crate::profile::Tally;
use crate::say::part;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between two states of the line.
const EVERY: Duration = Duration::from_millis(250);
/// Characters of the bar.
const WIDTH: usize = 20;

/// A line on the terminal; nothing where standard error is none.
pub struct Progress {
    started: Instant,
    duration: Option<Duration>,
    due: Instant,
    is_shown: bool,
    turn: usize,
}

impl Progress {
    /// With a duration it has a bar, without one something that turns.
    pub fn new(started: Instant, duration: Option<Duration>) -> Self {
        Progress {
            started,
            duration,
            due: started + EVERY,
            is_shown: std::io::stderr().is_terminal() && takes_escapes(),
            turn: 0,
        }
    }

    /// Shows how far it is, now and then; `account` gives the tally and the number of threads.
    pub fn show(&mut self, waits: bool, account: impl FnOnce() -> (Tally, usize)) {
        if !self.is_shown || Instant::now() < self.due {
            return;
        }
        // After a gap there is nothing to catch up with.
        self.due = Instant::now() + EVERY;
        self.turn = self.turn.wrapping_add(1);
        let (tally, threads) = account();
        let away = tally.away.saturating_sub(tally.slept);
        let elapsed = self.started.elapsed().saturating_sub(away);
        let line = line(elapsed, self.duration, self.turn, waits, &tally, threads);
        part(format_args!("\r\x1b[K{line}"));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if self.is_shown {
            part("\r\x1b[K");
        }
    }
}

fn line(
    elapsed: Duration,
    duration: Option<Duration>,
    turn: usize,
    waits: bool,
    tally: &Tally,
    threads: usize,
) -> String {
    let seconds = elapsed.as_secs_f64();
    let head = match duration {
        Some(whole) => {
            let part = (seconds / whole.as_secs_f64().max(0.001)).min(1.0);
            let full = (part * WIDTH as f64) as usize;
            let bar: String = (0..WIDTH)
                .map(|i| if i < full { '█' } else { '░' })
                .collect();
            format!("{bar} {seconds:.0} of {:.0} s", whole.as_secs_f64())
        }
        None => {
            let shapes = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];
            let shape = shapes.get(turn % shapes.len()).copied().unwrap_or(' ');
            format!("{shape} {seconds:.0} s")
        }
    };
    if waits {
        return format!("{head}  not sampling yet, or paused");
    }
    let rate = tally.attempted() as f64 / seconds.max(0.001) / threads.max(1) as f64;
    let lost = tally.failed() + tally.torn + tally.missed;
    format!(
        "{head}  {} samples, {} idle  {rate:.0}/s  {lost} lost",
        tally.good, tally.idle
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_fills() {
        let tally = Tally {
            good: 300,
            idle: 100,
            torn: 1,
            ..Tally::default()
        };
        let at = |seconds| {
            line(
                Duration::from_secs(seconds),
                Some(Duration::from_secs(10)),
                1,
                false,
                &tally,
                1,
            )
        };
        assert_eq!(
            at(5),
            "██████████░░░░░░░░░░ 5 of 10 s  300 samples, 100 idle  80/s  1 lost"
        );
        assert!(at(99).starts_with(&"█".repeat(WIDTH)));
        assert!(line(Duration::ZERO, None, 3, true, &tally, 0).contains("0 s  not sampling"));
    }
}
