//! Names of system calls: the kernel tells a number, which means another call on every processor.

use syscalls::{
    aarch64, arm, loongarch64, mips, mips64, powerpc, powerpc64, riscv32, riscv64, s390x, sparc,
    sparc64, x86, x86_64,
};

/// Marks calls of x32 programs on x86-64 (asm/unistd.h); the numbers are those of x86-64.
const X32_SYSCALL_BIT: u32 = 0x4000_0000;

/// The kernel's name of a system call, such as `accept4`. `machine` is the kind of processor that
/// the program was made for, as [`crate::image::Image::machine`] names it, which may be another
/// than the kernel's: a 32-bit program has the numbers of its own.
pub fn syscall_name(machine: &str, number: u32) -> Option<&'static str> {
    let number = match machine {
        "x86_64_x32" => number & !X32_SYSCALL_BIT,
        _ => number,
    };
    let number = usize::try_from(number).ok()?;
    macro_rules! name {
        ($processor:ident) => {
            $processor::Sysno::new(number).map(|call| call.name())
        };
    }
    match machine {
        "x86_64" | "x86_64_x32" => name!(x86_64),
        "i386" => name!(x86),
        "aarch64" => name!(aarch64),
        "arm" => name!(arm),
        "loongarch64" => name!(loongarch64),
        "mips" => name!(mips),
        "mips64" => name!(mips64),
        "powerpc" => name!(powerpc),
        "powerpc64" => name!(powerpc64),
        "riscv32" => name!(riscv32),
        "riscv64" => name!(riscv64),
        "s390x" => name!(s390x),
        "sparc" => name!(sparc),
        "sparc64" => name!(sparc64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::syscall_name;

    #[test]
    fn every_processor_has_its_own_numbers() {
        // From the kernel's tables: syscall_64.tbl, syscall_32.tbl, asm-generic/unistd.h.
        for (machine, number, name) in [
            ("x86_64", 0, "read"),
            ("x86_64", 61, "wait4"),
            ("x86_64", 230, "clock_nanosleep"),
            ("x86_64", 288, "accept4"),
            ("x86_64_x32", 0x4000_0000 + 288, "accept4"),
            ("i386", 3, "read"),
            ("i386", 114, "wait4"),
            ("i386", 407, "clock_nanosleep_time64"),
            ("aarch64", 63, "read"),
            ("aarch64", 115, "clock_nanosleep"),
            ("riscv64", 115, "clock_nanosleep"),
            ("arm", 3, "read"),
            ("powerpc64", 3, "read"),
            ("s390x", 3, "read"),
        ] {
            assert_eq!(syscall_name(machine, number), Some(name), "{machine}");
        }
        assert_eq!(syscall_name("x86_64", 0x0fff_ffff), None);
        assert_eq!(syscall_name("pdp11", 3), None);
    }
}
