//! `p5-spy dump --core`: the stacks of a process of which only its core file is left.

use super::dump::texts;
use super::locals::wanted;
use super::native::NativeLook;
use super::stacks::take;
use super::{looked_at, note, print, sources, warn};
use crate::attach::{ProcessView, inferior_of};
use crate::cli::hints::{absent_files, left_out};
use crate::cli::{CoreChoice, CoreSource, Depth, LayoutChoice, Show};
use crate::corefile::{CoreFile, CoreProcess, KEPT, newest};
use crate::output::dump::{CoreDump, ProcessDump};
use crate::perl::leaf::level::LeafLevel;
use crate::perl::names::NameOptions;
use anyhow::Context;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The stacks, as they were at the end.
pub fn run(
    core: &CoreChoice,
    json: bool,
    show: Show,
    depth: Depth,
    layout: &LayoutChoice,
) -> anyhow::Result<u8> {
    let sources = sources(layout)?;
    let file = located(&core.source)?;
    let opened = CoreFile::open(&file)?;
    let (process, memory) =
        CoreProcess::new(opened, core.sysroot.as_deref(), core.program.as_deref());
    let process = Arc::new(process);
    let inferior = inferior_of(process.clone(), Arc::new(memory), &sources, &mut note);
    say_gaps(&process, inferior.is_err());
    let inferior = inferior?;
    let wanted = depth.locals.and_then(|choice| wanted(choice, &inferior));
    let options = looked_at(show);
    let options = NameOptions {
        // The op that it ended in.
        beyond: LeafLevel::Ops,
        single_use: options.single_use && wanted.is_none(),
        ..options
    };
    let look = NativeLook::new(&inferior, Some(&process), sources.debug.as_ref())?;
    let native = depth.native.then_some(&look);
    let mut dump = take(&inferior, options, wanted, native)?;
    finish(&mut dump, &process, &look);
    let document = match json {
        true => serde_json::to_string_pretty(&dump)? + "\n",
        false => texts(std::slice::from_ref(&dump), &[], show),
    };
    print(document.as_bytes())?;
    match dump.has_no_stack() {
        true => anyhow::bail!("no stack of {} could be read", file.display()),
        false => Ok(0),
    }
}

/// Where the core file is.
fn located(source: &CoreSource) -> anyhow::Result<PathBuf> {
    let pid = match source {
        CoreSource::File(file) => return Ok(file.clone()),
        CoreSource::Kept(pid) => *pid,
    };
    let of = pid.map_or_else(String::new, |pid| format!(" of process {pid}"));
    let found = newest(Path::new(KEPT), pid);
    let found = found.with_context(|| format!("there is no core file{of} here, and {KEPT}"))?;
    found.with_context(|| format!("systemd-coredump has kept no core file{of} in {KEPT}"))
}

/// What only a core file tells.
fn finish(dump: &mut ProcessDump, process: &CoreProcess, look: &NativeLook<'_>) {
    let ending = process.ending();
    let first = process.threads().first();
    let registers = ending.and(first).and_then(|thread| thread.registers);
    let function = registers.and_then(|registers| look.innermost(&registers));
    let first = first.map(|thread| thread.tid);
    for thread in &mut dump.threads {
        let is_first = Some(thread.os_tid) == first;
        thread.state = match ending {
            Some(_) if is_first => "got the signal",
            _ => "dumped",
        };
    }
    dump.core = Some(CoreDump {
        file: crate::text::from_utf8(process.path().as_os_str().as_encoded_bytes()),
        signal: ending.map(|e| e.signal),
        signal_name: ending.map(|e| e.name()),
        address: ending.and_then(|e| e.address),
        description: ending.map(|e| e.describe()),
        thread: ending.and(first),
        function,
    });
}

/// Says what is missing: what was cut off or left out only where that may matter.
fn say_gaps(process: &CoreProcess, failed: bool) {
    if failed {
        process.look_at_files();
    }
    let gaps = process.gaps();
    if gaps.cut_off > 0 {
        warn(format!(
            "{} was cut off: {} bytes at its end are missing",
            process.path().display(),
            gaps.cut_off
        ));
    }
    if failed && gaps.files.is_empty() && gaps.left_out > 0 {
        warn(left_out(gaps.left_out));
    }
    if !gaps.files.is_empty() {
        warn(absent_files(&gaps.files));
    }
    if failed
        && process
            .mapped_programs()
            .is_ok_and(|files| files.is_empty())
    {
        warn(
            "it does not say which files were mapped (NT_FILE), nor does the dynamic linker's list in it".into(),
        );
    }
}
