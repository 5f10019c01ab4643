//! Entries of the cache, which anybody could have written who may write into the user's folder.

use super::{is_harmless, replay};
use p5_spy::fuzzing::{cache_entry, write_cache_entry};

/// As it is, and with a checksum that is right.
pub fn entry(data: &[u8]) {
    read(data);
    let Some(body) = data.get(4..) else { return };
    let mut whole = crc32fast::hash(body).to_le_bytes().to_vec();
    whole.extend_from_slice(body);
    read(&whole);
}

fn read(data: &[u8]) {
    let Some(cached) = cache_entry(data) else {
        return;
    };
    is_harmless(&cached.identity.to_string());
    is_harmless(&cached.resolved.source.short());
    let again = write_cache_entry(&cached).expect("what was read is written");
    let again = cache_entry(&again).expect("what is written is read");
    assert_eq!(again.identity, cached.identity);
    assert_eq!(again.symbols.len(), cached.symbols.len());
    replay::hold_against(&cached.resolved, cached.identity.abi);
}
