//! Symbols of an ELF file by name, through its `.gnu.hash`, as the dynamic linker finds them: some
//! bytes of each table are read, where a perl's tables have a hundred thousand.

use super::{FileBytes, Symbol};
use object::read::ReadRef;
use object::read::elf::{FileHeader, SectionHeader, Sym};
use object::{Endianness, File, U32, elf};

/// Where the tables are.
pub(super) struct Hashed {
    is_64: bool,
    endian: Endianness,
    /// Words of the hash table, from the first bucket on.
    buckets: HashWords,
    bucket_count: u32,
    /// The symbol that the first word behind the buckets is for.
    first: u32,
    symbols: u64,
    symbol_count: u64,
    names: std::ops::Range<u64>,
}

/// Numbers of 4 bytes that the file has in a row.
struct HashWords {
    start: u64,
    end: u64,
}

impl HashWords {
    /// `None` past the end.
    fn get(&self, data: &FileBytes, endian: Endianness, index: u64) -> Option<u32> {
        let at = self.start.checked_add(index.checked_mul(4)?)?;
        let number: &U32<Endianness> = data.read_at(at).ok()?;
        (at.checked_add(4)? <= self.end).then(|| number.get(endian))
    }
}

impl Hashed {
    /// `None` for a file without that table.
    pub(super) fn of<'a>(file: &File<'a, &'a FileBytes>, data: &'a FileBytes) -> Option<Self> {
        match file {
            File::Elf32(file) => {
                Self::of_elf::<elf::FileHeader32<_>>(file.elf_section_table(), file.endian(), data)
            }
            File::Elf64(file) => {
                Self::of_elf::<elf::FileHeader64<_>>(file.elf_section_table(), file.endian(), data)
            }
            _ => None,
        }
    }

    fn of_elf<'a, Elf: FileHeader<Endian = Endianness>>(
        sections: &object::read::elf::SectionTable<'a, Elf, &'a FileBytes>,
        endian: Endianness,
        data: &'a FileBytes,
    ) -> Option<Self> {
        let hash = sections
            .iter()
            .find(|s| s.sh_type(endian) == elf::SHT_GNU_HASH)?;
        let dynsym = sections.section(hash.link(endian)).ok()?;
        let dynstr = sections.section(dynsym.link(endian)).ok()?;
        let place = |s: &Elf::SectionHeader| {
            let start: u64 = s.sh_offset(endian).into();
            let size: u64 = s.sh_size(endian).into();
            Some(start..start.checked_add(size)?)
        };
        let (hash, symbols) = (place(hash)?, place(dynsym)?);
        let whole = HashWords {
            start: hash.start,
            end: hash.end,
        };
        let head = |index| whole.get(data, endian, index);
        let (bucket_count, first, bloom) = (head(0)?, head(1)?, head(2)?);
        let is_64 = std::mem::size_of::<Elf::Word>() == 8;
        let bloom = u64::from(bloom) * if is_64 { 8 } else { 4 };
        Some(Hashed {
            is_64,
            endian,
            buckets: HashWords {
                start: hash.start.checked_add(16)?.checked_add(bloom)?,
                end: hash.end,
            },
            bucket_count,
            first,
            symbol_count: (symbols.end - symbols.start) / std::mem::size_of::<Elf::Sym>() as u64,
            symbols: symbols.start,
            names: place(dynstr)?,
        })
    }

    /// A defined symbol that is no function.
    pub(super) fn find(&self, data: &FileBytes, name: &str) -> Option<Symbol> {
        let hash = elf::gnu_hash(name.as_bytes());
        let bucket = u64::from(hash.checked_rem(self.bucket_count)?);
        let start = self.buckets.get(data, self.endian, bucket)?;
        // Ends with the table at the latest.
        for index in u64::from(start).max(1).. {
            let skip = index.checked_sub(u64::from(self.first))?;
            let word = u64::from(self.bucket_count) + skip;
            let kept = self.buckets.get(data, self.endian, word)?;
            if kept | 1 == hash | 1 {
                let found = match self.is_64 {
                    true => self.symbol::<elf::Sym64<_>>(data, index, name),
                    false => self.symbol::<elf::Sym32<_>>(data, index, name),
                };
                if found.is_some() {
                    return found;
                }
            }
            if kept & 1 == 1 {
                break;
            }
        }
        None
    }

    fn symbol<S: Sym<Endian = Endianness> + object::Pod>(
        &self,
        data: &FileBytes,
        index: u64,
        name: &str,
    ) -> Option<Symbol> {
        let skip = index.checked_mul(std::mem::size_of::<S>() as u64)?;
        let place = self.symbols.checked_add(skip)?;
        let symbol: &S = data.read_at(place).ok()?;
        let at = self
            .names
            .start
            .checked_add(symbol.st_name(self.endian).into())?;
        let text = data.read_bytes_at_until(at..self.names.end, 0).ok()?;
        let is_it = index < self.symbol_count
            && text == name.as_bytes()
            && symbol.st_shndx(self.endian) != elf::SHN_UNDEF
            && ![elf::STT_FUNC, elf::STT_GNU_IFUNC].contains(&symbol.st_type());
        is_it.then(|| Symbol {
            address: symbol.st_value(self.endian).into(),
            size: symbol.st_size(self.endian).into(),
        })
    }
}
