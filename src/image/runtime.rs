//! What a Windows perl was compiled with and for, as far as its structures depend on it: by the
//! libraries that it imports.

use super::FileBytes;
use object::File;
use object::read::pe::{ImageNtHeaders, PeFile};

/// No perl is linked with more, and no library that tells anything has a longer name.
const MOST_LIBRARIES: usize = 200;
const LONGEST_NAME: usize = 80;

/// Behind "windows" in the name of a machine. Perls since 5.28 have other members with Microsoft's
/// compiler, and since 5.40 with the newer C library (perl.h, USE_THREAD_SAFE_LOCALE), while the whole is
/// of the same size. Empty where nothing tells.
pub(super) fn suffix<'a>(file: &File<'a, &'a FileBytes>) -> &'static str {
    let libraries = match file {
        File::Pe32(file) => libraries(file),
        File::Pe64(file) => libraries(file),
        _ => None,
    };
    suffix_by(&libraries.unwrap_or_default())
}

fn suffix_by(libraries: &[Vec<u8>]) -> &'static str {
    let has = |is: &dyn Fn(&[u8]) -> bool| libraries.iter().any(|name| is(name));
    // Visual C++ comes with a library for each version; msvcrt.dll is Windows' own, and gcc's.
    let is_numbered = |name: &[u8]| {
        let rest = name.strip_prefix(b"msvcr");
        rest.and_then(<[u8]>::first).is_some_and(u8::is_ascii_digit)
    };
    if has(&|name| name.starts_with(b"vcruntime") || is_numbered(name)) {
        "_msvc"
    } else if has(&|name| name.starts_with(b"api-ms-win-crt-") || name == b"ucrtbase.dll") {
        "_gcc_ucrt"
    } else if has(&|name| name == b"msvcrt.dll") {
        "_gcc_msvcrt"
    } else {
        ""
    }
}

/// The names of the libraries that are imported, in small letters.
fn libraries<'a, Pe: ImageNtHeaders>(file: &PeFile<'a, Pe, &'a FileBytes>) -> Option<Vec<Vec<u8>>> {
    let table = file.import_table().ok()??;
    let mut descriptors = table.descriptors().ok()?;
    let mut names = Vec::new();
    while let Some(descriptor) = descriptors
        .next()
        .ok()?
        .filter(|_| names.len() < MOST_LIBRARIES)
    {
        let name = table.name(descriptor.name.get(object::LittleEndian)).ok()?;
        names.push(
            name.get(..LONGEST_NAME)
                .unwrap_or(name)
                .to_ascii_lowercase(),
        );
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;
    use crate::image::Image;
    use std::path::Path;
    use std::sync::Arc;

    #[test]
    fn the_libraries_tell_the_compiler() {
        for (libraries, suffix) in [
            (&["kernel32.dll", "msvcrt.dll"][..], "_gcc_msvcrt"),
            (
                &["kernel32.dll", "api-ms-win-crt-heap-l1-1-0.dll"],
                "_gcc_ucrt",
            ),
            (
                &["vcruntime140.dll", "api-ms-win-crt-heap-l1-1-0.dll"],
                "_msvc",
            ),
            (&["msvcr120.dll"], "_msvc"),
            (&["kernel32.dll"], ""),
            (&[], ""),
        ] {
            let names: Vec<_> = libraries
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect();
            assert_eq!(suffix_by(&names), suffix, "{libraries:?}");
        }
    }

    fn words(all: &[u32]) -> Vec<u8> {
        all.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn text(text: &str) -> Vec<u8> {
        [text.as_bytes(), b"\0"].concat()
    }

    /// Where the two sections begin in memory, and the first one in the file.
    const DATA: u32 = 0x1000;
    const ZEROES: u32 = 0x3000;
    const DATA_IN_FILE: u32 = 0x400;
    const NUMBERS: u32 = DATA + 0x800;

    /// What perl's DLL exports: `PL_subversion` is 0, and so the linker leaves it out of the file.
    const EXPORTS: [(&str, u32); 6] = [
        ("PL_curinterp", ZEROES + 0x10),
        ("PL_op_name", NUMBERS + 0x10),
        ("PL_revision", NUMBERS),
        ("PL_subversion", ZEROES),
        ("PL_thr_key", ZEROES + 0x20),
        ("PL_version", NUMBERS + 1),
    ];

    /// The section with what is exported and imported, and where the imports are in it.
    fn data(libraries: &[&str]) -> (Vec<u8>, u32) {
        let count = EXPORTS.len() as u32;
        let (addresses, names, ordinals) =
            (DATA + 40, DATA + 40 + 4 * count, DATA + 40 + 8 * count);
        let mut data = words(&[0, 0, 0, 0, 1, count, count, addresses, names, ordinals]);
        data.extend(words(&EXPORTS.map(|(_, address)| address)));
        let mut at = ordinals + 2 * count;
        for (name, _) in EXPORTS {
            data.extend(at.to_le_bytes());
            at += name.len() as u32 + 1;
        }
        (0..count as u16).for_each(|ordinal| data.extend(ordinal.to_le_bytes()));
        EXPORTS.iter().for_each(|(name, _)| data.extend(text(name)));
        let imports = data.len().next_multiple_of(8);
        data.resize(imports, 0);
        let mut at = DATA + imports as u32 + 20 * (libraries.len() as u32 + 1);
        for name in libraries {
            // What it takes of each does not matter.
            data.extend(words(&[ZEROES, 0, 0, at, ZEROES]));
            at += name.len() as u32 + 1;
        }
        data.extend([0; 20]);
        libraries.iter().for_each(|name| data.extend(text(name)));
        data.resize((NUMBERS - DATA) as usize, 0);
        data.extend([5, 14]);
        data.resize(0x1000, 0);
        (data, DATA + imports as u32)
    }

    /// A DLL of 64 or of 32 bits.
    fn dll(is_64: bool, libraries: &[&str]) -> Vec<u8> {
        let (data, imports) = data(libraries);
        let mut optional = words(&[if is_64 { 0x20b } else { 0x10b }, 0, 0, 0, 0, 0]);
        let wide = |numbers: &[u32]| match is_64 {
            true => numbers
                .iter()
                .flat_map(|n| u64::from(*n).to_le_bytes())
                .collect(),
            false => words(numbers),
        };
        if !is_64 {
            optional.extend([0; 4]);
        }
        optional.extend(wide(&[0x1000_0000]));
        optional.extend(words(&[
            0x1000,
            0x200,
            4,
            0,
            5,
            0,
            0x5000,
            DATA_IN_FILE,
            0,
            3,
        ]));
        optional.extend(wide(&[0x10_0000, 0x1000, 0x10_0000, 0x1000]));
        optional.extend(words(&[0, 16, DATA, 0x400, imports, 0x100]));
        optional.extend([0; 14 * 8]);
        let section = |name: &[u8; 8], place: [u32; 4], flags: u32| {
            [name.to_vec(), words(&place), words(&[0, 0, 0, flags])].concat()
        };
        let mut file = text("MZ");
        file.resize(0x3c, 0);
        file.extend(words(&[
            0x40,
            0x4550,
            if is_64 { 0x2_8664 } else { 0x2_014c },
            0,
            0,
            0,
        ]));
        file.extend(
            [optional.len() as u16, 0x2022]
                .map(u16::to_le_bytes)
                .concat(),
        );
        file.extend(optional);
        let size = data.len() as u32;
        file.extend(section(
            b".rdata\0\0",
            [size, DATA, size, DATA_IN_FILE],
            0x4000_0040,
        ));
        file.extend(section(b".bss\0\0\0\0", [0x100, ZEROES, 0, 0], 0xc000_0080));
        file.resize(DATA_IN_FILE as usize, 0);
        file.extend(data);
        file
    }

    #[test]
    fn a_dll_tells_which_perl_it_is_and_what_it_was_made_with() {
        for (is_64, libraries, machine) in [
            (
                true,
                ["KERNEL32.dll", "msvcrt.dll"],
                "x86_64_windows_gcc_msvcrt",
            ),
            (
                false,
                ["msvcrt.dll", "USER32.dll"],
                "i386_windows_gcc_msvcrt",
            ),
            (
                true,
                ["ucrtbase.dll", "VCRUNTIME140.dll"],
                "x86_64_windows_msvc",
            ),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("perl514.dll");
            std::fs::write(&path, dll(is_64, &libraries)).unwrap();
            let file = std::fs::File::open(&path).unwrap();
            let image = Image::of_file(Path::new("perl514.dll"), file, Arc::default()).unwrap();
            let identity = Identity::of(&image).unwrap();
            assert_eq!(identity.version.to_string(), "5.14.0");
            assert_eq!(identity.machine.as_deref(), Some(machine));
            assert_eq!(identity.abi.pointer_size, if is_64 { 8 } else { 4 });
            assert!(identity.is_of_windows());
            // Behind the section there is nothing.
            let end = image.symbol("PL_subversion").unwrap().address + 0x100;
            assert_eq!(image.initial_byte(end - 1), Some(0));
            assert_eq!(image.initial_byte(end), None);
        }
    }
}
