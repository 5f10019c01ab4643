//! The honesty numbers of a recording, for people.

use crate::profile::{Emptiness, Profile, Summary};
use std::fmt::Write as _;

/// A few lines for people.
pub fn text(summary: &Summary, rate: f64) -> String {
    let mut text = format!(
        "{} samples due in {:.1} s: {} good, {} idle, {} waiting for a CPU, {} torn, {} missed",
        summary.attempted,
        summary.duration_seconds,
        summary.good,
        summary.idle,
        summary.ready,
        summary.torn,
        summary.missed
    );
    let failed: u64 = summary
        .errors
        .values()
        .fold(0, |all, count| all.saturating_add(*count));
    if summary.gone > 0 {
        let _ = write!(
            text,
            ", {} of programs that had just ended or become others",
            summary.gone
        );
    }
    let _ = write!(text, ", {failed} failed");
    if failed > 0 {
        let kinds: Vec<String> = summary
            .errors
            .iter()
            .map(|(kind, count)| format!("{kind}: {count}"))
            .collect();
        let _ = write!(text, " ({})", kinds.join(", "));
    }
    let share = if summary.duration_seconds > 0.0 {
        100.0 * summary.cpu_seconds / summary.duration_seconds
    } else {
        0.0
    };
    let _ = write!(text, "; p5-spy itself used {share:.1} % of a CPU");
    if summary.thinned == 0 && summary.missed.saturating_mul(20) > summary.attempted {
        let _ = write!(text, "\np5-spy fell behind {rate} samples a second");
    }
    if summary.made_up.saturating_mul(20) > summary.good {
        let _ = write!(
            text,
            "\nOf {} samples on a CPU {} stand for moments at which p5-spy was not let in: the kernel's \
             account says that the program had a CPU then",
            summary.good, summary.made_up
        );
    }
    if summary.thinned > 0 {
        let taken = summary.attempted.saturating_sub(summary.thinned).max(1);
        let _ = write!(
            text,
            "\nTo cost no more than it may p5-spy took one sample for {:.1}, which counts for all of them",
            summary.attempted as f64 / taken as f64
        );
        if summary.unseen > 0 {
            let _ = write!(
                text,
                ". {} processes ended before the next one",
                summary.unseen
            );
        }
    }
    if summary.away_ms > 0 {
        let _ = write!(
            text,
            "\np5-spy was stopped, or the machine slept, for {:.1} s of it: a gap, in which nothing was due",
            seconds(summary.away_ms)
        );
    }
    if summary.stopped_ms > 0 {
        let _ = write!(
            text,
            "\nThe program was stopped (SIGSTOP, Ctrl-Z) for about {:.1} s of it",
            seconds(summary.stopped_ms)
        );
    }
    if summary.ready > summary.good {
        text.push_str(
            "\nThe program had a CPU for less than half of the time that it wanted one: others have them, or they sleep and take long to wake up",
        );
    }
    if summary.unsure.saturating_mul(20) > summary.good {
        let _ = write!(
            text,
            "\nOf {} samples nobody can tell whether the program was waiting for a CPU: such samples \
             favour lines that make system calls. On Linux, root is told by the kernel",
            summary.unsure
        );
    }
    text
}

fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

/// Why a profile has no samples; `None` where it has some.
pub fn nothing(profile: &Profile) -> Option<String> {
    Some(match profile.emptiness()? {
        Emptiness::NoSample if profile.is_cut => format!(
            "the recording was cut off after {:.1} s, before its first one",
            profile.duration().as_secs_f64()
        ),
        Emptiness::NoSample => "none was taken".into(),
        Emptiness::Filtered => "the filters are too narrow".into(),
        Emptiness::Waiting => {
            "the program was waiting all the time, and that was not counted".into()
        }
        Emptiness::Nameless => {
            "there are only ops outside of any sub, and ops were not counted".into()
        }
    })
}
