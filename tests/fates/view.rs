//! The live view in a terminal, as far as the fates of targets need it.

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::sync::{Arc, Mutex};

use crate::support::{self, wait_for};

const ROWS: u16 = 30;
const COLS: u16 = 100;

fn some(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).unwrap()
}

/// A shell that opens a view and stays: the kernel resets a terminal whose first process ends.
const SHELL: &str = r#"ulimit -n "$1"; shift; "$@"; echo; echo "ended with $?."; read wait"#;

pub struct View {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    screen: Arc<Mutex<vt100::Parser>>,
    before: String,
}

impl View {
    /// Watches a process, and waits until there is something to be seen.
    pub fn of(pid: i32, descriptors: u32) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLS,
            ..PtySize::default()
        };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new("/bin/sh");
        // Else it would start in the home that is not there.
        command.cwd("/");
        command.args(["-c", SHELL, "sh", &descriptors.to_string()]);
        command.args([env!("CARGO_BIN_EXE_p5-spy"), "top", "--no-debug-info"]);
        command.args(["--pid", &pid.to_string()]);
        command.env("TERM", "xterm-256color");
        command.env("HOME", "/nonexistent");
        command.env_remove("XDG_CONFIG_HOME");
        command.env_remove("P5SPY_OPTS");
        let before = support::settings(&*pair.master);
        let child = pair.slave.spawn_command(command).unwrap();
        let screen = vt100::Parser::new(some(ROWS), some(COLS), 0);
        let screen = Arc::new(Mutex::new(screen));
        let (mut output, into) = (pair.master.try_clone_reader().unwrap(), screen.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            // The end is an error: EIO once nobody has the terminal open.
            while let Ok(got @ 1..) = output.read(&mut piece) {
                into.lock().unwrap().process(&piece[..got]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let view = View {
            child,
            master: pair.master,
            keys,
            screen,
            before,
        };
        view.until("main::");
        view
    }

    fn text(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// Waits until this is on the screen.
    pub fn until(&self, needle: &str) {
        wait_for(needle, || self.text().contains(needle).then_some(()));
    }

    pub fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Waits for its end, and gives its status and what is on the screen then.
    pub fn closed(self) -> (i32, String) {
        let status = wait_for("the end of the view", || {
            let text = self.text();
            let (_, rest) = text.split_once("ended with ")?;
            rest.split_once('.')?.0.parse().ok()
        });
        let text = self.text();
        assert_eq!(support::settings(&*self.master), self.before);
        assert!(!self.screen.lock().unwrap().screen().alternate_screen());
        (status, text)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let shell = self.child.process_id().unwrap_or(0) as i32;
        for pid in crate::support::children(shell) {
            crate::support::kill(pid, libc::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
