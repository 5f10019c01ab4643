//! Which file it is, and whether it was written since, without reading it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the kernel says of a file that changes when the file does. Its owner can set the time of a
/// file's contents, but not that of its last change of any kind (`ctime`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number of the file system: major and minor, or its upper and its lower half.
    pub device: (u32, u32),
    /// On that device.
    pub inode: u64,
    pub(crate) size: u64,
    /// Seconds and nanoseconds.
    pub(crate) modified: (i64, u32),
    pub(crate) changed: (i64, u32),
}

impl Stamp {
    /// Whether another change now would have another time: those of files have coarse steps.
    pub fn is_settled(&self) -> bool {
        /// The coarsest that file systems have.
        const STEP: u64 = 2;
        let (seconds, nanoseconds) = self.changed;
        let after = Duration::new(u64::try_from(seconds).unwrap_or(0), nanoseconds);
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.is_ok_and(|now| now.saturating_sub(after) > Duration::from_secs(STEP))
    }

    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for number in [self.device.0, self.device.1] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(self.inode.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        for (seconds, nanoseconds) in [self.modified, self.changed] {
            bytes.extend(seconds.to_le_bytes());
            bytes.extend(nanoseconds.to_le_bytes());
        }
        bytes
    }
}
