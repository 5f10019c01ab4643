//! The programs and libraries of a process, as its dynamic linker keeps them for debuggers
//! (mach-o/dyld_images.h), and where each has its segments, as its header in memory says
//! (mach-o/loader.h).

use crate::memory::{Abi, Memory, Reader};
use crate::platform::Mapping;

/// No process has more; what it says is its own.
const MOST_IMAGES: u64 = 16 << 10;
/// `struct dyld_image_info` of 64 bits: load address, path, time.
const INFO: u64 = 24;
/// In bytes: PATH_MAX of sys/syslimits.h.
const LONGEST_PATH: usize = 1024;
/// `struct mach_header_64`.
const HEADER: u64 = 32;
/// No program has more bytes of load commands.
const MOST_COMMANDS: u64 = 1 << 20;
/// MH_MAGIC_64.
const MAGIC: u64 = 0xfeed_facf;
/// MH_DYLIB_IN_CACHE: it is part of the system's one large file, and is no file of its own.
const IN_CACHE: u64 = 0x8000_0000;
/// LC_SEGMENT_64, and the sizes of what it describes.
const SEGMENT: u64 = 0x19;
const SEGMENT_LENGTH: u64 = 72;
/// VM_PROT_WRITE and VM_PROT_EXECUTE.
pub(super) const WRITE: u64 = 2;
pub(super) const EXECUTE: u64 = 4;

/// One program or library.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LoadedImage {
    /// Where its header is.
    pub address: u64,
    /// What the linker calls it: the process's own word.
    pub path: Vec<u8>,
    /// What of the file is where, lowest address first.
    pub maps: Vec<Mapping>,
}

/// What is read of a process here: programs of 64 bits, as all are since macOS 10.15.
const ABI: Abi = Abi {
    pointer_size: 8,
    big_endian: false,
};

/// Those that have a file of their own. `infos` is where `struct dyld_all_image_infos` is. `None` where
/// it cannot be read, or the linker is just changing it.
pub(super) fn loaded_images(memory: &dyn Memory, infos: u64) -> Option<Vec<LoadedImage>> {
    let reader = Reader::new(memory, ABI);
    // Version, number of images, address of the array, which is 0 while it changes.
    let count = reader.uint(infos.checked_add(4)?, 4).ok()?;
    let array = reader.pointer(infos.checked_add(8)?).ok()?;
    if array == 0 || count > MOST_IMAGES {
        return None;
    }
    let length = usize::try_from(count.checked_mul(INFO)?).ok()?;
    let bytes = reader.bytes(array, length).ok()?;
    let mut found = Vec::new();
    for info in bytes.chunks_exact(24) {
        let address = ABI.pointer(info, 0)?;
        let path = ABI.pointer(info, 8)?;
        // One that is being unloaded cannot be read any more.
        let Some(maps) = segments(&reader, address) else {
            continue;
        };
        let path = reader.c_strings(&[path], LONGEST_PATH).ok();
        let path = path.and_then(|mut one| one.pop().flatten());
        found.push(LoadedImage {
            address,
            path: path.unwrap_or_default(),
            maps,
        });
    }
    Some(found)
}

/// Where the segments of the image at this address are; `None` for what is none, or is in the system's
/// cache.
fn segments(reader: &Reader<'_>, address: u64) -> Option<Vec<Mapping>> {
    let header = reader.bytes(address, HEADER as usize).ok()?;
    let word = |at: usize| ABI.uint(&header, at, 4);
    let (magic, size, flags) = (word(0)?, word(20)?, word(24)?);
    if magic != MAGIC || flags & IN_CACHE != 0 || size > MOST_COMMANDS {
        return None;
    }
    let commands = address.checked_add(HEADER)?;
    let commands = reader.bytes(commands, usize::try_from(size).ok()?).ok()?;
    let all = parse_segments(&commands)?;
    // The header is at the beginning of the file, and so at that of its first segment.
    let text = all.iter().find(|s| s.file_offset == 0 && s.file_size > 0)?;
    let slide = address.wrapping_sub(text.address);
    let mut maps: Vec<Mapping> = all
        .iter()
        .filter(|s| s.protection != 0)
        .filter_map(|s| {
            let start = s.address.wrapping_add(slide);
            Some(Mapping {
                start,
                end: start.checked_add(s.size)?,
                file_offset: s.file_offset,
                writable: s.protection & WRITE != 0,
                executable: s.protection & EXECUTE != 0,
                anonymous: false,
                heap: false,
            })
        })
        .filter(|map| map.start < map.end)
        .collect();
    maps.sort_unstable_by_key(|map| map.start);
    (!maps.is_empty()).then_some(maps)
}

/// A segment, as the file counts.
#[derive(Debug, PartialEq, Eq)]
struct MachSegment {
    address: u64,
    size: u64,
    file_offset: u64,
    file_size: u64,
    /// At first.
    protection: u64,
}

/// The segments among load commands; `None` where these are not what they should be.
fn parse_segments(commands: &[u8]) -> Option<Vec<MachSegment>> {
    let mut found = Vec::new();
    let mut rest = commands;
    while !rest.is_empty() {
        let (kind, size) = (ABI.uint(rest, 0, 4)?, ABI.uint(rest, 4, 4)?);
        let one = rest.get(..usize::try_from(size).ok()?)?;
        if size < 8 {
            return None;
        }
        if kind == SEGMENT && size >= SEGMENT_LENGTH {
            let number = |at: usize| ABI.uint(one, at, 8);
            found.push(MachSegment {
                address: number(24)?,
                size: number(32)?,
                file_offset: number(40)?,
                file_size: number(48)?,
                protection: ABI.uint(one, 60, 4)?,
            });
        }
        rest = rest.get(one.len()..)?;
    }
    Some(found)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::memory::FakeMemory;

    fn segment(name: &str, place: (u64, u64), file: (u64, u64), protection: u32) -> Vec<u8> {
        let mut command = [0x19_u32, 72].map(u32::to_le_bytes).concat();
        command.extend(name.as_bytes());
        command.resize(24, 0);
        for number in [place.0, place.1, file.0, file.1] {
            command.extend(number.to_le_bytes());
        }
        for number in [7, protection, 0, 0] {
            command.extend(number.to_le_bytes());
        }
        command
    }

    /// The header of a program that the linker put at 0x1_0000_0000.
    pub(in super::super) fn header(flags: u32) -> Vec<u8> {
        let uuid = [&[0x1b_u32, 24].map(u32::to_le_bytes).concat()[..], &[7; 16]].concat();
        let commands = [
            segment("__PAGEZERO", (0, 0x1_0000_0000), (0, 0), 0),
            uuid,
            segment("__TEXT", (0x1_0000_0000, 0x8000), (0, 0x8000), 5),
            segment("__DATA", (0x1_0000_8000, 0x8000), (0x8000, 0x4000), 3),
            segment("__LINKEDIT", (0x1_0001_0000, 0x4000), (0xc000, 0x1234), 1),
        ]
        .concat();
        let words = [
            0xfeed_facf,
            0x0100_000c,
            0,
            2,
            5,
            commands.len() as u32,
            flags,
            0,
        ];
        [words.map(u32::to_le_bytes).concat(), commands].concat()
    }

    const INFOS: u64 = 0x7000;
    const HERE: u64 = 0x1_0200_0000;

    /// A process with a program at HERE, a library in the cache, and one that is gone.
    fn process() -> FakeMemory {
        let mut memory = FakeMemory::new();
        let infos = [17_u32, 3].map(u32::to_le_bytes).concat();
        let infos = [infos, 0x8000_u64.to_le_bytes().to_vec()].concat();
        memory.map(INFOS, infos);
        let info = |address: u64, path: u64| [address, path, 0].map(u64::to_le_bytes).concat();
        let array = [
            info(HERE, 0x9000),
            info(0x1_8000_0000, 0x9100),
            info(0x666_0000, 0x9000),
        ];
        memory.map(0x8000, array.concat());
        let mut path = b"/opt/bin/perl\0".to_vec();
        path.resize(0x200, 0);
        memory.map(0x9000, path);
        let room = |mut bytes: Vec<u8>| {
            bytes.resize(0x1000, 0);
            bytes
        };
        memory.map(HERE, room(header(0x20_0085)));
        memory.map(0x1_8000_0000, room(header(0x8000_0000)));
        memory
    }

    #[test]
    fn images_are_where_the_linker_says() {
        let found = loaded_images(&process(), INFOS).unwrap();
        let [perl] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(
            (perl.address, &perl.path[..]),
            (HERE, &b"/opt/bin/perl"[..])
        );
        let maps: Vec<(u64, u64, u64, bool, bool)> = perl
            .maps
            .iter()
            .map(|m| (m.start, m.end, m.file_offset, m.writable, m.executable))
            .collect();
        let expected = [
            (HERE, HERE + 0x8000, 0, false, true),
            (HERE + 0x8000, HERE + 0x1_0000, 0x8000, true, false),
            (HERE + 0x1_0000, HERE + 0x1_4000, 0xc000, false, false),
        ];
        assert_eq!(maps, expected);
    }

    #[test]
    fn a_list_that_changes_or_lies_is_none() {
        let with = |count: u32, array: u64| {
            let mut memory = process();
            let infos = [17, count].map(u32::to_le_bytes).concat();
            memory.map(0x6000, [infos, array.to_le_bytes().to_vec()].concat());
            loaded_images(&memory, 0x6000)
        };
        assert_eq!(with(3, 0), None);
        assert_eq!(with(u32::MAX, 0x8000), None);
        assert_eq!(with(4000, 0x8000), None);
        assert_eq!(with(0, 0x8000), Some(Vec::new()));
        assert_eq!(loaded_images(&process(), u64::MAX - 2), None);
    }

    #[test]
    fn damaged_headers_have_no_segments() {
        let good = header(0);
        let commands = &good[32..];
        assert_eq!(parse_segments(commands).unwrap().len(), 4);
        for at in 0..commands.len() {
            let mut bad = commands.to_vec();
            bad[at] ^= 0xff;
            // Whatever comes of it, it ends.
            let _ = parse_segments(&bad);
        }
        for size in [0_u32, 7, u32::MAX] {
            let mut bad = commands.to_vec();
            bad[4..8].copy_from_slice(&size.to_le_bytes());
            assert_eq!(parse_segments(&bad), None, "{size}");
        }
        assert_eq!(parse_segments(&commands[..100]), None);
    }
}
