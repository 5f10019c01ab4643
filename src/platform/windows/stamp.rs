//! Which file it is, and whether it was written since, without reading it.

use super::calls::{done, raw};
use super::clocks::file_time;
use std::io;
use std::os::windows::io::AsHandle;
use windows_sys::Win32::Storage::FileSystem::{
    BY_HANDLE_FILE_INFORMATION, FILE_BASIC_INFO, FileBasicInfo, GetFileInformationByHandle,
    GetFileInformationByHandleEx,
};

/// What the system says of a file that changes when the file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// The number of its volume; and 0.
    pub device: (u32, u32),
    /// On that volume.
    pub inode: u64,
    size: u64,
    modified: i64,
    changed: i64,
}

impl Stamp {
    /// Of an open file.
    ///
    /// # Errors
    /// When the system tells nothing of it: it is no file of a disk.
    pub fn of(file: &impl AsHandle) -> io::Result<Self> {
        let handle = raw(&file.as_handle());
        let mut about = BY_HANDLE_FILE_INFORMATION::default();
        // SAFETY: the handle is open, and there is room for the result.
        done(unsafe { GetFileInformationByHandle(handle, &mut about) })?;
        let mut times = FILE_BASIC_INFO::default();
        let size = size_of::<FILE_BASIC_INFO>() as u32;
        // SAFETY: the handle is open, and the structure is as long as is said.
        done(unsafe {
            GetFileInformationByHandleEx(handle, FileBasicInfo, (&raw mut times).cast(), size)
        })?;
        let both = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        Ok(Stamp {
            device: (about.dwVolumeSerialNumber, 0),
            inode: both(about.nFileIndexHigh, about.nFileIndexLow),
            size: both(about.nFileSizeHigh, about.nFileSizeLow),
            modified: times.LastWriteTime,
            changed: times.ChangeTime,
        })
    }

    /// Whether another change now would have another time: those of files have coarse steps.
    pub fn is_settled(&self) -> bool {
        /// The coarsest that file systems have: two seconds.
        const STEP: u64 = 20_000_000;
        let changed = u64::try_from(self.changed).unwrap_or(0);
        file_time().saturating_sub(changed) > STEP
    }

    /// All of it.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.device.0.to_le_bytes().to_vec();
        bytes.extend(self.inode.to_le_bytes());
        bytes.extend(self.size.to_le_bytes());
        for time in [self.modified, self.changed] {
            bytes.extend(time.to_le_bytes());
        }
        bytes
    }
}
