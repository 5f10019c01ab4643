//! Whether a thread held its CPU when we came there, or only wanted to. /proc calls both "running".
//! Samples of a thread that waits for a CPU gather where it was sent away or woken up: they say
//! nothing of where it spends CPU time.

use crate::ids::{Pid, Tid};
use crate::platform::clocks::monotonic;
use crate::platform::limits::has_room;
use perf_event_open_sys::bindings::{
    PERF_COUNT_SW_CONTEXT_SWITCHES, PERF_FLAG_FD_CLOEXEC, PERF_RECORD_SAMPLE,
    PERF_SAMPLE_REGS_USER, PERF_SAMPLE_TIME, PERF_TYPE_SOFTWARE, perf_event_attr,
    perf_event_mmap_page,
};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Our coming to a CPU.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Where it was.
    pub cpu: usize,
    /// What the scheduler says of it, if it was asked.
    account: Option<Account>,
}

impl Arrival {
    /// Our coming to that CPU.
    pub fn new(cpu: usize) -> Self {
        Arrival { cpu, account: None }
    }
}

/// Watches one thread.
#[derive(Debug)]
pub struct Witness {
    source: WitnessSource,
}

#[derive(Debug)]
enum WitnessSource {
    Switches(Switches),
    Accounts(File),
    None,
}

/// So many files more must be able to be open.
const SPARE: u64 = 16;

impl WitnessSource {
    fn descriptor(&self) -> Option<i32> {
        match self {
            WitnessSource::Switches(switches) => Some(switches.event.as_raw_fd()),
            WitnessSource::Accounts(file) => Some(file.as_raw_fd()),
            WitnessSource::None => None,
        }
    }
}

impl Witness {
    /// Of a thread. The kernel records switches for those who may ask it to: root, CAP_PERFMON,
    /// anybody where perf_event_paranoid is 1 or less.
    pub fn new(pid: Pid, tid: Tid) -> Self {
        let accounts = || File::open(format!("/proc/{pid}/task/{tid}/sched")).ok();
        let source = match Switches::of(tid, 0) {
            Some(switches) => WitnessSource::Switches(switches),
            None => accounts().map_or(WitnessSource::None, WitnessSource::Accounts),
        };
        // Without other files there are no samples at all.
        match source.descriptor() {
            Some(last) if !has_room(last, SPARE) => Witness {
                source: WitnessSource::None,
            },
            _ => Witness { source },
        }
    }

    /// True if the kernel records its switches.
    pub fn has_records(&self) -> bool {
        matches!(self.source, WitnessSource::Switches(_))
    }

    /// True if a thread that is on no CPU now held one at that time; if it wanted to run on, it is
    /// where we came to. `None` where that is not known.
    pub fn held(&self, arrival: &mut Arrival, since: u64) -> Option<bool> {
        match &self.source {
            WitnessSource::Switches(switches) => match switches.last() {
                Some(left) => Some(left >= since),
                // It left none since we watch.
                None => (switches.opened <= since).then_some(false),
            },
            WitnessSource::Accounts(file) => {
                let ours = match arrival.account {
                    Some(account) => account,
                    None => *arrival.account.insert(Account::own()?),
                };
                // Both are of the same clock, which the scheduler reads once for each switch.
                let theirs = Account::of(file)?;
                Some(ours.start.abs_diff(theirs.start) <= NEAR)
            }
            WitnessSource::None => None,
        }
    }
}

/// Nanoseconds between two accounts of one switch: ours may have been brought up to date since.
const NEAR: u64 = 20_000;

/// `se.exec_start` of /proc/PID/task/TID/sched (kernel/sched/debug.c): when the scheduler last set
/// the clock for a thread's time; at every switch, to the thread and from it.
#[derive(Debug, Clone, Copy)]
struct Account {
    /// Nanoseconds of the CPU's clock.
    start: u64,
}

impl Account {
    fn own() -> Option<Self> {
        thread_local! {
            static OWN: Option<File> = File::open("/proc/thread-self/sched").ok();
        }
        OWN.with(|own| Account::of(own.as_ref()?))
    }

    fn of(file: &File) -> Option<Self> {
        // The line is one of the first.
        let mut text = [0; 256];
        let length = super::text::read_from_start(file, &mut text).ok()?;
        Account::parse(text.get(..length)?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with("se.exec_start"))?;
        let number = line.rsplit(':').next()?.trim();
        let (millis, rest) = number.split_once('.')?;
        if rest.len() != 6 {
            return None;
        }
        let millis: u64 = millis.parse().ok()?;
        let start = millis
            .checked_mul(1_000_000)?
            .checked_add(rest.parse().ok()?)?;
        Some(Account { start })
    }
}

/// A record for each time that a thread leaves a CPU, of which the kernel keeps the last few.
#[derive(Debug)]
pub(super) struct Switches {
    /// The head, and the records.
    map: NonNull<u8>,
    page: usize,
    event: OwnedFd,
    /// Since when there are records: nanoseconds of CLOCK_MONOTONIC.
    opened: u64,
    /// Bytes of a record.
    length: usize,
}

// SAFETY: the mapping is this value's own, and is only read.
unsafe impl Send for Switches {}

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
        let mut attributes = perf_event_attr {
            type_: PERF_TYPE_SOFTWARE,
            size: u32::try_from(size_of::<perf_event_attr>()).ok()?,
            config: u64::from(PERF_COUNT_SW_CONTEXT_SWITCHES),
            sample_type: u64::from(kinds),
            sample_regs_user: registers,
            clockid: libc::CLOCK_MONOTONIC,
            ..perf_event_attr::default()
        };
        attributes.__bindgen_anon_1.sample_period = 1;
        // Nobody is to be woken for them.
        attributes.set_watermark(1);
        attributes.__bindgen_anon_2.wakeup_watermark = 1 << 30;
        attributes.set_use_clockid(1);
        attributes.set_exclude_hv(1);
        // The newest record is where the head says, however many there were.
        attributes.set_write_backward(1);
        // SAFETY: the structure lives during the call, and says how long it is.
        let opened = unsafe {
            perf_event_open_sys::perf_event_open(
                &raw mut attributes,
                tid.native(),
                -1,
                -1,
                PERF_FLAG_FD_CLOEXEC.into(),
            )
        };
        if opened < 0 {
            return None;
        }
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        let event = unsafe { OwnedFd::from_raw_fd(opened) };
        // SAFETY: sysconf has no preconditions.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
        // SAFETY: a new mapping of a descriptor that is open; it is only read.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                page.checked_mul(2)?,
                libc::PROT_READ,
                libc::MAP_SHARED,
                event.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            return None;
        }
        Some(Switches {
            map: NonNull::new(map.cast())?,
            page,
            event,
            opened: monotonic(),
            length: HEAD + 8 * words,
        })
    }

    /// When the thread left a CPU last.
    fn last(&self) -> Option<u64> {
        let record = self.newest()?;
        Some(u64::from_ne_bytes(record.get(8..HEAD)?.try_into().ok()?))
    }

    /// The record of that, from its header on.
    pub(super) fn newest(&self) -> Option<[u8; LONGEST]> {
        /// The thread may run on meanwhile, where we are not on its CPU.
        const TRIES: u32 = 3;
        (0..TRIES).find_map(|_| {
            let head = self.head();
            let record = self.record(head);
            fence(Ordering::Acquire);
            (self.head() == head).then_some(record)
        })?
    }

    fn head(&self) -> u64 {
        let place = std::mem::offset_of!(perf_event_mmap_page, data_head);
        // SAFETY: the first page is mapped while `self` lives, begins with that structure, and the
        // kernel writes the aligned number in one go.
        unsafe { &*self.map.as_ptr().add(place).cast::<AtomicU64>() }.load(Ordering::Acquire)
    }

    fn record(&self, head: u64) -> Option<[u8; LONGEST]> {
        let mut record = [0; LONGEST];
        for (byte, skip) in record.iter_mut().take(self.length).zip(0_u64..) {
            let within = head.wrapping_add(skip) % self.page as u64;
            // SAFETY: the second page is mapped while `self` lives, and `within` is below its size.
            *byte = unsafe {
                self.map
                    .as_ptr()
                    .add(self.page + within as usize)
                    .read_volatile()
            };
        }
        let kind = u32::from_ne_bytes(record.get(..4)?.try_into().ok()?);
        (kind == PERF_RECORD_SAMPLE).then_some(record)
    }
}

impl Drop for Switches {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody else has a pointer into it.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.page * 2) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_line_is_found() {
        let text = b"perl (1, #threads: 1)\n-----\nse.exec_start      :       5089217.284270\nse.vruntime : 1.0\n";
        assert_eq!(Account::parse(text).unwrap().start, 5_089_217_284_270);
        for broken in [
            &b""[..],
            b"se.exec_start : 5",
            b"se.exec_start : 5.1\n",
            b"se.exec_start : -1.000000",
        ] {
            assert!(Account::parse(broken).is_none());
        }
    }

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
