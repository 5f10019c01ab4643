//! What can be done about a failure. What is typed for it, and in which words it is said, only `cli/`
//! knows.

use crate::ids::Pid;
use std::path::PathBuf;

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remedy {
    /// To name the process that a thread belongs to.
    NameProcess(Pid),
    /// To find out why there is no such process to be seen.
    FindProcess(Pid),
    /// To get the right to read a process.
    GetRights(Pid),
    /// To look at the processes below it.
    LookBelow,
    /// To install debug symbols, or to name another layout.
    OtherLayout,
    /// To install debug symbols, or to make a layout.
    AnyLayout,
    /// To make one of what every perl has, where nobody has debug symbols.
    LayoutOfHeaders,
    /// To name a folder with only one of several layouts.
    OneLayout,
    /// To learn the layout of this perl, which has no symbols.
    LearnStripped(PathBuf),
    /// To learn the layout of this program, if it is a perl.
    LearnIfPerl(String),
    /// To learn the layout of what is not trusted by hand.
    LearnByHand,
    /// To let it be learned as the user that it belongs to, or by hand.
    LearnAsTheirs,
    /// To learn what was guessed.
    LearnToBeSure,
    /// To allow so many bytes of memory.
    AllowMemory(u64),
}

/// Something that the user should know, and what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What happened.
    pub text: String,
    /// What can be done.
    pub remedy: Option<Remedy>,
}

impl From<String> for Notice {
    fn from(text: String) -> Self {
        Notice { text, remedy: None }
    }
}

impl Notice {
    /// With something to be done.
    pub fn new(text: String, remedy: Remedy) -> Self {
        Notice {
            text,
            remedy: Some(remedy),
        }
    }
}
