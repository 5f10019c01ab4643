//! Finds processes to sample while the sampler samples: children of the ones that it has, and
//! processes that have become another program. Attaching takes milliseconds, and with debug
//! information or learning much longer, so it happens on a thread of its own.

use super::load::Load;
use crate::attach::{AttachError, Kin, Target};
use crate::layout::Sources;
use crate::process::Process;
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// How long a process that cannot be read is tried again: an exec takes that long at most.
const EXEC_PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to attach.
const RETRY_EVERY: Duration = Duration::from_millis(5);
/// Between two looks at all processes of the machine.
const SCAN_EVERY: Duration = Duration::from_millis(60);
/// All processes are looked at this often even if none seems to be new.
const SCAN_ANYWAY: Duration = Duration::from_secs(5);
/// Between two looks at whether another program has become a perl.
const OTHER_EVERY: Duration = Duration::from_millis(50);
/// Children of so few processes are looked for more often than all processes are.
const FEW: usize = 16;

/// What the scout found.
pub(super) enum Report {
    /// A perl.
    Found(Box<Target>),
    /// A process that was asked for ended, or can no longer be read.
    Gone(i32, Option<Box<AttachError>>),
}

/// Which children are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// None.
    Nobody,
    /// Those of programs that run already.
    Children,
    /// Those of a program that p5-spy started: they are found before they have done much.
    OwnChildren,
}

/// The sampler's end of the thread. The thread ends when this is dropped.
pub(super) struct Scout {
    errands: Sender<i32>,
    reports: Receiver<Report>,
}

impl Scout {
    /// Starts looking for the children of these processes, and for a perl in those of them that
    /// are not `attached`: a shell may become one or start one.
    pub(super) fn start(
        roots: &[i32],
        attached: &[Target],
        follow: Follow,
        sources: Sources,
    ) -> Self {
        let (errands, asked) = channel();
        let (found, reports) = channel();
        let mut patrol = Patrol {
            load: Load::new(),
            children: News::default(),
            all: News::default(),
            follow,
            sources,
            family: roots.iter().copied().collect(),
            strangers: HashSet::new(),
            candidates: Vec::new(),
            kin: Vec::new(),
            found,
        };
        for target in attached {
            target.kin().clone().join(&mut patrol.kin);
        }
        let is_there = |pid: &i32| attached.iter().any(|t| t.process.pid() == *pid);
        for pid in roots.iter().filter(|pid| !is_there(pid)) {
            patrol.add(*pid, false);
        }
        std::thread::spawn(move || patrol.run(&asked));
        Scout { errands, reports }
    }

    /// Asks for a process that has become another program.
    pub(super) fn attach_again(&self, pid: i32) {
        // The thread only ends before us by a panic; then the process is lost, which is no worse.
        let _ = self.errands.send(pid);
    }

    /// The next report that is there.
    pub(super) fn report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

struct Candidate {
    pid: i32,
    since: Instant,
    due: Instant,
    /// The sampler waits for an answer.
    asked: bool,
    /// The program that it was when it was found to be no perl.
    stranger: Option<std::path::PathBuf>,
}

/// Whether there can be processes that were not there at the look before.
struct News {
    newest: Option<i32>,
    /// A process gets its id some moments before it is to be seen: there is another look after it.
    is_over: bool,
    looked: Instant,
}

impl Default for News {
    fn default() -> Self {
        News {
            newest: None,
            is_over: false,
            looked: Instant::now(),
        }
    }
}

impl News {
    /// `newest` is the id that was given last, where that is known.
    fn is_due(&mut self, newest: Option<i32>) -> bool {
        let same = newest.is_some() && newest == self.newest;
        if same && self.is_over && self.looked.elapsed() < SCAN_ANYWAY {
            return false;
        }
        self.is_over = same;
        self.newest = newest;
        self.looked = Instant::now();
        true
    }
}

struct Patrol {
    load: Load,
    children: News,
    all: News,
    follow: Follow,
    sources: Sources,
    /// The processes whose children are ours.
    family: HashSet<i32>,
    /// Processes that are known to be none of the family.
    strangers: HashSet<i32>,
    candidates: Vec<Candidate>,
    /// The perls that were found: their forks need no search.
    kin: Vec<Kin>,
    found: Sender<Report>,
}

impl Patrol {
    fn run(&mut self, asked: &Receiver<i32>) {
        let mut scan_due = Instant::now();
        loop {
            match asked.recv_timeout(self.pause(scan_due)) {
                Ok(pid) => self.add(pid, true),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let watches = self.follow != Follow::Nobody;
            let newest = self.load.newest_id().filter(|_| watches);
            if self.follow == Follow::OwnChildren
                && self.family.len() <= FEW
                && self.children.is_due(newest)
            {
                self.look_at_children();
            }
            if watches && Instant::now() >= scan_due {
                if self.all.is_due(newest) {
                    self.scan();
                }
                scan_due = Instant::now() + SCAN_EVERY;
            }
            self.try_candidates();
        }
    }

    fn pause(&self, scan_due: Instant) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        let now = Instant::now();
        let candidate = self.candidates.iter().map(|c| c.due).min();
        let scan = (self.follow != Follow::Nobody).then_some(scan_due);
        let often = (self.follow == Follow::OwnChildren && self.family.len() <= FEW)
            .then_some(now + RETRY_EVERY);
        let next = [candidate, scan, often].into_iter().flatten().min();
        next.map_or(LONG, |due| due.saturating_duration_since(now))
    }

    fn add(&mut self, pid: i32, asked: bool) {
        self.family.insert(pid);
        if let Some(known) = self.candidates.iter_mut().find(|c| c.pid == pid) {
            known.asked |= asked;
            return;
        }
        let now = Instant::now();
        self.candidates.push(Candidate {
            pid,
            since: now,
            due: now,
            asked,
            stranger: None,
        });
    }

    /// What the kernel lists as children of the family's main threads, and their children.
    fn look_at_children(&mut self) {
        let mut parents: Vec<i32> = self.family.iter().copied().collect();
        while !parents.is_empty() {
            let lists = parents.iter().filter_map(|pid| {
                std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()
            });
            let children: Vec<i32> = lists
                .flat_map(|list| {
                    let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
                    pids.collect::<Vec<i32>>()
                })
                .filter(|pid| !self.family.contains(pid))
                .collect();
            for pid in &children {
                self.add(*pid, false);
            }
            parents = children;
        }
    }

    /// Looks at processes that were not there before. Orphans are found too, as long as their
    /// parents were seen.
    fn scan(&mut self) {
        let all: HashSet<i32> = Process::all_ids().collect();
        self.family.retain(|pid| all.contains(pid));
        self.strangers.retain(|pid| all.contains(pid));
        let new = all
            .iter()
            .filter(|pid| !self.family.contains(pid) && !self.strangers.contains(pid));
        let mut parents: HashMap<i32, i32> = new
            .filter_map(|pid| Some((*pid, Process::parent_of(*pid)?)))
            .collect();
        loop {
            let ours = |parent: &i32| self.family.contains(parent);
            let found: Vec<i32> = parents
                .iter()
                .filter(|(_, parent)| ours(parent))
                .map(|(pid, _)| *pid)
                .collect();
            if found.is_empty() {
                break;
            }
            for pid in found {
                parents.remove(&pid);
                self.add(pid, false);
            }
        }
        self.strangers.extend(parents.into_keys());
    }

    fn try_candidates(&mut self) {
        let mut candidates = std::mem::take(&mut self.candidates);
        let now = Instant::now();
        candidates.retain_mut(|c| c.due > now || self.keep_after_try(c));
        self.candidates.append(&mut candidates);
    }

    /// False when nothing more is to be done about the candidate.
    fn keep_after_try(&mut self, candidate: &mut Candidate) -> bool {
        let pid = candidate.pid;
        let executable = || Process::open(pid).and_then(Process::executable).ok();
        if let Some(program) = &candidate.stranger {
            match executable() {
                None => return false,
                Some(now) if now == *program => {
                    candidate.due = Instant::now() + OTHER_EVERY;
                    return true;
                }
                Some(_) => candidate.stranger = None,
            }
        }
        let attached = Process::open(pid)
            .map_err(AttachError::from)
            .and_then(|process| {
                Target::attach_among(&self.kin, process, &self.sources, &mut |_| {})
            });
        let error = match attached {
            Ok(target) => {
                target.kin().clone().join(&mut self.kin);
                let _ = self.found.send(Report::Found(Box::new(target)));
                return false;
            }
            Err(e) => e,
        };
        let alive = Process::open(pid).is_ok_and(Process::is_alive);
        let over = !alive || !error.is_temporary() || candidate.since.elapsed() >= EXEC_PATIENCE;
        if candidate.asked && over {
            let why = alive.then(|| Box::new(error));
            let _ = self.found.send(Report::Gone(pid, why));
            candidate.asked = false;
            return alive && self.is_stranger(candidate, executable());
        }
        if !candidate.asked && (over || matches!(error, AttachError::NotPerl { .. })) {
            return alive && self.is_stranger(candidate, executable());
        }
        candidate.due = Instant::now() + RETRY_EVERY;
        true
    }

    /// A shell may become a perl later.
    fn is_stranger(&self, candidate: &mut Candidate, program: Option<std::path::PathBuf>) -> bool {
        candidate.stranger = program;
        candidate.due = Instant::now() + OTHER_EVERY;
        self.follow != Follow::Nobody && candidate.stranger.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_news_nobody_looks_and_with_them_twice() {
        let mut news = News::default();
        let mut due = |newest| news.is_due(newest);
        assert!(due(Some(7)) && due(Some(7)));
        assert!(!due(Some(7)) && !due(Some(7)));
        assert!(due(Some(8)) && due(Some(8)));
        assert!(!due(Some(8)));
        assert!(due(Some(9)) && due(Some(10)) && due(Some(10)) && !due(Some(10)));
        assert!(due(None) && due(None) && due(None));
    }
}
