//! `p5-spy layout-learn`: the layout of a perl, found by running it.

use super::sources;
use crate::cli::LayoutChoice;
use crate::layout::table;
use crate::learn::learn;
use crate::output::write_whole;
use crate::say::say;
use anyhow::Context;
use std::path::Path;

#[inline(never)]
pub fn run(program: &Path, output: Option<&Path>, choice: &LayoutChoice) -> anyhow::Result<u8> {
    let sources = sources(choice)?;
    let program = program
        .canonicalize()
        .with_context(|| format!("cannot read {}", program.display()))?;
    let learned = learn(&program.as_path().into(), &sources.tables)?;
    for what in &learned.left_out {
        say(format_args!("p5-spy: left out {what}"));
    }
    let from = table::made_from(&learned.identity, &learned.resolved, &learned.image);
    let text = table::write(&learned.identity, &learned.resolved.layout, &from);
    let path = output.unwrap_or(Path::new("-"));
    write_whole(path, &mut |out| out.write_all(text.as_bytes()))?;
    Ok(0)
}
