//! The format of callgrind, for KCachegrind and `callgrind_annotate`: what each line costs by
//! itself and with what it calls.
//!
//! What a function costs with all that it calls is the sum of its lines. So a sample may count only
//! once for a function that is on the stack more than once: where that one is innermost. A call of a
//! recursive function from another that has it further in counts nothing.

use super::spots::{Spot, Spots};
use super::{Picture, stats};
use crate::ids::Pid;
use crate::profile::{Profile, Stack};
use crate::text::from_utf8;
use indexmap::IndexSet;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// What the format has for a file that is not known.
const NO_FILE: &str = "???";

/// Writes the whole profile.
///
/// # Errors
/// When `to` does not take it.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let spots = Spots::new(profile, picture.by);
    let mut costs = Costs::default();
    for stack in profile.stacks() {
        costs.add(&spots, stack);
    }
    let mut body = Body {
        spots: &spots,
        folder: &profile.about.folder,
        period: profile.about.period().as_nanos(),
        files: Compressed::default(),
        functions: Compressed::default(),
        to,
    };
    head(profile, &mut body.to)?;
    let total = body.events(costs.total);
    writeln!(body.to, "summary: {total}")?;
    for (entry, function) in &costs.functions {
        body.function(*entry, function)?;
    }
    writeln!(body.to, "\ntotals: {total}")
}

fn head(profile: &Profile, to: &mut dyn Write) -> io::Result<()> {
    let about = &profile.about;
    writeln!(to, "# callgrind format\nversion: 1")?;
    writeln!(to, "creator: {}", line(&about.made_by))?;
    let mut pids: Vec<Pid> = profile.threads.iter().map(|t| t.pid).collect();
    pids.dedup();
    if let [pid] = pids[..] {
        writeln!(to, "pid: {pid}")?;
    }
    writeln!(to, "cmd: {}", line(&about.title))?;
    if !about.perl.is_empty() {
        writeln!(to, "desc: Perl: {}", line(&about.perl))?;
    }
    for text in stats::text(&profile.summary, about.rate).lines() {
        writeln!(to, "desc: Recording: {}", line(text))?;
    }
    writeln!(
        to,
        "desc: Calls: unknown to a sampling profiler; the numbers of calls are samples"
    )?;
    let time = if profile.has_waiting() { "wall" } else { "CPU" };
    writeln!(to, "positions: line")?;
    writeln!(to, "event: Samples : samples")?;
    writeln!(to, "event: Time_ns : {time} time in ns, sampled")?;
    writeln!(to, "events: Samples Time_ns")
}

/// A text without anything that would end its line.
fn line(text: &str) -> String {
    from_utf8(text.as_bytes())
}

/// A line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    /// The file, by its index; `None` for that in which the function begins.
    file: Option<u32>,
    line: u32,
}

/// Where a viewer looks for what a spot costs: the text of a string eval is in no file, but the
/// eval is.
fn at(spots: &Spots, spot: Spot) -> At {
    let file = spots.file(spot.file);
    match spots.entry(spot.entry) {
        Some(entry) if *entry.file == *file => At {
            file: None,
            line: spot.line,
        },
        Some(entry) if !is_file(file) && is_file(&entry.file) => At {
            file: None,
            line: entry.line,
        },
        _ => At {
            file: Some(spot.file),
            line: spot.line,
        },
    }
}

/// Not a program from -e or standard input, nor the text of a string eval.
fn is_file(name: &str) -> bool {
    !(name.is_empty() || name.starts_with('(') || name == "-e" || name == "-")
}

/// What one function costs.
#[derive(Debug, Default)]
struct FunctionCost {
    /// Samples by where they were taken.
    own: BTreeMap<At, u64>,
    /// Samples by where the call is, and by the called function.
    calls: BTreeMap<(At, u32), u64>,
}

/// What all functions cost, by entry.
#[derive(Debug, Default)]
struct Costs {
    functions: BTreeMap<u32, FunctionCost>,
    /// By entry: the last stack in which it was met.
    met: Vec<u32>,
    stacks: u32,
    /// All samples; a stack of no packages is nobody's.
    total: u64,
}

impl Costs {
    fn add(&mut self, spots: &Spots, stack: Stack) {
        self.stacks = self.stacks.saturating_add(1);
        self.met.resize(spots.iter().len(), 0);
        let mut inner: Option<Spot> = None;
        let frames = spots.stack(stack.frames.into_iter());
        if !frames.is_empty() {
            self.total = self.total.saturating_add(stack.count);
        }
        for spot in frames.into_iter().rev() {
            let called = inner.replace(spot);
            let Some(met) = self.met.get_mut(spot.entry as usize) else {
                continue;
            };
            if std::mem::replace(met, self.stacks) == self.stacks {
                continue;
            }
            let function = self.functions.entry(spot.entry).or_default();
            let at = at(spots, spot);
            *match called {
                None => function.own.entry(at).or_insert(0),
                Some(callee) => function.calls.entry((at, callee.entry)).or_insert(0),
            } += stack.count;
        }
    }
}

/// Names that are written out once, and from then on are numbers.
#[derive(Debug, Default)]
struct Compressed(IndexSet<String>);

impl Compressed {
    fn of(&mut self, name: String) -> String {
        match self.0.get_index_of(&name) {
            Some(index) => format!("({})", index.saturating_add(1)),
            None => {
                let index = self.0.insert_full(name.clone()).0;
                format!("({}) {name}", index.saturating_add(1))
            }
        }
    }
}

struct Body<'a, 'b> {
    spots: &'a Spots,
    folder: &'a str,
    period: u128,
    files: Compressed,
    functions: Compressed,
    to: &'b mut dyn Write,
}

impl Body<'_, '_> {
    fn function(&mut self, entry: u32, function: &FunctionCost) -> io::Result<()> {
        let home = self.home(entry);
        let (file, name) = (self.files.of(home.clone()), self.name(entry));
        writeln!(self.to, "\nfl={file}\nfn={name}")?;
        let mut current = home.clone();
        for (&At { file, line }, &count) in &function.own {
            self.go_to(file, &home, &mut current)?;
            let events = self.events(count);
            writeln!(self.to, "{line} {events}")?;
        }
        for (&(At { file, line }, callee), &count) in &function.calls {
            self.go_to(file, &home, &mut current)?;
            let called = self.home(callee);
            let (file, name) = (self.files.of(called), self.name(callee));
            let start = self.spots.entry(callee).map_or(0, |e| e.line);
            writeln!(self.to, "cfi={file}\ncfn={name}\ncalls={count} {start}")?;
            let events = self.events(count);
            writeln!(self.to, "{line} {events}")?;
        }
        Ok(())
    }

    /// From here on lines are of that file, or of the one in which the function begins.
    fn go_to(&mut self, file: Option<u32>, home: &str, current: &mut String) -> io::Result<()> {
        let (word, file) = match file {
            Some(file) => ("fi", self.path(self.spots.file(file))),
            None => ("fe", home.to_owned()),
        };
        if file != *current {
            *current = file.clone();
            let file = self.files.of(file);
            writeln!(self.to, "{word}={file}")?;
        }
        Ok(())
    }

    fn events(&self, count: u64) -> String {
        let time = u128::from(count).saturating_mul(self.period);
        format!("{count} {time}")
    }

    fn name(&mut self, entry: u32) -> String {
        self.functions.of(line(self.spots.title(entry)))
    }

    /// The file of an entry.
    fn home(&self, entry: u32) -> String {
        self.path(self.spots.entry(entry).map_or("", |e| &e.file))
    }

    /// A file's name as a viewer of another working directory finds it.
    fn path(&self, file: &str) -> String {
        let file = line(file);
        if file.is_empty() {
            NO_FILE.to_owned()
        } else if !is_file(&file) || file.starts_with('/') || self.folder.is_empty() {
            file
        } else {
            let file = file.strip_prefix("./").unwrap_or(&file);
            format!("{}/{file}", self.folder.trim_end_matches('/'))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frames::StackId;
    use crate::frames::{Frame, FrameKind};
    use crate::ids::Tid;
    use crate::output::synthetic;
    use crate::profile::{Filter, Run, ThreadAbout};

    fn written(profile: &Profile) -> String {
        let mut file = Vec::new();
        write(profile, &Picture::default(), &mut file).unwrap();
        String::from_utf8(file).unwrap()
    }

    #[test]
    fn lines_calls_and_recursion() {
        insta::assert_snapshot!(written(&synthetic::profile()));
    }

    #[test]
    fn no_name_can_end_its_line() {
        let mut profile = Profile::picked(Default::default(), Filter::everything(), false);
        let name = "evil\nfn=(1) other\n1 99 99";
        profile.add_frame(Frame::new(FrameKind::Sub, name.into(), "a\nb.pl".into(), 1));
        profile.add_stack(None, 0).unwrap();
        profile.add_thread(ThreadAbout {
            pid: Pid::from(1),
            title: "x".into(),
            os_tid: Tid::from(1),
            perl_tid: None,
            interpreter: None,
        });
        profile
            .add_run(Run {
                stack: StackId::at(0),
                thread: 0,
                count: 1,
                running: true,
                at: std::time::Duration::ZERO,
            })
            .unwrap();
        profile.about.title = "a\nb: c".into();
        let file = written(&profile);
        assert!(file.contains("fn=(1) evil\\x{a}fn=(1) other"), "{file}");
        assert!(file.contains("fl=(1) a\\x{a}b.pl\n"), "{file}");
        assert!(file.contains("cmd: a\\x{a}b: c\n"), "{file}");
    }
}
