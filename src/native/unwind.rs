//! From one frame to the one that called it, by the rules of its description (DWARF 5, 6.4).

use super::registers::{Processor, Registers};
use super::tables::{ParsedTables, UnwindReader};
use crate::memory::Reader;
use gimli::{
    CfaRule, EvaluationResult, Expression, Location, Register, RegisterRule, UnwindContext, Value,
};

/// Steps of one expression.
const MOST_STEPS: u32 = 1000;

/// Why a stack ends where it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StackEnd {
    /// Where the thread began.
    Outermost,
    /// Nothing is mapped from a file there.
    NoFile(u64),
    /// The file there cannot be had, or says nothing of unwinding.
    Undescribed(u64),
    /// Memory or registers that are needed are not there.
    Missing,
    /// It goes in a circle, or is longer than any.
    Endless,
}

/// Whether the frame above called this one, so that its address is behind the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrameEntry {
    Called,
    /// It is the innermost, or a signal came in between.
    Interrupted,
}

impl FrameEntry {
    /// An address within the instruction that is executed.
    pub fn within(self, pc: u64) -> u64 {
        match self {
            FrameEntry::Called => pc.wrapping_sub(1),
            FrameEntry::Interrupted => pc,
        }
    }
}

/// The caller of the frame that these registers are of, `None` for the outermost, and how it was left. `bias` is how
/// far its file was moved.
pub(super) fn step(
    tables: &ParsedTables<'_>,
    bias: u64,
    reader: &Reader<'_>,
    registers: &Registers,
    entry: FrameEntry,
) -> Result<(Option<Registers>, FrameEntry), StackEnd> {
    let here = entry.within(registers.pc);
    let address = here.wrapping_sub(bias);
    let description = tables.description(address);
    let description = description.ok_or(StackEnd::Undescribed(registers.pc))?;
    let cie = description.cie();
    let mut context = UnwindContext::new();
    let row = description
        .unwind_info_for_address(&tables.frames, &tables.bases, &mut context, address)
        .map_err(|_| StackEnd::Undescribed(registers.pc))?;
    let scope = RuleScope {
        reader,
        registers,
        encoding: cie.encoding(),
    };
    let cfa = match row.cfa() {
        CfaRule::RegisterAndOffset { register, offset } => registers
            .get(*register)
            .map(|base| base.wrapping_add_signed(*offset)),
        CfaRule::Expression(expression) => {
            let expression = expression.get(&tables.frames).ok();
            expression.and_then(|e| scope.evaluate(e, None))
        }
    };
    let cfa = cfa.ok_or(StackEnd::Missing)?;
    let back = cie.return_address_register();
    let mut caller = *registers;
    for register in Registers::numbers() {
        let value = match row.register(register) {
            // What a callee must not change, and nothing is said of.
            None | Some(RegisterRule::SameValue) => registers.get(register),
            Some(RegisterRule::Undefined) => None,
            Some(RegisterRule::Offset(offset)) => scope.word(cfa.wrapping_add_signed(offset)),
            Some(RegisterRule::ValOffset(offset)) => Some(cfa.wrapping_add_signed(offset)),
            Some(RegisterRule::Register(other)) => registers.get(other),
            Some(RegisterRule::Expression(expression)) => {
                let expression = expression.get(&tables.frames).ok();
                let place = expression.and_then(|e| scope.evaluate(e, Some(cfa)));
                place.and_then(|place| scope.word(place))
            }
            Some(RegisterRule::ValExpression(expression)) => {
                let expression = expression.get(&tables.frames).ok();
                expression.and_then(|e| scope.evaluate(e, Some(cfa)))
            }
            Some(RegisterRule::Constant(value)) => Some(value),
            Some(RegisterRule::Architectural) => None,
            #[allow(unreachable_patterns)] // gimli may add rules.
            Some(_) => None,
        };
        caller.set(register, value);
    }
    let is_outermost = matches!(row.register(back), Some(RegisterRule::Undefined));
    let is_signal = description.is_signal_trampoline();
    let processor = registers.processor;
    let stack = processor.stack_pointer();
    if !matches!(
        row.register(stack),
        Some(
            RegisterRule::Expression(_) | RegisterRule::ValExpression(_) | RegisterRule::Offset(_)
        )
    ) {
        caller.set(stack, Some(cfa));
    }
    // Where nothing is said of the return address, it still is in its register, as in a leaf of arm64; on x86 it
    // has none.
    let pc = match (row.register(back), processor) {
        (None, Processor::X86_64 | Processor::I386) => None,
        _ => caller.get(back),
    };
    if is_outermost {
        return Ok((None, entry));
    }
    let pc = processor.plain(pc.ok_or(StackEnd::Missing)?);
    if pc == 0 {
        return Ok((None, entry));
    }
    caller.pc = pc;
    let entry = match is_signal {
        true => FrameEntry::Interrupted,
        false => FrameEntry::Called,
    };
    Ok((Some(caller), entry))
}

/// A step by offsets alone, as nearly all are: it is kept for its address, and needs no description again.
#[derive(Debug, Clone)]
pub(super) struct PlainStep {
    cfa: (Register, i64),
    changed: Vec<(Register, PlainRule)>,
    back: Register,
    is_outermost: bool,
    is_signal: bool,
}

/// Where a register of the caller is.
#[derive(Debug, Clone, Copy)]
enum PlainRule {
    Lost,
    /// In memory, so far from the frame's address.
    At(i64),
    /// That address moved by so much.
    Moved(i64),
    In(Register),
}

impl PlainStep {
    /// Of the code at an address, as the file counts; `None` where [`step`] is needed.
    pub fn of(tables: &ParsedTables<'_>, address: u64, processor: Processor) -> Option<Self> {
        let description = tables.description(address)?;
        let mut context = UnwindContext::new();
        let row = description
            .unwind_info_for_address(&tables.frames, &tables.bases, &mut context, address)
            .ok()?;
        let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else {
            return None;
        };
        let back = description.cie().return_address_register();
        let mut changed = Vec::new();
        for (number, rule) in row.registers() {
            let plain = match rule {
                RegisterRule::SameValue => continue,
                RegisterRule::Undefined => PlainRule::Lost,
                RegisterRule::Offset(offset) => PlainRule::At(*offset),
                RegisterRule::ValOffset(offset) => PlainRule::Moved(*offset),
                RegisterRule::Register(other) => PlainRule::In(*other),
                _ => return None,
            };
            changed.push((*number, plain));
        }
        let stack = processor.stack_pointer();
        if !matches!(row.register(stack), Some(RegisterRule::Offset(_))) {
            changed.retain(|(number, _)| *number != stack);
            changed.push((stack, PlainRule::Moved(0)));
        }
        if row.register(back).is_none() && processor != Processor::Aarch64 {
            changed.push((back, PlainRule::Lost));
        }
        Some(PlainStep {
            cfa: (*register, *offset),
            changed,
            back,
            is_outermost: matches!(row.register(back), Some(RegisterRule::Undefined)),
            is_signal: description.is_signal_trampoline(),
        })
    }

    /// As [`step`], with the words of the stack that `word` knows.
    pub fn apply(
        &self,
        word: &dyn Fn(u64) -> Option<u64>,
        registers: &Registers,
        entry: FrameEntry,
    ) -> Result<(Option<Registers>, FrameEntry), StackEnd> {
        let (register, offset) = self.cfa;
        let base = registers.get(register).ok_or(StackEnd::Missing)?;
        let cfa = base.wrapping_add_signed(offset);
        let mut caller = *registers;
        for (number, rule) in &self.changed {
            let value = match rule {
                PlainRule::Lost => None,
                PlainRule::At(offset) => word(cfa.wrapping_add_signed(*offset)),
                PlainRule::Moved(offset) => Some(cfa.wrapping_add_signed(*offset)),
                PlainRule::In(other) => registers.get(*other),
            };
            caller.set(*number, value);
        }
        if self.is_outermost {
            return Ok((None, entry));
        }
        let pc = caller.get(self.back).ok_or(StackEnd::Missing)?;
        caller.pc = registers.processor.plain(pc);
        if caller.pc == 0 {
            return Ok((None, entry));
        }
        let entry = match self.is_signal {
            true => FrameEntry::Interrupted,
            false => FrameEntry::Called,
        };
        Ok((Some(caller), entry))
    }
}

/// What rules are evaluated with.
struct RuleScope<'a> {
    reader: &'a Reader<'a>,
    registers: &'a Registers,
    encoding: gimli::Encoding,
}

impl RuleScope<'_> {
    fn word(&self, address: u64) -> Option<u64> {
        self.reader.pointer(address).ok()
    }

    fn evaluate(
        &self,
        expression: Expression<UnwindReader<'_>>,
        first: Option<u64>,
    ) -> Option<u64> {
        let mut evaluation = expression.evaluation(self.encoding);
        evaluation.set_max_iterations(MOST_STEPS);
        if let Some(first) = first {
            evaluation.set_initial_value(first);
        }
        let mut result = evaluation.evaluate().ok()?;
        for _ in 0..MOST_STEPS {
            result = match result {
                EvaluationResult::Complete => break,
                EvaluationResult::RequiresMemory { address, size, .. } => {
                    let value = self.reader.uint(address, usize::from(size)).ok()?;
                    evaluation.resume_with_memory(Value::Generic(value)).ok()?
                }
                EvaluationResult::RequiresRegister { register, .. } => {
                    let value = Value::Generic(self.register(register)?);
                    evaluation.resume_with_register(value).ok()?
                }
                _ => return None,
            };
        }
        match evaluation.as_result().last()?.location {
            Location::Address { address } => Some(address),
            Location::Value { value } => value.to_u64(u64::MAX).ok(),
            _ => None,
        }
    }

    /// On x86 an expression may ask for the address of the instruction by the register of the return address.
    fn register(&self, register: Register) -> Option<u64> {
        let is_pc = match self.registers.processor {
            Processor::X86_64 => register.0 == 16,
            Processor::I386 => register.0 == 8,
            Processor::Aarch64 => false,
        };
        match is_pc {
            true => Some(self.registers.pc),
            false => self.registers.get(register),
        }
    }
}
