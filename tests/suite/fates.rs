//! What may befall a target while it is looked at, a file while it is written, and p5-spy itself:
//! what was recorded can be read, the status is right, and nothing is left behind.

use crate::loudly;
use crate::support;
#[path = "../fates/view.rs"]
mod view;

use loudly::loudly;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Finished, Running, Target, folder, run, spy, text, wait_for};
use view::View;

/// As many as a program gets where nobody was mean.
const ENOUGH: u32 = 256;

/// A program that computes until a signal tells it what to become. What it forks ends with it.
const FATEFUL: &str = r#"$| = 1; alarm 120;
sub work { my $x; $x += $_ for 1 .. 1000 }
sub forked { my $x; $x += $_ for 1 .. 1000 }
$SIG{USR1} = sub { exec $^X, '-e', 'alarm 120; sub second { 1 for 1 .. 1000 } second() while 1' };
$SIG{USR2} = sub { exec 'sh', '-c', 'ulimit -t 60; while :; do :; done' };
$SIG{HUP} = sub { my $parent = $$; fork or do { forked() while getppid == $parent; exit } };
$SIG{QUIT} = sub { print "alive\n" };
# unshare(2) of mounts, host name, semaphores, network and processes to come; and of users alone.
$SIG{TERM} = sub { syscall($ARGV[0], 0x6C020000) == 0 or print "not its own\n" };
$SIG{INT} = sub { syscall($ARGV[0], 0x10000000) == 0 or print "not its own\n" };
$SIG{CONT} = sub { chroot '/sys'; chdir '/'; ($), $() = ('65534 65534', 65534); $> = $< = 65534 };
print "ready\n";
work() while 1;
"#;

fn fateful() -> Target {
    Target::with_words(&["-e", FATEFUL, &libc::SYS_unshare.to_string()])
}

/// What happens to it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    /// It is killed, and nothing is left of it.
    Killed,
    /// It is killed, and nobody takes note.
    Zombie,
    /// It becomes another perl.
    Perl,
    /// It becomes something else.
    Shell,
    /// It gets a child.
    Forks,
    /// It gets namespaces of its own, as containers have.
    Namespaces,
    /// It becomes root of a namespace in which nobody else is.
    Users,
    /// It locks itself in and gives up its rights, as servers do.
    Rights,
}

const FATES: [Fate; 8] = [
    Fate::Killed,
    Fate::Zombie,
    Fate::Perl,
    Fate::Shell,
    Fate::Forks,
    Fate::Namespaces,
    Fate::Users,
    Fate::Rights,
];

impl Fate {
    /// Lets it happen; gives what is left of the target.
    fn strike(self, target: Target) -> Option<Target> {
        match self {
            Fate::Killed => return None,
            Fate::Zombie => target.signal(libc::SIGKILL),
            Fate::Perl => target.signal(libc::SIGUSR1),
            Fate::Shell => target.signal(libc::SIGUSR2),
            Fate::Forks => target.signal(libc::SIGHUP),
            Fate::Namespaces => target.signal(libc::SIGTERM),
            Fate::Users => target.signal(libc::SIGINT),
            Fate::Rights => target.signal(libc::SIGCONT),
        }
        Some(target)
    }

    /// Waits until it shows from outside, where it does.
    fn has_come(self, target: &Target) {
        let link = |name: &str| std::fs::read_link(format!("/proc/{}/{name}", target.pid())).ok();
        let ours = |name: &str| std::fs::read_link(format!("/proc/self/{name}")).ok();
        let changed = match self {
            Fate::Namespaces => "ns/mnt",
            Fate::Users => "ns/user",
            Fate::Rights => "root",
            _ => return,
        };
        wait_for("its new surroundings", || {
            (link(changed)? != ours(changed)?).then_some(())
        });
    }

    /// It runs on as before.
    fn is_mild(self) -> bool {
        matches!(
            self,
            Fate::Forks | Fate::Namespaces | Fate::Users | Fate::Rights
        )
    }
}

/// Those that can be here.
fn fates() -> impl Iterator<Item = Fate> {
    // SAFETY: geteuid has no preconditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    if !is_root {
        loudly!("SKIPPED targets that change their namespaces and rights: needs root");
    }
    let of_root = [Fate::Namespaces, Fate::Users, Fate::Rights];
    let fates = FATES.into_iter();
    fates.filter(move |fate| is_root || !of_root.contains(fate))
}

/// A recording of a process, as a raw one and as a picture.
struct Recorded {
    folder: tempfile::TempDir,
    running: Running,
}

impl Recorded {
    fn start(pid: i32, words: &[&str]) -> Self {
        let folder = folder();
        let mut command = spy();
        let (raw, picture) = (
            folder.path().join("x.p5spy"),
            folder.path().join("x.folded"),
        );
        command.args(["record", "--no-debug-info", "--pid", &pid.to_string()]);
        command.args(["-o", text(&raw), "-o", text(&picture)]);
        command.args(words);
        let running = Running::start(command);
        let recorded = Recorded { folder, running };
        recorded.grows();
        recorded
    }

    fn raw(&self) -> PathBuf {
        self.folder.path().join("x.p5spy")
    }

    /// Waits for samples that are taken from now on.
    fn grows(&self) {
        let size = || self.raw().metadata().map_or(0, |about| about.len());
        let before = size();
        wait_for("two more blocks", || {
            (size() > before.max(200)).then_some(())
        });
        let between = size();
        wait_for("one more block", || (size() > between).then_some(()));
    }

    /// Waits for its end; both files must be there, and what the raw one says is given.
    fn finish(self) -> (Finished, String) {
        let raw = self.raw();
        let finished = self.running.finish();
        let picture = std::fs::read_to_string(self.folder.path().join("x.folded"));
        let later = collapsed(&raw);
        later.expect(0, "");
        assert!(!later.err.contains("cut off"), "{later:?}");
        assert!(
            picture.unwrap_or_default().contains("main::work"),
            "{finished:?}"
        );
        (finished, later.out)
    }
}

fn collapsed(raw: &Path) -> Finished {
    run(&["report", "--idle", text(raw), "-f", "collapsed", "-o", "-"])
}

/// The samples in collapsed stacks.
fn total(collapsed: &str) -> u64 {
    support::stacks(collapsed).iter().map(|(_, n)| n).sum()
}

/// Some moment within so many milliseconds.
fn some_time(within: f64) -> Duration {
    Duration::from_secs_f64(fastrand::f64() * within / 1000.0)
}

#[test]
fn whatever_befalls_a_target_during_a_dump_has_its_own_word() {
    for fate in fates() {
        for _ in 0..12 {
            let target = fateful();
            let pid = target.pid().to_string();
            let mut command = spy();
            command.args(["dump", "--no-cache", "--pid", &pid]);
            let running = Running::start(command);
            let moment = some_time(9.0);
            std::thread::sleep(moment);
            let left = fate.strike(target);
            let said = running.finish();
            drop(left);
            let about = format!("{fate:?} after {moment:?}: {said:?}");
            if said.code() == 0 {
                let seen = ["main::work", "main::second", "main::forked"];
                let known =
                    said.out.contains("(main)") || seen.iter().any(|s| said.out.contains(s));
                assert!(known || said.out.contains("-e"), "{about}");
                continue;
            }
            said.expect(1, "");
            assert!(said.err.starts_with("p5-spy: "), "{about}");
            let words: &[&str] = match fate {
                Fate::Killed | Fate::Zombie => &["has ended", "there is no process"],
                // Between two of our reads the old memory went away.
                Fate::Perl | Fate::Shell => &[
                    "is not perl",
                    "still starting",
                    "has no interpreter now",
                    "another program",
                    "is not mapped",
                ],
                _ => &[],
            };
            assert!(words.iter().any(|w| said.err.contains(w)), "{about}");
        }
    }
}

#[test]
fn whatever_befalls_a_target_its_recording_is_written() {
    for fate in fates() {
        let target = fateful();
        let recorded = Recorded::start(target.pid(), &[]);
        let left = fate.strike(target);
        if let Some(target) = &left {
            fate.has_come(target);
        }
        if fate == Fate::Perl || fate.is_mild() {
            recorded.grows();
            recorded.grows();
            recorded.running.signal(libc::SIGINT);
        }
        let (said, stacks) = recorded.finish();
        drop(left);
        let word = match fate {
            Fate::Killed | Fate::Zombie => "the program ended",
            Fate::Shell => "became another program",
            _ => "samples due in",
        };
        said.expect(0, word);
        assert!(stacks.contains("main::work"), "{fate:?}: {stacks}");
        assert_eq!(
            stacks.contains("main::second"),
            fate == Fate::Perl,
            "{stacks}"
        );
        assert!(!stacks.contains("main::forked"), "{fate:?}: {stacks}");
    }
}

#[test]
fn what_a_target_forks_is_recorded_when_asked_for() {
    let target = fateful();
    let recorded = Recorded::start(target.pid(), &["--subprocesses"]);
    let left = Fate::Forks.strike(target);
    recorded.grows();
    recorded.grows();
    // Both end at once.
    drop(left);
    let (said, stacks) = recorded.finish();
    said.expect(0, "the program ended");
    assert!(
        stacks.contains("main::work") && stacks.contains("main::forked"),
        "{stacks}"
    );
}

#[test]
fn whatever_befalls_a_target_the_view_of_it_ends_well() {
    for fate in fates() {
        let target = fateful();
        let mut view = View::of(target.pid(), ENOUGH);
        view.until("main::work");
        let left = fate.strike(target);
        match fate {
            Fate::Perl => view.until("main::second"),
            fate if fate.is_mild() => view.until("main::work"),
            _ => {}
        }
        if fate == Fate::Perl || fate.is_mild() {
            view.press("q");
        }
        let (status, screen) = view.closed();
        drop(left);
        assert_eq!(status, 0, "{fate:?}: {screen}");
        let word = match fate {
            Fate::Killed | Fate::Zombie => "The program ended after",
            Fate::Shell => "became another program",
            _ => "",
        };
        assert!(screen.contains(word), "{fate:?}: {screen}");
    }
}

/// A group of processes that can be frozen; it is thawed and removed in any case.
struct Freezer(PathBuf);

impl Freezer {
    fn new(name: &str) -> Option<Self> {
        let group = format!(
            "/sys/fs/cgroup/freezer/p5-spy-{name}-{}",
            std::process::id()
        );
        if std::fs::create_dir(&group).is_err() {
            loudly!("SKIPPED a target that is frozen meanwhile: no freezer that we may use");
            return None;
        }
        Some(Freezer(group.into()))
    }

    fn take(&self, target: &Target) {
        std::fs::write(self.0.join("tasks"), target.pid().to_string()).unwrap();
    }

    fn freeze(&self) {
        let state = self.0.join("freezer.state");
        std::fs::write(&state, "FROZEN").unwrap();
        wait_for("the frost", || {
            (std::fs::read_to_string(&state).ok()?.trim() == "FROZEN").then_some(())
        });
    }

    fn thaw(&self) {
        let _ = std::fs::write(self.0.join("freezer.state"), "THAWED");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        let deadline = std::time::Instant::now() + support::PATIENCE;
        // Its targets may still be about to end.
        while std::fs::remove_dir(&self.0).is_err() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

#[test]
fn frost_at_any_moment_of_a_dump_changes_nothing() {
    let Some(freezer) = Freezer::new("dump") else {
        return;
    };
    let target = fateful();
    freezer.take(&target);
    for _ in 0..15 {
        let mut command = spy();
        command.args(["dump", "--no-cache", "--pid", &target.pid().to_string()]);
        let running = Running::start(command);
        std::thread::sleep(some_time(9.0));
        freezer.freeze();
        let said = running.finish();
        freezer.thaw();
        said.expect(0, "");
        assert!(
            said.out.contains("main::work") || said.out.contains("(main)"),
            "{said:?}"
        );
    }
}

#[test]
fn a_recording_outlasts_a_frost_and_ends_in_one() {
    let Some(freezer) = Freezer::new("record") else {
        return;
    };
    let target = fateful();
    freezer.take(&target);
    for ends_in_it in [false, true] {
        let recorded = Recorded::start(target.pid(), &["--idle"]);
        freezer.freeze();
        recorded.grows();
        if !ends_in_it {
            freezer.thaw();
            recorded.grows();
        }
        recorded.running.signal(libc::SIGINT);
        let (said, stacks) = recorded.finish();
        freezer.thaw();
        said.expect(0, "samples due in");
        assert!(!said.err.contains("could not be read"), "{said:?}");
        assert!(
            stacks.contains("main::work") && total(&stacks) > 50,
            "{stacks}"
        );
    }
    target.signal(libc::SIGQUIT);
    let mut target = target;
    assert_eq!(target.line(), "alive");
}

#[test]
fn the_view_of_a_frozen_target_can_be_closed() {
    let Some(freezer) = Freezer::new("top") else {
        return;
    };
    let target = fateful();
    freezer.take(&target);
    let mut view = View::of(target.pid(), ENOUGH);
    freezer.freeze();
    view.press("q");
    let (status, screen) = view.closed();
    freezer.thaw();
    assert_eq!(status, 0, "{screen}");
}

#[test]
fn a_recording_that_is_removed_meanwhile_is_written_again_where_it_can_be() {
    for with_folder in [false, true] {
        let (target, place) = (fateful(), folder());
        let inner = place.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        let raw = inner.join("x.p5spy");
        let mut command = spy();
        command.args(["record", "--no-debug-info", "-o", text(&raw)]);
        command.args(["--pid", &target.pid().to_string()]);
        let running = Running::start(command);
        wait_for("the first block", || {
            (raw.metadata().ok()?.len() > 300).then_some(())
        });
        if with_folder {
            std::fs::remove_dir_all(&inner).unwrap();
        } else {
            std::fs::remove_file(&raw).unwrap();
        }
        running.signal(libc::SIGINT);
        let said = running.finish();
        if with_folder {
            said.expect(1, "cannot write ");
            assert!(!said.err.contains("Wrote"), "{said:?}");
        } else {
            said.expect(0, "Wrote ");
            assert!(total(&collapsed(&raw).out) > 0);
        }
    }
}

#[test]
fn few_descriptors_are_said_and_mean_no_end_of_the_target() {
    let target = fateful();
    let pid = target.pid().to_string();
    for limit in [5, 6, 8, 10, 12, 16] {
        let place = folder();
        let (raw, limit) = (place.path().join("x.p5spy"), limit.to_string());
        for words in [
            &["dump", "--pid", &pid][..],
            &["record", "-d", "0.5", "-o", text(&raw), "--pid", &pid],
        ] {
            let line = r#"ulimit -n "$1"; shift; exec "$@""#;
            let mut command = std::process::Command::new("sh");
            command.args(["-c", line, "sh", &limit, env!("CARGO_BIN_EXE_p5-spy")]);
            command.args(words).args(["--no-cache", "--no-debug-info"]);
            let said = Running::start(command).finish();
            let about = format!("{limit} descriptors: {said:?}");
            assert!(!said.err.contains("the program ended"), "{about}");
            match said.code() {
                0 if words[0] == "dump" => assert!(said.out.contains("main"), "{about}"),
                0 => assert!(total(&collapsed(&raw).out) > 0, "{about}"),
                code => {
                    assert_eq!(code, 1, "{about}");
                    assert!(
                        said.err.contains(&support::named_error(libc::EMFILE)),
                        "{about}"
                    );
                    assert!(limit != "16", "{about}");
                }
            }
        }
    }
    // A list that leaves something out would be believed.
    for limit in 3..30 {
        let limit = limit.to_string();
        let line = r#"ulimit -n "$1"; exec "$2" ps"#;
        let mut command = std::process::Command::new("sh");
        command.args(["-c", line, "sh", &limit, env!("CARGO_BIN_EXE_p5-spy")]);
        let said = Running::start(command).finish();
        match said.code() {
            0 => assert!(said.out.contains(&pid), "{limit} descriptors: {said:?}"),
            _ => {
                let why = support::named_error(libc::EMFILE);
                said.expect(1, &format!("cannot look for perls: {why}"));
            }
        }
    }
    View::of(target.pid(), 16).press("q");
}
