//! Registers of a thread, numbered as DWARF numbers them for its processor.

use crate::platform::LeftRegisters;
use gimli::Register;

/// More than unwinding needs of any processor: no vectors, no floating point.
const KEPT: usize = 34;

/// Processors whose stacks are unwound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Processor {
    /// x86-64 (System V ABI, figure 3.36).
    X86_64,
    /// i386 (System V ABI for Intel386, table 2.14).
    I386,
    /// arm64 (AArch64 DWARF, aadwarf64).
    Aarch64,
}

impl Processor {
    /// That of this name, as [`crate::image::Image::machine`] has it.
    pub fn of_machine(machine: &str) -> Option<Self> {
        match machine {
            "x86_64" => Some(Processor::X86_64),
            "i386" => Some(Processor::I386),
            "aarch64" => Some(Processor::Aarch64),
            _ => None,
        }
    }

    /// Number of the stack pointer in .eh_frame (the psABI's DWARF register numbers).
    pub fn stack_pointer(self) -> Register {
        Register(match self {
            Processor::X86_64 => 7,
            Processor::I386 => 4,
            Processor::Aarch64 => 31,
        })
    }

    /// The bytes of the instructions that return from a signal, of which a C library may say nothing:
    /// `mov $15, %rax; syscall`.
    pub(super) fn sigreturn(self) -> Option<&'static [u8]> {
        match self {
            Processor::X86_64 => Some(&[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]),
            Processor::I386 | Processor::Aarch64 => None,
        }
    }

    /// An address without what the processor signs it with (pointer authentication): user addresses have
    /// 48 bits, or 52.
    pub(super) fn plain(self, address: u64) -> u64 {
        match self {
            Processor::Aarch64 => address & ((1 << 52) - 1),
            Processor::X86_64 | Processor::I386 => address,
        }
    }
}

/// What a thread had in its registers, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registers {
    /// Whose they are.
    pub processor: Processor,
    /// Where it executes.
    pub pc: u64,
    values: [Option<u64>; KEPT],
}

impl Registers {
    /// Where a thread executes, and its stack pointer: all that the kernel says of one that waits.
    pub fn new(processor: Processor, pc: u64, sp: u64) -> Self {
        let mut registers = Registers {
            processor,
            pc,
            values: [None; KEPT],
        };
        registers.set(processor.stack_pointer(), Some(sp));
        registers
    }

    /// Those that a thread had when it left its CPU.
    pub fn left(processor: Processor, left: &LeftRegisters) -> Self {
        let mut registers = Registers::new(processor, left.pc, 0);
        registers.set(processor.stack_pointer(), None);
        for (number, value) in &left.values {
            registers.set(Register(*number), Some(*value));
        }
        registers
    }

    /// One of them.
    pub fn get(&self, register: Register) -> Option<u64> {
        *self.values.get(usize::from(register.0))?
    }

    /// Sets one of them; numbers beyond those that unwinding needs are forgotten.
    pub fn set(&mut self, register: Register, value: Option<u64>) {
        if let Some(place) = self.values.get_mut(usize::from(register.0)) {
            *place = value;
        }
    }

    /// The stack pointer.
    pub fn sp(&self) -> Option<u64> {
        self.get(self.processor.stack_pointer())
    }

    /// Every number that there is.
    pub(super) fn numbers() -> impl Iterator<Item = Register> {
        (0..KEPT as u16).map(Register)
    }
}
