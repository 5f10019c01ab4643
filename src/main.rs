//! The command `p5-spy`: parses the command line, runs the job, reports what went wrong.

use p5_spy::cli::Job;
use std::process::ExitCode;

fn main() -> ExitCode {
    let job = match Job::parse(std::env::args_os()) {
        Ok(job) => job,
        Err(e) => {
            // A closed pipe is no reason to fail: the reader has seen enough.
            let _ = e.print();
            return ExitCode::from(u8::try_from(e.exit_code()).unwrap_or(2));
        }
    };
    match p5_spy::commands::run(job) {
        Ok(status) => ExitCode::from(status),
        Err(e) => {
            eprintln!("p5-spy: {}", p5_spy::text::message(&explain(&e)));
            ExitCode::FAILURE
        }
    }
}

/// The error and its causes, but no cause that the text before it has told already.
fn explain(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if text.is_empty() {
            text = cause;
        } else if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}
