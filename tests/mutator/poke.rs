//! Overwrites another process's memory: what p5-spy reads of it, and what that leads to.

use fastrand::Rng;
use flate2::read::GzDecoder;
use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

/// Words beyond those of a capture: as far as two pointers lead, so much of each place.
const STEPS: usize = 2;
const AROUND: u64 = 96;
const MOST_WORDS: usize = 60_000;

/// Where to poke.
#[derive(Clone)]
pub struct Places {
    /// What samples read.
    hot: Arc<[u64]>,
    /// These, what an attach reads, and where they lead.
    all: Arc<[u64]>,
}

impl Places {
    /// By a capture of a process, and its memory now.
    pub fn of(capture: &Path, pid: i32) -> Self {
        let file = GzDecoder::new(File::open(capture).unwrap());
        let capture: serde_json::Value = serde_json::from_reader(file).unwrap();
        let maps = writable(pid);
        let is_data = |at: u64| maps.iter().any(|(start, end)| (*start..*end).contains(&at));
        let words_of = |pieces: &serde_json::Value| -> BTreeSet<u64> {
            let pieces = pieces.as_array().unwrap().iter();
            let words = pieces.flat_map(|piece| {
                let start = piece[0].as_u64().unwrap();
                let length = piece[1].as_str().unwrap().len() as u64 / 2;
                start..start + length
            });
            words.filter(|at| at % 4 == 0 && is_data(*at)).collect()
        };
        let samples = capture["samples"].as_array().unwrap();
        let hot: BTreeSet<u64> = samples.iter().flat_map(words_of).collect();
        let mut all = words_of(&capture["attach"]);
        all.extend(&hot);
        let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
        let mut last = all.clone();
        for _ in 0..STEPS {
            let leads = |at: &u64| {
                let mut word = [0; 8];
                memory.read_exact_at(&mut word, *at).ok()?;
                let to = u64::from_le_bytes(word);
                (to % 8 == 0 && is_data(to)).then_some(to)
            };
            let found: BTreeSet<u64> = last.iter().filter_map(leads).collect();
            let around = |at: u64| (at..at + AROUND).step_by(8).filter(|at| is_data(*at));
            last = found.into_iter().flat_map(around).collect();
            if all.len() + last.len() > MOST_WORDS {
                break;
            }
            all.extend(&last);
        }
        // What the one that computes compares: it would be done at once.
        let is_compared = |at: &u64| {
            let mut word = [0; 4];
            memory.read_exact_at(&mut word, *at).is_ok() && word == *b"aaaa"
        };
        all.retain(|at| !is_compared(at));
        Places {
            hot: hot.into_iter().collect(),
            all: all.into_iter().collect(),
        }
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }
}

/// The heap, data and other anonymous memory, but no stack of C's: a process that waits would not
/// come back from that.
fn writable(pid: i32) -> Vec<(u64, u64)> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let range = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let wanted = rest.starts_with("rw-p") && !rest.contains(".so") && !rest.contains("[stack]");
        let number = |text| u64::from_str_radix(text, 16).ok();
        wanted.then(|| Some((number(start)?, number(end)?)))?
    };
    maps.lines().filter_map(range).collect()
}

/// Overwrites until it is dropped.
pub struct Poker {
    stop: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Poker {
    /// `restores` puts everything back after some milliseconds each time, so that the process lives
    /// and can be attached to again.
    pub fn start(pid: i32, places: Places, restores: bool, seed: u64) -> Self {
        let (stop, count) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let path = format!("/proc/{pid}/mem");
        let memory = File::options().read(true).write(true).open(path).unwrap();
        let mut hand = Hand {
            memory,
            places,
            random: Rng::with_seed(seed),
            undo: Vec::new(),
        };
        let (stopped, counted) = (stop.clone(), count.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Relaxed) {
                // A little damage leads further astray, much of it is met more often.
                for _ in 0..1 << hand.random.u32(..8) {
                    hand.overwrite();
                    counted.fetch_add(1, Relaxed);
                }
                // Not a wait for anything: how long each damage stands.
                let stands = hand.random.u64(..if restores { 12_000 } else { 2_000 });
                std::thread::sleep(Duration::from_micros(stands));
                if restores {
                    hand.restore();
                }
                hand.undo.clear();
            }
        });
        Poker {
            stop,
            count,
            thread: Some(thread),
        }
    }

    /// Words so far.
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }
}

impl Drop for Poker {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(!matches!(ended, Some(Err(_))) || std::thread::panicking());
    }
}

struct Hand {
    memory: File,
    places: Places,
    random: Rng,
    /// Addresses and what was there.
    undo: Vec<(u64, [u8; 8])>,
}

impl Hand {
    fn overwrite(&mut self) {
        // What every sample reads is as likely as all the rest.
        let at = match self.random.bool() {
            true => self.pick(),
            false => self.places.hot[self.random.usize(..self.places.hot.len())],
        };
        let Some(before) = self.word(at) else { return };
        let width = if self.random.u8(..3) == 0 { 4 } else { 8 };
        let value = self.hostile(at, u64::from_le_bytes(before)).to_le_bytes();
        // A process that has just ended has no memory.
        if self.memory.write_all_at(&value[..width], at).is_ok() {
            self.undo.push((at, before));
        }
    }

    fn restore(&mut self) {
        for (at, before) in self.undo.drain(..).rev() {
            let _ = self.memory.write_all_at(&before, at);
        }
    }

    fn word(&self, at: u64) -> Option<[u8; 8]> {
        let mut word = [0; 8];
        self.memory.read_exact_at(&mut word, at).ok()?;
        Some(word)
    }

    fn pick(&mut self) -> u64 {
        self.places.all[self.random.usize(..self.places.all.len())]
    }

    fn hostile(&mut self, at: u64, before: u64) -> u64 {
        match self.random.u8(..14) {
            // Circles, and one structure in another's place.
            0 => at,
            1..=3 => self.pick(),
            4 | 5 => {
                let other = self.pick();
                self.word(other).map_or(0, u64::from_le_bytes)
            }
            6 => 0,
            7 => u64::MAX,
            8 => 0x7fff_ffff,
            9 => before.wrapping_add(self.random.u64(..64)).wrapping_sub(32),
            10 => before ^ (1 << self.random.u32(..64)),
            11 => u64::from_le_bytes(*b"\x1b[2J\n\x9b\xff\x07"),
            12 => 0xffff_8000_0000_0000 | self.random.u64(..1 << 40),
            _ => self.random.u64(..),
        }
    }
}
