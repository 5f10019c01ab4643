//! Option names and their help: the only place that has them.
//!
//! The verbs are the grown-up interface. The flags without a verb are its short form and are
//! turned into the same jobs here, so that nothing behind this file knows which was typed.
//!
//! Words become an `Order`: one `Job`, and what is still to be found for it. There is a file for each verb,
//! `short.rs` for the forms without one, `shared.rs` for what several are asked for, `values.rs` for what an
//! option may be. Words that begin with a verb are parsed without the others. `defaults.rs` turns the
//! configuration file and `P5SPY_OPTS` into words in front of the user's own, as far as the parser takes them
//! together; `manual.rs` makes man pages and completions of the parser. What is to be found (`--name`, or a
//! choice from a list) `commands/find.rs` finds in `attach/roster.rs`, the list behind `p5-spy ps`: files are
//! glanced at once each (`image/glance.rs`), and one word of each process is read, which tells whether a perl
//! is up and whether it may be read. `platform/linux/permission.rs` says why not.

mod advice;
mod capture;
mod defaults;
mod dump;
pub mod hints;
mod job;
mod layout;
mod manual;
mod opposites;
mod permission;
mod ps;
mod record;
mod report;
#[cfg(target_os = "macos")]
mod setup;
mod shared;
mod short;
mod top;
mod values;
mod words;

use crate::platform::signals;
use advice::better_advice;
use capture::CaptureArgs;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
pub use defaults::{Surroundings, config_folder, foreign_config_folder};
use dump::DumpArgs;
pub use job::{
    Aim, By, CoreChoice, CoreSource, Depth, Find, Format, Job, LayoutChoice, LayoutSource, Locals,
    Order, Output, Pick, Sampling, Shell, Show, Start,
};
use layout::{LayoutDumpArgs, LayoutLearnArgs};
pub use manual::{completions, pages};
use opposites::with_opposites;
use ps::PsArgs;
use record::RecordArgs;
use report::ReportArgs;
#[cfg(target_os = "macos")]
use setup::SetupArgs;
use short::Short;
use std::ffi::OsString;
use top::TopArgs;
use words::{CompletionsArgs, DoctorArgs, ManArgs};

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

/// What a recording's help ends with.
fn after_record() -> String {
    let (ended, goes_on) = match signals::ARE_SENT {
        true => (
            " (SIGTERM)",
            ". SIGUSR1\nmakes p5-spy write what there is so far, and go on.",
        ),
        false => ("", "."),
    };
    format!(
        "\
The recording ends with Ctrl-C, after --duration, or with the program. A program that p5-spy started
is ended after --duration{ended}; otherwise p5-spy's exit status is the program's own{goes_on}

Examples:
  p5-spy record -o profile.svg --duration 30 --pid 12345
  p5-spy record -o report.html -o profile.p5spy --pid 12345
  p5-spy record --format collapsed -o - --duration 5 --pid 12345
  p5-spy record -o profile.svg --stats stats.json -- perl program.pl"
    )
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Live view: which subs are busy, refreshed every second
    #[command(
        after_help = "Keys: ? lists them, q or Ctrl-C quits. A program that p5-spy started is ended then.\n\nExample: p5-spy top --pid 12345"
    )]
    Top(TopArgs),
    /// Record samples and write a flame graph, a report, or another picture
    #[command(after_help = after_record())]
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
    /// Sign p5-spy as a debugger, so that it may read your programs without sudo
    #[cfg(target_os = "macos")]
    #[command(after_help = "\
The program itself is signed, without a certificate and with the entitlement
com.apple.security.cs.debugger. It needs the right to change its own file, and is to be repeated after
an update.

Example: p5-spy setup")]
    Setup(SetupArgs),
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
    /// Tell what this machine lets p5-spy do, where its files are, and what would improve matters
    #[command(
        after_help = "Good to read before the first use, and what a bug report needs.\n\nExample: p5-spy doctor"
    )]
    Doctor(DoctorArgs),
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
        let plain = !around.have_defaults();
        if let Some(verb) = plain.then(|| Verb::alone(&typed)).flatten() {
            return verb.order(around.can_ask);
        }
        // The opposites cost more than all the rest of the parser, and hardly anybody types one.
        let plain = plain
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
        match cli.verb {
            Some(verb) => verb.order(around.can_ask),
            None => cli.short.order(around.can_ask),
        }
    }
}

impl Verb {
    /// The verb that the words begin with, by a parser that knows no other one: to make all of them
    /// takes several times as long. `None` where that is not all there is to say.
    fn alone(typed: &[OsString]) -> Option<Self> {
        fn parse<A: Args>(words: &[OsString]) -> Option<A> {
            let parser = A::augment_args(clap::Command::new("p5-spy"));
            let mut matches = parser.try_get_matches_from(words).ok()?;
            A::from_arg_matches_mut(&mut matches).ok()
        }
        let words = typed.get(1..)?;
        Some(match words.first()?.to_str()? {
            "top" => Verb::Top(parse(words)?),
            "record" => Verb::Record(parse(words)?),
            "report" => Verb::Report(parse(words)?),
            "dump" => Verb::Dump(parse(words)?),
            "ps" => Verb::Ps(parse(words)?),
            #[cfg(target_os = "macos")]
            "setup" => Verb::Setup(parse(words)?),
            "capture" => Verb::Capture(parse(words)?),
            "layout-dump" => Verb::LayoutDump(parse(words)?),
            "layout-learn" => Verb::LayoutLearn(parse(words)?),
            "doctor" => Verb::Doctor(parse(words)?),
            "completions" => Verb::Completions(parse(words)?),
            "man" => Verb::Man(parse(words)?),
            _ => return None,
        })
    }

    fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        match self {
            Verb::Top(args) => args.order(can_ask),
            Verb::Record(args) => args.order(can_ask),
            Verb::Report(args) => args.job().map(Order::from),
            Verb::Dump(args) => args.order(can_ask),
            Verb::Ps(args) => Ok(args.job().into()),
            #[cfg(target_os = "macos")]
            Verb::Setup(args) => Ok(args.job().into()),
            Verb::Capture(args) => Ok(args.job().into()),
            Verb::LayoutDump(args) => args.job().map(Order::from),
            Verb::LayoutLearn(args) => Ok(args.job().into()),
            Verb::Doctor(args) => Ok(args.job().into()),
            Verb::Completions(args) => Ok(args.job().into()),
            Verb::Man(args) => Ok(args.job().into()),
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

fn mistake(kind: ErrorKind, message: String) -> clap::Error {
    // It may quote a file.
    program().error(kind, crate::text::message(&message))
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn parse(line: &str) -> Result<Job, String> {
        order(line, false).map(|order| order.job)
    }

    pub(super) fn order(line: &str, can_ask: bool) -> Result<Order, String> {
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
    fn a_verb_alone_is_what_the_whole_parser_makes_of_it() {
        let lines = [
            "p5-spy top -p 7 --idle",
            "p5-spy record -p 7 -o a.svg -o b.html --by line",
            "p5-spy report a.p5spy -o a.svg --from 3",
            "p5-spy dump -p 7 -ll --values --no-cache --synthetic all",
            "p5-spy ps --json",
            "p5-spy capture -p 7 -o x",
            "p5-spy layout-dump /bin/perl --debug-dir a --debug-dir b",
            "p5-spy layout-learn /bin/perl -o x",
            "p5-spy doctor --json",
            "p5-spy completions zsh",
            "p5-spy man -o x",
        ];
        let verbs = lines.map(|line| line.split(' ').nth(1).unwrap());
        let cli = Cli::command();
        let mut known: Vec<&str> = cli.get_subcommands().map(|c| c.get_name()).collect();
        // On macOS only.
        known.retain(|name| *name != "setup");
        known.sort_unstable_by_key(|name| verbs.iter().position(|verb| verb == name));
        assert_eq!(known, verbs);
        for line in lines {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            let alone = Verb::alone(&words).expect(line).order(false).unwrap();
            let whole = Cli::try_parse_from(&words).unwrap().verb.unwrap();
            assert_eq!(alone, whole.order(false).unwrap(), "{line}");
        }
        for line in [
            "p5-spy",
            "p5-spy -p 7",
            "p5-spy dump --help",
            "p5-spy dmp -p 7",
        ] {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            assert!(Verb::alone(&words).is_none(), "{line}");
        }
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
            (
                "p5-spy --pid 1 record",
                "a verb comes first: p5-spy record --pid 1",
            ),
            ("p5-spy record --pid 1 perl x", "unexpected argument"),
            ("p5-spy dump --dump --pid 1", "--dump"),
            (
                "p5-spy dump perl x.pl",
                "runs already: p5-spy dump --pid PID",
            ),
            ("p5-spy dump --bogus --pid 1", "--bogus"),
            ("p5-spy dump 123", "p5-spy dump --pid 123"),
            ("p5-spy record 123", "p5-spy record --pid 123"),
            (
                "p5-spy record -o x.svg 123",
                "p5-spy record -o x.svg --pid 123",
            ),
            ("p5-spy record -d 123 123", "p5-spy record -d 123 --pid 123"),
            ("p5-spy --flame x.svg 123", "p5-spy --flame x.svg --pid 123"),
            ("p5-spy 123", "p5-spy --pid 123"),
            ("p5-spy record perl x.pl", "p5-spy record -- perl x.pl"),
            ("p5-spy top perl x.pl -v", "p5-spy top -- perl x.pl -v"),
            (
                "p5-spy record -o x.svg perl x.pl",
                "p5-spy record -o x.svg -- perl x.pl",
            ),
            (
                "p5-spy --flame x.svg perl x.pl",
                "p5-spy --flame x.svg -- perl x.pl",
            ),
            ("p5-spy record --fold ( -p 1", "unclosed group"),
            ("p5-spy record --fold-preset dancer -p 1", "plack"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.contains(needle), "{line}: {message}");
        }
    }
}
