//! Tables and probes as the program holds them.

use std::env::var;
use std::path::PathBuf;

/// Writes the files of a folder as JSON, of tables also what they are for, and a list of them: an
/// attach reads some, and TOML takes ten times as long to parse. A damaged file stops the build.
pub fn translate(folder: &str) {
    println!("cargo:rerun-if-changed={folder}");
    let out = PathBuf::from(var("OUT_DIR").expect("cargo names it"));
    let mut list = Vec::new();
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
            list.push(format!(
                "BuiltIn {{ name: {name:?}, series: {series:?}, head: {head:?}, json: {whole:?} }},\n"
            ));
        } else {
            std::fs::write(out.join(name), whole).expect("it is written");
        }
    }
    if !list.is_empty() {
        let list = format!("&[\n{}]\n", list.concat());
        std::fs::write(out.join("tables.rs"), list).expect("it is written");
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the data folder");
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|e| e == "toml"));
    paths.sort();
    paths
}
