//! The stacks of a process at one moment: as text for people, as one JSON document for programs.

use crate::frames::paths::Shortener;
use crate::frames::{Frame, FrameKind};
use crate::ids::{Pid, Tid};
use crate::perl::locals::Lexical;
use crate::perl::values::describe::Described;
use serde::Serialize;
use std::fmt::{self, Write as _};

/// One process and its threads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProcessDump {
    /// The process id.
    pub pid: Pid,
    /// The command line.
    pub command: String,
    /// Which perl it runs.
    pub perl: PerlDump,
    /// Every thread that runs Perl, the main thread first.
    pub threads: Vec<ThreadDump>,
    /// Threads of which nothing tells whether they run Perl; absent where there is none.
    #[serde(skip_serializing_if = "is_none")]
    pub threads_not_shown: usize,
    /// Why, for people.
    #[serde(skip)]
    pub not_shown: String,
    /// Interpreters that no thread runs, as far as they were found; absent where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interpreters: Vec<InterpreterDump>,
    /// Of a core file; absent for a live process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core: Option<CoreDump>,
}

/// The core file that a dump is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CoreDump {
    /// Its path.
    pub file: String,
    /// The number of the signal that ended the process; null where none did.
    pub signal: Option<i32>,
    /// Such as SIGSEGV; null for a number that has none here.
    pub signal_name: Option<String>,
    /// The address that it was about, where there is one.
    pub address: Option<u64>,
    /// All of that for people.
    #[serde(skip)]
    pub description: Option<String>,
    /// The thread that it was for; null where there was none.
    pub thread: Option<Tid>,
    /// Where that executed, in C.
    pub function: Option<NativeFrameDump>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
fn is_none(count: &usize) -> bool {
    *count == 0
}

impl ProcessDump {
    /// Nothing of it could be read.
    pub fn has_no_stack(&self) -> bool {
        self.interpreters.is_empty() && self.threads.iter().all(|thread| thread.error.is_some())
    }
}

/// An interpreter that no thread runs: one of a pool, or of a thread that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterpreterDump {
    /// What `threads->tid` said in it; null where that cannot be told.
    pub perl_tid: Option<u64>,
    /// Innermost first; the outermost is `(main)`. Empty where they could not be read.
    pub frames: Vec<FrameDump>,
}

/// Which perl it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PerlDump {
    /// Such as `5.36.0`.
    pub version: String,
    /// Built with ithreads.
    pub threaded: bool,
    /// `threaded`, `multiplicity` or `unthreaded`.
    pub build: String,
    /// `$Config{archname}`; null where the file does not tell.
    pub archname: Option<String>,
    /// The file that defines perl, as the process sees it.
    pub path: String,
    /// Where its layout came from.
    pub layout: LayoutDump,
}

/// Where the layout came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayoutDump {
    /// In words.
    pub source: String,
}

/// One thread of the process, with what it does and its stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ThreadDump {
    /// The kernel's id.
    pub os_tid: Tid,
    /// What `threads->tid` says; null where that cannot be told.
    pub perl_tid: Option<u64>,
    /// `running`, `waiting for a CPU`, `idle`, or `stopped` (by a signal, or a debugger); in a core file
    /// `got the signal` or `dumped`.
    pub state: &'static str,
    /// Innermost first; the outermost is `(main)`.
    pub frames: Vec<FrameDump>,
    /// Why there are no frames; absent when there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What runs in C; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub native: Option<NativeDump>,
}

/// The C stack of a thread.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct NativeDump {
    /// Innermost first.
    pub frames: Vec<NativeFrameDump>,
    /// Why it does not go on to where the thread began; absent where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
}

/// One frame of a C stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NativeFrameDump {
    /// The function; null where no symbol tells.
    pub function: Option<String>,
    /// How far behind its start; null where that is not known.
    pub offset: Option<u64>,
    /// The file's name; empty where no file is mapped there.
    pub file: String,
    /// The address as that file counts.
    pub address: u64,
}

/// One frame of a Perl stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FrameDump {
    /// As `caller` gives it.
    pub name: String,
    /// As people call it.
    pub label: String,
    /// Where it is executing, as `caller` gives it.
    pub file: String,
    /// Where it is executing, as `caller` gives it.
    pub line: u32,
    /// All of it for people.
    #[serde(skip)]
    pub frame: Frame,
    /// Where it begins; absent where that is the file in which it is executing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_file: Option<String>,
    /// Where it begins; 0 where that is not known.
    pub start_line: u32,
    /// What it is.
    pub kind: FrameKind,
    /// `block` or `string` of an eval, the file of a `require`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Its variables; absent unless asked for.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub locals: Option<LocalsDump>,
}

/// The variables of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LocalsDump {
    /// `@_`; null where the frame has none of its own.
    pub arguments: Option<Vec<Described>>,
    /// Elements of `@_`, of which the last may not be shown; null where it has none.
    pub argument_count: Option<u64>,
    /// Lexical variables; absent unless asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lexicals: Option<Vec<Lexical>>,
}

impl fmt::Display for NativeFrameDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, self.offset) {
            (Some(function), Some(offset)) => write!(f, "{function}+{offset:#x}")?,
            (Some(function), None) => f.write_str(function)?,
            (None, _) => write!(f, "{:#x}", self.address)?,
        }
        match self.file.as_str() {
            "" => f.write_str(" [in no file]"),
            file => write!(f, " [{file}]"),
        }
    }
}

/// For people: with the names of files cut short, as much as no two of them get alike. The folders
/// are those that the processes work in.
pub fn shortened(mut dumps: Vec<ProcessDump>, folders: &[String]) -> Vec<ProcessDump> {
    let frames = |dump: &ProcessDump| -> Vec<Frame> {
        let threads = dump.threads.iter().flat_map(|thread| &thread.frames);
        let others = dump.interpreters.iter().flat_map(|other| &other.frames);
        let frames = threads.chain(others);
        frames.map(|frame| frame.frame.clone()).collect()
    };
    let all: Vec<Frame> = dumps.iter().flat_map(frames).collect();
    let shortener = Shortener::of(&all, folders.iter().map(String::as_str));
    for dump in &mut dumps {
        let threads = dump.threads.iter_mut().map(|thread| &mut thread.frames);
        let others = dump.interpreters.iter_mut().map(|other| &mut other.frames);
        for frame in threads.chain(others).flatten() {
            frame.frame = shortener.frame(&frame.frame);
        }
    }
    dumps
}

/// For people.
pub fn text(dump: &ProcessDump) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "Process {}: {}", dump.pid, dump.command);
    let archname = dump
        .perl
        .archname
        .as_ref()
        .map_or_else(String::new, |a| format!(", {a}"));
    let _ = writeln!(
        out,
        "Perl v{} ({}{archname}), {}",
        dump.perl.version, dump.perl.build, dump.perl.path
    );
    let _ = writeln!(out, "Layout: {}", dump.perl.layout.source);
    if let Some(core) = &dump.core {
        push_core(&mut out, dump, core);
    }
    for thread in &dump.threads {
        let perl_tid = thread
            .perl_tid
            .map_or_else(String::new, |tid| format!(" (perl thread {tid})"));
        let _ = writeln!(
            out,
            "\nThread {}{perl_tid}: {}",
            thread.os_tid, thread.state
        );
        push_frames(&mut out, &thread.frames);
        if let Some(error) = &thread.error {
            let _ = writeln!(out, "    no stack: {error}");
        }
        if let Some(native) = &thread.native {
            push_native(&mut out, native);
        }
    }
    if dump.threads_not_shown > 0 {
        let _ = writeln!(out, "\nNot shown: {}", dump.not_shown);
    }
    for other in &dump.interpreters {
        let which = match other.perl_tid {
            Some(0) => "The first interpreter".to_owned(),
            Some(tid) => format!("The interpreter of perl thread {tid}"),
            None => "An interpreter".to_owned(),
        };
        let _ = writeln!(out, "\n{which}, which no thread runs now");
        push_frames(&mut out, &other.frames);
    }
    out
}

fn push_core(out: &mut String, dump: &ProcessDump, core: &CoreDump) {
    let _ = writeln!(out, "Core file: {}", core.file);
    match (&core.description, core.thread) {
        (Some(signal), Some(thread)) => {
            let _ = writeln!(out, "Ended by {signal}, in thread {thread}");
            let lines = dump.threads.iter().find(|t| t.os_tid == thread);
            let line = lines.and_then(|thread| {
                let line = |f: &&FrameDump| f.line > 0;
                thread.frames.iter().find(line)
            });
            match (&core.function, line) {
                (Some(function), Some(frame)) => {
                    let _ = writeln!(out, "In C: {function}, under {}", frame.frame.place);
                }
                (Some(function), None) => {
                    let _ = writeln!(out, "In C: {function}");
                }
                (None, _) => {}
            }
        }
        _ => {
            let _ = writeln!(out, "No signal: it went on when this was written");
        }
    }
}

fn push_native(out: &mut String, native: &NativeDump) {
    let _ = writeln!(out, "  in C:");
    for frame in &native.frames {
        let _ = writeln!(out, "    {frame}");
    }
    if let Some(cut) = &native.cut {
        let _ = writeln!(out, "    … {cut}");
    }
}

fn push_frames(out: &mut String, frames: &[FrameDump]) {
    for frame in frames {
        let _ = writeln!(out, "    {} ({})", frame.frame.label, frame.frame.place);
        if let Some(locals) = &frame.locals {
            push_locals(out, locals);
        }
    }
}

fn push_locals(out: &mut String, locals: &LocalsDump) {
    let shown = |d: &Described| d.value.clone().unwrap_or_else(|| d.kind.clone());
    if let Some(arguments) = &locals.arguments {
        let mut words: Vec<String> = arguments.iter().map(shown).collect();
        let hidden = locals.argument_count.unwrap_or(0);
        let hidden = hidden.saturating_sub(arguments.len() as u64);
        if hidden > 0 {
            words.push(format!("… {hidden} more"));
        }
        let _ = writeln!(out, "        @_ = ({})", words.join(", "));
    }
    for lexical in locals.lexicals.iter().flatten() {
        let _ = writeln!(
            out,
            "        {} = {}",
            lexical.name,
            shown(&lexical.content)
        );
    }
}
