//! A process in the list of all.

use crate::ids::Pid;

/// One process that has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub pid: Pid,
    /// The process that started it, or took it over.
    pub parent: Pid,
    /// The name that the kernel has of it: 15 bytes of the file's, unless it chose another.
    pub name: Vec<u8>,
    /// A letter for what it does, as Linux has it (proc_pid_stat(5)).
    pub state: u8,
}

impl Listed {
    /// It runs, or wants to.
    pub fn is_running(&self) -> bool {
        self.state == b'R'
    }

    /// What its state is called.
    pub fn state_name(&self) -> &'static str {
        match self.state {
            b'R' => "running",
            b'S' | b'I' => "sleeping",
            b'D' => "disk wait",
            b'T' => "stopped",
            b't' => "traced",
            _ => "ending",
        }
    }
}

/// The ids of this process and of all above it.
pub fn own_line(all: &[Listed]) -> Vec<Pid> {
    ancestors(Pid::ours(), all)
}

/// A process and those above it, the nearest first. There are no circles, but the list was not
/// read at one moment.
pub fn ancestors(pid: Pid, all: &[Listed]) -> Vec<Pid> {
    let mut line = vec![pid];
    while let Some(last) = line.last()
        && let Some(one) = all.iter().find(|p| p.pid == *last)
        && !line.contains(&one.parent)
    {
        line.push(one.parent);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn circles_end() {
        let one = |pid: i32, parent: i32| Listed {
            pid: pid.into(),
            parent: parent.into(),
            name: Vec::new(),
            state: b'S',
        };
        let above = |pid: i32, all: &[Listed]| -> Vec<i64> {
            let line = ancestors(pid.into(), all).into_iter();
            line.map(Pid::number).collect()
        };
        assert_eq!(above(5, &[one(5, 6), one(6, 5)]), [5, 6]);
        assert_eq!(above(5, &[one(5, 5)]), [5]);
        assert_eq!(above(9, &[one(5, 1)]), [9]);
    }
}
