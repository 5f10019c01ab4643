//! Which of the files that a process runs is perl.

use super::Examiner;
use crate::ids::Pid;
use crate::image::{Image, ImageError};
use crate::platform::MappedFile;
use std::path::Path;

/// Why none is.
#[derive(Debug, thiserror::Error)]
pub enum NoPerl {
    /// No mapped file defines a perl.
    #[error(
        "process {pid} ({program}) is not perl: of the {searched} files it runs, none defines PL_curinterp or has the names of perl's ops in it"
    )]
    Here {
        /// The process.
        pid: Pid,
        /// The name of its program.
        program: String,
        /// How many files were looked at.
        searched: usize,
    },
    /// A file of the process cannot be read.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// The mapped file that defines an interpreter: `program` itself, else whichever library does.
///
/// # Errors
/// [`NoPerl::Here`], or what kept the files from being read.
pub fn find_perl(
    pid: Pid,
    examiner: &Examiner,
    program: &Path,
    files: &[MappedFile],
) -> Result<(Image, MappedFile), NoPerl> {
    let mut ordered: Vec<&MappedFile> = files.iter().collect();
    // The program is the likeliest; the order decides nothing but the speed.
    ordered.sort_by_key(|f| f.path != program);
    let mut first_error = None;
    let mut others = Vec::new();
    for file in &ordered {
        match examiner.open(file) {
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
        None => Err(NoPerl::Here {
            pid,
            program: crate::text::from_utf8(program.as_os_str().as_encoded_bytes()),
            searched: ordered.len(),
        }),
    }
}
