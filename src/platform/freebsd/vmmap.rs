//! `struct kinfo_vmentry` (sys/user.h of FreeBSD 12 and newer): a record for each mapping, cut off behind
//! its path.

use crate::platform::bytes::word_of;
use crate::platform::record::Record;
use crate::platform::{MappedFile, Mapping};
use indexmap::IndexMap;

const START: usize = 8;
const END: usize = 16;
const OFFSET: usize = 24;
const INODE: usize = 32;
const TYPE: usize = 4;
const PROTECTION: usize = 56;
const DEVICE: usize = 88;
const PATH: usize = 136;
/// More than the head of a record and the longest path are not one.
const LONGEST: usize = PATH + 1024 + 8;

#[cfg(all(target_os = "freebsd", target_pointer_width = "64"))]
const _: () = {
    use std::mem::offset_of;
    assert!(offset_of!(libc::kinfo_vmentry, kve_type) == TYPE);
    assert!(offset_of!(libc::kinfo_vmentry, kve_start) == START);
    assert!(offset_of!(libc::kinfo_vmentry, kve_end) == END);
    assert!(offset_of!(libc::kinfo_vmentry, kve_offset) == OFFSET);
    assert!(offset_of!(libc::kinfo_vmentry, kve_vn_fileid) == INODE);
    assert!(offset_of!(libc::kinfo_vmentry, kve_protection) == PROTECTION);
    assert!(offset_of!(libc::kinfo_vmentry, kve_vn_fsid) == DEVICE);
    assert!(offset_of!(libc::kinfo_vmentry, kve_path) == PATH);
};

/// KVME_TYPE_VNODE: there is a file behind it.
const OF_FILE: u32 = 2;
/// KVME_PROT_WRITE and KVME_PROT_EXEC.
const WRITE: u32 = 2;
const EXECUTE: u32 = 4;

/// One mapping.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct VmEntry<'a> {
    pub mapping: Mapping,
    pub inode: u64,
    pub device: u64,
    pub path: &'a [u8],
}

/// All records; `None` when one is not as the kernel writes them.
pub(super) fn entries(bytes: &[u8]) -> Option<Vec<VmEntry<'_>>> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let size = usize::try_from(Record(rest).u32(0)?).ok()?;
        // The last one may be of length 0, and ends the list.
        if size == 0 {
            break;
        }
        let one = rest
            .get(..size)
            .filter(|_| (PATH..=LONGEST).contains(&size))?;
        found.push(entry(Record(one))?);
        rest = rest.get(size..)?;
    }
    Some(found)
}

fn entry(record: Record<'_>) -> Option<VmEntry<'_>> {
    let protection = record.u32(PROTECTION)?;
    let of_file = record.u32(TYPE)? == OF_FILE;
    let mapping = Mapping {
        start: record.u64(START)?,
        end: record.u64(END)?,
        file_offset: if of_file { record.u64(OFFSET)? } else { 0 },
        writable: protection & WRITE != 0,
        executable: protection & EXECUTE != 0,
        anonymous: !of_file,
        // Where `brk` put it is not told.
        heap: false,
    };
    (mapping.start < mapping.end).then(|| VmEntry {
        mapping,
        inode: record.u64(INODE).unwrap_or(0),
        device: record.u64(DEVICE).unwrap_or(0),
        path: record.text(PATH, LONGEST),
    })
}

/// The files among them that have code, in order of address.
pub(super) fn programs(entries: &[VmEntry<'_>], device_name: fn(u64) -> String) -> Vec<MappedFile> {
    let mut files: IndexMap<(u64, u64, &[u8]), Vec<Mapping>> = IndexMap::new();
    for entry in entries {
        if !entry.mapping.anonymous && entry.path.first() == Some(&b'/') {
            let key = (entry.device, entry.inode, entry.path);
            files.entry(key).or_default().push(entry.mapping);
        }
    }
    files
        .into_iter()
        .filter(|(_, maps)| maps.iter().any(|map| map.executable))
        .map(|((device, inode, path), maps)| MappedFile {
            path: word_of(path.to_vec()).into(),
            maps,
            deleted: false,
            inode,
            device: device_name(device),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    /// A record with its path, cut off as the kernel does: to a multiple of 8 bytes.
    fn record(kind: u32, range: (u64, u64), offset: u64, protection: u32, path: &str) -> Vec<u8> {
        let mut bytes = vec![0; (136 + path.len() + 1).next_multiple_of(8)];
        let size = bytes.len() as u32;
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        put(0, &size.to_le_bytes());
        put(4, &kind.to_le_bytes());
        put(8, &range.0.to_le_bytes());
        put(16, &range.1.to_le_bytes());
        put(24, &offset.to_le_bytes());
        put(32, &205_736_u64.to_le_bytes());
        put(56, &protection.to_le_bytes());
        put(88, &0x7000_0001_u64.to_le_bytes());
        put(136, path.as_bytes());
        bytes
    }

    fn a_perl() -> Vec<u8> {
        [
            record(2, (0x20_0000, 0x22_0000), 0, 1, "/usr/local/bin/perl"),
            record(
                2,
                (0x22_0000, 0x40_0000),
                0x2_0000,
                5,
                "/usr/local/bin/perl",
            ),
            record(
                2,
                (0x40_0000, 0x40_4000),
                0x20_0000,
                3,
                "/usr/local/bin/perl",
            ),
            record(1, (0x40_4000, 0x40_8000), 0, 3, ""),
            record(2, (0x80_0000, 0x80_1000), 0, 1, "/usr/share/locale/C"),
            record(3, (0x90_0000, 0x91_0000), 0x77, 3, ""),
        ]
        .concat()
    }

    #[test]
    fn mappings_are_what_the_kernel_says() {
        let bytes = a_perl();
        let found = entries(&bytes).unwrap();
        assert_eq!(found.len(), 6);
        let code = Mapping {
            start: 0x22_0000,
            end: 0x40_0000,
            file_offset: 0x2_0000,
            writable: false,
            executable: true,
            anonymous: false,
            heap: false,
        };
        assert_eq!(found[1].mapping, code);
        assert!(found[3].mapping.anonymous && found[3].mapping.writable);
        // What swap holds has an offset, but of no file.
        assert_eq!(found[5].mapping.file_offset, 0);
        let maps: Vec<Mapping> = found.iter().map(|e| e.mapping).collect();
        let data = crate::platform::data_ranges(&maps);
        assert_eq!(data, [(0x40_0000, 0x40_4000), (0x40_4000, 0x40_8000)]);
    }

    #[test]
    fn files_with_code_are_programs() {
        let bytes = a_perl();
        let name = |device| format!("{device:x}");
        let [perl] = &programs(&entries(&bytes).unwrap(), name)[..] else {
            panic!("not one program");
        };
        assert_eq!(perl.path, Path::new("/usr/local/bin/perl"));
        assert_eq!((perl.inode, perl.maps.len()), (205_736, 3));
        assert_eq!(perl.device, "70000001");
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let good = a_perl();
        for cut in [1, 4, 100, good.len() - 1] {
            assert_eq!(entries(&good[..cut]), None, "{cut}");
        }
        let mut backwards = record(2, (2, 1), 0, 1, "/x");
        assert_eq!(entries(&backwards), None);
        backwards[..4].fill(0xff);
        assert_eq!(entries(&backwards), None);
        backwards[..4].copy_from_slice(&8_u32.to_le_bytes());
        assert_eq!(entries(&backwards), None);
        assert_eq!(entries(&[]), Some(Vec::new()));
        assert_eq!(entries(&[0; 136]), Some(Vec::new()));
    }
}
