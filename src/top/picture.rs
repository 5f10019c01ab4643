//! What is to be seen: rows made of what was counted, as the user has chosen them.

use super::ledger::{Books, Ledger, OTHERS};
use super::state::{Only, RowKey, Sort, State, Tab};
use crate::frames::{Function, StackId, homes};
use crate::profile::index::{Group, Index};
use crate::profile::sums::{Share, Sums, Windows};
use std::cmp::Reverse;
use std::collections::HashMap;

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Item {
    /// What it is.
    pub key: Option<RowKey>,
    /// Its samples. Of a thread, `own` are all and `total` those that met it running.
    pub share: Share,
    /// What stands before the name: the branches of a tree.
    pub before: String,
    /// What it is called, for people.
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
pub struct TabPicture {
    /// From the top.
    pub items: Vec<Item>,
    /// The key of each row that can be selected, in their order.
    pub keys: Vec<RowKey>,
    /// All samples of the threads that count.
    pub whole: Windows,
    /// What to say where there are no rows.
    pub empty: String,
}

/// Rows of the call tree that are shown, at most.
const BRANCHES: usize = 5000;
/// What has this share of all samples in the call tree is open, until the user closes it.
const OPEN_FROM: f64 = 0.05;

/// Tells what a filter leaves. Capital letters count if it has any.
pub struct TextFilter {
    text: String,
    exact: bool,
}

impl TextFilter {
    /// Of what the user typed.
    pub fn new(typed: &str) -> Self {
        let exact = typed.chars().any(char::is_uppercase);
        TextFilter {
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

impl TabPicture {
    /// Of what the books show.
    pub fn new(books: &Books, state: &State, idle: bool) -> Self {
        let index = &books.index;
        let ledger = books.shown();
        let threads = Threads::chosen(index, state.only);
        let filter = TextFilter::new(&state.filter);
        let by_stack = matches!(state.tab, Tab::Tree | Tab::Threads | Tab::Stack);
        let stacks = if by_stack { filter.stacks(index) } else { None };
        let keep = left(&threads, stacks.as_deref());
        let mut picture = TabPicture::default();
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

    fn functions(&mut self, index: &Index, sums: &Sums, state: &State, filter: &TextFilter) {
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
                    key: Some(RowKey::Function(id)),
                    share,
                    name: function.label.to_string(),
                    aside: home,
                    ..Item::default()
                });
            }
        }
        self.sort(state.sort());
    }

    fn lines(&mut self, index: &Index, sums: &Sums, state: &State, filter: &TextFilter) {
        self.whole = sums.whole();
        for row in sums.group(index, Group::Line) {
            let Some(line) = index.line(row.id) else {
                continue;
            };
            let place = index.shown_place(&line.place);
            let function = index.shown(line.function).map_or("", |f| &f.label);
            if filter.leaves(&[&place, function]) {
                self.items.push(Item {
                    key: Some(RowKey::Line(row.id)),
                    share: row.share,
                    name: place,
                    aside: function.to_owned(),
                    ..Item::default()
                });
            }
        }
        self.sort(state.sort());
    }

    fn packages(&mut self, index: &Index, sums: &Sums, state: &State, filter: &TextFilter) {
        self.whole = sums.whole();
        for row in sums.group(index, Group::Package) {
            let Some(name) = index.package(row.id).filter(|name| filter.leaves(&[name])) else {
                continue;
            };
            self.items.push(Item {
                key: Some(RowKey::Package(row.id)),
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
                key: Some(RowKey::Path(path)),
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

    /// The function behind a row, and the line of it, where there is one.
    pub fn function(&self, key: RowKey, books: &Books) -> Option<(u32, Option<u32>)> {
        let index = &books.index;
        match key {
            RowKey::Function(id) => Some((id, None)),
            RowKey::Line(id) => index.line(id).map(|line| (line.function, Some(id))),
            RowKey::Path(id) => index.path(id).map(|(_, function)| (function, None)),
            RowKey::Frame(thread, depth @ 1..) => {
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
