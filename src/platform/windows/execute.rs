//! Running a program for p5-spy's own purpose: in a job, which says what it may use and ends with
//! p5-spy, without a console, and with no handle of ours but its two pipes. It has our rights, so that
//! nothing is run for who has others, or fewer.

use super::calls::{done, owned, raw};
use super::job::JobObject;
use super::sandbox::{Limits, Owner};
use super::stamp::Stamp;
use super::thread::ThreadWatch;
use super::users::{effective_user, level_of, user_name};
use super::wide::{environment_of, line_of, with_end};
use super::{has_ended, regular};
use crate::ids::Pid;
pub use crate::platform::runnable::Pinned;
use crate::platform::{Process, ThreadState};

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::windows::io::OwnedHandle;
use std::path::{Component, Path, PathBuf, Prefix};
use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{HANDLE, HANDLE_FLAG_INHERIT, SetHandleInformation};
use windows_sys::Win32::System::Diagnostics::Debug::{
    SEM_FAILCRITICALERRORS, SEM_NOGPFAULTERRORBOX, SetErrorMode,
};
use windows_sys::Win32::System::Pipes::CreatePipe;
use windows_sys::Win32::System::Threading::{
    CREATE_SUSPENDED, CREATE_UNICODE_ENVIRONMENT, CreateProcessW, DETACHED_PROCESS,
    DeleteProcThreadAttributeList, EXTENDED_STARTUPINFO_PRESENT, InitializeProcThreadAttributeList,
    PROC_THREAD_ATTRIBUTE_HANDLE_LIST, PROCESS_INFORMATION, ResumeThread, STARTF_USESTDHANDLES,
    STARTUPINFOEXW, TerminateProcess, UpdateProcThreadAttribute, WaitForSingleObject,
};

/// The variables by which a perl finds its libraries.
pub const LIBRARIES: &[&str] = &["PATH", "PERL5LIB"];

/// Exit code of what is ended before its time.
const ENDED: u32 = 1;

/// Whether two names are those of one variable of the environment.
pub fn is_same_variable(one: &OsStr, other: &OsStr) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// The usual form of a path as `canonicalize` has it: perl takes its name apart to find its modules.
pub fn usual_name(path: &Path) -> PathBuf {
    let mut parts = path.components();
    match parts.next() {
        Some(Component::Prefix(prefix)) => match prefix.kind() {
            Prefix::VerbatimDisk(drive) => {
                let mut usual = PathBuf::from(format!("{}:", char::from(drive)));
                usual.extend(parts);
                usual
            }
            _ => path.to_owned(),
        },
        _ => path.to_owned(),
    }
}

/// Why nothing can be run with the rights of a process, and no more.
pub fn hindrance(owner: &Owner) -> Option<String> {
    let user = owner.rights.user;
    if user != effective_user() {
        return Some(format!(
            "the process belongs to {}, whose rights Windows gives to nobody else",
            user_name(user)
        ));
    }
    excess(level_of(Pid::ours()), level_of(owner.pid))
}

/// Where we have more rights than the process has. The levels are the system's.
fn excess(ours: io::Result<u32>, theirs: io::Result<u32>) -> Option<String> {
    match (ours, theirs) {
        (Ok(ours), Ok(theirs)) if ours <= theirs => None,
        (Ok(_), Ok(_)) => Some("p5-spy has more rights than the process has".into()),
        (Err(e), _) | (_, Err(e)) => Some(format!(
            "whether p5-spy has more rights than the process cannot be told: {e}"
        )),
    }
}

/// A program that runs, with a pipe to it and one from it. Dropped, it is ended.
#[derive(Debug)]
pub struct Execution {
    process: OwnedHandle,
    pid: Pid,
    job: JobObject,
    /// What it reads.
    pub input: File,
    /// What it writes.
    pub output: File,
}

impl Drop for Execution {
    fn drop(&mut self) {
        /// Milliseconds: until then somebody's file may be in use.
        const PATIENCE: u32 = 3000;
        self.job.end(ENDED);
        // SAFETY: the handle is open and may be waited for.
        unsafe { WaitForSingleObject(raw(&self.process), PATIENCE) };
    }
}

impl Execution {
    /// Runs what our user named, as ourselves; the first of the words is its name for itself.
    ///
    /// # Errors
    /// In words, when it does not start or gets no job.
    pub fn named(
        name: &Path,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        limits: Limits,
    ) -> Result<Self, String> {
        let job = JobObject::limited(limits, false).map_err(unconfined)?;
        Self::start(name, words, environment, job)
    }

    fn start(
        program: &Path,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        job: JobObject,
    ) -> Result<Self, String> {
        let not_started = |e: io::Error| format!("it does not start: {e}");
        let (its_input, input) = pipe().map_err(not_started)?;
        let (output, its_output) = pipe().map_err(not_started)?;
        let nowhere = OpenOptions::new().write(true).open("NUL");
        let errors = OwnedHandle::from(nowhere.map_err(not_started)?);
        let streams = [its_input, its_output, errors];
        let (process, thread, pid) =
            start_stopped(program, words, environment, &streams).map_err(not_started)?;
        if let Err(e) = job.take(&process) {
            // SAFETY: the handle is open.
            unsafe { TerminateProcess(raw(&process), ENDED) };
            return Err(unconfined(e));
        }
        let execution = Execution {
            process,
            pid,
            job,
            input: input.into(),
            output: output.into(),
        };
        // SAFETY: the handle is open.
        match unsafe { ResumeThread(raw(&thread)) } {
            u32::MAX => Err(not_started(io::Error::last_os_error())),
            _ => Ok(execution),
        }
    }

    /// Its process id, which nobody else gets while this is held.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Whether it waits for something, such as its input; `None` when it has ended.
    pub fn waits(&self) -> Option<bool> {
        if has_ended(&self.process) {
            return None;
        }
        let Ok(threads) = (Process { pid: self.pid }).thread_ids() else {
            return Some(false);
        };
        let mut threads = threads.into_iter();
        Some(threads.all(|tid| {
            let state = ThreadWatch::new(self.pid, tid).state();
            matches!(state, ThreadState::Idle(_) | ThreadState::Ended)
        }))
    }
}

impl Pinned {
    /// None.
    pub fn loaded_word(&self) -> Option<OsString> {
        None
    }

    /// Runs it, with these words and variables; the first of the words is its name for itself.
    ///
    /// # Errors
    /// In words, when it is no longer the file that was judged, or does not start.
    pub fn execute(
        &self,
        words: &[OsString],
        environment: &[(OsString, OsString)],
        limits: Limits,
    ) -> Result<Execution, String> {
        // A program is started by its name. While it is held so, nobody can write to the file, delete
        // it, or give it or a folder above it another name.
        let held = regular::open_unchanging(&self.name);
        let stamp = held.as_ref().map(Stamp::of);
        match stamp {
            Ok(Ok(stamp)) if stamp == self.program.stamp() => {}
            Ok(Ok(_)) => return Err("another file has its name by now".into()),
            Ok(Err(e)) => return Err(format!("it cannot be held: {e}")),
            Err(e) => return Err(format!("it cannot be held: {e}")),
        }
        let job = JobObject::limited(limits, true).map_err(unconfined)?;
        Execution::start(&self.name, words, environment, job)
    }
}

fn unconfined(e: io::Error) -> String {
    format!("it cannot be confined: {e}")
}

/// A pipe: its end to read from, and its end to write to. No program gets either by itself.
fn pipe() -> io::Result<(OwnedHandle, OwnedHandle)> {
    let (mut from, mut to) = (null_mut(), null_mut());
    // SAFETY: there is room for both results, and no attributes are allowed.
    done(unsafe { CreatePipe(&mut from, &mut to, null(), 0) })?;
    Ok((owned(from)?, owned(to)?))
}

/// Starts a program whose first thread waits to be let go, with these for its standard input, output
/// and errors, and no other handle: its process, that thread, and its id.
fn start_stopped(
    program: &Path,
    words: &[OsString],
    environment: &[(OsString, OsString)],
    streams: &[OwnedHandle; 3],
) -> io::Result<(OwnedHandle, OwnedHandle, Pid)> {
    let name = with_end(program.as_os_str())?;
    let mut line = line_of(words)?;
    let environment = environment_of(environment)?;
    let handles = streams.each_ref().map(raw);
    for stream in streams {
        // SAFETY: the handle is open.
        done(unsafe {
            SetHandleInformation(raw(stream), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT)
        })?;
    }
    let list = Inherited::only(&handles)?;
    let mut startup = STARTUPINFOEXW::default();
    let [input, output, errors] = handles;
    startup.StartupInfo.cb = size_of::<STARTUPINFOEXW>() as u32;
    startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
    startup.StartupInfo.hStdInput = input;
    startup.StartupInfo.hStdOutput = output;
    startup.StartupInfo.hStdError = errors;
    startup.lpAttributeList = list.pointer();
    let mut about = PROCESS_INFORMATION::default();
    // What a program lacks is an error of the program's, and no window.
    // SAFETY: takes numbers.
    let before = unsafe { SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX) };
    // SAFETY: all texts have an end, the line may be written to, and all of it lives during the call, as
    // do the handles in the list.
    let started = done(unsafe {
        CreateProcessW(
            name.as_ptr(),
            line.as_mut_ptr(),
            null(),
            null(),
            1,
            CREATE_SUSPENDED
                | CREATE_UNICODE_ENVIRONMENT
                | DETACHED_PROCESS
                | EXTENDED_STARTUPINFO_PRESENT,
            environment.as_ptr().cast(),
            null(),
            &startup.StartupInfo,
            &mut about,
        )
    });
    // SAFETY: takes numbers.
    unsafe { SetErrorMode(before) };
    started?;
    let (process, thread) = (owned(about.hProcess)?, owned(about.hThread)?);
    Ok((process, thread, Pid::from(about.dwProcessId)))
}

/// The list of handles that a program gets.
struct Inherited<'a> {
    /// The system's own structure, aligned for it.
    list: Vec<u64>,
    _handles: &'a [HANDLE; 3],
}

impl<'a> Inherited<'a> {
    fn only(handles: &'a [HANDLE; 3]) -> io::Result<Self> {
        let mut size = 0;
        // SAFETY: asks for the size only, which is answered by an error.
        unsafe { InitializeProcThreadAttributeList(null_mut(), 1, 0, &mut size) };
        let mut list = vec![0_u64; size.div_ceil(size_of::<u64>())];
        // SAFETY: the list is as long as was asked for.
        done(unsafe {
            InitializeProcThreadAttributeList(list.as_mut_ptr().cast(), 1, 0, &mut size)
        })?;
        let inherited = Inherited {
            list,
            _handles: handles,
        };
        // SAFETY: the list is initialized, and the handles live as long as it.
        done(unsafe {
            UpdateProcThreadAttribute(
                inherited.pointer(),
                0,
                PROC_THREAD_ATTRIBUTE_HANDLE_LIST as usize,
                handles.as_ptr().cast(),
                size_of_val(handles),
                null_mut(),
                null(),
            )
        })?;
        Ok(inherited)
    }

    fn pointer(&self) -> *mut core::ffi::c_void {
        self.list.as_ptr().cast_mut().cast()
    }
}

impl Drop for Inherited<'_> {
    fn drop(&mut self) {
        // SAFETY: it is initialized, and nobody uses it any more.
        unsafe { DeleteProcThreadAttributeList(self.pointer()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::{PinnedFile, poll};
    use std::io::{Read, Write};
    use std::sync::Arc;
    use std::time::Duration;

    const LIMITS: Limits = Limits {
        memory: 1 << 30,
        cpu: 20,
    };
    const SOON: Duration = Duration::from_secs(20);

    /// The program of these tests, which runs one of them when it is told so.
    fn program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    const OWN: &str = "P5SPY_TEST_WORD";

    /// What runs as a program of its own: it answers a line with a word of its environment.
    #[test]
    fn answers() {
        if let Ok(own) = std::env::var(OWN) {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).unwrap();
            println!("{} {own}", line.trim_end());
        }
    }

    fn variables() -> Vec<(OsString, OsString)> {
        let own = (OWN.into(), "b c".into());
        std::env::vars_os().chain([own]).collect()
    }

    fn words() -> Vec<OsString> {
        let name = "platform::windows::execute::tests::answers";
        ["program", "--exact", name, "--nocapture"]
            .map(OsString::from)
            .to_vec()
    }

    /// It waits for its line.
    fn waiting() -> Execution {
        Execution::named(&program(), &words(), &variables(), LIMITS).unwrap()
    }

    fn answer(program: &mut Execution) -> String {
        program.input.write_all(b"a\r\n").unwrap();
        let mut said = String::new();
        program.output.read_to_string(&mut said).unwrap();
        said
    }

    #[test]
    fn a_program_has_a_pipe_to_it_and_one_from_it_and_waits_for_its_input() {
        let mut program = waiting();
        while !program.waits().unwrap() {
            std::thread::yield_now();
        }
        let said = answer(&mut program);
        assert!(said.contains("a b c"), "{said}");
        while program.waits().is_some() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_program_gets_no_other_handle() {
        let (from, to) = pipe().unwrap();
        // SAFETY: the handle is open.
        let asked =
            unsafe { SetHandleInformation(raw(&to), HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT) };
        done(asked).unwrap();
        let program = waiting();
        drop(to);
        // Nobody has the other end any more.
        assert!(poll::answers_within(&from, SOON));
        assert!(program.waits().is_some());
    }

    #[test]
    fn a_program_ends_when_it_is_dropped() {
        let program = waiting();
        let process = program.process.try_clone().unwrap();
        assert!(!has_ended(&process));
        drop(program);
        assert!(has_ended(&process));
    }

    #[test]
    fn what_is_held_runs_only_as_long_as_its_name_leads_to_it() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("held.exe");
        std::fs::copy(program(), &name).unwrap();
        let pinned = Pinned {
            name: name.clone(),
            program: Arc::new(PinnedFile::at(&name).unwrap()),
            loaded: None,
            owner: Arc::new(Owner::of(Process::ourselves()).unwrap()),
        };
        let execute = || pinned.execute(&words(), &variables(), LIMITS);
        let said = answer(&mut execute().unwrap());
        assert!(said.contains("a b c"), "{said}");
        std::fs::rename(&name, folder.path().join("moved.exe")).unwrap();
        assert!(execute().is_err());
        std::fs::copy(program(), &name).unwrap();
        let refused = execute().err().unwrap();
        assert_eq!(refused, "another file has its name by now");
    }

    #[test]
    fn what_runs_with_our_own_rights_may_be_run() {
        let ours = Owner::of(Process::ourselves()).unwrap();
        assert_eq!(hindrance(&ours), None);
        // An ordinary program's, and an administrator's.
        let (medium, high) = (|| Ok(0x2000), || Ok(0x3000));
        assert_eq!(excess(medium(), high()), None);
        assert!(excess(high(), medium()).is_some());
        let unknown = || Err(io::ErrorKind::PermissionDenied.into());
        assert!(excess(high(), unknown()).is_some() && excess(unknown(), high()).is_some());
    }

    #[test]
    fn names_of_files_are_as_usual() {
        for (name, wanted) in [
            (r"\\?\C:\a b\perl.exe", r"C:\a b\perl.exe"),
            (r"C:\perl.exe", r"C:\perl.exe"),
            (r"\\?\UNC\a\b\perl.exe", r"\\?\UNC\a\b\perl.exe"),
        ] {
            assert_eq!(usual_name(Path::new(name)), Path::new(wanted));
        }
    }
}
