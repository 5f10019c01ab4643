//! The threads of a process that run Perl.

use super::{AttachError, Target};
use crate::examine::Examiner;
use crate::image::Image;
use crate::memory::{ReadError, Reader};
use crate::perl::identity::Build;
use crate::perl::locate::Interpreter;
use crate::perl::running::Pads;
use crate::perl::stack::Variables;
use crate::perl::threads::{
    KeyLayout, control_blocks, is_block_of, old_perl_thread_ids, perl_thread_ids, specific_value,
};
use crate::process::{MappedFile, Mapping, Process};
use std::collections::HashMap;
use std::sync::PoisonError;

/// One thread that runs an interpreter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PerlThread {
    /// The kernel's id.
    pub os_tid: i32,
    /// What `threads->tid` says; `None` where that cannot be told.
    pub perl_tid: Option<u64>,
    /// Its interpreter.
    pub interpreter: Interpreter,
    /// Where that one's variables are.
    pub variables: Variables,
    /// The address of its `PL_compiling`; 0 where unknown.
    pub compiling: u64,
    /// Where what runs beside subs is found.
    pub pads: Pads,
}

impl Target {
    /// Every thread that runs Perl, the main thread first.
    ///
    /// # Errors
    /// [`AttachError`] when not even the main thread can be had.
    pub fn threads(&self) -> Result<Vec<PerlThread>, AttachError> {
        let pid = self.process.pid();
        let main = self.main_interpreter()?;
        let tids = self.process.thread_ids()?;
        let mut found: Vec<(i32, Interpreter)> = Vec::new();
        if self.perl.identity.build == Build::Threaded && tids.len() > 1 {
            found = self.by_specific_data(&tids)?;
        }
        if found.iter().all(|(_, interpreter)| *interpreter != main)
            && found.iter().all(|(tid, _)| *tid != pid)
        {
            found.insert(0, (pid, main));
        }
        let perl_tids = self.perl_tids(main, &found);
        found
            .into_iter()
            .map(|(os_tid, interpreter)| {
                let map = self.perl.variables(interpreter);
                Ok(PerlThread {
                    os_tid,
                    perl_tid: perl_tids(interpreter),
                    interpreter,
                    variables: map.moving()?,
                    compiling: map.by_name("Icompiling").map_or(0, |v| v.address),
                    pads: map.pads(),
                })
            })
            .collect()
    }

    pub(super) fn by_specific_data(
        &self,
        tids: &[i32],
    ) -> Result<Vec<(i32, Interpreter)>, AttachError> {
        let reader = self.reader();
        let read = |e| self.read_error(e);
        let maps = self.process.mappings()?;
        let blocks = self.blocks(&reader, &maps, tids).map_err(read)?;
        let key = self
            .perl
            .image
            .symbol("PL_thr_key")
            .map(|s| reader.uint(self.perl.bias.wrapping_add(s.address), 4));
        // A perl without symbols does not tell its key: then what libc says of keys is of no use.
        let key = key.transpose().map_err(read)?;
        let layout = || {
            *self.keys.get_or_init(|| {
                let files = self.process.mapped_programs().ok()?;
                key_layout(self.process, &files, &self.perl.image)
            })
        };
        let slot = key.and_then(|key| Some((key, layout()?)));
        let is_interpreter = |address: u64| {
            (0..3).any(|_| {
                let interpreter = Interpreter::At(address);
                self.perl.examine(&self.memory, &maps, interpreter).is_ok()
            })
        };
        let mut found = Vec::new();
        for tid in tids {
            let Some(block) = blocks.get(tid) else {
                continue;
            };
            if let Ok(Some(address)) = specific_value(&reader, *block, slot, &is_interpreter) {
                found.push((*tid, Interpreter::At(address)));
            }
        }
        Ok(found)
    }

    /// The control blocks of these threads. Those that were found before are only verified; a thread
    /// for which none was found is not looked for again.
    fn blocks(
        &self,
        reader: &Reader<'_>,
        maps: &[Mapping],
        tids: &[i32],
    ) -> Result<HashMap<i32, u64>, ReadError> {
        let mut known = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|tid, block| {
            tids.contains(tid) && block.is_none_or(|b| is_block_of(reader, b, *tid))
        });
        let new: Vec<i32> = tids
            .iter()
            .copied()
            .filter(|tid| !known.contains_key(tid))
            .collect();
        if !new.is_empty() {
            let found = control_blocks(reader, maps, &new)?;
            known.extend(new.into_iter().map(|tid| (tid, found.get(&tid).copied())));
        }
        let found = known
            .iter()
            .filter_map(|(tid, block)| Some((*tid, (*block)?)));
        Ok(found.collect())
    }

    /// Where the threads.pm of 5.8.0 to 5.8.8 keeps its list.
    fn old_list(&self) -> Option<u64> {
        let files = self.process.mapped_programs().ok()?;
        let file = files
            .iter()
            .find(|f| f.path.ends_with("threads/threads.so"))?;
        let image = Examiner::of(self.process).open(file).ok()?;
        let symbol = image.symbol("threads")?;
        Some(image.load_bias(&file.maps)?.wrapping_add(symbol.address))
    }

    fn perl_tids(
        &self,
        main: Interpreter,
        found: &[(i32, Interpreter)],
    ) -> impl Fn(Interpreter) -> Option<u64> + use<> {
        let addresses: Vec<u64> = found
            .iter()
            .filter_map(|(_, i)| match i {
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
        move |interpreter| match interpreter {
            i if i == main => Some(0),
            Interpreter::At(address) => ids.get(&address).copied(),
            Interpreter::Globals => None,
        }
    }
}

/// The offsets that glibc exports for debuggers (nptl_db/structs.def): each is an array of three
/// 32-bit words, bits, count and offset.
fn key_layout(process: Process, files: &[MappedFile], perl: &Image) -> Option<KeyLayout> {
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
    let examiner = Examiner::of(process);
    files.iter().filter(libc).find_map(|file| {
        let image = examiner.open(file).ok()?;
        Some(KeyLayout {
            specific: offset(&image, "_thread_db_pthread_specific")?,
            data: offset(&image, "_thread_db_pthread_key_data_data")?,
        })
    })
}
