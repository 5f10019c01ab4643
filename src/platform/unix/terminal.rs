//! What the terminal can do.

/// Why it does not, behind "and".
pub const NO_ESCAPES: &str = "TERM says that this one is \"dumb\"";

/// It obeys escape sequences, so that lines can be erased and the cursor be moved.
pub fn takes_escapes() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
