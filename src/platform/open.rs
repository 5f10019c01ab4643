//! Why a file is not opened.

use std::io;

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The system would not.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A folder, a device, a pipe.
    #[error("it is no ordinary file")]
    NotRegular,
    /// Its text is made by the kernel, of what it knows.
    #[error("it is a file of the kernel's, not a program's")]
    Kernel,
}
