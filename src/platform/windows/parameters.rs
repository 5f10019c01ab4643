//! What a process was started with, which is in its own memory: command line, working folder and
//! environment. All of it is the target's own word.

use super::calls::raw;
use super::handle::process;
use super::memory::LiveMemory;
use super::wide::{bytes_of, text_of, units, words};
use crate::memory::{Abi, Reader};
use crate::platform::{Process, ProcessError};
use std::ffi::OsString;
use std::path::PathBuf;
use windows_sys::Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation};
use windows_sys::Win32::System::Threading::{PROCESS_BASIC_INFORMATION, PROCESS_QUERY_INFORMATION};

const ABI: Abi = Abi {
    pointer_size: 8,
    big_endian: false,
};
/// Where things are on 64 bits: the parameters in the PEB; texts (UNICODE_STRING) and the environment
/// with its size in RTL_USER_PROCESS_PARAMETERS (winternl.h, which says the first of these).
const PARAMETERS: u64 = 0x20;
const CURRENT_FOLDER: u64 = 0x38;
const COMMAND_LINE: u64 = 0x70;
const ENVIRONMENT: u64 = 0x80;
const ENVIRONMENT_SIZE: u64 = 0x3f0;
/// No environment is larger.
const LARGEST: u64 = 1 << 20;

impl Process {
    /// The words of its command line.
    ///
    /// # Errors
    /// [`ProcessError::NoSuchProcess`] and others.
    pub fn command_line(self) -> Result<Vec<Vec<u8>>, ProcessError> {
        self.peb()?;
        let line = self.text(COMMAND_LINE).unwrap_or_default();
        Ok(words(&line).iter().map(|word| bytes_of(word)).collect())
    }

    /// `RTL_USER_PROCESS_PARAMETERS.CurrentDirectory`.
    pub fn working_folder(self) -> Option<PathBuf> {
        Some(text_of(&self.text(CURRENT_FOLDER)?).into())
    }

    /// Name and value of each of these variables that it was started with; none where that cannot be read.
    pub fn environment(self, names: &[&str]) -> Vec<(OsString, OsString)> {
        let all = self.own_environment().unwrap_or_default();
        let pairs = all.split(|unit| *unit == 0);
        let named = pairs.filter_map(|pair| {
            let at = pair
                .iter()
                .skip(1)
                .position(|unit| *unit == u16::from(b'='))?
                + 1;
            let (name, value) = (text_of(pair.get(..at)?), text_of(pair.get(at + 1..)?));
            let wanted = names.iter().any(|n| name.eq_ignore_ascii_case(n));
            wanted.then_some((name, value))
        });
        named.collect()
    }

    /// The block of the process that the system tells of (PEB).
    fn peb(self) -> Result<u64, ProcessError> {
        let failed = |e| self.error("the command line", e);
        let handle = process(self.pid, PROCESS_QUERY_INFORMATION).map_err(failed)?;
        let mut about = PROCESS_BASIC_INFORMATION::default();
        let size = size_of::<PROCESS_BASIC_INFORMATION>() as u32;
        let mut length = 0;
        // SAFETY: the handle is open, and the structure is as long as is said.
        let status = unsafe {
            NtQueryInformationProcess(
                raw(&handle),
                ProcessBasicInformation,
                (&raw mut about).cast(),
                size,
                &mut length,
            )
        };
        match status {
            0 => Ok(about.PebBaseAddress.addr() as u64),
            _ => Err(failed(std::io::Error::other(format!("status {status:#x}")))),
        }
    }

    fn parameters(self) -> Option<u64> {
        let peb = self.peb().ok()?;
        let memory = LiveMemory::new(self.pid);
        Reader::new(&memory, ABI)
            .pointer(peb.checked_add(PARAMETERS)?)
            .ok()
    }

    fn text(self, offset: u64) -> Option<Vec<u16>> {
        let at = self.parameters()?.checked_add(offset)?;
        let memory = LiveMemory::new(self.pid);
        let reader = Reader::new(&memory, ABI);
        let length = reader.uint(at, 2).ok()?;
        let place = reader.pointer(at.checked_add(8)?).ok()?;
        Some(units(
            &reader.bytes(place, usize::try_from(length).ok()?).ok()?,
        ))
    }

    fn own_environment(self) -> Option<Vec<u16>> {
        let at = self.parameters()?;
        let memory = LiveMemory::new(self.pid);
        let reader = Reader::new(&memory, ABI);
        let place = reader.pointer(at.checked_add(ENVIRONMENT)?).ok()?;
        let size = reader.uint(at.checked_add(ENVIRONMENT_SIZE)?, 8).ok()?;
        let size = usize::try_from(size.min(LARGEST)).ok()?;
        Some(units(&reader.bytes(place, size).ok()?))
    }
}
