//! The structure of the tree, read from its imports: arrows between rooms are those that
//! ARCHITECTURE.md lists, nothing goes in a circle, the system is met in `platform/` only,
//! the names of options are known in `cli/` only, no type has another one's name, and files that
//! the documents name are there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A module's path from the crate's root; empty for the root.
type Module = Vec<String>;

/// Where the list of arrows begins in ARCHITECTURE.md, and where it ends.
const LIST: (&str, &str) = ("```arrows\n", "```");

struct Source {
    module: Module,
    path: PathBuf,
    /// Without comments and without what is compiled for tests only.
    code: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(&path, into),
            false if path.extension().is_some_and(|e| e == "rs") => into.push(path),
            false => {}
        }
    }
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let mut paths = Vec::new();
    collect(&src, &mut paths);
    // Files of tests only.
    paths.retain(|path| path.file_name().is_some_and(|name| name != "tests.rs"));
    paths.sort();
    let sources = paths.into_iter().map(|path| {
        let inside = path.strip_prefix(&src).unwrap().with_extension("");
        let mut module: Module = inside
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
            module.pop();
        }
        let text = fs::read_to_string(&path).unwrap();
        Source {
            module,
            code: without_tests(&without_comments(&text)),
            path,
        }
    });
    sources.collect()
}

/// Blanks comments. What looks like one in a string stays, as in `"http://"`.
fn without_comments(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut in_string = false;
    for line in text.lines() {
        let bytes = line.as_bytes();
        let mut at = 0;
        let mut end = line.len();
        while at < bytes.len() {
            match bytes[at] {
                b'\\' if in_string => at += 1,
                b'\'' if !in_string && bytes.get(at + 1) == Some(&b'"') => at += 2,
                b'"' => in_string = !in_string,
                b'/' if !in_string && bytes.get(at + 1) == Some(&b'/') => {
                    end = at;
                    break;
                }
                _ => {}
            }
            at += 1;
        }
        code.push_str(&line[..end]);
        code.push('\n');
    }
    code
}

/// Blanks items that are compiled for tests only: modules and functions behind `#[cfg(test)]`.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut lines = code.lines();
    while let Some(line) = lines.next() {
        let indent = &line[..line.len() - line.trim_start().len()];
        if !line.trim_start().starts_with("#[cfg(test)]") {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        let end = format!("{indent}}}");
        let mut inner = lines
            .by_ref()
            .skip_while(|l| l.trim_start().starts_with("#["));
        if inner.next().is_some_and(|first| !first.ends_with(';')) {
            for line in lines.by_ref() {
                if line == end {
                    break;
                }
            }
        }
    }
    kept
}

/// `a::{b, c::{d, e}}` as `a::b`, `a::c::d`, `a::c::e`.
fn expand(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((before, inside)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree);
        return vec![name.trim().to_owned()];
    };
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inside[from..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(expand)
        .map(|part| format!("{before}{part}"))
        .collect()
}

/// Every path that begins with `crate`, `super` or `self`, in imports and elsewhere.
fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = String::with_capacity(code.len());
    for (number, piece) in code.split("use ").enumerate() {
        match piece.split_once(';').filter(|_| number > 0) {
            Some((tree, after)) if is_tree(tree) => {
                let one_line: String = tree.split_whitespace().collect::<Vec<_>>().join(" ");
                found.extend(expand(&one_line));
                rest.push_str(after);
            }
            _ => rest.push_str(piece),
        }
        rest.push('\n');
    }
    let is_of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let words = rest.split(|c: char| !is_of_path(c));
    found.extend(words.filter(|word| word.contains("::")).map(str::to_owned));
    found
        .into_iter()
        .map(|path| path.replace(' ', ""))
        .filter(|path| {
            let first = path.split("::").next().unwrap_or_default();
            matches!(first, "crate" | "super" | "self")
        })
        .collect()
}

fn is_tree(text: &str) -> bool {
    let is_of_tree = |c: char| c.is_alphanumeric() || c.is_whitespace() || "_:{},*".contains(c);
    text.contains("::") && text.chars().all(is_of_tree)
}

/// The file that a path leads into: the longest part of it that is a module.
fn target(from: &Module, path: &str, modules: &BTreeSet<Module>) -> Option<Module> {
    let mut at = from.clone();
    for part in path.split("::") {
        match part {
            "crate" => at.clear(),
            "self" => {}
            "super" => {
                at.pop();
            }
            name => at.push(name.to_owned()),
        }
    }
    while !modules.contains(&at) {
        at.pop()?;
    }
    Some(at)
}

/// From each file to those that it imports from.
fn arrows() -> BTreeMap<Module, BTreeSet<Module>> {
    let sources = sources();
    let modules: BTreeSet<Module> = sources.iter().map(|s| s.module.clone()).collect();
    let mut arrows = BTreeMap::new();
    for source in &sources {
        let to = paths(&source.code)
            .iter()
            .filter_map(|path| target(&source.module, path, &modules))
            .filter(|to| !to.is_empty() && *to != source.module)
            .collect();
        arrows.insert(source.module.clone(), to);
    }
    arrows
}

/// The rooms, each with those that it imports from.
fn rooms() -> BTreeMap<String, BTreeSet<String>> {
    let mut rooms: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, all) in arrows() {
        let Some(room) = from.first().filter(|room| *room != "main") else {
            continue;
        };
        let to = all.iter().filter_map(|to| to.first().cloned());
        let into = rooms.entry(room.clone()).or_default();
        into.extend(to.filter(|to| to != room));
    }
    rooms
}

/// Nodes that are on a circle.
fn circle<N: Ord + Clone>(graph: &BTreeMap<N, BTreeSet<N>>) -> Vec<N> {
    let mut left = graph.clone();
    loop {
        let known: BTreeSet<N> = left.keys().cloned().collect();
        let before = left.len();
        // Who points at nobody that is left cannot be on a circle, nor can who is pointed at by nobody.
        left.retain(|_, to| to.iter().any(|to| known.contains(to)));
        let pointed: BTreeSet<N> = left.values().flatten().cloned().collect();
        left.retain(|node, _| pointed.contains(node));
        if left.len() == before {
            return left.into_keys().collect();
        }
    }
}

#[test]
fn arrows_between_rooms_are_those_that_architecture_lists() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let list = text.split_once(LIST.0).expect("a list of arrows").1;
    let list = list.split_once(LIST.1).expect("its end").0;
    let listed: BTreeMap<String, BTreeSet<String>> = list
        .lines()
        .map(|line| {
            let (from, to) = line.split_once("->").unwrap_or((line, ""));
            let to = to.split_whitespace().map(str::to_owned).collect();
            (from.trim().to_owned(), to)
        })
        .collect();
    let rooms = rooms();
    assert!(rooms.len() > 15, "{rooms:?}");
    assert_eq!(circle(&rooms), Vec::<String>::new());
    for (room, to) in &rooms {
        let allowed = listed
            .get(room)
            .unwrap_or_else(|| panic!("{room} is not listed"));
        let new: Vec<&String> = to.difference(allowed).collect();
        assert!(new.is_empty(), "{room} may not import from {new:?}");
        let gone: Vec<&String> = allowed.difference(to).collect();
        assert!(
            gone.is_empty(),
            "{room} does not import from {gone:?} any more"
        );
    }
    assert_eq!(
        listed.len(),
        rooms.len(),
        "a room is listed that is not there"
    );
}

#[test]
fn files_import_from_each_other_without_circles() {
    // A folder's own file declares what is in it and holds what that has in common: between these
    // two an arrow each way is no circle.
    let mut arrows = arrows();
    for (from, to) in &mut arrows {
        to.retain(|to| !from.starts_with(to) && !to.starts_with(from));
    }
    let on_circle: Vec<String> = circle(&arrows).iter().map(|m| m.join("/")).collect();
    let between: BTreeMap<&str, Vec<String>> = on_circle
        .iter()
        .map(|name| {
            let key: Module = name.split('/').map(str::to_owned).collect();
            let to = arrows[&key].iter().map(|m| m.join("/"));
            (
                name.as_str(),
                to.filter(|to| on_circle.contains(to)).collect(),
            )
        })
        .collect();
    assert!(between.is_empty(), "{between:#?}");
}

/// Lines of the code with one of these in them, outside of a room.
fn lines_with(words: &[&str], outside: &str) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources() {
        if source.module.first().is_some_and(|room| room == outside) {
            continue;
        }
        for line in source.code.lines() {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}: {}", source.path.display(), line.trim()));
            }
        }
    }
    found
}

#[test]
fn the_system_is_met_in_platform_only() {
    let found = lines_with(
        &["libc::", "/proc/", "std::os::", "signal_hook"],
        "platform",
    );
    assert!(found.is_empty(), "{found:#?}");
}

/// Only a verb that one system has is compiled for that one, and a door for fuzzing.
#[test]
fn no_other_room_knows_which_system_it_is() {
    let words = ["cfg!(", "target_os", "cfg(windows", "cfg(unix", "cfg(not("];
    let mut found = lines_with(&words, "platform");
    found.retain(|line| !line.ends_with("#[cfg(target_os = \"macos\")]"));
    found.retain(|line| !line.contains("fuzzing.rs: "));
    assert!(found.is_empty(), "{found:#?}");
}

/// What the folders of `platform/` are compiled for: where no system has both, a name is for the same.
const COMPILED_FOR: [(&str, &[&str]); 7] = [
    ("linux", &["linux"]),
    ("macos", &["macos"]),
    ("freebsd", &["freebsd"]),
    ("windows", &["windows"]),
    ("unix", &["linux", "macos", "freebsd"]),
    ("bsd", &["macos", "freebsd"]),
    ("absent", &["macos", "freebsd", "windows"]),
];

/// A format's own words for what is written, where a type of ours has the same name.
const WORDS_OF_FORMATS: [(&str, &[&str]); 3] = [
    // Tables of the processed profile format, and their rows.
    ("firefox", &["Frame", "FrameTable", "Sample"]),
    // Messages of profile.proto.
    ("pprof", &["Function", "Mapping", "Sample"]),
    // What speedscope's file-format-spec.ts declares.
    ("speedscope", &["Frame"]),
];

/// The name of the type that a line defines. What an `impl` or a trait calls `type` is none.
fn defined_type(line: &str) -> Option<&str> {
    let is_inside = line.starts_with(' ');
    let mut rest = line.trim_start();
    if let Some(public) = rest.strip_prefix("pub") {
        let within = public.strip_prefix('(').and_then(|r| r.split_once(')'));
        rest = within.map_or(public, |(_, rest)| rest).trim_start();
    }
    let (keyword, rest) = rest.split_once(' ')?;
    let name = rest
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    let is_one = match keyword {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !is_inside,
        _ => false,
    };
    (is_one && name.starts_with(|c: char| c.is_ascii_uppercase())).then_some(name)
}

/// The modules that define a type of each name.
fn types() -> BTreeMap<String, BTreeSet<Module>> {
    let mut types: BTreeMap<String, BTreeSet<Module>> = BTreeMap::new();
    for source in sources() {
        for name in source.code.lines().filter_map(defined_type) {
            let modules = types.entry(name.to_owned()).or_default();
            modules.insert(source.module.clone());
        }
    }
    types
}

/// Both are never compiled for one system.
fn are_of_different_systems(one: &Module, other: &Module) -> bool {
    let systems = |module: &Module| {
        let folder = module.get(1).filter(|_| module[0] == "platform")?;
        let known = COMPILED_FOR.iter().find(|(name, _)| name == folder);
        known.map(|(_, systems)| *systems)
    };
    match (systems(one), systems(other)) {
        (Some(one), Some(other)) => one.iter().all(|system| !other.contains(system)),
        _ => false,
    }
}

#[test]
fn a_type_has_no_other_ones_name() {
    let mut types = types();
    assert!(types.len() > 500, "{}", types.len());
    for (format, words) in WORDS_OF_FORMATS {
        let module: Module = vec!["output".to_owned(), format.to_owned()];
        for word in words {
            let modules = types.get_mut(*word);
            let is_one_of_two = modules.is_some_and(|m| m.len() > 1 && m.remove(&module));
            assert!(is_one_of_two, "{word} of {format} needs no exception");
        }
    }
    let mut twice = Vec::new();
    for (name, modules) in &types {
        for (place, one) in modules.iter().enumerate() {
            let others = modules.iter().skip(place + 1);
            let same = others.filter(|other| !are_of_different_systems(one, other));
            twice.extend(
                same.map(|other| format!("{name}: {} and {}", one.join("/"), other.join("/"))),
            );
        }
    }
    assert!(twice.is_empty(), "{twice:#?}");
}

/// Every long option of every verb, with its dashes.
fn options() -> BTreeSet<String> {
    let pages = p5_spy::cli::pages().expect("man pages");
    let mut found = BTreeSet::new();
    for (_, page) in pages {
        // A hyphen that is one is written \\- in a man page.
        let page = String::from_utf8_lossy(&page).replace("\\-", "-");
        for (at, _) in page.match_indices("--") {
            let name: String = page[at + 2..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            if !name.is_empty() {
                found.insert(format!("--{name}"));
            }
        }
    }
    found
}

#[test]
fn names_of_options_are_known_in_cli_only() {
    let options = options();
    assert!(
        options.contains("--pid") && options.contains("--max-cpu"),
        "{options:?}"
    );
    let names_one = |line: &&String| {
        line.match_indices("--").any(|(at, _)| {
            let word: String = line[at..]
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '-')
                .collect();
            options.contains(&word)
        })
    };
    let lines = lines_with(&["--"], "cli");
    let found: Vec<&String> = lines.iter().filter(names_one).collect();
    assert!(found.is_empty(), "{found:#?}");
}

/// The rows of README's table of what runs where: the first cell without its marks, and the others.
fn support_table() -> Vec<(String, Vec<String>)> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split("\n## Where it runs\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|'));
    let cells = rows.map(|row| {
        let mut cells = row
            .trim_matches('|')
            .split('|')
            .map(|c| c.trim().to_owned());
        (
            cells.next().unwrap().trim_matches('`').to_owned(),
            cells.collect(),
        )
    });
    cells.collect()
}

/// The file or folder that a text in backquotes names, if it names one.
fn named_file(text: &str) -> Option<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let ends = [".rs", ".js", ".css", ".toml", ".md", ".pl", "/"];
    let is_one = text.len() > 1 && text.chars().all(plain) && !text.starts_with('/');
    (is_one && ends.iter().any(|end| text.ends_with(end) && text != *end)).then_some(text)
}

/// How many files a text names, all of which are there. A name without a folder is beside the last one that had one, at
/// first in `folder`, or at the top.
fn files_named(document: &str, text: &str, mut folder: PathBuf) -> usize {
    let mut named = 0;
    for (line, number) in text.lines().zip(1..) {
        for name in line.split('`').skip(1).step_by(2).filter_map(named_file) {
            let places = match name.contains('/') {
                true => [root().join("src").join(name), root().join(name)],
                false => [folder.join(name), root().join(name)],
            };
            let found = places.into_iter().find(|place| place.exists());
            let Some(found) = found else {
                panic!("{document}:{number}: there is no {name}");
            };
            if name.contains('/') {
                folder = match found.is_dir() {
                    true => found,
                    false => found.parent().unwrap().to_owned(),
                };
            }
            named += 1;
        }
    }
    named
}

#[test]
fn files_that_the_documents_name_are_there() {
    for document in ["ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let named = files_named(document, &text, root());
        assert!(named > 0, "{document} names no files");
    }
    let mut named = 0;
    for source in sources() {
        let text = fs::read_to_string(&source.path).unwrap();
        let head = text.lines().take_while(|line| line.starts_with("//!"));
        let head = head.collect::<Vec<_>>().join("\n");
        let folder = source.path.parent().unwrap().to_owned();
        named += files_named(source.path.to_str().unwrap(), &head, folder);
    }
    assert!(named > 100, "{named}");
}

#[test]
fn readme_has_each_format() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for format in p5_spy::output::Format::ALL {
        let row = format!("\n| `{}` | `{}`", format.name(), format.ending());
        assert!(readme.contains(&row), "no row begins with {row}");
    }
}

/// Each verb has its row and each system of `platform/` its column, and what tests them is there.
#[test]
fn the_table_of_what_runs_where_is_whole() {
    let table = support_table();
    let (_, systems) = &table[0];
    let folders = fs::read_dir(root().join("src/platform")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    for folder in folders.filter(|path| path.is_dir()) {
        let folder = folder.file_name().unwrap().to_str().unwrap();
        // What several of them share.
        if ["unix", "bsd"].contains(&folder) {
            continue;
        }
        let named = |system: &String| system.to_lowercase().starts_with(folder);
        assert!(systems.iter().any(named), "{folder} has no column");
    }
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_p5-spy"))
        .arg("--help")
        .output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    let verbs = help.split("\nCommands:\n").nth(1).unwrap();
    let verbs = verbs.lines().take_while(|line| !line.is_empty());
    let verbs: BTreeSet<&str> = verbs
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let rows: BTreeSet<&str> = table
        .iter()
        .skip(2)
        .map(|(verb, _)| verb.as_str())
        .collect();
    assert_eq!(rows, verbs);
    for (verb, cells) in table.iter().skip(2) {
        assert_eq!(cells.len(), systems.len(), "{verb}");
        for cell in cells {
            assert!(
                ["live", "emulated", "linked", "no"].contains(&cell.as_str()),
                "{verb}: {cell}"
            );
        }
    }
    for script in ["tests/processors", "tests/windows", "tests/others"] {
        assert!(root().join(script).is_file(), "{script}");
    }
}

#[test]
fn the_reader_of_imports_sees_what_there_is() {
    assert_eq!(
        expand("a::{b, c::{d, e as f}, *}"),
        ["a::b", "a::c::d", "a::c::e", "a::*"]
    );
    let code = "use crate::a::{b,\n c};\nfn f() { super::x::y(); let u = 1; }";
    assert_eq!(paths(code), ["crate::a::b", "crate::a::c", "super::x::y"]);
    assert_eq!(without_comments("a(\"//\"); // b\n"), "a(\"//\"); \n");
    let tested = "x;\n#[cfg(test)]\nmod tests {\n    y;\n}\nz;\n";
    assert_eq!(without_tests(tested), "x;\nz;\n");
    for (line, name) in [
        ("pub(in crate::perl) struct Known<'a> {", Some("Known")),
        ("    enum Taken {", Some("Taken")),
        ("pub type Counts = HashMap<u32, u64>;", Some("Counts")),
        ("    type Answer = bool;", None),
        ("let struct_size = 1;", None),
        ("        pub struct $name {", None),
    ] {
        assert_eq!(defined_type(line), name, "{line}");
    }
    let module = |path: &str| path.split('/').map(str::to_owned).collect::<Module>();
    let differ = |one, other| are_of_different_systems(&module(one), &module(other));
    assert!(differ("platform/linux/load", "platform/bsd/load"));
    assert!(!differ("platform/linux/step", "platform/unix/sandbox/step"));
    assert!(!differ("platform/linux/step", "probe/path"));
    let graph = |pairs: &[(u8, u8)]| {
        let mut graph: BTreeMap<u8, BTreeSet<u8>> = BTreeMap::new();
        for (from, to) in pairs {
            graph.entry(*from).or_default().insert(*to);
            graph.entry(*to).or_default();
        }
        graph
    };
    assert_eq!(circle(&graph(&[(1, 2), (2, 3), (1, 3)])), Vec::<u8>::new());
    assert_eq!(circle(&graph(&[(1, 2), (2, 3), (3, 2), (3, 4)])), [2, 3]);
}
