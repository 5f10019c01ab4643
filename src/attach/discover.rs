//! Finding an interpreter without a single symbol: each table that may fit says where things are
//! from a word of the file's data (`candidates.rs`), and the probes are the judge.

use super::candidates::Words;
use super::trial::{Demand, Trial};
use super::{AttachError, Loaded, Perl, ProcessView};
use crate::identity::texts::FileFacts;
use crate::identity::{Build, Identity, IdentityError};
use crate::ids::Pid;
use crate::layout::{Origin, Resolved, Table, TableSet};
use crate::memory::Memory;
use crate::platform::{Mapping, ThreadState, own_data_ranges};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a statement with its running op is waited for in a program that runs: there is none while
/// it compiles.
const FOR_A_RUNNING: Duration = Duration::from_millis(100);
/// How long one that has just been started is looked at: perl may not be ready yet.
const FOR_A_NEW: Duration = Duration::from_millis(500);
const NEW: Duration = Duration::from_secs(2);
const BETWEEN_ROUNDS: Duration = Duration::from_millis(2);

/// Tries every table that may fit. `own_maps` are the mappings of the file itself.
///
/// # Errors
/// What to say when nothing else helps.
pub fn discover(
    view: &dyn ProcessView,
    memory: &Arc<dyn Memory>,
    loaded: &Loaded,
    own_maps: &[Mapping],
    tables: &TableSet,
) -> Result<Perl, AttachError> {
    let told = FileFacts::by(&loaded.image);
    if told.has_old_threads() {
        let path = loaded.image.path().to_owned();
        let source = IdentityError::OldThreads;
        return Err(AttachError::Identity { path, source });
    }
    let possible = tables.possible(&told);
    let search = InterpreterSearch {
        view,
        memory,
        own_maps,
        told: &told,
        possible: &possible,
    };
    // Without a version, tables of many series are tried: then a sub must be on the stack, whose
    // place tells them apart.
    let least = if told.version.is_some() { 1 } else { 2 };
    let is_new = view.age().is_some_and(|age| age < NEW);
    let mut beside = view.beside(view.main_thread());
    let started = Instant::now();
    let mut demand = Demand::brief(least);
    while !possible.is_empty() {
        if let Some(perl) = search.round(loaded, demand) {
            return Ok(perl);
        }
        let moves = is_new || beside.state() == ThreadState::Running;
        let waited = started.elapsed();
        if demand.hasty {
            if !moves || waited > FOR_A_RUNNING {
                demand = Demand::patient(least);
            }
        } else if !is_new || waited > FOR_A_NEW {
            break;
        }
        std::thread::sleep(BETWEEN_ROUNDS);
    }
    Err(AttachError::NothingFound {
        path: loaded.image.path().to_owned(),
        version: told
            .version
            .map_or_else(|| "unknown version".into(), |v| v.to_string()),
        tried: if possible.is_empty() {
            "there is no table for it".into()
        } else {
            let tried: Vec<&str> = possible.iter().map(|table| table.name()).collect();
            let tried = tried.join(", ");
            format!("nothing in its data is an interpreter by {tried}")
        },
    })
}

struct InterpreterSearch<'a> {
    view: &'a dyn ProcessView,
    memory: &'a Arc<dyn Memory>,
    own_maps: &'a [Mapping],
    told: &'a FileFacts,
    possible: &'a [&'a Table],
}

impl InterpreterSearch<'_> {
    /// Tries each table once.
    fn round(&self, loaded: &Loaded, demand: Demand) -> Option<Perl> {
        let (pid, memory) = (self.view.pid(), self.memory);
        let maps = self.view.mappings().ok()?;
        let mut trial = Trial::new(self.view.beside(self.view.main_thread()), memory, &maps);
        let own = own_data_ranges(self.own_maps, &maps);
        let own = own.map(|range| loaded.image.cut_to_data(loaded.bias, range));
        let words = Words::read(&mut trial, self.told.abi, own);
        for table in self.possible {
            let Some(mut perl) = adopt(pid, memory, loaded, table, self.told) else {
                continue;
            };
            for places in words.candidates(&mut trial, &perl, demand.hasty) {
                perl.image = loaded.image.with_symbols(places);
                let main = perl.main_interpreter(memory).ok().flatten();
                if main.is_some_and(|main| trial.prove(&perl, main, demand).is_ok()) {
                    if perl.identity.build == Build::Unthreaded {
                        let found = words.debugger_sub(&mut trial, &perl);
                        perl.image = perl.image.with_symbols(found);
                    }
                    return Some(perl);
                }
            }
        }
        None
    }
}

fn adopt(
    pid: Pid,
    memory: &Arc<dyn Memory>,
    loaded: &Loaded,
    table: &Table,
    told: &FileFacts,
) -> Option<Perl> {
    let layout = table.layout().clone();
    let bound = layout.bind().ok()?;
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
    Perl::assemble(pid, memory, loaded, identity, &resolved).ok()
}
