//! The call stacks of a running Perl program as JSON: `cargo run --example dump_as_json PID`.

use p5_spy::attach::Attach;
use p5_spy::layout::Sources;
use p5_spy::perl::names::NameOptions;
use p5_spy::platform::Process;
use serde_json::{Value, json};

fn main() -> anyhow::Result<()> {
    let pid = std::env::args().nth(1).unwrap_or_default().parse()?;
    let sources = Sources::built_in();
    let target =
        Attach::with(&sources).to(Process::open(pid)?, &mut |note| eprintln!("{}", note.text))?;
    let stacks = target.stacks(NameOptions::default())?;
    let stacks: Vec<Value> = stacks
        .iter()
        .map(|stack| match &stack.frames {
            Ok(frames) => {
                let frame = |f: &p5_spy::frames::Frame| json!({ "name": f.name, "file": f.file, "line": f.line });
                let frames: Vec<Value> = frames.iter().map(frame).collect();
                json!({ "thread": stack.thread.os_tid, "frames": frames })
            }
            Err(e) => json!({ "thread": stack.thread.os_tid, "error": e.to_string() }),
        })
        .collect();
    println!("{:#}", Value::Array(stacks));
    Ok(())
}
