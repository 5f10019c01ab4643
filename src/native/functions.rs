//! Which function is at an address, by the symbol tables of a file and of its debug file.

use crate::image::{DebugSearch, Files, Image, Question, symbol_file};
use object::{Object, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};

/// Longer names are cut: those of templates have thousands of bytes.
const LONGEST: usize = 400;
/// More functions than any file has that perl loads.
const MOST: usize = 1 << 20;

/// What a symbol table has of a function.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NativeFunction {
    /// Its name, as the symbol table has it.
    pub name: String,
    /// Its address, as the file counts.
    pub start: u64,
}

/// The question which functions are at these addresses, which are as the file counts.
#[derive(Debug, Serialize, Deserialize)]
pub struct FunctionsAt {
    /// In any order; the answers are in the same.
    pub addresses: Vec<u64>,
    /// Where debug files are; `None` where they are not asked.
    pub search: Option<DebugSearch>,
}

impl Question for FunctionsAt {
    /// In the order of the addresses.
    type Answer = Vec<Option<NativeFunction>>;
    const NAME: &'static str = "functions";
    const IS_HEAVY: bool = true;

    fn answer(&self, image: &Image, files: &dyn Files) -> Self::Answer {
        let mut found = vec![None; self.addresses.len()];
        let mut all = Vec::new();
        if let Ok(own) = image.object() {
            add(&own, &mut all);
        }
        let beside = symbol_file(image, self.search.as_ref(), files);
        if let Some(data) = &beside
            && let Ok(file) = object::File::parse(data)
        {
            add(&file, &mut all);
        }
        // Of several at one address the first that was found: the file's own.
        all.sort_by_key(|(start, ..)| *start);
        for (place, address) in found.iter_mut().zip(&self.addresses) {
            *place = at(&all, *address);
        }
        found
    }
}

type Known = (u64, u64, Vec<u8>);

fn at(all: &[Known], address: u64) -> Option<NativeFunction> {
    let behind = all.partition_point(|(start, ..)| *start <= address);
    let (start, ..) = all.get(behind.checked_sub(1)?)?;
    let first = all.partition_point(|(other, ..)| other < start);
    let here = all.get(first..behind)?;
    let covers = |(start, size, _): &&Known| *size == 0 || address - start < *size;
    let (start, _, name) = here.iter().find(covers)?;
    Some(NativeFunction {
        name: crate::text::from_utf8(name),
        start: *start,
    })
}

fn add<'d, R: object::ReadRef<'d>>(file: &object::File<'d, R>, all: &mut Vec<Known>) {
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        if symbol.kind() != SymbolKind::Text || symbol.is_undefined() || all.len() >= MOST {
            continue;
        }
        if let Ok(name) = symbol.name_bytes()
            && !name.is_empty()
        {
            let name = name.get(..LONGEST).unwrap_or(name).to_vec();
            all.push((symbol.address(), symbol.size(), name));
        }
    }
}
