//! The variables of perl's that a file has.

use super::exports::exports;
use super::hashed::Hashed;
use super::macho::Extents;
use super::{FileBytes, Symbol};
use object::{File, Object, ObjectSymbol, SymbolKind};
use std::collections::HashMap;
use std::sync::OnceLock;

/// A file with these has perl, and all that perl exports is in the same table.
pub(super) const OF_PERL: [&str; 2] = ["PL_curinterp", "PL_op_name"];

/// The symbols of a file, found when they are asked for.
#[derive(Default)]
pub(super) struct Symbols {
    hashed: Option<Hashed>,
    all: OnceLock<HashMap<String, Symbol>>,
}

impl Symbols {
    pub(super) fn of<'a>(file: &File<'a, &'a FileBytes>, data: &'a FileBytes) -> Self {
        let has_perl = |hashed: &Hashed| OF_PERL.iter().all(|n| hashed.find(data, n).is_some());
        Symbols {
            hashed: Hashed::of(file, data).filter(has_perl),
            ..Symbols::default()
        }
    }

    /// Those that somebody else found.
    pub(super) fn told(symbols: Vec<(String, Symbol)>) -> Self {
        Symbols {
            all: OnceLock::from(symbols.into_iter().collect::<HashMap<_, _>>()),
            ..Symbols::default()
        }
    }

    pub(super) fn get(&self, data: &FileBytes, name: &str) -> Option<Symbol> {
        match &self.hashed {
            Some(hashed) => hashed.find(data, name),
            None => self.all(data).get(name).copied(),
        }
    }

    pub(super) fn iter(&self, data: &FileBytes) -> impl Iterator<Item = (&str, Symbol)> {
        self.all(data)
            .iter()
            .map(|(name, symbol)| (name.as_str(), *symbol))
    }

    fn all(&self, data: &FileBytes) -> &HashMap<String, Symbol> {
        self.all
            .get_or_init(|| File::parse(data).map_or_else(|_| HashMap::new(), |f| perl_symbols(&f)))
    }
}

/// Every defined variable whose name is perl's; the others would only cost memory.
fn perl_symbols<'a>(file: &File<'a, &'a FileBytes>) -> HashMap<String, Symbol> {
    let mut found = HashMap::new();
    let extents = Extents::of(file);
    let size_of = |address: u64, said: u64| extents.as_ref().map_or(said, |e| e.size(address));
    add_symbols(file.dynamic_symbols(), &size_of, &mut found);
    // What a perl exports is all that is needed of it; the other table is many times as long.
    if !OF_PERL.iter().all(|name| found.contains_key(*name)) {
        add_symbols(file.symbols(), &size_of, &mut found);
    }
    // A DLL has neither table, but a list of exports.
    for (name, symbol) in exports(file) {
        add_symbol(&name, symbol.address, symbol.size, &mut found);
    }
    found
}

/// Adds a symbol if it is perl's; Mach-O puts an underscore in front of every name.
fn add_symbol(name: &[u8], address: u64, size: u64, found: &mut HashMap<String, Symbol>) {
    let name = name
        .strip_prefix(b"_PL_")
        .map_or(name, |_| name.get(1..).unwrap_or(name));
    let wanted = [&b"PL_"[..], b"_thread_"]
        .iter()
        .any(|p| name.starts_with(p))
        || name == b"threads";
    if let (true, Ok(name)) = (wanted, std::str::from_utf8(name)) {
        found
            .entry(name.to_owned())
            .or_insert(Symbol { address, size });
    }
}

fn add_symbols<'a>(
    symbols: impl Iterator<Item = impl ObjectSymbol<'a>>,
    size_of: &dyn Fn(u64, u64) -> u64,
    found: &mut HashMap<String, Symbol>,
) {
    for symbol in symbols {
        // Of the functions, which are most, none is asked for.
        if symbol.is_undefined() || symbol.kind() == SymbolKind::Text {
            continue;
        }
        if let Ok(name) = symbol.name_bytes() {
            let size = size_of(symbol.address(), symbol.size());
            add_symbol(name, symbol.address(), size, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::tests::file;
    use super::*;
    use object::ObjectSection;

    #[test]
    fn the_hash_table_finds_what_the_whole_table_has() {
        let perl = std::env::var_os("P5SPY_TEST_PERL").unwrap_or("/usr/bin/perl".into());
        let bytes = std::fs::read(perl).unwrap();
        let data = file(&bytes);
        let parsed = File::parse(&data).unwrap();
        let all = perl_symbols(&parsed);
        let hashed = Hashed::of(&parsed, &data).unwrap();
        for (name, symbol) in &all {
            assert_eq!(hashed.find(&data, name), Some(*symbol), "{name}");
        }
        for name in ["PL_nothing", "", "Perl_sv_setsv_flags"] {
            assert_eq!(hashed.find(&data, name), None, "{name}");
        }
        let symbols = Symbols::of(&parsed, &data);
        assert!(symbols.hashed.is_some() || !all.contains_key("PL_curinterp"));
        assert_eq!(symbols.iter(&data).count(), all.len());

        // Damage ends the search: it piles up from the head of the table on.
        let (start, _) = parsed
            .section_by_name(".gnu.hash")
            .unwrap()
            .file_range()
            .unwrap();
        let mut damaged = bytes;
        for at in start..start + 64 {
            damaged[at as usize] ^= 0xff;
            let data = file(&damaged);
            let parsed = File::parse(&data).unwrap();
            if let Some(hashed) = Hashed::of(&parsed, &data) {
                for name in all.keys() {
                    hashed.find(&data, name);
                }
            }
        }
    }
}
