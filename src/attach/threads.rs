//! The threads of a process that run Perl.

use super::{AttachError, Inferior};
use crate::examine::Examiner;
use crate::identity::Build;
use crate::ids::Tid;
use crate::image::Image;
use crate::memory::{Batch, Memory, Reader, Slot};
use crate::perl::locate::{Interpreter, Located};
use crate::perl::stack::Variable;
use crate::platform::{MappedFile, Mapping};
use crate::threads::libthr::Libthr;
use crate::threads::ring::{KeyPlace, Ring};
use crate::threads::{
    BlockMark, KeyLayout, Specific, control_blocks, is_block_of, old_perl_thread_ids,
    perl_thread_ids, specific,
};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

/// One thread that runs an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerlThread {
    /// The kernel's id.
    pub os_tid: Tid,
    /// What `threads->tid` says; `None` where that cannot be told.
    pub perl_tid: Option<u64>,
    /// Where the thread tells which interpreter it runs; `None` where that is not known.
    pub current: Option<Variable>,
    /// The interpreter that it ran when it was asked.
    pub runs: Located,
}

/// Where a thread would tell which interpreter it runs, and what it said when it ran none: nothing, or
/// one that is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Vacant {
    place: u64,
    said: u64,
}

/// A thread, the interpreter that it runs, and where it tells which one that is.
#[derive(Debug, Clone, Copy)]
pub(super) struct FoundThread {
    tid: Tid,
    pub(super) interpreter: Interpreter,
    current: Option<Variable>,
}

/// What is said of so many threads of a process.
pub fn unread_threads(count: usize) -> String {
    format!(
        "{count} of its threads: what they keep under perl's key was not found, so nothing tells whether they run Perl"
    )
}

/// What is known of a ring of threads.
#[derive(Debug, Default)]
pub(super) struct RingSearch {
    found: Option<(Ring, KeyPlace)>,
    /// Searches in vain.
    failures: u8,
}

/// What was found of some threads.
#[derive(Debug, Default)]
struct Sorted {
    found: Vec<FoundThread>,
    /// Where those would tell of an interpreter that run none.
    vacant: Vec<Vacant>,
}

impl Sorted {
    /// A thread, by the word in which it would tell which interpreter it runs.
    fn add(
        &mut self,
        tid: Tid,
        word: Variable,
        reader: &Reader<'_>,
        is_interpreter: &dyn Fn(u64) -> bool,
    ) {
        match reader.pointer(word.address) {
            Ok(address @ 1..) if is_interpreter(address) => self.found.push(FoundThread {
                tid,
                interpreter: Interpreter::At(address),
                current: Some(word),
            }),
            said => self.vacant.push(Vacant {
                place: word.address,
                said: said.unwrap_or(0),
            }),
        }
    }
}

impl Inferior {
    /// Every thread that runs Perl, the main thread first.
    ///
    /// # Errors
    /// [`AttachError`] when not even the main thread can be had.
    pub fn threads(&self) -> Result<Vec<PerlThread>, AttachError> {
        let main_thread = self.view.main_thread();
        let main = self.main_interpreter()?;
        let mut found = match self.perl.identity.build {
            Build::Threaded => {
                let tids = self.view.thread_ids()?;
                self.by_specific_data(&tids, Some(main))?
            }
            Build::Multiplicity | Build::Unthreaded => Vec::new(),
        };
        let nobody_runs_it = found
            .iter()
            .all(|f| f.interpreter != main && f.tid != main_thread);
        let current = match self.perl.identity.build {
            Build::Multiplicity => self.place_of_curinterp(),
            Build::Threaded | Build::Unthreaded => None,
        };
        if self.is_successor(main) {
            self.watch_vacant(current);
        } else if nobody_runs_it {
            let main = FoundThread {
                tid: main_thread,
                interpreter: main,
                current,
            };
            found.insert(0, main);
            let others = self.unread_threads().saturating_sub(1);
            self.unread_threads.store(others, Ordering::Relaxed);
        }
        let all: Vec<Interpreter> = found.iter().map(|f| f.interpreter).collect();
        let perl_tids = self.perl_tids(main, &all);
        found
            .into_iter()
            .map(|f| {
                Ok(PerlThread {
                    os_tid: f.tid,
                    perl_tid: perl_tids(f.interpreter),
                    current: f.current,
                    runs: self.perl.variables(f.interpreter).located()?,
                })
            })
            .collect()
    }

    /// Threads of which nothing told whether they run Perl, when they were asked last.
    pub fn unread_threads(&self) -> usize {
        self.unread_threads.load(Ordering::Relaxed)
    }

    /// Threads that ran no interpreter when they were asked last run one by now.
    pub fn has_newcomers(&self) -> bool {
        let vacant = self.vacant.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = Batch::new();
        let width = usize::from(self.perl.identity.abi.pointer_size);
        let slots: Vec<(Slot, u64)> = vacant
            .iter()
            .map(|one| (batch.push(one.place, width), one.said))
            .collect();
        if slots.is_empty() || self.memory.fill(&mut batch).is_err() {
            return false;
        }
        slots.iter().any(|(slot, said)| {
            let bytes = batch.bytes(*slot).ok();
            let says = bytes.and_then(|bytes| self.perl.identity.abi.pointer(bytes, 0));
            says.is_some_and(|says| says != 0 && says != *said)
        })
    }

    /// No thread runs Perl, and it is known where one would say so.
    pub fn is_vacant(&self) -> bool {
        let vacant = self.vacant.lock().unwrap_or_else(PoisonError::into_inner);
        !vacant.is_empty()
    }

    /// Looks, from now on, at one more word that may tell of an interpreter.
    fn watch_vacant(&self, place: Option<Variable>) {
        let said = place.map(|p| (p.address, self.reader().pointer(p.address)));
        if let Some((place, Ok(said))) = said {
            let mut vacant = self.vacant.lock().unwrap_or_else(PoisonError::into_inner);
            vacant.retain(|one| one.place != place);
            vacant.push(Vacant { place, said });
        }
    }

    /// The interpreter at an address that a thread gave, if one is there.
    pub fn interpreter_at(&self, address: u64) -> Option<Located> {
        if address == 0 || self.perl.identity.build == Build::Unthreaded {
            return None;
        }
        let maps = self.view.mappings().ok()?;
        let interpreter = Interpreter::At(address);
        self.is_one(&maps, interpreter)
            .then(|| self.perl.variables(interpreter).located().ok())
            .flatten()
    }

    /// What threads.pm knows these interpreters by.
    pub(super) fn ids_of(&self, interpreters: &[Interpreter]) -> Vec<Option<u64>> {
        let Ok(main) = self.main_interpreter() else {
            return vec![None; interpreters.len()];
        };
        let ids = self.perl_tids(main, interpreters);
        interpreters.iter().map(|i| ids(*i)).collect()
    }

    /// It moves while it is looked at: one of several looks must do.
    pub(super) fn is_one(&self, maps: &[Mapping], interpreter: Interpreter) -> bool {
        (0..3).any(|_| self.perl.examine(&self.memory, maps, interpreter).is_ok())
    }

    fn pointer_at(&self, address: u64) -> Variable {
        Variable {
            address,
            size: self.perl.identity.abi.pointer_size,
        }
    }

    /// `PL_curinterp`, which without threads is the interpreter that runs.
    fn place_of_curinterp(&self) -> Option<Variable> {
        let symbol = self.perl.image.symbol("PL_curinterp")?;
        Some(self.pointer_at(self.perl.bias.wrapping_add(symbol.address)))
    }

    /// What these threads run. `main` is what is likely.
    pub(super) fn by_specific_data(
        &self,
        tids: &[Tid],
        main: Option<Interpreter>,
    ) -> Result<Vec<FoundThread>, AttachError> {
        let reader = self.reader();
        let maps = OnceCell::new();
        let mapped = || -> Result<&Vec<Mapping>, AttachError> {
            match maps.get() {
                Some(maps) => Ok(maps),
                None => {
                    let now = self.view.mappings()?;
                    Ok(maps.get_or_init(|| now))
                }
            }
        };
        let mut key = || self.key_number().ok().flatten();
        if let Some(places) = self.view.places_of_key(&mut key) {
            let unread = tids.iter().filter(|tid| !places.contains_key(*tid)).count();
            let known = places
                .into_iter()
                .filter_map(|(tid, place)| Some((tid, place?)));
            let sorted = self.by_places(&reader, &mapped, tids, known, main);
            return Ok(self.keep(sorted, unread));
        }
        let blocks = self.blocks(&reader, &mapped, tids)?;
        let mut known = blocks.len();
        let mut sorted = self.by_blocks(&reader, &mapped, tids, &blocks, main)?;
        if sorted.found.is_empty() && sorted.vacant.is_empty() {
            let in_ring = match main {
                Some(Interpreter::At(main)) => self.by_ring(&reader, mapped()?, tids, main),
                _ => None,
            };
            (sorted, known) = in_ring.unwrap_or_default();
        }
        if sorted.found.is_empty()
            && sorted.vacant.is_empty()
            && let Some(Interpreter::At(address)) = main
            && let Some(places) = self.places_in_libthr(&reader, address)
        {
            known = tids.len();
            sorted = self.by_places(&reader, &mapped, tids, places, main);
        }
        Ok(self.keep(sorted, tids.len().saturating_sub(known)))
    }

    /// Remembers who runs nothing, and of how many nothing tells.
    fn keep(&self, sorted: Sorted, unread: usize) -> Vec<FoundThread> {
        self.unread_threads.store(unread, Ordering::Relaxed);
        *self.vacant.lock().unwrap_or_else(PoisonError::into_inner) = sorted.vacant;
        sorted.found
    }

    /// Where FreeBSD's libthr has what threads keep under perl's key; `None` where it is another library.
    fn places_in_libthr(&self, reader: &Reader<'_>, main: u64) -> Option<Vec<(Tid, u64)>> {
        let key = self.key_number().ok().flatten()?;
        let found = self.libthr.get_or_init(|| {
            let files = self.view.mapped_programs().ok()?;
            libthr(&self.view.examiner(), &files, &self.perl.image)
        });
        let all = self.view.thread_ids().ok()?;
        found.as_ref()?.places(reader, &all, key, main).ok()?
    }

    /// What these threads run, where it is known where each keeps its value of perl's key.
    fn by_places<'m>(
        &self,
        reader: &Reader<'_>,
        mapped: &dyn Fn() -> Result<&'m Vec<Mapping>, AttachError>,
        tids: &[Tid],
        places: impl IntoIterator<Item = (Tid, u64)>,
        main: Option<Interpreter>,
    ) -> Sorted {
        let is_interpreter = |address: u64| {
            let interpreter = Interpreter::At(address);
            Some(interpreter) == main || mapped().is_ok_and(|maps| self.is_one(maps, interpreter))
        };
        let mut sorted = Sorted::default();
        for (tid, place) in places.into_iter().filter(|(tid, _)| tids.contains(tid)) {
            sorted.add(tid, self.pointer_at(place), reader, &is_interpreter);
        }
        sorted
    }

    /// What these threads run, by what a ring of control blocks leads to, and how many of them are in it;
    /// `None` where there is no ring.
    fn by_ring(
        &self,
        reader: &Reader<'_>,
        maps: &[Mapping],
        tids: &[Tid],
        main: u64,
    ) -> Option<(Sorted, usize)> {
        /// A C library that has no ring has none the next time either.
        const MOST_FAILURES: u8 = 3;
        let all = self.view.thread_ids().ok()?;
        let mut search = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let known = search.found.take();
        let again = known.and_then(|(ring, key)| Some((ring.again(reader, &all)?, key)));
        let found = again.or_else(|| {
            if search.failures >= MOST_FAILURES {
                return None;
            }
            let ring = Ring::find(reader, maps, &all)?;
            let key = self.key_number().ok().flatten();
            let key = ring.key_place(reader, key, main)?;
            Some((ring, key))
        });
        let Some((ring, key)) = found else {
            search.failures = search.failures.saturating_add(1);
            return None;
        };
        let is_interpreter =
            |address: u64| address == main || self.is_one(maps, Interpreter::At(address));
        let mut sorted = Sorted::default();
        for tid in tids {
            let place = ring.blocks.get(tid).map(|block| key.of(reader, *block));
            let Some(Ok(place @ 1..)) = place else {
                continue;
            };
            sorted.add(*tid, self.pointer_at(place), reader, &is_interpreter);
        }
        let known = tids.iter().filter(|tid| ring.blocks.contains_key(*tid));
        let known = known.count();
        search.found = Some((ring, key));
        Some((sorted, known))
    }

    /// What these threads run, by what their control blocks lead to.
    fn by_blocks<'m>(
        &self,
        reader: &Reader<'_>,
        mapped: &dyn Fn() -> Result<&'m Vec<Mapping>, AttachError>,
        tids: &[Tid],
        blocks: &HashMap<Tid, u64>,
        main: Option<Interpreter>,
    ) -> Result<Sorted, AttachError> {
        let is_main = |address: u64| Some(Interpreter::At(address)) == main;
        let is_interpreter =
            |address: u64| mapped().is_ok_and(|maps| self.is_one(maps, Interpreter::At(address)));
        let mut slot = None;
        let mut sorted = Sorted::default();
        for tid in tids {
            let Some(block) = blocks.get(tid) else {
                continue;
            };
            // Of most programs there is one thread, and nothing else need be known of it.
            let quick = match tids.len() {
                1 => specific(reader, *block, None, &is_main).ok().flatten(),
                _ => None,
            };
            let known = match quick.filter(|s| s.place.is_some()) {
                Some(specific) => Some(specific),
                None => {
                    let slot = match slot {
                        Some(slot) => slot,
                        None => *slot.insert(self.key()?),
                    };
                    specific(reader, *block, slot, &is_interpreter)
                        .ok()
                        .flatten()
                }
            };
            match known {
                Some(Specific {
                    place,
                    interpreter: Some(address),
                }) => sorted.found.push(FoundThread {
                    tid: *tid,
                    interpreter: Interpreter::At(address),
                    current: place.map(|place| self.pointer_at(place)),
                }),
                Some(Specific {
                    place: Some(place), ..
                }) => sorted.vacant.push(Vacant {
                    place,
                    said: reader.pointer(place).unwrap_or(0),
                }),
                _ => {}
            }
        }
        Ok(sorted)
    }

    /// The number of perl's key; `None` for a perl without symbols.
    fn key_number(&self) -> Result<Option<u64>, AttachError> {
        let symbol = self.perl.image.symbol("PL_thr_key");
        let key = symbol.map(|s| {
            self.reader()
                .uint(self.perl.bias.wrapping_add(s.address), 4)
        });
        key.transpose().map_err(|e| self.read_error(e))
    }

    /// Perl's key, and how libc keeps keys; `None` where either is not known.
    fn key(&self) -> Result<Option<(u64, KeyLayout)>, AttachError> {
        // A perl without symbols does not tell its key: then what libc says of keys is of no use.
        let Some(key) = self.key_number()? else {
            return Ok(None);
        };
        let layout = *self.keys.get_or_init(|| {
            let files = self.view.mapped_programs().ok()?;
            key_layout(&self.view.examiner(), &files, &self.perl.image)
        });
        Ok(layout.map(|layout| (key, layout)))
    }

    /// The control blocks of these threads. Those that were found before are only verified; a thread
    /// for which none was found is not looked for again.
    fn blocks<'m>(
        &self,
        reader: &Reader<'_>,
        mapped: &dyn Fn() -> Result<&'m Vec<Mapping>, AttachError>,
        tids: &[Tid],
    ) -> Result<HashMap<Tid, u64>, AttachError> {
        let mut known = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let mark = BlockMark::of_machine(self.perl.identity.machine.as_deref());
        known.retain(|tid, block| {
            tids.contains(tid) && block.is_none_or(|b| is_block_of(reader, b, *tid, mark))
        });
        let new = tids.iter().copied();
        let mut new: Vec<Tid> = new.filter(|tid| !known.contains_key(tid)).collect();
        let mut look = |maps: &[Mapping], new: &mut Vec<Tid>| {
            let found = control_blocks(reader, maps, new, mark);
            let found = found.map_err(|e| self.read_error(e))?;
            new.retain(|tid| !found.contains_key(tid));
            known.extend(found.into_iter().map(|(tid, block)| (tid, Some(block))));
            Ok::<(), AttachError>(())
        };
        let mut before = self.mapped.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(maps) = before.take().filter(|_| !new.is_empty()) {
            look(&maps, &mut new)?;
        }
        // One that has begun since then has its block in what is mapped now.
        if !new.is_empty() {
            look(mapped()?, &mut new)?;
        }
        known.extend(new.into_iter().map(|tid| (tid, None)));
        let found = known
            .iter()
            .filter_map(|(tid, block)| Some((*tid, (*block)?)));
        Ok(found.collect())
    }

    /// Where the threads.pm of 5.8.0 to 5.8.8 keeps its list.
    fn old_list(&self) -> Option<u64> {
        let files = self.view.mapped_programs().ok()?;
        let file = files
            .iter()
            .find(|f| f.path.ends_with("threads/threads.so"))?;
        let image = self.view.examiner().open(file).ok()?;
        let symbol = image.symbol("threads")?;
        Some(image.load_bias(&file.maps)?.wrapping_add(symbol.address))
    }

    fn perl_tids(
        &self,
        main: Interpreter,
        found: &[Interpreter],
    ) -> impl Fn(Interpreter) -> Option<u64> + use<> {
        let addresses: Vec<u64> = found
            .iter()
            .filter_map(|interpreter| match interpreter {
                Interpreter::At(address) => Some(*address),
                Interpreter::Globals => None,
            })
            .collect();
        let modglobal = self
            .perl
            .variables(main)
            .by_name("Imodglobal")
            .and_then(|v| self.reader().pointer(v.address).ok());
        let ids = match modglobal {
            Some(hash) if hash != 0 && addresses.len() > 1 => {
                perl_thread_ids(&self.name_context(0), hash, &addresses)
            }
            _ => std::collections::HashMap::new(),
        };
        let old = (ids.is_empty() && addresses.len() > 1)
            .then(|| self.old_list())
            .flatten();
        let ids = match old {
            Some(variable) => old_perl_thread_ids(&self.name_context(0), variable, &addresses),
            None => ids,
        };
        let first = (!self.is_successor(main)).then_some(main);
        move |interpreter| match interpreter {
            i if Some(i) == first => Some(0),
            Interpreter::At(address) => ids.get(&address).copied(),
            Interpreter::Globals => None,
        }
    }
}

/// The offsets that glibc exports for debuggers (nptl_db/structs.def): each is an array of three
/// 32-bit words, bits, count and offset.
fn key_layout(examiner: &Examiner, files: &[MappedFile], perl: &Image) -> Option<KeyLayout> {
    let libc = |f: &&MappedFile| {
        let name = f
            .path
            .file_name()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        name.starts_with("libc.so") || name.starts_with("libc-") || name.starts_with("libpthread")
    };
    let offset = |image: &Image, name: &str| {
        let bytes = image.bytes_at(image.symbol(name)?.address, 12)?;
        perl.abi().uint(&bytes, 8, 4)
    };
    files.iter().filter(libc).find_map(|file| {
        let image = examiner.open(file).ok()?;
        Some(KeyLayout {
            specific: offset(&image, "_thread_db_pthread_specific")?,
            data: offset(&image, "_thread_db_pthread_key_data_data")?,
        })
    })
}

/// What FreeBSD's libthr says of itself for debuggers: offsets are numbers of 32 bits.
fn libthr(examiner: &Examiner, files: &[MappedFile], perl: &Image) -> Option<Libthr> {
    let is_libthr = |file: &&MappedFile| {
        let name = file.path.file_name().and_then(|n| n.to_str());
        name.is_some_and(|name| name.starts_with("libthr.so"))
    };
    let file = files.iter().find(is_libthr)?;
    let image = examiner.open(file).ok()?;
    let offset = |name: &str| {
        let bytes = image.bytes_at(image.symbol(name)?.address, 4)?;
        perl.abi().uint(&bytes, 0, 4)
    };
    let list = image.symbol("_thread_list")?.address;
    Some(Libthr {
        list: image.load_bias(&file.maps)?.wrapping_add(list),
        tid: offset("_thread_off_tid")?,
        next: offset("_thread_off_next")?,
    })
}
