//! What hostile recordings and captures may take: under 300 MB and five seconds, in every format.

use crate::loudly;
use crate::support;

use loudly::loudly;
use p5_spy::frames::{Frame, FrameKind};
use p5_spy::ids::{Pid, Tid};
use p5_spy::output::Format;
use p5_spy::profile::{About, Source, Summary, ThreadAbout};
use p5_spy::recording::{Block, Chunk, Writer};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Running, Target, folder, run, spy, text};

/// Bytes of memory, and seconds where nothing else runs.
const MEMORY: u64 = 300 << 20;
const SECONDS: u64 = 5;
/// Other tests run at the same time, and builds without optimisation are slow.
const SLOWER: u64 = 4;

/// The names of all pictures.
fn formats() -> impl Iterator<Item = &'static str> {
    let pictures = Format::ALL.into_iter().filter(|f| *f != Format::P5spy);
    pictures.map(Format::name)
}

fn about() -> About {
    About {
        title: "a program".into(),
        rate: 1000.0,
        ..About::default()
    }
}

fn frame(name: &str, line: u32) -> Frame {
    let mut frame = Frame::new(FrameKind::Sub, name.into(), "".into(), 0);
    frame.place.line = line;
    frame
}

fn thread(tid: i32, title: &str) -> ThreadAbout {
    ThreadAbout {
        pid: Pid::from(1),
        title: title.into(),
        os_tid: Tid::from(tid),
        perl_tid: None,
        interpreter: None,
    }
}

/// Runs of one sample each, or of so many.
fn runs(chunk: &mut Chunk, stacks: impl Iterator<Item = u32>, count: u32) {
    for stack in stacks {
        chunk.stack.push(stack);
        chunk.thread.push(0);
        chunk.count.push(count);
        chunk.running.push(1);
        chunk.after_us.push(1000);
    }
}

/// A chain of calls of one frame, so many deep.
fn chain(chunk: &mut Chunk, depth: u32) {
    chunk.threads.push(thread(1, "x"));
    chunk.frames.push(frame("f", 1));
    chunk.stacks.extend((0..depth).map(|caller| (caller, 0)));
}

fn whole(about: About, blocks: &[Block]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.write(&Block::About(about)).unwrap();
    for block in blocks {
        writer.write(block).unwrap();
    }
    writer.write(&Block::End(Summary::default())).unwrap();
    writer.into_inner()
}

fn of_chunk(fill: impl FnOnce(&mut Chunk)) -> Vec<u8> {
    let mut chunk = Chunk::default();
    fill(&mut chunk);
    whole(about(), &[Block::Samples(chunk)])
}

/// Hostile recordings, each with a name.
fn recordings() -> Vec<(&'static str, Vec<u8>)> {
    let long = "n".repeat(60_000);
    let mut all = vec![
        (
            "many frames",
            of_chunk(|chunk| {
                chain(chunk, 1);
                chunk.frames.extend((0..2_000_000).map(|_| frame("", 0)));
                runs(chunk, 0..1, 1);
            }),
        ),
        (
            "one long name in many frames",
            of_chunk(|chunk| {
                chunk.threads.push(thread(1, "x"));
                let name: std::sync::Arc<str> = long.as_str().into();
                for line in 0..600 {
                    let mut frame = frame("f", line);
                    (frame.name, frame.label) = (name.clone(), name.clone());
                    frame.place.file = name.clone();
                    chunk.frames.push(frame);
                    chunk.stacks.push((line, line));
                }
                runs(chunk, 0..600, 1);
            }),
        ),
        (
            "deep stacks",
            of_chunk(|chunk| {
                chain(chunk, 20_000);
                runs(chunk, 0..20_000, 1);
            }),
        ),
        (
            "deep stacks that change",
            of_chunk(|chunk| {
                chain(chunk, 20_000);
                chunk.frames.push(frame("g", 2));
                chunk.stacks.push((0, 1));
                let turns = (0..1_000_000).map(|turn| if turn % 2 == 0 { 19_999 } else { 20_000 });
                runs(chunk, turns, 1);
            }),
        ),
        (
            "many runs",
            of_chunk(|chunk| {
                chain(chunk, 1);
                runs(chunk, std::iter::repeat_n(0, 20_000_000), 1);
            }),
        ),
        (
            "long runs",
            of_chunk(|chunk| {
                chain(chunk, 1);
                runs(chunk, std::iter::repeat_n(0, 1_000_000), u32::MAX);
            }),
        ),
        (
            "many threads with long titles",
            of_chunk(|chunk| {
                chain(chunk, 1);
                let title = "t".repeat(10_000);
                for tid in 0..10_000 {
                    chunk.threads.push(thread(tid, &title));
                }
                for thread in 0..10_000 {
                    runs(chunk, 0..1, 1);
                    *chunk.thread.last_mut().unwrap() = thread;
                }
            }),
        ),
        (
            "a folder in front of many files",
            whole(
                About {
                    folder: format!("/{long}"),
                    ..about()
                },
                &[Block::Samples({
                    let mut chunk = Chunk::default();
                    chunk.threads.push(thread(1, "x"));
                    for line in 0..50_000 {
                        let mut frame = frame("f", line);
                        frame.start.file = format!("f{line}").into();
                        frame.place = frame.start.clone();
                        chunk.frames.push(frame);
                        chunk.stacks.push((0, line));
                    }
                    runs(&mut chunk, 0..50_000, 1);
                    chunk
                })],
            ),
        ),
        (
            "counts of everything",
            whole(
                About {
                    rate: 1e-6,
                    started_ms: u64::MAX,
                    ..about()
                },
                &[Block::Samples({
                    let mut chunk = Chunk::default();
                    chain(&mut chunk, 3);
                    runs(&mut chunk, (0..3).cycle().take(3000), u32::MAX);
                    chunk.after_us.fill(u64::MAX);
                    chunk.so_far = Summary {
                        attempted: u64::MAX,
                        good: u64::MAX,
                        missed: u64::MAX,
                        late: u64::MAX,
                        errors: [("a".into(), u64::MAX), ("b".into(), u64::MAX)].into(),
                        duration_seconds: 1e300,
                        ..Summary::default()
                    };
                    chunk
                })],
            ),
        ),
    ];
    let source = |number: u32| {
        Block::Source(Source {
            file: format!("{number}"),
            text: Ok(" ".repeat(20 << 20)),
        })
    };
    let sources: Vec<Block> = (0..20).map(source).collect();
    all.push(("long sources", whole(about(), &sources)));
    all.push(("a block of zeros", {
        let mut bytes = whole(about(), &[]);
        bytes.truncate(bytes.len() - 20);
        bytes.extend(block_of(&vec![0; 255 << 20]));
        bytes
    }));
    all
}

/// A block of these bytes, whatever they are.
fn block_of(plain: &[u8]) -> Vec<u8> {
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    deflated.write_all(plain).unwrap();
    let payload = deflated.finish().unwrap();
    let mut block = u32::try_from(payload.len()).unwrap().to_le_bytes().to_vec();
    block.extend(crc32fast::hash(&payload).to_le_bytes());
    block.extend(payload);
    block
}

/// What a program took.
struct Took {
    code: i32,
    said: String,
    memory: u64,
    time: Duration,
}

/// Runs p5-spy, which nothing but these bounds keeps from taking all there is.
fn measured(words: &[&str]) -> Took {
    let (done, memory, time) = support::measured(words);
    Took {
        code: done.code(),
        said: done.err,
        memory,
        time,
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[track_caller]
fn check(took: &Took, what: &str) {
    let (memory, time) = (took.memory >> 20, took.time);
    eprintln!(
        "{what}: {memory} MB, {time:.1?}, {}: {}",
        took.code,
        took.said.trim()
    );
    assert!(took.memory < MEMORY, "{what}: {memory} MB");
    assert!(
        time < Duration::from_secs(SECONDS * SLOWER),
        "{what}: {time:?}"
    );
    assert!(!took.said.contains("panicked"), "{what}: {}", took.said);
    assert!(matches!(took.code, 0 | 1), "{what}: {}", took.said);
}

#[test]
fn hostile_recordings_take_little() {
    let folder = folder();
    for (name, bytes) in recordings() {
        let file = put(folder.path(), "x.p5spy", &bytes);
        for format in formats() {
            let output = folder.path().join("out");
            let words = [
                "report",
                text(&file),
                "-f",
                format,
                "-o",
                text(&output),
                "--threads",
            ];
            let took = measured(&words);
            let size = output.metadata().map_or(0, |m| m.len());
            let what = format!(
                "{name}, {} kB, {format} of {} MB",
                bytes.len() >> 10,
                size >> 20
            );
            check(&took, &what);
            assert!(size < MEMORY, "{what}");
            if took.code != 0 {
                let is_said = ["--max-memory", "it is damaged"]
                    .iter()
                    .any(|w| took.said.contains(w));
                assert!(is_said, "{what}: {}", took.said);
                assert!(!output.exists(), "{what}");
            }
            let _ = std::fs::remove_file(&output);
        }
        let picture = folder.path().join("diff.svg");
        let words = [
            "report",
            "--diff",
            text(&file),
            text(&file),
            "-o",
            text(&picture),
        ];
        check(&measured(&words), &format!("{name}, compared"));
    }
}

#[test]
fn the_user_can_allow_more() {
    let folder = folder();
    let bytes = of_chunk(|chunk| {
        chain(chunk, 2_000);
        runs(chunk, (0..2_000).cycle().take(20_000), 1);
    });
    let file = put(folder.path(), "x.p5spy", &bytes);
    let output = folder.path().join("x.json");
    let words = [
        "report",
        text(&file),
        "-f",
        "speedscope",
        "-o",
        text(&output),
    ];
    run(&words).expect(1, "--max-memory");
    assert!(!output.exists());
    run(&[&words[..], &["--max-memory", "8G"]].concat()).expect(0, "Wrote");
    run(&[&words[..], &["--max-memory", "10k"]].concat()).expect(1, "more than 10 KiB");
    run(&[&words[..], &["--max-memory", "much"]].concat()).expect(2, "such as 4G");
}

#[test]
fn nothing_in_a_recording_reaches_the_terminal() {
    let folder = folder();
    let bytes = of_chunk(|chunk| {
        chunk.threads.push(thread(1, "x"));
        chunk.frames.push(frame("evil\x1b[2J", 1));
        chunk.stacks.push((0, 0));
        runs(chunk, 0..1, 9);
    });
    let file = put(folder.path(), "x.p5spy", &bytes);
    let other = of_chunk(|chunk| {
        chunk.threads.push(thread(1, "x"));
        chunk.frames.push(frame("other", 1));
        chunk.stacks.push((0, 0));
        runs(chunk, 0..1, 9);
    });
    let other = put(folder.path(), "y.p5spy", &other);
    let compared = run(&["report", "--diff", text(&other), text(&file)]);
    assert!(compared.out.contains("evil\\x{1b}[2J"), "{compared:?}");
}

#[test]
fn hostile_captures_take_little() {
    let honest = std::fs::read("tests/captures/5.36.0-threaded.capture").unwrap();
    let mut plain = String::new();
    use std::io::Read;
    flate2::read::GzDecoder::new(&*honest)
        .read_to_string(&mut plain)
        .unwrap();
    let capture: serde_json::Value = serde_json::from_str(&plain).unwrap();
    let with = |name: &str, more: &str, count: usize| {
        let mut capture = capture.clone();
        capture[name] = "HERE".into();
        let list = format!("[{}]", vec![more; count].join(","));
        capture.to_string().replace("\"HERE\"", &list)
    };
    let folder = folder();
    for (name, text_of) in [
        ("samples", with("samples", "[]", 20_000_000)),
        ("some samples", with("samples", "[]", 90)),
        ("attach", with("attach", "[0,\"\"]", 10_000_000)),
        (
            "bytes",
            with("attach", &format!("[0,\"{}\"]", "00".repeat(7_000_000)), 1),
        ),
        ("maps", with("maps", "[0,0,\"\"]", 7_000_000)),
        (
            "threads",
            with("threads", &capture["threads"][0].to_string(), 300_000),
        ),
        ("zeros", "[".repeat(60 << 20)),
    ] {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packed.write_all(text_of.as_bytes()).unwrap();
        let file = put(folder.path(), "x.capture", &packed.finish().unwrap());
        let took = measured(&["dump", "--capture", text(&file)]);
        check(&took, name);
    }
}

/// A recording at 1000 Hz of 50 workers, of which two run at any time, anywhere in 20,000 stacks.
fn honest(minutes: u32) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(1);
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.write(&Block::About(about())).unwrap();
    let mut chunk = Chunk::default();
    chunk
        .threads
        .extend((0..50).map(|tid| thread(tid, "worker")));
    for line in 0..20_000 {
        let name = format!("My::Application::Module{}::method_{line}", line % 300);
        let file = format!("/srv/app/lib/My/Application/Module{}.pm", line % 300);
        chunk
            .frames
            .push(Frame::new(FrameKind::Sub, name.into(), file.into(), line));
    }
    // A tree of calls, 30 deep at the most; a recording has no stack twice.
    let mut depths: Vec<u32> = Vec::new();
    let mut known = std::collections::HashSet::new();
    while depths.len() < 20_000 {
        let caller = random.u32(0..=depths.len() as u32);
        let depth = match caller {
            0 => 1,
            _ => depths[caller as usize - 1] + 1,
        };
        let stack = (caller, random.u32(0..20_000));
        if depth <= 30 && known.insert(stack) {
            depths.push(depth);
            chunk.stacks.push(stack);
        }
    }
    for _ in 0..60 * minutes {
        for _ in 0..2000 {
            chunk.stack.push(random.u32(0..20_000));
            chunk.thread.push(random.u32(0..50));
            chunk.count.push(1);
            chunk.running.push(1);
            chunk.after_us.push(random.u64(250..750));
        }
        for worker in 0..48 {
            chunk.stack.push(worker);
            chunk.thread.push(worker);
            chunk.count.push(1000);
            chunk.running.push(0);
            chunk.after_us.push(0);
        }
        writer
            .write(&Block::Samples(std::mem::take(&mut chunk)))
            .unwrap();
    }
    writer.write(&Block::End(Summary::default())).unwrap();
    writer.into_inner()
}

#[test]
fn an_honest_recording_is_not_refused() {
    let folder = folder();
    let [short, long] = [1, 3].map(|minutes| {
        let bytes = honest(minutes);
        put(folder.path(), &format!("{minutes}.p5spy"), &bytes)
    });
    for format in formats() {
        // That one says each call of each sample.
        let file = match format {
            "chrometrace" => &short,
            _ => &long,
        };
        for threads in [&[][..], &["-t"]] {
            let output = folder.path().join("out");
            let words = ["report", text(file), "-f", format, "-o", text(&output)];
            let took = measured(&[&words, threads].concat());
            assert_eq!(took.code, 0, "{format} {threads:?}: {}", took.said);
            let most = 256 << 20;
            assert!(took.memory < most, "{format} {threads:?}: {}", took.memory);
            std::fs::remove_file(&output).unwrap();
        }
    }
}

fn is_root() -> bool {
    // SAFETY: geteuid has no preconditions.
    let root = unsafe { libc::geteuid() } == 0;
    if !root {
        loudly!("SKIPPED files and folders of other users: needs root");
    }
    root
}

fn give_to_nobody(path: &Path) {
    std::os::unix::fs::lchown(path, Some(65534), Some(65534)).unwrap();
}

#[test]
fn no_folder_is_made_but_in_a_home_of_ones_own() {
    if !is_root() {
        return;
    }
    let target = Target::start("$| = 1; print qq(ready\n); sleep 600");
    let pid = target.pid().to_string();
    let dump = |home: &Path| {
        let mut command = spy();
        command.args(["dump", "--pid", &pid]).env("HOME", home);
        command.env_remove("XDG_CACHE_HOME");
        Running::start(command).finish().expect(0, "");
    };
    let place = folder();
    let missing = place.path().join("missing");
    dump(&missing);
    assert!(!missing.exists());
    // A home of another user's, and one with a link of his.
    let (his, elsewhere) = (folder(), folder());
    give_to_nobody(his.path());
    dump(his.path());
    assert_eq!(support::listing(his.path()), [""; 0]);
    let ours = folder();
    let link = ours.path().join(".cache");
    std::os::unix::fs::symlink(elsewhere.path(), &link).unwrap();
    give_to_nobody(&link);
    dump(ours.path());
    assert_eq!(support::listing(elsewhere.path()), [""; 0]);
}

#[test]
fn a_link_that_another_user_has_put_into_a_common_folder_is_not_followed() {
    use std::os::unix::fs::PermissionsExt;
    if !is_root() {
        return;
    }
    let target = Target::start("$| = 1; print qq(ready\n); sleep 600");
    let pid = target.pid().to_string();
    let (common, private) = (folder(), folder());
    let rights = std::fs::Permissions::from_mode(0o1777);
    std::fs::set_permissions(common.path(), rights).unwrap();
    let precious = put(private.path(), "precious", b"precious");
    for name in ["x.p5spy", "x.svg"] {
        let link = common.path().join(name);
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        give_to_nobody(&link);
        let said = run(&[
            "record",
            "-d",
            "0.3",
            "--idle",
            "-o",
            text(&link),
            "--pid",
            &pid,
        ]);
        // Where the kernel sees to it itself, it says so in its own words.
        said.expect(1, "cannot write");
        assert_eq!(std::fs::read(&precious).unwrap(), b"precious", "{name}");
    }
    // One of ours is followed, as ever.
    let link = private.path().join("x.p5spy");
    std::os::unix::fs::symlink(&precious, &link).unwrap();
    run(&[
        "record",
        "-d",
        "0.3",
        "--idle",
        "-o",
        text(&link),
        "--pid",
        &pid,
    ])
    .expect(0, "");
    assert!(link.is_symlink() && std::fs::read(&precious).unwrap() != b"precious");
}

#[test]
fn without_proc_nobody_says_that_nothing_runs() {
    let program = env!("CARGO_BIN_EXE_p5-spy");
    for words in ["dump --pid 1", "ps"] {
        let line = format!("mount -t tmpfs none /proc && exec {program} {words}");
        let mut command = std::process::Command::new("unshare");
        command.args(["-m", "sh", "-c", &line]);
        let may = std::process::Command::new("unshare")
            .args(["-m", "true"])
            .output();
        if !is_root() || !may.is_ok_and(|out| out.status.success()) {
            loudly!("SKIPPED a system without /proc: needs root and unshare");
            return;
        }
        let said = Running::start(command).finish();
        said.expect(1, "/proc is not mounted");
    }
}

#[test]
fn root_does_not_do_what_another_user_has_configured() {
    if !is_root() {
        return;
    }
    let target = Target::start("$| = 1; print qq(ready\n); sleep 600");
    let pid = target.pid().to_string();
    let home = folder();
    let config = home.path().join(".config/p5-spy");
    std::fs::create_dir_all(&config).unwrap();
    let file = put(&config, "config.toml", b"nonsense = 1");
    let dump = || {
        let mut command = spy();
        command
            .args(["dump", "--pid", &pid])
            .env("HOME", home.path());
        command.env_remove("XDG_CONFIG_HOME");
        Running::start(command).finish()
    };
    dump().expect(2, "config.toml: nonsense: there is no such option");
    give_to_nobody(&file);
    dump().expect(2, "it is another user's. --no-config goes without");
    give_to_nobody(&config);
    dump().expect(0, "belongs to another user, so root does not use it");
}
