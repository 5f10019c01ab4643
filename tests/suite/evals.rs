//! Subs without a name that string evals have made: equal texts are one, different ones are not.
//!
//! The perl is /usr/bin/perl, or the one that the variable `P5SPY_TEST_PERL` names.

use crate::support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use support::spy;

fn perl() -> PathBuf {
    std::env::var_os("P5SPY_TEST_PERL").map_or_else(|| support::PERL.into(), PathBuf::from)
}

/// The names of what is right above `main::run` in a recording of a program.
fn above_run(script: &str) -> BTreeSet<String> {
    let folder = support::folder();
    let script = support::file(folder.path(), "program.pl", script);
    let out = folder.path().join("out.txt");
    let mut command = spy();
    command.args(["record", "-r", "500", "-f", "collapsed", "-o"]);
    command.arg(&out).arg("--").arg(perl()).arg(&script);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let text = std::fs::read_to_string(&out).unwrap();
    let above = text.lines().filter_map(|line| {
        let mut frames = line.split(';').map(|f| f.split(" (").next().unwrap());
        frames.find(|f| *f == "main::run")?;
        frames.next()
    });
    above.map(str::to_owned).collect()
}

/// Calls each for some CPU time.
const RUN: &str = "sub run { my $sub = shift; my $end = (times)[0] + 0.15;
                   while ((times)[0] < $end) { $sub->({ k1 => 1, k2 => 2 }) } }\n";

#[test]
fn different_texts_are_told_apart_and_equal_ones_are_not() {
    for text in [
        // By a number, a string, the key of a hash, a sub, a method, a pattern, a line.
        "my $x = 0; $x += $_ * 1$n for 1 .. 4000; $x",
        "my $x = ''; $x .= 'text $n' for 1 .. 4000; $x",
        "my $x = ''; $x .= $_[0]{k$n} || '' for 1 .. 4000; $x",
        "my $x = ''; $x .= called$n() for 1 .. 4000; $x",
        "my $x = ''; $x .= main->called$n for 1 .. 4000; $x",
        "my $x = 0; 'text' =~ /t.x$n*t/ && $x++ for 1 .. 4000; $x",
        "my $s = sub { my $x = 0; $x += $_ * 1$n for 1 .. 4000; $x }; &$s()",
        "\n${\\(\"\\n\" x $n)}my $x = 0; $x += $_ for 1 .. 4000; $x",
    ] {
        let text = text
            .replace('$', "\\$")
            .replace("\\$n", "$n")
            .replace("\\${\\(", "${\\(");
        let script = format!(
            "{RUN} sub called1 {{ 1 }} sub called2 {{ 2 }} sub called3 {{ 3 }}
             my @subs = map {{ my $n = $_; eval qq{{sub {{ {text} }}}} or die $@ }} 1, 2, 3, 2;
             run($_) for @subs;"
        );
        let seen = above_run(&script);
        let labels: Vec<&String> = seen
            .iter()
            .filter(|name| name.starts_with("main::__ANON__[(eval):"))
            .collect();
        assert_eq!(labels.len(), 3, "{text}: {seen:?}");
        assert!(labels.iter().all(|l| l.contains(" #")), "{labels:?}");
    }
}

#[test]
fn what_a_glob_holds_has_its_name() {
    let script = format!(
        "{RUN} for my $name (qw(first__17 second__18)) {{
             no strict 'refs';
             *{{$name}} = eval 'sub {{ my $x = 0; $x += $_ for 1 .. 4000; $x }}';
             run(\\&$name);
         }}"
    );
    let seen = above_run(&script);
    for name in ["main::first__17", "main::second__18"] {
        assert!(seen.contains(name), "{seen:?}");
    }
}
