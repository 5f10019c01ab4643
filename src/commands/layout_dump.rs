//! `p5-spy layout-dump`: where things are in a perl's memory, as a table.

use super::{note, print, sources};
use crate::attach::Attach;
use crate::cli::{LayoutChoice, LayoutSource};
use crate::examine::open_named;
use crate::identity::{Build, Identity, IdentityError};
use crate::image::{DebugSearch, Image};
use crate::layout::{Learn, Resolved, layout_from_debug, resolve, table, with_block_types};
use crate::platform::Process;
use anyhow::{Context, bail};

#[inline(never)]
pub fn run(source: &LayoutSource, choice: &LayoutChoice) -> anyhow::Result<u8> {
    let mut sources = sources(choice)?;
    // What is asked for is what the file says, not what was found earlier.
    sources.cache = None;
    sources.learn = Learn::Never;
    let text = match source {
        LayoutSource::File(path) => {
            let path = path
                .canonicalize()
                .with_context(|| format!("cannot read {}", path.display()))?;
            let image = open_named(&path)?;
            let identity = match Identity::of(&image) {
                Err(e @ IdentityError::OldThreads) => bail!("{}: {e}", path.display()),
                Err(_) if image.mentions(b"libperl.so") => bail!(
                    "{}: it loads its perl from libperl.so: give that file (ldd {} tells where it is)",
                    path.display(),
                    path.display()
                ),
                Err(_) if image.mentions_perl() => bail!(
                    "{}: it is a perl without symbols. p5-spy layout-learn {} finds its layout by running it",
                    path.display(),
                    path.display()
                ),
                other => other.with_context(|| path.display().to_string())?,
            };
            if let Some(what) = image
                .foreign_format()
                .filter(|_| !shares_tables(&image, &identity))
            {
                // Tables are of other systems' perls, whose structures these do not share.
                sources.tables = sources.tables.flags_only();
                let own = layout_from_debug(&image, &DebugSearch::default());
                if !matches!(own, Ok(Some(_))) {
                    bail!(
                        "{}: it is {what} with {identity}, which its {} symbols of perl's tell. Where things are in its structures they do not, it has no DWARF debug information, and p5-spy has no tables of such perls",
                        path.display(),
                        image.symbols().count()
                    );
                }
            }
            let resolved = resolve(&image, &identity, &sources, &mut note)?;
            let names = image.string_array("PL_block_type").unwrap_or_default();
            write(&identity, &with_block_types(&resolved, &names)?, &image)
        }
        LayoutSource::Pid(pid) => {
            let target = Attach::with(&sources).to(Process::open(*pid)?, &mut note)?;
            write(
                &target.perl.identity,
                &target.perl.resolved,
                &target.perl.image,
            )
        }
    };
    print(text.as_bytes())?;
    Ok(0)
}

/// Whether a table of Linux's perl of the same build is one of this perl, too. A struct interpreter has
/// structures of the system's in it. Without it, all that is looked at is made of perl's own types, which
/// are as large on macOS as on Linux.
fn shares_tables(image: &Image, identity: &Identity) -> bool {
    image.is_mach_o() && identity.build == Build::Unthreaded
}

fn write(identity: &Identity, resolved: &Resolved, image: &Image) -> String {
    table::write(
        identity,
        &resolved.layout,
        &table::made_from(identity, resolved, image),
    )
}
