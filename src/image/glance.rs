//! Whether a file could have a perl in it, for lists that ask this of every program on a machine:
//! a fraction of what reading its symbols costs.

use super::exports::exports;
use super::{Budget, FileBytes, ImageError, bounded_length, macho, readable};
use object::{BinaryFormat, Object, ObjectSection};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What a perl that has its symbols has among their names.
const SYMBOL: &[u8] = b"PL_curinterp\0";
/// What one without symbols has among its texts.
const TEXT: &[u8] = b"PERL5LIB\0";

/// False when [`super::Image`] would surely find no perl in a file. Perls without symbols are looked
/// for in programs only: no distribution has a libperl that exports nothing.
///
/// # Errors
/// Those of [`super::Image::of_file`].
pub fn may_define_perl(
    path: &Path,
    file: File,
    budget: Arc<Budget>,
    is_program: bool,
) -> Result<bool, ImageError> {
    let length = bounded_length(path, &file)?;
    let bytes = readable(FileBytes::new(file, length, budget));
    let object = object::File::parse(&bytes).map_err(|source| ImageError::Format {
        path: path.to_owned(),
        source,
    })?;
    let has = |section: &str, text: &[u8]| {
        let range = object.section_by_name(section)?.file_range()?;
        let end = range.0.checked_add(range.1)?;
        bytes.find(range.0..end, text)
    };
    if let Some(names) = macho::names(&object) {
        let is_one = bytes.find(names, SYMBOL).is_some();
        return Ok(is_one || is_program && has("__cstring", TEXT).is_some());
    }
    if object.sections().next().is_none() {
        return Ok(bytes.find(0..length, TEXT).is_some() || bytes.find(0..length, SYMBOL).is_some());
    }
    // A DLL's exports have no section of their own everywhere, and are few.
    if object.format() == BinaryFormat::Pe {
        let mut exports = exports(&object).into_iter();
        return Ok(exports.any(|(name, _)| name == b"PL_curinterp"));
    }
    let is_one = has(".dynstr", SYMBOL)
        .or_else(|| is_program.then(|| has(".strtab", SYMBOL))?)
        .or_else(|| is_program.then(|| has(".rodata", TEXT))?);
    Ok(is_one.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perl_and_others() {
        let glance = |path: &Path| {
            let file = File::open(path).unwrap();
            may_define_perl(path, file, Arc::default(), true)
        };
        assert!(glance(&crate::image::perl_of_the_system()).unwrap());
        assert!(!glance(Path::new("/bin/true")).unwrap());
        assert!(glance(Path::new("/etc/passwd")).is_err());
    }
}
