//! Variables of perl's of which the program has a copy. A program that uses a library's variable itself
//! has room for it, where the dynamic linker puts it, for the library too (copy relocations, psABI).

use super::Examiner;
use crate::image::{Image, Symbol};
use crate::platform::MappedFile;
use std::path::Path;

/// Those that a program has of the perl in one of its libraries, as the library counts addresses, which
/// was moved by `bias`.
pub fn copied_variables(
    examiner: &Examiner,
    program: &Path,
    files: &[MappedFile],
    perl: &Image,
    bias: u64,
) -> Vec<(String, Symbol)> {
    let look = || {
        let file = files.iter().find(|file| file.path == program)?;
        let image = examiner.open(file).ok()?;
        let moved = image.load_bias(&file.maps)?.wrapping_sub(bias);
        let copies = image
            .symbols()
            .filter(|(name, _)| perl.symbol(name).is_some());
        let copies = copies.map(|(name, symbol)| {
            let address = symbol.address.wrapping_add(moved);
            (name.to_owned(), Symbol { address, ..symbol })
        });
        Some(copies.collect())
    };
    match perl.path() == program {
        true => Vec::new(),
        false => look().unwrap_or_default(),
    }
}
