//! Raw recordings: every sample with its time, thread and stack, in a file from which any picture
//! can be made later.
//!
//! A file is [`MAGIC`], the version of the format (u32), and blocks. A block is the length of its
//! payload (u32), the CRC-32 of that (u32), and the payload: a [`Block`] as postcard, deflated. All
//! numbers are little-endian. Blocks are written as the recording goes on, so that one that was cut
//! off can be read up to its last whole block; the last block of a finished one is
//! [`Block::End`].
//!
//! Every recording is one: each second `commands/spool.rs` takes what the log has and appends a block, to the
//! file that the user named (`-o FILE.p5spy`) or to a nameless one, which moves on when its disk is full
//! (`commands/haven.rs`) and gets a name when a picture cannot be written. Waiting threads are recorded too
//! where the file is the user's. The texts of source files are read as they turn up: the same child opens
//! them (`examine/source.rs`), so that the kernel decides; their names come from the target's memory. What
//! the kernel makes up (`/proc`) is no source, and files that do not answer are not asked for again.

mod load;
mod parts;
mod read;
mod write;

pub use load::load;
pub use read::RawError;
pub use write::{Recorder, Writer};

use crate::frames::Frame;
use crate::profile::{About, Source, Summary, ThreadAbout};
use serde::{Deserialize, Serialize};

/// How a raw recording begins.
pub const MAGIC: [u8; 8] = *b"\x89p5spy\r\n";
/// The version of the format. Blocks and their members are only ever added at the end; anything
/// else is another version.
pub const VERSION: u32 = 1;
/// No payload is larger, deflated or not: a damaged length must not cost all memory.
const MAX_BLOCK: u64 = 256 << 20;

/// One part of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Block {
    /// How it was made; the first block.
    About(About),
    /// Samples, with what they are the first to mention.
    Samples(Chunk),
    /// The text of a file that frames are in.
    Source(Source),
    /// The recording is complete.
    End(Summary),
    /// Threads of the blocks before, by index, and [`ThreadAbout::interpreter`] of each.
    Interpreters(Vec<(u32, u32)>),
}

/// Samples, and the frames, stacks and threads that they are the first to mention.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// They follow those of the blocks before.
    pub frames: Vec<Frame>,
    /// Callers (0 for none, else the index of the stack plus 1) and innermost frames.
    pub stacks: Vec<(u32, u32)>,
    /// They follow those of the blocks before.
    pub threads: Vec<ThreadAbout>,
    /// One for each run of samples, as all columns: the index of its stack.
    pub stack: Vec<u32>,
    /// The index of its thread.
    pub thread: Vec<u32>,
    /// How many samples it is.
    pub count: Vec<u32>,
    /// 1 if the thread was running.
    pub running: Vec<u8>,
    /// Microseconds from the one before (of the chunk before, for the first) to this one.
    pub after_us: Vec<u64>,
    /// The account up to here, for recordings that are cut off.
    pub so_far: Summary,
}
