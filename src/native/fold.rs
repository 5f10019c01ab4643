//! Which frames of C are worth a frame of a picture: perl's own way from a Perl line to the C that it means is not.

use super::innermost::CodeFrame;
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

/// What is shown of the frames above a run loop, innermost first, on top of the op that they belong to or, where
/// `has_xsub`, of the sub in C that this calls. The outermost comes first.
pub fn shown(frames: &[CodeFrame], has_xsub: bool, level: NativeLevel) -> Vec<ShownCode> {
    let mut rest = inner_call(frames);
    if level == NativeLevel::Calls {
        rest = without_op(rest);
        if has_xsub {
            rest = without_outer(rest, is_plumbing);
            rest = rest.split_last().map_or(rest, |(_, inner)| inner);
        }
    }
    let mut shown: Vec<ShownCode> = Vec::new();
    for frame in rest.iter().rev() {
        if level == NativeLevel::Calls && is_plumbing(frame) {
            continue;
        }
        let label = match &frame.function {
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

/// A call from C has no loop before its first op and behind its last: its sub may be perl's innermost frame all the
/// same, so that what led to the call is not told.
fn inner_call(frames: &[CodeFrame]) -> &[CodeFrame] {
    let call = frames.iter().position(|frame| frame.role == CodeRole::Call);
    call.and_then(|at| frames.get(..at)).unwrap_or(frames)
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

fn is_plumbing(frame: &CodeFrame) -> bool {
    match frame.role {
        CodeRole::Wrapper | CodeRole::Call | CodeRole::Docatch => true,
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
        let shown = shown(&frames(all), has_xsub, NativeLevel::Calls);
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
    fn all_is_all() {
        let names = ["Perl_pp_entersub", "- XS.so", "- XS.so", "S_docatch"];
        let all = shown(&frames(&names), true, NativeLevel::All);
        assert_eq!(all.len(), 4);
        assert_eq!(labels(&names, true), ["[XS.so]"]);
    }
}
