//! The jobs: each ties the stations of the road together for one verb.
//!
//! `session.rs` gets at the target, whether it runs already or is started for the purpose
//! (`platform/unix/spawn.rs`), and `platform/unix/signals.rs` collects Ctrl-C and kill. What was ignored when
//! p5-spy began stays so (`platform/unix/inherited.rs`); a time that it was stopped or the machine slept is a
//! gap (`platform/unix/gaps.rs`) and no delay.

mod account;
mod aside;
mod capture;
mod corefile;
mod diff;
mod doctor;
mod dump;
mod find;
mod halted;
mod haven;
mod layout_dump;
mod layout_learn;
mod locals;
mod manual;
mod native;
mod pick;
mod progress;
mod ps;
mod record;
mod report;
mod session;
#[cfg(target_os = "macos")]
mod setup;
mod spool;
mod stacks;
mod top;

use crate::cli::{Job, LayoutChoice, Order, Show, config_folder, foreign_config_folder};
use crate::image::DebugSearch;
use crate::layout::{Cache, KnownLayouts, Sources, TableSet};
use crate::perl::leaf::level::LeafLevel;
use crate::perl::names::{NameOptions, Synthetic};
use crate::platform::Process;
use crate::remedy::Notice;
use crate::say::say;
use spool::{Pictures, RecordingOrigin};
use std::path::PathBuf;

/// Does a job. The result is the exit status.
///
/// # Errors
/// Whatever ended the job, with what to do about it.
pub fn run(order: Order) -> anyhow::Result<u8> {
    crate::platform::signals::survive_limits();
    let Order { mut job, find } = order;
    if let Some(find) = find {
        match find::processes(&find)? {
            Some(pids) => job.add_pids(&pids),
            None => return Ok(0),
        }
    }
    // None of them is inlined here: every job would take the stack of the largest one.
    match job {
        Job::Capture {
            pid,
            output,
            layout,
        } => capture::run(pid, &output, &layout),
        Job::Dump {
            pids,
            subprocesses,
            json,
            show,
            depth,
            layout,
        } => dump::run(&pids, subprocesses, json, show, depth, &layout),
        Job::DumpCore {
            core,
            json,
            show,
            depth,
            layout,
        } => corefile::run(&core, json, show, depth, &layout),
        Job::DumpCapture {
            file,
            json,
            show,
            layout,
        } => dump::run_capture(&file, json, show, &layout),
        Job::LayoutDump { source, layout } => layout_dump::run(&source, &layout),
        Job::LayoutLearn {
            program,
            output,
            layout,
        } => layout_learn::run(&program, output.as_deref(), &layout),
        Job::Ps { json } => ps::run(json),
        Job::Doctor { json } => doctor::run(json),
        #[cfg(target_os = "macos")]
        Job::Setup => setup::run(),
        Job::Completions(shell) => manual::completions(shell),
        Job::Man { folder } => manual::run(folder.as_deref()),
        Job::Record {
            aim,
            subprocesses,
            threads,
            sampling,
            show,
            layout,
            outputs,
            format,
            start,
            by,
            stats,
            fold,
        } => record::run(record::RecordSettings {
            aim,
            subprocesses,
            threads,
            sampling,
            show,
            layout,
            outputs,
            format,
            start,
            by,
            stats,
            fold,
        }),
        Job::Report {
            file,
            outputs,
            pick,
            fold,
            by,
            threads,
            full_filenames,
            max_memory,
        } => {
            let pictures = Pictures {
                outputs,
                by,
                threads,
                full_filenames,
                filter: pick.0,
                fold,
                origin: RecordingOrigin::File(max_memory),
            };
            report::run(&file, &pictures)
        }
        Job::Diff {
            files,
            outputs,
            pick,
            fold,
            by,
            full_filenames,
            max_memory,
        } => diff::run(
            &files,
            &outputs,
            &diff::DiffSettings {
                filter: pick.0,
                fold,
                by,
                full_filenames,
                max_memory,
            },
        ),
        Job::Top {
            aim,
            subprocesses,
            sampling,
            show,
            layout,
        } => top::run(&aim, subprocesses, sampling, show, &layout),
    }
}

/// What the frames of many samples say.
fn recorded(show: Show) -> NameOptions {
    NameOptions {
        merge_evals: true,
        single_use: show.synthetic == Synthetic::Default,
        synthetic: show.synthetic,
        beyond: if show.ops {
            LeafLevel::Ops
        } else {
            LeafLevel::Xsubs
        },
    }
}

/// What the frames of one look say.
fn looked_at(show: Show) -> NameOptions {
    NameOptions {
        merge_evals: false,
        ..recorded(show)
    }
}

/// Prints to standard output.
fn print(bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    // A closed pipe is no failure: the reader has seen enough.
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e),
        _ => Ok(()),
    }
}

/// The folder that a process works in, written like names of files, so that the one can be cut off
/// the other.
fn folder(process: Process) -> Option<String> {
    let folder = process.working_folder()?;
    Some(crate::text::from_utf8(
        folder.as_os_str().as_encoded_bytes(),
    ))
}

/// Prints a warning.
fn warn(message: String) {
    say(format_args!("p5-spy: {}", crate::text::message(&message)));
}

/// What the user should know of an attach.
fn note(notice: Notice) {
    warn(crate::cli::hints::notice(notice));
}

/// The user's own tables.
fn user_tables() -> Option<PathBuf> {
    if let Some(folder) = foreign_config_folder() {
        warn(format!(
            "{} belongs to another user, so root does not use it",
            folder.display()
        ));
    }
    Some(config_folder()?.join("layouts")).filter(|folder| folder.is_dir())
}

/// The sources of layouts that the user chose.
fn sources(choice: &LayoutChoice) -> anyhow::Result<Sources> {
    let tables = match &choice.layouts {
        Some(folder) => TableSet::from_folder(folder)?,
        None => {
            let mut tables = TableSet::embedded();
            if let Some(folder) = user_tables() {
                tables.prefer(TableSet::from_folder(&folder)?);
            }
            tables
        }
    };
    let debug = choice.use_debug_info.then(|| {
        let mut search = DebugSearch::default();
        search
            .folders
            .splice(0..0, choice.debug_dirs.iter().cloned());
        search
    });
    Ok(Sources {
        tables,
        named: choice.layouts.is_some(),
        debug,
        known: KnownLayouts::default(),
        cache: choice.use_cache.then(Cache::of_user).flatten(),
        learn: choice.learn,
    })
}
