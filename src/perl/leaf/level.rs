//! How much is shown on top of Perl's own frames.

/// Which frames are added on top.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeafLevel {
    /// None.
    #[default]
    Nothing,
    /// Subs written in C.
    Xsubs,
    /// These, or the op that is running where it is another.
    Ops,
}
