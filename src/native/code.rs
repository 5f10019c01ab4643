//! C below and between Perl frames: what runs above perl's run loops, of which each calls one function for each op (run.c).
//! No more of a stack is unwound than its innermost one where that is enough, and a stack that reaches no run loop is not
//! believed.

use super::loops::{CodeRole, RunLoop, run_loops};
use super::modules::Modules;
use super::registers::Registers;
use super::stack::interrupted;
use super::unwind::{FrameEntry, PlainStep, StackEnd, step};
use crate::hash::Map;
use crate::memory::{Abi, Memory, Reader};
use crate::platform::MappedFile;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Of the stack this much is copied at first: less than a kilobyte is seldom enough.
const FIRST: u64 = 4 << 10;
/// No more is ever copied at once: what is further up is read when it is asked for.
const LARGEST: u64 = 64 << 10;
/// What a step looks at above a frame's stack pointer.
const BEYOND: u64 = 256;
/// A regular expression that recurses has some thousand frames.
const DEEPEST: usize = 1 << 13;
/// What a stack may take that was made to cost time.
const LONGEST: Duration = Duration::from_millis(20);
/// Places that are remembered before all are forgotten.
const MOST_KNOWN: usize = 1 << 16;
/// So soon it is looked again whether files were mapped since, and so seldom where none was: there may be code in no file.
const REFRESH_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// A frame of C.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeFrame {
    /// Its function; `None` where no symbol tells.
    pub function: Option<Arc<str>>,
    /// Its file: `JSON/XS/XS.so` of an extension, `libc.so.6` of another library.
    pub file: Arc<str>,
    /// It is in the file that has the run loop.
    pub is_perls: bool,
    /// What it is to a run loop.
    pub role: CodeRole,
}

/// What is known of the code at one address.
#[derive(Debug, Clone)]
struct KnownCode {
    step: Option<PlainStep>,
    /// A signal's handler returns to it.
    is_sigreturn: bool,
    function: Option<Arc<str>>,
    file: Arc<str>,
    /// By its name alone, as if it were in perl's own file.
    role: CodeRole,
}

impl KnownCode {
    /// The same, where perl is in that file.
    fn role_in(&self, perls: &str) -> CodeRole {
        match &*self.file == perls {
            true => self.role,
            false => CodeRole::Other,
        }
    }
}

/// What runs in C below and between a Perl stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeStack {
    /// Innermost first: those above the innermost run loop, at least the function of an op; or all, with the loops.
    pub frames: Vec<CodeFrame>,
    /// The loops of all of them, innermost first; `None` where the whole stack was not asked for, or could not be unwound.
    pub loops: Option<Vec<RunLoop>>,
    /// From the innermost frame's stack pointer to that of the outermost one which was seen.
    pub stack: Range<u64>,
}

impl CodeStack {
    /// Those above the innermost run loop.
    pub fn innermost(&self) -> &[CodeFrame] {
        let inner = self.loops.as_ref().and_then(|loops| loops.first());
        let inner = inner.and_then(|one| self.frames.get(..one.frame));
        inner.unwrap_or(&self.frames)
    }

    /// Those between two frames.
    pub fn between(&self, inner: usize, outer: usize) -> &[CodeFrame] {
        self.frames.get(inner..outer).unwrap_or_default()
    }
}

/// Unwinds threads of one process, again and again.
pub struct Unwinder {
    modules: Modules,
    /// By address, and whether something was called from there.
    known: Map<(u64, bool), Arc<KnownCode>>,
    /// When it was last looked which files are mapped, and how long that is enough.
    refreshed: (Instant, Duration),
    /// Bytes of the stack that are mostly enough.
    usual: u64,
    /// There is some more above them.
    has_room: bool,
}

impl Unwinder {
    /// Nothing is known yet.
    pub fn new(modules: Modules) -> Self {
        Unwinder {
            modules,
            known: Map::default(),
            refreshed: (Instant::now(), REFRESH_EVERY.0),
            usual: FIRST,
            has_room: true,
        }
    }

    /// What runs above the innermost run loop, or if `whole` all there is. `mapped` says which files are
    /// mapped by now, where that is to be asked again.
    ///
    /// # Errors
    /// Why no run loop was reached.
    pub fn code(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        registers: &Registers,
        whole: bool,
        mapped: &mut dyn FnMut() -> Vec<MappedFile>,
    ) -> Result<CodeStack, StackEnd> {
        let (found, end) = self.unwound(memory, abi, registers, whole);
        let is_new = matches!(end, StackEnd::NoFile(_));
        let (since, enough) = self.refreshed;
        if !is_new || since.elapsed() < enough {
            return found.ok_or(end);
        }
        self.modules.refresh(mapped());
        self.known.clear();
        let (found, end) = self.unwound(memory, abi, registers, whole);
        let next = match end {
            StackEnd::NoFile(_) => (2 * enough).min(REFRESH_EVERY.1),
            _ => REFRESH_EVERY.0,
        };
        self.refreshed = (Instant::now(), next);
        found.ok_or(end)
    }

    /// What was found, and why there is no more.
    fn unwound(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        first: &Registers,
        whole: bool,
    ) -> (Option<CodeStack>, StackEnd) {
        let mut places: Vec<Arc<KnownCode>> = Vec::new();
        let bottom = first.sp().unwrap_or(0);
        let mut stack = bottom..bottom;
        let end = self.places(memory, abi, first, whole, &mut places, &mut stack.end);
        let Some(inner) = places.iter().position(|code| code.role == CodeRole::Loop) else {
            return (None, end);
        };
        let perls = places.get(inner).map(|code| code.file.clone());
        let perls = perls.as_deref().unwrap_or_default();
        if !whole || end != StackEnd::Outermost {
            places.truncate(inner);
            let code = CodeStack {
                frames: frames_of(&places, perls),
                loops: None,
                stack,
            };
            return (Some(code), end);
        }
        let roles: Vec<_> = places.iter().map(|code| code.role_in(perls)).collect();
        let code = CodeStack {
            frames: frames_of(&places, perls),
            loops: Some(run_loops(&roles)),
            stack,
        };
        (Some(code), end)
    }

    /// Goes from frame to frame, to the innermost run loop or to the outermost frame. Returns why there are no more.
    fn places(
        &mut self,
        memory: &dyn Memory,
        abi: Abi,
        first: &Registers,
        whole: bool,
        places: &mut Vec<Arc<KnownCode>>,
        top: &mut u64,
    ) -> StackEnd {
        let begun = Instant::now();
        let Some(sp) = first.sp() else {
            return StackEnd::Missing;
        };
        let bottom = sp;
        let reader = Reader::new(memory, abi);
        let copy = self.copy(&reader, bottom);
        let word = |address: u64| {
            let at = usize::try_from(address.checked_sub(bottom)?).ok();
            let held = at.and_then(|at| abi.uint(&copy, at, usize::from(abi.pointer_size)));
            held.or_else(|| reader.pointer(address).ok())
        };
        let mut registers = *first;
        let mut entry = FrameEntry::Interrupted;
        for number in 0..DEEPEST {
            let Some(sp) = registers.sp().filter(|_| begun.elapsed() < LONGEST) else {
                return StackEnd::Endless;
            };
            let code = match self.known(&reader, &registers, entry) {
                Ok(code) => code,
                Err(end) => return end,
            };
            if code.is_sigreturn
                && let Some(before) = interrupted(&reader, &registers)
            {
                (registers, entry) = (before, FrameEntry::Interrupted);
                continue;
            }
            self.usual = self.usual.max(sp.saturating_sub(bottom).min(LARGEST));
            places.push(code.clone());
            *top = sp;
            if code.role == CodeRole::Main || (code.role == CodeRole::Loop && !whole) {
                return StackEnd::Outermost;
            }
            let stepped = match &code.step {
                Some(plain) => plain.apply(&word, &registers, entry),
                None => self.full_step(&reader, &registers, entry),
            };
            let (next, how) = match stepped {
                Ok((Some(next), how)) => (next, how),
                Ok((None, _)) => return StackEnd::Outermost,
                Err(end) => return end,
            };
            let is_higher = next.sp().is_some_and(|next| next > sp);
            // A leaf of arm64 has pushed nothing, once.
            let is_leaf = number == 0 && next.pc != registers.pc && next.sp() == Some(sp);
            if !is_higher && !is_leaf && how == FrameEntry::Called {
                return StackEnd::Endless;
            }
            (registers, entry) = (next, how);
        }
        StackEnd::Endless
    }

    /// As much of a stack as the last ones took, or a little less: one that was deep is forgotten after a while.
    fn copy(&mut self, reader: &Reader<'_>, bottom: u64) -> Vec<u8> {
        let read = |length: u64| reader.bytes(bottom, usize::try_from(length).unwrap_or(0));
        let usual = self.usual;
        self.usual -= usual / 256;
        let more = self.has_room.then(|| read(usual + usual / 4 + BEYOND));
        if let Some(Ok(copy)) = more {
            return copy;
        }
        // Above it there is no more of the stack.
        self.has_room = false;
        read(usual).unwrap_or_default()
    }

    fn full_step(
        &self,
        reader: &Reader<'_>,
        registers: &Registers,
        entry: FrameEntry,
    ) -> Result<(Option<Registers>, FrameEntry), StackEnd> {
        let undescribed = StackEnd::Undescribed(registers.pc);
        let module = self.modules.at(entry.within(registers.pc));
        let tables = module.and_then(|module| self.modules.tables(module));
        let (tables, bias) = tables.ok_or(undescribed)?;
        let abi = reader.abi();
        let parsed = tables.parsed(abi.big_endian, abi.pointer_size);
        step(&parsed, bias, reader, registers, entry)
    }

    fn known(
        &mut self,
        reader: &Reader<'_>,
        registers: &Registers,
        entry: FrameEntry,
    ) -> Result<Arc<KnownCode>, StackEnd> {
        let key = (registers.pc, entry == FrameEntry::Called);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let abi = reader.abi();
        let here = entry.within(registers.pc);
        let module = self.modules.at(here);
        let module = module.ok_or(StackEnd::NoFile(registers.pc))?;
        let tables = self.modules.tables(module).map(|(tables, bias)| {
            let parsed = tables.parsed(abi.big_endian, abi.pointer_size);
            PlainStep::of(&parsed, here.wrapping_sub(bias), registers.processor)
        });
        let function = self.modules.function(module, here).map(|(name, _)| name);
        let name = function.as_deref();
        let code = Arc::new(KnownCode {
            step: tables.flatten(),
            is_sigreturn: interrupted(reader, registers).is_some(),
            role: CodeRole::of(name, true),
            function: function.map(Arc::from),
            file: module.short_name().into(),
        });
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(key, code.clone());
        Ok(code)
    }
}

fn frames_of(places: &[Arc<KnownCode>], perls: &str) -> Vec<CodeFrame> {
    let frames = places.iter().map(|code| CodeFrame {
        function: code.function.clone(),
        file: code.file.clone(),
        is_perls: &*code.file == perls,
        role: code.role_in(perls),
    });
    frames.collect()
}
