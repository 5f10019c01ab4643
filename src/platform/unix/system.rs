//! What kind of system this is.

/// What the system is, for a bug report.
pub fn system() -> String {
    // SAFETY: all zeros is a valid value of plain arrays of characters.
    let mut name: libc::utsname = unsafe { std::mem::zeroed() };
    // SAFETY: there is room for the answer.
    unsafe { libc::uname(&raw mut name) };
    let text = |field: &[libc::c_char]| -> String {
        // A character has a sign on some processors only.
        let bytes = field.iter().flat_map(|c| c.to_ne_bytes());
        let bytes: Vec<u8> = bytes.take_while(|b| *b != 0).collect();
        crate::text::from_utf8(&bytes)
    };
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let distribution = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let distribution = distribution
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| format!(", {}", crate::text::message(name.trim_matches('"'))));
    format!(
        "{} {} {}, {cpus} CPUs{}",
        text(&name.sysname),
        text(&name.release),
        text(&name.machine),
        distribution.unwrap_or_default()
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_system_has_a_name_and_a_processor() {
        let told = super::system();
        assert!(
            told.contains(std::env::consts::ARCH) && told.contains(" CPUs"),
            "{told}"
        );
    }
}
