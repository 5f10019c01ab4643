//! Names that are no names: empty, endless, or of any bytes. None costs a stack.
//!
//! The perl is /usr/bin/perl, or the one that the variable `P5SPY_TEST_PERL` names.

use crate::support;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Target, spy};

fn perl() -> PathBuf {
    std::env::var_os("P5SPY_TEST_PERL").map_or_else(|| support::PERL.into(), PathBuf::from)
}

/// Each stop is in an anonymous sub whose glob is another for the time being, as `caller` sees it.
const STOPS: &str = r##"
    $| = 1;
    sub stop { print "ready\n"; sysread STDIN, my $byte, 1 }
    sub with { my $name = shift; return sub { no strict 'refs'; local *__ANON__ = $name; stop() } }
    my @names = (
        "", "Name::", "::", "x" x 6208 . "::f", "f" x 9000, "y" x 1000000 . "::f",
        "\0", "a\0b::\0", "a\e[2J\nb", "\xe4" x 5000, "\x{20ac}" x 5000, "|" x 4096, "|" x 4097,
    );
    &{ with($_) }() for @names;
    eval '#line 1 "' . 'd/' x 2500 . "f.pl\"\nstop()";
    eval '#line 1 "' . 'g' x 70000 . "\"\nstop()";
    eval "#line 1 \"a\e[2J\xe4\"\nstop()";
    print "over\n";
"##;

/// The frames of the program, outermost first: name and file.
fn frames(target: &Target) -> Vec<(String, String)> {
    target.blocks();
    let pid = target.pid().to_string();
    let mut command = spy();
    command.args(["dump", "--json", "--synthetic", "none", "--pid", &pid]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!output.stdout.contains(&0x1b));
    let dump: Value = serde_json::from_slice(&output.stdout).unwrap();
    let thread = &dump["threads"][0];
    assert_eq!(thread["error"], Value::Null);
    let text = |frame: &Value, key: &str| frame[key].as_str().unwrap().to_owned();
    let frames = thread["frames"].as_array().unwrap().iter().rev();
    frames
        .filter(|frame| frame["kind"] != "xsub")
        .map(|frame| (text(frame, "name"), text(frame, "file")))
        .collect()
}

#[test]
fn a_name_of_any_bytes_and_length_costs_no_stack() {
    let mut target = Target::of_perl(&perl(), &["-e", STOPS]);
    let mut names = Vec::new();
    let mut files = Vec::new();
    loop {
        let frames = frames(&target);
        let subs: Vec<&str> = frames.iter().map(|(name, _)| &**name).collect();
        assert_eq!((subs[0], *subs.last().unwrap()), ("(main)", "main::stop"));
        assert_eq!(subs.len(), 3);
        if subs[1] == "(eval)" {
            files.push(frames[1].1.clone());
        } else {
            names.push(subs[1].to_owned());
        }
        target.write(b"\n");
        if target.line() == "over" {
            break;
        }
    }
    assert_eq!((names.len(), files.len()), (13, 3));
    // What perl makes of the first three depends on its version.
    assert!(
        names[..3].iter().all(|name| name.len() < 20),
        "{:?}",
        &names[..3]
    );
    let cut = |c: &str, whole: usize| format!("{}…{}", c.repeat(whole), c.repeat(whole));
    let half = 2048;
    assert_eq!(names[3], format!("{}::f", cut("x", half)));
    assert_eq!(names[4], format!("main::{}", cut("f", half)));
    // Before 5.10 a package's name does not say how long it is, and its end is not looked for so far.
    let (start, end) = names[5].split_once('…').unwrap();
    assert_eq!(start, "y".repeat(half));
    assert!([&"y".repeat(half), ""].contains(&end.trim_end_matches("::f")) && end.ends_with("::f"));
    assert!(
        names[6..9].iter().all(|n| n.contains("\\x{")),
        "{:?}",
        &names[6..9]
    );
    assert!(names[9].starts_with("main::") && names[9].contains('…'));
    assert!(names[10].starts_with("main::") && names[10].contains('…'));
    assert_eq!(names[11], format!("main::{}", "|".repeat(4096)));
    assert_eq!(names[12], format!("main::{}", cut("|", half)));
    assert!(files[0].starts_with("d/d/") && files[0].ends_with("d/f.pl"));
    assert!(
        files[0].contains('…') && files[0].len() < 4200,
        "{}",
        files[0]
    );
    assert!(files[1].starts_with("ggg") && files[1].len() < 4200);
    assert!(files[2].starts_with("a\\x{1b}[2J"), "{}", files[2]);
}

/// The same while it runs: not one sample is lost for a name.
#[test]
fn names_cost_no_sample() {
    let script = r##"
        $| = 1;
        sub work { my $x = 0; $x += $_ for 1 .. 2000; $x }
        sub with { my $name = shift; return sub { local *__ANON__ = $name; work() for 1 .. 20 } }
        my @subs = map { with($_) } "", "x" x 6208 . "::f", "\0\n";
        print "ready\n";
        while (1) { &$_() for @subs; eval '#line 1 "' . 'd/' x 2500 . "f.pl\"\nwork() for 1 .. 20" }
    "##;
    let target = Target::of_perl(&perl(), &["-e", script]);
    let folder = support::folder();
    let stats = folder.path().join("stats.json");
    let mut command: Command = spy();
    command.args([
        "record",
        "-d",
        "2",
        "-r",
        "200",
        "--pid",
        &target.pid().to_string(),
    ]);
    command.args(["-o", path(&folder.path().join("out.p5spy"))]);
    command.args(["--stats", path(&stats)]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let stats: Value = serde_json::from_slice(&std::fs::read(&stats).unwrap()).unwrap();
    assert!(stats.to_string().contains("good"), "{stats}");
    assert!(!stats.to_string().contains("nonsense"), "{stats}");
}

/// A sub gets another name while it runs, or is freed and another one comes to its address, and
/// nothing is compiled meanwhile.
#[test]
fn names_given_at_run_time_are_those_of_that_time() {
    let script = r##"
        use Sub::Util 'set_subname';
        sub burn { my $end = (times)[0] + shift; while ((times)[0] < $end) { my $x = 0; $x += $_ for 1 .. 2000 } }
        sub closure { my $name = shift; set_subname("Made::$name", sub { burn(0.05); $name }) }
        sub made { for (1 .. 8) { for my $name (qw(one two three)) { my $sub = closure($name); $sub->(); undef $sub } } }
        my $renamed = sub { burn(0.4) };
        sub renamed { $renamed->(); set_subname('Renamed::sub', $renamed); $renamed->() }
        my $local = sub { burn(0.4); local *__ANON__ = 'Local::name'; burn(0.4) };
        sub with_local { $local->() }
        made(); renamed(); with_local();
    "##;
    let folder = support::folder();
    let program = support::file(folder.path(), "given.pl", script);
    let out = folder.path().join("out.txt");
    let mut command = spy();
    command.args(["record", "-r", "400", "-f", "collapsed", "-o", path(&out)]);
    command.arg("--").arg(perl()).arg(program);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let stacks = support::stacks(&std::fs::read_to_string(out).unwrap());
    let below = |outer: &str, inner: &str| -> u64 {
        let is = |frames: &[String], name: &str| frames.iter().any(|f| f.starts_with(name));
        let both = |frames: &[String]| is(frames, outer) && is(frames, inner);
        stacks.iter().filter(|(f, _)| both(f)).map(|s| s.1).sum()
    };
    for (outer, names) in [
        ("main::made", &["Made::one", "Made::two", "Made::three"][..]),
        ("main::renamed", &["main::__ANON__", "Renamed::sub"]),
        ("main::with_local", &["main::__ANON__", "Local::name"]),
    ] {
        let counts: Vec<u64> = names.iter().map(|name| below(outer, name)).collect();
        let all: u64 = counts.iter().sum();
        // Each runs for as long as the others.
        let fair = all / counts.len() as u64;
        let right = |count: &u64| 2 * count > fair && *count < 2 * fair;
        assert!(
            all > 40 && counts.iter().all(right),
            "{outer}: {counts:?} of {names:?}"
        );
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}
