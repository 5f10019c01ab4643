//! Which program a process runs: an exec makes another of it, even where the file is the same.

use super::stat::{PARENT, Stat};
use super::{Process, ProcessError, text};
use crate::ids::Pid;
use crate::platform::Glance;
use std::io;

/// A process from one exec to the next. While it is equal, memory that was understood once is still
/// what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Incarnation {
    /// When the process began: ids come again.
    began: u64,
    /// Where the kernel has put the program's code, heap and stack, which it chooses anew each time.
    /// The same numbers, whatever the process is, where we may not look into it.
    places: [u64; 4],
}

impl Process {
    /// Looks at a process that has not ended.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`], [`ProcessError::Zombie`], and others, which do not mean that
    /// it has ended.
    pub fn glance(pid: Pid) -> Result<Glance, ProcessError> {
        let process = Process { pid };
        let failed = |e| process.error("its state", e);
        let stat = text::page(&format!("/proc/{pid}/stat")).map_err(failed)?;
        match parse(&stat) {
            Some(glance) => Ok(glance.ok_or(ProcessError::Zombie(pid))?),
            None => Err(failed(io::ErrorKind::InvalidData.into())),
        }
    }
}

/// proc_pid_stat(5), whose fields count from 1; the name in parentheses may hold anything. `Some(None)`
/// for one that has ended.
fn parse(stat: &[u8]) -> Option<Option<Glance>> {
    let stat = Stat::of(stat)?;
    if stat.is_over() {
        return Some(None);
    }
    let number = |field| stat.number::<u64>(field);
    Some(Some(Glance {
        incarnation: Incarnation {
            began: number(22)?,
            places: [number(26)?, number(27)?, number(28)?, number(47)?],
        },
        size: number(23)?,
        parent: stat.number(PARENT)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};

    #[test]
    fn an_exec_of_the_same_file_is_another_program() {
        let line = "read x; echo; while read x; do exec sh -c 'echo; read x'; done";
        let mut shell = Command::new("sh");
        shell.args(["-c", line]);
        let shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = shell.spawn().unwrap();
        let pid = Pid::from(shell.id());
        let mut input = shell.stdin.take().unwrap();
        let mut output = BufReader::new(shell.stdout.take().unwrap());
        let mut go_on = || {
            input.write_all(b"\n").unwrap();
            output.read_line(&mut String::new()).unwrap();
            Process::glance(pid).unwrap()
        };
        let first = go_on();
        assert_eq!(first.parent, Pid::from(std::process::id() as i32));
        assert_eq!(first.incarnation, Process::glance(pid).unwrap().incarnation);
        assert!(first.size > 0);
        let second = go_on();
        assert_ne!(first.incarnation, second.incarnation);
        drop(input);
        shell.wait().unwrap();
        assert!(Process::glance(pid).unwrap_err().is_end());
    }

    #[test]
    fn names_may_hold_anything() {
        let numbers: Vec<String> = (4..53).map(|n: u64| n.to_string()).collect();
        let stat = |state: &str| format!("17 (a) Z (b) {state} {}\n", numbers.join(" "));
        let glance = parse(stat("S").as_bytes()).flatten().unwrap();
        assert_eq!((glance.parent, glance.size), (Pid::from(4), 23));
        assert_eq!(glance.incarnation.places, [26, 27, 28, 47]);
        assert_eq!(parse(stat("Z").as_bytes()), Some(None));
        assert_eq!(parse(b"17 (a) S 1 2 3\n"), None);
    }
}
