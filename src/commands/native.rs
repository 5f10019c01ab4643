//! The C stacks of a dump.

use crate::attach::{Inferior, ProcessView};
use crate::ids::Tid;
use crate::image::DebugSearch;
use crate::native::{Modules, NativeStack, Processor, Registers, StackEnd, native_stack};
use crate::output::dump::{NativeDump, NativeFrameDump, ProcessDump};
use crate::platform::{MappedFile, resting_place};

/// Adds its C stack to each thread whose registers are known.
pub(super) fn add_native(
    dump: &mut ProcessDump,
    inferior: &Inferior,
    search: Option<&DebugSearch>,
    registers: &dyn Fn(Tid) -> Option<Registers>,
) -> anyhow::Result<()> {
    let files = inferior.view.mapped_programs()?;
    let modules = modules(inferior.view.as_ref(), files, search);
    let abi = inferior.perl.identity.abi;
    for thread in &mut dump.threads {
        thread.native = Some(match registers(thread.os_tid) {
            Some(registers) => shown(native_stack(&inferior.memory, abi, &modules, &registers)),
            None => NativeDump {
                frames: Vec::new(),
                cut: Some("it runs: only the C stack of a thread that waits can be read".into()),
            },
        });
    }
    Ok(())
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

/// Where a thread executes, in C.
pub(super) fn innermost(
    inferior: &Inferior,
    search: Option<&DebugSearch>,
    registers: &Registers,
) -> Option<NativeFrameDump> {
    let files = inferior.view.mapped_programs().ok()?;
    let modules = modules(inferior.view.as_ref(), files, search);
    let abi = inferior.perl.identity.abi;
    let stack = native_stack(&inferior.memory, abi, &modules, registers);
    shown(stack).frames.into_iter().next()
}

/// What the kernel says of a live thread that waits.
pub(super) fn resting(inferior: &Inferior, tid: Tid) -> Option<Registers> {
    let process = inferior.view.live()?;
    let machine = inferior.perl.identity.machine.as_deref();
    let processor = Processor::of_machine(machine.unwrap_or("x86_64"))?;
    let (pc, sp) = resting_place(process.pid(), tid)?;
    Some(Registers::new(processor, pc, sp))
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
