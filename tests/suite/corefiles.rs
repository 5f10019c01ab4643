//! Core files: of the kernel, of gcore, cut off, packed, without the files that belong to them; and C stacks.

use super::loudly::loudly;
use super::support;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Finished, PERL, Target, folder, run, this_perl};

/// Follows a pointer into nowhere, in a function of C.
const CRASHES: &str = r#"sub crash { my ($where) = @_; my $x = unpack 'p', pack 'J', $where; $x }
sub outer { my @list = (1, 2, 3); crash(16) }
outer();
"#;

/// A core file of what this script ends with: by the kernel where it writes one, else by gdb.
fn crashed(folder: &Path, script: &str) -> Option<PathBuf> {
    let program = support::file(folder, "crash.pl", script);
    let kernel = format!("ulimit -c unlimited; exec {PERL} {}", program.display());
    let mut shell = Command::new("sh");
    let done = shell.args(["-c", &kernel]).current_dir(folder).output();
    assert!(!done.unwrap().status.success(), "it ends by a signal");
    let found = || {
        let files = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
        let mut cores = files.filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("core")
        });
        cores.next()
    };
    if let Some(core) = found() {
        return Some(core);
    }
    let core = folder.join("core.gdb");
    let gdb = Command::new("gdb")
        .args(["-batch", "-ex", "run", "-ex"])
        .arg(format!("generate-core-file {}", core.display()))
        .args(["--args", PERL])
        .arg(program)
        .output();
    if gdb.is_err() || !core.exists() {
        loudly!("SKIPPED core files of crashes: the kernel writes none here, and there is no gdb");
        return None;
    }
    Some(core)
}

/// A core file of a program that goes on.
fn kept(target: &Target, folder: &Path) -> Option<PathBuf> {
    let name = folder.join("kept");
    let pid = target.pid().to_string();
    let done = Command::new("gcore").arg("-o").arg(name).arg(&pid).output();
    let core = folder.join(format!("kept.{pid}"));
    if done.is_err() || !core.exists() {
        loudly!("SKIPPED core files: there is no gcore");
        return None;
    }
    Some(core)
}

fn dump_of(core: &Path, more: &[&str]) -> Finished {
    let mut words = vec!["dump", "--no-learn", "--core", core.to_str().unwrap()];
    words.extend_from_slice(more);
    run(&words)
}

fn json_of(core: &Path, more: &[&str]) -> Value {
    let done = dump_of(core, &[&["--json"], more].concat());
    assert_eq!(done.code(), 0, "{}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

fn names(frames: &Value, key: &str) -> Vec<String> {
    let frames = frames.as_array().unwrap().iter();
    let names = frames.map(|f| f[key].as_str().unwrap_or("?").to_owned());
    names.collect()
}

#[test]
fn a_crash_in_c_is_shown_with_the_line_of_perl_above_it() {
    let place = folder();
    let Some(core) = crashed(place.path(), CRASHES) else {
        return;
    };
    let json = json_of(&core, &["--native", "-l"]);
    assert_eq!(json["core"]["signal"], 11);
    assert_eq!(json["core"]["signal_name"], "SIGSEGV");
    assert_eq!(json["core"]["address"], 16);
    let thread = &json["threads"][0];
    assert_eq!(thread["state"], "got the signal");
    assert_eq!(json["core"]["thread"], thread["os_tid"]);
    let frames = names(&thread["frames"], "name");
    let subs: Vec<&str> = frames.iter().map(String::as_str).collect();
    assert!(
        subs.ends_with(&["main::crash", "main::outer", "(main)"]),
        "{subs:?}"
    );
    let lines = thread["frames"].as_array().unwrap();
    let line_of = |name: &str| {
        let frame = lines.iter().find(|f| f["name"] == name);
        frame.unwrap()["line"].as_u64()
    };
    assert_eq!(line_of("main::crash"), Some(1));
    assert_eq!(line_of("main::outer"), Some(2));
    assert_eq!(line_of("(main)"), Some(3));
    let native = &thread["native"];
    let functions = names(&native["frames"], "function");
    if ends_in_libc(native) {
        return;
    }
    // What reads the string is the C library's, or perl's own; what runs the program is perl's.
    assert_eq!(json["core"]["function"], native["frames"][0]);
    for function in ["perl_run", "main"] {
        assert!(functions.iter().any(|f| f == function), "{functions:?}");
    }
    assert_eq!(native["cut"], Value::Null, "{functions:?}");
    let text = dump_of(&core, &[]).out;
    assert!(
        text.contains("Ended by SIGSEGV (nothing is mapped at 0x10), in thread"),
        "{text}"
    );
    let in_c = text.lines().find(|line| line.starts_with("In C: "));
    assert!(
        in_c.is_some_and(|line| line.ends_with("crash.pl:1")),
        "{text}"
    );
}

#[test]
fn what_was_packed_is_unpacked() {
    let place = folder();
    let Some(core) = crashed(place.path(), CRASHES) else {
        return;
    };
    let plain = names(&json_of(&core, &[])["threads"][0]["frames"], "name");
    let packed = ruzstd::encoding::compress_to_vec(
        fs::File::open(&core).unwrap(),
        ruzstd::encoding::CompressionLevel::Fastest,
    );
    let file = place.path().join("packed.zst");
    fs::write(&file, &packed).unwrap();
    let again = names(&json_of(&file, &[])["threads"][0]["frames"], "name");
    assert_eq!(plain, again);
    fs::write(&file, &packed[..packed.len() / 2]).unwrap();
    dump_of(&file, &[]).expect(1, "packed.zst: ");
}

#[test]
fn a_core_file_says_what_the_living_process_says() {
    let threads = r#"use threads; $| = 1;
        sub worker { my $n = shift; deeper($n, 3) }
        sub deeper { my ($n, $d) = @_; return deeper($n, $d - 1) if $d; select undef, undef, undef, 100 }
        threads->create(\&worker, $_)->detach for 1 .. 3;
        select undef, undef, undef, 0.3; print "ready\n"; sleep 100"#;
    let alone = "$| = 1; sub f { my @l = (1, 2); print \"ready\\n\"; sleep 100 } eval { f(42) }";
    for (script, count) in [(threads, 4), (alone, 1)] {
        if count > 1 && !this_perl().is_threaded {
            continue;
        }
        let place = folder();
        // Then its words are at the very end of the stack.
        let mut perl = Command::new(PERL);
        perl.args(["-e", script]).env_clear();
        let target = Target::of_command(perl);
        target.blocks();
        let pid = target.pid().to_string();
        let live = run(&[
            "dump",
            "--json",
            "--native",
            "-ll",
            "--no-learn",
            "--pid",
            &pid,
        ]);
        let live: Value = serde_json::from_str(&live.out).expect(&live.err);
        let Some(core) = kept(&target, place.path()) else {
            return;
        };
        let dead = json_of(&core, &["--native", "-ll"]);
        assert_eq!(dead["threads"].as_array().unwrap().len(), count);
        assert_eq!(live["command"], dead["command"]);
        assert_eq!(dead["core"]["signal"], Value::Null);
        for (one, other) in live["threads"]
            .as_array()
            .unwrap()
            .iter()
            .zip(dead["threads"].as_array().unwrap())
        {
            assert_eq!(one["os_tid"], other["os_tid"]);
            assert_eq!(one["perl_tid"], other["perl_tid"]);
            assert_eq!(other["state"], "dumped");
            // The op is shown in a core file, and the system call in a living process, only if asked for.
            let perl = |thread: &Value| -> Vec<Value> {
                let frames = thread["frames"].as_array().unwrap().iter();
                frames.filter(|f| f["kind"] != "op").cloned().collect()
            };
            assert_eq!(perl(one), perl(other));
            assert_eq!(one["native"], other["native"]);
            let native = &one["native"];
            assert_eq!(native["cut"], Value::Null, "{native}");
            let functions = names(&native["frames"], "function");
            assert!(
                functions.iter().any(|f| f.starts_with("Perl_pp_")),
                "{functions:?}"
            );
        }
    }
}

/// The C library describes none of its functions, as musl does not. Says so.
fn ends_in_libc(native: &Value) -> bool {
    let ends = native["cut"]
        .as_str()
        .is_some_and(|why| why.contains(".eh_frame"));
    let is_musl = Path::new("/lib").read_dir().unwrap().flatten();
    let mut names = is_musl.map(|entry| entry.file_name());
    let ends = ends && names.any(|name| name.to_string_lossy().starts_with("ld-musl-"));
    if ends {
        loudly!("LEFT OUT: {}", native["cut"]);
    }
    ends
}

/// A pattern that backtracks for long, again and again.
const BACKTRACKS: &str = r#"$| = 1; my $text = 'a' x 26 . 'b';
    sub find { my ($where) = @_; return $where =~ /^(a+)+$/ }
    print "ready\n"; find($text) while 1"#;

#[test]
fn a_thread_that_runs_shows_where_in_c() {
    let target = Target::start(BACKTRACKS);
    let pid = target.pid().to_string();
    let mut matching = 0;
    for _ in 0..20 {
        let done = run(&["dump", "--json", "--native", "--no-learn", "--pid", &pid]);
        let json: Value = serde_json::from_str(&done.out).expect(&done.err);
        let thread = &json["threads"][0];
        let (frames, native) = (&thread["frames"], &thread["native"]);
        if native["frames"].as_array().unwrap().is_empty() {
            // An ordinary user is not told.
            let why = native["cut"].as_str().unwrap();
            assert!(why.contains("CAP_PERFMON"), "{why}");
            return loudly!("LEFT OUT: {why}");
        }
        if ends_in_libc(native) {
            return;
        }
        assert_eq!(native["cut"], Value::Null, "{native}");
        // Whatever the matcher has called: its caller is exported, and so is perl_run.
        let functions = names(&native["frames"], "function");
        let is_there = |function: &str| functions.iter().any(|f| f == function);
        assert!(is_there("perl_run"), "{functions:?}");
        // Both stacks are of one moment.
        if is_there("Perl_regexec_flags") {
            matching += 1;
            assert_eq!(frames[0]["name"], "main::find", "{thread}");
        }
    }
    assert!(matching > 10, "{matching}");
}

#[test]
fn what_is_missing_is_named() {
    if !this_perl().is_one_file() {
        return;
    }
    let place = folder();
    let Some(core) = crashed(place.path(), CRASHES) else {
        return;
    };
    // The file is shorter than it says.
    let length = fs::metadata(&core).unwrap().len();
    let cut = place.path().join("cut");
    let bytes = fs::read(&core).unwrap();
    for kept in [1, 2, 3, 5, 9] {
        fs::write(&cut, &bytes[..(length * kept / 10) as usize]).unwrap();
        let done = dump_of(&cut, &["--native"]);
        assert!(done.code() <= 1, "{}", done.err);
        assert!(done.err.contains("was cut off"), "{}", done.err);
    }
    // None of its files is there.
    let empty = folder();
    let root = empty.path().to_str().unwrap();
    let done = dump_of(&core, &["--sysroot", root]);
    done.expect(1, "--sysroot FOLDER");
    let perl = fs::canonicalize(PERL).unwrap();
    assert!(done.err.contains(perl.to_str().unwrap()), "{}", done.err);
    assert!(done.err.contains("build-id"), "{}", done.err);
    // Another program is no help.
    let other = dump_of(&core, &["--exe", env!("CARGO_BIN_EXE_p5-spy")]);
    other.expect(1, "another build");
    // Its files are elsewhere.
    let files = names(
        &json_of(&core, &["--native"])["threads"][0]["native"]["frames"],
        "file",
    );
    assert!(!files.is_empty());
    let maps = Command::new("ldd").arg(PERL).output().unwrap();
    let listed = String::from_utf8(maps.stdout).unwrap();
    let libraries = listed.split_whitespace().filter(|w| w.starts_with('/'));
    for library in libraries.chain([PERL]) {
        let real = fs::canonicalize(library).unwrap();
        for name in [Path::new(library), &real] {
            let there = empty.path().join(name.strip_prefix("/").unwrap());
            fs::create_dir_all(there.parent().unwrap()).unwrap();
            fs::copy(&real, &there).unwrap();
        }
    }
    let moved = names(
        &json_of(&core, &["--native", "--sysroot", root])["threads"][0]["native"]["frames"],
        "file",
    );
    assert_eq!(moved, files);
}

#[test]
fn an_old_kernels_core_file_is_read_by_the_dynamic_linkers_list() {
    // musl gives what a file's last page has to spare to malloc, and without the kernel's list nobody can tell.
    if !this_perl().is_one_file() {
        return;
    }
    let place = folder();
    let Some(core) = crashed(place.path(), CRASHES) else {
        return;
    };
    let told = json_of(&core, &["--native"]);
    // A note of another type, as Linux had none with the names of files before 3.7.
    let mut bytes = fs::read(&core).unwrap();
    let note = b"\x45\x4c\x49\x46CORE\0";
    let at = bytes.windows(note.len()).position(|w| w == note).unwrap();
    bytes[at] = 1;
    let old = place.path().join("old");
    fs::write(&old, bytes).unwrap();
    let found = json_of(&old, &["--native"]);
    // The kernel and the linker may each have another name for a file: libc.so.6 is a link to libc-2.31.so.
    let plain = |core: &Value| {
        let mut threads = core["threads"].clone();
        for frame in threads[0]["native"]["frames"].as_array_mut().unwrap() {
            let name = frame["file"].as_str().unwrap_or_default();
            let name = name.split(['.', '-']).next().unwrap().to_owned();
            frame["file"] = Value::from(name);
        }
        threads
    };
    assert_eq!(plain(&told), plain(&found));
}

#[test]
fn what_the_kernel_was_told_to_leave_out_is_said() {
    let place = folder();
    let script = format!(
        "open my $f, '>', '/proc/self/coredump_filter' or die $!; print $f 0; close $f;\n{CRASHES}"
    );
    let Some(core) = crashed(place.path(), &script) else {
        return;
    };
    if core.ends_with("core.gdb") {
        return loudly!("LEFT OUT: the kernel writes no core files here");
    }
    dump_of(&core, &[]).expect(1, "coredump_filter");
}

#[test]
fn what_is_no_core_file_is_refused() {
    let place = folder();
    let text = support::file(place.path(), "text", "no core file");
    dump_of(&text, &[]).expect(1, "no core file of Linux");
    dump_of(Path::new(PERL), &[]).expect(1, "a program, not a core file");
    dump_of(&place.path().join("absent"), &[]).expect(1, "No such file");
    dump_of(place.path(), &[]).expect(1, "no ordinary file");
    run(&["dump", "--exe", "/bin/true"]).expect(2, "--core");
    run(&["dump", "--core", "x", "--pid", "1"]).expect(2, "cannot be used with");
}
