//! Whether a text is well-formed XML, and what it says: enough of XML for pictures, no more.

/// The text between the tags of each element, by the element's name; in order of appearance.
/// An element's text is unescaped and does not include that of its children.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, String> {
    let illegal =
        |c: char| (c < ' ' && !"\t\n\r".contains(c)) || matches!(c, '\u{fffe}' | '\u{ffff}');
    if let Some(c) = text.chars().find(|c| illegal(*c)) {
        return Err(format!("character {c:?} is not allowed in XML"));
    }
    let mut found: Vec<(String, String)> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("<?") {
            rest = past(after, "?>")?;
        } else if let Some(after) = rest.strip_prefix("<!--") {
            rest = past(after, "-->")?;
        } else if let Some(after) = rest.strip_prefix("<![CDATA[") {
            rest = past(after, "]]>")?;
        } else if let Some(after) = rest.strip_prefix("<!DOCTYPE") {
            rest = past(after, ">")?;
        } else if let Some(after) = rest.strip_prefix("</") {
            let (name, tail) = after.split_once('>').ok_or("an end tag has no end")?;
            let last = open.pop().ok_or(format!("</{name}> ends nothing"))?;
            if found[last].0 != name.trim_end() {
                return Err(format!("</{name}> ends <{}>", found[last].0));
            }
            rest = tail;
        } else if let Some(after) = rest.strip_prefix('<') {
            let (name, is_empty, tail) = start_tag(after)?;
            if open.is_empty() && !found.is_empty() {
                return Err(format!("<{name}> is a second root"));
            }
            found.push((name, String::new()));
            if !is_empty {
                open.push(found.len() - 1);
            }
            rest = tail;
        } else {
            let end = rest.find('<').unwrap_or(rest.len());
            let plain = unescape(&rest[..end])?;
            match open.last() {
                Some(element) => found[*element].1.push_str(&plain),
                None if plain.trim().is_empty() => {}
                None => return Err(format!("text outside of the root: {plain:?}")),
            }
            rest = &rest[end..];
        }
    }
    match open.last() {
        Some(element) => Err(format!("<{}> has no end", found[*element].0)),
        None if found.is_empty() => Err("no element".into()),
        None => Ok(found),
    }
}

fn past<'t>(text: &'t str, end: &str) -> Result<&'t str, String> {
    let (_, rest) = text.split_once(end).ok_or(format!("no {end}"))?;
    Ok(rest)
}

/// Name, whether it is an empty element, and what follows.
fn start_tag(text: &str) -> Result<(String, bool, &str), String> {
    let is_name = |c: char| c.is_alphanumeric() || "_:.-".contains(c);
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return Err(format!("< without a name: {:.40}", text));
    }
    let mut attributes = Vec::new();
    loop {
        let trimmed = rest.trim_start();
        if let Some(tail) = trimmed.strip_prefix("/>") {
            return Ok((name.into(), true, tail));
        }
        if let Some(tail) = trimmed.strip_prefix('>') {
            return Ok((name.into(), false, tail));
        }
        if trimmed.len() == rest.len() {
            return Err(format!("<{name}: no space before {:.40}", trimmed));
        }
        let (attribute, tail) = trimmed
            .split_once('=')
            .ok_or(format!("<{name} has no end"))?;
        if attribute.is_empty() || !attribute.chars().all(is_name) {
            return Err(format!("<{name}: {attribute:?} is no attribute"));
        }
        let quote = tail.chars().next().filter(|c| "\"'".contains(*c));
        let quote = quote.ok_or(format!("<{name} {attribute}= without quotes"))?;
        let (value, tail) = tail[1..]
            .split_once(quote)
            .ok_or(format!("<{name} {attribute}: no second quote"))?;
        if value.contains('<') || attributes.contains(&attribute) {
            return Err(format!("<{name} {attribute}: a < in it, or twice"));
        }
        unescape(value)?;
        attributes.push(attribute);
        rest = tail;
    }
}

fn unescape(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut pieces = text.split('&');
    plain.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (entity, tail) = piece
            .split_once(';')
            .ok_or(format!("& without a ;: {piece:.40}"))?;
        let number = entity.strip_prefix('#').map(|digits| {
            digits.strip_prefix('x').map_or_else(
                || digits.parse().ok(),
                |hex| u32::from_str_radix(hex, 16).ok(),
            )
        });
        plain.push(match (entity, number) {
            ("amp", _) => '&',
            ("lt", _) => '<',
            ("gt", _) => '>',
            ("quot", _) => '"',
            ("apos", _) => '\'',
            (_, Some(Some(code))) => char::from_u32(code).ok_or("no such character")?,
            _ => return Err(format!("&{entity}; is no entity of XML")),
        });
        plain.push_str(tail);
    }
    Ok(plain)
}
