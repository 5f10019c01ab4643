//! What the linker made of the program: position-independent, in need of nothing, and with few
//! addresses to put right when it starts. `build/link.rs` says how it was to be linked.

use crate::loudly;

use loudly::loudly;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, elf};

type Header = elf::FileHeader64<Endianness>;

/// Far more than there are (CONTRIBUTING.md has the number); tables of `&str` come in thousands.
const MOST_RELOCATIONS: usize = if cfg!(debug_assertions) {
    36_000
} else {
    18_000
};

struct Linked {
    bytes: Vec<u8>,
}

impl Linked {
    fn read() -> Self {
        let bytes = std::fs::read(env!("CARGO_BIN_EXE_p5-spy")).unwrap();
        Linked { bytes }
    }

    fn header(&self) -> &Header {
        Header::parse(&*self.bytes).unwrap()
    }

    fn segments(&self) -> Vec<&elf::ProgramHeader64<Endianness>> {
        let header = self.header();
        let endian = header.endian().unwrap();
        let all = header.program_headers(endian, &*self.bytes).unwrap();
        all.iter().collect()
    }

    fn has_segment(&self, kind: elf::ProgramType) -> bool {
        let mut segments = self.segments().into_iter();
        segments.any(|s| s.p_type(Endianness::Little) == kind)
    }

    /// Values of the dynamic section.
    fn dynamic(&self, tag: elf::DynamicTag) -> Vec<u64> {
        let little = Endianness::Little;
        let mut segments = self.segments().into_iter();
        let entries = segments.find_map(|s| s.dynamic(little, &*self.bytes).unwrap());
        let entries = entries.unwrap_or_default().iter();
        let wanted = entries.filter(|e| e.d_tag(little) == tag);
        wanted.map(|e| e.d_val(little)).collect()
    }

    fn at(&self, address: u64, size: u64) -> &[u8] {
        let little = Endianness::Little;
        let mut segments = self.segments().into_iter();
        let found = segments.find_map(|s| {
            let found = s.data_range(little, &*self.bytes, address, size).unwrap()?;
            (s.p_type(little) == elf::PT_LOAD).then_some(found)
        });
        found.expect("a segment")
    }

    /// How many words are written to before `main`.
    fn relocations(&self) -> usize {
        let one = |tag| self.dynamic(tag).first().copied().unwrap_or_default();
        let plain = one(elf::DT_RELASZ) / 24;
        let size = one(elf::DT_RELRSZ);
        let packed = if size == 0 {
            &[][..]
        } else {
            self.at(one(elf::DT_RELR), size)
        };
        // An even word is the address of one, an odd one has a bit for each of the next 63.
        let words = packed.chunks_exact(8);
        let words = words.map(|w| u64::from_le_bytes(w.try_into().unwrap()));
        let count = words.map(|w| if w & 1 == 0 { 1 } else { w.count_ones() - 1 });
        usize::try_from(plain).unwrap() + count.sum::<u32>() as usize
    }
}

#[test]
fn the_program_is_linked_as_it_was_to_be() {
    let linked = Linked::read();
    let kind = linked.header().e_type.get(Endianness::Little);
    match env!("P5SPY_LINKED") {
        "static-pie" => {
            assert_eq!(kind, elf::ET_DYN);
            assert!(!linked.has_segment(elf::PT_INTERP));
            assert!(linked.has_segment(elf::PT_GNU_RELRO));
            assert!(linked.dynamic(elf::DT_NEEDED).is_empty());
            let relocations = linked.relocations();
            // None at all would mean that the count is wrong.
            assert!(
                (1_000..MOST_RELOCATIONS).contains(&relocations),
                "{relocations}"
            );
        }
        "static" => {
            loudly!("SKIPPED: this machine links no position-independent static program");
            assert_eq!(kind, elf::ET_EXEC);
            assert!(!linked.has_segment(elf::PT_INTERP));
        }
        other => loudly!("SKIPPED: the program is linked as usual ({other})"),
    }
}
