//! How the program is linked: without any shared library where the machine can do that.

use std::env::{var, var_os};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Ways to link without shared libraries, the best first, each with its name for the tests. A
/// position-independent program writes to every constant that holds an address when it starts; as
/// ranges (`DT_RELR`) these take a hundredth of the room, but two linkers spell that differently, and
/// a C library before glibc 2.36 does not know them in a static program.
const WAYS: [(&str, &[&str]); 4] = [
    ("static-pie", &["-static-pie", "-Wl,--pack-dyn-relocs=relr"]),
    (
        "static-pie",
        &["-static-pie", "-Wl,-z,pack-relative-relocs"],
    ),
    ("static-pie", &["-static-pie"]),
    ("static", &["-static", "-no-pie"]),
];

/// Fails unless its addresses are right, in threads too.
const TRIAL: &str = r#"
static NAMES: [&str; 3] = ["one", "three", "eleven"];
fn lengths() -> Vec<usize> {
    std::hint::black_box(&NAMES).iter().map(|n| n.len()).collect()
}
fn main() {
    let there = std::thread::spawn(lengths).join().unwrap();
    assert_eq!((lengths(), there), (vec![3, 5, 6], vec![3, 5, 6]));
    // libm is a library of its own.
    assert!(std::hint::black_box(2.0_f64).ln() < 1.0);
}
"#;

pub fn configure() {
    println!("cargo:rerun-if-env-changed=P5SPY_DYNAMIC");
    let is = |key: &str, value: &str| var(key).is_ok_and(|v| v == value);
    let mut name = "dynamic";
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        // The unwinder from libgcc_eh.a instead of libgcc_s.so: one library less to load, which is
        // a tenth of what it takes to start.
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
        let is_native = var("HOST") == var("TARGET") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
        if is_native && var("P5SPY_DYNAMIC").is_err() && has_static_libc() {
            name = link_statically().unwrap_or(name);
        }
    }
    let features = var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    if is("CARGO_CFG_TARGET_ENV", "musl") && features.split(',').any(|f| f == "crt-static") {
        // rustc does it by itself; position-independent for this processor.
        name = match is("CARGO_CFG_TARGET_ARCH", "x86_64") {
            true => "static-pie",
            false => "static",
        };
    }
    // What the tests of the linked program expect, and doctor says.
    println!("cargo:rustc-env=P5SPY_LINKED={name}");
}

/// The C compiler, which links, finds what a static program is made of.
fn has_static_libc() -> bool {
    ["libc.a", "libm.a", "libgcc_eh.a", "crtbeginT.o"]
        .iter()
        .all(|name| {
            let asked = Command::new("cc")
                .arg(format!("-print-file-name={name}"))
                .output();
            // Without such a file the bare name comes back.
            asked.is_ok_and(|out| {
                let path = String::from_utf8_lossy(&out.stdout);
                Path::new(path.trim()).is_absolute()
            })
        })
}

/// Links the program, and only it, without any shared library: it starts in half the time, and one
/// file runs on every Linux. The target feature `crt-static` does the same, but is for whole builds
/// only: cargo would need `--target` and put the program elsewhere. rustc still names the shared
/// libraries, so what it finds under their names are the static ones.
fn link_statically() -> Option<&'static str> {
    let folder = PathBuf::from(var_os("OUT_DIR")?);
    let scripts = [
        ("libgcc_s.so", "INPUT ( libgcc_eh.a )\n"),
        ("libm.so", "INPUT ( libm.a )\n"),
        ("libc.so", "GROUP ( libc.a libgcc_eh.a libgcc.a )\n"),
        ("trial.rs", TRIAL),
    ];
    for (name, text) in scripts {
        std::fs::write(folder.join(name), text).ok()?;
    }
    let (name, words) = WAYS.into_iter().find_map(|(name, way)| {
        let mut words = vec![format!("-L{}", folder.display())];
        words.extend(way.iter().map(ToString::to_string));
        // A weak symbol that nobody defines is to be 0; nobody looks for it later.
        words.push("-Wl,-z,nodynamic-undefined-weak".into());
        works(&folder, &words).then_some((name, words))
    })?;
    for word in words {
        println!("cargo:rustc-link-arg-bins={word}");
    }
    Some(name)
}

/// A small program can be linked so, by the linker that will link ours, and it runs.
fn works(folder: &Path, words: &[String]) -> bool {
    let program = folder.join("trial");
    let Some(rustc) = var_os("RUSTC") else {
        return false;
    };
    let mut command = Command::new(rustc);
    command.args(["--edition", "2021", "--crate-type", "bin", "-o"]);
    command.args([&program, &folder.join("trial.rs")]);
    let flags = var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    command.args(flags.split('\x1f').filter(|flag| !flag.is_empty()));
    if let Some(linker) = var_os("RUSTC_LINKER") {
        let mut word = std::ffi::OsString::from("linker=");
        word.push(linker);
        command.arg("-C").arg(word);
    }
    for word in words {
        command.args(["-C", &format!("link-arg={word}")]);
    }
    let succeeds = |command: &mut Command| {
        let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    succeeds(&mut command) && succeeds(&mut Command::new(&program))
}
