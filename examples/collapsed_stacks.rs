//! Ten seconds of a running Perl program as collapsed stacks, one line for each and how often it was
//! seen: `cargo run --example collapsed_stacks PID`. A hundred looks a second, whether the program
//! has a CPU or waits; the sampler of p5-spy itself (`p5_spy::sampler`) tells these apart.

use p5_spy::attach::Attach;
use p5_spy::layout::Sources;
use p5_spy::perl::names::NameOptions;
use p5_spy::platform::Process;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

fn main() -> anyhow::Result<()> {
    let pid = std::env::args().nth(1).unwrap_or_default().parse()?;
    let sources = Sources::built_in();
    let target =
        Attach::with(&sources).to(Process::open(pid)?, &mut |note| eprintln!("{}", note.text))?;
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let end = Instant::now() + Duration::from_secs(10);
    while Instant::now() < end {
        // The program may have ended.
        let Ok(stacks) = target.stacks(NameOptions::default()) else {
            break;
        };
        for frames in stacks.into_iter().filter_map(|stack| stack.frames.ok()) {
            let names: Vec<&str> = frames.iter().rev().map(|frame| &*frame.name).collect();
            *seen.entry(names.join(";")).or_default() += 1;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    for (stack, count) in &seen {
        println!("{stack} {count}");
    }
    Ok(())
}
