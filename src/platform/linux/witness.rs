//! Whether a thread held its CPU when we came there, or only wanted to. /proc calls both "running".
//! Samples of a thread that waits for a CPU gather where it was sent away or woken up: they say
//! nothing of where it spends CPU time.

use super::history::History;
use super::registers::RegisterWatch;
use super::switch_time::SwitchTime;
use super::switches::Switches;
use crate::ids::{Pid, Tid};
use crate::platform::limits::has_room;
use crate::platform::{HeldCpu, Leave, LeftRegisters, Runs, Testimony};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Our coming to a CPU.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Where it was.
    pub cpu: usize,
    /// What the scheduler says of it, if it was asked.
    account: Option<Account>,
}

impl Arrival {
    /// Our coming to that CPU.
    pub fn new(cpu: usize) -> Self {
        Arrival { cpu, account: None }
    }
}

/// Watches one thread.
#[derive(Debug)]
pub struct Witness {
    source: WitnessSource,
    registers: Option<RegisterWatch>,
    time: SwitchTime,
}

#[derive(Debug)]
enum WitnessSource {
    Switches(Switches),
    /// The same, of the watch of its registers.
    OfRegisters,
    History(History),
    Accounts(File),
    None,
}

/// So many files more must be able to be open.
const SPARE: u64 = 16;

impl Witness {
    /// Of a thread, by the best that the kernel has for us. Its registers are watched if they are wanted, and the kernel
    /// tells them.
    pub fn new(pid: Pid, tid: Tid, with_registers: bool) -> Self {
        let registers = with_registers.then(|| RegisterWatch::of(tid)).flatten();
        let switches = || match &registers {
            Some(_) => Some(WitnessSource::OfRegisters),
            None => Switches::of(tid, 0).map(WitnessSource::Switches),
        };
        let accounts = || File::open(format!("/proc/{pid}/task/{tid}/sched"));
        // When it left its CPU last is not enough: whoever was woken up just before we came had none when we were due.
        let records = History::of(tid)
            .map(WitnessSource::History)
            .or_else(switches);
        let source = records
            .unwrap_or_else(|| accounts().map_or(WitnessSource::None, WitnessSource::Accounts));
        let witness = Witness {
            source,
            registers,
            time: SwitchTime::default(),
        };
        // Without other files there are no samples at all.
        match witness.descriptor() {
            Some(last) if !has_room(last, SPARE) => Witness {
                source: WitnessSource::None,
                registers: None,
                time: SwitchTime::default(),
            },
            _ => witness,
        }
    }

    /// The highest of its own.
    fn descriptor(&self) -> Option<i32> {
        let registers = self
            .registers
            .as_ref()
            .map(|watch| watch.switches().descriptor());
        let source = match &self.source {
            WitnessSource::Switches(switches) => Some(switches.descriptor()),
            WitnessSource::History(history) => Some(history.descriptor()),
            WitnessSource::Accounts(file) => Some(file.as_raw_fd()),
            WitnessSource::OfRegisters | WitnessSource::None => None,
        };
        registers.max(source)
    }

    fn switches(&self) -> Option<&Switches> {
        match &self.source {
            WitnessSource::Switches(switches) => Some(switches),
            WitnessSource::OfRegisters => self.registers.as_ref().map(RegisterWatch::switches),
            _ => None,
        }
    }

    /// The registers that the thread had when it left a CPU last; `None` where they are not watched.
    pub fn registers(&self) -> Option<LeftRegisters> {
        self.registers.as_ref()?.last()
    }

    /// The kernel tells its registers.
    pub fn has_registers(&self) -> bool {
        self.registers.is_some()
    }

    /// What it goes by.
    pub fn testimony(&self) -> Testimony {
        match self.source {
            WitnessSource::Switches(_) | WitnessSource::OfRegisters => Testimony::Switches,
            WitnessSource::History(_) => Testimony::History,
            WitnessSource::Accounts(_) | WitnessSource::None => Testimony::Present,
        }
    }

    /// True if it came to a CPU or left one at that time or later, as far as that is recorded.
    pub fn has_moved(&self, since: u64) -> bool {
        let last = match &self.source {
            WitnessSource::History(history) => history.last(),
            _ => self.switches().and_then(Switches::last),
        };
        last.is_some_and(|last| last >= since)
    }

    /// Learns how long the kernel takes to bring the thread to a CPU, which is on none now. `runs` is asked what it has run
    /// so far.
    pub fn learn(&mut self, runs: impl FnOnce() -> Option<Runs>) {
        let WitnessSource::History(history) = &self.source else {
            return;
        };
        if self.time.wants_more()
            && let Some(left) = history.left()
            && let Some(runs) = runs()
            && history.left() == Some(left)
        {
            self.time
                .learn(left, runs.nanoseconds(), |since| history.turns(since));
        }
    }

    /// Whether the thread held a CPU at that time, if records tell that.
    pub fn recorded(&self, since: u64) -> Option<HeldCpu> {
        match &self.source {
            WitnessSource::History(history) => history.held(since, &self.time),
            _ => None,
        }
    }

    /// Whether a thread that is on no CPU now held one at that time. `None` where that is not known.
    pub fn held(&self, arrival: &mut Arrival, since: u64) -> Option<HeldCpu> {
        let held = |was: bool| {
            if was {
                HeldCpu::Until(Leave::AT_ONCE)
            } else {
                HeldCpu::Not
            }
        };
        if let Some(switches) = self.switches() {
            return match switches.last() {
                Some(left) => Some(held(left >= since)),
                // It left none since we watch.
                None => (switches.opened() <= since).then_some(HeldCpu::Not),
            };
        }
        match &self.source {
            WitnessSource::History(history) => history.held(since, &self.time),
            WitnessSource::Accounts(file) => {
                let ours = match arrival.account {
                    Some(account) => account,
                    None => *arrival.account.insert(Account::own()?),
                };
                // Both are of the same clock, which the scheduler reads once for each switch.
                let theirs = Account::of(file)?;
                Some(held(ours.start.abs_diff(theirs.start) <= NEAR))
            }
            _ => None,
        }
    }
}

/// Nanoseconds between two accounts of one switch: ours may have been brought up to date since.
const NEAR: u64 = 20_000;

/// `se.exec_start` of /proc/PID/task/TID/sched (kernel/sched/debug.c): when the scheduler last set
/// the clock for a thread's time; at every switch, to the thread and from it.
#[derive(Debug, Clone, Copy)]
struct Account {
    /// Nanoseconds of the CPU's clock.
    start: u64,
}

impl Account {
    fn own() -> Option<Self> {
        thread_local! {
            static OWN: Option<File> = File::open("/proc/thread-self/sched").ok();
        }
        OWN.with(|own| Account::of(own.as_ref()?))
    }

    fn of(file: &File) -> Option<Self> {
        // The line is one of the first.
        let mut text = [0; 256];
        let length = super::text::read_from_start(file, &mut text).ok()?;
        Account::parse(text.get(..length)?)
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let line = text
            .lines()
            .find(|line| line.starts_with("se.exec_start"))?;
        let number = line.rsplit(':').next()?.trim();
        let (millis, rest) = number.split_once('.')?;
        if rest.len() != 6 {
            return None;
        }
        let millis: u64 = millis.parse().ok()?;
        let start = millis
            .checked_mul(1_000_000)?
            .checked_add(rest.parse().ok()?)?;
        Some(Account { start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accounts_line_is_found() {
        let text = b"perl (1, #threads: 1)\n-----\nse.exec_start      :       5089217.284270\nse.vruntime : 1.0\n";
        assert_eq!(Account::parse(text).unwrap().start, 5_089_217_284_270);
        for broken in [
            &b""[..],
            b"se.exec_start : 5",
            b"se.exec_start : 5.1\n",
            b"se.exec_start : -1.000000",
        ] {
            assert!(Account::parse(broken).is_none());
        }
    }
}
