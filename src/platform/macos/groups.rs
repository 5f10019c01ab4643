//! The groups of a process, in the record that `ps` reads (`struct kinfo_proc` of sys/sysctl.h, 64 bits).

use crate::ids::Pid;
use crate::platform::record::Record;

/// Bytes of the record.
pub(super) const SIZE: usize = 648;
const PID: usize = 40;
const USER: usize = 420;
const COUNT: usize = 424;
const GROUPS: usize = 428;
/// NGROUPS.
const MOST: usize = 16;

/// The groups of this process, if it is one of this user; `None` for any other record.
pub(super) fn parse(answer: &[u8], pid: Pid, user: u32) -> Option<Vec<u32>> {
    let record = Record(answer);
    let count = usize::from(record.u16(COUNT)?);
    let is_it = record.i32(PID).map(Pid::from) == Some(pid) && record.u32(USER) == Some(user);
    let groups = (0..count).filter_map(|at| record.u32(GROUPS + 4 * at));
    (answer.len() == SIZE && is_it && count <= MOST).then(|| groups.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_those_of_that_process_and_user() {
        let mut answer = vec![0; SIZE];
        let mut put = |at: usize, value: &[u8]| answer[at..at + value.len()].copy_from_slice(value);
        put(40, &77_i32.to_le_bytes());
        put(420, &501_u32.to_le_bytes());
        put(424, &3_u16.to_le_bytes());
        put(428, &[20_u32, 12, 61].map(u32::to_le_bytes).concat());
        let pid = Pid::from(77);
        assert_eq!(parse(&answer, pid, 501), Some(vec![20, 12, 61]));
        assert_eq!(parse(&answer, pid, 502), None);
        assert_eq!(parse(&answer, Pid::from(78), 501), None);
        assert_eq!(parse(&answer[..SIZE - 1], pid, 501), None);
        answer[424] = 17;
        assert_eq!(parse(&answer, pid, 501), None);
        assert_eq!(parse(&[], pid, 501), None);
    }
}
