//! Text of a recording as it may be shown. Who records escapes what comes from the target, but the
//! file may be anybody's.

use super::{Block, Chunk};
use crate::perl::names::Frame;
use crate::profile::{About, Source, Summary, ThreadAbout};
use crate::text::shown;
use std::borrow::Cow;
use std::sync::Arc;

/// The same block with nothing in its names that a terminal would obey.
pub(super) fn escaped(mut block: Block) -> Block {
    match &mut block {
        Block::About(about) => escape_about(about),
        Block::Samples(chunk) => escape_chunk(chunk),
        Block::Source(source) => escape_source(source),
        Block::End(summary) => escape_summary(summary),
    }
    block
}

fn escape(text: &mut String) {
    if let Cow::Owned(escaped) = shown(text) {
        *text = escaped;
    }
}

fn escape_shared(text: &mut Arc<str>) {
    if let Cow::Owned(escaped) = shown(text) {
        *text = escaped.into();
    }
}

fn escape_about(about: &mut About) {
    let About {
        made_by,
        title,
        perl,
        folder,
        ..
    } = about;
    [made_by, title, perl, folder].into_iter().for_each(escape);
}

fn escape_chunk(chunk: &mut Chunk) {
    chunk.frames.iter_mut().for_each(escape_frame);
    let titles = chunk.threads.iter_mut();
    titles.for_each(|ThreadAbout { title, .. }| escape_shared(title));
    escape_summary(&mut chunk.so_far);
}

fn escape_frame(frame: &mut Frame) {
    let Frame {
        name,
        label,
        detail,
        file,
        place,
        start,
        ..
    } = frame;
    let texts = [name, label, file, &mut place.file, &mut start.file];
    texts.into_iter().for_each(escape_shared);
    detail.iter_mut().for_each(escape_shared);
}

/// The text itself has lines, and whoever draws it escapes each.
fn escape_source(source: &mut Source) {
    escape(&mut source.file);
    if let Err(reason) = &mut source.text {
        escape(reason);
    }
}

fn escape_summary(summary: &mut Summary) {
    if summary
        .errors
        .keys()
        .any(|kind| matches!(shown(kind), Cow::Owned(_)))
    {
        let errors = std::mem::take(&mut summary.errors).into_iter();
        summary.errors = errors
            .map(|(kind, n)| (shown(&kind).into_owned(), n))
            .collect();
    }
}
