//! What runs beside subs: the op, a match's pattern, a call's C function. Against programs that
//! spend their time in one known place.

use crate::loudly;
use crate::support;

use loudly::loudly;
use p5_spy::attach::{Attach, Target};
use p5_spy::ids::Pid;
use p5_spy::layout::{Sources, TableSet};
use p5_spy::memory::{Batch, FakeMemory, Memory, ReadError};
use p5_spy::perl::leaf::running::{EnteredFrom, Moment, Running, RunningReader};
use p5_spy::perl::locals::{Wanted, locals};
use p5_spy::perl::stack::StackReader;
use p5_spy::perl::stack::walk::{RawStack, WalkRules};
use p5_spy::perl::values::context::PerlView;
use p5_spy::perl::values::describe::Wording;
use p5_spy::platform::Process;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// What was seen, and how often.
struct Seen {
    counts: BTreeMap<Seeing, usize>,
    /// Calls that read the target, and answers that came of them, once all was known.
    cost: (u64, u64),
}

type Seeing = (Option<String>, Option<String>, Option<String>);

impl Seen {
    fn all(&self) -> usize {
        self.counts.values().sum()
    }

    fn share(&self, is: impl Fn(&Seeing) -> bool) -> f64 {
        let seen: usize = self
            .counts
            .iter()
            .filter(|(s, _)| is(s))
            .map(|(_, n)| n)
            .sum();
        seen as f64 / self.all() as f64
    }

    /// Other ops prepare it, and clean up behind it.
    #[track_caller]
    fn often(&self, what: &str, is: impl Fn(&Seeing) -> bool) {
        let share = self.share(is);
        assert!(share > 0.1, "{what}: {share}, seen: {:#?}", self.counts);
    }

    /// Only these C functions were named, and the first of them often.
    #[track_caller]
    fn xsubs(&self, names: &[&str]) {
        self.often(names[0], |s| s.2.as_deref() == Some(names[0]));
        self.no_others(names);
    }

    #[track_caller]
    fn no_others(&self, names: &[&str]) {
        let other = self
            .counts
            .keys()
            .find(|s| s.2.as_deref().is_some_and(|n| !names.contains(&n)));
        assert_eq!(other, None, "{:#?}", self.counts);
    }

    #[track_caller]
    fn op(&self, op: &str, detail: Option<&str>) {
        self.often(op, |s| {
            (s.0.as_deref(), s.1.as_deref()) == (Some(op), detail)
        });
    }
}

/// Looks at a program again and again while it runs.
fn look(program: &str) -> Seen {
    look_with(&sources(), program)
}

fn look_with(sources: &Sources, program: &str) -> Seen {
    let mut seen = None;
    with_program(program, &mut |pid| seen = Some(watch(pid, sources)));
    seen.unwrap()
}

fn with_program(program: &str, look: &mut dyn FnMut(i32)) {
    let perl = test_perl();
    let folder = support::folder();
    let script = format!("$| = 1;\n{program}");
    let file = support::file(folder.path(), "spin.pl", &script);
    let child = Command::new(&perl)
        .arg(&file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = Spinning(child.unwrap());
    let mut line = String::new();
    let mut out = BufReader::new(child.0.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n", "{program}");
    look(child.0.id() as i32);
}

/// A program that ends with the test.
struct Spinning(Child);

impl Drop for Spinning {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn test_perl() -> PathBuf {
    std::env::var_os("P5SPY_TEST_PERL").map_or_else(|| support::PERL.into(), PathBuf::from)
}

fn sources() -> Sources {
    Sources::built_in()
}

/// Nothing is known but what is learned.
fn learning() -> Sources {
    Sources {
        tables: TableSet::embedded().flags_only(),
        debug: None,
        learn: p5_spy::layout::Learn::Ours,
        ..sources()
    }
}

fn attach(pid: i32, sources: &Sources) -> Target {
    let process = Process::open(Pid::from(pid)).unwrap();
    Attach::with(sources).to(process, &mut |_| {}).unwrap()
}

/// A program that does not move.
struct Stopped(i32);

impl Stopped {
    fn new(pid: i32) -> Self {
        support::kill(pid, libc::SIGSTOP);
        support::wait_for("the target to stop", || {
            (support::state(pid)? == 'T').then_some(())
        });
        Stopped(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        support::kill(self.0, libc::SIGCONT);
    }
}

fn watch(pid: i32, sources: &Sources) -> Seen {
    let target = attach(pid, sources);
    let thread = target.threads().unwrap()[0];
    let pads = target.perl.variables(thread.runs.interpreter).pads();
    let mut stack = StackReader::new(&thread.runs.variables);
    let mut reader = RunningReader::new();
    let context = target.name_context(thread.runs.compiling);
    let (memory, abi, layout) = (context.memory, context.abi, context.layout);
    let rules = WalkRules {
        abi,
        layout,
        ops: context.ops,
        db_sub: 0,
        doing: p5_spy::perl::stack::doing::OpPhase::Other,
    };
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = Seen {
        counts: BTreeMap::new(),
        cost: (0, 0),
    };
    while seen.all() < 400 && Instant::now() < deadline {
        // A loop comes by the same state again and again: what is read of one that runs can be of
        // two rounds, and equal before and after. (The sampler has other means.)
        let stopped = Stopped::new(pid);
        if stack.take(memory, abi, layout, &[]).is_err() {
            continue;
        }
        let mut raw = RawStack::default();
        if rules.walk(&stack, &mut raw).is_err() {
            continue;
        }
        let entered = EnteredFrom::of(&raw, &context);
        let moment = Moment {
            kind: None,
            cop_seqmax: stack.cop_seqmax(),
        };
        let reads = memory.remote_reads();
        let running = reader.read(&context, &stack.header(), &pads, entered, moment);
        let reads = memory.remote_reads() - reads;
        let Running { op, detail, xsub } = running.unwrap();
        if !reader.has_learned() && seen.all() > 200 {
            seen.cost.0 += reads;
            seen.cost.1 += 1;
        }
        let text = |t: Option<std::sync::Arc<str>>| t.map(|t| t.to_string());
        *seen
            .counts
            .entry((text(op), text(detail), text(xsub)))
            .or_default() += 1;
        drop(stopped);
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(seen.all() >= 100, "the target never rests: {}", seen.all());
    seen
}

fn has(module: &str) -> bool {
    let found = Command::new(test_perl())
        .args(["-e", &format!("require {module}")])
        .stderr(Stdio::null())
        .status()
        .unwrap()
        .success();
    if !found {
        loudly!("SKIPPED: {} has no {module}", test_perl().display());
    }
    found
}

#[test]
fn functions_in_c_have_their_names() {
    if has("List::Util") {
        let calls = [
            ("sum(@n)", "List::Util::sum"),
            ("my $x = List::Util::sum(1, @n, 2)", "List::Util::sum"),
            ("$max->(@n)", "List::Util::max"),
            ("&$max(@n)", "List::Util::max"),
            ("&List::Util::min(@n)", "List::Util::min"),
            ("Other::name(@n)", "List::Util::max"),
            ("C->total(@n)", "List::Util::sum"),
            ("$object->total(@n)", "List::Util::sum"),
            ("$object->$max(@n)", "List::Util::max"),
        ];
        for (call, name) in calls {
            let seen = look(&format!(
                "use List::Util qw(sum); my @n = map {{ $_ % 7 }} 1 .. 20000;
                 my $max = \\&List::Util::max; *Other::name = $max;
                 *C::total = \\&List::Util::sum;
                 my $object = bless [], 'N'; @N::ISA = 'C';
                 print \"ready\\n\"; {call} while 1;"
            ));
            seen.xsubs(&[name]);
        }
    }
    if has("Digest::MD5") {
        let seen = look(
            "use Digest::MD5; my $d = 'x' x 1e6; my $m = Digest::MD5->new;
             print \"ready\\n\"; $m->add($d) while 1;",
        );
        seen.xsubs(&["Digest::MD5::add"]);
        let seen = look(
            "use Digest::MD5 'md5_hex'; my $d = 'x' x 1e6; print \"ready\\n\"; md5_hex($d) while 1;",
        );
        seen.xsubs(&["Digest::MD5::md5_hex"]);
    }
    if has("Storable") {
        let seen = look(
            "use Storable; my $d = { map { $_ => [$_] } 1 .. 5000 };
             print \"ready\\n\"; Storable::dclone($d) while 1;",
        );
        seen.often("dclone", |s| {
            let pstore = ["Storable::dclone", "Storable::_dclone"];
            s.2.as_deref().is_some_and(|n| pstore.contains(&n))
        });
    }
}

/// Subs in Perl with C functions all around them, none of which runs.
#[test]
fn no_function_is_named_that_does_not_run() {
    if !has("List::Util") {
        return;
    }
    let seen = look(
        "use List::Util; my ($max, $min) = (\\&List::Util::max, \\&List::Util::min);
         sub plain { my $x = $_[0]; $x } sub tiny { 1 } sub C::method { 2 }
         my $object = bless [], 'C'; my $code = sub { my $y = 1; $y + 1 };
         sub walk { $_[0] ? walk($_[0] - 1, $min) : $max }
         print \"ready\\n\";
         while (1) {
             plain($max); $object->method($max); $code->($max); &$code; tiny();
             C->method($min, $max); plain(walk(5, $max)); $object->can('method')->($max);
         }",
    );
    seen.no_others(&["UNIVERSAL::can"]);
    assert!(seen.share(|s| s.0.as_deref() == Some("entersub")) > 0.0);
}

#[test]
fn ops_have_their_names_and_matches_their_patterns() {
    let setup = "my @n = map { $_ * 7919 % 10007 } 1 .. 10000; my $s = join ',', @n;
                 my ($q, $k) = '(?:b|c$c)'; my $as = ('a' x 22) . 'c'; my $u = \"\\x{e4}\\x{20ac}\" x 20000;";
    let cases = [
        ("my @s = sort { $a <=> $b } @n", "sort", None),
        ("my $t = sprintf '%s' x 5000, @n", "sprintf", None),
        ("$as =~ /^(?:a|aa)+$/", "match", Some("^(?:a|aa)+$")),
        (
            "$as =~ /^(?:a|aa)+$q/x",
            "match",
            Some("^(?:a|aa)+(?:b|c$c)"),
        ),
        ("$s =~ s/[13579]+/$k++/ge", "substcont", Some("[13579]+")),
        ("$s =~ s/[13579]+/7/g", "subst", Some("[13579]+")),
        ("my @f = split /,+/, $s", "split", Some(",+")),
        (
            "my $c = () = $u =~ /\\x{20ac}\\x{e4}/g",
            "match",
            Some("\\x{20ac}\\x{e4}"),
        ),
        (
            "$as =~ /^(?:a|aa)+(?:0123456789|0123456789|0123456789|0123456789|0123456789|)b$/",
            "match",
            Some("^(?:a|aa)+(?:0123456789|0123456789|0123456789|0123456789|012…"),
        ),
        ("my $j = join '-', @n", "join", None),
    ];
    for (statement, op, detail) in cases {
        let seen = look(&format!(
            "{setup} print \"ready\\n\"; while (1) {{ {statement} }}"
        ));
        seen.op(op, detail);
        seen.no_others(&[]);
    }
}

/// With a layout that was learned, as much is told as with any other.
#[test]
fn what_runs_is_seen_with_a_learned_layout_too() {
    let spin = |program: &str| look_with(&learning(), program);
    let seen = spin("my $as = ('a' x 22) . 'c'; print \"ready\\n\"; $as =~ /^(?:a|aa)+$/ while 1;");
    seen.op("match", Some("^(?:a|aa)+$"));
    let seen = spin(
        "my $s = join ',', 1 .. 10000; my $k; print \"ready\\n\"; $s =~ s/[13579]+/$k++/ge while 1;",
    );
    seen.op("substcont", Some("[13579]+"));
    if has("List::Util") {
        for call in ["List::Util::sum(@n)", "$sum->(@n)", "C->total(@n)"] {
            let seen = spin(&format!(
                "use List::Util; my @n = 1 .. 20000; my $sum = \\&List::Util::sum;
                 *C::total = $sum; print \"ready\\n\"; {call} while 1;"
            ));
            seen.xsubs(&["List::Util::sum"]);
        }
    }
}

#[test]
fn a_waiting_program_says_what_it_waits_in() {
    let seen = look("print \"ready\\n\"; sysread STDIN, my $x, 1;");
    seen.op("sysread", None);
    assert_eq!(seen.share(|s| s.0.as_deref() == Some("sysread")), 1.0);
    let seen = look("print \"ready\\n\"; sleep 100;");
    seen.op("sleep", None);
}

/// What was met before comes with one call.
#[test]
fn the_steady_state_is_one_read() {
    if !has("List::Util") {
        return;
    }
    let programs = [
        "use List::Util; my @n = (1) x 20000; print \"ready\\n\"; List::Util::sum(@n) while 1;",
        "my $a = ('a' x 22) . 'c'; print \"ready\\n\"; while (1) { $a =~ /^(?:a|aa)+$/ }",
    ];
    for program in programs {
        let (reads, answers) = look(program).cost;
        assert!(answers >= 50, "{answers}");
        assert!(reads <= answers * 11 / 10, "{reads} reads for {answers}");
    }
}

/// A memory that lies now and then, as one that moves does.
struct Damaged<'a> {
    below: &'a dyn Memory,
    rng: Mutex<fastrand::Rng>,
}

impl Memory for Damaged<'_> {
    fn fill(&self, batch: &mut Batch) -> Result<(), ReadError> {
        let mut rng = self.rng.lock().unwrap();
        self.below.fill(batch)?;
        let ranges: Vec<(u64, usize)> = batch.filled().map(|(a, b)| (a, b.len())).collect();
        // Read anew through a memory of which some bytes are others.
        let mut fake = FakeMemory::new();
        for ((address, _), (_, bytes)) in ranges.iter().zip(batch.filled()) {
            let mut bytes = bytes.to_vec();
            if !bytes.is_empty() && rng.u8(..) < 12 {
                let at = rng.usize(..bytes.len());
                bytes[at] = if rng.bool() { rng.u8(..) } else { 0xff };
            }
            fake.map(*address, bytes);
        }
        fake.fill(batch)
    }
}

#[test]
fn damaged_memory_ends_in_an_answer() {
    let program = "my %h; sub called { my ($x, $y, @z) = @_; my $s = 'abc' x 9;
        print \"ready\\n\"; while (1) { $s =~ /(?:a|b)+x/; my @l = sort map { lc } $s, $y; } }
        called([1], { a => 1 }, 1.5, \\'x', 1 .. 5);";
    with_program(program, &mut |pid| {
        let target = attach(pid, &sources());
        let thread = target.threads().unwrap()[0];
        let map = target.perl.variables(thread.runs.interpreter);
        let (pads, main_cv) = (map.pads(), map.by_name("Imain_cv"));
        let wanted = Wanted {
            lexicals: true,
            wording: Wording {
                values: true,
                nv_is_double: true,
            },
        };
        let (mut answers, mut errors) = (0, 0);
        for seed in 0..1500 {
            let context = target.name_context(thread.runs.compiling);
            let mut stack = StackReader::new(&thread.runs.variables);
            if stack
                .take(context.memory, context.abi, context.layout, &[])
                .is_err()
            {
                continue;
            }
            let damaged = Damaged {
                below: context.memory,
                rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            };
            let context = PerlView {
                memory: &damaged,
                ..context
            };
            let rules = WalkRules {
                abi: context.abi,
                layout: context.layout,
                ops: context.ops,
                db_sub: 0,
                doing: p5_spy::perl::stack::doing::OpPhase::Other,
            };
            let mut raw = RawStack::default();
            if rules.walk(&stack, &mut raw).is_err() {
                continue;
            }
            let mut reader = RunningReader::new();
            let ran = reader.read(&context, &stack.header(), &pads, None, Moment::default());
            let held = locals(&context, &stack, &raw, main_cv, wanted);
            for is_ok in [ran.is_ok(), held.is_ok()] {
                if is_ok {
                    answers += 1;
                } else {
                    errors += 1;
                }
            }
        }
        assert!(answers > 0 && errors > 0, "{answers} {errors}");
    });
}
