//! What the live view looks like.

use super::{About, Snapshot};
use crate::profile::functions::FunctionRow;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Table};
use std::time::Duration;

/// Colours only where the user wants them (no-color.org).
fn coloured(style: Style, color: Color) -> Style {
    match std::env::var_os("NO_COLOR") {
        Some(value) if !value.is_empty() => style,
        _ => style.fg(color),
    }
}

/// Draws the whole view.
pub fn draw(frame: &mut Frame<'_>, about: &About, snapshot: &Snapshot) {
    let [head, table, foot] = Layout::vertical([
        Constraint::Length(3),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(about, snapshot)), head);
    functions(frame, table, about, snapshot);
    let keys = Line::from(vec![
        Span::styled(" q ", Style::new().add_modifier(Modifier::REVERSED)),
        Span::raw(" quit"),
    ]);
    frame.render_widget(Paragraph::new(keys), foot);
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

fn header<'a>(about: &'a About, s: &Snapshot) -> Vec<Line<'a>> {
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let attempted = s.tally.attempted();
    let mut threads = String::new();
    for (count, what) in [(s.processes, "processes"), (s.threads, "threads")] {
        // One thread in each process needs no words.
        if count > 1 && (what == "processes" || s.threads > s.processes) {
            threads.push_str(&format!("  {count} {what}"));
        }
    }
    let rate = if s.period.is_zero() {
        0.0
    } else {
        attempted as f64 / s.period.as_secs_f64() / s.threads.max(1) as f64
    };
    // What costs more than a twentieth of the samples deserves attention.
    let lost = |name: &str, count: u64| {
        let part = share(count, attempted);
        let style = if part > 5.0 {
            coloured(bold, Color::Red)
        } else {
            Style::new()
        };
        Span::styled(format!("{name} {part:.1} %  "), style)
    };
    let approximate = if s.tally.approximate > 0 {
        "approximate  "
    } else {
        ""
    };
    let kinds: Vec<String> = s
        .tally
        .errors
        .iter()
        .map(|(kind, count)| format!("{kind}: {count}"))
        .collect();
    vec![
        Line::from(vec![
            Span::styled(format!("{} ", about.pid), bold),
            Span::raw(about.title.as_str()),
        ]),
        Line::from(format!(
            "{}{threads}  {}  {} samples in {}",
            about.perl,
            if about.idle {
                "wall-clock time"
            } else {
                "CPU time"
            },
            s.all.attempted(),
            clock(s.elapsed)
        )),
        Line::from(vec![
            Span::raw(format!(
                "{rate:.0}/s of {}  running {:.0} %  idle {:.0} %  ",
                about.rate,
                share(s.tally.good, attempted),
                share(s.tally.idle, attempted)
            )),
            lost("errors", s.tally.failed()),
            lost("torn", s.tally.torn),
            lost("missed", s.tally.missed),
            Span::raw(approximate),
            Span::raw(if kinds.is_empty() {
                String::new()
            } else {
                format!("({})", kinds.join(", "))
            }),
        ]),
    ]
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{seconds} s")
    } else {
        format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

/// One column: its title, its width, and whether numbers stand in it.
struct Column {
    title: &'static str,
    width: Constraint,
    numeric: bool,
    cell: fn(&(FunctionRow, String), &Scale) -> String,
}

/// What turns counts into shares and seconds.
struct Scale {
    recent: u64,
    period: f64,
}

/// The columns that there is room for: names matter more than times, times more than files.
fn columns(width: u16) -> Vec<Column> {
    let number = |title, width, cell| Column {
        title,
        width: Constraint::Length(width),
        numeric: true,
        cell,
    };
    let text = |title, weight, cell| Column {
        title,
        width: Constraint::Fill(weight),
        numeric: false,
        cell,
    };
    let mut columns = vec![
        number("%Own", 6, |(r, _), s| percent(r.recent.own, s.recent)),
        number("%Total", 6, |(r, _), s| percent(r.recent.total, s.recent)),
    ];
    if width >= 45 {
        columns.push(number("OwnTime", 9, |(r, _), s| {
            seconds(r.all.own, s.period)
        }));
        columns.push(number("TotalTime", 9, |(r, _), s| {
            seconds(r.all.total, s.period)
        }));
    }
    columns.push(text("Function", 3, |(r, _), _| r.key.label.to_string()));
    if width >= 70 {
        columns.push(text("File", 2, |(_, home), _| home.clone()));
    }
    columns
}

fn functions(frame: &mut Frame<'_>, area: Rect, about: &About, s: &Snapshot) {
    let columns = columns(area.width);
    let visible = usize::from(area.height.saturating_sub(1));
    let scale = Scale {
        recent: s.recent,
        // A sample stands for one period of the clock.
        period: 1.0 / about.rate,
    };
    let titles = columns.iter().map(|column| {
        let title = Line::from(column.title);
        Cell::from(if column.numeric {
            title.right_aligned()
        } else {
            title
        })
    });
    let heading = Row::new(titles).style(Style::new().add_modifier(Modifier::REVERSED));
    let rows = s.rows.iter().take(visible).map(|row| {
        let cells = columns
            .iter()
            .map(|column| Cell::from((column.cell)(row, &scale)));
        let mut cells: Vec<Cell<'_>> = cells.collect();
        if let Some(own) = cells.first_mut() {
            *own = std::mem::take(own).style(heat(share(row.0.recent.own, s.recent)));
        }
        Row::new(cells)
    });
    let widths = columns.iter().map(|column| column.width);
    frame.render_widget(Table::new(rows, widths).header(heading), area);
}

/// The style of a share of own time.
fn heat(own: f64) -> Style {
    match own {
        hot if hot >= 20.0 => coloured(Style::new().add_modifier(Modifier::BOLD), Color::Red),
        warm if warm >= 5.0 => coloured(Style::new(), Color::Yellow),
        _ => Style::new(),
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:5.1}%", share(part, whole))
}

fn seconds(samples: u64, period: f64) -> String {
    let time = samples as f64 * period;
    if time < 1000.0 {
        format!("{time:8.2}s")
    } else {
        format!("{time:8.0}s")
    }
}
