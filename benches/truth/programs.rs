//! The programs: those of the folder `programs`, and chains of calls, which are written here.

use super::rules::Rules;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A program with its legal stacks.
pub struct Program {
    pub name: String,
    pub path: PathBuf,
    pub rules: Rules,
}

/// The order of the table.
const ALL: [&str; 15] = [
    "chain5",
    "chain50",
    "chain500",
    "deep",
    "die",
    "fib",
    "tiny",
    "objects",
    "evals",
    "closures",
    "sort",
    "callbacks",
    "threads",
    "prefork",
    "pool",
];

/// Every program, or those that are named. Chains are written into the folder.
pub fn programs(folder: &Path, named: Option<&str>) -> Vec<Program> {
    let named: Option<Vec<&str>> = named.map(|n| n.split(',').collect());
    for name in named.iter().flatten() {
        assert!(ALL.contains(name), "there is no program {name}: {ALL:?}");
    }
    let wanted = |name: &str| named.as_ref().is_none_or(|names| names.contains(&name));
    ALL.iter()
        .filter(|name| wanted(name))
        .map(|name| program(folder, name))
        .collect()
}

fn program(folder: &Path, name: &str) -> Program {
    let written = folder.join(format!("{name}.pl"));
    let path = match name.strip_prefix("chain").map(str::parse::<usize>) {
        Some(Ok(depth)) => {
            std::fs::write(&written, chain(depth)).expect("a file");
            written
        }
        _ => Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("benches/truth/programs")
            .join(format!("{name}.pl")),
    };
    let text = std::fs::read_to_string(&path).expect("a program");
    Program {
        name: name.into(),
        rules: Rules::of(&text),
        path,
    }
}

/// Two chains of calls in turn. No sub of the one calls one of the other, so a stack with parts of
/// two moments is an impossible one.
fn chain(depth: usize) -> String {
    let mut text = String::from("$| = 1; alarm 7200;\n");
    for chain in ["a", "b"] {
        for level in 0..depth {
            let sub = format!("main::{chain}{level}");
            let next = format!("{chain}{}", level + 1);
            let _ = writeln!(text, "sub {chain}{level} {{");
            let _ = writeln!(text, "    my $n = $_[0] + 1;  #@ {sub}");
            if level + 1 < depth {
                let _ = writeln!(text, "    $n = {next}($n);  #@ {sub} > main::{next}");
            }
            let _ = writeln!(text, "    return $n;  #@ {sub}\n}}");
        }
    }
    text.push_str("print qq(ready\\n);\nwhile (1) {  #@ (main)\n");
    text.push_str("    a0(0);  #@ (main) > main::a0\n    b0(0);  #@ (main) > main::b0\n}\n");
    text
}
