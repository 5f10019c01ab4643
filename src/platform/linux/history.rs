//! When a thread came to a CPU and left it: records of its switches that the kernel keeps for anybody who may look at
//! the thread, at perf_event_paranoid 2, too (`PERF_RECORD_SWITCH`, Linux 4.3). Who is let in late, having no real-time
//! priority, learns from them where the thread was when a sample was due.

use super::records::Records;
use crate::ids::Tid;
use crate::platform::{HeldCpu, Leave};
use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_DUMMY, PERF_RECORD_MISC_SWITCH_OUT, PERF_RECORD_MISC_SWITCH_OUT_PREEMPT,
    PERF_RECORD_SWITCH, PERF_SAMPLE_TIME, perf_event_attr,
};
use std::time::Duration;

/// The last switches of a thread.
#[derive(Debug)]
pub(super) struct History(Records);

/// A record: its head, and the time.
const LENGTH: usize = 16;
/// So many are looked at: no thread comes and goes more often while we wait for a CPU.
const MOST: usize = 64;

/// One record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Switch {
    /// Nanoseconds of CLOCK_MONOTONIC.
    at: u64,
    /// It left a CPU; otherwise it came to one.
    is_out: bool,
    /// It would have run on (Linux 4.17).
    was_set_aside: bool,
}

impl Switch {
    fn parse(record: &[u8]) -> Option<Self> {
        let kind = u32::from_ne_bytes(record.get(..4)?.try_into().ok()?);
        let flags = u32::from(u16::from_ne_bytes(record.get(4..6)?.try_into().ok()?));
        (kind == PERF_RECORD_SWITCH).then_some(Switch {
            at: u64::from_ne_bytes(record.get(8..LENGTH)?.try_into().ok()?),
            is_out: flags & PERF_RECORD_MISC_SWITCH_OUT != 0,
            was_set_aside: flags & PERF_RECORD_MISC_SWITCH_OUT_PREEMPT != 0,
        })
    }
}

impl History {
    /// Of a thread, from now on. `None` where the kernel refuses.
    pub(super) fn of(tid: Tid) -> Option<Self> {
        let mut wanted = perf_event_attr {
            config: u64::from(PERF_COUNT_SW_DUMMY),
            sample_type: u64::from(PERF_SAMPLE_TIME),
            ..perf_event_attr::default()
        };
        wanted.set_exclude_kernel(1);
        wanted.set_context_switch(1);
        wanted.set_sample_id_all(1);
        Records::of(tid, wanted).map(History)
    }

    pub(super) fn descriptor(&self) -> i32 {
        self.0.descriptor()
    }

    /// Whether the thread had a CPU at that time (nanoseconds of CLOCK_MONOTONIC), as far as it has left one since we
    /// watch. `None` where the records do not go back as far.
    pub(super) fn held(&self, since: u64) -> Option<HeldCpu> {
        let mut bytes = [0; MOST * LENGTH];
        let length = self.0.newest(&mut bytes)?;
        let (records, _) = bytes.get(..length)?.as_chunks::<LENGTH>();
        let switches = records.iter().map_while(|record| Switch::parse(record));
        judge(switches, since, self.0.opened())
    }
}

/// The same by its switches, the newest first, recorded since `opened`.
fn judge(switches: impl Iterator<Item = Switch>, since: u64, opened: u64) -> Option<HeldCpu> {
    // The first after that time, and whether it is the newest of all.
    let mut next: Option<(Switch, bool)> = None;
    let mut had = None;
    for (number, switch) in switches.enumerate() {
        if switch.at <= since {
            had = Some(!switch.is_out);
            break;
        }
        next = Some((switch, number == 0));
    }
    // Before its first switch it was where that found it.
    let first = || (opened <= since).then(|| next.is_some_and(|(switch, _)| switch.is_out));
    let Some(true) = had.or_else(first) else {
        return had.or_else(first).map(|_| HeldCpu::Not);
    };
    Some(match next {
        Some((left, true)) if left.is_out => HeldCpu::Until(Leave {
            after: Duration::from_nanos(left.at - since),
            waits: !left.was_set_aside,
        }),
        _ => HeldCpu::RanOn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(at: u64) -> Switch {
        Switch {
            at,
            is_out: false,
            was_set_aside: false,
        }
    }

    fn from(at: u64, was_set_aside: bool) -> Switch {
        Switch {
            at,
            is_out: true,
            was_set_aside,
        }
    }

    /// By switches in the order of time, recorded since 10.
    fn at(since: u64, switches: &[Switch]) -> Option<HeldCpu> {
        judge(switches.iter().rev().copied(), since, 10)
    }

    fn until(after: u64, waits: bool) -> Option<HeldCpu> {
        let after = Duration::from_nanos(after);
        Some(HeldCpu::Until(Leave { after, waits }))
    }

    #[test]
    fn it_held_a_cpu_if_it_had_come_and_not_left() {
        let all = [to(100), from(200, true)];
        assert_eq!(at(150, &all), until(50, false));
        assert_eq!(at(100, &all), until(100, false));
        assert_eq!(at(250, &all), Some(HeldCpu::Not));
        assert_eq!(at(50, &all), Some(HeldCpu::Not));
        assert_eq!(at(150, &[to(100), from(200, false)]), until(50, true));
    }

    #[test]
    fn who_has_run_since_is_elsewhere() {
        let all = [to(100), from(200, true), to(300)];
        assert_eq!(at(150, &all), Some(HeldCpu::RanOn));
        assert_eq!(at(350, &all), Some(HeldCpu::RanOn));
        let more = [&all[..], &[from(400, true)]].concat();
        assert_eq!(at(150, &more), Some(HeldCpu::RanOn));
        assert_eq!(at(350, &more), until(50, false));
    }

    #[test]
    fn before_its_first_switch_it_was_where_that_found_it() {
        assert_eq!(at(150, &[from(200, true)]), until(50, false));
        assert_eq!(at(150, &[to(200)]), Some(HeldCpu::Not));
        assert_eq!(at(150, &[]), Some(HeldCpu::Not));
        assert_eq!(at(5, &[from(200, true)]), None);
    }

    #[test]
    fn an_ordinary_users_thread_has_its_history() {
        // SAFETY: gettid has no preconditions.
        let Some(history) = History::of(unsafe { Tid::from(libc::gettid()) }) else {
            return;
        };
        let (before, nap) = (
            crate::platform::clocks::monotonic(),
            Duration::from_millis(2),
        );
        std::thread::sleep(nap);
        // It had its CPU before, and has one again.
        assert_eq!(history.held(before), Some(HeldCpu::RanOn));
        let asleep = before + 1_000_000;
        assert_eq!(history.held(asleep), Some(HeldCpu::Not));
    }
}
