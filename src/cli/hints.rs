//! What to type: every sentence for people that has the name of an option in it.

use super::permission::{find_process, get_rights, get_rights_against};
use super::{By, Format, Output};
use crate::attach::AttachError;
use crate::ids::Pid;
use crate::layout::ResolveError;
use crate::platform::{ALMIGHTY, Almighty, Better, ProcessError, quoted, sees_all, signals};
use crate::profile::{Emptiness, Filter, Fold, Profile, Summary, TooLarge};
use crate::recording::RawError;
use crate::remedy::{Notice, Remedy};
use clap::ValueEnum;
use std::path::{Path, PathBuf};

/// What `--native` needs of threads that run.
pub const NATIVE_NEEDS: &str = "Of a thread that runs, the kernel tells the registers only to root, to who has CAP_PERFMON, or where kernel.perf_event_paranoid is 1 or less";

/// How a layout is made of a perl and given to p5-spy.
const LEARN: &str = "p5-spy layout-learn PERL -o FOLDER/NAME.toml";

/// An error and its causes, but no cause that the text before it has told already, and what can be
/// done.
pub fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    let mut remedy = None;
    for cause in error.chain() {
        remedy = remedy.or_else(|| remedy_of(cause));
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    with(text, remedy.as_ref())
}

/// A notice, and what can be done.
pub fn notice(notice: Notice) -> String {
    with(notice.text, notice.remedy.as_ref())
}

/// What would make p5-spy do more here.
pub fn better(better: &Better) -> String {
    match better {
        Better::Said(text) => (*text).to_owned(),
        Better::Against(obstacle) => {
            format!("of one that was tried: {}", get_rights_against(obstacle))
        }
    }
}

fn remedy_of(error: &(dyn std::error::Error + 'static)) -> Option<Remedy> {
    if let Some(error) = error.downcast_ref::<AttachError>() {
        return error.remedy();
    }
    if let Some(error) = error.downcast_ref::<ProcessError>() {
        return error.remedy();
    }
    if let Some(error) = error.downcast_ref::<ResolveError>() {
        return error.remedy();
    }
    if let Some(RawError::TooLarge(error)) = error.downcast_ref::<RawError>() {
        return Some(error.remedy());
    }
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return error
            .get_ref()?
            .downcast_ref::<TooLarge>()
            .map(|e| e.remedy());
    }
    error.downcast_ref::<TooLarge>().map(|e| e.remedy())
}

/// What an account that is not as it should be can be bettered by.
pub fn account(summary: &Summary) -> Option<&'static str> {
    if summary.thinned > 0 {
        return Some("How much that is, --max-cpu says");
    }
    let fell_behind = summary.missed.saturating_mul(20) > summary.attempted;
    fell_behind.then_some("Take a lower --rate")
}

fn with(text: String, remedy: Option<&Remedy>) -> String {
    let Some(remedy) = remedy else {
        return text;
    };
    match remedy {
        Remedy::FindProcess(pid) => match find_process(*pid) {
            Some(why) => format!("{text}: {why}"),
            None => text,
        },
        Remedy::GetRights(pid) => format!("{text}: {}", get_rights(*pid)),
        Remedy::NameProcess(pid) => format!("{text}: use --pid {pid}"),
        Remedy::LookBelow => {
            format!("{text}; the processes below it may have their own, which -s shows")
        }
        Remedy::OtherLayout => format!(
            "{text}. Install the debug symbols of this very perl, or give another layout with --layouts FOLDER"
        ),
        Remedy::AnyLayout => format!(
            "{text} Install the debug symbols of this perl (Debian and Ubuntu: perl-debug or a -dbgsym package; Fedora: dnf debuginfo-install perl-interpreter), or make a table of it ({LEARN}, or on a machine with its debug symbols p5-spy layout-dump PERL > FOLDER/NAME.toml) and name it with --layouts FOLDER. Where --no-debug-info was said, leave that away"
        ),
        Remedy::LayoutOfHeaders => format!(
            "{text} Make a table of it ({LEARN}, or of its headers: perl-matrix/windows-table in p5-spy's source, on a Linux with mingw-w64) and name it with --layouts FOLDER"
        ),
        Remedy::OneLayout => {
            format!("{text}. Remove one, or name a folder that has one of them with --layouts")
        }
        Remedy::LearnStripped(path) => format!(
            "{text}. Learn its layout with: p5-spy layout-learn {} -o FOLDER/NAME.toml, and give it with --layouts FOLDER; or run the same program unstripped",
            path.display()
        ),
        Remedy::LearnIfPerl(program) => format!(
            "{text}. If it is a perl: p5-spy layout-learn {program} -o FOLDER/NAME.toml, then --layouts FOLDER"
        ),
        Remedy::LearnByHand => format!("{text}. If you trust it: {LEARN}, then --layouts FOLDER"),
        Remedy::LearnAsTheirs => format!(
            "{text}. --learn runs it as that user, with no rights but to read. If you trust it: {LEARN}, then --layouts FOLDER"
        ),
        Remedy::LearnToBeSure => format!("{text}. To be sure: {LEARN}, and --layouts FOLDER"),
        Remedy::AllowMemory(size) => format!(
            "{text}. If you know where it is from: --max-memory {}",
            larger(*size)
        ),
    }
}

/// Files of a core file's process that are needed: the name there, the build-id, and what is wrong.
pub fn absent_files(files: &[(PathBuf, Option<String>, String)]) -> String {
    const SHOWN: usize = 20;
    let lines = files.iter().take(SHOWN).map(|(path, id, trouble)| {
        let id = id.as_ref();
        let id = id.map_or_else(String::new, |id| format!(" (build-id {id})"));
        format!("\n  {}{id}: {trouble}", path.display())
    });
    let more = match files.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!("\n  … and {more} more"),
    };
    format!(
        "files that the process had mapped are needed and not here. Copy them from the machine that it ran on into a folder, below their own names, and name that with --sysroot FOLDER; the program alone with --exe FILE:{}{more}",
        lines.collect::<String>()
    )
}

/// Memory that is not in a core file.
pub fn left_out(bytes: u64) -> String {
    format!(
        "{} kB of memory that the process could write to were left out of the core file: the process's coredump_filter says what is kept, see core(5), and 0x33 is enough",
        bytes.div_ceil(1024)
    )
}

/// Four times as much, as people type it.
fn larger(bytes: u64) -> String {
    let more = bytes.saturating_mul(4).max(1);
    match more.div_ceil(1 << 30) {
        1 => format!("{}M", more.div_ceil(1 << 20)),
        many => format!("{many}G"),
    }
}

/// What shows more than an empty picture.
pub fn emptiness(profile: &Profile) -> &'static str {
    match profile.emptiness() {
        Some(Emptiness::Waiting) => ": --idle counts that too",
        Some(Emptiness::Nameless) => ": --ops shows them",
        Some(Emptiness::NoSample | Emptiness::Filtered) | None => "",
    }
}

/// The options of a report that make the same picture of a recording.
pub struct SamePicture<'a> {
    /// What a frame stands for.
    pub by: By,
    /// Which frames vanish.
    pub fold: &'a Fold,
    /// Whether threads are kept apart.
    pub threads: bool,
    /// Whether names of files are whole.
    pub full_filenames: bool,
    /// What counts.
    pub filter: &'a Filter,
    /// Whether it took too much memory before.
    pub needs_memory: bool,
}

impl SamePicture<'_> {
    /// The words to type, quoted for a shell.
    pub fn command(&self, recording: &Path, output: &Output) -> String {
        let mut words = vec!["p5-spy".into(), "report".into()];
        if self.needs_memory {
            words.push("--max-memory SIZE".into());
        }
        words.extend([
            quoted(&recording.to_string_lossy()),
            "-o".into(),
            quoted(&output.file.to_string_lossy()),
        ]);
        if Format::of_file(&output.file) != Some(output.format) {
            words.extend(["-f".into(), output.format.name().into()]);
        }
        if let By::Line | By::Package = self.by
            && let Some(value) = self.by.to_possible_value()
        {
            words.extend(["--by".into(), value.get_name().to_owned()]);
        }
        for pattern in self.fold.patterns() {
            words.extend(["--fold".into(), quoted(pattern)]);
        }
        for (is_set, word) in [
            (self.threads, "--threads"),
            (self.full_filenames, "--full-filenames"),
            (self.filter.idle, "--idle"),
            (self.filter.ops, "--ops"),
        ] {
            if is_set {
                words.push(word.into());
            }
        }
        words.join(" ")
    }
}

/// How to see more of a program that ended too soon.
pub const SEE_SHORTER: &str = "A higher --rate sees shorter ones";
/// How to see where a program waits.
pub const SEE_WAITING: &str = "To see where it waits: --idle";
/// Without a terminal.
pub const NO_TERMINAL: &str = "To write a file: p5-spy record -o profile.svg --pid PID. For the stack, now: p5-spy dump --pid PID";

/// Where not one stack could be read.
pub fn compare_with_dump(pid: Pid) -> String {
    format!("The layout may be wrong for this perl: compare with p5-spy dump --pid {pid}")
}

/// How a capture is looked at.
pub fn look_at_capture(file: &Path) -> String {
    format!("p5-spy dump --capture {}", file.display())
}

/// Who sees the perls of everybody, where that is not us.
pub fn see_all() -> Option<&'static str> {
    if sees_all() {
        return None;
    }
    Some(match ALMIGHTY {
        Almighty::Root => "Root sees all: sudo p5-spy ps",
        Almighty::Administrator => {
            "Who may see all: p5-spy in a console that was opened with \"Run as administrator\""
        }
    })
}

/// How one that was stopped goes on.
pub const LET_GO_ON: &str = match signals::ARE_SENT {
    true => "To let it go on: kill -CONT PID",
    false => "What has suspended it (a debugger, Process Explorer) can let it go on",
};

/// Where no process has such a name.
pub fn no_such_name(name: &str) -> String {
    format!("no perl process matches --name '{name}'; those that run: p5-spy ps")
}

/// Where several have that name; the list has a line for each.
pub fn too_many_names(name: &str, count: usize, list: &str) -> String {
    format!(
        "{count} processes match --name '{name}', and none of them is above all others:\n{list}\nName one with --pid PID, or use a narrower --name"
    )
}
