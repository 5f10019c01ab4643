//! `p5-spy record`: sample for a while, then write a file.

use super::account::{nothing_due, too_few_files, unlooked, unread, with_code};
use super::halted::Halted;
use super::progress::Progress;
use super::report::wrote;
use super::session::{
    OVERDUE, Opening, Overdue, Session, ended, final_status, follow, left_status,
};
use super::spool::{Pictures, RecordingOrigin, Spool};
use super::{folder, recorded, sources, warn};
use crate::cli::hints::{self, LET_GO_ON, SEE_WAITING, compare_with_dump, explain};
use crate::cli::{Aim, By, Format, LayoutChoice, Output, Sampling, Show, Start};
use crate::ids::Pid;
use crate::output::{stats, write_whole};
use crate::platform::poll::sleep_unless_signalled;
use crate::platform::signals::{Requests, Wish};
use crate::platform::{Child, Process, Streams, own_cpu_time};
use crate::profile::{About, Filter, Fold, Profile, SampleLog, Summary};
use crate::sampler::{self, Control, End, Recording, Sampler};
use crate::say::say;
use anyhow::{Context, anyhow, bail};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What the command line asked for.
pub struct RecordSettings {
    pub aim: Aim,
    pub subprocesses: bool,
    pub threads: bool,
    pub sampling: Sampling,
    pub show: Show,
    pub layout: LayoutChoice,
    pub outputs: Vec<Output>,
    pub format: Format,
    pub start: Start,
    pub by: By,
    pub stats: Option<PathBuf>,
    pub fold: Fold,
}

/// Between two looks at signals and the child.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The same where there is no child: each look costs a wake-up, and signals are heard in any case.
const LOOK_SELDOM: Duration = Duration::from_millis(100);
/// How long a program may take to end that was asked to more than once.
const LAST_CHANCE: Duration = Duration::from_millis(1500);
/// Between two blocks of the raw recording: what a power cut can cost.
const BLOCK_EVERY: Duration = Duration::from_secs(1);

#[inline(never)]
pub fn run(mut settings: RecordSettings) -> anyhow::Result<u8> {
    for output in &settings.outputs {
        check_writable(Some(&output.file))?;
    }
    check_writable(settings.stats.as_deref())?;
    let sources = sources(&settings.layout)?;
    let mut requests = Requests::of_recording(settings.start.on_signal)?;
    let follow = follow(&settings.aim, settings.subprocesses);
    let mut session = match Session::open(
        &settings.aim,
        follow,
        &sources,
        Streams::default(),
        &mut requests,
    )? {
        Opening::Ready(session) => *session,
        Opening::Over(status) => return Ok(status),
    };
    let pid = session.pid();
    if settings.outputs.is_empty() {
        let format = settings.format;
        let file = PathBuf::from(format!("p5-spy-{pid}{}", format.ending()));
        check_writable(Some(&file))?;
        settings.outputs.push(Output { file, format });
    }
    announce(&settings, &session);
    let is_raw = settings.outputs.iter().any(|o| o.format == Format::P5spy);
    let mut spool = Spool::new(about(&settings, &session), &settings.outputs)?;
    let pictures = Pictures {
        outputs: settings.outputs.clone(),
        by: settings.by,
        threads: settings.threads,
        full_filenames: settings.show.full_filenames,
        filter: Filter {
            idle: settings.sampling.idle,
            ops: settings.show.ops,
            ..Filter::default()
        },
        fold: settings.fold.clone(),
        origin: RecordingOrigin::Own,
    };
    let recording = Arc::new(Mutex::new(Recording::<SampleLog>::default()));
    let control = Arc::new(Control::default());
    let waits = settings.start.after.is_some() || settings.start.on_signal.is_some();
    control.pause.store(waits, Ordering::Relaxed);
    let wanted = sampler::Settings {
        rate: settings.sampling.rate,
        duration: settings.sampling.duration,
        // A raw recording has everything; what is not asked for is left out of the pictures.
        idle: settings.sampling.idle || is_raw,
        glances: false,
        follow,
        max_cpu: Some(settings.sampling.max_cpu),
        shows_ops: settings.show.ops || is_raw,
        native: settings.sampling.native,
        names: recorded(Show {
            ops: settings.show.ops || is_raw || settings.sampling.native.is_some(),
            ..settings.show
        }),
    };
    let started = Instant::now();
    let cpu_before = own_cpu_time();
    let summary = |recording: &Recording<SampleLog>| {
        let cpu = own_cpu_time().saturating_sub(cpu_before);
        Summary::new(
            &recording.tally,
            started.elapsed(),
            cpu,
            recording.remote_reads,
        )
    };
    let mut watcher = Watcher::new(&settings, started, session.roots.clone());
    let sampler = Sampler::new(
        session.targets,
        session.roots,
        sources,
        wanted,
        recording.clone(),
        control.clone(),
    );
    let sampling = sampler.spawn()?;
    let mut block_due = started + BLOCK_EVERY;
    let mut spooled = Ok(());
    while !sampling.is_finished() && !watcher.is_stuck(&control) {
        let asked = watcher.look(&mut requests, session.child.as_mut(), &control, &recording);
        if (asked || Instant::now() >= block_due) && spooled.is_ok() {
            block_due = Instant::now() + BLOCK_EVERY;
            spooled = spool.take(&recording, summary);
        }
        if asked && spooled.is_ok() {
            watcher.progress.clear();
            if let Err(e) = spool.picture(&pictures, &mut |output, _| wrote(output)) {
                warn(explain(&e));
            }
        }
        if spooled.is_err() {
            // Without a place for samples there is nothing to wait for.
            control.stop.store(true, Ordering::Relaxed);
        }
        let has_child = session.child.is_some();
        sleep_unless_signalled(if has_child { LOOK_EVERY } else { LOOK_SELDOM });
    }
    watcher.progress.clear();
    let end = ended(sampling)?;
    let interrupted = watcher.interrupted;
    requests.let_go();
    let taken = spooled.and_then(|()| spool.take(&recording, summary));
    let recording = std::mem::take(&mut *recording.lock().unwrap_or_else(PoisonError::into_inner));
    let mut summary = summary(&recording);
    summary.stopped_ms = watcher.halted.milliseconds();
    // Files first, words after: nobody may be there to hear them.
    let mut made = Vec::new();
    let mut done = |output: &Output, _: &Profile| made.push(output.clone());
    let written = match taken {
        Ok(()) => spool.finish(summary.clone(), &pictures, &mut done),
        // A full disk: what was written before may be on another one than the pictures.
        Err(e) => Err(spool.give_up(&pictures, &mut done, e)),
    };
    let stats_written = match &settings.stats {
        Some(file) => write_whole(file, &mut |to| {
            serde_json::to_writer_pretty(&mut *to, &summary)?;
            writeln!(to)
        }),
        None => Ok(()),
    };
    report(&end, &summary, &settings);
    for line in unlooked(recording.unlooked)
        .into_iter()
        .chain(unread(&recording.unread))
    {
        say(format_args!("{line}"));
    }
    made.iter().for_each(wrote);
    requests.hold_again();
    let is_ours = session.child.is_some();
    // The program's status must not be lost to a full disk, nor the other way round.
    let status = leave(session.child.take(), &end, interrupted, &mut requests);
    let nothing = summary.good + summary.idle + summary.ready == 0;
    let failed: u64 = summary.errors.values().sum();
    let empty = match end {
        End::Lost(e) if nothing => Err((*e).into()),
        _ if nothing && failed > 0 && !is_ours => Err(anyhow!(
            "not one stack could be read. {}",
            compare_with_dump(pid)
        )),
        _ if settings.subprocesses && recording.seen.threads.is_empty() && !is_ours => {
            Err(anyhow!("no perl was found in process {pid}, nor below it"))
        }
        _ => Ok(()),
    };
    // A program that p5-spy started may end, or become another, before it is seen.
    let is_failure = !is_ours;
    let problems = [(written, true), (stats_written, true), (empty, is_failure)];
    let mut failure = None;
    for (problem, is_failure) in problems {
        match problem {
            Err(e) if is_failure && status == 0 && failure.is_none() => failure = Some(e),
            Err(e) => warn(explain(&e)),
            Ok(()) => {}
        }
    }
    if settings.subprocesses && is_ours && recording.seen.threads.is_empty() {
        warn("no perl was seen in the program that was started, nor in what that started".into());
    }
    failure.map_or(Ok(status), Err)
}

/// Says what will happen, to people.
fn announce(settings: &RecordSettings, session: &Session) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    let what = match session.roots.as_slice() {
        [pid] => format!("process {pid} ({})", session.title),
        _ => session.title.clone(),
    };
    let files: Vec<String> = settings
        .outputs
        .iter()
        .map(|o| match o.file.as_os_str() {
            file if file == "-" => "to standard output".into(),
            _ => o.file.display().to_string(),
        })
        .collect();
    say(format_args!(
        "Recording {what}. Ctrl-C ends it and writes {}.",
        files.join(", ")
    ));
    if settings.start.on_signal.is_some() {
        say(format_args!(
            "Nothing is sampled before the signal: kill -SIGNAL {}",
            std::process::id()
        ));
    }
}

/// What a recording says of itself.
fn about(settings: &RecordSettings, session: &Session) -> About {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let perl = session.targets.first().map(|t| {
        let identity = &t.perl.identity;
        format!("perl {} ({})", identity.version, identity.build)
    });
    About {
        made_by: concat!("p5-spy ", env!("CARGO_PKG_VERSION")).into(),
        title: session.title.clone(),
        perl: perl.unwrap_or_default(),
        folder: Process::open(session.pid())
            .ok()
            .and_then(folder)
            .unwrap_or_default(),
        rate: settings.sampling.rate,
        idle: settings.sampling.idle,
        ops: settings.show.ops,
        started_ms: since.map_or(0, |s| u64::try_from(s.as_millis()).unwrap_or(u64::MAX)),
    }
}

/// Finds out before the recording, not after, that the file cannot be written.
fn check_writable(file: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = file.filter(|f| f.as_os_str() != "-") else {
        return Ok(());
    };
    let problem = || format!("cannot write {}", file.display());
    if file.is_dir() {
        bail!("{}: it is a folder", problem());
    }
    if file.exists() && !file.is_file() {
        return Ok(());
    }
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
    let folder = parent.unwrap_or(Path::new("."));
    if !folder.is_dir() {
        bail!("{}: there is no folder {}", problem(), folder.display());
    }
    tempfile::tempfile_in(folder).with_context(problem)?;
    Ok(())
}

/// Looks after signals, the child and the line of progress while the sampler works.
struct Watcher {
    progress: Progress,
    interrupted: bool,
    /// Asked to end more than once.
    insists: bool,
    stopped: Option<Instant>,
    overdue: Overdue,
    halted: Halted,
    begins: Option<Instant>,
}

impl Watcher {
    fn new(settings: &RecordSettings, started: Instant, roots: Vec<Pid>) -> Self {
        Watcher {
            progress: Progress::new(started, settings.sampling.duration),
            interrupted: false,
            insists: false,
            stopped: None,
            overdue: Overdue::default(),
            halted: Halted::watch(roots),
            begins: settings.start.after.map(|after| started + after),
        }
    }

    /// True when the sampler does not end though it should: it is waited for no longer.
    fn is_stuck(&mut self, control: &Control) -> bool {
        if self.overdue.is_reached(control) {
            control.stop.store(true, Ordering::Relaxed);
        }
        if !control.stop.load(Ordering::Relaxed) {
            return false;
        }
        let since = *self.stopped.get_or_insert_with(Instant::now);
        self.insists || since.elapsed() >= OVERDUE
    }

    /// True when what there is so far is to be written.
    fn look(
        &mut self,
        requests: &mut Requests,
        mut child: Option<&mut Child>,
        control: &Control,
        recording: &Mutex<Recording<SampleLog>>,
    ) -> bool {
        let mut write = false;
        for request in requests.take_all() {
            match request.wish {
                Wish::Write => write = true,
                Wish::Toggle => {
                    self.begins = None;
                    control.pause.fetch_xor(true, Ordering::Relaxed);
                }
                Wish::End => {
                    self.insists |= self.interrupted;
                    self.interrupted = true;
                    control.stop.store(true, Ordering::Relaxed);
                    if let Some(child) = child.as_deref_mut().filter(|_| !request.from_terminal) {
                        child.signal(request.signal);
                    }
                }
            }
        }
        self.halted.look();
        if let Some(child) = child {
            // Reaps it, so that the sampler sees that it is gone.
            child.ended();
        }
        if self.begins.is_some_and(|begins| Instant::now() >= begins) {
            self.begins = None;
            control.pause.store(false, Ordering::Relaxed);
        }
        let waits = control.pause.load(Ordering::Relaxed);
        self.progress.show(waits, || {
            let recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
            (recording.tally.clone(), recording.threads)
        });
        write
    }
}

fn report(end: &End, summary: &Summary, settings: &RecordSettings) {
    match end {
        End::TargetEnded => warn("the program ended".into()),
        End::Lost(e) => warn(format!(
            "the recording ends here, as the process became another program: {e}"
        )),
        End::Stuck => warn(
            "the recording ends with what was read before: reading the program's memory does not come back (memory that a file system or a program of its own has to fill in?)"
                .into(),
        ),
        End::Stopped | End::Duration => {}
    }
    say(format_args!(
        "{}",
        stats::text(summary, settings.sampling.rate)
    ));
    if let Some(hint) = hints::account(summary) {
        say(hint);
    }
    if settings.sampling.native.is_some() {
        say(with_code(summary));
    }
    if summary.approximate > 0 {
        say(format_args!(
            "{} of the stacks are approximate: p5-spy could not share the CPU of the target (affinity refused, a real-time policy, or not on Linux)",
            summary.approximate
        ));
    }
    let said = [nothing_due(end, summary), too_few_files(summary)];
    for line in said.into_iter().flatten() {
        say(format_args!("{line}"));
    }
    let is_halted = summary.stopped_ms as f64 > summary.duration_seconds * 500.0;
    if summary.good == 0 && summary.idle > 0 && is_halted {
        say(format_args!(
            "The program was stopped, not waiting. {LET_GO_ON}"
        ));
    } else if summary.good == 0 && summary.idle > 0 && !settings.sampling.idle {
        say(format_args!(
            "The program was waiting all the time. {SEE_WAITING}"
        ));
    }
}

/// Ends or awaits a program that we started.
fn leave(child: Option<Child>, end: &End, interrupted: bool, requests: &mut Requests) -> u8 {
    let Some(mut child) = child else { return 0 };
    if matches!(end, End::Duration) {
        if child.ended().is_none() {
            warn("the time is over: the program that p5-spy started is ended now".into());
            return final_status(Some(child), true);
        }
        return final_status(Some(child), false);
    }
    // After Ctrl-C the program may have things to finish; it gets every further Ctrl-C too, and then
    // has little time.
    if interrupted && child.ended().is_none() {
        std::thread::sleep(LOOK_EVERY);
        if child.ended().is_none() {
            warn(format!(
                "waiting for the program (pid {}) to end; ask once more to end it",
                child.pid()
            ));
        }
    }
    let mut last_chance = None;
    while child.ended().is_none() {
        for request in requests.take() {
            if !request.from_terminal {
                child.signal(request.signal);
            }
            last_chance.get_or_insert_with(|| Instant::now() + LAST_CHANCE);
        }
        if last_chance.is_some_and(|over| Instant::now() >= over) {
            child.kill();
        }
        std::thread::sleep(LOOK_EVERY);
    }
    match end {
        End::TargetEnded | End::Lost(_) if !interrupted && last_chance.is_none() => {
            left_status(Some(child))
        }
        _ => final_status(Some(child), false),
    }
}
