//! The files that a process runs code of, each opened when its code is met first.

use super::functions::{FunctionsAt, NativeFunction};
use super::tables::{AskUnwindTables, UnwindTables};
use crate::image::{DebugSearch, Image};
use crate::platform::{MappedFile, Mapping};
use std::cell::OnceCell;
use std::path::Path;

/// A file that is mapped.
pub(super) struct LoadedModule {
    pub file: MappedFile,
    opened: OnceCell<Option<(Image, u64)>>,
    tables: OnceCell<Option<UnwindTables>>,
}

/// Opens a mapped file, if that can be had.
pub type OpenImage = Box<dyn Fn(&MappedFile) -> Option<Image>>;

/// All of them.
pub struct Modules {
    all: Vec<LoadedModule>,
    open: OpenImage,
    search: Option<DebugSearch>,
}

impl Modules {
    /// Nothing is opened yet. Debug files are looked for by `search`.
    pub fn new(files: Vec<MappedFile>, open: OpenImage, search: Option<DebugSearch>) -> Self {
        let all = files.into_iter().map(|file| LoadedModule {
            file,
            opened: OnceCell::new(),
            tables: OnceCell::new(),
        });
        Modules {
            all: all.collect(),
            open,
            search,
        }
    }

    /// The one that is mapped at an address.
    pub(super) fn at(&self, address: u64) -> Option<&LoadedModule> {
        let within = |map: &Mapping| (map.start..map.end).contains(&address);
        self.all.iter().find(|m| m.file.maps.iter().any(within))
    }

    /// Its file, and how far that was moved.
    pub(super) fn image<'m>(&self, module: &'m LoadedModule) -> Option<&'m (Image, u64)> {
        let open = || {
            let image = (self.open)(&module.file)?;
            let bias = image.load_bias(&module.file.maps)?;
            Some((image, bias))
        };
        module.opened.get_or_init(open).as_ref()
    }

    /// What its file says of unwinding, and how far it was moved.
    pub(super) fn tables<'m>(&self, module: &'m LoadedModule) -> Option<(&'m UnwindTables, u64)> {
        let (image, bias) = self.image(module)?;
        let tables = module
            .tables
            .get_or_init(|| image.ask(&AskUnwindTables).flatten());
        Some((tables.as_ref()?, *bias))
    }

    /// The functions at these addresses of one module, which are as the process counts.
    pub(super) fn functions(
        &self,
        module: &LoadedModule,
        addresses: &[u64],
    ) -> Vec<Option<NativeFunction>> {
        let nothing = || vec![None; addresses.len()];
        let Some((image, bias)) = self.image(module) else {
            return nothing();
        };
        let moved = addresses.iter().map(|a| a.wrapping_sub(*bias));
        let asked = image.ask(&FunctionsAt {
            addresses: moved.collect(),
            search: self.search.clone(),
        });
        // They come from whoever read a file that anybody may have written.
        asked
            .filter(|found| found.len() == addresses.len())
            .map_or_else(nothing, |found| {
                let harmless = |function: NativeFunction| NativeFunction {
                    name: crate::text::from_utf8(function.name.as_bytes()),
                    ..function
                };
                found.into_iter().map(|f| f.map(harmless)).collect()
            })
    }
}

impl LoadedModule {
    /// The file's name without its folder.
    pub(super) fn name(&self) -> String {
        let name = self.file.path.file_name().map(Path::new);
        let name = name.unwrap_or(&self.file.path);
        crate::text::from_utf8(name.as_os_str().as_encoded_bytes())
    }
}
