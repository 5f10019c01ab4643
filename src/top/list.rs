//! Rows with their numbers, as a table.

use super::cut;
use super::header::share;
use super::palette::Palette;
use super::picture::{Item, TabPicture};
use super::state::{Sort, State, Tab};
use crate::profile::sums::{Share, Windows};
use ratatui::Frame;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table, Wrap};

/// One column of numbers.
#[derive(Clone, Copy)]
struct NumberColumn {
    title: &'static str,
    width: u16,
    /// Rows are sorted by it when the user sorts this way.
    sort: Sort,
    is_time: bool,
}

const NUMBERS: [NumberColumn; 4] = {
    let [own_now, total_now, own_all, total_all] = Sort::COLUMNS;
    [
        NumberColumn {
            title: "%Own",
            width: 6,
            sort: own_now,
            is_time: false,
        },
        NumberColumn {
            title: "%Total",
            width: 7,
            sort: total_now,
            is_time: false,
        },
        NumberColumn {
            title: "OwnTime",
            width: 9,
            sort: own_all,
            is_time: true,
        },
        NumberColumn {
            title: "TotalTime",
            width: 10,
            sort: total_all,
            is_time: true,
        },
    ]
};

const OF_THREADS: [NumberColumn; 2] = {
    let [_, now, _, all] = Sort::COLUMNS;
    [
        NumberColumn {
            title: "%Run",
            width: 6,
            sort: now,
            is_time: false,
        },
        NumberColumn {
            title: "RunTime",
            width: 9,
            sort: all,
            is_time: true,
        },
    ]
};

impl NumberColumn {
    fn of(&self, share: &Share) -> Windows {
        if self.sort.own {
            share.own
        } else {
            share.total
        }
    }

    fn text(&self, share: &Share, whole: Windows, period: f64) -> String {
        let count = self.of(share);
        if self.is_time {
            seconds(count.all, period)
        } else {
            percent(count.now, whole.now)
        }
    }
}

/// The columns that there is room for. Where it is narrow, those that rows are sorted by.
fn numbers(tab: Tab, sort: Sort, width: u16) -> Vec<NumberColumn> {
    // Deep levels need the room.
    let is_wide = width >= if tab == Tab::Tree { 70 } else { 45 };
    let all: &[NumberColumn] = match tab {
        Tab::Stack => &[],
        Tab::Threads => &OF_THREADS,
        _ => &NUMBERS,
    };
    let shown = all.iter().filter(|n| is_wide || n.sort.now == sort.now);
    shown.copied().collect()
}

/// Names of the text columns.
fn titles(tab: Tab) -> (&'static str, &'static str) {
    match tab {
        Tab::Functions => ("Function", "File"),
        Tab::Lines => ("Line", "Function"),
        Tab::Packages => ("Package", ""),
        Tab::Tree => ("Call tree", "File"),
        Tab::Threads => ("Process or thread", "Doing"),
        Tab::Stack => ("Frame", "Line"),
    }
}

/// A share of samples.
pub fn percent(part: u64, whole: u64) -> String {
    format!("{:.1}%", share(part, whole))
}

/// The time that samples stand for.
pub fn seconds(samples: u64, period: f64) -> String {
    let time = samples as f64 * period;
    if time < 1000.0 {
        format!("{time:.2}s")
    } else {
        format!("{time:.0}s")
    }
}

/// Draws the rows of a tab. `period` is what a sample stands for, in seconds.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    picture: &TabPicture,
    state: &mut State,
    period: f64,
    palette: Palette,
) {
    let visible = usize::from(area.height.saturating_sub(1));
    let (selected, first) = state.cursor().find(&picture.keys, visible);
    let shown = picture
        .items
        .get(first..)
        .unwrap_or_default()
        .iter()
        .take(visible)
        .collect::<Vec<_>>();
    let (tab, sort) = (state.tab, state.sort());
    let numbers = numbers(tab, sort, area.width);
    let texts = texts(tab, &numbers, area.width, &shown);
    let (name, aside) = titles(tab);
    let mut heading: Vec<Cell<'_>> = numbers
        .iter()
        .map(|n| {
            let is_sorted = (n.sort == sort) || (tab == Tab::Threads && n.sort.now == sort.now);
            let title = if is_sorted {
                format!("{}▼", n.title)
            } else {
                n.title.into()
            };
            let style = if is_sorted {
                palette.strong()
            } else {
                Style::new()
            };
            Cell::from(Line::styled(title, style).right_aligned())
        })
        .collect();
    heading.extend([
        Cell::from(cut::start(name, texts.0)),
        Cell::from(cut::start(aside, texts.1)),
    ]);
    let heading = Row::new(heading).style(palette.reversed());
    let rows = (first..).zip(&shown).map(|(at, item)| {
        let mut cells: Vec<Cell<'_>> = numbers
            .iter()
            .map(|n| number(n, item, picture.whole, period, palette))
            .collect();
        let (name, aside) = words(tab, item, texts, palette);
        cells.extend([Cell::from(name), Cell::from(aside)]);
        let row = Row::new(cells);
        if at == selected {
            row.style(palette.reversed())
        } else {
            row
        }
    });
    let mut widths: Vec<Constraint> = numbers
        .iter()
        .map(|n| Constraint::Length(n.width))
        .collect();
    let length = |columns: usize| Constraint::Length(u16::try_from(columns).unwrap_or(u16::MAX));
    widths.push(length(texts.0));
    if texts.1 > 0 {
        widths.push(length(texts.1));
    }
    frame.render_widget(Table::new(rows, widths).header(heading), area);
    if shown.is_empty() {
        say(frame, area, &picture.empty, palette);
    }
}

/// What stands in the middle of an empty table.
fn say(frame: &mut Frame<'_>, area: Rect, text: &str, palette: Palette) {
    let below = area.height / 3 + 1;
    let place = Rect {
        y: area.y.saturating_add(below),
        height: area.height.saturating_sub(below),
        ..area
    };
    let text = Paragraph::new(text.to_owned())
        .style(palette.faint())
        .wrap(Wrap { trim: true })
        .centered();
    frame.render_widget(text, place.intersection(frame.area()));
}

fn number(
    n: &NumberColumn,
    item: &Item,
    whole: Windows,
    period: f64,
    palette: Palette,
) -> Cell<'static> {
    if item.is_head {
        return Cell::default();
    }
    let count = n.of(&item.share);
    let text = n.text(&item.share, whole, period);
    let style = match (n.is_time, n.sort.own) {
        _ if count.all == 0 || item.is_faint => palette.faint(),
        (false, true) => palette.heat(share(count.now, whole.now)),
        (false, false) if count.now == 0 => palette.faint(),
        _ => Style::new(),
    };
    Cell::from(Line::styled(text, style).right_aligned())
}

/// Columns for the names and for what stands beside them: as much as they need, the names first.
fn texts(tab: Tab, numbers: &[NumberColumn], width: u16, shown: &[&Item]) -> (usize, usize) {
    let taken: usize = numbers.iter().map(|n| usize::from(n.width) + 1).sum();
    let room = usize::from(width).saturating_sub(taken);
    let needed = match tab {
        Tab::Stack => 30,
        Tab::Tree => 100,
        _ => 70,
    };
    let has_aside = !titles(tab).1.is_empty() && width >= needed;
    if !has_aside {
        return (room, 0);
    }
    let room = room.saturating_sub(1);
    let widest = |text: fn(&Item) -> usize| shown.iter().map(|item| text(item)).max().unwrap_or(0);
    let name = widest(|item| cut::width(&item.before) + cut::width(&item.name)).max(17);
    let aside = widest(|item| cut::width(&item.aside)).max(8);
    // Two fifths of the room are never taken from who needs them.
    let least = room * 2 / 5;
    let name = name.min(room.saturating_sub(aside.min(least)));
    // Where there is much room the columns stand where they stood a second ago.
    let name = name.max(room.saturating_sub(aside).min(room / 2));
    (name, room - name)
}

/// The cells of text.
fn words(
    tab: Tab,
    item: &Item,
    (name, aside): (usize, usize),
    palette: Palette,
) -> (Line<'static>, Line<'static>) {
    let style = match item {
        Item { is_head: true, .. } => palette.strong(),
        Item { is_faint: true, .. } => palette.faint(),
        _ => Style::new(),
    };
    // The name matters more than how deep it is.
    let before = cut::end(&item.before, name / 3);
    let room = name.saturating_sub(cut::width(&before));
    let text = match tab {
        Tab::Lines => cut::end(&item.name, room),
        Tab::Threads => cut::start(&item.name, room),
        _ if item.is_head => cut::start(&item.name, room),
        _ => cut::name(&item.name, room),
    };
    let beside = match tab {
        Tab::Lines | Tab::Threads => cut::name(&item.aside, aside),
        _ => cut::end(&item.aside, aside),
    };
    (
        Line::from(vec![
            Span::styled(before, palette.faint()),
            Span::styled(text, style),
        ]),
        Line::styled(beside, palette.faint()),
    )
}
