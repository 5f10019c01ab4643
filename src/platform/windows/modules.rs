//! What is mapped in a process: its modules, which are programs and libraries, and all its memory.

use super::calls::{done, raw};
use super::handle::process;
use super::wide::{text_of, up_to_end};
use crate::ids::Pid;
use crate::platform::{MappedFile, Mapping};
use std::io;
use std::os::windows::io::OwnedHandle;
use std::path::PathBuf;
use windows_sys::Win32::Foundation::HMODULE;
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_IMAGE, MEMORY_BASIC_INFORMATION, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_GUARD, PAGE_READWRITE, PAGE_WRITECOPY,
    VirtualQueryEx,
};
use windows_sys::Win32::System::ProcessStatus::{
    K32EnumProcessModulesEx, K32GetMappedFileNameW, K32GetModuleFileNameExW,
    K32GetModuleInformation, LIST_MODULES_ALL, MODULEINFO,
};
use windows_sys::Win32::System::Threading::{
    IsWow64Process, PROCESS_QUERY_INFORMATION, PROCESS_VM_READ,
};

/// No process has more modules or pieces of memory.
const MOST_MODULES: usize = 16 << 10;
const MOST_PIECES: usize = 1 << 20;
/// Most paths fit into so many units; none is longer than the other number.
const PATH: usize = 1024;
const LONGEST_PATH: usize = 32 << 10;

/// True for a process of 32 bits on a system of 64.
pub(super) fn is_of_32_bits(pid: Pid) -> bool {
    let Ok(handle) = process(pid, 0) else {
        return false;
    };
    let mut answer = 0;
    // SAFETY: the handle is open, and there is room for the result.
    let asked = unsafe { IsWow64Process(raw(&handle), &mut answer) };
    asked != 0 && answer != 0
}

/// The modules, and all that is mapped, both by address.
///
/// # Errors
/// When there is no such process, or it may not be read.
pub(super) fn programs_and_mappings(pid: Pid) -> io::Result<(Vec<MappedFile>, Vec<Mapping>)> {
    let handle = process(pid, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)?;
    let mut modules = modules(&handle)?;
    modules.sort_unstable_by_key(|module| module.start);
    let mut pieces = pieces(&handle);
    // The file's own count of places begins at the module.
    for module in &modules {
        for piece in &mut pieces {
            if module.start <= piece.start && piece.start < module.end {
                piece.file_offset = piece.start - module.start;
            }
        }
    }
    let files = modules.into_iter().filter_map(|module| {
        let within = |m: &&Mapping| module.start <= m.start && m.start < module.end;
        let maps: Vec<Mapping> = pieces.iter().filter(within).copied().collect();
        (!maps.is_empty()).then_some(MappedFile {
            path: module.path,
            maps,
            deleted: false,
            inode: 0,
            device: module.device,
        })
    });
    Ok((files.collect(), pieces))
}

/// All that is mapped, by address.
///
/// # Errors
/// When there is no such process, or it may not be read.
pub(super) fn mappings(pid: Pid) -> io::Result<Vec<Mapping>> {
    let handle = process(pid, PROCESS_QUERY_INFORMATION | PROCESS_VM_READ)?;
    Ok(pieces(&handle))
}

struct Module {
    start: u64,
    end: u64,
    path: PathBuf,
    /// The kernel's name of the file, which the process cannot choose as it can the other.
    device: String,
}

fn modules(handle: &OwnedHandle) -> io::Result<Vec<Module>> {
    let mut bases: Vec<HMODULE> = vec![std::ptr::null_mut(); 256];
    loop {
        let room = (bases.len() * size_of::<HMODULE>()) as u32;
        let mut needed = 0;
        // SAFETY: the handle is open, and the list is as long as is said.
        done(unsafe {
            K32EnumProcessModulesEx(
                raw(handle),
                bases.as_mut_ptr(),
                room,
                &mut needed,
                LIST_MODULES_ALL,
            )
        })?;
        let count = needed as usize / size_of::<HMODULE>();
        if count <= bases.len() {
            bases.truncate(count);
            break;
        }
        if count > MOST_MODULES {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bases.resize(count + 16, std::ptr::null_mut());
    }
    Ok(bases
        .into_iter()
        .filter_map(|base| module(handle, base))
        .collect())
}

fn module(handle: &OwnedHandle, base: HMODULE) -> Option<Module> {
    let mut about = MODULEINFO::default();
    let size = size_of::<MODULEINFO>() as u32;
    // SAFETY: the handle is open, and the structure is as long as is said.
    if unsafe { K32GetModuleInformation(raw(handle), base, &mut about, size) } == 0 {
        return None;
    }
    let start = base.addr() as u64;
    let path = text(|buffer, room| {
        // SAFETY: the handle is open, and the buffer is as long as is said.
        unsafe { K32GetModuleFileNameExW(raw(handle), base, buffer, room) }
    })?;
    let device = text(|buffer, room| {
        // SAFETY: the same; the address is looked up in the other process only.
        unsafe { K32GetMappedFileNameW(raw(handle), base.cast_const(), buffer, room) }
    });
    let device = device.unwrap_or_else(|| path.clone());
    Some(Module {
        start,
        end: start.checked_add(about.SizeOfImage.into())?,
        path: text_of(&path).into(),
        device: String::from_utf16_lossy(&device),
    })
}

/// What a call writes that tells how long it is; 0 is a failure.
fn text(call: impl Fn(*mut u16, u32) -> u32) -> Option<Vec<u16>> {
    for room in [PATH, LONGEST_PATH] {
        let mut buffer = vec![0_u16; room];
        let length = call(buffer.as_mut_ptr(), room as u32) as usize;
        if length > 0 && length < room - 1 {
            return Some(up_to_end(buffer.get(..length)?).to_vec());
        }
    }
    None
}

fn pieces(handle: &OwnedHandle) -> Vec<Mapping> {
    const WRITABLE: u32 =
        PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    const EXECUTABLE: u32 =
        PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY;
    let mut found = Vec::new();
    let mut at = 0_usize;
    while found.len() < MOST_PIECES {
        let mut about = MEMORY_BASIC_INFORMATION::default();
        let size = size_of::<MEMORY_BASIC_INFORMATION>();
        let place = std::ptr::without_provenance(at);
        // SAFETY: the handle is open, and the structure is as long as is said; the address is looked
        // up in the other process only.
        if unsafe { VirtualQueryEx(raw(handle), place, &mut about, size) } == 0 {
            break;
        }
        let start = about.BaseAddress.addr();
        let Some(end) = start.checked_add(about.RegionSize).filter(|end| *end > at) else {
            break;
        };
        if about.State == MEM_COMMIT && about.Protect & PAGE_GUARD == 0 {
            found.push(Mapping {
                start: start as u64,
                end: end as u64,
                file_offset: 0,
                writable: about.Protect & WRITABLE != 0,
                executable: about.Protect & EXECUTABLE != 0,
                anonymous: about.Type != MEM_IMAGE,
                heap: false,
            });
        }
        at = end;
    }
    found
}
