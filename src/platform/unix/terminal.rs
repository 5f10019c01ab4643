//! What the terminal can do.

/// It obeys escape sequences, so that lines can be erased and the cursor be moved.
pub fn takes_escapes() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
