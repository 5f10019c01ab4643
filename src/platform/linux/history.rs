//! When a thread came to a CPU and left it: records of its switches that the kernel keeps for anybody who may look at
//! the thread, at perf_event_paranoid 2, too (`PERF_RECORD_SWITCH`, Linux 4.3). Who is let in late, having no real-time
//! priority, learns from them where the thread was when a sample was due.

use super::records::Records;
use super::switch_time::SwitchTime;
use crate::ids::Tid;
use crate::platform::{HeldCpu, Leave, Stint};
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
/// So many are looked at first.
const FEW: usize = 64;
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
        let mut bytes = [0; ALL * LENGTH];
        // Who answers a pipe comes and goes a hundred thousand times a second.
        [FEW, ALL].into_iter().find_map(|most| {
            let switches = self.switches(bytes.get_mut(..most * LENGTH)?)?;
            let is_all = switches.len() < most;
            judge(&switches, since, is_all.then(|| self.0.opened()), time)
        })
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

/// Whether it had a CPU, by its switches, the newest first; by all of them, recorded since `opened`, if that is told.
fn judge(
    switches: &[Switch],
    since: u64,
    opened: Option<u64>,
    time: &SwitchTime,
) -> Option<HeldCpu> {
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
        None if opened.is_some_and(|opened| opened <= since) => {
            next.is_some_and(|switch| switch.is_out)
        }
        None => return None,
    };
    if !was_there {
        return Some(HeldCpu::Not);
    }
    let came = had.and_then(&began).or(opened).unwrap_or(since);
    let before = had.and_then(|number| switches.get(number + 1));
    let stint = Stint {
        age: Duration::from_nanos(since.saturating_sub(came)),
        was_woken: before.is_some_and(|left| !left.was_set_aside),
    };
    Some(match next {
        Some(left) if left.is_out && is_newest => HeldCpu::Until(Leave {
            after: Duration::from_nanos(left.at.saturating_sub(since)),
            waits: !left.was_set_aside,
            stint,
        }),
        _ => HeldCpu::RanOn(stint),
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
        plain(judge(
            &newest_first,
            since,
            Some(10),
            &SwitchTime::default(),
        ))
    }

    /// Without where in its time on a CPU it was.
    fn plain(held: Option<HeldCpu>) -> Option<HeldCpu> {
        let stint = Stint::default();
        Some(match held? {
            HeldCpu::Until(leave) => HeldCpu::Until(Leave { stint, ..leave }),
            HeldCpu::RanOn(_) => RAN_ON,
            HeldCpu::Not => HeldCpu::Not,
        })
    }

    const RAN_ON: HeldCpu = HeldCpu::RanOn(Stint {
        age: Duration::ZERO,
        was_woken: false,
    });

    fn until(after: u64, waits: bool) -> Option<HeldCpu> {
        let after = Duration::from_nanos(after);
        let stint = Stint::default();
        Some(HeldCpu::Until(Leave {
            after,
            waits,
            stint,
        }))
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
        assert_eq!(at(150, &all), Some(RAN_ON));
        assert_eq!(at(350, &all), Some(RAN_ON));
        let more = [&all[..], &[from(400, true)]].concat();
        assert_eq!(at(150, &more), Some(RAN_ON));
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
    fn of_what_is_no_longer_kept_nobody_can_tell() {
        let switches = [from(400, true), to(300), from(200, false), to(100)];
        let time = SwitchTime::default();
        assert_eq!(judge(&switches, 50, None, &time), None);
        assert_eq!(plain(judge(&switches, 350, None, &time)), until(50, false));
        assert_eq!(judge(&switches, 50, Some(10), &time), Some(HeldCpu::Not));
    }

    #[test]
    fn a_moment_has_its_place_in_the_time_on_a_cpu() {
        let stint = |since, switches: &[Switch]| {
            let newest_first: Vec<_> = switches.iter().rev().copied().collect();
            judge(&newest_first, since, Some(10), &SwitchTime::default())?.stint()
        };
        let old = |nanos, was_woken| {
            let age = Duration::from_nanos(nanos);
            Some(Stint { age, was_woken })
        };
        let woken = [from(100, false), to(200), from(300, true), to(400)];
        assert_eq!(stint(250, &woken), old(50, true));
        assert_eq!(stint(450, &woken), old(50, false));
        assert_eq!(stint(350, &woken), None);
        // Since it is watched.
        assert_eq!(stint(90, &[from(100, true)]), old(80, false));
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
        let held = |since| plain(judge(&switches, since, Some(10), &time));
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
            plain(history.held(before, &SwitchTime::default())),
            Some(RAN_ON)
        );
        let asleep = before + 1_000_000;
        assert_eq!(
            history.held(asleep, &SwitchTime::default()),
            Some(HeldCpu::Not)
        );
    }
}
