//! `p5-spy capture`: what an attach and some samples read, for a bug report or a test.

use super::{note, sources};
use crate::attach::Attach;
use crate::capture::{RecordingMemory, take};
use crate::cli::LayoutChoice;
use crate::cli::hints::look_at_capture;
use crate::ids::Pid;
use crate::output::write_whole;
use crate::platform::{LiveMemory, Process};
use crate::say::say;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Samples of one capture, and the time between them.
const SAMPLES: usize = 5;
const PAUSE: Duration = Duration::from_millis(10);

#[inline(never)]
pub fn run(pid: Pid, output: &Path, choice: &LayoutChoice) -> anyhow::Result<u8> {
    let process = Process::open(pid)?;
    let memory = Arc::new(RecordingMemory::new(LiveMemory::new(pid)));
    let sources = sources(choice)?;
    let attach = Attach::once(&sources).through(memory.clone());
    let target = attach.to(process, &mut note)?;
    let capture = take(&target, &memory, SAMPLES, PAUSE)?;
    write_whole(output, &mut |to| capture.write(to))?;
    if output.as_os_str() != "-" {
        say(format_args!(
            "Wrote {}. It holds the stacks, the names of subs, files and packages, and up to 255 bytes of memory behind each name, which may be anything: mind who gets it. Its stacks: {}",
            output.display(),
            look_at_capture(output)
        ));
    }
    Ok(0)
}
