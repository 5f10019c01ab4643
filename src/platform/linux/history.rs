//! When a thread came to a CPU and left it: records of its switches that the kernel keeps for anybody who may look at
//! the thread, at perf_event_paranoid 2, too (`PERF_RECORD_SWITCH`, Linux 4.3). Who is let in late, having no real-time
//! priority, learns from them where the thread was when a sample was due.

use super::records::Records;
use super::switch_time::SwitchTime;
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
/// As many as are kept.
const ALL: usize = 256;

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

    /// Whether the thread had a CPU at that time (nanoseconds of CLOCK_MONOTONIC), or was being brought to one, as far as
    /// it has left one since we watch. `None` where the records do not go back as far.
    pub(super) fn held(&self, since: u64, time: &SwitchTime) -> Option<HeldCpu> {
        let mut bytes = [0; MOST * LENGTH];
        let switches = self.switches(&mut bytes)?;
        judge(&switches, since, self.0.opened(), time)
    }

    /// When it came to a CPU or left one last.
    pub(super) fn last(&self) -> Option<u64> {
        let mut bytes = [0; LENGTH];
        Some(self.switches(&mut bytes)?.first()?.at)
    }

    /// When it left its CPU; `None` while it is on one.
    pub(super) fn left(&self) -> Option<u64> {
        let mut bytes = [0; LENGTH];
        let newest = *self.switches(&mut bytes)?.first()?;
        newest.is_out.then_some(newest.at)
    }

    /// Since it left its CPU at that time, until it did so last: how long it was on CPUs, and before each time how long it
    /// was away. `None` where the records do not go back as far.
    pub(super) fn turns(&self, since: u64) -> Option<(u64, Vec<u64>)> {
        let mut bytes = [0; ALL * LENGTH];
        turns(&self.switches(&mut bytes)?, since)
    }

    /// The newest first.
    fn switches(&self, bytes: &mut [u8]) -> Option<Vec<Switch>> {
        let length = self.0.newest(bytes)?;
        let (records, _) = bytes.get(..length)?.as_chunks::<LENGTH>();
        let switches = records.iter().map_while(|record| Switch::parse(record));
        Some(switches.collect())
    }
}

/// By the switches of a thread, the newest first.
fn turns(switches: &[Switch], since: u64) -> Option<(u64, Vec<u64>)> {
    let (mut there, mut away) = (0, Vec::new());
    for pair in switches.windows(2) {
        let [later, earlier] = pair else { continue };
        if later.at == since {
            return Some((there, away));
        }
        let between = later.at.saturating_sub(earlier.at);
        match (earlier.is_out, later.is_out) {
            (false, true) => there += between,
            (true, false) => away.push(between),
            _ => return None,
        }
    }
    switches.last().filter(|last| last.at == since)?;
    Some((there, away))
}

/// Whether it had a CPU, by its switches, the newest first, recorded since `opened`.
fn judge(switches: &[Switch], since: u64, opened: u64, time: &SwitchTime) -> Option<HeldCpu> {
    let began = |number: usize| {
        let switch = switches.get(number)?;
        if switch.is_out {
            return Some(switch.at);
        }
        let before = switches.get(number + 1);
        let lead = before.map_or(0, |left| time.after(switch.at.saturating_sub(left.at)));
        Some(switch.at - lead)
    };
    let numbers = 0..switches.len();
    let had = numbers
        .into_iter()
        .find(|number| began(*number).is_some_and(|at| at <= since));
    // The first after that time.
    let next = match had {
        Some(0) => None,
        Some(number) => switches.get(number - 1),
        None => switches.last(),
    };
    let is_newest = matches!(had, Some(1)) || (had.is_none() && switches.len() == 1);
    let was_there = match had.and_then(|number| switches.get(number)) {
        Some(switch) => !switch.is_out,
        // Before its first switch it was where that found it.
        None if opened <= since => next.is_some_and(|switch| switch.is_out),
        None => return None,
    };
    if !was_there {
        return Some(HeldCpu::Not);
    }
    Some(match next {
        Some(left) if left.is_out && is_newest => HeldCpu::Until(Leave {
            after: Duration::from_nanos(left.at.saturating_sub(since)),
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
        let newest_first: Vec<_> = switches.iter().rev().copied().collect();
        judge(&newest_first, since, 10, &SwitchTime::default())
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
    fn who_is_being_brought_to_a_cpu_has_it() {
        let mut time = SwitchTime::default();
        for turn in 1..100_u64 {
            time.learn(turn, turn * 30_000, |_| Some((20_000, vec![300_000])));
        }
        let lead = time.after(300_000);
        assert!((9_000..=10_000).contains(&lead), "{lead}");
        let switches = [
            from(1_400_000, false),
            to(1_300_000),
            from(1_000_000, false),
        ];
        let held = |since| judge(&switches, since, 10, &time);
        assert_eq!(held(1_300_000 - lead), until(100_000 + lead, true));
        assert_eq!(held(1_300_000 - lead - 1), Some(HeldCpu::Not));
        assert_eq!(held(1_000_001), Some(HeldCpu::Not));
    }

    #[test]
    fn turns_are_counted_between_two_leaves() {
        let switches: Vec<_> = [
            from(100, true),
            to(150),
            from(160, false),
            to(400),
            from(430, true),
        ]
        .into_iter()
        .rev()
        .collect();
        assert_eq!(turns(&switches, 100), Some((40, vec![240, 50])));
        assert_eq!(turns(&switches, 160), Some((30, vec![240])));
        assert_eq!(turns(&switches, 430), Some((0, Vec::new())));
        assert_eq!(turns(&switches, 90), None);
        assert_eq!(turns(&[from(5, true), from(3, true)], 3), None);
        assert_eq!(turns(&[], 3), None);
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
        assert_eq!(
            history.held(before, &SwitchTime::default()),
            Some(HeldCpu::RanOn)
        );
        let asleep = before + 1_000_000;
        assert_eq!(
            history.held(asleep, &SwitchTime::default()),
            Some(HeldCpu::Not)
        );
    }
}
