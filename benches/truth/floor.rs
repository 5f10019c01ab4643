//! The least that looking at a program can cost: a thread that sleeps to the sampler's schedule on the
//! target's CPU and makes one 64-byte vectored read each time.

use super::contact::thread_cpu;
use p5_spy::ids::{Pid, Tid};
use p5_spy::memory::{Batch, Memory};
use p5_spy::platform::{CoSchedule, LiveMemory, ThreadWatch, wake_at_once};
use p5_spy::sampler::clock::Clock;
use std::time::{Duration, Instant};

/// How often the target's CPU is looked for anew.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// Runs on the calling thread while `go_on` says so; returns its CPU time, and how often it woke up.
pub fn run(pid: i32, rate: f64, go_on: impl Fn() -> bool) -> (Duration, u32) {
    wake_at_once();
    let memory = LiveMemory::new(Pid::from(pid));
    let mut watch = ThreadWatch::new(Pid::from(pid), Tid::from(pid));
    let mut schedule = CoSchedule::new();
    let mut batch = Batch::new();
    let slot = batch.push(first_readable(pid), 64);
    let started = Instant::now();
    let mut clock = Clock::new(rate, started);
    let mut follow_due = started;
    let before = thread_cpu();
    let mut count = 0u32;
    while go_on() {
        if let Some(rest) = clock.due().checked_duration_since(Instant::now()) {
            std::thread::sleep(rest);
        }
        let now = Instant::now();
        clock.advance(now);
        if now >= follow_due {
            follow_due = now + FOLLOW_EVERY;
            watch.cpu().map(|cpu| schedule.follow(cpu));
        }
        memory.fill(&mut batch).expect("the target runs");
        batch.bytes(slot).expect("64 bytes");
        count += 1;
    }
    (thread_cpu() - before, count)
}

/// Some memory of the process.
fn first_readable(pid: i32) -> u64 {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let heap = maps
        .lines()
        .find(|l| l.ends_with("[heap]"))
        .expect("a heap");
    let start = heap.split('-').next().expect("a range");
    u64::from_str_radix(start, 16).expect("an address")
}
