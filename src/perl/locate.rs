//! Where the interpreters of a process are.

use super::stack::header::Compiling;
use super::stack::{Variable, Variables};
use super::values::pads::Pads;
use crate::image::Image;
use crate::layout::BoundLayout;
use crate::memory::Field;

/// One interpreter: where its variables are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interpreter {
    /// `struct interpreter` at this address.
    At(u64),
    /// Every variable a global.
    Globals,
}

/// A variable that every perl has is not to be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not known: {1}")]
pub struct NoVariable(&'static str, &'static str);

/// Looks up variables of one interpreter by their names in the schema.
#[derive(Clone, Copy)]
pub struct VariableMap<'a> {
    /// The file that defines perl.
    pub image: &'a Image,
    /// How far it was moved when loaded.
    pub bias: u64,
    /// Offsets in `struct interpreter`.
    pub layout: &'a BoundLayout,
    /// Whose variables they are.
    pub interpreter: Interpreter,
}

/// One interpreter with all that is needed to read its stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Which one.
    pub interpreter: Interpreter,
    /// What tells what it is doing.
    pub variables: Variables,
    /// The address of its `PL_compiling`; 0 where unknown.
    pub compiling: u64,
    /// Where what runs beside subs is found.
    pub pads: Pads,
}

impl VariableMap<'_> {
    /// What is needed to read the stack.
    ///
    /// # Errors
    /// [`NoVariable`] for the first that is missing.
    pub fn located(&self) -> Result<Located, NoVariable> {
        Ok(Located {
            interpreter: self.interpreter,
            variables: self.moving()?,
            compiling: self.by_name("Icompiling").map_or(0, |v| v.address),
            pads: self.pads(),
        })
    }

    /// A variable by its name in the schema, such as `Icurcop`.
    pub fn by_name(&self, name: &str) -> Option<Variable> {
        match self.interpreter {
            Interpreter::At(base) => {
                let field = self.layout.interpreter.by_name(name)?;
                Some(Variable {
                    address: base.wrapping_add(u64::from(field.offset)),
                    size: field.size,
                })
            }
            Interpreter::Globals => {
                let symbol = self
                    .image
                    .symbol(&format!("PL_{}", name.strip_prefix('I')?))?;
                let pointer = self.image.abi().pointer_size;
                Some(Variable {
                    address: self.bias.wrapping_add(symbol.address),
                    // PL_compiling is a structure: what lies there is not a value.
                    size: u8::try_from(symbol.size)
                        .ok()
                        .filter(|s| (1..=8).contains(s))
                        .unwrap_or(pointer),
                })
            }
        }
    }

    /// The variables that tell what runs beside subs.
    pub fn pads(&self) -> Pads {
        Pads {
            curpad: self.by_name("Icurpad"),
            regex_pad: self.by_name("Iregex_pad"),
            stack_base: self.by_name("Istack_base"),
            savestack: self.savestack(),
            has_stack: self.by_name("Istack_sp").is_some(),
        }
    }

    /// `PL_savestack`, where its depth is known too. Where both are members of one structure, the depth
    /// stands right behind it in every perl (intrpvar.h, thrdvar.h).
    fn savestack(&self) -> Option<Variable> {
        let depth = self.by_name("Isavestack_ix")?;
        let size = self.image.abi().pointer_size;
        match self.interpreter {
            Interpreter::At(_) => Some(Variable {
                address: depth.address.checked_sub(size.into())?,
                size,
            }),
            Interpreter::Globals => self.by_name("Isavestack"),
        }
    }

    /// The variables that a stack reader needs.
    ///
    /// # Errors
    /// [`NoVariable`] for the first that is missing.
    pub fn moving(&self) -> Result<Variables, NoVariable> {
        let need = |name: &'static str| {
            let why = match self.interpreter {
                Interpreter::At(_) => "the layout lacks it",
                Interpreter::Globals => "the file has no symbol for it (stripped of .dynsym?)",
            };
            self.by_name(name).ok_or(NoVariable(name, why))
        };
        let curcop = need("Icurcop")?;
        // These only tell that the target moved; where symbols were stripped, fewer are known.
        let witness = |name: &'static str| self.by_name(name).unwrap_or(curcop);
        Ok(Variables {
            op: self.by_name("Iop"),
            curcop,
            curstackinfo: need("Icurstackinfo")?,
            stack_sp: witness("Istack_sp"),
            markstack_ptr: witness("Imarkstack_ptr"),
            savestack_ix: witness("Isavestack_ix"),
            tmps_ix: witness("Itmps_ix"),
            cop_seqmax: self.by_name("Icop_seqmax"),
            compiling: compiling(self, self.layout.cop.cop_line),
        })
    }
}

/// Where it is said what is being compiled; `line` is `cop_line`.
fn compiling(map: &VariableMap<'_>, line: Field) -> Compiling {
    let cop = map.by_name("Icompiling");
    Compiling {
        line: cop.map(|cop| Variable {
            address: cop.address.wrapping_add(u64::from(line.offset)),
            size: line.size,
        }),
        main_cv: map.by_name("Imain_cv"),
        has_op: map.by_name("Iop").is_some(),
    }
}
