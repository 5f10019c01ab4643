//! `p5-spy top`: the live view.

use super::session::{
    OVERDUE, Opening, Overdue, Session, ended, final_status, follow, left_status, require_terminal,
};
use super::{folder, recorded, sources, warn};
use crate::cli::{Aim, LayoutChoice, Sampling, Show};
use crate::platform::signals::{INTERRUPT, Request, Requests};
use crate::platform::{Child, Process, Streams};
use crate::profile::fresh::Fresh;
use crate::sampler::{self, End, Follow, Recording, Sampler};
use crate::say::say;
use crate::top::{HeaderFacts, KeyRequest, View};
use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read, Seek, SeekFrom, Write};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What a started program says on the terminal while the view is on it is kept and shown after.
struct Aside {
    file: File,
}

impl Aside {
    /// Streams for a program that shares the terminal with the view, and the file that keeps what
    /// it says.
    fn streams() -> std::io::Result<(Streams, Option<Aside>)> {
        let mut streams = Streams::default();
        if std::io::stdin().is_terminal() {
            streams.input = Some(Stdio::null());
        }
        let (out, err) = (
            std::io::stdout().is_terminal(),
            std::io::stderr().is_terminal(),
        );
        if !out && !err {
            return Ok((streams, None));
        }
        let file = tempfile::tempfile()?;
        if out {
            streams.output = Some(file.try_clone()?.into());
        }
        if err {
            streams.error = Some(file.try_clone()?.into());
        }
        Ok((streams, Some(Aside { file })))
    }

    /// Prints what was kept.
    fn show(mut self) -> std::io::Result<()> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut out = std::io::stdout().lock();
        let mut piece = [0u8; 64 << 10];
        loop {
            let got = match self.file.read(&mut piece) {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                got => got?,
            };
            if got == 0 {
                return out.flush();
            }
            out.write_all(piece.get(..got).unwrap_or_default())?;
        }
    }
}

#[inline(never)]
pub fn run(
    aim: &Aim,
    subprocesses: bool,
    sampling: Sampling,
    shown: Show,
    layout: &LayoutChoice,
) -> anyhow::Result<u8> {
    require_terminal()?;
    let sources = sources(layout)?;
    let mut requests = Requests::collect()?;
    let (streams, aside) = match aim {
        Aim::Pids(_) => (Streams::default(), None),
        Aim::Start { .. } => Aside::streams()?,
    };
    let follow = follow(aim, subprocesses);
    let outcome = match Session::open(aim, follow, &sources, streams, &mut requests) {
        Ok(Opening::Ready(session)) => {
            watch(*session, sources, sampling, follow, shown, &mut requests)
        }
        Ok(Opening::Over(status)) => Ok(status),
        Err(e) => Err(e),
    };
    if let Some(aside) = aside {
        aside.show()?;
    }
    outcome
}

fn watch(
    session: Session,
    sources: crate::layout::Sources,
    sampling: Sampling,
    follow: Follow,
    shown: Show,
    requests: &mut Requests,
) -> anyhow::Result<u8> {
    let pid = session.pid();
    let Session {
        targets,
        roots,
        mut child,
        title,
    } = session;
    let mut perls: Vec<String> = targets
        .iter()
        .map(|t| {
            format!(
                "perl {} ({})",
                t.perl.identity.version, t.perl.identity.build
            )
        })
        .collect();
    perls.dedup();
    let about = HeaderFacts {
        pid,
        title,
        perl: perls.join(", "),
        rate: sampling.rate,
        idle: sampling.idle,
        folders: (!shown.full_filenames).then(|| {
            roots
                .iter()
                .filter_map(|p| folder(Process::open(*p).ok()?))
                .collect()
        }),
    };
    let recording = Arc::new(Mutex::new(Recording::<Fresh>::default()));
    let control = Arc::new(sampler::Control::default());
    let wanted = sampler::Settings {
        rate: sampling.rate,
        duration: sampling.duration,
        idle: sampling.idle,
        glances: true,
        follow,
        max_cpu: Some(sampling.max_cpu),
        shows_ops: shown.ops,
        native: sampling.native,
        names: recorded(Show {
            ops: shown.ops || sampling.native.is_some(),
            ..shown
        }),
    };
    let sampler = Sampler::new(
        targets,
        roots,
        sources,
        wanted,
        recording.clone(),
        control.clone(),
    );
    let sampling = sampler.spawn()?;
    let mut overdue = Overdue::default();
    let is_over = || sampling.is_finished() || overdue.is_reached(&control);
    let seen = show(
        about,
        &recording,
        requests,
        child.as_mut(),
        &control,
        is_over,
    );
    control.stop.store(true, Ordering::Relaxed);
    requests.let_go();
    let since = Instant::now();
    while !sampling.is_finished() && since.elapsed() < OVERDUE {
        std::thread::sleep(Duration::from_millis(2));
    }
    let end = ended(sampling)?;
    let quit = seen?;
    let recording = recording.lock().unwrap_or_else(PoisonError::into_inner);
    let tally = recording.tally.clone();
    drop(recording);
    let ended_by_itself = matches!(end, End::TargetEnded | End::Lost(_));
    match end {
        End::TargetEnded => say(format_args!("The program ended after {} samples.", tally.attempted())),
        End::Lost(e) => warn(format!("the process became another program: {e}")),
        End::Stuck => warn(
            "reading the program's memory does not come back (memory that a file system or a program of its own has to fill in?)"
                .into(),
        ),
        End::Stopped | End::Duration => {}
    }
    Ok(match ended_by_itself && !quit {
        true => left_status(child),
        false => final_status(child, quit),
    })
}

/// Runs the view until the user or the sampler ends it. The result tells whether p5-spy itself
/// is the one who ends a program that it started.
fn show(
    about: HeaderFacts,
    recording: &Mutex<Recording<Fresh>>,
    requests: &mut Requests,
    mut child: Option<&mut Child>,
    control: &sampler::Control,
    mut finished: impl FnMut() -> bool,
) -> anyhow::Result<bool> {
    let mut view = View::open(about)?;
    let mut passed_on = false;
    loop {
        let asked_for = view.step(Duration::from_millis(50), recording)?;
        control.idle.store(view.counts_waiting(), Ordering::Relaxed);
        let asked: Vec<Request> = requests.take();
        let interrupt = matches!(asked_for, Some(KeyRequest::Interrupt)).then_some(INTERRUPT);
        for signal in asked.iter().map(|r| r.signal).chain(interrupt) {
            match child.as_deref_mut() {
                // The program may want to finish something; the second time it has to go.
                Some(child) if !passed_on => child.signal(signal),
                _ => return Ok(false),
            }
            passed_on = true;
        }
        if matches!(asked_for, Some(KeyRequest::Quit)) {
            return Ok(true);
        }
        if let Some(child) = child.as_deref_mut() {
            child.ended();
        }
        if finished() {
            return Ok(child.is_some_and(|c| c.ended().is_none()));
        }
    }
}
