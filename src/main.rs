//! The command `p5-spy`: parses the command line, runs the job, reports what went wrong.

use p5_spy::cli::{Order, Surroundings};
use std::process::ExitCode;

fn main() -> ExitCode {
    let around = Surroundings::of_this_process();
    let order = match Order::parse(std::env::args_os(), &around) {
        Ok(order) => order,
        Err(e) => {
            // A closed pipe is no reason to fail: the reader has seen enough.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match p5_spy::commands::run(order) {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            p5_spy::say::say(format_args!(
                "p5-spy: {}",
                p5_spy::text::message(&p5_spy::cli::hints::explain(&e))
            ));
            ExitCode::FAILURE
        }
    }
}
