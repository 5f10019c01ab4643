//! What Mach-O files have otherwise than ELF: names with an underscore in front, no sizes of symbols,
//! several processors in one file, and pointers that keep other things in their upper bits.

use super::FileBytes;
use object::read::macho::{FatArch, MachHeader, MachOFatFile, MachOFile};
use object::{
    BinaryFormat, Endianness, File, FileKind, Object, ObjectSection, ObjectSymbol, SegmentFlags,
    macho,
};
use std::ops::Range;

/// Where symbols end, for files that do not say: where the next one begins, or the section ends.
pub(super) struct Extents {
    borders: Vec<u64>,
}

impl Extents {
    /// `None` for a file that says it.
    pub(super) fn of<'a>(file: &File<'a, &'a FileBytes>) -> Option<Self> {
        if file.format() != BinaryFormat::MachO {
            return None;
        }
        let defined = file.symbols().filter(|symbol| !symbol.is_undefined());
        let mut borders: Vec<u64> = defined.map(|symbol| symbol.address()).collect();
        for section in file.sections() {
            borders.push(section.address());
            borders.push(section.address().saturating_add(section.size()));
        }
        borders.sort_unstable();
        borders.dedup();
        Some(Extents { borders })
    }

    /// The size of what begins at an address.
    pub(super) fn size(&self, address: u64) -> u64 {
        let next = self.borders.partition_point(|border| *border <= address);
        let next = self.borders.get(next);
        next.map_or(0, |end| end.saturating_sub(address))
    }
}

/// Of a file for several processors the part that is for ours, or the first.
pub(super) fn slice(data: &FileBytes) -> Option<Range<u64>> {
    fn of<F: FatArch>(data: &FileBytes) -> Option<Range<u64>> {
        let file = MachOFatFile::<F>::parse(data).ok()?;
        let ours = match std::env::consts::ARCH {
            "aarch64" => macho::CPU_TYPE_ARM64,
            _ => macho::CPU_TYPE_X86_64,
        };
        let all = file.arches();
        let one = all
            .iter()
            .find(|arch| arch.cputype() == ours)
            .or(all.first())?;
        let (start, size) = one.file_range();
        Some(start..start.checked_add(size)?)
    }
    match FileKind::parse(data).ok()? {
        FileKind::MachOFat32 => of::<macho::FatArch32>(data),
        FileKind::MachOFat64 => of::<macho::FatArch64>(data),
        _ => None,
    }
}

/// Where the names of symbols are; `None` for another kind of file.
pub(super) fn names<'a>(file: &File<'a, &'a FileBytes>) -> Option<Range<u64>> {
    fn of<'a, M: MachHeader<Endian = Endianness>>(
        file: &MachOFile<'a, M, &'a FileBytes>,
    ) -> Option<Range<u64>> {
        let endian = file.endian();
        let mut commands = file.macho_load_commands().ok()?;
        while let Some(command) = commands.next().ok()? {
            if let Some(table) = command.symtab().ok()? {
                let start = u64::from(table.stroff.get(endian));
                return Some(start..start.checked_add(table.strsize.get(endian).into())?);
            }
        }
        None
    }
    match file {
        File::MachO32(file) => of(file),
        File::MachO64(file) => of(file),
        _ => None,
    }
}

/// What a segment may be used for at first, which is what counts: later more may be allowed.
pub(super) fn protection(flags: SegmentFlags) -> Option<(bool, bool)> {
    match flags {
        SegmentFlags::MachO { initprot, .. } => Some((
            initprot.contains(macho::VM_PROT_WRITE),
            initprot.contains(macho::VM_PROT_EXECUTE),
        )),
        _ => None,
    }
}

/// Where a pointer in a file leads: newer linkers keep the next pointer of a chain and more in its
/// upper 28 bits, and may count from the file's header on (mach-o/fixup-chains.h). `base` is where
/// that is, and `is_inside` knows the file's addresses.
pub(super) fn target(word: u64, base: u64, is_inside: impl Fn(u64) -> bool) -> u64 {
    let low = word & ((1 << 36) - 1);
    let all = [word, low, base.wrapping_add(low)];
    all.into_iter()
        .find(|place| is_inside(*place))
        .unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::super::{Image, may_define_perl};
    use super::*;
    use std::path::Path;
    use std::sync::Arc;

    const TEXT: u64 = 0x1_0000_0000;
    const DATA: u64 = TEXT + 0x4000;

    fn words(all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn name(text: &str) -> Vec<u8> {
        let mut name = text.as_bytes().to_vec();
        name.resize(16, 0);
        name
    }

    /// A section: name, segment, address, size, place in the file, kind.
    fn section(names: [&str; 2], address: u64, size: u64, offset: u32, kind: u32) -> Vec<u8> {
        let numbers = [address, size].map(u64::to_le_bytes).concat();
        let rest = words(&[offset, 3, 0, 0, kind, 0, 0, 0]);
        [names.map(name).concat(), numbers, rest].concat()
    }

    /// A segment: name, what it may be used for, what is where, its sections.
    fn segment(text: &str, use_: u32, place: [u64; 4], sections: &[Vec<u8>]) -> Vec<u8> {
        let inside = sections.concat();
        let size = 72 + inside.len() as u32;
        let numbers = place.map(u64::to_le_bytes).concat();
        // More may be allowed later than is at first.
        let rest = words(&[7, use_, sections.len() as u32, 0]);
        [words(&[0x19, size]), name(text), numbers, rest, inside].concat()
    }

    const STRINGS: &[u8] = b"PERL5LIB\0pushmark\0nextstate\0null\0stub\0\0";
    const UUID: [u8; 16] = *b"0123456789abcdef";

    /// A perl without threads, as Apple's linker makes it: names with an underscore, symbols without
    /// sizes. Its pointers have `mark` in their upper bits.
    fn perl(mark: u64) -> Vec<u8> {
        let symbols: [(&str, u8, u64); 8] = [
            ("_PL_revision", 1, TEXT + 0x2000),
            ("_PL_version", 1, TEXT + 0x2001),
            ("_PL_subversion", 1, TEXT + 0x2002),
            ("_PL_bincompat_options", 1, TEXT + 0x2008),
            ("_PL_op_name", 3, DATA),
            ("_Perl_private", 3, DATA + 16),
            ("_PL_curcop", 4, DATA + 0x1000),
            ("_PL_curinterp", 4, DATA + 0x1010),
        ];
        let mut names = vec![0];
        let mut table = Vec::new();
        for (text, section, address) in symbols {
            table.extend((names.len() as u32).to_le_bytes());
            table.extend([0x0f, section, 0, 0]);
            table.extend(u64::to_le_bytes(address));
            names.extend(text.as_bytes());
            names.push(0);
        }
        let strings = STRINGS.len() as u64;
        let text = [
            section(["__const", "__TEXT"], TEXT + 0x2000, 0x800, 0x2000, 0),
            section(["__cstring", "__TEXT"], TEXT + 0x3000, strings, 0x3000, 2),
        ];
        let data = [
            section(["__data", "__DATA"], DATA, 24, 0x4000, 0),
            section(["__common", "__DATA"], DATA + 0x1000, 0x18, 0, 1),
        ];
        let commands = [
            segment("__PAGEZERO", 0, [0, TEXT, 0, 0], &[]),
            segment("__TEXT", 5, [TEXT, 0x4000, 0, 0x4000], &text),
            segment("__DATA", 3, [DATA, 0x4000, 0x4000, 0x1000], &data),
            segment(
                "__LINKEDIT",
                1,
                [DATA + 0x4000, 0x4000, 0x5000, 0x1000],
                &[],
            ),
            [words(&[0x1b, 24]), UUID.to_vec()].concat(),
            words(&[2, 24, 0x5000, 8, 0x5800, names.len() as u32]),
        ];
        let all = commands.concat();
        let count = commands.len() as u32;
        let head = words(&[
            0xfeed_facf,
            0x0100_000c,
            0,
            2,
            count,
            all.len() as u32,
            0x85,
            0,
        ]);
        let mut file = [head, all].concat();
        file.resize(0x6000, 0);
        let mut put = |at: usize, bytes: &[u8]| file[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x2000, &[5, 41, 13]);
        put(0x2008, b" USE_64_BIT_ALL USE_64_BIT_INT\0");
        put(0x3000, STRINGS);
        let place = STRINGS.windows(5).position(|w| w == b"null\0").unwrap() as u64;
        let pointers = [place, place + 5].map(|at| (0x3000 + at + TEXT) | mark);
        put(0x4000, &pointers.map(u64::to_le_bytes).concat());
        put(0x5000, &table);
        put(0x5800, &names);
        file
    }

    fn image(bytes: &[u8]) -> (Image, bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perl");
        std::fs::write(&path, bytes).unwrap();
        let file = || std::fs::File::open(&path).unwrap();
        let glance = may_define_perl(&path, file(), Arc::default(), true).unwrap();
        let image = Image::of_file(Path::new("perl"), file(), Arc::default()).unwrap();
        (image, glance)
    }

    #[test]
    fn a_perl_of_macos_tells_what_one_of_linux_tells() {
        let (image, glance) = image(&perl(0));
        assert!(glance && image.is_mach_o() && image.defines_interpreter());
        let identity = crate::identity::Identity::of(&image).unwrap();
        assert_eq!(identity.version.to_string(), "5.41.13");
        assert_eq!(identity.build, crate::identity::Build::Unthreaded);
        assert_eq!(identity.machine.as_deref(), Some("aarch64"));
        let options = identity.options.unwrap();
        assert_eq!(options, ["USE_64_BIT_ALL", "USE_64_BIT_INT"]);
        assert_eq!(image.build_id(), Some(&UUID[..]));
        assert!(image.mentions_perl());
    }

    #[test]
    fn symbols_end_where_the_next_one_begins_or_the_section_ends() {
        let (image, _) = image(&perl(0));
        let size = |name: &str| image.symbol(name).unwrap().size;
        assert_eq!((size("PL_revision"), size("PL_op_name")), (1, 16));
        assert_eq!((size("PL_curcop"), size("PL_curinterp")), (0x10, 8));
        assert_eq!(image.symbol("_PL_curcop"), None);
    }

    #[test]
    fn names_of_ops_are_behind_pointers_of_old_and_new_linkers() {
        for mark in [0, 1 << 63, 0x0040_0000_0000_0000] {
            let (image, _) = image(&perl(mark));
            let names = image.string_array("PL_op_name").unwrap();
            let names: Vec<&str> = names.iter().flatten().map(String::as_str).collect();
            assert_eq!(names, ["null", "stub"], "{mark:#x}");
        }
        // As DYLD_CHAINED_PTR_64_OFFSET counts: from the header on.
        let inside = |address: u64| (TEXT..TEXT + 0x4000).contains(&address);
        assert_eq!(target(0x3001, TEXT, inside), TEXT + 0x3001);
        assert_eq!(target(7, 0, |_| false), 7);
    }

    #[test]
    fn the_loader_moves_all_segments_alike() {
        let (image, _) = image(&perl(0));
        let map = |start: u64, length: u64, file_offset: u64| crate::platform::Mapping {
            start,
            end: start + length,
            file_offset,
            writable: false,
            executable: false,
            anonymous: false,
            heap: false,
        };
        let slide = 0x0123_4000;
        let text = map(TEXT + slide, 0x4000, 0);
        let data = map(DATA + slide, 0x4000, 0x4000);
        assert_eq!(image.load_bias(&[text, data]), Some(slide));
        assert_eq!(image.load_bias(&[data]), Some(slide));
        // What may be written at first counts, not what may ever be.
        let (start, end) = (DATA + slide, DATA + slide + 0x9000);
        let cut = image.cut_to_data(slide, (start, end));
        assert_eq!(cut, (start, DATA + slide + 0x4000));
    }

    #[test]
    fn of_a_file_for_two_processors_one_part_is_read() {
        let one = perl(0);
        let size = one.len() as u32;
        let arch =
            |cpu: u32, offset: u32| [cpu, 0, offset, size, 14].map(u32::to_be_bytes).concat();
        let head = [0xcafe_babe_u32, 2].map(u32::to_be_bytes).concat();
        let mut both = [head, arch(0x0100_0007, 0x8000), arch(0x0100_000c, 0x1_0000)].concat();
        both.resize(0x8000, 0);
        both.extend(&one);
        both.resize(0x1_0000, 0);
        both.extend(&one);
        let (image, glance) = image(&both);
        assert!(glance && image.defines_interpreter());
        assert_eq!(image.string_array("PL_op_name").unwrap().len(), 2);
        // A part that is not there.
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), &both[..0x9000]).unwrap();
        let cut = Image::open(Path::new("perl"), path.path());
        assert!(cut.is_err());
    }

    #[test]
    fn damage_is_no_panic() {
        let good = perl(0);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("perl");
        for at in (0..0x400).chain(0x5000..0x5080) {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            std::fs::write(&path, &bad).unwrap();
            if let Ok(image) = Image::open(Path::new("perl"), &path) {
                let _ = crate::identity::Identity::of(&image);
                let _ = (image.string_array("PL_op_name"), image.mentions_perl());
            }
        }
    }
}
