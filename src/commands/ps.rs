//! `p5-spy ps`: the perl processes of this machine.

use super::{print, sources};
use crate::attach::{Attach, AttachError, PerlProcess, Roster};
use crate::cli::LayoutChoice;
use crate::cli::hints::see_all;
use crate::ids::Pid;
use crate::layout::Learn;
use crate::platform::{Hiding, Process, missing_proc, user_name};
use crate::say::say;
use anyhow::{Context, bail};
use ratatui::text::Line;
use serde::Serialize;
use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Between the two looks at a process's CPU time that tell its share.
const PERIOD: Duration = Duration::from_millis(200);

/// One process, in words.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PsRow {
    pub pid: Pid,
    pub parent: Pid,
    /// The name of its user; null where that is hidden.
    pub user: Option<String>,
    /// Such as `5.36.0`; null where it may not be looked into.
    pub version: Option<String>,
    /// Of one core, in the last moment; null where it ended meanwhile.
    pub cpu_percent: Option<f64>,
    pub state: &'static str,
    pub attachable: bool,
    /// Why not; null where it is attachable.
    pub obstacle: Option<String>,
    /// As one line.
    pub command: String,
    /// The words of the command line; none where it erased them.
    pub words: Vec<String>,
}

#[derive(Serialize)]
struct PsDocument {
    processes: Vec<PsRow>,
    /// The time in which `cpu_percent` was measured.
    cpu_period_ms: u128,
    /// Processes of which nothing can be said, as they may not be looked into.
    unknown: usize,
    /// The mount option of /proc that hides other users' processes.
    hidden_by: Option<String>,
}

/// What runs here.
///
/// # Errors
/// When nothing can be said of it: there is no /proc.
pub(super) fn roster() -> anyhow::Result<Roster> {
    if let Some(missing) = missing_proc() {
        bail!(missing);
    }
    Roster::take().context("cannot look for perls")
}

#[inline(never)]
pub fn run(json: bool) -> anyhow::Result<u8> {
    let roster = roster()?;
    let rows = rows(&roster.perls);
    if json {
        let document = PsDocument {
            processes: rows,
            cpu_period_ms: PERIOD.as_millis(),
            unknown: roster.unknown,
            hidden_by: roster.hiding.map(|h| h.to_string()),
        };
        print((serde_json::to_string_pretty(&document)? + "\n").as_bytes())?;
        return Ok(0);
    }
    if rows.is_empty() {
        say(format_args!("p5-spy: no perl process runs here"));
    } else {
        let out = std::io::stdout();
        let width = out.is_terminal().then(width).flatten();
        print((table(&rows, width).join("\n") + "\n").as_bytes())?;
    }
    if let Some(hiding) = roster.hiding {
        say(format_args!("p5-spy: {}", about_hidden(hiding)));
    } else if roster.unknown > 0 {
        say(format_args!("p5-spy: {}", about_unknown(roster.unknown)));
    }
    Ok(0)
}

/// What a list does not have.
pub fn about_hidden(hiding: Hiding) -> String {
    let why = match hiding {
        Hiding::OtherUsers => format!("{hiding} is set"),
        _ => format!("/proc is mounted with {hiding}"),
    };
    with_who_sees(format!("{why}: other users' processes are not listed"))
}

fn about_unknown(count: usize) -> String {
    let (what, they) = match count {
        1 => ("1 more process".into(), "it"),
        _ => (format!("{count} more processes"), "one of them"),
    };
    with_who_sees(format!(
        "{what} may not be looked into; a perl in {they} would not be listed"
    ))
}

fn with_who_sees(said: String) -> String {
    match see_all() {
        Some(who) => format!("{said}. {who}"),
        None => said,
    }
}

/// The width of the terminal.
pub fn width() -> Option<usize> {
    let (columns, _) = ratatui::crossterm::terminal::size().ok()?;
    (columns > 0).then_some(columns.into())
}

/// The processes, the busiest first. Takes as long as it takes to see how busy they are.
pub fn rows(perls: &[PerlProcess]) -> Vec<PsRow> {
    let look = || -> Vec<CpuReading> { perls.iter().map(CpuReading::at).collect() };
    let before = look();
    if !perls.is_empty() {
        std::thread::sleep(PERIOD);
    }
    let mut names = HashMap::new();
    let hollow = without_interpreter(perls);
    let mut rows: Vec<PsRow> = perls
        .iter()
        .zip(before.into_iter().zip(look()))
        .map(|(perl, (first, second))| {
            let share = second.share_since(&first);
            let waited = second.waited_since(&first);
            let user = perl.user.map(|uid| {
                let name = names.entry(uid).or_insert_with(|| user_name(uid));
                name.clone()
            });
            let mut row = row(perl, user, share);
            if waited && perl.listed.is_running() {
                row.state = WAITING;
            }
            if hollow.contains(&row.pid) {
                row.attachable = false;
                row.obstacle = Some("no interpreter now".into());
            }
            row
        })
        .collect();
    // What is next to nothing is no order.
    let busy = |row: &PsRow| row.cpu_percent.map_or(0, |p| p.round() as i64);
    rows.sort_by_key(|row| (-busy(row), row.pid));
    rows
}

/// Those that had an interpreter and gave it up, without another one. Only other programs do so and go
/// on, and there are few of these: each is attached to.
fn without_interpreter(perls: &[PerlProcess]) -> HashSet<Pid> {
    let embedded = perls
        .iter()
        .filter(|p| p.is_embedded && p.obstacle.is_none());
    let mut embedded = embedded.peekable();
    if embedded.peek().is_none() {
        return HashSet::new();
    }
    let Ok(sources) = sources(&LayoutChoice {
        layouts: None,
        debug_dirs: Vec::new(),
        use_debug_info: false,
        learn: Learn::Never,
        use_cache: true,
    }) else {
        return HashSet::new();
    };
    let mut family = Vec::new();
    let mut has_none = |perl: &&PerlProcess| {
        let process = Process::listed(&perl.listed);
        match Attach::once(&sources)
            .among(&family)
            .to(process, &mut |_| {})
        {
            Ok(target) => {
                target.kin().clone().join(&mut family);
                false
            }
            Err(e) => matches!(e, AttachError::NoInterpreter(_)),
        }
    };
    let hollow = embedded.filter(|perl| has_none(perl));
    hollow.map(|perl| perl.listed.pid).collect()
}

/// What a process has got so far.
struct CpuReading {
    at: Instant,
    cpu: Option<Duration>,
    waited: Option<Duration>,
}

impl CpuReading {
    fn at(perl: &PerlProcess) -> Self {
        let process = Process::listed(&perl.listed);
        CpuReading {
            at: Instant::now(),
            cpu: process.cpu_time(),
            waited: process.waited(),
        }
    }

    /// Percent of a CPU.
    fn share_since(&self, before: &CpuReading) -> Option<f64> {
        let spent = self.cpu?.saturating_sub(before.cpu?).as_secs_f64();
        let percent = 100.0 * spent / self.at.duration_since(before.at).as_secs_f64();
        Some((percent * 10.0).round() / 10.0)
    }

    /// It waited for a CPU for longer than it had one.
    fn waited_since(&self, before: &CpuReading) -> bool {
        let since = |now: Option<Duration>, then: Option<Duration>| {
            now.zip(then).map(|(now, then)| now.saturating_sub(then))
        };
        let (waited, had) = (
            since(self.waited, before.waited),
            since(self.cpu, before.cpu),
        );
        waited.zip(had).is_some_and(|(waited, had)| waited > had)
    }
}

/// It is ready to run, and others run.
const WAITING: &str = "waiting for a CPU";

fn row(perl: &PerlProcess, user: Option<String>, cpu_percent: Option<f64>) -> PsRow {
    PsRow {
        pid: perl.listed.pid,
        parent: perl.listed.parent,
        user,
        version: perl.version.clone(),
        cpu_percent,
        state: perl.listed.state_name(),
        attachable: perl.obstacle.is_none(),
        obstacle: perl.obstacle.as_ref().map(|o| o.in_short()),
        command: perl.command(),
        words: perl
            .words
            .iter()
            .map(|w| crate::text::from_utf8(w))
            .collect(),
    }
}

const TITLES: [&str; 7] = ["PID", "USER", "PERL", "CPU", "STATE", "ATTACH", "COMMAND"];

/// The titles and the rows as lines, cut at so many columns.
pub fn table(rows: &[PsRow], width: Option<usize>) -> Vec<String> {
    let unknown = || "?".to_owned();
    let cells = rows.iter().map(|row| {
        [
            row.pid.to_string(),
            row.user.clone().unwrap_or_else(unknown),
            row.version.clone().unwrap_or_else(unknown),
            row.cpu_percent.map_or_else(unknown, |p| format!("{p:.0}%")),
            row.state.to_owned(),
            match &row.obstacle {
                Some(why) => format!("no: {why}"),
                None => "yes".into(),
            },
            row.command.clone(),
        ]
    });
    let lines: Vec<[String; 7]> = std::iter::once(TITLES.map(str::to_owned))
        .chain(cells)
        .collect();
    let mut widths = [0; 7];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = columns(cell).max(*width);
        }
    }
    // Numbers stand to the right; nothing follows the command.
    let to_right = [true, false, false, true, false, false, false];
    let shown = lines.iter().map(|line| {
        let mut text = String::new();
        for (at, (cell, width)) in line.iter().zip(widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(columns(cell)));
            match (to_right.get(at), at == line.len() - 1) {
                (_, true) => text.push_str(cell),
                (Some(true), _) => text.push_str(&format!("{gap}{cell}  ")),
                _ => text.push_str(&format!("{cell}{gap}  ")),
            }
        }
        match width {
            Some(width) => cut(&text, width),
            None => text,
        }
    });
    shown.collect()
}

fn columns(text: &str) -> usize {
    Line::raw(text).width()
}

/// The beginning of a text that has so many columns, `…` at its end where that is not all.
pub fn cut(text: &str, width: usize) -> String {
    // Most are plain, and some are very long.
    let start: String = text.chars().take(width.saturating_add(1)).collect();
    if start.len() == text.len() && columns(text) <= width {
        return start;
    }
    let mut shown = start;
    while columns(&shown) + 1 > width && shown.pop().is_some() {}
    if width > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: Pid, obstacle: Option<&str>, command: &str) -> PsRow {
        PsRow {
            pid,
            parent: Pid::from(1),
            user: (pid != Pid::from(7)).then(|| "www".into()),
            version: obstacle.is_none().then(|| "5.36.0".into()),
            cpu_percent: Some(pid.number() as f64),
            state: "sleeping",
            attachable: obstacle.is_none(),
            obstacle: obstacle.map(str::to_owned),
            command: command.into(),
            words: Vec::new(),
        }
    }

    #[test]
    fn columns_are_below_each_other() {
        let rows = [
            row(Pid::from(7), Some("other user"), "perl a.pl"),
            row(Pid::from(123), None, "starman worker 日本語"),
        ];
        assert_eq!(
            table(&rows, None),
            [
                "PID  USER  PERL     CPU  STATE     ATTACH          COMMAND",
                "  7  ?     ?         7%  sleeping  no: other user  perl a.pl",
                "123  www   5.36.0  123%  sleeping  yes             starman worker 日本語",
            ]
        );
        for line in table(&rows, Some(60)) {
            assert!(columns(&line) <= 60, "{line}");
        }
    }

    #[test]
    fn texts_are_cut_at_columns() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("abcd", 3), "ab…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 6), "日本語");
        assert_eq!(cut("abc", 0), "");
    }
}
