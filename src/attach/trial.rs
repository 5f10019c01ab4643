//! Whether the stacks of a live process make sense by a layout that is only a guess.

use super::Perl;
use crate::frames::{Frame, FrameKind, FrameTable, UNKNOWN};
use crate::memory::{Memory, ReadError};
use crate::perl::locate::Interpreter;
use crate::perl::names::Names;
use crate::perl::sample::{SampleError, ThreadSampler};
use crate::platform::{Mapping, SharedCpu, ThreadState};
use std::time::Duration;

/// Stacks that a layout must give before it is believed.
const PROOFS: usize = 3;
/// What a program that moves is given to get somewhere else.
const BETWEEN: Duration = Duration::from_micros(100);

/// How much is asked of a guess.
#[derive(Debug, Clone, Copy)]
pub struct Demand {
    /// Frames that there must be.
    pub frames: usize,
    /// Looks in which the stacks must be had: the target moves meanwhile.
    pub looks: usize,
    /// Where the main thread waits, one look is enough to refuse.
    pub hasty: bool,
}

impl Demand {
    /// So many frames, and all the looks that a program which hardly rests may need.
    pub fn patient(frames: usize) -> Self {
        Demand {
            frames,
            looks: 10 * PROOFS,
            hasty: false,
        }
    }

    /// So many frames, and looks that tell as good as always for a program that is read from its
    /// own CPU.
    pub fn brief(frames: usize) -> Self {
        Demand {
            frames,
            looks: PROOFS + 1,
            hasty: true,
        }
    }
}

/// A process to try layouts on.
pub struct Trial<'a> {
    /// The memory of the process.
    pub memory: &'a dyn Memory,
    /// Its memory map.
    pub maps: &'a [Mapping],
    beside: SharedCpu,
}

impl<'a> Trial<'a> {
    /// Nothing is read yet. `beside` is the main thread.
    pub fn new(beside: SharedCpu, memory: &'a dyn Memory, maps: &'a [Mapping]) -> Self {
        Trial {
            memory,
            maps,
            beside,
        }
    }

    /// True when the process may write there.
    pub fn is_writable(&self, address: u64) -> bool {
        let index = self.maps.partition_point(|m| m.end <= address);
        let map = self.maps.get(index);
        map.is_some_and(|m| m.writable && m.start <= address)
    }

    /// Makes the main thread stand still while we read, where it runs and that can be had.
    pub fn follow(&mut self) {
        self.beside.follow();
    }

    /// True while nothing can move but by a wake-up: the main thread waits.
    pub fn rests(&mut self) -> bool {
        matches!(self.beside.state(), ThreadState::Idle(_))
    }

    /// Reads whole stacks: every context must make sense, every CV be one, every block have been
    /// entered from a statement, and every name and file be text.
    ///
    /// # Errors
    /// What was wrong with a stack, when one makes no sense.
    pub fn prove(
        &mut self,
        perl: &Perl,
        interpreter: Interpreter,
        demand: Demand,
    ) -> Result<(), String> {
        let map = perl.variables(interpreter);
        let variables = map.moving().map_err(|e| e.to_string())?;
        let compiling = map.by_name("Icompiling").map_or(0, |v| v.address);
        let mut sampler = ThreadSampler::new(&variables, compiling);
        let (mut names, mut table) = (Names::new(), FrameTable::default());
        let mut proofs = 0;
        let mut problem = "it never stood still".to_owned();
        for look in 1..=demand.looks {
            self.follow();
            let taken = perl
                .examine(self.memory, self.maps, interpreter)
                .map_err(|e| e.to_string())
                .and_then(|()| {
                    let context = perl.name_context(self.memory, 0);
                    sampler
                        .take(context, 0, &mut names, &mut table, &mut || {})
                        .map_err(|e| e.to_string())?;
                    are_statements(perl, self.memory, &sampler.entered_from(&context))
                });
            match taken {
                Ok(()) => proofs += 1,
                Err(e) => problem = e,
            }
            if proofs == PROOFS {
                let frames = sampler.frames().iter().map(|id| table.get(*id));
                return sensible(frames.rev().flatten(), demand.frames);
            }
            let is_lost = demand.looks - look < PROOFS - proofs;
            if is_lost || proofs == 0 && demand.hasty && self.rests() {
                break;
            }
            if proofs == 0 {
                std::thread::sleep(BETWEEN);
            }
        }
        Err(problem)
    }
}

/// Whether a layout that passed the probe gives a stack whose subs, statements and files are such. The
/// first look tells, unless the target moves or is in the midst of something.
///
/// # Errors
/// What is wrong with every stack that was read.
pub fn names_make_sense(
    mut beside: SharedCpu,
    memory: &dyn Memory,
    perl: &Perl,
    interpreter: Interpreter,
) -> Result<(), String> {
    /// Looks in a row, over some milliseconds, in which nothing made sense.
    const ENOUGH: u32 = 12;
    /// Looks at a target that moves whenever it is read.
    const MOST: u32 = 40;
    let map = perl.variables(interpreter);
    let Ok(variables) = map.moving() else {
        return Ok(());
    };
    let compiling = map.by_name("Icompiling").map_or(0, |v| v.address);
    let mut sampler = ThreadSampler::new(&variables, compiling);
    // A perl may have a sub that has lost its name.
    sampler.demand_names(false);
    let (mut names, mut table) = (Names::new(), FrameTable::default());
    let mut failures = 0;
    for look in 0..MOST {
        beside.follow();
        let context = perl.name_context(memory, 0);
        let problem = match sampler.take(context, 0, &mut names, &mut table, &mut || {}) {
            Ok(()) => {
                let frames = sampler.frames().iter().map(|id| table.get(*id));
                match sensible(frames.rev().flatten(), 1) {
                    Ok(()) => return Ok(()),
                    Err(problem) => Some(problem),
                }
            }
            Err(e @ (SampleError::Walk(_) | SampleError::Name(_))) => match e.read_error() {
                None | Some(ReadError::BadAddress { .. }) => Some(e.to_string()),
                Some(_) => return Ok(()),
            },
            Err(_) => None,
        };
        match problem {
            None => failures = 0,
            Some(problem) if failures + 1 == ENOUGH => return Err(problem),
            Some(_) => failures += 1,
        }
        std::thread::sleep(BETWEEN * (1 << look.min(4)));
    }
    Ok(())
}

/// Every block of a stack was entered from a statement, or from code being compiled or folded,
/// whose type is 0.
fn are_statements(perl: &Perl, memory: &dyn Memory, cops: &[u64]) -> Result<(), String> {
    let context = perl.name_context(memory, 0);
    for cop in cops {
        let op_type = context.op_type(*cop).map_err(|e| e.to_string())?;
        if op_type != 0 && !perl.ops.is_statement(op_type) {
            return Err("a context was entered from what is no statement".into());
        }
    }
    Ok(())
}

/// As it is shown. Memory that is no name is full of them.
const NUL: &str = "\\x{0}";

fn sensible<'f>(frames: impl Iterator<Item = &'f Frame>, least: usize) -> Result<(), String> {
    let (mut count, mut subs, mut strange) = (0, 0, 0);
    for frame in frames {
        count += 1;
        if frame.file.is_empty() {
            return Err(format!("the frame {} has no file", frame.name));
        }
        // A package without a name is one that was deleted, which happens, or one whose name was
        // looked for in the wrong place: then hardly one has a name. So do subs without one.
        subs += usize::from(frame.kind == FrameKind::Sub);
        let name = &frame.name;
        let is_strange = ["__ANON__::", "::"].iter().any(|n| name.starts_with(n))
            || name.ends_with("::")
            || name.contains(NUL)
            || [name, &frame.file].iter().any(|text| ***text == *UNKNOWN);
        strange += usize::from(is_strange && frame.kind == FrameKind::Sub);
    }
    if 2 * strange > subs {
        return Err(format!(
            "{strange} of {subs} subs have no name, or are in packages without one"
        ));
    }
    match count < least {
        true => Err("there is too little on its stack to tell".into()),
        false => Ok(()),
    }
}
