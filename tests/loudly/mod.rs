//! Words about a skipped test that reach the user: the test runner hides what `eprintln!` says of
//! a test that passes, but not what is written to standard error itself. With `P5SPY_NO_SKIP=1` in
//! the environment what is SKIPPED fails: whoever says that has all that the tests need.

/// Says it, and fails where nothing may be skipped.
pub fn said(words: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{words}");
    let must_run = std::env::var_os("P5SPY_NO_SKIP").is_some_and(|v| v == "1");
    assert!(!(must_run && words.starts_with("SKIPPED")), "{words}");
}

macro_rules! loudly {
    ($($words:tt)*) => {
        crate::loudly::said(&format!($($words)*))
    };
}

pub(crate) use loudly;
