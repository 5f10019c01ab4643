//! Many processes in one recording: children, workers that come and go, programs that are none of
//! ours, threads and processes kept apart.

use crate::support;

use support::{PERL, Running, Target, file, folder, run, spy, stacks, text};

/// Forks workers, each busy for some CPU seconds in a sub of its own, and waits for them. The
/// first also starts a program that is no perl.
const WORKERS: &str = r#"
sub spin { my $end = (times)[0] + shift; 1 while (times)[0] < $end }
sub work_a { spin($_[0]) }
sub work_b { spin($_[0]) }
sub work_c { spin($_[0]) }
my @subs = (\&work_a, \&work_b, \&work_c);
my $seconds = shift;
for my $i (0 .. 2) {
    my $pid = fork;
    if (!$pid) { system('sleep 0.1') if !$i; $subs[$i]->($seconds); exit 0 }
}
1 while wait != -1;
"#;

/// Names of the subs below which samples were taken.
fn names(collapsed: &str) -> std::collections::BTreeSet<String> {
    let frames = stacks(collapsed).into_iter().flat_map(|(frames, _)| frames);
    frames
        .map(|f| f.split(" (").next().unwrap_or_default().to_owned())
        .collect()
}

#[track_caller]
fn has(collapsed: &str, wanted: &[&str]) {
    let names = names(collapsed);
    for name in wanted {
        assert!(names.contains(*name), "no {name} in {names:?}");
    }
}

fn record(options: &[&str], words: &[&str]) -> (support::Finished, String) {
    let folder = folder();
    let out = folder.path().join("out.folded");
    let mut command = spy();
    command.args(["record", "-r", "200", "-o", text(&out)]);
    command.args(options).arg("--").args(words);
    let finished = Running::start(command).finish();
    let content = std::fs::read_to_string(&out).unwrap_or_default();
    (finished, content)
}

#[test]
fn children_are_followed_and_strangers_ignored() {
    let folder = folder();
    let script = file(folder.path(), "workers.pl", WORKERS);
    let (finished, content) = record(&["-s"], &[PERL, text(&script), "0.4"]);
    finished.expect(0, "samples due in");
    has(&content, &["main::work_a", "main::work_b", "main::work_c"]);
    let (_, content) = record(&[], &[PERL, text(&script), "0.2"]);
    assert!(!names(&content).contains("main::work_a"), "{content}");
}

#[test]
fn processes_are_kept_apart_when_asked_for() {
    let folder = folder();
    let script = file(folder.path(), "workers.pl", WORKERS);
    let (_, content) = record(&["-s", "--threads"], &[PERL, text(&script), "0.3"]);
    let mut workers = std::collections::BTreeMap::new();
    for (frames, _) in stacks(&content) {
        assert!(frames[0].starts_with("process "), "{frames:?}");
        assert!(frames[1].starts_with("thread "), "{frames:?}");
        if let Some(work) = frames.iter().find(|f| f.starts_with("main::work_")) {
            let processes: &mut std::collections::BTreeSet<_> =
                workers.entry(work.clone()).or_default();
            processes.insert(frames[0].clone());
        }
    }
    assert_eq!(workers.len(), 3, "{workers:?}");
    assert!(workers.values().all(|p| p.len() == 1), "{workers:?}");
}

#[test]
fn a_shell_is_as_good_as_a_perl() {
    let folder = folder();
    let script = file(
        folder.path(),
        "busy.pl",
        "sub busy { my $end = (times)[0] + 1; 1 while (times)[0] < $end } busy()",
    );
    let line = format!("true; {PERL} {}; exit 3", text(&script));
    let (finished, content) = record(&["-s"], &["/bin/sh", "-c", &line]);
    // The status is the program's own.
    finished.expect(3, "samples due in");
    has(&content, &["main::busy"]);
    let (finished, _) = record(&["-s"], &["/bin/sh", "-c", "sleep 0.2"]);
    finished.expect(0, "no perl was seen");
}

/// Keeps two workers alive that each do a little and end.
const PREFORK: &str = r#"
$| = 1;
sub handle { my $end = (times)[0] + 0.05; 1 while (times)[0] < $end }
sub worker { handle() }
my %alive;
print "ready\n";
while (1) {
    while (keys %alive < 2) {
        my $pid = fork;
        if (!$pid) { worker(); exit 0 }
        $alive{$pid} = 1;
    }
    my $gone = wait;
    delete $alive{$gone};
}
"#;

#[test]
fn workers_that_come_and_go_cost_nothing() {
    let target = Target::start(PREFORK);
    let folder = folder();
    let out = folder.path().join("out.folded");
    let stats = folder.path().join("stats.json");
    let pid = target.pid().to_string();
    let finished = run(&[
        "record",
        "-s",
        "--threads",
        "-r",
        "200",
        "-d",
        "3",
        "--pid",
        &pid,
        "-o",
        text(&out),
        "--stats",
        text(&stats),
    ]);
    finished.expect(0, "samples due in");
    let content = std::fs::read_to_string(&out).unwrap();
    let workers: std::collections::BTreeSet<String> = stacks(&content)
        .into_iter()
        .filter(|(frames, _)| frames.iter().any(|f| f.starts_with("main::worker ")))
        .map(|(frames, _)| frames[0].clone())
        .collect();
    // Two were there from the start.
    assert!(workers.len() >= 3, "{workers:?}");
    let stats: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&stats).unwrap()).unwrap();
    let count = |name: &str| stats[name].as_u64().unwrap();
    let errors: u64 = stats["errors"]
        .as_object()
        .unwrap()
        .values()
        .map(|c| c.as_u64().unwrap())
        .sum();
    let sum = ["good", "idle", "ready", "torn", "missed", "gone"]
        .map(count)
        .iter()
        .sum::<u64>();
    assert_eq!(count("attempted"), sum + errors);
    assert!(100 * errors <= count("attempted"), "{stats}");
}

#[test]
fn several_processes_can_be_named() {
    let one = Target::start("$| = 1; print \"ready\\n\"; sub one { 1 while 1 } one()");
    let two = Target::start("$| = 1; print \"ready\\n\"; sub two { 1 while 1 } two()");
    let (one, two) = (one.pid().to_string(), two.pid().to_string());
    let folder = folder();
    let out = folder.path().join("out.folded");
    let words = [
        "record",
        "-d",
        "1",
        "-o",
        text(&out),
        "-p",
        &one,
        "-p",
        &two,
    ];
    run(&words).expect(0, "samples due in");
    let content = std::fs::read_to_string(&out).unwrap();
    has(&content, &["main::one", "main::two"]);
    // One that is not there is no reason to have nothing.
    run(&[&words[..], &["-p", "1073741822"]].concat()).expect(0, "no process 1073741822");
    let dumped = run(&["dump", "--json", "-p", &one, "-p", &two]);
    let list: serde_json::Value = serde_json::from_str(&dumped.out).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2, "{dumped:?}");
}

#[test]
fn a_worker_that_becomes_another_program_is_let_go() {
    let (finished, content) = record(
        &["-s"],
        &[
            PERL,
            "-e",
            "sub stay { my $e = (times)[0] + 0.5; 1 while (times)[0] < $e } \
             if (!fork) { exec 'sleep', '0.3' } stay(); wait",
        ],
    );
    finished.expect(0, "samples due in");
    assert!(
        !finished.err.contains("became another program"),
        "{finished:?}"
    );
    has(&content, &["main::stay"]);
}

#[test]
fn processes_that_end_between_two_samples_are_in_the_account() {
    let folder = folder();
    let stats = folder.path().join("stats.json");
    let line = "for i in 1 2 3 4 5 6 7 8 9 10; do perl -e '1 while (times)[0] < 0.1'; done";
    let mut command = spy();
    command.args([
        "record",
        "-s",
        "-r",
        "1",
        "-f",
        "collapsed",
        "-o",
        "/dev/null",
    ]);
    command.args(["--stats", text(&stats), "--", "sh", "-c", line]);
    let finished = Running::start(command).finish();
    let stats = std::fs::read_to_string(stats).unwrap();
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    let unseen = stats["unseen"].as_u64().unwrap();
    assert!((3..=10).contains(&unseen), "{stats} {finished:?}");
}
