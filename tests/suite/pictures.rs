//! Pictures of a recording as `report` makes them: nothing left, frames that vanish, the order of time,
//! two recordings in one page.

use crate::support;

use std::path::{Path, PathBuf};
use support::{PERL, Running, file, folder, run, spy, stacks, text};

/// Two phases, the first one through a framework of sorts.
const PHASES: &str = r#"package Frame::Work; sub dispatch { my $code = shift; eval { $code->(@_) } }
package main; sub one { my $x; $x += $_ for 1 .. $_[0] } sub two { my $x; $x += $_ for 1 .. $_[0] }
sub spend { my ($seconds, $code) = @_; my $from = times; $code->() while times() - $from < $seconds }
spend(FIRST, sub { Frame::Work::dispatch(\&one, 1000) });
spend(0.5, sub { two(1000) });
"#;

/// A recording of them, by its name.
fn recorded(folder: &Path, name: &str, first: &str) -> PathBuf {
    let script = file(folder, "phases.pl", &PHASES.replace("FIRST", first));
    let raw = folder.join(name);
    let mut command = spy();
    command.args(["record", "-r", "400", "-o", text(&raw), "--", PERL]);
    command.arg(&script);
    Running::start(command).finish().expect(0, "Wrote ");
    raw
}

#[test]
fn a_report_of_nothing_fails_and_writes_nothing() {
    let place = folder();
    let raw = recorded(place.path(), "x.p5spy", "0.5");
    for (name, filter) in [
        ("x.svg", ["--from", "1000"]),
        ("x.html", ["--sub", "no such sub"]),
        ("x.folded", ["--from", "1h30m"]),
        ("x.pb.gz", ["--pid", "1"]),
    ] {
        let output = place.path().join(name);
        let words = ["report", text(&raw), "-o", text(&output)];
        let said = run(&[&words[..], &filter].concat());
        said.expect(1, "no samples: the filters are too narrow");
        assert!(!output.exists(), "{name}");
    }
    let said = run(&[
        "report",
        text(&raw),
        "-o",
        "-",
        "-f",
        "collapsed",
        "--to",
        "1m",
    ]);
    said.expect(0, "");
    assert!(said.out.contains("main::one"), "{said:?}");
}

#[test]
fn folded_frames_vanish_into_their_callers() {
    let place = folder();
    let raw = recorded(place.path(), "x.p5spy", "0.5");
    let report = |more: &[&str]| {
        let words = ["report", text(&raw), "-o", "-", "-f", "collapsed"];
        let said = run(&[&words[..], more].concat());
        said.expect(0, "");
        let has = |what: &str| said.out.contains(what);
        let all: u64 = stacks(&said.out).iter().map(|(_, n)| n).sum();
        (has("Frame::Work"), has("eval {"), has("main::one"), all)
    };
    let (work, eval, one, all) = report(&[]);
    assert!(work && eval && one && all > 50);
    assert_eq!(
        report(&["--fold", "^Frame::Work::"]),
        (false, false, true, all)
    );
    assert_eq!(
        report(&["--fold-preset", "plack,moose"]),
        (true, true, true, all)
    );
}

#[test]
fn a_flame_chart_has_what_came_first_on_the_left() {
    let place = folder();
    let raw = recorded(place.path(), "x.p5spy", "0.5");
    let chart = place.path().join("x.chart.svg");
    run(&["report", text(&raw), "-o", text(&chart)]).expect(0, "left to the right");
    let chart = std::fs::read_to_string(&chart).unwrap();
    // Boxes have a title and then their place.
    let places = |name: &str| -> Vec<f64> {
        let boxes = chart.split("<title>").skip(1);
        let own = boxes.filter(|b| b.starts_with(name));
        let left = own.map(|b| {
            let (_, x) = b.split_once(" x=\"").unwrap();
            x.split(['%', '"']).next().unwrap().parse().unwrap()
        });
        left.collect()
    };
    let (one, two) = (places("main::one"), places("main::two"));
    let last = |list: &[f64]| list.iter().copied().fold(f64::MIN, f64::max);
    let first = |list: &[f64]| list.iter().copied().fold(f64::MAX, f64::min);
    assert!(!one.is_empty() && !two.is_empty());
    assert!(last(&one) < first(&two), "{one:?} {two:?}");
}

#[test]
fn two_recordings_become_one_page() {
    let place = folder();
    let before = recorded(place.path(), "before.p5spy", "0.3");
    let after = recorded(place.path(), "after.p5spy", "1.5");
    let page = place.path().join("diff.html");
    let words = ["report", "--diff", text(&before), text(&after), "-o"];
    run(&[&words[..], &[text(&page)]].concat()).expect(0, "Wrote ");
    let page = std::fs::read_to_string(&page).unwrap();
    assert!(page.contains("\"compared\":[{"), "no sides");
    run(&[&words[..], &["x.pb.gz"]].concat()).expect(2, "-o FILE.html");
}
