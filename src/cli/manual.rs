//! What the parser knows, for manuals and shells: manual pages and completion scripts.

use super::opposites::free;
use super::{Shell, program};
use clap::builder::Resettable;
use clap::{ArgAction, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

/// The script that completes p5-spy's words in a shell.
pub fn completions(shell: Shell) -> Vec<u8> {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut public(), "p5-spy", &mut script);
    match (shell, String::from_utf8(script)) {
        // clap_complete 4.6 spells a hyphen of the program's own name in two ways.
        (Shell::Bash, Ok(text)) => text.replace("p5__subcmd__spy", "p5__spy").into_bytes(),
        (_, Ok(text)) => text.into_bytes(),
        (_, Err(e)) => e.into_bytes(),
    }
}

/// Every manual page as (file name, text for man), that of p5-spy itself first.
///
/// # Errors
/// None in practice: the pages are made in memory.
pub fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let whole = public();
    let verbs = whole.get_subcommands().map(|verb| {
        let name = format!("p5-spy-{}", verb.get_name());
        let spoken = format!("p5-spy {}", verb.get_name());
        let page = verb.clone().display_name(&name).bin_name(spoken);
        Ok((format!("{name}.1"), page_of(page, true)?))
    });
    let own = Ok(("p5-spy.1".into(), page_of(whole.clone(), false)?));
    std::iter::once(own).chain(verbs).collect()
}

/// The parser without what is not for everybody.
fn public() -> Command {
    let whole = program();
    let is_shown = |arg: &&clap::Arg| !arg.is_hide_set();
    let mut shown = bare(&whole).args(whole.get_arguments().filter(is_shown).map(free));
    for verb in whole.get_subcommands().filter(|v| !v.is_hide_set()) {
        let args = verb.get_arguments().filter(is_shown).map(free);
        shown = shown.subcommand(bare(verb).args(args).disable_version_flag(true));
    }
    shown
}

fn bare(command: &Command) -> Command {
    let mut bare = Command::new(command.get_name().to_owned())
        .about(Resettable::from(command.get_about().cloned()))
        .after_help(Resettable::from(command.get_after_help().cloned()))
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true);
    if let Some(usage) = command.get_overridden_usage() {
        bare = bare.override_usage(usage.clone());
    }
    bare
}

fn page_of(command: Command, is_verb: bool) -> std::io::Result<Vec<u8>> {
    let after = command.get_after_help().map(ToString::to_string);
    let (said, examples) = split(after.as_deref().unwrap_or_default());
    let synopsis = synopsis(&command);
    let man = Man::new(command.after_help(Resettable::Reset))
        .manual("p5-spy manual")
        .source(format!("p5-spy {}", env!("CARGO_PKG_VERSION")));
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    synopsis.to_writer(&mut page)?;
    man.render_description_section(&mut page)?;
    let mut roff = Roff::new();
    for paragraph in said {
        roff.control("PP", []);
        roff.text([roman(paragraph)]);
    }
    roff.to_writer(&mut page)?;
    man.render_options_section(&mut page)?;
    if !is_verb {
        man.render_subcommands_section(&mut page)?;
    }
    let mut roff = Roff::new();
    if !examples.is_empty() {
        roff.control("SH", ["EXAMPLES"]);
        roff.control("nf", []);
        for line in examples {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
    }
    for (title, items) in FACTS {
        roff.control("SH", [title]);
        for (item, text) in items {
            roff.control("TP", []);
            roff.text([bold(*item)]);
            roff.text([roman(*text)]);
        }
    }
    if is_verb {
        roff.control("SH", ["SEE ALSO"]);
        roff.text([bold("p5-spy"), roman("(1)")]);
    }
    roff.to_writer(&mut page)?;
    Ok(page)
}

/// How it is called, with the values that options take, which clap_mangen (0.3) leaves out.
fn synopsis(command: &Command) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut ways: Vec<Vec<Inline>> = Vec::new();
    if command.get_overridden_usage().is_some() {
        // Whoever begins with a verb has its own page.
        ways.push(vec![bold("VERB"), roman(" [OPTIONS]")]);
    }
    let mut words = Vec::new();
    let (positional, options): (Vec<_>, Vec<_>) =
        command.get_arguments().partition(|arg| arg.is_positional());
    for arg in options {
        words.extend([roman(" ["), option(arg)]);
        if let Some(value) = value(arg) {
            words.extend([roman(" "), italic(value)]);
        }
        let many = matches!(arg.get_action(), ArgAction::Append | ArgAction::Count);
        words.push(roman(if many { "]..." } else { "]" }));
    }
    for arg in positional {
        let many = if arg.get_num_args().is_some_and(|n| n.max_values() > 1) {
            "..."
        } else {
            ""
        };
        let name = italic(value(arg).unwrap_or_default());
        let parts = match (arg.is_last_set(), arg.is_required_set()) {
            (true, _) => [roman(" [-- "), name, roman(format!("{many}]"))],
            (_, true) => [roman(" "), name, roman(many)],
            (_, false) => [roman(" ["), name, roman(format!("]{many}"))],
        };
        words.extend(parts);
    }
    ways.insert(0, words);
    for way in ways {
        roff.control("HP", []);
        let begin = [bold(name), roman(" ")];
        roff.text(begin.into_iter().chain(way).collect::<Vec<_>>());
    }
    roff
}

fn option(arg: &clap::Arg) -> Inline {
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let both: Vec<String> = short.into_iter().chain(long).collect();
    bold(both.join("|"))
}

/// What stands for the value of an option; `None` for a switch.
fn value(arg: &clap::Arg) -> Option<String> {
    let takes = arg.is_positional() || arg.get_action().takes_values();
    let names = arg.get_value_names().filter(|_| takes)?;
    Some(names.join(" "))
}

/// What stands behind the options in a help text: paragraphs, and lines of examples.
fn split(after: &str) -> (Vec<String>, Vec<String>) {
    let (mut said, mut examples) = (Vec::new(), Vec::new());
    for block in after.split("\n\n").filter(|b| !b.is_empty()) {
        let title = block.split(':').next().unwrap_or_default();
        if ["Example", "Examples", "Short forms"].contains(&title) {
            let lines = block.get(title.len() + 1..).unwrap_or_default().lines();
            examples.extend(lines.map(|l| l.trim().to_owned()).filter(|l| !l.is_empty()));
        } else {
            said.push(block.replace('\n', " "));
        }
    }
    (said, examples)
}

/// The names of things with what they are.
type Items = &'static [(&'static str, &'static str)];

/// What no option says.
const FACTS: [(&str, Items); 3] = [
    (
        "EXIT STATUS",
        &[
            ("0", "All went well."),
            (
                "1",
                "It failed; standard error has the reason and what to do.",
            ),
            (
                "2",
                "The command line, P5SPY_OPTS or the configuration file has a mistake.",
            ),
            (
                "other",
                "Of top and record with a program to start: that program's own status, 128+n when signal n ended it.",
            ),
        ],
    ),
    (
        "FILES",
        &[
            (
                "$XDG_CONFIG_HOME/p5-spy/config.toml, ~/.config/p5-spy/config.toml",
                "Defaults of options by their long names: rate = 250, idle = true. A table has those of one verb: [record] by = \"line\". The command line goes before P5SPY_OPTS, that before the verb's table, and that before the rest of the file. Every switch has an opposite: --no-idle, --learn.",
            ),
            (
                "$XDG_CONFIG_HOME/p5-spy/layouts/*.toml, ~/.config/p5-spy/layouts/*.toml",
                "Layout tables that are used beside the built-in ones.",
            ),
            (
                "$XDG_CACHE_HOME/p5-spy, ~/.cache/p5-spy",
                "What was found out about perls, by build-id.",
            ),
        ],
    ),
    (
        "ENVIRONMENT",
        &[
            (
                "P5SPY_OPTS",
                "Options for every verb that knows them, quoted as for a shell.",
            ),
            (
                "XDG_CONFIG_HOME, XDG_CACHE_HOME, HOME",
                "Where the files above are.",
            ),
            ("NO_COLOR", "Nothing is printed in colour."),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn there_is_a_page_of_every_verb_that_is_shown() {
        let pages = pages().unwrap();
        let names: Vec<&str> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["p5-spy.1", "p5-spy-record.1", "p5-spy-ps.1"] {
            assert!(names.contains(&name), "{names:?}");
        }
        assert!(!names.contains(&"p5-spy-capture.1"));
        for (name, page) in pages {
            let page = text(page);
            for section in [
                "NAME",
                "SYNOPSIS",
                "OPTIONS",
                "EXAMPLES",
                "FILES",
                "ENVIRONMENT",
            ] {
                assert!(
                    page.contains(&format!(".SH {section}\n")),
                    "{name}: {section}"
                );
            }
            assert!(page.contains(".SH \"EXIT STATUS\"\n"), "{name}");
            // Every option that takes a value says so where it is called.
            let (_, calls) = page.split_once(".SH SYNOPSIS\n").unwrap();
            let (calls, options) = calls.split_once(".SH OPTIONS\n").unwrap();
            for option in options.split(".TP\n").filter(|o| o.starts_with("\\fB")) {
                let line = option.lines().next().unwrap();
                let Some((_, value)) = line.split_once("\\fI<") else {
                    continue;
                };
                let (value, _) = value.split_once(">\\fR").unwrap();
                let value = format!("\\fI{value}\\fR");
                assert!(calls.contains(&value), "{name}: {value} of {line}");
            }
            assert!(!page.contains("capture"), "{name}");
        }
    }

    #[test]
    fn scripts_know_what_is_shown() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = text(completions(shell));
            assert!(script.contains("layout-learn"), "{shell:?}");
            assert!(script.contains("subprocesses"), "{shell:?}");
            assert!(!script.contains("capture"), "{shell:?}");
            assert!(!script.contains("no-idle"), "{shell:?}");
        }
    }

    #[test]
    fn texts_behind_the_options_are_told_apart() {
        let (said, examples) = split("One\ntwo.\n\nExamples:\n  a b\n  c\n\nThree.");
        assert_eq!(said, ["One two.", "Three."]);
        assert_eq!(examples, ["a b", "c"]);
        let (said, examples) = split("Keys: q quits.\n\nExample: p5-spy top");
        assert_eq!((said.len(), examples), (1, vec!["p5-spy top".to_owned()]));
    }
}
