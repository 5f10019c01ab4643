//! Users and their processes, as far as every Unix tells alike.

use crate::ids::Pid;
use crate::platform::Almighty;

/// The user whose rights we have.
pub fn effective_user() -> u32 {
    // SAFETY: geteuid has no preconditions.
    unsafe { libc::geteuid() }
}

/// Who may see every process.
pub const ALMIGHTY: Almighty = Almighty::Root;

/// True where no process is kept from us for being another user's.
pub fn sees_all() -> bool {
    effective_user() == 0
}

/// True when there is such a process, ours or not, whether /proc shows it or not.
pub fn is_someones(pid: Pid) -> bool {
    // SAFETY: signal 0 is never sent, it only asks.
    let asked = unsafe { libc::kill(pid.native(), 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The name of a user; the number where it has none.
pub fn user_name(uid: u32) -> String {
    // The C library would load plug-ins for it, which a static program had better not.
    let passwd = std::fs::read("/etc/passwd").unwrap_or_default();
    let name = passwd.split(|b| *b == b'\n').find_map(|line| {
        let mut fields = line.split(|b| *b == b':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        let id: u32 = std::str::from_utf8(id).ok()?.parse().ok()?;
        (id == uid).then(|| crate::text::from_utf8(name))
    });
    name.unwrap_or_else(|| uid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names() {
        assert_eq!(user_name(0), "root");
        assert_eq!(user_name(0x3fff_fffe), "1073741822");
    }
}
