//! Programs that compile long texts: every sample says so, and none shows a statement that does
//! not run.
//!
//! The perl is /usr/bin/perl, or the one that the variable `P5SPY_TEST_PERL` names.

use crate::support;

use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Target, spy};

fn perl() -> PathBuf {
    std::env::var_os("P5SPY_TEST_PERL").map_or_else(|| support::PERL.into(), PathBuf::from)
}

/// Tens of thousands of lines that take long to compile, and that nothing runs: subs of all sizes,
/// and statements outside of them. Some make the optimiser warn.
fn long_text() -> String {
    let mut text = String::new();
    for n in 0..1500 {
        text += &format!(
            "sub long{n} {{\n\
             my ($one, %two) = @_;\n\
             for my $three (1 .. 3 * 4) {{\n\
             $two{{k{n}}}[$three] = $one->{{x}}{{y}} . \"text $three\";\n\
             if ($one =~ /^a(b|c)*$/ && $three) {{ push @list{n}, map {{ $_ + 1 }} @$one }}\n\
             next unless $three == 7;\n\
             }}\n\
             while (my $line = shift @list{n}) {{\n\
             print STDOUT $line, sort {{ $a <=> $b }} keys %two;\n\
             }}\n\
             return sub {{ my $four = $one; local $_ = $four; s/x/y/g; return $_ }};\n\
             }}\n\
             my $scalar{n} = long{n}([1, 2, {n}], a => 'b');\n\
             $scalar{n} += $_ * 2 for 1 .. 10;\n"
        );
        for line in 0..6 {
            text += &format!("@hash{n}{{qw(a b c)}} = (1, 2 + {line}, 'x' x 3) if $scalar{n};\n");
        }
    }
    text
}

/// The stacks of a recording of a program, outermost first.
fn recorded(folder: &Path, program: &Path) -> Vec<(Vec<String>, u64)> {
    let out = folder.join("out.txt");
    let mut command = spy();
    command.args([
        "record",
        "--by",
        "line",
        "-r",
        "2000",
        "-f",
        "collapsed",
        "-o",
    ]);
    command.arg(&out).arg("--").arg(perl()).arg(program);
    let output = command.current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    support::stacks(&std::fs::read_to_string(&out).unwrap())
}

/// Whether a frame in the long text is what it may be: being compiled, at the first line, which runs,
/// or at none, when perl begins with it or throws it away. What computes a constant is perl's own.
fn is_right(frame: &str) -> bool {
    let Some((what, place)) = frame.rsplit_once(" (") else {
        return frame == "(main)" || frame == "eval from C";
    };
    let line = place.trim_end_matches(')').rsplit_once(':');
    let line = line.and_then(|(_, line)| line.parse().ok());
    what.ends_with(" [compiling]") || what == "eval from C" || line.unwrap_or(0) <= 1
}

/// Records a program in whose long text nothing runs: each frame that is in it is being compiled,
/// and so is the frame `who` of most samples.
#[track_caller]
fn compiles(program: &str, long: &str, file: &str, who: &str) {
    let folder = support::folder();
    let program = support::file(folder.path(), "program.pl", program);
    support::file(folder.path(), "long.pl", long);
    let stacks = recorded(folder.path(), &program);
    let (mut all, mut compiling) = (0, 0);
    for (frames, count) in &stacks {
        let innermost = frames.last().unwrap();
        all += count;
        if innermost.starts_with(&format!("{who} [compiling] (")) {
            compiling += count;
        }
        for frame in frames
            .iter()
            .filter(|f| f.contains(file) && !f.starts_with("(main)"))
        {
            assert!(is_right(frame), "{count} times: {frames:?}");
        }
    }
    assert!(compiling > 100 && compiling * 2 > all, "{stacks:?}");
}

#[test]
fn a_long_main_program() {
    // Only the last statement runs, if the file is not long.pl.
    let text = format!("exit;\n{}", long_text());
    let folder = support::folder();
    let program = support::file(folder.path(), "program.pl", &text);
    let stacks = recorded(folder.path(), &program);
    let mut compiling = 0;
    for (frames, count) in &stacks {
        if frames[0].starts_with("(main) [compiling] (") {
            compiling += count;
        }
        assert!(
            frames.iter().all(|f| is_right(f)),
            "{count} times: {frames:?}"
        );
    }
    assert!(compiling > 100, "{stacks:?}");
}

#[test]
fn a_long_file_that_is_required() {
    let long = format!("return 1;\n{}", long_text());
    compiles(
        "require './long.pl';",
        &long,
        "long.pl:",
        "require ./long.pl",
    );
}

#[test]
fn a_long_string_eval() {
    let program = "open my $file, '<', 'long.pl' or die; my $text = join '', <$file>;
        eval \"return 1;\\n$text\" or die $@;";
    compiles(program, &long_text(), "(eval", "eval \"…\" [program.pl:2]");
}

/// The frames of a dump of a program that waits in a warning of the optimiser's, innermost first.
fn warned(handler: &str) -> Vec<String> {
    let folder = support::folder();
    let text = format!(
        "BEGIN {{ $| = 1; $^W = 1; $SIG{{__WARN__}} = sub {{ {handler} }} }}\n\
         sub never {{\n\
         my $one = shift;\n\
         exec 'nothing';\n\
         print $one;\n\
         print $one, 2;\n\
         }}\n\
         1;\n"
    );
    let program = support::file(folder.path(), "program.pl", &text);
    let mut command = Command::new(perl());
    command.arg("program.pl").current_dir(folder.path());
    drop(program);
    let target = Target::of_command(command);
    target.blocks();
    let done = support::run_line(&format!("dump --pid {}", target.pid()));
    assert!(done.status.success(), "{done:?}");
    let frames = done.out.lines().filter_map(|l| l.strip_prefix("    "));
    frames.map(str::to_owned).collect()
}

/// The optimiser warns, and a hook runs, while `PL_curcop` is a statement that does not.
#[test]
fn what_warns_while_it_is_compiled() {
    let wait = r#"print "ready\n"; sysread STDIN, my $byte, 1"#;
    let frames = warned(wait);
    let [hook, call, main] = frames.as_slice() else {
        panic!("{frames:?}");
    };
    assert!(hook.starts_with("main::__ANON__"), "{frames:?}");
    assert!(call.starts_with("(warn hook)"), "{frames:?}");
    // The parser is at the end of the sub, not at one of its statements.
    let at_the_end = ["(program.pl:7)", "(program.pl:8)"];
    let place = main.strip_prefix("(main) [compiling] ");
    assert!(place.is_some_and(|p| at_the_end.contains(&p)), "{frames:?}");
    // A string eval in the hook runs, and the program that it was called from does not.
    let frames = warned(&format!("eval q{{{wait}}}"));
    let eval = frames.iter().find(|f| f.starts_with("eval \"")).unwrap();
    assert!(!eval.contains("[compiling]"), "{frames:?}");
    let main = frames.last().unwrap();
    assert!(main.starts_with("(main) [compiling] "), "{frames:?}");
}
