//! Perl's run loops on a C stack, and who called them: there C and Perl lead to one another.

/// What a function is to a run loop, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeRole {
    /// It is one (run.c, dump.c).
    Loop,
    /// It passes on to one, where values on perl's stack are counted (`PERL_RC_STACK`, run.c).
    Wrapper,
    /// It runs the main program (perl.c).
    Main,
    /// It calls a sub, or evaluates a text (perl.c, gv.c, scope.c).
    Call,
    /// It goes on with the loop that it is called by, after a block was left by `die` (pp_ctl.c).
    Docatch,
    /// An op that may be followed by such a one: `eval` and `require`.
    Catching,
    /// The parser, which runs ops on constants (perly.c).
    Parser,
    /// Of perl's own file, without a name or with that of a static function.
    Static,
    /// Anything else.
    Other,
}

impl CodeRole {
    /// Of a function; `is_perls` if it is in perl's own file.
    pub(super) fn of(name: Option<&str>, is_perls: bool) -> Self {
        match name.map(plain_name) {
            Some("Perl_runops_standard" | "Perl_runops_debug") => CodeRole::Loop,
            _ if !is_perls => CodeRole::Other,
            Some("Perl_runops_wrap") => CodeRole::Wrapper,
            Some("perl_run" | "S_run_body") => CodeRole::Main,
            Some(
                "Perl_call_sv"
                | "Perl_amagic_call"
                | "Perl_eval_sv"
                | "_invoke_defer_block"
                | "S_invoke_defer_block",
            ) => CodeRole::Call,
            Some("S_docatch") => CodeRole::Docatch,
            Some(
                "Perl_pp_entertry"
                | "Perl_pp_entereval"
                | "Perl_pp_require"
                | "Perl_pp_dofile"
                | "Perl_pp_entertrycatch",
            ) => CodeRole::Catching,
            Some("Perl_yyparse") => CodeRole::Parser,
            Some(name) if name.starts_with("Perl_") => CodeRole::Other,
            _ => CodeRole::Static,
        }
    }
}

/// A name without what a compiler adds to it: `.part.0`, `.constprop.1`.
pub(super) fn plain_name(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whom a run loop runs ops for, by who called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoopKind {
    /// The main program.
    Main,
    /// C that called a sub, or evaluated a text.
    Call,
    /// A function of C that calls a comparator or a block again and again, with one context for all calls.
    Multicall,
    /// The loop that it goes on for (`docatch`), or the parser, which runs ops on constants: no context is its own.
    Folded,
}

/// A run loop on a C stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunLoop {
    /// The number of its frame, the innermost being 0.
    pub frame: usize,
    /// Whom it runs for.
    pub kind: LoopKind,
}

/// The run loops of a stack, innermost first, by the roles of all its frames.
pub(super) fn run_loops(roles: &[CodeRole]) -> Vec<RunLoop> {
    let is_loop = |(_, role): &(usize, &CodeRole)| **role == CodeRole::Loop;
    let loops = roles.iter().enumerate().filter(is_loop);
    let with_kind = loops.map(|(frame, _)| {
        let outer = roles.get(frame + 1..).unwrap_or_default();
        let callers = outer.split(|role| *role == CodeRole::Loop).next();
        RunLoop {
            frame,
            kind: kind_of(callers.unwrap_or_default()),
        }
    });
    with_kind.collect()
}

/// Of a loop that is called by functions with these roles, innermost first, up to the loop around it.
fn kind_of(callers: &[CodeRole]) -> LoopKind {
    use CodeRole::{Call, Catching, Docatch, Main, Static};
    let mut own = callers.iter().filter(|role| **role != CodeRole::Wrapper);
    let first = [own.next(), own.next(), own.next()].map(|role| role.copied());
    match first {
        [Some(Main), ..] => LoopKind::Main,
        [Some(Call), ..] => LoopKind::Call,
        // Until 5.8 a call has functions of its own on the way to the loop (`S_call_body`, perl.c).
        [Some(Static), Some(Call), _] | [Some(Static), Some(Static), Some(Call)] => LoopKind::Call,
        [None | Some(Docatch), ..] => LoopKind::Folded,
        _ if callers.contains(&CodeRole::Parser) => LoopKind::Folded,
        // Without names: one static function between two loops, or an op and one.
        [Some(Static), None, _] | [Some(Static), Some(Static | Catching), None] => LoopKind::Folded,
        _ => LoopKind::Multicall,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Innermost first.
    fn count(names: &[&str]) -> usize {
        let role = |name: &&str| match *name {
            "-" => CodeRole::of(None, true),
            name => CodeRole::of(Some(name), !name.contains("XS_")),
        };
        let loops = run_loops(&names.iter().map(role).collect::<Vec<_>>());
        let is_one = |one: &&RunLoop| one.kind == LoopKind::Multicall;
        loops.iter().filter(is_one).count()
    }

    const LOOP: &str = "Perl_runops_standard";

    #[test]
    fn a_comparator_has_a_loop_while_it_runs() {
        let outer = [LOOP, "S_run_body", "perl_run", "main"];
        let sort = [
            "S_sortcv",
            "S_mergesortsv",
            "Perl_sortsv_flags",
            "Perl_pp_sort",
        ];
        let idle = [&sort[1..], &outer].concat();
        let active = [&["Perl_pp_ncmp", LOOP], &sort[..], &outer].concat();
        assert_eq!((count(&idle), count(&active)), (0, 1));
        let nameless = [&[LOOP, "-", "-", "Perl_sortsv_flags", "-"], &outer[..]].concat();
        assert_eq!(count(&nameless), 1);
        let first = [
            &[LOOP, "XS_List__Util_first", "Perl_pp_entersub"],
            &outer[..],
        ]
        .concat();
        assert_eq!(count(&first), 1);
        assert_eq!(count(&[&active[..4], &sort[..], &active].concat()), 2);
    }

    #[test]
    fn each_loop_has_somebody_whom_it_runs_for() {
        let names = [
            "Perl_pp_add",
            LOOP,
            "S_docatch",
            "Perl_pp_entertry",
            LOOP,
            "Perl_call_sv",
            "XS_DBI_dispatch",
            "Perl_pp_entersub",
            LOOP,
            "S_run_body",
        ];
        let role = |name: &&str| CodeRole::of(Some(name), !name.contains("XS_"));
        let loops = run_loops(&names.iter().map(role).collect::<Vec<_>>());
        let kinds: Vec<_> = loops.iter().map(|one| (one.frame, one.kind)).collect();
        assert_eq!(
            kinds,
            [
                (1, LoopKind::Folded),
                (4, LoopKind::Call),
                (8, LoopKind::Main)
            ]
        );
    }

    #[test]
    fn other_loops_are_none() {
        let outer = [LOOP, "S_run_body", "perl_run"];
        for inner in [
            &[LOOP, "Perl_call_sv", "XS_DBI_dispatch", "Perl_pp_entersub"][..],
            &[LOOP, "Perl_amagic_call.part.0", "Perl_pp_add"],
            &[LOOP, "S_docatch", "Perl_pp_entertry"],
            &[LOOP, "-", "Perl_pp_entereval"],
            &[LOOP, "-", "-"],
            &[LOOP, "-"],
            &[LOOP, "Perl_runops_wrap", "Perl_call_sv", "-"],
            &[LOOP, "S_call_body", "Perl_call_sv", "Perl_pp_add"],
            &[
                LOOP,
                "S_fold_constants",
                "Perl_yyparse",
                "S_doeval_compile",
                "-",
            ],
        ] {
            assert_eq!(count(&[inner, &outer].concat()), 0, "{inner:?}");
        }
        // A host program that calls perl, and nothing.
        assert_eq!(count(&[LOOP, "Perl_call_sv", "XS_main"]), 0);
        assert_eq!(count(&[LOOP]), 0);
        assert_eq!(count(&[]), 0);
    }
}
