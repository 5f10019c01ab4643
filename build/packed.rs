//! What the program rarely needs is packed: texts of many kilobytes, which are a tenth of that then.

use flate2::{Compress, Compression, FlushCompress, Status};
use std::env::var;
use std::path::{Path, PathBuf};

/// The parts of the report's script, in the order in which they need each other.
const SCRIPT: [&str; 13] = [
    "tools",
    "model",
    "view",
    "table",
    "timeline",
    "overview",
    "functions",
    "flame",
    "perl",
    "source",
    "threads",
    "ops",
    "main",
];

/// Writes the files of the report, packed.
pub fn report() {
    let folder = Path::new("src/output/html");
    let read = |name: &str| {
        let path = folder.join(name);
        println!("cargo:rerun-if-changed={}", path.display());
        std::fs::read_to_string(path).expect("a part of the report")
    };
    let parts = SCRIPT.map(|name| read(&format!("script/{name}.js")));
    let script = format!("\"use strict\";\n(() => {{\n{}}})();\n", parts.concat());
    write("style.css.packed", &packed("", &read("style.css")));
    write("page.html.packed", &packed("", &read("page.html")));
    write("script.js.packed", &packed("", &script));
}

/// The end of a stream that would have begun with `before`; of such that begin alike, each is small.
pub fn packed(before: &str, text: &str) -> Vec<u8> {
    let mut stream = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(before.len() + text.len() + 1024);
    add(&mut stream, before, FlushCompress::Sync, &mut out);
    let from = out.len();
    add(&mut stream, text, FlushCompress::Finish, &mut out);
    out.split_off(from)
}

/// The beginning that [`packed`] leaves out.
pub fn beginning(before: &str) -> Vec<u8> {
    let mut stream = Compress::new(Compression::best(), false);
    let mut out = Vec::with_capacity(before.len() + 1024);
    add(&mut stream, before, FlushCompress::Sync, &mut out);
    out
}

fn add(stream: &mut Compress, text: &str, flush: FlushCompress, out: &mut Vec<u8>) {
    let from = stream.total_in();
    let room = out.capacity();
    let status = stream.compress_vec(text.as_bytes(), out, flush);
    let is_whole = stream.total_in() - from == text.len() as u64 && out.len() < room;
    assert!(
        is_whole && matches!(status, Ok(Status::Ok | Status::StreamEnd)),
        "{status:?}"
    );
}

/// Writes a file of the build.
pub fn write(name: &str, bytes: &[u8]) {
    let out = PathBuf::from(var("OUT_DIR").expect("cargo names it"));
    std::fs::write(out.join(name), bytes).expect("it is written");
}
