//! A thread that has not run since its stack was read is not read again: that must neither cost a
//! sample nor show a stack that is over.

use crate::support;

use std::time::{Duration, Instant};
use support::{Target, folder, kill, run, stacks, text};

struct Recorded {
    stacks: Vec<(Vec<String>, u64)>,
    stats: serde_json::Value,
}

impl Recorded {
    fn of(target: &Target, options: &[&str]) -> Self {
        let folder = folder();
        let (out, stats) = (
            folder.path().join("out.folded"),
            folder.path().join("s.json"),
        );
        let pid = target.pid().to_string();
        let always = ["record", "-s", "-o", text(&out), "--stats", text(&stats)];
        run(&[&always[..], &["--pid", &pid], options].concat()).expect(0, "samples due in");
        let read = |path| std::fs::read_to_string(path).unwrap();
        Recorded {
            stacks: stacks(&read(&out)),
            stats: serde_json::from_str(&read(&stats)).unwrap(),
        }
    }

    fn count(&self, name: &str) -> f64 {
        self.stats[name].as_u64().unwrap() as f64
    }

    /// Samples with this sub on their stack.
    fn within(&self, sub: &str) -> f64 {
        let start = format!("{sub} ");
        let is_in = |frames: &[String]| frames.iter().any(|f| f.starts_with(&start));
        let found = self.stacks.iter().filter(|(frames, _)| is_in(frames));
        found.map(|(_, count)| *count).sum::<u64>() as f64
    }
}

/// A program whose workers end with it.
struct Family(Target);

impl Drop for Family {
    fn drop(&mut self) {
        kill(self.0.pid(), libc::SIGTERM);
        let stat = format!("/proc/{}/stat", self.0.pid());
        let ended = || std::fs::read_to_string(&stat).is_ok_and(|s| s.contains(") Z "));
        let deadline = Instant::now() + Duration::from_secs(20);
        while !ended() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Starts as many workers as `$workers` says, which all call `worker`, and prints a line.
const FAMILY: &str = r#"
    alarm 120; $| = 1;
    my @all;
    $SIG{TERM} = sub { kill KILL => @all; exit };
    for (1 .. $workers) {
        my $pid = fork;
        if (!$pid) { $SIG{TERM} = 'DEFAULT'; alarm 120; worker(); exit }
        push @all, $pid;
    }
    print "ready\n";
    sleep 100 while 1;
"#;

#[test]
fn waiting_workers_are_read_once() {
    let script = format!(
        "sub wait_for_it {{ sleep 100 }} sub worker {{ wait_for_it() }} our $workers = 12; {FAMILY}"
    );
    let family = Family(Target::start(&script));
    let recorded = Recorded::of(&family.0, &["--idle", "-r", "200", "-d", "2"]);
    let idle = recorded.count("idle");
    assert!(idle > 13.0 * 50.0, "{}", recorded.stats);
    assert!(
        recorded.within("main::wait_for_it") > idle * 0.85,
        "{}",
        recorded.stats
    );
    // Each was read some times when it was met, and to learn its names.
    assert!(
        recorded.count("remote_reads") < idle / 2.0,
        "{}",
        recorded.stats
    );
}

#[test]
fn who_woke_up_in_between_is_read_anew() {
    let script = "$| = 1; alarm 120;
        sub long { select undef, undef, undef, 0.06 }
        sub short { select undef, undef, undef, 0.02 }
        print qq(ready\\n);
        while (1) { long(); short() }";
    let target = Target::start(script);
    let recorded = Recorded::of(&target, &["--idle", "-r", "250", "-d", "4"]);
    let (long, short) = (
        recorded.within("main::long"),
        recorded.within("main::short"),
    );
    let share = long / (long + short);
    assert!(long + short > 300.0, "{}", recorded.stats);
    assert!((0.65..0.85).contains(&share), "{share} {}", recorded.stats);
}

#[test]
fn a_crowd_of_busy_workers_shows_where_each_is() {
    let script = format!(
        "sub spin {{ my $x = 0; $x += $_ for 1 .. $_[0]; $x }}
         sub long {{ spin(3000) }} sub short {{ spin(1000) }}
         sub worker {{ while (1) {{ long(); short() }} }} our $workers = 16; {FAMILY}"
    );
    let family = Family(Target::start(&script));
    let recorded = Recorded::of(&family.0, &["-r", "200", "-d", "4"]);
    let (long, short) = (
        recorded.within("main::long"),
        recorded.within("main::short"),
    );
    let share = long / (long + short);
    assert!(long + short > 500.0, "{}", recorded.stats);
    assert!((0.65..0.85).contains(&share), "{share} {}", recorded.stats);
    let cpus = std::thread::available_parallelism().unwrap().get();
    if cpus <= 4 {
        let samples = recorded.count("good") + recorded.count("ready");
        let reads = recorded.count("remote_reads");
        assert!(2.0 * reads < samples, "{}", recorded.stats);
    }
}
