//! Targets of another user that want to make root do something, and files that want all memory.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::trace::whole_calls;
use support::{Finished, PERL, Running, Target, file, folder, spy, text};

const NOBODY: u32 = 65534;

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        loudly!("SKIPPED a test of hostile targets: only root can start processes of others");
    }
    root
}

/// A folder of nobody's.
fn nobodys_folder() -> tempfile::TempDir {
    let made = folder();
    give(made.path());
    std::fs::set_permissions(made.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    made
}

fn give(path: &Path) {
    std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

/// A perl of nobody's own, in nobody's folder, that waits.
struct Victim {
    folder: tempfile::TempDir,
    perl: PathBuf,
    target: Target,
}

impl Victim {
    fn start(program: &str) -> Self {
        let folder = nobodys_folder();
        let perl = folder.path().join("perl");
        support::copy_program(PERL, &perl);
        give(&perl);
        let target = nobody(&perl, &["-e", program]);
        target.blocks();
        Victim {
            folder,
            perl,
            target,
        }
    }

    fn pid(&self) -> String {
        self.target.pid().to_string()
    }

    /// A script that leaves a mark which says as whom it ran.
    fn trap(&self) -> (PathBuf, PathBuf) {
        let mark = self.folder.path().join("mark");
        let script = format!("#!/bin/sh\nid -u >> {}\n", text(&mark));
        let script = file(self.folder.path(), "trap", &script);
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        (script, mark)
    }
}

/// Starts a perl as nobody.
fn nobody(perl: &Path, words: &[&str]) -> Target {
    let mut command = Command::new(perl);
    command.args(words).uid(NOBODY).gid(NOBODY).current_dir("/");
    Target::of_command(command)
}

const WAITS: &str = "$| = 1; sub inner { print qq(ready\\n); sleep 600 } inner()";

/// Runs p5-spy under strace; what it did is in the second value, a line for each call.
fn traced(words: &[&str]) -> Option<(Finished, String)> {
    let log = folder();
    let log = log.path().join("log");
    let plain = spy();
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", text(&log)])
        .args([
            "-e",
            "trace=execve,execveat,open,openat,openat2,setresuid,chroot",
        ])
        .arg(plain.get_program())
        .args(words)
        .stdin(Stdio::null());
    support::surround(&mut command);
    if Command::new("strace").arg("-V").output().is_err() {
        loudly!("SKIPPED tracing of p5-spy: there is no strace");
        return None;
    }
    let done = Running::start(command).finish();
    Some((done, whole_calls(&std::fs::read_to_string(&log).unwrap())))
}

/// The lines of processes that still had root's user id.
fn as_root(trace: &str) -> Vec<&str> {
    let mut others = Vec::new();
    let mut lines = Vec::new();
    for line in trace.lines() {
        let pid = line.split_whitespace().next().unwrap_or_default();
        if line.contains("setresuid(65534, 65534, 65534") {
            others.push(pid);
        } else if !others.contains(&pid) {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn root_runs_nothing_of_another_users_and_opens_no_file_of_his() {
    if !is_root() {
        return;
    }
    let victim = Victim::start(WAITS);
    let pid = victim.pid();
    let empty = folder();
    for words in [
        vec!["dump", "--pid", &pid],
        vec![
            "dump",
            "--no-cache",
            "--layouts",
            text(empty.path()),
            "--pid",
            &pid,
        ],
        vec![
            "dump",
            "--no-cache",
            "--no-debug-info",
            "--learn",
            "--layouts",
            text(empty.path()),
            "--pid",
            &pid,
        ],
        vec![
            "record",
            "-d",
            "0.3",
            "--idle",
            "-o",
            "/dev/null",
            "-f",
            "html",
            "--pid",
            &pid,
        ],
        vec!["ps"],
    ] {
        let Some((done, trace)) = traced(&words) else {
            return;
        };
        let root = as_root(&trace);
        let runs: Vec<_> = root.iter().filter(|l| l.contains("exec")).collect();
        assert_eq!(runs.len(), 1, "{words:?}: {runs:?}\n{done:?}");
        let his = text(victim.folder.path());
        let opened: Vec<_> = root.iter().filter(|l| l.contains(his)).collect();
        assert!(opened.is_empty(), "{words:?}: {opened:?}");
        // Nothing is opened by a name but what is ours, or the kernel's.
        for line in root.iter().filter(|l| l.contains("/usr/bin/perl")) {
            assert!(line.contains("O_PATH"), "{words:?}: {line}");
        }
    }
}

#[test]
fn another_users_perl_is_learned_as_that_user_and_only_when_asked() {
    if !is_root() {
        return;
    }
    let victim = Victim::start(WAITS);
    let pid = victim.pid();
    let empty = folder();
    let base = [
        "dump",
        "--no-cache",
        "--no-debug-info",
        "--layouts",
        text(empty.path()),
        "--pid",
        &pid,
    ];
    let refused = support::run(&base);
    refused.expect(1, "--learn runs it as that user").no_stack();
    // The name leads elsewhere by now, and what was started is deleted.
    let (trap, mark) = victim.trap();
    std::fs::remove_file(&victim.perl).unwrap();
    symlink(&trap, &victim.perl).unwrap();
    give(&victim.perl);
    let words = [&base[..], &["--learn"]].concat();
    let Some((learned, trace)) = traced(&words) else {
        return;
    };
    assert!(learned.out.contains("main::inner"), "{learned:?}");
    assert!(!mark.exists(), "{trace}");
    let ran: Vec<&str> = trace.lines().filter(|l| l.contains("execveat(")).collect();
    assert_eq!(ran.len(), 1, "{trace}");
    assert!(!as_root(&trace).contains(&ran[0]), "{trace}");
}

/// The attack by which a user became root: two names of a program that are exchanged all the time.
#[test]
fn names_that_change_make_nobody_run_anything() {
    if !is_root() {
        return;
    }
    let victim = Victim::start(WAITS);
    let (trap, mark) = victim.trap();
    let (pid, empty) = (victim.pid(), folder());
    let other = victim.folder.path().join("other");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for leads_to in [trap.as_path(), Path::new(PERL)] {
                    let _ = std::fs::remove_file(&other);
                    let _ = symlink(leads_to, &other);
                    let _ = std::fs::rename(&other, &victim.perl);
                }
            }
        });
        let words = ["dump", "--no-cache", "--no-debug-info", "--learn"];
        let words = [
            &words[..],
            &["--layouts", text(empty.path()), "--pid", &pid],
        ]
        .concat();
        let said: Vec<Finished> = (0..20).map(|_| support::run(&words)).collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for one in &said {
            one.expect(0, "learned");
        }
    });
    assert!(!mark.exists(), "{:?}", std::fs::read_to_string(&mark));
}

#[test]
fn files_of_the_kernel_are_no_source() {
    if !is_root() {
        return;
    }
    let program = "$| = 1;\n# line 1 \"/proc/kallsyms\"\nsub a { my $x; $x += $_ for 1 .. 1000 }\n\
        # line 1 \"/proc/1/maps\"\nsub b { my $x; $x += $_ for 1 .. 1000 }\n\
        print qq(ready\\n); while (1) { a(); b() }";
    let target = nobody(Path::new(PERL), &["-e", program]);
    let out = folder();
    let report = out.path().join("report.html");
    let pid = target.pid().to_string();
    support::run(&["record", "-d", "1", "-o", text(&report), "--pid", &pid]).expect(0, "");
    let page = std::fs::read_to_string(&report).unwrap();
    assert!(page.contains("it is a file of the kernel's"), "no reason");
    for (file, word) in [
        ("/proc/kallsyms", "__x64_sys_read"),
        ("/proc/1/maps", "r-xp"),
    ] {
        assert!(!page.contains(word), "{file} is in the report");
    }
}

/// Parts of an ELF header (elf.h) of 64 bits.
const E_SHOFF: std::ops::Range<usize> = 0x28..0x30;
const E_SHNUM: std::ops::Range<usize> = 0x3c..0x3e;
const E_SHSTRNDX: std::ops::Range<usize> = 0x3e..0x40;
const SECTION: usize = 0x40;

/// A perl with further sections, all of them with the same bytes at the same place.
fn with_sections(names: &[&str], flags: u64, content: &[u8], size: u64) -> Vec<u8> {
    let mut perl = std::fs::read(PERL).unwrap();
    let number = |bytes: &[u8]| {
        let mut eight = [0; 8];
        eight[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(eight) as usize
    };
    let (table, count) = (number(&perl[E_SHOFF]), number(&perl[E_SHNUM]));
    let strings = number(&perl[E_SHSTRNDX]);
    let mut sections = perl[table..table + count * SECTION].to_vec();
    let place = |index: usize| index * SECTION + 0x18..index * SECTION + 0x28;
    let old = sections[place(strings)].to_vec();
    let (start, length) = (number(&old[..8]), number(&old[8..]));
    let mut text = perl[start..start + length].to_vec();
    let at = perl.len() as u64;
    perl.extend(content);
    for name in names {
        let mut section = [0u8; SECTION];
        section[0..4].copy_from_slice(&(text.len() as u32).to_le_bytes());
        section[4..8].copy_from_slice(&1u32.to_le_bytes());
        section[8..16].copy_from_slice(&flags.to_le_bytes());
        section[0x18..0x20].copy_from_slice(&at.to_le_bytes());
        section[0x20..0x28].copy_from_slice(&size.to_le_bytes());
        sections.extend(section);
        text.extend(name.bytes().chain([0]));
    }
    let new = [perl.len() as u64, text.len() as u64]
        .map(u64::to_le_bytes)
        .concat();
    sections[place(strings)].copy_from_slice(&new);
    perl.extend(text);
    let table = perl.len() as u64;
    let count = count + names.len();
    perl.extend(sections);
    perl[E_SHOFF].copy_from_slice(&table.to_le_bytes());
    perl[E_SHNUM].copy_from_slice(&(count as u16).to_le_bytes());
    perl
}

const DEBUG: [&str; 10] = [
    ".debug_abbrev",
    ".debug_addr",
    ".debug_aranges",
    ".debug_info",
    ".debug_line",
    ".debug_line_str",
    ".debug_ranges",
    ".debug_rnglists",
    ".debug_str",
    ".debug_str_offsets",
];

/// Ten compressed sections over the same bytes, each of which is 256 MB in the end.
fn compressed() -> Vec<u8> {
    const LARGE: u64 = 256 << 20;
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    (0..LARGE >> 20).for_each(|_| packed.write_all(&zeros).unwrap());
    // Elf64_Chdr: ELFCOMPRESS_ZLIB, the size, an alignment.
    let mut content = [1u64, LARGE, 1].map(u64::to_le_bytes).concat();
    content.extend(packed.finish().unwrap());
    let size = content.len() as u64;
    const SHF_COMPRESSED: u64 = 0x800;
    with_sections(&DEBUG, SHF_COMPRESSED, &content, size)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn files_that_ask_for_all_memory_get_little_of_it() {
    if !support::this_perl().is_one_file() {
        return;
    }
    const MOST: u64 = 300 << 20;
    let made = folder();
    let bomb = made.path().join("bomb");
    std::fs::write(&bomb, compressed()).unwrap();
    let sparse = made.path().join("sparse");
    let perl = with_sections(&DEBUG, 0, b"", 1 << 30);
    std::fs::write(&sparse, &perl).unwrap();
    let file = std::fs::File::options().write(true).open(&sparse);
    file.unwrap().set_len(1 << 30).unwrap();
    for hostile in [&bomb, &sparse] {
        let (done, peak, taken) = support::measured(&["layout-dump", text(hostile)]);
        assert!(peak < MOST, "{hostile:?}: {peak} bytes, {done:?}");
        assert!(
            taken < Duration::from_secs(10),
            "{hostile:?}: {taken:?}, {done:?}"
        );
        done.expect(0, "MiB of memory to read");
        // The same file as the program of somebody's process.
        if !is_root() {
            continue;
        }
        std::fs::set_permissions(hostile, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(made.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        give(hostile);
        let target = nobody(hostile, &["-e", WAITS]);
        let pid = target.pid().to_string();
        let (done, peak, taken) = support::measured(&["dump", "--no-cache", "--pid", &pid]);
        assert!(peak < MOST, "{hostile:?}: {peak} bytes, {done:?}");
        assert!(
            taken < Duration::from_secs(10),
            "{hostile:?}: {taken:?}, {done:?}"
        );
        done.expect(0, "MiB of memory to read");
        assert!(done.out.contains("main::inner"), "{done:?}");
    }
}

#[test]
fn another_users_perl_without_symbols_is_found_all_the_same() {
    if !is_root() || !support::this_perl().is_one_file() {
        return;
    }
    let folder = nobodys_folder();
    let perl = folder.path().join("pearl");
    support::copy_program(PERL, &perl);
    support::hidden::hide_symbols(&perl);
    give(&perl);
    let target = nobody(&perl, &["-e", WAITS]);
    target.blocks();
    let pid = target.pid().to_string();
    let said = support::run(&["dump", "--no-cache", "--no-debug-info", "--pid", &pid]);
    said.expect(0, "");
    assert!(said.out.contains("main::inner (-e:1)"), "{said:?}");
    let listed = support::run(&["ps"]);
    let row = listed
        .out
        .lines()
        .find(|line| line.trim().starts_with(&pid));
    assert!(row.is_some_and(|row| row.contains("nobody")), "{listed:?}");
}

/// Runs p5-spy as a root that lacks these capabilities.
fn without(capabilities: &[&str], words: &[&str]) -> Option<Finished> {
    let lacks: Vec<String> = capabilities.iter().map(|c| format!("-{c}")).collect();
    let plain = spy();
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--bounding-set={}", lacks.join(",")))
        .arg(format!("--inh-caps={}", lacks.join(",")))
        .arg(plain.get_program())
        .args(words)
        .stdin(Stdio::null());
    support::surround(&mut command);
    if !support::has_setpriv() {
        loudly!("SKIPPED roots that lack capabilities: there is no setpriv");
        return None;
    }
    let said = Running::start(command).finish();
    if said.err.contains("unknown capability") {
        loudly!("LEFT OUT: {}", said.err.trim_end());
        return None;
    }
    Some(said)
}

#[test]
fn a_root_that_lacks_a_capability_does_what_it_can_and_says_what_it_lacks() {
    if !is_root() {
        return;
    }
    let victim = Victim::start(WAITS);
    let pid = victim.pid();
    let words = ["dump", "--no-cache", "--pid", &pid];
    // The kernel does not lead to what is mapped: names do, for the child.
    let Some(named) = without(&["sys_admin", "checkpoint_restore"], &words) else {
        return;
    };
    assert!(named.out.contains("main::inner"), "{named:?}");
    for (capability, told) in [("setuid", "SETUID"), ("setgid", "SETGID")] {
        let said = without(&[capability], &words).unwrap();
        said.expect(1, told).no_stack();
    }
}
