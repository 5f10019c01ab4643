//! The registers that a thread had when it left its CPU last, as the kernel records them with its switches: nothing
//! is stopped for it.

use super::switches::Switches;
use crate::ids::Tid;
use crate::platform::LeftRegisters;

/// Those that a function keeps for its caller, the stack pointer and the program counter: bits of the kernel's mask
/// (asm/perf_regs.h), each with DWARF's number of the register; `None` for the program counter.
#[cfg(target_arch = "x86_64")]
const ASKED: &[(u32, Option<u16>)] = &[
    (1, Some(3)),
    (6, Some(6)),
    (7, Some(7)),
    (8, None),
    (20, Some(12)),
    (21, Some(13)),
    (22, Some(14)),
    (23, Some(15)),
];
#[cfg(target_arch = "aarch64")]
const ASKED: &[(u32, Option<u16>)] = &[
    (19, Some(19)),
    (20, Some(20)),
    (21, Some(21)),
    (22, Some(22)),
    (23, Some(23)),
    (24, Some(24)),
    (25, Some(25)),
    (26, Some(26)),
    (27, Some(27)),
    (28, Some(28)),
    (29, Some(29)),
    (30, Some(30)),
    (31, Some(31)),
    (32, None),
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const ASKED: &[(u32, Option<u16>)] = &[];

/// `PERF_SAMPLE_REGS_ABI_64` (linux/perf_event.h).
const WIDE: u64 = 2;

/// Watches one thread's switches with its registers.
#[derive(Debug)]
pub struct RegisterWatch(Switches);

impl RegisterWatch {
    /// `None` where the kernel tells us nothing of them: that takes root, CAP_PERFMON, or perf_event_paranoid of 1 or
    /// less.
    pub fn of(tid: Tid) -> Option<Self> {
        let mask = ASKED.iter().fold(0, |mask, (bit, _)| mask | 1 << bit);
        let switches = (mask != 0).then(|| Switches::of(tid, mask))?;
        switches.map(RegisterWatch)
    }

    /// When it left CPUs.
    pub(super) fn switches(&self) -> &Switches {
        &self.0
    }

    /// What it had when it left a CPU last; `None` where it has left none yet, or is a thread of 32 bits.
    pub fn last(&self) -> Option<LeftRegisters> {
        parse(&self.0.newest()?)
    }
}

/// The time, which kind of registers these are, and they themselves in the order of their bits.
fn parse(record: &[u8]) -> Option<LeftRegisters> {
    let word = |index: usize| {
        let at = 8 * (index + 1);
        Some(u64::from_ne_bytes(record.get(at..at + 8)?.try_into().ok()?))
    };
    if word(1)? != WIDE {
        return None;
    }
    let mut left = LeftRegisters {
        time: word(0)?,
        pc: 0,
        values: Vec::new(),
    };
    for (index, (_, number)) in ASKED.iter().enumerate() {
        let value = word(2 + index)?;
        match number {
            Some(number) => left.values.push((*number, value)),
            None => left.pc = value,
        }
    }
    Some(left)
}
