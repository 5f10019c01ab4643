//! What a recording and the live view have in common: getting at the target, whether it runs
//! already or is started for the purpose, and leaving it properly.

use super::aside::aside;
use super::{note, warn};
use crate::attach::{Attach, AttachError, Target};
use crate::cli::Aim;
use crate::cli::hints::{NO_TERMINAL, explain};
use crate::examine::open_named;
use crate::identity::Identity;
use crate::ids::Pid;
use crate::layout::{Sources, resolve};
use crate::platform::signals::{Request, Requests};
use crate::platform::{
    Child, Gaps, NO_ESCAPES, Process, Streams, adopt_orphans, allow_many_watches, exit_code,
    takes_escapes,
};
use crate::sampler::{Control, End, Follow};
use anyhow::{anyhow, bail};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a program that we started may take to become a perl. A shell that prepares something
/// first is common; one that never becomes perl should not be waited for in silence.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a program that is starting.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// A program that ends has no memory any more some time before its end is known.
const LAST_BREATH: Duration = Duration::from_millis(100);
/// How long an attach may take to notice that it is not wanted any more.
const LAST_CHANCE: Duration = Duration::from_millis(500);

/// Targets and, if we started the only one, the child that it is.
pub struct Session {
    /// What is sampled; none yet where a perl is still to be found among the children.
    pub targets: Vec<Target>,
    /// The processes that were asked for, or started.
    pub roots: Vec<Pid>,
    /// The program, when it is ours.
    pub child: Option<Child>,
    /// The command line, or how many processes there are, for titles.
    pub title: String,
}

/// Which children of the aim are sampled.
pub fn follow(aim: &Aim, subprocesses: bool) -> Follow {
    match aim {
        _ if !subprocesses => Follow::Nobody,
        Aim::Pids(_) => Follow::Children,
        Aim::Start { .. } => Follow::OwnChildren,
    }
}

/// What came of getting at the target.
pub enum Opening {
    /// It is there.
    Ready(Box<Session>),
    /// The user ended p5-spy, or the program ended, before perl was up; with the exit status.
    Over(u8),
}

impl Session {
    /// Attaches to the aim, which is started first when it is a program.
    ///
    /// # Errors
    /// When it cannot be started or attached to; the message says what to do.
    pub fn open(
        aim: &Aim,
        follow: Follow,
        sources: &Sources,
        streams: Streams,
        requests: &mut Requests,
    ) -> anyhow::Result<Opening> {
        match aim {
            Aim::Pids(pids) => {
                allow_many_watches();
                Self::attach_all(pids, follow, sources, requests)
            }
            Aim::Start { program, arguments } => {
                prepare(program, sources);
                adopt_orphans();
                let child = Child::start(program, arguments, streams)?;
                if follow == Follow::OwnChildren {
                    // It need not be a perl itself: a shell script or make is as good.
                    let ready = Self::ready(Vec::new(), vec![child.pid()], Some(child));
                    return Ok(Opening::Ready(Box::new(ready)));
                }
                Self::await_perl(child, sources, requests)
            }
        }
    }

    /// Attaches to every process; one that cannot be had is only fatal when it is the only one. One
    /// that is no perl is as good where its children are looked at.
    fn attach_all(
        pids: &[Pid],
        follow: Follow,
        sources: &Sources,
        requests: &mut Requests,
    ) -> anyhow::Result<Opening> {
        let mut targets: Vec<Target> = Vec::new();
        let mut roots = Vec::new();
        let mut family = Vec::new();
        let mut problem = None;
        for pid in pids {
            let pid = *pid;
            let (sources, known) = (sources.clone(), family.clone());
            let give_up = Arc::new(AtomicBool::new(false));
            let given_up = give_up.clone();
            let attach = move || {
                let go_on = &mut || !given_up.load(Ordering::Relaxed);
                Process::open(pid)
                    .map_err(AttachError::from)
                    .and_then(|process| {
                        Attach::with(&sources)
                            .among(&known)
                            .to_while(process, &mut note, go_on)
                    })
            };
            let mut asked: Option<(Request, Instant)> = None;
            let attached = aside(attach, || {
                if let Some(request) = requests.take().first() {
                    give_up.store(true, Ordering::Relaxed);
                    asked.get_or_insert((*request, Instant::now()));
                }
                let (request, since) = asked?;
                (since.elapsed() >= LAST_CHANCE).then_some(request)
            });
            let attached = match attached {
                Ok(attached) => attached,
                Err(request) => return Ok(Opening::Over(status_of_signal(request.signal))),
            };
            match (attached, asked) {
                (Err(_), Some((request, _))) => {
                    return Ok(Opening::Over(status_of_signal(request.signal)));
                }
                (Ok(target), _) => {
                    target.kin().clone().join(&mut family);
                    targets.push(target);
                    roots.push(pid);
                }
                (
                    Err(
                        AttachError::NotPerl { .. }
                        | AttachError::Starting(_)
                        | AttachError::NoInterpreter(_),
                    ),
                    None,
                ) if follow != Follow::Nobody => {
                    roots.push(pid);
                }
                (Err(e), None) => {
                    if let Some(earlier) = problem.replace(e) {
                        warn(explain(&earlier.into()));
                    }
                }
            }
        }
        match problem {
            Some(error) if roots.is_empty() => Err(error.into()),
            problem => {
                if let Some(error) = problem {
                    warn(explain(&error.into()));
                }
                Ok(Opening::Ready(Box::new(Self::ready(targets, roots, None))))
            }
        }
    }

    fn await_perl(
        mut child: Child,
        sources: &Sources,
        requests: &mut Requests,
    ) -> anyhow::Result<Opening> {
        let pid = child.pid();
        let mut deadline = Instant::now() + START_PATIENCE;
        let mut gaps = Gaps::watch();
        loop {
            // Warnings are for the attempt that succeeds or is the last.
            let mut warnings = Vec::new();
            let used = sources.clone();
            let attach = move || {
                let mut said = Vec::new();
                let attached = Process::open(pid)
                    .map_err(AttachError::from)
                    .and_then(|process| Attach::once(&used).to(process, &mut |w| said.push(w)));
                (attached, said)
            };
            let mut asked = 0;
            let attached = aside(attach, || {
                for request in requests.take() {
                    if !request.from_terminal {
                        child.signal(request.signal);
                    }
                    asked += 1;
                    if asked > 1 {
                        return Some(request);
                    }
                }
                None
            });
            let attached = match attached {
                Ok((attached, said)) => {
                    warnings.extend(said);
                    attached
                }
                Err(request) => {
                    child.end();
                    return Ok(Opening::Over(status_of_signal(request.signal)));
                }
            };
            let error = match attached {
                Ok(target) => {
                    warnings.into_iter().for_each(note);
                    return Ok(Opening::Ready(Box::new(Self::ready(
                        vec![target],
                        vec![pid],
                        Some(child),
                    ))));
                }
                Err(e) => e,
            };
            if let Some(status) = child.ended() {
                let code = exit_code(status);
                warn(format!(
                    "the program ended (exit status {code}) before its perl was up or could be read: nothing was sampled"
                ));
                return Ok(Opening::Over(u8::try_from(code).unwrap_or(1)));
            }
            for request in requests.take() {
                if !request.from_terminal {
                    child.signal(request.signal);
                }
            }
            if !error.is_temporary() && !matches!(error, AttachError::Process(_)) {
                if child.ends_within(LAST_BREATH) {
                    // What is wrong with it is that it is ending.
                    continue;
                }
                child.end();
                return Err(
                    anyhow!(error).context("the program was started, and ended again, for nothing")
                );
            }
            if let Some(gap) = gaps.since_last() {
                deadline += gap.stopped;
            }
            if Instant::now() >= deadline {
                child.end();
                let seconds = START_PATIENCE.as_secs();
                return Err(anyhow!(error).context(format!(
                    "no perl to sample within {seconds} seconds of the start; the program was ended"
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }

    fn ready(targets: Vec<Target>, roots: Vec<Pid>, child: Option<Child>) -> Self {
        let title = match roots.as_slice() {
            [only] => Process::open(*only).map_or_else(|_| String::new(), Process::title),
            several => format!("{} processes", several.len()),
        };
        Session {
            targets,
            roots,
            child,
            title,
        }
    }

    /// The first process.
    pub fn pid(&self) -> Pid {
        self.roots.first().copied().unwrap_or_default()
    }
}

/// Looks up the layout of a program that will be started, so that it is known when perl is up: a
/// short program would end while debug information is parsed. Whatever goes wrong here will be
/// met and reported when attaching.
fn prepare(program: &OsStr, sources: &Sources) {
    let found = if program.as_encoded_bytes().contains(&b'/') {
        Some(PathBuf::from(program))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .map(|folder| folder.join(program))
            .find(|p| p.is_file())
    };
    let image = found
        .and_then(|p| p.canonicalize().ok())
        .and_then(|p| open_named(&p).ok());
    if let Some(image) = image
        && let Ok(identity) = Identity::of(&image)
    {
        let _ = resolve(&image, &identity, sources, &mut |_| {});
    }
}

/// What became of a program that ended by itself, as p5-spy's own exit status. What it left behind
/// goes on.
pub fn left_status(child: Option<Child>) -> u8 {
    let Some(child) = child else { return 0 };
    let status = child.leave();
    status.map_or(1, |status| u8::try_from(exit_code(status)).unwrap_or(1))
}

/// What became of a program that we started, as p5-spy's own exit status: it is ended, with all that
/// came of it. `ended_by_us` is true when p5-spy itself asked it to end: then that is no failure.
pub fn final_status(child: Option<Child>, ended_by_us: bool) -> u8 {
    let Some(mut child) = child else { return 0 };
    let status = child.end();
    match status {
        Some(_) if ended_by_us => 0,
        Some(status) => u8::try_from(exit_code(status)).unwrap_or(1),
        None => 1,
    }
}

/// The status of a program that a signal ended.
pub fn status_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(1)
}

/// How the sampler ended, or that it did not and is left alone.
///
/// # Errors
/// When the thread panicked, which would be a bug.
pub fn ended(sampling: JoinHandle<End>) -> anyhow::Result<End> {
    if !sampling.is_finished() {
        return Ok(End::Stuck);
    }
    match sampling.join() {
        Ok(end) => Ok(end),
        Err(_) => bail!("the sampling thread failed; please report this"),
    }
}

/// How long the sampler may take to end: it looks whether it should every twentieth of a second.
pub const OVERDUE: Duration = Duration::from_secs(1);

/// Notices that the sampler does not end though its time is over.
#[derive(Default)]
pub struct Overdue {
    /// First seen then. The sampler needs a moment, too, to see that both were stopped.
    since: Option<Instant>,
}

impl Overdue {
    /// True when it should have ended long ago.
    pub fn is_reached(&mut self, control: &Control) -> bool {
        if control.overdue().is_none_or(|late| late < OVERDUE) {
            self.since = None;
            return false;
        }
        self.since.get_or_insert_with(Instant::now).elapsed() >= OVERDUE / 2
    }
}

/// Makes sure that the live view can be on standard output.
///
/// # Errors
/// With what to do instead when it cannot.
pub fn require_terminal() -> anyhow::Result<()> {
    use std::io::IsTerminal as _;
    if !std::io::stdout().is_terminal() {
        bail!("the live view needs a terminal, and standard output is none. {NO_TERMINAL}");
    }
    if !takes_escapes() {
        bail!(
            "the live view needs a terminal on which it can move about, and {NO_ESCAPES}. {NO_TERMINAL}"
        );
    }
    Ok(())
}
