//! The variables of the frames of a dump.

use super::warn;
use crate::attach::{Inferior, PATIENCE};
use crate::cli::Locals;
use crate::frames::FrameKind;
use crate::output::dump::{FrameDump, LocalsDump};
use crate::perl::locals::{FrameLocals, Wanted, check_layout, locals};
use crate::perl::locate::Located;
use crate::perl::sample::SampleError;
use crate::perl::stack::doing::OpPhase;
use crate::perl::stack::walk::{RawStack, WalkRules};
use crate::perl::stack::{StackError, StackReader, Variable};
use crate::perl::values::describe::Wording;
use crate::platform::SharedCpu;
use std::time::{Duration, Instant};

/// What to show of this target; `None`, and a word about it, where its layout does not tell.
pub(super) fn wanted(choice: Locals, target: &Inferior) -> Option<Wanted> {
    if let Err(e) = check_layout(&target.perl.resolved.bound) {
        warn(format!("no variables are shown: {e}"));
        return None;
    }
    Some(Wanted {
        lexicals: choice.lexicals,
        wording: Wording {
            values: choice.values,
            nv_is_double: target.perl.identity.nv() == "double",
        },
    })
}

/// A second copy of the stack, taken before the frames are and compared behind their variables:
/// so that both are of one moment.
pub(super) struct Bracket<'a> {
    target: &'a Inferior,
    stack: StackReader,
    main_cv: Option<Variable>,
    wanted: Wanted,
}

impl<'a> Bracket<'a> {
    pub(super) fn new(target: &'a Inferior, perl: &Located, wanted: Wanted) -> Self {
        let map = target.perl.variables(perl.interpreter);
        Bracket {
            target,
            stack: StackReader::new(&perl.variables),
            main_cv: map.by_name("Imain_cv"),
            wanted,
        }
    }

    /// The frames with their variables; without them, and with a word about it, where the target
    /// does not rest for long enough.
    pub(super) fn frames(
        mut self,
        beside: &mut SharedCpu,
        mut take: impl FnMut(&mut SharedCpu) -> Result<Vec<FrameDump>, SampleError>,
    ) -> Result<Vec<FrameDump>, SampleError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            beside.follow();
            match self.around(|| take(beside)) {
                Ok(frames) => return Ok(frames),
                Err(e) if matches!(e.kind(), "no permission" | "process ended") => return Err(e),
                Err(e) if Instant::now() >= deadline => {
                    warn(format!(
                        "no variables are shown: the program did not rest while they were read ({e})"
                    ));
                    return take(beside);
                }
                Err(_) => std::thread::sleep(Duration::from_micros(300)),
            }
        }
    }

    /// The frames that `frames` takes with their variables, when the target did not move meanwhile.
    fn around(
        &mut self,
        frames: impl FnOnce() -> Result<Vec<FrameDump>, SampleError>,
    ) -> Result<Vec<FrameDump>, SampleError> {
        let target = self.target;
        let context = target.name_context(0);
        let (memory, abi, layout) = (context.memory, context.abi, context.layout);
        self.stack.take(memory, abi, layout, &[])?;
        let rules = WalkRules {
            abi,
            layout,
            ops: context.ops,
            db_sub: target.db_sub,
            doing: OpPhase::Leaving,
        };
        let mut raw = RawStack::default();
        rules.walk(&self.stack, &mut raw)?;
        let mut frames = frames()?;
        let found = locals(&context, &self.stack, &raw, self.main_cv, self.wanted);
        if !self.stack.still(memory, abi)? {
            return Err(StackError::Torn.into());
        }
        attach(&mut frames, found?, self.wanted)?;
        Ok(frames)
    }
}

/// Gives each sub, and the main program, its variables.
fn attach(
    frames: &mut [FrameDump],
    found: Vec<FrameLocals>,
    wanted: Wanted,
) -> Result<(), StackError> {
    let has_locals = |f: &&mut FrameDump| matches!(f.kind, FrameKind::Sub | FrameKind::Main);
    let owners: Vec<&mut FrameDump> = frames.iter_mut().filter(has_locals).collect();
    // A frame that is half there is in the one list and not in the other.
    if owners.len() != found.len() {
        return Err(StackError::Torn);
    }
    for (frame, locals) in owners.into_iter().zip(found) {
        let (shown, count) = match locals.arguments {
            Some(arguments) => (Some(arguments.shown), Some(arguments.count)),
            None => (None, None),
        };
        frame.locals = Some(LocalsDump {
            arguments: shown,
            argument_count: count,
            lexicals: wanted.lexicals.then_some(locals.lexicals),
        });
    }
    Ok(())
}
