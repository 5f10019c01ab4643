//! What ended a process: the signal, and what the kernel says of it (`siginfo_t`, signal.h).

use crate::memory::Abi;

/// The signal that a core file is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Its number.
    pub signal: i32,
    /// The address that it is about, where it is about one.
    pub address: Option<u64>,
    /// Which process sent it, where one did.
    pub sender: Option<i32>,
    code: i32,
}

/// The numbers of Linux, which few processors have otherwise: MIPS, Alpha, SPARC and PA-RISC.
const NAMES: [(i32, &str); 19] = [
    (1, "SIGHUP"),
    (2, "SIGINT"),
    (3, "SIGQUIT"),
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (10, "SIGUSR1"),
    (11, "SIGSEGV"),
    (12, "SIGUSR2"),
    (13, "SIGPIPE"),
    (14, "SIGALRM"),
    (15, "SIGTERM"),
    (19, "SIGSTOP"),
    (24, "SIGXCPU"),
    (25, "SIGXFSZ"),
    (31, "SIGSYS"),
];

impl Ending {
    /// Of the signal nothing but its number is known.
    pub(super) fn by(signal: i32) -> Self {
        Ending {
            signal,
            address: None,
            sender: None,
            code: 0,
        }
    }

    /// By the note of a core file; `None` where there was no signal, as in one that gcore wrote of a program
    /// that went on.
    pub(super) fn of(abi: Abi, bytes: &[u8]) -> Option<Self> {
        let number = |at: usize| {
            let number = abi.uint(bytes, at, 4)?;
            u32::try_from(number).ok().map(u32::cast_signed)
        };
        let (signal, code) = (number(0).filter(|s| *s > 0)?, number(8)?);
        // si_signo, si_errno, si_code, and what a pointer would be aligned to.
        let about = if abi.pointer_size == 8 { 16 } else { 12 };
        let is_fault = matches!(signal, 4 | 5 | 7 | 8 | 11) && code > 0;
        // A debugger stops a program by SIGSTOP or SIGTRAP.
        if matches!(signal, 5 | 19) && !is_fault {
            return None;
        }
        Some(Ending {
            signal,
            address: is_fault.then(|| abi.pointer(bytes, about)).flatten(),
            sender: (code <= 0).then(|| number(about)).flatten(),
            code,
        })
    }

    /// `SIGSEGV`, or a number.
    pub fn name(&self) -> String {
        let known = NAMES.iter().find(|(number, _)| *number == self.signal);
        known.map_or_else(
            || format!("signal {}", self.signal),
            |(_, name)| (*name).to_owned(),
        )
    }

    /// In words.
    pub fn describe(&self) -> String {
        let name = self.name();
        match (self.signal, self.code, self.address, self.sender) {
            (11, 1, Some(0), _) => format!("{name} (a null pointer was followed)"),
            (11, 1, Some(at), _) => format!("{name} (nothing is mapped at {at:#x})"),
            (11, 2, Some(at), _) => format!("{name} (what is at {at:#x} may not be used so)"),
            (_, _, Some(at), _) => format!("{name} (at {at:#x})"),
            (_, _, None, Some(sender @ 1..)) => format!("{name} (sent by process {sender})"),
            _ => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABI: Abi = Abi {
        pointer_size: 8,
        big_endian: false,
    };

    fn note(signal: i32, code: i32, about: u64) -> Option<Ending> {
        let mut bytes = vec![0; 128];
        bytes[..4].copy_from_slice(&signal.to_le_bytes());
        bytes[8..12].copy_from_slice(&code.to_le_bytes());
        bytes[16..24].copy_from_slice(&about.to_le_bytes());
        Ending::of(ABI, &bytes)
    }

    #[test]
    fn a_signal_says_what_it_is_about() {
        let said = |signal, code, about| note(signal, code, about).map(|e| e.describe());
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            said(11, 1, 0),
            some("SIGSEGV (a null pointer was followed)")
        );
        assert_eq!(
            said(11, 1, 0x40),
            some("SIGSEGV (nothing is mapped at 0x40)")
        );
        assert_eq!(
            said(11, 2, 0x40),
            some("SIGSEGV (what is at 0x40 may not be used so)")
        );
        assert_eq!(said(6, -6, 4711), some("SIGABRT (sent by process 4711)"));
        assert_eq!(said(11, 0, 4711), some("SIGSEGV (sent by process 4711)"));
        assert_eq!(said(8, 1, 0x1000), some("SIGFPE (at 0x1000)"));
        assert_eq!(said(40, -1, 0), some("signal 40"));
        // What gcore writes of a program that it stops for a moment.
        assert_eq!(said(0, 0, 0), None);
        assert_eq!(said(19, 0, 0), None);
        assert_eq!(Ending::of(ABI, &[11, 0, 0]), None);
    }
}
