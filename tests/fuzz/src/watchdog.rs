//! Ends the program when one input takes too long.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// CPU time that one input may take, and time that may go by: another program may have the CPU.
const LONGEST_CPU: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(300);
const BETWEEN: Duration = Duration::from_millis(250);
/// What a worker ends with that took longer.
pub const TOO_LONG: i32 = 78;

/// Counts inputs: odd while one is being looked at.
static TURN: AtomicU64 = AtomicU64::new(0);

/// The next input.
pub fn input_starts() {
    TURN.fetch_add(1, Relaxed);
}

/// It is done.
pub fn input_ends() {
    TURN.fetch_add(1, Relaxed);
}

/// Watches from a thread of its own.
pub fn start() {
    std::thread::spawn(|| {
        let mut last = TURN.load(Relaxed);
        let (mut since, mut cpu) = (Instant::now(), cpu_time());
        loop {
            std::thread::sleep(BETWEEN);
            let turn = TURN.load(Relaxed);
            if turn != last || turn.is_multiple_of(2) {
                (last, since, cpu) = (turn, Instant::now(), cpu_time());
            } else if cpu_time() - cpu > LONGEST_CPU || since.elapsed() > LONGEST {
                eprintln!(
                    "one input took longer than {} seconds",
                    LONGEST_CPU.as_secs()
                );
                std::process::exit(TOO_LONG);
            }
        }
    });
}

/// What the main thread has had of the CPU.
pub fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|n| n.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}
