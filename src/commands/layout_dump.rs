//! `p5-spy layout-dump`: where things are in a perl's memory, as a table.

use super::{sources, warn};
use crate::attach::Target;
use crate::cli::{LayoutChoice, LayoutSource};
use crate::image::Image;
use crate::layout::{Resolved, resolve, table, with_block_types};
use crate::perl::identity::Identity;
use crate::process::Process;
use anyhow::Context;

pub fn run(source: &LayoutSource, choice: &LayoutChoice) -> anyhow::Result<u8> {
    let mut sources = sources(choice)?;
    // What is asked for is what the file says, not what was found earlier.
    sources.cache = None;
    sources.learn = false;
    let text = match source {
        LayoutSource::File(path) => {
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot read {}", path.display()))?;
            let image = Image::open(&path, &path)?;
            let identity = Identity::of(&image).with_context(|| path.display().to_string())?;
            let resolved = resolve(&image, &identity, &sources, &mut warn)?;
            let names = image.string_array("PL_block_type").unwrap_or_default();
            write(&identity, &with_block_types(&resolved, &names)?, &image)
        }
        LayoutSource::Pid(pid) => {
            let target =
                Target::attach_patiently(Process::open(*pid)?, &sources, &mut warn, &mut || true)?;
            write(
                &target.perl.identity,
                &target.perl.resolved,
                &target.perl.image,
            )
        }
    };
    print!("{text}");
    Ok(0)
}

fn write(identity: &Identity, resolved: &Resolved, image: &Image) -> String {
    table::write(
        identity,
        &resolved.layout,
        &table::made_from(identity, resolved, image),
    )
}
