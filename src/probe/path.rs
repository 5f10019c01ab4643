//! Paths through the schema, such as `Icurstackinfo->si_cxix`.

use super::Candidate;
use crate::layout::schema::{self, FieldSpec, Kind, Need};
use std::fmt;

/// One step: read the pointer so far (`->`) or stay in the structure (`.`), then a member.
#[derive(Debug, Clone, Copy)]
struct PathStep {
    dereference: bool,
    member: &'static FieldSpec,
}

#[derive(Debug)]
enum PathStart {
    Variable(&'static FieldSpec),
    Address(u64),
}

/// A parsed path.
#[derive(Debug)]
pub struct Path {
    text: String,
    start: PathStart,
    steps: Vec<PathStep>,
}

/// What a path leads to, read both ways.
#[derive(Debug, Clone, Copy)]
pub struct PathValue {
    pub unsigned: u64,
    pub signed: i64,
}

/// The one member of the schema with that name.
pub fn member(name: &str) -> Result<&'static FieldSpec, String> {
    let mut found = schema::FIELDS
        .iter()
        .filter(|f| f.name == name && f.kind != Kind::Size);
    match (found.next(), found.next()) {
        (Some(field), None) => Ok(field),
        (None, _) => Err(format!("the schema has no member {name}")),
        (Some(_), Some(_)) => Err(format!("the schema has several members {name}")),
    }
}

impl Path {
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text.replace("->", ">");
        let cut = rest.find(['>', '.']).unwrap_or(rest.len());
        let steps_text = rest.split_off(cut);
        let variable = member(&rest)?;
        if !matches!(variable.need, Need::Variable | Need::Extra) {
            return Err(format!("{rest} is no variable of the interpreter"));
        }
        let mut steps = Vec::new();
        let mut tail = steps_text.as_str();
        while let Some(sign) = tail.chars().next() {
            let body = tail.get(1..).unwrap_or_default();
            let end = body.find(['>', '.']).unwrap_or(body.len());
            steps.push(PathStep {
                dereference: sign == '>',
                member: member(body.get(..end).unwrap_or_default())?,
            });
            tail = body.get(end..).unwrap_or_default();
        }
        Ok(Path {
            text: text.to_owned(),
            start: PathStart::Variable(variable),
            steps,
        })
    }

    /// The path to a member of the structure at an address.
    pub fn at(name: &str, base: u64) -> Result<Self, String> {
        Ok(Path {
            text: name.to_owned(),
            start: PathStart::Address(base),
            steps: vec![PathStep {
                dereference: false,
                member: member(name)?,
            }],
        })
    }

    /// True when the layout has every member of the path, and the place of its variable is known.
    pub fn is_known(&self, candidate: &Candidate<'_>) -> bool {
        let known = |f: &FieldSpec| candidate.layout.field(f.structure, f.name).is_some();
        let start = match self.start {
            PathStart::Variable(variable) => candidate.variables.by_name(variable.name).is_some(),
            PathStart::Address(_) => true,
        };
        start && self.steps.iter().all(|step| known(step.member))
    }

    /// Follows the path in the target. `Err` says what stood in the way.
    pub fn value(&self, candidate: &Candidate<'_>) -> Result<PathValue, String> {
        let reader = &candidate.reader;
        let (mut address, mut size) = match self.start {
            PathStart::Address(address) => (address, 0),
            PathStart::Variable(variable) => {
                let found = candidate.variables.by_name(variable.name);
                found
                    .map(|v| (v.address, v.size))
                    .ok_or_else(|| "is not known in this perl".to_owned())?
            }
        };
        let mut signed = false;
        let mut field = None;
        for step in &self.steps {
            if step.dereference {
                address = reader.pointer(address).map_err(|e| candidate.read(e))?;
            }
            let place = candidate
                .layout
                .field(step.member.structure, step.member.name)
                .ok_or_else(|| format!("needs {}, which the layout lacks", step.member.name))?;
            address = address.wrapping_add(u64::from(place.offset));
            size = place.size;
            signed = step.member.kind == Kind::Int;
            field = Some(place);
        }
        let bytes = reader
            .bytes(address, usize::from(size))
            .map_err(|e| candidate.read(e))?;
        let place = crate::memory::Field {
            offset: 0,
            ..field.unwrap_or(crate::memory::Field::whole(0, size))
        };
        let short = || "is too short".to_owned();
        let unsigned = place.get(reader.abi(), &bytes).ok_or_else(short)?;
        let as_signed = place.get_signed(reader.abi(), &bytes).ok_or_else(short)?;
        Ok(PathValue {
            unsigned,
            signed: if signed {
                as_signed
            } else {
                i64::try_from(unsigned).unwrap_or(i64::MAX)
            },
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
