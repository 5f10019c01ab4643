//! Threads that run several interpreters, one after the other: whatever runs is shown, and nothing
//! of one interpreter in the stack of another.

mod loudly;
mod support;

use loudly::loudly;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::{Target, file, folder, run, stacks, text};

/// tests/interpreters/pool.c; `None` where it cannot be made.
fn pool() -> Option<&'static Path> {
    static POOL: OnceLock<Option<PathBuf>> = OnceLock::new();
    let made = POOL.get_or_init(|| {
        let said = |words: &str| {
            let mut perl = Command::new(support::PERL);
            let said = perl
                .args(["-MExtUtils::Embed", "-e", words])
                .output()
                .ok()?;
            let said = String::from_utf8(said.stdout).ok()?;
            Some(said.split_whitespace().map(str::to_owned).collect())
        };
        let (compile, link): (Vec<String>, Vec<String>) = (said("ccopts")?, said("ldopts")?);
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pool");
        let made = Command::new("cc")
            .arg("-o")
            .arg(&program)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/interpreters/pool.c"
            ))
            .args(compile)
            .args(link)
            .output();
        let is_made = made.is_ok_and(|made| made.status.success());
        is_made.then_some(program)
    });
    if made.is_none() {
        loudly!("SKIPPED several interpreters in a process: needs cc and libperl-dev");
    }
    made.as_deref()
}

/// A pool with these two scripts; both have subs `tick` and `work`, and one of their own.
fn started(place: &Path, threads: &str) -> Option<Target> {
    let program = pool()?;
    let mut command = Command::new(program);
    command.arg(threads);
    for name in ["a", "b"] {
        let script = format!(
            "sub work_{name} {{ my $x; $x += $_ for 1 .. 100_000 }}\n\
             sub work {{ work_{name}() }} sub tick {{ work() }} 1;"
        );
        command.arg(file(place, &format!("{name}.pl"), &script));
    }
    Some(Target::of_command(command))
}

/// How many samples each script has. None of their stacks has anything of the other.
fn shares(collapsed: &str) -> BTreeMap<char, u64> {
    let mut shares = BTreeMap::new();
    for (frames, count) in stacks(collapsed) {
        let of = |name: char| {
            let own = [format!("{name}.pl"), format!("work_{name}")];
            let has = |frame: &String| own.iter().any(|own| frame.contains(own.as_str()));
            frames.iter().any(has)
        };
        assert!(!(of('a') && of('b')), "{frames:?}");
        for name in ['a', 'b'].into_iter().filter(|name| of(*name)) {
            *shares.entry(name).or_insert(0) += count;
        }
    }
    shares
}

fn are_even(shares: &BTreeMap<char, u64>) {
    let of = |name| shares.get(&name).copied().unwrap_or(0);
    let (a, b) = (of('a'), of('b'));
    assert!(a + b >= 100, "{shares:?}");
    let part = a as f64 / (a + b) as f64;
    assert!((0.3..0.7).contains(&part), "{shares:?}");
}

fn record(pid: i32, words: &[&str], to: &Path) {
    let pid = pid.to_string();
    let always = ["record", "--no-config", "--pid", &pid, "-o", text(to)];
    run(&[&always[..], words].concat()).expect(0, "");
}

#[test]
fn a_thread_that_changes_its_interpreter_shows_the_one_that_runs() {
    let place = folder();
    let Some(target) = started(place.path(), "0") else {
        return;
    };
    let to = place.path().join("x.folded");
    record(target.pid(), &["-d", "3", "-r", "400"], &to);
    are_even(&shares(&std::fs::read_to_string(to).unwrap()));
}

#[test]
fn equal_names_of_two_interpreters_can_be_told_apart() {
    let place = folder();
    let Some(target) = started(place.path(), "0") else {
        return;
    };
    let (raw, to) = (place.path().join("x.p5spy"), place.path().join("x.folded"));
    record(target.pid(), &["-d", "3", "-r", "400"], &raw);
    run(&["report", text(&raw), "-t", "-o", text(&to)]).expect(0, "");
    let collapsed = std::fs::read_to_string(to).unwrap();
    are_even(&shares(&collapsed));
    for (frames, _) in stacks(&collapsed) {
        let is_second = frames.iter().any(|f| f.contains("b.pl"));
        let of = frames.first().unwrap();
        assert_eq!(of.ends_with(", interpreter 2"), is_second, "{frames:?}");
    }
}

#[test]
fn threads_share_interpreters_and_some_have_none_at_first() {
    let place = folder();
    let Some(mut target) = started(place.path(), "3") else {
        return;
    };
    assert_eq!(target.line(), "waiting");
    let to = place.path().join("x.folded");
    let pid = target.pid();
    std::thread::scope(|scope| {
        let recording = scope.spawn(|| record(pid, &["-d", "5", "-r", "400", "-t"], &to));
        // They are known to be there by now.
        std::thread::sleep(std::time::Duration::from_secs(1));
        target.write(b"go\n");
        recording.join().unwrap();
    });
    let collapsed = std::fs::read_to_string(to).unwrap();
    are_even(&shares(&collapsed));
    let workers: std::collections::BTreeSet<String> = stacks(&collapsed)
        .into_iter()
        .filter_map(|(frames, _)| frames.first()?.split(',').next().map(str::to_owned))
        .collect();
    assert!(workers.len() >= 3, "{workers:?}");
}

#[test]
fn an_interpreter_that_no_thread_runs_is_listed_as_such() {
    let place = folder();
    let Some(mut target) = started(place.path(), "1") else {
        return;
    };
    assert_eq!(target.line(), "waiting");
    let pid = target.pid().to_string();
    let dump = run(&["dump", "--no-config", "--json", "--pid", &pid]);
    let dump: Value = serde_json::from_str(&dump.out).unwrap();
    let others = dump["interpreters"].as_array().unwrap();
    assert_eq!(others.len(), 1, "{dump:#}");
    assert!(
        others[0]["frames"][0]["file"]
            .as_str()
            .unwrap()
            .ends_with("a.pl")
    );
    let text = run(&["dump", "--no-config", "--pid", &pid]);
    text.expect(0, "");
    assert!(
        text.out.contains("which no thread runs now\n    (main) ("),
        "{}",
        text.out
    );
}

/// perl_clone lets the thread's key point at what it makes, and `join` at what it takes down.
#[test]
fn whoever_makes_or_joins_a_thread_is_shown_meanwhile() {
    let script = "use threads; my %data = map { $_ => [1 .. 5] } 1 .. 20_000;
        sub start { threads->create(sub { 1 })->join } print \"ready\\n\"; start() while 1;";
    let target = Target::start(script);
    let place = folder();
    let to = place.path().join("x.folded");
    record(target.pid(), &["-d", "4", "-r", "200"], &to);
    let (mut made, mut all) = (0, 0);
    for (frames, count) in stacks(&std::fs::read_to_string(to).unwrap()) {
        all += count;
        let calls = ["threads::create", "threads::join", "main::start"];
        let is_call = |f: &String| calls.iter().any(|call| f.starts_with(call));
        made += count * u64::from(frames.iter().any(is_call));
    }
    assert!(all >= 100 && made * 10 >= all * 9, "{made} of {all}");
}
