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
    let threads = if s.threads > 1 {
        format!("  {} threads", s.threads)
    } else {
        String::new()
    };
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

fn functions(frame: &mut Frame<'_>, area: Rect, about: &About, s: &Snapshot) {
    let narrow = area.width < 70;
    let heading = Style::new().add_modifier(Modifier::REVERSED);
    let titles = ["%Own", "%Total", "OwnTime", "TotalTime", "Function", "File"];
    let columns = if narrow { 5 } else { 6 };
    let titles = titles
        .into_iter()
        .take(columns)
        .enumerate()
        .map(|(i, title)| {
            Cell::from(if i < 4 {
                right(title, [6, 6, 9, 9].get(i).copied().unwrap_or(0))
            } else {
                title.to_owned()
            })
        });
    let visible = usize::from(area.height.saturating_sub(1));
    // A sample stands for one period of the clock.
    let rows = s
        .rows
        .iter()
        .take(visible)
        .map(|row| cells(row, s.recent, 1.0 / about.rate, narrow));
    let widths = [
        Constraint::Length(6),
        Constraint::Length(6),
        Constraint::Length(9),
        Constraint::Length(9),
        Constraint::Fill(3),
        Constraint::Fill(2),
    ];
    let table =
        Table::new(rows, widths.into_iter().take(columns)).header(Row::new(titles).style(heading));
    frame.render_widget(table, area);
}

fn right(text: &str, width: usize) -> String {
    format!("{text:>width$}")
}

fn seconds(samples: u64, period: f64) -> String {
    let time = samples as f64 * period;
    if time < 1000.0 {
        format!("{time:8.2}s")
    } else {
        format!("{time:8.0}s")
    }
}

fn cells<'a>(row: &'a FunctionRow, recent: u64, period: f64, narrow: bool) -> Row<'a> {
    let own = share(row.recent.own, recent);
    let style = match own {
        hot if hot >= 20.0 => coloured(Style::new().add_modifier(Modifier::BOLD), Color::Red),
        warm if warm >= 5.0 => coloured(Style::new(), Color::Yellow),
        _ => Style::new(),
    };
    let mut cells = vec![
        Cell::from(format!("{own:5.1}%")).style(style),
        Cell::from(format!("{:5.1}%", share(row.recent.total, recent))),
        Cell::from(seconds(row.all.own, period)),
        Cell::from(seconds(row.all.total, period)),
        Cell::from(&*row.key.name),
    ];
    if !narrow {
        cells.push(Cell::from(&*row.key.file));
    }
    Row::new(cells)
}
