//! The task port of a process: the right to read it, which the system gives to debuggers and root. It is
//! never used to stop or change anything.

use super::regions::Region;
use crate::ids::Pid;
use mach2::kern_return::{KERN_SUCCESS, kern_return_t};
use mach2::mach_port::mach_port_deallocate;
use mach2::mach_types::{task_t, thread_act_t};
use mach2::task::{task_info, task_threads};
use mach2::task_info::{TASK_DYLD_INFO, TASK_DYLD_INFO_COUNT, task_dyld_info};
use mach2::traps::{mach_task_self, task_for_pid};
use mach2::vm::{mach_vm_deallocate, mach_vm_read_overwrite, mach_vm_region};
use mach2::vm_region::{VM_REGION_BASIC_INFO_64, vm_region_basic_info_64};
use std::ptr::null_mut;

/// What the kernel answers instead (mach/kern_return.h).
pub(super) type Refused = kern_return_t;

/// A task port; given back when dropped.
#[derive(Debug)]
pub(super) struct Task(task_t);

impl Task {
    /// Of a process.
    pub(super) fn of(pid: Pid) -> Result<Self, Refused> {
        let mut port = 0;
        // SAFETY: there is room for the answer.
        let asked = unsafe { task_for_pid(mach_task_self(), pid.native(), &raw mut port) };
        match asked {
            KERN_SUCCESS => Ok(Task(port)),
            refused => Err(refused),
        }
    }

    /// Reads so many bytes at an address; how many came.
    pub(super) fn read(&self, address: u64, buffer: &mut [u8]) -> Result<usize, Refused> {
        let mut got = 0;
        // SAFETY: the buffer is exclusively borrowed, and as long as is said.
        let asked = unsafe {
            mach_vm_read_overwrite(
                self.0,
                address,
                buffer.len() as u64,
                buffer.as_mut_ptr() as u64,
                &raw mut got,
            )
        };
        match asked {
            KERN_SUCCESS => Ok(usize::try_from(got).unwrap_or(0)),
            refused => Err(refused),
        }
    }

    /// Where the dynamic linker keeps its list of images.
    pub(super) fn image_infos(&self) -> Result<u64, Refused> {
        let mut info = task_dyld_info::default();
        let mut count = TASK_DYLD_INFO_COUNT;
        // SAFETY: there is as much room for the answer as is said.
        let asked = unsafe {
            task_info(
                self.0,
                TASK_DYLD_INFO,
                (&raw mut info).cast(),
                &raw mut count,
            )
        };
        match asked {
            KERN_SUCCESS => Ok(info.all_image_info_addr),
            refused => Err(refused),
        }
    }

    /// Everything that is mapped, lowest address first.
    pub(super) fn regions(&self) -> Vec<Region> {
        /// No process has more.
        const MOST: usize = 1 << 20;
        let mut found = Vec::new();
        let mut address = 0;
        while found.len() < MOST {
            let mut size = 0;
            let mut info = vm_region_basic_info_64::default();
            let mut count = vm_region_basic_info_64::count();
            let mut object = 0;
            // SAFETY: there is as much room for the answers as is said.
            let asked = unsafe {
                mach_vm_region(
                    self.0,
                    &raw mut address,
                    &raw mut size,
                    VM_REGION_BASIC_INFO_64,
                    (&raw mut info).cast(),
                    &raw mut count,
                    &raw mut object,
                )
            };
            if asked != KERN_SUCCESS || size == 0 {
                break;
            }
            let protection = info.protection;
            found.push(Region {
                start: address,
                size,
                protection: u64::try_from(protection).unwrap_or(0),
            });
            let Some(next) = address.checked_add(size) else {
                break;
            };
            address = next;
        }
        found
    }

    /// Id and place of the thread-specific data of each thread, the first one first.
    pub(super) fn threads(&self) -> Result<Vec<(u64, u64)>, Refused> {
        let mut ports: *mut thread_act_t = null_mut();
        let mut count = 0;
        // SAFETY: there is room for the answer, an array that is ours from then on.
        let asked = unsafe { task_threads(self.0, &raw mut ports, &raw mut count) };
        if asked != KERN_SUCCESS {
            return Err(asked);
        }
        let mut found = Vec::new();
        for at in 0..count as usize {
            // SAFETY: the kernel made an array of so many ports.
            let port = unsafe { *ports.add(at) };
            found.extend(identity(port));
            // SAFETY: the right came with the array, and is ours.
            unsafe { mach_port_deallocate(mach_task_self(), port) };
        }
        let size = (count as usize).saturating_mul(size_of::<thread_act_t>());
        // SAFETY: the array is ours, of that size, and not used any more.
        unsafe { mach_vm_deallocate(mach_task_self(), ports as u64, size as u64) };
        Ok(found)
    }
}

/// What THREAD_IDENTIFIER_INFO says of a thread.
fn identity(port: thread_act_t) -> Option<(u64, u64)> {
    let mut info = std::mem::MaybeUninit::<libc::thread_identifier_info>::zeroed();
    let mut count = libc::THREAD_IDENTIFIER_INFO_COUNT;
    // SAFETY: there is as much room for the answer as is said.
    let asked = unsafe {
        libc::thread_info(
            port,
            libc::THREAD_IDENTIFIER_INFO as u32,
            info.as_mut_ptr().cast(),
            &raw mut count,
        )
    };
    // SAFETY: it was filled, and any bytes would do.
    let info = unsafe { info.assume_init() };
    (asked == KERN_SUCCESS).then_some((info.thread_id, info.thread_handle))
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: the right is ours, and given back once.
        unsafe { mach_port_deallocate(mach_task_self(), self.0) };
    }
}
