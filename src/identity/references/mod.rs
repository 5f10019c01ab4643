//! How often a file's code names a variable. Many words of a file's data may lead to an op for a
//! moment; perl's code names `PL_op` a thousand times, and hardly ever what else does.

mod arm64;
mod x86;

use crate::image::{Files, Image, Question, WINDOWS};
use object::Object;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use x86::AddressingMode;

/// How often the code names each of these addresses, which are as the file counts, itself or through a
/// word of the file's table of addresses. `None` for processors whose instructions are not known.
pub fn references(
    image: &Image,
    addresses: impl Iterator<Item = u64>,
) -> Option<BTreeMap<u64, usize>> {
    let addresses: Vec<u64> = addresses.collect();
    let counts = image.ask(&References(addresses.clone())).flatten()?;
    Some(addresses.into_iter().zip(counts).collect())
}

/// The question behind it.
#[derive(Debug, Serialize, Deserialize)]
pub struct References(Vec<u64>);

impl Question for References {
    /// In the order of the addresses.
    type Answer = Option<Vec<usize>>;
    const NAME: &'static str = "references";

    fn answer(&self, image: &Image, _: &dyn Files) -> Self::Answer {
        let mut counts: BTreeMap<u64, usize> = self.0.iter().map(|a| (*a, 0)).collect();
        let table = table(image, &counts);
        counts.extend(table.keys().map(|place| (*place, 0)));
        let by_intel = |naming, counts: &mut BTreeMap<u64, usize>| {
            image.code_pieces(x86::OPERAND, |start, bytes| {
                x86::count(naming, start, bytes, counts);
            });
        };
        let machine = image.machine()?;
        let processor = machine.split_once(WINDOWS).map(|(processor, _)| processor);
        match processor.unwrap_or(&machine) {
            "x86_64" => by_intel(AddressingMode::Relative, &mut counts),
            "i386" => by_intel(AddressingMode::Absolute, &mut counts),
            "aarch64" => image.code_pieces(0, |start, bytes| {
                arm64::count(start, bytes, &mut counts);
            }),
            _ => return None,
        }
        for (place, address) in table {
            let through = counts.get(&place).copied().unwrap_or(0);
            *counts.entry(address).or_default() += through;
        }
        let count = |address| counts.get(address).copied().unwrap_or(0);
        Some(self.0.iter().map(count).collect())
    }
}

/// Words that the loader fills with one of these addresses, and which: those of the global offset
/// table, for a start. A variable that only its own file's code names has none.
fn table(image: &Image, wanted: &BTreeMap<u64, usize>) -> BTreeMap<u64, u64> {
    let Ok(file) = image.object() else {
        return BTreeMap::new();
    };
    let named = file.dynamic_symbol_table();
    let of_symbol = |index| {
        use object::{ObjectSymbol, ObjectSymbolTable};
        let symbol = named.as_ref()?.symbol_by_index(index).ok()?;
        (symbol.is_definition()).then(|| symbol.address())
    };
    let relocations = file.dynamic_relocations().into_iter().flatten();
    let filled = relocations.filter_map(|(place, relocation)| {
        let base = match relocation.target() {
            object::RelocationTarget::Symbol(index) => of_symbol(index)?,
            _ => 0,
        };
        let address = base.wrapping_add_signed(relocation.addend());
        (wanted.contains_key(&address) && !wanted.contains_key(&place)).then_some((place, address))
    });
    filled.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::{Path, PathBuf};

    #[test]
    fn the_code_of_a_perl_names_its_variables() {
        let is_library = |path: &PathBuf| path.to_string_lossy().contains("/libperl.so");
        let folder = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let inside = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let libraries = inside.map(|entry| entry.path()).filter(is_library);
        for path in libraries.chain([crate::image::perl_of_the_system()]) {
            names_its_variables(&path);
        }
    }

    fn names_its_variables(path: &Path) {
        let image = Image::open(path, path).unwrap();
        let key = image.symbol("PL_thr_key").unwrap().address;
        let names = image.symbol("PL_op_name").unwrap().address;
        let counts = references(&image, [key, names, key + 1].into_iter()).unwrap();
        assert!(counts[&key] > 9, "{counts:?}");
        assert!(counts[&names] > 9, "{counts:?}");
        assert_eq!(counts[&(key + 1)], 0);
    }
}
