//! Which key does what: the only place that knows.

use crate::platform::suspend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// End the view.
    Quit,
    /// Ctrl-C.
    Interrupt,
    /// Ctrl-Z.
    Suspend,
    /// Show or hide the list of keys.
    Help,
    /// Show the tab of this number, from 0.
    Tab(usize),
    /// Show the tab behind.
    NextTab,
    /// Show the tab before.
    PreviousTab,
    /// Move the selection.
    Move(Move),
    /// The column, level or pane to the left.
    Left,
    /// The column, level or pane to the right.
    Right,
    /// Open what is selected.
    Enter,
    /// One step back.
    Back,
    /// Sort by own samples.
    Own,
    /// Sort by total samples.
    Total,
    /// The last period, or since the start.
    Window,
    /// Open all of the call tree below the selection.
    Unfold,
    /// Close it.
    Fold,
    /// Type a filter.
    Filter,
    /// Stop the picture, or let it go on.
    Pause,
    /// Start all counts anew.
    Reset,
    /// Wall-clock time, or CPU time.
    Wall,
    /// Save a flame graph.
    Save,
}

/// Where the selection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// One row up.
    Up,
    /// One row down.
    Down,
    /// One screen up.
    PageUp,
    /// One screen down.
    PageDown,
    /// To the first row.
    Home,
    /// To the last row.
    End,
}

/// The keys, for the help.
const ALL: &[(&str, &str)] = &[
    (
        "1 2 3 4 5 6",
        "functions, lines, packages, call tree, threads, stack",
    ),
    ("Tab Shift-Tab", "the next and the previous of these"),
    (
        "↑ ↓ k j",
        "move the selection, which then stays with its row",
    ),
    ("PgUp PgDn", "move it by a screen"),
    (
        "Home End g G",
        "first row (and stay on top, whatever is there), last row",
    ),
    ("Enter", "callers, callees and source of what is selected;"),
    ("", "of a package its functions; of a thread only that one"),
    (
        "Esc Backspace",
        "back: out of this, the filter, the one thread",
    ),
    ("o t", "sort by own samples, by total samples"),
    ("n", "sort by the last second, by all since the start"),
    (
        "← →",
        "sort by the next column; in the call tree close, open;",
    ),
    ("", "with callers and callees go to the next pane"),
    ("- +", "in the call tree close, open everything below"),
    ("/", "filter by a text: Enter keeps it, Esc drops it"),
    ("Space", "pause: the picture stops, sampling goes on"),
    ("r", "reset: count anew"),
    (
        "w",
        "wall-clock time (waiting counts too) or CPU time; counts anew",
    ),
    ("s", "save a flame graph of what the filters leave"),
    ("? h", "this help"),
    ("q Ctrl-C", "quit"),
    ("Ctrl-Z", "suspend, as in a shell: fg brings the view back"),
];

/// Those that there are here.
pub const HELP: &[(&str, &str)] = match ALL.split_last() {
    Some((_, others)) if !suspend::EXISTS => others,
    _ => ALL,
};

/// What a key means while no text is typed.
pub fn action(key: KeyEvent) -> Option<Action> {
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c' | 'd') => Some(Action::Interrupt),
            KeyCode::Char('z') => Some(Action::Suspend),
            _ => None,
        };
    }
    Some(match key.code {
        KeyCode::Char('q' | 'Q') => Action::Quit,
        KeyCode::Char('?' | 'h') => Action::Help,
        KeyCode::Char(digit @ '1'..='6') => Action::Tab(digit as usize - '1' as usize),
        KeyCode::Tab => Action::NextTab,
        KeyCode::BackTab => Action::PreviousTab,
        KeyCode::Up | KeyCode::Char('k') => Action::Move(Move::Up),
        KeyCode::Down | KeyCode::Char('j') => Action::Move(Move::Down),
        KeyCode::PageUp => Action::Move(Move::PageUp),
        KeyCode::PageDown => Action::Move(Move::PageDown),
        KeyCode::Home | KeyCode::Char('g') => Action::Move(Move::Home),
        KeyCode::End | KeyCode::Char('G') => Action::Move(Move::End),
        KeyCode::Left => Action::Left,
        KeyCode::Right => Action::Right,
        KeyCode::Enter => Action::Enter,
        KeyCode::Esc | KeyCode::Backspace => Action::Back,
        KeyCode::Char('o') => Action::Own,
        KeyCode::Char('t') => Action::Total,
        KeyCode::Char('n') => Action::Window,
        KeyCode::Char('+') => Action::Unfold,
        KeyCode::Char('-') => Action::Fold,
        KeyCode::Char('/') => Action::Filter,
        KeyCode::Char(' ') => Action::Pause,
        KeyCode::Char('r') => Action::Reset,
        KeyCode::Char('w') => Action::Wall,
        KeyCode::Char('s') => Action::Save,
        _ => return None,
    })
}
