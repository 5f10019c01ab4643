//! Raw recordings, and every picture that is made of them.

use super::is_harmless;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use p5_spy::output::{Format, Picture, diff, render, stats};
use p5_spy::profile::{By, Filter, Profile, Room, compare};
use p5_spy::recording::{MAGIC, VERSION, load};
use std::io::Write;

/// Magic and version.
const HEAD: usize = MAGIC.len() + 4;

/// A file as it is, and with checksums that are right.
pub fn recording(data: &[u8]) {
    pictures(data);
    let mut whole = data.to_vec();
    let mut at = HEAD;
    while let Some(head) = whole.get(at..at + 8) {
        let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let Some(payload) = whole.get(at + 8..(at + 8).saturating_add(length)) else {
            break;
        };
        let sum = crc32fast::hash(payload).to_le_bytes();
        whole[at + 4..at + 8].copy_from_slice(&sum);
        at += 8 + length;
    }
    if whole != data {
        pictures(&whole);
    }
}

/// What is in the blocks, each with its length (u16, little-endian) in front.
pub fn blocks(data: &[u8]) {
    let mut file = MAGIC.to_vec();
    file.extend(VERSION.to_le_bytes());
    let mut rest = data;
    while let Some((head, behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_le_bytes(*head)).min(behind.len());
        let (plain, behind) = behind.split_at(length);
        let mut packed = ZlibEncoder::new(Vec::new(), Compression::none());
        packed.write_all(plain).expect("memory");
        let payload = packed.finish().expect("memory");
        file.extend((payload.len() as u32).to_le_bytes());
        file.extend(crc32fast::hash(&payload).to_le_bytes());
        file.extend(payload);
        rest = behind;
    }
    pictures(&file);
}

/// Numbers that an input stands for.
struct Choice(usize);

impl Choice {
    /// One below `count`.
    fn of(&mut self, count: usize) -> usize {
        let chosen = self.0 % count;
        self.0 /= count;
        chosen
    }
}

fn pictures(data: &[u8]) {
    // One of the formats each time: a picture takes longer than all that is in front of it.
    let mut choice = Choice(crc32fast::hash(data) as usize);
    let format = Format::ALL[choice.of(Format::ALL.len())];
    let by = [By::Function, By::Line, By::Package][choice.of(3)];
    let filter = match choice.of(2) {
        0 => Filter::everything(),
        _ => Filter::default(),
    };
    let profile = |keeps_runs| {
        load(
            data,
            &filter,
            keeps_runs,
            &Room::of_file(data.len() as u64, None),
        )
    };
    let mut one = match profile(format.needs_times()) {
        Ok(profile) => profile,
        Err(e) => return is_harmless(&e.to_string()),
    };
    if choice.of(2) == 0 {
        one.shorten_files();
    }
    if choice.of(2) == 0 {
        one.keep_threads_apart();
    }
    let _ = stats::text(&one.summary, one.about.rate);
    draw(format, &one, by);
    if choice.of(8) == 0
        && let Ok(other) = profile(false)
    {
        let _ = compare(&other, &one, by).len();
        let picture = Picture::default();
        let _ = diff::write(&other, &one, &picture, &mut Vec::new());
    }
}

fn draw(format: Format, profile: &Profile, by: By) {
    let picture = Picture {
        by,
        title: profile.about.title.clone(),
    };
    let mut drawn = Vec::new();
    let result = render(format, profile, &picture, &mut drawn);
    if format == Format::Collapsed && result.is_ok() {
        is_harmless(std::str::from_utf8(&drawn).expect("it is text"));
    }
}
