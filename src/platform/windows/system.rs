//! Every process and thread of the machine, by one question (NtQuerySystemInformation, class 5).

use super::wide::{bytes_of, units};
use crate::ids::{Pid, Tid};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use windows_sys::Wdk::System::SystemInformation::{
    NtQuerySystemInformation, SystemProcessInformation,
};
use windows_sys::Win32::Foundation::{STATUS_INFO_LENGTH_MISMATCH, STATUS_SUCCESS};

/// What the system says of a process (`SYSTEM_PROCESS_INFORMATION`).
#[derive(Debug, Clone)]
pub(super) struct OneProcess {
    pub(super) pid: Pid,
    pub(super) parent: Pid,
    /// The name of its file.
    pub(super) name: Vec<u8>,
    /// When it began: units of 100 ns since 1601.
    pub(super) began: u64,
    /// Bytes of its address space.
    pub(super) size: u64,
    /// CPU time of all its threads.
    pub(super) cpu: Duration,
    pub(super) threads: Vec<OneThread>,
}

/// What the system says of a thread (`SYSTEM_THREAD_INFORMATION`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OneThread {
    pub(super) tid: Tid,
    pub(super) began: u64,
    pub(super) cpu: Duration,
    /// How often it got a CPU.
    pub(super) switches: u32,
    pub(super) state: u32,
    pub(super) reason: u32,
}

/// States (KTHREAD_STATE): ready, running, standby, deferred ready.
const RUNS: [u32; 4] = [1, 2, 3, 7];
const TERMINATED: u32 = 4;
const WAITING: u32 = 5;
/// Why it waits (KWAIT_REASON): it was suspended, by itself or another.
const SUSPENDED: u32 = 5;

impl OneThread {
    /// It has a CPU, or wants one.
    pub(super) fn wants_cpu(&self) -> bool {
        RUNS.contains(&self.state)
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == TERMINATED
    }

    /// Somebody has stopped it.
    pub(super) fn is_stopped(&self) -> bool {
        (self.state, self.reason) == (WAITING, SUSPENDED)
    }
}

/// All of one moment.
#[derive(Debug, Default)]
pub(super) struct System {
    pub(super) processes: Vec<OneProcess>,
}

/// Bytes of SYSTEM_PROCESS_INFORMATION and of each SYSTEM_THREAD_INFORMATION behind it, on 64 bits.
const PROCESS: usize = 0x100;
const THREAD: usize = 0x50;

/// The last answer, and when it was asked for.
static LAST: Mutex<Option<(Instant, Arc<System>)>> = Mutex::new(None);

impl System {
    /// What the system says now, and not a moment ago.
    pub(super) fn now() -> Arc<Self> {
        Self::younger_than(Duration::ZERO)
    }

    /// Now, or so long ago: who asks of each of many threads asks once.
    pub(super) fn younger_than(age: Duration) -> Arc<Self> {
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, system)) = &*last
            && when.elapsed() < age
        {
            return system.clone();
        }
        let when = Instant::now();
        let system = Arc::new(ask().unwrap_or_default());
        *last = Some((when, system.clone()));
        system
    }

    pub(super) fn process(&self, pid: Pid) -> Option<&OneProcess> {
        self.processes.iter().find(|one| one.pid == pid)
    }
}

impl OneProcess {
    pub(super) fn thread(&self, tid: Tid) -> Option<&OneThread> {
        self.threads.iter().find(|one| one.tid == tid)
    }

    /// It began first, and has its first thread still unless that has ended.
    pub(super) fn first_thread(&self) -> Option<Tid> {
        let first = self.threads.iter().min_by_key(|one| (one.began, one.tid));
        first.map(|one| one.tid)
    }
}

fn ask() -> Option<System> {
    /// The answer grows while it is asked for.
    const TRIES: usize = 16;
    let mut words = vec![0_u64; 16 << 10];
    for _ in 0..TRIES {
        let room = u32::try_from(words.len() * size_of::<u64>()).ok()?;
        let mut length = 0;
        // SAFETY: the buffer is as long as is said, and aligned for what comes.
        let asked = unsafe {
            NtQuerySystemInformation(
                SystemProcessInformation,
                words.as_mut_ptr().cast(),
                room,
                &mut length,
            )
        };
        match asked {
            STATUS_SUCCESS => return Some(parse(&words, length as usize)),
            STATUS_INFO_LENGTH_MISMATCH => words.resize(words.len() * 2, 0),
            _ => return None,
        }
    }
    None
}

fn parse(words: &[u64], length: usize) -> System {
    let base = words.as_ptr() as u64;
    let length = length.min(size_of_val(words));
    // SAFETY: so many bytes are there, and every byte may have any value.
    let bytes = unsafe { std::slice::from_raw_parts(words.as_ptr().cast::<u8>(), length) };
    let mut system = System::default();
    let mut at = 0;
    while let Some(entry) = bytes.get(at..) {
        system.processes.extend(process(bytes, base, entry));
        match number(entry, 0, 4) {
            Some(next) if next > 0 => at += next as usize,
            _ => break,
        }
    }
    system
}

/// `bytes` are all, which lie at `base`.
fn process(bytes: &[u8], base: u64, entry: &[u8]) -> Option<OneProcess> {
    let word = |at| number(entry, at, 8);
    let (name_length, name_at) = (number(entry, 56, 2)? as usize, word(64)?);
    let name = name_at.checked_sub(base).and_then(|start| {
        let start = usize::try_from(start).ok()?;
        bytes.get(start..start.checked_add(name_length)?)
    });
    let count = number(entry, 4, 4)? as usize;
    let threads = entry.get(PROCESS..)?.chunks_exact(THREAD).take(count);
    Some(OneProcess {
        pid: Pid::from(u32::try_from(word(80)?).ok()?),
        parent: Pid::from(u32::try_from(word(88)?).ok()?),
        name: bytes_of(&units(name.unwrap_or_default())),
        began: word(32)?,
        size: word(120)?,
        cpu: span(word(40)?.saturating_add(word(48)?)),
        threads: threads.filter_map(thread).collect(),
    })
}

fn thread(entry: &[u8]) -> Option<OneThread> {
    let (word, half) = (|at| number(entry, at, 8), |at| number(entry, at, 4));
    let small = |at| u32::try_from(half(at)?).ok();
    Some(OneThread {
        tid: Tid::from(u32::try_from(word(48)?).ok()?),
        began: word(16)?,
        cpu: span(word(0)?.saturating_add(word(8)?)),
        switches: small(64)?,
        state: small(68)?,
        reason: small(72)?,
    })
}

fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let mut whole = [0; 8];
    whole
        .get_mut(..size)?
        .copy_from_slice(bytes.get(at..at.checked_add(size)?)?);
    Some(u64::from_le_bytes(whole))
}

/// The system's unit of time is 100 ns.
pub(super) fn span(units: u64) -> Duration {
    Duration::from_nanos(units.saturating_mul(100))
}
