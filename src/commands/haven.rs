//! Where a recording is kept that nobody asked for as a file: in memory while it is small, then in a
//! temporary file, and in another place when the first one is full.

use crate::platform::files::{Folder, Named};
use crate::platform::{opened, places};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a recording may take of memory before it goes to a file.
const IN_MEMORY: usize = 4 << 20;
/// The same where no file takes it.
const IN_NEED: usize = 256 << 20;

/// Reads, writes and seeks.
pub trait Store: Read + Write + Seek + Send {}
impl<T: Read + Write + Seek + Send> Store for T {}

enum HavenPlace {
    Memory(Cursor<Vec<u8>>),
    File(File),
}

/// A recording without a name.
pub struct Haven {
    place: HavenPlace,
    /// Folders that were not tried yet.
    folders: Vec<PathBuf>,
    /// More than so much goes to a file.
    in_memory: usize,
}

impl Haven {
    /// An empty one, which may use the folders, the first one first.
    pub fn new(folders: Vec<PathBuf>) -> Self {
        Haven {
            place: HavenPlace::Memory(Cursor::default()),
            folders: folders.into_iter().rev().collect(),
            in_memory: IN_MEMORY,
        }
    }

    /// Goes on in the next place that takes what there is so far. False where there is none.
    fn moves(&mut self) -> bool {
        while let Some(folder) = self.folders.pop() {
            if let Ok(file) = self.copied_to(&folder) {
                self.place = HavenPlace::File(file);
                return true;
            }
        }
        false
    }

    fn copied_to(&mut self, folder: &Path) -> io::Result<File> {
        let mut file = Folder::open(folder)?.temporary(0o600)?.nameless()?;
        let at = self.stream_position()?;
        self.rewind()?;
        let copied = match &mut self.place {
            HavenPlace::Memory(bytes) => io::copy(bytes, &mut file),
            HavenPlace::File(from) => io::copy(from, &mut file),
        };
        self.seek(SeekFrom::Start(at))?;
        copied?;
        file.seek(SeekFrom::Start(at))?;
        Ok(file)
    }
}

impl Write for Haven {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let HavenPlace::Memory(memory) = &self.place
            && memory.get_ref().len().saturating_add(bytes.len()) > self.in_memory
            && !self.moves()
        {
            if self.in_memory >= IN_NEED {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.in_memory = IN_NEED;
        }
        loop {
            let written = match &mut self.place {
                HavenPlace::Memory(memory) => return memory.write(bytes),
                HavenPlace::File(file) => file.write(bytes),
            };
            match written {
                Err(e) if e.kind() != io::ErrorKind::Interrupted && self.moves() => {}
                written => return written,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Haven {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match &mut self.place {
            HavenPlace::Memory(memory) => memory.read(into),
            HavenPlace::File(file) => file.read(into),
        }
    }
}

impl Seek for Haven {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.place {
            HavenPlace::Memory(memory) => memory.seek(to),
            HavenPlace::File(file) => file.seek(to),
        }
    }
}

/// Folders in which something can be kept. What has no name goes to temporary files first, what the
/// user should find near what he named.
pub fn folders(near: Option<&Path>, is_temporary: bool) -> Vec<PathBuf> {
    let temporary = places::temporary();
    let near = near.map(Path::to_owned);
    let mut found: Vec<PathBuf> = match is_temporary {
        true => temporary.into_iter().chain(near).collect(),
        false => near
            .into_iter()
            .chain([".".into()])
            .chain(temporary)
            .collect(),
    };
    found.extend(places::home());
    found.extend(places::in_memory());
    found
}

/// Copies a recording into the first folder that takes it, and says where it is now. What is there
/// stays.
///
/// # Errors
/// That of the last folder, when none took it.
pub fn keep(store: &mut dyn Store, folders: &[PathBuf], name: &str) -> io::Result<PathBuf> {
    let mut problem = io::ErrorKind::NotFound.into();
    for folder in folders {
        for number in 0..100 {
            let name = match number {
                0 => format!("{name}.p5spy"),
                again => format!("{name}-{again}.p5spy"),
            };
            let path = folder.join(name);
            match keep_as(store, &path) {
                Ok(()) => return Ok(path.canonicalize().unwrap_or(path)),
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => {
                    problem = e;
                    break;
                }
            }
        }
    }
    Err(problem)
}

fn keep_as(store: &mut dyn Store, path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    store.rewind()?;
    let named = Named::find(path)?;
    let mut temporary = named.temporary()?;
    // Nobody has said who may see it.
    opened::make_private(&temporary.file)?;
    io::copy(store, &mut temporary.file)?;
    temporary.keep(named.name()).map(|_| ())
}

/// The folder that a file is in.
pub fn around(file: &Path) -> PathBuf {
    let parent = file.parent().filter(|p| !p.as_os_str().is_empty());
    parent.unwrap_or(Path::new(".")).to_owned()
}

/// A name that tells what a recording was to become.
pub fn name_for(picture: &Path) -> String {
    let stem = picture.file_name().and_then(OsStr::to_str).unwrap_or("-");
    match stem.split('.').find(|part| !part.is_empty()) {
        Some(stem) if stem != "-" => stem.to_owned(),
        _ => format!("p5-spy-{}", std::process::id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::opened::is_private;

    fn content(store: &mut Haven) -> Vec<u8> {
        let mut all = Vec::new();
        store.rewind().unwrap();
        store.read_to_end(&mut all).unwrap();
        all
    }

    #[test]
    fn what_is_small_stays_in_memory_and_what_is_large_goes_where_it_can() {
        let place = tempfile::tempdir().unwrap();
        let gone = place.path().join("gone");
        let mut store = Haven::new(vec![gone.clone(), place.path().to_owned()]);
        let piece = vec![7; IN_MEMORY / 2];
        store.write_all(&piece).unwrap();
        store.write_all(&piece).unwrap();
        assert!(matches!(store.place, HavenPlace::Memory(_)));
        store.write_all(&piece).unwrap();
        assert!(matches!(store.place, HavenPlace::File(_)));
        assert_eq!(content(&mut store), [&piece[..], &piece, &piece].concat());
        // It has no name; on Windows it loses its name when it is closed.
        let names = || std::fs::read_dir(place.path()).unwrap().count();
        assert!(names() <= usize::from(cfg!(windows)));
        drop(store);
        assert_eq!(names(), 0);
        let mut nowhere = Haven::new(vec![gone]);
        nowhere.write_all(&vec![7; IN_MEMORY + 1]).unwrap();
        assert_eq!(content(&mut nowhere).len(), IN_MEMORY + 1);
    }

    #[test]
    fn a_file_that_takes_no_more_is_left_for_another() {
        let place = tempfile::tempdir().unwrap();
        let full = place.path().join("full");
        std::fs::write(&full, "first ").unwrap();
        let mut store = Haven::new(vec![place.path().to_owned()]);
        // It takes no more, as it was opened for reading.
        let mut full = File::open(full).unwrap();
        full.seek(SeekFrom::End(0)).unwrap();
        store.place = HavenPlace::File(full);
        store.write_all(b"second").unwrap();
        assert_eq!(content(&mut store), b"first second");
        store.place = HavenPlace::File(File::open(places::NOTHING).unwrap());
        store.write_all(b"third").unwrap_err();
    }

    #[test]
    fn what_is_kept_replaces_nothing() {
        let place = tempfile::tempdir().unwrap();
        let mut store = Haven::new(Vec::new());
        store.write_all(b"samples").unwrap();
        let folders = [place.path().join("gone"), place.path().to_owned()];
        let first = keep(&mut store, &folders, "x").unwrap();
        let second = keep(&mut store, &folders, "x").unwrap();
        assert!(first.ends_with("x.p5spy") && second.ends_with("x-1.p5spy"));
        for path in [&first, &second] {
            assert_eq!(std::fs::read(path).unwrap(), b"samples");
            assert!(is_private(&File::open(path).unwrap()).unwrap());
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                let mode = path.metadata().unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
        keep(&mut store, &folders[..1], "x").unwrap_err();
        assert_eq!(name_for(Path::new("a/b.speedscope.json")), "b");
        assert!(name_for(Path::new("-")).starts_with("p5-spy-"));
    }
}
