//! What Unix systems have in common.

pub mod bytes;
pub mod opened;
pub mod places;
pub mod poll;
pub mod signals;
pub mod suspend;
