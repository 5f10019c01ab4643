//! What a recording leaves open, in words.

use crate::cli::hints::{NATIVE_NEEDS, SEE_SHORTER, notice};
use crate::ids::Pid;
use crate::profile::Summary;
use crate::remedy::Notice;
use crate::sampler::{End, TOO_FEW_FILES};
use std::collections::BTreeMap;

/// Of the perls that could not be read so many are named.
const MOST: usize = 3;

/// Why not one sample was due; `None` where some were.
pub fn nothing_due(end: &End, summary: &Summary) -> Option<String> {
    if summary.attempted > 0 {
        return None;
    }
    Some(match end {
        End::TargetEnded => format!(
            "No sample was due: within {:.1} s nothing of the program was a perl for long enough. {SEE_SHORTER}",
            summary.duration_seconds
        ),
        End::Lost(_) => "No sample was due before the process became another program".into(),
        End::Stuck => "No sample was due before the first read that did not come back".into(),
        End::Stopped | End::Duration => {
            "No sample was due: no thread that runs Perl was seen meanwhile".into()
        }
    })
}

/// Of how many samples it is known what ran in C, and what would make them more.
pub fn with_code(summary: &Summary) -> String {
    let said = format!(
        "Of {} samples on a CPU it is known of {} what ran in C",
        summary.good, summary.native
    );
    match summary.native.saturating_mul(2) < summary.good {
        false => said,
        true => format!("{said}. {NATIVE_NEEDS}"),
    }
}

/// What to do about samples that were not taken as too many files are open.
pub fn too_few_files(summary: &Summary) -> Option<String> {
    let count = summary.errors.get(TOO_FEW_FILES)?;
    Some(format!(
        "{count} samples were not taken: too few files can be open for so many threads. Raise the limit (ulimit -n)"
    ))
}

/// What is said of processes that were not looked into before the end.
pub fn unlooked(count: usize) -> Option<String> {
    let (what, they) = match count {
        0 => return None,
        1 => ("1 process".to_owned(), "It"),
        _ => (format!("{count} processes"), "They"),
    };
    Some(format!(
        "Not sampled: {what} that there was no time to look into. {they} may be perls: record for longer, or with less to do for the CPUs"
    ))
}

/// What is said of perls that could not be read.
pub fn unread(processes: &BTreeMap<Pid, Notice>) -> Vec<String> {
    let mut lines: Vec<String> = processes
        .iter()
        .take(MOST)
        .map(|(pid, why)| format!("Not sampled: process {pid}: {}", notice(why.clone())))
        .collect();
    if let Some(more @ 1..) = processes.len().checked_sub(MOST) {
        lines.push(format!("Not sampled either: {more} more processes"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_passes_without_a_word() {
        let mut summary = Summary::default();
        for end in [End::Stopped, End::Duration, End::TargetEnded, End::Stuck] {
            let said = nothing_due(&end, &summary).unwrap();
            assert!(said.starts_with("No sample was due"), "{said}");
        }
        summary.attempted = 1;
        assert_eq!(nothing_due(&End::TargetEnded, &summary), None);
    }

    #[test]
    fn a_few_perls_are_named_and_all_are_counted() {
        let of = |count| {
            (1..=count)
                .map(|pid: i32| (pid.into(), format!("reason {pid}").into()))
                .collect()
        };
        assert_eq!(unlooked(0), None);
        assert!(unlooked(7).unwrap().contains("7 processes that"));
        assert!(unread(&of(0)).is_empty());
        assert_eq!(unread(&of(1)), ["Not sampled: process 1: reason 1"]);
        let many = unread(&of(9));
        assert_eq!(many.len(), MOST + 1);
        assert_eq!(many.last().unwrap(), "Not sampled either: 6 more processes");
    }
}
