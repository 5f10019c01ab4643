//! What one question tells of the whole machine: whether anything runs at all, instead of one for
//! each of hundreds of waiting workers, and whether there can be a new process.

use crate::ids::Pid;
use std::fs::File;

/// With fewer threads, asking each is as cheap.
const MANY: usize = 8;

/// The kernel's count of threads that run or want to (proc_loadavg(5)).
#[derive(Debug)]
pub struct Load {
    file: Option<File>,
}

impl Load {
    /// Opens what the kernel keeps.
    pub fn open() -> Self {
        Load {
            file: File::open("/proc/loadavg").ok(),
        }
    }

    /// True when we are the only one who runs. False where that is not known, or not worth asking
    /// for so few threads.
    pub fn nobody_runs(&self, threads: usize) -> bool {
        threads >= MANY && self.runnable() == Some(1)
    }

    /// How many threads there are on the machine.
    pub fn threads(&self) -> Option<u32> {
        self.line(threads_of)
    }

    /// What changes with each new process: the id that a process or thread got last, and how many
    /// threads there are, as it is to be seen only some time after it got its id.
    pub fn newest(&self) -> Option<(Pid, u32)> {
        self.line(|line| Some((newest_of(line)?, threads_of(line)?)))
    }

    fn runnable(&self) -> Option<u32> {
        self.line(running_of)
    }

    fn line<T>(&self, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut text = [0u8; 64];
        let length = super::text::read_from_start(self.file.as_ref()?, &mut text).ok()?;
        read(std::str::from_utf8(text.get(..length)?).ok()?)
    }
}

/// The fifth field.
fn newest_of(line: &str) -> Option<Pid> {
    line.split(' ').nth(4)?.trim_end().parse().ok()
}

/// The fourth field is "running/all".
fn running_of(line: &str) -> Option<u32> {
    counts_of(line)?.0.parse().ok()
}

fn threads_of(line: &str) -> Option<u32> {
    counts_of(line)?.1.parse().ok()
}

fn counts_of(line: &str) -> Option<(&str, &str)> {
    line.split(' ').nth(3)?.split_once('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fourth_field_counts() {
        assert_eq!(running_of("0.20 0.18 0.12 1/80 11206\n"), Some(1));
        assert_eq!(threads_of("0.20 0.18 0.12 1/80 11206\n"), Some(80));
        assert_eq!(running_of("0.20 0.18"), None);
    }

    #[test]
    fn a_new_thread_has_another_id() {
        assert_eq!(
            newest_of("0.20 0.18 0.12 1/80 11206\n"),
            Some(Pid::from(11206))
        );
        let load = Load::open();
        let before = load.newest().unwrap();
        std::thread::spawn(|| ()).join().unwrap();
        assert_ne!(load.newest().unwrap(), before);
    }

    #[test]
    fn this_thread_runs() {
        assert!(Load::open().runnable().is_some_and(|n| n >= 1));
        assert!(!Load::open().nobody_runs(1));
    }
}
