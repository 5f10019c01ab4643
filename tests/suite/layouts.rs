//! The contract of the layout tables, and that debug information and table agree.

use crate::{loudly, support};

use loudly::loudly;
use p5_spy::identity::Identity;
use p5_spy::image::{DebugSearch, Image};
use p5_spy::layout::{
    Origin, Resolved, Sources, Table, TableSet, resolve, table, with_block_types,
};
use std::path::{Path, PathBuf};
use std::process::Command;

const PERL: &str = "/usr/bin/perl";

fn perl() -> (Image, Identity) {
    let file = &support::this_perl().file;
    let image = Image::open(file, file).unwrap();
    let identity = Identity::of(&image).unwrap();
    (image, identity)
}

fn layout_of(
    image: &Image,
    identity: &Identity,
    debug: Option<DebugSearch>,
    tables: TableSet,
) -> Resolved {
    let sources = Sources {
        tables,
        debug,
        ..Sources::built_in()
    };
    let mut warnings = Vec::new();
    let resolved = resolve(image, identity, &sources, &mut |w| warnings.push(w)).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    with_block_types(&resolved, &image.string_array("PL_block_type").unwrap()).unwrap()
}

/// The file with the debug information of Debian's perl, if it is installed.
fn debug_file(image: &Image) -> Option<PathBuf> {
    let id = image.build_id_hex()?;
    let path = PathBuf::from(format!(
        "/usr/lib/debug/.build-id/{}/{}.debug",
        &id[..2],
        &id[2..]
    ));
    if !path.exists() {
        loudly!(
            "SKIPPED: no debug symbols of {PERL} ({}): install perl-debug",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn flags_only() -> TableSet {
    let empty = tempfile::tempdir().unwrap();
    TableSet::from_folder(empty.path()).unwrap()
}

#[test]
fn every_table_of_the_tree_keeps_its_contract() {
    let set = TableSet::embedded();
    // One that is damaged would be missing.
    assert_eq!(set.tables().count(), set.len());
    assert!(!set.is_empty());
    for table in set.tables() {
        let bound = table.layout().bind().unwrap();
        let least = 10 * u32::from(table.abi().pointer_size);
        assert!(
            bound.context.sizeof.offset >= least.min(56),
            "{}",
            table.name()
        );
        assert!(
            table.made.from.len() > 20,
            "{} does not say what it was made from",
            table.name()
        );
        let v = table.version();
        let kind = if table.identity().cperl { "cperl-" } else { "" };
        let series = format!("{kind}{}.{}", v.revision, v.version);
        assert!(table.name().starts_with(&series), "{}", table.name());
    }
}

#[test]
fn what_is_built_in_is_what_the_files_say() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("layouts");
    let said = |set: &TableSet| -> Vec<_> {
        let mut said: Vec<_> = set
            .tables()
            .map(|t| {
                let fields: Vec<_> = t.layout().fields().collect();
                let constants: Vec<_> = t.layout().constants().collect();
                (
                    t.name().to_owned(),
                    format!("{:?} {fields:?} {constants:?}", t.identity()),
                )
            })
            .collect();
        said.sort();
        said
    };
    // Read from the folder each is held against all that a table must be.
    let (files, built_in) = (
        TableSet::from_folder(&folder).unwrap(),
        TableSet::embedded(),
    );
    assert_eq!(said(&built_in), said(&files));
}

#[test]
fn debug_information_and_table_are_the_same() {
    let (image, identity) = perl();
    if debug_file(&image).is_none() {
        return;
    }
    let dwarf = layout_of(
        &image,
        &identity,
        Some(DebugSearch::default()),
        flags_only(),
    );
    let table = layout_of(&image, &identity, None, TableSet::embedded());
    assert!(matches!(dwarf.source, Origin::Dwarf(_)));
    assert!(matches!(table.source, Origin::Table(_)));
    assert_eq!(dwarf.bound, table.bound);
    let named = |r: &Resolved| -> Vec<_> {
        r.layout
            .fields()
            .map(|(spec, field)| (spec.structure, spec.name, field))
            .collect()
    };
    assert_eq!(named(&dwarf), named(&table));
}

#[test]
fn what_is_written_reads_back() {
    for original in TableSet::embedded().tables() {
        let (_, identity) = perl();
        if !original.differences(&identity).is_empty() {
            continue;
        }
        let text = table::write(&identity, original.layout(), "a test \"quoted\" \\ source");
        let again = Table::parse(&text, Path::new("again.toml")).unwrap();
        assert_eq!(again.layout().bind(), original.layout().bind());
        assert_eq!(again.made.from, "a test \"quoted\" \\ source");
        assert!(again.differences(&identity).is_empty());
    }
}

/// The ops of a perl that was built with -Dmad have a member more, and nothing else tells.
#[test]
fn a_table_is_of_mad_perls_or_of_others() {
    let set = TableSet::embedded();
    for table in set.tables() {
        let own = table.identity();
        let mut mad = own.clone();
        mad.options.get_or_insert_default().push("PERL_MAD".into());
        assert!(!table.differences(&mad).is_empty(), "{}", table.name());
        assert!(set.matching(&mad).is_empty() && set.neighbours(&mad).is_empty());
        let text = table::write(&mad, table.layout(), "a test");
        let of_mad = Table::parse(&text, Path::new("mad.toml")).unwrap();
        assert!(of_mad.differences(&mad).is_empty());
        assert!(!of_mad.differences(&own).is_empty());
    }
}

#[test]
fn mistakes_in_a_table_are_named_with_their_line() {
    let good = include_str!("../../layouts/5.36.toml");
    let cases = [
        ("format = 1", "format = 9", "format 9"),
        (
            "si_cxix = { offset = 32, size = 4 }",
            "si_cxiy = { offset = 32, size = 4 }",
            "si_cxiy",
        ),
        (
            "si_cxix = { offset = 32, size = 4 }",
            "si_cxix = 32",
            "needs its size",
        ),
        (
            "si_cxix = { offset = 32, size = 4 }",
            "si_cxix = { offset = 32, size = 9 }",
            "not 1 to 8",
        ),
        (
            "si_cxix = { offset = 32, size = 4 }",
            "si_cxix = { offset = 99999, size = 4 }",
            "beyond",
        ),
        ("si_cxix = { offset = 32, size = 4 }", "", "si_cxix"),
        (
            "si_prev = 16",
            "si_prev = { offset = 16, size = 8 }",
            "offset alone",
        ),
        (
            "op_type = { offset = 32, size = 2, shift = 0, bits = 9 }",
            "op_type = { offset = 32, size = 1, shift = 0, bits = 9 }",
            "bits do not fit",
        ),
        ("[struct.stackinfo]", "[struct.stackinfos]", "stackinfos"),
        ("Icurcop = 208\n", "", "Icurcop"),
        ("CXTYPEMASK = 0xf", "CXTYPEMUSK = 0xf", "CXTYPEMUSK"),
        ("pointer_size = 8", "pointer_size = 5", "4 or 8"),
        (
            "version = \"5.36.0\"",
            "version = \"5.36\"",
            "no perl version",
        ),
        ("[made]", "[made", "5.36.toml:"),
        ("by = ", "buy = ", "buy"),
    ];
    for (from, to, needle) in cases {
        assert!(good.contains(from), "{from}");
        let bad = good.replacen(from, to, 1);
        let error = Table::parse(&bad, Path::new("x/5.36.toml"))
            .unwrap_err()
            .to_string();
        assert!(error.contains(needle), "{to}: {error}");
        assert!(error.starts_with("x/5.36.toml:"), "{error}");
    }
    // The line is the one of the mistake.
    let line = good.lines().position(|l| l.starts_with("si_cxix")).unwrap() + 1;
    let bad = good.replacen("si_cxix = { offset = 32, size = 4 }", "si_cxix = 32", 1);
    let error = Table::parse(&bad, Path::new("t.toml"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with(&format!("t.toml:{line}: ")), "{error}");
}

#[test]
fn the_arrays_of_the_file_tell_numbers() {
    let (image, identity) = perl();
    let types = image.string_array("PL_block_type").unwrap();
    assert_eq!(types.first().unwrap().as_deref(), Some("NULL"));
    assert!(types.iter().any(|t| t.as_deref() == Some("EVAL")));
    let ops = image.string_array("PL_op_name").unwrap();
    assert_eq!(ops[0].as_deref(), Some("null"));
    assert!(ops.len() > 350, "{identity}");
}

/// A perl whose debug file is found by name and checksum, not by build-id.
#[test]
fn debug_links_are_followed() {
    let (image, identity) = perl();
    let Some(debug) = debug_file(&image) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("perl");
    std::fs::create_dir(folder.path().join(".debug")).unwrap();
    let beside = folder.path().join(".debug/linked.debug");
    std::fs::copy(&debug, &beside).unwrap();
    let objcopy = Command::new("objcopy")
        .arg("--remove-section=.note.gnu.build-id")
        .arg("--remove-section=.gnu_debuglink")
        .arg(format!("--add-gnu-debuglink={}", beside.display()))
        .arg(PERL)
        .arg(&copy)
        .status();
    if !objcopy
        .as_ref()
        .is_ok_and(std::process::ExitStatus::success)
    {
        loudly!("SKIPPED: objcopy (binutils) is needed to make a debug link: {objcopy:?}");
        return;
    }
    let linked = Image::open(&copy, &copy).unwrap();
    assert_eq!(linked.build_id(), None);
    let found = layout_of(
        &linked,
        &identity,
        Some(DebugSearch::default()),
        flags_only(),
    );
    let direct = layout_of(
        &image,
        &identity,
        Some(DebugSearch::default()),
        flags_only(),
    );
    assert_eq!(found.bound, direct.bound);
    assert!(
        found.source.to_string().contains("linked.debug"),
        "{}",
        found.source
    );

    // Another file of that name is not believed.
    let mut bytes = std::fs::read(&beside).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&beside, bytes).unwrap();
    let sources = Sources {
        tables: flags_only(),
        ..Sources::built_in()
    };
    let refused = resolve(&linked, &identity, &sources, &mut |_| {})
        .unwrap_err()
        .to_string();
    assert!(refused.contains("no debug information"), "{refused}");
}

#[test]
fn a_damaged_debug_file_is_reported_and_the_table_used() {
    let (image, identity) = perl();
    let Some(debug) = debug_file(&image) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let id = image.build_id_hex().unwrap();
    let place = folder.path().join(".build-id").join(&id[..2]);
    std::fs::create_dir_all(&place).unwrap();
    let bytes = std::fs::read(&debug).unwrap();
    let file = place.join(format!("{}.debug", &id[2..]));
    let mut rng = fastrand::Rng::with_seed(7);
    for round in 0..12 {
        let mut damaged = bytes.clone();
        if round % 2 == 0 {
            damaged.truncate(rng.usize(100..bytes.len()));
        }
        for _ in 0..50 {
            let at = rng.usize(64..damaged.len());
            damaged[at] = rng.u8(..);
        }
        std::fs::write(&file, &damaged).unwrap();
        let search = DebugSearch {
            folders: vec![folder.path().to_owned()],
        };
        let sources = Sources {
            debug: Some(search),
            ..Sources::built_in()
        };
        // Whatever the damage did, there is a layout, and no panic on the way.
        resolve(&image, &identity, &sources, &mut |_| {}).unwrap();
    }
}

/// What may stand behind the name of Windows: which compiler and C library a perl is of.
const MADE_BY: [&str; 4] = ["", "_gcc_msvcrt", "_gcc_ucrt", "_msvc"];

/// Processor, and what stands behind the name of Windows; `None` for another system.
fn windows(identity: &Identity) -> Option<(&str, &str)> {
    identity.machine.as_deref()?.split_once("_windows")
}

/// The same numbers mean other places to another system's compiler.
#[test]
fn a_table_of_one_system_fits_no_perl_of_another() {
    let set = TableSet::embedded();
    let mut of_windows = 0;
    for table in set.tables() {
        let own = table.identity();
        assert!(table.differences(&own).is_empty());
        let machines = match windows(&own) {
            Some((processor, _)) => vec![Some(processor.to_owned()), None],
            None => MADE_BY
                .iter()
                .flat_map(|made_by| {
                    [
                        format!("x86_64_windows{made_by}"),
                        format!("i386_windows{made_by}"),
                    ]
                })
                .map(Some)
                .collect(),
        };
        of_windows += u32::from(windows(&own).is_some());
        for machine in machines {
            let stranger = Identity {
                machine,
                ..own.clone()
            };
            assert!(!table.differences(&stranger).is_empty(), "{}", table.name());
            let fitting = set.matching(&stranger);
            for other in fitting.into_iter().chain(set.neighbours(&stranger)) {
                let its = other.identity();
                assert_ne!(
                    windows(&its).is_some(),
                    windows(&own).is_some(),
                    "{}",
                    table.name()
                );
            }
        }
    }
    assert!(of_windows > 40, "{of_windows}");
}

/// Perls of one size are laid out in two ways there, by compiler and C library.
#[test]
fn a_perl_of_windows_finds_the_one_table_that_it_is_of() {
    let set = TableSet::embedded();
    for table in set.tables() {
        let own = table.identity();
        let Some((processor, depends_on)) = windows(&own) else {
            continue;
        };
        for made_by in MADE_BY {
            let perl = |size| Identity {
                machine: Some(format!("{processor}_windows{made_by}")),
                interpreter_size: size,
                ..own.clone()
            };
            let names = |size| -> Vec<String> {
                let found = set.matching(&perl(size));
                found.iter().map(|found| found.name().to_owned()).collect()
            };
            let size = own.interpreter_size;
            if made_by == depends_on || made_by.starts_with(&format!("{depends_on}_")) {
                assert_eq!(names(size), [table.name()], "{made_by}");
                assert!(size.is_some(), "{}", table.name());
            } else {
                assert!(!names(size).contains(&table.name().to_owned()), "{made_by}");
            }
            assert!(!names(size.map(|size| size + 8)).contains(&table.name().to_owned()));
        }
    }
}
