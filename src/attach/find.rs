//! Which perl a process runs and how it is laid out: every source in its order.

use super::trial::{Demand, Trial};
use super::{AttachError, Loaded, Perl, discover};
use crate::image::Image;
use crate::layout::{Origin, ResolveError, Resolved, Sources, TableSet, resolve};
use crate::learn::{Learned, Start, learn};
use crate::memory::{Memory, ReadError, Reader};
use crate::perl::arrays::add_array_symbols;
use crate::perl::identity::{Build, Identity};
use crate::process::{MappedFile, Process};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

/// The mapped file that defines an interpreter: `program` itself, else whichever library does.
///
/// # Errors
/// [`AttachError::NotPerl`], or what kept the files from being read.
pub fn find_perl(
    process: Process,
    program: &Path,
    files: &[MappedFile],
) -> Result<(Image, MappedFile), AttachError> {
    let mut ordered: Vec<&MappedFile> = files.iter().collect();
    // The program is the likeliest; the order decides nothing but the speed.
    ordered.sort_by_key(|f| f.path != program);
    let mut first_error = None;
    let mut others = Vec::new();
    for file in &ordered {
        match Image::open(&file.path, &process.open_path(file)) {
            Ok(image) if image.defines_interpreter() => return Ok((image, (*file).clone())),
            Ok(image) => others.push((image, (*file).clone())),
            Err(e) => {
                first_error.get_or_insert(e);
            }
        }
    }
    let without_symbols = others.into_iter().find(|(image, _)| image.mentions_perl());
    if let Some(found) = without_symbols {
        return Ok(found);
    }
    match first_error {
        Some(e) => Err(e.into()),
        None => Err(AttachError::NotPerl {
            pid: process.pid(),
            program: crate::text::from_utf8(program.as_os_str().as_encoded_bytes()),
            searched: ordered.len(),
        }),
    }
}

/// The perl of a process, and the file that it is in.
///
/// # Errors
/// [`AttachError`].
pub fn perl(
    process: Process,
    program: &Path,
    memory: &Arc<dyn Memory>,
    files: &[MappedFile],
    sources: &Sources,
    warn: &mut dyn FnMut(String),
) -> Result<(Perl, MappedFile), AttachError> {
    let (image, file) = find_perl(process, program, files)?;
    let pid = process.pid();
    let bias = image
        .load_bias(&file.maps)
        .ok_or_else(|| AttachError::LoadBias {
            path: image.path().to_owned(),
            pid,
        })?;
    let mut sources = sources.clone();
    if let Some(debug) = &mut sources.debug {
        debug.root = process.through_root(Path::new("/"));
    }
    // What another user could have written is neither run nor remembered.
    if sources.cache.is_some() && !process.trusts(&file) {
        sources.cache = None;
    }
    let search = Search {
        process,
        memory,
        file: &file,
        sources: &sources,
    };
    let image = Box::new(image);
    let loaded = Loaded { image, bias };
    let perl = if loaded.image.defines_interpreter() {
        search.with_symbols(loaded, warn)
    } else {
        search.without_symbols(loaded, warn)
    };
    Ok((perl?, file))
}

/// What the search for a layout needs.
struct Search<'a> {
    process: Process,
    memory: &'a Arc<dyn Memory>,
    file: &'a MappedFile,
    sources: &'a Sources,
}

impl Search<'_> {
    fn with_symbols(
        &self,
        loaded: Loaded,
        warn: &mut dyn FnMut(String),
    ) -> Result<Perl, AttachError> {
        let pid = self.process.pid();
        let identity = Identity::of(&loaded.image).map_err(|source| AttachError::Identity {
            path: loaded.image.path().to_owned(),
            source,
        })?;
        self.await_sign_of_life(&loaded, &identity)?;
        let refused = match resolve(&loaded.image, &identity, self.sources, warn) {
            Ok(resolved) => {
                return Perl::assemble(pid, self.memory, loaded, identity, &resolved);
            }
            Err(e @ ResolveError::NoLayout { .. }) => e,
            Err(e) => return Err(e.into()),
        };
        // Learning is exact; a neighbour is a guess, if a checked one, and only second best.
        if let Some(learned) = self.learned(&loaded, warn) {
            let resolved = learned.resolved;
            self.sources.known.insert(&loaded.image, &resolved);
            return Perl::assemble(pid, self.memory, loaded, identity, &resolved);
        }
        self.neighbour(loaded, &identity, warn)
            .map_err(|_| refused.into())
    }

    /// Before anything costly: may we read, and is perl up?
    fn await_sign_of_life(&self, loaded: &Loaded, identity: &Identity) -> Result<(), AttachError> {
        let pid = self.process.pid();
        let name = match identity.build {
            Build::Unthreaded => "PL_curstackinfo",
            _ => "PL_curinterp",
        };
        let reader = Reader::new(self.memory, identity.abi);
        match loaded.image.symbol(name) {
            Some(symbol) => {
                let place = loaded.bias.wrapping_add(symbol.address);
                match reader.pointer(place) {
                    Ok(0) => Err(AttachError::Starting(pid)),
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
        mut loaded: Loaded,
        identity: &Identity,
        warn: &mut dyn FnMut(String),
    ) -> Result<Perl, Loaded> {
        let pid = self.process.pid();
        let Ok(maps) = self.process.mappings() else {
            return Err(loaded);
        };
        let mut trial = Trial::new(pid, self.memory, &maps);
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
            let perl = Perl::try_on(pid, self.memory, loaded, identity.clone(), &resolved);
            let perl = match perl {
                Ok(perl) => perl,
                Err((back, _)) => {
                    loaded = back;
                    continue;
                }
            };
            let proved = perl.main_interpreter(self.memory).ok().flatten();
            let proved = proved.map(|main| trial.prove(&perl, main, Demand::patient(2)));
            if let Some(Ok(())) = proved {
                warn(format!(
                    "no layout table is made for this perl ({identity}). Using that of {}, under which its stacks make sense. To be sure: p5-spy layout-learn PERL -o FOLDER/NAME.toml, and --layouts FOLDER",
                    table.describe()
                ));
                return Ok(perl);
            }
            loaded = perl.into_loaded();
        }
        Err(loaded)
    }

    /// The layout, found by running the same program; remembered for the next time.
    fn learned(&self, loaded: &Loaded, warn: &mut dyn FnMut(String)) -> Option<Learned> {
        let path = loaded.image.path();
        if !self.sources.learn {
            return None;
        }
        let program = self.process.executable().ok()?;
        // Another program that has a perl in it does not take perl's arguments.
        let program = if named_perl(path) && self.file.path == path && !is_library(path) {
            path.to_owned()
        } else if named_perl(&program) {
            program
        } else {
            warn(format!(
                "its layout was not learned, as that means to run {}, which may be another program with a perl in it. If it is a perl: p5-spy layout-learn {} -o FOLDER/NAME.toml, then --layouts FOLDER",
                program.display(),
                program.display()
            ));
            return None;
        };
        let objection = self.process.objection(self.file);
        if let Some(why) = objection.or_else(|| self.process.objection_to_path(&program)) {
            let whom = match why.is_a_matter_of_trust() {
                true => format!("If you trust it: p5-spy layout-learn {}", program.display()),
                false => "Where the same perl can be run: p5-spy layout-learn PERL".into(),
            };
            warn(format!(
                "its layout was not learned, as that means to run {}, {why}. {whom} -o FOLDER/NAME.toml, then --layouts FOLDER",
                program.display()
            ));
            return None;
        }
        let started = std::time::Instant::now();
        match learn(&self.start_like(&program), &self.sources.tables) {
            Ok(learned) => {
                warn(format!(
                    "learned the layout of {} by running it for {} ms",
                    program.display(),
                    started.elapsed().as_millis()
                ));
                // A program that loads its perl from a library may have loaded another one.
                if learned.image.build_id() != loaded.image.build_id() {
                    warn(format!(
                        "but it now runs another perl ({}) than the process does: not used",
                        learned.image.path().display()
                    ));
                    return None;
                }
                if let Some(cache) = &self.sources.cache
                    && let Err(e) = cache.put(
                        &learned.image,
                        &learned.identity,
                        &learned.resolved,
                        &learned.symbols,
                    )
                {
                    warn(format!("what was learned could not be kept: {e}"));
                }
                Some(learned)
            }
            Err(e) => {
                warn(e.to_string());
                None
            }
        }
    }

    /// How to start the same perl. For a process of our own user as it was started itself: through
    /// the same loader, with the same folders of libraries. What another user's process has on its
    /// command line and in its environment must not decide what we run.
    fn start_like(&self, program: &Path) -> Start {
        let mut start = Start::from(program);
        if !self.process.is_ours() {
            return start;
        }
        start.environment =
            self.process
                .environment(&["LD_LIBRARY_PATH", "LD_PRELOAD", "PERL5LIB"]);
        let loader = self.process.executable().unwrap_or_default();
        if loader == program || !self.process.trusts_path(&loader) {
            return start;
        }
        let words = self.process.command_line().unwrap_or_default();
        let is_program = |word: &[u8]| {
            let word = Path::new(std::ffi::OsStr::from_bytes(word));
            word.canonicalize().is_ok_and(|p| p == program)
        };
        if let Some(at) = words
            .iter()
            .position(|w| is_program(w))
            .filter(|at| *at > 0)
        {
            let before = words.into_iter().take(at + 1).skip(1);
            start.arguments = before.map(std::ffi::OsString::from_vec).collect();
            start.program = loader;
        }
        start
    }

    /// A perl without a single symbol: what an earlier run found, else the tables of its series
    /// with the probes as judge, else learning.
    fn without_symbols(
        &self,
        mut loaded: Loaded,
        warn: &mut dyn FnMut(String),
    ) -> Result<Perl, AttachError> {
        let pid = self.process.pid();
        let read = |cause: ReadError| AttachError::Read { pid, cause };
        let abi = loaded.image.abi();
        let reader = Reader::new(self.memory, abi);
        if let Some(found) = self.sources.cached(&loaded.image) {
            loaded.image.add_symbols(&found.symbols);
            if has_entrance(&loaded.image, found.identity.build) {
                return Perl::assemble(pid, self.memory, loaded, found.identity, &found.resolved);
            }
            // It was found in a copy that was not stripped: the build-id is the same.
            loaded.image.remove_symbols(&found.symbols);
        }
        add_array_symbols(&mut loaded.image, &reader, loaded.bias).map_err(read)?;
        if loaded.image.symbol("PL_op_name").is_none() {
            return Err(AttachError::NotPerl {
                pid,
                program: loaded.image.path().display().to_string(),
                searched: 1,
            });
        }
        let tables: &TableSet = &self.sources.tables;
        let own_maps = &self.file.maps;
        let found = discover::discover(self.process, self.memory, loaded, own_maps, tables);
        let (loaded, refusal) = match found {
            Ok(perl) => return Ok(perl),
            Err(_) if !self.process.is_alive() => return Err(read(ReadError::NoSuchProcess)),
            Err(failed) => failed,
        };
        let Some(learned) = self.learned(&loaded, warn) else {
            return Err(*refusal);
        };
        let mut loaded = loaded;
        loaded.image.add_symbols(&learned.symbols);
        Perl::assemble(
            pid,
            self.memory,
            loaded,
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

/// `perl`, `perl5.36.0`, `cperl`, `debugperl`: but not `hyperlinker`.
fn named_perl(path: &Path) -> bool {
    let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes);
    name.is_some_and(|n| n.starts_with(b"perl") || n.starts_with(b"cperl") || n.ends_with(b"perl"))
}

fn is_library(path: &std::path::Path) -> bool {
    path.file_name()
        .is_some_and(|n| n.as_encoded_bytes().starts_with(b"lib"))
}
