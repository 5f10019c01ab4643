//! What to say to a slip on the command line.

use super::mistake;
use crate::platform::quoted;
use clap::error::ErrorKind;
use std::ffi::OsString;

/// Where the word stands that the parser does not know. A word of the same text before it may be the
/// value of an option.
fn stray_word(error: &clap::Error, words: &[OsString]) -> Option<usize> {
    use clap::error::{ContextKind, ContextValue};
    let word = match error
        .get(ContextKind::InvalidArg)
        .or(error.get(ContextKind::InvalidSubcommand))?
    {
        ContextValue::String(word) => word,
        _ => return None,
    };
    let end = words.iter().position(|w| w == "--").unwrap_or(words.len());
    let is_stray = |at: &usize| {
        let before = words.get(..*at).unwrap_or_default();
        // An option that lacks its value is no stray word's fault.
        let lacks = |e: &clap::Error| {
            matches!(
                e.kind(),
                ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues
            )
        };
        let parsed = super::program().try_get_matches_from(before);
        words.get(*at).is_some_and(|w| w == word.as_str()) && !parsed.is_err_and(|e| lacks(&e))
    };
    (1..end).find(is_stray)
}

/// The same command line with what was probably meant: a process, or a program to start.
fn with_target(words: &[OsString], at: usize, verb: Option<&str>) -> Option<String> {
    let starts = matches!(verb, None | Some("top" | "record"));
    if !starts && verb != Some("dump") {
        return None;
    }
    let text = |words: &[OsString]| -> Vec<String> {
        let words = words.iter().map(|word| word.to_string_lossy());
        words.map(|word| quoted(&word)).collect()
    };
    let (before, from) = words.split_at_checked(at)?;
    let (before, from) = (text(before.get(1..)?), text(from));
    let stray = from.first()?;
    let all = |middle: &str| {
        let words = before.iter().map(String::as_str).chain([middle]);
        let words: Vec<&str> = words.chain(from.iter().map(String::as_str)).collect();
        words.join(" ")
    };
    if stray.parse::<u32>().is_ok() {
        return Some(format!(
            "a process is given with --pid: p5-spy {}",
            all("--pid")
        ));
    }
    if super::program().find_subcommand(stray).is_some() {
        let rest = before.iter().chain(from.get(1..).unwrap_or_default());
        let rest: Vec<&str> = rest.map(String::as_str).collect();
        let rest = crate::text::from_utf8(rest.join(" ").as_bytes());
        let said = format!("a verb comes first: p5-spy {stray} {rest}");
        return verb.is_none().then_some(said);
    }
    let names_one = |word: &String| {
        let is_long = ["--pid", "--name"].iter().any(|l| word.starts_with(l));
        is_long || word.starts_with("-p")
    };
    let may_start = starts && !stray.starts_with('-') && !before.iter().any(names_one);
    may_start.then(|| format!("a program to start is given after --: p5-spy {}", all("--")))
}

/// Replaces clap's advice where it would lead a user of ours astray.
pub(super) fn better_advice(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    use clap::error::{ContextKind, ContextValue};
    let shown = |words: &[OsString]| {
        let words: Vec<String> = words
            .iter()
            .map(|w| w.to_string_lossy().into_owned())
            .collect();
        crate::text::from_utf8(words.join(" ").as_bytes())
    };
    let given = words.get(1..).unwrap_or_default();
    let first = given
        .first()
        .map(|w| w.to_string_lossy().into_owned())
        .unwrap_or_default();
    let program = super::program();
    let verbs: Vec<&clap::Command> = program.get_subcommands().collect();
    let is_verb = verbs.iter().any(|v| v.get_name() == first);
    let shown_verbs = verbs.iter().filter(|v| !v.is_hide_set());
    let verbs: Vec<&str> = shown_verbs.map(|v| v.get_name()).collect();
    let number = |word: Option<&OsString>| word.and_then(|w| w.to_str()?.parse::<u32>().ok());
    let stray = matches!(
        error.kind(),
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
    );
    if stray && !is_verb && !first.starts_with('-') {
        if let Some(pid) = number(given.first()) {
            return mistake(
                error.kind(),
                format!("a process is given with --pid: p5-spy --pid {pid}"),
            );
        }
        let alike = verbs.iter().find(|v| strsim::jaro(v, &first) > 0.8);
        let message = match alike {
            Some(verb) => format!("{first} is no verb of p5-spy; did you mean '{verb}'?"),
            None => format!(
                "{first} is no verb of p5-spy (those are {}); to start a program: p5-spy -- {}",
                verbs.join(", "),
                shown(given)
            ),
        };
        return mistake(error.kind(), message);
    }
    if stray
        && let Some(at) = stray_word(&error, words)
        && let Some(better) = with_target(words, at, is_verb.then_some(&*first))
    {
        return mistake(error.kind(), better);
    }
    let at = stray.then(|| stray_word(&error, words)).flatten();
    let names_program = at
        .and_then(|at| words.get(at))
        .is_some_and(|word| !word.as_encoded_bytes().starts_with(b"-"));
    if first == "dump" && (names_program || given.iter().any(|w| w == "--")) {
        let message = "dump looks at a program that runs already: p5-spy dump --pid PID; to start one: p5-spy record -o FILE -- PROGRAM";
        return mistake(ErrorKind::ArgumentConflict, message.into());
    }
    // "use '-- -x'" would start a program of that name.
    if let Some(ContextValue::StyledStrs(tips)) = error.get(ContextKind::Suggested) {
        let kept: Vec<_> = tips
            .iter()
            .filter(|tip| !tip.to_string().contains("'-- "))
            .cloned()
            .collect();
        error.remove(ContextKind::Suggested);
        if !kept.is_empty() {
            error.insert(ContextKind::Suggested, ContextValue::StyledStrs(kept));
        }
    }
    error
}
