//! Captures of real perls to hold layouts and damage against.

use p5_spy::attach::Perl;
use p5_spy::capture::{Capture, CapturedMemory, ThreadFacts};
use p5_spy::frames::FrameTable;
use p5_spy::layout::Resolved;
use p5_spy::memory::{Abi, Memory};
use p5_spy::perl::leaf::level::LeafLevel;
use p5_spy::perl::locals::{Wanted, check_layout, locals};
use p5_spy::perl::locate::Interpreter;
use p5_spy::perl::names::{NameOptions, Names, Synthetic};
use p5_spy::perl::sample::ThreadSampler;
use p5_spy::perl::stack::doing::OpPhase;
use p5_spy::perl::stack::walk::{RawStack, WalkRules};
use p5_spy::perl::stack::{StackReader, Variable, Variables};
use p5_spy::perl::values::context::PerlView;
use p5_spy::perl::values::describe::Wording;
use p5_spy::perl::values::pads::Pads;
use std::sync::LazyLock;

/// One of each kind: with and without threads, old and new names, other pointers.
const CAPTURES: [&[u8]; 8] = [
    include_bytes!("../../../captures/5.36.0-threaded.capture"),
    include_bytes!("../../../captures/5.36.3-unthreaded.capture"),
    include_bytes!("../../../captures/5.6.2-unthreaded.capture"),
    include_bytes!("../../../captures/5.8.8-threaded.capture"),
    include_bytes!("../../../captures/5.10.1-threaded.capture"),
    include_bytes!("../../../captures/5.44.0-threaded.capture"),
    include_bytes!("../../../captures/5.40.1-threaded-i386.capture"),
    include_bytes!("../../../captures/cperl-5.30.0-threaded.capture"),
];

/// One of them, read.
pub struct Replay {
    pub capture: Capture,
    pub memory: CapturedMemory,
    pub layout: Resolved,
    pub perl: Perl,
    pub main: ThreadFacts,
}

/// All of them.
pub fn captures() -> &'static [Replay] {
    static ALL: LazyLock<Vec<Replay>> = LazyLock::new(|| CAPTURES.map(open).into());
    &ALL
}

fn open(bytes: &[u8]) -> Replay {
    let file = super::file::TempFile::new(bytes);
    let capture = Capture::read(file.path()).expect("a capture of ours");
    let memory = capture.memory(0).expect("its memory");
    let layout = capture.own_layout().expect("its layout");
    Replay {
        perl: capture.perl(&memory, &layout).expect("its perl"),
        main: capture.threads[0],
        capture,
        memory,
        layout,
    }
}

/// Reads perls of these pointers by a layout that may be none of theirs.
pub fn hold_against(layout: &Resolved, abi: Abi) {
    for one in captures() {
        if one.perl.identity.abi != abi {
            continue;
        }
        let Ok(perl) = one.capture.perl(&one.memory, layout) else {
            continue;
        };
        let _ = one.capture.examine(&perl, &one.memory);
        let options = NameOptions::default();
        let mut table = FrameTable::default();
        let thread = &one.main;
        let _ = one
            .capture
            .stack(&perl, &one.memory, thread, options, &mut table);
    }
}

/// Everything that is taken of a thread: samples with what runs on top, and a dump with variables.
/// The memories are moments.
pub fn sample(moments: &[(PerlView<'_>, u64)], variables: &Variables, pads: Pads) {
    let options = NameOptions {
        merge_evals: false,
        single_use: true,
        synthetic: Synthetic::All,
        beyond: LeafLevel::Ops,
    };
    let (mut names, mut table) = (Names::with(options), FrameTable::default());
    let mut sampler = ThreadSampler::with_leaf(variables, 0, LeafLevel::Ops, pads);
    for (context, db_sub) in moments {
        let taken = sampler.take(*context, *db_sub, &mut names, &mut table, &mut || {});
        if let Err(e) = taken {
            super::is_harmless(&e.to_string());
        }
    }
    for frame in table.iter() {
        for text in [&frame.name, &frame.file, &frame.label] {
            assert!(!text.contains(char::is_control), "{frame:?}");
        }
    }
}

/// The variables of every frame, with their values.
pub fn variables(context: &PerlView<'_>, variables: &Variables, main_cv: Option<Variable>) {
    if check_layout(context.layout).is_err() {
        return;
    }
    let (memory, abi, layout): (&dyn Memory, _, _) = (context.memory, context.abi, context.layout);
    let mut stack = StackReader::new(variables);
    if stack.take(memory, abi, layout, &[]).is_err() {
        return;
    }
    let rules = WalkRules {
        abi,
        layout,
        ops: context.ops,
        db_sub: 0,
        doing: OpPhase::Leaving,
    };
    let mut raw = RawStack::default();
    if rules.walk(&stack, &mut raw).is_err() {
        return;
    }
    let wanted = Wanted {
        lexicals: true,
        wording: Wording {
            values: true,
            nv_is_double: true,
        },
    };
    let Ok(frames) = locals(context, &stack, &raw, main_cv, wanted) else {
        return;
    };
    for frame in frames {
        let arguments = frame.arguments.into_iter().flat_map(|a| a.shown);
        let lexicals = frame.lexicals.into_iter().map(|l| {
            assert!(!l.name.contains(char::is_control), "{l:?}");
            l.content
        });
        for one in arguments.chain(lexicals) {
            let value = one.value.clone().unwrap_or_default();
            assert!(
                !(one.kind.clone() + &value).contains(char::is_control),
                "{one:?}"
            );
        }
    }
}

impl Replay {
    /// Where the interpreter of its main thread is.
    pub fn interpreter(&self) -> Interpreter {
        let found = self.perl.main_interpreter(&self.memory);
        found.ok().flatten().unwrap_or(Interpreter::Globals)
    }
}
