//! Which file an image is of.

use crate::platform::Stamp;

/// What the system said of a file when it was opened.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// Which file it was.
    pub stamp: Stamp,
    /// Whether any change since then has another time: whoever asks later is told of a later moment.
    pub is_settled: bool,
}

impl Sighting {
    /// Of a stamp that was taken just now.
    pub fn of(stamp: Stamp) -> Self {
        Sighting {
            stamp,
            is_settled: stamp.is_settled(),
        }
    }
}
