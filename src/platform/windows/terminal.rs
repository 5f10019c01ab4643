//! What the console can do.

/// Why it does not, behind "and".
pub const NO_ESCAPES: &str =
    "this one knows no escape sequences, as the consoles of Windows 10 and later do";

/// It obeys escape sequences, which a console of Windows 10 has to be told to.
pub fn takes_escapes() -> bool {
    ratatui::crossterm::ansi_support::supports_ansi()
}
