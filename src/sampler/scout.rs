//! Finds processes to sample while the sampler samples: children of the ones that it has, and
//! processes that have become another program. Attaching takes milliseconds, and with debug
//! information or learning much longer, so it happens on a thread of its own.

use crate::attach::{Attach, AttachError, ForkFamily, Target, looks_like_perl};
use crate::ids::Pid;
use crate::layout::Sources;
use crate::platform::load::Load;
use crate::platform::{Glance, Process, ProcessError, adopted, children_of};
use crate::remedy::Notice;
use std::collections::{HashMap, HashSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a program that cannot be read is tried again without a pause: perl starts in that time.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries to attach.
const RETRY_EVERY: Duration = Duration::from_millis(5);
/// Between two looks at all processes of the machine.
const SCAN_EVERY: Duration = Duration::from_millis(60);
/// All processes are looked at this often even if none seems to be new.
const SCAN_ANYWAY: Duration = Duration::from_secs(1);
/// So long after the last sign of a new process there may still be one that has not been seen: whoever
/// makes it may be waiting for a CPU in the middle of that.
const NEWS_LAST: Duration = Duration::from_millis(150);
/// Between two looks at whether another program has become a perl.
const OTHER_EVERY: Duration = Duration::from_millis(50);
/// The same for one that has just begun: most that become a perl do so soon.
const YOUNG_EVERY: Duration = Duration::from_millis(5);
const YOUTH: Duration = Duration::from_secs(2);
/// What is due at about the same time is done together.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// A look at a process takes less, unless many wait for theirs.
const OVERDUE: Duration = Duration::from_millis(300);
/// The longest pause between two judgements of one program.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A perl that cannot be read is tried so often, as a look at it may be costly.
const MOST_TRIES: u32 = 3;
/// Children of so few processes are looked for more often than all processes are.
const FEW: usize = 16;

/// What the scout found.
pub(super) enum Report {
    /// A perl.
    Found(Box<Target>),
    /// A process that was asked for ended, or can no longer be read.
    Gone(Pid, Option<Box<AttachError>>),
    /// A perl that cannot be read.
    Unread(Pid, Notice),
    /// What there is beside that what is sampled.
    Left(Left),
}

/// Processes that live and are not sampled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Left {
    /// They may be perls that start.
    pub(super) starting: usize,
    /// They are something else, which may become or start a perl.
    pub(super) others: usize,
}

/// Processes that were found and not judged yet, since when: there may be perls among them.
#[derive(Clone, Default)]
struct Unlooked(Arc<Mutex<HashMap<Pid, Instant>>>);

impl Unlooked {
    fn lock(&self) -> MutexGuard<'_, HashMap<Pid, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn found(&self, pid: Pid) {
        self.lock().entry(pid).or_insert_with(Instant::now);
    }

    fn judged(&self, pid: Pid) {
        self.lock().remove(&pid);
    }

    /// How many wait for longer than it takes.
    fn overdue(&self) -> usize {
        let since = self.lock();
        since.values().filter(|s| s.elapsed() >= OVERDUE).count()
    }
}

/// What the scout is asked.
enum Errand {
    /// To attach to a process that has become another program.
    Attach(Pid),
    /// To look who is left, now.
    Count,
}

/// Which children are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// None.
    Nobody,
    /// Children of programs that run already.
    Children,
    /// Children of a program that p5-spy started: they are found before they have done much.
    OwnChildren,
}

/// The sampler's end of the thread. The thread ends when this is dropped.
pub(super) struct Scout {
    errands: Sender<Errand>,
    reports: Receiver<Report>,
    unlooked: Unlooked,
}

impl Scout {
    /// Starts looking for the children of these processes, and for a perl in those of them that
    /// are not `attached`: a shell may become one or start one.
    pub(super) fn start(
        roots: &[Pid],
        attached: &[Target],
        follow: Follow,
        sources: Sources,
    ) -> Self {
        let (errands, asked) = channel();
        let (found, reports) = channel();
        let unlooked = Unlooked::default();
        let mut patrol = Patrol {
            load: Load::open(),
            children: News::default(),
            all: News::default(),
            follow,
            sources,
            family: roots.iter().copied().collect(),
            roots: roots.to_vec(),
            strangers: HashSet::new(),
            candidates: Vec::new(),
            kin: Vec::new(),
            found,
            unlooked: unlooked.clone(),
        };
        for target in attached {
            target.kin().clone().join(&mut patrol.kin);
        }
        let is_there = |pid: &Pid| attached.iter().any(|t| t.process.pid() == *pid);
        for pid in roots.iter().filter(|pid| !is_there(pid)) {
            patrol.add(*pid, false);
        }
        std::thread::spawn(move || patrol.run(&asked));
        Scout {
            errands,
            reports,
            unlooked,
        }
    }

    /// Asks for a process that has become another program.
    pub(super) fn attach_again(&self, pid: Pid) {
        // The thread only ends before us by a panic; then the process is lost, which is no worse.
        let _ = self.errands.send(Errand::Attach(pid));
    }

    /// Asks who is left; [`Report::Left`] is the answer.
    pub(super) fn count(&self) {
        let _ = self.errands.send(Errand::Count);
    }

    /// How many processes were found some time ago and not looked into yet.
    pub(super) fn unlooked(&self) -> usize {
        self.unlooked.overdue()
    }

    /// The next report that is there.
    pub(super) fn report(&self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

struct AttachCandidate {
    pid: Pid,
    /// When this program of it was seen first.
    since: Instant,
    due: Instant,
    /// The sampler waits for an answer.
    asked: bool,
    verdict: Option<Verdict>,
}

/// Of a program that is not sampled.
struct Verdict {
    /// What it looked like.
    then: Glance,
    why: Why,
    /// How often it was judged.
    tries: u32,
    /// It is not judged anew before.
    rests_until: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// It is no perl, as long as it loads nothing more.
    NoPerl,
    /// It has a perl that does not run yet, or something that may pass.
    Passing,
    /// It is a perl that cannot be read.
    Unread,
}

impl Verdict {
    fn new(then: Glance, error: &AttachError, tries: u32) -> Self {
        let pause = RETRY_EVERY * 2u32.saturating_pow(tries.min(16));
        Verdict {
            then,
            why: match error {
                AttachError::NotPerl { .. } => Why::NoPerl,
                AttachError::Starting(_)
                | AttachError::NoInterpreter(_)
                | AttachError::Replaced(_)
                | AttachError::Process(ProcessError::Io { .. }) => Why::Passing,
                _ => Why::Unread,
            },
            tries: match error {
                // Whatever is to be found out about a file has been.
                AttachError::Resolve(_) | AttachError::Identity { .. } | AttachError::Bind(_) => {
                    MOST_TRIES
                }
                _ => tries,
            },
            rests_until: Instant::now() + pause.min(LONGEST_PAUSE),
        }
    }

    /// The same program may be judged otherwise now.
    fn is_doubtful(&self, now: &Glance) -> bool {
        Instant::now() >= self.rests_until
            && match self.why {
                Why::NoPerl => now.size != self.then.size,
                Why::Passing => true,
                Why::Unread => self.tries < MOST_TRIES,
            }
    }
}

impl AttachCandidate {
    fn new(pid: Pid, asked: bool) -> Self {
        let now = Instant::now();
        AttachCandidate {
            pid,
            since: now,
            due: now,
            asked,
            verdict: None,
        }
    }

    /// Looks again after so long.
    fn later(&mut self, pause: Duration) -> bool {
        self.due = Instant::now() + pause;
        true
    }
}

/// Whether there can be processes that were not there at the look before.
struct News {
    newest: Option<(Pid, u32)>,
    changed: Instant,
    looked: Instant,
}

impl Default for News {
    fn default() -> Self {
        let now = Instant::now();
        News {
            newest: None,
            changed: now,
            looked: now,
        }
    }
}

impl News {
    /// `newest` is [`Load::newest`], where that is known.
    fn is_due(&mut self, newest: Option<(Pid, u32)>, now: Instant) -> bool {
        if newest.is_none() || newest != self.newest {
            self.newest = newest;
            self.changed = now;
        }
        let is_due = now.saturating_duration_since(self.changed) < NEWS_LAST
            || now.saturating_duration_since(self.looked) >= SCAN_ANYWAY;
        if is_due {
            self.looked = now;
        }
        is_due
    }
}

struct Patrol {
    load: Load,
    children: News,
    all: News,
    follow: Follow,
    sources: Sources,
    /// The processes that were asked for, or started.
    roots: Vec<Pid>,
    /// The processes whose children are ours.
    family: HashSet<Pid>,
    /// Processes that are known to be none of the family.
    strangers: HashSet<Pid>,
    candidates: Vec<AttachCandidate>,
    /// The perls that were found: their forks need no search.
    kin: Vec<ForkFamily>,
    found: Sender<Report>,
    unlooked: Unlooked,
}

impl Patrol {
    fn run(&mut self, asked: &Receiver<Errand>) {
        let mut scan_due = Instant::now();
        loop {
            match asked.recv_timeout(self.pause(scan_due)) {
                Ok(Errand::Attach(pid)) => self.add(pid, true),
                Ok(Errand::Count) => self.count(),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let watches = self.follow != Follow::Nobody;
            let newest = self.load.newest().filter(|_| watches);
            let now = Instant::now();
            if self.looks_often() && self.children.is_due(newest, now) {
                self.look_at_children();
            }
            if watches && now >= scan_due {
                if self.all.is_due(newest, now) {
                    self.scan();
                }
                scan_due = Instant::now() + SCAN_EVERY;
            }
            self.try_candidates();
        }
    }

    fn looks_often(&self) -> bool {
        self.follow == Follow::OwnChildren && self.family.len() <= FEW
    }

    /// Looks at everything and says what there is.
    fn count(&mut self) {
        /// Generations of processes that end as soon as they have started another.
        const MOST: usize = 16;
        for _ in 0..MOST {
            if self.follow != Follow::Nobody {
                self.scan();
            }
            let before = self.candidates.len();
            let now = Instant::now();
            self.candidates.iter_mut().for_each(|c| c.due = now);
            self.try_candidates();
            // Who ended after the others were listed may have left one more.
            if before == 0 || !self.candidates.is_empty() {
                break;
            }
        }
        let judged = self
            .candidates
            .iter()
            .filter(|c| c.verdict.is_some())
            .count();
        let _ = self.found.send(Report::Left(Left {
            starting: self.candidates.len() - judged,
            others: judged,
        }));
    }

    fn pause(&self, scan_due: Instant) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        let now = Instant::now();
        let candidate = self.candidates.iter().map(|c| c.due).min();
        let scan = (self.follow != Follow::Nobody).then_some(scan_due);
        let often = self.looks_often().then_some(now + RETRY_EVERY);
        let next = [candidate, scan, often].into_iter().flatten().min();
        next.map_or(LONG, |due| {
            due.saturating_duration_since(now).max(SHORTEST_PAUSE)
        })
    }

    fn add(&mut self, pid: Pid, asked: bool) {
        self.family.insert(pid);
        match self.candidates.iter_mut().find(|c| c.pid == pid) {
            Some(known) => {
                known.asked |= asked;
                known.due = Instant::now();
            }
            None => {
                self.unlooked.found(pid);
                self.candidates.push(AttachCandidate::new(pid, asked));
            }
        }
    }

    /// What the kernel lists as children of the family's main threads, and their children.
    fn look_at_children(&mut self) {
        let mut parents: Vec<Pid> = self.family.iter().copied().collect();
        while !parents.is_empty() {
            let children: Vec<Pid> = parents
                .iter()
                .flat_map(|pid| children_of(*pid))
                .filter(|pid| !self.family.contains(pid))
                .collect();
            for pid in &children {
                self.add(*pid, false);
            }
            parents = children;
        }
    }

    /// Looks at processes that were not there before. Orphans are found where they were handed over to
    /// us, or their parents were seen.
    fn scan(&mut self) {
        let all: HashSet<Pid> = Process::all_ids().collect();
        self.family.retain(|pid| all.contains(pid));
        self.strangers.retain(|pid| all.contains(pid));
        let new = all
            .iter()
            .filter(|pid| !self.family.contains(pid) && !self.strangers.contains(pid));
        let mut parents: HashMap<Pid, Pid> = new
            .filter_map(|pid| Some((*pid, Process::parent_of(*pid)?)))
            .collect();
        loop {
            let ours = |parent: &Pid| self.family.contains(parent);
            let found: Vec<Pid> = parents
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
        // The list was not read at one moment: a parent that is not in it may be one of ours.
        let known = |parent: &Pid| *parent == Pid::default() || all.contains(parent);
        let strangers = parents.into_iter().filter(|(_, parent)| known(parent));
        self.strangers.extend(strangers.map(|(pid, _)| pid));
        self.scan_orphans();
    }

    /// Looks at what was handed over to us. Last, as one may lose its parent at any moment before.
    fn scan_orphans(&mut self) {
        let orphans: Vec<Pid> = match (self.follow, self.roots.first()) {
            (Follow::OwnChildren, Some(root)) => adopted(*root).collect(),
            _ => Vec::new(),
        };
        for pid in orphans {
            if self.family.contains(&pid) || Process::glance(pid).is_err() {
                continue;
            }
            // It may have been somebody else's before.
            self.strangers.remove(&pid);
            self.add(pid, false);
        }
    }

    fn try_candidates(&mut self) {
        let mut candidates = std::mem::take(&mut self.candidates);
        let now = Instant::now();
        candidates.retain_mut(|c| {
            let is_kept = c.due > now || self.keep_after_try(c);
            if !is_kept || c.verdict.is_some() {
                self.unlooked.judged(c.pid);
            }
            is_kept
        });
        self.candidates.append(&mut candidates);
    }

    /// False when nothing more is to be done about the candidate: it is sampled, or has ended.
    fn keep_after_try(&mut self, candidate: &mut AttachCandidate) -> bool {
        let pid = candidate.pid;
        let before = match Process::glance(pid) {
            Ok(glance) => glance,
            Err(e) if e.is_end() => return self.has_ended(candidate),
            Err(_) => return candidate.later(RETRY_EVERY),
        };
        let mut tries = 0;
        match candidate.verdict.take() {
            Some(verdict) if verdict.then.incarnation != before.incarnation => {
                candidate.since = Instant::now();
            }
            Some(verdict) if !candidate.asked && !verdict.is_doubtful(&before) => {
                candidate.verdict = Some(verdict);
                let is_young = candidate.since.elapsed() < YOUTH;
                return candidate.later(if is_young { YOUNG_EVERY } else { OTHER_EVERY });
            }
            Some(verdict) => tries = verdict.tries,
            None => {}
        }
        let attached = Process::open(pid)
            .map_err(AttachError::from)
            .and_then(|process| {
                let attach = Attach::once(&self.sources).among(&self.kin);
                attach.to(process, &mut |_| {})
            });
        let error = match attached {
            Ok(target) => {
                target.kin().clone().join(&mut self.kin);
                let _ = self.found.send(Report::Found(Box::new(target)));
                return false;
            }
            Err(e) => e,
        };
        match Process::glance(pid) {
            Err(e) if e.is_end() => return self.has_ended(candidate),
            Ok(after) if after.incarnation == before.incarnation => {}
            // What was found is not true of what it is now.
            _ => {
                candidate.since = Instant::now();
                return candidate.later(Duration::ZERO);
            }
        }
        // Who was asked for may become a perl again in a moment.
        let is_clear = !error.is_temporary()
            || (!candidate.asked && matches!(error, AttachError::NotPerl { .. }));
        if !is_clear && candidate.since.elapsed() < START_PATIENCE && tries == 0 {
            return candidate.later(RETRY_EVERY);
        }
        self.judge(candidate, Verdict::new(before, &error, tries + 1), error)
    }

    /// It will not be sampled for now. False where nobody waits for what becomes of it.
    fn judge(
        &mut self,
        candidate: &mut AttachCandidate,
        verdict: Verdict,
        error: AttachError,
    ) -> bool {
        let is_ours = matches!(error, AttachError::Process(ProcessError::Io { .. }));
        let is_certain = (verdict.why == Why::Unread || is_ours) && verdict.tries >= MOST_TRIES;
        if is_certain && (!error.is_denied() || looks_like_perl(candidate.pid)) {
            let _ = self.found.send(Report::Unread(
                candidate.pid,
                Notice {
                    text: error.to_string(),
                    remedy: error.remedy(),
                },
            ));
        }
        // A perl that is between two lives, as in a server that reads its configuration again, is
        // waited for.
        if candidate.asked && verdict.why != Why::Passing {
            candidate.asked = false;
            let _ = self
                .found
                .send(Report::Gone(candidate.pid, Some(Box::new(error))));
            if self.follow == Follow::Nobody {
                return false;
            }
        }
        candidate.verdict = Some(verdict);
        candidate.later(YOUNG_EVERY)
    }

    fn has_ended(&self, candidate: &AttachCandidate) -> bool {
        if candidate.asked {
            let _ = self.found.send(Report::Gone(candidate.pid, None));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_looked_for_until_they_are_old() {
        let mut news = News::default();
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let mut due = |newest, ms| news.is_due(newest, after(ms));
        assert!(due(Some((Pid::from(7), 90)), 0) && due(Some((Pid::from(7), 90)), 100));
        assert!(!due(Some((Pid::from(7), 90)), 200) && !due(Some((Pid::from(7), 90)), 900));
        // An id that was given, and a process that is to be seen.
        assert!(due(Some((Pid::from(8), 90)), 910) && !due(Some((Pid::from(8), 90)), 1100));
        assert!(due(Some((Pid::from(8), 91)), 1110) && !due(Some((Pid::from(8), 91)), 1300));
        assert!(due(Some((Pid::from(8), 91)), 2250) && !due(Some((Pid::from(8), 91)), 2300));
        assert!(due(None, 2400) && due(None, 2500) && due(None, 2900));
    }

    #[test]
    fn who_is_no_perl_is_judged_anew_when_it_has_loaded_something() {
        let then = Process::glance(Pid::from(std::process::id() as i32)).unwrap();
        let no_perl = AttachError::NotPerl {
            pid: Pid::from(1),
            program: String::new(),
            searched: 1,
        };
        let more = Glance {
            size: then.size + 4096,
            ..then
        };
        let rested = |error: &AttachError, tries| Verdict {
            rests_until: Instant::now(),
            ..Verdict::new(then, error, tries)
        };
        let fresh = Verdict::new(then, &no_perl, 9);
        assert!(!fresh.is_doubtful(&more));
        let old = rested(&no_perl, 9);
        assert!(old.is_doubtful(&more) && !old.is_doubtful(&then));
        assert!(rested(&AttachError::Starting(Pid::from(1)), 99).is_doubtful(&then));
        let denied =
            AttachError::Process(crate::platform::ProcessError::NoPermission(Pid::from(1)));
        assert!(rested(&denied, 1).is_doubtful(&then));
        assert!(!rested(&denied, MOST_TRIES).is_doubtful(&then));
    }
}
