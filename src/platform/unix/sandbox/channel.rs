//! Messages between two processes over a socket: each a length and so many bytes, and with it an
//! open file if there is one. Every wait has an end.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Bytes in front of a message: its length.
const HEAD: usize = 4;
/// Room for the header of a control message and one descriptor (cmsg(3)).
const CONTROL: usize = 64;

/// A file that comes along is closed by an exec. macOS has no such flag.
#[cfg(not(target_os = "macos"))]
const CLOSES_ON_EXEC: libc::c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_os = "macos")]
const CLOSES_ON_EXEC: libc::c_int = 0;

/// Why there is no message.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The other side is gone.
    #[error("it has ended")]
    Closed,
    /// It did not answer in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// The message is longer than allowed.
    #[error("its answer is too long ({0} bytes)")]
    TooLong(usize),
    /// Anything else.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// One end.
#[derive(Debug)]
pub struct Channel {
    socket: UnixStream,
}

impl Channel {
    /// Both ends.
    ///
    /// # Errors
    /// When there are no descriptors left.
    pub fn pair() -> io::Result<(Self, Self)> {
        let (one, other) = UnixStream::pair()?;
        for socket in [&one, &other] {
            socket.set_nonblocking(true)?;
        }
        Ok((Channel { socket: one }, Channel { socket: other }))
    }

    /// Its descriptor, which must outlive whatever closes the others.
    pub fn descriptor(&self) -> i32 {
        self.socket.as_raw_fd()
    }

    /// Sends a message, and a file with it.
    ///
    /// # Errors
    /// [`ChannelError`] when the other side is gone, takes too long, or the message's length has no 32 bits.
    pub fn send(
        &self,
        message: &[u8],
        file: Option<BorrowedFd<'_>>,
        deadline: Option<Instant>,
    ) -> Result<(), ChannelError> {
        let length = u32::try_from(message.len());
        let length = length.map_err(|_| ChannelError::TooLong(message.len()))?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(message);
        let mut sent = 0;
        while let Some(rest) = bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match self.send_some(rest, file.filter(|_| sent == 0)) {
                Ok(some) => sent += some,
                Err(e) => self.pause(e, libc::POLLOUT, deadline)?,
            }
        }
        Ok(())
    }

    fn send_some(&self, bytes: &[u8], file: Option<BorrowedFd<'_>>) -> io::Result<usize> {
        let mut part = libc::iovec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        let mut control = [0u64; CONTROL / 8];
        // SAFETY: all zeros are an empty message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if let Some(file) = file {
            // SAFETY: the buffer is aligned for the header and has room for it and one descriptor.
            unsafe {
                message.msg_control = control.as_mut_ptr().cast();
                message.msg_controllen = libc::CMSG_SPACE(size_of::<i32>() as u32) as _;
                let head = libc::CMSG_FIRSTHDR(&raw const message);
                (*head).cmsg_level = libc::SOL_SOCKET;
                (*head).cmsg_type = libc::SCM_RIGHTS;
                (*head).cmsg_len = libc::CMSG_LEN(size_of::<i32>() as u32) as _;
                let place = libc::CMSG_DATA(head).cast::<i32>();
                place.write_unaligned(file.as_raw_fd());
            }
        }
        // SAFETY: message, part and control live during the call.
        let sent = unsafe {
            libc::sendmsg(
                self.socket.as_raw_fd(),
                &raw const message,
                libc::MSG_NOSIGNAL,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }

    /// The next message of at most `limit` bytes. A file that comes with it is taken only where one
    /// is expected: otherwise the kernel throws it away.
    ///
    /// # Errors
    /// [`ChannelError`] when the other side is gone or says nothing in time, or the message is longer.
    pub fn receive(
        &self,
        limit: usize,
        takes_file: bool,
        deadline: Option<Instant>,
    ) -> Result<(Vec<u8>, Option<File>), ChannelError> {
        let mut file = None;
        let mut head = [0; HEAD];
        self.fill(&mut head, takes_file.then_some(&mut file), deadline)?;
        let length = u32::from_le_bytes(head) as usize;
        if length > limit {
            return Err(ChannelError::TooLong(length));
        }
        let mut message = vec![0; length];
        self.fill(&mut message, None, deadline)?;
        Ok((message, file))
    }

    fn fill(
        &self,
        buffer: &mut [u8],
        mut file: Option<&mut Option<File>>,
        deadline: Option<Instant>,
    ) -> Result<(), ChannelError> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.receive_some(rest, file.as_deref_mut()) {
                Ok(0) => return Err(ChannelError::Closed),
                Ok(some) => filled += some,
                Err(e) => self.pause(e, libc::POLLIN, deadline)?,
            }
        }
        Ok(())
    }

    fn receive_some(
        &self,
        buffer: &mut [u8],
        file: Option<&mut Option<File>>,
    ) -> io::Result<usize> {
        let mut part = libc::iovec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };
        let mut control = [0u64; CONTROL / 8];
        // SAFETY: all zeros are an empty message.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if file.is_some() {
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = CONTROL as _;
        }
        // SAFETY: message, part and control live during the call, and are as long as they say.
        let got =
            unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, CLOSES_ON_EXEC) };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        if let Some(place) = file {
            // SAFETY: the kernel filled the control buffer as far as it now says; the descriptor in
            // it is new, and nobody else has it.
            unsafe {
                let head = libc::CMSG_FIRSTHDR(&raw const message);
                if !head.is_null()
                    && (*head).cmsg_level == libc::SOL_SOCKET
                    && (*head).cmsg_type == libc::SCM_RIGHTS
                {
                    let fd = libc::CMSG_DATA(head).cast::<i32>().read_unaligned();
                    if CLOSES_ON_EXEC == 0 {
                        libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
                    }
                    *place = Some(File::from_raw_fd(fd));
                }
            }
        }
        Ok(got)
    }

    /// Waits until it can go on after an error that is none.
    fn pause(
        &self,
        error: io::Error,
        events: libc::c_short,
        deadline: Option<Instant>,
    ) -> Result<(), ChannelError> {
        match error.kind() {
            io::ErrorKind::Interrupted => return Ok(()),
            io::ErrorKind::WouldBlock => {}
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                return Err(ChannelError::Closed);
            }
            _ => return Err(error.into()),
        }
        let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
        if left == Some(Duration::ZERO) {
            return Err(ChannelError::TimedOut);
        }
        let mut poll = libc::pollfd {
            fd: self.socket.as_raw_fd(),
            events,
            revents: 0,
        };
        // Up to the next millisecond: a rest of less is no reason to spin.
        let milliseconds = left.map_or(-1, |left| {
            i32::try_from(left.as_millis().saturating_add(1)).unwrap_or(i32::MAX)
        });
        // SAFETY: one structure that lives until the call returns. Signals only end it sooner.
        unsafe { libc::poll(&raw mut poll, 1, milliseconds) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;

    #[test]
    fn messages_and_files_arrive() {
        let (one, other) = Channel::pair().unwrap();
        let file = File::open("Cargo.toml").unwrap();
        one.send(b"with a file", Some(file.as_fd()), None).unwrap();
        one.send(b"", None, None).unwrap();
        let (message, got) = other.receive(100, true, None).unwrap();
        assert_eq!(message, b"with a file");
        let mut text = String::new();
        got.unwrap().read_to_string(&mut text).unwrap();
        assert!(text.starts_with("[package]"));
        let (message, none) = other.receive(100, true, None).unwrap();
        assert!(message.is_empty() && none.is_none());
    }

    #[test]
    fn a_file_that_nobody_expects_is_thrown_away() {
        let (one, other) = Channel::pair().unwrap();
        let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        let file = File::open("Cargo.toml").unwrap();
        one.send(b"x", Some(file.as_fd()), None).unwrap();
        drop(file);
        let before = open();
        let (message, got) = other.receive(1, false, None).unwrap();
        assert!(message == b"x" && got.is_none());
        // Other tests open files, too: what matters is that ours did not add one for good.
        assert!(open() <= before + 8);
    }

    #[test]
    fn every_wait_ends() {
        let (one, other) = Channel::pair().unwrap();
        let soon = || Some(Instant::now() + Duration::from_millis(20));
        let error = other.receive(1, false, soon()).unwrap_err();
        assert!(matches!(error, ChannelError::TimedOut), "{error}");
        let error = one.send(&[0; 16 << 20], None, soon()).unwrap_err();
        assert!(matches!(error, ChannelError::TimedOut), "{error}");
        let error = other.receive(9, false, soon()).unwrap_err();
        assert!(matches!(error, ChannelError::TooLong(_)), "{error}");
        drop(one);
        let (one, other) = Channel::pair().unwrap();
        drop(one);
        let error = other.receive(9, false, None).unwrap_err();
        assert!(matches!(error, ChannelError::Closed), "{error}");
        let error = other.send(b"x", None, None).unwrap_err();
        assert!(matches!(error, ChannelError::Closed), "{error}");
    }
}
