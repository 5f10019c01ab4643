//! What cargo cannot see by itself.

mod data;
mod link;
mod syscalls;

fn main() {
    data::translate("layouts");
    data::translate("probes");
    syscalls::write();
    link::configure();
}
