//! Option names and their help: the only place that has them.
//!
//! The verbs are the grown-up interface. The flags without a verb are its short form and are
//! turned into the same jobs here, so that nothing behind this file knows which was typed.

mod advice;
mod job;

use crate::perl::names::Synthetic;
use crate::profile::Filter;
use advice::better_advice;
use clap::builder::PossibleValue;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
pub use job::{
    Aim, By, Format, Job, LayoutChoice, LayoutSource, Locals, Output, Pick, Sampling, Show, Start,
};
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
    override_usage = "p5-spy [OPTIONS] --pid PID\n       p5-spy [OPTIONS] -- PROGRAM [ARGS]...\n       p5-spy top|record|report|dump|layout-dump|layout-learn [OPTIONS]"
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
        after_help = "Keys: q or Ctrl-C quits. A program that p5-spy started is ended then.\n\nExample: p5-spy top --pid 12345"
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
    /// Begin to sample when p5-spy gets this signal (USR2, WINCH …), pause with the next one
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
}

#[derive(Debug, Args)]
struct DumpArgs {
    /// Print one JSON document
    #[arg(long)]
    json: bool,
    /// Show the stacks of a file that p5-spy capture wrote
    #[arg(long, value_name = "FILE", hide = true, conflicts_with = "pid")]
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
    #[command(flatten)]
    show: ShowArgs,
    #[command(flatten)]
    layout: LayoutArgs,
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
}

#[derive(Debug, Args)]
struct TargetArgs {
    /// The process to look at (may be given several times)
    #[arg(short, long, value_name = "PID", allow_negative_numbers = true, value_parser = parse_pid)]
    pid: Vec<i32>,
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

impl Job {
    /// Parses the words of a command line, the program's name first.
    ///
    /// # Errors
    /// [`clap::Error`]: a mistake, or the text that `--help` or `--version` asked for.
    pub fn parse<I, T>(words: I) -> Result<Self, clap::Error>
    where
        I: IntoIterator<Item = T>,
        T: Into<OsString> + Clone,
    {
        let words: Vec<OsString> = words.into_iter().map(Into::into).collect();
        let cli = Cli::try_parse_from(&words).map_err(|e| better_advice(e, &words))?;
        match cli.verb {
            Some(Verb::Top(args)) => Ok(Job::Top {
                subprocesses: args.session.target.subprocesses,
                aim: args.session.target.aim("top")?,
                sampling: args.session.sampling.settings(),
                show: args.session.show.into(),
                layout: args.session.layout.into(),
            }),
            Some(Verb::Record(args)) => record_as("record", args),
            Some(Verb::Report(args)) => args.job(),
            Some(Verb::Capture(args)) => Ok(Job::Capture {
                pid: args.pid,
                output: args.output,
                layout: args.layout.into(),
            }),
            Some(Verb::Dump(DumpArgs {
                capture: Some(file),
                json,
                show,
                layout,
                ..
            })) => Ok(Job::DumpCapture {
                file,
                json,
                show: show.into(),
                layout: layout.into(),
            }),
            Some(Verb::Dump(args)) if args.pid.is_empty() => Err(mistake(
                ErrorKind::MissingRequiredArgument,
                "which process? p5-spy dump --pid PID".into(),
            )),
            Some(Verb::Dump(args)) => Ok(Job::Dump {
                pids: args.pid,
                json: args.json,
                show: args.show.into(),
                locals: (args.locals > 0).then_some(Locals {
                    lexicals: args.locals > 1,
                    values: args.values,
                }),
                layout: args.layout.into(),
            }),
            Some(Verb::LayoutDump(args)) => Ok(Job::LayoutDump {
                source: match (args.file, args.pid) {
                    (Some(file), _) => LayoutSource::File(file),
                    (None, Some(pid)) => LayoutSource::Pid(pid),
                    (None, None) => {
                        return Err(mistake(
                            ErrorKind::MissingRequiredArgument,
                            "of which perl? Give a file: p5-spy layout-dump /usr/bin/perl, or a process: p5-spy layout-dump --pid PID".into(),
                        ));
                    }
                },
                layout: args.layout.into(),
            }),
            Some(Verb::LayoutLearn(args)) => Ok(Job::LayoutLearn {
                program: args.program,
                output: args.output,
                layout: args.layout.into(),
            }),
            None => cli.short.job(),
        }
    }
}

impl Short {
    fn job(self) -> Result<Job, clap::Error> {
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
            return match self.session.target.aim("--dump")? {
                Aim::Pids(pids) => Ok(Job::Dump {
                    pids,
                    json: self.json,
                    show: self.session.show.into(),
                    locals: None,
                    layout: self.session.layout.into(),
                }),
                Aim::Start { .. } => refuse(
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
            ),
            None => Ok(Job::Top {
                subprocesses: self.session.target.subprocesses,
                aim: self.session.target.aim("")?,
                sampling: self.session.sampling.settings(),
                show: self.session.show.into(),
                layout: self.session.layout.into(),
            }),
        }
    }
}

fn record_as(words: &str, args: RecordArgs) -> Result<Job, clap::Error> {
    Ok(Job::Record {
        subprocesses: args.session.target.subprocesses,
        threads: args.threads,
        aim: args.session.target.aim(words)?,
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
    })
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
    fn aim(self, verb: &str) -> Result<Aim, clap::Error> {
        let mut words = self.command.into_iter();
        match (self.pid.first(), words.next()) {
            (Some(_), None) => Ok(Aim::Pids(self.pid)),
            (None, Some(program)) => Ok(Aim::Start {
                program,
                arguments: words.collect(),
            }),
            (Some(pid), Some(_)) => Err(mistake(
                ErrorKind::ArgumentConflict,
                format!("either --pid {pid} or a program after --, not both"),
            )),
            (None, None) => {
                let words = ["p5-spy", verb].join(" ");
                let words = words.trim_end();
                let start = if verb == "--dump" {
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
    Cli::command().error(kind, message)
}

fn parse_pid(text: &str) -> Result<i32, String> {
    match text.parse::<i32>() {
        Ok(pid) if pid > 0 => Ok(pid),
        _ => Err("a process id is a positive whole number, as ps and pgrep print it".into()),
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
        Job::parse(line.split_whitespace()).map_err(|e| e.to_string())
    }

    #[test]
    fn the_parser_is_sound() {
        Cli::command().debug_assert();
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
