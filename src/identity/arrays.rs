//! Perl's arrays of names, found by what is in them: for files whose symbols were stripped.

use crate::image::{Files, Image, Question, Symbol};
use crate::memory::{Abi, ReadError, Reader};
use serde::{Deserialize, Serialize};

/// Data of a perl is below this; more is not searched.
const MAX_BYTES: u64 = 64 << 20;
/// No perl has more ops. So many names are read at a time, as what follows an array is anything.
const MAX_NAMES: usize = 1024;
const NAMES_AT_A_TIME: usize = 64;
/// No name is longer.
const MAX_NAME: usize = 64;
/// `BLOCK` is among the first of the types of blocks in every version.
const MAX_BEFORE: usize = 16;

/// The first texts of both arrays, and what may point to them: a question to the file. Addresses are
/// as it counts.
#[derive(Debug, Serialize, Deserialize)]
pub struct ArrayTexts {
    /// The file is where it was linked to be: then its pointers are right as they are, and some may
    /// be where nobody writes.
    unmoved: bool,
}

/// Where they are.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct TextPlaces {
    pushmark: Vec<u64>,
    block: Vec<u64>,
    /// Pointers to them where nobody writes.
    pointers: Vec<u64>,
    /// What the loader or the program may change: start and length.
    live: Vec<(u64, u64)>,
}

impl Question for ArrayTexts {
    type Answer = TextPlaces;
    const NAME: &'static str = "arrays";

    fn answer(&self, image: &Image, _: &dyn Files) -> TextPlaces {
        let (mut held, mut live) = (Vec::new(), Vec::new());
        let mut total = 0;
        for part in image.data_parts() {
            total += part.size;
            if total > MAX_BYTES {
                break;
            }
            if part.writable {
                live.push((part.address, part.size));
            } else if let Some(bytes) = image.part(part) {
                held.push((part.address, bytes));
            }
        }
        TextPlaces::of(&held, live, image.abi(), self.unmoved)
    }
}

impl TextPlaces {
    /// No perl has its texts so often; what is more is of no use, and must not be sent.
    const MOST: usize = 1 << 16;

    fn of(held: &[(u64, &[u8])], live: Vec<(u64, u64)>, abi: Abi, unmoved: bool) -> Self {
        let (pushmark, block) = (places(held, "pushmark"), places(held, "BLOCK"));
        let mut pointers = Vec::new();
        if unmoved {
            let both = sorted(&pushmark, &block);
            for (start, bytes) in held {
                pointers_among(abi, *start, bytes, &both, &mut pointers);
            }
        }
        pointers.truncate(Self::MOST);
        TextPlaces {
            pushmark,
            block,
            pointers,
            live,
        }
    }

    /// As the process counts.
    fn moved(self, bias: u64) -> Self {
        let move_all =
            |places: Vec<u64>| places.into_iter().map(|a| a.wrapping_add(bias)).collect();
        let live = self.live.into_iter();
        TextPlaces {
            pushmark: move_all(self.pushmark),
            block: move_all(self.block),
            pointers: move_all(self.pointers),
            live: live
                .map(|(at, n)| (at.wrapping_add(bias), n.min(MAX_BYTES)))
                .collect(),
        }
    }
}

/// Where `text` and a NUL stand; linkers merge strings, so that one may be the end of another.
fn places(held: &[(u64, &[u8])], text: &str) -> Vec<u64> {
    let finder = memchr::memmem::Finder::new(text);
    let found = held.iter().flat_map(|(start, bytes)| {
        let ends = |at: &usize| bytes.get(at + text.len()) == Some(&0);
        let places = finder.find_iter(bytes).filter(ends);
        places.map(|at| start.wrapping_add(at as u64))
    });
    let mut found: Vec<u64> = found.take(TextPlaces::MOST).collect();
    found.sort_unstable();
    found
}

fn sorted(pushmark: &[u64], block: &[u64]) -> Vec<u64> {
    let mut both = [pushmark, block].concat();
    both.sort_unstable();
    both
}

/// Adds the addresses of aligned pointers to one of these places, which are sorted.
fn pointers_among(abi: Abi, start: u64, bytes: &[u8], places: &[u64], found: &mut Vec<u64>) {
    let (Some(low), Some(high)) = (places.first(), places.last()) else {
        return;
    };
    abi.each_pointer(start, bytes, |at, word| {
        // Nearly every word fails the first comparison.
        if (*low..=*high).contains(&word) && places.binary_search(&word).is_ok() {
            found.push(at);
        }
    });
}

/// The search in the process. All addresses are its.
struct ArraySearch<'a> {
    reader: Reader<'a>,
    texts: TextPlaces,
}

impl ArraySearch<'_> {
    fn pointers(&self) -> Result<Vec<u64>, ReadError> {
        let mut found = self.texts.pointers.clone();
        let both = sorted(&self.texts.pushmark, &self.texts.block);
        let abi = self.reader.abi();
        for (start, length) in &self.texts.live {
            let mut look = |at: u64, bytes: &[u8]| {
                pointers_among(abi, at, bytes, &both, &mut found);
                true
            };
            self.reader.pieces(*start, *length, &mut look)?;
        }
        Ok(found)
    }

    /// So many names of the array at `start`; fewer where it ends.
    fn names(&self, start: u64, count: usize) -> Result<Vec<Vec<u8>>, ReadError> {
        let pointers = self.reader.pointers(start, count)?;
        let names = self.reader.c_strings(&pointers, MAX_NAME)?;
        Ok(names.into_iter().map_while(|name| name).collect())
    }

    fn back(&self, address: u64, by: usize) -> u64 {
        address.wrapping_sub((by * usize::from(self.reader.abi().pointer_size)) as u64)
    }

    /// The array of names that starts at the only one of these places.
    fn array(&self, starts: &[u64], is_part: fn(&u8) -> bool) -> Result<Option<Symbol>, ReadError> {
        let [start] = starts else { return Ok(None) };
        let width = u64::from(self.reader.abi().pointer_size);
        let mut count = 0;
        while count < MAX_NAMES {
            let at = start.wrapping_add(count as u64 * width);
            let names = self.names(at, NAMES_AT_A_TIME)?;
            let good = names.iter().take_while(|name| is_name(name, is_part));
            let good = good.count();
            count += good;
            if good < NAMES_AT_A_TIME {
                break;
            }
        }
        Ok(Some(Symbol {
            address: *start,
            size: count as u64 * width,
        }))
    }

    /// `PL_op_name`: its first names are the same in every version (opcode.h). `pushmarks` are
    /// places of the fourth.
    fn op_names(&self, pushmarks: &[u64]) -> Result<Option<Symbol>, ReadError> {
        let is_part = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'_';
        let mut starts = Vec::new();
        for at in pushmarks {
            let start = self.back(*at, 3);
            if self.names(start, 3)? == [&b"null"[..], b"stub", b"scalar"] {
                starts.push(start);
            }
        }
        self.array(&starts, is_part)
    }

    /// `PL_block_type` (perl.h): it starts with NULL. `blocks` are places of one that follows.
    fn block_types(&self, blocks: &[u64]) -> Result<Option<Symbol>, ReadError> {
        let is_part = |b: &u8| b.is_ascii_uppercase() || *b == b'_';
        let mut starts = Vec::new();
        for at in blocks {
            for by in 1..=MAX_BEFORE {
                let start = self.back(*at, by);
                let name = self.names(start, 1)?.pop().unwrap_or_default();
                if name == b"NULL" {
                    starts.push(start);
                }
                if name == b"NULL" || !is_name(&name, is_part) {
                    break;
                }
            }
        }
        starts.dedup();
        self.array(&starts, is_part)
    }

    /// Both, where they are there.
    fn arrays(&self) -> Result<[(&'static str, Option<Symbol>); 2], ReadError> {
        let (mut pushmarks, mut blocks) = (Vec::new(), Vec::new());
        for at in self.pointers()? {
            match self.texts.pushmark.contains(&self.reader.pointer(at)?) {
                true => pushmarks.push(at),
                false => blocks.push(at),
            }
        }
        Ok([
            ("PL_op_name", self.op_names(&pushmarks)?),
            ("PL_block_type", self.block_types(&blocks)?),
        ])
    }
}

fn is_name(text: &[u8], is_part: fn(&u8) -> bool) -> bool {
    !text.is_empty() && text.iter().all(is_part)
}

/// The image with `PL_op_name` and `PL_block_type` laid over it where it has none of its own.
/// `bias` is how far the loader moved it.
///
/// # Errors
/// Only those that concern the process as a whole.
pub fn with_array_symbols(
    image: &Image,
    reader: &Reader<'_>,
    bias: u64,
) -> Result<Image, ReadError> {
    if image.symbol("PL_op_name").is_some() {
        return Ok(image.clone());
    }
    let unmoved = bias == 0;
    let texts = image.ask(&ArrayTexts { unmoved }).unwrap_or_default();
    let search = ArraySearch {
        reader: *reader,
        texts: texts.moved(bias),
    };
    let arrays = search.arrays()?.into_iter().filter_map(|(name, found)| {
        let found = found?;
        let address = found.address.wrapping_sub(bias);
        Some((name.to_owned(), Symbol { address, ..found }))
    });
    Ok(image.with_symbols(arrays))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::FakeMemory;

    const TEXTS: [&str; 10] = [
        "null",
        "stub",
        "scalar",
        "pushmark",
        "wantarray",
        "NULL",
        "WHEN",
        "BLOCK",
        "GIVEN",
        "no",
    ];

    /// What is found among pointers to these texts.
    fn found(abi: Abi, order: &[usize]) -> [Option<Symbol>; 2] {
        let (mut texts, mut places) = (Vec::new(), Vec::new());
        for text in TEXTS {
            places.push(0x50_1000 + texts.len() as u64);
            texts.extend(text.bytes().chain([0]));
        }
        let width = usize::from(abi.pointer_size);
        let mut pointers = vec![0; width * (order.len() + 1)];
        for (slot, index) in order.iter().enumerate() {
            abi.store(&mut pointers, slot * width, width, places[*index])
                .unwrap();
        }
        let mut memory = FakeMemory::new();
        memory.map(0x50_1000, texts.clone());
        memory.map(0x50_8000, pointers.clone());
        let search = |unmoved: bool| {
            let mut held: Vec<(u64, &[u8])> = vec![(0x50_1000, &texts)];
            let mut live = vec![(0x50_8000, pointers.len() as u64)];
            if unmoved {
                live.clear();
                held.push((0x50_8000, &pointers));
            }
            let search = ArraySearch {
                reader: Reader::new(&memory, abi),
                texts: TextPlaces::of(&held, live, abi, unmoved).moved(0),
            };
            search.arrays().unwrap().map(|(_, symbol)| symbol)
        };
        assert_eq!(search(false), search(true));
        search(false)
    }

    #[test]
    fn arrays_are_found_in_every_byte_order() {
        for (pointer_size, big_endian) in [(4, false), (4, true), (8, false), (8, true)] {
            let abi = Abi {
                pointer_size,
                big_endian,
            };
            let width = u64::from(pointer_size);
            let array = |first: u64, length: u64| {
                Some(Symbol {
                    address: 0x50_8000 + first * width,
                    size: length * width,
                })
            };
            let order = [3, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
            assert_eq!(found(abi, &order), [array(1, 5), array(6, 4)]);
        }
    }

    #[test]
    fn of_two_arrays_none_is_taken() {
        let abi = Abi {
            pointer_size: 8,
            big_endian: false,
        };
        let one = [0, 1, 2, 3, 4];
        assert!(found(abi, &one)[0].is_some());
        assert_eq!(found(abi, &[one, one].concat()), [None, None]);
        assert_eq!(found(abi, &[1, 2, 3, 8, 7, 7]), [None, None]);
    }
}
