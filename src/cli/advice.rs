//! What to say to a slip on the command line.

use super::mistake;
use clap::error::ErrorKind;
use std::ffi::OsString;

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
        && is_verb
        && let Some(pid) = number(given.get(1))
    {
        return mistake(
            error.kind(),
            format!("a process is given with --pid: p5-spy {first} --pid {pid}"),
        );
    }
    if first == "dump" && given.iter().any(|w| w == "--") {
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
