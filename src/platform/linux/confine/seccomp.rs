//! Which system calls a confined process may make (seccomp(2), linux/seccomp.h, linux/filter.h).

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

/// Those that only some processors have.
#[cfg(target_arch = "x86_64")]
const READER_OLD: &[libc::c_long] = &[libc::SYS_poll, libc::SYS_stat, libc::SYS_readlink];
#[cfg(not(target_arch = "x86_64"))]
const READER_OLD: &[libc::c_long] = &[];

/// What a perl has no need of while it is looked at.
const UNWANTED: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_io_uring_setup,
    libc::SYS_userfaultfd,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_truncate,
    libc::SYS_ftruncate,
];

#[cfg(target_arch = "x86_64")]
const UNWANTED_OLD: &[libc::c_long] = &[
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_link,
    libc::SYS_symlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_lchown,
];
#[cfg(not(target_arch = "x86_64"))]
const UNWANTED_OLD: &[libc::c_long] = &[];

/// The processor, as the kernel names it to filters (linux/audit.h); 0 where it is not known here,
/// and then there is no filter.
const ARCHITECTURE: u32 = if cfg!(target_arch = "x86_64") {
    0xc000_003e
} else if cfg!(target_arch = "aarch64") {
    0xc000_00b7
} else if cfg!(target_arch = "riscv64") {
    0xc000_00f3
} else {
    0
};

/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;

/// A filter in the making. Jumps lead forward, to the instructions right behind a test.
#[derive(Default)]
struct Filter(Vec<libc::sock_filter>);

impl Filter {
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

    /// For calls made for another processor's kernel the numbers mean something else.
    fn begin(&mut self) {
        self.load(ARCH);
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        self.push(equal, ARCHITECTURE, 1, 0);
        self.answer(libc::SECCOMP_RET_KILL_PROCESS);
        self.load(NUMBER);
    }

    /// An answer for one system call.
    fn when(&mut self, call: libc::c_long, action: u32) {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        self.push(equal, call as u32, 0, 1);
        self.answer(action);
    }

    /// Refuses a system call if one of these bits is set in an argument; otherwise `action`.
    fn unless_bits(&mut self, call: libc::c_long, argument: u32, bits: u32, action: u32) {
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        let set = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
        self.push(equal, call as u32, 0, 4);
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
    if ARCHITECTURE == 0 {
        return Ok(false);
    }
    let mut filter = Filter::default();
    filter.begin();
    for call in READER.iter().chain(READER_OLD) {
        filter.when(*call, ALLOW);
    }
    filter.unless_bits(libc::SYS_openat, 2, WRITES, ALLOW);
    filter.unless_bits(libc::SYS_mmap, 2, libc::PROT_EXEC as u32, ALLOW);
    filter.unless_bits(libc::SYS_mprotect, 2, libc::PROT_EXEC as u32, ALLOW);
    if resolving {
        filter.when(libc::SYS_openat2, ALLOW);
    }
    // What is not there at all makes libraries do without it.
    filter.answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32);
    filter.install()
}

/// Forbids what a perl that only runs a script on its standard streams never does.
///
/// # Errors
/// When the kernel has filters and refuses this one.
pub(super) fn forbid_the_unwanted() -> io::Result<bool> {
    if ARCHITECTURE == 0 {
        return Ok(false);
    }
    let mut filter = Filter::default();
    filter.begin();
    for call in UNWANTED.iter().chain(UNWANTED_OLD) {
        filter.when(*call, REFUSE);
    }
    filter.unless_bits(
        libc::SYS_openat,
        2,
        (libc::O_CREAT | libc::O_TRUNC) as u32,
        ALLOW,
    );
    #[cfg(target_arch = "x86_64")]
    filter.unless_bits(
        libc::SYS_open,
        1,
        (libc::O_CREAT | libc::O_TRUNC) as u32,
        ALLOW,
    );
    filter.answer(ALLOW);
    filter.install()
}
