//! Signing a program so that the system takes it for a debugger: then it may read other programs of the
//! same user, after it has asked him once.

use std::ffi::OsString;
use std::path::Path;
#[cfg(target_os = "macos")]
use std::{io, process::Command};

/// What the program asks for (a property list).
const ENTITLEMENTS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
    <key>com.apple.security.cs.debugger</key>
    <true/>
</dict>
</plist>
"#;

/// The system's own program for it, whatever is in PATH.
pub(super) const SIGNER: &str = "/usr/bin/codesign";

/// Its words: the program gets no certificate (`-`), only what it asks for.
fn words(program: &Path, entitlements: &Path) -> Vec<OsString> {
    let before = [
        "--force",
        "--options",
        "runtime",
        "--sign",
        "-",
        "--entitlements",
    ];
    let mut words: Vec<OsString> = before.map(OsString::from).to_vec();
    words.push(entitlements.into());
    words.push(program.into());
    words
}

/// Signs a program anew, in place.
///
/// # Errors
/// When the signer cannot be run, or refuses: with what it says.
#[cfg(target_os = "macos")]
pub fn sign_as_debugger(program: &Path) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new()?;
    io::Write::write_all(&mut file, ENTITLEMENTS.as_bytes())?;
    let done = Command::new(SIGNER)
        .args(words(program, file.path()))
        .output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = crate::text::from_utf8(done.stderr.trim_ascii());
    Err(io::Error::other(format!("{SIGNER}: {said}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_asks_to_be_a_debugger_and_for_nothing_else() {
        assert_eq!(ENTITLEMENTS.matches("<key>").count(), 1);
        assert!(ENTITLEMENTS.contains("<key>com.apple.security.cs.debugger</key>"));
        let words = words(Path::new("/opt/p5-spy"), Path::new("/tmp/e"));
        let line: Vec<&str> = words.iter().map(|w| w.to_str().unwrap()).collect();
        assert_eq!(
            line.join(" "),
            "--force --options runtime --sign - --entitlements /tmp/e /opt/p5-spy"
        );
        assert!(SIGNER.starts_with('/'));
    }
}
