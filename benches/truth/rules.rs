//! Which stacks of a program are legal, as comments in the program itself say:
//!
//! - `code;  #@ main::f` — this line runs in the sub `main::f`; several places are separated by `;`.
//! - `g();  #@ main::f > main::g, main::h[2]` — and from there it calls these. A number is what the
//!   call takes off the program's budget.
//! - `#@+ eval 1-3: main::f > main::g` — the same for lines of a string eval.
//! - `#@+ budget 12` — all calls of one stack together take no more than this.
//! - `#@+ depth main::f 5` — the sub is on no stack more often than this.
//! - `#@+ unwinds` — exceptions: innermost lines may be perl's older ones.
//! - `#@+ threads 3` — needs ithreads, and runs so many.
//! - `#@+ pool 3` — is run by two interpreters, which so many threads take in turn.
//! - `#@+ C: (main) > main::f` — C code calls these, on no line.
//!
//! Nothing here knows how p5-spy reads a stack.

use std::collections::{HashMap, HashSet};

/// Which file a line is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum File {
    /// The program.
    Program,
    /// A string eval.
    Eval,
    /// Any other: never legal.
    Other,
}

/// A frame as it was sampled.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    pub name: String,
    pub file: File,
    pub line: u32,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = match self.file {
            File::Program => "",
            File::Eval => "eval ",
            File::Other => "elsewhere ",
        };
        write!(f, "{}@{file}{}", self.name, self.line)
    }
}

/// What the judge says of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Legal,
    /// The subs and the lines of the calls are right; the innermost line is of another sub.
    WrongLine(String),
    /// The program cannot have had this stack.
    Impossible(String),
}

/// The legal stacks of one program.
#[derive(Debug, Default)]
pub struct Rules {
    places: HashSet<Place>,
    subs: HashSet<String>,
    calls: HashMap<Place, HashMap<String, u32>>,
    budget: Option<u32>,
    depths: HashMap<String, usize>,
    pub unwinds: bool,
    /// 0 for a program without ithreads.
    pub threads: usize,
    /// 0 for a program with one interpreter for each thread.
    pub pool: usize,
}

/// Where every stack starts.
const ROOT: &str = "(main)";

impl Rules {
    /// Reads the comments of a program.
    pub fn of(program: &str) -> Self {
        let mut rules = Rules::default();
        for (index, text) in program.lines().enumerate() {
            if let Some(directive) = text.strip_prefix("#@+ ") {
                rules.directive(directive);
            } else if let Some((_, clauses)) = text.split_once("#@ ") {
                rules.clauses(clauses, File::Program, index as u32 + 1);
            }
        }
        rules
    }

    fn directive(&mut self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        match words.as_slice() {
            ["unwinds"] => self.unwinds = true,
            ["pool", count] => self.pool = count.parse().expect("a number"),
            ["C:", ..] => self.clauses(&text["C:".len()..], File::Program, 0),
            ["threads", count] => self.threads = count.parse().expect("a number"),
            ["budget", most] => self.budget = Some(most.parse().expect("a number")),
            ["depth", sub, most] => {
                let most = most.parse().expect("a number");
                self.depths.insert((*sub).into(), most);
            }
            ["eval", ..] => {
                let (lines, clauses) = text["eval ".len()..].split_once(": ").expect("a colon");
                let (first, last) = lines.split_once('-').unwrap_or((lines, lines));
                let number = |text: &str| text.parse::<u32>().expect("a line");
                for line in number(first)..=number(last) {
                    self.clauses(clauses, File::Eval, line);
                }
            }
            _ => panic!("no such directive: {text}"),
        }
    }

    fn clauses(&mut self, text: &str, file: File, line: u32) {
        for clause in text.split(';') {
            let (name, callees) = clause.split_once('>').unwrap_or((clause, ""));
            let name = name.trim().to_owned();
            self.subs.insert(name.clone());
            let place = Place { name, file, line };
            for callee in callees.split(',').map(str::trim).filter(|c| !c.is_empty()) {
                let (callee, cost) = match callee.split_once('[') {
                    Some((callee, cost)) => {
                        (callee, cost.trim_end_matches(']').parse().expect("a cost"))
                    }
                    None => (callee, 0),
                };
                let calls = self.calls.entry(place.clone()).or_default();
                calls.insert(callee.to_owned(), cost);
            }
            self.places.insert(place);
        }
    }

    /// Judges a stack, outermost frame first.
    pub fn judge(&self, stack: &[Place]) -> Verdict {
        match self.chain(stack) {
            Err(why) => Verdict::Impossible(why),
            Ok(leaf) if self.places.contains(leaf) => Verdict::Legal,
            Ok(leaf) => {
                let callers = stack.len().saturating_sub(1);
                let caller = stack[..callers].last();
                Verdict::WrongLine(match caller {
                    Some(caller) => format!("{leaf}, called at {caller}"),
                    None => leaf.to_string(),
                })
            }
        }
    }

    /// The innermost frame, if the subs and the lines of the calls are right.
    fn chain<'s>(&self, stack: &'s [Place]) -> Result<&'s Place, String> {
        let (Some(root), Some(leaf)) = (stack.first(), stack.last()) else {
            return Err("no frame".into());
        };
        if root.name != ROOT {
            return Err(format!("starts with {root}"));
        }
        if !self.subs.contains(&leaf.name) {
            return Err(format!("no such sub: {leaf}"));
        }
        let mut spent = 0;
        for (caller, callee) in stack.iter().zip(&stack[1..]) {
            let calls = self.calls.get(caller);
            match calls.and_then(|calls| calls.get(&callee.name)) {
                Some(cost) => spent += cost,
                None => return Err(format!("{caller} > {}", callee.name)),
            }
        }
        if self.budget.is_some_and(|most| spent > most) {
            return Err(format!("calls that cost {spent}"));
        }
        for (sub, most) in &self.depths {
            let depth = stack.iter().filter(|p| p.name == *sub).count();
            if depth > *most {
                return Err(format!("{depth} of {sub}"));
            }
        }
        Ok(leaf)
    }
}

/// That the judge can tell right from wrong; both users of this module run it.
pub fn check_the_judge() {
    let rules = Rules::of(
        "#@+ budget 2\n#@+ depth main::g 1\nf(); #@ (main) > main::f\nf(g()); #@ main::f > main::f[1], main::g\n1; #@ main::g\n",
    );
    let judge = |words: &str| {
        let place = |word: &str| {
            let (name, line) = word.split_once('@').expect("a line");
            Place {
                name: name.into(),
                file: File::Program,
                line: line.parse().expect("a number"),
            }
        };
        match rules.judge(&words.split(' ').map(place).collect::<Vec<_>>()) {
            Verdict::Legal => 'l',
            Verdict::WrongLine(_) => 'w',
            Verdict::Impossible(_) => 'i',
        }
    };
    for (stack, verdict) in [
        ("(main)@3", 'l'),
        ("(main)@3 main::f@4 main::g@5", 'l'),
        ("(main)@3 main::f@4 main::f@4 main::f@4", 'l'),
        ("(main)@3 main::f@5", 'w'),
        ("(main)@3 main::f@4 main::f@4 main::f@4 main::f@4", 'i'),
        ("(main)@3 main::g@5", 'i'),
        ("(main)@4 main::f@4", 'i'),
        ("(main)@3 main::f@5 main::g@5", 'i'),
        ("main::f@4", 'i'),
        ("(main)@3 main::h@4", 'i'),
    ] {
        assert_eq!(judge(stack), verdict, "{stack}");
    }
}
