//! How many files this process may have open: each thread that is watched takes some.

#[cfg(not(target_os = "macos"))]
use std::sync::atomic::{AtomicU64, Ordering};

/// What may be open; 0 until somebody asked. On macOS no file is open for what is watched.
#[cfg(not(target_os = "macos"))]
static MOST_OPEN: AtomicU64 = AtomicU64::new(0);

fn limit() -> Option<libc::rlimit> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a valid place for the result.
    let got = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) };
    (got == 0).then_some(limit)
}

/// True if so many more files can be open beside the one of this number, which was opened last.
#[cfg(not(target_os = "macos"))]
pub(crate) fn has_room(number: i32, more: u64) -> bool {
    let most = match MOST_OPEN.load(Ordering::Relaxed) {
        0 => {
            let most = limit().map_or(0, |limit| {
                // FreeBSD's has a sign.
                u64::try_from(i128::from(limit.rlim_cur)).unwrap_or(u64::MAX)
            });
            MOST_OPEN.store(most, Ordering::Relaxed);
            most
        }
        known => known,
    };
    u64::try_from(number).is_ok_and(|number| number.saturating_add(more) < most)
}

/// Lets this process keep as many files open as it may: each thread takes up to four, and the usual
/// limit is 1024.
pub fn allow_many_watches() {
    /// A table of open files that large costs nobody anything.
    const ENOUGH: libc::rlim_t = 1 << 17;
    /// OPEN_MAX (sys/syslimits.h of macOS).
    const FEW: libc::rlim_t = 10240;
    if let Some(mut limit) = limit() {
        let all = libc::rlimit {
            rlim_cur: limit.rlim_cur.max(ENOUGH),
            rlim_max: limit.rlim_max.max(ENOUGH),
        };
        limit.rlim_cur = limit.rlim_cur.max(limit.rlim_max.min(ENOUGH));
        // macOS refuses more than this, however high the limit is (setrlimit(2)).
        let few = libc::rlimit {
            rlim_cur: limit.rlim_cur.max(FEW.min(limit.rlim_max)),
            ..limit
        };
        // Root may have more than the limit allows.
        for wanted in [all, limit, few] {
            // SAFETY: it is initialised. Without more files, looks at threads beyond the limit cost more.
            if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &wanted) } == 0 {
                break;
            }
        }
    }
    #[cfg(not(target_os = "macos"))]
    MOST_OPEN.store(0, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_files_is_as_high_as_it_may_be() {
        allow_many_watches();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find(|l| l.starts_with("Max open files"));
        let numbers: Vec<u64> = line
            .unwrap()
            .split_whitespace()
            .filter_map(|w| w.parse().ok())
            .collect();
        assert!(
            numbers[0] == numbers[1] || numbers[0] >= 1 << 17,
            "{line:?}"
        );
    }
}
