//! A small made-up profile for the tests of the formats: two processes, two threads in one of them,
//! recursion, subs of one name, names that want escaping, waiting.

use crate::frames::{Frame, FrameKind, Place, StackId, UNKNOWN};
use crate::ids::{Pid, Tid};
use crate::profile::{About, Filter, Profile, Run, Summary, ThreadAbout};
use std::time::Duration;

/// A name with all that JSON, XML and callgrind's format could stumble over.
pub const NASTY: &str = "Shop::\"q\"<&>\\ (1) fn=x;é";

fn frame(kind: FrameKind, name: &str, file: &str, line: u32, start: u32) -> Frame {
    let mut frame = Frame::new(kind, name.into(), file.into(), line);
    frame.start = Place {
        file: file.into(),
        line: start,
    };
    frame
}

fn nowhere(kind: FrameKind, name: &str, file: &str, line: u32) -> Frame {
    let mut frame = frame(kind, name, file, line, 0);
    frame.start.file = UNKNOWN.into();
    frame
}

/// The profile, with waiting threads and times.
pub fn profile() -> Profile {
    made(Filter::everything())
}

/// The same of running threads only, without ops.
pub fn busy() -> Profile {
    made(Filter::default())
}

fn made(filter: Filter) -> Profile {
    let about = About {
        made_by: "p5-spy 0".into(),
        title: "perl shop.pl".into(),
        perl: "perl 5.36.0 (threaded)".into(),
        folder: "/srv/shop".into(),
        rate: 100.0,
        started_ms: 1_700_000_000_000,
        ..About::default()
    };
    let mut profile = Profile::picked(about, filter, true);
    let lib = "lib/Shop.pm";
    for frame in [
        frame(FrameKind::Main, "(main)", "shop.pl", 12, 0),
        frame(FrameKind::Sub, "Shop::order", lib, 31, 30),
        frame(FrameKind::Sub, "Shop::order", lib, 33, 30),
        frame(FrameKind::Sub, "Shop::price", lib, 52, 50),
        frame(FrameKind::Sub, NASTY, "/srv/lib/Nasty.pm", 7, 5),
        nowhere(FrameKind::Xsub, "List::Util::sum", lib, 33),
        frame(FrameKind::Sub, "Shop::twin", lib, 90, 90),
        frame(FrameKind::Sub, "Shop::twin", "lib/Other.pm", 3, 2),
        frame(FrameKind::Eval, "eval {…}", lib, 71, 70),
        nowhere(FrameKind::Op, "match", lib, 52),
        nowhere(FrameKind::Syscall, "read", "shop.pl", 12),
    ] {
        profile.add_frame(frame);
    }
    // Callers and innermost frames: the stack of the comment has the index of its line.
    for (caller, frame) in [
        (None, 0),     //  0 main
        (Some(0), 1),  //  1 main order:31
        (Some(1), 3),  //  2 main order price
        (Some(2), 1),  //  3 main order price order:31
        (Some(3), 2),  //  4 main order price order order:33
        (Some(4), 5),  //  5 main order price order order sum
        (Some(1), 4),  //  6 main order nasty
        (Some(0), 2),  //  7 main order:33
        (Some(7), 6),  //  8 main order twin
        (Some(7), 7),  //  9 main order other twin
        (Some(7), 8),  // 10 main order eval
        (Some(2), 9),  // 11 main order price match
        (Some(0), 10), // 12 main read
    ] {
        profile.add_stack(caller, frame).unwrap();
    }
    for (pid, os_tid, perl_tid) in [(100, 100, Some(0)), (100, 101, Some(1)), (200, 200, None)] {
        profile.add_thread(ThreadAbout {
            pid: Pid::from(pid),
            title: if pid == 100 { "perl shop.pl" } else { "worker" }.into(),
            os_tid: Tid::from(os_tid),
            perl_tid,
            interpreter: None,
        });
    }
    for (millis, thread, stack, count, running) in [
        (5, 0, 2, 1, true),
        (5, 1, 12, 30, false),
        (14, 0, 2, 1, true),
        (26, 0, 5, 1, true),
        (35, 0, 6, 1, true),
        (46, 0, 11, 1, true),
        (55, 0, 4, 1, true),
        (100, 2, 8, 1, true),
        (101, 0, 9, 1, true),
        (110, 2, 10, 1, true),
        (111, 0, 3, 1, true),
        (121, 0, 12, 17, false),
        (306, 1, 7, 1, true),
        (316, 1, 0, 1, true),
    ] {
        let run = Run {
            stack: StackId::at(stack),
            thread,
            count,
            running,
            at: Duration::from_millis(millis),
        };
        profile.add_run(run).unwrap();
    }
    profile.summary = Summary {
        attempted: 62,
        good: 12,
        idle: 47,
        torn: 1,
        missed: 2,
        duration_seconds: 0.33,
        cpu_seconds: 0.004,
        ..Summary::default()
    };
    profile
}
