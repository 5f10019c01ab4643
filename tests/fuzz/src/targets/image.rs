//! Files that the target maps: of Linux, and of other systems.

use super::file::TempFile;
use super::is_harmless;
use p5_spy::identity::Identity;
use p5_spy::identity::arrays::with_array_symbols;
use p5_spy::identity::references::references;
use p5_spy::identity::texts::FileFacts;
use p5_spy::image::{DebugFile, DebugSearch, Files, Image, may_define_perl};
use p5_spy::layout::{Sources, Table, TableSet, from_dwarf, resolve, table};
use p5_spy::memory::{FakeMemory, Reader};
use p5_spy::platform::Mapping;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// Variables that an attach asks for.
const NAMES: [&str; 7] = [
    "PL_curinterp",
    "PL_op_name",
    "PL_block_type",
    "PL_thr_key",
    "PL_curstackinfo",
    "PL_bincompat_options",
    "PL_no_such_name",
];

pub fn elf(data: &[u8]) {
    image(data);
}

/// PE and Mach-O.
pub fn foreign(data: &[u8]) {
    image(data);
}

fn open(data: &[u8]) -> Option<(Image, TempFile)> {
    let file = TempFile::new(data);
    let shown = Path::new("/nonexistent/perl");
    match Image::open(shown, file.path()) {
        Ok(image) => Some((image, file)),
        Err(e) => {
            is_harmless(&e.to_string());
            None
        }
    }
}

/// All that an attach asks of a file.
fn image(data: &[u8]) {
    let Some((image, file)) = open(data) else {
        return;
    };
    for is_program in [true, false] {
        let opened = File::open(file.path()).expect("a file of ours");
        let _ = may_define_perl(file.path(), opened, Arc::default(), is_program);
    }
    let symbols = image.symbols().count();
    assert!(symbols <= data.len(), "{symbols} symbols");
    for name in NAMES {
        let _ = image.symbol(name);
        let _ = image.pointer_array(name);
        for text in image.string_array(name).into_iter().flatten().flatten() {
            is_harmless(&text);
        }
    }
    let _ = (image.build_id_hex(), image.machine(), image.landmarks());
    let _ = (image.foreign_format(), image.mentions_perl());
    let mut code = 0;
    image.code_pieces(4, |_, bytes| code += bytes.len());
    let counted = references(&image, [0x1000, 0x4000].into_iter());
    assert!(counted.is_none_or(|counts| counts.len() == 2));
    let map = Mapping {
        start: 0x5555_0000,
        end: 0x5556_0000,
        file_offset: 0,
        writable: false,
        executable: true,
        anonymous: false,
        heap: false,
    };
    let bias = image.load_bias(&[map]).unwrap_or(0);
    if let Some(text) = FileFacts::by(&image).archname {
        is_harmless(&text);
    }
    identify(&image);
    let memory = FakeMemory::new();
    let reader = Reader::new(&memory, image.abi());
    let _ = with_array_symbols(&image, &reader, bias);
}

/// Which perl it is, and which layout.
fn identify(image: &Image) {
    static SOURCES: LazyLock<Sources> = LazyLock::new(|| Sources {
        debug: Some(no_folders()),
        ..Sources::built_in()
    });
    let Ok(identity) = Identity::of(image) else {
        return;
    };
    is_harmless(&identity.to_string());
    // What was found is kept by build-id, of which inputs have the same one.
    SOURCES.known.forget(image);
    match resolve(image, &identity, &SOURCES, &mut |word| {
        is_harmless(&word.text)
    }) {
        Ok(resolved) => is_harmless(&table::made_from(&identity, &resolved, image)),
        Err(e) => is_harmless(&e.to_string()),
    }
}

fn no_folders() -> DebugSearch {
    DebugSearch {
        folders: Vec::new(),
    }
}

/// There are no others.
struct NoFiles;

impl Files for NoFiles {
    fn theirs(&self, _: &Path) -> std::io::Result<File> {
        Err(std::io::ErrorKind::NotFound.into())
    }

    fn ours(&self, _: &Path) -> Option<File> {
        None
    }
}

pub fn dwarf(data: &[u8]) {
    let Some((image, _file)) = open(data) else {
        return;
    };
    let debug = match DebugFile::find(&image, &no_folders(), &NoFiles) {
        Ok(Some(debug)) => debug,
        Ok(None) => return,
        Err(e) => return is_harmless(&e.to_string()),
    };
    match from_dwarf(&image, &debug) {
        Ok(layout) => {
            let identity = FileFacts::by(&image);
            let _ = (layout.bind(), identity.build());
            for (spec, field) in layout.fields() {
                // Fit for being read: bits within the bytes that are loaded.
                let bits = u32::from(field.shift) + u32::from(field.bits);
                let loaded = 8 * u32::from(field.size);
                assert!(
                    bits <= loaded,
                    "{}.{}: {field:?}",
                    spec.structure,
                    spec.name
                );
            }
            writes_a_table(&layout);
        }
        Err(e) => is_harmless(&e.to_string()),
    }
}

/// What `layout-dump` prints is a table that can be read, or refused.
fn writes_a_table(layout: &p5_spy::layout::Layout) {
    static ANY: LazyLock<Identity> = LazyLock::new(|| {
        let tables = TableSet::embedded();
        tables.tables().next().expect("one").identity()
    });
    let text = table::write(&ANY, layout, "fuzzing");
    let _ = Table::parse(&text, Path::new("fuzzed.toml"));
}
