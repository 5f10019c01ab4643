//! Opening files whose names others chose: ordinary ones only, without waiting, and nothing that
//! the kernel makes up.

use crate::platform::open_at::open_at;
use crate::platform::{Ground, OpenError};
use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

impl Ground<'_> {
    /// Opens the file at an absolute path for reading.
    ///
    /// # Errors
    /// [`OpenError`] when there is none, the way leads out of the root or through a device, we may not read
    /// it, or it is no ordinary file.
    pub fn open(self, path: &Path) -> Result<File, OpenError> {
        let place = match self.root {
            Some(root) => place_below(root, path)?,
            None => place_at(path)?,
        };
        self.read_place(&place)
    }

    /// Opens for reading what was opened as a place.
    ///
    /// # Errors
    /// [`OpenError`] when we may not read it, somebody holds a lease on it, or it is no ordinary file.
    pub fn read_place(self, place: &File) -> Result<File, OpenError> {
        if !place.metadata()?.is_file() {
            return Err(OpenError::NotRegular);
        }
        if is_made_by_kernel(place)? {
            return Err(OpenError::Kernel);
        }
        // A lease of somebody else would make us wait for three quarters of a minute.
        const FLAGS: libc::c_int = libc::O_NONBLOCK | libc::O_NOCTTY;
        let name = place.as_raw_fd().to_string();
        let opened = match self.descriptors {
            None => fs::OpenOptions::new()
                .read(true)
                .custom_flags(FLAGS)
                .open(format!("/proc/self/fd/{name}")),
            Some(folder) => {
                let name = CString::new(name).map_err(io::Error::other)?;
                open_at(folder, &name, libc::O_RDONLY | FLAGS, 0)
            }
        };
        opened.map_err(|e| match e.raw_os_error() {
            Some(libc::EWOULDBLOCK) => {
                OpenError::Io(io::Error::other("another program holds a lease on it"))
            }
            _ => OpenError::Io(e),
        })
    }
}

/// A name for a file, without opening it: to open a device can do something.
///
/// # Errors
/// When open(2) fails: no such file, or a folder on the way that may not be entered.
pub fn place_at(path: &Path) -> io::Result<File> {
    // Not by OpenOptions: with musl these take O_PATH for a way to open (O_ACCMODE), leave it out, and open the file.
    let path = CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?;
    open_at(&libc::AT_FDCWD, &path, libc::O_PATH, 0)
}

/// It was made by [`place_at`] or [`place_below`], and is not open.
pub fn is_place(file: &File) -> bool {
    // SAFETY: takes numbers.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_PATH != 0
}

/// Finds a file below a root that no `..` and no symbolic link leads out of. Before Linux 5.6 the
/// answer is `ENOSYS`.
pub fn place_below(root: &File, path: &Path) -> io::Result<File> {
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

/// File systems without a disk behind them whose files tell what the kernel knows (linux/magic.h).
const OF_KERNEL: [u64; 12] = [
    0x9fa0,      // proc
    0x6265_6572, // sysfs
    0x6462_6720, // debugfs
    0x7472_6163, // tracefs
    0x0027_e0eb, // cgroup
    0x6367_7270, // cgroup2
    0x7363_6673, // securityfs
    0xf97c_ff8c, // selinuxfs
    0xcafe_4a11, // bpf
    0x6165_676c, // pstore
    0xde5e_81e4, // efivarfs
    0x4249_4e4d, // binfmt_misc
];

fn is_made_by_kernel(file: &File) -> io::Result<bool> {
    // SAFETY: all zeros are a valid structure, which the kernel fills during the call.
    let mut about: libc::statfs = unsafe { std::mem::zeroed() };
    // SAFETY: the structure lives during the call.
    if unsafe { libc::fstatfs(file.as_raw_fd(), &raw mut about) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(OF_KERNEL.contains(&(about.f_type as u64 & 0xffff_ffff)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn only_ordinary_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "text").unwrap();
        symlink("file", at("link")).unwrap();
        symlink("/dev/zero", at("zero")).unwrap();
        symlink("/proc/kallsyms", at("symbols")).unwrap();
        let fifo = CString::new(at("fifo").as_os_str().as_bytes()).unwrap();
        // SAFETY: the path is a C string.
        assert_eq!(unsafe { libc::mkfifo(fifo.as_ptr(), 0o600) }, 0);
        for good in ["file", "link"] {
            assert!(Ground::OURS.open(&at(good)).is_ok(), "{good}");
        }
        for other in [at("fifo"), at("zero"), folder.path().to_owned()] {
            let error = Ground::OURS.open(&other).unwrap_err();
            assert!(matches!(error, OpenError::NotRegular), "{other:?}: {error}");
        }
        for of_kernel in [
            "/proc/self/maps",
            "/proc/self/environ",
            "/sys/kernel/mm/transparent_hugepage/enabled",
        ] {
            if !Path::new(of_kernel).exists() {
                continue;
            }
            let error = Ground::OURS.open(Path::new(of_kernel)).unwrap_err();
            assert!(matches!(error, OpenError::Kernel), "{of_kernel}: {error}");
        }
        let error = Ground::OURS.open(&at("symbols")).unwrap_err();
        assert!(matches!(error, OpenError::Kernel), "{error}");
    }

    #[test]
    fn a_lease_is_no_reason_to_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("leased");
        fs::write(&path, "text").unwrap();
        let holder = File::options().write(true).open(&path).unwrap();
        // The lease is broken by a signal that nobody is to die of.
        // SAFETY: these take numbers.
        let leased = unsafe {
            libc::signal(libc::SIGIO, libc::SIG_IGN);
            libc::fcntl(holder.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK)
        };
        if leased != 0 {
            eprintln!("skipped: this file system has no leases");
            return;
        }
        let started = std::time::Instant::now();
        let error = Ground::OURS.open(&path).unwrap_err();
        assert!(error.to_string().contains("lease"), "{error}");
        assert!(started.elapsed() < std::time::Duration::from_secs(2));
    }

    #[test]
    fn no_name_leads_out_of_a_root() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("inside"), "inside").unwrap();
        symlink("/inside", folder.path().join("good")).unwrap();
        symlink("/etc/passwd", folder.path().join("bad")).unwrap();
        symlink("../../../../../../etc/passwd", folder.path().join("worse")).unwrap();
        let root = place_at(folder.path()).unwrap();
        let ground = Ground {
            root: Some(&root),
            descriptors: None,
        };
        match ground.open(Path::new("/good")) {
            Err(OpenError::Io(e)) if e.raw_os_error() == Some(libc::ENOSYS) => {
                eprintln!("skipped: this kernel has no openat2");
                return;
            }
            good => assert_eq!(io::read_to_string(good.unwrap()).unwrap(), "inside"),
        }
        for name in ["/bad", "/worse", "/../etc/passwd"] {
            assert!(ground.open(Path::new(name)).is_err(), "{name}");
        }
    }
}
