//! The text of the program that a process runs: read with that process's own rights, through its
//! own root. The path comes from the target's memory and may name anything.

use super::Process;
use super::trust::effective_user;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

/// Why the text of a file cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// perl calls it by a name that is no path: `-`, `(eval 1)`.
    #[error("it is no file, and perl keeps no text of it")]
    NoFile,
    /// The system would not open or read it, for us or for the user that the target runs as.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A folder, a device, a pipe.
    #[error("it is no ordinary file")]
    NotRegular,
    /// So many bytes are the limit.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// We are root, and not allowed to be the target's user for once.
    #[error("the rights of user {0} cannot be taken")]
    Rights(u32),
    /// The process has ended.
    #[error("the process has ended")]
    Gone,
}

/// Files above this are no source that anybody reads.
pub const LARGEST_SOURCE: u64 = 8 << 20;

/// Who opens files for a process.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rights {
    user: u32,
    group: u32,
    groups: Vec<u32>,
}

impl Process {
    /// The bytes of a file that the process names, relative to where it is now. They are the
    /// target's: escape them.
    ///
    /// # Errors
    /// [`SourceError`]; also where we may read the file and the target may not.
    pub fn read_source(self, file: &Path) -> Result<Vec<u8>, SourceError> {
        let is_path = file
            .as_os_str()
            .as_bytes()
            .first()
            .is_some_and(|b| *b != b'(');
        if file == Path::new("-e") {
            return self.one_liner();
        }
        if !is_path || file == Path::new("-") {
            return Err(SourceError::NoFile);
        }
        let rights = self.rights().ok_or(SourceError::Gone)?;
        let root = format!("/proc/{}/root", self.pid);
        let root = open_path(Path::new(&root)).map_err(|e| match e.raw_os_error() {
            Some(libc::ENOENT | libc::ESRCH) => SourceError::Gone,
            _ => SourceError::Io(e),
        })?;
        let inside = self.absolute(file)?;
        let shared = self.shares_our_view();
        // Others than root open what they may open anyway.
        if effective_user() != 0 || rights.user == 0 {
            return read_inside(&root, &inside, shared);
        }
        // Rights belong to a thread, and this one's end gives them back.
        let reader = std::thread::spawn(move || {
            rights.take()?;
            read_inside(&root, &inside, shared)
        });
        let gone = || SourceError::Io(io::Error::other("the thread that reads it failed"));
        reader.join().map_err(|_| gone())?
    }

    /// What stands behind `-e` on the command line.
    fn one_liner(self) -> Result<Vec<u8>, SourceError> {
        let words = self.command_line().map_err(|_| SourceError::Gone)?;
        let mut words = words.into_iter().skip(1);
        let mut lines = Vec::new();
        while let Some(word) = words.next() {
            // `-ne` is -n and -e.
            let is_switch = word.first() == Some(&b'-') && word.get(1) != Some(&b'-');
            if is_switch && matches!(word.last(), Some(b'e' | b'E')) {
                lines.extend(words.next());
            }
        }
        if lines.is_empty() {
            return Err(SourceError::NoFile);
        }
        Ok(lines.join(&b'\n'))
    }

    /// A path of the target, from its root.
    fn absolute(self, file: &Path) -> Result<PathBuf, SourceError> {
        if file.is_absolute() {
            return Ok(file.to_owned());
        }
        let link = |name: &str| fs::read_link(format!("/proc/{}/{name}", self.pid));
        let (here, root) = (link("cwd")?, link("root")?);
        // In a chroot both are told as we see them.
        let here = here.strip_prefix(&root).unwrap_or(&here);
        Ok(Path::new("/").join(here).join(file))
    }

    /// The ids by which the kernel decides what it may open.
    fn rights(self) -> Option<Rights> {
        let status = self.read("status").ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|l| l.strip_prefix(name))?;
            let ids = line.split_whitespace().map(|id| id.parse().ok());
            ids.collect::<Option<Vec<u32>>>()
        };
        // Real, effective, saved, and the one for files.
        Some(Rights {
            user: field("Uid:")?.get(3).copied()?,
            group: field("Gid:")?.get(3).copied()?,
            groups: field("Groups:")?,
        })
    }
}

impl Rights {
    /// Gives them to the calling thread, for files only. From root, the capabilities that override
    /// permissions of files go with it (capabilities(7)).
    fn take(&self) -> Result<(), SourceError> {
        let refused = SourceError::Rights(self.user);
        // SAFETY: the list is as long as said; the bare system calls change this thread only, while
        // the C library's functions change all threads.
        unsafe {
            let set = libc::syscall(libc::SYS_setgroups, self.groups.len(), self.groups.as_ptr());
            libc::syscall(libc::SYS_setfsgid, self.group);
            libc::syscall(libc::SYS_setfsuid, self.user);
            // They answer with the id before; no user has this one.
            let group = libc::syscall(libc::SYS_setfsgid, u32::MAX);
            let user = libc::syscall(libc::SYS_setfsuid, u32::MAX);
            let taken =
                u32::try_from(group) == Ok(self.group) && u32::try_from(user) == Ok(self.user);
            if taken && set == 0 {
                return Ok(());
            }
        }
        Err(refused)
    }
}

/// A name for a file, without opening it: to open a device can do something.
fn open_path(path: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_PATH)
        .open(path)
}

fn read_inside(root: &File, path: &Path, shared: bool) -> Result<Vec<u8>, SourceError> {
    let named = match open_in_root(root, path) {
        // Before Linux 5.6, or forbidden by a container's filter: the same where the target's root
        // is our own.
        Err(e) if shared && matches!(e.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {
            open_path(path)?
        }
        other => other?,
    };
    let about = named.metadata()?;
    if !about.is_file() {
        return Err(SourceError::NotRegular);
    }
    if about.len() > LARGEST_SOURCE {
        return Err(SourceError::TooLarge(LARGEST_SOURCE));
    }
    let file = File::open(format!("/proc/self/fd/{}", named.as_raw_fd()))?;
    let mut bytes = Vec::new();
    // It may grow, and files of /proc have no size.
    file.take(LARGEST_SOURCE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_SOURCE {
        return Err(SourceError::TooLarge(LARGEST_SOURCE));
    }
    Ok(bytes)
}

/// Finds a file below a root that no `..` and no symbolic link leads out of.
fn open_in_root(root: &File, path: &Path) -> io::Result<File> {
    let below: PathBuf = path
        .components()
        .filter(|c| !matches!(c, Component::RootDir))
        .collect();
    let below = CString::new(below.as_os_str().as_bytes())?;
    // SAFETY: all zeros are a valid `open_how`, the kernel's way to stay extensible.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_IN_ROOT | libc::RESOLVE_NO_MAGICLINKS;
    // SAFETY: path and structure live until the call returns, and the size is the structure's.
    let opened = unsafe {
        libc::syscall(
            libc::SYS_openat2,
            root.as_raw_fd(),
            below.as_ptr(),
            &raw const how,
            size_of::<libc::open_how>(),
        )
    };
    match i32::try_from(opened) {
        // SAFETY: the kernel just made this descriptor, and nobody else has it.
        Ok(fd) if fd >= 0 => Ok(unsafe { File::from_raw_fd(fd) }),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Child, Command, Stdio};

    fn me() -> Process {
        Process::open(std::process::id() as i32).unwrap()
    }

    /// A process that does nothing; it ends with its owner.
    struct Sleeper(Child);

    impl Sleeper {
        fn start(command: &mut Command) -> Option<Self> {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Some(Sleeper(command.spawn().ok()?))
        }

        fn process(&self) -> Process {
            Process {
                pid: self.0.id() as i32,
            }
        }
    }

    impl Drop for Sleeper {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn relative_paths_begin_where_the_process_is() {
        let text = me()
            .read_source(Path::new("src/process/source.rs"))
            .unwrap();
        assert!(text.starts_with(b"//! The text of the program"));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.pl"), "print 1").unwrap();
        let mut sleep = Command::new("sleep");
        let sleeper = Sleeper::start(sleep.arg("60").current_dir(folder.path())).unwrap();
        let read = |path: &str| sleeper.process().read_source(Path::new(path));
        assert_eq!(read("a.pl").unwrap(), b"print 1");
        let up = format!("../{}/a.pl", folder.path().file_name().unwrap().display());
        assert_eq!(read(&up).unwrap(), b"print 1");
    }

    #[test]
    fn a_one_liner_is_on_the_command_line() {
        let mut perl = Command::new("perl");
        perl.args(["-w", "-e", "$| = 1;", "-lne", "1"]);
        perl.stdin(Stdio::piped());
        let child = perl.stdout(Stdio::null()).spawn();
        let sleeper = Sleeper(child.unwrap());
        // Until it has become perl its command line is ours.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let text = loop {
            match sleeper.process().read_source(Path::new("-e")) {
                Err(_) if std::time::Instant::now() < deadline => std::thread::yield_now(),
                other => break other.unwrap(),
            }
        };
        assert_eq!(text, b"$| = 1;\n1");
    }

    #[test]
    fn only_ordinary_files_of_a_sane_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let large = File::create(at("large")).unwrap();
        large.set_len(LARGEST_SOURCE + 1).unwrap();
        let fifo = CString::new(at("fifo").as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is a C string.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        symlink("/dev/zero", at("zero")).unwrap();
        let error = |path: &Path| me().read_source(path).unwrap_err();
        assert!(matches!(error(&at("large")), SourceError::TooLarge(_)));
        for other in [
            at("fifo"),
            at("zero"),
            folder.path().to_owned(),
            "/dev/null".into(),
        ] {
            assert!(
                matches!(error(&other), SourceError::NotRegular),
                "{other:?}"
            );
        }
        for name in ["(eval 3)", "-e", "-", ""] {
            assert!(
                matches!(error(Path::new(name)), SourceError::NoFile),
                "{name}"
            );
        }
        assert!(matches!(error(&at("missing")), SourceError::Io(_)));
        assert!(matches!(error(Path::new("a\0b")), SourceError::Io(_)));
    }

    /// Runs only as root: who else can start a process of another user?
    #[test]
    fn root_reads_only_what_the_targets_user_may() {
        use std::os::unix::process::CommandExt;
        if effective_user() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(at("closed")).unwrap();
        for (name, mode) in [("open", 0o644), ("secret", 0o600), ("closed/open", 0o644)] {
            fs::write(at(name), name).unwrap();
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        fs::set_permissions(at("closed"), fs::Permissions::from_mode(0o700)).unwrap();
        let mut sleep = Command::new("sleep");
        let sleeper = Sleeper::start(sleep.arg("60").uid(65534).gid(65534)).unwrap();
        let read = |name: &str| sleeper.process().read_source(&at(name));
        assert_eq!(read("open").unwrap(), b"open");
        for name in ["secret", "closed/open"] {
            let SourceError::Io(e) = read(name).unwrap_err() else {
                panic!("{name}");
            };
            assert_eq!(e.kind(), io::ErrorKind::PermissionDenied, "{name}");
        }
        // Our own rights are what they were.
        assert_eq!(fs::read(at("secret")).unwrap(), b"secret");
    }

    /// Runs only as root: nobody else may change a root.
    #[test]
    fn links_do_not_lead_out_of_the_targets_root() {
        use std::os::unix::process::CommandExt;
        if effective_user() != 0 {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let root = CString::new(folder.path().as_os_str().as_bytes()).unwrap();
        fs::write(folder.path().join("inside.pl"), "inside").unwrap();
        symlink("/inside.pl", folder.path().join("good")).unwrap();
        symlink("/etc/passwd", folder.path().join("bad")).unwrap();
        symlink(
            "../../../../../../../../etc/passwd",
            folder.path().join("worse"),
        )
        .unwrap();
        let (mut left, right) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut sleep = Command::new("sleep");
        sleep.arg("60");
        // SAFETY: between fork and exec only system calls are made, on memory that is ready.
        unsafe {
            sleep.pre_exec(move || {
                libc::chroot(root.as_ptr());
                libc::write(right.as_raw_fd(), b"r".as_ptr().cast(), 1);
                libc::sleep(60);
                Ok(())
            });
        }
        // The child stays between fork and exec: `spawn` waits for it.
        let spawning = std::thread::spawn(move || drop(Sleeper::start(&mut sleep)));
        let mut ready = [0];
        left.read_exact(&mut ready).unwrap();
        let child = Process::all_ids()
            .find(|pid| {
                Process::parent_of(*pid) == Some(std::process::id() as i32)
                    && fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|r| r == folder.path())
            })
            .unwrap();
        let process = Process { pid: child };
        let good = process.read_source(Path::new("/good"));
        let bad = ["/bad", "/worse", "/etc/passwd", "etc/passwd"]
            .map(|p| process.read_source(Path::new(p)));
        // SAFETY: kill has no memory effects in this process.
        unsafe { libc::kill(child, libc::SIGKILL) };
        let _ = spawning.join();
        assert_eq!(good.unwrap(), b"inside");
        for read in bad {
            assert!(read.is_err());
        }
    }
}
