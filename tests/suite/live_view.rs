//! The live view in a pseudo-terminal: what it shows, and that it leaves the terminal as it was.

use crate::support;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};
use support::{PERL, SPLIT, Target, file, folder, is_gone, text, wait_for};

/// What came out of the terminal.
struct Seen {
    parser: vt100::Parser,
    raw: Vec<u8>,
}

/// What starts p5-spy, and outlives it: the kernel resets a terminal whose first process ends.
const SHELL: &str = r#""$@"; code=$?; echo; echo "p5-spy ended with $code."; read wait"#;

/// p5-spy in a terminal of its own.
struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
    before: String,
}

fn size(cols: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols,
        ..PtySize::default()
    }
}

fn some(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

impl Terminal {
    fn open(words: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::open_in(std::path::Path::new("/"), words, environment)
    }

    fn open_in(folder: &std::path::Path, words: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::open_below(SHELL, folder, words, environment)
    }

    fn open_below(
        shell: &str,
        folder: &std::path::Path,
        words: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system().openpty(size(100, 30)).unwrap();
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", shell, "sh", env!("CARGO_BIN_EXE_p5-spy")]);
        command.args(words);
        command.cwd(folder);
        command.env("TERM", "xterm-256color");
        command.env("HOME", "/nonexistent");
        command.env_remove("XDG_CONFIG_HOME");
        command.env_remove("NO_COLOR");
        for (name, value) in environment {
            command.env(name, value);
        }
        let before = support::settings(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        let seen = Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(some(30), some(100), 1000),
            raw: Vec::new(),
        }));
        let mut output = pair.master.try_clone_reader().unwrap();
        let into = seen.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The end is an error: EIO once nobody has the terminal open.
            while let Ok(got @ 1..) = output.read(&mut piece) {
                let mut seen = into.lock().unwrap();
                seen.parser.process(&piece[..got]);
                seen.raw.extend_from_slice(&piece[..got]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Terminal {
            master: pair.master,
            keys,
            child,
            seen,
            before,
        }
    }

    /// Opens the view of a process and waits until it shows something.
    fn watch(pid: i32, options: &[&str]) -> Self {
        let pid = pid.to_string();
        let words = [&["--no-debug-info", "--pid", &pid][..], options].concat();
        let mut terminal = Self::open(&words, &[]);
        terminal.until("%Own");
        terminal
    }

    /// The process id of p5-spy: the only child of the shell.
    fn pid(&self) -> i32 {
        let shell = self.child.process_id().unwrap() as i32;
        let children = support::children(shell);
        assert_eq!(children.len(), 1, "{children:?}");
        children[0]
    }

    fn lines(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let (_, cols) = seen.parser.screen().size();
        let rows = seen.parser.screen().rows(0, cols.get());
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    fn shows(&self, needle: &str) -> bool {
        self.lines().iter().any(|line| line.contains(needle))
    }

    /// Waits until this is on the screen.
    fn until(&mut self, needle: &str) {
        let deadline = std::time::Instant::now() + support::PATIENCE;
        while !self.shows(needle) {
            let lines = self.lines().join("\n");
            assert!(
                std::time::Instant::now() < deadline,
                "no {needle:?} in:\n{lines}"
            );
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    /// Waits until it is there no more.
    fn until_gone(&mut self, needle: &str) {
        wait_for("what was shown to go", || {
            (!self.shows(needle)).then_some(())
        });
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().raw).into_owned()
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).unwrap();
        self.keys.flush().unwrap();
    }

    /// Takes the terminal away, as the end of its first process does.
    fn hang_up(&self) {
        support::kill(self.child.process_id().unwrap() as i32, libc::SIGKILL);
    }

    fn resize(&self, cols: u16, rows: u16) {
        let mut seen = self.seen.lock().unwrap();
        seen.parser.set_size(some(rows), some(cols));
        self.master.resize(size(cols, rows)).unwrap();
    }

    /// The number of samples in the header.
    fn samples(&self) -> Option<u64> {
        let lines = self.lines();
        let (before, _) = lines.iter().find_map(|l| l.split_once(" samples in "))?;
        before.rsplit(' ').next()?.parse().ok()
    }

    /// Waits for the end, looks whether the terminal is as it was, and gives the exit status and
    /// what is on the screen then.
    fn closed(mut self) -> (u32, Vec<String>) {
        self.until("p5-spy ended with ");
        assert_eq!(support::settings(&*self.master), self.before);
        let lines = self.lines();
        let seen = self.seen.lock().unwrap();
        let screen = seen.parser.screen();
        assert!(!screen.alternate_screen(), "{lines:?}");
        assert!(!screen.hide_cursor(), "{lines:?}");
        assert!(!screen.bracketed_paste() && !screen.application_cursor());
        assert_eq!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        // Text after it is plain.
        assert!(!screen.bold() && !screen.inverse());
        assert_eq!(screen.fgcolor(), vt100::Color::Default);
        drop(seen);
        let end = lines
            .iter()
            .find_map(|l| l.strip_prefix("p5-spy ended with "));
        (end.unwrap().trim_end_matches('.').parse().unwrap(), lines)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let shell = self.child.process_id().unwrap_or(0) as i32;
        for pid in support::children(shell) {
            support::kill(pid, libc::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const BUSY: &str =
    "alarm 120; $| = 1; sub busy { 1 for 1 .. 1000 } print qq(ready\\n); busy() while 1";

#[test]
fn it_shows_which_subs_are_busy() {
    let folder = folder();
    let script = file(folder.path(), "split.pl", SPLIT);
    let mut target = Target::with_words(&[text(&script)]);
    let pid = target.pid().to_string();
    let mut terminal = Terminal::watch(target.pid(), &["--rate", "400"]);
    {
        let seen = terminal.seen.lock().unwrap();
        assert!(seen.parser.screen().alternate_screen());
        assert!(seen.parser.screen().hide_cursor());
    }
    for sub in ["main::hot", "main::warm", "main::cool", "(main)"] {
        terminal.until(sub);
    }
    wait_for("many samples", || {
        (terminal.samples()? > 1800).then_some(())
    });
    let lines = terminal.lines();
    target.signal(libc::SIGTERM);
    let spent = target.line();

    assert_eq!(lines[0], format!("{pid} {PERL} {}", text(&script)));
    for needle in [
        &format!(
            "perl {} ({})",
            support::this_perl().version,
            support::this_perl().kind()
        ),
        "CPU time",
        " samples in ",
        "load ",
    ] {
        assert!(lines[2].contains(needle), "{needle}: {lines:#?}");
    }
    for needle in [
        "/s of 400",
        "running ",
        "idle 0 %",
        "errors 0.0 %",
        "torn ",
        "missed ",
    ] {
        assert!(lines[1].contains(needle), "{needle}: {lines:#?}");
    }
    for tab in [
        "1 Functions",
        "2 Lines",
        "3 Packages",
        "4 Tree",
        "5 Threads",
        "6 Stack",
    ] {
        assert!(lines[3].contains(tab), "{tab}: {lines:#?}");
    }
    let heading: Vec<&str> = lines[4].split_whitespace().collect();
    let columns = [
        "%Own▼",
        "%Total",
        "OwnTime",
        "TotalTime",
        "Function",
        "File",
    ];
    assert_eq!(heading, columns);
    assert!(lines.last().unwrap().contains(" q  quit   ?  keys "));

    // Since the start, at 400 a second; the percentages are of the last second.
    let row = |name: &str| -> Vec<String> {
        let is_it = |l: &&String| l.split_whitespace().nth(4) == Some(name);
        let line = lines[5..].iter().find(is_it).unwrap();
        line.split_whitespace().map(str::to_owned).collect()
    };
    let number = |text: &str| -> f64 { text.trim_end_matches(['%', 's']).parse().unwrap() };
    let own = |name: &str| (number(&row(name)[2]) * 400.0).round() as u64;
    let sampled = ["main::hot", "main::warm", "main::cool"].map(own);
    support::shares_agree(spent.strip_prefix("spent ").unwrap(), &sampled);
    for name in ["main::hot", "main::warm", "main::cool"] {
        let row = row(name);
        assert_eq!(row[5], text(&script));
        // They call nothing.
        assert_eq!((&row[0], &row[2]), (&row[1], &row[3]), "{row:?}");
    }
    assert_eq!(number(&row("(main)")[1]), 100.0, "{lines:#?}");
    // The busiest is on top.
    let shares = lines[5..]
        .iter()
        .filter_map(|l| l.split('%').next()?.trim().parse().ok());
    let shares: Vec<f64> = shares.collect();
    assert!(shares.is_sorted_by(|a, b| a >= b), "{lines:#?}");
}

#[test]
fn it_survives_every_size() {
    let target = Target::start(BUSY);
    let mut terminal = Terminal::watch(target.pid(), &[]);
    let pid = target.pid().to_string();
    for (cols, rows) in [(60, 12), (20, 5), (200, 60), (1, 1), (80, 24)] {
        terminal.resize(cols, rows);
        if cols == 1 {
            continue;
        }
        wait_for("the new size", || {
            let lines = terminal.lines();
            let last = lines[usize::from(rows) - 1].trim();
            let is_full = lines[0].starts_with(&pid) && last.starts_with("q  quit");
            is_full.then_some(())
        });
        let lines = terminal.lines();
        assert_eq!(lines.len(), usize::from(rows));
        assert!(lines.iter().any(|l| l.contains("%Own")), "{lines:#?}");
        if rows > 5 {
            terminal.until("main::busy");
            assert_eq!(terminal.shows("File"), cols > 70, "{lines:#?}");
        }
        // It goes on; where it is low, the number of samples is left out.
        if rows >= 14 {
            let before = wait_for("a header", || terminal.samples());
            wait_for("more samples", || {
                (terminal.samples()? > before).then_some(())
            });
        }
    }
    terminal.press(b"q");
    assert_eq!(terminal.closed().0, 0);
}

#[test]
fn q_and_control_c_leave_the_terminal_as_it_was() {
    let target = Target::start(BUSY);
    for keys in [b"q", b"Q", b"\x03"] {
        let mut terminal = Terminal::watch(target.pid(), &[]);
        terminal.press(keys);
        let (status, lines) = terminal.closed();
        assert_eq!(status, 0, "{lines:?}");
        // Nothing of the view is left either.
        assert!(!lines.iter().any(|l| l.contains("%Own")), "{lines:?}");
    }
    // The target has not noticed.
    assert!(matches!(support::state(target.pid()), Some('R' | 'S')));
}

/// A shell with jobs.
const JOBS: &str = r#"set -m; "$@"; echo "stopped with $?."; read wait; fg; code=$?; echo
    echo "p5-spy ended with $code."; read wait"#;

#[test]
fn w_counts_waiting_threads_too_and_no_longer() {
    let script =
        "alarm 120; $| = 1; sub nap { select undef, undef, undef, 600 } print qq(ready\\n); nap()";
    let target = Target::start(script);
    target.blocks();
    let mut terminal = Terminal::watch(target.pid(), &[]);
    terminal.until("the key w counts it");
    assert!(!terminal.shows("main::nap"));
    terminal.press(b"w");
    terminal.until("wall-clock time  ");
    terminal.until("main::nap");
    terminal.press(b"w");
    terminal.until("  CPU time  ");
    terminal.until("the key w counts it");
    terminal.until_gone("main::nap");
    terminal.press(b"q");
    assert_eq!(terminal.closed().0, 0);
}

/// By the key, and by somebody else.
#[test]
fn control_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let target = Target::start(BUSY);
    let pid = target.pid().to_string();
    for is_key in [true, false] {
        let words = ["--no-debug-info", "--pid", &pid];
        let root = std::path::Path::new("/");
        let mut terminal = Terminal::open_below(JOBS, root, &words, &[]);
        terminal.until("main::busy");
        let taken = support::settings(&*terminal.master);
        assert_ne!(taken, terminal.before);
        match is_key {
            true => terminal.press(b"\x1a"),
            false => support::kill(terminal.pid(), libc::SIGTSTP),
        }
        // 128 and SIGTSTP.
        terminal.until("stopped with 148.");
        assert_eq!(support::settings(&*terminal.master), terminal.before);
        {
            let seen = terminal.seen.lock().unwrap();
            assert!(!seen.parser.screen().alternate_screen());
            assert!(!seen.parser.screen().hide_cursor());
        }
        assert_eq!(support::state(terminal.pid()), Some('T'));
        std::thread::sleep(std::time::Duration::from_millis(1200));
        terminal.press(b"\n");
        // The whole picture again, though little of it has changed.
        terminal.until("main::busy");
        terminal.until("1 Functions");
        assert!(
            terminal
                .seen
                .lock()
                .unwrap()
                .parser
                .screen()
                .alternate_screen()
        );
        assert_eq!(support::settings(&*terminal.master), taken);
        // What was due meanwhile is not missed.
        let before = terminal.samples().unwrap();
        wait_for("samples", || (terminal.samples()? > before).then_some(()));
        let honest = terminal.lines()[1].clone();
        let missed = honest.split_once("missed ").unwrap().1;
        let missed: f64 = missed.split(' ').next().unwrap().parse().unwrap();
        assert!(missed < 50.0, "{honest}");
        terminal.press(b"q");
        assert_eq!(terminal.closed().0, 0);
    }
}

/// Where no shell could let it go on, it does not stop.
#[test]
fn control_z_without_jobs_is_nothing() {
    let target = Target::start(BUSY);
    let mut terminal = Terminal::watch(target.pid(), &[]);
    terminal.press(b"\x1a");
    let before = terminal.samples().unwrap_or(0);
    wait_for("samples", || (terminal.samples()? > before).then_some(()));
    terminal.press(b"q");
    assert_eq!(terminal.closed().0, 0);
}

#[test]
fn a_dumb_terminal_is_refused_politely() {
    let target = Target::start(BUSY);
    let pid = target.pid().to_string();
    for words in [&["--pid", &pid][..], &["top", "--pid", &pid]] {
        let terminal = Terminal::open(words, &[("TERM", "dumb")]);
        let raw = {
            let mut terminal = terminal;
            terminal.until("p5-spy record -o profile.svg");
            let raw = terminal.raw();
            assert_eq!(terminal.closed().0, 1);
            raw
        };
        assert!(!raw.contains('\x1b'), "{raw:?}");
    }
}

#[test]
fn a_stopped_program_is_called_stopped() {
    let target = Target::start(BUSY);
    let mut terminal = Terminal::watch(target.pid(), &[]);
    assert!(!terminal.lines()[0].contains("STOPPED"));
    target.signal(libc::SIGSTOP);
    terminal.until("STOPPED");
    target.signal(libc::SIGCONT);
    terminal.until_gone("STOPPED");
    terminal.press(b"q");
    assert_eq!(terminal.closed().0, 0);
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    let target = Target::start(BUSY);
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        let terminal = Terminal::watch(target.pid(), &[]);
        support::kill(terminal.pid(), signal);
        terminal.closed();
    }
    assert!(matches!(support::state(target.pid()), Some('R' | 'S')));
}

#[test]
fn the_end_of_the_target_ends_the_view() {
    let target = Target::start(BUSY);
    let terminal = Terminal::watch(target.pid(), &[]);
    target.signal(libc::SIGKILL);
    let (status, lines) = terminal.closed();
    assert_eq!(status, 0, "{lines:?}");
    let told = lines
        .iter()
        .any(|l| l.starts_with("The program ended after "));
    assert!(told, "{lines:?}");
}

/// A program that says something on both streams, works until a file is there, and ends with 7.
fn talker(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    let end = folder.join("end");
    let script = file(
        folder,
        "talk.pl",
        &format!(
            "alarm 120; $| = 1; $SIG{{INT}} = sub {{ print qq(interrupted\\n); exit 5 }};\n\
             sub work {{ 1 for 1 .. 1000 }}\n\
             print qq(said aloud\\n); print STDERR qq(complained\\n);\n\
             open my $note, '>', '{}/pid'; print $note $$; close $note;\n\
             work() while !-e '{}'; print qq(last words\\n); exit 7;\n",
            text(folder),
            text(&end)
        ),
    );
    (script, end)
}

fn pid_of_talker(folder: &std::path::Path) -> i32 {
    wait_for("the program", || {
        std::fs::read_to_string(folder.join("pid"))
            .ok()?
            .parse()
            .ok()
    })
}

#[test]
fn what_the_program_says_comes_after_the_view() {
    let folder = folder();
    let (script, end) = talker(folder.path());
    let words = ["--no-debug-info", "--", PERL, text(&script)];
    let mut terminal = Terminal::open(&words, &[]);
    terminal.until("main::work");
    pid_of_talker(folder.path());
    for needle in ["said aloud", "complained"] {
        assert!(!terminal.raw().contains(needle), "{}", terminal.raw());
    }
    std::fs::write(&end, "").unwrap();
    let (status, lines) = terminal.closed();
    assert_eq!(status, 7, "{lines:?}");
    for needle in ["said aloud", "complained", "last words"] {
        assert!(lines.iter().any(|l| l == needle), "{needle}: {lines:?}");
    }
}

#[test]
fn quitting_ends_a_program_that_p5_spy_started() {
    for (keys, status, words) in [(b"q", 0, "said aloud"), (b"\x03", 5, "interrupted")] {
        let folder = folder();
        let (script, _) = talker(folder.path());
        let words_after = words;
        let words = ["--no-debug-info", "--", PERL, text(&script)];
        let mut terminal = Terminal::open(&words, &[]);
        terminal.until("main::work");
        let pid = pid_of_talker(folder.path());
        terminal.press(keys);
        let (code, lines) = terminal.closed();
        assert_eq!(code, status, "{lines:?}");
        assert!(lines.iter().any(|l| l == words_after), "{lines:?}");
        is_gone(pid);
    }
}

/// An error leaves nothing of a view behind that never was.
#[test]
fn errors_are_readable() {
    let terminal = Terminal::open(&["--pid", "1073741822"], &[]);
    let (status, lines) = terminal.closed();
    assert_eq!(status, 1);
    assert_eq!(lines[0], "p5-spy: there is no process 1073741822");
    let terminal = Terminal::open(&["--", "sh", "-c", "echo words; exit 4"], &[]);
    let (status, lines) = terminal.closed();
    assert_eq!(status, 4, "{lines:?}");
    assert!(lines.iter().any(|l| l == "words"), "{lines:?}");
    assert!(lines.concat().contains("nothing was sampled"), "{lines:?}");
}

/// The numbers of every colour that was asked for; not the return to the usual one.
fn colours(raw: &str) -> Vec<String> {
    let sequences = raw.split("\x1b[").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ";:".contains(c)))?;
        rest[end..].starts_with('m').then(|| rest[..end].to_owned())
    });
    let is_colour = |number: &str| {
        let number: u32 = number.parse().unwrap_or(0);
        matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107)
    };
    sequences
        .filter(|s| s.split([';', ':']).any(is_colour))
        .collect()
}

#[test]
fn colours_are_only_for_those_who_want_them() {
    let target = Target::start(BUSY);
    let pid = target.pid().to_string();
    let words = ["--no-debug-info", "--pid", &pid];
    for (environment, is_plain) in [
        (&[("NO_COLOR", "1")][..], true),
        (&[("NO_COLOR", "")], false),
        (&[], false),
    ] {
        let mut terminal = Terminal::open(&words, environment);
        terminal.until("main::busy");
        let colours = colours(&terminal.raw());
        assert_eq!(colours.is_empty(), is_plain, "{environment:?}: {colours:?}");
        terminal.press(b"q");
        terminal.closed();
    }
}

/// Names of the target that would do something to the terminal.
#[test]
fn names_do_no_harm_to_the_terminal() {
    let script = r#"use Sub::Util; alarm 120; $| = 1;
my $code = Sub::Util::set_subname("main::a\e]0;owned\a\e[?1049l\e[31m\n", sub { 1 for 1 .. 1000 });
print "ready\n"; $code->() while 1;"#;
    let target = Target::start(script);
    let mut terminal = Terminal::watch(target.pid(), &[]);
    terminal.resize(200, 24);
    terminal.until(r"main::a\x{1b}]0;owned\x{7}\x{1b}[?1049l");
    for harm in ["\x1b]0;", "\x07", "\x1b[?1049l"] {
        assert!(!terminal.raw().contains(harm), "{harm:?}");
    }
    terminal.press(b"q");
    terminal.closed();
}

/// A program with a source that can be read, and one sub that calls another.
fn nested(folder: &std::path::Path) -> Target {
    let script = file(
        folder,
        "nested.pl",
        "alarm 120; $| = 1;\nsub inner { 1 for 1 .. 100_000 }\nsub outer { inner(); inner() }\nprint qq(ready\\n);\nouter() while 1;\n",
    );
    Target::with_words(&[text(&script)])
}

#[test]
fn every_key_does_what_the_help_says() {
    let folder = folder();
    let target = nested(folder.path());
    let pid = target.pid().to_string();
    let words = ["--no-debug-info", "--pid", &pid];
    let mut terminal = Terminal::open_in(folder.path(), &words, &[]);
    terminal.until("main::inner");

    // Tabs, by number and one by one.
    for (key, needle) in [
        ("2", "nested.pl:2"),
        ("3", "Package"),
        ("4", "▾ (main)"),
        ("5", "Process or thread"),
        ("6", "Frame"),
        ("\t", "OwnTime"),
        ("\x1b[Z", "thread 0 (OS "),
        ("1", "OwnTime"),
    ] {
        terminal.press(key.as_bytes());
        terminal.until(needle);
    }
    // Columns.
    for (key, needle) in [
        ("t", "%Total▼"),
        ("n", "TotalTime▼"),
        ("o", "OwnTime▼"),
        ("\x1b[C", "TotalTime▼"),
        ("\x1b[D", "OwnTime▼"),
        ("n", "%Own▼"),
    ] {
        terminal.press(key.as_bytes());
        terminal.until(needle);
    }
    // A filter, kept and dropped.
    terminal.press(b"/outer");
    terminal.until("/outer");
    terminal.until_gone("main::inner");
    terminal.press(b"\r");
    terminal.until_gone("Enter keeps it");
    assert!(terminal.shows("main::outer") && !terminal.shows("main::inner"));
    terminal.press(b"\x1b");
    terminal.until("main::inner");
    // The help.
    for key in ["?", "h"] {
        terminal.press(key.as_bytes());
        terminal.until("this help");
        terminal.press(key.as_bytes());
        terminal.until_gone("this help");
    }
    // Looked at closely: the inner sub is on top; its caller, its source, and back.
    terminal.press(b"\r");
    terminal.until("called by");
    terminal.until("2 sub inner { 1 for 1 .. 100_000 }");
    terminal.until("100.0% main::outer");
    terminal.press(b"\r");
    terminal.until("main::outer  ");
    terminal.until("100.0% main::inner");
    terminal.press(b"\x7f");
    terminal.press(b"\x1b");
    terminal.until("TotalTime");
    // The selection: down to another function, whose callers these are not.
    terminal.press(b"j");
    terminal.press(b"k");
    for down in ["\x1b[B", "\x1b[6~", "G"] {
        terminal.press(b"g");
        terminal.press(down.as_bytes());
        terminal.press(b"\r");
        terminal.until("called by");
        assert!(!terminal.shows("main::inner  "), "{:#?}", terminal.lines());
        terminal.press(b"\x1b");
        terminal.until("TotalTime");
    }
    // The call tree, closed and opened.
    terminal.press(b"4g-");
    terminal.until("▸ (main)");
    terminal.press(b"+");
    terminal.until("main::inner");
    terminal.press(b"\x1b[D");
    terminal.until("▸ (main)");
    terminal.press(b"\x1b[C1");
    // One thread only.
    terminal.press(b"5\r");
    terminal.until("only ");
    terminal.press(b"\x1b1");
    terminal.until_gone("only ");
    // A pause: the number of samples stands still, and goes on.
    terminal.press(b" ");
    terminal.until("PAUSED");
    let standing = terminal.samples().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1300));
    assert_eq!(terminal.samples(), Some(standing));
    terminal.press(b" ");
    wait_for("more samples", || {
        (terminal.samples()? > standing + 50).then_some(())
    });
    // From the beginning again.
    let before = terminal.samples().unwrap();
    terminal.press(b"r");
    wait_for("fewer samples", || {
        (terminal.samples()? < before).then_some(())
    });
    // Two pictures.
    terminal.until("main::inner");
    for number in 1..=2 {
        let name = format!("p5-spy-{pid}-{number}.svg");
        terminal.press(b"s");
        terminal.until(&name);
        let svg = std::fs::read_to_string(folder.path().join(&name)).unwrap();
        support::xml::parse(&svg).unwrap();
        for needle in ["main::inner", "perl profile of ", "nested.pl"] {
            assert!(svg.contains(needle), "{needle}");
        }
    }
    terminal.press(b"q");
    assert_eq!(terminal.closed().0, 0);
}

/// An ssh connection that breaks, a terminal window that is closed.
#[test]
fn a_terminal_that_is_gone_ends_the_view() {
    let target = Target::start(BUSY);
    let terminal = Terminal::watch(target.pid(), &[]);
    let pid = terminal.pid();
    terminal.hang_up();
    is_gone(pid);
    assert!(matches!(support::state(target.pid()), Some('R' | 'S')));
}

/// A program that prefers to wait.
#[test]
fn who_only_waits_is_told_about() {
    let target =
        Target::start("alarm 120; $| = 1; sub rest { sleep 1 } print qq(ready\n); rest() while 1");
    let pid = target.pid().to_string();
    let words = ["--no-debug-info", "--pid", &pid];
    let mut terminal = Terminal::open(&words, &[]);
    terminal.until("The tab Stack shows where");
    terminal.until("idle 100 %");
    // Where it waits is looked at all the same, and not counted.
    terminal.press(b"6");
    terminal.until("main::rest");
    terminal.until("waiting");
    terminal.until("idle 100 %");
    terminal.press(b"q");
    terminal.closed();
    let mut terminal = Terminal::watch(target.pid(), &["--idle", "--ops"]);
    terminal.until("main::rest");
    terminal.until("nanosleep");
    terminal.press(b"q");
    terminal.closed();
}
