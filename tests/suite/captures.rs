//! Captures of every perl that p5-spy was ever run on, replayed: so all versions and builds are
//! tested with none of them installed. `perl-matrix/run --captures` makes them.

use p5_spy::attach::{Demand, Loaded, Perl, Trial};
use p5_spy::capture::Capture;
use p5_spy::examine::find_perl;
use p5_spy::frames::FrameTable;
use p5_spy::identity::Identity;
use p5_spy::ids::Pid;
use p5_spy::layout::{Origin, Resolved, Sources, Table, TableSet, from_tables};
use p5_spy::perl::names::{NameOptions, Synthetic};
use p5_spy::platform::{LiveMemory, Process, SharedCpu, ThreadState, ThreadWatch};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What tests/captures/program.pl stands in, innermost first, as `caller` has it.
const STACK: [&str; 9] = [
    "Capture::__ANON__ program.pl:13",
    "Capture::inner program.pl:13",
    "Capture::by_nothing program.pl:8",
    "Capture::within program.pl:6",
    "(eval) (eval 1):1",
    "Capture::middle program.pl:5",
    "(eval) program.pl:4",
    "Capture::outer program.pl:4",
    "(main) program.pl:18",
];

fn captures() -> Vec<(String, Capture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "capture"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let capture = Capture::read(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            (name, capture)
        })
        .collect()
}

fn sources() -> Sources {
    Sources {
        debug: None,
        ..Sources::built_in()
    }
}

/// The main thread's stack at one sample, or why there is none.
fn stack(capture: &Capture, layout: &Resolved, sample: usize) -> Result<Vec<String>, String> {
    let memory = capture.memory(sample).map_err(|e| e.to_string())?;
    let perl = capture.perl(&memory, layout).map_err(|e| e.to_string())?;
    capture.examine(&perl, &memory)?;
    let thread = capture.threads.first().ok_or("no thread")?;
    let mut table = FrameTable::default();
    let options = NameOptions {
        synthetic: Synthetic::None,
        ..NameOptions::default()
    };
    let ids = capture
        .stack(&perl, &memory, thread, options, &mut table)
        .map_err(|e| e.to_string())?;
    let frames = ids.iter().filter_map(|id| table.get(*id));
    Ok(frames
        .map(|f| format!("{} {}:{}", f.name, f.file, f.line))
        .collect())
}

fn resolved(table: &Table) -> Resolved {
    let layout = table.layout().clone();
    let bound = layout.bind().unwrap();
    Resolved {
        layout,
        bound,
        source: Origin::Table(table.name().into()),
    }
}

#[test]
fn every_perl_has_its_table_and_its_stack() {
    let (captures, sources) = (captures(), sources());
    assert!(captures.len() >= 40, "only {} captures", captures.len());
    for (name, capture) in captures {
        let identity = capture.identity().unwrap();
        let table = from_tables(&identity, &sources).unwrap_or_else(|e| panic!("{name}: {e}"));
        for sample in 0..capture.samples() {
            let own = stack(&capture, &capture.own_layout().unwrap(), sample);
            assert_eq!(own.as_deref(), Ok(&STACK.map(str::to_owned)[..]), "{name}");
            let by_table = stack(&capture, &table, sample);
            assert_eq!(by_table, own, "{name} by {}", table.source);
        }
    }
}

/// Every series from 5.6 to 5.44 is there.
#[test]
fn no_series_is_left_out() {
    let captures = captures();
    for minor in (6..=44).step_by(2) {
        let series = format!("5.{minor}.");
        assert!(
            captures.iter().any(|(name, _)| name.starts_with(&series)),
            "no capture of {series}"
        );
    }
    for kind in [
        "unthreaded",
        "multiplicity",
        "long-double",
        "quadmath",
        "cperl",
    ] {
        assert!(
            captures.iter().any(|(name, _)| name.contains(kind)),
            "no capture of {kind}"
        );
    }
}

/// All pairs of tables and perls: a table that is not for a perl is refused, or it reads the right
/// stack because what it says of the structures on the way is the same. Never garbage.
#[test]
fn a_wrong_table_gives_no_stack() {
    let sources = sources();
    let (mut refused, mut same) = (0, 0);
    for (name, capture) in captures() {
        let identity = capture.identity().unwrap();
        for table in sources.tables.tables() {
            if table.abi() != identity.abi || table.differences(&identity).is_empty() {
                continue;
            }
            match stack(&capture, &resolved(table), 0) {
                Err(_) => refused += 1,
                Ok(found) => {
                    same += 1;
                    assert_eq!(found, STACK, "{name} by {}", table.name());
                }
            }
        }
    }
    assert!(refused > same, "{refused} refused, {same} read");
}

/// The same with all of a live perl's memory to go astray in: a capture has only what the right
/// layout led to. P5SPY_TEST_PERL names another perl.
#[test]
fn a_wrong_table_gives_no_stack_of_a_live_perl() {
    let path = std::env::var_os("P5SPY_TEST_PERL").unwrap_or("/usr/bin/perl".into());
    let mut child = Command::new(&path)
        .arg("program.pl")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let out = child.stdout.take().unwrap();
    BufReader::new(out).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let process = Process::open(Pid::from(child.id() as i32)).unwrap();
    let memory = LiveMemory::new(process.pid());
    let deadline = Instant::now() + Duration::from_secs(30);
    while ThreadWatch::new(process.pid(), process.pid().main_thread()).state()
        == ThreadState::Running
    {
        assert!(Instant::now() < deadline, "it does not come to rest");
        std::thread::sleep(Duration::from_millis(1));
    }
    let maps = process.mappings().unwrap();
    let files = process.mapped_programs().unwrap();
    let (mut refused, mut same) = (0, 0);
    for table in TableSet::embedded().tables() {
        let (image, file) = find_perl(
            process.pid(),
            &p5_spy::examine::Examiner::of(process),
            &process.executable().unwrap(),
            &files,
        )
        .unwrap();
        let identity = Identity::of(&image).unwrap();
        // The kind of build decides where the variables are looked for at all.
        if table.abi() != identity.abi || table.build() != identity.build {
            continue;
        }
        let loaded = Loaded {
            bias: image.load_bias(&file.maps).unwrap(),
            image,
        };
        let Ok(perl) = Perl::assemble(process.pid(), &memory, &loaded, identity, &resolved(table))
        else {
            refused += 1;
            continue;
        };
        let main = perl.main_interpreter(&memory).unwrap().unwrap();
        let mut trial = Trial::new(
            SharedCpu::new(process.pid(), process.main_thread()),
            &memory,
            &maps,
        );
        match trial.prove(&perl, main, Demand::patient(2)) {
            Err(_) => refused += 1,
            Ok(()) => {
                let mut table_of_frames = FrameTable::default();
                let options = NameOptions {
                    synthetic: Synthetic::None,
                    ..NameOptions::default()
                };
                let ids = perl.stack(&memory, main, options, &mut table_of_frames);
                let ids = ids.unwrap();
                let frames = ids.iter().filter_map(|id| table_of_frames.get(*id));
                let found: Vec<String> = frames
                    .map(|f| format!("{} {}:{}", f.name, f.file, f.line))
                    .collect();
                assert_eq!(found, STACK, "by {}", table.name());
                same += 1;
            }
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
    println!("{refused} tables refused, {same} read the right stack");
    assert!(
        same >= 1 && refused > same,
        "{refused} refused, {same} read"
    );
}

#[test]
fn a_damaged_capture_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.capture");
    for bytes in [&b"nothing"[..], b"\x1f\x8b\x08\x00"] {
        std::fs::write(&path, bytes).unwrap();
        assert!(Capture::read(&path).is_err());
    }
}
