//! Words about a skipped test that reach the user: the test runner hides what `eprintln!` says of
//! a test that passes, but not what is written to standard error itself.

macro_rules! loudly {
    ($($words:tt)*) => {
        drop(std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("{}\n", format_args!($($words)*)),
        ))
    };
}

pub(crate) use loudly;
