//! What frames are called for people.

use super::{FrameKind, Place};

/// What decides a frame's label beside its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Naming {
    /// Its name says it.
    Plain,
    /// A sub without a name: where it begins tells it apart.
    Anonymous,
    /// A BEGIN block, which is also what perl makes of `use`.
    Begin,
    /// C code that catches exceptions.
    EvalFromC,
    /// One without a name that a glob holds: the detail is what that is called.
    Kept,
    /// The file that `use` loads.
    Use,
    /// `do FILE`, which to `caller` is a `require`.
    DoFile,
}

impl Naming {
    /// Of a sub with this name.
    pub(crate) fn of_sub(name: &str) -> Self {
        match name.rsplit("::").next() {
            Some("__ANON__") => Naming::Anonymous,
            Some("BEGIN") => Naming::Begin,
            _ => Naming::Plain,
        }
    }
}

/// All that a label says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LabelParts<'a> {
    pub(crate) kind: FrameKind,
    pub(crate) naming: Naming,
    pub(crate) name: &'a str,
    pub(crate) detail: Option<&'a str>,
    /// Where it begins.
    pub(crate) start: &'a Place,
    /// The file that a BEGIN block is loading.
    pub(crate) loads: Option<&'a str>,
    /// The parser is at work in it.
    pub(crate) is_compiling: bool,
}

impl LabelParts<'_> {
    pub(crate) fn label(&self) -> String {
        let mut label = self.without_phase();
        if self.is_compiling {
            label.push_str(" [compiling]");
        }
        label
    }

    fn without_phase(&self) -> String {
        let (name, start) = (self.name, self.start);
        match (self.kind, self.naming, self.detail) {
            (FrameKind::Sub, Naming::Anonymous, None) if start.line != 0 => {
                format!("{name}[{start}]")
            }
            (FrameKind::Sub, Naming::Anonymous, Some(detail)) if start.line != 0 => {
                format!("{name}[{start} {detail}]")
            }
            (FrameKind::Sub, Naming::Kept, Some(detail)) => detail.to_owned(),
            (FrameKind::Sub, Naming::Begin, _) => match self.loads.and_then(module) {
                Some(module) => format!("use {module}"),
                None => name.to_owned(),
            },
            (FrameKind::Format, ..) => format!("format {name}"),
            (FrameKind::Eval, Naming::EvalFromC, _) => "eval from C".into(),
            (FrameKind::Eval, _, Some("string")) if start.line != 0 => {
                format!("eval \"…\" [{start}]")
            }
            (FrameKind::Eval, _, Some("string")) => "eval \"…\"".into(),
            (FrameKind::Eval, ..) => "eval {…}".into(),
            (FrameKind::Require, Naming::DoFile, Some(file)) => format!("do {file}"),
            (FrameKind::Require, Naming::DoFile, None) => "do FILE".into(),
            (FrameKind::Require, Naming::Use, Some(file)) => match module(file) {
                Some(module) => format!("use {module}"),
                None => format!("require {file}"),
            },
            (FrameKind::Require, _, Some(file)) => format!("require {file}"),
            (FrameKind::Require, _, None) => "require".into(),
            _ => name.to_owned(),
        }
    }
}

/// `Foo::Bar` of `Foo/Bar.pm`.
pub(crate) fn module(file: &str) -> Option<String> {
    Some(file.strip_suffix(".pm")?.replace('/', "::"))
}

/// The number of a string eval's file: `(eval 17)` (pp_entereval, pp_ctl.c) or before 5.18
/// `(re_eval 17)` (regcomp.c).
fn numbered(file: &str) -> Option<(&'static str, &str)> {
    let number = |kind: &str| file.strip_prefix(kind)?.strip_suffix(')');
    let (kind, digits) = match number("(eval ") {
        Some(digits) => ("(eval)", digits),
        None => ("(re_eval)", number("(re_eval ")?),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some((kind, digits))
}

/// The name of a string eval's file without its number.
pub(crate) fn merged_file(file: &str) -> &str {
    numbered(file).map_or(file, |(kind, _)| kind)
}

/// Tells the files of string evals apart, also where their names were merged; `None` for others.
pub(crate) fn eval_number(file: &str) -> Option<u32> {
    numbered(file)?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_perl_numbers_is_merged() {
        assert_eq!(merged_file("(eval 17)"), "(eval)");
        assert_eq!(merged_file("(re_eval 3)"), "(re_eval)");
        assert_eq!(eval_number("(eval 17)"), Some(17));
        for other in [
            "(eval )",
            "(eval 1",
            "(eval x)",
            "lib/(eval 1).pm",
            "(eval 1)[a.pl:3]",
        ] {
            assert_eq!(merged_file(other), other);
            assert_eq!(eval_number(other), None);
        }
    }

    #[test]
    fn labels() {
        use FrameKind::{Eval, Format, Require, Sub};
        use Naming::{Anonymous, Begin, DoFile, EvalFromC, Kept, Plain, Use};
        let start = Place {
            file: "lib/Foo.pm".into(),
            line: 12,
        };
        let said = |kind, naming, name, detail| LabelParts {
            kind,
            naming,
            name,
            detail,
            start: &start,
            loads: None,
            is_compiling: false,
        };
        let block = Some("block");
        for (said, label) in [
            (said(Sub, Plain, "Foo::bar", None), "Foo::bar"),
            (
                said(Sub, Anonymous, "Foo::__ANON__", None),
                "Foo::__ANON__[lib/Foo.pm:12]",
            ),
            (said(Sub, Begin, "Foo::BEGIN", None), "Foo::BEGIN"),
            (said(Format, Plain, "Foo::OUT", None), "format Foo::OUT"),
            (said(Eval, Plain, "(eval)", block), "eval {…}"),
            (said(Eval, EvalFromC, "(eval)", block), "eval from C"),
            (
                said(Eval, Plain, "(eval)", Some("string")),
                "eval \"…\" [lib/Foo.pm:12]",
            ),
            (
                said(Require, Plain, "(eval)", Some("A/B.pm")),
                "require A/B.pm",
            ),
            (said(Require, DoFile, "(eval)", Some("c.pl")), "do c.pl"),
            (said(Require, Use, "(eval)", Some("A/B.pm")), "use A::B"),
            (said(Require, Use, "(eval)", Some("c.pl")), "require c.pl"),
            (
                said(Sub, Anonymous, "Foo::__ANON__", Some("#1f2e3d")),
                "Foo::__ANON__[lib/Foo.pm:12 #1f2e3d]",
            ),
            (said(Sub, Kept, "Foo::__ANON__", Some("Foo::f")), "Foo::f"),
        ] {
            assert_eq!(said.label(), label);
        }
        let mut using = said(Sub, Begin, "Foo::BEGIN", None);
        using.loads = Some("A/B.pm");
        using.is_compiling = true;
        assert_eq!(using.label(), "use A::B [compiling]");
        using.loads = Some("c.pl");
        assert_eq!(using.label(), "Foo::BEGIN [compiling]");
        assert_eq!(Naming::of_sub("__ANON__"), Anonymous);
        assert_eq!(Naming::of_sub("Foo::BEGINNING"), Plain);
    }
}
