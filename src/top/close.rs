//! One function looked at closely: its callers and callees, and its text with the heat of each
//! line.

use super::cut;
use super::function::Close;
use super::header::share;
use super::list::{percent, seconds};
use super::palette::Palette;
use super::picture::Item;
use super::state::{Cursor, Detail, Pane, RowKey, Sort};
use crate::profile::sums::{Share, Windows};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;

/// Of which samples the numbers are: those that the user sorts by.
fn windows(sort: Sort) -> fn(Windows) -> u64 {
    if sort.now { |w| w.now } else { |w| w.all }
}

/// Draws it. `period` is what a sample stands for, in seconds.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    close: &Close,
    detail: &mut Detail,
    sort: Sort,
    period: f64,
    palette: Palette,
) {
    let [title, rest] = Layout::vertical([
        Constraint::Length(2.min(area.height / 4)),
        Constraint::Min(0),
    ])
    .areas(area);
    frame.render_widget(
        Paragraph::new(heading(close, title.width, sort, period, palette)),
        title,
    );
    // Where there is no room for all, what the keys go to is shown.
    if rest.height < 12 || rest.width < 60 {
        pane(frame, rest, detail.pane, close, detail, sort, palette);
        return;
    }
    let longest = close.callers.len().max(close.callees.len()) + 1;
    let lists = u16::try_from(longest)
        .unwrap_or(u16::MAX)
        .clamp(4, rest.height / 3);
    let [lists, source] =
        Layout::vertical([Constraint::Length(lists), Constraint::Min(0)]).areas(rest);
    let [callers, callees] = Layout::horizontal([Constraint::Fill(1), Constraint::Fill(1)])
        .spacing(2)
        .areas(lists);
    for (at, which) in [
        (callers, Pane::Callers),
        (callees, Pane::Callees),
        (source, Pane::Source),
    ] {
        pane(frame, at, which, close, detail, sort, palette);
    }
}

fn heading(
    close: &Close,
    width: u16,
    sort: Sort,
    period: f64,
    palette: Palette,
) -> Vec<Line<'static>> {
    let width = usize::from(width);
    let name = cut::name(&close.name, width);
    let home = cut::end(&close.home, width.saturating_sub(cut::width(&name) + 2));
    let Share { own, total } = close.relatives.share;
    let whole = close.whole;
    let part = |what: &str, is_chosen: bool, own: String, total: String| {
        let style = if is_chosen {
            Style::new()
        } else {
            palette.faint()
        };
        Span::styled(format!("{what} own {own}, total {total}   "), style)
    };
    vec![
        Line::from(vec![
            Span::styled(name, palette.strong()),
            Span::raw("  "),
            Span::styled(home, palette.faint()),
        ]),
        Line::from(vec![
            part(
                "now",
                sort.now,
                percent(own.now, whole.now),
                percent(total.now, whole.now),
            ),
            part(
                "all",
                !sort.now,
                format!(
                    "{} {}",
                    percent(own.all, whole.all),
                    seconds(own.all, period)
                ),
                format!(
                    "{} {}",
                    percent(total.all, whole.all),
                    seconds(total.all, period)
                ),
            ),
        ]),
    ]
}

fn pane(
    frame: &mut Frame<'_>,
    area: Rect,
    which: Pane,
    close: &Close,
    detail: &mut Detail,
    sort: Sort,
    palette: Palette,
) {
    let has_keys = which == detail.pane;
    match which {
        Pane::Callers => relatives(
            frame,
            area,
            "called by",
            &close.callers,
            (close, &mut detail.callers),
            has_keys,
            sort,
            palette,
        ),
        Pane::Callees => relatives(
            frame,
            area,
            "calls",
            &close.callees,
            (close, &mut detail.callees),
            has_keys,
            sort,
            palette,
        ),
        Pane::Source => source(frame, area, close, detail, has_keys, sort, palette),
    }
}

/// A title over a whole row, emphasised where the keys go to.
fn bar(text: String, width: usize, has_keys: bool, palette: Palette) -> Line<'static> {
    let filled = format!(
        "{text}{}",
        " ".repeat(width.saturating_sub(cut::width(&text)))
    );
    let style = if has_keys {
        palette.strong().patch(palette.reversed())
    } else {
        palette.reversed().patch(palette.faint())
    };
    Line::styled(filled, style)
}

#[allow(clippy::too_many_arguments)] // A list has this many sides.
fn relatives(
    frame: &mut Frame<'_>,
    area: Rect,
    what: &str,
    items: &[Item],
    (close, cursor): (&Close, &mut Cursor),
    has_keys: bool,
    sort: Sort,
    palette: Palette,
) {
    let of = windows(sort);
    let width = usize::from(area.width);
    let visible = usize::from(area.height.saturating_sub(1));
    let keys: Vec<RowKey> = items.iter().filter_map(|item| item.key).collect();
    let (selected, first) = cursor.find(&keys, visible);
    // Of the time of this very function.
    let whole = of(close.relatives.share.total);
    let mut lines = vec![bar(
        format!("{:>6} {:>6} {what}", "%Own", "%Total"),
        width,
        has_keys,
        palette,
    )];
    for (at, item) in items.iter().enumerate().skip(first).take(visible) {
        let (own, total) = (of(item.share.own), of(item.share.total));
        let name = cut::name(&item.name, width.saturating_sub(14));
        let used = 14 + cut::width(&name);
        let aside = cut::end(&item.aside, width.saturating_sub(used + 1));
        let line = Line::from(vec![
            Span::styled(
                format!("{:>6} ", percent(own, whole)),
                palette.heat(share(own, whole)),
            ),
            Span::raw(format!("{:>6} ", percent(total, whole))),
            Span::styled(
                name,
                if item.is_faint {
                    palette.faint()
                } else {
                    Style::new()
                },
            ),
            Span::styled(format!(" {aside}"), palette.faint()),
        ]);
        lines.push(if has_keys && at == selected {
            line.style(palette.reversed())
        } else {
            line
        });
    }
    if items.is_empty() && visible > 0 {
        lines.push(Line::styled(
            "              nothing that was seen",
            palette.faint(),
        ));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn source(
    frame: &mut Frame<'_>,
    area: Rect,
    close: &Close,
    detail: &mut Detail,
    has_keys: bool,
    sort: Sort,
    palette: Palette,
) {
    let of = windows(sort);
    let width = usize::from(area.width);
    let visible = usize::from(area.height.saturating_sub(1));
    let file = cut::end(&detail.file, width.saturating_sub(14));
    let mut lines = vec![bar(
        format!("{:>6} {:>6} {file}", "%Own", "%Total"),
        width,
        has_keys,
        palette,
    )];
    let text = match &detail.text {
        Ok(text) => text,
        Err(why) => {
            let why = format!("              no source to show: {why}");
            lines.push(Line::styled(why, palette.faint()));
            frame.render_widget(Paragraph::new(lines), area);
            return;
        }
    };
    let keys = source_keys(text.lines.len());
    if std::mem::take(&mut detail.is_new) {
        detail.source.centre(&keys, visible);
    }
    let (selected, first) = detail.source.find(&keys, visible);
    let digits = text.lines.len().to_string().len();
    let whole = of(close.whole);
    for (at, text) in text.lines.iter().enumerate().skip(first).take(visible) {
        let counted = u32::try_from(at + 1)
            .ok()
            .and_then(|number| close.lines.get(&number));
        let (own, total) = counted.map_or((0, 0), |c| (of(c.own), of(c.total)));
        let heat = palette.heat(share(own, whole));
        let cell = |count: u64| {
            if count == 0 {
                " ".repeat(7)
            } else {
                format!("{:>6} ", percent(count, whole))
            }
        };
        let line = Line::from(vec![
            Span::styled(cell(own), heat),
            Span::raw(cell(total)),
            Span::styled(format!("{:>digits$} ", at + 1), palette.faint()),
            Span::styled(text.clone(), if own > 0 { heat } else { Style::new() }),
        ]);
        lines.push(if at == selected && has_keys {
            line.style(palette.reversed())
        } else {
            line
        });
    }
    frame.render_widget(Paragraph::new(lines), area);
}

/// The rows of a source.
pub fn source_keys(lines: usize) -> Vec<RowKey> {
    (1..=u32::try_from(lines).unwrap_or(u32::MAX))
        .map(RowKey::Source)
        .collect()
}
