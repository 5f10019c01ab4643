//! The data folders are embedded by a macro, which cargo cannot see: a new table must rebuild.

fn main() {
    println!("cargo:rerun-if-changed=layouts");
    println!("cargo:rerun-if-changed=probes");
}
