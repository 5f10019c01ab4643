//! Makes programs with perl in them.

use std::path::Path;
use std::process::Command;

/// Makes `program` of the C file `source`, with this perl in it. False where that cannot be done: there is
/// no C compiler, or no library and headers of this perl.
pub fn make(perl: &str, source: &Path, program: &Path) -> bool {
    // Perl's variables stay where its library has them, as for a server that loads perl as a module.
    make_by(perl, source, program, &["-fPIC"])
}

/// The same with words for the compiler.
pub fn make_by(perl: &str, source: &Path, program: &Path, words: &[&str]) -> bool {
    let said = |words: &str| -> Option<Vec<String>> {
        let mut command = Command::new(perl);
        command.args(["-MExtUtils::Embed", "-e", words]);
        let said = String::from_utf8(command.output().ok()?.stdout).ok()?;
        Some(said.split_whitespace().map(str::to_owned).collect())
    };
    let (Some(compile), Some(link)) = (said("ccopts"), said("ldopts")) else {
        return false;
    };
    let mut cc = Command::new("cc");
    cc.arg("-o")
        .arg(program)
        .arg(source)
        .args(compile)
        .args(link);
    cc.args(words).arg("-lpthread");
    cc.output().is_ok_and(|made| made.status.success())
}
