//! A real perl of macOS, where `P5SPY_TEST_MACHO` names one (without threads, of a version that there is a
//! table for): what its file tells, and its variables in a process that exists only in memory. What files
//! of macOS have otherwise is tested beside `src/image/macho.rs` with one made by hand.

#[allow(dead_code)] // Another test uses the rest.
use crate::fake_perl;
use crate::loudly;

use fake_perl::{Context, FakePerl, StackModel};
use loudly::loudly;
use object::{Object, ObjectSegment};
use p5_spy::frames::FrameTable;
use p5_spy::identity::{Build, Identity};
use p5_spy::image::Image;
use p5_spy::layout::{Table, TableSet};
use p5_spy::memory::{Memory, Reader};
use p5_spy::perl::locate::{Interpreter, VariableMap};
use p5_spy::perl::names::Names;
use p5_spy::perl::sample::ThreadSampler;
use p5_spy::perl::values::context::PerlView;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

/// How far the process has it moved.
const SLIDE: u64 = 0x0420_0000;

/// The file, its name, and the table that is for it.
fn perl() -> Option<(PathBuf, Image, Identity)> {
    let Some(path) = std::env::var_os("P5SPY_TEST_MACHO").map(PathBuf::from) else {
        loudly!("LEFT OUT: P5SPY_TEST_MACHO names no perl of macOS");
        return None;
    };
    let image = Image::open(&path, &path).unwrap();
    let identity = Identity::of(&image).unwrap();
    Some((path, image, identity))
}

fn table<'t>(tables: &'t TableSet, identity: &Identity) -> &'t Table {
    let all = tables.matching(identity);
    let [table] = all.as_slice() else {
        panic!("{identity}: {} tables", all.len());
    };
    table
}

#[test]
fn the_file_says_which_perl_it_is() {
    let Some((_, image, identity)) = perl() else {
        return;
    };
    assert!(image.is_mach_o());
    assert_eq!(identity.build, Build::Unthreaded);
    assert_eq!(image.build_id().map(<[u8]>::len), Some(16));
    assert!(identity.archname.unwrap().contains("darwin"));
    let blocks = image.string_array("PL_block_type").unwrap();
    let blocks: Vec<&str> = blocks.iter().flatten().map(String::as_str).collect();
    assert_eq!(blocks.first(), Some(&"NULL"));
    for name in ["SUB", "EVAL", "FORMAT"] {
        assert!(blocks.contains(&name), "{blocks:?}");
    }
    let size = |name: &str| image.symbol(name).unwrap().size;
    assert_eq!((size("PL_version"), size("PL_savestack_ix")), (1, 4));
    assert!([8, 16].contains(&size("PL_curcop")));
}

#[test]
fn its_table_is_what_layout_dump_prints() {
    let Some((path, _, identity)) = perl() else {
        return;
    };
    let tables = TableSet::embedded();
    assert!(!table(&tables, &identity).name().is_empty());
    let own = format!("layouts/{}-unthreaded.toml", identity.version);
    let mut dump = Command::new(env!("CARGO_BIN_EXE_p5-spy"));
    let out = dump.arg("layout-dump").arg(&path).output().unwrap();
    let said = String::from_utf8(out.stderr).unwrap();
    assert!(out.status.success(), "{said}");
    let parse = |text: &str| text.parse::<toml::Table>().unwrap();
    let dumped = parse(std::str::from_utf8(&out.stdout).unwrap());
    let kept = parse(&std::fs::read_to_string(&own).unwrap());
    assert_eq!(dumped["struct"], kept["struct"]);
    // What flags.toml adds is dumped as well.
    for (name, value) in kept["constants"].as_table().unwrap() {
        assert_eq!(dumped["constants"].get(name), Some(value), "{name}");
    }
    assert_eq!(dumped["perl"]["version"], kept["perl"]["version"]);
}

/// The writable segments of the file as the dynamic linker would put them, its pointers moved.
fn load(perl: &mut FakePerl, path: &PathBuf) {
    let bytes = std::fs::read(path).unwrap();
    let file = object::File::parse(&*bytes).unwrap();
    let all = || file.segments().filter(|segment| segment.address() > 0);
    let end = all().map(|s| s.address() + s.size()).max().unwrap();
    let start = all().map(|s| s.address()).filter(|a| *a > 0).min().unwrap();
    for segment in all() {
        let mut data = segment.data().unwrap().to_vec();
        data.resize(segment.size() as usize, 0);
        if segment.name() != Ok(Some("__TEXT")) {
            for word in data.chunks_exact_mut(8) {
                let value = u64::from_le_bytes(word.try_into().unwrap());
                if (start..end).contains(&value) {
                    word.copy_from_slice(&(value + SLIDE).to_le_bytes());
                }
            }
        }
        perl.map(segment.address() + SLIDE, data);
    }
}

#[test]
fn its_variables_lead_to_its_stack() {
    let Some((path, image, identity)) = perl() else {
        return;
    };
    let tables = TableSet::embedded();
    let table = table(&tables, &identity);
    let stack = StackModel {
        infos: vec![vec![
            Context::Sub { sub: 0, oldcop: 1 },
            Context::Sub { sub: 1, oldcop: 2 },
        ]],
        curcop: 3,
        garbage: 1,
    };
    let mut perl = FakePerl::build(table, &stack);
    load(&mut perl, &path);
    for name in FakePerl::variable_names() {
        let symbol = image.symbol(&name.replacen('I', "PL_", 1)).unwrap();
        let value = perl.word_of(name);
        let size = symbol.size.min(8) as usize;
        perl.put_number(symbol.address + SLIDE, value, size);
    }
    let layout = table.layout().bind().unwrap();
    let map = VariableMap {
        image: &image,
        bias: SLIDE,
        layout: &layout,
        interpreter: Interpreter::Globals,
    };
    let memory: Arc<dyn Memory> = Arc::new(perl.memory().clone());
    let reader = Reader::new(&memory, image.abi());
    let ops = image.live_strings(&reader, SLIDE, "PL_op_name");
    assert_eq!(ops.first(), Some(&Some("null".to_owned())));
    assert!(ops.len() > 400 && ops.iter().all(Option::is_some));

    let (mut table, mut names) = (FrameTable::default(), Names::new());
    let mut sampler = ThreadSampler::new(&map.moving().unwrap(), 0);
    let context = PerlView {
        memory: &memory,
        ..perl.context()
    };
    sampler
        .take(context, 0, &mut names, &mut table, &mut || {})
        .unwrap();
    let frames = sampler.frames().iter().rev().map(|id| {
        let frame = table.get(*id).unwrap();
        (frame.name.to_string(), frame.file.to_string(), frame.line)
    });
    let frames: Vec<(String, String, u32)> = frames.collect();
    assert_eq!(frames, perl.expected(&stack));
}
