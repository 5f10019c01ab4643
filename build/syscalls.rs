//! Names of system calls, one text for each kind of processor: a table of `&str` has an address in
//! each entry, and every address is written to when a position-independent program starts. Of the
//! processors only those are kept whose programs this one's kernels run.

use crate::packed;
use ::syscalls::{
    aarch64, arm, loongarch64, mips, mips64, powerpc, powerpc64, riscv32, riscv64, s390x, sparc,
    sparc64, x86, x86_64,
};
use std::env::var;

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
    let ours = var("CARGO_CFG_TARGET_ARCH").expect("cargo names it");
    let kept = lists.iter().filter(|(machine, _)| is_run(&ours, machine));
    let texts: Vec<&str> = kept.map(|(_, text)| text.as_str()).collect();
    packed::write(
        "syscalls.rs",
        format!("&[\n{}]\n", texts.concat()).as_bytes(),
    );
}

/// Whether a kernel for the processor `ours` runs programs for `machine`; where that is not known here, it does.
fn is_run(ours: &str, machine: &str) -> bool {
    match ours {
        "x86_64" => matches!(machine, "x86_64" | "i386"),
        "aarch64" => matches!(machine, "aarch64" | "arm"),
        _ => true,
    }
}

fn list(
    machine: &'static str,
    calls: impl Iterator<Item = (i32, &'static str)>,
) -> (&'static str, String) {
    let (mut numbers, mut ends, mut names) = (Vec::new(), Vec::new(), String::new());
    for (number, name) in calls {
        numbers.push(number);
        names.push_str(name);
        ends.push(names.len());
    }
    let text = format!(
        "Calls {{ machine: {machine:?}, numbers: &{numbers:?}, ends: &{ends:?}, names: {names:?} }},\n"
    );
    (machine, text)
}
