//! Files and folders that p5-spy makes: where others can write, nothing of theirs is followed or
//! overwritten, whatever the system's own settings are.

mod folder;
mod named;

pub use folder::Folder;
pub use named::Named;
