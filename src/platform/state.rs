//! What a thread does, and how long and how often it has had a CPU.

use std::time::Duration;

/// What a thread was doing at the moment of the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadState {
    /// On a CPU, or ready to be.
    Running,
    /// Waiting in the kernel, in the system call of this number ([`super::syscall_name`]). `None`
    /// where the kernel does not tell, and outside of system calls: in a page fault, stopped.
    Idle(Option<u32>),
    /// The thread is gone.
    Ended,
    /// Too many files are open to ask.
    Unknown,
}

/// How long and how often a thread has run so far. While this stands still, a thread that was off
/// the CPU has not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Runs {
    /// Nanoseconds; of a turn that lasts, only what the kernel has added up.
    pub(super) time: u64,
    /// Turns, with the one that lasts.
    pub(super) turns: u64,
    /// Nanoseconds that it waited for a CPU before those turns; 0 where the system does not count them.
    pub(super) waited: u64,
}

impl Runs {
    /// The time that the thread had a CPU, in nanoseconds.
    pub fn nanoseconds(self) -> u64 {
        self.time
    }

    /// That of a thread that has had a CPU so long, in one turn.
    pub fn of(time: u64) -> Self {
        Runs {
            time,
            turns: 1,
            waited: 0,
        }
    }

    /// The same, before which it waited so many nanoseconds.
    pub fn after_waiting(self, waited: u64) -> Self {
        Runs { waited, ..self }
    }

    /// For how long it waited for a CPU until it got one, in nanoseconds.
    pub fn waited(self) -> u64 {
        self.waited
    }

    /// True if it got no CPU between the two.
    pub fn is_same_turn(self, other: Runs) -> bool {
        self.turns == other.turns
    }
}

/// What a thread had when it left its CPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftRegisters {
    /// When that was: nanoseconds of CLOCK_MONOTONIC.
    pub time: u64,
    /// Where it executed.
    pub pc: u64,
    /// DWARF's numbers of registers, and what was in them; the stack pointer among them.
    pub values: Vec<(u16, u64)>,
}

/// Whether a thread held a CPU at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldCpu {
    /// It did, and is where it was when it left that.
    Until(Leave),
    /// It had none.
    Not,
    /// It did, and has run on since: what it does now is of another moment.
    RanOn(Stint),
}

impl HeldCpu {
    /// Where in its time on a CPU the moment was, if it had one.
    pub fn stint(self) -> Option<Stint> {
        match self {
            HeldCpu::Until(leave) => Some(leave.stint),
            HeldCpu::RanOn(stint) => Some(stint),
            HeldCpu::Not => None,
        }
    }
}

/// Where a moment lies in the time for which a thread had a CPU without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stint {
    /// So long after it came, as far as that is told.
    pub age: Duration,
    /// It had waited for something before, not for a CPU only.
    pub was_woken: bool,
}

/// How a thread left its CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leave {
    /// So long after the moment that was asked for, as far as that is told.
    pub after: Duration,
    /// It had to wait for something; otherwise it would have run on.
    pub waits: bool,
    /// Where in its time on that CPU.
    pub stint: Stint,
}

impl Leave {
    /// It was set aside just then.
    pub const AT_ONCE: Leave = Leave {
        after: Duration::ZERO,
        waits: false,
        stint: Stint {
            age: Duration::ZERO,
            was_woken: false,
        },
    };
}

/// What is known of a thread's coming to CPUs and leaving them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Testimony {
    /// When it left the last one.
    Switches,
    /// Each of the last ones.
    History,
    /// No more than who had the CPU that we are on before us.
    Present,
}

/// What a thread was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// It sets aside every ordinary thread at once.
    RealTime,
    /// It may have to wait until another thread's turn ends.
    Ordinary,
}
