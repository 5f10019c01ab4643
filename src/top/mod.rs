//! The live view: a table of functions that refreshes every second.

mod table;
mod terminal;

use crate::perl::names::homes;
use crate::profile::Tally;
use crate::profile::functions::{FunctionCounts, FunctionRow};
use crate::sampler::Recording;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
pub use terminal::Screen;

/// What the header says of the target.
#[derive(Debug, Clone)]
pub struct About {
    /// The process.
    pub pid: i32,
    /// Its command line.
    pub title: String,
    /// Version and build.
    pub perl: String,
    /// Samples per second that were asked for.
    pub rate: f64,
    /// Waiting threads count too.
    pub idle: bool,
}

/// What the user asked for with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// `q`.
    Quit,
    /// Ctrl-C.
    Interrupt,
}

/// Between two refreshes.
const REFRESH: Duration = Duration::from_secs(1);
/// The first refresh comes sooner, so that nobody stares at an empty screen.
const FIRST: Duration = Duration::from_millis(250);

/// What the last refresh found.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Functions, busiest first, each with where it is.
    pub rows: Vec<(FunctionRow, String)>,
    /// Samples with a stack in the last period.
    pub recent: u64,
    /// Length of the last period.
    pub period: Duration,
    /// What became of the samples of the last period.
    pub tally: Tally,
    /// What became of all samples.
    pub all: Tally,
    /// Since the start.
    pub elapsed: Duration,
    /// Processes.
    pub processes: usize,
    /// Their threads that run Perl.
    pub threads: usize,
}

/// The view, open on the terminal; closing it restores the terminal.
pub struct View {
    screen: Screen,
    about: About,
    snapshot: Snapshot,
    started: Instant,
    last: Instant,
    due: Instant,
    before: Tally,
}

impl View {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn open(about: About) -> io::Result<Self> {
        let now = Instant::now();
        let mut view = View {
            screen: Screen::open()?,
            about,
            snapshot: Snapshot::default(),
            started: now,
            last: now,
            due: now + FIRST,
            before: Tally::default(),
        };
        view.draw()?;
        Ok(view)
    }

    fn draw(&mut self) -> io::Result<()> {
        let (about, snapshot) = (&self.about, &self.snapshot);
        self.screen
            .draw(|frame| table::draw(frame, about, snapshot))
    }

    /// Waits for a key, a resize or the next refresh, at most `patience`.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn step(
        &mut self,
        patience: Duration,
        recording: &Mutex<Recording<FunctionCounts>>,
    ) -> io::Result<Option<Wish>> {
        let rest = self.due.saturating_duration_since(Instant::now());
        if event::poll(rest.min(patience))? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                    KeyCode::Char('q' | 'Q') => return Ok(Some(Wish::Quit)),
                    KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                        return Ok(Some(Wish::Interrupt));
                    }
                    _ => {}
                },
                Event::Resize(..) => self.draw()?,
                _ => {}
            }
        }
        let now = Instant::now();
        if now >= self.due {
            self.due = now + REFRESH;
            self.refresh(now, recording);
            self.draw()?;
        }
        Ok(None)
    }

    fn refresh(&mut self, now: Instant, recording: &Mutex<Recording<FunctionCounts>>) {
        let mut recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
        let Recording { sink, seen, .. } = &mut *recording;
        let (mut rows, recent) = sink.snapshot(seen);
        let all = recording.tally.clone();
        let (processes, threads) = (recording.processes, recording.threads);
        drop(recording);
        rows.sort_by(|a, b| {
            let key = |r: &FunctionRow| (r.recent.own, r.recent.total, r.all.own, r.all.total);
            key(b)
                .cmp(&key(a))
                .then_with(|| a.key.label.cmp(&b.key.label))
        });
        let homes = homes(rows.iter().map(|row| &row.key));
        self.snapshot = Snapshot {
            rows: rows.into_iter().zip(homes).collect(),
            recent,
            period: now - self.last,
            tally: all.since(&self.before),
            all: all.clone(),
            elapsed: now - self.started,
            processes,
            threads,
        };
        self.before = all;
        self.last = now;
    }
}
