//! Stacks deeper than anybody looks: what p5-spy costs is bounded, the shares stay right, and what is
//! left out is marked.

use crate::support;

use serde_json::Value;
use std::process::Command;
use support::{Target, folder, run, stacks, text};

/// A perl that may use as much C stack as it likes.
fn deep(script: &str) -> Target {
    let mut command = Command::new("sh");
    let words = "ulimit -s unlimited 2>/dev/null || ulimit -s hard; exec \"$0\" -e \"$1\"";
    command.args(["-c", words, support::PERL, script]);
    Target::of_command(command)
}

fn frames(dump: &Value) -> Vec<String> {
    let frames = dump["threads"][0]["frames"].as_array().unwrap();
    let label = |frame: &Value| frame["label"].as_str().unwrap().to_owned();
    frames.iter().map(label).collect()
}

fn dump(target: &Target) -> Vec<String> {
    let dumped = run(&[
        "dump",
        "--no-config",
        "--json",
        "--pid",
        &target.pid().to_string(),
    ]);
    dumped.expect(0, "");
    frames(&serde_json::from_str(&dumped.out).unwrap())
}

const LEFT_OUT: &str = "(frames left out)";

#[test]
fn of_a_hundred_thousand_frames_those_in_the_middle_are_left_out() {
    let target = deep(
        "no warnings; sub inner { print \"ready\\n\"; sleep 600 } sub outer { deep(100_000) }
         sub deep { my $d = shift; $d ? deep($d - 1) : inner(); 1 } $| = 1; outer();",
    );
    target.blocks();
    let frames = dump(&target);
    assert!((10_000..25_000).contains(&frames.len()), "{}", frames.len());
    assert_eq!(frames.iter().filter(|f| *f == LEFT_OUT).count(), 1);
    let shown: Vec<&str> = frames.iter().map(String::as_str).collect();
    assert!(shown.starts_with(&["CORE::sleep"]) || shown.starts_with(&["main::inner"]));
    assert!(shown.ends_with(&["main::deep", "main::outer", "(main)"]));
    let others = [
        "main::inner",
        "main::deep",
        "main::outer",
        "(main)",
        LEFT_OUT,
    ];
    let strange = shown.iter().skip(1).find(|f| !others.contains(f));
    assert_eq!(strange, None);
}

#[test]
fn of_many_stack_infos_those_in_the_middle_are_left_out() {
    let target = deep(
        "use List::Util 'first'; our $d = 12_000; $| = 1;
         sub inner { print \"ready\\n\"; sleep 600 }
         sub nest { inner() if !$d--; first { nest() } 1; 1 } nest();",
    );
    target.blocks();
    let frames = dump(&target);
    assert_eq!(frames.iter().filter(|f| *f == LEFT_OUT).count(), 1);
    assert!(frames.len() > 20_000, "{}", frames.len());
    assert_eq!(frames.last().unwrap(), "(main)");
    assert!(
        frames.iter().take(2).any(|f| f == "main::inner"),
        "{:?}",
        &frames[..4]
    );
}

/// Half of the time with a stack that is expensive to look at, half without. What a sample counts for
/// does not depend on which it is.
#[test]
fn deep_stacks_cost_no_more_than_they_may_and_shares_stay_right() {
    let target = deep(
        "no warnings; $| = 1; use Time::HiRes 'clock';
         sub busy { my $until = clock() + 0.15; 1 while clock() < $until }
         sub low { busy() } sub high { busy() }
         sub deep { my $d = shift; $d ? deep($d - 1) : high(); 1 }
         print \"ready\\n\"; while (1) { low(); deep(20_000) }",
    );
    let place = folder();
    let (to, stats) = (place.path().join("x.folded"), place.path().join("x.json"));
    let pid = target.pid().to_string();
    let words = [
        "record",
        "--no-config",
        "-d",
        "12",
        "-r",
        "500",
        "--max-cpu",
        "1",
    ];
    let files = ["-o", text(&to), "--stats", text(&stats), "--pid", &pid];
    run(&[&words[..], &files].concat()).expect(0, "--max-cpu");
    let stats: Value = serde_json::from_str(&std::fs::read_to_string(stats).unwrap()).unwrap();
    let number = |key: &str| stats[key].as_f64().unwrap();
    assert!(number("thinned") > 0.0, "{stats}");
    // Names are learned at first, on top of what a debug build takes for everything.
    let share = number("cpu_seconds") / number("duration_seconds");
    assert!(share < 0.15, "{stats}");
    let (mut low, mut high) = (0.0, 0.0);
    for (frames, count) in stacks(&std::fs::read_to_string(to).unwrap()) {
        let has = |name: &str| frames.iter().any(|f| f.starts_with(name));
        low += f64::from(u8::from(has("main::low"))) * count as f64;
        high += f64::from(u8::from(has("main::high"))) * count as f64;
    }
    let part = high / (low + high);
    assert!(
        low + high > 500.0 && (0.3..0.7).contains(&part),
        "{low} {high} {stats}"
    );
}
