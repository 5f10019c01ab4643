//! Names of system calls, one text for each kind of processor: a table of `&str` has an address in
//! each entry, and every address is written to when a position-independent program starts.

use ::syscalls::{
    aarch64, arm, loongarch64, mips, mips64, powerpc, powerpc64, riscv32, riscv64, s390x, sparc,
    sparc64, x86, x86_64,
};
use std::env::var;
use std::path::PathBuf;

/// Writes `syscalls.rs`, a list of `Calls`.
pub fn write() {
    // `Sysno::iter` leaves out the last one.
    macro_rules! calls {
        ($processor:ident, $machine:expr) => {
            list(
                $machine,
                (0..=$processor::Sysno::last().id()).filter_map(|number| {
                    let call = $processor::Sysno::new(usize::try_from(number).ok()?)?;
                    Some((number, call.name()))
                }),
            )
        };
    }
    let lists = [
        calls!(x86_64, "x86_64"),
        calls!(x86, "i386"),
        calls!(aarch64, "aarch64"),
        calls!(arm, "arm"),
        calls!(loongarch64, "loongarch64"),
        calls!(mips, "mips"),
        calls!(mips64, "mips64"),
        calls!(powerpc, "powerpc"),
        calls!(powerpc64, "powerpc64"),
        calls!(riscv32, "riscv32"),
        calls!(riscv64, "riscv64"),
        calls!(s390x, "s390x"),
        calls!(sparc, "sparc"),
        calls!(sparc64, "sparc64"),
    ];
    let out = PathBuf::from(var("OUT_DIR").expect("cargo names it"));
    let text = format!("&[\n{}]\n", lists.concat());
    std::fs::write(out.join("syscalls.rs"), text).expect("it is written");
}

fn list(machine: &str, calls: impl Iterator<Item = (i32, &'static str)>) -> String {
    let (mut numbers, mut ends, mut names) = (Vec::new(), Vec::new(), String::new());
    for (number, name) in calls {
        numbers.push(number);
        names.push_str(name);
        ends.push(names.len());
    }
    format!(
        "Calls {{ machine: {machine:?}, numbers: &{numbers:?}, ends: &{ends:?}, names: {names:?} }},\n"
    )
}
