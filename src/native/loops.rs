//! Perl's run loops on a C stack, and who called them. A comparator of `sort`, a block of List::Util's and the like have
//! a loop of their own only while they run; their context stays on perl's stack between two calls, too.

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

/// How many loops run a comparator or a block for a function of C. The roles of all frames, innermost first.
pub(super) fn multicalls(roles: &[CodeRole]) -> usize {
    let mut all = roles.split(|role| *role == CodeRole::Loop);
    // What is above the innermost loop.
    all.next();
    let between = all.map(|roles| {
        let mut own = roles.iter().filter(|role| **role != CodeRole::Wrapper);
        let callers = [own.next(), own.next(), own.next()].map(|role| role.copied());
        (callers, roles.contains(&CodeRole::Parser))
    });
    let is_multicall = |(callers, parses): &([Option<CodeRole>; 3], bool)| {
        use CodeRole::{Call, Catching, Docatch, Main, Static};
        match callers {
            _ if *parses => false,
            [None | Some(Main | Call | Docatch), ..] => false,
            // Without names: one static function between two loops, or an op and one.
            [Some(Static), None, _] | [Some(Static), Some(Static | Catching), None] => false,
            _ => true,
        }
    };
    between.filter(is_multicall).count()
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
        multicalls(&names.iter().map(role).collect::<Vec<_>>())
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
