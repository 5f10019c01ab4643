//! What cargo cannot see by itself.

use std::env::var;
use std::path::{Path, PathBuf};
use std::process::Command;

fn main() {
    for folder in ["layouts", "probes"] {
        println!("cargo:rerun-if-changed={folder}");
        translate(folder);
    }
    println!("cargo:rerun-if-env-changed=P5SPY_DYNAMIC");
    let is = |key: &str, value: &str| var(key).is_ok_and(|v| v == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        // The unwinder from libgcc_eh.a instead of libgcc_s.so: one library less to load, which is
        // a tenth of what it takes to start.
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
        let is_native = var("HOST") == var("TARGET") && is("CARGO_CFG_TARGET_ARCH", "x86_64");
        if is_native && var("P5SPY_DYNAMIC").is_err() && has_static_libc() {
            link_statically();
        }
    }
}

/// Writes the files of a folder as JSON, of tables also what they are for, and a list of them: an
/// attach reads some, and TOML takes ten times as long to parse. A damaged file stops the build.
fn translate(folder: &str) {
    let out = PathBuf::from(var("OUT_DIR").expect("cargo names it"));
    let mut list = Vec::new();
    for path in files(folder) {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let parsed = text.parse::<toml::Table>();
        let table = parsed.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json = |table: &toml::Table| serde_json::to_string(table).expect("plain values");
        let whole = json(&table);
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        if let Some(perl) = table.get("perl").and_then(|p| p.as_table()) {
            let version = perl.get("version").and_then(|v| v.as_str());
            let mut numbers = version.unwrap_or_default().split('.');
            let mut number = || numbers.next().and_then(|n| n.parse::<u8>().ok());
            let series = number().zip(number());
            let series = series.unwrap_or_else(|| panic!("{}: no version", path.display()));
            let head = json(perl);
            list.push(format!(
                "BuiltIn {{ name: {name:?}, series: {series:?}, head: {head:?}, json: {whole:?} }},\n"
            ));
        } else {
            std::fs::write(out.join(name), whole).expect("it is written");
        }
    }
    if !list.is_empty() {
        let list = format!("&[\n{}]\n", list.concat());
        std::fs::write(out.join("tables.rs"), list).expect("it is written");
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the data folder");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    paths
}

/// The C compiler, which links, finds what a static program is made of.
fn has_static_libc() -> bool {
    ["libc.a", "libgcc_eh.a", "crtbeginT.o"].iter().all(|name| {
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
fn link_statically() {
    let Ok(folder) = var("OUT_DIR") else { return };
    let scripts = [
        ("libgcc_s.so", "INPUT ( libgcc_eh.a )\n"),
        ("libc.so", "GROUP ( libc.a libgcc_eh.a libgcc.a )\n"),
    ];
    for (name, text) in scripts {
        if std::fs::write(Path::new(&folder).join(name), text).is_err() {
            return;
        }
    }
    println!("cargo:rustc-link-arg-bins=-L{folder}");
    println!("cargo:rustc-link-arg-bins=-static");
    // Where it moves itself when it starts, each of thousands of constants that hold an address is
    // written to, which takes a tenth of a dump.
    println!("cargo:rustc-link-arg-bins=-no-pie");
    // A weak symbol that nobody defines is to be 0; nobody looks for it later.
    println!("cargo:rustc-link-arg-bins=-Wl,-z,nodynamic-undefined-weak");
}
