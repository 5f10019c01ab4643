//! The plain part of TOML that our own tables and probes are written in: a line for a heading or for
//! a name and its value. An attach reads some of them, and a parser for all of TOML takes ten times
//! as long. What is not plain, or damaged, goes to that one, which says what is wrong.

use serde::de::value::{BorrowedStrDeserializer, Error, MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_spanned::de::{SpannedDeserializer, is_spanned};
use std::ops::Range;

/// Lists in lists, and tables in them, go no deeper.
const DEPTH: usize = 4;

/// What a TOML text says.
///
/// # Errors
/// [`toml::de::Error`] with the place of the mistake.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, toml::de::Error> {
    match parse(text).map(T::deserialize) {
        Some(Ok(value)) => Ok(value),
        _ => toml::from_str(text),
    }
}

type Pairs<'a> = Vec<(&'a str, Item<'a>)>;

#[derive(Debug)]
enum Value<'a> {
    Number(i64),
    Flag(bool),
    Text(&'a str),
    List(Vec<Item<'a>>),
    Table(Pairs<'a>),
}

/// A value, and where it stands; nowhere, if it came about by headings.
#[derive(Debug)]
struct Item<'a> {
    value: Value<'a>,
    span: Range<usize>,
}

/// A line that begins a table: what is above it, its name, and whether it is one of several.
struct Heading<'a> {
    above: Option<&'a str>,
    name: &'a str,
    repeats: bool,
}

/// The whole text as a table; `None` where it is not plain.
fn parse(text: &str) -> Option<Item<'_>> {
    let mut rest = Rest { text, at: 0 };
    let mut root = Pairs::new();
    let mut heading: Option<Heading<'_>> = None;
    let mut pairs = Pairs::new();
    loop {
        rest.skip_blank();
        match rest.peek() {
            Some(b'[') => {
                let ended = std::mem::take(&mut pairs);
                attach(&mut root, heading.take(), ended)?;
                heading = Some(rest.heading()?);
            }
            Some(b'\n' | b'#') => {}
            Some(_) => insert(&mut pairs, rest.pair(DEPTH)?)?,
            None => break,
        }
        rest.end_of_line()?;
    }
    attach(&mut root, heading, pairs)?;
    Some(Item {
        value: Value::Table(root),
        span: 0..text.len(),
    })
}

/// Adds what is new; a name that is there already is a mistake.
fn insert<'a>(pairs: &mut Pairs<'a>, pair: (&'a str, Item<'a>)) -> Option<()> {
    let is_new = pairs.iter().all(|(name, _)| *name != pair.0);
    is_new.then(|| pairs.push(pair))
}

/// What `name` is in a table; made when it is not there yet.
fn entry<'t, 'a>(
    pairs: &'t mut Pairs<'a>,
    name: &'a str,
    new: Value<'a>,
) -> Option<&'t mut Item<'a>> {
    let at = pairs.iter().position(|(known, _)| *known == name);
    if at.is_none() {
        let span = 0..0;
        pairs.push((name, Item { value: new, span }));
    }
    let at = at.unwrap_or(pairs.len() - 1);
    pairs.get_mut(at).map(|(_, item)| item)
}

/// Puts the lines of a table where its heading says.
fn attach<'a>(root: &mut Pairs<'a>, heading: Option<Heading<'a>>, pairs: Pairs<'a>) -> Option<()> {
    let Some(Heading {
        above,
        name,
        repeats,
    }) = heading
    else {
        *root = pairs;
        return Some(());
    };
    let table = Item {
        value: Value::Table(pairs),
        span: 0..0,
    };
    if repeats {
        return match entry(root, name, Value::List(Vec::new())) {
            Some(Item {
                value: Value::List(list),
                span,
            }) if span.end == 0 => {
                list.push(table);
                Some(())
            }
            _ => None,
        };
    }
    match above {
        None => insert(root, (name, table)),
        Some(above) => match entry(root, above, Value::Table(Pairs::new())) {
            Some(Item {
                value: Value::Table(inner),
                span,
            }) if span.end == 0 => insert(inner, (name, table)),
            _ => None,
        },
    }
}

/// What is still to be read.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    /// The bytes for which this holds. They end where a character does, if `are` takes all bytes
    /// that are not ASCII or none.
    fn take_while(&mut self, are: impl Fn(u8) -> bool) -> Option<&'a str> {
        let bytes = self.text.as_bytes().get(self.at..)?;
        let length = bytes.iter().position(|b| !are(*b)).unwrap_or(bytes.len());
        let taken = self.text.get(self.at..self.at + length)?;
        self.at += length;
        Some(taken)
    }

    fn skip_blank(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn end_of_line(&mut self) -> Option<()> {
        self.skip_blank();
        if self.peek() == Some(b'#') {
            // No control characters, not even in a comment.
            self.take_while(|b| (b >= b' ' && b != 0x7f) || b == b'\t')?;
        }
        match self.peek() {
            None => Some(()),
            Some(_) => self.take(b'\n'),
        }
    }

    fn name(&mut self) -> Option<&'a str> {
        self.skip_blank();
        let name = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')?;
        self.skip_blank();
        (!name.is_empty()).then_some(name)
    }

    fn heading(&mut self) -> Option<Heading<'a>> {
        self.take(b'[')?;
        let repeats = self.take(b'[').is_some();
        let first = self.name()?;
        let second = match self.take(b'.') {
            Some(()) if !repeats => Some(self.name()?),
            Some(()) => return None,
            None => None,
        };
        self.take(b']')?;
        if repeats {
            self.take(b']')?;
        }
        Some(Heading {
            above: second.and(Some(first)),
            name: second.unwrap_or(first),
            repeats,
        })
    }

    fn pair(&mut self, depth: usize) -> Option<(&'a str, Item<'a>)> {
        let name = self.name()?;
        self.take(b'=')?;
        Some((name, self.item(depth)?))
    }

    fn item(&mut self, depth: usize) -> Option<Item<'a>> {
        self.skip_blank();
        let start = self.at;
        let value = match self.peek()? {
            b'"' => self.text()?,
            b'[' => self.list(depth.checked_sub(1)?)?,
            b'{' => self.table(depth.checked_sub(1)?)?,
            _ => self.word()?,
        };
        Some(Item {
            value,
            span: start..self.at,
        })
    }

    fn text(&mut self) -> Option<Value<'a>> {
        self.take(b'"')?;
        let text = self.take_while(|b| b >= b' ' && b != 0x7f && b != b'"' && b != b'\\')?;
        self.take(b'"')?;
        Some(Value::Text(text))
    }

    fn list(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut list = Vec::new();
        self.take(b'[')?;
        loop {
            list.push(self.item(depth)?);
            self.skip_blank();
            if self.take(b']').is_some() {
                return Some(Value::List(list));
            }
            self.take(b',')?;
        }
    }

    fn table(&mut self, depth: usize) -> Option<Value<'a>> {
        let mut pairs = Pairs::new();
        self.take(b'{')?;
        loop {
            insert(&mut pairs, self.pair(depth)?)?;
            self.skip_blank();
            if self.take(b'}').is_some() {
                return Some(Value::Table(pairs));
            }
            self.take(b',')?;
        }
    }

    fn word(&mut self) -> Option<Value<'a>> {
        let word = self.take_while(|b| b.is_ascii_alphanumeric() || b == b'-')?;
        match word {
            "true" => return Some(Value::Flag(true)),
            "false" => return Some(Value::Flag(false)),
            _ => {}
        }
        let (digits, radix) = match word.strip_prefix("0x") {
            Some(digits) => (digits, 16),
            None => (word, 10),
        };
        let plain = digits.strip_prefix('-').filter(|_| radix == 10);
        let plain = plain.unwrap_or(digits);
        let is_plain = plain.bytes().all(|b| b.is_ascii_hexdigit())
            && (radix == 16 || plain.len() == 1 || !plain.starts_with('0'));
        let number = i64::from_str_radix(digits, radix).ok()?;
        is_plain.then_some(Value::Number(number))
    }
}

impl<'de> IntoDeserializer<'de> for Item<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Item<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value {
            Value::Number(number) => visitor.visit_i64(number),
            Value::Flag(flag) => visitor.visit_bool(flag),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(list) => visitor.visit_seq(SeqDeserializer::new(list.into_iter())),
            Value::Table(pairs) => visitor.visit_map(MapDeserializer::new(pairs.into_iter())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value {
            Value::Text(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if is_spanned(name) {
            let span = self.span.clone();
            return visitor.visit_map(SpannedDeserializer::new(self, span));
        }
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::Deserialize;
    use std::path::Path;
    use toml::{Spanned, Table};

    fn plainly(text: &str) -> Option<Table> {
        Table::deserialize(parse(text)?).ok()
    }

    #[test]
    fn all_that_is_built_in_is_plain() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for folder in ["layouts", "probes"] {
            for entry in std::fs::read_dir(root.join(folder)).unwrap() {
                let path = entry.unwrap().path();
                if path.extension().is_some_and(|e| e == "toml") {
                    let text = std::fs::read_to_string(&path).unwrap();
                    let whole: Table = toml::from_str(&text).unwrap();
                    assert_eq!(plainly(&text), Some(whole), "{}", path.display());
                    files += 1;
                }
            }
        }
        assert!(files > 60);
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        for text in [
            "a = 1\na = 2",
            "a = 'x'",
            "a = \"\"\"x\"\"\"",
            "a = \"\\n\"",
            "a = 007",
            "a = 0x-1",
            "a = +1",
            "a = 1_000",
            "a = 1.5",
            "a = 99999999999999999999",
            "a = [\n1]",
            "a = 1 b = 2",
            "a.b = 1",
            "[a]\n[a]",
            "[a.b.c]",
            "a = [1]\n[[a]]",
            "[a]\n[[a]]",
            "[[a]]\n[a.b]",
            "a = { b = 1 }\n[a.c]",
            "a = 1\r\n",
            "a",
            "=",
            "[a",
            "a = [[[[[[1]]]]]]",
            "# \u{1}",
        ] {
            assert_eq!(plainly(text), None, "{text:?}");
        }
    }

    #[test]
    fn spans_are_those_of_the_whole_parser() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Spots {
            a: Spanned<u32>,
            b: Spanned<String>,
            c: std::collections::BTreeMap<String, Spanned<Vec<i64>>>,
        }
        let text = "# ä\na  =  17 # x\nb=\"é\"\n\n[c]\nd = [1, -2]\n";
        let plain = Spots::deserialize(parse(text).unwrap()).unwrap();
        assert_eq!(plain, toml::from_str(text).unwrap());
    }

    proptest! {
        /// Whatever is plain means what it means in all of TOML.
        #[test]
        fn nothing_is_read_otherwise(text in "([a-c]( ?= ?|\\.)?|\\[{1,2}[ab.]{1,3}\\]{1,2}|[0-9x-]{1,3}|\"[^\"]?\"|[{},\\]\n ä#]|= ?(true|false|[0-9]|\\[1, ?2\\])\n){0,14}") {
            if let Some(plain) = plainly(&text) {
                prop_assert_eq!(toml::from_str::<Table>(&text).ok(), Some(plain));
            }
        }
    }
}
