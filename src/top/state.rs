//! What the user has chosen to look at.

use super::keys::{Action, Move};
use super::source::Text;
use crate::ids::{Pid, Tid};
use crate::profile::sums::{Share, Windows};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::HashMap;

/// A view of the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tab {
    /// Own and total by function.
    #[default]
    Functions,
    /// Own and total by line.
    Lines,
    /// Own and total by package.
    Packages,
    /// Who calls whom.
    Tree,
    /// Processes and threads.
    Threads,
    /// The last stack of each thread.
    Stack,
}

impl Tab {
    /// All of them, in the order of their keys.
    pub const ALL: [Tab; 6] = [
        Tab::Functions,
        Tab::Lines,
        Tab::Packages,
        Tab::Tree,
        Tab::Threads,
        Tab::Stack,
    ];

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Tab::Functions => "Functions",
            Tab::Lines => "Lines",
            Tab::Packages => "Packages",
            Tab::Tree => "Tree",
            Tab::Threads => "Threads",
            Tab::Stack => "Stack",
        }
    }

    fn number(self) -> usize {
        Self::ALL.iter().position(|tab| *tab == self).unwrap_or(0)
    }

    fn neighbour(self, distance: usize) -> Self {
        let number = (self.number() + distance) % Self::ALL.len();
        Self::ALL.get(number).copied().unwrap_or_default()
    }
}

/// By which samples rows are sorted, and by which of their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// Samples of the innermost frame only, instead of all that have it on the stack.
    pub own: bool,
    /// Samples of the last period, instead of all since the start.
    pub now: bool,
}

impl Sort {
    /// The columns from left to right.
    pub const COLUMNS: [Sort; 4] = [
        Sort {
            own: true,
            now: true,
        },
        Sort {
            own: false,
            now: true,
        },
        Sort {
            own: true,
            now: false,
        },
        Sort {
            own: false,
            now: false,
        },
    ];

    fn beside(self, distance: usize) -> Self {
        let at = Self::COLUMNS.iter().position(|c| *c == self).unwrap_or(0);
        let to = (at + distance) % Self::COLUMNS.len();
        Self::COLUMNS.get(to).copied().unwrap_or(self)
    }

    /// The larger, the further up; the other columns decide where this one does not.
    pub fn key(self, share: &Share) -> [u64; 4] {
        let (first, second) = if self.own {
            (share.own, share.total)
        } else {
            (share.total, share.own)
        };
        let pair = |of: fn(Windows) -> u64| [of(first), of(second)];
        let (now, all) = (pair(|w| w.now), pair(|w| w.all));
        let (front, back) = if self.now { (now, all) } else { (all, now) };
        let ([a, b], [c, d]) = (front, back);
        [a, b, c, d]
    }
}

/// Whose samples count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Only {
    /// Samples of all threads of a process.
    Process(Pid),
    /// Samples of a thread, by its process and the kernel's id.
    Thread(Pid, Tid),
}

/// What a row is, whatever its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKey {
    /// A function, by its id.
    Function(u32),
    /// A line, by its id.
    Line(u32),
    /// A package, by its id.
    Package(u32),
    /// A node of the call tree.
    Path(u32),
    /// A process, by its id.
    Process(Pid),
    /// A thread, by its process and its own id.
    Thread(Pid, Tid),
    /// A frame of the last stack of a thread, by how far out it is; 0 is the thread itself.
    Frame(u32, u32),
    /// A line of the source.
    Source(u32),
    /// Nobody: the caller of an outermost frame.
    Nobody,
}

/// A list in which something is selected.
#[derive(Debug, Clone, Default)]
pub struct Cursor {
    /// What is selected; the first row, whatever it is, until the user moves.
    pub key: Option<RowKey>,
    index: usize,
    offset: usize,
    page: usize,
}

impl Cursor {
    /// On a row.
    pub fn on(key: RowKey) -> Self {
        Cursor {
            key: Some(key),
            ..Self::default()
        }
    }

    /// Finds the selected row among those there are now.
    pub fn place(&self, keys: &[RowKey]) -> usize {
        let found = match self.key {
            None => 0,
            // Where it is gone for now, what has taken its place is selected.
            Some(key) => keys.iter().position(|k| *k == key).unwrap_or(self.index),
        };
        found.min(keys.len().saturating_sub(1))
    }

    /// Finds the selected row among those there are now, and which are on a screen of so many rows.
    /// The result is the index of the selected one and that of the first one to be seen.
    pub fn find(&mut self, keys: &[RowKey], page: usize) -> (usize, usize) {
        let last = keys.len().saturating_sub(1);
        self.index = self.place(keys);
        self.page = page;
        let first_seen = (self.index + 1).saturating_sub(page.max(1));
        self.offset = self
            .offset
            .clamp(first_seen, self.index.max(first_seen))
            .min((last + 1).saturating_sub(page));
        (self.index, self.offset)
    }

    /// Moves the selection among these rows.
    pub fn go(&mut self, to: Move, keys: &[RowKey]) {
        let (at, last) = (self.place(keys), keys.len().saturating_sub(1));
        let page = self.page.saturating_sub(1).max(1);
        let next = match to {
            Move::Up => at.saturating_sub(1),
            Move::Down => (at + 1).min(last),
            Move::PageUp => at.saturating_sub(page),
            Move::PageDown => (at + page).min(last),
            Move::Home => 0,
            Move::End => last,
        };
        self.index = next;
        self.key = match to {
            Move::Home => None,
            _ => keys.get(next).copied(),
        };
    }

    /// The same for a list without an order that changes: the first row is a row like others.
    pub fn go_fixed(&mut self, to: Move, keys: &[RowKey]) {
        self.go(to, keys);
        self.key = keys.get(self.index).copied();
    }

    /// Puts the selected row into the middle of the screen when it is drawn next.
    pub fn centre(&mut self, keys: &[RowKey], page: usize) {
        let (index, _) = self.find(keys, page);
        self.offset = index.saturating_sub(page / 2);
    }
}

/// A part of the detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pane {
    /// Who calls it.
    Callers,
    /// Whom it calls.
    Callees,
    /// Its text.
    Source,
}

impl Pane {
    fn next(self) -> Self {
        match self {
            Pane::Callers => Pane::Callees,
            Pane::Callees => Pane::Source,
            Pane::Source => Pane::Callers,
        }
    }
}

/// One function looked at closely.
#[derive(Debug)]
pub struct Detail {
    /// The function's id, as in [`Group::Function`](crate::profile::index::Group::Function).
    pub function: u32,
    /// The part that keys go to.
    pub pane: Pane,
    /// The selected row of the functions that call it.
    pub callers: Cursor,
    /// The selected row of the functions that it calls.
    pub callees: Cursor,
    /// The selected line of its text.
    pub source: Cursor,
    /// The source line was not seen yet, and is to be drawn in the middle.
    pub is_new: bool,
    /// The order of callers and callees, and which samples are shown.
    pub sort: Sort,
    /// The file that is shown.
    pub file: String,
    /// Its text, or why there is none.
    pub text: Result<Text, String>,
}

impl Detail {
    /// The selection in the part that keys go to.
    pub fn cursor(&mut self) -> &mut Cursor {
        match self.pane {
            Pane::Callers => &mut self.callers,
            Pane::Callees => &mut self.callees,
            Pane::Source => &mut self.source,
        }
    }

    /// Goes to the next part.
    pub fn turn(&mut self, forwards: bool) {
        self.pane = self.pane.next();
        if !forwards {
            self.pane = self.pane.next();
        }
    }
}

/// All that the user has chosen.
#[derive(Debug)]
pub struct State {
    /// The view.
    pub tab: Tab,
    /// Text that rows and stacks must have; empty for any.
    pub filter: String,
    /// It is being typed.
    pub typing: bool,
    /// Whose samples count; `None` for everybody's.
    pub only: Option<Only>,
    /// Nodes of the call tree that the user opened or closed.
    pub folds: HashMap<u32, bool>,
    /// Functions looked at closely, each from within the one before.
    pub details: Vec<Detail>,
    /// The list of keys is shown, from this line on.
    pub help: Option<usize>,
    /// What happened last.
    pub message: Option<Message>,
    places: [TabPlace; Tab::ALL.len()],
}

/// Where the user is in a tab.
#[derive(Debug, Clone)]
struct TabPlace {
    cursor: Cursor,
    sort: Sort,
}

impl TabPlace {
    /// At the top of a tab.
    fn of(tab: Tab) -> Self {
        let sort = match tab {
            // Branches should not jump about, and the hot ones have little of their own.
            Tab::Tree => Sort {
                own: false,
                now: false,
            },
            Tab::Threads => Sort {
                own: false,
                now: true,
            },
            _ => Sort {
                own: true,
                now: true,
            },
        };
        TabPlace {
            cursor: Cursor::default(),
            sort,
        }
    }
}

/// Something to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The words.
    pub text: String,
    /// It went wrong.
    pub is_bad: bool,
}

impl Default for State {
    fn default() -> Self {
        State {
            tab: Tab::default(),
            filter: String::new(),
            typing: false,
            only: None,
            folds: HashMap::new(),
            details: Vec::new(),
            help: None,
            message: None,
            places: Tab::ALL.map(TabPlace::of),
        }
    }
}

/// No name that anybody looks for is longer.
const LONGEST_FILTER: usize = 100;

impl State {
    fn place(&self) -> &TabPlace {
        let [functions, lines, packages, tree, threads, stack] = &self.places;
        match self.tab {
            Tab::Functions => functions,
            Tab::Lines => lines,
            Tab::Packages => packages,
            Tab::Tree => tree,
            Tab::Threads => threads,
            Tab::Stack => stack,
        }
    }

    fn place_mut(&mut self) -> &mut TabPlace {
        let [functions, lines, packages, tree, threads, stack] = &mut self.places;
        match self.tab {
            Tab::Functions => functions,
            Tab::Lines => lines,
            Tab::Packages => packages,
            Tab::Tree => tree,
            Tab::Threads => threads,
            Tab::Stack => stack,
        }
    }

    /// The selection of the tab that is shown.
    pub fn cursor(&mut self) -> &mut Cursor {
        &mut self.place_mut().cursor
    }

    /// The order of the rows that are shown.
    pub fn sort(&self) -> Sort {
        match self.details.last() {
            Some(detail) => detail.sort,
            None => self.place().sort,
        }
    }

    fn sort_by(&mut self, change: impl FnOnce(&mut Sort)) {
        match self.details.last_mut() {
            Some(detail) => change(&mut detail.sort),
            None => change(&mut self.place_mut().sort),
        }
    }

    /// Takes a key while a filter is typed.
    pub fn type_filter(&mut self, key: KeyEvent) {
        match key.code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = false;
            }
            KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c)
                if !key.modifiers.contains(KeyModifiers::CONTROL)
                    && !c.is_control()
                    && self.filter.chars().count() < LONGEST_FILTER =>
            {
                self.filter.push(c);
            }
            _ => {}
        }
    }

    /// Does what concerns nothing but the choice itself; false for what needs more.
    pub fn apply(&mut self, action: Action) -> bool {
        match action {
            Action::Help => self.help = self.help.is_none().then_some(0),
            Action::Tab(number) => self.show(Tab::ALL.get(number).copied().unwrap_or_default()),
            Action::NextTab => self.show(self.tab.neighbour(1)),
            Action::PreviousTab => self.show(self.tab.neighbour(Tab::ALL.len() - 1)),
            Action::Own | Action::Total => {
                // Of a thread there is but one.
                if self.tab != Tab::Threads {
                    self.sort_by(|sort| sort.own = action == Action::Own);
                }
            }
            Action::Window => self.sort_by(|sort| sort.now = !sort.now),
            Action::Filter => {
                self.typing = true;
                self.details.clear();
            }
            Action::Back => self.back(),
            Action::Left | Action::Right => return self.sideways(action == Action::Right),
            _ => return false,
        }
        true
    }

    fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.details.clear();
        self.help = None;
    }

    fn back(&mut self) {
        if self.help.take().is_some() || self.details.pop().is_some() {
            return;
        }
        if self.filter.is_empty() {
            self.only = None;
        } else {
            self.filter.clear();
        }
    }

    /// False where it is the call tree's.
    fn sideways(&mut self, right: bool) -> bool {
        if let Some(detail) = self.details.last_mut() {
            detail.turn(right);
            return true;
        }
        match self.tab {
            Tab::Tree => false,
            // Two of the columns are not there.
            Tab::Threads => {
                self.sort_by(|sort| sort.now = !sort.now);
                true
            }
            _ => {
                let distance = if right { 1 } else { Sort::COLUMNS.len() - 1 };
                self.sort_by(|sort| *sort = sort.beside(distance));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [RowKey; 6] = [
        RowKey::Function(0),
        RowKey::Function(1),
        RowKey::Function(2),
        RowKey::Function(3),
        RowKey::Function(4),
        RowKey::Function(5),
    ];

    #[test]
    fn the_selection_stays_with_its_row() {
        let mut cursor = Cursor::default();
        assert_eq!(cursor.find(&KEYS, 3), (0, 0));
        cursor.go(Move::Down, &KEYS);
        assert_eq!(cursor.find(&KEYS, 3), (1, 0));
        let mut other = KEYS;
        other.reverse();
        assert_eq!(cursor.find(&other, 3), (4, 2));
        // Gone: the neighbour is selected until it is back.
        assert_eq!(cursor.find(&other[..4], 3), (3, 1));
        assert_eq!(cursor.find(&KEYS, 3), (1, 1));
        cursor.go(Move::Home, &KEYS);
        assert_eq!(cursor.find(&other, 3), (0, 0));
        assert_eq!(cursor.find(&[], 3), (0, 0));
    }

    #[test]
    fn every_move_stays_on_the_list() {
        let mut random = fastrand::Rng::with_seed(3);
        let moves = [
            Move::Up,
            Move::Down,
            Move::PageUp,
            Move::PageDown,
            Move::Home,
            Move::End,
        ];
        let mut cursor = Cursor::default();
        for _ in 0..2000 {
            let keys = &KEYS[..random.usize(0..=KEYS.len())];
            let page = random.usize(0..8);
            let (index, offset) = cursor.find(keys, page);
            assert!(index < keys.len().max(1));
            assert!(offset <= index);
            assert!(page == 0 || index < offset + page);
            assert!(offset == 0 || offset + page <= keys.len().max(page));
            cursor.go(moves[random.usize(0..moves.len())], keys);
        }
        cursor.find(&KEYS, 4);
        cursor.go(Move::End, &KEYS);
        assert_eq!(cursor.find(&KEYS, 4), (5, 2));
        cursor.go(Move::PageUp, &KEYS);
        assert_eq!(cursor.find(&KEYS, 4), (2, 2));
    }

    #[test]
    fn back_is_one_step() {
        let mut state = State {
            filter: "foo".into(),
            only: Some(Only::Process(Pid::from(7))),
            help: Some(0),
            ..State::default()
        };
        state.apply(Action::Back);
        assert!(state.help.is_none() && !state.filter.is_empty());
        state.apply(Action::Back);
        assert!(state.filter.is_empty() && state.only.is_some());
        state.apply(Action::Back);
        assert!(state.only.is_none());
    }

    #[test]
    fn columns_go_round() {
        let mut state = State::default();
        let seen: Vec<Sort> = (0..4)
            .map(|_| {
                state.apply(Action::Right);
                state.sort()
            })
            .collect();
        assert_eq!(seen[..3], Sort::COLUMNS[1..]);
        assert_eq!(seen[3], Sort::COLUMNS[0]);
        state.apply(Action::Left);
        assert_eq!(state.sort(), Sort::COLUMNS[3]);
        state.apply(Action::Own);
        assert_eq!(
            state.sort(),
            Sort {
                own: true,
                now: false
            }
        );
        state.apply(Action::Window);
        state.apply(Action::Total);
        assert_eq!(
            state.sort(),
            Sort {
                own: false,
                now: true
            }
        );
    }
}
