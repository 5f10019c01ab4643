//! What the console can do.

/// It obeys escape sequences, which a console of Windows 10 has to be told to.
pub fn takes_escapes() -> bool {
    ratatui::crossterm::ansi_support::supports_ansi()
}
