//! What a Windows DLL or program exports: names with addresses, and no sizes.

use super::{FileBytes, Segment, Symbol};
use object::read::{ExportTarget, NameOrOrdinal};
use object::{BinaryFormat, File, Object, ObjectSegment};

/// The exports of a PE file. What is exported ends where the next export begins, or with its section:
/// so much is known of its size.
pub(super) fn exports<'a>(file: &File<'a, &'a FileBytes>) -> Vec<(Vec<u8>, Symbol)> {
    if file.format() != BinaryFormat::Pe {
        return Vec::new();
    }
    let mut found: Vec<(Vec<u8>, u64)> = Vec::new();
    for export in file.exports().into_iter().flatten().flatten() {
        if let (NameOrOrdinal::Name(name), ExportTarget::Address { address }) =
            (export.name(), export.target())
        {
            found.push((name.to_vec(), address));
        }
    }
    found.sort_unstable_by_key(|(_, address)| *address);
    let sections: Vec<(u64, u64)> = file
        .segments()
        .map(|s| (s.address(), s.address().saturating_add(s.size())))
        .collect();
    let mut sized = Vec::with_capacity(found.len());
    let mut next = u64::MAX;
    let mut end = u64::MAX;
    for (name, address) in found.into_iter().rev() {
        // Two names of one place are of the same size.
        if address < next {
            let section = sections.iter().find(|(s, e)| *s <= address && address < *e);
            end = section.map_or(address, |(_, e)| (*e).min(next));
            next = address;
        }
        let size = end.saturating_sub(address);
        sized.push((name, Symbol { address, size }));
    }
    sized
}

/// The headers of a PE file, which the loader puts where the module begins; no section has them.
pub(super) fn headers<'a>(file: &File<'a, &'a FileBytes>) -> Option<Segment> {
    let places = file.segments().map(|s| s.file_range().0);
    let size = places.filter(|at| *at > 0).min()?;
    (file.format() == BinaryFormat::Pe).then(|| Segment {
        address: file.relative_address_base(),
        file_offset: 0,
        file_size: size,
        memory_size: size,
        writable: false,
        executable: false,
    })
}
