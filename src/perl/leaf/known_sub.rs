//! A sub whose name was found.

use std::sync::Arc;

/// A sub's name, and the bytes that it depends on.
#[derive(Debug)]
pub(in crate::perl) struct KnownSub {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
    pub(super) name: Arc<str>,
}
