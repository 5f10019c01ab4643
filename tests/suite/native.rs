//! C below Perl in recordings: what an op or a sub in C runs is on top of the Perl line that led to it, and on top of no
//! other one.

use super::loudly::loudly;
use super::support;
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use support::{PERL, Running, folder, run, stacks, text};

/// A match that backtracks, a sort with a comparator, a block that List::Util calls, compression, and a nap.
const WORK: &str = r#"use strict; use List::Util qw(first); use Compress::Zlib ();
my $text = ("ab" x 60) . "c"; my $long = join ",", map { $_ * 7919 % 10007 } 1 .. 20000;
sub matches { my $n = 0; for (1 .. 10) { $n++ if $text =~ /^(?:a|b|ab)*(?:a|b|ab)*[xyz]$/ } $n }
sub compares { $a <=> $b } sub sorts { my @x = sort compares map { $_ * 7919 % 10007 } 1 .. 3000; scalar @x }
sub finds { my $found; $found = first { $_ > 900 } 1 .. 1000 for 1 .. 60; $found }
sub packs { Compress::Zlib::compress($long) }
sub Held::TIESCALAR { bless [], "Held" } sub Held::FETCH { my $x; $x += $_ for 1 .. 2000; $x }
tie my $held, "Held"; sub holds { my $x; $x += $held for 1 .. 10; $x }
sub rests { select undef, undef, undef, 0.01 }
my $end = time + 60; my $last = (times)[0] + 2;
while (time < $end && (times)[0] < $last) { matches(); sorts(); finds(); packs(); holds(); rests() }
"#;

/// As an ordinary user, where we are root.
const ORDINARY: &[&str] = &[
    "setpriv",
    "--reuid=65534",
    "--regid=65534",
    "--clear-groups",
    "--inh-caps=-all",
    "--bounding-set=-all",
];

/// What p5-spy recorded, its account, and what it said.
fn recorded(front: &[&str], words: &[&str]) -> (String, Value, String) {
    let place = folder();
    let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(place.path(), all).unwrap();
    let (out, stats) = (place.path().join("x.folded"), place.path().join("x.json"));
    let spy = env!("CARGO_BIN_EXE_p5-spy");
    let mut command = match front.split_first() {
        Some((first, rest)) => {
            let mut command = Command::new(first);
            command.args(rest).arg(spy);
            command
        }
        None => Command::new(spy),
    };
    command.args(["record", "--no-config", "--no-cache", "-r", "300"]);
    command
        .args(["-o", text(&out), "--stats", text(&stats)])
        .args(words);
    command
        .args(["--", PERL, "-e", WORK])
        .env("HOME", place.path());
    let done = Running::start(command).finish();
    done.expect(0, "");
    let read = |file: &Path| std::fs::read_to_string(file).unwrap();
    (
        read(&out),
        serde_json::from_str(&read(&stats)).unwrap(),
        done.err,
    )
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        loudly!("SKIPPED C below Perl: registers of a thread that runs are told to root");
    }
    is_root
}

/// How many samples have a stack of which this is true, of all that have that sub.
fn of(collapsed: &str, sub: &str, is_one: impl Fn(&[String]) -> bool) -> (u64, u64) {
    let mut counts = (0, 0);
    for (stack, count) in stacks(collapsed) {
        if stack.iter().any(|frame| frame.starts_with(sub)) {
            counts.0 += count * u64::from(is_one(&stack));
            counts.1 += count;
        }
    }
    counts
}

fn has(stack: &[String], start: &str) -> bool {
    stack.iter().any(|frame| frame.starts_with(start))
}

#[test]
fn what_runs_in_c_is_below_the_line_that_led_to_it() {
    if !is_root() {
        return;
    }
    let (collapsed, stats, said) = recorded(&[], &["--native"]);
    let count = |name: &str| stats[name].as_u64().unwrap();
    assert!(count("native") * 10 > count("good") * 9, "{stats}");
    assert!(said.contains("it is known of"), "{said}");
    let matching = |stack: &[String]| {
        let op = stack.iter().position(|frame| frame.starts_with("match /"));
        op.is_some_and(|op| has(&stack[op..], "Perl_regexec_flags"))
    };
    let (good, all) = of(&collapsed, "main::matches", matching);
    assert!(
        all > 10 && good * 10 > all * 8,
        "{good} of {all}: {collapsed}"
    );
    let deflating = |stack: &[String]| {
        let sub = stack
            .iter()
            .position(|f| f.starts_with("Compress::Raw::Zlib::"));
        sub.is_some_and(|sub| has(&stack[sub..], "deflate") || has(&stack[sub..], "[Compress/"))
    };
    let (good, all) = of(&collapsed, "main::packs", deflating);
    assert!(all > 10 && good * 2 > all, "{good} of {all}: {collapsed}");
    // Between two calls of a comparator or block what calls it runs, and is on top.
    let (good, all) = of(&collapsed, "main::sorts", |stack| has(stack, "Perl_sortsv"));
    assert!(all > 10 && good > 0, "{good} of {all}: {collapsed}");
    // While they run it is between them and the line that calls it.
    let between = |outer: &'static str, code: &'static str, inner: &'static str| {
        move |stack: &[String]| {
            let at = |name: &str| stack.iter().position(|frame| frame.starts_with(name));
            at(outer) < at(code) && at(code).is_some() && at(code) < at(inner)
        }
    };
    let sorting = between("main::sorts", "Perl_sortsv", "main::compares");
    let (good, all) = of(&collapsed, "main::compares", sorting);
    assert!(
        all > 10 && good * 10 > all * 7,
        "{good} of {all}: {collapsed}"
    );
    let finding = |stack: &[String]| {
        between("main::finds", "[List/Util/", "(MULTICALL)")(stack)
            || between("main::finds", "List::Util::first", "(MULTICALL)")(stack)
    };
    let (good, all) = of(&collapsed, "(MULTICALL)", finding);
    assert!(
        all > 10 && good * 10 > all * 7,
        "{good} of {all}: {collapsed}"
    );
    let (good, all) = of(
        &collapsed,
        "Held::FETCH",
        between("main::holds", "Perl_mg_get", "Held::FETCH"),
    );
    assert!(
        all > 10 && good * 10 > all * 7,
        "{good} of {all}: {collapsed}"
    );
    // What leads from Perl to C and back is not shown.
    for plumbing in [
        "Perl_runops",
        "Perl_pp_",
        "Perl_call_sv",
        "S_docatch",
        "perl_run",
    ] {
        let shown = stacks(&collapsed)
            .iter()
            .any(|(stack, _)| has(stack, plumbing));
        assert!(!shown, "{plumbing}: {collapsed}");
    }
    // Ops that call nothing were not asked for.
    let nextstate = stacks(&collapsed).iter().any(|(stack, _)| {
        stack
            .last()
            .is_some_and(|frame| frame.starts_with("nextstate"))
    });
    assert!(!nextstate, "{collapsed}");
}

#[test]
fn each_function_is_shown_where_all_are_asked_for() {
    if !is_root() {
        return;
    }
    let (collapsed, ..) = recorded(&[], &["--native=all"]);
    // An op's own function, where it has a name.
    let (good, all) = of(&collapsed, "main::packs", |stack| {
        has(stack, "Perl_pp_entersub")
    });
    if good == 0 {
        let (unnamed, _) = of(&collapsed, "main::packs", |stack| has(stack, "[libperl"));
        assert!(unnamed > 0, "{good} of {all}: {collapsed}");
    }
}

#[test]
fn a_thread_that_waits_shows_where_to_anybody() {
    if is_root() && !support::has_setpriv() {
        loudly!("SKIPPED C of waiting threads: there is no setpriv of util-linux");
        return;
    }
    let front = if is_root() { ORDINARY } else { &[] };
    let (collapsed, stats, said) = recorded(front, &["--native", "--idle"]);
    let waiting = |stack: &[String]| has(stack, "__select") || has(stack, "select (");
    let (good, all) = of(&collapsed, "main::rests", waiting);
    assert!(good > 10, "{good} of {all}: {collapsed}");
    if stats["native"].as_u64().unwrap() * 2 < stats["good"].as_u64().unwrap() {
        assert!(said.contains("CAP_PERFMON"), "{said}");
    }
}

#[test]
fn a_raw_recording_has_both() {
    if !is_root() {
        return;
    }
    let place = folder();
    let raw = place.path().join("x.p5spy");
    let words = [
        "record",
        "--no-config",
        "--no-cache",
        "-r",
        "300",
        "--native",
    ];
    let rest = ["-o", text(&raw), "--", PERL, "-e", WORK];
    run(&[&words[..], &rest].concat()).expect(0, "");
    let report = |words: &[&str]| {
        let start = ["report", text(&raw), "-f", "collapsed", "-o", "-"];
        let done = run(&[&start[..], words].concat());
        done.expect(0, "");
        done.out
    };
    let (with, without) = (report(&[]), report(&["--perl-only"]));
    let sum = |collapsed: &str| stacks(collapsed).iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(sum(&with), sum(&without));
    let c = |stack: &[String]| has(stack, "Perl_regexec_flags");
    assert!(of(&with, "main::matches", c).0 > 0, "{with}");
    assert_eq!(of(&without, "main::matches", c).0, 0, "{without}");
    // In a flame graph it has a colour of its own, in a report it is no sub's own time.
    let pictures = [place.path().join("x.svg"), place.path().join("x.html")];
    let [svg, html] = &pictures;
    run(&["report", text(&raw), "-o", text(svg), "-o", text(html)]).expect(0, "");
    let svg = std::fs::read_to_string(svg).unwrap();
    let start = svg.find("<title>Perl_regexec_flags").unwrap();
    let colour = svg[start..].split("fill=\"rgb(").nth(1).unwrap();
    let parts: Vec<u32> = colour
        .split([',', ')'])
        .take(3)
        .map(|n| n.trim().parse().unwrap())
        .collect();
    assert!(parts[2] > parts[0], "blue: {parts:?}");
    assert!(
        std::fs::read_to_string(html)
            .unwrap()
            .contains("\"native\"")
    );
}
