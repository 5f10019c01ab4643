//! `struct kinfo_proc` (sys/user.h of FreeBSD 12 and newer, 64 bits): a record for each process, or for
//! each thread of it.

use crate::platform::record::Record;
use std::time::Duration;

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kinfo {
    pub pid: i32,
    pub parent: i32,
    /// Effective, real and saved.
    pub users: [u32; 3],
    pub groups: Vec<u32>,
    pub size: u64,
    /// Where the kernel keeps its address space and the file of its program, and how much code that has.
    pub program: [u64; 3],
    /// Time on a CPU.
    pub run_time: Duration,
    /// When it was started, since 1970.
    pub started: Duration,
    pub flags: u64,
    /// SRUN, SSLEEP … (sys/proc.h).
    pub state: u8,
    pub name: Vec<u8>,
    pub jail: i32,
    pub threads: u32,
    pub tid: i32,
    /// How often it gave its CPU away, or lost it.
    pub switches: u64,
    /// The CPU that it is on, or was on last.
    pub cpu: Option<usize>,
}

/// Bytes of a record.
pub(super) const SIZE: usize = 1088;
const VMSPACE: usize = 56;
const TEXT: usize = 40;
const PID: usize = 72;
const PARENT: usize = 76;
const USER: usize = 168;
const GROUP_COUNT: usize = 188;
const GROUPS: usize = 192;
const MOST_GROUPS: usize = 16;
const ADDRESS_SPACE: usize = 256;
const CODE: usize = 280;
const RUN_TIME: usize = 328;
const STARTED: usize = 336;
const FLAGS: usize = 368;
const STATE: usize = 388;
const NAME: usize = 447;
const NAME_LENGTH: usize = 20;
const ON_CPU: usize = 568;
const LAST_CPU: usize = 572;
const JAIL: usize = 592;
const THREADS: usize = 596;
const TID: usize = 600;
/// In `ki_rusage`, which is at 608: `ru_nvcsw` and `ru_nivcsw`.
const SWITCHES: [usize; 2] = [736, 744];

/// What the C library's header says of it.
#[cfg(all(target_os = "freebsd", target_pointer_width = "64"))]
const _: () = {
    use std::mem::offset_of;
    assert!(size_of::<libc::kinfo_proc>() == SIZE);
    assert!(offset_of!(libc::kinfo_proc, ki_vmspace) == VMSPACE);
    assert!(offset_of!(libc::kinfo_proc, ki_textvp) == TEXT);
    assert!(offset_of!(libc::kinfo_proc, ki_pid) == PID);
    assert!(offset_of!(libc::kinfo_proc, ki_ppid) == PARENT);
    assert!(offset_of!(libc::kinfo_proc, ki_uid) == USER);
    assert!(offset_of!(libc::kinfo_proc, ki_ngroups) == GROUP_COUNT);
    assert!(offset_of!(libc::kinfo_proc, ki_groups) == GROUPS);
    assert!(offset_of!(libc::kinfo_proc, ki_size) == ADDRESS_SPACE);
    assert!(offset_of!(libc::kinfo_proc, ki_tsize) == CODE);
    assert!(offset_of!(libc::kinfo_proc, ki_runtime) == RUN_TIME);
    assert!(offset_of!(libc::kinfo_proc, ki_start) == STARTED);
    assert!(offset_of!(libc::kinfo_proc, ki_flag) == FLAGS);
    assert!(offset_of!(libc::kinfo_proc, ki_stat) == STATE);
    assert!(offset_of!(libc::kinfo_proc, ki_comm) == NAME);
    assert!(offset_of!(libc::kinfo_proc, ki_oncpu) == ON_CPU);
    assert!(offset_of!(libc::kinfo_proc, ki_lastcpu) == LAST_CPU);
    assert!(offset_of!(libc::kinfo_proc, ki_jid) == JAIL);
    assert!(offset_of!(libc::kinfo_proc, ki_numthreads) == THREADS);
    assert!(offset_of!(libc::kinfo_proc, ki_tid) == TID);
    let usage = offset_of!(libc::kinfo_proc, ki_rusage);
    assert!(usage + offset_of!(libc::rusage, ru_nvcsw) == SWITCHES[0]);
    assert!(usage + offset_of!(libc::rusage, ru_nivcsw) == SWITCHES[1]);
};

/// States (sys/proc.h).
pub(super) const SRUN: u8 = 2;
const SSLEEP: u8 = 3;
const SSTOP: u8 = 4;
const SZOMB: u8 = 5;
/// Flags (sys/proc.h): a process of the kernel's, and one that had more rights than its user has.
const P_KPROC: u64 = 0x4;
const P_SUGID: u64 = 0x100;

/// All whole records; what the kernel adds to them is skipped by their own size.
pub(super) fn records(bytes: &[u8]) -> Vec<Kinfo> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(size) = Record(rest).u32(0)
        && let Ok(size) = usize::try_from(size)
        && size >= SIZE
        && let Some(one) = rest.get(..size)
    {
        found.extend(Kinfo::of(Record(one)));
        rest = rest.get(size..).unwrap_or_default();
    }
    found
}

impl Kinfo {
    fn of(record: Record<'_>) -> Option<Self> {
        let count = usize::from(record.u16(GROUP_COUNT)?).min(MOST_GROUPS);
        let groups = (0..count).filter_map(|i| record.u32(GROUPS + 4 * i));
        let cpu = |at: usize| usize::try_from(record.i32(at)?).ok();
        Some(Kinfo {
            pid: record.i32(PID)?,
            parent: record.i32(PARENT)?,
            users: [
                record.u32(USER)?,
                record.u32(USER + 4)?,
                record.u32(USER + 8)?,
            ],
            groups: groups.collect(),
            size: record.u64(ADDRESS_SPACE)?,
            program: [record.u64(VMSPACE)?, record.u64(TEXT)?, record.u64(CODE)?],
            run_time: Duration::from_micros(record.u64(RUN_TIME)?),
            started: Duration::from_secs(record.u64(STARTED)?)
                .saturating_add(Duration::from_micros(record.u64(STARTED + 8)?)),
            flags: record.u64(FLAGS)?,
            state: record.u8(STATE)?,
            name: record.text(NAME, NAME_LENGTH).to_vec(),
            jail: record.i32(JAIL)?,
            threads: record.u32(THREADS)?,
            tid: record.i32(TID)?,
            switches: SWITCHES
                .iter()
                .filter_map(|at| record.u64(*at))
                .fold(0, u64::saturating_add),
            cpu: cpu(ON_CPU).or_else(|| cpu(LAST_CPU)),
        })
    }

    /// A process of the kernel's.
    pub(super) fn is_kernels(&self) -> bool {
        self.flags & P_KPROC != 0
    }

    /// It had more rights than its user has.
    pub(super) fn had_rights(&self) -> bool {
        self.flags & P_SUGID != 0
    }

    /// The letter that Linux has for its state.
    pub(super) fn letter(&self) -> u8 {
        match self.state {
            SRUN => b'R',
            SSTOP => b'T',
            SZOMB => b'Z',
            SSLEEP => b'S',
            // Being made, waiting for a lock or an interrupt.
            _ => b'D',
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record as the kernel writes it, by the places in sys/user.h.
    pub(crate) fn record(size: usize) -> Vec<u8> {
        let mut bytes = vec![0; size];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &(size as u32).to_le_bytes());
        put(40, &7_u64.to_le_bytes());
        put(56, &0xffff_f800_0000_1000_u64.to_le_bytes());
        put(72, &1234_i32.to_le_bytes());
        put(76, &1_i32.to_le_bytes());
        put(168, &1001_u32.to_le_bytes());
        put(172, &1002_u32.to_le_bytes());
        put(176, &1003_u32.to_le_bytes());
        put(188, &2_u16.to_le_bytes());
        put(192, &[1001_u32.to_le_bytes(), 0_u32.to_le_bytes()].concat());
        put(256, &(12_u64 << 20).to_le_bytes());
        put(280, &600_u64.to_le_bytes());
        put(328, &1_500_000_u64.to_le_bytes());
        put(336, &1_700_000_000_u64.to_le_bytes());
        put(344, &250_000_u64.to_le_bytes());
        put(368, &0x1000_4102_u64.to_le_bytes());
        put(388, &[3]);
        put(447, b"perl\0rest");
        put(568, &(-1_i32).to_le_bytes());
        put(572, &3_i32.to_le_bytes());
        put(592, &5_i32.to_le_bytes());
        put(596, &2_u32.to_le_bytes());
        put(600, &100_123_i32.to_le_bytes());
        put(736, &40_u64.to_le_bytes());
        put(744, &2_u64.to_le_bytes());
        bytes
    }

    #[test]
    fn a_record_says_what_the_kernel_knows() {
        let [one] = &records(&record(SIZE))[..] else {
            panic!("not one record");
        };
        assert_eq!((one.pid, one.parent, one.tid), (1234, 1, 100_123));
        assert_eq!(one.users, [1001, 1002, 1003]);
        assert_eq!(one.groups, [1001, 0]);
        assert_eq!(one.size, 12 << 20);
        assert_eq!(one.program, [0xffff_f800_0000_1000, 7, 600]);
        assert_eq!(one.run_time, Duration::from_millis(1500));
        assert_eq!(one.started, Duration::from_millis(1_700_000_000_250));
        assert_eq!((one.letter(), &one.name[..]), (b'S', &b"perl"[..]));
        assert_eq!((one.jail, one.threads, one.switches), (5, 2, 42));
        assert_eq!(one.cpu, Some(3));
        assert!(one.had_rights() && !one.is_kernels());
    }

    #[test]
    fn records_follow_each_other_by_their_own_size() {
        let newer = [record(SIZE + 64), record(SIZE + 64)].concat();
        assert_eq!(records(&newer).len(), 2);
        // One that does not fit any more, and what is no record.
        assert_eq!(records(&newer[..newer.len() - 1]).len(), 1);
        assert_eq!(records(&record(SIZE)[..SIZE - 1]), []);
        assert_eq!(records(&[0; 4096]), []);
        assert_eq!(records(&[0xff; 4096]), []);
        assert_eq!(records(&[]), []);
    }

    #[test]
    fn more_groups_than_there_is_room_for_are_none() {
        let mut bytes = record(SIZE);
        bytes[GROUP_COUNT..GROUP_COUNT + 2].fill(0xff);
        assert_eq!(records(&bytes)[0].groups.len(), MOST_GROUPS);
    }
}
