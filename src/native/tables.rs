//! What a file says of unwinding: its .eh_frame with the table that is searched for an address.

use crate::image::{Files, Image, Question};
use crate::memory::Abi;
use gimli::{BaseAddresses, EhFrame, EndianSlice, RunTimeEndian};
use object::{Object, ObjectSection, ObjectSegment};
use serde::{Deserialize, Serialize};

/// No program of perl's world has more: that of libperl has 300 kB, that of a browser 10 MB.
const LARGEST: u64 = 15 << 20;

/// So much is searched without a table.
const SMALL: u64 = 1 << 20;

/// The reader that they are parsed with.
pub(super) type UnwindReader<'a> = EndianSlice<'a, RunTimeEndian>;

/// The two sections, each with its address as the file counts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct UnwindTables {
    frames: (u64, Vec<u8>),
    header: Option<(u64, Vec<u8>)>,
}

/// The question for them.
#[derive(Debug, Serialize, Deserialize)]
pub struct AskUnwindTables;

impl Question for AskUnwindTables {
    type Answer = Option<UnwindTables>;
    const NAME: &'static str = "unwind tables";
    const IS_HEAVY: bool = true;

    fn answer(&self, image: &Image, _: &dyn Files) -> Self::Answer {
        UnwindTables::of(&image.object().ok()?)
    }
}

impl UnwindTables {
    /// Those of a file.
    pub fn of<'d, R: object::ReadRef<'d>>(file: &object::File<'d, R>) -> Option<Self> {
        let section = |name: &str| {
            let section = file.section_by_name(name)?;
            let bytes = (section.size() <= LARGEST).then(|| section.uncompressed_data().ok())??;
            Some((section.address(), bytes.into_owned()))
        };
        match section(".eh_frame") {
            Some(frames) => Some(UnwindTables {
                frames,
                header: section(".eh_frame_hdr"),
            }),
            None => by_segments(file),
        }
    }

    /// The tables, where they can be parsed.
    pub(super) fn parsed(&self, big_endian: bool, pointer_size: u8) -> ParsedTables<'_> {
        let endian = match big_endian {
            true => RunTimeEndian::Big,
            false => RunTimeEndian::Little,
        };
        let bases = BaseAddresses::default().set_eh_frame(self.frames.0);
        let header = self.header.as_ref();
        let table =
            header.and_then(|(address, bytes)| SearchTable::of(big_endian, *address, bytes));
        let mut frames = EhFrame::new(&self.frames.1, endian);
        frames.set_address_size(pointer_size);
        ParsedTables {
            bases,
            frames,
            table,
            is_small: self.frames.1.len() as u64 <= SMALL,
            start: self.frames.0,
        }
    }
}

/// Without sections, the header's segment leads to the frames: they reach to the end of its neighbour at most.
fn by_segments<'d, R: object::ReadRef<'d>>(file: &object::File<'d, R>) -> Option<UnwindTables> {
    let (address, size) = match file {
        object::File::Elf64(elf) => header_segment(elf),
        object::File::Elf32(elf) => header_segment(elf),
        _ => None,
    }?;
    let segment = file.segments().find(|segment| {
        let skip = address.checked_sub(segment.address());
        skip.is_some_and(|skip| skip < segment.size())
    })?;
    let data = segment.data().ok()?;
    let rest = |at: u64| data.get(usize::try_from(at.checked_sub(segment.address())?).ok()?..);
    let header = rest(address)?.get(..usize::try_from(size).ok()?)?;
    let frames = SearchTable::of(!file.is_little_endian(), address, header)?.frames;
    let bytes = rest(frames).filter(|bytes| bytes.len() as u64 <= LARGEST)?;
    Some(UnwindTables {
        frames: (frames, bytes.to_vec()),
        header: Some((address, header.to_vec())),
    })
}

fn header_segment<'d, Elf, R>(file: &object::read::elf::ElfFile<'d, Elf, R>) -> Option<(u64, u64)>
where
    Elf: object::read::elf::FileHeader,
    R: object::ReadRef<'d>,
{
    use object::read::elf::ProgramHeader;
    let endian = file.endian();
    let headers = file.elf_program_headers().iter();
    let mut headers = headers.filter(|h| h.p_type(endian) == object::elf::PT_GNU_EH_FRAME);
    let header = headers.next()?;
    Some((
        header.p_vaddr(endian).into(),
        header.p_filesz(endian).into(),
    ))
}

/// Both, ready to be searched.
pub(super) struct ParsedTables<'a> {
    pub bases: BaseAddresses,
    pub frames: EhFrame<UnwindReader<'a>>,
    table: Option<SearchTable<'a>>,
    is_small: bool,
    /// The address of the frames, as the file counts.
    start: u64,
}

impl<'a> ParsedTables<'a> {
    /// What is said of the code at an address; `None` where nothing is.
    pub fn description(
        &self,
        address: u64,
    ) -> Option<gimli::FrameDescriptionEntry<UnwindReader<'a>>> {
        use gimli::UnwindSection;
        let cie = |section: &EhFrame<_>, bases: &BaseAddresses, offset| {
            section.cie_from_offset(bases, offset)
        };
        let found = match &self.table {
            Some(table) => {
                let place = table.lookup(address)?;
                let offset = usize::try_from(place.checked_sub(self.start)?).ok()?;
                self.frames.fde_from_offset(&self.bases, offset.into(), cie)
            }
            // One by one: of a large file that would take too long.
            None if self.is_small => self.frames.fde_for_address(&self.bases, address, cie),
            None => return None,
        };
        found.ok().filter(|entry| entry.contains(address))
    }
}

/// The table of .eh_frame_hdr, as every linker writes it (Linux Standard Base, 10.6.2): numbers of 32 bits that count
/// from its own start. gimli reads any, and takes for granted that none is damaged.
struct SearchTable<'a> {
    abi: Abi,
    address: u64,
    /// Where the frames are.
    frames: u64,
    /// Pairs: a function, and its description.
    pairs: &'a [u8],
}

impl<'a> SearchTable<'a> {
    /// A version; how the frames' address, the count and the pairs are written: DW_EH_PE_pcrel|sdata4,
    /// DW_EH_PE_udata4, DW_EH_PE_datarel|sdata4.
    const HEAD: &'static [u8] = &[1, 0x1b, 0x03, 0x3b];

    fn of(big_endian: bool, address: u64, bytes: &'a [u8]) -> Option<Self> {
        let abi = Abi {
            pointer_size: 4,
            big_endian,
        };
        bytes.strip_prefix(Self::HEAD)?;
        let count = usize::try_from(abi.uint(bytes, 8, 4)?).ok()?;
        let pairs = bytes.get(12..)?;
        let length = count.saturating_mul(8).min(pairs.len());
        Some(SearchTable {
            abi,
            address,
            frames: moved(address.wrapping_add(4), abi.uint(bytes, 4, 4)?),
            pairs: pairs.get(..length - length % 8)?,
        })
    }

    /// Where the description is of the last function that begins at an address or in front of it.
    fn lookup(&self, address: u64) -> Option<u64> {
        let number = |at: usize| Some(moved(self.address, self.abi.uint(self.pairs, at, 4)?));
        let (mut low, mut high) = (0, self.pairs.len() / 8);
        while low < high {
            let middle = low + (high - low) / 2;
            match number(8 * middle)? <= address {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        number(8 * low.checked_sub(1)? + 4)
    }
}

/// A place that is so far away, as a number of 32 bits with a sign says.
fn moved(from: u64, by: u64) -> u64 {
    from.wrapping_add_signed((by as u32).cast_signed().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_function_in_front_of_an_address_is_found() {
        let mut bytes = SearchTable::HEAD.to_vec();
        let numbers: [i32; 8] = [0x100, 3, -0x200, 0x110, 0, 0x120, 0x300, 0x130];
        for number in numbers {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let table = SearchTable::of(false, 0x1000, &bytes).unwrap();
        assert_eq!(table.frames, 0x1104);
        let found = |address| table.lookup(address);
        assert_eq!(found(0xdff), None);
        assert_eq!(found(0xe00), Some(0x1110));
        assert_eq!(found(0xfff), Some(0x1110));
        assert_eq!(found(0x1000), Some(0x1120));
        assert_eq!(found(0x9000), Some(0x1130));
        // A count that is larger than the table, another way to write it, and nothing at all.
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        let table = SearchTable::of(false, 0x1000, &bytes).unwrap();
        assert_eq!(table.lookup(0x9000), Some(0x1130));
        bytes[3] = 0x33;
        assert!(SearchTable::of(false, 0x1000, &bytes).is_none());
        assert!(SearchTable::of(false, 0x1000, &[]).is_none());
    }
}
