//! The whole screen, at any size.

use super::function::Close;
use super::ledger::Books;
use super::palette::Palette;
use super::picture::TabPicture;
use super::state::State;
use super::{HeaderFacts, close, cut, header, keys, list};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear, Paragraph};

/// All that there is to draw.
pub struct Scene<'a> {
    /// What is looked at.
    pub about: &'a HeaderFacts,
    /// What was counted.
    pub books: &'a Books,
    /// The rows of the tab.
    pub picture: &'a TabPicture,
    /// The function that is looked at closely, if one is.
    pub close: Option<&'a Close>,
    /// How it looks.
    pub palette: Palette,
}

/// Draws everything.
pub fn draw(frame: &mut Frame<'_>, scene: &Scene<'_>, state: &mut State) {
    let area = frame.area();
    // The rows matter most, then the header's first lines.
    let (head, tabs, foot) = match area.height {
        0..=3 => (0, 0, 0),
        4..=6 => (1, 0, 1),
        7..=9 => (1, 1, 1),
        10..=13 => (2, 1, 1),
        _ => (3, 1, 1),
    };
    let [head, tabs, body, foot] = Layout::vertical([
        Constraint::Length(head),
        Constraint::Length(tabs),
        Constraint::Min(0),
        Constraint::Length(foot),
    ])
    .areas(area);
    let Scene {
        about,
        books,
        palette,
        ..
    } = *scene;
    let lines = header::lines(about, books.shown(), books.is_paused(), head.width, palette);
    frame.render_widget(Paragraph::new(lines), head);
    frame.render_widget(header::tabs(state, &books.index, tabs.width, palette), tabs);
    // A sample stands for one period of the clock.
    let period = 1.0 / about.rate;
    let sort = state.sort();
    match (scene.close, state.details.last_mut()) {
        (Some(close), Some(detail)) => {
            close::draw(frame, body, close, detail, sort, period, palette)
        }
        _ => list::draw(frame, body, scene.picture, state, period, palette),
    }
    frame.render_widget(footer(state, foot.width, palette), foot);
    if state.help.is_some() {
        help(frame, area, state, palette);
    }
}

fn footer(state: &State, width: u16, palette: Palette) -> Line<'static> {
    let width = usize::from(width);
    if state.typing {
        let text = crate::text::from_utf8(state.filter.as_bytes());
        return Line::from(vec![
            Span::styled("/", palette.notable()),
            Span::raw(cut::end(&text, width.saturating_sub(2))),
            Span::styled(" ", palette.reversed()),
            Span::styled("  Enter keeps it, Esc drops it", palette.faint()),
        ]);
    }
    if let Some(message) = &state.message {
        let style = if message.is_bad {
            palette.alarming()
        } else {
            palette.notable()
        };
        return Line::styled(cut::middle(&message.text, width), style);
    }
    let in_detail = !state.details.is_empty();
    let mut hints = vec![("q", "quit"), ("?", "keys")];
    if in_detail || !state.filter.is_empty() || state.only.is_some() {
        hints.push(("Esc", "back"));
    }
    if in_detail {
        hints.push(("←→", "pane"));
    }
    hints.extend([
        ("Enter", "open"),
        ("/", "filter"),
        ("Space", "pause"),
        ("←→", "sort"),
        ("n", "now/all"),
        ("s", "save"),
        ("r", "reset"),
    ]);
    hints.retain(|hint| !in_detail || *hint != ("←→", "sort"));
    let mut spans = Vec::new();
    let mut used = 0;
    for (key, what) in hints {
        let needed = cut::width(key) + what.len() + 5;
        if used + needed > width + 2 && used > 0 {
            break;
        }
        used += needed;
        spans.push(Span::styled(format!(" {key} "), palette.reversed()));
        spans.push(Span::raw(format!(" {what}  ")));
    }
    Line::from(spans)
}

/// The list of keys over everything else.
fn help(frame: &mut Frame<'_>, area: Rect, state: &mut State, palette: Palette) {
    const KEY: usize = 15;
    let width = area.width.min(80);
    let height = u16::try_from(keys::HELP.len() + 2)
        .unwrap_or(u16::MAX)
        .min(area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    let visible = usize::from(height.saturating_sub(2)).max(1);
    let furthest = keys::HELP.len().saturating_sub(visible);
    let first = state.help.unwrap_or(0).min(furthest);
    state.help = Some(first);
    let lines: Vec<Line<'_>> = keys::HELP
        .iter()
        .skip(first)
        .map(|(key, what)| {
            Line::from(vec![
                Span::styled(format!("{key:<KEY$}"), palette.strong()),
                Span::raw(*what),
            ])
        })
        .collect();
    let title = if furthest > 0 {
        " Keys (↑↓ for more) "
    } else {
        " Keys "
    };
    let block = Block::bordered().border_style(palette.drawn()).title(title);
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(block), place);
}
