//! What somebody asks of p5-spy while it samples: by a signal, or from a console.

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// To end.
    End,
    /// To write what there is so far (SIGUSR1).
    Write,
    /// To begin to sample, or to pause.
    Toggle,
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What it is.
    pub wish: Wish,
    /// The signal's number.
    pub signal: i32,
    /// It came from the terminal, which sends it to a program that we started as well.
    pub from_terminal: bool,
}
