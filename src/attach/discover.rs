//! Finding an interpreter without a single symbol: each table that may fit says where things are
//! from a word of the file's data (`candidates.rs`), and the probes are the judge.

use super::candidates::Words;
use super::trial::{Demand, Trial};
use super::{AttachError, Loaded, Perl};
use crate::layout::{Origin, Resolved, Table, TableSet};
use crate::memory::Memory;
use crate::perl::identity::{Build, Identity};
use crate::perl::texts::Told;
use crate::process::{Mapping, data_ranges};
use std::sync::Arc;

/// Tries every table that may fit. `own_maps` are the mappings of the file itself.
///
/// # Errors
/// The file back, with what to say when nothing else helps.
pub fn discover(
    pid: i32,
    memory: &Arc<dyn Memory>,
    mut loaded: Loaded,
    own_maps: &[Mapping],
    maps: &[Mapping],
    tables: &TableSet,
) -> Result<Perl, (Loaded, Box<AttachError>)> {
    let told = Told::by(&loaded.image);
    let mut trial = Trial::new(pid, memory, maps);
    // Without a version, tables of many series are tried: then a sub must be on the stack, whose
    // place tells them apart.
    let least = if told.version.is_some() { 1 } else { 2 };
    let possible = tables.possible(&told);
    for demand in [Demand::brief(least), Demand::patient(least)] {
        let words = Words::read(&mut trial, told.abi, own_data(own_maps, maps));
        for table in &possible {
            let mut perl = match adopt(pid, memory, loaded, table, &told) {
                Ok(perl) => perl,
                Err(back) => {
                    loaded = back;
                    continue;
                }
            };
            for places in words.candidates(&mut trial, &perl, demand.hasty) {
                perl.image.add_symbols(&places);
                let main = perl.main_interpreter(memory).ok().flatten();
                if main.is_some_and(|main| trial.prove(&perl, main, demand).is_ok()) {
                    if perl.identity.build == Build::Unthreaded {
                        let found = words.debugger_sub(&mut trial, &perl);
                        perl.image.add_symbols(found.as_slice());
                    }
                    return Ok(perl);
                }
                perl.image.remove_symbols(&places);
            }
            loaded = perl.into_loaded();
        }
    }
    let tried: Vec<&str> = possible.iter().map(|table| table.name()).collect();
    let error = AttachError::NothingFound {
        path: loaded.image.path().to_owned(),
        version: told
            .version
            .map_or_else(|| "unknown version".into(), |v| v.to_string()),
        tried: if tried.is_empty() {
            "there is no table for it".into()
        } else {
            let tried = tried.join(", ");
            format!("nothing in its data is an interpreter by {tried}")
        },
    };
    Err((loaded, Box::new(error)))
}

/// The writable data of a file.
fn own_data(own_maps: &[Mapping], maps: &[Mapping]) -> impl Iterator<Item = (u64, u64)> {
    let first = own_maps.iter().map(|m| m.start).min().unwrap_or(0);
    let last = own_maps.iter().map(|m| m.end).max().unwrap_or(0);
    // What follows the file's last mapping directly is its .bss.
    let is_own = move |(start, _): &(u64, u64)| (first..=last).contains(start);
    data_ranges(maps).into_iter().filter(is_own)
}

fn adopt(
    pid: i32,
    memory: &Arc<dyn Memory>,
    loaded: Loaded,
    table: &Table,
    told: &Told,
) -> Result<Perl, Loaded> {
    let layout = table.layout().clone();
    let Ok(bound) = layout.bind() else {
        return Err(loaded);
    };
    let resolved = Resolved {
        layout,
        bound,
        source: Origin::Table(table.name().into()),
    };
    let of_table = table.identity();
    let identity = Identity {
        version: told.version.unwrap_or(table.version()),
        options: told.options.clone().or(of_table.options),
        archname: told.archname.clone(),
        machine: told.machine.clone(),
        ..of_table
    };
    Perl::try_on(pid, memory, loaded, identity, &resolved).map_err(|(back, _)| back)
}
