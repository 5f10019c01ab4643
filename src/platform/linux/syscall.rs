//! Names of system calls: the kernel tells a number, which means another call on every processor.

/// The calls of one kind of processor, in order of their numbers. `build/syscalls.rs` says why the
/// names are one text.
struct Calls {
    machine: &'static str,
    numbers: &'static [u32],
    /// Where each name ends in `names`; it begins where the one before it ends.
    ends: &'static [u16],
    names: &'static str,
}

impl Calls {
    fn name(&self, number: u32) -> Option<&'static str> {
        let index = self.numbers.binary_search(&number).ok()?;
        let before = index.checked_sub(1).and_then(|i| self.ends.get(i));
        let start = usize::from(before.copied().unwrap_or_default());
        let end = usize::from(*self.ends.get(index)?);
        self.names.get(start..end)
    }
}

static CALLS: &[Calls] = include!(concat!(env!("OUT_DIR"), "/syscalls.rs"));

/// Marks calls of x32 programs on x86-64 (asm/unistd.h); the numbers are those of x86-64.
pub(super) const X32_SYSCALL_BIT: u32 = 0x4000_0000;

/// The kernel's name of a system call, such as `accept4`. `machine` is the kind of processor that
/// the program was made for, as [`crate::image::Image::machine`] names it, which may be another
/// than the kernel's: a 32-bit program has the numbers of its own. Of a program that the kernel
/// cannot run an emulator makes the calls, which are the kernel's.
pub fn syscall_name(machine: &str, number: u32) -> Option<&'static str> {
    let ours = std::env::consts::ARCH;
    let is_run = match ours {
        "x86_64" => matches!(machine, "x86_64" | "x86_64_x32" | "i386"),
        "aarch64" => matches!(machine, "aarch64" | "arm"),
        // Which others each of the rest can run is not known here.
        _ => true,
    };
    name_of(if is_run { machine } else { ours }, number)
}

fn name_of(machine: &str, number: u32) -> Option<&'static str> {
    let (machine, number) = match machine {
        "x86_64_x32" => ("x86_64", number & !X32_SYSCALL_BIT),
        _ => (machine, number),
    };
    let calls = CALLS.iter().find(|calls| calls.machine == machine)?;
    calls.name(number)
}

/// The number of a system call for one kind of processor; `None` where it has no such call.
pub(super) fn syscall_number(machine: &str, name: &str) -> Option<u32> {
    let calls = CALLS.iter().find(|calls| calls.machine == machine)?;
    let is_it = |number: &&u32| calls.name(**number) == Some(name);
    calls.numbers.iter().find(is_it).copied()
}

#[cfg(test)]
mod tests {
    use super::{CALLS, name_of, syscall_name, syscall_number};

    #[test]
    fn every_processor_has_its_own_numbers() {
        let is_known = |machine: &str| CALLS.iter().any(|calls| calls.machine == machine);
        // From the kernel's tables: syscall_64.tbl, syscall_32.tbl, asm-generic/unistd.h.
        let calls = [
            ("x86_64", 0, "read"),
            ("x86_64", 61, "wait4"),
            ("x86_64", 230, "clock_nanosleep"),
            ("x86_64", 288, "accept4"),
            ("i386", 3, "read"),
            ("i386", 114, "wait4"),
            ("i386", 407, "clock_nanosleep_time64"),
            ("aarch64", 63, "read"),
            ("aarch64", 115, "clock_nanosleep"),
            ("riscv64", 115, "clock_nanosleep"),
            ("arm", 3, "read"),
            ("powerpc64", 3, "read"),
            ("s390x", 3, "read"),
        ];
        for (machine, number, name) in calls.into_iter().filter(|(m, ..)| is_known(m)) {
            assert_eq!(name_of(machine, number), Some(name), "{machine}");
        }
        if is_known("x86_64") {
            assert_eq!(name_of("x86_64_x32", 0x4000_0000 + 288), Some("accept4"));
            assert_eq!(syscall_number("i386", "unlink"), Some(10));
            assert_eq!(name_of("x86_64", 0x0fff_ffff), None);
            // A gap between two that have names.
            assert_eq!(name_of("x86_64", 400), None);
        }
        if is_known("aarch64") {
            assert_eq!(syscall_number("aarch64", "unlink"), None);
        }
        assert!(!CALLS.is_empty());
        assert_eq!(name_of("pdp11", 3), None);
    }

    #[test]
    fn an_emulator_makes_the_kernels_calls() {
        let ours = std::env::consts::ARCH;
        if matches!(ours, "x86_64" | "aarch64") {
            let number = if ours == "x86_64" { 0 } else { 63 };
            assert_eq!(syscall_name("s390x", number), Some("read"));
        }
    }

    #[test]
    fn every_call_has_its_own_name() {
        for calls in CALLS {
            assert_eq!(calls.numbers.len(), calls.ends.len(), "{}", calls.machine);
            assert!(calls.numbers.is_sorted(), "{}", calls.machine);
            for &number in calls.numbers {
                let name = calls.name(number).expect("a name");
                assert!(!name.is_empty(), "{} {number}", calls.machine);
            }
            let all = calls.numbers.iter().filter_map(|n| calls.name(*n));
            assert_eq!(all.collect::<String>(), calls.names, "{}", calls.machine);
        }
    }
}
