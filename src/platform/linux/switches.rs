//! When a thread left a CPU, and with which registers: the kernel's event of context switches. It tells root, those
//! with CAP_PERFMON, and anybody where perf_event_paranoid is 1 or less.

use super::records::Records;
use crate::ids::Tid;
use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_CONTEXT_SWITCHES, PERF_RECORD_SAMPLE, PERF_SAMPLE_REGS_USER, PERF_SAMPLE_TIME,
    perf_event_attr,
};

/// A record for each time that a thread leaves a CPU, of which the kernel keeps the last few.
#[derive(Debug)]
pub(super) struct Switches {
    records: Records,
    /// Bytes of a record.
    length: usize,
}

/// The header, and the time (perf_event_open(2)).
const HEAD: usize = 16;
/// With registers: which kind they are, and at most so many.
const LONGEST: usize = HEAD + 8 + 64 * 8;

impl Switches {
    /// Of a thread; with these user registers (asm/perf_regs.h), if any.
    pub(super) fn of(tid: Tid, registers: u64) -> Option<Self> {
        let kinds = match registers {
            0 => PERF_SAMPLE_TIME,
            _ => PERF_SAMPLE_TIME | PERF_SAMPLE_REGS_USER,
        };
        let words = match registers {
            0 => 0,
            some => 1 + some.count_ones() as usize,
        };
        let wanted = perf_event_attr {
            config: u64::from(PERF_COUNT_SW_CONTEXT_SWITCHES),
            sample_type: u64::from(kinds),
            sample_regs_user: registers,
            ..perf_event_attr::default()
        };
        Some(Switches {
            records: Records::of(tid, wanted)?,
            length: HEAD + 8 * words,
        })
    }

    pub(super) fn descriptor(&self) -> i32 {
        self.records.descriptor()
    }

    /// Since when there are records: nanoseconds of CLOCK_MONOTONIC.
    pub(super) fn opened(&self) -> u64 {
        self.records.opened()
    }

    /// When the thread left a CPU last.
    pub(super) fn last(&self) -> Option<u64> {
        let record = self.newest()?;
        Some(u64::from_ne_bytes(record.get(8..HEAD)?.try_into().ok()?))
    }

    /// The record of that, from its header on.
    pub(super) fn newest(&self) -> Option<[u8; LONGEST]> {
        let mut record = [0; LONGEST];
        self.records.newest(record.get_mut(..self.length)?)?;
        let kind = u32::from_ne_bytes(record.get(..4)?.try_into().ok()?);
        (kind == PERF_RECORD_SAMPLE).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::clocks::monotonic;

    #[test]
    fn a_thread_that_leaves_its_cpu_leaves_a_record() {
        // SAFETY: gettid has no preconditions.
        let Some(switches) = Switches::of(unsafe { Tid::from(libc::gettid()) }, 0) else {
            return;
        };
        let before = monotonic();
        std::thread::sleep(std::time::Duration::from_millis(2));
        let time = switches.last().unwrap();
        assert!(time >= before && time <= monotonic(), "{before} {time}");
    }
}
