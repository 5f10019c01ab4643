//! The terminal: taken over, and given back as it was found, also after an error or a panic.

use crate::process::was_ignored;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};
use std::fs::File;
use std::io::{self, IsTerminal, Stdout};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// True while the terminal is ours to give back.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// The terminal while the view is on it.
pub struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    /// Where keys come from if not from standard input.
    keys: Option<File>,
}

impl Screen {
    /// Switches to the alternate screen and to raw keys.
    pub fn open() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                // First the terminal: the message would vanish with the alternate screen.
                give_back();
                before(info);
            }));
        });
        listen();
        let opened = take().and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match opened {
            Ok(terminal) => Ok(Screen {
                terminal,
                keys: match io::stdin().is_terminal() {
                    true => None,
                    false => File::open("/dev/tty").ok(),
                },
            }),
            Err(e) => {
                give_back();
                Err(e)
            }
        }
    }

    /// Gives the terminal back and stops, as Ctrl-Z does it elsewhere; takes it again when the user
    /// lets p5-spy go on. Where nobody could do that (no shell with jobs), nothing is stopped.
    ///
    /// # Errors
    /// When the terminal refuses.
    pub fn suspend(&mut self) -> io::Result<()> {
        if was_ignored(libc::SIGTSTP) {
            return Ok(());
        }
        give_back();
        stop_here();
        take()?;
        // What is on it now is somebody else's. Not `clear`: that asks the terminal where its cursor
        // is, and waits for the answer.
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// True once after a request of somebody else's to stop.
    pub fn is_asked_to_stop(&self) -> bool {
        ASKED.swap(false, Ordering::SeqCst)
    }

    /// Draws one picture.
    pub fn draw(&mut self, render: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(render).map(|_| ())
    }

    /// Waits for a key, or until the time is over. False when the terminal is gone: crossterm (0.29)
    /// would try to read from it for ever.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub fn wait(&self, time: Duration) -> io::Result<bool> {
        let keys: RawFd = self
            .keys
            .as_ref()
            .map_or(libc::STDIN_FILENO, AsRawFd::as_raw_fd);
        let mut poll = libc::pollfd {
            fd: keys,
            events: libc::POLLIN,
            revents: 0,
        };
        let milliseconds = i32::try_from(time.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: one structure that lives until the call returns.
        if unsafe { libc::poll(&raw mut poll, 1, milliseconds) } < 0 {
            let error = io::Error::last_os_error();
            // Signals are looked at by the caller.
            return match error.kind() {
                io::ErrorKind::Interrupted => Ok(true),
                _ => Err(error),
            };
        }
        Ok(poll.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) == 0)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, Hide)
}

/// Somebody sent SIGTSTP while the terminal was ours.
static ASKED: AtomicBool = AtomicBool::new(false);

extern "C" fn asked(_: libc::c_int) {
    ASKED.store(true, Ordering::SeqCst);
}

/// What SIGTSTP does from now on; what it did before is given back.
fn on_stop(handler: libc::sighandler_t) -> libc::sighandler_t {
    // SAFETY: a number that `signal` gave, or a function that only writes to an atomic.
    unsafe { libc::signal(libc::SIGTSTP, handler) }
}

/// A kill -TSTP must not leave the terminal as it is while the view has it.
fn listen() {
    if !was_ignored(libc::SIGTSTP) {
        on_stop(asked as extern "C" fn(libc::c_int) as libc::sighandler_t);
    }
}

/// Stops everything that the terminal's Ctrl-Z would stop. Comes back when it goes on, or at once
/// where the kernel lets nobody stop, as no shell could let it go on.
fn stop_here() {
    let before = on_stop(libc::SIG_IGN);
    // SAFETY: takes numbers. The whole job, of which we are deaf to it just now...
    unsafe { libc::kill(0, libc::SIGTSTP) };
    on_stop(libc::SIG_DFL);
    // SAFETY: takes numbers. ... and then ourselves, in this thread: it comes back afterwards.
    unsafe { libc::raise(libc::SIGTSTP) };
    on_stop(before);
    ASKED.store(false, Ordering::SeqCst);
}

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing more can be done about a terminal that fails here.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
