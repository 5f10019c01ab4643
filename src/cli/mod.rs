//! Option names and their help: the only place that has them.
//!
//! The verbs are the grown-up interface. The flags without a verb are its short form and are
//! turned into the same jobs here, so that nothing behind this file knows which was typed.

mod advice;
mod defaults;
mod job;
mod manual;

use crate::perl::names::Synthetic;
use crate::profile::Filter;
use advice::better_advice;
use clap::builder::{PossibleValue, Resettable};
use clap::error::ErrorKind;
use clap::{
    Arg, ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, ValueHint,
};
pub use defaults::{Surroundings, config_folder};
pub use job::{
    Aim, By, Find, Format, Job, LayoutChoice, LayoutSource, Locals, Order, Output, Pick, Sampling,
    Shell, Show, Start,
};
pub use manual::{completions, pages};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
Short forms:
  p5-spy --pid 12345                          live view of a running program
  p5-spy -- perl program.pl ARGS              start a program and show the live view
  p5-spy --flame profile.svg --pid 12345      record a flame graph until Ctrl-C
  p5-spy --flame profile.svg -- perl program.pl ARGS
  p5-spy --dump --pid 12345                   the call stack, now
  p5-spy                                      choose a running program from a list

Perl is never stopped or changed: p5-spy reads its memory from the outside. That needs the rights
of a debugger: your own processes where the system allows it, or root.";

#[derive(Debug, Parser)]
#[command(
    name = "p5-spy",
    version,
    about = "Shows where a running Perl program spends its time",
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    override_usage = "p5-spy [OPTIONS] --pid PID\n       p5-spy [OPTIONS] -- PROGRAM [ARGS]...\n       p5-spy VERB [OPTIONS]"
)]
struct Cli {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    short: Short,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Live view: which subs are busy, refreshed every second
    #[command(
        after_help = "Keys: ? lists them, q or Ctrl-C quits. A program that p5-spy started is ended then.\n\nExample: p5-spy top --pid 12345"
    )]
    Top(TopArgs),
    /// Record samples and write a flame graph, a report, or another picture
    #[command(after_help = "\
The recording ends with Ctrl-C, after --duration, or with the program. A program that p5-spy started
is ended after --duration (SIGTERM); otherwise p5-spy's exit status is the program's own. SIGUSR1
makes p5-spy write what there is so far, and go on.

Examples:
  p5-spy record -o profile.svg --duration 30 --pid 12345
  p5-spy record -o report.html -o profile.p5spy --pid 12345
  p5-spy record --format collapsed -o - --duration 5 --pid 12345
  p5-spy record -o profile.svg --stats stats.json -- perl program.pl")]
    Record(RecordArgs),
    /// Make pictures of a raw recording, or compare two
    #[command(after_help = "\
A raw recording is what p5-spy record -o FILE.p5spy writes. It has every sample, waiting threads and
ops included: --idle and --ops show them.

Examples:
  p5-spy report profile.p5spy -o report.html
  p5-spy report profile.p5spy -o slow.svg --from 10 --to 20 --sub '^DBI::'
  p5-spy report --diff before.p5spy after.p5spy -o diff.svg")]
    Report(ReportArgs),
    /// Print the call stacks of a running program, once
    #[command(after_help = "Example: p5-spy dump --json --pid 12345")]
    Dump(DumpArgs),
    /// List the running programs that have a perl in them
    #[command(after_help = "\
CPU is the share of one core in the last fifth of a second. Whether p5-spy may attach is found out
by reading one word of the program's memory.

Examples:
  p5-spy ps
  p5-spy dump --name 'starman worker'")]
    Ps(PsArgs),
    /// Keep what an attach and some samples read, for a bug report
    #[command(
        hide = true,
        after_help = "The file holds only bytes that were read: stacks, names of subs, packages and files, and up to 255 bytes\nof memory behind each name, which may be anything.\n\nExample: p5-spy capture --pid 12345 -o report.capture, and to see what is in it:\np5-spy dump --capture report.capture"
    )]
    Capture(CaptureArgs),
    /// Print where things are in a perl's memory, as a table for layouts/
    #[command(after_help = "\
What it prints can be put into layouts/, or into a folder of your own for --layouts, as it is.

Example: p5-spy layout-dump /usr/bin/perl > tables/my-perl.toml")]
    LayoutDump(LayoutDumpArgs),
    /// Find out where things are in a perl's memory by running it on a small script
    #[command(after_help = "\
The perl needs no debug symbols. It runs for a fraction of a second and loads nothing of yours.
When a process is looked at whose layout is unknown, p5-spy does the same by itself if the program
belongs to root or to you.

Example: p5-spy layout-learn /usr/bin/perl -o tables/my-perl.toml")]
    LayoutLearn(LayoutLearnArgs),
    /// Print a script that completes p5-spy's words in a shell
    #[command(after_help = "\
Examples:
  p5-spy completions bash > ~/.local/share/bash-completion/completions/p5-spy
  p5-spy completions zsh > ~/.zfunc/_p5-spy
  p5-spy completions fish > ~/.config/fish/completions/p5-spy.fish")]
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all verbs into a folder
    #[command(after_help = "\
Examples:
  p5-spy man | man -l -
  p5-spy man -o ~/.local/share/man/man1")]
    Man(ManArgs),
}

#[derive(Debug, Args)]
struct Short {
    /// Record a flame graph into this file (short for: record -o FILE)
    #[arg(long, value_name = "FILE")]
    flame: Option<PathBuf>,
    /// Print the call stack, now (short for: dump)
    #[arg(long)]
    dump: bool,
    /// With --dump: print one JSON document
    #[arg(long)]
    json: bool,
    /// With --flame: what a frame stands for
    #[arg(long, value_name = "WHAT")]
    by: Option<By>,
    /// With --flame: keep threads and processes apart
    #[arg(short, long)]
    threads: bool,
    /// With --flame: write the summary as JSON into this file
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Args)]
struct PsArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

#[derive(Debug, Args)]
struct ManArgs {
    /// Write p5-spy.1 and the pages of all verbs into this folder
    #[arg(short, long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    output: Option<PathBuf>,
}

/// What everything that can have defaults knows.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Ignore P5SPY_OPTS and the configuration file
    #[arg(long)]
    no_config: bool,
}

#[derive(Debug, Args)]
struct TopArgs {
    #[command(flatten)]
    session: SessionArgs,
}

/// What everything that samples is asked for.
#[derive(Debug, Args)]
struct SessionArgs {
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct RecordArgs {
    /// A file to write; - is standard output (may be given several times) [default: p5-spy-PID.svg]
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// The format of files whose names do not tell; of a single file, whatever its name
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<Format>,
    /// Begin to sample after so many seconds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = parse_duration)]
    start_after: Option<Duration>,
    /// Begin to sample when p5-spy gets this signal (USR2, CONT, WINCH, URG, IO), pause with the next
    #[arg(long, value_name = "SIGNAL", value_parser = parse_signal)]
    trigger_signal: Option<i32>,
    /// What a frame stands for
    #[arg(long, value_name = "WHAT", default_value = "function")]
    by: By,
    /// Keep threads, and processes where there are several, apart
    #[arg(short, long)]
    threads: bool,
    /// Write the summary as JSON into this file
    #[arg(long, value_name = "FILE")]
    stats: Option<PathBuf>,
    #[command(flatten)]
    session: SessionArgs,
}

#[derive(Debug, Args)]
struct ReportArgs {
    /// The raw recording; with --diff the earlier and the later one
    #[arg(value_name = "FILE", required = true, num_args = 1..=2)]
    files: Vec<PathBuf>,
    /// Compare two recordings: a flame graph of what has grown and shrunk, and the subs that did
    #[arg(long)]
    diff: bool,
    /// A file to write; - is standard output (may be given several times)
    #[arg(short, long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// The format of files whose names do not tell; of a single file, whatever its name
    #[arg(short, long, value_name = "FORMAT")]
    format: Option<Format>,
    /// What a frame stands for
    #[arg(long, value_name = "WHAT", default_value = "function")]
    by: By,
    /// Keep threads, and processes where there are several, apart
    #[arg(short, long)]
    threads: bool,
    /// Only this thread: the system's id, or perl's (may be given several times)
    #[arg(long, value_name = "TID")]
    thread: Vec<u64>,
    /// Only this process (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Vec<i32>,
    /// Only stacks with a function whose name matches
    #[arg(long, value_name = "REGEX")]
    sub: Option<regex::Regex>,
    /// Only from this second of the recording on
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = parse_moment)]
    from: Option<Duration>,
    /// Only up to this second of the recording
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = parse_moment)]
    to: Option<Duration>,
    /// Count waiting threads too: wall-clock time instead of CPU time
    #[arg(long)]
    idle: bool,
    /// Show which op was running, and what a waiting thread waited in
    #[arg(long)]
    ops: bool,
    /// Show whole names of files, not those relative to @INC and to the program's working folder
    #[arg(long)]
    full_filenames: bool,
}

#[derive(Debug, Args)]
struct DumpArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Show the stacks of a file that p5-spy capture wrote
    #[arg(long, value_name = "FILE", hide = true, conflicts_with_all = ["pid", "name"])]
    capture: Option<PathBuf>,
    /// Show each frame's @_; given twice, its lexical variables too: kinds, not values
    #[arg(short, long, action = clap::ArgAction::Count, conflicts_with = "capture")]
    locals: u8,
    /// With --locals: show the values too. There may be passwords among them
    #[arg(long, requires = "locals")]
    values: bool,
    /// The process to look at (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Vec<i32>,
    /// The processes whose command line matches this regular expression: one, or one with those below it
    #[arg(long, value_name = "REGEX", value_parser = parse_name)]
    name: Option<String>,
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct CaptureArgs {
    /// The process to look at
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: i32,
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct LayoutDumpArgs {
    /// A perl, or a library or program that contains one
    #[arg(value_name = "FILE", conflicts_with = "pid")]
    file: Option<PathBuf>,
    /// A running process, whose perl is taken
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Option<i32>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct LayoutLearnArgs {
    /// The perl to run
    #[arg(value_name = "PERL")]
    program: PathBuf,
    /// The file to write [default: standard output]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    layout: LayoutArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, Args)]
struct TargetArgs {
    /// The process to look at (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Vec<i32>,
    /// The processes whose command line matches this regular expression: one, or one with those below it
    #[arg(long, value_name = "REGEX", value_parser = parse_name)]
    name: Option<String>,
    /// Look at the processes that it starts, too
    #[arg(short, long)]
    subprocesses: bool,
    /// A program to start and look at, after --
    #[arg(last = true, value_name = "PROGRAM", num_args = 1..)]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct SamplingArgs {
    /// Samples per second [default: 100]
    #[arg(short, long, value_name = "HZ", allow_negative_numbers = true, value_parser = parse_rate)]
    rate: Option<f64>,
    /// End after so many seconds
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = parse_duration)]
    duration: Option<Duration>,
    /// Count waiting threads too: wall-clock time instead of CPU time
    #[arg(long)]
    idle: bool,
}

#[derive(Debug, Args)]
struct ShowArgs {
    /// Which frames to add where perl itself calls a sub: none, default, all
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = "default",
        hide_possible_values = true
    )]
    synthetic: Synthetic,
    /// Show which op is running (a match with its pattern), and what a waiting thread waits in
    #[arg(long)]
    ops: bool,
    /// Show whole names of files, not those relative to @INC and to the program's working folder
    #[arg(long)]
    full_filenames: bool,
}

#[derive(Debug, Clone, Args)]
struct LayoutArgs {
    /// Use the layout tables of this folder instead of the built-in ones
    #[arg(long, value_name = "FOLDER")]
    layouts: Option<PathBuf>,
    /// Look for separate debug files here too (may be given several times)
    #[arg(long, value_name = "FOLDER")]
    debug_dir: Vec<PathBuf>,
    /// Use no debug information, only layout tables
    #[arg(long, conflicts_with = "debug_dir")]
    no_debug_info: bool,
    /// Never run a perl to learn its layout
    #[arg(long)]
    no_learn: bool,
    /// Neither use nor keep what was found about a perl
    #[arg(long)]
    no_cache: bool,
}

impl Order {
    /// Parses the words of a command line, the program's name first, with the defaults that the
    /// surroundings have for them.
    ///
    /// # Errors
    /// [`clap::Error`]: a mistake, or the text that `--help` or `--version` asked for.
    pub fn parse<I, T>(words: I, around: &Surroundings) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let typed: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let advised = |e| better_advice(e, &typed);
        // The opposites cost more than all the rest of the parser, and hardly anybody types one.
        let plain = (!around.have_defaults())
            .then(|| Cli::command().try_get_matches_from(&typed).ok())
            .flatten();
        let matches = match plain {
            Some(matches) => matches,
            None => program().try_get_matches_from(&typed).map_err(advised)?,
        };
        let matches = match defaults::with_defaults(&typed, &matches, around)? {
            Some(words) => program().try_get_matches_from(&words).map_err(advised)?,
            None => matches,
        };
        let cli = Cli::from_arg_matches(&matches).map_err(advised)?;
        let can_ask = around.can_ask;
        match cli.verb {
            Some(Verb::Top(args)) => args.session.top("top", can_ask),
            Some(Verb::Record(args)) => record_as("record", args, can_ask),
            Some(Verb::Report(args)) => args.job().map(Order::from),
            Some(Verb::Dump(args)) => args.order(can_ask),
            Some(Verb::Capture(args)) => Ok(Job::Capture {
                pid: args.pid,
                output: args.output,
                layout: args.layout.into(),
            }
            .into()),
            Some(Verb::LayoutDump(args)) => args.job().map(Order::from),
            Some(Verb::LayoutLearn(args)) => Ok(Job::LayoutLearn {
                program: args.program,
                output: args.output,
                layout: args.layout.into(),
            }
            .into()),
            Some(Verb::Ps(args)) => Ok(Job::Ps { json: args.json }.into()),
            Some(Verb::Completions(args)) => Ok(Job::Completions(args.shell).into()),
            Some(Verb::Man(args)) => Ok(Job::Man {
                folder: args.output,
            }
            .into()),
            None => cli.short.order(can_ask),
        }
    }
}

impl From<Job> for Order {
    fn from(job: Job) -> Self {
        Order { job, find: None }
    }
}

/// The parser: every switch with an opposite that takes it back, for defaults.
fn program() -> clap::Command {
    let mut program = with_opposites(Cli::command());
    let verbs: Vec<String> = program
        .get_subcommands()
        .map(|verb| verb.get_name().to_owned())
        .collect();
    for verb in verbs {
        program = program.mut_subcommand(verb, with_opposites);
    }
    program
}

/// An argument without its bonds to others, for where those are not.
fn free(arg: &Arg) -> Arg {
    arg.clone()
        .requires(Resettable::Reset)
        .conflicts_with(Resettable::Reset)
        .overrides_with(Resettable::Reset)
}

fn with_opposites(command: clap::Command) -> clap::Command {
    let switches = command.get_arguments().filter_map(|arg| {
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue) && !arg.is_hide_set();
        let name = arg.get_long().filter(|_| is_switch)?;
        // What it takes back may stand before or behind it.
        let opposite = Arg::new(defaults::opposite(name))
            .long(defaults::opposite(name))
            .action(ArgAction::SetTrue)
            .overrides_with(arg.get_id().clone())
            .hide(true);
        Some((arg.get_id().clone(), opposite))
    });
    let switches: Vec<(clap::Id, Arg)> = switches.collect();
    let mut command = command;
    for (id, opposite) in switches {
        let other = opposite.get_id().clone();
        command = command
            .arg(opposite)
            .mut_arg(id.as_str(), |arg| arg.overrides_with(other));
    }
    command
}

impl SessionArgs {
    fn top(self, words: &str, can_ask: bool) -> Result<Order, clap::Error> {
        let subprocesses = self.target.subprocesses;
        let (aim, find) = self.target.aim(words, can_ask)?;
        let job = Job::Top {
            subprocesses,
            aim,
            sampling: self.sampling.settings(),
            show: self.show.into(),
            layout: self.layout.into(),
        };
        Ok(Order { job, find })
    }
}

impl DumpArgs {
    fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        if let Some(file) = self.capture {
            return Ok(Job::DumpCapture {
                file,
                json: self.json,
                show: self.show.into(),
                layout: self.layout.into(),
            }
            .into());
        }
        let find = match self.name {
            Some(name) => Some(Find::Name(name)),
            None if !self.pid.is_empty() => None,
            None if can_ask => Some(Find::Ask),
            None => {
                return Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    "which process? p5-spy dump --pid PID".into(),
                ));
            }
        };
        let job = Job::Dump {
            pids: self.pid,
            json: self.json,
            show: self.show.into(),
            locals: (self.locals > 0).then_some(Locals {
                lexicals: self.locals > 1,
                values: self.values,
            }),
            layout: self.layout.into(),
        };
        Ok(Order { job, find })
    }
}

impl LayoutDumpArgs {
    fn job(self) -> Result<Job, clap::Error> {
        let source = match (self.file, self.pid) {
            (Some(file), _) => LayoutSource::File(file),
            (None, Some(pid)) => LayoutSource::Pid(pid),
            (None, None) => {
                return Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    "of which perl? Give a file: p5-spy layout-dump /usr/bin/perl, or a process: p5-spy layout-dump --pid PID".into(),
                ));
            }
        };
        Ok(Job::LayoutDump {
            source,
            layout: self.layout.into(),
        })
    }
}

impl Short {
    fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        let refuse = |message: &str| Err(mistake(ErrorKind::ArgumentConflict, message.to_owned()));
        let sampled = self.session.sampling.rate.is_some()
            || self.session.sampling.duration.is_some()
            || self.session.sampling.idle;
        if self.dump && self.flame.is_some() {
            return refuse("--dump prints one stack and --flame records many: use one of them");
        }
        if self.json && !self.dump {
            return refuse("--json goes with --dump: p5-spy --dump --json --pid PID");
        }
        if self.flame.is_none() && self.by.is_some() {
            return refuse("--by goes with --flame: p5-spy --flame FILE --by line --pid PID");
        }
        if self.flame.is_none() && self.threads {
            return refuse("--threads goes with --flame: p5-spy --flame FILE --threads --pid PID");
        }
        if self.flame.is_none() && self.stats.is_some() {
            return refuse(
                "--stats goes with --flame: p5-spy --flame FILE --stats STATS --pid PID",
            );
        }
        if self.dump {
            if sampled {
                return refuse(
                    "--dump looks once, so --rate, --duration and --idle mean nothing to it; to look many times: p5-spy record -o FILE --pid PID",
                );
            }
            if self.session.target.subprocesses {
                return refuse(
                    "--dump looks at the processes that are named, not at those that they started: give --pid several times",
                );
            }
            return match self.session.target.aim("--dump", can_ask)? {
                (Aim::Pids(pids), find) => Ok(Order {
                    job: Job::Dump {
                        pids,
                        json: self.json,
                        show: self.session.show.into(),
                        locals: None,
                        layout: self.session.layout.into(),
                    },
                    find,
                }),
                (Aim::Start { .. }, _) => refuse(
                    "--dump looks at a program that runs already: p5-spy --dump --pid PID; to start one: p5-spy record -o FILE -- PROGRAM",
                ),
            };
        }
        match self.flame {
            Some(file) => record_as(
                "--flame FILE",
                RecordArgs {
                    output: vec![file],
                    format: Some(Format::Flamegraph),
                    start_after: None,
                    trigger_signal: None,
                    by: self.by.unwrap_or_default(),
                    threads: self.threads,
                    stats: self.stats,
                    session: self.session,
                },
                can_ask,
            ),
            None => self.session.top("", can_ask),
        }
    }
}

fn record_as(words: &str, args: RecordArgs, can_ask: bool) -> Result<Order, clap::Error> {
    let subprocesses = args.session.target.subprocesses;
    let (aim, find) = args.session.target.aim(words, can_ask)?;
    let job = Job::Record {
        subprocesses,
        threads: args.threads,
        aim,
        sampling: args.session.sampling.settings(),
        show: args.session.show.into(),
        layout: args.session.layout.into(),
        format: args.format.unwrap_or(Format::Flamegraph),
        outputs: outputs(args.output, args.format)?,
        start: Start {
            after: args.start_after,
            on_signal: args.trigger_signal,
        },
        by: args.by,
        stats: args.stats,
    };
    Ok(Order { job, find })
}

/// Files with their formats: the name tells, unless there is only one file and a format for it.
fn outputs(files: Vec<PathBuf>, format: Option<Format>) -> Result<Vec<Output>, clap::Error> {
    let only = files.len() == 1;
    let one = |file: PathBuf| {
        let told = match (format, Format::of_file(&file)) {
            (Some(format), _) if only => Some(format),
            (other, by_name) => by_name.or(other),
        };
        match told {
            Some(format) => Ok(Output { file, format }),
            None if file.as_os_str() == "-" => Err(mistake(
                ErrorKind::MissingRequiredArgument,
                "standard output has no extension that could tell the format: add --format, such as --format collapsed".into(),
            )),
            None => {
                let known: Vec<String> = Format::ALL
                    .iter()
                    .map(|f| format!("{}: {}", f.ending(), f.name()))
                    .collect();
                Err(mistake(
                    ErrorKind::InvalidValue,
                    format!(
                        "{}: the extension of FILE does not tell the format ({}): add --format",
                        file.display(),
                        known.join(", ")
                    ),
                ))
            }
        }
    };
    files.into_iter().map(one).collect()
}

impl ReportArgs {
    fn job(self) -> Result<Job, clap::Error> {
        let refuse = |message: &str| Err(mistake(ErrorKind::ArgumentConflict, message.to_owned()));
        let outputs = outputs(self.output, self.format)?;
        if outputs.iter().any(|o| o.format == Format::P5spy) {
            return refuse("a raw recording is copied with cp; report makes pictures of it");
        }
        let pick = Pick(Filter {
            threads: self.thread,
            pids: self.pid,
            sub: self.sub,
            from: self.from,
            to: self.to,
            idle: self.idle,
            ops: self.ops,
        });
        let mut files = self.files.into_iter();
        match (self.diff, files.next(), files.next()) {
            (true, Some(before), Some(after)) => {
                if outputs.iter().any(|o| o.format != Format::Flamegraph) {
                    return refuse("--diff draws a flame graph: -o FILE.svg");
                }
                if self.threads {
                    return refuse(
                        "threads of two recordings cannot be told to be the same: leave out --threads, or pick one with --thread",
                    );
                }
                Ok(Job::Diff {
                    files: [before, after],
                    outputs,
                    pick,
                    by: self.by,
                    full_filenames: self.full_filenames,
                })
            }
            (true, ..) => refuse(
                "--diff needs two recordings: p5-spy report --diff BEFORE.p5spy AFTER.p5spy -o diff.svg",
            ),
            (false, _, Some(_)) => refuse(
                "one recording at a time; to compare two: p5-spy report --diff BEFORE.p5spy AFTER.p5spy -o diff.svg",
            ),
            (false, Some(file), None) if !outputs.is_empty() => Ok(Job::Report {
                file,
                outputs,
                pick,
                by: self.by,
                threads: self.threads,
                full_filenames: self.full_filenames,
            }),
            (false, file, None) => {
                let file = file.unwrap_or_default();
                Err(mistake(
                    ErrorKind::MissingRequiredArgument,
                    format!(
                        "what to make of it? p5-spy report {} -o report.html",
                        file.display()
                    ),
                ))
            }
        }
    }
}

impl TargetArgs {
    /// What to look at, and what of it is to be found. `words` is how the user began.
    fn aim(self, words: &str, can_ask: bool) -> Result<(Aim, Option<Find>), clap::Error> {
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

impl SamplingArgs {
    fn settings(&self) -> Sampling {
        Sampling {
            rate: self.rate.unwrap_or(100.0),
            duration: self.duration,
            idle: self.idle,
        }
    }
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

impl ValueEnum for Synthetic {
    fn value_variants<'a>() -> &'a [Self] {
        &[Synthetic::None, Synthetic::Default, Synthetic::All]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(match self {
            Synthetic::None => "none",
            Synthetic::Default => "default",
            Synthetic::All => "all",
        }))
    }
}

impl ValueEnum for By {
    fn value_variants<'a>() -> &'a [Self] {
        &[By::Function, By::Line, By::Package]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            By::Function => ("function", "A function, whatever line of it is executing"),
            By::Line => ("line", "A line of a function"),
            By::Package => ("package", "A package"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &Format::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()).help(self.help()))
    }
}

impl From<LayoutArgs> for LayoutChoice {
    fn from(args: LayoutArgs) -> Self {
        LayoutChoice {
            layouts: args.layouts,
            debug_dirs: args.debug_dir,
            use_debug_info: !args.no_debug_info,
            learn: !args.no_learn,
            use_cache: !args.no_cache,
        }
    }
}

fn mistake(kind: ErrorKind, message: String) -> clap::Error {
    program().error(kind, message)
}

fn parse_pid(text: &str) -> Result<i32, String> {
    match text.parse::<i32>() {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err("a process id is a positive whole number, as ps and pgrep print it".into()),
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    match regex::bytes::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(regex::Error::Syntax(problem)) => {
            let last = problem.lines().last().unwrap_or_default();
            let what = last.strip_prefix("error: ").unwrap_or(last);
            Err(format!("it is no regular expression: {what}"))
        }
        Err(e) => Err(format!("it is no regular expression: {e}")),
    }
}

fn parse_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.01..=100_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is a number of samples per second, from 0.01 to 100000".into()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if !duration.is_zero() => Ok(duration),
        _ => Err("a duration is a number of seconds above 0, such as 30 or 0.5".into()),
    }
}

fn parse_moment(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(moment)) => Ok(moment),
        _ => Err("a moment is a number of seconds since the start, such as 30 or 0.5".into()),
    }
}

/// Signals that mean nothing to p5-spy, and that nobody sends by accident.
fn parse_signal(text: &str) -> Result<i32, String> {
    let name = text.to_ascii_uppercase();
    match name.strip_prefix("SIG").unwrap_or(&name) {
        "USR2" => Ok(libc::SIGUSR2),
        "WINCH" => Ok(libc::SIGWINCH),
        "URG" => Ok(libc::SIGURG),
        "CONT" => Ok(libc::SIGCONT),
        "IO" => Ok(libc::SIGIO),
        "USR1" => Err("USR1 makes p5-spy write what there is so far; take USR2".into()),
        _ => Err("take one of USR2, WINCH, URG, CONT, IO".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Job, String> {
        order(line, false).map(|order| order.job)
    }

    fn order(line: &str, can_ask: bool) -> Result<Order, String> {
        let around = Surroundings {
            can_ask,
            ..Surroundings::default()
        };
        Order::parse(line.split_whitespace(), &around).map_err(|e| e.to_string())
    }

    #[test]
    fn the_parser_is_sound() {
        program().debug_assert();
    }

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
        found.add_pids(&[4, 3]);
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
    fn variables_and_what_they_hold_are_asked_for_apart() {
        let locals = |line: &str| match parse(line) {
            Ok(Job::Dump { locals, .. }) => locals.map(|l| (l.lexicals, l.values)),
            other => panic!("{other:?}"),
        };
        assert_eq!(locals("p5-spy dump -p 7"), None);
        assert_eq!(locals("p5-spy dump -p 7 --locals"), Some((false, false)));
        assert_eq!(locals("p5-spy dump -p 7 -l --values"), Some((false, true)));
        assert_eq!(locals("p5-spy dump -p 7 -ll"), Some((true, false)));
        assert!(parse("p5-spy dump -p 7 --values").is_err());
    }

    #[test]
    fn short_forms_are_the_verbs() {
        for (short, long) in [
            ("p5-spy --pid 7", "p5-spy top --pid 7"),
            ("p5-spy -p 7 --rate 250", "p5-spy top -p 7 -r 250"),
            ("p5-spy -- perl x.pl -v", "p5-spy top -- perl x.pl -v"),
            (
                "p5-spy --flame f.svg --pid 7",
                "p5-spy record -o f.svg --pid 7",
            ),
            (
                "p5-spy --flame f --by line --stats s -d 2 -- perl",
                "p5-spy record -f flamegraph -o f --by line --stats s -d 2 -- perl",
            ),
            ("p5-spy --dump --pid 7", "p5-spy dump --pid 7"),
            (
                "p5-spy --dump --json -p 7 --layouts l",
                "p5-spy dump --json --layouts l -p 7",
            ),
        ] {
            assert_eq!(parse(short).unwrap(), parse(long).unwrap(), "{short}");
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

    #[test]
    fn the_extension_decides_unless_told() {
        let format = |line: &str| match parse(line).unwrap() {
            Job::Record {
                outputs, format, ..
            } => outputs.first().map_or(format, |o| o.format),
            other => panic!("{other:?}"),
        };
        assert_eq!(format("p5-spy record -o a.svg -p 1"), Format::Flamegraph);
        assert_eq!(format("p5-spy record -o a.SVG -p 1"), Format::Flamegraph);
        assert_eq!(format("p5-spy record -o a.folded -p 1"), Format::Collapsed);
        assert_eq!(format("p5-spy record -o a.txt -p 1"), Format::Collapsed);
        assert_eq!(
            format("p5-spy record -o a.svg -f collapsed -p 1"),
            Format::Collapsed
        );
        assert_eq!(
            format("p5-spy record -o - -f collapsed -p 1"),
            Format::Collapsed
        );
        assert_eq!(format("p5-spy record -p 1"), Format::Flamegraph);
    }

    #[test]
    fn refusals_name_the_right_way() {
        for (line, needle) in [
            ("p5-spy", "p5-spy … --pid PID"),
            ("p5-spy --flame f.svg", "--pid PID"),
            ("p5-spy --dump", "p5-spy --dump … --pid PID"),
            ("p5-spy --dump --flame f.svg --pid 1", "use one of them"),
            ("p5-spy --json --pid 1", "--dump --json"),
            ("p5-spy --dump --rate 5 --pid 1", "record -o FILE"),
            ("p5-spy --dump -- perl x", "--dump --pid PID"),
            ("p5-spy --by line --pid 1", "--flame FILE --by line"),
            ("p5-spy --stats s --pid 1", "--flame FILE --stats"),
            ("p5-spy --threads --pid 1", "--flame FILE --threads"),
            ("p5-spy --dump -s --pid 1", "--pid several times"),
            ("p5-spy --pid 1 -- perl", "not both"),
            ("p5-spy record -o - --pid 1", "--format"),
            ("p5-spy record -o x.png --pid 1", "add --format"),
            ("p5-spy record --pid 0", "positive whole number"),
            ("p5-spy record --pid 1 --rate 0", "samples per second"),
            ("p5-spy record --pid 1 --duration -3", "seconds above 0"),
            ("p5-spy layout-dump", "--pid"),
            ("p5-spy dump", "--pid"),
            ("p5-spy recrod --pid 1", "record"),
            ("p5-spy layout-lern x", "'layout-learn'"),
            ("p5-spy layout-learn --bogus x", "--bogus"),
            ("p5-spy capture --bogus", "--bogus"),
            ("p5-spy --pid 1 record", "record"),
            ("p5-spy dump --dump --pid 1", "--dump"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(needle), "{line}: {message}");
        }
    }
}
