//! Files are written whole or not at all.

use anyhow::Context;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Writes a file through a temporary one in the same folder; `-` is standard output.
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
    // A device or a pipe cannot be renamed over.
    if path.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir()) {
        let file = std::fs::OpenOptions::new().write(true).open(path);
        let mut out =
            BufWriter::new(file.with_context(|| format!("cannot write {}", path.display()))?);
        return render(&mut out)
            .and_then(|()| out.flush())
            .with_context(|| format!("cannot write {}", path.display()));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let problem = || format!("cannot write {}", path.display());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".p5-spy-");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // What the umask leaves of it, as for any file that a program writes.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let temporary = builder.tempfile_in(folder).with_context(problem)?;
    let mut out = BufWriter::new(temporary);
    render(&mut out)
        .and_then(|()| out.flush())
        .with_context(problem)?;
    let temporary = out
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
        .with_context(problem)?;
    temporary
        .persist(path)
        .map_err(|e| e.error)
        .with_context(problem)?;
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
