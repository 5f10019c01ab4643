//! An allocator that counts, and ends the program where it holds too much.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// So much one input may take, with the seeds and the built-in tables.
pub const MOST: usize = 512 << 20;
/// What a program ends with that took more.
pub const TOO_MUCH: i32 = 77;

static HELD: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

/// The input that is looked at, for the last words.
pub static INPUT: Mutex<String> = Mutex::new(String::new());

/// The system's allocator with a bound.
pub struct Bounded;

/// The most that was held at once.
pub fn peak() -> usize {
    PEAK.load(Relaxed)
}

fn grow(by: usize) {
    let held = HELD.fetch_add(by, Relaxed).saturating_add(by);
    if held > PEAK.fetch_max(held, Relaxed) && held > MOST {
        end();
    }
}

/// Nothing may be allocated here: the words are in place.
fn end() -> ! {
    let words = INPUT.try_lock();
    let words = words.as_deref().map_or("one input", |words| words);
    for text in ["more than 512 MiB of memory: ", words, "\n"] {
        // SAFETY: the bytes are as many as said.
        unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
    }
    // SAFETY: it ends this process, and nothing else.
    unsafe { libc::_exit(TOO_MUCH) }
}

// SAFETY: all is left to the system's allocator, counting apart.
unsafe impl GlobalAlloc for Bounded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grow(size);
        HELD.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(place, layout, size) }
    }
}
