//! The view without a terminal: what it draws at many sizes, and what each key does to it.

use super::*;
use crate::frames::{Frame, FrameKind, Place};
use crate::ids::{Pid, Tid};
use crate::platform::suspend;
use crate::profile::{Sample, Sink, ThreadAbout};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

/// A view of something that was never sampled, and the recording behind it.
struct Bench {
    model: ViewModel,
    recording: Mutex<Recording<Fresh>>,
    now: Instant,
}

const SOURCE: &[u8] = b"package Shop;\n\nsub price {\n\tmy ($item) = @_;\n\treturn $item->{net} * 1.19;\n}\n\nsub total {\n\tmy $sum = 0;\n\t$sum += price($_) for @_;\n\treturn $sum;\n}\n";

/// A sub of the shop with the line it is on.
fn shop(name: &str, line: u32, start: u32) -> Frame {
    let file = "/srv/shop/lib/Shop.pm";
    let mut frame = Frame::new(FrameKind::Sub, name.into(), file.into(), line);
    frame.start = Place {
        file: file.into(),
        line: start,
    };
    frame
}

fn main_program() -> Frame {
    Frame::new(FrameKind::Main, "(main)".into(), "shop.pl".into(), 7)
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let about = HeaderFacts {
            pid: Pid::from(4711),
            title: "perl shop.pl --all".into(),
            perl: "perl 5.36.0 (threaded)".into(),
            rate: 100.0,
            idle: false,
            folders: None,
        };
        let model = ViewModel::new(about, now, Palette::coloured());
        Bench {
            model,
            recording: Mutex::default(),
            now,
        }
    }

    /// Samples of a stack, outermost frame first.
    fn sample(&mut self, thread: u32, times: u64, frames: &[Frame]) {
        let recording = self.recording.get_mut().unwrap();
        let mut stack = None;
        for frame in frames {
            let frame = recording.seen.frames.intern(frame.clone());
            stack = Some(recording.seen.stacks.intern(stack, frame));
        }
        let sample = Sample {
            stack: stack.unwrap(),
            thread,
            running: true,
            at: Duration::from_millis(900 * u64::from(thread + 1)),
            count: 1,
        };
        for _ in 0..times {
            recording.sink.add(&recording.seen, sample);
        }
        recording.tally.good += times;
    }

    /// One second goes by.
    fn second(&mut self) {
        self.now += Duration::from_secs(1);
        self.recording.get_mut().unwrap().ticks += 100;
        self.model.books.gather(self.now, &self.recording);
        self.model.compose();
    }

    /// A shop that computes prices, and a worker that does something else.
    fn busy() -> Self {
        let mut bench = Self::new();
        {
            let recording = bench.recording.get_mut().unwrap();
            for (pid, os_tid, title) in [
                (4711, 4711, "perl shop.pl --all"),
                (4712, 4712, "perl worker"),
                (4712, 4713, "perl worker"),
            ] {
                recording.seen.threads.insert(ThreadAbout {
                    pid: Pid::from(pid),
                    title: title.into(),
                    os_tid: Tid::from(os_tid),
                    perl_tid: Some(u64::from(os_tid == 4713)),
                    interpreter: None,
                });
            }
            recording.processes = 2;
            recording.threads = 3;
        }
        let (price, total) = (shop("Shop::price", 5, 4), shop("Shop::total", 10, 9));
        let xsub = Frame::new(
            FrameKind::Xsub,
            "List::Util::sum".into(),
            "(unknown)".into(),
            0,
        );
        for _ in 0..2 {
            bench.sample(0, 60, &[main_program(), total.clone(), price.clone()]);
            bench.sample(0, 10, &[main_program(), total.clone()]);
            bench.sample(
                0,
                5,
                &[
                    main_program(),
                    shop("Shop::A::Very::Long::Package::Name::of_a_sub", 3, 2),
                ],
            );
            bench.sample(1, 5, &[main_program(), price.clone()]);
            bench.sample(2, 20, &[main_program(), xsub.clone()]);
            bench.recording.get_mut().unwrap().tally.idle += 200;
            bench.second();
        }
        bench
    }

    fn press(&mut self, code: KeyCode) -> Option<KeyRequest> {
        self.model
            .press(KeyEvent::new(code, KeyModifiers::NONE), &self.recording)
    }

    fn type_in(&mut self, text: &str) {
        for c in text.chars() {
            self.press(KeyCode::Char(c));
        }
    }

    /// Looks closely at the selected function, with its text.
    fn enter(&mut self) {
        self.press(KeyCode::Enter);
        self.model.state.details.last_mut().unwrap().text = Ok(source::Text::of(SOURCE));
    }

    fn draw(&mut self, width: u16, height: u16) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| self.model.draw(frame)).unwrap();
        terminal
    }

    fn screen(&mut self, width: u16, height: u16) -> String {
        let terminal = self.draw(width, height);
        let buffer = terminal.backend().buffer();
        let row = |y| {
            let cells = (0..width).map(|x| buffer[(x, y)].symbol());
            cells.collect::<String>().trim_end().to_owned()
        };
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn shows(&mut self, needle: &str) -> bool {
        self.screen(80, 24).contains(needle)
    }

    /// The rows, without numbers.
    fn names(&self) -> Vec<&str> {
        self.model.picture.items.iter().map(|i| &*i.name).collect()
    }
}

#[test]
fn pictures() {
    let mut bench = Bench::busy();
    for (number, tab) in ('1'..='6').zip(Tab::ALL) {
        bench.press(KeyCode::Char(number));
        insta::assert_snapshot!(format!("{tab:?}_80x24"), bench.screen(80, 24));
    }
    bench.press(KeyCode::Char('1'));
    for (width, height) in [(120, 16), (50, 12), (30, 8), (20, 5)] {
        let name = format!("Functions_{width}x{height}");
        insta::assert_snapshot!(name, bench.screen(width, height));
    }
    bench.press(KeyCode::Char('?'));
    match suspend::EXISTS {
        true => insta::assert_snapshot!("help", bench.screen(80, 24)),
        false => assert!(bench.shows("this help") && !bench.shows("Ctrl-Z")),
    }
    bench.press(KeyCode::Esc);
    bench.enter();
    insta::assert_snapshot!("close_80x24", bench.screen(80, 24));
    insta::assert_snapshot!("close_120x30", bench.screen(120, 30));
    insta::assert_snapshot!("close_40x10", bench.screen(40, 10));
}

/// What is drawn for a program that only waits.
#[test]
fn nothing_to_show_is_said() {
    let mut bench = Bench::new();
    assert!(bench.shows("The first samples are on their way."));
    let recording = bench.recording.get_mut().unwrap();
    recording.tally.idle += 100;
    recording.threads = 1;
    bench.second();
    for number in '1'..='6' {
        bench.press(KeyCode::Char(number));
        assert!(bench.shows(
            "All threads have been waiting. The tab Stack shows where, the key w counts it."
        ));
    }
    assert!(bench.shows("running 0 %  idle 100 %"));
    bench
        .recording
        .get_mut()
        .unwrap()
        .tally
        .errors
        .insert("gone", 5);
    bench.second();
    assert!(bench.shows("errors 100.0 %") && bench.shows("(gone: 5)"));
}

#[test]
fn any_size_will_do() {
    let mut bench = Bench::busy();
    let mut looks: Vec<Vec<KeyCode>> = ('1'..='6').map(|n| vec![KeyCode::Char(n)]).collect();
    looks.push(vec![KeyCode::Char('?')]);
    looks.push(vec![KeyCode::Char('1'), KeyCode::Enter]);
    for _ in 0..2 {
        looks.push(vec![KeyCode::Right]);
    }
    looks.push(vec![KeyCode::Esc, KeyCode::Char('/'), KeyCode::Char('x')]);
    for keys in looks {
        for key in keys {
            bench.press(key);
        }
        for width in (0..20).chain([39, 45, 59, 70, 80, 200]) {
            for height in (0..16).chain([24, 50]) {
                bench.draw(width, height);
            }
        }
    }
}

#[test]
fn numbers_are_of_the_last_second_and_of_all() {
    let mut bench = Bench::busy();
    bench.sample(0, 300, &[main_program()]);
    bench.second();
    assert_eq!(bench.names()[0], "(main)");
    bench.press(KeyCode::Char('n'));
    assert_eq!(bench.names()[..2], ["(main)", "Shop::price"]);
    let screen = bench.screen(80, 24);
    let row = screen.lines().find(|l| l.contains("Shop::price")).unwrap();
    let words: Vec<&str> = row.split_whitespace().collect();
    assert_eq!(
        words[..5],
        ["0.0%", "0.0%", "1.30s", "1.30s", "Shop::price"]
    );
}

#[test]
fn every_column_sorts() {
    let mut bench = Bench::busy();
    bench.sample(0, 50, &[main_program(), shop("Shop::late", 1, 1)]);
    bench.sample(0, 1, &[main_program()]);
    bench.second();
    // Own now, total now, own since the start, total since the start.
    for (mark, first) in [
        ("%Own▼", "Shop::late"),
        ("%Total▼", "(main)"),
        ("OwnTime▼", "Shop::price"),
        ("TotalTime▼", "(main)"),
    ] {
        assert!(bench.shows(mark), "{mark}");
        assert_eq!(bench.names()[0], first, "{mark}");
        bench.press(KeyCode::Right);
    }
    bench.press(KeyCode::Left);
    assert!(bench.shows("TotalTime▼"));
    bench.press(KeyCode::Char('o'));
    assert!(bench.shows("OwnTime▼"));
    bench.press(KeyCode::Char('n'));
    bench.press(KeyCode::Char('t'));
    assert!(bench.shows("%Total▼"));
}

#[test]
fn filters_work_in_every_tab_and_in_pictures() {
    let mut bench = Bench::busy();
    bench.press(KeyCode::Char('/'));
    bench.type_in("price");
    assert!(bench.shows("/price"));
    assert_eq!(bench.names(), ["Shop::price"]);
    // Letters are no commands meanwhile.
    bench.type_in("q");
    assert!(bench.names().is_empty());
    assert!(bench.shows("Nothing is left by the filter."));
    bench.press(KeyCode::Backspace);
    bench.press(KeyCode::Enter);
    assert!(!bench.model.state.typing);
    let stacks = |bench: &Bench| save::profile(&bench.model.books, &bench.model.state).total();
    assert_eq!(stacks(&bench), 130);
    for (number, rows) in ('2'..='6').zip([1, 0, 4, 3, 3]) {
        bench.press(KeyCode::Char(number));
        assert_eq!(bench.names().len(), rows, "{number}: {:?}", bench.names());
    }
    bench.press(KeyCode::Char('1'));
    // One process of two.
    bench.press(KeyCode::Esc);
    assert!(bench.model.state.filter.is_empty());
    bench.press(KeyCode::Char('5'));
    let worker = bench
        .names()
        .iter()
        .position(|n| n.starts_with("4712"))
        .unwrap();
    for _ in 0..worker {
        bench.press(KeyCode::Down);
    }
    bench.press(KeyCode::Enter);
    assert!(bench.shows("only 4712"));
    bench.press(KeyCode::Char('1'));
    assert_eq!(bench.names(), ["List::Util::sum", "Shop::price", "(main)"]);
    assert_eq!(bench.model.picture.whole.all, 50);
    assert_eq!(stacks(&bench), 50);
    // One thread of it: the busier one is on top.
    bench.press(KeyCode::Char('5'));
    bench.press(KeyCode::Down);
    bench.press(KeyCode::Enter);
    assert!(bench.shows("only thread 1 (OS 4713)"));
    assert_eq!(stacks(&bench), 40);
    // Esc, and a key so soon that the terminal cannot tell it from Alt.
    let alt = KeyEvent::new(KeyCode::Char('2'), KeyModifiers::ALT);
    bench.model.press(alt, &bench.recording);
    assert_eq!(bench.model.state.tab, Tab::Lines);
    assert_eq!(stacks(&bench), 200);
    // Capital letters count.
    bench.press(KeyCode::Char('/'));
    bench.type_in("SHOP");
    bench.press(KeyCode::Enter);
    bench.press(KeyCode::Char('1'));
    assert!(bench.names().is_empty());
}

#[test]
fn a_pause_stops_the_picture_only() {
    let mut bench = Bench::busy();
    let price = |bench: &Bench| bench.model.picture.items[0].share.own.all;
    assert_eq!(price(&bench), 130);
    bench.press(KeyCode::Char(' '));
    assert!(bench.shows("PAUSED"));
    let more = [main_program(), shop("Shop::price", 5, 4)];
    bench.sample(0, 10, &more);
    bench.second();
    bench.sample(0, 20, &more);
    bench.second();
    assert_eq!(price(&bench), 130);
    bench.press(KeyCode::Char('t'));
    assert_eq!(bench.names()[0], "(main)");
    bench.press(KeyCode::Char('o'));
    bench.press(KeyCode::Char(' '));
    assert!(!bench.shows("PAUSED"));
    assert_eq!(
        bench.model.picture.items[0].share.own,
        crate::profile::sums::Windows { now: 20, all: 160 }
    );
}

#[test]
fn a_reset_forgets_what_was_counted() {
    let mut bench = Bench::busy();
    bench.press(KeyCode::Char(' '));
    bench.press(KeyCode::Char('r'));
    assert!(bench.names().is_empty() && !bench.model.books.is_paused());
    assert!(bench.shows("0 samples in 0 s") && bench.shows("Counting anew."));
    bench.sample(0, 10, &[main_program()]);
    bench.now = Instant::now();
    bench.second();
    assert_eq!(bench.names(), ["(main)"]);
    assert!(bench.shows("10 samples in 1 s"));
}

#[test]
fn the_call_tree_opens_and_closes() {
    let mut bench = Bench::busy();
    bench.press(KeyCode::Char('4'));
    let whole = bench.names().len();
    assert_eq!(whole, 6, "{:?}", bench.names());
    bench.press(KeyCode::Left);
    assert_eq!(bench.names(), ["(main)"]);
    bench.press(KeyCode::Right);
    assert_eq!(bench.names().len(), whole);
    bench.press(KeyCode::Char('-'));
    bench.press(KeyCode::Right);
    // The branches are closed too.
    assert_eq!(bench.names().len(), whole - 1);
    bench.press(KeyCode::Char('+'));
    assert_eq!(bench.names().len(), whole);
    // From what is closed to the left there is its caller.
    bench.press(KeyCode::Down);
    bench.press(KeyCode::Down);
    bench.press(KeyCode::Left);
    bench.press(KeyCode::Left);
    bench.press(KeyCode::Left);
    bench.press(KeyCode::Left);
    assert_eq!(bench.names(), ["(main)"]);
}

#[test]
fn a_function_is_looked_at_closely() {
    let mut bench = Bench::busy();
    bench.enter();
    assert!(
        bench.shows("Shop::price  /srv/shop/lib/Shop.pm:4"),
        "{}",
        bench.screen(80, 24)
    );
    let close = bench.model.close.as_ref().unwrap();
    let names = |items: &[picture::Item]| items.iter().map(|i| i.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&close.callers), ["Shop::total", "(main)"]);
    assert!(close.callees.is_empty());
    assert_eq!(close.lines[&5].own.all, 130);
    assert!(bench.shows("5         return $item->{net} * 1.19;"));
    // On to its caller, whose callee it is, and back.
    bench.enter();
    assert!(bench.shows("Shop::total  /srv/shop/lib/Shop.pm:9"));
    let close = bench.model.close.as_ref().unwrap();
    assert_eq!(names(&close.callees), ["Shop::price"]);
    bench.press(KeyCode::Right);
    bench.enter();
    assert_eq!(bench.model.state.details.len(), 3);
    // The source moves when the keys go to it.
    bench.press(KeyCode::Left);
    bench.press(KeyCode::Home);
    let detail = bench.model.state.details.last().unwrap();
    assert_eq!(
        (detail.pane, detail.source.key),
        (Pane::Source, Some(RowKey::Source(1)))
    );
    for left in [2, 1, 0] {
        bench.press(KeyCode::Backspace);
        assert_eq!(bench.model.state.details.len(), left);
    }
    // The line that was chosen is the one to begin with.
    bench.press(KeyCode::Char('2'));
    bench.press(KeyCode::Enter);
    let detail = bench.model.state.details.last().unwrap();
    assert_eq!(
        (detail.pane, detail.source.key),
        (Pane::Source, Some(RowKey::Source(5)))
    );
    assert!(detail.text.is_err());
    assert!(bench.shows("no source to show: "));
    // A package leads to its functions.
    bench.press(KeyCode::Char('3'));
    bench.press(KeyCode::Enter);
    assert_eq!(bench.model.state.tab, Tab::Functions);
    assert_eq!(bench.model.state.filter, "Shop");
}

#[test]
fn pictures_are_saved_and_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::busy();
    for number in 1..=2 {
        bench.model.save(folder.path());
        let path = folder.path().join(format!("p5-spy-4711-{number}.svg"));
        let message = bench.model.state.message.clone().unwrap();
        assert_eq!(
            message.text,
            format!("Saved {}", path.canonicalize().unwrap().display())
        );
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.contains("List::Util::sum") && svg.contains("perl profile of perl shop.pl"));
        // The second is what a filter leaves.
        assert_eq!(svg.contains("Shop::price"), number == 1);
        bench.press(KeyCode::Char('/'));
        bench.type_in("sum");
        bench.press(KeyCode::Enter);
    }
    bench.model.save(&folder.path().join("missing"));
    assert!(bench.model.state.message.clone().unwrap().is_bad);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[test]
fn the_help_has_every_key_and_no_other() {
    let listed: String = keys::HELP
        .iter()
        .map(|(key, _)| format!("{key} "))
        .collect();
    let words: Vec<&str> = listed.split_whitespace().collect();
    let word = |code: KeyCode| match code {
        KeyCode::Char(' ') => "Space".to_owned(),
        KeyCode::Char(c) => c.to_string(),
        KeyCode::Up => "↑".into(),
        KeyCode::Down => "↓".into(),
        KeyCode::Left => "←".into(),
        KeyCode::Right => "→".into(),
        KeyCode::PageUp => "PgUp".into(),
        KeyCode::PageDown => "PgDn".into(),
        KeyCode::BackTab => "Shift-Tab".into(),
        other => format!("{other:?}"),
    };
    use KeyCode::{
        BackTab, Backspace, Char, Down, End, Enter, Esc, Home, Left, PageDown, PageUp, Right, Tab,
        Up,
    };
    let mut codes = vec![
        Up, Down, Left, Right, PageUp, PageDown, Home, End, Enter, Esc, Backspace, Tab, BackTab,
    ];
    codes.extend((' '..='~').map(Char));
    for code in codes {
        let acts = keys::action(KeyEvent::new(code, KeyModifiers::NONE)).is_some();
        // Also with a shift that is still held.
        let is_listed = words.contains(&&*word(code)) || code == Char('Q');
        assert_eq!(acts, is_listed, "{code:?}");
    }
    let control = KeyEvent::new(Char('c'), KeyModifiers::CONTROL);
    assert_eq!(keys::action(control), Some(Action::Interrupt));
    assert!(words.contains(&"Ctrl-C"));
    // It can be read to its end where it is small.
    let mut bench = Bench::busy();
    bench.press(Char('?'));
    assert!(!bench.screen(60, 8).contains("quit"));
    bench.press(End);
    assert!(bench.screen(60, 8).contains("quit"));
    bench.press(Home);
    assert!(bench.screen(60, 8).contains("functions, lines"));
    bench.press(Char('h'));
    assert!(bench.model.state.help.is_none());
}

#[test]
fn colours_are_only_for_those_who_want_them() {
    let mut bench = Bench::busy();
    let coloured = |bench: &mut Bench| {
        let terminal = bench.draw(80, 24);
        let cells = terminal.backend().buffer().content();
        cells
            .iter()
            .any(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset)
    };
    assert!(coloured(&mut bench));
    bench.model.palette = Palette::plain();
    assert!(!coloured(&mut bench));
}
