//! Questions to the kernel by number (sysctl(3)).

use std::io;

/// No answer is longer.
const LONGEST: usize = 256 << 20;

/// What the kernel answers.
pub(super) fn ask(name: &[libc::c_int]) -> io::Result<Vec<u8>> {
    /// What is asked about may grow between its length and itself.
    const TRIES: u32 = 5;
    for _ in 0..TRIES {
        let mut length = 0;
        call(name, std::ptr::null_mut(), &mut length)?;
        length = length
            .saturating_add(length / 4)
            .saturating_add(512)
            .min(LONGEST);
        let mut answer = vec![0_u8; length];
        match call(name, answer.as_mut_ptr(), &mut length) {
            Ok(()) => {
                answer.truncate(length);
                return Ok(answer);
            }
            Err(e) if e.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ENOMEM))
}

fn call(name: &[libc::c_int], answer: *mut u8, length: &mut usize) -> io::Result<()> {
    // SAFETY: the name is as long as is said, and so is the room for the answer, or there is none.
    let asked = unsafe {
        libc::sysctl(
            name.as_ptr(),
            name.len() as libc::c_uint,
            answer.cast(),
            length,
            std::ptr::null(),
            0,
        )
    };
    match asked {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A number that the kernel has by this name.
pub(super) fn number(name: &std::ffi::CStr) -> Option<i32> {
    let mut value: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>();
    // SAFETY: the name has its end, and the number is as long as is said.
    let asked = unsafe {
        libc::sysctlbyname(
            name.as_ptr(),
            (&raw mut value).cast(),
            &raw mut length,
            std::ptr::null(),
            0,
        )
    };
    (asked == 0 && length == size_of::<libc::c_int>()).then_some(value)
}
