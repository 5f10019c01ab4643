//! What several verbs are asked for.

use super::values::{parse_duration, parse_name, parse_percent, parse_pid, parse_rate};
use super::{Aim, Find, LayoutChoice, Sampling, Show, mistake};
use crate::ids::Pid;
use crate::layout::Learn;
use crate::native::NativeLevel;
use crate::perl::names::Synthetic;
use crate::profile::{Fold, Preset};
use clap::Args;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What everything that samples is asked for.
#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    #[command(flatten)]
    pub(super) sampling: SamplingArgs,
    #[command(flatten)]
    pub(super) target: TargetArgs,
    #[command(flatten)]
    pub(super) show: ShowArgs,
    #[command(flatten)]
    pub(super) layout: LayoutArgs,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// The process to look at (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pub(super) pid: Vec<Pid>,
    /// The processes whose command line matches this regular expression: one, or one with those below it
    #[arg(long, value_name = "REGEX", value_parser = parse_name)]
    pub(super) name: Option<String>,
    /// Look at the processes that it starts, too; it need not be a perl itself
    #[arg(short, long)]
    pub(super) subprocesses: bool,
    /// A program to start and look at, after --
    #[arg(last = true, value_name = "PROGRAM", num_args = 1..)]
    pub(super) command: Vec<OsString>,
}

impl TargetArgs {
    /// What to look at, and what of it is to be found. `words` is how the user began.
    pub(super) fn aim(
        self,
        words: &str,
        can_ask: bool,
    ) -> Result<(Aim, Option<Find>), clap::Error> {
        let mut command = self.command.into_iter();
        let running = match (self.pid.first(), &self.name) {
            (Some(pid), _) => Some(format!("--pid {pid}")),
            (None, Some(name)) => Some(format!("--name {name}")),
            (None, None) => None,
        };
        match (running, command.next()) {
            (Some(_), None) => Ok((Aim::Pids(self.pid), self.name.map(Find::Name))),
            (None, Some(program)) => {
                let arguments = command.collect();
                Ok((Aim::Start { program, arguments }, None))
            }
            (Some(running), Some(_)) => Err(mistake(
                ErrorKind::ArgumentConflict,
                format!("either {running} or a program after --, not both"),
            )),
            (None, None) if can_ask => Ok((Aim::Pids(Vec::new()), Some(Find::Ask))),
            (None, None) => {
                let words = ["p5-spy", words].join(" ");
                let words = words.trim_end();
                let start = if words.ends_with("--dump") {
                    String::new()
                } else {
                    format!(", or start a program: {words} … -- perl program.pl")
                };
                Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    format!("what to look at? Give a running process: {words} … --pid PID{start}"),
                ))
            }
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct SamplingArgs {
    /// Samples per second [default: 100]
    #[arg(short, long, value_name = "HZ", allow_negative_numbers = true, value_parser = parse_rate)]
    pub(super) rate: Option<f64>,
    /// End after so long: seconds, or such as 30s, 5m, 1h30m
    #[arg(short, long, value_name = "TIME", allow_negative_numbers = true, value_parser = parse_duration)]
    pub(super) duration: Option<Duration>,
    /// Count waiting threads too: wall-clock time instead of CPU time
    #[arg(long)]
    pub(super) idle: bool,
    /// Show what runs in C below Perl, too: what ops and subs in C call, or with =all each function of perl's own
    #[arg(
        long,
        value_name = "LEVEL",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "calls",
        hide_possible_values = true
    )]
    pub(super) native: Option<NativeLevel>,
    /// Take fewer samples, of which each counts for several, where sampling would cost more than so
    /// much of a CPU [default: 10]
    #[arg(long, value_name = "PERCENT", allow_negative_numbers = true, value_parser = parse_percent)]
    pub(super) max_cpu: Option<f64>,
}

impl SamplingArgs {
    pub(super) fn settings(&self) -> Sampling {
        Sampling {
            rate: self.rate.unwrap_or(100.0),
            duration: self.duration,
            idle: self.idle,
            native: self.native,
            max_cpu: self.max_cpu.unwrap_or(10.0) / 100.0,
        }
    }
}

#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Which frames to add where perl itself calls a sub: none, default, all
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "default",
        hide_possible_values = true
    )]
    pub(super) synthetic: Synthetic,
    /// Show which op is running (a match with its pattern), and what a waiting thread waits in
    #[arg(long)]
    pub(super) ops: bool,
    /// Show whole names of files, not those relative to @INC and to the program's working folder
    #[arg(long)]
    pub(super) full_filenames: bool,
}

impl From<ShowArgs> for Show {
    fn from(args: ShowArgs) -> Self {
        Show {
            synthetic: args.synthetic,
            ops: args.ops,
            full_filenames: args.full_filenames,
        }
    }
}

#[derive(Debug, Clone, Args)]
pub(super) struct LayoutArgs {
    /// Use the layout tables of this folder instead of the built-in ones
    #[arg(long, value_name = "FOLDER")]
    pub(super) layouts: Option<PathBuf>,
    /// Look for separate debug files here too (may be given several times)
    #[arg(long, value_name = "FOLDER")]
    pub(super) debug_dir: Vec<PathBuf>,
    /// Use no debug information, only layout tables
    #[arg(long, conflicts_with = "debug_dir")]
    pub(super) no_debug_info: bool,
    /// Never run a perl to learn its layout
    #[arg(long, overrides_with = "learn")]
    pub(super) no_learn: bool,
    /// Learn from perls of other users too, each run as its own user, confined
    #[arg(long, overrides_with = "no_learn")]
    pub(super) learn: bool,
    /// Neither use nor keep what was found about a perl
    #[arg(long)]
    pub(super) no_cache: bool,
}

impl From<LayoutArgs> for LayoutChoice {
    fn from(args: LayoutArgs) -> Self {
        LayoutChoice {
            layouts: args.layouts,
            debug_dirs: args.debug_dir,
            use_debug_info: !args.no_debug_info,
            learn: match (args.no_learn, args.learn) {
                (true, _) => Learn::Never,
                (_, true) => Learn::Anybodys,
                _ => Learn::Ours,
            },
            use_cache: !args.no_cache,
        }
    }
}

/// Which frames vanish into their callers.
#[derive(Debug, Default, Args)]
pub(super) struct FoldArgs {
    /// Let frames whose name matches vanish into their callers (may be given several times)
    #[arg(long, value_name = "REGEX")]
    pub(super) fold: Vec<regex::Regex>,
    /// The same for what a framework calls on its way to the program's own subs
    #[arg(long, value_name = "FRAMEWORK", value_delimiter = ',')]
    pub(super) fold_preset: Vec<Preset>,
}

impl From<FoldArgs> for Fold {
    fn from(args: FoldArgs) -> Self {
        let presets = args.fold_preset.iter();
        let presets = presets.filter_map(|p| regex::Regex::new(p.pattern()).ok());
        Fold::new(args.fold.into_iter().chain(presets).collect())
    }
}

/// What everything that can have defaults knows.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// Ignore P5SPY_OPTS and the configuration file
    #[arg(long)]
    pub(super) no_config: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Job;
    use crate::cli::tests::{order, parse};

    #[test]
    fn what_is_to_be_found_is_said_apart() {
        let find = |line: &str| order(line, true).map(|o| o.find);
        for line in [
            "p5-spy",
            "p5-spy top",
            "p5-spy record",
            "p5-spy dump",
            "p5-spy --dump",
        ] {
            assert_eq!(find(line), Ok(Some(Find::Ask)), "{line}");
        }
        let named = Ok(Some(Find::Name("a.b".into())));
        for line in [
            "p5-spy --name a.b",
            "p5-spy dump --name a.b",
            "p5-spy record --name a.b -p 3",
        ] {
            assert_eq!(find(line), named, "{line}");
        }
        for line in [
            "p5-spy -p 7",
            "p5-spy -- perl",
            "p5-spy ps",
            "p5-spy layout-learn x",
        ] {
            assert_eq!(find(line), Ok(None), "{line}");
        }
        let mut found = order("p5-spy dump --name x -p 3", true).unwrap().job;
        found.add_pids(&[Pid::from(4), Pid::from(3)]);
        assert_eq!(found, parse("p5-spy dump -p 3 -p 4").unwrap());
        for (line, needle) in [
            ("p5-spy --name ( ", "regular expression: unclosed group"),
            ("p5-spy --name x -- perl", "either --name x or a program"),
            ("p5-spy layout-dump", "of which perl?"),
        ] {
            let said = order(line, true).unwrap_err();
            assert!(said.contains(needle), "{line}: {said}");
        }
    }

    #[test]
    fn words_after_the_dashes_are_the_programs_own() {
        match parse("p5-spy record -o a.svg -- prog --pid 3 -o x record").unwrap() {
            Job::Record {
                aim: Aim::Start { program, arguments },
                ..
            } => {
                assert_eq!(program, "prog");
                assert_eq!(arguments, ["--pid", "3", "-o", "x", "record"]);
            }
            other => panic!("{other:?}"),
        }
    }
}
