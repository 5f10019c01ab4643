//! Perl's arrays of names, found by what is in them: for files whose symbols were stripped.

use crate::image::{Image, Symbol};
use crate::memory::{ReadError, Reader};
use crate::process::Mapping;

/// Read-only data of a perl is below this; more is not searched.
const MAX_BYTES: u64 = 64 << 20;
/// No perl has more ops.
const MAX_NAMES: usize = 1024;

/// What is mapped of one file, as bytes.
struct Pieces(Vec<(u64, Vec<u8>)>);

impl Pieces {
    fn read(reader: &Reader<'_>, maps: &[Mapping]) -> Result<Self, ReadError> {
        let mut pieces = Vec::new();
        let mut total = 0;
        for map in maps {
            let length = map.end.saturating_sub(map.start);
            total += length;
            if total > MAX_BYTES {
                break;
            }
            match reader.bytes(map.start, length as usize) {
                Ok(bytes) => pieces.push((map.start, bytes)),
                Err(ReadError::BadAddress { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(Pieces(pieces))
    }

    /// Where `text` and a NUL stand; linkers merge strings, so that one may be the end of another.
    fn places(&self, text: &str) -> Vec<u64> {
        let mut wanted = text.as_bytes().to_vec();
        wanted.push(0);
        let finder = memchr::memmem::Finder::new(&wanted);
        let mut found: Vec<u64> = self
            .0
            .iter()
            .flat_map(|(start, bytes)| finder.find_iter(bytes).map(move |at| start + at as u64))
            .collect();
        found.sort_unstable();
        found
    }

    fn text(&self, address: u64) -> Option<&[u8]> {
        let (start, bytes) = self
            .0
            .iter()
            .find(|(start, bytes)| (*start..start + bytes.len() as u64).contains(&address))?;
        let rest = bytes.get((address - start) as usize..)?;
        rest.get(..memchr::memchr(0, rest.get(..64.min(rest.len()))?)?)
    }

    /// Addresses of aligned runs of pointers to these strings, in this order.
    fn runs(&self, reader: &Reader<'_>, texts: &[&str]) -> Vec<u64> {
        let width = usize::from(reader.abi().pointer_size);
        let sets: Vec<Vec<u64>> = texts.iter().map(|t| self.places(t)).collect();
        let Some(first) = sets.first() else {
            return Vec::new();
        };
        let (Some(low), Some(high)) = (first.first(), first.last()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for (start, bytes) in &self.0 {
            let word = |at: usize| reader.abi().uint(bytes, at, width);
            for at in (0..bytes.len()).step_by(width) {
                // Nearly every word fails the first comparison.
                let begins =
                    |w: u64| (*low..=*high).contains(&w) && first.binary_search(&w).is_ok();
                if !word(at).is_some_and(begins) {
                    continue;
                }
                let all = sets.iter().enumerate().all(|(i, set)| {
                    word(at + i * width).is_some_and(|w| set.binary_search(&w).is_ok())
                });
                if all {
                    found.push(start + at as u64);
                }
            }
        }
        found
    }

    /// How many pointers in a row lead to texts that `is_name` likes.
    fn length(&self, reader: &Reader<'_>, start: u64, is_name: fn(&u8) -> bool) -> u64 {
        let width = usize::from(reader.abi().pointer_size);
        let piece = self
            .0
            .iter()
            .find(|(at, bytes)| (*at..at + bytes.len() as u64).contains(&start));
        let Some((at, bytes)) = piece else { return 0 };
        let skip = (start - at) as usize;
        (0..MAX_NAMES)
            .take_while(|i| {
                let word = reader.abi().uint(bytes, skip + i * width, width);
                let text = word.and_then(|w| self.text(w));
                text.is_some_and(|t| !t.is_empty() && t.iter().all(is_name))
            })
            .count() as u64
    }
}

/// Adds `PL_op_name` and `PL_block_type` to the image's symbols where it has none of its own.
/// `maps` are the mappings of that very file.
///
/// # Errors
/// Only those that concern the process as a whole.
pub fn add_array_symbols(
    image: &mut Image,
    reader: &Reader<'_>,
    maps: &[Mapping],
    bias: u64,
) -> Result<(), ReadError> {
    if image.symbol("PL_op_name").is_some() {
        return Ok(());
    }
    let data: Vec<Mapping> = maps.iter().filter(|m| !m.executable).copied().collect();
    let pieces = Pieces::read(reader, &data)?;
    let width = u64::from(reader.abi().pointer_size);
    let mut add = |name: &str, places: Vec<u64>, is_name: fn(&u8) -> bool| {
        if let [place] = places.as_slice() {
            let symbol = Symbol {
                address: place.wrapping_sub(bias),
                size: pieces.length(reader, *place, is_name) * width,
            };
            image.add_symbol(name, symbol);
        }
    };
    let lower = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
    // The order is that of regen/opcodes in every version (opcode.h).
    let ops = pieces.runs(reader, &["null", "stub", "scalar", "pushmark"]);
    add("PL_op_name", ops, lower);
    // PL_block_type (perl.h) starts with one of these pairs, by version.
    let upper = |b: &u8| b.is_ascii_uppercase() || *b == b'_';
    let blocks = [["NULL", "SUB"], ["NULL", "WHEN"], ["NULL", "BLOCK"]]
        .iter()
        .flat_map(|pair| pieces.runs(reader, pair))
        .collect();
    add("PL_block_type", blocks, upper);
    Ok(())
}
