//! Words and variables that a program was started with, as `sysctl kern.procargs2` has them: their number,
//! the path of the program, NULs, the words, the variables, each with a NUL behind it (bsd/kern/kern_sysctl.c).

use crate::platform::record::Record;

/// What it says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProcArgs<'a> {
    pub words: Vec<&'a [u8]>,
    pub variables: Vec<&'a [u8]>,
}

/// `None` for what is no such answer.
pub(super) fn parse(bytes: &[u8]) -> Option<ProcArgs<'_>> {
    let count = usize::try_from(Record(bytes).i32(0)?).ok()?;
    let rest = bytes.get(4..)?;
    let path_ends = memchr::memchr(0, rest)?;
    let behind = rest.get(path_ends..)?;
    let padding = behind.iter().position(|b| *b != 0).unwrap_or(behind.len());
    let texts = behind.get(padding..)?;
    let mut texts = texts.split(|b| *b == 0);
    let words = texts.by_ref().take(count).collect();
    // An empty one is where the variables end.
    let variables = texts.take_while(|text| !text.is_empty()).collect();
    Some(ProcArgs { words, variables })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(count: i32, texts: &[u8]) -> Vec<u8> {
        [&count.to_le_bytes()[..], texts].concat()
    }

    #[test]
    fn words_and_variables_are_told_apart() {
        let text = b"/opt/bin/perl\0\0\0\0perl\0-e\0\0A=1\0B=\xff\0\0ptr_munge=\0";
        let bytes = answer(3, text);
        let found = parse(&bytes).unwrap();
        assert_eq!(found.words, [&b"perl"[..], b"-e", b""]);
        assert_eq!(found.variables, [&b"A=1"[..], b"B=\xff"]);
    }

    #[test]
    fn what_is_cut_off_has_fewer() {
        let bytes = answer(100, b"/p\0\0perl\0");
        assert_eq!(parse(&bytes).unwrap().words, [&b"perl"[..], b""]);
        assert_eq!(parse(&answer(1, b"/p")), None);
        assert_eq!(parse(&answer(-1, b"/p\0perl\0")), None);
        assert_eq!(parse(b"ab"), None);
        let none = answer(0, b"/p\0\0\0");
        assert_eq!(parse(&none).unwrap().variables, Vec::<&[u8]>::new());
    }
}
