//! Work that may never come back, as where a target's memory does not answer: done beside the main
//! thread, which goes on hearing what the user wants.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Between two looks at what the user wants.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Does the work on a thread of its own. `look` is called again and again meanwhile; when it gives
/// something, that is the answer, and the work is left to itself.
///
/// # Errors
/// What `look` gave, when that came before the work was done.
pub fn aside<T: Send + 'static, E>(
    work: impl FnOnce() -> T + Send + 'static,
    mut look: impl FnMut() -> Option<E>,
) -> Result<T, E> {
    let (done, result) = channel();
    let working = std::thread::spawn(move || {
        let _ = done.send(work());
    });
    loop {
        match result.recv_timeout(LOOK_EVERY) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {
                if let Some(instead) = look() {
                    return Err(instead);
                }
            }
            Err(RecvTimeoutError::Disconnected) => match working.join() {
                // It ends with an answer, or in a panic, which goes on here.
                Ok(()) => unreachable!("the answer is sent before the end"),
                Err(panic) => std::panic::resume_unwind(panic),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn work_is_waited_for_or_left_alone() {
        assert_eq!(aside(|| 7, || None::<()>), Ok(7));
        let started = Instant::now();
        let long = || std::thread::sleep(Duration::from_secs(600));
        assert_eq!(aside(long, || Some("enough")), Err("enough"));
        assert!(started.elapsed() < Duration::from_secs(60));
        let failing = std::panic::catch_unwind(|| aside(|| panic!("a test"), || None::<()>));
        assert!(failing.is_err());
    }
}
