//! The honesty numbers of a recording: for people, and as JSON for `--stats`.

use crate::profile::Tally;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// What a recording did and cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Samples that were due: good + idle + torn + missed + all errors.
    pub attempted: u64,
    /// Stacks of running threads.
    pub good: u64,
    /// Times a thread was waiting.
    pub idle: u64,
    /// Times a thread moved in every try to read it.
    pub torn: u64,
    /// Samples that were due while p5-spy was still busy or not scheduled.
    pub missed: u64,
    /// Failures by kind.
    pub errors: BTreeMap<String, u64>,
    /// Of `attempted`, those for which p5-spy was woken late: more than a few mean that lines
    /// which make system calls have more than their share.
    pub late: u64,
    /// Of `good` and `idle`, stacks that were read while the target could run on.
    pub approximate: u64,
    /// How long the recording took.
    pub duration_seconds: f64,
    /// CPU time that p5-spy itself used.
    pub cpu_seconds: f64,
    /// System calls that read the target.
    pub remote_reads: u64,
}

impl Summary {
    /// The numbers of a finished recording.
    pub fn new(tally: &Tally, duration: Duration, cpu: Duration, remote_reads: u64) -> Self {
        Summary {
            attempted: tally.attempted(),
            good: tally.good,
            idle: tally.idle,
            torn: tally.torn,
            missed: tally.missed,
            late: tally.late,
            approximate: tally.approximate,
            errors: tally
                .errors
                .iter()
                .map(|(kind, count)| ((*kind).to_owned(), *count))
                .collect(),
            duration_seconds: duration.as_secs_f64(),
            cpu_seconds: cpu.as_secs_f64(),
            remote_reads,
        }
    }

    /// A few lines for people.
    pub fn text(&self, rate: f64) -> String {
        let mut text = format!(
            "{} samples due in {:.1} s: {} good, {} idle, {} torn, {} missed",
            self.attempted, self.duration_seconds, self.good, self.idle, self.torn, self.missed
        );
        let failed: u64 = self.errors.values().sum();
        let _ = write!(text, ", {failed} failed");
        if failed > 0 {
            let kinds: Vec<String> = self
                .errors
                .iter()
                .map(|(kind, count)| format!("{kind}: {count}"))
                .collect();
            let _ = write!(text, " ({})", kinds.join(", "));
        }
        let share = if self.duration_seconds > 0.0 {
            100.0 * self.cpu_seconds / self.duration_seconds
        } else {
            0.0
        };
        let _ = write!(text, "; p5-spy itself used {share:.1} % of a CPU");
        let disturbed = 20 * self.missed > self.attempted;
        if disturbed && 10 * self.late < self.attempted {
            let _ = write!(
                text,
                "\np5-spy fell behind {rate} samples a second. Take a lower --rate"
            );
        } else if disturbed || 5 * self.late > self.attempted {
            text.push_str(
                "\np5-spy was often woken late, which favours lines that make system calls: \
                 the CPUs are busy. Run it as root (it then takes the lowest real-time priority), \
                 or take a lower --rate",
            );
        }
        text
    }
}

/// CPU time of this process so far.
pub fn own_cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid place for the result.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    if done != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}
