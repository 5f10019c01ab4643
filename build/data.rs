//! Tables and probes as the program holds them.

use crate::packed;
use std::path::PathBuf;

/// Writes the files of a folder as JSON, of tables also what they are for, and a list of them: an
/// attach reads some, and TOML takes ten times as long to parse. Tables are packed, each as if it
/// followed the first one, as one is much like another. A damaged file stops the build.
pub fn translate(folder: &str) {
    println!("cargo:rerun-if-changed={folder}");
    let mut list = Vec::new();
    let mut first: Option<String> = None;
    for path in files(folder) {
        let text = std::fs::read_to_string(&path).expect("a readable file");
        let parsed = text.parse::<toml::Table>();
        let table = parsed.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let json = |table: &toml::Table| serde_json::to_string(table).expect("plain values");
        let whole = json(&table);
        let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
        if let Some(perl) = table.get("perl").and_then(|p| p.as_table()) {
            let version = perl.get("version").and_then(|v| v.as_str());
            let mut numbers = version.unwrap_or_default().split('.');
            let mut number = || numbers.next().and_then(|n| n.parse::<u8>().ok());
            let series = number().zip(number());
            let series = series.unwrap_or_else(|| panic!("{}: no version", path.display()));
            let head = json(perl);
            let first = first.get_or_insert_with(|| whole.clone());
            let packed = packed::packed(first, &whole);
            list.push(format!(
                "BuiltIn {{ name: {name:?}, series: {series:?}, head: {head:?}, packed: &{packed:?} }},\n"
            ));
        } else {
            packed::write(name, whole.as_bytes());
        }
    }
    if let Some(first) = first {
        let beginning = packed::beginning(&first);
        let list = format!(
            "static FIRST: (&[u8], usize) = (&{beginning:?}, {});\n\
             static EMBEDDED: &[BuiltIn] = &[\n{}];\n",
            first.len(),
            list.concat()
        );
        packed::write("tables.rs", list.as_bytes());
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the data folder");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    paths
}
