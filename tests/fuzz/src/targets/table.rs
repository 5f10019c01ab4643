//! Files that a user names: layout tables, and probes.

use super::{is_harmless, replay};
use p5_spy::layout::{Layout, Origin, Resolved, Table, table as tables};
use p5_spy::memory::Reader;
use p5_spy::probe::{Candidate, Probe};
use std::path::Path;

pub fn table(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let path = Path::new("fuzzed.toml");
    let table = match Table::parse(&text, path) {
        Ok(table) => table,
        Err(e) => return is_harmless(&e.to_string()),
    };
    let written = tables::write(&table.identity(), table.layout(), &table.made.from);
    let again = Table::parse(&written, path).expect("what is written is a table");
    let fields = |layout: &Layout| layout.fields().map(|(_, f)| f).collect::<Vec<_>>();
    assert_eq!(fields(again.layout()), fields(table.layout()));
    assert!(again.layout().constants().eq(table.layout().constants()));
    let layout = table.layout().clone();
    let bound = layout.bind().expect("a table is complete");
    let resolved = Resolved {
        layout,
        bound,
        source: Origin::Table(table.name().into()),
    };
    replay::hold_against(&resolved, table.abi());
}

pub fn probe(data: &[u8]) {
    let probe = match Probe::parse(&String::from_utf8_lossy(data), "fuzzed.toml") {
        Ok(probe) => probe,
        Err(e) => return is_harmless(&e.to_string()),
    };
    for one in replay::captures() {
        let candidate = Candidate {
            reader: Reader::new(&one.memory, one.perl.identity.abi),
            layout: &one.layout.layout,
            variables: &one.perl.variables(one.interpreter()),
            maps: &one.capture.mappings(),
        };
        let _ = probe.examine(&candidate);
    }
}
