//! `/proc/PID/maps`: a line for each mapping. A name need not be UTF-8.

use crate::platform::Mapping;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One line of /proc/PID/maps (proc_pid_maps(5)).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct MapsLine<'a> {
    pub mapping: Mapping,
    /// The file system, as the kernel writes it.
    pub device: &'a str,
    /// 0 without a file.
    pub inode: u64,
    /// The file, with what the kernel adds to it; or what it calls the mapping, such as `[heap]`.
    pub name: &'a Path,
}

/// All lines; `None` when one is not as the kernel writes them.
pub(crate) fn lines(text: &[u8]) -> Option<Vec<MapsLine<'_>>> {
    let lines = text.split(|b| *b == b'\n').filter(|line| !line.is_empty());
    lines.map(line).collect()
}

fn line(text: &[u8]) -> Option<MapsLine<'_>> {
    // Only the name may be anything but ASCII, and may have blanks.
    let mut parts = text.splitn(6, |b| *b == b' ');
    let mut part = || std::str::from_utf8(parts.next()?).ok();
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let (start, end) = part()?.split_once('-')?;
    let (start, end) = (hexadecimal(start)?, hexadecimal(end)?);
    let rights = part()?.as_bytes();
    let file_offset = hexadecimal(part()?)?;
    let device = part()?;
    let inode = part()?.parse().ok()?;
    let name = parts.next().unwrap_or_default().trim_ascii_start();
    Some(MapsLine {
        mapping: Mapping {
            start,
            end,
            file_offset,
            writable: *rights.get(1)? == b'w',
            executable: *rights.get(2)? == b'x',
            anonymous: inode == 0,
            heap: name == b"[heap]",
        },
        device,
        inode,
        name: Path::new(OsStr::from_bytes(name)),
    })
    .filter(|_| start < end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Pid;

    #[test]
    fn lines_are_read_as_the_kernel_writes_them() {
        let text = b"00400000-00507000 r-xp 00001000 fe:01 205736                     /usr/bin/a  b (deleted)\n\
            0178c000-01849000 rw-p 00000000 00:00 0                                  [heap]\n\
            7f438050-7f438060 rw-p 00000000 00:00 0 \n\
            7f438060-7f438070 r--p 00000000 fe:01 7                          /tmp/\xff\n";
        let found = lines(text).unwrap();
        let [program, heap, nameless, odd] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(program.name, Path::new("/usr/bin/a  b (deleted)"));
        assert_eq!((program.device, program.inode), ("fe:01", 205_736));
        let expected = Mapping {
            start: 0x40_0000,
            end: 0x50_7000,
            file_offset: 0x1000,
            writable: false,
            executable: true,
            anonymous: false,
            heap: false,
        };
        assert_eq!(program.mapping, expected);
        assert!(heap.mapping.heap && heap.mapping.writable && heap.mapping.anonymous);
        assert_eq!(nameless.name, Path::new(""));
        assert_eq!(odd.name.as_os_str().as_bytes(), b"/tmp/\xff");
    }

    #[test]
    fn another_parser_says_the_same() {
        use std::io::{Read, Write};
        let piped = std::process::Stdio::piped;
        let mut cat = std::process::Command::new("cat");
        let mut child = cat.stdin(piped()).stdout(piped()).spawn().unwrap();
        let pid = Pid::from(child.id());
        // Once it answers, its loader has made all mappings.
        child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        let text = std::fs::read(format!("/proc/{pid}/maps")).unwrap();
        let theirs = proc_maps::get_process_maps(pid.native()).unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        let ours = lines(&text).unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (our, their) in ours.iter().zip(&theirs) {
            let mapping = &our.mapping;
            assert_eq!(mapping.start, their.start() as u64);
            assert_eq!(mapping.end, (their.start() + their.size()) as u64);
            assert_eq!(mapping.file_offset, their.offset as u64);
            assert_eq!(mapping.writable, their.is_write());
            assert_eq!(mapping.executable, their.is_exec());
            assert_eq!(our.device, their.dev);
            assert_eq!(our.inode, their.inode as u64);
            assert_eq!(our.name, their.filename().unwrap_or(Path::new("")));
        }
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "x",
            "1-2",
            "2-1 r-xp 0 fe:01 7 /a",
            "1-2 r- 0 fe:01 7 /a",
            "1-g r-xp 0 fe:01 7 /a",
            "1-2 r-xp 0 fe:01 x /a",
        ] {
            assert_eq!(lines(text.as_bytes()), None, "{text}");
        }
    }
}
