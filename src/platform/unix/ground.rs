//! Where the names of files begin.

use std::fs::File;

/// Where names begin, and how to read what was found by one.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The root that no name leads out of; `None` for our own.
    pub root: Option<&'a File>,
    /// The folder of our own descriptors; `None` where `/proc` has it.
    pub descriptors: Option<&'a File>,
}

impl Ground<'_> {
    /// Our own root, as we see it.
    pub const OURS: Ground<'static> = Ground {
        root: None,
        descriptors: None,
    };
}
