//! The live view: what a program is doing, refreshed every second.
//!
//! `top/keys.rs` says which key does what, `state.rs` what the user has chosen, `ledger.rs` what was counted
//! and what a pause holds still, `picture.rs` makes rows of it (`by_thread.rs` those of processes, threads
//! and their stacks, `function.rs` what is shown of one function), and `draw.rs`, `header.rs`, `list.rs` and
//! `close.rs` draw them. `terminal.rs` takes the terminal and gives it back, also in a panic.

mod by_thread;
mod close;
mod cut;
mod draw;
mod function;
mod header;
mod keys;
mod ledger;
mod list;
mod palette;
mod picture;
mod save;
mod source;
mod state;
mod terminal;
#[cfg(test)]
mod tests;

use crate::ids::Pid;
use crate::platform::{Process, has_thread};
use crate::profile::fresh::Fresh;
use crate::sampler::Recording;
use draw::Scene;
use function::{Close, TextSpot};
use keys::Action;
use ledger::Books;
use palette::Palette;
use picture::TabPicture;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use state::{Cursor, Detail, Message, Only, Pane, RowKey, Sort, State, Tab};
use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};
pub use terminal::Screen;

/// What the header says of the target.
#[derive(Debug, Clone)]
pub struct HeaderFacts {
    /// The process.
    pub pid: Pid,
    /// Its command line.
    pub title: String,
    /// Version and build.
    pub perl: String,
    /// Samples per second that were asked for.
    pub rate: f64,
    /// Waiting threads count too.
    pub idle: bool,
    /// Working folders, to which names of files are shown relative; `None` for whole names.
    pub folders: Option<Vec<String>>,
}

/// What the user asked for with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyRequest {
    /// `q`.
    Quit,
    /// Ctrl-C, or the terminal is gone.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
}

/// Between two refreshes.
const REFRESH: Duration = Duration::from_secs(1);
/// The first refresh comes sooner, so that nobody stares at an empty screen.
const FIRST: Duration = Duration::from_millis(250);
/// Stacks change faster than counts.
const GLANCE: Duration = Duration::from_millis(250);

/// The view, open on the terminal; closing it restores the terminal.
pub struct View {
    screen: Screen,
    model: ViewModel,
    due: Instant,
    glance_due: Instant,
}

impl View {
    /// Takes over the terminal.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn open(about: HeaderFacts) -> io::Result<Self> {
        let now = Instant::now();
        let mut view = View {
            screen: Screen::open()?,
            model: ViewModel::new(about, now, Palette::of_user()),
            due: now + FIRST,
            glance_due: now + GLANCE,
        };
        view.draw()?;
        Ok(view)
    }

    fn draw(&mut self) -> io::Result<()> {
        let model = &mut self.model;
        self.screen.draw(|frame| model.draw(frame))
    }

    /// Whether threads that wait are to be sampled.
    pub fn counts_waiting(&self) -> bool {
        self.model.about.idle
    }

    fn suspend(&mut self) -> io::Result<()> {
        self.screen.suspend()?;
        // The sampler has to notice first that it was away.
        self.due = self.due.max(Instant::now() + FIRST);
        Ok(())
    }

    /// Waits for a key, a resize or the next refresh, at most `patience`.
    ///
    /// # Errors
    /// When the terminal fails.
    pub fn step(
        &mut self,
        patience: Duration,
        recording: &Mutex<Recording<Fresh>>,
    ) -> io::Result<Option<KeyRequest>> {
        let glances = self.model.glances();
        let next = if glances {
            self.due.min(self.glance_due)
        } else {
            self.due
        };
        let rest = next.saturating_duration_since(Instant::now()).min(patience);
        if !self.screen.wait(rest)? {
            return Ok(Some(KeyRequest::Interrupt));
        }
        let mut is_changed = false;
        if self.screen.is_asked_to_stop() {
            self.suspend()?;
            is_changed = true;
        }
        // A key that is held down comes faster than pictures need to.
        while event::poll(Duration::ZERO)? {
            match event::read()? {
                Event::Key(key) if key.kind != KeyEventKind::Release => {
                    match self.model.press(key, recording) {
                        Some(KeyRequest::Suspend) => self.suspend()?,
                        Some(request) => return Ok(Some(request)),
                        None => {}
                    }
                    is_changed = true;
                }
                Event::Resize(..) => is_changed = true,
                _ => {}
            }
        }
        let now = Instant::now();
        if now >= self.due {
            self.due = now + REFRESH;
            self.glance_due = now + GLANCE;
            self.model.refresh(now, recording);
            is_changed = true;
        } else if glances && now >= self.glance_due {
            self.glance_due = now + GLANCE;
            self.model.books.glance(now, recording);
            is_changed = true;
        }
        if is_changed {
            self.model.compose();
            self.draw()?;
        }
        Ok(None)
    }
}

/// All of the view but the terminal.
struct ViewModel {
    about: HeaderFacts,
    books: Books,
    state: State,
    picture: TabPicture,
    close: Option<Close>,
    palette: Palette,
}

impl ViewModel {
    fn new(about: HeaderFacts, now: Instant, palette: Palette) -> Self {
        let mut model = ViewModel {
            books: Books::new(now, about.folders.clone()),
            about,
            state: State::default(),
            picture: TabPicture::default(),
            close: None,
            palette,
        };
        model.compose();
        model
    }

    /// True while stacks are shown, and move.
    fn glances(&self) -> bool {
        self.state.tab == Tab::Stack && self.state.details.is_empty() && !self.books.is_paused()
    }

    fn refresh(&mut self, now: Instant, recording: &Mutex<Recording<Fresh>>) {
        self.books.gather(now, recording);
        let pid = self.about.pid;
        self.books
            .note_stopped(|| Process::open(pid).is_ok_and(Process::is_stopped));
        if matches!(self.state.tab, Tab::Threads | Tab::Stack) {
            self.books.count_the_living(has_thread);
        }
    }

    /// Makes the rows anew.
    fn compose(&mut self) {
        self.close = self
            .state
            .details
            .last()
            .map(|detail| Close::new(&self.books, &self.state, detail.function, &detail.file));
        // What is covered need not be right.
        if self.close.is_none() {
            self.picture = TabPicture::new(&self.books, &self.state, self.about.idle);
        }
    }

    fn draw(&mut self, frame: &mut ratatui::Frame<'_>) {
        let scene = Scene {
            about: &self.about,
            books: &self.books,
            picture: &self.picture,
            close: self.close.as_ref(),
            palette: self.palette,
        };
        draw::draw(frame, &scene, &mut self.state);
    }

    /// Does what a key asks for. Esc and a key behind it may come as one with Alt.
    fn press(&mut self, key: KeyEvent, recording: &Mutex<Recording<Fresh>>) -> Option<KeyRequest> {
        if key.modifiers.contains(KeyModifiers::ALT) {
            self.press(KeyCode::Esc.into(), recording);
            let plain = key.modifiers - KeyModifiers::ALT;
            return self.press(KeyEvent::new(key.code, plain), recording);
        }
        self.state.message = None;
        let action = keys::action(key);
        match action {
            Some(Action::Interrupt) => return Some(KeyRequest::Interrupt),
            Some(Action::Suspend) => return Some(KeyRequest::Suspend),
            _ => {}
        }
        if self.state.typing {
            self.state.type_filter(key);
            self.compose();
            return None;
        }
        let action = action?;
        if action == Action::Quit {
            return Some(KeyRequest::Quit);
        }
        if !self.state.apply(action) {
            self.act(action, recording);
        }
        // The next key may come before the next picture, and refers to this one.
        self.compose();
        None
    }

    fn act(&mut self, action: Action, recording: &Mutex<Recording<Fresh>>) {
        match action {
            Action::Move(to) => self.go(to),
            Action::Enter => self.enter(),
            Action::Left | Action::Right => self.fold_one(action == Action::Right),
            Action::Unfold | Action::Fold => self.fold_all(action == Action::Unfold),
            Action::Pause => self.books.pause(),
            Action::Reset => {
                self.books.reset(Instant::now(), recording);
                self.say("Counting anew.".into());
            }
            Action::Wall => {
                self.about.idle = !self.about.idle;
                let idle = self.about.idle;
                self.books.count_waiting(idle, Instant::now(), recording);
                self.say(match idle {
                    true => "Wall-clock time from here on: threads that wait count too.".into(),
                    false => "CPU time from here on: only what runs counts.".into(),
                });
            }
            Action::Save => self.save(Path::new(".")),
            _ => {}
        }
    }

    fn say(&mut self, text: String) {
        self.state.message = Some(Message {
            text,
            is_bad: false,
        });
    }

    fn go(&mut self, to: keys::Move) {
        if let Some(first) = &mut self.state.help {
            use keys::Move::{Down, End, Home, PageDown, PageUp, Up};
            *first = match to {
                Up => first.saturating_sub(1),
                Down => *first + 1,
                PageUp => first.saturating_sub(10),
                PageDown => *first + 10,
                Home => 0,
                End => keys::HELP.len(),
            };
            return;
        }
        let Some(detail) = self.state.details.last_mut() else {
            self.state.cursor().go(to, &self.picture.keys);
            return;
        };
        let items = |items: &[picture::Item]| -> Vec<RowKey> {
            items.iter().filter_map(|i| i.key).collect()
        };
        let close = self.close.as_ref();
        match detail.pane {
            Pane::Callers => {
                let keys = close.map(|c| items(&c.callers)).unwrap_or_default();
                detail.callers.go(to, &keys);
            }
            Pane::Callees => {
                let keys = close.map(|c| items(&c.callees)).unwrap_or_default();
                detail.callees.go(to, &keys);
            }
            Pane::Source => {
                let lines = detail.text.as_ref().map_or(0, |text| text.lines.len());
                detail.source.go_fixed(to, &close::source_keys(lines));
            }
        }
    }

    /// The row that is selected.
    fn selected(&mut self) -> Option<RowKey> {
        if self.state.help.is_some() {
            return None;
        }
        match self.state.details.last_mut() {
            None => {
                let index = self.state.cursor().place(&self.picture.keys);
                self.picture.keys.get(index).copied()
            }
            Some(detail) => {
                let close = self.close.as_ref()?;
                let items = match detail.pane {
                    Pane::Callers => &close.callers,
                    Pane::Callees => &close.callees,
                    Pane::Source => return None,
                };
                let keys: Vec<RowKey> = items.iter().filter_map(|i| i.key).collect();
                let index = detail.cursor().place(&keys);
                keys.get(index).copied()
            }
        }
    }

    fn enter(&mut self) {
        let Some(key) = self.selected() else { return };
        match key {
            RowKey::Process(pid) => self.only(Only::Process(pid)),
            RowKey::Thread(pid, tid) => self.only(Only::Thread(pid, tid)),
            RowKey::Package(id) => {
                self.state.filter = self.books.index.package(id).unwrap_or_default().to_owned();
                self.state.apply(Action::Tab(0));
            }
            key => {
                if let Some((function, line)) = self.picture.function(key, &self.books) {
                    self.look_closely(function, line);
                }
            }
        }
    }

    fn only(&mut self, only: Only) {
        self.state.only = Some(only);
        self.say("Only this one counts now, in every tab. Esc takes all again.".into());
    }

    fn look_closely(&mut self, function: u32, line: Option<u32>) {
        let Some(spot) = TextSpot::find(&self.books, &self.state, function, line) else {
            return;
        };
        let text = source::Text::read(&spot.pids, &spot.file);
        self.state.details.push(Detail {
            function,
            pane: if line.is_some() {
                Pane::Source
            } else {
                Pane::Callers
            },
            callers: Cursor::default(),
            callees: Cursor::default(),
            source: Cursor::on(RowKey::Source(spot.line.max(1))),
            is_new: true,
            // One second has too few samples for all the lines of a file.
            sort: Sort {
                own: false,
                now: false,
            },
            file: spot.file,
            text,
        });
    }

    /// The node of the call tree that is selected.
    fn path(&mut self) -> Option<u32> {
        match self.selected() {
            Some(RowKey::Path(path)) if self.state.tab == Tab::Tree => Some(path),
            _ => None,
        }
    }

    fn fold_one(&mut self, open: bool) {
        let Some(path) = self.path() else { return };
        let item = self
            .picture
            .items
            .iter()
            .find(|i| i.key == Some(RowKey::Path(path)));
        let is_open = item.is_some_and(|item| item.before.contains('▾'));
        if open || is_open {
            self.state.folds.insert(path, open);
        } else if let Some((Some(caller), _)) = self.books.index.path(path) {
            // What is closed already leads to where it belongs.
            *self.state.cursor() = Cursor::on(RowKey::Path(caller));
        }
    }

    fn fold_all(&mut self, open: bool) {
        let Some(path) = self.path() else { return };
        let below = picture::subtree(&self.books.index, path);
        self.state
            .folds
            .extend(below.into_iter().map(|path| (path, open)));
    }

    fn save(&mut self, folder: &Path) {
        let profile = save::profile(&self.books, &self.state);
        let title = format!("perl profile of {}", self.about.title);
        let saved = save::save(&profile, folder, self.about.pid, &title);
        self.state.message = Some(match saved {
            Ok(path) => Message {
                text: format!("Saved {}", shown(&path)),
                is_bad: false,
            },
            Err(error) => Message {
                text: crate::text::from_utf8(error.to_string().as_bytes()),
                is_bad: true,
            },
        });
    }
}

/// A path for people: the whole one, so that they find it.
fn shown(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    crate::text::from_utf8(whole.as_os_str().as_encoded_bytes())
}
