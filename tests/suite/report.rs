//! The report: that it says what the other formats say, that no name does harm in it, and, where
//! chromium is installed, what it looks like to a browser.

use crate::loudly;
use crate::support;

use loudly::loudly;
use p5_spy::frames::{Frame, FrameKind, StackId};
use p5_spy::ids::{Pid, Tid};
use p5_spy::output::{Format, Picture, render};
use p5_spy::profile::{About, Filter, Profile, Room, Run, Seen, Source, Summary, ThreadAbout};
use p5_spy::recording::{Recorder, load};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use support::{PERL, Running, SPLIT, file, folder, spy, stacks, text};

/// The pieces of data in a page, by their ids.
fn data(page: &str) -> BTreeMap<String, Value> {
    let start = "<script type=\"application/json\" id=\"";
    let pieces = page.split(start).skip(1).map(|piece| {
        let (id, rest) = piece.split_once("\">").unwrap();
        let (json, _) = rest.split_once("</script>").unwrap();
        assert!(!json.contains('<'), "a tag could stand in {id}");
        (id.to_owned(), serde_json::from_str(json).unwrap())
    });
    pieces.collect()
}

fn number(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// The collapsed stacks that the data of a page stands for.
fn collapsed(data: &Value) -> BTreeMap<Vec<String>, u64> {
    let column = |table: &str, name: &str| data[table][name].as_array().unwrap();
    let functions: Vec<String> = (0..column("functions", "name").len())
        .map(|f| {
            let text = |name: &str| column("functions", name)[f].as_str().unwrap();
            match text("place") {
                "" => text("name").to_owned(),
                place => format!("{} ({place})", text("name")),
            }
        })
        .collect();
    let path = |stack: &Value| {
        let mut names = Vec::new();
        let mut at = number(stack) + 1;
        while at > 0 {
            let frame = number(&column("stacks", "frame")[at - 1]);
            let function = number(&column("frames", "function")[frame]);
            names.push(functions[function].clone());
            at = number(&column("stacks", "caller")[at - 1]);
        }
        names.reverse();
        names
    };
    let mut found = BTreeMap::new();
    let counts = column("samples", "count").iter();
    for (stack, count) in column("samples", "stack").iter().zip(counts) {
        *found.entry(path(stack)).or_default() += count.as_u64().unwrap();
    }
    found
}

/// What a browser makes of a page, or `None` where there is none.
fn in_browser(page: &Path, address: &str) -> Option<String> {
    let browser = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok());
    let Some(browser) = browser else {
        loudly!("SKIPPED: no chromium to look at the report with: install chromium");
        return None;
    };
    let profile = folder();
    // Of a large page all is printed, which takes longer than to show it.
    let mut command = Command::new("timeout");
    command
        .args(["150", browser])
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"])
        .args(["--window-size=1400,900", "--virtual-time-budget=5000"])
        .arg(format!("--user-data-dir={}", text(profile.path())))
        .arg(format!("file://{}{address}", text(page)));
    let said = command.output().unwrap();
    let words = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{}: {words}", said.status);
    Some(String::from_utf8(said.stdout).unwrap())
}

/// The text of the page's main part, tags taken away.
fn main_part(dom: &str) -> String {
    let (_, main) = dom.split_once("<main").unwrap();
    let (main, _) = main.split_once("</main>").unwrap();
    let texts = main.split('<').filter_map(|piece| piece.split_once('>'));
    texts.map(|(_, text)| text).collect::<Vec<_>>().join(" ")
}

fn percent(part: u64, all: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / all as f64)
}

#[test]
fn it_says_what_collapsed_stacks_say() {
    let folder = folder();
    let script = file(folder.path(), "split.pl", SPLIT);
    let [page, lines] = ["o.html", "o.folded"].map(|name| folder.path().join(name));
    let mut command = spy();
    command.args(["record", "-r", "500", "-o", text(&page), "-o", text(&lines)]);
    command.args(["--", PERL, text(&script), "1"]);
    Running::start(command)
        .finish()
        .expect(0, "open it in a browser");
    let page_text = std::fs::read_to_string(&page).unwrap();
    let data = data(&page_text);
    let shown = collapsed(&data["data"]);
    let lines = std::fs::read_to_string(&lines).unwrap();
    let counted: BTreeMap<Vec<String>, u64> = stacks(&lines).into_iter().collect();
    assert_eq!(shown, counted);

    let name = format!("main::hot ({})", text(&script));
    let total = |passes: &dyn Fn(&Vec<String>) -> bool| -> u64 {
        let passing = counted.iter().filter(|(stack, _)| passes(stack));
        passing.map(|(_, count)| count).sum()
    };
    let (all, hot) = (total(&|_| true), total(&|s| s.last() == Some(&name)));
    assert!(hot > 50, "{counted:?}");
    let index = |table: &str, name: &str, wanted: &str| {
        let list = data["data"][table].as_array();
        let list = list.or_else(|| data["data"][table][name].as_array());
        let is = |v: &Value| v.as_str() == Some(wanted) || v[name].as_str() == Some(wanted);
        list.unwrap().iter().position(is).unwrap()
    };
    // The program's own text is there.
    let source = index("files", "name", text(&script));
    assert_eq!(data[&format!("source-{source}")], SPLIT);

    let Some(overview) = in_browser(&page, "#/overview") else {
        return;
    };
    let overview = main_part(&overview);
    assert!(overview.contains("main::hot") && overview.contains(&percent(hot, all)));
    let functions = main_part(&in_browser(&page, "#/functions").unwrap());
    let row = functions.split_once("main::hot").unwrap().1;
    assert!(
        row.split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .starts_with(&percent(hot, all))
    );
    let f = index("functions", "name", "main::hot");
    let one = main_part(&in_browser(&page, &format!("#/function/{f}")).unwrap());
    assert!(one.contains("(main)") && one.contains("$code"), "{one}");
    let line = 1 + SPLIT
        .lines()
        .position(|l| l.starts_with("sub hot"))
        .unwrap();
    let lines = in_browser(&page, &format!("#/source/{source}/{line}")).unwrap();
    let annotated = main_part(&lines);
    assert!(
        annotated.contains("sub hot") || annotated.contains("hot { "),
        "{annotated}"
    );
    assert!(lines.contains(&format!("data-line=\"{line}\"")));
    assert!(annotated.contains(&percent(hot, all)), "{annotated}");
    let flame = in_browser(&page, "#/flame/function/main%3A%3Ahot").unwrap();
    let found = format!("{} of all samples have a match", percent(hot, all));
    assert!(main_part(&flame).contains(&found), "{flame}");

    // A span of time is a filter of everything.
    let bucket = data["data"]["bucket_seconds"].as_f64().unwrap();
    let start = data["data"]["samples"]["start"].as_array().unwrap();
    let half = start.len() / 2;
    let counts = data["data"]["samples"]["count"].as_array().unwrap();
    let within: usize = counts[..number(&start[half])].iter().map(number).sum();
    assert!(within > 0 && (within as u64) < all);
    let address = format!("#/overview?time=0-{}", bucket * half as f64);
    let part = main_part(&in_browser(&page, &address).unwrap()).replace(',', "");
    let words: Vec<&str> = part.split_whitespace().collect();
    let said = words
        .windows(2)
        .any(|w| w == [within.to_string().as_str(), "samples"]);
    assert!(said, "{within} of {all}: {words:?}");
}

const EVIL: &str =
    "a</script><img src=x onerror=\"document.title='owned'\">'\"`\n\u{202e}&amp;<!--";

fn hostile() -> Profile {
    let about = About {
        title: EVIL.into(),
        perl: EVIL.into(),
        folder: EVIL.into(),
        rate: 100.0,
        ..About::default()
    };
    let mut profile = Profile::picked(about, Filter::everything(), true);
    let kinds = [
        FrameKind::Main,
        FrameKind::Sub,
        FrameKind::Xsub,
        FrameKind::Op,
    ];
    for (index, kind) in kinds.into_iter().enumerate() {
        let name = format!("{EVIL}{index}{}", "x".repeat(10_000));
        let mut frame = Frame::new(kind, name.into(), EVIL.into(), 1);
        frame.start.line = 1;
        profile.add_frame(frame);
    }
    let frames = u32::try_from(kinds.len()).unwrap();
    for frame in 0..frames {
        profile.add_stack(frame.checked_sub(1), frame).unwrap();
    }
    profile.add_thread(ThreadAbout {
        pid: Pid::from(7),
        title: EVIL.into(),
        os_tid: Tid::from(7),
        perl_tid: None,
        interpreter: None,
    });
    profile.add_source(Source {
        file: EVIL.into(),
        text: Ok(format!("sub x {{ # {EVIL}\n}}\n")),
    });
    profile.summary = Summary {
        attempted: 40,
        good: 39,
        errors: BTreeMap::from([(EVIL.into(), 1)]),
        duration_seconds: 4.0,
        ..Summary::default()
    };
    for (index, stack) in (0..39u32).zip((0..frames).cycle()) {
        let run = Run {
            stack: StackId::at(stack),
            thread: 0,
            count: 1,
            running: index % 3 > 0,
            at: Duration::from_millis(u64::from(index) * 100),
        };
        profile.add_run(run).unwrap();
    }
    profile
}

fn page_of(profile: &Profile) -> Vec<u8> {
    let picture = Picture {
        title: format!("perl profile of {}", profile.about.title),
        ..Picture::default()
    };
    let mut page = Vec::new();
    render(Format::Html, profile, &picture, &mut page).unwrap();
    page
}

#[test]
fn names_do_no_harm() {
    let folder = folder();
    let page = folder.path().join("evil.html");
    let html = page_of(&hostile());
    std::fs::write(&page, &html).unwrap();
    let html = String::from_utf8(html).unwrap();
    assert!(!html.contains("<img"));
    let data = data(&html);
    assert_eq!(data["data"]["about"]["title"], EVIL);
    // The data, the text of the file, and the script.
    assert_eq!(html.matches("</script").count(), 3);
    for view in [
        "overview",
        "functions",
        "function/1",
        "flame",
        "source/0/1",
        "threads",
        "ops",
    ] {
        let Some(dom) = in_browser(&page, &format!("#/{view}")) else {
            return;
        };
        assert!(!dom.contains("<img"), "{view}");
        assert!(dom.contains("<title>perl profile of a"), "{view}");
        // Nothing there reorders what stands around it.
        let (_, shown) = dom.split_once("<header").unwrap();
        let (shown, _) = shown.split_once("<script").unwrap();
        let (_, main) = dom.split_once("<main").unwrap();
        assert!(
            main.contains("a&lt;/script&gt;") || view == "flame",
            "{view}"
        );
        assert!(!shown.contains('\u{202e}'), "{view}");
    }
}

/// With `--threads` the flame graph begins with them, and the report knows who waited.
#[test]
fn threads_are_kept_apart() {
    let mut profile = Profile::picked(
        About {
            title: "perl t.pl".into(),
            rate: 100.0,
            ..About::default()
        },
        Filter::everything(),
        true,
    );
    let name = "main::work";
    profile.add_frame(Frame::new(FrameKind::Sub, name.into(), "t.pl".into(), 3));
    profile.add_stack(None, 0).unwrap();
    for os_tid in [11, 12] {
        profile.add_thread(ThreadAbout {
            pid: Pid::from(11),
            title: "t.pl".into(),
            os_tid: Tid::from(os_tid),
            perl_tid: None,
            interpreter: None,
        });
    }
    // One waits for ten seconds, which is one run; the other runs now and then.
    let run = |thread, count, running, at| Run {
        stack: StackId::at(0),
        thread,
        count,
        running,
        at: Duration::from_secs(at),
    };
    profile.add_run(run(0, 1000, false, 0)).unwrap();
    for at in 0..10 {
        profile.add_run(run(1, 5, true, at)).unwrap();
    }
    profile.summary.duration_seconds = 10.0;
    profile.keep_threads_apart();
    let html = String::from_utf8(page_of(&profile)).unwrap();
    let data = &data(&html)["data"];
    assert_eq!(data["by_thread"], true);
    let column = |name: &str| data["samples"][name].as_array().unwrap();
    let (thread, count) = (column("thread"), column("count"));
    let of = |who: usize| -> usize {
        let pairs = thread.iter().zip(count).filter(|(t, _)| number(t) == who);
        pairs.map(|(_, n)| number(n)).sum()
    };
    // Four times the thread, and 1 where it ran.
    assert_eq!([of(0), of(1), of(4), of(5)], [1000, 0, 0, 50]);
    // The waiting is spread over its time and not heaped up where it began.
    let start = column("start");
    let [quarter, half] = [1, 2].map(|part| number(&start[(start.len() - 1) * part / 4]));
    let waited: usize = (quarter..half)
        .filter(|row| number(&thread[*row]) == 0)
        .map(|row| number(&count[row]))
        .sum();
    assert!((245..=255).contains(&waited), "{waited}");

    let folder = folder();
    let page = folder.path().join("threads.html");
    std::fs::write(&page, html).unwrap();
    let Some(dom) = in_browser(&page, "#/threads?state=waiting") else {
        return;
    };
    let words: Vec<String> = main_part(&dom)
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    assert!(
        words.contains(&"1,000".to_owned()) && !words.contains(&"50".to_owned()),
        "{words:?}"
    );
}

#[test]
fn what_has_no_samples_says_so() {
    let about = About {
        title: "perl -e 1".into(),
        ..About::default()
    };
    let profile = Profile::picked(about, Filter::default(), true);
    let folder = folder();
    let page = folder.path().join("empty.html");
    std::fs::write(&page, page_of(&profile)).unwrap();
    let Some(dom) = in_browser(&page, "") else {
        return;
    };
    assert!(main_part(&dom).contains("No samples: none was taken"));
    assert!(main_part(&in_browser(&page, "#/source").unwrap()).contains("No sample"));
}

/// An hour of a big application at 100 samples a second: 20,000 stacks, 40 deep, on 50,000 lines.
/// `P5SPY_KEEP_REPORT` names a file for its report, to measure how long it takes to open.
fn hour(to: Vec<u8>) -> Vec<u8> {
    let about = About {
        title: "perl big.pl".into(),
        rate: 100.0,
        ..About::default()
    };
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = Seen::default();
    let frames: Vec<_> = (0..50_000u32)
        .map(|n| {
            let sub = n / 10;
            let mut frame = Frame::new(
                FrameKind::Sub,
                format!("App::Part{}::sub{sub}", sub / 20).into(),
                format!("/srv/app/lib/App/Part{}.pm", sub / 20).into(),
                n % 200 + 1,
            );
            frame.start.line = n % 200 / 10 * 10 + 1;
            seen.frames.intern(frame)
        })
        .collect();
    seen.threads.insert(ThreadAbout {
        pid: Pid::from(1),
        title: "big.pl".into(),
        os_tid: Tid::from(1),
        perl_tid: Some(0),
        interpreter: None,
    });
    let mut stacks: Vec<Vec<StackId>> = Vec::new();
    while stacks.len() < 20_000 {
        // Stacks begin like another one.
        let mut stack = match stacks.is_empty() {
            true => Vec::new(),
            false => stacks[random.usize(..stacks.len())][..random.usize(5..38)].to_vec(),
        };
        while stack.len() < 40 {
            let frame = frames[random.usize(..frames.len())];
            stack.push(seen.stacks.intern(stack.last().copied(), frame));
        }
        stacks.push(stack);
    }
    let runs: Vec<Run> = (0..360_000u64)
        .map(|n| {
            let favourite = (random.f64().powi(3) * 20_000.0) as usize;
            Run {
                stack: stacks[favourite.min(19_999)][39],
                thread: 0,
                count: 1,
                running: true,
                at: Duration::from_millis(n * 10),
            }
        })
        .collect();
    let summary = Summary {
        attempted: 360_000,
        good: 360_000,
        duration_seconds: 3600.0,
        ..Summary::default()
    };
    let mut recorder = Recorder::new(to, about).unwrap();
    let chunk = recorder.chunk(&seen, &runs, summary.clone());
    recorder.add(chunk).unwrap();
    for part in 0..250 {
        let line = |n| format!("    my $value{n} = $self->part{part}({n}) or return; # line {n}\n");
        recorder
            .source(Source {
                file: format!("/srv/app/lib/App/Part{part}.pm"),
                text: Ok((1..=1000).map(line).collect()),
            })
            .unwrap();
    }
    recorder.finish(summary).unwrap()
}

#[test]
fn an_hour_of_a_big_application_opens() {
    let raw = hour(Vec::new());
    assert!(raw.len() < 20 << 20, "{}", raw.len());
    let profile = load(&*raw, &Filter::everything(), true, &Room::default()).unwrap();
    let html = page_of(&profile);
    assert!(html.len() < 64 << 20, "{}", html.len());
    let folder = folder();
    let page = folder.path().join("hour.html");
    std::fs::write(&page, &html).unwrap();
    if let Ok(kept) = std::env::var("P5SPY_KEEP_REPORT") {
        std::fs::write(kept, &html).unwrap();
    }
    let Some(dom) = in_browser(&page, "") else {
        return;
    };
    assert!(main_part(&dom).contains("360,000"));
}

/// A profile of stacks, each a list of names, with samples that ran.
fn profile_of(title: &str, stacks: &[(&[&str], u32)], text: &str) -> Profile {
    let about = About {
        title: title.into(),
        rate: 100.0,
        ..About::default()
    };
    let mut profile = Profile::picked(about, Filter::everything(), true);
    let mut names: Vec<&str> = Vec::new();
    let mut nodes: Vec<(Option<u32>, usize)> = Vec::new();
    let mut runs = Vec::new();
    for (stack, count) in stacks {
        let mut caller = None;
        for name in *stack {
            let frame = names.iter().position(|n| n == name).unwrap_or_else(|| {
                names.push(name);
                names.len() - 1
            });
            let node = (caller, frame);
            let index = nodes.iter().position(|n| *n == node).unwrap_or_else(|| {
                nodes.push(node);
                nodes.len() - 1
            });
            caller = Some(u32::try_from(index).unwrap());
        }
        runs.push((caller.unwrap(), *count));
    }
    for (line, name) in (1..).zip(&names) {
        let kind = match *name {
            "(waiting for a CPU)" => FrameKind::Synthetic,
            _ => FrameKind::Sub,
        };
        let mut frame = Frame::new(kind, (*name).into(), "t.pl".into(), 100 + line);
        frame.start.line = line;
        profile.add_frame(frame);
    }
    for (caller, frame) in nodes {
        profile
            .add_stack(caller, u32::try_from(frame).unwrap())
            .unwrap();
    }
    profile.add_thread(ThreadAbout {
        pid: Pid::from(1),
        title: "t.pl".into(),
        os_tid: Tid::from(1),
        perl_tid: None,
        interpreter: None,
    });
    let mut at = Duration::ZERO;
    for (stack, count) in runs {
        for _ in 0..count {
            let run = Run {
                stack: StackId::at(stack),
                thread: 0,
                count: 1,
                running: true,
                at,
            };
            profile.add_run(run).unwrap();
            at += Duration::from_millis(10);
        }
    }
    profile.add_source(Source {
        file: "t.pl".into(),
        text: Ok(text.into()),
    });
    profile.summary.duration_seconds = at.as_secs_f64();
    profile
}

#[test]
fn a_thread_that_waits_for_a_cpu_has_a_state_of_its_own() {
    let work: &[&str] = &["main::work"];
    let mut profile = profile_of(
        "t",
        &[(work, 30), (&["main::work", "(waiting for a CPU)"], 0)],
        "",
    );
    let mut add = |stack, at| {
        let run = Run {
            stack: StackId::at(stack),
            thread: 0,
            count: 20,
            running: false,
            at: Duration::from_millis(at),
        };
        profile.add_run(run).unwrap();
    };
    add(1, 300);
    add(0, 500);
    profile.summary.duration_seconds = 0.7;
    let html = String::from_utf8(page_of(&profile)).unwrap();
    let data = &data(&html)["data"]["samples"];
    let rows = data["thread"].as_array().unwrap().iter();
    let mut states: BTreeMap<usize, usize> = BTreeMap::new();
    for (state, count) in rows.zip(data["count"].as_array().unwrap()) {
        *states.entry(number(state)).or_default() += number(count);
    }
    assert_eq!(states, BTreeMap::from([(0, 20), (1, 30), (2, 20)]));
    let folder = folder();
    let page = folder.path().join("states.html");
    std::fs::write(&page, html).unwrap();
    let Some(dom) = in_browser(&page, "#/threads?state=ready") else {
        return;
    };
    assert!(dom.contains("only waiting for a CPU"));
    let main = main_part(&dom);
    assert!(
        main.contains("Waiting for a CPU") && main.contains("20"),
        "{main}"
    );
    let dom = in_browser(&page, "#/overview").unwrap();
    let (_, keys) = dom.split_once("class=\"keys\"").unwrap();
    let (keys, _) = keys.split_once("<main").unwrap();
    assert!(keys.contains("waiting for a CPU"), "{keys}");
    // One thread is at most one thread.
    assert!(keys.contains("full height is 1.0 thread"), "{keys}");
}

#[test]
fn deep_graphs_and_hot_lines_are_seen_as_they_are() {
    let names: Vec<String> = (0..120).map(|n| format!("main::f{n}")).collect();
    let deep: Vec<&str> = names.iter().map(String::as_str).collect();
    let text: String = (0..400).map(|n| format!("# line {n}\n")).collect();
    let long = "Some::Package::With::A::Long::Name::read_every_file_of_the_old_folder";
    let stacks: &[(&[&str], u32)] = &[(&deep, 10), (&["main::f0", long], 90)];
    let profile = profile_of("t", stacks, &text);
    let folder = folder();
    let page = folder.path().join("deep.html");
    std::fs::write(&page, page_of(&profile)).unwrap();
    let Some(dom) = in_browser(&page, "#/flame") else {
        return;
    };
    // 120 boxes and the one for all, of 19 dots each.
    let (_, style) = dom.split_once("class=\"flame\" style=\"height: ").unwrap();
    let height: u32 = style.split("px").next().unwrap().parse().unwrap();
    assert!(height >= 121 * 19, "{height}");
    let dom = in_browser(&page, "#/flame/function//time").unwrap();
    let pressed = dom.split("aria-pressed=\"true\"").skip(1);
    let pressed: Vec<&str> = pressed.filter_map(|p| p.split(['>', '<']).nth(1)).collect();
    assert!(pressed.contains(&"By time"), "{pressed:?}");
    // The long name is the last of all, so that it executes at the last line.
    let dom = in_browser(&page, "#/source").unwrap();
    assert!(dom.contains("data-at=\"221\""), "{}", main_part(&dom));
    let dom = in_browser(&page, "#/functions").unwrap();
    // Both ends of it stay, and the whole is there for whoever points at it.
    assert!(dom.contains("class=\"both-ends\""));
    assert!(dom.contains(&format!("title=\"{long}")));
}

#[test]
fn a_comparison_has_both_sides_in_every_view() {
    let was = "sub a {}\nsub b {}\nold\n";
    let is = "sub a {}\n# new\nsub b {}\nnew\n";
    let (a, b): (&[&str], &[&str]) = (&["main::a"], &["main::b"]);
    let before = profile_of("before.pl", &[(a, 60), (b, 40)], was);
    let after = profile_of("after.pl", &[(a, 20), (b, 180)], is);
    let picture = Picture {
        title: "both".into(),
        ..Picture::default()
    };
    let mut html = Vec::new();
    p5_spy::output::html::write_both(&before, &after, &picture, &mut html).unwrap();
    let html = String::from_utf8(html).unwrap();
    let data = &data(&html)["data"];
    let samples = &data["samples"];
    let mut sums: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let columns = ["thread", "stack", "count"].map(|name| samples[name].as_array().unwrap());
    for ((who, stack), count) in columns[0].iter().zip(columns[1]).zip(columns[2]) {
        *sums.entry((number(who) / 4, number(stack))).or_default() += number(count);
    }
    let functions = data["functions"]["name"].as_array().unwrap();
    assert_eq!(functions.len(), 2, "{functions:?}");
    let expected = BTreeMap::from([((0, 0), 60), ((0, 1), 40), ((1, 0), 20), ((1, 1), 180)]);
    assert_eq!(sums, expected);
    let folder = folder();
    let page = folder.path().join("both.html");
    std::fs::write(&page, html).unwrap();
    let Some(overview) = in_browser(&page, "#/overview") else {
        return;
    };
    let overview = main_part(&overview);
    for needle in ["Gained", "Lost", "+50.0 ±", "-50.0 ±"] {
        assert!(overview.contains(needle), "{needle}: {overview}");
    }
    let functions = main_part(&in_browser(&page, "#/functions?thread=0").unwrap());
    assert!(
        functions.contains("60.0 %") && functions.contains("-50.0"),
        "{functions}"
    );
    let flame = in_browser(&page, "#/flame").unwrap();
    assert_eq!(flame.matches("class=\"flame\"").count(), 2);
    let flame = main_part(&flame);
    assert!(
        flame.contains("before:") && flame.contains("after:"),
        "{flame}"
    );
    let source = main_part(&in_browser(&page, "#/source").unwrap());
    assert!(
        source.contains("before %") && source.contains("after %"),
        "{source}"
    );
    assert!(source.contains("This file has changed"), "{source}");
}
