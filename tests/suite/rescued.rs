//! Pictures that cannot be written: the samples stay, and what is said leads to the picture.

use crate::loudly;
use crate::support;

use loudly::loudly;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Finished, Running, Target, folder, listing, spy, text};

const BUSY: &str = r#"alarm 120; $| = 1; sub work { my $x; $x += $_ for 1 .. 1000 }
    print "ready\n"; work() while 1"#;

/// Does what the message says, with another name for the picture. Gives the place of the samples.
fn follow(said: &Finished, picture: &str, instead: &Path) -> PathBuf {
    let (_, rest) = said.err.split_once("The samples are in ").unwrap();
    let (place, rest) = rest.split_once(". To make the picture of them: ").unwrap();
    let command = rest.lines().next().unwrap();
    let command = command.strip_prefix("p5-spy ").unwrap();
    assert!(command.contains(picture), "{command}");
    let command = command.replace(picture, text(instead));
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{} {command}", env!("CARGO_BIN_EXE_p5-spy"))]);
    support::surround(&mut shell);
    Running::start(shell).finish().expect(0, "Wrote ");
    let made = std::fs::read_to_string(instead).unwrap();
    assert!(made.contains("main::work"), "{made}");
    place.into()
}

/// A recording of a busy program with these words, under a command that ends with `"$@"`.
fn record(target: &Target, around: &[&str], words: &[&str]) -> Finished {
    let spy = spy();
    let mut command = match around {
        [] => Command::new(spy.get_program()),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(spy.get_program());
            command
        }
    };
    support::surround(&mut command);
    command.args(["record", "--no-cache", "-d", "1", "--pid"]);
    command.arg(target.pid().to_string()).args(words);
    Running::start(command).finish()
}

#[test]
fn a_folder_that_goes_away_costs_no_sample() {
    let (target, place) = (Target::start(BUSY), folder());
    let gone = place.path().join("gone");
    std::fs::create_dir(&gone).unwrap();
    let picture = gone.join("it's x.svg");
    let mut command = spy();
    command.args(["record", "-d", "2", "--by", "line", "-t", "-o"]);
    command
        .arg(&picture)
        .args(["--pid", &target.pid().to_string()]);
    command.current_dir(place.path());
    let mut running = Running::start(command);
    running.samples();
    std::fs::remove_dir(&gone).unwrap();
    let said = running.finish();
    said.expect(1, "cannot write")
        .expect(1, "--by line --threads");
    let instead = place.path().join("instead.svg");
    let quoted = format!("\"{}\"", text(&picture));
    let kept = follow(&said, &quoted, &instead);
    // Where p5-spy was started.
    assert_eq!(kept.parent(), Some(&*place.path().canonicalize().unwrap()));
}

#[test]
fn a_full_disk_costs_no_sample() {
    let target = Target::start(BUSY);
    let place = folder();
    // A tmpfs that only this command sees; a fill leaves room for the samples and not for the picture.
    let script = r#"mount -t tmpfs -o size=256k none "$1" || exit 99
        head -c 248000 /dev/zero > "$1/fill"; shift; "$@"; status=$?
        cp "$FULL"/*.p5spy "$KEPT" 2>/dev/null; exit $status"#;
    let full = place.path().join("full");
    std::fs::create_dir(&full).unwrap();
    let (picture, kept) = (full.join("x.svg"), place.path().join("kept.p5spy"));
    let script = script
        .replace("$FULL", text(&full))
        .replace("$KEPT", text(&kept));
    let around = ["unshare", "--mount", "sh", "-c", &script, "sh", text(&full)];
    for room in ["the disk", "temporary files too"] {
        let mut around = around.to_vec();
        let variable = format!("TMPDIR={}", text(&full));
        if room != "the disk" {
            around.splice(0..0, ["env", &variable]);
        }
        let said = record(&target, &around, &["-o", text(&picture)]);
        if said.code() == 99 || said.err.starts_with("unshare") {
            loudly!("SKIPPED a full disk: nothing can be mounted here");
            return;
        }
        said.expect(1, "No space left on device");
        let (_, rest) = said.err.split_once("The samples are in ").unwrap();
        assert!(rest.starts_with(text(&full)), "{said:?}");
        assert!(kept.exists(), "{said:?}");
        let words = ["report", text(&kept), "-f", "collapsed", "-o", "-"];
        let report = support::run(&words);
        assert!(report.out.contains("main::work"), "{report:?}");
        std::fs::remove_file(&kept).unwrap();
    }
}

#[test]
fn a_quota_costs_no_sample() {
    let target = Target::start(BUSY);
    if Command::new("strace").arg("-V").output().is_err() {
        loudly!("SKIPPED a quota: no strace");
        return;
    }
    // The name is what the first picture does not get any more.
    let place = folder();
    let how = "inject=?rename,renameat:error=EDQUOT:when=1";
    let trace = place.path().join("trace");
    let around = ["strace", "-f", "-qq", "-e", how, "-o", text(&trace)];
    let picture = place.path().join("x.svg");
    let said = record(&target, &around, &["-o", text(&picture)]);
    said.expect(1, &support::named_error(libc::EDQUOT));
    let kept = follow(&said, text(&picture), &place.path().join("y.svg"));
    assert_eq!(kept, place.path().canonicalize().unwrap().join("x.p5spy"));
    // Nothing else is left, such as a hidden half.
    let names = listing(place.path());
    assert_eq!(names, ["trace", "x.p5spy", "y.svg"]);
}

#[test]
fn samples_that_were_asked_for_are_where_they_were_asked_for() {
    let (target, place) = (Target::start(BUSY), folder());
    let raw = place.path().join("x.p5spy");
    let picture = Path::new("/dev/full");
    let words = ["-o", text(&raw), "-f", "collapsed", "-o", text(picture)];
    let said = record(&target, &[], &words);
    said.expect(1, "No space left on device");
    let kept = follow(&said, text(picture), &place.path().join("y.txt"));
    assert_eq!(kept, raw);
}
