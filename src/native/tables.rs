//! What a file says of unwinding: its .eh_frame with the table that is searched for an address.

use crate::image::{Files, Image, Question};
use gimli::{BaseAddresses, EhFrame, EhFrameHdr, EndianSlice, ParsedEhFrameHdr, RunTimeEndian};
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
        let mut bases = BaseAddresses::default().set_eh_frame(self.frames.0);
        let header = self.header.as_ref().and_then(|(address, bytes)| {
            bases = bases.clone().set_eh_frame_hdr(*address);
            EhFrameHdr::new(bytes, endian)
                .parse(&bases, pointer_size)
                .ok()
        });
        let mut frames = EhFrame::new(&self.frames.1, endian);
        frames.set_address_size(pointer_size);
        ParsedTables {
            bases,
            frames,
            header,
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
    let endian = match file.is_little_endian() {
        true => RunTimeEndian::Little,
        false => RunTimeEndian::Big,
    };
    let bases = BaseAddresses::default().set_eh_frame_hdr(address);
    let width = if file.is_64() { 8 } else { 4 };
    let parsed = EhFrameHdr::new(header, endian).parse(&bases, width).ok()?;
    let frames = parsed.eh_frame_ptr().direct().ok()?;
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
    header: Option<ParsedEhFrameHdr<UnwindReader<'a>>>,
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
        let table = self.header.as_ref().and_then(ParsedEhFrameHdr::table);
        let found = match table {
            Some(table) => {
                // gimli's own way from here on takes for granted that it leads behind the section's start.
                let place = table.lookup(address, &self.bases).ok()?.direct().ok()?;
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
