//! What p5-spy says: its help, its refusals, and every error that a user can meet.

use crate::support;

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use support::{Running, Target, file, folder, run, run_line, spy, state, text, wait_for};

const TABLE: &str = include_str!("../../layouts/5.36.toml");

/// Waits for ever in a stack that is known.
const NESTED: &str = r#"alarm 120; $| = 1;
sub inner { print "ready\n"; sysread STDIN, my $x, 1 }
sub outer { inner(@_) }
outer(1);"#;

/// The frames of [`NESTED`], innermost first.
const NESTED_FRAMES: [&str; 3] = ["main::inner -e:2", "main::outer -e:3", "(main) -e:4"];

fn nested() -> Target {
    let target = Target::start(NESTED);
    target.blocks();
    target
}

/// Every frame that `dump --json` printed, as "name file:line".
fn frames(json: &str) -> Vec<String> {
    let Ok(document) = serde_json::from_str::<serde_json::Value>(json) else {
        assert_eq!(json, "", "neither a document nor nothing");
        return Vec::new();
    };
    let threads = document["threads"].as_array().unwrap().iter();
    let frames = threads.flat_map(|t| t["frames"].as_array().unwrap());
    frames
        .map(|f| {
            let part = |name: &str| f[name].as_str().unwrap().to_owned();
            format!("{} {}:{}", part("name"), part("file"), f["line"])
        })
        .collect()
}

#[test]
fn help() {
    for line in [
        "--help",
        "top --help",
        "record --help",
        "dump --help",
        "layout-dump --help",
        "ps --help",
    ] {
        let said = run_line(line);
        assert_eq!((said.code(), said.err.as_str()), (0, ""));
        let name = line.trim_end_matches("--help").trim_end();
        let name = if name.is_empty() { "p5-spy" } else { name };
        insta::assert_snapshot!(format!("help_{name}"), said.out);
        let widest = said.out.lines().map(|l| l.chars().count()).max();
        assert!(widest <= Some(100), "{line}: {widest:?}");
    }
    // The short one is not longer.
    assert!(run_line("-h").out.len() <= run_line("--help").out.len());
}

#[test]
fn version() {
    let said = run_line("--version");
    assert_eq!(said.code(), 0);
    let expected = format!("p5-spy {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(said.out, expected);
    assert_eq!(run_line("-V").out, expected);
}

/// As run, not as parsed: the exit status, the stream, and that nothing was started.
#[test]
fn refusals() {
    let folder = folder();
    let mut told = String::new();
    for line in [
        "",
        "--rate 50",
        "--flame f.svg",
        "--dump",
        "--dump --flame f.svg --pid 1",
        "--json --pid 1",
        "--json --flame f.svg --pid 1",
        "--dump --rate 5 --pid 1",
        "--dump --duration 5 --pid 1",
        "--dump --idle --pid 1",
        "--dump -- touch started",
        "--dump --pid 1 -- touch started",
        "--by line --pid 1",
        "--by word --flame f.svg --pid 1",
        "--stats s --pid 1",
        "--pid 1 -- touch started",
        "--pid",
        "--pid 0",
        "--pid -4",
        "--pid perl",
        "--pid 99999999999",
        "--pid 1 --rate 0",
        "--pid 1 --rate many",
        "--pid 1 --duration 0",
        "--pid 1 --duration -3",
        "--pid 1 --no-debug-info --debug-dir d",
        "--pid 1 record",
        "touch started",
        "top",
        "top --pid 1 -- touch started",
        "top --pid 1 -o f.svg",
        "record",
        "record -o f.svg",
        "record -o f.svg --pid 1 -- touch started",
        "record -o - --pid 1",
        "record -o f.png --pid 1",
        "record -o f -- touch started",
        "record -o f.svg -f png --pid 1",
        "record -o f.svg --pid 1 --flame g.svg",
        "dump",
        "dump --dump --pid 1",
        "dump -- touch started",
        "dump --rate 5 --pid 1",
        "layout-dump",
        "layout-dump /usr/bin/perl --pid 1",
        "recrod --pid 1",
    ] {
        let mut command = spy();
        command
            .args(line.split_whitespace())
            .current_dir(folder.path());
        let said = Running::start(command).finish();
        assert_eq!((said.code(), said.out.as_str()), (2, ""), "p5-spy {line}");
        let _ = writeln!(told, "$ p5-spy {line}\n{}", said.err);
        assert_eq!(support::listing(folder.path()), [""; 0], "p5-spy {line}");
    }
    insta::assert_snapshot!(told);
}

/// Every command that takes a process.
fn looks(pid: i32) -> [Vec<String>; 3] {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect();
    [
        words(&format!("dump --pid {pid}")),
        words(&format!(
            "record -o - -f collapsed --duration 1 --pid {pid}"
        )),
        words(&format!("layout-dump --pid {pid}")),
    ]
}

/// Insists that each of them fails with this very message and prints nothing.
#[track_caller]
fn all_say(pid: i32, message: &str) {
    for words in looks(pid) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = run(&words);
        assert_eq!(said.err, format!("p5-spy: {message}\n"), "{words:?}");
        assert_eq!((said.code(), said.out.as_str()), (1, ""), "{words:?}");
    }
}

#[test]
fn no_such_process() {
    all_say(0x3fff_fffe, "there is no process 1073741822");
}

#[test]
fn a_thread_is_no_process() {
    let pid = std::process::id() as i32;
    // SAFETY: gettid has no preconditions. Tests run on threads of their own.
    let tid = unsafe { libc::gettid() };
    assert_ne!(pid, tid);
    all_say(
        tid,
        &format!("{tid} is a thread of process {pid}: use --pid {pid}"),
    );
}

#[test]
fn a_kernel_thread_runs_no_program() {
    let comm = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
    // In a container number 2 is somebody else, or nobody.
    if comm == "kthreadd\n" {
        all_say(2, "process 2 is a thread of the kernel: it runs no program");
    }
}

#[test]
fn a_zombie_has_ended() {
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id() as i32;
    wait_for("a zombie", || (state(pid)? == 'Z').then_some(()));
    all_say(
        pid,
        &format!("process {pid} has ended and only waits for its parent to take note (a zombie)"),
    );
    child.wait().unwrap();
}

#[test]
fn what_is_not_perl_is_told_and_why() {
    let mut command = Command::new("sleep");
    command.arg("60").stdin(Stdio::null());
    let sleep = Running::start(command);
    let pid = sleep.pid();
    wait_for("sleep", || (state(pid)? == 'S').then_some(()));
    for words in looks(pid) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let said = run(&words);
        said.expect(1, &format!("process {pid} ("))
            .expect(1, ") is not perl")
            .expect(1, "none defines PL_curinterp");
        assert_eq!(said.out, "");
    }
}

#[test]
fn the_right_stack_to_compare_with() {
    let target = nested();
    let pid = target.pid().to_string();
    let said = run(&["dump", "--json", "--no-debug-info", "--pid", &pid]);
    assert_eq!(frames(&said.out), NESTED_FRAMES, "{said:?}");
    let said = run(&["--dump", "--pid", &pid]);
    said.expect(0, "");
    for needle in [
        format!("Process {pid}: {} -e", support::PERL),
        format!(
            "Perl v{} ({}",
            support::this_perl().version,
            support::this_perl().kind()
        ),
        "    main::inner (-e:2)\n    main::outer (-e:3)\n    (main) (-e:4)\n".into(),
        format!("Thread {pid}"),
    ] {
        assert!(said.out.contains(&needle), "{needle}: {}", said.out);
    }
}

/// Both ways of looking at a process, with the tables of a folder and nothing else.
fn with_tables(folder: &Path, pid: i32) -> [support::Finished; 2] {
    let (folder, pid) = (text(folder), pid.to_string());
    let tables = [
        "--no-debug-info",
        "--no-learn",
        "--no-cache",
        "--layouts",
        folder,
        "--pid",
        &pid,
    ];
    let dump = ["dump", "--json"];
    let record = "record -o - -f collapsed --idle --duration 0.3";
    let record: Vec<&str> = record.split(' ').collect();
    [
        run(&[&dump[..], &tables].concat()),
        run(&[&record, &tables[..]].concat()),
    ]
}

#[test]
fn without_a_table_nothing_is_guessed() {
    let this = support::this_perl();
    let (target, folder) = (nested(), folder());
    for said in with_tables(folder.path(), target.pid()) {
        assert_eq!(said.out, "");
        for needle in [
            &format!("perl {} {}, 64 bit", this.version, this.kind()),
            "no layout",
            "--no-debug-info",
            text(folder.path()),
            "Install the debug symbols",
            "p5-spy layout-dump",
            "--layouts FOLDER",
        ] {
            said.expect(1, needle);
        }
    }
}

#[test]
fn a_table_of_another_build_is_named_with_its_differences() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let (target, folder) = (nested(), folder());
    let other = TABLE
        .replace("interpreter_size = 3768", "interpreter_size = 3776")
        .replace("nv = \"double\"", "nv = \"long double\"");
    file(folder.path(), "other.toml", &other);
    for said in with_tables(folder.path(), target.pid()) {
        assert_eq!(said.out, "");
        for needle in [
            "other.toml (5.36.0 threaded",
            "nv double instead of long double",
            "interpreter size 3768 instead of 3776",
        ] {
            said.expect(1, needle);
        }
    }
}

#[test]
fn a_folder_of_tables_that_is_not_there() {
    let target = nested();
    for said in with_tables(Path::new("/nonexistent/tables"), target.pid()) {
        assert_eq!(said.out, "");
        said.expect(1, "cannot read /nonexistent/tables: No such file");
    }
}

#[test]
fn damage_is_shown_with_file_and_line() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let target = nested();
    let line_of = |needle: &str| {
        let found = TABLE.lines().position(|line| line.contains(needle));
        found.unwrap() + 1
    };
    for (from, to, line, needle) in [
        ("si_prev = 16", "si_prev = ", "si_prev = 16", ""),
        (
            "si_prev = 16",
            "si_prev = \"16\"",
            "si_prev = 16",
            "expected an offset",
        ),
        ("si_prev = 16", "si_prev = -16", "si_prev = 16", ""),
        (
            "si_prev = 16",
            "si_perv = 16",
            "si_prev = 16",
            "no member si_perv",
        ),
        (
            "si_prev = 16",
            "si_prev = 99999999",
            "si_prev = 16",
            "beyond any",
        ),
        (
            "[struct.hek]",
            "[struct.kek]",
            "[struct.hek]",
            "no structure",
        ),
        ("format = 1", "format = 7", "format = 1", "format 7"),
        ("iv_size = 8", "ivsize = 8", "iv_size = 8", "ivsize"),
        ("\"5.36.0\"", "\"five\"", "version = ", "no perl version"),
        ("CXt_SUB = 0x9", "CXt_BUS = 0x9", "CXt_SUB = 0x9", "CXt_BUS"),
        ("size = 4 }", "size = 9 }", "size = 4 }", "size 9"),
    ] {
        let folder = folder();
        let table = TABLE.replacen(from, to, 1);
        assert_ne!(table, TABLE);
        let path = file(folder.path(), "mine.toml", &table);
        let place = format!("{}:{}: ", path.display(), line_of(line));
        for said in with_tables(folder.path(), target.pid()) {
            assert_eq!(said.out, "");
            said.expect(1, &place).expect(1, needle);
        }
    }
}

#[test]
fn two_tables_that_fit_are_one_too_many() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let (target, folder) = (nested(), folder());
    file(folder.path(), "one.toml", TABLE);
    file(folder.path(), "two.toml", TABLE);
    for said in with_tables(folder.path(), target.pid()) {
        assert_eq!(said.out, "");
        said.expect(1, "two layouts fit, one.toml and two.toml");
    }
}

/// A copy of the table in which one member is elsewhere.
fn moved(member: &str, from: &str, to: &str) -> String {
    let line = |at: &str| match at.split_once('/') {
        Some((offset, size)) => format!("\n{member} = {{ offset = {offset}, size = {size} }}\n"),
        None => format!("\n{member} = {at}\n"),
    };
    let table = TABLE.replacen(&line(from), &line(to), 1);
    assert_ne!(table, TABLE, "{member} = {from}");
    table
}

/// What a table with some members elsewhere makes of [`NESTED`], where it is neither an error nor,
/// because the member does not matter here, the right stack.
fn wrong_stacks(moves: &[(&str, &str, &str)]) -> Vec<String> {
    let target = nested();
    let mut wrong = Vec::new();
    for (member, from, to) in moves {
        let folder = folder();
        file(folder.path(), "wrong.toml", &moved(member, from, to));
        let [dump, record] = with_tables(folder.path(), target.pid());
        let shown = frames(&dump.out);
        if !shown.is_empty() && shown != NESTED_FRAMES {
            wrong.push(format!("dump, {member} {from} -> {to}: {shown:?}"));
        }
        let right = "(main) (-e);main::outer (-e);main::inner (-e)";
        for (stack, _) in support::stacks(&record.out) {
            if stack.join(";") != right {
                wrong.push(format!("record, {member} {from} -> {to}: {stack:?}"));
            }
        }
        if shown.is_empty() != (dump.code() == 1) {
            wrong.push(format!("dump, {member} {from} -> {to}: {dump:?}"));
        }
    }
    wrong
}

/// Tables that say that they are for this perl, and are wrong about where the contexts are.
#[test]
fn a_wrong_context_stack_is_refused() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let wrong = wrong_stacks(&[
        ("Icurstackinfo", "224", "216"),
        ("Icurstackinfo", "224", "232"),
        ("Icurstackinfo", "224", "0"),
        ("si_cxstack", "8", "0"),
        ("si_cxstack", "8", "16"),
        ("si_cxix", "32/4", "28/4"),
        ("si_cxix", "32/4", "36/4"),
        ("si_cxix", "32/4", "40/4"),
        ("si_cxix", "32/4", "44/4"),
        ("si_prev", "16", "24"),
        ("si_type", "44/4", "40/4"),
        ("cx_type", "0/1", "1/1"),
        ("cx_type", "0/1", "2/1"),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A recording of which every sample failed is none.
#[test]
fn a_recording_without_a_single_stack_is_a_failure() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let (target, folder) = (nested(), folder());
    let table = moved("blk_sub_cv", "72", "64");
    file(folder.path(), "wrong.toml", &table);
    let [_, record] = with_tables(folder.path(), target.pid());
    assert_eq!(record.out, "");
    assert_eq!(record.code(), 1, "{record:?}");
}

/// The same about subs and their names.
#[test]
fn wrong_names_are_refused() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let wrong = wrong_stacks(&[
        ("blk_sub_cv", "72", "64"),
        ("blk_sub_cv", "72", "80"),
        ("sv_flags", "12/4", "8/4"),
        ("xcv_gv", "56", "48"),
        ("xcv_gv", "56", "64"),
        ("xgv_namehek", "32", "24"),
        ("xgv_namehek", "32", "40"),
        ("xgv_stash", "40", "48"),
        ("xhv_name_u", "0", "8"),
        ("hek_len", "4/4", "0/4"),
        ("hek_key", "8", "12"),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same about statements: files and lines.
#[test]
fn wrong_lines_are_refused() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let wrong = wrong_stacks(&[
        ("Icurcop", "208", "200"),
        ("Icurcop", "208", "216"),
        ("blk_oldcop", "16", "8"),
        ("blk_oldcop", "16", "24"),
        ("cop_line", "36/4", "32/4"),
        ("cop_file", "48", "40"),
        ("cop_file", "48", "56"),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The members that the probe looks at: it says which check failed.
#[test]
fn the_probe_says_what_does_not_fit() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let target = nested();
    for (member, from, to) in [
        ("Icurstackinfo", "224", "216"),
        ("Icurstackinfo", "224", "232"),
    ] {
        let folder = folder();
        file(folder.path(), "wrong.toml", &moved(member, from, to));
        for said in with_tables(folder.path(), target.pid()) {
            assert_eq!(said.out, "");
            for needle in [
                &format!("process {}: the layout from ", target.pid())[..],
                "wrong.toml",
                "does not fit this perl (perl 5.36.0 threaded",
                "Nothing was sampled",
                "--layouts FOLDER",
            ] {
                said.expect(1, needle);
            }
        }
    }
}

#[test]
fn layout_dump_of_what_is_no_perl() {
    let folder = folder();
    let plain = file(folder.path(), "plain.txt", "not a program\n");
    let empty = file(folder.path(), "empty", "");
    for (path, needle) in [
        (text(&plain), "is not a program or library"),
        (text(&empty), "is not a program or library"),
        ("/bin/true", "it defines no perl interpreter"),
        ("/nonexistent/perl", "cannot read /nonexistent/perl"),
        (text(folder.path()), "no ordinary file"),
    ] {
        let said = run(&["layout-dump", path]);
        said.expect(1, needle);
        assert_eq!(said.out, "");
    }
}

/// Where nothing may be learned, the table of another build of the same perl will do, if the stack
/// makes sense under it in every detail: and then it is said.
#[test]
fn a_neighbouring_table_is_judged_by_the_live_stack() {
    if !support::this_perl().is_debian_12() {
        return;
    }
    let (target, folder) = (nested(), folder());
    let other = TABLE.replace("interpreter_size = 3768", "interpreter_size = 3776");
    assert_ne!(other, TABLE);
    file(folder.path(), "other.toml", &other);
    for said in with_tables(folder.path(), target.pid()) {
        said.expect(0, "Using that of other.toml");
    }
    let [dump, _] = with_tables(folder.path(), target.pid());
    assert_eq!(frames(&dump.out), NESTED_FRAMES);
    for (right, wrong) in [
        ("blk_oldcop = 16", "blk_oldcop = 24"),
        ("blk_sub_cv = 72", "blk_sub_cv = 64"),
        ("sizeof = 104", "sizeof = 96"),
        ("Icurcop = 208", "Icurcop = 216"),
    ] {
        let damaged = other.replace(right, wrong);
        assert_ne!(damaged, other, "{right}");
        file(folder.path(), "other.toml", &damaged);
        for said in with_tables(folder.path(), target.pid()) {
            said.expect(1, "no layout");
            assert_eq!(said.out, "", "{wrong}");
        }
    }
}

#[test]
fn a_dumped_layout_can_be_used() {
    let perl = text(&support::this_perl().file);
    let target = nested();
    let pid = target.pid().to_string();
    for words in [
        &["layout-dump", perl, "--no-debug-info"][..],
        &["layout-dump", perl],
        &["layout-dump", "--pid", &pid],
    ] {
        let table = run(words);
        table.expect(0, "");
        let folder = folder();
        file(folder.path(), "again.toml", &table.out);
        let [dump, record] = with_tables(folder.path(), target.pid());
        assert_eq!(frames(&dump.out), NESTED_FRAMES, "{words:?}: {dump:?}");
        assert!(dump.out.contains("again.toml"), "{}", dump.out);
        assert_eq!(record.code(), 0, "{record:?}");
        // Nothing gets lost on the way either.
        let again = run(&[
            "layout-dump",
            perl,
            "--no-debug-info",
            "--layouts",
            text(folder.path()),
        ]);
        let numbers = |table: &str| -> Vec<String> {
            let lines = table.lines().filter(|l| !l.starts_with("from = "));
            lines
                .map(|l| l.split(" # ").next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(numbers(&again.out), numbers(&table.out));
    }
}

#[test]
fn the_live_view_without_a_terminal_starts_nothing() {
    let folder = folder();
    let mark = folder.path().join("started");
    for words in [
        &["--pid", "1"][..],
        &["top", "--pid", "1"],
        &["--", "touch", text(&mark)],
    ] {
        let said = run(words);
        said.expect(1, "the live view needs a terminal")
            .expect(1, "p5-spy record -o profile.svg --pid PID")
            .expect(1, "p5-spy dump --pid PID");
        assert_eq!(said.out, "");
    }
    assert!(!mark.exists());
}

#[test]
fn what_cannot_be_written_is_said_before_anything_is_started() {
    let folder = folder();
    let mark = folder.path().join("started");
    let inside = text(folder.path()).to_owned() + "/no/such/folder/a.svg";
    for (path, needle) in [
        (&inside[..], "there is no folder"),
        (text(folder.path()), "it is a folder"),
        // Not even root can make files here.
        ("/proc/a.svg", "cannot write /proc/a.svg"),
    ] {
        for option in ["-o", "--stats"] {
            let mut words = vec!["record", "-f", "collapsed", option, path];
            let other = text(&folder.path().join("other.txt")).to_owned();
            if option == "--stats" {
                words.extend(["-o", &other]);
            }
            words.extend(["--", "touch", text(&mark)]);
            let said = run(&words);
            said.expect(1, "cannot write").expect(1, needle);
            assert_eq!(said.out, "");
            assert!(!mark.exists(), "{option} {path} was noticed too late");
        }
    }
}

/// Slips that everybody makes: the answer is what to type instead.
#[test]
fn common_slips_are_told_the_right_way() {
    let mut wrong = Vec::new();
    for (line, needle) in [
        ("perl x.pl", "p5-spy -- perl x.pl"),
        ("4711", "p5-spy --pid 4711"),
        ("recrod --pid 1", "'record'"),
        ("--flame f.svg", "p5-spy --flame"),
        ("dump -- perl x.pl", "record -o FILE -- PROGRAM"),
        ("dump", "p5-spy dump --pid PID"),
        ("dump 4711", "p5-spy dump --pid 4711"),
    ] {
        let said = run_line(line);
        assert_eq!(said.code(), 2);
        if !said.err.contains(needle) {
            wrong.push(format!("p5-spy {line}: no {needle:?} in: {}", said.err));
        }
    }
    // The words after -- are a program: advice to put an option's value there is wrong.
    for line in ["--pid -4", "top --pid 1 -o f.svg", "record --pid 1 --json"] {
        let said = run_line(line);
        if said.err.contains("use '-- ") {
            wrong.push(format!("p5-spy {line}: {}", said.err));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
