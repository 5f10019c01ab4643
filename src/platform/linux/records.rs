//! What the kernel records of one thread (perf_event_open(2)), in a page that it writes and we read: the newest record
//! is where the head says, however many there were, nobody is woken for one, and none is taken out.

use crate::ids::Tid;
use crate::platform::clocks::monotonic;
use perf_event_open_sys::bindings::{
    PERF_FLAG_FD_CLOEXEC, PERF_TYPE_SOFTWARE, perf_event_attr, perf_event_mmap_page,
};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Records are made of these.
const WORD: usize = 8;

/// Records of a thread.
#[derive(Debug)]
pub(super) struct Records {
    /// The head, and the records.
    map: NonNull<u8>,
    page: usize,
    event: OwnedFd,
    /// Since when there are records: nanoseconds of CLOCK_MONOTONIC.
    opened: u64,
}

// SAFETY: the mapping is this value's own, and is only read.
unsafe impl Send for Records {}

impl Records {
    /// Of a thread, from now on. `wanted` says which event of the kernel's own counters they are of, and what is in
    /// them; times are of CLOCK_MONOTONIC. `None` where the kernel refuses.
    pub(super) fn of(tid: Tid, wanted: perf_event_attr) -> Option<Self> {
        let mut attributes = perf_event_attr {
            type_: PERF_TYPE_SOFTWARE,
            size: u32::try_from(size_of::<perf_event_attr>()).ok()?,
            clockid: libc::CLOCK_MONOTONIC,
            ..wanted
        };
        attributes.__bindgen_anon_1.sample_period = 1;
        attributes.set_watermark(1);
        attributes.__bindgen_anon_2.wakeup_watermark = 1 << 30;
        attributes.set_use_clockid(1);
        attributes.set_exclude_hv(1);
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
        Some(Records {
            map: NonNull::new(map.cast())?,
            page,
            event,
            opened: monotonic(),
        })
    }

    /// Since when there are records: nanoseconds of CLOCK_MONOTONIC.
    pub(super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) fn descriptor(&self) -> i32 {
        self.event.as_raw_fd()
    }

    /// The newest bytes, the first record's first: as many as fit into `into`, and no more than are kept. `None` where
    /// the kernel writes all the time: the thread runs on, where we are not on its CPU.
    pub(super) fn newest(&self, into: &mut [u8]) -> Option<usize> {
        const TRIES: u32 = 3;
        (0..TRIES).find_map(|_| {
            let head = self.head();
            let length = self.copy(head, into);
            fence(Ordering::Acquire);
            (self.head() == head).then_some(length)
        })
    }

    fn head(&self) -> u64 {
        let place = std::mem::offset_of!(perf_event_mmap_page, data_head);
        // SAFETY: the first page is mapped while `self` lives, begins with that structure, and the
        // kernel writes the aligned number in one go.
        unsafe { &*self.map.as_ptr().add(place).cast::<AtomicU64>() }.load(Ordering::Acquire)
    }

    /// What was never written is zero.
    fn copy(&self, head: u64, into: &mut [u8]) -> usize {
        let length = into.len().min(self.page);
        let (words, _) = into.as_chunks_mut::<WORD>();
        for (word, skip) in words
            .iter_mut()
            .take(length / WORD)
            .zip((0_u64..).step_by(WORD))
        {
            let within = head.wrapping_add(skip) % self.page as u64;
            // SAFETY: the second page is mapped while `self` lives, records begin at multiples of eight (perf_event_open(2)),
            // and so does `within`, which is below its size.
            let read = unsafe {
                self.map
                    .as_ptr()
                    .add(self.page + (within as usize & !(WORD - 1)))
                    .cast::<u64>()
                    .read_volatile()
            };
            *word = read.to_ne_bytes();
        }
        length / WORD * WORD
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody else has a pointer into it.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.page * 2) };
    }
}
