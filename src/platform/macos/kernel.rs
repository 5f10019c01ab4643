//! Questions to the kernel that need no task port: proc_info and sysctl.

use crate::ids::Pid;
use std::io;
use std::mem::MaybeUninit;

/// sys/proc_info.h; the last one is told by its private header, and asked for by many programs.
pub(super) const REGION_WITH_PATH: libc::c_int = 8;
pub(super) const THREAD_BY_ID: libc::c_int = 15;
pub(super) const UNIQUE: libc::c_int = 17;

/// `struct proc_threadinfo` (sys/proc_info.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ThreadInfo {
    pub user_time: u64,
    pub system_time: u64,
    pub cpu_usage: i32,
    pub policy: i32,
    pub run_state: i32,
    pub flags: i32,
    pub sleep_time: i32,
    pub priorities: [i32; 3],
    pub name: [u8; 64],
}

/// `struct proc_regioninfo` (sys/proc_info.h), and the file that is mapped there.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct RegionWithPath {
    pub protections: [u32; 3],
    pub flags: u32,
    pub offset: u64,
    pub counts: [u32; 14],
    pub address: u64,
    pub size: u64,
    pub file: libc::vnode_info_path,
}

/// `struct proc_uniqidentifierinfo` (sys/proc_info_private.h).
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct Unique {
    /// LC_UUID of the program.
    pub uuid: [u64; 2],
    /// No two processes have the same.
    pub id: u64,
    pub parents: u64,
    /// Another one after each exec.
    pub version: i32,
    pub reserved: [u32; 5],
}

/// `struct proc_regionwithpathinfo` of a kernel of 64 bits.
const _: () = assert!(size_of::<RegionWithPath>() == 1272);
const _: () = assert!(size_of::<ThreadInfo>() == 112);
const _: () = assert!(size_of::<Unique>() == 56);

/// An answer of `proc_pidinfo`.
///
/// # Safety
/// `T` is what the kernel writes for this question, and any bytes are a valid one.
pub(super) unsafe fn info<T>(pid: Pid, what: libc::c_int, argument: u64) -> io::Result<T> {
    let mut answer = MaybeUninit::<T>::zeroed();
    let size = size_of::<T>() as libc::c_int;
    // SAFETY: there is as much room for the answer as is said.
    let got = unsafe {
        libc::proc_pidinfo(
            pid.native(),
            what,
            argument,
            answer.as_mut_ptr().cast(),
            size,
        )
    };
    match got == size {
        // SAFETY: it was filled, and any bytes would do.
        true => Ok(unsafe { answer.assume_init() }),
        false => Err(match io::Error::last_os_error() {
            e if e.raw_os_error() == Some(0) => io::Error::from_raw_os_error(libc::ESRCH),
            e => e,
        }),
    }
}

/// What every user may know of a process, one that has ended included.
pub(super) fn short_info(pid: Pid) -> io::Result<libc::proc_bsdshortinfo> {
    // SAFETY: the structure is the C library's for this question, and plain numbers.
    unsafe { info(pid, libc::PROC_PIDT_SHORTBSDINFO, 1) }
}

/// What tells processes and their programs apart.
pub(super) fn unique(pid: Pid) -> io::Result<Unique> {
    // SAFETY: the structure is that of sys/proc_info_private.h, and plain numbers.
    unsafe { info(pid, UNIQUE, 0) }
}

/// What the process itself, its user and root may know.
pub(super) fn long_info(pid: Pid) -> io::Result<libc::proc_bsdinfo> {
    // SAFETY: the structure is the C library's for this question, and plain numbers.
    unsafe { info(pid, libc::PROC_PIDTBSDINFO, 0) }
}

/// Times and sizes.
pub(super) fn task_info(pid: Pid) -> io::Result<libc::proc_taskinfo> {
    // SAFETY: the structure is the C library's for this question, and plain numbers.
    unsafe { info(pid, libc::PROC_PIDTASKINFO, 0) }
}

/// The working folder and the root.
pub(super) fn folders(pid: Pid) -> io::Result<libc::proc_vnodepathinfo> {
    // SAFETY: the structure is the C library's for this question, and plain numbers.
    unsafe { info(pid, libc::PROC_PIDVNODEPATHINFO, 0) }
}

/// The region at an address, or behind it.
pub(super) fn region(pid: Pid, address: u64) -> io::Result<RegionWithPath> {
    // SAFETY: the structure is that of sys/proc_info.h, and plain numbers.
    unsafe { info(pid, REGION_WITH_PATH, address) }
}

/// A thread by its id.
pub(super) fn thread(pid: Pid, tid: u64) -> io::Result<ThreadInfo> {
    // SAFETY: the structure is that of sys/proc_info.h, and plain numbers.
    unsafe { info(pid, THREAD_BY_ID, tid) }
}

/// The path in what the kernel says of a file.
pub(super) fn path(file: &libc::vnode_info_path) -> Vec<u8> {
    let bytes = file.vip_path.iter().flatten().map(|c| *c as u8);
    bytes.take_while(|b| *b != 0).collect()
}

/// The ids of all processes.
pub(super) fn all_ids() -> Vec<Pid> {
    // SAFETY: without room it only says how many there are.
    let count = unsafe { libc::proc_listallpids(std::ptr::null_mut(), 0) };
    let mut ids = vec![0_i32; usize::try_from(count).unwrap_or(0).saturating_add(64)];
    let size = i32::try_from(size_of_val(&ids[..])).unwrap_or(i32::MAX);
    // SAFETY: there is as much room as is said.
    let count = unsafe { libc::proc_listallpids(ids.as_mut_ptr().cast(), size) };
    ids.truncate(usize::try_from(count).unwrap_or(0));
    ids.into_iter().map(Pid::from).collect()
}

/// The path of a process's program.
pub(super) fn program_path(pid: Pid) -> io::Result<Vec<u8>> {
    /// PROC_PIDPATHINFO_MAXSIZE.
    const LONGEST: usize = 4096;
    let mut path = vec![0_u8; LONGEST];
    // SAFETY: there is as much room as is said.
    let got = unsafe { libc::proc_pidpath(pid.native(), path.as_mut_ptr().cast(), LONGEST as u32) };
    match usize::try_from(got) {
        Ok(length @ 1..) => {
            path.truncate(length);
            Ok(path)
        }
        _ => Err(io::Error::last_os_error()),
    }
}

fn sysctl(name: &mut [libc::c_int], longest: usize) -> io::Result<Vec<u8>> {
    let mut answer = vec![0_u8; longest];
    let mut length = longest;
    // SAFETY: the name is as long as is said, and so is the room for the answer.
    let asked = unsafe {
        libc::sysctl(
            name.as_mut_ptr(),
            name.len() as libc::c_uint,
            answer.as_mut_ptr().cast(),
            &raw mut length,
            std::ptr::null_mut(),
            0,
        )
    };
    if asked != 0 {
        return Err(match io::Error::last_os_error() {
            // What it says of one that is gone, or that is another user's.
            e if e.raw_os_error() == Some(libc::EINVAL) => {
                io::Error::from_raw_os_error(libc::EPERM)
            }
            e => e,
        });
    }
    answer.truncate(length);
    Ok(answer)
}

/// Words and variables that its program was started with.
pub(super) fn arguments(pid: Pid) -> io::Result<Vec<u8>> {
    /// ARG_MAX, and the path.
    const LONGEST: usize = (1 << 20) + 4096;
    sysctl(
        &mut [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.native()],
        LONGEST,
    )
}

/// The record of a process that `ps` reads.
pub(super) fn kinfo(pid: Pid) -> io::Result<Vec<u8>> {
    let mut name = [
        libc::CTL_KERN,
        libc::KERN_PROC,
        libc::KERN_PROC_PID,
        pid.native(),
    ];
    sysctl(&mut name, super::groups::SIZE)
}

unsafe extern "C" {
    /// In libSystem; what it takes is told by xnu's bsd/sys/codesign.h.
    fn csops(
        pid: libc::pid_t,
        what: libc::c_uint,
        answer: *mut libc::c_void,
        size: usize,
    ) -> libc::c_int;
}

/// How the program of a process is signed: its flags.
pub(super) fn signature(pid: Pid) -> Option<u32> {
    /// CS_OPS_STATUS.
    const STATUS: libc::c_uint = 0;
    let mut flags = 0_u32;
    // SAFETY: there is as much room for the answer as is said.
    let asked = unsafe {
        csops(
            pid.native(),
            STATUS,
            (&raw mut flags).cast(),
            size_of::<u32>(),
        )
    };
    (asked == 0).then_some(flags)
}
