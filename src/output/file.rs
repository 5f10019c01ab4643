//! Files are written whole or not at all.

use crate::platform::{FileKind as Kind, files::Named};
use anyhow::Context;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file through a temporary one in the same folder; `-` is standard output. A link of our
/// own stays one, and what it leads to is replaced.
///
/// # Errors
/// When anything on the way fails; then what was there before is untouched.
pub fn write_whole(
    path: &Path,
    render: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    if path.as_os_str() == "-" {
        let mut out = BufWriter::new(io::stdout().lock());
        let written = render(&mut out).and_then(|()| out.flush());
        return match written {
            // The reader has seen enough.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            other => other.context("cannot write to standard output"),
        };
    }
    let problem = || format!("cannot write {}", path.display());
    let named = Named::find(path).with_context(problem)?;
    // A device or a pipe cannot be renamed over.
    if let Kind::Special | Kind::Descriptor(_) = named.kind {
        let mut out = BufWriter::new(named.open().with_context(problem)?);
        return render(&mut out)
            .and_then(|()| out.flush())
            .with_context(problem);
    }
    let mut temporary = named.temporary().with_context(problem)?;
    let mut out = BufWriter::new(&mut temporary.file);
    render(&mut out)
        .and_then(|()| out.flush())
        .with_context(problem)?;
    drop(out);
    temporary.keep(named.name()).with_context(problem)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.svg");
        write_whole(&path, &mut |to| to.write_all(b"old")).unwrap();
        let failed = write_whole(&path, &mut |to| {
            to.write_all(b"half")?;
            Err(io::Error::other("disk full"))
        });
        assert!(format!("{:#}", failed.unwrap_err()).contains("disk full"));
        assert_eq!(std::fs::read(&path).unwrap(), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = write_whole(&folder.path().join("no/such/folder.svg"), &mut |_| Ok(()));
        assert!(nowhere.is_err());
    }
}
