//! Ids of processes and threads, wide enough for every system: Linux and macOS have processes of 31
//! bits, Windows of 32, and macOS threads of 64.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// The id of a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pid(i64);

/// The kernel's id of a thread.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tid(i64);

/// What both can do.
macro_rules! id {
    ($name:ident) => {
        impl $name {
            /// The id as a number of 64 bits.
            pub const fn number(self) -> i64 {
                self.0
            }

            /// As the system's calls take it. A number that they do not take is one that no process
            /// and no thread has.
            pub fn native(self) -> i32 {
                i32::try_from(self.0).unwrap_or(i32::MAX)
            }
        }

        impl From<i32> for $name {
            fn from(number: i32) -> Self {
                $name(number.into())
            }
        }

        impl From<u32> for $name {
            fn from(number: u32) -> Self {
                $name(number.into())
            }
        }

        impl FromStr for $name {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<Self, ParseIntError> {
                text.parse().map($name)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(Pid);
id!(Tid);

impl Pid {
    /// The process that we are.
    pub fn ours() -> Self {
        std::process::id().into()
    }

    /// Its main thread, which on Linux has its number.
    pub const fn main_thread(self) -> Tid {
        Tid(self.0)
    }
}

impl Tid {
    /// A thread of this number.
    pub const fn new(number: i64) -> Self {
        Tid(number)
    }
}

impl PartialEq<Pid> for Tid {
    /// It is the process's main thread.
    fn eq(&self, pid: &Pid) -> bool {
        *self == pid.main_thread()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_has_them_as_it_had_numbers_of_32_bits() {
        let of = |number: i32| postcard::to_stdvec(&number).unwrap();
        for number in [0, 1, 100, 4_194_304, i32::MAX] {
            assert_eq!(postcard::to_stdvec(&Pid::from(number)).unwrap(), of(number));
            assert_eq!(postcard::from_bytes::<Tid>(&of(number)), Ok(number.into()));
        }
        let wide = Tid::new(1 << 40);
        let kept = postcard::to_stdvec(&wide).unwrap();
        assert_eq!(postcard::from_bytes::<Tid>(&kept), Ok(wide));
        assert_eq!(
            (wide.native(), format!("{wide:?}")),
            (i32::MAX, (1_u64 << 40).to_string())
        );
    }
}
