//! What the calibration script printed, and what it is known to contain.

use super::snapshot::Snapshot;
use crate::identity::Version;
use std::collections::HashMap;

/// The script that the perl is run on.
pub const SCRIPT: &str = include_str!("calibration.pl");

/// The twelve subs that call each other, outermost first: name, planted file, planted line.
pub const NEST: [(&str, &str, u64); 12] = [
    ("P5spyA::n01", "p5spy-alpha.pl", 31017),
    ("P5spyB::n02", "p5spy-beta.pl", 9221),
    ("P5spyB::n03", "p5spy-gamma.pl", 40503),
    ("P5spyA::n04", "p5spy-delta.pl", 12011),
    ("P5spyB::n05", "p5spy-epsilon.pl", 39119),
    ("P5spyA::n06", "p5spy-zeta.pl", 21013),
    ("P5spyA::n07", "p5spy-eta.pl", 34123),
    ("P5spyB::n08", "p5spy-theta.pl", 8221),
    ("P5spyB::n09", "p5spy-iota.pl", 52021),
    ("P5spyA::n10", "p5spy-kappa.pl", 17389),
    ("P5spyB::n11", "p5spy-lambda.pl", 45127),
    ("P5spyA::n12", "p5spy-mu.pl", 28631),
];

/// One more sub, whose line does not fit 16 bits.
pub const FAR: (&str, &str, u64) = ("P5spyA::far", "p5spy-nu.pl", 70001);

/// The line of a statement that perl makes a null op.
pub const NULLED_LINE: u64 = 36007;

/// No body that is looked at has more bytes.
pub const MAX_BODY: u64 = 192;

/// The first words of the three strings.
pub const STRINGS: [(&str, &str); 3] = [
    ("s1", "p5spy first string"),
    ("s2", "p5spy second string"),
    ("s3", "p5spy third string"),
];

/// What `do FILE` was given.
pub const DONE_FILE: &str = "p5spy-input.pl";

/// The values of a sub that is being compiled at the first stop.
pub const UNFINISHED: [&str; 3] = [
    "p5spy constant one",
    "p5spy constant the second",
    "p5spy constant 3",
];

/// The methods that it calls.
pub const METHODS: [&str; 2] = ["p5spymethod", "p5spyothermethod"];

/// The patterns, in the order of their match ops.
pub const PATTERNS: [&str; 5] = [
    "p5spy(first)+",
    "p5spy(second)*?[xyz]",
    "p5spy(third)",
    "p5spy(fourth)?.x",
    "p5spy(fifth|other)",
];

/// Variables of `P5spyA::pads`: name, line of the declaration, of the next statement that sees it,
/// of the last that does, and of the first that does not.
pub const SCOPES: [(&str, u64, u64, u64, Option<u64>); 4] = [
    ("$p5spydepth", 501, 502, 513, None),
    ("@p5spyarray", 502, 503, 513, None),
    ("$p5spyinner", 505, 506, 506, Some(509)),
    ("%p5spyotherinner", 509, 510, 510, Some(512)),
];

/// Its `our` variable, and what `P5spyA::closure` has from outside.
pub const OURS: &str = "$p5spyours";
/// See [`OURS`].
pub const CAPTURED: &str = "$p5spycaptured";

/// How deep `P5spyA::pads` calls itself.
pub const PADS_DEPTH: u64 = 4;

/// The texts of two evals, by the subs that they stand in.
pub const EVALS: [(&str, &str); 2] = [
    ("P5spyA::string", "P5spyB::again(); 1"),
    ("P5spyB::again", "P5spyB::bare(); \"p5spy eval\""),
];

/// An array whose first elements were taken off.
#[derive(Debug, Clone, Copy)]
pub struct Array {
    /// Its address.
    pub av: u64,
    /// Its highest index.
    pub fill: u64,
    /// The address of its first element.
    pub first: u64,
}

/// A lexical variable.
#[derive(Debug, Clone)]
pub struct ScriptLexical {
    /// The depth of the recursion, 1 in the outermost call.
    pub depth: u64,
    /// Its name, with the sigil.
    pub name: String,
    /// Its address at that depth.
    pub address: u64,
}

/// A named sub that the script declares.
#[derive(Debug, Clone)]
pub struct ScriptSub {
    /// `Package::name`.
    pub name: String,
    /// Address of its CV.
    pub cv: u64,
    /// Address of its GV.
    pub gv: u64,
    /// Address of its package.
    pub stash: u64,
}

impl ScriptSub {
    /// The name without the package.
    pub fn own_name(&self) -> &str {
        self.name.rsplit("::").next().unwrap_or(&self.name)
    }
}

/// What the script printed: addresses in the process that ran it, most by name.
#[derive(Debug, Clone, Default)]
pub struct CalibrationFacts {
    /// `$^V`.
    pub version: Option<Version>,
    /// `$Config{useithreads}`; false where there is no Config.pm.
    pub threads: bool,
    /// All subs that have a name.
    pub subs: Vec<ScriptSub>,
    /// Address of the CV of the sub without a name.
    pub anon: u64,
    /// Addresses of packages by name.
    pub stashes: HashMap<String, u64>,
    /// Scalars by name: address, and the length or number in it.
    pub scalars: HashMap<String, (u64, i64)>,
    /// Addresses of hashes by name.
    pub hashes: HashMap<String, u64>,
    /// Address of the one value of the hash of that name.
    pub values: HashMap<String, u64>,
    /// Addresses of globs by name.
    pub globs: HashMap<String, u64>,
    /// Addresses of values, with the number of their owners.
    pub references: Vec<(u64, u64)>,
    /// Addresses of numbers with a fraction, with their first bytes.
    pub floats: Vec<(u64, Vec<u8>)>,
    /// Arrays with what is in them.
    pub arrays: Vec<Array>,
    /// Addresses of objects, with their class.
    pub objects: Vec<(u64, String)>,
    /// Addresses of subs that are C functions.
    pub xsubs: Vec<u64>,
    /// Lexical variables of `P5spyA::pads`.
    pub lexicals: Vec<ScriptLexical>,
    /// Whether the perl knows `${^GLOBAL_PHASE}`.
    pub phase: bool,
}

impl CalibrationFacts {
    /// Takes note of one line of output; `false` when it is none of ours.
    pub fn note(&mut self, line: &str) -> bool {
        self.try_note(line).is_some()
    }

    fn try_note(&mut self, line: &str) -> Option<()> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        let word = |at: usize| words.get(at).map(|w| (*w).to_owned());
        match *words.first()? {
            "version" => self.version = Some(words.get(1)?.parse().ok()?),
            "threads" => self.threads = number(1)? != 0,
            "cv" => self.subs.push(ScriptSub {
                name: word(1)?,
                cv: number(2)?,
                gv: number(3)?,
                stash: number(4)?,
            }),
            "anon" => self.anon = number(1)?,
            "stash" => drop(self.stashes.insert(word(1)?, number(2)?)),
            "sv" => {
                let value = words.get(3)?.parse().ok()?;
                self.scalars.insert(word(1)?, (number(2)?, value));
            }
            "hv" => drop(self.hashes.insert(word(1)?, number(2)?)),
            "value" => drop(self.values.insert(word(1)?, number(2)?)),
            "glob" => drop(self.globs.insert(word(1)?, number(2)?)),
            "references" => self.references.push((number(1)?, number(2)?)),
            "float" => self.floats.push((number(1)?, first_bytes(words.get(2)?)?)),
            "av" => self.arrays.push(Array {
                av: number(1)?,
                fill: number(2)?,
                first: number(3)?,
            }),
            "object" => self.objects.push((number(1)?, word(2)?)),
            "xsub" => self.xsubs.push(number(1)?),
            "lexical" => self.lexicals.push(ScriptLexical {
                depth: PADS_DEPTH.checked_sub(number(1)?)?,
                name: word(2)?,
                address: number(3)?,
            }),
            "phase" => self.phase = number(1)? != 0,
            _ => return None,
        }
        Some(())
    }

    /// A sub by its full name.
    pub fn sub(&self, name: &str) -> Option<&ScriptSub> {
        self.subs.iter().find(|s| s.name == name)
    }

    /// Bytes from one sub's body to the next one in memory: a body is no larger.
    pub fn body_room(&self, s: &Snapshot, pick: fn(&ScriptSub) -> u64) -> u64 {
        let mut bodies: Vec<u64> = self.subs.iter().filter_map(|f| s.word(pick(f))).collect();
        bodies.sort_unstable();
        let gaps = bodies.windows(2).filter_map(|pair| match pair {
            [a, b] => Some(b - a),
            _ => None,
        });
        let smallest = gaps.filter(|gap| *gap > 0).min();
        // Since 5.10 bodies lack the front that their type does not use, and pointers to them
        // lead that much before them.
        smallest.map_or(MAX_BODY, |gap| (gap + 3 * s.width()).min(MAX_BODY))
    }

    /// The subs of the nest, outermost first.
    pub fn nest(&self) -> Vec<&ScriptSub> {
        NEST.iter()
            .filter_map(|(name, ..)| self.sub(name))
            .collect()
    }

    /// The address of a scalar.
    pub fn scalar(&self, name: &str) -> Option<u64> {
        self.scalars.get(name).map(|(address, _)| *address)
    }
}

/// The first bytes of what `unpack 'H*'` gave: what is behind them may be padding.
fn first_bytes(digits: &str) -> Option<Vec<u8>> {
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    (0..16).step_by(2).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_plants_what_is_looked_for() {
        for (name, file, line) in NEST.iter().chain([&FAR]) {
            let planted = format!("# line {line} \"{file}\"\nsub {name} ");
            assert!(SCRIPT.contains(&planted), "{name}");
        }
        assert!(SCRIPT.contains(&format!("# line {NULLED_LINE} ")));
        for (name, text) in STRINGS {
            assert!(SCRIPT.contains(&format!("${name} = '{text}'")), "{name}");
        }
        assert!(SCRIPT.contains(&format!("do '{DONE_FILE}'")));
        assert!(SCRIPT.contains(&format!("eq '{DONE_FILE}'")));
        for text in UNFINISHED {
            assert!(SCRIPT.contains(&format!("'{text}'")), "{text}");
        }
        for name in METHODS {
            assert!(SCRIPT.contains(&format!("->{name}(")), "{name}");
        }
        for pattern in PATTERNS {
            assert!(SCRIPT.contains(&format!("/{pattern}/")), "{pattern}");
        }
        for (sub, text) in EVALS {
            assert!(
                SCRIPT.contains(&format!("sub {sub} {{ eval '{text}'")),
                "{sub}"
            );
        }
    }

    #[test]
    fn variables_stand_on_their_lines() {
        let first = "# line 501 \"p5spy-pads.pl\"\n";
        let lines: Vec<&str> = SCRIPT.split_once(first).unwrap().1.lines().collect();
        let line = |number: u64| lines[number as usize - 501].trim();
        for (name, declared, next, last, after) in SCOPES {
            assert!(
                line(declared).starts_with(&format!("my {name} =")),
                "{name}"
            );
            for number in [next, last].into_iter().chain(after) {
                assert!(line(number).ends_with([';', '{']), "{number}");
            }
            assert!(after.is_none() || line(last + 1) == "}", "{name}");
        }
        assert!(SCRIPT.contains(&format!("our {OURS} =")));
        assert!(SCRIPT.contains(&format!("my {CAPTURED} =")));
        assert!(SCRIPT.contains(&format!("P5spyA::pads({});", PADS_DEPTH - 1)));
    }

    #[test]
    fn lines_become_facts() {
        let mut facts = CalibrationFacts::default();
        assert!(facts.note("version 5.36.0"));
        assert!(facts.note("cv P5spyA::n01 4096 8192 12288"));
        assert!(facts.note("sv i3 77 -77"));
        assert!(!facts.note("stop deep"));
        assert!(!facts.note("cv P5spyA::n02 x y z"));
        assert_eq!(facts.sub("P5spyA::n01").unwrap().own_name(), "n01");
        assert_eq!(facts.scalars["i3"], (77, -77));
    }
}
