//! The lines above the tabs: what is looked at, and what the numbers are worth.

use super::ledger::Ledger;
use super::palette::Palette;
use super::state::{Only, State, Tab};
use super::{HeaderFacts, cut};
use crate::profile::index::Index;
use ratatui::text::{Line, Span};
use std::time::Duration;

/// Percent of a whole that may be nothing.
pub fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        100.0 * part as f64 / whole as f64
    }
}

/// The header, the most important line first.
pub fn lines<'a>(
    about: &'a HeaderFacts,
    ledger: &Ledger,
    paused: bool,
    width: u16,
    palette: Palette,
) -> Vec<Line<'a>> {
    let width = usize::from(width);
    let mut first = vec![Span::styled(format!("{} ", about.pid), palette.strong())];
    for (is_so, word) in [(paused, "PAUSED"), (ledger.is_stopped, "STOPPED")] {
        if is_so {
            let style = palette.notable().patch(palette.reversed());
            first.extend([Span::styled(word, style), Span::raw(" ")]);
        }
    }
    let used: usize = first.iter().map(Span::width).sum();
    first.push(Span::raw(cut::start(
        &about.title,
        width.saturating_sub(used),
    )));
    vec![
        Line::from(first),
        honesty(about, ledger, palette),
        counted(about, ledger, width, palette),
    ]
}

/// The shares of running and waiting threads, and of what was lost.
fn honesty(about: &HeaderFacts, ledger: &Ledger, palette: Palette) -> Line<'static> {
    let tally = &ledger.recent_tally;
    let attempted = tally.attempted();
    let rate = if ledger.period.is_zero() {
        0.0
    } else {
        attempted as f64 / ledger.period.as_secs_f64() / ledger.threads.max(1) as f64
    };
    // What costs more than a twentieth of the samples deserves attention.
    let lost = |name: &str, count: u64| {
        let part = share(count, attempted);
        let style = if part > 5.0 {
            palette.alarming()
        } else {
            palette.faint()
        };
        Span::styled(format!("{name} {part:.1} %  "), style)
    };
    let percent =
        |name: &str, count: u64| Span::raw(format!("{name} {:.0} %  ", share(count, attempted)));
    let mut spans = vec![
        percent("running", tally.good),
        percent("idle", tally.idle),
        match tally.ready {
            0 => Span::default(),
            ready => percent("waiting for a CPU", ready),
        },
        Span::styled(format!("{rate:.0}/s of {}  ", about.rate), palette.faint()),
        lost("errors", tally.failed()),
    ];
    if !tally.errors.is_empty() {
        let kinds: Vec<String> = tally
            .errors
            .iter()
            .map(|(kind, count)| format!("{kind}: {count}"))
            .collect();
        spans.push(Span::raw(format!("({})  ", kinds.join(", "))));
    }
    spans.extend([lost("torn", tally.torn), lost("missed", tally.missed)]);
    if tally.gone > 0 {
        spans.push(Span::styled(
            format!("gone {:.1} %  ", share(tally.gone, attempted)),
            palette.faint(),
        ));
    }
    if tally.approximate > 0 {
        spans.push(Span::styled("approximate", palette.notable()));
    }
    Line::from(spans)
}

/// What has been counted so far, and the load over time as far as there is room for it.
fn counted(about: &HeaderFacts, ledger: &Ledger, width: usize, palette: Palette) -> Line<'static> {
    let mut text = about.perl.clone();
    for (count, what) in [(ledger.processes, "processes"), (ledger.threads, "threads")] {
        // One thread in each process needs no words.
        if count > 1 && (what == "processes" || ledger.threads > ledger.processes) {
            text.push_str(&format!("  {count} {what}"));
        }
    }
    let time = if about.idle {
        "wall-clock time"
    } else {
        "CPU time"
    };
    text.push_str(&format!(
        "  {time}  {} samples in {}  ",
        ledger.tally.attempted(),
        clock(ledger.elapsed)
    ));
    let room = width.saturating_sub(cut::width(&text));
    let mut spans = vec![Span::raw(text)];
    const TITLE: &str = "load ";
    if room > TITLE.len() + 5 {
        let columns = (room - TITLE.len()).min(60);
        let drawn = sparkline(ledger, columns);
        let gap = room - TITLE.len() - cut::width(&drawn);
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(TITLE, palette.faint()));
        spans.push(Span::styled(drawn, palette.drawn()));
    }
    Line::from(spans)
}

/// The last periods, the newest on the right.
fn sparkline(ledger: &Ledger, columns: usize) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let skipped = ledger.history.len().saturating_sub(columns);
    let level = |load: &f64| {
        let at = (load * LEVELS.len() as f64) as usize;
        LEVELS.get(at.min(LEVELS.len() - 1)).copied().unwrap_or(' ')
    };
    ledger.history.iter().skip(skipped).map(level).collect()
}

/// A time for people.
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

/// The tabs, and what is left out by filters.
pub fn tabs(state: &State, index: &Index, width: u16, palette: Palette) -> Line<'static> {
    let width = usize::from(width);
    let whole: usize = Tab::ALL.iter().map(|tab| tab.title().len() + 5).sum();
    let left = filters(state, index);
    let is_wide = width >= whole + cut::width(&left);
    let mut spans = Vec::new();
    for (number, tab) in (1..).zip(Tab::ALL) {
        let is_here = tab == state.tab;
        // Where there is no room only the one that is shown has its name.
        let text = if is_wide || is_here {
            format!(" {number} {} ", tab.title())
        } else {
            format!(" {number} ")
        };
        let style = if is_here {
            palette.strong().patch(palette.reversed())
        } else {
            palette.faint()
        };
        spans.push(Span::styled(text, style));
        if is_wide {
            spans.push(Span::raw(" "));
        }
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let room = width.saturating_sub(used + 1);
    if !left.is_empty() && room > 0 {
        let left = cut::end(&left, room);
        let gap = width.saturating_sub(used + cut::width(&left));
        spans.push(Span::raw(" ".repeat(gap)));
        spans.push(Span::styled(left, palette.notable()));
    }
    Line::from(spans)
}

fn filters(state: &State, index: &Index) -> String {
    let mut left = Vec::new();
    match state.only {
        None => {}
        Some(Only::Process(pid)) => left.push(format!("only {pid}")),
        Some(Only::Thread(pid, tid)) => {
            let thread = index
                .threads
                .iter()
                .rfind(|t| (t.pid, t.os_tid) == (pid, tid));
            left.push(match thread.and_then(|t| t.perl_tid) {
                Some(perl) => format!("only thread {perl} (OS {tid})"),
                None => format!("only thread {tid}"),
            });
        }
    }
    if !state.filter.is_empty() && !state.typing {
        left.push(format!(
            "/{}",
            crate::text::from_utf8(state.filter.as_bytes())
        ));
    }
    left.join(" ")
}
