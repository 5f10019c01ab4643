//! Writing a raw recording, block by block.

use super::{Block, Chunk, MAGIC, VERSION};
use crate::profile::{About, Run, Seen, Source, Summary};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::{self, Write};
use std::time::Duration;

/// Puts blocks into a file.
#[derive(Debug)]
pub struct Writer<W> {
    to: W,
}

impl<W: Write> Writer<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When `to` does not take the header.
    pub fn new(mut to: W) -> io::Result<Self> {
        to.write_all(&MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        Ok(Writer { to })
    }

    /// Adds a block; when this is done it is out of our hands.
    ///
    /// # Errors
    /// When the file does not take it, or the block has more bytes than its length can say (32 bits).
    pub fn write(&mut self, block: &Block) -> io::Result<()> {
        let plain = postcard::to_stdvec(block).map_err(io::Error::other)?;
        let mut deflated = ZlibEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&plain)?;
        let payload = deflated.finish()?;
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut whole = Vec::with_capacity(payload.len() + 8);
        whole.extend_from_slice(&length.to_le_bytes());
        whole.extend_from_slice(&crc32fast::hash(&payload).to_le_bytes());
        whole.extend_from_slice(&payload);
        self.to.write_all(&whole)?;
        self.to.flush()
    }

    /// What is written to.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.to
    }

    /// What was written to.
    pub fn into_inner(self) -> W {
        self.to
    }
}

/// Writes a recording: knows what of it the file has already.
#[derive(Debug)]
pub struct Recorder<W> {
    writer: Writer<W>,
    frames: usize,
    stacks: usize,
    threads: usize,
    /// Threads that the file has.
    introduced: u32,
    last: Duration,
}

impl<W: Write> Recorder<W> {
    /// Begins a file.
    ///
    /// # Errors
    /// When `to` does not take the header and the first block.
    pub fn new(to: W, about: About) -> io::Result<Self> {
        let mut writer = Writer::new(to)?;
        writer.write(&Block::About(about))?;
        Ok(Recorder {
            writer,
            frames: 0,
            stacks: 0,
            threads: 0,
            introduced: 0,
            last: Duration::ZERO,
        })
    }

    /// What must be written of `seen` and `runs`. Quick, as the sampler waits meanwhile.
    pub fn chunk(&mut self, seen: &Seen, runs: &[Run], so_far: Summary) -> Chunk {
        let short = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        let frames: Vec<_> = seen.frames.iter().skip(self.frames).cloned().collect();
        let stacks = seen.stacks.iter().skip(self.stacks);
        let stacks: Vec<_> = stacks
            .map(|(caller, frame)| {
                let caller = caller.map_or(0, |c| short(c.index()).saturating_add(1));
                (caller, short(frame.index()))
            })
            .collect();
        let threads: Vec<_> = seen.threads.iter().skip(self.threads).cloned().collect();
        self.frames += frames.len();
        self.stacks += stacks.len();
        self.threads += threads.len();
        let after_us = runs.iter().map(|run| {
            let since = run.at.saturating_sub(self.last);
            // What is cut off here is not lost: the next one starts from what was written.
            let us = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
            self.last += Duration::from_micros(us);
            us
        });
        Chunk {
            frames,
            stacks,
            threads,
            after_us: after_us.collect(),
            stack: runs.iter().map(|r| short(r.stack.index())).collect(),
            thread: runs.iter().map(|r| r.thread).collect(),
            count: runs.iter().map(|r| r.count).collect(),
            running: runs.iter().map(|r| u8::from(r.running)).collect(),
            so_far,
        }
    }

    /// Adds a chunk.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn add(&mut self, chunk: Chunk) -> io::Result<()> {
        let interpreters = chunk.threads.iter().zip(self.introduced..);
        let interpreters: Vec<(u32, u32)> = interpreters
            .filter_map(|(thread, index)| Some((index, thread.interpreter?)))
            .collect();
        let new = u32::try_from(chunk.threads.len()).unwrap_or(u32::MAX);
        self.introduced = self.introduced.saturating_add(new);
        self.writer.write(&Block::Samples(chunk))?;
        match interpreters.is_empty() {
            true => Ok(()),
            false => self.writer.write(&Block::Interpreters(interpreters)),
        }
    }

    /// Adds the text of a file.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn source(&mut self, source: Source) -> io::Result<()> {
        self.writer.write(&Block::Source(source))
    }

    /// What is written to, to read it; it must be left at its end.
    pub fn store(&mut self) -> &mut W {
        self.writer.get_mut()
    }

    /// Ends the recording; gives what was written to.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn finish(mut self, summary: Summary) -> io::Result<W> {
        self.writer.write(&Block::End(summary))?;
        Ok(self.writer.into_inner())
    }
}
