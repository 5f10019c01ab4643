//! The files that a process runs code of, each opened when its code is met first.

use super::functions::{AskFunctions, FunctionTable};
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
    functions: OnceCell<Option<FunctionTable>>,
}

/// Opens a mapped file, if that can be had.
pub type OpenImage = Box<dyn Fn(&MappedFile) -> Option<Image> + Send>;

/// All of them.
pub struct Modules {
    all: Vec<LoadedModule>,
    open: OpenImage,
    search: Option<DebugSearch>,
}

impl Modules {
    /// Nothing is opened yet. Debug files are looked for by `search`.
    pub fn new(files: Vec<MappedFile>, open: OpenImage, search: Option<DebugSearch>) -> Self {
        Modules {
            all: files.into_iter().map(LoadedModule::new).collect(),
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

    /// The function at an address of a module, which is as the process counts, and how far behind its start that is.
    pub(super) fn function(&self, module: &LoadedModule, address: u64) -> Option<(String, u64)> {
        let (image, bias) = self.image(module)?;
        let ask = || {
            image.ask(&AskFunctions {
                search: self.search.clone(),
            })
        };
        let table = module.functions.get_or_init(ask).as_ref()?;
        let own = address.wrapping_sub(*bias);
        let (start, name) = table.at(own)?;
        Some((name, own - start))
    }

    /// Takes over what is mapped by now; what is known of a file stays known while it is mapped there.
    pub fn refresh(&mut self, files: Vec<MappedFile>) {
        let mut known = std::mem::take(&mut self.all);
        self.all = files
            .into_iter()
            .map(|file| match known.iter().position(|m| m.file == file) {
                Some(index) => known.swap_remove(index),
                None => LoadedModule::new(file),
            })
            .collect();
    }
}

impl LoadedModule {
    fn new(file: MappedFile) -> Self {
        LoadedModule {
            file,
            opened: OnceCell::new(),
            tables: OnceCell::new(),
            functions: OnceCell::new(),
        }
    }

    /// The same, of one of perl's extensions with the folders that tell which: below `auto`, as DynaLoader has it.
    pub(super) fn short_name(&self) -> String {
        let path = crate::text::from_utf8(self.file.path.as_os_str().as_encoded_bytes());
        match path.rsplit_once("/auto/") {
            Some((_, extension)) => extension.to_owned(),
            None => self.name(),
        }
    }

    /// The file's name without its folder.
    pub(super) fn name(&self) -> String {
        let name = self.file.path.file_name().map(Path::new);
        let name = name.unwrap_or(&self.file.path);
        crate::text::from_utf8(name.as_os_str().as_encoded_bytes())
    }
}
