//! Everything that is mapped, of what the kernel says of regions and the dynamic linker of images.

use super::images::{EXECUTE, LoadedImage, WRITE};
use crate::platform::Mapping;

/// One region (`mach_vm_region`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Region {
    pub start: u64,
    pub size: u64,
    /// VM_PROT_…; none where nobody may even read, as in guard pages and what is only reserved.
    pub protection: u64,
}

/// The regions as mappings, those of images with their place in the file: the kernel's own offset is
/// that into a copy, once a page was written to.
pub(super) fn mappings(regions: &[Region], images: &[LoadedImage]) -> Vec<Mapping> {
    let mut of_files: Vec<&Mapping> = images.iter().flat_map(|image| &image.maps).collect();
    of_files.sort_unstable_by_key(|map| map.start);
    let mut found: Vec<Mapping> = regions
        .iter()
        .filter(|region| region.protection != 0)
        .filter_map(|region| {
            let end = region.start.checked_add(region.size)?;
            let before = of_files.partition_point(|map| map.start <= region.start);
            let file = before.checked_sub(1).and_then(|at| of_files.get(at));
            let file = file.filter(|map| region.start < map.end);
            Some(Mapping {
                start: region.start,
                end,
                file_offset: file.map_or(0, |map| {
                    map.file_offset.wrapping_add(region.start - map.start)
                }),
                writable: region.protection & WRITE != 0,
                executable: region.protection & EXECUTE != 0,
                anonymous: file.is_none(),
                heap: false,
            })
        })
        .filter(|map| map.start < map.end)
        .collect();
    found.sort_unstable_by_key(|map| map.start);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(start: u64, size: u64, protection: u64) -> Region {
        Region {
            start,
            size,
            protection,
        }
    }

    fn image() -> LoadedImage {
        let map = |start: u64, end: u64, file_offset: u64, writable: bool| Mapping {
            start,
            end,
            file_offset,
            writable,
            executable: !writable,
            anonymous: false,
            heap: false,
        };
        LoadedImage {
            address: 0x10_0000,
            path: b"/opt/bin/perl".to_vec(),
            maps: vec![
                map(0x10_0000, 0x18_0000, 0, false),
                map(0x18_0000, 0x20_0000, 0x8_0000, true),
            ],
        }
    }

    #[test]
    fn regions_of_images_have_their_place_in_the_file() {
        let regions = [
            region(0x10_0000, 0x8_0000, 5),
            region(0x18_0000, 0x4_0000, 3),
            // Nothing of the file: what is zero at first.
            region(0x1c_0000, 0x4_0000, 3),
            region(0x20_0000, 0x1_0000, 3),
            // Only reserved, and one that cannot be.
            region(0x30_0000, 0x1_0000, 0),
            region(u64::MAX - 1, 0x1000, 3),
        ];
        let found = mappings(&regions, &[image()]);
        let short: Vec<(u64, u64, bool)> = found
            .iter()
            .map(|m| (m.start, m.file_offset, m.anonymous))
            .collect();
        let expected = [
            (0x10_0000, 0, false),
            (0x18_0000, 0x8_0000, false),
            (0x1c_0000, 0xc_0000, false),
            (0x20_0000, 0, true),
        ];
        assert_eq!(short, expected);
        assert!(found[0].executable && !found[0].writable && found[1].writable);
        // The program's own data, and what touches it.
        let data = crate::platform::data_ranges(&found);
        assert_eq!(data.first(), Some(&(0x18_0000, 0x1c_0000)));
    }
}
