//! `/proc/PID/stat` and `/proc/PID/task/TID/stat`: one line of fields (proc_pid_stat(5)).

use std::str::FromStr;

/// The fields behind the name, which may hold anything.
pub(super) struct Stat<'a> {
    rest: &'a [u8],
}

impl<'a> Stat<'a> {
    /// `None` for what is no such line.
    pub(super) fn of(text: &'a [u8]) -> Option<Self> {
        let name_ends = memchr::memrchr(b')', text)?;
        Some(Stat {
            rest: text.get(name_ends + 2..)?,
        })
    }

    /// The letter for what it does.
    pub(super) fn state(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// True for one that has ended.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state(), Some(b'Z' | b'X') | None)
    }

    /// True while it is stopped (SIGSTOP, Ctrl-Z), or held by a debugger.
    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.state(), Some(b'T' | b't'))
    }

    /// A number by its place in the line, as the manual counts: the state is 3.
    pub(super) fn number<T: FromStr>(&self, field: usize) -> Option<T> {
        let mut fields = self.rest.split(|b| b.is_ascii_whitespace());
        let text = std::str::from_utf8(fields.nth(field.checked_sub(3)?)?);
        text.ok()?.parse().ok()
    }
}

/// The process that started it, or took it over.
pub(super) const PARENT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_whatever_name() {
        let stat = Stat::of(b"17 (a) Z (b) R 4 5 -6 7\n").unwrap();
        assert_eq!(stat.state(), Some(b'R'));
        assert_eq!(stat.number(PARENT), Some(4));
        assert_eq!(stat.number(6), Some(-6i64));
        assert_eq!(
            (stat.number::<u64>(6), stat.number::<u64>(99)),
            (None, None)
        );
        assert!(Stat::of(b"17 a R 4").is_none() && Stat::of(b"17 (a)").is_none());
        assert!(Stat::of(b"17 (a) Z 4").unwrap().is_over());
    }
}
