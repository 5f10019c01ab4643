//! Which system calls a confined process may make (seccomp(2), linux/seccomp.h, linux/filter.h).

use crate::platform::linux::syscall::{X32_SYSCALL_BIT, syscall_number};
use std::io;

/// What reading and parsing files takes. What writes, starts, signals, connects or looks at other
/// processes is not among it.
const READER: &[libc::c_long] = &[
    libc::SYS_read,
    libc::SYS_pread64,
    libc::SYS_readv,
    libc::SYS_write,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_ppoll,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_fcntl,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_clock_gettime,
    libc::SYS_getrandom,
    libc::SYS_readlinkat,
    libc::SYS_sched_yield,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Those that only some processors have; musl prefers them where they are.
#[cfg(target_arch = "x86_64")]
const READER_OLD: &[libc::c_long] = &[
    libc::SYS_poll,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
];
#[cfg(not(target_arch = "x86_64"))]
const READER_OLD: &[libc::c_long] = &[];

/// What opens a file, and which of its arguments has the flags.
#[cfg(target_arch = "x86_64")]
const OPENS: &[(libc::c_long, u32)] = &[(libc::SYS_openat, 2), (libc::SYS_open, 1)];
#[cfg(not(target_arch = "x86_64"))]
const OPENS: &[(libc::c_long, u32)] = &[(libc::SYS_openat, 2)];

/// What a perl has no need of while it is looked at: it makes no connection, signals and traces nobody,
/// and changes no file. Those that a kind of processor has.
const UNWANTED: &[&str] = &[
    "socket",
    "socketpair",
    // All of these in one, on i386.
    "socketcall",
    "connect",
    "bind",
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kill",
    "tkill",
    "tgkill",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "pidfd_open",
    "pidfd_send_signal",
    "pidfd_getfd",
    "mount",
    "umount",
    "umount2",
    "unshare",
    "setns",
    "bpf",
    "perf_event_open",
    "io_uring_setup",
    "userfaultfd",
    "add_key",
    "request_key",
    "keyctl",
    // No filter sees its flags.
    "openat2",
    "creat",
    "unlink",
    "unlinkat",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "mknod",
    "mknodat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "chown32",
    "fchown",
    "fchown32",
    "fchownat",
    "lchown",
    "lchown32",
    "truncate",
    "truncate64",
    "ftruncate",
    "ftruncate64",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "utime",
    "utimes",
    "futimesat",
    "utimensat",
    "utimensat_time64",
];

/// Kinds of processors whose programs the kernel runs: as [`syscall_number`] has them, and as the kernel
/// names them to filters (linux/audit.h). Ours comes first; where none is known here, there is no filter.
const MACHINES: &[(&str, u32)] = if cfg!(target_arch = "x86_64") {
    &[("x86_64", 0xc000_003e), ("i386", 0x4000_0003)]
} else if cfg!(target_arch = "aarch64") {
    &[("aarch64", 0xc000_00b7), ("arm", 0x4000_0028)]
} else if cfg!(target_arch = "riscv64") {
    &[("riscv64", 0xc000_00f3), ("riscv32", 0x4000_00f3)]
} else {
    &[]
};

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// A filter in the making. Jumps lead forward, to the instructions right behind a test.
#[derive(Default)]
struct BpfProgram(Vec<libc::sock_filter>);

impl BpfProgram {
    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.0.push(libc::sock_filter {
            code: code as u16,
            jt,
            jf,
            k,
        });
    }

    fn load(&mut self, offset: u32) {
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0);
    }

    fn answer(&mut self, action: u32) {
        self.push(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    }

    /// A filter with a part for each kind of processor: the numbers mean something else for each. Who
    /// makes calls of none of them is ended.
    fn by_machine(parts: impl Iterator<Item = (u32, BpfProgram)>) -> Self {
        let mut filter = BpfProgram::default();
        filter.load(ARCH);
        for (architecture, part) in parts {
            filter.push(
                libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
                architecture,
                1,
                0,
            );
            filter.push(libc::BPF_JMP | libc::BPF_JA, part.0.len() as u32, 0, 0);
            filter.0.extend(part.0);
        }
        filter.answer(libc::SECCOMP_RET_KILL_PROCESS);
        filter
    }

    /// An answer for one system call.
    fn when(&mut self, call: u32, action: u32) {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        self.push(equal, call, 0, 1);
        self.answer(action);
    }

    /// Refuses a system call if one of these bits is set in an argument; otherwise `action`.
    fn unless_bits(&mut self, call: u32, argument: u32, bits: u32, action: u32) {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let set = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
        self.push(equal, call, 0, 4);
        // The lower half: flags are there, on processors that are little-endian.
        self.load(ARGUMENTS + 8 * argument);
        self.push(set, bits, 0, 1);
        self.answer(REFUSE);
        self.answer(action);
    }

    /// From now on the calling process lives under it. False where the kernel has no filters.
    fn install(self) -> io::Result<bool> {
        let length = u16::try_from(self.0.len()).map_err(io::Error::other)?;
        let program = libc::sock_fprog {
            len: length,
            filter: self.0.as_ptr().cast_mut(),
        };
        // SAFETY: the program lives during the call and is as long as it says; the kernel copies it.
        let set = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER as libc::c_ulong,
                &raw const program,
            )
        };
        if set == 0 {
            return Ok(true);
        }
        match io::Error::last_os_error().raw_os_error() {
            Some(libc::ENOSYS | libc::EINVAL) => Ok(false),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// Bits of `open` with which a file could be changed or made.
const WRITES: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;

/// Allows reading files and answering, and nothing else. `resolving` allows `openat2` as well, whose
/// arguments no filter can see.
///
/// # Errors
/// When the kernel has filters and refuses this one.
pub(super) fn allow_reading(resolving: bool) -> io::Result<bool> {
    let ours = MACHINES.first().map(|(_, number)| *number);
    match ours {
        Some(number) => {
            BpfProgram::by_machine(std::iter::once((number, reading(resolving)))).install()
        }
        None => Ok(false),
    }
}

fn reading(resolving: bool) -> BpfProgram {
    let mut filter = BpfProgram::default();
    filter.load(NUMBER);
    for call in READER.iter().chain(READER_OLD) {
        filter.when(*call as u32, ALLOW);
    }
    for (call, flags) in OPENS {
        filter.unless_bits(*call as u32, *flags, WRITES, ALLOW);
    }
    filter.unless_bits(libc::SYS_mmap as u32, 2, libc::PROT_EXEC as u32, ALLOW);
    filter.unless_bits(libc::SYS_mprotect as u32, 2, libc::PROT_EXEC as u32, ALLOW);
    if resolving {
        filter.when(libc::SYS_openat2 as u32, ALLOW);
    }
    // What is not there at all makes libraries do without it.
    filter.answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    filter
}

/// Forbids what a perl that only runs a script on its standard streams never does, be it of this kind of
/// processor or of the one of 32 bits that belongs to it.
///
/// # Errors
/// When the kernel has filters and refuses this one.
pub(super) fn forbid_the_unwanted() -> io::Result<bool> {
    if MACHINES.is_empty() {
        return Ok(false);
    }
    unwanted().install()
}

fn unwanted() -> BpfProgram {
    let parts = MACHINES.iter();
    BpfProgram::by_machine(parts.map(|(machine, number)| (*number, unwanted_of(machine))))
}

fn unwanted_of(machine: &str) -> BpfProgram {
    const MAKES: u32 = (libc::O_CREAT | libc::O_TRUNC) as u32;
    let mut filter = BpfProgram::default();
    filter.load(NUMBER);
    if machine == "x86_64" {
        // The same calls by another name.
        let from = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
        filter.push(from, X32_SYSCALL_BIT, 0, 1);
        filter.answer(REFUSE);
    }
    for name in UNWANTED {
        if let Some(call) = syscall_number(machine, name) {
            filter.when(call, REFUSE);
        }
    }
    for (name, flags) in [("openat", 2), ("open", 1)] {
        if let Some(call) = syscall_number(machine, name) {
            filter.unless_bits(call, flags, MAKES, ALLOW);
        }
    }
    filter.answer(ALLOW);
    filter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel makes of a call, whose arguments are all the same.
    fn verdict(filter: &BpfProgram, architecture: u32, number: u32, arguments: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &filter.0[at];
            let code = u32::from(step.code);
            at += 1;
            let mut jump = |taken: bool| at += usize::from(if taken { step.jt } else { step.jf });
            match code & 0x07 {
                libc::BPF_LD => {
                    value = match step.k {
                        NUMBER => number,
                        ARCH => architecture,
                        _ => arguments,
                    }
                }
                libc::BPF_RET => return step.k,
                libc::BPF_JMP => match code & 0xf0 {
                    libc::BPF_JA => at += step.k as usize,
                    libc::BPF_JEQ => jump(value == step.k),
                    libc::BPF_JGE => jump(value >= step.k),
                    libc::BPF_JSET => jump(value & step.k != 0),
                    other => panic!("jump {other:#x}"),
                },
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn every_machine_has_its_own_numbers() {
        let filter = unwanted();
        for (machine, architecture) in MACHINES {
            let by_name = |name: &str, arguments: u32| {
                let number = syscall_number(machine, name).unwrap();
                verdict(&filter, *architecture, number, arguments)
            };
            for name in ["read", "write", "mmap", "munmap", "execveat", "exit_group"] {
                let name = match syscall_number(machine, name) {
                    Some(_) => name,
                    None => "mmap2",
                };
                assert_eq!(by_name(name, 0), ALLOW, "{machine} {name}");
            }
            for name in ["ptrace", "unlinkat", "kill", "openat2", "bpf", "renameat2"] {
                assert_eq!(by_name(name, 0), REFUSE, "{machine} {name}");
            }
            assert_eq!(by_name("openat", 0), ALLOW);
            assert_eq!(by_name("openat", libc::O_CREAT as u32), REFUSE);
        }
        let unknown = verdict(&filter, 0xdead_beef, 0, 0);
        assert_eq!(unknown, libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    fn a_reader_reads_and_its_calls_have_our_numbers_only() {
        let ours = MACHINES[0].1;
        let filter = BpfProgram::by_machine(std::iter::once((ours, reading(false))));
        let of = |call: libc::c_long| verdict(&filter, ours, call as u32, 0);
        assert_eq!(of(libc::SYS_read), ALLOW);
        for (call, _) in OPENS {
            assert_eq!(of(*call), ALLOW);
            let writes = verdict(&filter, ours, *call as u32, libc::O_CREAT as u32);
            assert_eq!(writes, REFUSE);
        }
        assert_ne!(of(libc::SYS_openat2), ALLOW);
        assert_ne!(of(libc::SYS_execve), ALLOW);
        let (_, other) = MACHINES[1];
        let foreign = verdict(&filter, other, libc::SYS_read as u32, 0);
        assert_eq!(foreign, libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn x32_is_no_way_around() {
        let unlink = X32_SYSCALL_BIT + libc::SYS_unlink as u32;
        assert_eq!(verdict(&unwanted(), MACHINES[0].1, unlink, 0), REFUSE);
        // As i386 has it, where that number is another call of x86-64.
        assert_eq!(verdict(&unwanted(), MACHINES[1].1, 10, 0), REFUSE);
        assert_eq!(verdict(&unwanted(), MACHINES[0].1, 10, 0), ALLOW);
    }
}
