//! The processes that the user did not name by number: by `--name`, or from a list.

use super::pick::pick;
use super::ps::{about_hidden, cut, roster, rows, table};
use crate::attach::{PerlProcess, Roster};
use crate::cli::Find;
use crate::cli::hints::{no_such_name, too_many_names};
use crate::ids::Pid;
use crate::platform::{Listed, ancestors, own_line};
use anyhow::{anyhow, bail};
use regex::bytes::Regex;

/// No line of a message is longer.
const WIDEST: usize = 120;
/// A message has no more lines about processes.
const MOST: usize = 20;

/// Their ids; `None` where the user chose none.
///
/// # Errors
/// When there is none, or which ones are meant is not clear.
pub fn processes(find: &Find) -> anyhow::Result<Option<Vec<Pid>>> {
    match find {
        Find::Name(name) => named(name, &roster()?).map(Some),
        Find::Ask => asked(),
    }
}

fn asked() -> anyhow::Result<Option<Vec<Pid>>> {
    let roster = roster()?;
    let rows = rows(&roster.perls);
    if rows.is_empty() {
        return Err(nothing(&roster, "no perl process runs here"));
    }
    Ok(pick(&rows, roster.hiding)?.map(|pid| vec![pid]))
}

fn nothing(roster: &Roster, what: &str) -> anyhow::Error {
    match roster.hiding {
        Some(hiding) => anyhow!("{what}; but {}", about_hidden(hiding)),
        None => anyhow!("{what}"),
    }
}

fn named(name: &str, roster: &Roster) -> anyhow::Result<Vec<Pid>> {
    let regex = Regex::new(name)?;
    // Whoever calls us has our own words on its command line, and did not mean itself.
    let own = own_line(&roster.all);
    let found: Vec<&PerlProcess> = roster
        .perls
        .iter()
        .filter(|perl| !own.contains(&perl.listed.pid) && is_named(perl, &regex))
        .collect();
    let found = with_those_below(&found, &roster.perls, &roster.all);
    if found.is_empty() {
        return Err(nothing(roster, &no_such_name(name)));
    }
    let pids: Vec<Pid> = found.iter().map(|perl| perl.listed.pid).collect();
    let perls: Vec<Pid> = roster.perls.iter().map(|p| p.listed.pid).collect();
    match family(&pids, &perls, &roster.all) {
        Some(family) => Ok(family),
        None => {
            let found: Vec<PerlProcess> = found.into_iter().cloned().collect();
            let all = rows(&found);
            let mut lines: Vec<String> = table(&all, None).iter().map(|l| cut(l, WIDEST)).collect();
            let more = lines.len().saturating_sub(MOST + 1);
            lines.truncate(MOST + 1);
            if more > 0 {
                lines.push(format!("… and {more} more"));
            }
            bail!(too_many_names(name, all.len(), &lines.join("\n")))
        }
    }
}

fn is_named(perl: &PerlProcess, regex: &Regex) -> bool {
    regex.is_match(&perl.words.join(&b' ')) || regex.is_match(&perl.listed.name)
}

/// The perls that match, and all that are below one: a worker may call itself what it likes.
fn with_those_below<'r>(
    found: &[&PerlProcess],
    perls: &'r [PerlProcess],
    all: &[Listed],
) -> Vec<&'r PerlProcess> {
    let is_one = |pid: &Pid| found.iter().any(|perl| perl.listed.pid == *pid);
    let is_below = |perl: &&PerlProcess| ancestors(perl.listed.pid, all).iter().any(is_one);
    perls.iter().filter(is_below).collect()
}

/// The processes, if they are one program: a single one, one and those below it, or those below a
/// perl that was not asked for itself. The first is above the others where it is one of them.
fn family(pids: &[Pid], perls: &[Pid], all: &[Listed]) -> Option<Vec<Pid>> {
    let lines: Vec<Vec<Pid>> = pids.iter().map(|pid| ancestors(*pid, all)).collect();
    let is_head = |head: &Pid| lines.iter().all(|line| line.contains(head));
    if let Some(head) = pids.iter().find(|pid| is_head(pid)) {
        let others = pids.iter().filter(|pid| *pid != head);
        return Some(std::iter::once(head).chain(others).copied().collect());
    }
    let is_one = perls.iter().any(is_head);
    is_one.then(|| pids.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let one = |(pid, parent): &(i32, i32)| Listed {
            pid: Pid::from(*pid),
            parent: Pid::from(*parent),
            name: b"perl".to_vec(),
            state: b'S',
        };
        // 20 is a server of its own, 10 one with workers of which one started another.
        let all: Vec<Listed> = [
            (1, 0),
            (10, 1),
            (11, 10),
            (12, 10),
            (13, 12),
            (20, 1),
            (30, 1),
        ]
        .iter()
        .map(one)
        .collect();
        let ids = |ids: &[i32]| -> Vec<Pid> { ids.iter().map(|id| Pid::from(*id)).collect() };
        let perls = ids(&[10, 11, 12, 13, 20]);
        let family = |pids: &[i32]| family(&ids(pids), &perls, &all);
        assert_eq!(family(&[20]), Some(ids(&[20])));
        assert_eq!(family(&[10, 11, 12, 13]), Some(ids(&[10, 11, 12, 13])));
        assert_eq!(family(&[13, 12]), Some(ids(&[12, 13])));
        assert_eq!(family(&[11, 12]), Some(ids(&[11, 12])));
        assert_eq!(family(&[10, 20]), None);
        assert_eq!(family(&[11, 20]), None);
        // What only init is above of is none.
        assert_eq!(family(&[20, 30]), None);
    }
}
