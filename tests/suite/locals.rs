//! `p5-spy dump --locals`: the arguments and variables of each frame, against a program that has
//! known ones.

use crate::loudly;
use crate::support;

use loudly::loudly;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Waits in `waiting`, called at the end of a recursion below a closure and a method.
const PROGRAM: &str = r#"
$| = 1;
my $secret = "in the file";
my @list = (1 .. 5);
my %table = (a => 1);
package My::Obj;
sub new { bless { a => 1 }, shift }
sub method {
    my ($self, $n, @rest) = @_;
    my $text = "caf\xe9 \x1b[2J" . "z" x 100;
    { my $n = "inner"; my $gone = [1]; }
    my ($f, $neg, $nothing) = (1.5, -7);
    my $code = sub {
        my $z = $n;
        main::again(2, $z, undef, [], \$z, \*STDOUT, sub { 1 }, -5, 2.25, "\x{263a}");
    };
    &$code(@rest);
    my $later = 1;
}
package main;
our $global = 1;
sub again {
    my $depth = shift;
    my $here = "at $depth.";
    if ($depth) { again($depth - 1, @_) } else { &waiting }
}
sub waiting {
    my $own;
    our $ours = 5;
    print "ready\n";
    sysread STDIN, my $buffer, 1;
}
for my $i (7) {
    my $in_loop = $i * 2;
    My::Obj->new->method(42, ("many") x 30);
}
"#;

struct Waiting {
    child: Child,
    _folder: tempfile::TempDir,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn test_perl() -> PathBuf {
    std::env::var_os("P5SPY_TEST_PERL").map_or_else(|| support::PERL.into(), PathBuf::from)
}

fn start(program: &str) -> Waiting {
    let folder = support::folder();
    let file = support::file(folder.path(), "program.pl", program);
    let mut child = Command::new(test_perl())
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    Waiting {
        child,
        _folder: folder,
    }
}

fn dump(target: &Waiting, words: &str) -> support::Finished {
    support::run_line(&format!("dump --pid {} {words}", target.child.id()))
}

/// The frames of a dump as JSON, by their names' ends.
fn frames(target: &Waiting, words: &str) -> Vec<(String, Value)> {
    let finished = dump(target, &format!("--json {words}"));
    finished.expect(0, "");
    let document: Value = serde_json::from_str(&finished.out).unwrap();
    let frames = document["threads"][0]["frames"].as_array().unwrap();
    let named = frames
        .iter()
        .filter(|f| f["kind"] == "sub" || f["kind"] == "main");
    named
        .map(|f| (f["name"].as_str().unwrap().to_owned(), f.clone()))
        .collect()
}

/// A value as a word: addresses differ from run to run.
fn word(value: &Value) -> String {
    let text = value["value"].as_str().or(value["kind"].as_str()).unwrap();
    match text.split_once("(0x") {
        Some((kind, _)) => kind.to_owned(),
        None => text.to_owned(),
    }
}

fn arguments(frame: &Value) -> Vec<String> {
    let arguments = frame["arguments"].as_array();
    arguments.unwrap().iter().map(word).collect()
}

fn lexicals(frame: &Value) -> Vec<String> {
    let lexicals = frame["lexicals"].as_array().unwrap();
    lexicals
        .iter()
        .map(|l| format!("{} = {}", l["name"].as_str().unwrap(), word(l)))
        .collect()
}

#[test]
fn every_frame_has_its_arguments_and_variables() {
    everything_is_there("");
    // With nothing but what is learned.
    let empty = support::folder();
    let layouts = support::text(empty.path());
    everything_is_there(&format!("--no-cache --no-debug-info --layouts {layouts}"));
}

fn everything_is_there(options: &str) {
    let target = start(PROGRAM);
    let frames = frames(&target, &format!("-ll --values {options}"));
    let names: Vec<&str> = frames.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "main::waiting",
        "main::again",
        "main::again",
        "main::again",
        "My::Obj::__ANON__",
        "My::Obj::method",
        "(main)",
    ];
    assert_eq!(names, expected);
    let frame = |index: usize| &frames[index].1;

    // Called with &: it has its caller's @_, and none of its own.
    assert_eq!(frame(0)["arguments"], Value::Null);
    assert_eq!(lexicals(frame(0))[0], "$own = undef");
    let passed = [
        "42", "undef", "ARRAY", "SCALAR", "GLOB", "CODE", "-5", "2.25", "\"☺\"",
    ];
    for (index, depth) in [(1, 0), (2, 1), (3, 2)] {
        let mut found = arguments(frame(index));
        // The formats of other numbers than C's double are not read.
        found
            .iter_mut()
            .filter(|a| *a == "number")
            .for_each(|a| *a = "2.25".into());
        assert_eq!(found, passed);
        let found = lexicals(frame(index));
        // A number that was used as a string is a string, before 5.36.
        let plain = format!("$depth = {depth}");
        let quoted = format!("$depth = \"{depth}\"");
        assert!(found[0] == plain || found[0] == quoted, "{found:?}");
        assert_eq!(found[1..], [format!("$here = \"at {depth}.\"")]);
    }
    let closure = lexicals(frame(4));
    assert!(closure.contains(&"$z = 42".to_owned()), "{closure:?}");
    assert!(closure.contains(&"$n = 42".to_owned()), "{closure:?}");
    assert_eq!(frame(4)["argument_count"], 30);
    assert_eq!(arguments(frame(4)).len(), 20);

    assert_eq!(arguments(frame(5))[..3], ["My::Obj=HASH", "42", "\"many\""]);
    let z = "z".repeat(31);
    let is_double = arguments(frame(1))[7] != "number";
    let own = [
        "$self = My::Obj=HASH",
        "$n = 42",
        "@rest = array(30 elements)",
        &format!("$text = \"café \\x{{1b}}[2J{z}…\""),
        &format!("$f = {}", if is_double { "1.5" } else { "number" }),
        "$neg = -7",
        "$nothing = undef",
        "$code = CODE",
    ];
    assert_eq!(lexicals(frame(5)), own);

    assert_eq!(frame(6)["arguments"], Value::Null);
    let main = lexicals(frame(6));
    let file = [
        "$secret = \"in the file\"",
        "@list = array(5 elements)",
        "%table = hash",
    ];
    assert_eq!(main[..3], file);
    assert!(main.contains(&"$in_loop = 14".to_owned()), "{main:?}");
}

/// Passwords live in variables: what they hold is shown only when that was asked for.
#[test]
fn values_are_shown_when_asked_for_only() {
    let target = start(PROGRAM);
    for words in ["--locals", "-ll", "-l --json", "-ll --json"] {
        let finished = dump(&target, words);
        finished.expect(0, "");
        assert!(finished.out.contains("My::Obj=HASH(0x"), "{finished:?}");
        assert!(finished.out.contains("string(4 bytes)"), "{finished:?}");
        for value in ["many", "zzz", "in the file", "2.25", "☺"] {
            assert!(!finished.out.contains(value), "{value}: {finished:?}");
        }
        assert_eq!(finished.out.contains("$secret"), words.contains("ll"));
    }
    let plain = dump(&target, "");
    assert!(!plain.out.contains("@_"), "{plain:?}");
    let text = dump(&target, "-ll --values").out;
    assert!(text.contains("        @_ = (My::Obj=HASH(0x"), "{text}");
    assert!(text.contains("\"many\", … 12 more)"), "{text}");
    assert!(
        text.contains("        $secret = \"in the file\"\n"),
        "{text}"
    );
    // Nothing that a terminal would obey.
    assert!(!text.contains('\x1b'), "{text}");
}

#[test]
fn a_program_that_never_rests_still_has_its_stack() {
    let target = start(
        "$| = 1; sub spin { my $x = shift; spin($x - 1) if $x; } print \"ready\\n\"; spin(5) while 1;",
    );
    let finished = dump(&target, "-ll");
    finished.expect(0, "");
    assert!(finished.out.contains("(main)"), "{finished:?}");
    // Read from another CPU than its own, it is hardly ever met in one place.
    let approximate = (0..20).filter(|_| {
        let finished = dump(&target, "");
        finished.expect(0, "");
        assert!(finished.out.contains("(main)"), "{finished:?}");
        finished.err.contains("approximate")
    });
    assert!(approximate.count() <= 2);
}

#[test]
fn a_layout_that_lacks_what_is_needed_is_named() {
    if std::env::var_os("P5SPY_TEST_PERL").is_some() {
        loudly!("LEFT OUT: the table is for {}", support::PERL);
        return;
    }
    if !support::this_perl().is_debian_12() {
        return;
    }
    let target = start(PROGRAM);
    let folder = support::folder();
    let table = include_str!("../../layouts/5.36.toml");
    let without = table.replace("xcv_padlist = 72\n", "");
    assert_ne!(table, without);
    support::file(folder.path(), "5.36.toml", &without);
    let finished = dump(
        &target,
        &format!("-ll --layouts {}", folder.path().display()),
    );
    finished.expect(
        0,
        "no variables are shown: the layout lacks xpvcv.xcv_padlist",
    );
    assert!(finished.out.contains("main::waiting"), "{finished:?}");
    assert!(!finished.out.contains("$own"), "{finished:?}");
}
