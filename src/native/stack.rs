//! The whole C stack of a thread.

use super::modules::Modules;
use super::registers::Registers;
use super::unwind::{FrameEntry, StackEnd, step};
use crate::memory::{Abi, Memory, Reader};
use std::time::{Duration, Instant};

/// Deeper ones end there: perl's own recursion in C may go some ten thousand frames deep.
const DEEPEST: usize = 1 << 16;
/// What a stack may take that was made to cost time.
const LONGEST: Duration = Duration::from_secs(2);
/// How far a signal's handler keeps what it interrupted above its stack pointer, on x86-64:
/// `ucontext_t` (sys/ucontext.h), rbp, rsp and rip.
const INTERRUPTED: [u64; 3] = [120, 160, 168];

/// One call, of which the address that it goes on at is all that is known at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeFrame {
    /// Where it executes, or goes on when what it called returns.
    pub pc: u64,
    /// Its stack pointer.
    pub sp: u64,
    /// The function; `None` where no symbol tells.
    pub function: Option<String>,
    /// How far behind its start; `None` where that is not known.
    pub offset: Option<u64>,
    /// The name of the file; empty where there is none.
    pub file: String,
    /// The address as that file counts.
    pub address: u64,
}

/// All of them, innermost first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NativeStack {
    /// From the innermost one out.
    pub frames: Vec<NativeFrame>,
    /// Why there are no more.
    pub end: StackEnd,
}

/// Unwinds from registers, and names what was found.
pub fn native_stack(
    memory: &dyn Memory,
    abi: Abi,
    modules: &Modules,
    registers: &Registers,
) -> NativeStack {
    let reader = Reader::new(memory, abi);
    let (places, end) = unwind(&reader, modules, registers);
    NativeStack {
        frames: named(modules, &places),
        end,
    }
}

/// Where a frame executes, its stack pointer, and how it was left.
type CodePlace = (u64, u64, FrameEntry);

fn unwind(reader: &Reader<'_>, modules: &Modules, first: &Registers) -> (Vec<CodePlace>, StackEnd) {
    let begun = Instant::now();
    let mut registers = *first;
    let mut entry = FrameEntry::Interrupted;
    let mut places = Vec::new();
    loop {
        let sp = registers.sp().unwrap_or(0);
        places.push((registers.pc, sp, entry));
        if places.len() >= DEEPEST || begun.elapsed() > LONGEST {
            return (places, StackEnd::Endless);
        }
        let stepped = match interrupted(reader, &registers) {
            Some(before) => Ok((Some(before), FrameEntry::Interrupted)),
            None => caller(reader, modules, &registers, entry),
        };
        match stepped {
            Ok((None, _)) => return (places, StackEnd::Outermost),
            Err(end) => return (places, end),
            Ok((Some(next), how)) => {
                // A signal may have a stack of its own; else callers are further up.
                let is_higher = next.sp().is_some_and(|next| next > sp);
                if !is_higher && how == FrameEntry::Called {
                    // A leaf of arm64 has pushed nothing, once.
                    let moved = next.pc != registers.pc && next.sp() == Some(sp);
                    if !(moved && places.len() == 1) {
                        return (places, StackEnd::Endless);
                    }
                }
                (registers, entry) = (next, how);
            }
        }
    }
}

fn caller(
    reader: &Reader<'_>,
    modules: &Modules,
    registers: &Registers,
    entry: FrameEntry,
) -> Result<(Option<Registers>, FrameEntry), StackEnd> {
    let pc = entry.within(registers.pc);
    let module = modules.at(pc).ok_or(StackEnd::NoFile(registers.pc))?;
    let tables = modules.tables(module);
    let (tables, bias) = tables.ok_or(StackEnd::Undescribed(registers.pc))?;
    let abi = reader.abi();
    let parsed = tables.parsed(abi.big_endian, abi.pointer_size);
    step(&parsed, bias, reader, registers, entry)
}

/// The registers of what a signal interrupted, where its handler has just returned to the instructions that say
/// so.
pub(super) fn interrupted(reader: &Reader<'_>, registers: &Registers) -> Option<Registers> {
    let code = registers.processor.sigreturn()?;
    if reader.bytes(registers.pc, code.len()).ok()? != code {
        return None;
    }
    let sp = registers.sp()?;
    let [fp, old_sp, pc] = INTERRUPTED.map(|at| reader.pointer(sp.wrapping_add(at)).ok());
    let mut before = Registers::new(registers.processor, pc?, old_sp?);
    before.set(gimli::X86_64::RBP, fp);
    Some(before)
}

fn named(modules: &Modules, places: &[CodePlace]) -> Vec<NativeFrame> {
    let frames = places.iter().map(|(pc, sp, entry)| {
        let module = modules.at(entry.within(*pc));
        let bias = module
            .and_then(|m| modules.image(m))
            .map_or(0, |(_, bias)| *bias);
        let function = module.and_then(|m| modules.function(m, entry.within(*pc)));
        NativeFrame {
            pc: *pc,
            sp: *sp,
            offset: function
                .as_ref()
                .map(|(_, behind)| behind + (pc - entry.within(*pc))),
            function: function.map(|(name, _)| name),
            file: module.map_or_else(String::new, |module| module.name()),
            address: pc.wrapping_sub(bias),
        }
    });
    frames.collect()
}
