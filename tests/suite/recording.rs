//! What a recording has in it: the right shares, honest numbers, whole files, harmless names.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock};
use support::{Finished, PERL, Running, SPLIT, Target, file, folder, run, spy, stacks, text, xml};

/// Held for writing by the test that wants the CPUs for itself: a program that has to wait for a
/// CPU does so where it calls the system, and p5-spy says so.
static OTHERS: RwLock<()> = RwLock::new(());

/// Records a running process for a while, with more options.
fn record(pid: i32, output: &Path, seconds: &str, options: &[&str]) -> Finished {
    let pid = pid.to_string();
    let words = ["record", "--pid", &pid, "-o", text(output), "-d", seconds];
    run(&[&words[..], &["--no-debug-info"], options].concat())
}

/// Runs [`SPLIT`] for some CPU seconds under `p5-spy record`; gives what was written and what the
/// program said that it spent.
fn record_split(output: &str, options: &[&str]) -> (String, String) {
    let folder = folder();
    let script = file(folder.path(), "split.pl", SPLIT);
    let output = folder.path().join(output);
    let mut command = spy();
    command.args(["record", "-r", "1000", "-o", text(&output)]);
    command.args(options);
    command.args(["--", PERL, text(&script), "1.6"]);
    let finished = Running::start(command).finish();
    finished.expect(0, "samples due in");
    let content = std::fs::read_to_string(&output).unwrap();
    let spent = finished.out.lines().find_map(|l| l.strip_prefix("spent "));
    (content, spent.unwrap().to_owned())
}

/// Samples by the innermost frame's name.
fn own(collapsed: &str) -> BTreeMap<String, u64> {
    let mut own = BTreeMap::new();
    for (frames, count) in stacks(collapsed) {
        // Perl that is only starting has no file yet.
        assert!(frames[0].starts_with("(main)"), "{frames:?}");
        let name = frames.last().unwrap().split(' ').next().unwrap();
        *own.entry(name.to_owned()).or_default() += count;
    }
    own
}

#[test]
fn shares_are_those_of_the_cpu_time() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let (content, spent) = record_split("out.folded", &[]);
    let own = own(&content);
    let of = |name: &str| own.get(name).copied().unwrap_or(0);
    support::shares_agree(&spent, &["main::hot", "main::warm", "main::cool"].map(of));
}

/// The main program of [`SPLIT`] does next to nothing but ask for the CPU time, which makes the
/// kernel look at the clock: if samples wait for such moments, it gets far too many.
#[test]
fn what_calls_the_system_gets_no_more_than_its_share() {
    let _alone = OTHERS.write().unwrap_or_else(PoisonError::into_inner);
    let (content, spent) = record_split("out.folded", &[]);
    let own = own(&content);
    let subs = ["main::hot", "main::warm", "main::cool"];
    let [hot, warm, cool] = subs.map(|name| own.get(name).copied().unwrap_or(0));
    let rest = own.values().sum::<u64>() - hot - warm - cool;
    support::shares_agree(&spent, &[hot, warm, cool, rest]);
}

#[test]
fn the_picture_shows_the_same_shares() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let (content, spent) = record_split("out.svg", &[]);
    let elements = xml::parse(&content).unwrap();
    let samples = |name: &str| {
        let start = format!("{name} (");
        let titles = elements.iter().filter(|(element, _)| element == "title");
        let mut of = titles.filter_map(|(_, text)| {
            let (count, _) = text.strip_prefix(&start)?.split_once(" samples")?;
            count.replace(',', "").parse::<u64>().ok()
        });
        of.next().unwrap_or(0)
    };
    support::shares_agree(
        &spent,
        &["main::hot", "main::warm", "main::cool"].map(samples),
    );
}

/// Both lines of the loops are known: nothing else may show up in them.
#[test]
fn by_line_gives_file_and_line() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let folder = folder();
    let script = file(
        folder.path(),
        "lines.pl",
        "alarm 120; $| = 1;\nsub work {\n    my $x = 0;\n    for my $n (1 .. 3000) {\n        $x += $n;\n        $x ^= 1;\n    }\n    $x;\n}\nprint qq(ready\\n);\nwhile (1) {\n    work();\n}\n",
    );
    let target = Target::with_words(&[text(&script)]);
    let output = folder.path().join("out.txt");
    record(target.pid(), &output, "1", &["--by", "line", "-r", "500"]).expect(0, "Wrote ");
    let mut lines: BTreeMap<String, u64> = BTreeMap::new();
    for (frames, count) in stacks(&std::fs::read_to_string(&output).unwrap()) {
        let start = format!("(main) ({}:", text(&script));
        let line = frames[0].strip_prefix(&start).unwrap();
        assert!(["11)", "12)"].contains(&line), "{frames:?}");
        if let [_, work] = &frames[..] {
            let start = format!("main::work ({}:", text(&script));
            let line = work.strip_prefix(&start).unwrap();
            *lines.entry(line.to_owned()).or_default() += count;
        }
    }
    let of = |line: &str| lines.get(line).copied().unwrap_or(0);
    let loops = of("4)") + of("5)") + of("6)");
    assert!(loops >= 100 && of("5)") > 10 && of("6)") > 10, "{lines:?}");
    // Line 3 is where the sub is entered, and 8 where it ends.
    assert!(
        lines.keys().all(|l| "3) 4) 5) 6) 8)".contains(&**l)),
        "{lines:?}"
    );
}

const BUSY: &str =
    "alarm 120; $| = 1; sub busy { 1 for 1 .. 1000 } print qq(ready\\n); busy() while 1";

#[test]
fn standard_output_has_the_stacks_and_nothing_else() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let target = Target::start(BUSY);
    let said = record(target.pid(), Path::new("-"), "0.5", &["-f", "collapsed"]);
    said.expect(0, "samples due in");
    assert!(!said.err.contains("Wrote"), "{}", said.err);
    let stacks = stacks(&said.out);
    assert!(
        stacks
            .iter()
            .any(|(f, _)| f == &["(main) (-e)", "main::busy (-e)"]),
        "{said:?}"
    );
    let said = record(target.pid(), Path::new("-"), "0.5", &["-f", "flamegraph"]);
    xml::parse(&said.out).unwrap();
}

/// The numbers of a recording, checked for what must hold of any.
fn stats(file: &Path) -> serde_json::Value {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.ends_with("}\n"));
    let stats: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut keys: Vec<&str> = stats.as_object().unwrap().keys().map(|k| &**k).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "approximate",
            "attempted",
            "away_ms",
            "cpu_seconds",
            "duration_seconds",
            "errors",
            "gone",
            "good",
            "idle",
            "late",
            "made_up",
            "missed",
            "native",
            "ready",
            "remote_reads",
            "stopped_ms",
            "thinned",
            "torn",
            "unseen",
            "unsure"
        ]
    );
    let number = |key: &str| stats[key].as_u64().unwrap();
    let errors = stats["errors"].as_object().unwrap().values();
    let parts = ["good", "idle", "ready", "torn", "missed", "gone"]
        .map(number)
        .iter()
        .sum::<u64>();
    let errors: u64 = errors.map(|e| e.as_u64().unwrap()).sum();
    assert_eq!(number("attempted"), parts + errors, "{text}");
    stats
}

#[test]
fn the_numbers_add_up() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let (target, folder) = (Target::start(BUSY), folder());
    let (output, numbers) = (folder.path().join("o.txt"), folder.path().join("s.json"));
    let options = ["-r", "500", "--stats", text(&numbers)];
    record(target.pid(), &output, "1", &options).expect(0, "Wrote ");
    let stats = stats(&numbers);
    let number = |key: &str| stats[key].as_u64().unwrap();
    // One sample is due in every period, on the average.
    assert!(number("attempted").abs_diff(500) <= 120, "{stats}");
    assert!(number("good") > 100, "{stats}");
    assert!(number("remote_reads") >= number("good"), "{stats}");
    let duration = stats["duration_seconds"].as_f64().unwrap();
    assert!((0.99..3.0).contains(&duration), "{stats}");
    let cpu = stats["cpu_seconds"].as_f64().unwrap();
    assert!((0.0..duration).contains(&cpu), "{stats}");
    // What was counted as good is what was written, no more and no less.
    let written = std::fs::read_to_string(&output).unwrap();
    let written: u64 = stacks(&written).iter().map(|(_, count)| count).sum();
    assert_eq!(number("good"), written);
}

/// On the CPUs of this list the calling process may run; those are the first two, if there are.
fn two_cpus() -> Option<(String, String)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let list = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let spans = list.trim().split(',').map(|span| {
        let (from, to) = span.split_once('-').unwrap_or((span, span));
        from.parse::<usize>().unwrap()..=to.parse::<usize>().unwrap()
    });
    let mut cpus = spans.flatten().map(|cpu| cpu.to_string());
    Some((cpus.next()?, cpus.next()?))
}

/// p5-spy that may run on one CPU only.
fn spy_on(cpu: &str) -> Command {
    let spy = spy();
    let mut command = Command::new("taskset");
    command.args(["-c", cpu]).arg(spy.get_program());
    support::surround(&mut command);
    command.stdin(Stdio::null());
    command
}

/// Where its CPU cannot be shared, a program that calls subs without end hardly rests for the time of
/// one read.
#[test]
fn a_cpu_that_cannot_be_shared_costs_precision_and_not_the_picture() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let Some((theirs, ours)) = two_cpus() else {
        loudly!("SKIPPED: two CPUs are needed");
        return;
    };
    let script = "alarm 120; $| = 1; sub inner { $_[0] + 1 } sub outer { inner(1); inner(2); 1 } \
        print qq(ready\\n); outer() while 1";
    let target = Target::of_perl(Path::new("taskset"), &["-c", &theirs, PERL, "-e", script]);
    let pid = target.pid().to_string();
    let spied = |words: &[&str]| {
        let mut command = spy_on(&ours);
        command.args(words).args(["--pid", &pid]);
        Running::start(command).finish()
    };
    let said = spied(&[
        "record",
        "-f",
        "collapsed",
        "-o",
        "-",
        "-r",
        "250",
        "-d",
        "2",
    ]);
    said.expect(0, "of the stacks are approximate");
    let stacks = stacks(&said.out);
    let all: u64 = stacks.iter().map(|(_, count)| count).sum();
    assert!(all > 250, "{said:?}");
    let legal = ["(main) (-e)", "main::outer (-e)", "main::inner (-e)"];
    for (frames, _) in &stacks {
        assert_eq!(*frames, legal[..frames.len()]);
    }
    for _ in 0..5 {
        let said = spied(&["dump"]);
        said.expect(0, "");
        assert!(said.out.contains("(main) (-e:"), "{said:?}");
    }
}

#[test]
fn what_waits_is_idle() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let target = Target::start(
        "alarm 120; $| = 1; sub waits { sysread STDIN, my $x, 1 } print qq(ready\\n); waits()",
    );
    target.blocks();
    let folder = folder();
    let (picture, numbers) = (folder.path().join("o.svg"), folder.path().join("s.json"));
    let said = record(target.pid(), &picture, "0.5", &["--stats", text(&numbers)]);
    said.expect(0, "waiting all the time").expect(0, "--idle");
    let counted = stats(&numbers);
    assert_eq!(
        (&counted["good"], &counted["errors"]),
        (&0.into(), &serde_json::json!({}))
    );
    assert!(counted["idle"].as_u64().unwrap() > 20, "{counted}");
    let svg = std::fs::read_to_string(&picture).unwrap();
    let texts = xml::parse(&svg).unwrap();
    assert!(
        texts.iter().any(|(_, t)| t.starts_with("No samples")),
        "{svg}"
    );

    let lines = folder.path().join("o.txt");
    let options = ["--idle", "--by", "line", "--stats", text(&numbers)];
    record(target.pid(), &lines, "0.5", &options).expect(0, "Wrote ");
    let written = stacks(&std::fs::read_to_string(&lines).unwrap());
    let [(frames, count)] = &written[..] else {
        panic!("{written:?}");
    };
    assert_eq!(frames, &["(main) (-e:1)", "main::waits (-e:1)"]);
    assert_eq!(stats(&numbers)["idle"].as_u64().unwrap(), *count);
}

#[test]
fn files_are_written_whole_or_not_at_all() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let (target, folder) = (Target::start(BUSY), folder());
    let output = file(folder.path(), "out.svg", "old");
    let numbers = file(folder.path(), "stats.json", "old");
    let options = ["--stats", text(&numbers)];
    let refused = |said: Finished, needle: &str| {
        said.expect(1, needle);
        assert_eq!(std::fs::read_to_string(&output).unwrap(), "old");
        assert_eq!(std::fs::read_to_string(&numbers).unwrap(), "old");
        assert_eq!(support::listing(folder.path()), ["out.svg", "stats.json"]);
    };
    refused(record(0x3fff_fffe, &output, "1", &options), "no process");
    let empty = support::folder();
    let no_tables = [
        &options[..],
        &["--no-learn", "--no-cache", "--layouts", text(empty.path())],
    ]
    .concat();
    refused(record(target.pid(), &output, "1", &no_tables), "no layout");

    record(target.pid(), &output, "0.4", &options).expect(0, "Wrote ");
    xml::parse(&std::fs::read_to_string(&output).unwrap()).unwrap();
    stats(&numbers);
    assert_eq!(support::listing(folder.path()), ["out.svg", "stats.json"]);
}

/// The old file stays while the new one is made.
#[test]
fn the_old_file_stays_until_the_new_one_is_there() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let (target, folder) = (Target::start(BUSY), folder());
    let output = file(folder.path(), "out.svg", "old");
    let mut command = spy();
    command.args(["record", "--no-debug-info", "-o", text(&output)]);
    command.args(["--pid", &target.pid().to_string()]);
    let mut recording = Running::start(command);
    recording.samples();
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "old");
    recording.signal(libc::SIGINT);
    recording.finish().expect(0, "Wrote ");
    xml::parse(&std::fs::read_to_string(&output).unwrap()).unwrap();
}

/// A folder that vanishes meanwhile costs the recording, but not the program its status.
#[test]
fn a_folder_that_vanishes() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let outer = folder();
    let inner = outer.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let target = Target::start(BUSY);
    let mut command = spy();
    command.args([
        "record",
        "--no-debug-info",
        "-o",
        text(&inner.join("out.svg")),
    ]);
    // There the samples are kept.
    command.current_dir(outer.path());
    command.args(["--pid", &target.pid().to_string()]);
    let mut recording = Running::start(command);
    recording.samples();
    std::fs::remove_dir_all(&inner).unwrap();
    recording.signal(libc::SIGINT);
    let said = recording.finish();
    said.expect(1, "cannot write ").expect(1, "No such file");
    assert!(!said.err.contains("Wrote"), "{}", said.err);
}

#[test]
fn the_title_is_the_command_line_whatever_it_holds() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let script =
        "alarm 120; $| = 1; my $t = '<b>&amp;\"</b>'; print qq(ready\\n); 1 while q(x&y) le q(z>])";
    let target = Target::start(script);
    let folder = folder();
    let picture = folder.path().join("o.svg");
    for idle in [false, true] {
        if idle {
            target.signal(libc::SIGSTOP);
            support::wait_for("the stop", || {
                (support::state(target.pid())? == 'T').then_some(())
            });
        }
        record(target.pid(), &picture, "0.4", &[]).expect(0, "Wrote ");
        let svg = std::fs::read_to_string(&picture).unwrap();
        let texts = xml::parse(&svg).unwrap();
        let title = format!("perl profile of {PERL} -e {script}");
        // A long one has two lines.
        let texts: Vec<&str> = texts.iter().map(|(_, text)| text.trim()).collect();
        let mut pairs = texts.windows(2);
        let found = texts.contains(&&*title)
            || pairs.any(|pair| format!("{} {}", pair[0], pair[1]) == title);
        assert!(found, "idle {idle}: {texts:?}");
    }
}

/// Names that would do something to a terminal, a browser or a reader of collapsed stacks.
#[test]
fn names_do_no_harm() {
    let _shared = OTHERS.read().unwrap_or_else(PoisonError::into_inner);
    let script = r##"use Sub::Util; alarm 120; $| = 1;
my $evil = "a;b\n\e[31m\e]0;owned\a<script>&\x{202e}\x{7f}\x{9b}2J";
my $code = Sub::Util::set_subname("main::$evil", sub { 1 for 1 .. 1000 });
print "ready\n";
eval "#line 7 \"f;\e[32m<i>.pl\"\nwhile (1) { \$code->() }";"##;
    let target = Target::start(script);
    let folder = folder();
    let harmful = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';

    let lines = folder.path().join("o.txt");
    let said = record(target.pid(), &lines, "0.5", &["--by", "line"]);
    said.expect(0, "Wrote ");
    assert!(!said.err.contains(harmful), "{:?}", said.err);
    let content = std::fs::read_to_string(&lines).unwrap();
    assert!(!content.contains(harmful), "{content:?}");
    let escaped = r"main::a\x{3b}b\x{a}\x{1b}[31m\x{1b}]0\x{3b}owned\x{7}<script>&\x{202e}\x{7f}\x{9b}2J (-e:3)";
    for (frames, _) in stacks(&content) {
        assert_eq!(frames[0], "(main) (-e:5)", "{frames:?}");
        assert_eq!(
            frames[1], r#"eval "…" [-e:5] (f\x{3b}\x{1b}[32m<i>.pl:7)"#,
            "{frames:?}"
        );
        assert!(frames.len() == 2 || frames[2..] == [escaped], "{frames:?}");
    }
    assert!(content.contains(escaped), "{content}");

    let picture = folder.path().join("o.svg");
    record(target.pid(), &picture, "0.5", &[]).expect(0, "Wrote ");
    let svg = std::fs::read_to_string(&picture).unwrap();
    let texts = xml::parse(&svg).unwrap();
    assert!(!svg.contains("<script>&") && !svg.contains(harmful));
    let start = escaped.trim_end_matches(" (-e:3)");
    assert!(
        texts.iter().any(|(_, text)| text.starts_with(start)),
        "{texts:?}"
    );

    let pid = target.pid().to_string();
    for words in [
        &["dump", "--pid", &pid][..],
        &["dump", "--json", "--pid", &pid],
    ] {
        let said = run(words);
        assert!(!said.out.contains(harmful), "{:?}", said.out);
        assert!(!said.err.contains(harmful), "{:?}", said.err);
    }
}

#[test]
fn subs_written_in_c_and_ops_stand_on_top_of_their_callers() {
    let target = Target::start(
        "use List::Util 'sum'; $| = 1; my @a = (1 .. 100_000); print qq(ready\\n); \
         sub total { sum(@a) } total() while 1",
    );
    let folder = folder();
    let out = folder.path().join("out.folded");
    record(target.pid(), &out, "1", &["--ops", "-r", "200"]).expect(0, "samples due in");
    let content = std::fs::read_to_string(&out).unwrap();
    let leaves = own(&content);
    assert!(leaves.contains_key("List::Util::sum"), "{leaves:?}");
    // The arguments are put on the stack by an op of the sub.
    assert!(leaves.contains_key("padav"), "{leaves:?}");
    let line = content.lines().find(|l| l.contains("List::Util::sum"));
    let (stack, _) = line.unwrap().rsplit_once(' ').unwrap();
    assert!(stack.ends_with(";List::Util::sum"), "{stack}");
}

#[test]
fn what_a_thread_waits_in_is_named() {
    let target = Target::start("$| = 1; print qq(ready\\n); sub nap { sleep 60 } nap()");
    target.blocks();
    let folder = folder();
    let out = folder.path().join("out.folded");
    record(target.pid(), &out, "1", &["--ops", "--idle"]).expect(0, "samples due in");
    let content = std::fs::read_to_string(&out).unwrap();
    let leaves = own(&content);
    let waits = leaves.keys().all(|name| name.ends_with("nanosleep"));
    assert!(waits && !leaves.is_empty(), "{leaves:?}");
    assert!(content.contains("main::nap (-e);sleep;"), "{content}");
}
