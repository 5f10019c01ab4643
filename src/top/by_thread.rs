//! What is to be seen of processes and threads: what each does, and its last stack.

use super::ledger::Ledger;
use super::picture::{Item, TabPicture, Threads, left};
use super::state::{RowKey, Sort, State};
use crate::frames::StackId;
use crate::ids::{Pid, Tid};
use crate::profile::fresh::{Count, Last};
use crate::profile::index::Index;
use crate::profile::sums::{Share, Windows};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

/// Threads whose last stacks are shown, at most.
const STACKS: usize = 50;

impl TabPicture {
    pub(super) fn threads(
        &mut self,
        index: &Index,
        ledger: &Ledger,
        state: &State,
        stacks: Option<&[bool]>,
    ) {
        let mut processes: Vec<ProcessRow> = Vec::new();
        let mut of_pid: HashMap<Pid, usize> = HashMap::new();
        for (number, thread) in (0u32..).zip(&index.threads) {
            let at = *of_pid.entry(thread.pid).or_insert_with(|| {
                processes.push(ProcessRow {
                    pid: thread.pid,
                    ..ProcessRow::default()
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
                None => process.threads.push(ThreadRow {
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

    fn process(&mut self, index: &Index, process: &ProcessRow, filtered: bool) {
        let is_single = process.threads.len() == 1;
        let only = process.threads.first().filter(|_| is_single);
        self.items.push(Item {
            key: Some(RowKey::Process(process.pid)),
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
                key: Some(RowKey::Thread(process.pid, thread.tid)),
                share: thread.share,
                before: "  ".into(),
                name: thread_name(thread.perl, thread.tid),
                aside: thread.doing(index),
                is_faint: thread.ended,
                ..Item::default()
            });
        }
    }

    pub(super) fn stacks(
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
                key: Some(RowKey::Frame(number, 0)),
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
                    key: Some(RowKey::Frame(number, depth.saturating_sub(from_top))),
                    before: "  ".into(),
                    name: index.shown_label(frame),
                    aside: index.shown_place(&frame.place),
                    ..Item::default()
                });
            }
        }
    }
}

/// A process in the list of threads.
#[derive(Debug, Default)]
struct ProcessRow {
    pid: Pid,
    title: String,
    threads: Vec<ThreadRow>,
    share: Share,
}

impl ProcessRow {
    fn is_over(&self) -> bool {
        self.threads.iter().all(|thread| thread.ended)
    }
}

#[derive(Debug)]
struct ThreadRow {
    tid: Tid,
    perl: Option<u64>,
    numbers: Vec<u32>,
    last: Option<Last>,
    ended: bool,
    share: Share,
}

impl ThreadRow {
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
