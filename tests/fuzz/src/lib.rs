//! The targets, for two drivers: the plain loop (`main.rs`) and libFuzzer (`fuzz_targets/`).

pub mod targets;

#[cfg(fuzzing)]
pub use libfuzzer_sys;

/// The program that libFuzzer drives for a target.
#[macro_export]
macro_rules! libfuzzer {
    ($target:ident) => {
        #[cfg(fuzzing)]
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::targets::$target(data));

        #[cfg(not(fuzzing))]
        fn main() {
            eprintln!(
                "this program is for `cargo fuzz run {}`",
                stringify!($target)
            );
            std::process::exit(2);
        }
    };
}
