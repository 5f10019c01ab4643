//! The child, as its parent sees it.

use super::channel::{Channel, ChannelError};
use super::rights::takes_ids;
use super::step::{ConfineError, Limits};
use crate::ids::Pid;
use crate::platform::confine::{Owner, call_itself_reader, confine_reader, own_descriptors};
use crate::platform::{forget_helper, start_helper};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

/// The longest answer: the largest source file, and some.
const LONGEST_ANSWER: usize = 16 << 20;
/// A child that nobody asks ends by itself, so that it does not hold the target's file systems.
const IDLE: Duration = Duration::from_secs(20);
/// How long a child that was killed is waited for: one that is stuck in the kernel is left to it.
const REAPED_WITHIN: Duration = Duration::from_millis(20);

static IS_CHILD: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// What a message from the child begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum MessageKind {
    /// It is confined, and ready.
    Ready,
    /// It could not be confined.
    Unconfined,
    /// An answer.
    Answer,
    /// It asks for a file that is ours.
    Fetch,
}

impl MessageKind {
    fn of(byte: u8) -> Option<Self> {
        [
            MessageKind::Ready,
            MessageKind::Unconfined,
            MessageKind::Answer,
            MessageKind::Fetch,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// There is no confined process to ask.
    #[error("{0}")]
    Unconfined(#[from] ConfineError),
    /// No process can be started.
    #[error("no process can be started that would read it: {0}")]
    Start(io::Error),
    /// It could be asked, but there was no answer: files that do not answer, or ones that take more
    /// time or memory than any that are what they should be.
    #[error("the process that reads it for us: {0}")]
    NoAnswer(#[from] ChannelError),
    /// What it said is no answer.
    #[error("the process that reads it for us answered what cannot be understood")]
    Nonsense,
}

impl AskError {
    /// It took too long.
    pub fn is_time_out(&self) -> bool {
        matches!(self, AskError::NoAnswer(ChannelError::TimedOut))
    }
}

/// A confined child. Dropped, it is ended.
#[derive(Debug)]
pub struct Confined {
    channel: Mutex<Channel>,
    pid: Pid,
    ready: Mutex<bool>,
}

/// What the child has.
pub struct Post<'a> {
    channel: &'a Channel,
    /// The root of the target, where it is not our own and could not be entered.
    pub(super) root: Option<&'a File>,
    /// The folder of its own descriptors, which has no name that it could reach.
    pub(super) descriptors: &'a File,
    /// Whether the target's root is our own.
    pub(super) shares_our_root: bool,
}

impl Post<'_> {
    /// Answers questions until nobody asks any more.
    pub fn serve(&self, mut answer: impl FnMut(&Self, &[u8], Option<File>) -> Vec<u8>) {
        loop {
            let idle = Some(Instant::now() + IDLE);
            let Ok((question, file)) = self.channel.receive(LONGEST_ANSWER, true, idle) else {
                return;
            };
            let answer = answer(self, &question, file);
            if self.say(MessageKind::Answer, &answer).is_err() {
                return;
            }
        }
    }

    /// Asks the parent for one of its own files while a question is answered.
    pub fn fetch(&self, wanted: &[u8]) -> Option<File> {
        self.say(MessageKind::Fetch, wanted).ok()?;
        let idle = Some(Instant::now() + IDLE);
        self.channel.receive(0, true, idle).ok()?.1
    }

    fn say(&self, kind: MessageKind, what: &[u8]) -> Result<(), ChannelError> {
        let message = [&[kind as u8], what].concat();
        self.channel
            .send(&message, None, Some(Instant::now() + IDLE))
    }
}

impl Confined {
    /// Starts a child with the owner's rights; what it says when it cannot take them is the answer
    /// to the first question. `serve` is all that it does.
    ///
    /// # Errors
    /// When the system has no process or descriptor left.
    pub fn start(owner: &Owner, limits: Limits, serve: fn(&Post<'_>)) -> io::Result<Self> {
        HOOK.call_once(end_silently_in_children);
        let (ours, theirs) = Channel::pair()?;
        let fork = || {
            // SAFETY: fork has no preconditions. In the child only what the C library keeps usable
            // after a fork of many threads is used: system calls, and memory, which it guards itself.
            match unsafe { libc::fork() } {
                -1 => Err(io::Error::last_os_error()),
                pid => Ok(pid),
            }
        };
        match start_helper(fork, |pid| Pid::from(*pid))? {
            0 => {
                drop(ours);
                IS_CHILD.store(true, Ordering::SeqCst);
                let work = || child(owner, limits, &theirs, serve);
                let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
                // SAFETY: ends this process without what the parent would do at its own end.
                unsafe { libc::_exit(i32::from(ended.is_err())) }
            }
            pid => Ok(Confined {
                channel: Mutex::new(ours),
                pid: pid.into(),
                ready: Mutex::new(false),
            }),
        }
    }

    /// Asks a question, and hands over a file with it. `fetch` opens what of our own files the child
    /// asks for. After an error there is no use in asking again.
    ///
    /// # Errors
    /// [`AskError`] when the child could not be confined, has ended, does not answer in time, or talks
    /// nonsense.
    pub fn ask(
        &self,
        question: &[u8],
        file: Option<BorrowedFd<'_>>,
        time: Duration,
        fetch: &mut dyn FnMut(&[u8]) -> Option<File>,
    ) -> Result<Vec<u8>, AskError> {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        let deadline = Some(Instant::now() + time);
        let sent = channel.send(question, file, deadline);
        loop {
            let (message, _) = match channel.receive(LONGEST_ANSWER, false, deadline) {
                Ok(message) => message,
                Err(e) => {
                    // Whatever it is stuck in must not go on.
                    self.kill();
                    return Err(e.into());
                }
            };
            let (kind, content) = message.split_first().ok_or(AskError::Nonsense)?;
            match MessageKind::of(*kind) {
                Some(MessageKind::Ready) if !*ready => *ready = true,
                Some(MessageKind::Unconfined) => {
                    let error = ConfineError::from_bytes(content);
                    return Err(error.map_or(AskError::Nonsense, AskError::Unconfined));
                }
                Some(MessageKind::Answer) if *ready => {
                    sent?;
                    return Ok(content.to_vec());
                }
                Some(MessageKind::Fetch) if *ready => {
                    let found = fetch(content);
                    channel.send(b"", found.as_ref().map(AsFd::as_fd), deadline)?;
                }
                _ => {
                    self.kill();
                    return Err(AskError::Nonsense);
                }
            }
        }
    }

    fn kill(&self) {
        // SAFETY: takes numbers. The id is the child's as long as it was not waited for, which only
        // `drop` does.
        unsafe { libc::kill(self.pid.native(), libc::SIGKILL) };
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        self.kill();
        let end = Instant::now() + REAPED_WITHIN;
        loop {
            // SAFETY: takes numbers; nobody else waits for this child.
            let waited =
                unsafe { libc::waitpid(self.pid.native(), std::ptr::null_mut(), libc::WNOHANG) };
            if waited != 0 {
                forget_helper(self.pid);
                return;
            }
            if Instant::now() >= end {
                return;
            }
            std::thread::sleep(Duration::from_micros(50));
        }
    }
}

/// What the child does, from the fork to its end.
fn child(owner: &Owner, limits: Limits, channel: &Channel, serve: fn(&Post<'_>)) {
    ignore_our_signals();
    call_itself_reader();
    let Ok(descriptors) = own_descriptors() else {
        return;
    };
    let shares_our_root = owner.sees_our_root();
    let enters = takes_ids() || shares_our_root;
    let keep = [
        channel.descriptor(),
        descriptors.as_raw_fd(),
        owner.root.as_raw_fd(),
    ];
    let kept = if enters { &keep[..2] } else { &keep[..] };
    let post = Post {
        channel,
        root: (!enters).then_some(&owner.root),
        descriptors: &descriptors,
        shares_our_root,
    };
    let ready = match confine_reader(owner, limits, kept) {
        Ok(()) => post.say(MessageKind::Ready, b""),
        Err(e) => post
            .say(MessageKind::Unconfined, &e.to_bytes())
            .and(Err(ChannelError::Closed)),
    };
    if ready.is_ok() {
        serve(&post);
    }
}

/// What the parent does about a panic is not for its children to do.
fn end_silently_in_children() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if IS_CHILD.load(Ordering::SeqCst) {
            // SAFETY: ends this process.
            unsafe { libc::_exit(1) };
        }
        before(info);
    }));
}

/// What our handlers would do in the child is the parent's business.
fn ignore_our_signals() {
    // SAFETY: these take numbers and a set that lives during the call.
    unsafe {
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGUSR1] {
            libc::signal(signal, libc::SIG_DFL);
        }
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{Process, effective_user};
    use std::process::{Child, Command, Stdio};

    const LIMITS: Limits = Limits {
        memory: 64 << 20,
        cpu: 5,
    };
    const SOON: Duration = Duration::from_secs(5);

    fn me() -> Owner {
        Owner::of(Process::open(Pid::from(std::process::id() as i32)).unwrap()).unwrap()
    }

    /// A process of nobody's, where that can be had.
    struct Nobody(Child);

    impl Nobody {
        fn start() -> Option<Self> {
            use std::os::unix::process::CommandExt;
            if effective_user() != 0 {
                eprintln!("skipped: only root can start a process of another user");
                return None;
            }
            let mut sleep = Command::new("sleep");
            sleep.arg("60").uid(65534).gid(65534).stdin(Stdio::null());
            Some(Nobody(sleep.spawn().unwrap()))
        }

        fn owner(&self) -> Owner {
            Owner::of(Process::open(Pid::from(self.0.id())).unwrap()).unwrap()
        }
    }

    impl Drop for Nobody {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn ask(confined: &Confined, question: &[u8]) -> Result<Vec<u8>, AskError> {
        confined.ask(question, None, SOON, &mut |_| None)
    }

    /// Does what it is told, as a child that somebody has taken over would.
    fn obey(post: &Post<'_>) {
        post.serve(|_, order, _| {
            let text = String::from_utf8_lossy(order).into_owned();
            let outcome = match text.split_once(' ') {
                Some(("read", path)) => std::fs::read(path).map(|bytes| bytes.len().to_string()),
                Some(("write", path)) => std::fs::write(path, "x").map(|()| "written".into()),
                Some(("run", path)) => Command::new(path).status().map(|s| s.to_string()),
                Some(("kill", pid)) => {
                    // SAFETY: takes numbers.
                    match unsafe { libc::kill(pid.parse().unwrap(), 0) } {
                        0 => Ok("alive".into()),
                        _ => Err(io::Error::last_os_error()),
                    }
                }
                Some(("connect", to)) => std::net::TcpStream::connect(to).map(|_| "there".into()),
                Some(("take", size)) => {
                    let mut bytes = Vec::<u8>::new();
                    bytes
                        .try_reserve_exact(size.parse().unwrap())
                        .map(|()| "taken".into())
                        .map_err(io::Error::other)
                }
                Some(("sleep", ms)) => {
                    // Not a sleep, which the filter forbids.
                    let end = Instant::now() + Duration::from_millis(ms.parse().unwrap());
                    while Instant::now() < end {}
                    Ok("slept".into())
                }
                _ => panic!("no such order"),
            };
            outcome
                .unwrap_or_else(|e| format!("refused: {e}"))
                .into_bytes()
        });
    }

    fn told(confined: &Confined, order: &str) -> String {
        String::from_utf8(ask(confined, order.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn a_child_reads_and_does_nothing_else() {
        let child = Confined::start(&me(), LIMITS, obey).unwrap();
        assert!(told(&child, "read Cargo.toml").parse::<u32>().unwrap() > 100);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for order in [
            format!("write {}", file.display()),
            "run /bin/true".into(),
            format!("kill {}", std::process::id()),
            "connect 127.0.0.1:1".into(),
            format!("take {}", 128 << 20),
        ] {
            let answer = told(&child, &order);
            assert!(answer.starts_with("refused"), "{order}: {answer}");
        }
        assert!(!file.exists());
        assert_eq!(told(&child, "take 1000000"), "taken");
    }

    #[test]
    fn a_child_has_the_rights_of_the_owner() {
        let Some(nobody) = Nobody::start() else {
            return;
        };
        let child = Confined::start(&nobody.owner(), LIMITS, obey).unwrap();
        assert!(told(&child, "read /etc/passwd").parse::<u32>().is_ok());
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.pid)).unwrap();
        for line in [
            "Uid:\t65534\t65534\t65534\t65534",
            "Gid:\t65534\t65534\t65534\t65534",
            "CapPrm:\t0000000000000000",
            "CapEff:\t0000000000000000",
            "NoNewPrivs:\t1",
        ] {
            assert!(status.contains(line), "{line}: {status}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600))
            .unwrap();
        let answer = told(&child, &format!("read {}", file.display()));
        assert!(answer.starts_with("refused"), "{answer}");
        // Whoever has its user id cannot look into it.
        let memory = format!("/proc/{}/mem", child.pid);
        let look = Command::new("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .args(["--inh-caps=-all", "head", "-c1", &memory])
            .output()
            .unwrap();
        assert!(!look.status.success());
    }

    #[test]
    fn a_child_that_does_not_answer_is_ended_in_time() {
        let child = Confined::start(&me(), LIMITS, obey).unwrap();
        let started = Instant::now();
        let short = Duration::from_millis(50);
        let error = child
            .ask(b"sleep 3000", None, short, &mut |_| None)
            .unwrap_err();
        assert!(matches!(error, AskError::NoAnswer(ChannelError::TimedOut)));
        drop(child);
        assert!(started.elapsed() < Duration::from_secs(2));
    }

    #[test]
    fn a_child_that_fails_takes_nobody_along() {
        let child = Confined::start(&me(), LIMITS, obey).unwrap();
        let error = ask(&child, b"nonsense").unwrap_err();
        assert!(
            matches!(error, AskError::NoAnswer(ChannelError::Closed)),
            "{error}"
        );
    }

    #[test]
    fn a_child_gets_the_files_of_its_parent_that_it_is_given() {
        fn sum(post: &Post<'_>) {
            post.serve(|post, _, file| {
                let more = post.fetch(b"another");
                let none = post.fetch(b"none");
                let length = |file: Option<File>| file.map_or(0, |f| f.metadata().unwrap().len());
                let all = [file, more, none].map(length);
                format!("{all:?}").into_bytes()
            });
        }
        let child = Confined::start(&me(), LIMITS, sum).unwrap();
        let mut wanted = Vec::new();
        let file = File::open("Cargo.toml").unwrap();
        let answer = child.ask(b"", Some(file.as_fd()), SOON, &mut |what| {
            wanted.push(what.to_vec());
            (what == b"another").then(|| File::open("LICENSE").unwrap())
        });
        let length = |path: &str| std::fs::metadata(path).unwrap().len();
        let expected = format!("[{}, {}, 0]", length("Cargo.toml"), length("LICENSE"));
        assert_eq!(String::from_utf8(answer.unwrap()).unwrap(), expected);
        assert_eq!(wanted, [b"another".to_vec(), b"none".to_vec()]);
    }
}
