//! `p5-spy report --diff`: what two raw recordings differ in.

use crate::cli::{By, Output, Pick};
use std::path::PathBuf;

pub fn run(_files: &[PathBuf; 2], _outputs: &[Output], _pick: Pick, _by: By) -> anyhow::Result<u8> {
    anyhow::bail!("not yet")
}
