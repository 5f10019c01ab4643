//! The distribution for CPAN (`dist/cpan/make`): the same bytes each time, complete, and a perl's own tools build,
//! test, install and remove it. Its own tests, which need an installed library, are in `dist/cpan/t`.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use support::{Finished, PERL, Running, copy_program, file, folder, text};

/// A program with all its symbols takes long to be packed, and the distribution's tests record twenty programs.
const LONG: Duration = Duration::from_secs(600);

/// What the program is called, as `dist/cpan/make` names machines.
fn machine() -> String {
    format!("{}-linux", std::env::consts::ARCH)
}

/// Runs it to its end, without what whoever runs the tests has told perl and make.
fn finish(mut command: Command) -> Finished {
    for name in [
        "PERL5LIB",
        "PERL5OPT",
        "PERL_MM_OPT",
        "MAKEFLAGS",
        "MAKELEVEL",
        "P5SPY_OPTS",
        "P5SPY_PROGRAM",
    ] {
        command.env_remove(name);
    }
    command.env("PERL_MM_USE_DEFAULT", "1");
    Running::start(command).finish_within(LONG)
}

/// The same, and it must end well.
fn done(folder: &Path, words: &[&str]) -> Finished {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).current_dir(folder);
    let done = finish(command);
    assert_eq!(done.code(), 0, "{words:?}: {done:?}");
    done
}

/// The archive that is made of these programs, and its name.
fn made(programs: &Path, out: &Path) -> (PathBuf, Vec<u8>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let script = root.join("dist/cpan/make");
    done(
        root,
        &[
            PERL,
            text(&script),
            "--programs",
            text(programs),
            "--out",
            text(out),
        ],
    );
    let path = out.join(format!("App-p5spy-{}.tar.gz", env!("CARGO_PKG_VERSION")));
    let bytes = std::fs::read(&path).unwrap();
    (path, bytes)
}

fn has(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .output()
        .is_ok_and(|done| done.status.success())
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

#[test]
fn it_is_made_alike_and_installs_with_perls_own_tools() {
    if !cfg!(target_os = "linux") || !Path::new(env!("CARGO_MANIFEST_DIR")).join(".git").exists() {
        loudly!("LEFT OUT: the CPAN distribution is made on Linux, in a git tree");
        return;
    }
    if !["make", "git", "tar"].iter().all(|program| has(program)) {
        loudly!("SKIPPED the CPAN distribution: make, git or tar is missing");
        return;
    }
    let work = folder();
    let programs = work.path().join("programs");
    let program = programs.join(machine()).join("p5-spy");
    std::fs::create_dir_all(program.parent().unwrap()).unwrap();
    copy_program(env!("CARGO_BIN_EXE_p5-spy"), &program);
    // Smaller, where that can be had.
    let _ = Command::new("strip").arg(&program).status();

    let (archive, bytes) = made(&programs, &work.path().join("first"));
    let (_, again) = made(&programs, &work.path().join("second"));
    assert!(bytes == again, "the second is another");

    done(work.path(), &["tar", "xzf", text(&archive)]);
    let source = work
        .path()
        .join(format!("App-p5spy-{}", env!("CARGO_PKG_VERSION")));
    let complete = "$ExtUtils::Manifest::Quiet = 1; my ($missing, $extra) = fullcheck();
        die qq(missing: @$missing, not in MANIFEST: @$extra) if @$missing || @$extra";
    done(
        &source,
        &[PERL, "-MExtUtils::Manifest=fullcheck", "-e", complete],
    );
    let described =
        "print CPAN::Meta->load_file($_, { lazy_validation => 0 })->version, qq(\\n) for @ARGV";
    let versions = done(
        &source,
        &[
            PERL,
            "-MCPAN::Meta",
            "-e",
            described,
            "META.json",
            "META.yml",
        ],
    );
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(versions.out, format!("{version}\n{version}\n"));

    let base = work.path().join("base");
    done(
        &source,
        &[
            PERL,
            "Makefile.PL",
            &format!("INSTALL_BASE={}", text(&base)),
            "NO_PERLLOCAL=1",
        ],
    );
    done(&source, &["make"]);
    let tested = done(&source, &["make", "test"]);
    assert!(tested.out.contains("All tests successful"), "{tested:?}");
    done(&source, &["make", "install"]);

    let stub = base.join("bin/p5-spy");
    let says = done(work.path(), &[text(&stub), "--version"]);
    assert_eq!(says.out, format!("p5-spy {version}\n"));
    let installed = files(&base);
    let library = installed
        .iter()
        .find(|path| path.ends_with("Devel/p5spy.pm"))
        .unwrap();
    let library = library.ancestors().nth(2).unwrap();
    let demo = file(
        work.path(),
        "demo.pl",
        "sub busy { my $x = 0; $x += $_ for 1 .. 20_000 } my $until = times() + 1;
         busy() while times() < $until; print qq($^P\\n); exit 7",
    );
    let mut recorded = Command::new(PERL);
    recorded
        .args(["-I", text(library), "-d:p5spy=flame.svg", text(&demo)])
        .env("XDG_CACHE_HOME", work.path().join("cache"))
        .current_dir(work.path());
    let recorded = finish(recorded);
    assert_eq!(
        (recorded.code(), recorded.out.as_str()),
        (7, "0\n"),
        "{recorded:?}"
    );
    let graph = std::fs::read_to_string(work.path().join("flame.svg"));
    assert!(
        graph.is_ok_and(|graph| graph.contains("main::busy")),
        "{recorded:?}"
    );

    let list = installed
        .iter()
        .find(|path| path.ends_with(".packlist"))
        .unwrap();
    done(
        work.path(),
        &[
            PERL,
            "-MExtUtils::Install",
            "-e",
            "ExtUtils::Install::uninstall(shift)",
            text(list),
        ],
    );
    assert_eq!(files(&base), Vec::<PathBuf>::new());
}
