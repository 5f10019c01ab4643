//! The text of the program that a process runs: read with that process's own rights, through its
//! own root. The path comes from the target's memory and may name anything.

use super::readers::reader;
use super::request::{FileRequest, SourceError};
use crate::platform::Process;
use std::path::Path;

/// The bytes of a file that a process names, relative to where it is now. They are the target's:
/// escape them.
///
/// # Errors
/// [`SourceError`]; also where we may read the file and the target may not.
pub fn read_source(process: Process, file: &Path) -> Result<Vec<u8>, SourceError> {
    if file == Path::new("-e") {
        return process.one_liner().ok_or(SourceError::NoFile);
    }
    let first = file.as_os_str().as_encoded_bytes().first();
    if first.is_none_or(|b| *b == b'(') || file == Path::new("-") {
        return Err(SourceError::NoFile);
    }
    let path = process.absolute(file).ok_or(SourceError::Gone)?;
    let request = FileRequest::Source { path };
    let mut tried = false;
    let answer = loop {
        let reader = reader(process).map_err(SourceError::NoAnswer)?;
        match reader.ask(&request, None, &mut |_| None) {
            Ok(answer) => break answer,
            // It may have ended because nobody had asked it anything for a while.
            Err(e) if reader.is_used && !tried && !e.is_time_out() => tried = true,
            Err(e) => return Err(SourceError::NoAnswer(e.to_string())),
        }
    };
    let text: Result<Vec<u8>, SourceError> = postcard::from_bytes(&answer)
        .map_err(|_| SourceError::NoAnswer("its answer cannot be understood".into()))?;
    text.map_err(|error| match error {
        SourceError::Refused(text) => SourceError::Refused(crate::text::from_utf8(text.as_bytes())),
        other => other,
    })
}

// Links, pipes, modes and roots, which Windows lacks or has otherwise.
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;
    use crate::examine::LARGEST_SOURCE;
    use crate::ids::Pid;
    use crate::platform::effective_user;
    use std::ffi::CString;
    use std::fs;
    use std::fs::File;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::{Child, Command, Stdio};

    fn read(process: Process, file: impl AsRef<Path>) -> Result<Vec<u8>, SourceError> {
        read_source(process, file.as_ref())
    }

    /// A process that does nothing; it ends with its owner.
    struct Sleeper(Child);

    impl Sleeper {
        fn start(command: &mut Command) -> Option<Self> {
            command.stdin(Stdio::null()).stdout(Stdio::null());
            Some(Sleeper(command.spawn().ok()?))
        }

        fn process(&self) -> Process {
            Process::open(Pid::from(self.0.id())).unwrap()
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
        let text = read(Process::ourselves(), "src/examine/source.rs").unwrap();
        assert!(text.starts_with(b"//! The text of the program"));
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.pl"), "print 1").unwrap();
        let mut sleep = Command::new("sleep");
        let sleeper = Sleeper::start(sleep.arg("60").current_dir(folder.path())).unwrap();
        let read = |path: &str| read(sleeper.process(), path);
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
            match read(sleeper.process(), "-e") {
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
        let error = |path: &Path| read(Process::ourselves(), path).unwrap_err();
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
        assert!(matches!(error(&at("missing")), SourceError::Refused(_)));
        assert!(matches!(error(Path::new("a\0b")), SourceError::Refused(_)));
        assert_eq!(error(Path::new("/proc/kallsyms")), SourceError::Kernel);
    }

    /// Runs only as root: who else can start a process of another user?
    #[test]
    fn root_reads_only_what_the_targets_user_may() {
        use std::os::unix::process::CommandExt;
        if effective_user() != 0 {
            eprintln!("skipped: only root can do this");
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
        let read = |name: &str| read(sleeper.process(), at(name));
        assert_eq!(read("open").unwrap(), b"open");
        for name in ["secret", "closed/open"] {
            let SourceError::Refused(why) = read(name).unwrap_err() else {
                panic!("{name}");
            };
            assert!(why.contains("Permission denied"), "{name}: {why}");
        }
        // Our own rights are what they were.
        assert_eq!(fs::read(at("secret")).unwrap(), b"secret");
    }

    /// Runs only as root: nobody else may change a root.
    #[test]
    fn links_do_not_lead_out_of_the_targets_root() {
        use std::os::unix::process::CommandExt;
        if effective_user() != 0 {
            eprintln!("skipped: only root can do this");
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
                Process::parent_of(*pid) == Some(Pid::from(std::process::id() as i32))
                    && fs::read_link(format!("/proc/{pid}/root")).is_ok_and(|r| r == folder.path())
            })
            .unwrap();
        let process = Process::open(child).unwrap();
        let good = read(process, "/good");
        let bad = ["/bad", "/worse", "/etc/passwd", "etc/passwd"].map(|p| read(process, p));
        // SAFETY: kill has no memory effects in this process.
        unsafe { libc::kill(child.native(), libc::SIGKILL) };
        let _ = spawning.join();
        assert_eq!(good.unwrap(), b"inside");
        assert!(bad.iter().all(Result::is_err), "{bad:?}");
    }
}
