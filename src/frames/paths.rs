//! Names of files as people are shown them: relative to @INC, else to the working folder.
//!
//! What is in @INC is learned from the frames themselves, which works for every perl: a sub of
//! package `Foo::Bar` that begins in a file `…/Foo/Bar.pm` gives it away, and so does a `require`.
//! Two files are never shown by one name: where that would happen both keep the longer one.

use super::{Frame, FrameKind, Place};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// String evals within string evals that are looked through.
const DEEPEST: usize = 32;

/// Shortens the names of files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shortener {
    shown: HashMap<Arc<str>, Arc<str>>,
}

impl Shortener {
    /// Learns from all frames that will be shown together, and from the working folders of the
    /// processes that they are of; relative names stay as they are.
    pub fn of<'a>(
        frames: impl IntoIterator<Item = &'a Frame>,
        working_folders: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut files: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut candidates = Candidates::new();
        for frame in frames {
            for file in named_files(frame) {
                if !files.contains(file) {
                    files.insert(file.into());
                }
            }
            for (folder, file) in evidence(frame) {
                let proofs = candidates.entry(folder.to_owned()).or_default();
                if !proofs.contains(file) {
                    proofs.insert(file.to_owned());
                }
            }
        }
        let folders = working_folders.into_iter();
        let folders: Vec<String> = folders
            .map(|folder| format!("{}/", folder.trim_end_matches('/')))
            .filter(|folder| folder.len() > 1 && folder.starts_with('/'))
            .collect();
        let roots = believable(&candidates);
        Shortener {
            shown: unambiguous(&files, &roots, &folders),
        }
    }

    /// The name to show for a file, which may be that of a string eval with its place.
    pub fn path<'a>(&self, file: &'a str) -> Cow<'a, str> {
        self.path_within(file, DEEPEST)
    }

    fn path_within<'a>(&self, file: &'a str, depth: usize) -> Cow<'a, str> {
        if let Some((eval, inner, line)) = split_eval(file).filter(|_| depth > 0) {
            return match self.path_within(inner, depth - 1) {
                Cow::Borrowed(same) if same == inner => Cow::Borrowed(file),
                shorter => Cow::Owned(format!("{eval}[{shorter}:{line}]")),
            };
        }
        match self.shown.get(file) {
            Some(shown) => Cow::Owned(shown.to_string()),
            None => Cow::Borrowed(file),
        }
    }

    /// The same place in a file whose name is short.
    pub fn place(&self, place: &Place) -> Place {
        Place {
            file: self.shared(&place.file),
            line: place.line,
        }
    }

    fn shared(&self, file: &Arc<str>) -> Arc<str> {
        match self.path(file) {
            Cow::Borrowed(_) => file.clone(),
            Cow::Owned(shorter) => shorter.into(),
        }
    }

    /// The same frame with short names wherever people are shown one: in its label, its place and
    /// its start. What `caller` gives (`name`, `file`, `line`) and `detail` stay.
    pub fn frame(&self, frame: &Frame) -> Frame {
        Frame {
            label: self.label(frame),
            place: self.place(&frame.place),
            start: self.place(&frame.start),
            ..frame.clone()
        }
    }

    fn label(&self, frame: &Frame) -> Arc<str> {
        let replaced = match (frame.kind, frame.detail.as_deref()) {
            (FrameKind::Sub | FrameKind::Eval, _) => {
                let start = self.place(&frame.start);
                (start != frame.start).then(|| (format!("[{}]", frame.start), format!("[{start}]")))
            }
            (FrameKind::Require, Some(file)) => match self.path(file) {
                Cow::Borrowed(_) => None,
                Cow::Owned(shorter) => Some((file.to_owned(), shorter)),
            },
            _ => None,
        };
        match replaced {
            Some((long, short)) => frame.label.replacen(&long, &short, 1).into(),
            None => frame.label.clone(),
        }
    }
}

/// Every file that a frame names somewhere, without what is around it in the name of an eval.
fn named_files(frame: &Frame) -> impl Iterator<Item = &str> {
    // What is relative there is so to @INC, and is no file of that name.
    let loaded = match frame.kind {
        FrameKind::Require => frame.detail.as_deref().filter(|f| f.starts_with('/')),
        _ => None,
    };
    [&*frame.file, &*frame.place.file, &*frame.start.file]
        .into_iter()
        .chain(loaded)
        .map(innermost)
}

/// The file in which, in the end, a string eval stands.
fn innermost(file: &str) -> &str {
    let mut file = file;
    for _ in 0..DEEPEST {
        match split_eval(file) {
            Some((_, inner, _)) => file = inner,
            None => break,
        }
    }
    file
}

/// `(eval 7)`, `lib/Foo.pm` and `40` of `(eval 7)[lib/Foo.pm:40]`.
fn split_eval(file: &str) -> Option<(&str, &str, &str)> {
    let is_eval = file.starts_with("(eval") || file.starts_with("(re_eval");
    let (eval, rest) = file.split_once('[').filter(|_| is_eval)?;
    let (inner, line) = rest.strip_suffix(']')?.rsplit_once(':')?;
    let is_line = !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit());
    (is_line && eval.ends_with(')')).then_some((eval, inner, line))
}

/// Folders that may be in @INC, each with its slash, and the files that say so.
type Candidates = BTreeMap<String, BTreeSet<String>>;

/// The folders that a frame proves or suggests to be in @INC, each with the file in it.
fn evidence(frame: &Frame) -> impl Iterator<Item = (&str, &str)> {
    let loaded = match (frame.kind, frame.detail.as_deref()) {
        (FrameKind::Require, Some(file)) if !file.starts_with('/') => {
            let places = [&*frame.file, &*frame.start.file, &*frame.place.file];
            places
                .into_iter()
                .find_map(|place| Some((folder_above(place, file)?, place)))
        }
        _ => None,
    };
    let package = match frame.kind {
        FrameKind::Sub | FrameKind::Format => frame.name.rsplit_once("::").map(|(p, _)| p),
        _ => None,
    };
    let defined = package.and_then(|package| {
        let mut package = package;
        loop {
            let file = format!("{}.pm", package.replace("::", "/"));
            if let Some(folder) = folder_above(&frame.start.file, &file) {
                return Some((folder, &*frame.start.file));
            }
            // Packages of one file often begin with the name of its main one.
            package = package.rsplit_once("::")?.0;
        }
    });
    loaded.into_iter().chain(defined)
}

/// `/usr/share/perl5/` of `/usr/share/perl5/Foo/Bar.pm` and `Foo/Bar.pm`.
fn folder_above<'a>(path: &'a str, file: &str) -> Option<&'a str> {
    let folder = path.strip_suffix(file)?;
    (folder.starts_with('/') && folder.ends_with('/') && folder.len() > 1).then_some(folder)
}

/// Without those that are rather a folder of modules within another one, as when `My/Tool.pm`
/// defines a package `Tool`. A folder for what is compiled may have such a name, too (`mach`,
/// `core_perl`): it begins with a small letter, and nothing in it belongs to a package of that name.
fn believable(candidates: &Candidates) -> Vec<&str> {
    let is_module_folder = |folder: &str| {
        candidates.iter().any(|(outer, proofs)| {
            let inner = folder.strip_prefix(outer.as_str());
            let inner = inner.filter(|inner| !inner.is_empty());
            inner.is_some_and(|inner| {
                let mut parts = inner.trim_end_matches('/').split('/');
                let is_library = ["/lib/", "/perl5/"].iter().any(|end| folder.ends_with(end));
                let is_lower = inner.starts_with(|c: char| c.is_ascii_lowercase());
                let has_own = proofs.iter().any(|file| file.starts_with(folder));
                !is_library && parts.all(is_identifier) && (!is_lower || has_own)
            })
        })
    };
    let candidates = candidates.keys().map(String::as_str);
    candidates
        .filter(|folder| !is_module_folder(folder))
        .collect()
}

fn is_identifier(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || c == '_')
}

/// The shortest name of each file that is no other file's.
fn unambiguous(
    files: &BTreeSet<Arc<str>>,
    roots: &[&str],
    folders: &[String],
) -> HashMap<Arc<str>, Arc<str>> {
    // What may be shown of each file, the shortest last.
    let mut choices: Vec<(&Arc<str>, Vec<&str>)> = files
        .iter()
        .map(|file| {
            let within = |folders: &mut dyn Iterator<Item = &str>| {
                let rests = folders.filter_map(|folder| file.strip_prefix(folder));
                let best = rests.min_by_key(|rest| rest.len());
                best.filter(|rest| !rest.is_empty() && !rest.starts_with('/'))
            };
            let mut names = vec![&**file];
            names.extend(within(&mut folders.iter().map(String::as_str)));
            names.extend(within(&mut roots.iter().copied()));
            (file, names)
        })
        .collect();
    loop {
        let mut users: HashMap<&str, usize> = HashMap::new();
        for name in choices.iter().filter_map(|(_, names)| names.last()) {
            *users.entry(name).or_default() += 1;
        }
        let mut is_settled = true;
        for (_, names) in &mut choices {
            let is_shared = names
                .last()
                .is_some_and(|n| users.get(n).is_some_and(|u| *u > 1));
            if is_shared && names.len() > 1 {
                names.pop();
                is_settled = false;
            }
        }
        if is_settled {
            break;
        }
    }
    let shown = choices.into_iter().filter_map(|(file, names)| {
        let name = *names.last()?;
        (name != &**file).then(|| (file.clone(), name.into()))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sub(name: &str, file: &str) -> Frame {
        Frame::new(FrameKind::Sub, name.into(), file.into(), 7)
    }

    fn shortener(subs: &[(&str, &str)], folders: &[&str]) -> Shortener {
        let frames: Vec<Frame> = subs.iter().map(|(name, file)| sub(name, file)).collect();
        Shortener::of(&frames, folders.iter().copied())
    }

    #[test]
    fn modules_are_relative_to_inc_and_others_to_the_working_folder() {
        let short = shortener(
            &[
                ("File::Find::find", "/usr/share/perl/5.36/File/Find.pm"),
                (
                    "List::Util::sum",
                    "/usr/lib/perl/5.36/x86_64-linux-gnu/List/Util.pm",
                ),
                ("Carp::croak", "/usr/share/perl/5.36/Carp.pm"),
                (
                    "POSIX::SigSet::new",
                    "/usr/lib/perl/5.36/x86_64-linux-gnu/POSIX.pm",
                ),
                ("main::run", "/usr/share/perl/5.36/perl5db.pl"),
                ("Foo::bar", "/srv/app/lib/Foo.pm"),
                ("main::go", "/srv/app/bin/go.pl"),
                ("main::other", "/srv/other/x.pl"),
                ("Rel::x", "lib/Rel.pm"),
                ("main::same", "/srv/application/x.pl"),
            ],
            &["/srv/app"],
        );
        for (file, shown) in [
            ("/usr/share/perl/5.36/File/Find.pm", "File/Find.pm"),
            (
                "/usr/lib/perl/5.36/x86_64-linux-gnu/List/Util.pm",
                "List/Util.pm",
            ),
            ("/usr/lib/perl/5.36/x86_64-linux-gnu/POSIX.pm", "POSIX.pm"),
            ("/usr/share/perl/5.36/perl5db.pl", "perl5db.pl"),
            ("/srv/app/lib/Foo.pm", "Foo.pm"),
            ("/srv/app/bin/go.pl", "bin/go.pl"),
            ("/srv/other/x.pl", "/srv/other/x.pl"),
            ("/srv/application/x.pl", "/srv/application/x.pl"),
            ("lib/Rel.pm", "lib/Rel.pm"),
            ("-e", "-e"),
        ] {
            assert_eq!(short.path(file), shown);
        }
    }

    #[test]
    fn two_files_never_have_one_name() {
        let short = shortener(
            &[
                ("Foo::a", "/srv/app/lib/Foo.pm"),
                ("Foo::a", "/srv/app/old/Foo.pm"),
                ("Bar::a", "/opt/lib/Bar.pm"),
                ("Bar::a", "Bar.pm"),
                ("Baz::a", "/opt/lib/Baz.pm"),
                ("Baz::a", "/srv/app/old/Baz.pm"),
            ],
            &["/srv/app"],
        );
        assert_eq!(short.path("/srv/app/lib/Foo.pm"), "lib/Foo.pm");
        assert_eq!(short.path("/srv/app/old/Foo.pm"), "old/Foo.pm");
        assert_eq!(short.path("/opt/lib/Bar.pm"), "/opt/lib/Bar.pm");
        assert_eq!(short.path("/opt/lib/Baz.pm"), "/opt/lib/Baz.pm");
        assert_eq!(short.path("/srv/app/old/Baz.pm"), "old/Baz.pm");
        // A name in one working folder may be that of the other's.
        let two = shortener(
            &[("main::a", "/srv/a/run.pl"), ("main::a", "/srv/b/run.pl")],
            &["/srv/a", "/srv/b"],
        );
        assert_eq!(two.path("/srv/a/run.pl"), "/srv/a/run.pl");
        assert_eq!(two.path("/srv/b/run.pl"), "/srv/b/run.pl");
    }

    #[test]
    fn a_module_folder_is_not_taken_for_inc() {
        let short = shortener(
            &[
                ("My::Lib::x", "/srv/lib/My/Lib.pm"),
                ("Tool::x", "/srv/lib/My/Tool.pm"),
                ("Arch::x", "/srv/lib/x86_64-linux/Arch.pm"),
                ("Local::x", "/srv/lib/t/lib/Local.pm"),
            ],
            &[],
        );
        assert_eq!(short.path("/srv/lib/My/Tool.pm"), "My/Tool.pm");
        assert_eq!(short.path("/srv/lib/x86_64-linux/Arch.pm"), "Arch.pm");
        assert_eq!(short.path("/srv/lib/t/lib/Local.pm"), "Local.pm");
    }

    #[test]
    fn a_folder_for_what_is_compiled_is_one_of_inc() {
        let short = shortener(
            &[
                ("strict::import", "/usr/local/lib/perl5/5.36/strict.pm"),
                ("mro::import", "/usr/local/lib/perl5/5.36/mach/mro.pm"),
                (
                    "overload::numbers::x",
                    "/usr/local/lib/perl5/5.36/overload/numbers.pm",
                ),
                (
                    "numbers::x",
                    "/usr/local/lib/perl5/5.36/overload/numbers.pm",
                ),
                (
                    "mro::core::x",
                    "/opt/perl/lib/5.36.0/x86_64-linux/mro/core.pm",
                ),
            ],
            &[],
        );
        for (file, shown) in [
            ("/usr/local/lib/perl5/5.36/mach/mro.pm", "mro.pm"),
            ("/usr/local/lib/perl5/5.36/strict.pm", "strict.pm"),
            (
                "/usr/local/lib/perl5/5.36/overload/numbers.pm",
                "overload/numbers.pm",
            ),
            (
                "/opt/perl/lib/5.36.0/x86_64-linux/mro/core.pm",
                "mro/core.pm",
            ),
        ] {
            assert_eq!(short.path(file), shown);
        }
        // Only its compilation was seen, from elsewhere.
        let mut frame = Frame::new(FrameKind::Require, "(eval)".into(), "x.pl".into(), 1);
        frame.detail = Some("mro.pm".into());
        frame.place.file = "/usr/lib/x86_64-linux-gnu/perl/5.36/mro.pm".into();
        let short = Shortener::of([&frame], None);
        assert_eq!(short.path(&frame.place.file), "mro.pm");
    }

    #[test]
    fn string_evals_and_labels() {
        let mut anonymous = sub("Foo::__ANON__", "/srv/lib/Foo.pm");
        anonymous.label = "Foo::__ANON__[/srv/lib/Foo.pm:12]".into();
        anonymous.start.line = 12;
        let mut eval = Frame::new(FrameKind::Eval, "(eval)".into(), "(eval 3)".into(), 2);
        eval.place.file = "(eval 3)[(eval 2)[/srv/lib/Foo.pm:4]:5]".into();
        eval.start = Place {
            file: "(eval 2)[/srv/lib/Foo.pm:4]".into(),
            line: 5,
        };
        eval.label = "eval \"…\" [(eval 2)[/srv/lib/Foo.pm:4]:5]".into();
        let mut require = Frame::new(
            FrameKind::Require,
            "(eval)".into(),
            "/srv/lib/Foo/Late.pm".into(),
            1,
        );
        require.detail = Some("Foo/Late.pm".into());
        require.label = "require Foo/Late.pm".into();
        let mut script = require.clone();
        script.file = "/srv/lib/conf.pl".into();
        script.detail = Some("/srv/lib/conf.pl".into());
        script.label = "do /srv/lib/conf.pl".into();
        let frames = [anonymous, eval, require, script];
        let short = Shortener::of(&frames, None);
        let [anonymous, eval, require, script] = frames.each_ref().map(|f| short.frame(f));
        assert_eq!(&*anonymous.label, "Foo::__ANON__[Foo.pm:12]");
        assert_eq!(&*anonymous.place.file, "Foo.pm");
        assert_eq!(&*anonymous.file, "/srv/lib/Foo.pm");
        assert_eq!(&*eval.label, "eval \"…\" [(eval 2)[Foo.pm:4]:5]");
        assert_eq!(&*eval.place.file, "(eval 3)[(eval 2)[Foo.pm:4]:5]");
        assert_eq!(&*eval.start.file, "(eval 2)[Foo.pm:4]");
        assert_eq!(&*require.label, "require Foo/Late.pm");
        assert_eq!(&*require.place.file, "Foo/Late.pm");
        assert_eq!(&*script.label, "do conf.pl");
    }

    #[test]
    fn hostile_names_do_no_harm() {
        let deep = "(eval 1)[".repeat(5000) + "/srv/x.pl" + &":1]".repeat(5000);
        let short = shortener(
            &[
                ("a::b", &deep),
                ("::", "/"),
                ("x", "/.pm"),
                ("::x", "//.pm"),
                ("main::x", "/srv/"),
            ],
            &["/", "", "srv", "/srv"],
        );
        assert_eq!(short.path(&deep), deep.as_str());
        assert_eq!(short.path("/srv/"), "/srv/");
        assert_eq!(short.path(""), "");
        for odd in [
            "(eval",
            "(eval 1)[",
            "(eval 1)[]",
            "(eval 1)[:1]",
            "(eval 1)[a:]",
        ] {
            assert_eq!(short.path(odd), odd);
        }
    }

    proptest::proptest! {
        /// Whatever the names of packages and files, no two files are shown alike, and a file that
        /// is shown by another name is a part of its own.
        #[test]
        fn names_are_never_mixed_up(
            subs in proptest::collection::vec(("(A|B)(::(A|B)){0,2}", "(/?(A|B|lib|x-y)){1,4}(.pm)?"), 1..12),
            folders in proptest::collection::vec("(/(A|B|lib)){0,2}", 0..3),
        ) {
            let subs: Vec<(String, String)> =
                subs.into_iter().map(|(p, file)| (format!("{p}::f"), file)).collect();
            let frames: Vec<Frame> = subs.iter().map(|(name, file)| sub(name, file)).collect();
            let short = Shortener::of(&frames, folders.iter().map(String::as_str));
            let mut seen: HashMap<String, &str> = HashMap::new();
            for (_, file) in &subs {
                let shown = short.path(file).into_owned();
                assert!(file == &shown || file.ends_with(&format!("/{shown}")), "{file}: {shown}");
                let other = seen.insert(shown, file);
                assert!(other.is_none_or(|other| other == file), "{file} and {other:?}");
            }
        }
    }
}
