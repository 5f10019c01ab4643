//! Forks: they have their parent's files at their parent's addresses, so that what was found of
//! the one is true of the other.

use super::{Inferior, Perl, ProcessView};
use crate::memory::Memory;
use crate::platform::MappedFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A perl that was found, and where: for others that were forked from the same process.
#[derive(Clone)]
pub struct ForkFamily {
    perl: Arc<Perl>,
    program: PathBuf,
    file: Arc<MappedFile>,
}

impl ForkFamily {
    pub(super) fn new(perl: Arc<Perl>, program: PathBuf, file: MappedFile) -> Self {
        ForkFamily {
            perl,
            program,
            file: Arc::new(file),
        }
    }

    /// The process that runs `program` and has `files` mapped has this perl at the same place.
    pub(super) fn is_in(&self, program: &Path, files: &[MappedFile]) -> bool {
        self.program == program && files.contains(&self.file)
    }

    /// The perl in this process, which has it at the same place.
    pub(super) fn inferior(&self, view: Arc<dyn ProcessView>, memory: Arc<dyn Memory>) -> Inferior {
        let is_the_program = self.program == self.file.path;
        Inferior::new(view, memory, self.perl.clone(), is_the_program)
    }

    /// Adds a perl to a family that has not seen it yet. The newest come first, as they are the
    /// likeliest to fork next; very old ones are forgotten.
    pub fn join(self, family: &mut Vec<ForkFamily>) {
        /// Different perls, or places of one.
        const MANY: usize = 32;
        if family.iter().all(|kin| !Arc::ptr_eq(&kin.perl, &self.perl)) {
            family.truncate(MANY - 1);
            family.insert(0, self);
        }
    }
}

// Windows has no fork.
#[cfg(test)]
#[cfg(unix)]
mod tests {
    use crate::attach::Attach;
    use crate::ids::Pid;
    use crate::layout::Sources;
    use crate::platform::Process;
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::sync::Arc;

    /// A perl with two forked workers and one that it started anew, which print their ids.
    const PROGRAM: &str = r#"$| = 1;
        for (1 .. 2) { my $pid = fork; if (!$pid) { print "$$\n"; sleep 600; exit } push @all, $pid }
        my $pid = fork;
        if (!$pid) { exec $^X, '-e', '$| = 1; print "$$\n"; sleep 600' }
        push @all, $pid;
        $SIG{TERM} = sub { kill KILL => @all; exit };
        print "$$\n";
        sleep 600"#;

    struct Family(Child);

    impl Drop for Family {
        fn drop(&mut self) {
            // SAFETY: kill has no memory effects; the child has not been waited for yet.
            unsafe { libc::kill(Pid::from(self.0.id()).native(), libc::SIGTERM) };
            let _ = self.0.wait();
        }
    }

    #[test]
    fn forks_share_what_was_found_and_others_do_not() {
        let perl = std::env::var_os("P5SPY_TEST_PERL").unwrap_or("/usr/bin/perl".into());
        let child = Command::new(perl)
            .args(["-e", PROGRAM])
            .stdout(Stdio::piped())
            .spawn();
        let mut family = Family(child.unwrap());
        let lines = BufReader::new(family.0.stdout.take().unwrap()).lines();
        let mut pids: Vec<Pid> = lines.take(4).map(|l| l.unwrap().parse().unwrap()).collect();
        let parent = Pid::from(family.0.id());
        pids.retain(|pid| *pid != parent);
        assert_eq!(pids.len(), 3);
        let sources = Sources::built_in();
        let attach = |pid: Pid, known: &[super::ForkFamily]| {
            let process = Process::open(pid).unwrap();
            Attach::once(&sources)
                .among(known)
                .to(process, &mut |_| {})
                .unwrap()
        };
        let first = attach(parent, &[]);
        let mut known = Vec::new();
        first.kin().clone().join(&mut known);
        let mut shared = 0;
        for pid in pids {
            let target = attach(pid, &known);
            assert_eq!(target.threads().unwrap().len(), 1);
            let is_fork = Arc::ptr_eq(&target.perl, &first.perl);
            assert_eq!(is_fork, target.perl.bias == first.perl.bias);
            shared += usize::from(is_fork);
            target.kin().clone().join(&mut known);
        }
        assert!(shared >= 2, "{shared}");
        assert_eq!(known.len(), 4 - shared);
    }
}
