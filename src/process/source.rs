//! The text of a program's own files, read as the program could have read them.
//!
//! Names of files come from the target's memory, and p5-spy may be root: it opens them through the
//! target's root with the target's rights, so that a name cannot fetch what its user may not see.

use super::Process;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::OpenOptionsExt;

/// No larger file is read.
const MAX_SOURCE: u64 = 4 << 20;

/// Whose rights files are opened with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rights {
    user: u32,
    group: u32,
    groups: Vec<u32>,
}

impl Process {
    /// Reads files of this process, by the names that perl has for them.
    ///
    /// # Errors
    /// Each file has its own: why it could not be had, for people.
    pub fn sources(self, files: &[String]) -> Vec<Result<String, String>> {
        let rights = self.rights();
        let folders = ["root", "cwd"].map(|link| {
            let path = format!("/proc/{}/{link}", self.pid());
            let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC;
            let mut options = std::fs::OpenOptions::new();
            options.read(true).custom_flags(flags).open(path)
        });
        let read = || -> Vec<Result<String, String>> {
            let taken = rights.as_ref().is_some_and(Rights::take_on);
            files
                .iter()
                .map(|file| match file.as_str() {
                    "-e" => self.one_liner(),
                    "-" => Err("it was read from standard input".into()),
                    name if name.starts_with('(') => Err("perl keeps no text of it".into()),
                    _ if !taken => Err("the rights of the program could not be taken on".into()),
                    name => read(name, &folders),
                })
                .collect()
        };
        // Rights are a thread's own; this one ends with them.
        std::thread::scope(|scope| scope.spawn(read).join())
            .unwrap_or_else(|_| vec![Err("it could not be read".into()); files.len()])
    }

    fn rights(self) -> Option<Rights> {
        let status = self.read("status").ok()?;
        let numbers = |name: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|l| l.strip_prefix(name))?;
            line.split_whitespace().map(|n| n.parse().ok()).collect()
        };
        // Real, effective, saved, and the one for files.
        Some(Rights {
            user: *numbers("Uid:")?.get(3)?,
            group: *numbers("Gid:")?.get(3)?,
            groups: numbers("Groups:")?,
        })
    }

    /// What stood behind `-e` on the command line.
    fn one_liner(self) -> Result<String, String> {
        let words = self.command_line().unwrap_or_default();
        let mut words = words.iter().skip(1);
        let mut lines = Vec::new();
        while let Some(word) = words.next() {
            let is_switch = word.first() == Some(&b'-') && word.get(1) != Some(&b'-');
            if is_switch && matches!(word.last(), Some(b'e' | b'E')) {
                lines.extend(words.next().map(|word| decoded(word)));
            }
        }
        if lines.is_empty() {
            return Err("it is not on the command line".into());
        }
        Ok(lines.join("\n"))
    }
}

impl Rights {
    /// Gives the calling thread these rights over files; false where that fails.
    fn take_on(&self) -> bool {
        if super::effective_user() != 0 {
            // Then ours are not more than the user's own.
            return true;
        }
        let groups = self.groups.as_ptr();
        // SAFETY: `groups` is valid for its length. The raw calls change this thread only, unlike
        // the library's functions. Asked with -1, the last two change nothing and tell what is.
        unsafe {
            libc::syscall(libc::SYS_setgroups, self.groups.len(), groups) == 0 && {
                libc::syscall(libc::SYS_setfsgid, self.group);
                libc::syscall(libc::SYS_setfsuid, self.user);
                libc::syscall(libc::SYS_setfsgid, -1) == i64::from(self.group)
                    && libc::syscall(libc::SYS_setfsuid, -1) == i64::from(self.user)
            }
        }
    }
}

fn read(name: &str, folders: &[io::Result<File>; 2]) -> Result<String, String> {
    let [root, cwd] = folders;
    let absolute = name.strip_prefix('/');
    let folder = if absolute.is_some() { root } else { cwd };
    let folder = folder
        .as_ref()
        .map_err(|e| format!("it is out of reach: {e}"))?;
    let file = open(folder, absolute.unwrap_or(name), absolute.is_some());
    let file = file.map_err(|e| e.to_string())?;
    let about = file.metadata().map_err(|e| e.to_string())?;
    if !about.is_file() {
        return Err("it is no file".into());
    }
    if about.len() > MAX_SOURCE {
        return Err(format!("it is larger than {} MB", MAX_SOURCE >> 20));
    }
    let mut bytes = Vec::new();
    let done = file.take(MAX_SOURCE).read_to_end(&mut bytes);
    done.map_err(|e| e.to_string())?;
    Ok(decoded(&bytes))
}

/// Opens a file below a folder; `is_root` keeps symbolic links below it too.
fn open(folder: &File, name: &str, is_root: bool) -> io::Result<File> {
    let path = CString::new(name).map_err(|_| io::ErrorKind::InvalidInput)?;
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: all members are numbers, for which 0 is a value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = u64::from(flags.unsigned_abs());
    how.resolve = if is_root { libc::RESOLVE_IN_ROOT } else { 0 };
    let size = std::mem::size_of::<libc::open_how>();
    // SAFETY: the path ends with a 0, and `how` is as large as is said.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            folder.as_raw_fd(),
            path.as_ptr(),
            &how,
            size,
        )
    };
    let opened = match opened {
        // Linux before 5.6.
        -1 if io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS) => {
            // SAFETY: as above.
            unsafe { libc::openat(folder.as_raw_fd(), path.as_ptr(), flags) }
        }
        other => i32::try_from(other).unwrap_or(-1),
    };
    if opened < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just now and is nobody else's.
    Ok(unsafe { File::from_raw_fd(opened) })
}

/// Perl's files are Latin-1 unless they are UTF-8.
fn decoded(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_as_the_process_sees_them() {
        let process = Process::open(i32::try_from(std::process::id()).unwrap()).unwrap();
        let files = [
            "Cargo.toml",
            "src/../Cargo.toml",
            "/etc/passwd",
            "no/such",
            "/dev/null",
            "(eval 3)",
        ];
        let found = process.sources(&files.map(str::to_owned));
        assert!(found[0].as_ref().unwrap().contains("name = \"p5-spy\""));
        assert_eq!(found[0], found[1]);
        assert!(found[2].as_ref().unwrap().contains("root:"));
        assert!(found[3].as_ref().unwrap_err().contains("No such file"));
        assert!(found[4].as_ref().unwrap_err().contains("no file"));
        assert!(found[5].as_ref().unwrap_err().contains("no text"));
    }
}
