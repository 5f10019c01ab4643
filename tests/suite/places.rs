//! Perls in unusual places: renamed, deleted while they run, in a chroot.

use crate::loudly;
use crate::support;

use loudly::loudly;
use p5_spy::attach::Attach;
use p5_spy::ids::Pid;
use p5_spy::layout::Sources;
use p5_spy::platform::Process;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PROGRAM: &str = "sub waits { print qq(ready\\n); sysread STDIN, my $x, 1 } $| = 1; waits();";

/// A perl that has reached its point.
struct Waiting(Child);

impl Waiting {
    fn start(command: &mut Command) -> Self {
        let mut child = command
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        Waiting(child)
    }

    fn dump(&self) -> String {
        self.dump_by(&[])
    }

    fn dump_by(&self, options: &[&str]) -> String {
        let done = support::spy()
            .args(["dump", "--pid", &self.0.id().to_string()])
            .args(options)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.success(), "{error}");
        String::from_utf8(done.stdout).unwrap()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn copy_of_perl(folder: &Path) -> PathBuf {
    let copy = folder.join("not-called-pearl");
    // Not by ourselves: another test that forks while we write would keep the file busy.
    let copied = Command::new("cp").arg("/usr/bin/perl").arg(&copy).status();
    assert!(copied.unwrap().success());
    copy
}

#[test]
fn a_perl_without_symbols_is_found_by_the_probes() {
    if !support::this_perl().is_one_file() {
        return;
    }
    let this = support::this_perl();
    let Some(table) = this.table() else {
        loudly!("LEFT OUT: there is no table for {}", this.version);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_of_perl(folder.path());
    support::hidden::hide_symbols(&copy);
    let waiting = Waiting::start(Command::new(&copy).args(["-e", PROGRAM]));
    let dump = |options: &[&str]| {
        let mut command = support::spy();
        command
            .args(["dump", "--no-cache", "--no-learn"])
            .args(["--pid", &waiting.0.id().to_string()])
            .args(options);
        support::Running::start(command).finish()
    };
    let found = dump(&[]);
    found.expect(0, "");
    for line in [
        &format!("Perl v{} ({}", this.version, this.kind()),
        &format!("layout table {table}"),
        "main::waits (-e:1)",
    ] {
        assert!(found.out.contains(line), "{line}: {}", found.out);
    }
    let empty = tempfile::tempdir().unwrap();
    let nothing = dump(&["--layouts", empty.path().to_str().unwrap()]);
    nothing
        .expect(1, &format!("is a perl ({}) without symbols", this.version))
        .expect(1, "p5-spy layout-learn");
    assert_eq!(nothing.out, "");
}

/// The line of each call is that of its sub's only line, so that a wrong statement shows.
const RUNS: &str = "$| = 1; print qq(ready\\n);
sub inner { my $n = shift; $n .= 'x' for 1 .. 3; $n }
sub outer { inner($_) for 1 .. 5 }
outer() while 1;";

#[test]
fn a_perl_without_symbols_that_runs_is_found_every_time() {
    let this = support::this_perl();
    let Some(table) = this.table() else {
        loudly!("LEFT OUT: there is no table for {}", this.version);
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_of_perl(folder.path());
    support::hidden::hide_symbols(&copy);
    let running = Waiting::start(Command::new(&copy).args(["-e", RUNS]));
    let process = Process::open(Pid::from(running.0.id() as i32)).unwrap();
    for _ in 0..20 {
        let sources = Sources {
            debug: None,
            ..Sources::built_in()
        };
        let target = Attach::with(&sources).to(process, &mut |e| panic!("{}", e.text));
        let target = target.unwrap();
        let source = target.perl.resolved.source.to_string();
        assert_eq!(source, format!("layout table {table}"));
        // The search asks for much at once, not for each word of the data.
        assert!(
            target.remote_reads() < 800,
            "{} reads",
            target.remote_reads()
        );
        let found = running.dump_by(&["--no-cache", "--no-learn", "--no-debug-info"]);
        let mut frames = found.lines().filter_map(|line| line.strip_prefix("    "));
        assert_eq!(frames.next_back(), Some("(main) (-e:4)"), "{found}");
        for frame in frames {
            let lines = ["main::inner (-e:2)", "main::outer (-e:3)"];
            assert!(lines.contains(&frame), "{found}");
        }
    }
}

#[test]
fn what_is_known_of_a_perl_does_not_mislead_about_its_stripped_copy() {
    let (folder, cache) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = folder.path().join("perl");
    let copied = Command::new("cp").arg("/usr/bin/perl").arg(&copy).status();
    assert!(copied.unwrap().success());
    let empty = tempfile::tempdir().unwrap();
    let dump = |layouts: Option<&Path>| {
        let waiting = Waiting::start(Command::new(&copy).args(["-e", PROGRAM]));
        let mut command = support::spy();
        command
            .env("XDG_CACHE_HOME", cache.path())
            .args(["dump", "--no-debug-info", "--pid"])
            .arg(waiting.0.id().to_string());
        if let Some(folder) = layouts {
            command.arg("--layouts").arg(folder);
        }
        support::Running::start(command).finish()
    };
    let learned = dump(Some(empty.path()));
    learned.expect(0, "learned the layout");
    // The same build-id, without the names that the entry takes for granted.
    support::hidden::hide_symbols(&copy);
    for layouts in [None, Some(empty.path()), Some(empty.path())] {
        let found = dump(layouts);
        found.expect(0, "");
        assert!(found.out.contains("main::waits (-e:1)"), "{}", found.out);
    }
}

#[test]
fn a_perl_of_another_name_also_after_its_file_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let copy = copy_of_perl(folder.path());
    let waiting = Waiting::start(Command::new(&copy).args(["-e", PROGRAM]));
    assert!(waiting.dump().contains("main::waits (-e:1)"));
    // An upgrade replaces the file under the running program.
    std::fs::remove_file(&copy).unwrap();
    std::fs::write(&copy, "something else").unwrap();
    assert!(waiting.dump().contains("main::waits (-e:1)"));
}

#[test]
fn a_perl_in_a_chroot() {
    let root = tempfile::tempdir().unwrap();
    let copy = copy_of_perl(root.path());
    let Ok(listed) = Command::new("ldd").arg(&copy).output() else {
        loudly!("SKIPPED a perl in a chroot: there is no ldd");
        return;
    };
    let listed = String::from_utf8(listed.stdout).unwrap();
    for library in listed
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
    {
        let inside = root.path().join(library.trim_start_matches('/'));
        std::fs::create_dir_all(inside.parent().unwrap()).unwrap();
        std::fs::copy(library, inside).unwrap();
    }
    let mut command = Command::new("chroot");
    // Not -e: for that perl opens /dev/null, which is not there.
    std::fs::write(root.path().join("waits.pl"), PROGRAM).unwrap();
    command
        .arg(root.path())
        .args(["/not-called-pearl", "/waits.pl"]);
    let allowed = Command::new("chroot").arg("/").arg("true").status();
    if !allowed
        .as_ref()
        .is_ok_and(std::process::ExitStatus::success)
    {
        loudly!("SKIPPED: chroot needs root ({allowed:?})");
        return;
    }
    let waiting = Waiting::start(&mut command);
    let dump = waiting.dump();
    assert!(dump.contains("main::waits (/waits.pl:1)"), "{dump}");
}
