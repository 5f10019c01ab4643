//! `p5-spy dump`: the stacks, now.

use super::locals::wanted;
use super::native::NativeLook;
use super::stacks::{about, shown, take};
use super::{folder, looked_at, note, print, sources, warn};
use crate::attach::{Attach, AttachError};
use crate::capture::{Capture, MAX_FRAMES};
use crate::cli::hints::explain;
use crate::cli::{Depth, LayoutChoice, Show};
use crate::frames::FrameTable;
use crate::ids::Pid;
use crate::layout::{Sources, from_tables};
use crate::memory::ReadError;
use crate::output::dump::{ProcessDump, ThreadDump, shortened, text};
use crate::perl::names::NameOptions;
use crate::platform::{Process, ProcessError, descendants};
use anyhow::{Context, bail};
use std::path::Path;

/// What is said of a thread where a capture stands for more than it can hold.
const TOO_MANY: &str = "the capture has more frames than an honest one";

/// The stacks of processes. As JSON, one process is one document and several are a list; so are those
/// with `subprocesses`, however many there are.
pub fn run(
    pids: &[Pid],
    subprocesses: bool,
    json: bool,
    show: Show,
    depth: Depth,
    layout: &LayoutChoice,
) -> anyhow::Result<u8> {
    let sources = sources(layout)?;
    let mut dumps = Vec::new();
    let mut folders = Vec::new();
    let all = match subprocesses {
        true => descendants(pids),
        false => pids.to_vec(),
    };
    let is_single = all.len() == 1 && !subprocesses;
    for pid in &all {
        let taken = Process::open(*pid).map_err(Into::into).and_then(|process| {
            if !json && !show.full_filenames {
                folders.extend(folder(process));
            }
            dump(process, looked_at(show), depth, &sources)
        });
        match taken {
            Ok(dump) => dumps.push(dump),
            // Most processes below a shell are no perls, and many end at any moment.
            Err(e) if subprocesses && is_no_perl(&e, pids.contains(pid)) => {}
            Err(e) if is_single => return Err(e),
            Err(e) => warn(explain(&e)),
        }
    }
    let document = match (json, dumps.as_slice()) {
        (true, [only]) if is_single => serde_json::to_string_pretty(only)? + "\n",
        (true, several) => serde_json::to_string_pretty(several)? + "\n",
        (false, several) => texts(several, &folders, show),
    };
    if dumps.is_empty() && subprocesses {
        bail!(
            "no perl that can be read runs in {}, nor below",
            listed(pids)
        );
    }
    print(document.as_bytes())?;
    if dumps.iter().all(ProcessDump::has_no_stack) {
        bail!(
            "no stack of {} could be read: try again, or look for longer with p5-spy record",
            listed(pids)
        );
    }
    Ok(0)
}

fn listed(pids: &[Pid]) -> String {
    let pids: Vec<String> = pids.iter().map(Pid::to_string).collect();
    format!("process {}", pids.join(", "))
}

/// It runs no perl now. That one that was `named` is not there must be said.
fn is_no_perl(error: &anyhow::Error, named: bool) -> bool {
    match error.downcast_ref::<AttachError>() {
        Some(
            AttachError::NotPerl { .. } | AttachError::Starting(_) | AttachError::NoInterpreter(_),
        ) => true,
        Some(AttachError::Process(e)) => !named && e.is_end(),
        Some(AttachError::Read { cause, .. }) => !named && *cause == ReadError::NoSuchProcess,
        _ => match error.downcast_ref::<ProcessError>() {
            Some(e) => !named && e.is_end(),
            None => false,
        },
    }
}

fn dump(
    process: Process,
    options: NameOptions,
    depth: Depth,
    sources: &Sources,
) -> anyhow::Result<ProcessDump> {
    let attach_and_take = || {
        let target = Attach::with(sources).to(process, &mut note)?;
        let wanted = depth.locals.and_then(|choice| wanted(choice, &target));
        let options = NameOptions {
            // Variables are those of perl's own frames.
            single_use: options.single_use && wanted.is_none(),
            ..options
        };
        let native = match depth.native {
            true => Some(NativeLook::new(&target, None, sources.debug.as_ref())?),
            false => None,
        };
        let taken = take(&target, options, wanted, native.as_ref());
        drop(native);
        // The end of the process is near, and cheaper than to free a thousand names one by one.
        std::mem::forget(target);
        taken
    };
    let taken = attach_and_take()?;
    // It may have become another program meanwhile, which then is looked at, or named.
    match taken.has_no_stack() {
        true => attach_and_take(),
        false => Ok(taken),
    }
}

/// The stacks of a capture, one process per sample.
pub fn run_capture(
    file: &Path,
    json: bool,
    show: Show,
    choice: &LayoutChoice,
) -> anyhow::Result<u8> {
    let problem = || file.display().to_string();
    let capture = Capture::read(file).with_context(problem)?;
    let layout = match &choice.layouts {
        Some(_) => {
            let identity = capture.identity().with_context(problem)?;
            from_tables(&identity, &sources(choice)?)?
        }
        None => capture.own_layout().with_context(problem)?,
    };
    let options = looked_at(show);
    let mut dumps = Vec::new();
    let mut left = MAX_FRAMES;
    let mut memory = capture.attached().with_context(problem)?;
    for sample in 0..capture.samples() {
        capture.advance(&mut memory, sample).with_context(problem)?;
        let perl = capture.perl(&memory, &layout).with_context(problem)?;
        capture
            .examine(&perl, &memory)
            .map_err(|e| anyhow::anyhow!("{}: {e}", file.display()))?;
        let threads = capture.threads.iter().map(|thread| {
            let mut table = FrameTable::default();
            let (frames, error) = match capture.stack(&perl, &memory, thread, options, &mut table) {
                Ok(ids) if ids.len() > left => (Vec::new(), Some(TOO_MANY.to_owned())),
                Ok(ids) => {
                    left -= ids.len();
                    (shown(&ids, &table), None)
                }
                Err(e) => (Vec::new(), Some(e.to_string())),
            };
            ThreadDump {
                os_tid: thread.os_tid,
                perl_tid: thread.perl_tid,
                state: "captured",
                frames,
                error,
                native: None,
            }
        });
        dumps.push(ProcessDump {
            pid: capture.pid,
            command: format!("{}, sample {}", file.display(), sample + 1),
            perl: about(&perl),
            threads: threads.collect(),
            threads_not_shown: 0,
            not_shown: String::new(),
            interpreters: Vec::new(),
            core: None,
        });
    }
    let document = if json {
        serde_json::to_string_pretty(&dumps)? + "\n"
    } else {
        texts(&dumps, &[], show)
    };
    print(document.as_bytes())?;
    Ok(0)
}

/// Dumps for people. `folders` are those that the processes work in.
pub(super) fn texts(dumps: &[ProcessDump], folders: &[String], show: Show) -> String {
    let dumps = match show.full_filenames {
        true => dumps.to_vec(),
        false => shortened(dumps.to_vec(), folders),
    };
    dumps.iter().map(text).collect::<Vec<_>>().join("\n")
}
