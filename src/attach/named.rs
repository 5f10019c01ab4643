//! Which names of programs are perl's.

use std::path::Path;

/// `perl`, `perl5.36.0`, `/opt/bin/cperl`, Debian's `debugperl`: but not `perlbal` or `hyperlinker`.
/// By this it is decided what is run to learn from it.
pub fn is_perl_name(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|n| n.to_str())
        .unwrap_or_default();
    let name = name.strip_suffix(".exe").unwrap_or(name);
    // `wperl.exe` is perl without a console.
    let bare = ["debug", "c", "w"]
        .iter()
        .find_map(|p| name.strip_prefix(p));
    let rest = bare.unwrap_or(name).strip_prefix("perl");
    rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || ".-".contains(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_perls() {
        for (name, is_one) in [
            ("perl", true),
            ("/usr/bin/perl", true),
            ("perl5.36.0", true),
            ("/opt/cperl5.24", true),
            ("debugperl", true),
            ("perl5.41.13.exe", true),
            ("wperl.exe", true),
            ("perlglob.exe", false),
            ("perlbal", false),
            ("hyperl", false),
            ("", false),
        ] {
            assert_eq!(is_perl_name(Path::new(name)), is_one, "{name}");
        }
    }
}
