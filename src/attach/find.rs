//! Which perl a process runs and how it is laid out: every source in its order.

use super::learning::Lesson;
use super::trial::{Demand, Trial, names_make_sense};
use super::{AttachError, Loaded, Perl, ProcessView, STARTED, discover};
use crate::examine::{Examiner, copied_variables, find_perl};
use crate::identity::arrays::with_array_symbols;
use crate::identity::{Build, Identity};
use crate::image::{Image, ImageError};
use crate::layout::{Origin, ResolveError, Resolved, Sources, TableSet, resolve};
use crate::learn::Learned;
use crate::memory::{Memory, ReadError, Reader};
use crate::platform::{MappedFile, Process, SharedCpu};
use crate::remedy::{Notice, Remedy};
use std::path::Path;
use std::sync::Arc;

/// The perl of a process, and the file that it is in.
///
/// # Errors
/// [`AttachError`] when no file of it is a perl, none of its layouts fits, or the system would not tell.
pub fn perl(
    view: &dyn ProcessView,
    program: &Path,
    memory: &Arc<dyn Memory>,
    files: &[MappedFile],
    sources: &Sources,
    warn: &mut dyn FnMut(Notice),
) -> Result<(Perl, MappedFile), AttachError> {
    let examiner = view.examiner();
    let pid = view.pid();
    let (image, file) = find_perl(pid, &examiner, program, files)?;
    let bias = image
        .load_bias(&file.maps)
        .ok_or_else(|| AttachError::LoadBias {
            path: image.path().to_owned(),
            pid,
        })?;
    let copies = copied_variables(&examiner, program, files, &image, bias);
    let image = image.with_moved(copies);
    let mut sources = sources.clone();
    // What another user could have written is not remembered, and for now only for that very file.
    if !examiner.trusts(&file) {
        sources.cache = None;
        sources.known = sources
            .known
            .of_file(view.live().and_then(Process::user), &file);
    }
    let search = LayoutSearch {
        view,
        examiner: &examiner,
        memory,
        file: &file,
        sources: &sources,
    };
    let loaded = Loaded { image, bias };
    let perl = if loaded.image.defines_interpreter() {
        search.with_symbols(&loaded, warn)
    } else {
        search.without_symbols(&loaded, warn)
    };
    let mut perl = perl?;
    perl.image = perl.image.released();
    Ok((perl, file))
}

/// Where a question to the file had no answer, that is what went wrong, whatever followed from it.
fn unless_misread(image: &Image, error: AttachError) -> AttachError {
    match image.trouble() {
        Some(reason) => AttachError::Image(ImageError::Confined {
            path: image.path().to_owned(),
            reason: reason.to_owned(),
        }),
        None => error,
    }
}

/// What the search for a layout needs.
struct LayoutSearch<'a> {
    view: &'a dyn ProcessView,
    examiner: &'a Examiner,
    memory: &'a Arc<dyn Memory>,
    file: &'a MappedFile,
    sources: &'a Sources,
}

impl LayoutSearch<'_> {
    fn with_symbols(
        &self,
        loaded: &Loaded,
        warn: &mut dyn FnMut(Notice),
    ) -> Result<Perl, AttachError> {
        let pid = self.view.pid();
        let identity = Identity::of(&loaded.image).map_err(|source| {
            let path = loaded.image.path().to_owned();
            unless_misread(&loaded.image, AttachError::Identity { path, source })
        })?;
        self.await_sign_of_life(loaded, &identity)?;
        let refused = match resolve(&loaded.image, &identity, self.sources, warn) {
            Ok(resolved) => {
                let perl = Perl::assemble(pid, self.memory, loaded, identity.clone(), &resolved)?;
                let Err(problem) = self.names_make_sense(&perl) else {
                    return Ok(perl);
                };
                self.sources.known.forget(&perl.image);
                AttachError::Misnamed {
                    pid,
                    layout: resolved.source.to_string(),
                    identity: identity.to_string(),
                    problem,
                }
            }
            Err(e @ ResolveError::NoLayout { .. }) => e.into(),
            Err(e) => return Err(e.into()),
        };
        // Learning is exact; a neighbour is a guess, if a checked one, and only second best.
        if let Some(learned) = self.learned(loaded, warn) {
            if matches!(refused, AttachError::Misnamed { .. }) {
                warn(refused.to_string().into());
            }
            let resolved = learned.resolved;
            self.sources.known.insert(&loaded.image, &resolved);
            return Perl::assemble(pid, self.memory, loaded, identity, &resolved);
        }
        self.neighbour(loaded, &identity, warn).ok_or(refused)
    }

    /// A table may be that of another build: where perl tells no size of its interpreter, nothing
    /// else does. Then its names are none. What debug information says of the very file is believed.
    fn names_make_sense(&self, perl: &Perl) -> Result<(), String> {
        if !matches!(perl.resolved.source, Origin::Table(_)) {
            return Ok(());
        }
        match perl.main_interpreter(self.memory) {
            Ok(Some(main)) => names_make_sense(self.beside(), self.memory, perl, main),
            _ => Ok(()),
        }
    }

    fn beside(&self) -> SharedCpu {
        self.view.beside(self.view.main_thread())
    }

    /// Before anything costly: may we read, and is perl up?
    fn await_sign_of_life(&self, loaded: &Loaded, identity: &Identity) -> Result<(), AttachError> {
        let pid = self.view.pid();
        let name = match identity.build {
            Build::Unthreaded => "PL_curstackinfo",
            _ => "PL_curinterp",
        };
        let reader = Reader::new(self.memory, identity.abi);
        match loaded.image.symbol(name) {
            Some(symbol) => {
                let place = loaded.bias.wrapping_add(symbol.address);
                match reader.pointer(place) {
                    // A process that is there for long may have destroyed its first interpreter.
                    Ok(0) if self.view.age().is_none_or(|age| age < STARTED) => {
                        Err(AttachError::Starting(pid))
                    }
                    Ok(_) => Ok(()),
                    Err(cause) => Err(AttachError::Read { pid, cause }),
                }
            }
            None => Ok(()),
        }
    }

    /// A table of a neighbouring version or build under which the live stack makes sense. Of
    /// those that do, the nearest is taken.
    fn neighbour(
        &self,
        loaded: &Loaded,
        identity: &Identity,
        warn: &mut dyn FnMut(Notice),
    ) -> Option<Perl> {
        let pid = self.view.pid();
        let maps = self.view.mappings().ok()?;
        let mut trial = Trial::new(self.beside(), self.memory, &maps);
        for table in self.sources.tables.neighbours(identity) {
            // The last variables of an interpreter are where its build options put them, and
            // stacks do not tell. `IDBsub` and `Imodglobal` are believed by what they lead to.
            let mut layout = table.layout().without(&["Icompiling"]);
            self.sources.tables.add_flags(&mut layout, identity.version);
            let Ok(bound) = layout.bind() else { continue };
            let resolved = Resolved {
                layout,
                bound,
                source: Origin::Table(format!("{} (a neighbour)", table.name()).into()),
            };
            let perl = Perl::assemble(pid, self.memory, loaded, identity.clone(), &resolved);
            let Ok(perl) = perl else { continue };
            let proved = perl.main_interpreter(self.memory).ok().flatten();
            let proved = proved.map(|main| trial.prove(&perl, main, Demand::patient(2)));
            if let Some(Ok(())) = proved {
                let guessed = format!(
                    "no layout table is made for this perl ({identity}). Using that of {}, under which its stacks make sense",
                    table.describe()
                );
                warn(Notice::new(guessed, Remedy::LearnToBeSure));
                return Some(perl);
            }
        }
        None
    }

    /// The layout, found by running the same program; remembered for the next time.
    fn learned(&self, loaded: &Loaded, warn: &mut dyn FnMut(Notice)) -> Option<Learned> {
        let lesson = Lesson {
            process: self.view.live()?,
            examiner: self.examiner,
            file: self.file,
            sources: self.sources,
        };
        lesson.learn(&loaded.image, warn)
    }

    /// A perl without a single symbol: what an earlier run found, else the tables of its series
    /// with the probes as judge, else learning.
    fn without_symbols(
        &self,
        bare: &Loaded,
        warn: &mut dyn FnMut(Notice),
    ) -> Result<Perl, AttachError> {
        let pid = self.view.pid();
        let read = |cause: ReadError| AttachError::Read { pid, cause };
        let reader = Reader::new(self.memory, bare.image.abi());
        let over = |image: Image| Loaded {
            image,
            bias: bare.bias,
        };
        if let Some(found) = self.sources.cached(&bare.image) {
            let loaded = over(bare.image.with_symbols(found.symbols));
            // It may have been found in a copy that was not stripped: the build-id is the same.
            if has_entrance(&loaded.image, found.identity.build) {
                return Perl::assemble(pid, self.memory, &loaded, found.identity, &found.resolved);
            }
        }
        let arrays = with_array_symbols(&bare.image, &reader, bare.bias).map_err(read)?;
        let loaded = over(arrays);
        if loaded.image.symbol("PL_op_name").is_none() {
            let error = AttachError::NotPerl {
                pid,
                program: loaded.image.path().display().to_string(),
                searched: 1,
            };
            return Err(unless_misread(&loaded.image, error));
        }
        let tables: &TableSet = &self.sources.tables;
        let own_maps = &self.file.maps;
        let found = discover::discover(self.view, self.memory, &loaded, own_maps, tables);
        let refusal = match found {
            Ok(perl) => return Ok(perl),
            // Nothing that could be learned would help.
            Err(refusal @ AttachError::Identity { .. }) => return Err(refusal),
            Err(_) if !self.view.is_alive() => return Err(read(ReadError::NoSuchProcess)),
            Err(refusal) => refusal,
        };
        let learned = self.learned(&loaded, warn).ok_or(refusal)?;
        let loaded = over(loaded.image.with_symbols(learned.symbols));
        Perl::assemble(
            pid,
            self.memory,
            &loaded,
            learned.identity,
            &learned.resolved,
        )
    }
}

/// Whether it is known where ops have their names and where an interpreter is found.
fn has_entrance(image: &Image, build: Build) -> bool {
    let variable = match build {
        Build::Unthreaded => "PL_curstackinfo",
        _ => "PL_curinterp",
    };
    let has = |name: &str| image.symbol(name).is_some();
    has("PL_op_name") && has(variable)
}
