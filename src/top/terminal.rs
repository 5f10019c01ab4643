//! The terminal: taken over, and given back as it was found, also after an error or a panic.

use crate::platform::{places, poll, suspend};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};
use std::fs::File;
use std::io::{self, IsTerminal, Stdout};
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
        // A kill -TSTP must not leave the terminal as it is while the view has it.
        suspend::listen();
        let opened = take().and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match opened {
            Ok(terminal) => Ok(Screen {
                terminal,
                keys: match io::stdin().is_terminal() {
                    true => None,
                    false => File::open(places::TERMINAL).ok(),
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
        if !suspend::may_stop() {
            return Ok(());
        }
        give_back();
        suspend::stop_here();
        take()?;
        // What is on it now is somebody else's. Not `clear`: that asks the terminal where its cursor
        // is, and waits for the answer.
        execute!(io::stdout(), Clear(ClearType::All))?;
        self.terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
        Ok(())
    }

    /// True once after a request of somebody else's to stop.
    pub fn is_asked_to_stop(&self) -> bool {
        suspend::take_request()
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
        poll::wait_for_input(self.keys.as_ref(), time)
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

fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Nothing more can be done about a terminal that fails here.
        let _ = execute!(io::stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
