//! What a core file says beside the memory: threads with their registers, the process, its files
//! (linux/elfcore.h, fs/binfmt_elf.c).

use super::siginfo::Ending;
use crate::ids::{Pid, Tid};
use crate::memory::Abi;
use crate::native::{Processor, Registers};
use object::elf;
use object::read::elf::{FileHeader, NoteIterator};
use std::collections::HashSet;

/// `NT_SIGINFO`, `NT_FILE` (linux/elf.h): the letters of their names.
const NT_SIGINFO: elf::NoteType = elf::NoteType(0x5349_4749);
const NT_FILE: elf::NoteType = elf::NoteType(0x4649_4c45);
/// More parts of files than a process can have mapped (vm.max_map_count has 65530).
const MOST_PARTS: usize = 1 << 17;
/// More threads than Linux gives a process.
const MOST_THREADS: usize = 1 << 16;
/// Keys of the auxiliary vector (linux/auxvec.h).
const AT_PHDR: u64 = 3;
const AT_PHNUM: u64 = 5;
const AT_ENTRY: u64 = 9;
const AT_RANDOM: u64 = 25;
const AT_EXECFN: u64 = 31;

/// One thread at the end, by its NT_PRSTATUS (`struct elf_prstatus`, linux/elfcore.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreThread {
    /// The kernel's id.
    pub tid: Tid,
    /// What it had in its registers; `None` for a processor that is not known here.
    pub registers: Option<Registers>,
}

/// A part of a file that was mapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MappedPart {
    pub start: u64,
    pub end: u64,
    pub offset: u64,
    pub name: Vec<u8>,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// The one that the signal was for comes first.
    pub threads: Vec<CoreThread>,
    known: HashSet<Tid>,
    pub pid: Option<Pid>,
    /// The command line, of which the kernel keeps 80 bytes.
    pub words: Vec<u8>,
    pub ending: Option<Ending>,
    pub parts: Vec<MappedPart>,
    /// Where the program was entered.
    pub entry: Option<u64>,
    /// The auxiliary vector as it is in memory.
    pub vector: Vec<u8>,
    /// Random bytes that stand above it on the stack.
    pub random: Option<u64>,
    /// Where its program headers are, and how many.
    pub headers: Option<(u64, u64)>,
    /// Where the name is by which it was started.
    pub name: Option<u64>,
}

impl Notes {
    pub(super) fn add<Elf: FileHeader>(
        &mut self,
        abi: Abi,
        machine: elf::Machine,
        endian: Elf::Endian,
        mut list: NoteIterator<'_, Elf>,
    ) {
        while let Ok(Some(note)) = list.next() {
            let bytes = note.desc();
            if note.name() != b"CORE" {
                continue;
            }
            match note.n_type(endian) {
                elf::NT_PRSTATUS => self.thread(Status { abi, bytes }, machine),
                elf::NT_PRPSINFO => self.process(Status { abi, bytes }),
                elf::NT_AUXV => self.vector(Status { abi, bytes }),
                NT_SIGINFO => self.ending = Ending::of(abi, bytes),
                NT_FILE if self.parts.is_empty() => self.parts = parts(Status { abi, bytes }),
                _ => {}
            }
        }
    }

    fn thread(&mut self, status: Status<'_>, machine: elf::Machine) {
        let Some(thread) = status.thread(machine) else {
            return;
        };
        if self.threads.len() < MOST_THREADS && self.known.insert(thread.tid) {
            self.threads.push(thread);
        }
        // A core file of an old kernel tells the signal nowhere else.
        if self.threads.len() == 1
            && self.ending.is_none()
            && let Some(signal @ 1..) = status.short(12)
        {
            self.ending = Some(Ending::by(signal.into()));
        }
    }

    /// `struct elf_prpsinfo`: user ids have 16 bits on some processors of 32, and then it is shorter.
    fn process(&mut self, info: Status<'_>) {
        let (pid, words) = match info.bytes.len() {
            136 => (24, 56),
            128 => (16, 48),
            124 => (12, 44),
            _ => return,
        };
        self.pid = info.number(pid).map(Pid::from);
        let words = info.bytes.get(words..).unwrap_or_default();
        let words = words.split(|b| *b == 0).next().unwrap_or_default();
        self.words = words.trim_ascii_end().to_vec();
    }

    fn vector(&mut self, vector: Status<'_>) {
        self.vector = vector.bytes.to_vec();
        let width = usize::from(vector.abi.pointer_size);
        let (mut table, mut count) = (None, None);
        let pairs = (0..vector.bytes.len()).step_by(2 * width);
        for at in pairs {
            let value = || vector.abi.pointer(vector.bytes, at + width);
            match vector.abi.pointer(vector.bytes, at) {
                Some(AT_ENTRY) => self.entry = value(),
                Some(AT_RANDOM) => self.random = value(),
                Some(AT_EXECFN) => self.name = value(),
                Some(AT_PHDR) => table = value(),
                Some(AT_PHNUM) => count = value(),
                _ => {}
            }
        }
        self.headers = table.zip(count);
    }
}

/// A note's bytes, and how the processor stores numbers.
#[derive(Clone, Copy)]
struct Status<'a> {
    abi: Abi,
    bytes: &'a [u8],
}

impl Status<'_> {
    fn number(self, at: usize) -> Option<u32> {
        u32::try_from(self.abi.uint(self.bytes, at, 4)?).ok()
    }

    fn short(self, at: usize) -> Option<u16> {
        u16::try_from(self.abi.uint(self.bytes, at, 2)?).ok()
    }

    fn word(self, at: usize) -> Option<u64> {
        self.abi.pointer(self.bytes, at)
    }

    /// `struct elf_prstatus`: a signal, two masks of a word each, four ids, four times of two words each,
    /// and the registers.
    fn thread(self, machine: elf::Machine) -> Option<CoreThread> {
        let width = usize::from(self.abi.pointer_size);
        let ids = 16 + 2 * width;
        let registers = ids + 16 + 8 * width;
        let register = |number: usize| self.word(registers + number * width);
        let tid = self.number(ids)?.into();
        let Some(order) = KeptOrder::of(machine) else {
            return Some(CoreThread {
                tid,
                registers: None,
            });
        };
        let (pc, sp) = (register(order.pc)?, register(order.sp)?);
        let mut all = Registers::new(order.processor, pc, sp);
        for (number, place) in (0..).zip(order.places) {
            all.set(gimli::Register(number), register(place));
        }
        Some(CoreThread {
            tid,
            registers: Some(all),
        })
    }
}

/// Where a processor's registers are among those that the kernel keeps: `struct user_regs_struct` (sys/user.h), `struct
/// user_pt_regs` (asm/ptrace.h).
struct KeptOrder {
    processor: Processor,
    pc: usize,
    sp: usize,
    /// In the order of DWARF's numbers.
    places: Vec<usize>,
}

impl KeptOrder {
    fn of(machine: elf::Machine) -> Option<Self> {
        let (processor, pc, sp, places) = match machine {
            elf::EM_X86_64 => {
                let places = vec![10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0];
                (Processor::X86_64, 16, 19, places)
            }
            elf::EM_386 => (Processor::I386, 12, 15, vec![6, 1, 2, 0, 15, 5, 3, 4]),
            elf::EM_AARCH64 => (Processor::Aarch64, 32, 31, (0..32).collect()),
            _ => return None,
        };
        Some(KeptOrder {
            processor,
            pc,
            sp,
            places,
        })
    }
}

/// `NT_FILE`: how many, the unit of the offsets, as many triples of words, as many names.
fn parts(note: Status<'_>) -> Vec<MappedPart> {
    let width = usize::from(note.abi.pointer_size);
    let (Some(count), Some(unit)) = (note.word(0), note.word(width)) else {
        return Vec::new();
    };
    let rows = usize::try_from(count).unwrap_or(usize::MAX);
    let names = rows
        .checked_mul(3 * width)
        .and_then(|length| length.checked_add(2 * width))
        .and_then(|start| note.bytes.get(start..));
    let Some(names) = names else {
        return Vec::new();
    };
    let names = names.split(|b| *b == 0);
    let parts = names
        .take(rows.min(MOST_PARTS))
        .enumerate()
        .filter_map(|(row, name)| {
            let at = |column: usize| note.word(width * (2 + 3 * row + column));
            Some(MappedPart {
                start: at(0)?,
                end: at(1).filter(|end| *end > at(0).unwrap_or(u64::MAX))?,
                offset: at(2)?.checked_mul(unit)?,
                name: name.to_vec(),
            })
        });
    parts.collect()
}
