//! Functions of PL/Perl: perl knows them as subs of string evals, and is not told their names.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use support::{folder, spy, text, wait_for};

/// Root may not run PostgreSQL.
const NOBODY: u32 = 65534;

/// A database that PostgreSQL has to itself: no server, and its commands come from a file.
struct Single(Child);

impl Drop for Single {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where `initdb` and `postgres` are of a PostgreSQL that has PL/Perl.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let folders = versions.filter_map(|version| Some(version.ok()?.path()));
    let mut with_perl = folders.filter(|folder| folder.join("lib/plperl.so").exists());
    Some(with_perl.next()?.join("bin"))
}

fn command(program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(program);
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    command.args(words).current_dir("/").stdout(Stdio::null());
    command.stderr(Stdio::null());
    command
}

fn start(programs: &Path, folder: &Path, queries: &[String]) -> Single {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } == 0 {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
    let data = folder.join("data");
    let words = ["--no-sync", "-A", "trust", "-D", text(&data)];
    let made = command(&programs.join("initdb"), &words).status().unwrap();
    assert!(made.success(), "initdb: {made}");
    let input = support::file(folder, "queries.sql", &(queries.join("\n") + "\n"));
    let mut backend = command(
        &programs.join("postgres"),
        &["--single", "-D", text(&data), "postgres"],
    );
    backend.stdin(std::fs::File::open(input).unwrap());
    Single(backend.spawn().unwrap())
}

#[test]
fn functions_are_told_apart_and_may_say_their_names() {
    let Some(programs) = programs() else {
        loudly!("SKIPPED functions of PL/Perl: there is no PostgreSQL with it");
        return;
    };
    let folder = folder();
    let mark = folder.path().join("ready");
    let function = |name: &str, first: &str, factor: u32| {
        let body = format!("{first} my $x = 0; $x += {factor} * $_ for 1 .. $_[0]; return $x;");
        format!("create function {name}(n int) returns bigint language plperl as $${body}$$;")
    };
    let queries = [
        "create extension plperl;".to_owned(),
        "create extension plperlu;".to_owned(),
        function("one", "", 1),
        function("two", "", 2),
        function("three", "local *__ANON__ = 'three';", 3),
        format!(
            "do $$ open my $f, '>', '{}' $$ language plperlu;",
            text(&mark)
        ),
        "do $$ begin for i in 1 .. 1000000 loop perform one(50000); perform two(50000); \
         perform three(50000); end loop; end $$;"
            .to_owned(),
    ];
    let backend = start(&programs, folder.path(), &queries);
    wait_for("PL/Perl to run", || mark.exists().then_some(()));
    let out = folder.path().join("out.txt");
    let mut command = spy();
    command.args(["record", "-d", "3", "-r", "200", "-f", "collapsed"]);
    command.args(["-o", text(&out), "--pid", &backend.0.id().to_string()]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let mut seen: BTreeMap<String, u64> = BTreeMap::new();
    for (frames, count) in support::stacks(&std::fs::read_to_string(&out).unwrap()) {
        let sub = frames.iter().find(|frame| frame.starts_with("main::"));
        if let Some(sub) = sub {
            let name = sub.split(" ((").next().unwrap();
            *seen.entry(name.to_owned()).or_default() += count;
        }
    }
    let all: u64 = seen.values().sum();
    // One that says its name has none until its first statement has run.
    seen.retain(|_, count| 5 * *count > all);
    let mut names: Vec<&str> = seen.keys().map(String::as_str).collect();
    assert_eq!(names.pop(), Some("main::three"), "{seen:?}");
    let has_number = |name: &&str| name.starts_with("main::__ANON__[(eval):1 #");
    assert!(names.len() == 2 && names.iter().all(has_number), "{seen:?}");
    assert!(all > 30, "{seen:?}");
}
