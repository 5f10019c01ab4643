//! The report: one page that opens from disk with no network, with the whole profile in it.
//!
//! `data.rs` makes small tables of what has samples: functions, frames (a function at a line), stacks (caller
//! and frame), threads, and the samples by up to 2,000 pieces of time. `mod.rs` writes them into the page as
//! JSON in which no `<` stands, each file's text as a piece of its own that is parsed when somebody looks at
//! it. The page's script (`output/html/script/`, one file per view, put together by `output/html/script.rs`)
//! is named by its hash in the page's Content-Security-Policy, so that no other one can run.
//! `output/html/script/model.js` computes own and total samples for the span, thread and state in the
//! address; every view draws from that, and puts names into the page as text only. A page of two recordings
//! (`output/html/compared.rs`) has them as its two threads, in one tree.

mod compared;
mod data;
mod script;

use super::Picture;
use super::limited::Limited;
use crate::packed::unpacked;
use crate::profile::Profile;
use compared::{Side, merged};
use data::Data;
use std::io::{self, Write};

static STYLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/style.css.packed"));
static BODY: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/page.html.packed"));

/// Writes the whole page.
///
/// # Errors
/// When `to` does not take it.
pub fn write(profile: &Profile, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    page(&Data::new(profile, picture), picture, to)
}

/// Writes a page of two profiles, of which the first is the earlier one.
///
/// # Errors
/// When `to` does not take it.
pub fn write_both(
    before: &Profile,
    after: &Profile,
    picture: &Picture,
    to: &mut dyn Write,
) -> io::Result<()> {
    let (both, changed) = merged(before, after);
    let mut data = Data::new(&both, picture);
    data.compare([Side::of(before), Side::of(after)], &changed);
    let room = before.room.written.saturating_add(after.room.written);
    page(&data, picture, &mut Limited::new(to, room))
}

fn page(data: &Data<'_>, picture: &Picture, to: &mut dyn Write) -> io::Result<()> {
    let title = escaped(&picture.title);
    // Whatever a name could do to the page: only this very script may run, and nothing is fetched.
    let script = script::text();
    let hash = script::hash(&script);
    let style = unpacked(STYLE);
    write!(
        to,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; script-src '{hash}'; img-src data:; base-uri 'none'; \
         form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>\n{style}</style>\n</head>\n"
    )?;
    to.write_all(unpacked(BODY).as_bytes())?;
    element(to, "data", data)?;
    for (index, text) in data.texts() {
        element(to, &format!("source-{index}"), text)?;
    }
    write!(to, "<script>{script}</script>\n</body>\n</html>\n")
}

/// How many rows the page's table of samples has at most.
pub(super) fn rows(profile: &Profile) -> u64 {
    data::rows(profile)
}

/// A piece of data in the page.
fn element(to: &mut dyn Write, id: &str, value: impl serde::Serialize) -> io::Result<()> {
    write!(to, "<script type=\"application/json\" id=\"{id}\">")?;
    serde_json::to_writer(WithoutTags(to), &value)?;
    to.write_all(b"</script>\n")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// JSON has `<` only within strings, where it can be written so that no tag can begin or end.
struct WithoutTags<'a>(&'a mut dyn Write);

impl Write for WithoutTags<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for (index, piece) in bytes.split(|b| *b == b'<').enumerate() {
            if index > 0 {
                self.0.write_all(b"\\u003c")?;
            }
            self.0.write_all(piece)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_tag_stands_in_data() {
        let mut page = Vec::new();
        element(&mut page, "x", "a</script><!--<img>\u{202e}\"\\").unwrap();
        let page = String::from_utf8(page).unwrap();
        let json = page
            .strip_prefix("<script type=\"application/json\" id=\"x\">")
            .and_then(|p| p.strip_suffix("</script>\n"))
            .unwrap();
        assert!(!json.contains('<'), "{json}");
        let back: String = serde_json::from_str(json).unwrap();
        assert_eq!(back, "a</script><!--<img>\u{202e}\"\\");
    }
}
