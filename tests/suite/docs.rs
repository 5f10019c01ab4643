//! What README.md and the book (`docs/`) say is true: every command in them runs, or says why it cannot; links lead
//! somewhere; messages are those that p5-spy has.
//!
//! A block of commands is fenced as `sh`. A comment before it may say `<!-- not run: WHY -->` or
//! `<!-- needs: root PROGRAM … -->`. `<!-- file: NAME -->` before another block makes a file of it for the commands of
//! the page. A block without a language fails.

use crate::loudly;
use crate::support;

use loudly::loudly;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{PERL, Target, copy_program, file, folder, text};

/// Longer than a block of commands takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// What stands for something of the reader's own, and what it is here. `PID` is a perl that runs, `NAME` a part of its
/// command line that no other process has.
const OF_THE_READER: [(&str, &str); 6] = [
    ("12345", "PID"),
    ("/opt/perl/bin/perl", PERL),
    ("--name orders.pl", "--name NAME"),
    ("-d 30", "-d 1"),
    ("--from 600 --to 660", "--from 0 --to 60"),
    ("/out/", ""),
];

/// The perl that is looked at, and the program that is started.
const PROGRAM: &str = "package Demo;
sub inner { my $sum = 0; $sum += $_ for 1 .. 10_000; return $sum }
sub outer { inner() }
package DBI;
sub query { Demo::outer() }
package main;
$| = 1;
print qq(ready\\n) if @ARGV;
my $end = time + ($ARGV[0] // 2);
DBI::query() while time < $end;
";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A fenced block.
struct Block {
    /// Of its first line of code, from 1.
    line: usize,
    language: String,
    /// What the comment before it says, as `KEY: VALUE`.
    said: Option<(String, String)>,
    code: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines().zip(1..);
    let mut before = "";
    while let Some((line, number)) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let code = lines.by_ref().map(|(line, _)| line);
            let code: Vec<&str> = code.take_while(|line| *line != "```").collect();
            let said = before
                .strip_prefix("<!-- ")
                .and_then(|said| said.strip_suffix(" -->"))
                .and_then(|said| said.split_once(": "));
            blocks.push(Block {
                line: number + 1,
                language: language.to_owned(),
                said: said.map(|(key, value)| (key.to_owned(), value.to_owned())),
                code: code.join("\n") + "\n",
            });
        }
        before = line;
    }
    blocks
}

/// The pages of the book, by their names in it.
fn book() -> Vec<String> {
    let mut pages = Vec::new();
    let mut folders = vec![root().join("docs/src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "md") {
                let name = path.strip_prefix(root().join("docs/src")).unwrap();
                pages.push(text(name).to_owned());
            }
        }
    }
    pages.sort();
    pages
}

fn of_tree(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn each_block_has_a_language_and_none_hides_commands() {
    let help = support::run(&["--help"]).out;
    let verbs: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect();
    let verbs: BTreeSet<&str> = verbs
        .iter()
        .filter(|line| !line.starts_with([' ', '-']))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let known = ["sh", "text", "toml", "yaml", "perl"];
    let mut pages = book();
    pages.push("../../README.md".into());
    for name in pages {
        let page = of_tree(&format!("docs/src/{name}"));
        for block in blocks(&page) {
            let place = format!("{name}:{}", block.line);
            assert!(
                known.contains(&block.language.as_str()),
                "{place}: a block of {:?}: commands are sh, what is printed is text",
                block.language
            );
            if let Some((key, value)) = &block.said {
                let is_known = ["not run", "needs", "file", "ANCHOR"].contains(&key.as_str());
                assert!(is_known && !value.is_empty(), "{place}: {key}: {value}");
            }
            if block.language == "sh" {
                continue;
            }
            for line in block.code.lines() {
                let mut words = line.trim_start_matches("$ ").split_whitespace();
                let is_ours = words.next() == Some("p5-spy");
                let next = words.next().unwrap_or_default();
                let is_command = is_ours && (next.starts_with('-') || verbs.contains(next));
                assert!(!is_command, "{place}: a command that is not run: {line}");
            }
        }
    }
}

/// Where the commands of a page run.
struct Place {
    folder: tempfile::TempDir,
    target: Target,
}

impl Place {
    fn make() -> Self {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        for below in [
            "bin",
            "tables",
            "home/.config/fish/completions",
            "home/.local/share/bash-completion/completions",
            "home/.local/share/man/man1",
            "home/.zfunc",
        ] {
            std::fs::create_dir_all(at(below)).unwrap();
        }
        let links = [
            ("bin/p5-spy", env!("CARGO_BIN_EXE_p5-spy")),
            ("bin/perl", PERL),
        ];
        for (link, to) in links {
            std::os::unix::fs::symlink(to, at(link)).unwrap();
        }
        if is_root() {
            let sudo = file(folder.path(), "bin/sudo", "#!/bin/sh\nexec \"$@\"\n");
            make_executable(&sudo);
        }
        file(folder.path(), "program.pl", PROGRAM);
        file(folder.path(), "Makefile", "test:\n\tperl program.pl\n");
        let orders = file(folder.path(), "orders.pl", PROGRAM);
        let target = Target::with_words(&[text(&orders), "3600"]);
        file(folder.path(), "starman.pid", &target.pid().to_string());
        let recording = at("x.p5spy");
        let pid = target.pid().to_string();
        let words = ["record", "-d", "1", "-o", text(&recording), "--pid", &pid];
        support::run(&words).expect(0, "");
        // What the blocks with the program of the pictures would have left.
        for name in ["before.p5spy", "after.p5spy"] {
            std::fs::copy(&recording, at(name)).unwrap();
        }
        Place { folder, target }
    }

    /// The words of this place for those of the reader's.
    fn here(&self, code: &str) -> String {
        let name = self.folder.path().file_name().unwrap().to_str().unwrap();
        let mut code = code.to_owned();
        for (theirs, ours) in OF_THE_READER {
            let ours = ours.replace("PID", &self.target.pid().to_string());
            code = code.replace(theirs, &ours.replace("NAME", &format!("{name}/orders.pl")));
        }
        code
    }

    /// Runs them in a terminal, with a perl below the shell, and a second where nothing says how long. What is chosen
    /// from a list is the target.
    fn run(&self, code: &str) -> Result<(), String> {
        let size = PtySize {
            rows: 40,
            cols: 120,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new("/bin/bash");
        let script = format!(
            "set -e\nperl program.pl 3600 >said & trap 'kill '$! EXIT\n{}",
            self.here(code)
        );
        command.args(["-c", &script]);
        command.cwd(self.folder.path());
        let path = std::env::var("PATH").unwrap_or_default();
        let bin = self.folder.path().join("bin");
        command.env("PATH", format!("{}:{path}", text(&bin)));
        command.env("HOME", self.folder.path().join("home"));
        command.env("XDG_CACHE_HOME", support::cache_home());
        command.env("TERM", "xterm-256color");
        command.env("P5SPY_OPTS", "--duration 1");
        command.env_remove("XDG_CONFIG_HOME");
        let mut child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut output = pair.master.try_clone_reader().unwrap();
        let into = seen.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The end is an error: EIO once nobody has the terminal open.
            while let Ok(got @ 1..) = output.read(&mut piece) {
                into.lock().unwrap().extend_from_slice(&piece[..got]);
            }
        });
        let mut keys = pair.master.take_writer().unwrap();
        let said = || String::from_utf8_lossy(&seen.lock().unwrap()).into_owned();
        let deadline = Instant::now() + PATIENCE;
        let mut chosen = 0;
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return match status.success() {
                    true => Ok(()),
                    false => Err(format!("{status:?}:\n{}", said())),
                };
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                return Err(format!("does not end:\n{}", said()));
            }
            if said().matches("Which program?").count() > chosen {
                chosen = usize::MAX;
                let name = self.folder.path().file_name().unwrap().to_str().unwrap();
                let name = name.trim_start_matches('.');
                write!(keys, "{name}").unwrap();
                // What is typed at once may be pasted text.
                std::thread::sleep(Duration::from_millis(500));
                write!(keys, "\r").unwrap();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn is_root() -> bool {
    // SAFETY: it has no conditions.
    unsafe { libc::geteuid() == 0 }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Runs what can be run on each page, in its order, and counts what is to be.
fn run_pages(pages: &[&str]) -> usize {
    if !cfg!(target_os = "linux") || support::other_spy().is_some() || !has("bash") {
        loudly!("LEFT OUT: the commands of the documents are run on Linux by bash");
        return usize::MAX;
    }
    let scope = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope");
    if !is_root() && scope.is_ok_and(|scope| scope.trim() != "0") {
        loudly!(
            "LEFT OUT: the commands of the documents look at what they have not started: root may"
        );
        return usize::MAX;
    }
    let mut count = 0;
    let mut failures = Vec::new();
    for page in pages {
        let blocks = blocks(&of_tree(page));
        if !blocks.iter().any(|block| block.language == "sh") {
            continue;
        }
        let place = Place::make();
        for block in blocks {
            let line = block.line;
            match block
                .said
                .as_ref()
                .map(|(key, value)| (key.as_str(), value))
            {
                Some(("file", name)) => {
                    file(place.folder.path(), name, &block.code);
                    continue;
                }
                Some(("not run", _)) => continue,
                Some(("needs", all)) => {
                    let is_here = |what: &&str| match *what {
                        "root" => is_root(),
                        program => has(program),
                    };
                    if let Some(missing) = all.split_whitespace().find(|what| !is_here(what)) {
                        loudly!("SKIPPED {page}:{line}: it needs {missing}");
                        count += 1;
                        continue;
                    }
                }
                _ => {}
            }
            if block.language != "sh" {
                continue;
            }
            count += 1;
            if let Err(why) = place.run(&block.code) {
                failures.push(format!("{page}:{line}\n{}{why}", block.code));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    count
}

/// Pages with many commands, which are run beside the others.
const LONG: [&str; 3] = [
    "docs/src/tour.md",
    "docs/src/record.md",
    "docs/src/formats.md",
];

#[test]
fn commands_of_readme_run() {
    assert!(run_pages(&["README.md"]) >= 5);
}

#[test]
fn commands_of_the_books_long_pages_run() {
    assert!(run_pages(&LONG) >= 10);
}

#[test]
fn commands_of_the_books_other_pages_run() {
    let pages: Vec<String> = book()
        .iter()
        .map(|page| format!("docs/src/{page}"))
        .collect();
    let pages = pages.iter().map(String::as_str);
    let pages: Vec<&str> = pages.filter(|page| !LONG.contains(page)).collect();
    assert!(run_pages(&pages) >= 8);
}

/// A page as mdBook makes it: what it includes is in it.
fn whole(name: &str) -> String {
    let mut made = String::new();
    for line in of_tree(name).lines() {
        match line
            .strip_prefix("{{#include ")
            .and_then(|l| l.strip_suffix("}}"))
        {
            Some(what) => {
                let (path, anchor) = match what.split_once(':') {
                    Some((path, anchor)) => (path, Some(anchor)),
                    None => (what, None),
                };
                let path = beside(name, path);
                made.push_str(&part(&of_tree(&path), anchor, &path));
            }
            None => made.push_str(line),
        }
        made.push('\n');
    }
    made
}

/// What stands between the marks of an anchor; without one, all of it.
fn part(page: &str, anchor: Option<&str>, name: &str) -> String {
    let Some(anchor) = anchor else {
        return page.to_owned();
    };
    let marks = ["ANCHOR", "ANCHOR_END"].map(|mark| format!("<!-- {mark}: {anchor} -->\n"));
    let [Some(from), Some(to)] = [page.find(&marks[0]), page.find(&marks[1])] else {
        panic!("{name} has no part {anchor}");
    };
    page[from + marks[0].len()..to].to_owned()
}

/// The path of what a file names, in the tree.
fn beside(name: &str, target: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Text without code, in which there are no links.
fn prose(page: &str) -> String {
    let mut prose = String::new();
    let mut is_code = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose.extend(line.split('`').step_by(2));
            prose.push('\n');
        }
    }
    prose
}

/// What can be linked to on a page, as GitHub and mdBook make it of headings.
fn headings(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_code = false;
    for line in page.lines() {
        is_code ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if is_code || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug = title.trim().to_lowercase();
        let kept = slug
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        found.insert(kept.map(|c| if c == ' ' { '-' } else { c }).collect());
    }
    found
}

/// Of a page of the book, links are to what the book has: it stands alone on its host.
#[test]
fn links_lead_somewhere() {
    let book: Vec<String> = book()
        .iter()
        .map(|page| format!("docs/src/{page}"))
        .collect();
    let tree = [
        "README.md",
        "SECURITY.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
    ];
    let mut checked = 0;
    let mut broken = Vec::new();
    for name in tree.iter().copied().chain(book.iter().map(String::as_str)) {
        let page = whole(name);
        let is_book = name.starts_with("docs/src/");
        for link in prose(&page).split("](").skip(1) {
            let link = link.split([')', ' ']).next().unwrap();
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => name.to_owned(),
                path => beside(name, path),
            };
            let is_there =
                root().join(&target).exists() && (!is_book || target.starts_with("docs/src/"));
            let has_anchor = || anchor.is_empty() || headings(&whole(&target)).contains(anchor);
            if !is_there || !has_anchor() {
                broken.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(checked > 60, "{checked}");
}

#[test]
fn the_books_contents_are_its_pages() {
    let summary = of_tree("docs/src/SUMMARY.md");
    let links = summary.split("](").skip(1);
    let listed: BTreeSet<&str> = links.map(|link| link.split(')').next().unwrap()).collect();
    let pages = book();
    let pages = pages
        .iter()
        .map(String::as_str)
        .filter(|page| *page != "SUMMARY.md");
    assert_eq!(pages.collect::<BTreeSet<_>>(), listed);
}

/// Each verb that the help lists has a place in the book's contents.
#[test]
fn the_book_has_each_verb() {
    let summary = of_tree("docs/src/SUMMARY.md");
    let help = support::run(&["--help"]).out;
    let verbs = help.split("\nCommands:\n").nth(1).unwrap();
    let verbs = verbs.lines().take_while(|line| !line.is_empty());
    for line in verbs.filter(|line| !line.starts_with("   ")) {
        let verb = line.split_whitespace().next().unwrap();
        assert!(summary.contains(verb), "{verb}");
    }
}

/// The text of p5-spy's source, strings that go over several lines in one.
fn source() -> String {
    let mut texts = String::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(path).unwrap();
                let mut pieces = text.split("\\\n");
                texts.push_str(pieces.next().unwrap());
                pieces.for_each(|piece| texts.push_str(piece.trim_start()));
            }
        }
    }
    texts
}

/// Who looks for a message finds it there, word for word.
#[test]
fn troubleshooting_has_p5_spys_own_words() {
    let source = source();
    let page = of_tree("docs/src/troubleshooting.md");
    let mut checked = 0;
    for line in page.lines() {
        let message = line.strip_prefix("**`").and_then(|l| l.split("`**").next());
        for piece in message
            .into_iter()
            .flat_map(|m| m.split('…'))
            .map(str::trim)
        {
            assert!(source.contains(piece), "no message of p5-spy's: {piece}");
            checked += 1;
        }
    }
    assert!(checked > 60, "{checked}");
}

/// The way without sudo (docs/src/permissions.md): members of the group may read other users' processes, others may
/// not run it, what it starts has no more rights, and a source that the caller may not read stays unread.
#[test]
fn a_group_may_read_by_a_file_capability() {
    if !is_root() || !cfg!(target_os = "linux") || !has("setcap") || !has("setpriv") {
        loudly!("SKIPPED: root, setcap and setpriv are needed to give p5-spy a capability");
        return;
    }
    let place = folder();
    let at = |name: &str| place.path().join(name);
    let open = std::os::unix::fs::PermissionsExt::from_mode;
    std::fs::set_permissions(place.path(), open(0o755)).unwrap();
    copy_program(env!("CARGO_BIN_EXE_p5-spy"), &at("p5-spy"));
    std::os::unix::fs::chown(at("p5-spy"), Some(0), Some(4242)).unwrap();
    std::fs::set_permissions(at("p5-spy"), open(0o750)).unwrap();
    let given = Command::new("setcap")
        .arg("cap_sys_ptrace=ep")
        .arg(at("p5-spy"))
        .output()
        .unwrap();
    if !given.status.success() {
        loudly!("LEFT OUT: {} keeps no capability", place.path().display());
        return;
    }
    let secret = file(
        place.path(),
        "secret.pl",
        &PROGRAM.replace("inner", "hidden"),
    );
    std::fs::set_permissions(&secret, open(0o600)).unwrap();
    std::fs::create_dir(at("out")).unwrap();
    std::os::unix::fs::chown(at("out"), Some(65534), None).unwrap();
    let target = Target::with_words(&[text(&secret), "3600"]);
    let as_nobody = |groups: &[&str], line: &str| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534"])
            .args(groups);
        // A shell between: setpriv itself still has the rights to run it.
        command.args(["sh", "-c", line]).current_dir(at("out"));
        support::surround(&mut command);
        command.env("XDG_CACHE_HOME", at("out"));
        support::Running::start(command).finish()
    };
    let member = ["--groups", "4242"];
    let dump = format!("../p5-spy dump --pid {}", target.pid());
    let read = as_nobody(&member, &dump);
    assert!(
        read.code() == 0 && read.out.contains("DBI::query"),
        "{read:?}"
    );
    let refused = as_nobody(&["--clear-groups"], &dump);
    assert!(refused.code() != 0 && refused.out.is_empty(), "{refused:?}");
    let record = format!("../p5-spy record -d 1 -o r.html --pid {}", target.pid());
    let recorded = as_nobody(&member, &record);
    assert_eq!(recorded.code(), 0, "{recorded:?}");
    let report = std::fs::read_to_string(at("out/r.html")).unwrap();
    assert!(report.contains("Demo::hidden") && !report.contains("sub hidden"));
    let start = "../p5-spy record -d 1 -o s.svg -- \
        sh -c 'grep CapEff /proc/self/status >caps; exec perl -e \"1 while 1\"'";
    as_nobody(&member, start);
    let caps = std::fs::read_to_string(at("out/caps")).unwrap();
    assert_eq!(caps.split_whitespace().last(), Some("0000000000000000"));
}
