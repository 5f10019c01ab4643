//! The truth: what a program's stack is at random moments at which it was stopped. In the harness
//! only; p5-spy itself never stops anything.

use super::contact::{Samples, look};
use p5_spy::layout::Sources;
use std::path::Path;
use std::time::{Duration, Instant};

/// Mean of the random time that the program runs between two stops.
const GAP: Duration = Duration::from_micros(500);

/// Stops each process in turn at random moments, `stops` in all.
pub fn stopped(
    pids: &[i32],
    threads: usize,
    sources: &Sources,
    program: &Path,
    stops: usize,
) -> Vec<Samples> {
    let each = stops.div_ceil(pids.len() * threads.max(1));
    let one = |pid: &i32| {
        look(*pid, threads.max(1), sources, program, |read| {
            let mut random = fastrand::Rng::new();
            for _ in 0..each {
                // Exponential: no moment of a rhythm is preferred.
                std::thread::sleep(GAP.mul_f64(-(1.0 - random.f64()).ln()));
                let _stopped = Stopped::new(*pid);
                read();
            }
        })
    };
    pids.iter().map(one).collect()
}

/// A process that stands still as long as this lives.
struct Stopped(i32);

impl Stopped {
    fn new(pid: i32) -> Self {
        // SAFETY: kill has no memory effects.
        unsafe { libc::kill(pid, libc::SIGSTOP) };
        let deadline = Instant::now() + Duration::from_secs(10);
        while !stands_still(pid) {
            assert!(Instant::now() < deadline, "the program does not stop");
            std::thread::yield_now();
        }
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        // SAFETY: kill has no memory effects.
        unsafe { libc::kill(self.0, libc::SIGCONT) };
    }
}

/// True when every thread is in the state T of proc(5).
fn stands_still(pid: i32) -> bool {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        panic!("the program has ended");
    };
    tasks.flatten().all(|task| {
        std::fs::read_to_string(task.path().join("stat"))
            .ok()
            .and_then(|stat| Some(stat.rsplit_once(") ")?.1.starts_with('T')))
            .unwrap_or(true)
    })
}
