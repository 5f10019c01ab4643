//! What is to be seen of one function: who calls it, what it calls, its lines, and where its text is.

use super::ledger::{Books, Ledger};
use super::picture::{Item, Threads, left};
use super::state::{RowKey, State};
use crate::frames::Function;
use crate::ids::Pid;
use crate::profile::index::{Group, Index};
use crate::profile::sums::{Relatives, Share, Sums, Windows};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What is shown of one function.
#[derive(Debug, Default)]
pub struct Close {
    /// The function's name, for people.
    pub name: String,
    /// Where it is.
    pub home: String,
    /// Its counts.
    pub relatives: Relatives,
    /// Callers as rows, those with the most samples on top.
    pub callers: Vec<Item>,
    /// Callees the same.
    pub callees: Vec<Item>,
    /// Samples by line of the file that is shown.
    pub lines: BTreeMap<u32, Share>,
    /// All samples of the threads that count.
    pub whole: Windows,
}

impl Close {
    /// Of a function. `file` is the one whose lines are wanted.
    pub fn new(books: &Books, state: &State, function: u32, file: &str) -> Self {
        let index = &books.index;
        let ledger = books.shown();
        let threads = Threads::chosen(index, state.only);
        let sums = Sums::new(index, &ledger.recent, &ledger.all, left(&threads, None));
        let relatives = sums.relatives(index, function);
        let item = |id: Option<u32>, share: Share| {
            let known = id.and_then(|id| index.shown(id));
            Item {
                key: Some(id.map_or(RowKey::Nobody, RowKey::Function)),
                share,
                name: known
                    .map_or_else(|| "nobody: it is outermost".into(), |f| f.label.to_string()),
                aside: known.map(Function::home).unwrap_or_default(),
                is_faint: known.is_none(),
                ..Item::default()
            }
        };
        let by_share = |a: &Item, b: &Item| {
            let by_share = state.sort().key(&b.share).cmp(&state.sort().key(&a.share));
            by_share.then_with(|| a.name.cmp(&b.name))
        };
        let mut callers: Vec<Item> = relatives
            .callers
            .iter()
            .map(|(id, s)| item(*id, *s))
            .collect();
        let mut callees: Vec<Item> = relatives
            .callees
            .iter()
            .map(|(id, s)| item(Some(*id), *s))
            .collect();
        callers.sort_by(by_share);
        callees.sort_by(by_share);
        let known = index.shown(function);
        Close {
            name: known.map_or_else(String::new, |f| f.label.to_string()),
            home: known
                .map(|f| f.start.to_string())
                .filter(|_| known.is_some_and(|f| !f.home().is_empty()))
                .unwrap_or_default(),
            callers,
            callees,
            lines: sums.lines_of(index, file),
            whole: sums.whole(),
            relatives,
        }
    }
}

/// Where the text of a function is to be looked for.
#[derive(Debug, PartialEq, Eq)]
pub struct TextSpot {
    /// The file, by the name that perl has for it.
    pub file: String,
    /// The line to begin with.
    pub line: u32,
    /// Processes that have run it, those with the most samples first.
    pub pids: Vec<Pid>,
}

impl TextSpot {
    /// At the given line (an id of [`Group::Line`]), or else at the function's busiest one.
    pub fn find(books: &Books, state: &State, function: u32, line: Option<u32>) -> Option<Self> {
        let index = &books.index;
        let ledger = books.shown();
        let threads = Threads::chosen(index, state.only);
        let sums = Sums::new(index, &ledger.recent, &ledger.all, left(&threads, None));
        let busiest = || {
            let rows = sums.group(index, Group::Line).into_iter();
            let own = rows.filter(|r| index.line(r.id).is_some_and(|l| l.function == function));
            own.max_by_key(|r| (r.share.own.all, r.share.total.all))
                .map(|r| r.id)
        };
        let place = match line.or_else(busiest).and_then(|id| index.line(id)) {
            Some(line) if !is_nowhere(&line.place.file) => line.place.clone(),
            // Of a string eval there is the text around it.
            _ => index.function(function)?.start.clone(),
        };
        Some(TextSpot {
            file: place.file.to_string(),
            line: place.line,
            pids: who_ran(index, ledger, &threads, function),
        })
    }
}

/// `(eval 1)` and the like are no names of files.
fn is_nowhere(file: &str) -> bool {
    file.starts_with('(')
}

fn who_ran(index: &Index, ledger: &Ledger, threads: &Threads, function: u32) -> Vec<Pid> {
    /// Others would hardly have a file that these do not.
    const ENOUGH: usize = 4;
    let mut has = Vec::with_capacity(index.nodes().len());
    for node in index.nodes() {
        let below = node.caller.and_then(|c| has.get(c as usize)) == Some(&true);
        has.push(below || node.member(Group::Function).id == function);
    }
    let keep = left(threads, Some(&has));
    let mut by_pid: BTreeMap<Pid, u64> = BTreeMap::new();
    for ((thread, stack), count) in &ledger.all {
        if keep(*thread, *stack)
            && !ledger.ended.contains(thread)
            && let Some(thread) = index.threads.get(*thread as usize)
        {
            *by_pid.entry(thread.pid).or_default() += count.samples();
        }
    }
    let mut pids: Vec<(Pid, u64)> = by_pid.into_iter().collect();
    pids.sort_by_key(|(pid, samples)| (Reverse(*samples), *pid));
    pids.into_iter().take(ENOUGH).map(|(pid, _)| pid).collect()
}
