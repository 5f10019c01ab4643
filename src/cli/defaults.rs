//! Options that nobody typed: those of the configuration file and of `P5SPY_OPTS`. They become
//! words in front of the user's own, so that nothing behind the parser knows where an option came
//! from.
//!
//! What is nearer wins: the command line, then `P5SPY_OPTS`, then the file's table of the verb, then
//! the rest of the file. A default that does not go together with what was typed is left out.

use super::opposites::{free, opposite};
use super::{Format, mistake, program};
use crate::platform::opened::{may_direct_us, name_may_direct_us, open_at_once};
use crate::platform::{places, takes_escapes};
use clap::builder::Resettable;
use clap::error::{ContextKind, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::ffi::{OsStr, OsString};
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// What decides beside the words of the command line.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// There is somebody at a terminal who can be asked.
    pub can_ask: bool,
    /// `P5SPY_OPTS`.
    pub options: Option<OsString>,
    /// The configuration file, there or not.
    pub config: Option<PathBuf>,
}

impl Surroundings {
    /// The surroundings of this very process.
    pub fn of_this_process() -> Self {
        Surroundings {
            can_ask: std::io::stdin().is_terminal()
                && std::io::stdout().is_terminal()
                && takes_escapes(),
            options: std::env::var_os("P5SPY_OPTS"),
            config: config_folder().map(|folder| folder.join("config.toml")),
        }
    }

    /// The file, if there is one. What we may not even look for, as in the home of a former user,
    /// is not ours.
    fn file(&self) -> Option<&Path> {
        self.config.as_deref().filter(|file| file.exists())
    }

    /// Somebody may have set defaults.
    pub(super) fn have_defaults(&self) -> bool {
        self.options.is_some() || self.file().is_some()
    }
}

/// The user's folder for p5-spy, there or not, unless we are root and it is another
/// user's: sudo and su may keep that user's HOME, and root does not do what he has written there.
pub fn config_folder() -> Option<PathBuf> {
    named_folder().filter(|folder| !is_foreign(folder))
}

/// The folder that is passed over because it is another user's.
pub fn foreign_config_folder() -> Option<PathBuf> {
    named_folder().filter(|folder| is_foreign(folder))
}

fn is_foreign(folder: &Path) -> bool {
    name_may_direct_us(folder).is_ok_and(|may| !may)
}

fn named_folder() -> Option<PathBuf> {
    Some(places::configuration()?.join("p5-spy"))
}

/// The option that switches all of this off; verbs without it have no defaults.
const OFF: &str = "no-config";

/// Options that say what to do now, not how things are usually done.
const ONE_TIME: [&str; 8] = [
    "pid", "name", "capture", "flame", "dump", OFF, "help", "version",
];

/// No configuration is longer.
const LONGEST: u64 = 1 << 20;

/// One option with its value, as a word or several.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    /// The long name, with or without "no-".
    name: String,
    words: Vec<OsString>,
}

/// The words of a command line with the defaults put in front of the user's own; `None` where there
/// are none. `typed` is what they say without.
pub(super) fn with_defaults(
    words: &[OsString],
    typed: &ArgMatches,
    around: &Surroundings,
) -> Result<Option<Vec<OsString>>, clap::Error> {
    if !around.have_defaults() {
        return Ok(None);
    }
    let whole = program();
    let (command, matches, start) = match typed.subcommand() {
        Some((name, matches)) => (whole.find_subcommand(name), matches, 2),
        None => (Some(&whole), typed, 1),
    };
    let is_off = |command: &Command| long(command, OFF).is_none() || matches.get_flag("no_config");
    let Some(command) = command.filter(|c| !is_off(c)) else {
        return Ok(None);
    };
    let verb = match typed.subcommand_name() {
        Some(verb) => verb,
        None if typed.contains_id("flame") => "record",
        None if typed.get_flag("dump") => "dump",
        None => "top",
    };
    let mut found = match &around.options {
        Some(options) => of_environment(options)?,
        None => Vec::new(),
    };
    if let Some(file) = around.file() {
        found.extend(of_file(file, verb)?);
    }
    let of_verb = whole.find_subcommand(verb);
    let is_known = |given: &Given| {
        let takes = |c: &Command| long(c, &given.name).is_some();
        takes(command) && of_verb.is_some_and(takes)
    };
    let is_typed = |given: &Given| {
        [given.name.clone(), opposite(&given.name)]
            .iter()
            .filter_map(|name| long(command, name))
            .any(|arg| {
                matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine)
            })
            || (given.name == "format" && tells_format(matches))
    };
    found.retain(|given| is_known(given) && !is_typed(given));
    Ok((!found.is_empty()).then(|| insert(words, start, found)))
}

/// Puts in whatever the parser takes together with the user's words, nearest first.
fn insert(words: &[OsString], start: usize, found: Vec<Given>) -> Vec<OsString> {
    let mut best = words.to_vec();
    let mut taken: Vec<String> = Vec::new();
    let mut left = found;
    loop {
        let before = left.len();
        left.retain(|given| {
            if taken.contains(&given.name) || taken.contains(&opposite(&given.name)) {
                return false;
            }
            let mut tried = best.clone();
            let at = start.min(tried.len());
            tried.splice(at..at, given.words.iter().cloned());
            let fits = program().try_get_matches_from(&tried).is_ok();
            if fits {
                best = tried;
                taken.push(given.name.clone());
            }
            !fits
        });
        // What was refused may need another that has come in only now.
        if left.len() == before {
            return best;
        }
    }
}

/// True when a file was named whose extension tells the format: then a default format is none.
fn tells_format(matches: &ArgMatches) -> bool {
    let raw = matches.try_get_raw("output").ok().flatten();
    raw.is_some_and(|mut files| files.any(|file| Format::of_file(Path::new(file)).is_some()))
}

fn long<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|a| a.get_long() == Some(name))
}

/// All options of all verbs, each once, with no bond between them.
fn all_options() -> Command {
    let program = program();
    let mut all = Command::new("p5-spy")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true);
    let verbs = program.get_subcommands().flat_map(Command::get_arguments);
    for arg in program.get_arguments().chain(verbs) {
        let is_known = arg.get_long().is_none_or(|name| long(&all, name).is_some());
        if is_known || matches!(arg.get_action(), ArgAction::Help | ArgAction::Version) {
            continue;
        }
        let free = free(arg).default_value(Resettable::Reset).required(false);
        all = all.arg(free);
    }
    all
}

/// What `P5SPY_OPTS` says.
fn of_environment(text: &OsStr) -> Result<Vec<Given>, clap::Error> {
    let refuse = |what: &str| mistake(ErrorKind::InvalidValue, format!("P5SPY_OPTS: {what}"));
    let text = text.to_str().ok_or_else(|| refuse("it is not UTF-8"))?;
    let words = shlex::split(text).ok_or_else(|| refuse("a quotation mark is not closed"))?;
    let all = all_options();
    let matches = all
        .clone()
        .try_get_matches_from(words)
        .map_err(|e| refuse(&reason(&e)))?;
    let mut found = Vec::new();
    for arg in all.get_arguments() {
        let id = arg.get_id().as_str();
        if matches.value_source(id) != Some(ValueSource::CommandLine) {
            continue;
        }
        let name = arg.get_long().unwrap_or_default();
        if ONE_TIME.contains(&name) {
            return Err(refuse(&format!("--{name} can be no default")));
        }
        let words = match arg.get_action() {
            ArgAction::SetTrue => vec![format!("--{name}").into()],
            ArgAction::Count => vec![format!("--{name}").into(); matches.get_count(id).into()],
            _ => {
                let values = matches.get_raw(id).into_iter().flatten();
                values.map(|value| assigned(name, value)).collect()
            }
        };
        found.push(Given {
            name: name.to_owned(),
            words,
        });
    }
    Ok(found)
}

fn assigned(name: &str, value: &OsStr) -> OsString {
    let mut word = OsString::from(format!("--{name}="));
    word.push(value);
    word
}

/// What is wrong, in clap's words without its surroundings.
fn reason(error: &clap::Error) -> String {
    let text = error.to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line.strip_prefix("error: ").unwrap_or(line).to_owned();
    match error.get(ContextKind::SuggestedArg) {
        Some(alike) => format!("{line}; did you mean {alike}?"),
        None => line,
    }
}

/// What the configuration file says to a verb, nearest first.
fn of_file(path: &Path, verb: &str) -> Result<Vec<Given>, clap::Error> {
    let shown = crate::text::from_utf8(path.as_os_str().as_encoded_bytes());
    let refuse = |what: String| mistake(ErrorKind::InvalidValue, format!("{shown}: {what}"));
    let text =
        read(path).map_err(|e| refuse(format!("cannot read it: {e}. --no-config goes without")))?;
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let at = e.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
        refuse(format!("line {line}: {}", e.message()))
    })?;
    let program = program();
    let all = all_options();
    let (mut nearest, mut general) = (Vec::new(), Vec::new());
    for (key, value) in &table {
        let toml::Value::Table(inner) = value else {
            general.push(given(key, value, &all, &all).map_err(|e| refuse(format!("{key}: {e}")))?);
            continue;
        };
        let of_table = program
            .find_subcommand(key)
            .filter(|c| long(c, OFF).is_some());
        let of_table = of_table.ok_or_else(|| {
            let verbs = program.get_subcommands();
            let verbs = verbs.filter(|c| long(c, OFF).is_some() && !c.is_hide_set());
            let names: Vec<&str> = verbs.map(Command::get_name).collect();
            refuse(format!(
                "[{key}]: no such verb (those are {})",
                names.join(", ")
            ))
        })?;
        for (name, value) in inner {
            let given = given(name, value, of_table, &all)
                .map_err(|e| refuse(format!("[{key}] {name}: {e}")))?;
            if key == verb {
                nearest.push(given);
            }
        }
    }
    nearest.extend(general);
    Ok(nearest)
}

fn read(path: &Path) -> std::io::Result<String> {
    let file = open_at_once(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(std::io::Error::other("it is no regular file"));
    }
    if !may_direct_us(&file)? {
        return Err(std::io::Error::other("it is another user's"));
    }
    let mut text = String::new();
    let read = file.take(LONGEST).read_to_string(&mut text)?;
    if read as u64 == LONGEST {
        return Err(std::io::Error::other("it is too long"));
    }
    Ok(text)
}

/// One key of the file. `command` must have that option; `all` are those that there are.
fn given(
    name: &str,
    value: &toml::Value,
    command: &Command,
    all: &Command,
) -> Result<Given, String> {
    use toml::Value::{Array, Boolean, Float, Integer, String as Text};
    let arg = long(all, name).ok_or_else(|| unknown(name, command))?;
    if ONE_TIME.contains(&name) {
        return Err("it can be no default".into());
    }
    if long(command, name).is_none() {
        return Err(format!("{} has no such option", command.get_name()));
    }
    let scalar = |value: &toml::Value| match value {
        Text(text) => Ok(text.clone()),
        Integer(number) => Ok(number.to_string()),
        Float(number) => Ok(number.to_string()),
        _ => Err("a number or a string is needed".to_owned()),
    };
    let (name, words) = match (arg.get_action(), value) {
        (ArgAction::SetTrue, Boolean(true)) => (name.to_owned(), vec![format!("--{name}")]),
        (ArgAction::SetTrue, Boolean(false)) => {
            let opposite = opposite(name);
            // Not to forbid something is less than to ask for it, where both are options.
            let asks = long(all, &opposite).is_some_and(|arg| !arg.is_hide_set());
            let is_less = asks && name.starts_with("no-");
            let words = (!is_less).then(|| format!("--{opposite}"));
            (opposite, words.into_iter().collect())
        }
        (ArgAction::SetTrue, _) => return Err("true or false is needed".into()),
        (ArgAction::Count, Integer(times @ 0..=9)) => {
            let times = usize::try_from(*times).unwrap_or(0);
            (name.to_owned(), vec![format!("--{name}"); times])
        }
        (ArgAction::Count, Boolean(is_on)) => (
            name.to_owned(),
            vec![format!("--{name}"); usize::from(*is_on)],
        ),
        (ArgAction::Count, _) => return Err("true, false or a small number is needed".into()),
        (ArgAction::Append, Array(values)) => {
            let values: Result<Vec<String>, String> = values.iter().map(scalar).collect();
            let words = values?.into_iter().map(|v| format!("--{name}={v}"));
            (name.to_owned(), words.collect())
        }
        (_, value) => (
            name.to_owned(),
            vec![format!("--{name}={}", scalar(value)?)],
        ),
    };
    all.clone()
        .try_get_matches_from(&words)
        .map_err(|e| reason(&e))?;
    Ok(Given {
        name,
        words: words.into_iter().map(OsString::from).collect(),
    })
}

/// What to say to a key that no verb knows.
fn unknown(name: &str, command: &Command) -> String {
    let names = command
        .get_arguments()
        .filter(|a| !a.is_hide_set())
        .filter_map(Arg::get_long)
        .filter(|long| !ONE_TIME.contains(long));
    let alike = names
        .map(|long| (strsim::jaro_winkler(long, name), long))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match alike {
        Some((_, long)) => format!("there is no such option; did you mean {long}?"),
        None => "there is no such option".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Job, Order};
    use super::*;

    /// What p5-spy would do.
    fn job(line: &str, options: &str, config: &str) -> Result<Job, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.toml");
        std::fs::write(&file, config).unwrap();
        let around = Surroundings {
            can_ask: false,
            options: Some(options.into()),
            config: Some(file),
        };
        Order::parse(line.split_whitespace(), &around)
            .map(|order| order.job)
            .map_err(|e| e.to_string())
    }

    fn rate(line: &str, options: &str, config: &str) -> f64 {
        match job(line, options, config).unwrap() {
            Job::Record { sampling, .. } | Job::Top { sampling, .. } => sampling.rate,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_nearest_wins() {
        let file = "rate = 10\n[record]\nrate = 20\n";
        for (line, options, config, expected) in [
            ("p5-spy record -p 1", "", "", 100.0),
            ("p5-spy record -p 1", "", "rate = 10", 10.0),
            ("p5-spy record -p 1", "", "rate = 0.5", 0.5),
            ("p5-spy record -p 1", "", file, 20.0),
            ("p5-spy top -p 1", "", file, 10.0),
            ("p5-spy -p 1", "", file, 10.0),
            ("p5-spy --flame x.svg -p 1", "", file, 20.0),
            ("p5-spy record -p 1", "-r 30", file, 30.0),
            ("p5-spy record -p 1", "--rate=30", file, 30.0),
            ("p5-spy record -p 1 -r 40", "-r 30", file, 40.0),
            ("p5-spy record -p 1 --rate 40", "-r 30", file, 40.0),
            ("p5-spy record -p 1 --no-config", "-r 30", file, 100.0),
        ] {
            assert_eq!(
                rate(line, options, config),
                expected,
                "{line} {options} {config}"
            );
        }
    }

    #[test]
    fn a_switch_can_be_switched_back() {
        use crate::layout::Learn::{Anybodys, Never, Ours};
        let idle = |line: &str, options: &str, config: &str| match job(line, options, config) {
            Ok(Job::Record {
                sampling, layout, ..
            }) => (sampling.idle, layout.learn),
            other => panic!("{other:?}"),
        };
        let on = "idle = true\nno-learn = true\n";
        assert_eq!(idle("p5-spy record -p 1", "", on), (true, Never));
        assert_eq!(
            idle("p5-spy record -p 1 --no-idle --learn", "", on),
            (false, Anybodys)
        );
        assert_eq!(
            idle("p5-spy record -p 1", "--no-idle --learn", on),
            (false, Anybodys)
        );
        assert_eq!(
            idle("p5-spy record -p 1 --idle", "--no-idle", on),
            (true, Never)
        );
        let off = "idle = true\n[record]\nidle = false\n";
        assert_eq!(idle("p5-spy record -p 1", "", off), (false, Ours));
        for (config, learn) in [
            ("learn = false", Never),
            ("learn = true", Anybodys),
            ("no-learn = false", Ours),
            ("no-learn = true\n[record]\nno-learn = false", Ours),
        ] {
            let (_, found) = idle("p5-spy record -p 1", "", config);
            assert_eq!(found, learn, "{config}");
        }
        assert_eq!(
            idle("p5-spy record -p 1 --idle --no-idle", "", ""),
            (false, Ours)
        );
    }

    #[test]
    fn what_a_verb_does_not_know_is_left_out() {
        let plain = |line: &str| job(line, "", "").unwrap();
        let file = "rate = 10\nidle = true\nthreads = true\n[record]\nby = \"line\"\n";
        for line in [
            "p5-spy dump -p 1",
            "p5-spy --dump -p 1",
            "p5-spy layout-dump -p 1",
            "p5-spy layout-learn x",
        ] {
            assert_eq!(
                job(line, "-r 5 --idle", file).unwrap(),
                plain(line),
                "{line}"
            );
        }
    }

    #[test]
    fn what_does_not_go_together_gives_way_to_what_was_typed() {
        let format = |line: &str, config: &str| match job(line, "", config) {
            Ok(Job::Record { format, .. }) => format,
            other => panic!("{other:?}"),
        };
        let collapsed = "[record]\nformat = \"collapsed\"";
        assert_eq!(format("p5-spy record -p 1", collapsed), Format::Collapsed);
        assert_eq!(
            format("p5-spy record -p 1 -o a.svg", collapsed),
            Format::Flamegraph
        );
        assert_eq!(
            format("p5-spy record -p 1 -o -", collapsed),
            Format::Collapsed
        );
        let dirs = |line: &str| match job(line, "", "debug-dir = [\"a\", \"b\"]") {
            Ok(Job::Dump { layout, .. }) => (layout.debug_dirs.len(), layout.use_debug_info),
            other => panic!("{other:?}"),
        };
        assert_eq!(dirs("p5-spy dump -p 1"), (2, true));
        assert_eq!(dirs("p5-spy dump -p 1 --debug-dir c"), (1, true));
        assert_eq!(dirs("p5-spy dump -p 1 --no-debug-info"), (0, false));
        let locals = |line: &str| match job(line, "", "[dump]\nvalues = true\nlocals = 2") {
            Ok(Job::Dump { depth, .. }) => depth.locals.map(|l| (l.lexicals, l.values)),
            other => panic!("{other:?}"),
        };
        assert_eq!(locals("p5-spy dump -p 1"), Some((true, true)));
        assert_eq!(locals("p5-spy dump -p 1 -l"), Some((false, true)));
        let alone = job("p5-spy dump -p 1", "", "[dump]\nvalues = true").unwrap();
        assert_eq!(alone, job("p5-spy dump -p 1", "", "").unwrap());
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        for (config, needles) in [
            (
                "ratee = 5",
                &["config.toml: ratee: ", "did you mean rate?"][..],
            ),
            (
                "rate = \"many\"",
                &["config.toml: rate: ", "samples per second"],
            ),
            ("rate = true", &["rate: a number or a string"]),
            ("rate = [1]", &["rate: a number or a string"]),
            ("idle = 1", &["idle: true or false"]),
            ("pid = 1", &["pid: it can be no default"]),
            (
                "[dump]\nrate = 5",
                &["[dump] rate: dump has no such option"],
            ),
            (
                "[dump]\nlocale = 1",
                &["[dump] locale: ", "did you mean locals?"],
            ),
            ("[recrod]\nrate = 5", &["[recrod]: no such verb", "record"]),
            ("[man]\nrate = 5", &["[man]: no such verb"]),
            ("synthetic = \"much\"", &["synthetic: ", "much"]),
            ("\n\nrate = = 5", &["config.toml: line 3: "]),
            ("zzz = 5", &["zzz: there is no such option"]),
        ] {
            let said = job("p5-spy record -p 1", "", config).unwrap_err();
            for needle in needles {
                assert!(said.contains(needle), "{config}: {said}");
            }
        }
        for (options, needle) in [
            ("--ratee 5", "P5SPY_OPTS: unexpected argument '--ratee'"),
            ("--rate many", "P5SPY_OPTS: invalid value 'many'"),
            ("--rate '5", "P5SPY_OPTS: a quotation mark"),
            ("--pid 5", "P5SPY_OPTS: --pid can be no default"),
            ("record", "P5SPY_OPTS: unexpected argument 'record'"),
        ] {
            let said = job("p5-spy record -p 1", options, "").unwrap_err();
            assert!(said.contains(needle), "{options}: {said}");
            assert!(job("p5-spy record -p 1 --no-config", options, "").is_ok());
        }
    }

    /// `P5SPY_OPTS` is for all verbs: a name or a letter must mean the same to all of them.
    #[test]
    fn no_letter_has_two_meanings() {
        let program = program();
        let verbs = program.get_subcommands().flat_map(Command::get_arguments);
        let all: Vec<&Arg> = program.get_arguments().chain(verbs).collect();
        for one in &all {
            for other in &all {
                if one.get_short().is_some() && one.get_short() == other.get_short() {
                    assert_eq!(one.get_long(), other.get_long(), "-{:?}", one.get_short());
                }
                if one.get_long().is_some() && one.get_long() == other.get_long() {
                    assert_eq!(one.get_id(), other.get_id(), "--{:?}", one.get_long());
                    let takes = |a: &Arg| a.get_action().takes_values();
                    assert_eq!(takes(one), takes(other), "--{:?}", one.get_long());
                }
            }
        }
    }
}
