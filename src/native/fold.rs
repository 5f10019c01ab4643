//! Which frames of C are worth a frame of a picture: perl's own way from a Perl line to the C that it means is not.

use super::code::CodeFrame;
use super::loops::{CodeRole, plain_name};
use std::sync::Arc;

/// Functions of perl that only lead on (pp_hot.c, run.c, perl.c, mg.c, pp_sort.c), beside those with a role in the
/// order of run loops.
const PLUMBING: &[&str] = &[
    "Perl_pp_entersub",
    "Perl_pp_wrap",
    "Perl_xs_wrap",
    "Perl_call_method",
    "Perl_call_pv",
    "Perl_call_argv",
    "Perl_eval_pv",
    "Perl_magic_methcall",
    "S_sortcv",
    "sortcv",
    "S_sortcv_stacked",
    "S_sortcv_xsub",
];
/// What leads, with the parser, to code that runs while other code is compiled (`BEGIN`, `use`), and from the program's
/// start and end to what it calls.
const AROUND: &[&str] = &[
    "Perl_utilize",
    "Perl_load_module",
    "Perl_vload_module",
    "Perl_newATTRSUB_x",
    "Perl_newATTRSUB",
    "S_process_special_blocks",
    "Perl_call_list",
    "S_call_list_body",
    "S_doeval_compile",
    "S_doeval",
    "perl_parse",
    "S_parse_body",
    "perl_destruct",
];
/// Where programs and threads begin.
const BEGINNING: &[&str] = &[
    "_start",
    "__libc_start_main",
    "__libc_start_main_impl",
    "__libc_start_call_main",
    "start_thread",
    "clone",
    "clone3",
    "__clone3",
];
/// perl's own beginning, beside that of its main program: what called it is no host program.
const OWN_BEGINNING: &[&str] = &["perl_parse", "perl_destruct", "perl_free"];

/// What perl does between two ops (perl.h, `PERL_ASYNC_CHECK`): it is called by the run loop, and no op.
const BETWEEN_OPS: &str = "Perl_despatch_signals";

/// What of C is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeLevel {
    /// What an op or a sub in C calls.
    Calls,
    /// Each function.
    All,
}

/// A frame as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCode {
    /// Its function, or `[FILE]` for some that have no names.
    pub label: Arc<str>,
    /// Its file.
    pub file: Arc<str>,
}

/// Where frames of C are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSection {
    /// Above the innermost run loop, on top of the op that they belong to.
    Op,
    /// The same, on top of the sub in C that this op calls, which has its Perl name.
    Xsub,
    /// Below a call that they make, whose loop runs or is about to.
    Outer,
}

/// What is shown of frames that follow upon each other, innermost first. The outermost comes first.
pub fn shown(frames: &[CodeFrame], section: CodeSection, level: NativeLevel) -> Vec<ShownCode> {
    let mut rest = match section {
        CodeSection::Outer if level == NativeLevel::Calls => within_perl(frames),
        CodeSection::Outer => frames,
        _ => inner_call(frames).0,
    };
    if level == NativeLevel::Calls {
        rest = match section {
            CodeSection::Outer => rest,
            _ => without_op(rest),
        };
        if section == CodeSection::Xsub {
            rest = without_outer(rest, is_plumbing);
            rest = rest.split_last().map_or(rest, |(_, inner)| inner);
        }
    }
    let mut shown: Vec<ShownCode> = Vec::new();
    for (number, frame) in rest.iter().enumerate().rev() {
        let is_around = section == CodeSection::Outer && leads_around(frame);
        if level == NativeLevel::Calls && (is_plumbing(frame) || is_around) {
            continue;
        }
        // The function of an op has the op's name, or none.
        let is_op = section == CodeSection::Outer && number + 1 == rest.len() && frame.is_perls;
        if level == NativeLevel::Calls && is_op && !has_op_name(frame) {
            continue;
        }
        let label = match &frame.function {
            Some(function) if level == NativeLevel::Calls => perls_name(function),
            Some(function) => function.clone(),
            None => format!("[{}]", frame.file).into(),
        };
        let next = ShownCode {
            label,
            file: frame.file.clone(),
        };
        let is_same = frame.function.is_none() && shown.last() == Some(&next);
        if !is_same || level == NativeLevel::All {
            shown.push(next);
        }
    }
    shown
}

/// What the functions of ops begin with (pp_proto.h).
const OP_FUNCTION: &str = "Perl_pp_";
/// What those of subs in C do (ExtUtils::ParseXS).
const XSUB_FUNCTION: &str = "XS_";

fn has_op_name(frame: &CodeFrame) -> bool {
    let name = frame.function.as_deref();
    name.is_some_and(|name| name.starts_with(OP_FUNCTION))
}

/// An op is called as perl calls it, and a sub in C as Perl does: `sort`, `List::Util::first`.
fn perls_name(function: &Arc<str>) -> Arc<str> {
    let plain = plain_name(function);
    if let Some(op) = plain.strip_prefix(OP_FUNCTION) {
        return op.into();
    }
    let sub = plain.strip_prefix(XSUB_FUNCTION);
    match sub.map(|sub| sub.replace("__", "::")) {
        // The package's last word has no underscore, its sub may have some.
        Some(sub) => match sub.rsplit_once("::") {
            Some((outer, last)) => format!("{outer}::{}", last.replacen('_', "::", 1)).into(),
            None => sub.replacen('_', "::", 1).into(),
        },
        None => function.clone(),
    }
}

/// A call from C has no loop before its first op and behind its last: its sub may be perl's innermost frame all the
/// same. What it does already, and what led to it.
pub fn inner_call(frames: &[CodeFrame]) -> (&[CodeFrame], &[CodeFrame]) {
    let call = frames.iter().position(|frame| frame.role == CodeRole::Call);
    call.map_or((frames, &[]), |at| frames.split_at(at))
}

/// The run loop calls the op's own function: its name is the op's.
fn without_op(frames: &[CodeFrame]) -> &[CodeFrame] {
    match frames.split_last() {
        Some((op, inner)) if op.is_perls && op.function.as_deref() != Some(BETWEEN_OPS) => inner,
        _ => frames,
    }
}

fn without_outer(mut frames: &[CodeFrame], skip: impl Fn(&CodeFrame) -> bool) -> &[CodeFrame] {
    while let Some((outer, inner)) = frames.split_last()
        && skip(outer)
    {
        frames = inner;
    }
    frames
}

/// Without what is around perl, where that is perl's own program.
fn within_perl(frames: &[CodeFrame]) -> &[CodeFrame] {
    let is_own = |frame: &CodeFrame| {
        let name = frame.function.as_deref();
        let is_named = name.is_some_and(|name| OWN_BEGINNING.contains(&plain_name(name)));
        frame.role == CodeRole::Main || frame.is_perls && is_named
    };
    let own = frames.iter().position(is_own);
    own.and_then(|at| frames.get(..at)).unwrap_or(frames)
}

fn leads_around(frame: &CodeFrame) -> bool {
    let name = frame.function.as_deref().map(plain_name);
    let is_in = |names: &[&str]| name.is_some_and(|name| names.contains(&name));
    let is_around = frame.role == CodeRole::Parser || frame.is_perls && is_in(AROUND);
    is_around || !frame.is_perls && is_in(BEGINNING)
}

fn is_plumbing(frame: &CodeFrame) -> bool {
    match frame.role {
        CodeRole::Loop | CodeRole::Wrapper | CodeRole::Call | CodeRole::Docatch => true,
        _ => {
            let name = frame.function.as_deref().map(plain_name);
            frame.is_perls && name.is_some_and(|name| PLUMBING.contains(&name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERL: &str = "libperl.so.5.36";

    /// Outermost first: `name file`, without a name `- file`.
    fn frames(all: &[&str]) -> Vec<CodeFrame> {
        let frame = |text: &&str| {
            let (name, file) = text.split_once(' ').unwrap_or((text, PERL));
            CodeFrame {
                function: (name != "-").then(|| name.into()),
                file: file.into(),
                is_perls: file == PERL,
                role: CodeRole::of((name != "-").then_some(name), file == PERL),
            }
        };
        all.iter().rev().map(frame).collect()
    }

    fn labels(all: &[&str], has_xsub: bool) -> Vec<String> {
        let section = match has_xsub {
            true => CodeSection::Xsub,
            false => CodeSection::Op,
        };
        let shown = shown(&frames(all), section, NativeLevel::Calls);
        shown.iter().map(|f| f.label.to_string()).collect()
    }

    #[test]
    fn an_op_has_what_it_calls() {
        let regex = ["Perl_pp_match", "Perl_regexec_flags", "S_regmatch"];
        assert_eq!(labels(&regex, false), ["Perl_regexec_flags", "S_regmatch"]);
        // Where the functions of ops have no names, as from 5.40 on.
        assert_eq!(labels(&["-", "Perl_sv_gets"], false), ["Perl_sv_gets"]);
        assert!(labels(&["Perl_pp_add"], false).is_empty());
        let signal = ["Perl_despatch_signals", "Perl_csighandler3"];
        assert_eq!(labels(&signal, false), signal);
    }

    #[test]
    fn a_sub_in_c_has_its_perl_name_only() {
        let zip = [
            "Perl_pp_entersub",
            "- auto/Zlib.so",
            "deflate libz.so.1",
            "- libz.so.1",
        ];
        assert_eq!(labels(&zip, true), ["deflate", "[libz.so.1]"]);
        let wrapped = ["-", "Perl_xs_wrap", "XS_B_x B.so", "Perl_newSViv"];
        assert_eq!(labels(&wrapped, true), ["Perl_newSViv"]);
        assert!(labels(&["Perl_pp_entersub"], true).is_empty());
    }

    #[test]
    fn what_led_to_a_call_that_is_only_begun_is_not_told() {
        let begun = [
            "Perl_pp_sort",
            "Perl_sortsv_flags",
            "Perl_amagic_call",
            "Perl_pp_entersub",
        ];
        assert!(labels(&begun, false).is_empty());
    }

    #[test]
    fn neighbours_without_names_are_one_frame() {
        let json = [
            "Perl_pp_entersub",
            "x XS.so",
            "- XS.so",
            "- XS.so",
            "Perl_av_fetch",
            "- XS.so",
        ];
        assert_eq!(labels(&json, true), ["[XS.so]", "Perl_av_fetch", "[XS.so]"]);
    }

    #[test]
    fn what_leads_to_a_call_has_perls_names() {
        let outer = |names: &[&str]| {
            let shown = shown(&frames(names), CodeSection::Outer, NativeLevel::Calls);
            let labels = shown.iter().map(|frame| frame.label.to_string());
            labels.collect::<Vec<_>>()
        };
        let sort = ["Perl_pp_sort", "Perl_sortsv_flags", "S_sortcv"];
        assert_eq!(outer(&sort), ["sort", "Perl_sortsv_flags"]);
        let nameless = ["-", "Perl_sortsv_flags", "-", "S_sortcv"];
        assert_eq!(outer(&nameless), ["Perl_sortsv_flags", "[libperl.so.5.36]"]);
        let sqlite = [
            "Perl_pp_entersub",
            "XS_DBI_dispatch DBI/DBI.so",
            "- DBD/SQLite/SQLite.so",
            "sqlite3_step DBD/SQLite/SQLite.so",
            "Perl_call_sv",
        ];
        let labels = ["DBI::dispatch", "[DBD/SQLite/SQLite.so]", "sqlite3_step"];
        assert_eq!(outer(&sqlite), labels);
        let first = ["-", "XS_List__Util_first List/Util/Util.so"];
        assert_eq!(outer(&first), ["List::Util::first"]);
        let odd = ["Perl_pp_entersub", "XS_Foo__Bar_do_it Bar.so"];
        assert_eq!(outer(&odd), ["Foo::Bar::do_it"]);
    }

    #[test]
    fn all_is_all() {
        let names = ["Perl_pp_entersub", "- XS.so", "- XS.so", "S_docatch"];
        let all = shown(&frames(&names), CodeSection::Xsub, NativeLevel::All);
        assert_eq!(all.len(), 4);
        assert_eq!(labels(&names, true), ["[XS.so]"]);
    }
}
