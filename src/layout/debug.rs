//! The layout that a perl's debug information has: a question to whoever may open the file.

use super::dwarf::{DwarfError, from_dwarf};
use super::entry::NumberedLayout;
use super::{Layout, Origin};
use crate::image::{DebugFile, DebugFileError, DebugSearch, Files, Image, Question};
use crate::platform::Ground;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Component, Path};

/// Where the debug information is looked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct LayoutFromDebug {
    search: DebugSearch,
}

/// The file that it was found in, and the layout.
#[derive(Debug, Serialize, Deserialize)]
pub struct DebugLayout {
    file: String,
    layout: NumberedLayout,
}

impl Question for LayoutFromDebug {
    type Answer = Result<Option<DebugLayout>, String>;
    const NAME: &'static str = "layout";
    const IS_HEAVY: bool = true;

    fn answer(&self, image: &Image, files: &dyn Files) -> Self::Answer {
        let file = DebugFile::find(image, &self.search, files);
        let file = file.map_err(|e: DebugFileError| e.to_string())?;
        let Some(file) = file else { return Ok(None) };
        let layout = from_dwarf(image, &file).map_err(|e: DwarfError| e.to_string())?;
        let path = crate::text::from_utf8(file.path.as_os_str().as_encoded_bytes());
        if layout.is_empty() {
            return Err(format!(
                "{path}: no perl structure in its debug information"
            ));
        }
        Ok(Some(DebugLayout {
            file: path,
            layout: NumberedLayout::of(&layout),
        }))
    }

    /// Debug files of our own, for a target in a container that has none: only from the folders that
    /// our user named.
    fn fetch(&self, wanted: &Path) -> Option<File> {
        let inside = self.search.folders.iter().any(|f| wanted.starts_with(f));
        let climbs = wanted.components().any(|c| c == Component::ParentDir);
        (inside && !climbs)
            .then(|| Ground::OURS.open(wanted).ok())
            .flatten()
    }
}

/// The layout in an image's debug information, if it has any.
///
/// # Errors
/// Debug information that is there and cannot be used, in words.
pub fn layout_from_debug(image: &Image, search: &DebugSearch) -> Result<Option<Layout>, String> {
    let question = LayoutFromDebug {
        search: search.clone(),
    };
    let Some(answer) = image.ask(&question) else {
        let path = crate::text::from_utf8(image.path().as_os_str().as_encoded_bytes());
        let why = image.trouble().unwrap_or("nobody can read it");
        return Err(format!(
            "the debug information of {path} is not used: {why}"
        ));
    };
    let Some(found) = answer? else {
        return Ok(None);
    };
    // It may be the file of somebody hostile that said so.
    let origin = Origin::Dwarf(crate::text::from_utf8(found.file.as_bytes()).into());
    let layout = found.layout.layout(&origin);
    layout
        .map(Some)
        .ok_or_else(|| format!("{origin}: what it says cannot be"))
}
