//! What is to be seen: rows made of what was counted, as the user has chosen them.

use super::ledger::{Books, Ledger, OTHERS};
use super::state::{Key, Only, Sort, State, Tab};
use crate::frames::{Function, StackId, homes};
use crate::ids::{Pid, Tid};
use crate::profile::fresh::{Count, Last};
use crate::profile::index::{Group, Index};
use crate::profile::sums::{Relatives, Share, Sums, Windows};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// What it is.
    pub key: Option<Key>,
    /// Its samples. Of a thread, `own` are all and `total` those that met it running.
    pub share: Share,
    /// What stands before the name: the branches of a tree.
    pub before: String,
    /// Its name.
    pub name: String,
    /// Where or what else it is.
    pub aside: String,
    /// It heads the rows below.
    pub is_head: bool,
    /// It is over, or says little.
    pub is_faint: bool,
}

/// The rows of a tab.
#[derive(Debug, Default)]
pub struct Picture {
    /// From the top.
    pub items: Vec<Item>,
    /// Their keys.
    pub keys: Vec<Key>,
    /// All samples of the threads that count.
    pub whole: Windows,
    /// What to say where there are no rows.
    pub empty: String,
}

/// What is shown of one function.
#[derive(Debug, Default)]
pub struct Close {
    /// Its name.
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

/// Threads whose last stacks are shown, at most.
const STACKS: usize = 50;
/// Rows of the call tree that are shown, at most.
const BRANCHES: usize = 5000;
/// What has this share of all samples in the call tree is open, until the user closes it.
const OPEN_FROM: f64 = 0.05;

/// Tells what a filter leaves. Capital letters count if it has any.
pub struct Filter {
    text: String,
    exact: bool,
}

impl Filter {
    /// Of what the user typed.
    pub fn new(typed: &str) -> Self {
        let exact = typed.chars().any(char::is_uppercase);
        Filter {
            text: typed.to_owned(),
            exact,
        }
    }

    /// True when one of the texts has it.
    pub fn leaves(&self, texts: &[&str]) -> bool {
        self.text.is_empty()
            || texts.iter().any(|text| {
                if self.exact {
                    text.contains(&self.text)
                } else {
                    text.to_lowercase().contains(&self.text)
                }
            })
    }

    /// For each stack whether one of its frames has it; `None` where all are left.
    pub fn stacks(&self, index: &Index) -> Option<Vec<bool>> {
        if self.text.is_empty() {
            return None;
        }
        let frames: Vec<bool> = index
            .frames
            .iter()
            .map(|f| self.leaves(&[&f.label, &f.place.file, &f.start.file]))
            .collect();
        let mut left: Vec<bool> = Vec::with_capacity(index.nodes().len());
        for node in index.nodes() {
            let below = node.caller.and_then(|c| left.get(c as usize));
            let here = frames.get(node.frame as usize);
            left.push(below == Some(&true) || here == Some(&true));
        }
        Some(left)
    }
}

/// Which threads count.
pub struct Threads {
    /// By their index.
    counts: Vec<bool>,
    /// Those that are kept apart no more.
    others: bool,
}

impl Threads {
    /// Those that the user has chosen.
    pub fn chosen(index: &Index, only: Option<Only>) -> Self {
        let counts = index.threads.iter().map(|thread| match only {
            None => true,
            Some(Only::Process(pid)) => thread.pid == pid,
            Some(Only::Thread(pid, tid)) => (thread.pid, thread.os_tid) == (pid, tid),
        });
        Threads {
            counts: counts.collect(),
            others: only.is_none(),
        }
    }

    fn has(&self, thread: u32) -> bool {
        match thread {
            OTHERS => self.others,
            one => self.counts.get(one as usize) == Some(&true),
        }
    }
}

/// Whether a sample is left by both filters.
pub fn left(threads: &Threads, stacks: Option<&[bool]>) -> impl Fn(u32, StackId) -> bool {
    move |thread, stack| {
        threads.has(thread) && stacks.is_none_or(|stacks| stacks.get(stack.index()) == Some(&true))
    }
}

impl Picture {
    /// Of what the books show.
    pub fn new(books: &Books, state: &State, idle: bool) -> Self {
        let index = &books.index;
        let ledger = books.shown();
        let threads = Threads::chosen(index, state.only);
        let filter = Filter::new(&state.filter);
        let by_stack = matches!(state.tab, Tab::Tree | Tab::Threads | Tab::Stack);
        let stacks = if by_stack { filter.stacks(index) } else { None };
        let keep = left(&threads, stacks.as_deref());
        let mut picture = Picture::default();
        let sums = || Sums::new(index, &ledger.recent, &ledger.all, &keep);
        match state.tab {
            Tab::Functions => picture.functions(index, &sums(), state, &filter),
            Tab::Lines => picture.lines(index, &sums(), state, &filter),
            Tab::Packages => picture.packages(index, &sums(), state, &filter),
            Tab::Tree => picture.tree(index, &sums(), state),
            Tab::Threads => picture.threads(index, ledger, state, stacks.as_deref()),
            Tab::Stack => picture.stacks(index, ledger, &threads, stacks.as_deref()),
        }
        if by_stack && state.tab == Tab::Tree {
            // Shares stay those of all samples, whatever the text leaves.
            picture.whole =
                Sums::new(index, &ledger.recent, &ledger.all, left(&threads, None)).whole();
        }
        picture.keys = picture.items.iter().filter_map(|item| item.key).collect();
        picture.empty = why_empty(ledger, state, idle);
        picture
    }

    fn functions(&mut self, index: &Index, sums: &Sums, state: &State, filter: &Filter) {
        self.whole = sums.whole();
        let rows = sums.group(index, Group::Function);
        let known: Vec<(&Function, Share, u32)> = rows
            .iter()
            .filter_map(|row| Some((index.shown(row.id)?, row.share, row.id)))
            .collect();
        let homes = homes(known.iter().map(|(function, ..)| *function));
        for ((function, share, id), home) in known.into_iter().zip(homes) {
            if filter.leaves(&[&function.label, &home]) {
                self.items.push(Item {
                    key: Some(Key::Function(id)),
                    share,
                    name: function.label.to_string(),
                    aside: home,
                    ..Item::default()
                });
            }
        }
        self.sort(state.sort());
    }

    fn lines(&mut self, index: &Index, sums: &Sums, state: &State, filter: &Filter) {
        self.whole = sums.whole();
        for row in sums.group(index, Group::Line) {
            let Some(line) = index.line(row.id) else {
                continue;
            };
            let place = index.shown_place(&line.place);
            let function = index.shown(line.function).map_or("", |f| &f.label);
            if filter.leaves(&[&place, function]) {
                self.items.push(Item {
                    key: Some(Key::Line(row.id)),
                    share: row.share,
                    name: place,
                    aside: function.to_owned(),
                    ..Item::default()
                });
            }
        }
        self.sort(state.sort());
    }

    fn packages(&mut self, index: &Index, sums: &Sums, state: &State, filter: &Filter) {
        self.whole = sums.whole();
        for row in sums.group(index, Group::Package) {
            let Some(name) = index.package(row.id).filter(|name| filter.leaves(&[name])) else {
                continue;
            };
            self.items.push(Item {
                key: Some(Key::Package(row.id)),
                share: row.share,
                name: name.to_owned(),
                ..Item::default()
            });
        }
        self.sort(state.sort());
    }

    fn sort(&mut self, sort: Sort) {
        self.items.sort_by(|a, b| {
            let by_share = sort.key(&b.share).cmp(&sort.key(&a.share));
            by_share
                .then_with(|| a.name.cmp(&b.name))
                .then_with(|| a.aside.cmp(&b.aside))
        });
    }

    fn tree(&mut self, index: &Index, sums: &Sums, state: &State) {
        let shares = sums.tree(index);
        let tree = Branches {
            children: children(index, &shares, state.sort()),
            shares: &shares,
            open_from: OPEN_FROM * sums.whole().all as f64,
            folds: &state.folds,
        };
        // Depth first; the next branch is on top of the pile.
        let mut pile: Vec<(u32, usize)> = tree.of(None).rev().map(|path| (path, 0)).collect();
        while let Some((path, depth)) = pile.pop() {
            if self.items.len() >= BRANCHES {
                break;
            }
            let Some(function) = index.path(path).and_then(|(_, f)| index.shown(f)) else {
                continue;
            };
            let inner: Vec<u32> = tree.of(Some(path)).collect();
            let is_open = tree.is_open(path);
            let mark = match (inner.is_empty(), is_open) {
                (true, _) => "  ",
                (false, true) => "▾ ",
                (false, false) => "▸ ",
            };
            self.items.push(Item {
                key: Some(Key::Path(path)),
                share: tree.share(path),
                before: format!("{}{mark}", indent(depth)),
                name: function.label.to_string(),
                aside: function.home(),
                ..Item::default()
            });
            if is_open {
                pile.extend(inner.into_iter().rev().map(|path| (path, depth + 1)));
            }
        }
    }

    fn threads(&mut self, index: &Index, ledger: &Ledger, state: &State, stacks: Option<&[bool]>) {
        let mut processes: Vec<Process> = Vec::new();
        let mut of_pid: HashMap<Pid, usize> = HashMap::new();
        for (number, thread) in (0u32..).zip(&index.threads) {
            let at = *of_pid.entry(thread.pid).or_insert_with(|| {
                processes.push(Process {
                    pid: thread.pid,
                    ..Process::default()
                });
                processes.len() - 1
            });
            let Some(process) = processes.get_mut(at) else {
                continue;
            };
            process.title = thread.title.to_string();
            let last = ledger.last.get(number as usize).copied().flatten();
            let known = process.threads.iter_mut().find(|t| t.tid == thread.os_tid);
            let ended = ledger.ended.contains(&number);
            match known {
                // The same thread, of which perl has told more since.
                Some(known) => {
                    known.numbers.push(number);
                    known.last = last.or(known.last);
                    known.perl = thread.perl_tid.or(known.perl);
                }
                None => process.threads.push(Thread {
                    tid: thread.os_tid,
                    perl: thread.perl_tid,
                    numbers: vec![number],
                    last,
                    ended,
                    share: Share::default(),
                }),
            }
        }
        let mut shares = vec![Share::default(); index.threads.len()];
        let everybody = Threads::chosen(index, None);
        let keep = left(&everybody, stacks);
        let mut add = |counts: &HashMap<(u32, StackId), Count>, windows: fn(u64) -> Windows| {
            for ((thread, stack), count) in counts {
                let share = shares
                    .get_mut(*thread as usize)
                    .filter(|_| keep(*thread, *stack));
                if let Some(share) = share {
                    share.own += windows(count.samples());
                    share.total += windows(count.running);
                }
            }
        };
        add(&ledger.recent, |now| Windows { now, all: 0 });
        add(&ledger.all, |all| Windows { now: 0, all });
        for process in &mut processes {
            for thread in &mut process.threads {
                for number in &thread.numbers {
                    let share = shares.get(*number as usize).copied().unwrap_or_default();
                    thread.share.own += share.own;
                    thread.share.total += share.total;
                }
                process.share.own += thread.share.own;
                process.share.total += thread.share.total;
            }
            process
                .threads
                .sort_by_key(|t| (Reverse(busy(state.sort(), &t.share)), t.ended, t.tid));
        }
        processes.sort_by_key(|p| (Reverse(busy(state.sort(), &p.share)), p.is_over(), p.pid));
        self.whole = Windows {
            now: ledger.ticks,
            all: 0,
        };
        for process in &processes {
            if stacks.is_none() || process.share.own.all > 0 {
                self.process(index, process, stacks.is_some());
            }
        }
    }

    fn process(&mut self, index: &Index, process: &Process, filtered: bool) {
        let is_single = process.threads.len() == 1;
        let only = process.threads.first().filter(|_| is_single);
        self.items.push(Item {
            key: Some(Key::Process(process.pid)),
            share: process.share,
            name: format!("{} {}", process.pid, process.title),
            aside: only.map_or_else(
                || format!("{} threads", process.threads.len()),
                |thread| thread.doing(index),
            ),
            is_faint: process.is_over(),
            ..Item::default()
        });
        if is_single {
            return;
        }
        for thread in &process.threads {
            if filtered && thread.share.own.all == 0 {
                continue;
            }
            self.items.push(Item {
                key: Some(Key::Thread(process.pid, thread.tid)),
                share: thread.share,
                before: "  ".into(),
                name: thread_name(thread.perl, thread.tid),
                aside: thread.doing(index),
                is_faint: thread.ended,
                ..Item::default()
            });
        }
    }

    fn stacks(
        &mut self,
        index: &Index,
        ledger: &Ledger,
        threads: &Threads,
        stacks: Option<&[bool]>,
    ) {
        let keep = left(threads, stacks);
        let mut lasts: Vec<(u32, Last)> = (0u32..)
            .zip(&ledger.last)
            .filter_map(|(number, last)| Some((number, (*last)?)))
            .filter(|(number, last)| keep(*number, last.stack))
            .collect();
        lasts.sort_by_key(|(number, last)| {
            (ledger.ended.contains(number), Reverse(last.at), *number)
        });
        let several = index.threads.first().map(|t| t.pid) != index.threads.last().map(|t| t.pid);
        for (number, last) in lasts.into_iter().take(STACKS) {
            let Some(thread) = index.threads.get(number as usize) else {
                continue;
            };
            let mut name = thread.name();
            if several {
                name = format!("{} {}, {name}", thread.pid, thread.title);
            }
            let is_over = ledger.ended.contains(&number);
            self.items.push(Item {
                key: Some(Key::Frame(number, 0)),
                name,
                aside: age(ledger.age.saturating_sub(last.at), last.running, is_over),
                is_head: true,
                ..Item::default()
            });
            let Ok(stack) = u32::try_from(last.stack.index()) else {
                continue;
            };
            let frames: Vec<_> = index.outwards(stack).collect();
            let depth = u32::try_from(frames.len()).unwrap_or(u32::MAX);
            for (from_top, node) in (0u32..).zip(frames) {
                let Some(frame) = index.frame(node) else {
                    continue;
                };
                self.items.push(Item {
                    // Counted from the outside, a frame keeps its number while others come and go.
                    key: Some(Key::Frame(number, depth.saturating_sub(from_top))),
                    before: "  ".into(),
                    name: index.shown_label(frame),
                    aside: index.shown_place(&frame.place),
                    ..Item::default()
                });
            }
        }
    }

    /// The function behind a row, and the line of it, where there is one.
    pub fn function(&self, key: Key, books: &Books) -> Option<(u32, Option<u32>)> {
        let index = &books.index;
        match key {
            Key::Function(id) => Some((id, None)),
            Key::Line(id) => index.line(id).map(|line| (line.function, Some(id))),
            Key::Path(id) => index.path(id).map(|(_, function)| (function, None)),
            Key::Frame(thread, depth @ 1..) => {
                let last = books.shown().last.get(thread as usize).copied().flatten()?;
                let stack = u32::try_from(last.stack.index()).ok()?;
                let from_top = index.outwards(stack).count().checked_sub(depth as usize)?;
                let node = index.outwards(stack).nth(from_top)?;
                let function = node.member(Group::Function).id;
                let line = node.member(Group::Line).id;
                Some((function, Some(line)))
            }
            _ => None,
        }
    }
}

/// A process in the list of threads.
#[derive(Debug, Default)]
struct Process {
    pid: Pid,
    title: String,
    threads: Vec<Thread>,
    share: Share,
}

impl Process {
    fn is_over(&self) -> bool {
        self.threads.iter().all(|thread| thread.ended)
    }
}

#[derive(Debug)]
struct Thread {
    tid: Tid,
    perl: Option<u64>,
    numbers: Vec<u32>,
    last: Option<Last>,
    ended: bool,
    share: Share,
}

impl Thread {
    /// What it was doing last.
    fn doing(&self, index: &Index) -> String {
        if self.ended {
            return "ended".into();
        }
        let here = self
            .last
            .filter(|_| self.share.own.now > 0)
            .and_then(|last| index.nodes().get(last.stack.index()))
            .and_then(|node| index.frame(node));
        here.map_or_else(|| "waiting".into(), |frame| index.shown_label(frame))
    }
}

fn thread_name(perl: Option<u64>, tid: Tid) -> String {
    match perl {
        Some(perl) => format!("thread {perl} (OS {tid})"),
        None => format!("thread {tid}"),
    }
}

fn busy(sort: Sort, share: &Share) -> [u64; 4] {
    let (running, all) = (share.total, share.own);
    if sort.now {
        [running.now, all.now, running.all, all.all]
    } else {
        [running.all, all.all, running.now, all.now]
    }
}

/// What a thread did when it was sampled last, and when that was.
fn age(age: Duration, running: bool, ended: bool) -> String {
    /// What is younger is now: nobody reads faster.
    const NOW: Duration = Duration::from_millis(200);
    /// Threads that wait are looked at once a second.
    const STILL: Duration = Duration::from_millis(1500);
    let what = match (ended, running) {
        (false, true) if age < NOW => return "running".into(),
        (false, false) if age < STILL => return "waiting".into(),
        (false, false) => "waited",
        (false, true) => "ran",
        (true, _) => "ended, ran",
    };
    let seconds = age.as_secs_f64();
    if seconds < 10.0 {
        format!("{what} {seconds:.1} s ago")
    } else if seconds < 100.0 {
        format!("{what} {seconds:.0} s ago")
    } else {
        format!("{what} {:.0} min ago", seconds / 60.0)
    }
}

/// Deep levels move to the right no more.
fn indent(depth: usize) -> String {
    const DEEPEST: usize = 20;
    if depth <= DEEPEST {
        "  ".repeat(depth)
    } else {
        format!("{}+{} ", "  ".repeat(DEEPEST), depth - DEEPEST)
    }
}

/// The call tree as it is shown.
struct Branches<'a> {
    children: HashMap<Option<u32>, Vec<u32>>,
    shares: &'a [Share],
    open_from: f64,
    folds: &'a HashMap<u32, bool>,
}

impl Branches<'_> {
    fn of(&self, path: Option<u32>) -> impl DoubleEndedIterator<Item = u32> {
        self.children.get(&path).into_iter().flatten().copied()
    }

    fn share(&self, path: u32) -> Share {
        self.shares.get(path as usize).copied().unwrap_or_default()
    }

    fn is_open(&self, path: u32) -> bool {
        let by_itself = self.share(path).total.all as f64 >= self.open_from;
        self.folds.get(&path).copied().unwrap_or(by_itself)
    }
}

fn children(index: &Index, shares: &[Share], sort: Sort) -> HashMap<Option<u32>, Vec<u32>> {
    let mut children: HashMap<Option<u32>, Vec<u32>> = HashMap::new();
    for ((path, (caller, _)), share) in (0u32..).zip(index.paths()).zip(shares) {
        if share.total.all > 0 {
            children.entry(caller).or_default().push(path);
        }
    }
    let share = |path: &u32| shares.get(*path as usize).copied().unwrap_or_default();
    for inner in children.values_mut() {
        inner.sort_by_key(|path| (Reverse(sort.key(&share(path))), *path));
    }
    children
}

/// A node of the call tree and all below it.
pub fn subtree(index: &Index, root: u32) -> Vec<u32> {
    let mut inside = vec![false; index.paths().len()];
    let mut found = Vec::new();
    for (path, (caller, _)) in (0u32..).zip(index.paths()) {
        let is_in = path == root || caller.is_some_and(|c| inside.get(c as usize) == Some(&true));
        if let Some(inside) = inside.get_mut(path as usize).filter(|_| is_in) {
            *inside = true;
            found.push(path);
        }
    }
    found
}

fn why_empty(ledger: &Ledger, state: &State, idle: bool) -> String {
    if !ledger.all.is_empty() && (!state.filter.is_empty() || state.only.is_some()) {
        "Nothing is left by the filter. Esc drops it.".into()
    } else if ledger.threads == 0 && ledger.tally.attempted() > 0 {
        "No thread runs Perl now.".into()
    } else if ledger.tally.idle > 0 && ledger.tally.good == 0 && !idle {
        "All threads have been waiting. The tab Stack shows where, the key w counts it.".into()
    } else if ledger.tally.ready > 0 && ledger.tally.good == 0 && !idle {
        "No thread has had a CPU yet.".into()
    } else if ledger.tally.attempted() > 0 && ledger.tally.good + ledger.tally.idle == 0 {
        "No sample could be taken yet: see the numbers above.".into()
    } else {
        "The first samples are on their way.".into()
    }
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
                key: Some(id.map_or(Key::Nobody, Key::Function)),
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
pub struct Spot {
    /// The file, by the name that perl has for it.
    pub file: String,
    /// The line to begin with.
    pub line: u32,
    /// Processes that have run it, those with the most samples first.
    pub pids: Vec<Pid>,
}

impl Spot {
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
        Some(Spot {
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
