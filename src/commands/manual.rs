//! `p5-spy man` and `p5-spy completions`: what shells and man are told of p5-spy.

use super::print;
use crate::cli::{self, Shell};
use crate::output::write_whole;
use crate::platform::files::Named;
use crate::say::say;
use anyhow::Context;
use std::path::Path;

pub fn completions(shell: Shell) -> anyhow::Result<u8> {
    print(&cli::completions(shell))?;
    Ok(0)
}

pub fn run(folder: Option<&Path>) -> anyhow::Result<u8> {
    let pages = cli::pages()?;
    let Some(folder) = folder else {
        let first = pages.first().map(|(_, page)| page.as_slice());
        print(first.unwrap_or_default())?;
        return Ok(0);
    };
    Named::make_folder(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, page) in &pages {
        write_whole(&folder.join(name), &mut |to| to.write_all(page))?;
    }
    say(format_args!(
        "Wrote {} pages into {}",
        pages.len(),
        folder.display()
    ));
    Ok(0)
}
