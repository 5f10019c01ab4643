//! What cargo cannot see by itself.

mod data;
mod link;
mod packed;
mod syscalls;

fn main() {
    data::translate("layouts");
    data::translate("probes");
    packed::report();
    syscalls::write();
    link::configure();
}
