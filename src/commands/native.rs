//! The C stacks of a dump.

use crate::attach::{Inferior, ProcessView};
use crate::corefile::CoreProcess;
use crate::ids::Tid;
use crate::image::DebugSearch;
use crate::memory::{Memory, Prefetched};
use crate::native::{Modules, NativeStack, Processor, Registers, StackEnd, native_stack};
use crate::output::dump::{NativeDump, NativeFrameDump};
use crate::platform::{
    MappedFile, Mapping, ProcessError, RegisterWatch, Runs, SharedCpu, ThreadState, resting_place,
};
use std::time::{Duration, Instant};

/// How long a running thread is tried to be caught at one moment.
const PATIENCE: Duration = Duration::from_millis(500);
/// What it is given to run on, until we come back.
const BETWEEN: Duration = Duration::from_micros(100);
/// The deepest stack that is copied: perl's own is a few thousand bytes, but for recursion in C.
const DEEPEST: u64 = 256 << 10;

/// Looks at C stacks of one process.
pub(super) struct NativeLook<'a> {
    inferior: &'a Inferior,
    /// Of whose core file the registers are.
    core: Option<&'a CoreProcess>,
    modules: Modules,
}

impl<'a> NativeLook<'a> {
    /// Nothing is opened yet.
    pub(super) fn new(
        inferior: &'a Inferior,
        core: Option<&'a CoreProcess>,
        search: Option<&DebugSearch>,
    ) -> Result<Self, ProcessError> {
        let files = inferior.view.mapped_programs()?;
        Ok(NativeLook {
            inferior,
            core,
            modules: modules(inferior.view.as_ref(), files, search),
        })
    }

    fn processor(&self) -> Option<Processor> {
        Processor::of_machine(self.inferior.perl.identity.machine.as_deref()?)
    }

    fn stack(&self, memory: &dyn Memory, registers: &Registers) -> NativeDump {
        let abi = self.inferior.perl.identity.abi;
        shown(native_stack(memory, abi, &self.modules, registers))
    }

    /// What `take` makes of a thread, and its C stack of the same moment.
    pub(super) fn beside<T>(
        &self,
        tid: Tid,
        beside: &mut SharedCpu,
        state: ThreadState,
        take: &mut dyn FnMut(&mut SharedCpu) -> T,
    ) -> (T, NativeDump) {
        let memory = &self.inferior.memory;
        if state == ThreadState::Running {
            return self.of_running(tid, beside, take);
        }
        let taken = take(beside);
        let registers = match self.core {
            Some(core) => {
                let mut threads = core.threads().iter();
                threads.find(|t| t.tid == tid).and_then(|t| t.registers)
            }
            None => self.resting(tid),
        };
        let native = match registers {
            Some(registers) => self.stack(memory, &registers),
            None => without("nobody says where it executes"),
        };
        (taken, native)
    }

    /// What the kernel says of a live thread that waits.
    fn resting(&self, tid: Tid) -> Option<Registers> {
        let process = self.inferior.view.live()?;
        let (pc, sp) = resting_place(process.pid(), tid)?;
        Some(Registers::new(self.processor()?, pc, sp))
    }

    /// The registers are those that it had when we came to its CPU, and all else is read before it gets one again.
    fn of_running<T>(
        &self,
        tid: Tid,
        beside: &mut SharedCpu,
        take: &mut dyn FnMut(&mut SharedCpu) -> T,
    ) -> (T, NativeDump) {
        let Some(watch) = RegisterWatch::of(tid) else {
            return (
                take(beside),
                without(
                    "it runs, and the kernel tells the registers of such a thread only to root, to who has CAP_PERFMON, or where kernel.perf_event_paranoid is 1 or less",
                ),
            );
        };
        let maps = self.inferior.view.mappings().unwrap_or_default();
        let deadline = Instant::now() + PATIENCE;
        loop {
            beside.follow();
            if let Some((registers, moment)) = self.moment(&watch, beside) {
                let memory = &self.inferior.memory;
                let copy = Prefetched::new(memory, &stack_of(&registers, &maps));
                let taken = take(beside);
                let again = self.moment(&watch, beside);
                if let Ok(copy) = copy
                    && again.is_some_and(|(_, again)| again.is_same(&moment))
                {
                    return (taken, self.stack(&copy, &registers));
                }
            }
            if Instant::now() >= deadline {
                return (take(beside), without("it ran on whenever it was looked at"));
            }
            std::thread::sleep(BETWEEN);
        }
    }

    /// The registers of a thread that is on our CPU and so cannot run, and which moment of it that is.
    fn moment(
        &self,
        watch: &RegisterWatch,
        beside: &mut SharedCpu,
    ) -> Option<(Registers, SetAsideMoment)> {
        let turn = beside.runs().filter(|_| beside.is_set_aside())?;
        let left = watch.last()?;
        let time = left.time;
        let registers = Registers::left(self.processor()?, &left);
        Some((registers, SetAsideMoment { turn, time }))
    }

    /// Where a thread of a core file executes.
    pub(super) fn innermost(&self, registers: &Registers) -> Option<NativeFrameDump> {
        let stack = self.stack(&self.inferior.memory, registers);
        stack.frames.into_iter().next()
    }
}

/// What there is of a stack, from its pointer on.
fn stack_of(registers: &Registers, maps: &[Mapping]) -> Vec<(u64, usize)> {
    let sp = registers.sp().unwrap_or(0);
    let map = maps.iter().find(|map| (map.start..map.end).contains(&sp));
    let stack = map.map(|map| (sp, (map.end - sp).min(DEEPEST) as usize));
    stack.into_iter().collect()
}

/// A time in which a thread does not run: it ends with the thread's next turn.
struct SetAsideMoment {
    turn: Runs,
    /// When it left its CPU.
    time: u64,
}

impl SetAsideMoment {
    fn is_same(&self, other: &SetAsideMoment) -> bool {
        self.time == other.time && self.turn.is_same_turn(other.turn)
    }
}

fn without(why: &str) -> NativeDump {
    NativeDump {
        frames: Vec::new(),
        cut: Some(why.to_owned()),
    }
}

fn modules(
    view: &dyn ProcessView,
    files: Vec<MappedFile>,
    search: Option<&DebugSearch>,
) -> Modules {
    let examiner = view.examiner();
    let open = move |file: &MappedFile| examiner.open(file).ok();
    Modules::new(files, Box::new(open), search.cloned())
}

fn shown(stack: NativeStack) -> NativeDump {
    let frames = stack.frames.into_iter().map(|frame| NativeFrameDump {
        function: frame.function,
        offset: frame.offset,
        file: frame.file,
        address: frame.address,
    });
    NativeDump {
        frames: frames.collect(),
        cut: match stack.end {
            StackEnd::Outermost => None,
            StackEnd::NoFile(pc) => Some(format!("no file is mapped at {pc:#x}")),
            StackEnd::Undescribed(pc) => Some(format!(
                "nothing tells who called the code at {pc:#x}: its file is not here, or has no .eh_frame"
            )),
            StackEnd::Missing => Some("what says who called it is not in the memory".into()),
            StackEnd::Endless => Some("it goes in a circle, or on and on".into()),
        },
    }
}
