//! What cargo cannot see by itself.

fn main() {
    // The data folders are embedded by a macro: a new table must rebuild.
    println!("cargo:rerun-if-changed=layouts");
    println!("cargo:rerun-if-changed=probes");
    // The unwinder from libgcc_eh.a instead of libgcc_s.so: one library less to load, which is a
    // tenth of what it takes to start.
    let is = |key: &str, value: &str| std::env::var(key).is_ok_and(|v| v == value);
    if is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ENV", "gnu") {
        println!("cargo:rustc-link-lib=static:+whole-archive,-bundle=gcc_eh");
    }
}
