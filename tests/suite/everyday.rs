//! Everyday use, as run: the list of perls, processes by name, defaults, manuals, what is said
//! where permission is missing, names of files.

use crate::loudly;
use crate::support;

use loudly::loudly;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use support::{Finished, PERL, Running, Target, file, folder, run, spy, text, wait_for};

const WAITS: &str = r#"alarm 120; $| = 1; print "ready\n"; sysread STDIN, my $x, 1"#;

/// A perl with this word on its command line.
fn waiting(word: &str) -> Target {
    let target = Target::with_words(&["-e", WAITS, word]);
    target.blocks();
    target
}

/// A word that no other process has.
fn word(test: &str) -> String {
    format!("everyday-{test}-{}", std::process::id())
}

fn listed() -> Vec<serde_json::Value> {
    let said = run(&["ps", "--json"]);
    assert_eq!(said.code(), 0, "{said:?}");
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    document["processes"].as_array().unwrap().clone()
}

fn entry(pid: i32) -> serde_json::Value {
    let all = listed();
    let found = all.iter().find(|p| p["pid"] == pid);
    found
        .unwrap_or_else(|| panic!("{pid} is not in {all:?}"))
        .clone()
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_perl_is_listed_with_what_is_known_of_it() {
    let target = waiting("an escape \u{1b}[2J");
    let entry = entry(target.pid());
    assert_eq!(entry["parent"], std::process::id());
    assert_eq!(entry["version"], support::this_perl().version);
    assert_eq!(entry["state"], "sleeping");
    assert_eq!(entry["attachable"], true);
    assert_eq!(entry["obstacle"], serde_json::Value::Null);
    assert!(entry["cpu_percent"].as_f64().unwrap() < 20.0, "{entry}");
    assert_eq!(entry["words"][0], PERL);
    assert_eq!(entry["words"][3], "an escape \\x{1b}[2J");
    let said = run(&["ps"]);
    said.expect(0, "");
    let line = said.out.lines().find(|l| l.contains("an escape"));
    let line = line.unwrap_or_else(|| panic!("{}", said.out));
    assert!(
        line.contains(&support::this_perl().version) && line.contains("yes"),
        "{line}"
    );
    assert!(!said.out.contains('\u{1b}'), "{}", said.out);
}

#[test]
fn the_doctor_tells_what_is_to_be_had_and_what_would_better_it() {
    let said = run(&["doctor", "--json"]);
    said.expect(0, "");
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let abilities = told["abilities"].as_array().unwrap();
    let of = |what: &str| abilities.iter().find(|one| one["what"] == what).unwrap();
    for one in abilities {
        assert_eq!(one["there"] == false, one["better"].is_string(), "{one}");
    }
    let text = run(&["doctor"]);
    text.expect(0, "");
    for one in abilities {
        assert!(
            text.out.contains(one["what"].as_str().unwrap()),
            "{}",
            text.out
        );
    }
    assert!(text.out.contains("config.toml") && text.out.contains("built in"));
    let better = text.out.contains("What would improve matters:\n");
    assert_eq!(better, abilities.iter().any(|one| one["there"] == false));
    if is_root() {
        assert_eq!(of("a confined helper")["there"], true, "{}", said.out);
    }
}

/// The name says nothing: what counts is what the program maps.
#[test]
fn a_renamed_perl_is_found_and_others_are_not() {
    let folder = folder();
    let program = folder.path().join("accountant");
    support::copy_program(PERL, &program);
    let mut command = Command::new(&program);
    command.args(["-e", WAITS]).stdin(Stdio::piped());
    let renamed = Running::start(command);
    renamed.says("ready");
    let mut command = Command::new("/bin/sleep");
    command.arg("100");
    let sleep = Running::start(command);
    assert_eq!(
        entry(renamed.pid())["version"],
        support::this_perl().version
    );
    assert!(listed().iter().all(|p| p["pid"] != sleep.pid()));
}

#[test]
fn a_program_that_computes_is_seen_to() {
    let target = Target::start(r#"alarm 120; $| = 1; print "ready\n"; 1 while 1"#);
    let entry = wait_for("some CPU time", || {
        let entry = entry(target.pid());
        (entry["cpu_percent"].as_f64()? > 10.0).then_some(entry)
    });
    assert!(entry["cpu_percent"].as_f64().unwrap() <= 130.0, "{entry}");
    let state = entry["state"].as_str().unwrap();
    // Others may have the CPUs at that moment.
    assert!(["running", "waiting for a CPU"].contains(&state), "{entry}");
}

#[test]
fn zombies_are_not_listed() {
    let script = r#"alarm 120; $| = 1; my $pid = fork // die; exit unless $pid;
        1 until (split ' ', do { local (@ARGV, $/) = "/proc/$pid/stat"; <> })[2] eq 'Z';
        print "ready\n$pid\n"; sysread STDIN, my $x, 1"#;
    let mut target = Target::start(script);
    let zombie: i32 = target.line().parse().unwrap();
    let all = listed();
    assert!(all.iter().any(|p| p["pid"] == target.pid()));
    assert!(all.iter().all(|p| p["pid"] != zombie));
}

/// The process ids of a JSON dump of one process or several.
fn dumped(said: &Finished) -> Vec<i64> {
    let document: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    match document.as_array() {
        Some(all) => all.iter().map(|d| d["pid"].as_i64().unwrap()).collect(),
        None => vec![document["pid"].as_i64().unwrap()],
    }
}

#[test]
fn a_process_by_its_name() {
    let word = word("name");
    let target = waiting(&word);
    let dump = |name: &str| run(&["dump", "--json", "--name", name]);
    let (first, last) = word.split_at(8);
    for name in [&word[..], &format!("^{PERL} .*{first}.{}$", &last[1..])] {
        let said = dump(name);
        said.expect(0, "");
        assert_eq!(dumped(&said), [i64::from(target.pid())]);
    }
    let record = "record -o - -f collapsed --idle --duration 0.2 --name";
    let words: Vec<&str> = record.split(' ').chain([&word[..]]).collect();
    assert!(run(&words).out.contains("(main)"));
    // p5-spy has the word on its own command line, too.
    drop(target);
    dump(&word)
        .expect(1, "no perl process matches")
        .expect(1, "p5-spy ps");
    dump("(").expect(2, "unclosed group");
}

/// A perl that runs p5-spy has all of its words.
#[test]
fn who_calls_is_not_meant() {
    let word = word("caller");
    let mut command = Command::new(PERL);
    let script = r#"system @ARGV; exit($? >> 8)"#;
    let spy_path = env!("CARGO_BIN_EXE_p5-spy");
    command.args(["-e", script, spy_path, "dump", "--name", &word]);
    command
        .env("HOME", "/nonexistent")
        .env_remove("XDG_CONFIG_HOME");
    Running::start(command)
        .finish()
        .expect(1, "no perl process matches");
}

#[test]
fn several_of_one_name_are_one_family_or_a_question() {
    let word = word("family");
    let script = r#"alarm 120; $| = 1; pipe my $r, my $w;
        for (1 .. 2) { next if fork; $0 = "$ARGV[0] worker"; syswrite $w, "x"; alarm 120; sleep 100; exit }
        sysread $r, my $x, 1 for 1 .. 2; print "ready\n"; sysread STDIN, my $y, 1; kill TERM => 0"#;
    let head = Target::with_words(&["-e", script, &word]);
    head.blocks();
    let mut family = support::children(head.pid());
    family.insert(0, head.pid());
    assert_eq!(family.len(), 3);
    let dump = |name: &str| run(&["dump", "--json", "--name", name]);
    let said = dump(&word);
    said.expect(0, "");
    let found = dumped(&said);
    assert_eq!(found[0], i64::from(head.pid()));
    assert_eq!(found.len(), 3);
    // Its workers alone are one program as well.
    assert_eq!(dumped(&dump(&format!("^{word} worker"))).len(), 2);
    let stranger = waiting(&word);
    let said = dump(&word);
    said.expect(1, "4 processes match").expect(1, "--pid PID");
    for pid in family.iter().chain([&stranger.pid()]) {
        said.expect(1, &format!("{pid} "));
    }
    for pid in family.into_iter().skip(1) {
        support::kill(pid, libc::SIGKILL);
    }
}

/// p5-spy with this configuration file and `P5SPY_OPTS`.
fn configured(words: &[&str], config: &str, options: &str) -> Finished {
    let folder = folder();
    std::fs::create_dir(folder.path().join("p5-spy")).unwrap();
    file(&folder.path().join("p5-spy"), "config.toml", config);
    let mut command = spy();
    command.env("XDG_CONFIG_HOME", folder.path());
    command.env("P5SPY_OPTS", options);
    command.args(words);
    Running::start(command).finish()
}

#[test]
fn defaults_come_from_the_file_and_the_environment() {
    let target = waiting("x");
    let pid = target.pid().to_string();
    let is_json = |said: &Finished| {
        said.expect(0, "");
        said.out.starts_with('{')
    };
    let dump = ["dump", "--pid", &pid];
    let json = "[dump]\njson = true\n";
    assert!(is_json(&configured(&dump, json, "")));
    assert!(is_json(&configured(&dump, "rate = 7", "--json")));
    assert!(!is_json(&configured(&dump, json, "--no-json")));
    assert!(!is_json(&configured(
        &["dump", "--no-json", "--pid", &pid],
        json,
        ""
    )));
    assert!(!is_json(&configured(
        &["dump", "--no-config", "--pid", &pid],
        json,
        "--json"
    )));
    assert!(is_json(&configured(&["--dump", "--pid", &pid], json, "")));
    let wrong = configured(&dump, "[dump]\njsno = true\n", "");
    wrong
        .expect(2, "p5-spy/config.toml: [dump] jsno")
        .expect(2, "did you mean json?");
    configured(&dump, "", "--jsno").expect(2, "P5SPY_OPTS: unexpected argument '--jsno'");
    // What needs no defaults does not mind a broken file.
    configured(&["--version"], "= 3", "--jsno").expect(0, "");
    configured(&["completions", "bash"], "= 3", "--jsno").expect(0, "");
    let rate = |words: &[&str], config: &str, options: &str| {
        let stats = folder();
        let stats = stats.path().join("stats.json");
        let fixed = [
            "record",
            "--pid",
            &pid,
            "-o",
            "-",
            "-f",
            "collapsed",
            "-d",
            "0.5",
        ];
        let words = [&fixed[..], words, &["--idle", "--stats", text(&stats)]].concat();
        configured(&words, config, options).expect(0, "");
        let stats: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(stats).unwrap()).unwrap();
        stats["attempted"].as_u64().unwrap()
    };
    assert!(rate(&[], "rate = 4", "") < 12);
    assert!(rate(&[], "rate = 1000", "--rate 4") < 12);
    assert!(rate(&["-r", "4"], "rate = 1000", "-r 2000") < 12);
    assert!(rate(&[], "[record]\nrate = 400", "") > 40);
}

fn is_there(program: &str) -> bool {
    let looked = Command::new("sh")
        .args(["-c", &format!("command -v {program}")])
        .stdout(Stdio::null())
        .status();
    looked.is_ok_and(|status| status.success())
}

#[test]
fn shells_accept_their_scripts() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        let said = run(&["completions", shell]);
        said.expect(0, "");
        assert!(said.out.contains("p5-spy") && !said.out.contains("capture"));
        let script = file(folder.path(), shell, &said.out);
        if !is_there(shell) {
            loudly!("SKIPPED: there is no {shell} to check its script");
            continue;
        }
        let checked = Command::new(shell).arg("-n").arg(&script).output().unwrap();
        assert!(
            checked.status.success() && checked.stderr.is_empty(),
            "{checked:?}"
        );
    }
    run(&["completions", "tcsh"]).expect(2, "tcsh");
}

/// What bash offers behind a word.
#[test]
fn bash_completes() {
    if !is_there("bash") {
        loudly!("SKIPPED what bash completes: there is none");
        return;
    }
    let script = run(&["completions", "bash"]).out;
    let offered = |before: &str, word: &str| {
        let at = before.split(' ').count();
        let last = before.split(' ').next_back().unwrap();
        let line = format!(
            "{script}\nCOMP_WORDS=({before} {word}); COMP_CWORD={at}; $(complete -p p5-spy | sed 's/.*-F //; s/ .*//') p5-spy '{word}' '{last}'; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let out = Command::new("bash")
            .args(["--norc", "-c", &line])
            .output()
            .unwrap();
        String::from_utf8(out.stdout).unwrap()
    };
    assert_eq!(offered("p5-spy", "rec").trim(), "record");
    let options = offered("p5-spy dump", "--");
    assert!(
        options.contains("--full-filenames") && options.contains("--name"),
        "{options}"
    );
    assert!(!options.contains("--no-json"), "{options}");
}

#[test]
fn manual_pages() {
    let folder = folder();
    let pages = folder.path().join("man/man1");
    run(&["man", "-o", text(&pages)]).expect(0, "");
    let names = support::listing(&pages);
    for name in ["p5-spy.1", "p5-spy-record.1", "p5-spy-layout-learn.1"] {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
    assert!(!names.iter().any(|n| n.contains("capture")), "{names:?}");
    let own = std::fs::read_to_string(pages.join("p5-spy.1")).unwrap();
    assert_eq!(run(&["man"]).out, own);
    if !is_there("groff") {
        loudly!("SKIPPED: there is no groff to check the pages");
        return;
    }
    for name in names {
        let page = pages.join(&name);
        let warnings = ["-man", "-ww", "-z", "-Tutf8"];
        let checked = Command::new("groff")
            .args(warnings)
            .arg(&page)
            .output()
            .unwrap();
        assert!(
            checked.status.success() && checked.stderr.is_empty(),
            "{name}: {checked:?}"
        );
    }
}

/// A copy of p5-spy that everybody may run, and its folder.
fn for_everybody() -> (tempfile::TempDir, PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open.clone()).unwrap();
    let copy = folder.path().join("p5-spy");
    support::copy_program(env!("CARGO_BIN_EXE_p5-spy"), &copy);
    std::fs::set_permissions(&copy, open).unwrap();
    (folder, copy)
}

/// Runs a line of shell as root in a mount namespace of its own, `$1` being p5-spy and `$2` a
/// process; `None` where this system does not let us.
fn in_namespace(line: &str, program: &Path, pid: i32) -> Option<Finished> {
    let may = Command::new("unshare").args(["-m", "true"]).output();
    if !is_root() || !may.is_ok_and(|out| out.status.success()) || !support::has_setpriv() {
        loudly!("SKIPPED: needs root, unshare and setpriv");
        return None;
    }
    let mut command = Command::new("unshare");
    command
        .args(["-m", "sh", "-c", line, "sh"])
        .arg(program)
        .arg(pid.to_string());
    for name in [
        "KUBERNETES_SERVICE_HOST",
        "container",
        "P5SPY_OPTS",
        "XDG_CONFIG_HOME",
    ] {
        command.env_remove(name);
    }
    // The home of whoever was there before: others may not even look into it.
    let home = folder();
    command
        .env("HOME", home.path())
        .env_remove("XDG_CACHE_HOME");
    Some(Running::start(command).finish())
}

/// Makes a root folder without the files by which containers are known.
const BARE_ROOT: &str = r#"R=${1%/*}/root; mkdir $R; mount -t tmpfs none $R;
for d in bin lib lib64 usr etc proc tmp dev; do
    [ -e /$d ] && mkdir -p $R/$d && mount --rbind /$d $R/$d
done;"#;

const NOBODY: &str = "setpriv --reuid 65534 --regid 65534 --clear-groups";

/// What stands in the way is told as a refusal tells it, and what to type has no process in it.
#[test]
fn the_doctor_of_an_ordinary_user_says_what_to_type() {
    let target = waiting("x");
    let (_folder, program) = for_everybody();
    let line = format!("exec {NOBODY} --bounding-set=-all --inh-caps=-all \"$1\" doctor");
    let Some(said) = in_namespace(&line, &program, target.pid()) else {
        return;
    };
    said.expect(0, "");
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let others = "no other users' processes cannot be read: other user";
    assert!(said.out.lines().any(|l| words(l) == others), "{}", said.out);
    let advice = said
        .out
        .lines()
        .find(|l| l.contains("of one that was tried"));
    let advice = advice.unwrap_or_else(|| panic!("{}", said.out));
    assert!(
        advice.contains("doctor") && !advice.contains("--pid"),
        "{advice}"
    );
    assert!(said.out.contains("real-time priority: "), "{}", said.out);
}

#[test]
fn another_users_process() {
    let target = waiting("x");
    let (_folder, program) = for_everybody();
    let pid = target.pid();
    let line = format!("exec {NOBODY} \"$1\" dump --ops --pid $2");
    let Some(said) = in_namespace(&line, &program, pid) else {
        return;
    };
    said.expect(1, &format!("no permission to read process {pid}"))
        .expect(1, "user id 0, you are 65534");
    // Where nothing says that this is a container: the whole command, with a path that sudo finds.
    let line = format!("{BARE_ROOT} exec chroot $R {NOBODY} \"$1\" dump --ops --pid $2");
    in_namespace(&line, &program, pid)
        .unwrap()
        .expect(1, &format!("{} dump --ops --pid {pid}", program.display()))
        .expect(1, "user id 0, you are 65534. Run");
    // It is listed for its name, with the reason.
    let listed = in_namespace(&format!("exec {NOBODY} \"$1\" ps"), &program, pid).unwrap();
    let row = listed
        .out
        .lines()
        .find(|l| l.trim().starts_with(&pid.to_string()));
    let row = row.unwrap_or_else(|| panic!("{listed:?}"));
    listed.expect(0, "may not be looked into");
    assert!(
        row.contains("no: other user") && row.contains(" ? "),
        "{row}"
    );
}

#[test]
fn root_without_the_capability() {
    let target = waiting("x");
    let (_folder, program) = for_everybody();
    let drop = "setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace";
    // A word that containers are known by.
    let line = format!("container=any exec {drop} \"$1\" dump --pid $2");
    if let Some(said) = in_namespace(&line, &program, target.pid()) {
        said.expect(1, "this root lacks CAP_SYS_PTRACE")
            .expect(1, "--cap-add SYS_PTRACE");
        let listed = in_namespace(&format!("exec {drop} \"$1\" ps"), &program, 1).unwrap();
        assert!(listed.out.contains("no: no CAP_SYS_PTRACE"), "{listed:?}");
    }
}

#[test]
fn root_of_another_user_namespace() {
    let target = waiting("x");
    let (_folder, program) = for_everybody();
    let line = "unshare -r true || exit 77; exec unshare -r \"$1\" dump --pid $2";
    match in_namespace(line, &program, target.pid()) {
        Some(said) if said.code() == 77 => loudly!("SKIPPED: no user namespaces here"),
        Some(said) => {
            said.expect(1, "user namespaces").expect(1, "on the host");
        }
        None => {}
    }
}

#[test]
fn what_hidepid_hides_is_said() {
    let target = waiting("x");
    let (_folder, program) = for_everybody();
    let pid = target.pid();
    for (option, name) in [("1", "noaccess"), ("2", "invisible"), ("4", "ptraceable")] {
        let with = |words: &str| {
            let mount = format!("mount -t proc -o hidepid={option} proc /proc || exit 77");
            let line = format!("{mount}; exec {NOBODY} \"$1\" {words}");
            in_namespace(&line, &program, pid).filter(|said| said.status.code() != Some(77))
        };
        let Some(said) = with("dump --pid $2") else {
            loudly!("SKIPPED: hidepid={option} cannot be mounted");
            continue;
        };
        said.expect(1, &format!("hidepid={name}"))
            .expect(1, &format!("dump --pid {pid}"));
        let none = with("dump --pid 1073741822").unwrap();
        none.expect(1, "there is no process 1073741822");
        let listed = with("ps").unwrap();
        listed.expect(0, &format!("hidepid={name}"));
        assert!(!listed.out.contains(&pid.to_string()), "{listed:?}");
    }
}

#[test]
fn names_of_files_are_short_unless_whole_ones_are_wanted() {
    let folder = folder();
    let root = folder.path().canonicalize().unwrap();
    let lib = root.join("app/lib/My");
    std::fs::create_dir_all(&lib).unwrap();
    let module = r#"package My::Waiter; sub wait { $_[0]->() } 1;"#;
    file(&lib, "Waiter.pm", module);
    let script = r#"alarm 120; $| = 1; require My::Waiter;
My::Waiter::wait(sub { print "ready\n"; sysread STDIN, my $x, 1 });"#;
    let script = file(&root.join("app"), "run.pl", script);
    let mut command = Command::new(PERL);
    command.arg("-I").arg(root.join("app/lib")).arg(&script);
    command.current_dir(root.join("app")).stdin(Stdio::piped());
    let program = Running::start(command);
    program.says("ready");
    let pid = program.pid().to_string();
    let dump = |more: &[&str]| run(&[&["dump", "--pid", &pid], more].concat()).out;
    let short = dump(&[]);
    for needle in [
        "    main::__ANON__[run.pl:2] (run.pl:2)\n",
        "    My::Waiter::wait (My/Waiter.pm:1)\n",
        "    (main) (run.pl:2)\n",
    ] {
        assert!(short.contains(needle), "{needle}: {short}");
    }
    let whole = dump(&["--full-filenames"]);
    let path = script.display();
    for needle in [
        format!("    main::__ANON__[{path}:2] ({path}:2)\n"),
        format!("    My::Waiter::wait ({}/Waiter.pm:1)\n", lib.display()),
    ] {
        assert!(whole.contains(&needle), "{needle}: {whole}");
    }
    // Machines compare: nothing is cut there.
    let json: serde_json::Value = serde_json::from_str(&dump(&["--json"])).unwrap();
    let files = json["threads"][0]["frames"].as_array().unwrap().iter();
    let files: Vec<&str> = files.map(|f| f["file"].as_str().unwrap()).collect();
    assert!(files.iter().all(|f| f.starts_with('/')), "{files:?}");
}

/// Nothing is printed in colour where nobody sees it, or where it is not wanted.
#[test]
fn colours_follow_the_terminal() {
    for line in ["--help", "record --bogus", "ps", "dump --pid 1073741822"] {
        let said = support::run_line(line);
        assert!(
            !said.out.contains('\u{1b}') && !said.err.contains('\u{1b}'),
            "{said:?}"
        );
    }
    let help = |environment: &[(&str, &str)]| {
        let mut terminal = Terminal::open(&["--help"], environment);
        terminal.until("p5-spy ended with 0.");
        terminal.raw()
    };
    assert!(help(&[]).contains("\u{1b}[1m"));
    assert!(!help(&[("NO_COLOR", "1")]).contains("\u{1b}["));
}

/// p5-spy in a terminal.
struct Terminal {
    keys: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    master: Box<dyn portable_pty::MasterPty + Send>,
    seen: Arc<Mutex<(vt100::Parser, Vec<u8>)>>,
    settings: String,
}

const ROWS: u16 = 24;
const COLUMNS: u16 = 100;

impl Terminal {
    fn open(words: &[&str], environment: &[(&str, &str)]) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        // The shell outlives p5-spy: the kernel resets a terminal whose first process ends.
        let line = r#""$@"; code=$?; echo; echo "p5-spy ended with $code."; read wait"#;
        let mut command = CommandBuilder::new("/bin/sh");
        command.args(["-c", line, "sh", env!("CARGO_BIN_EXE_p5-spy")]);
        command.args(words);
        command.cwd("/");
        command.env("TERM", "xterm-256color");
        command.env("HOME", "/nonexistent");
        for name in ["XDG_CONFIG_HOME", "NO_COLOR", "P5SPY_OPTS"] {
            command.env_remove(name);
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let settings = support::settings(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        let some = |number| NonZeroU16::new(number).unwrap();
        let parser = vt100::Parser::new(some(ROWS), some(COLUMNS), 0);
        let seen = Arc::new(Mutex::new((parser, Vec::new())));
        let mut output = pair.master.try_clone_reader().unwrap();
        let into = seen.clone();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(got @ 1..) = output.read(&mut piece) {
                let mut seen = into.lock().unwrap();
                seen.0.process(&piece[..got]);
                seen.1.extend_from_slice(&piece[..got]);
            }
        });
        Terminal {
            keys: pair.master.take_writer().unwrap(),
            child,
            master: pair.master,
            seen,
            settings,
        }
    }

    fn screen(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let rows = seen.0.screen().rows(0, COLUMNS);
        rows.collect::<Vec<_>>().join("\n")
    }

    fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().1).into_owned()
    }

    fn until(&mut self, needle: &str) {
        let deadline = std::time::Instant::now() + support::PATIENCE;
        while !self.screen().contains(needle) {
            let left = std::time::Instant::now() < deadline;
            assert!(left, "no {needle:?} in:\n{}", self.screen());
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Insists that the terminal is as it was.
    fn is_given_back(&self) {
        let settings = support::settings(&*self.master);
        assert_eq!(settings, self.settings);
        let seen = self.seen.lock().unwrap();
        assert!(!seen.0.screen().alternate_screen());
        assert!(!seen.0.screen().hide_cursor());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn in_a_terminal_a_process_is_chosen_from_a_list() {
    let word = word("pick");
    let target = waiting(&word);
    let other = waiting("another");
    let mut terminal = Terminal::open(&["dump"], &[]);
    terminal.until("Which program?");
    terminal.until(&format!("{} ", other.pid()));
    terminal.press(&word);
    terminal.until("1 of ");
    terminal.press("\r");
    terminal.until("p5-spy ended with 0.");
    terminal.is_given_back();
    let screen = terminal.screen();
    let heading = format!("Process {}:", target.pid());
    assert!(
        screen.contains(&heading) && screen.contains("(main) (-e:1)"),
        "{screen}"
    );
}

#[test]
fn without_a_choice_nothing_happens() {
    let _target = waiting("x");
    for (words, keys, status) in [
        (&[][..], "\u{1b}", 0),
        (&["record"], "\u{3}", 130),
        (&["top"], "xyz\u{1b}", 0),
    ] {
        let mut terminal = Terminal::open(words, &[]);
        terminal.until("Which program?");
        terminal.press(keys);
        terminal.until(&format!("p5-spy ended with {status}."));
        terminal.is_given_back();
    }
    // Killed: the terminal is given back all the same.
    let mut terminal = Terminal::open(&["dump"], &[]);
    terminal.until("Which program?");
    let shell = terminal.child.process_id().unwrap() as i32;
    support::kill(support::children(shell)[0], libc::SIGTERM);
    terminal.until("p5-spy ended with 143.");
    terminal.is_given_back();
}

/// The live view of what was chosen.
#[test]
fn the_live_view_of_a_choice() {
    let word = word("top");
    let target = waiting(&word);
    let mut terminal = Terminal::open(&["--no-debug-info"], &[]);
    terminal.until("Which program?");
    terminal.press(&word);
    terminal.until("1 of ");
    terminal.press("\r");
    terminal.until("%Own");
    terminal.until(&target.pid().to_string());
    terminal.press("q");
    terminal.until("p5-spy ended with 0.");
    terminal.is_given_back();
}
