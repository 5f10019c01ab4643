//! Learning a layout by running the perl, held against its debug information; and the cache.

mod loudly;
mod support;

use loudly::loudly;
use p5_spy::image::Image;
use p5_spy::layout::{Cache, Layout, Origin, Table, TableSet};
use p5_spy::learn::{PerlStart, learn};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use support::{PERL, Target, folder, run, spy, text};

/// Members that debug information lists and nobody can observe.
fn is_unobservable(compiled: &Table, structure: &str, name: &str) -> bool {
    let has = |structure, name| compiled.layout().field(structure, name).is_some();
    match (structure, name) {
        // Without threads no op is of that kind.
        ("padop", "op_padix") => !has("cop", "cop_file"),
        // Since 5.22 the names of variables are no values; the members stayed for some versions.
        ("xpvnv", "xlow" | "xhigh") => has("padname", "xpadn_pv"),
        // In cperl it is no array, and only used for subs with signatures.
        ("context", "blk_sub_argarray") => compiled.identity().cperl,
        // With 5.6 come no extensions that leave something there.
        ("interpreter", "Imodglobal") => compiled.version() < "5.8.0".parse().unwrap(),
        _ => false,
    }
}

/// Fields in which the layouts differ. A learned integer may be narrower than the compiler's where
/// the bytes behind it are always zero, which nobody can observe.
fn differences(table: &Table, learned: &Layout) -> Vec<String> {
    let compiled = table.layout();
    let mut found = Vec::new();
    for (spec, field) in compiled.fields() {
        let other = learned.field(spec.structure, spec.name);
        let narrower = other.is_some_and(|o| {
            let zero_extended = o.shift == field.shift && o.bits < field.bits;
            o.offset == field.offset && zero_extended && u32::from(field.bits) % 8 == 0
        });
        let missing = other.is_none() && is_unobservable(table, spec.structure, spec.name);
        if other != Some(field) && !narrower && !missing {
            let name = format!("{}.{}", spec.structure, spec.name);
            found.push(format!("{name}: {field:?} {other:?}"));
        }
    }
    for (spec, _) in learned.fields() {
        if compiled.field(spec.structure, spec.name).is_none() {
            found.push(format!("{}.{} is invented", spec.structure, spec.name));
        }
    }
    for (name, value) in compiled.constants() {
        if learned.constant(name) != Some(value) {
            found.push(format!("{name}: {value} {:?}", learned.constant(name)));
        }
    }
    found
}

/// The perls that the variable `P5SPY_TEST_PERL` names, separated by `:`, else those of the system.
fn perls() -> Vec<PathBuf> {
    match std::env::var_os("P5SPY_TEST_PERL") {
        Some(named) => std::env::split_paths(&named).collect(),
        None => [PERL, "/usr/bin/debugperl"].map(PathBuf::from).into(),
    }
}

#[test]
fn what_is_learned_is_what_the_compiler_wrote_down() {
    let debug = std::env::var("P5SPY_TEST_DEBUG_DIR").unwrap_or_default();
    for perl in perls() {
        if !perl.is_file() {
            loudly!("SKIPPED learning of {}: it is not there", perl.display());
            continue;
        }
        // It may be started by a script.
        let target = Target::of_perl(&perl, &["-e", "$| = 1; print qq(ready\n); sleep 100"]);
        let pid = target.pid().to_string();
        let mut words = vec!["layout-dump", "--no-cache", "--no-learn", "--pid", &pid];
        if !debug.is_empty() {
            words.extend(["--debug-dir", &debug]);
        }
        let dumped = run(&words);
        let perl = text(&perl);
        if !dumped.out.contains("offsets from DWARF") {
            loudly!("SKIPPED learning of {perl}: it has no debug information to be held against");
            continue;
        }
        let tables = folder();
        std::fs::write(tables.path().join("dumped.toml"), &dumped.out).unwrap();
        let compiled = TableSet::from_folder(tables.path()).unwrap();
        let learned = learn(&Path::new(perl).into(), &TableSet::embedded()).unwrap();
        let compiled = compiled.tables().next().unwrap();
        let differ = differences(compiled, &learned.resolved.layout);
        assert!(differ.is_empty(), "{perl} differs: {}", differ.join("; "));
    }
}

#[test]
fn learning_gives_the_same_answer_every_time() {
    let answer = || {
        let said = run(&["layout-learn", PERL]);
        said.expect(0, "");
        said.out
    };
    let first = answer();
    assert!(first.contains("offsets from learned"), "{first}");
    for _ in 0..5 {
        assert_eq!(answer(), first);
    }
}

#[test]
fn what_is_no_perl_teaches_nothing() {
    run(&["layout-learn", "/nonexistent/perl"]).expect(1, "/nonexistent/perl");
    let said = run(&["layout-learn", "/bin/true"]);
    // It may be a link.
    let program = std::fs::canonicalize("/bin/true").unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    said.expect(1, "cannot learn from /").expect(1, name);
    run(&["layout-learn", "/bin/cat"]).expect(1, "cannot learn from /");
    run(&["layout-learn", "/etc/passwd"]).expect(1, "cannot learn from /etc/passwd");
}

/// A perl at rest in two subs.
/// The time that we look is not held against a perl, so something else has to end one that goes on and on.
#[test]
fn a_perl_that_stops_for_ever_is_left() {
    let flags = TableSet::embedded();
    for (between, reason) in [
        ("", "again and again"),
        ("$x = chr(64 + $n) x 1e8;", "more memory"),
    ] {
        let program = format!(
            r#"BEGIN {{ $| = 1; my ($n, $x) = 0; while (1) {{ $n++; {between} print "stop $n\n"; sysread STDIN, $_, 1 }} }}"#
        );
        let start = PerlStart {
            arguments: vec!["-e".into(), program.into()],
            ..PerlStart::from(Path::new(PERL))
        };
        let error = learn(&start, &flags).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

fn nested() -> support::Target {
    let script = "$| = 1; sub inner { print qq(ready\\n); sysread STDIN, my $b, 1 } sub outer { inner() } outer()";
    let target = support::Target::start(script);
    target.blocks();
    target
}

#[test]
fn an_unknown_perl_is_learned_and_remembered() {
    let (target, empty, cache) = (nested(), folder(), folder());
    let pid = target.pid().to_string();
    let dump = |options: &[&str]| {
        let mut command = spy();
        command
            .env("XDG_CACHE_HOME", cache.path())
            .args(["dump", "--no-debug-info", "--layouts", text(empty.path())])
            .args(["--pid", &pid])
            .args(options);
        support::Running::start(command).finish()
    };
    dump(&["--no-learn"])
        .expect(1, "no layout")
        .expect(1, "p5-spy layout-learn");
    let first = dump(&[]);
    first.expect(0, "learned the layout of /usr/bin/perl");
    assert!(
        first.out.contains("Layout: what was learned"),
        "{}",
        first.out
    );
    let second = dump(&["--no-learn"]);
    assert_eq!((second.code(), second.err.as_str()), (0, ""), "{second:?}");
    assert!(
        second.out.contains("what an earlier run found"),
        "{}",
        second.out
    );
    let frames = |out: &str| -> Vec<String> {
        let lines = out.lines().filter(|l| l.starts_with("    "));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(frames(&first.out), frames(&second.out));
    assert!(frames(&first.out).len() > 1, "{}", first.out);
    dump(&["--no-learn", "--no-cache"]).expect(1, "no layout");

    // Damaged, it is found anew.
    let entries = cache.path().join("p5-spy");
    let entry = walk(&entries);
    let whole = std::fs::read(&entry).unwrap();
    let mut wrong = whole.clone();
    wrong[whole.len() / 2] ^= 1;
    for damaged in [&b""[..], b"nonsense", &whole[..whole.len() / 2], &wrong] {
        std::fs::write(&entry, damaged).unwrap();
        dump(&[]).expect(0, "learned the layout");
        assert_eq!(std::fs::read(&entry).unwrap(), whole);
    }
    // One that does not fit the process any more is too.
    let perl = first.out.lines().find(|line| line.starts_with("Perl v"));
    let (_, file) = perl.unwrap().rsplit_once(", ").unwrap();
    let image = Image::open(file.as_ref(), file.as_ref()).unwrap();
    let kept = Cache::at(&entries);
    let mut found = kept.get(&image).unwrap();
    found.resolved.layout = misled(&found.resolved.layout);
    let (identity, symbols) = (&found.identity, &found.symbols);
    kept.put(&image, identity, &found.resolved, symbols)
        .unwrap();
    assert_ne!(std::fs::read(&entry).unwrap(), whole);
    dump(&[]).expect(0, "learned the layout");
    assert_eq!(std::fs::read(&entry).unwrap(), whole);

    // Others could have written it: not believed.
    let folder = entry.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    dump(&["--no-learn"]).expect(1, "no layout");
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    dump(&["--no-learn"]).expect(0, "");
    std::fs::set_permissions(&entry, std::fs::Permissions::from_mode(0o666)).unwrap();
    dump(&["--no-learn"]).expect(1, "no layout");
}

/// The same layout with two members in each other's place.
fn misled(layout: &Layout) -> Layout {
    let mut wrong = Layout::default();
    let at = |name| layout.field("stackinfo", name).unwrap();
    for (spec, field) in layout.fields() {
        let field = match spec.name {
            "si_cxix" => at("si_cxmax"),
            "si_cxmax" => at("si_cxix"),
            _ => field,
        };
        wrong.add_field(spec.structure, spec.name, field, &Origin::Learned);
    }
    for (name, value) in layout.constants() {
        wrong.add_constant(name, value, &Origin::Learned);
    }
    wrong
}

/// It is known by its file as long as nothing of that changes, and is not hashed.
#[test]
fn a_perl_without_a_build_id_is_remembered_by_its_file() {
    let (home, empty, cache) = (folder(), folder(), folder());
    let perl = home.path().join("perl");
    let mut objcopy = std::process::Command::new("objcopy");
    let section = "--remove-section=.note.gnu.build-id";
    let made = objcopy.arg(section).args([PERL, text(&perl)]).status();
    if !made.as_ref().is_ok_and(std::process::ExitStatus::success) {
        loudly!("SKIPPED: objcopy (binutils) is needed to remove a build-id: {made:?}");
        return;
    }
    assert_eq!(Image::open(&perl, &perl).unwrap().build_id(), None);
    let script = "$| = 1; print qq(ready\n); sub inner { sysread STDIN, my $b, 1 } inner()";
    let target = Target::of_perl(&perl, &["-e", script]);
    let pid = target.pid().to_string();
    let dump = || {
        let mut command = spy();
        command
            .env("XDG_CACHE_HOME", cache.path())
            .args(["dump", "--no-debug-info", "--layouts", text(empty.path())])
            .args(["--pid", &pid]);
        support::Running::start(command).finish()
    };
    let is_settled = || {
        let file = std::fs::File::open(&perl).unwrap();
        let settled = p5_spy::platform::Stamp::of(&file).unwrap().is_settled();
        settled.then_some(())
    };
    support::wait_for("the file's time to be over", is_settled);
    for _ in 0..2 {
        dump().expect(0, "learned the layout of");
        let second = dump();
        assert!(
            second.out.contains("what an earlier run found"),
            "{second:?}"
        );
        assert!(!second.err.contains("learned"), "{second:?}");
        // The same bytes at the same time, but for who may read them: that is another file.
        let mode = std::fs::metadata(&perl).unwrap().permissions().mode() ^ 0o200;
        std::fs::set_permissions(&perl, std::fs::Permissions::from_mode(mode)).unwrap();
        let third = dump();
        third.expect(0, "its file was changed just now");
        third.expect(0, "learned the layout of");
        support::wait_for("the file's time to be over", is_settled);
    }
    let entries = walk(&cache.path().join("p5-spy"));
    assert_eq!(support::listing(entries.parent().unwrap()).len(), 1);
}

/// Perl 5.8 could be built with other threads than those it has now, and says so in its list of options.
#[test]
fn the_threads_of_5_005_are_called_by_their_name() {
    let folder = folder();
    let perl = folder.path().join("perl");
    let mut bytes = std::fs::read(PERL).unwrap();
    let (own, old) = (b" USE_LOCALE_COLLATE", b" USE_5005THREADS   ");
    let Some(at) = bytes.windows(own.len()).position(|w| w == own) else {
        loudly!("LEFT OUT: the options of {PERL} are in a library");
        return;
    };
    bytes[at..at + own.len()].copy_from_slice(old);
    std::fs::write(&perl, bytes).unwrap();
    std::fs::set_permissions(&perl, std::fs::Permissions::from_mode(0o755)).unwrap();
    let said = "built with the threads of 5.005";
    let target = Target::of_perl(&perl, &["-e", "$| = 1; print qq(ready\n); sleep 100"]);
    let pid = target.pid().to_string();
    run(&["dump", "--pid", &pid]).expect(1, said);
    let out = folder.path().join("out.svg");
    run(&["record", "-d", "1", "-o", text(&out), "--pid", &pid]).expect(1, said);
    run(&["layout-learn", text(&perl)]).expect(1, said);
    run(&["layout-dump", text(&perl)]).expect(1, said);
}

/// What the cache has from debug information is not used where that is not wanted.
#[test]
fn the_cache_tells_where_a_layout_came_from() {
    let (target, empty) = (nested(), folder());
    let pid = target.pid().to_string();
    let first = run(&["dump", "--no-learn", "--pid", &pid]);
    first.expect(0, "");
    if !first.out.contains("DWARF") {
        loudly!("SKIPPED the cache of debug information: {PERL} has none");
        return;
    }
    let options = ["--no-learn", "--layouts", text(empty.path()), "--pid", &pid];
    let cached = run(&[&["dump"], &options[..]].concat());
    assert!(
        cached.out.contains("what an earlier run found"),
        "{cached:?}"
    );
    run(&[&["dump", "--no-debug-info"], &options[..]].concat()).expect(1, "no layout");
}

/// The one file below a folder.
fn walk(folder: &Path) -> std::path::PathBuf {
    let entries: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    if entries[0].is_dir() {
        walk(&entries[0])
    } else {
        entries[0].clone()
    }
}
