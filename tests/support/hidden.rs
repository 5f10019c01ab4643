//! A perl without the symbols by which it is known, as `strip` makes one of a static perl.

use std::path::Path;
use std::process::Command;

/// Takes the names of the symbols by which it is known from a copy of perl.
pub fn hide_symbols(copy: &Path) {
    use object::{Object, ObjectSection};
    let mut bytes = std::fs::read(copy).unwrap();
    let (start, size) = {
        let file = object::File::parse(&*bytes).unwrap();
        file.section_by_name(".dynstr")
            .unwrap()
            .file_range()
            .unwrap()
    };
    let names = &mut bytes[start as usize..(start + size) as usize];
    for name in [
        "curinterp",
        "op_name",
        "op_desc",
        "block_type",
        "version",
        "revision",
        "subversion",
        "interp_size",
        "bincompat",
    ] {
        let name = format!("PL_{name}");
        let places: Vec<usize> = memchr::memmem::find_iter(names, &name).collect();
        for at in places {
            names[at] = b'Q';
        }
    }
    // A new file: another test that forks while we write would keep the old one busy.
    let changed = copy.with_extension("changed");
    std::fs::write(&changed, bytes).unwrap();
    let moved = Command::new("cp").arg(&changed).arg(copy).status();
    assert!(moved.unwrap().success());
}
