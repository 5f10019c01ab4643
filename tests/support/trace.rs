//! What strace wrote of several threads.

use std::collections::HashMap;

/// The trace with each call on one line. Of a call during which another thread made one, strace writes two
/// lines; where the first of them ends depends on which arguments the kernel had yet to fill.
pub fn whole_calls(trace: &str) -> String {
    let mut begun: HashMap<&str, &str> = HashMap::new();
    let mut whole = String::new();
    for line in trace.lines() {
        let (tid, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some(begin) = line.strip_suffix("<unfinished ...>") {
            begun.insert(tid, begin.trim_end());
            continue;
        }
        let resumed = rest.trim_start().strip_prefix("<... ");
        let end = resumed.and_then(|rest| rest.split_once(" resumed>"));
        match end.and_then(|(_, end)| Some((begun.remove(tid)?, end))) {
            Some((begin, end)) => whole.extend([begin, end, "\n"]),
            None => whole.extend([line, "\n"]),
        }
    }
    // Those of threads that ended in it.
    for begin in begun.values() {
        whole.extend([*begin, "\n"]);
    }
    whole
}

#[test]
fn a_call_that_was_interrupted_is_whole() {
    let trace = "7  openat(AT_FDCWD, \"/x\" <unfinished ...>\n\
                 8 getpid() = 8\n\
                 7 <... openat resumed>, O_RDWR) = 3\n\
                 8 exit_group(0 <unfinished ...>\n";
    assert_eq!(
        whole_calls(trace),
        "8 getpid() = 8\n7  openat(AT_FDCWD, \"/x\", O_RDWR) = 3\n8 exit_group(0\n"
    );
}
