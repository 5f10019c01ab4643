//! The functions of a file, by its symbol tables and those of its debug file.

use crate::image::{DebugSearch, Files, Image, Question, symbol_file};
use object::{Object, ObjectSymbol, SymbolKind};
use serde::{Deserialize, Serialize};

/// Longer names are cut: those of templates have thousands of bytes.
const LONGEST: usize = 400;
/// All of them are no larger, so that an answer of them is no more than one may have: libperl's are 0.4 MB.
const MOST: usize = 12 << 20;

/// Where a function is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FunctionSpan {
    /// Its address, as the file counts.
    start: u64,
    /// Bytes; 0 where that is not said.
    size: u64,
    /// Where its name ends in the names of all.
    name_end: u32,
}

/// All functions of a file, by address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionTable {
    spans: Vec<FunctionSpan>,
    names: Vec<u8>,
}

impl FunctionTable {
    /// Of several at one address the first that was found is meant: the file's own.
    fn of(mut all: Vec<(u64, u64, Vec<u8>)>) -> Self {
        all.sort_by_key(|(start, ..)| *start);
        let mut table = FunctionTable::default();
        for (start, size, name) in all {
            let known = table.spans.len() * size_of::<FunctionSpan>() + table.names.len();
            if known + size_of::<FunctionSpan>() + name.len() > MOST {
                break;
            }
            table.names.extend(name);
            let name_end = u32::try_from(table.names.len()).unwrap_or(u32::MAX);
            table.spans.push(FunctionSpan {
                start,
                size,
                name_end,
            });
        }
        table
    }

    /// The function at an address, both as the file counts: where it begins, and its name. The table may have come from
    /// whoever read a file that anybody may have written.
    pub fn at(&self, address: u64) -> Option<(u64, String)> {
        let behind = self.spans.partition_point(|span| span.start <= address);
        let start = self.spans.get(behind.checked_sub(1)?)?.start;
        let first = self.spans.partition_point(|span| span.start < start);
        let covers = |span: &FunctionSpan| span.size == 0 || address - start < span.size;
        let here = self.spans.get(first..behind)?.iter();
        let index = first + here.clone().position(covers)?;
        let name_start = match index.checked_sub(1) {
            Some(before) => self.spans.get(before)?.name_end,
            None => 0,
        };
        let end = self.spans.get(index)?.name_end;
        let name = self.names.get(name_start as usize..end as usize)?;
        Some((start, crate::text::from_utf8(name)))
    }
}

/// The question for all functions of a file.
#[derive(Debug, Serialize, Deserialize)]
pub struct AskFunctions {
    /// Where debug files are; `None` where they are not asked.
    pub search: Option<DebugSearch>,
}

impl Question for AskFunctions {
    type Answer = FunctionTable;
    const NAME: &'static str = "functions";
    const IS_HEAVY: bool = true;

    fn answer(&self, image: &Image, files: &dyn Files) -> Self::Answer {
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
        FunctionTable::of(all)
    }
}

fn add<'d, R: object::ReadRef<'d>>(file: &object::File<'d, R>, all: &mut Vec<(u64, u64, Vec<u8>)>) {
    let mut room = MOST;
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        if symbol.kind() != SymbolKind::Text || symbol.is_undefined() {
            continue;
        }
        if let Ok(name) = symbol.name_bytes()
            && !name.is_empty()
        {
            let name = name.get(..LONGEST).unwrap_or(name).to_vec();
            let Some(left) = room.checked_sub(size_of::<FunctionSpan>() + name.len()) else {
                return;
            };
            room = left;
            all.push((symbol.address(), symbol.size(), name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_reaches_as_far_as_its_symbol_says() {
        let function = |start, size, name: &str| (start, size, name.as_bytes().to_vec());
        let table = FunctionTable::of(vec![
            function(0x200, 0x10, "second"),
            function(0x100, 0, "first"),
            function(0x200, 0x20, "alias"),
        ]);
        let at = |address| table.at(address).map(|(_, name)| name);
        assert_eq!(at(0xff), None);
        assert_eq!(at(0x100).as_deref(), Some("first"));
        assert_eq!(at(0x1ff).as_deref(), Some("first"));
        assert_eq!(at(0x20f).as_deref(), Some("second"));
        assert_eq!(at(0x210).as_deref(), Some("alias"));
        assert_eq!(at(0x220), None);
        assert_eq!(table.at(0x205).unwrap().0, 0x200);
    }

    #[test]
    fn a_damaged_table_names_nothing() {
        let span = |start, name_end| FunctionSpan {
            start,
            size: 0,
            name_end,
        };
        for spans in [
            vec![span(0, 9), span(8, 3)],
            vec![span(8, u32::MAX), span(0, 1)],
            vec![span(u64::MAX, 1)],
        ] {
            let names = b"abcd".to_vec();
            let table = FunctionTable { spans, names };
            for address in [0, 7, 8, 100, u64::MAX] {
                let _ = table.at(address);
            }
        }
    }
}
