//! `p5-spy record`: sample for a while, then write a file.

use super::session::{Opening, Session, final_status, follow, joined};
use super::signals::Requests;
use super::{recorded, sources, warn};
use crate::cli::{Aim, By, Format, LayoutChoice, Sampling, Show};
use crate::output::stats::{Summary, own_cpu_time};
use crate::output::{render, viewer, write_whole};
use crate::process::{Child, Streams};
use crate::profile::{Profile, StackCounts, Tally};
use crate::sampler::{self, End, Recording, Sampler};
use anyhow::{Context, bail};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the command line asked for.
pub struct Settings {
    pub aim: Aim,
    pub subprocesses: bool,
    pub threads: bool,
    pub sampling: Sampling,
    pub show: Show,
    pub layout: LayoutChoice,
    pub output: Option<PathBuf>,
    pub format: Format,
    pub by: By,
    pub stats: Option<PathBuf>,
}

/// Between two looks at signals and the child.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Between two lines of progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

pub fn run(settings: &Settings) -> anyhow::Result<u8> {
    check_writable(settings.output.as_deref())?;
    check_writable(settings.stats.as_deref())?;
    let sources = sources(&settings.layout)?;
    let mut requests = Requests::collect()?;
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
    let output = settings
        .output
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("p5-spy-{pid}.svg")));
    if std::io::stderr().is_terminal() {
        eprintln!(
            "Recording {}. Ctrl-C ends it and writes {}.",
            match session.roots.as_slice() {
                [_] => format!("process {pid} ({})", session.title),
                _ => session.title.clone(),
            },
            output.display()
        );
    }
    let sink = if settings.threads {
        StackCounts::by_thread()
    } else {
        StackCounts::default()
    };
    let recording = Mutex::new(Recording {
        sink,
        ..Recording::default()
    });
    let stop = AtomicBool::new(false);
    let wanted = sampler::Settings {
        rate: settings.sampling.rate,
        duration: settings.sampling.duration,
        idle: settings.sampling.idle,
        follow,
        names: recorded(settings.show),
    };
    let started = Instant::now();
    let cpu_before = own_cpu_time();
    let sampler = Sampler::new(
        session.targets,
        session.roots,
        sources,
        wanted,
        &recording,
        &stop,
    );
    let (end, interrupted) = std::thread::scope(|scope| {
        let handle = scope.spawn(|| sampler.run());
        let mut watcher = Watcher::new(started, settings.sampling.duration);
        while !handle.is_finished() {
            watcher.look(&mut requests, session.child.as_mut(), &stop, &recording);
            std::thread::sleep(LOOK_EVERY);
        }
        watcher.done();
        joined(handle).map(|end| (end, watcher.interrupted))
    })?;
    let duration = started.elapsed();
    let recording = recording
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let summary = Summary::new(
        &recording.tally,
        duration,
        own_cpu_time().saturating_sub(cpu_before),
        recording.remote_reads,
    );
    let failed = recording.tally.failed();
    let nobody = recording.seen.threads.is_empty();
    let profile = Profile::new(recording.seen, &recording.sink);
    let title = format!("perl profile of {}", session.title);
    let written = write_whole(&output, &mut |to| {
        render(settings.format, &profile, settings.by, &title, to)
    });
    let stats_written = match &settings.stats {
        Some(file) => write_whole(file, &mut |to| {
            serde_json::to_writer_pretty(&mut *to, &summary)?;
            writeln!(to)
        }),
        None => Ok(()),
    };
    report(
        &end,
        &summary,
        &recording.tally,
        settings,
        &output,
        written.is_ok(),
    );
    // The program's status must not be lost to a full disk, nor the other way round.
    let status = leave(session.child.take(), &end, interrupted, &mut requests);
    for problem in [written, stats_written].into_iter().filter_map(Result::err) {
        if status == 0 {
            return Err(problem);
        }
        warn(format!("{problem:#}"));
    }
    match end {
        End::Lost(e) if profile.total() == 0 => Err((*e).into()),
        _ if profile.total() == 0 && failed > 0 => bail!(
            "not one stack could be read. The layout may be wrong for this perl: compare with p5-spy dump --pid {pid}"
        ),
        _ if settings.subprocesses && nobody && status == 0 => {
            bail!("no perl was found in the program that was started, nor in what that started")
        }
        _ => Ok(status),
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
    started: Instant,
    duration: Option<Duration>,
    progress_due: Instant,
    shows_progress: bool,
    interrupted: bool,
}

impl Watcher {
    fn new(started: Instant, duration: Option<Duration>) -> Self {
        Watcher {
            started,
            duration,
            progress_due: started + PROGRESS_EVERY,
            shows_progress: std::io::stderr().is_terminal(),
            interrupted: false,
        }
    }

    fn look(
        &mut self,
        requests: &mut Requests,
        mut child: Option<&mut Child>,
        stop: &AtomicBool,
        recording: &Mutex<Recording<StackCounts>>,
    ) {
        for request in requests.take() {
            if self.interrupted && child.is_none() {
                // Asked twice: the user does not want to wait for the file either.
                self.done();
                std::process::exit(128 + request.signal);
            }
            self.interrupted = true;
            stop.store(true, Ordering::Relaxed);
            if let Some(child) = child.as_deref_mut().filter(|_| !request.from_terminal) {
                child.signal(request.signal);
            }
        }
        if let Some(child) = child {
            // Reaps it, so that the sampler sees that it is gone.
            child.ended();
        }
        if self.shows_progress && Instant::now() >= self.progress_due {
            self.progress_due += PROGRESS_EVERY;
            self.show(recording);
        }
    }

    fn show(&self, recording: &Mutex<Recording<StackCounts>>) {
        let (tally, threads) = {
            let recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
            (recording.tally.clone(), recording.threads)
        };
        let elapsed = self.started.elapsed().as_secs_f64();
        let of = self
            .duration
            .map_or_else(String::new, |d| format!(" of {:.0}", d.as_secs_f64()));
        let rate = tally.attempted() as f64 / elapsed.max(0.001) / threads.max(1) as f64;
        let errors = tally.failed() + tally.torn + tally.missed;
        eprint!(
            "\r\x1b[K{elapsed:.0}{of} s  {} samples, {} idle  {rate:.0}/s  {errors} lost",
            tally.good, tally.idle
        );
        let _ = std::io::stderr().flush();
    }

    fn done(&self) {
        if self.shows_progress {
            eprint!("\r\x1b[K");
        }
    }
}

fn report(
    end: &End,
    summary: &Summary,
    tally: &Tally,
    settings: &Settings,
    output: &Path,
    written: bool,
) {
    match end {
        End::TargetEnded => warn("the program ended".into()),
        End::Lost(e) => warn(format!(
            "the recording ends here, as the process became another program: {e}"
        )),
        End::Stopped | End::Duration => {}
    }
    eprintln!("{}", summary.text(settings.sampling.rate));
    if tally.approximate > 0 {
        eprintln!(
            "{} of the stacks are approximate: p5-spy could not share the CPU of the target (affinity refused, or a real-time policy)",
            tally.approximate
        );
    }
    if tally.good == 0 && tally.idle > 0 && !settings.sampling.idle {
        eprintln!("The program was waiting all the time. To see where it waits: --idle");
    }
    if written && output.as_os_str() != "-" {
        eprintln!("Wrote {} ({})", output.display(), viewer(settings.format));
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
    // After Ctrl-C the program may have things to finish; it gets every further Ctrl-C too.
    if interrupted && child.ended().is_none() {
        std::thread::sleep(LOOK_EVERY);
        if child.ended().is_none() {
            warn(format!(
                "waiting for the program (pid {}) to end",
                child.pid()
            ));
        }
    }
    while child.ended().is_none() {
        for request in requests.take() {
            if !request.from_terminal {
                child.signal(request.signal);
            }
        }
        std::thread::sleep(LOOK_EVERY);
    }
    final_status(Some(child), false)
}
