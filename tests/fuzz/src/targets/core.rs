//! Core files, and C stacks by what a hostile file says of unwinding.

use super::file::TempFile;
use super::is_harmless;
use p5_spy::attach::{ProcessView, inferior_of};
use p5_spy::corefile::{CoreFile, CoreProcess};
use p5_spy::image::Image;
use p5_spy::layout::Sources;
use p5_spy::memory::{Abi, Batch, FakeMemory, Memory};
use p5_spy::native::{
    CodeSection, EntryKind, Modules, NativeLevel, Processor, Register, Registers, Unwinder,
    native_stack, shown, weave,
};
use p5_spy::platform::{MappedFile, Mapping};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// As `dump --core` does, without a single file of its process.
pub fn core(data: &[u8]) {
    static SOURCES: LazyLock<Sources> = LazyLock::new(|| Sources {
        debug: None,
        ..Sources::built_in()
    });
    let file = TempFile::new(data);
    let opened = match CoreFile::of(Path::new("/nonexistent/core"), file.open()) {
        Ok(opened) => opened,
        Err(e) => return is_harmless(&e.to_string()),
    };
    let abi = opened.abi;
    let nowhere = Path::new("/nonexistent");
    let (process, memory) = CoreProcess::new(opened, Some(nowhere), None);
    if let Some(ending) = process.ending() {
        is_harmless(&ending.describe());
    }
    let mut batch = Batch::new();
    for map in process.mappings().expect("a list").iter().take(64) {
        batch.push(map.start, 64);
        batch.push(map.end.wrapping_sub(32), 64);
    }
    memory
        .fill(&mut batch)
        .expect("what is not there is left out");
    let files = process.mapped_programs().expect("a list");
    let modules = Modules::new(files, Box::new(|_| None), None);
    for thread in process.threads().iter().take(8) {
        if let Some(registers) = &thread.registers {
            let stack = native_stack(&memory, abi, &modules, registers);
            assert!(stack.frames.len() < 1000);
        }
    }
    let process = Arc::new(process);
    if let Err(e) = inferior_of(process, Arc::new(memory), &SOURCES, &mut |_| {}) {
        let _ = e.to_string();
    }
}

/// The file of a program with frames of its own, and a stack that leads through it.
pub fn unwind(data: &[u8]) {
    const BASE: u64 = 0x5555_0000;
    const STACK: u64 = 0x7fff_0000;
    let file = TempFile::new(data);
    let Ok(image) = Image::open(Path::new("/nonexistent/program"), file.path()) else {
        return;
    };
    let abi = image.abi();
    let map = Mapping {
        start: BASE,
        end: BASE + 0x100_0000,
        file_offset: 0,
        writable: false,
        executable: true,
        anonymous: false,
        heap: false,
    };
    let mapped = MappedFile {
        path: "/nonexistent/program".into(),
        maps: vec![map],
        deleted: false,
        inode: 0,
        device: String::new(),
    };
    let bias = image.load_bias(&[map]).unwrap_or(BASE);
    let mut memory = FakeMemory::new();
    let words = (0..512_u64).flat_map(|n| {
        // Addresses of code and of the stack in turns.
        let word = match n % 3 {
            0 => STACK + n * 8,
            _ => bias.wrapping_add(n.wrapping_mul(0x9e37) % 0x8000),
        };
        word.to_le_bytes()
    });
    memory.map(STACK, words.collect());
    let shared = image.clone();
    let shared_again = image.clone();
    let modules = Modules::new(
        vec![mapped.clone()],
        Box::new(move |_| Some(shared.clone())),
        None,
    );
    let processors = [Processor::X86_64, Processor::I386, Processor::Aarch64];
    for (at, processor) in processors.into_iter().cycle().take(24).enumerate() {
        let pc = bias.wrapping_add((at as u64).wrapping_mul(0x333) % 0x8000);
        let abi = Abi {
            pointer_size: if processor == Processor::I386 { 4 } else { 8 },
            ..abi
        };
        let mut registers = Registers::new(processor, pc, STACK + 64);
        registers.set(Register(6), Some(STACK + 128));
        registers.set(Register(29), Some(STACK + 128));
        let stack = native_stack(&memory, abi, &modules, &registers);
        for function in stack.frames.iter().filter_map(|f| f.function.as_ref()) {
            is_harmless(function);
        }
        let open = shared_again.clone();
        let again = Modules::new(
            vec![mapped.clone()],
            Box::new(move |_| Some(open.clone())),
            None,
        );
        let mut unwinder = Unwinder::new(again);
        for whole in [false, true] {
            let code = unwinder.code(&memory, abi, &registers, whole, &mut Vec::new);
            let Ok(code) = code else { continue };
            let sections = [CodeSection::Op, CodeSection::Xsub, CodeSection::Outer];
            for (section, level) in sections
                .into_iter()
                .flat_map(|section| [NativeLevel::Calls, NativeLevel::All].map(|l| (section, l)))
            {
                for frame in shown(&code.frames, section, level) {
                    is_harmless(&frame.label);
                }
            }
            let loops = code.loops.unwrap_or_default();
            for kind in [EntryKind::Call, EntryKind::MaybeCall, EntryKind::Multicall] {
                for count in 0..4 {
                    let woven = weave(&loops, &vec![kind; count], whole);
                    assert!(woven.is_none_or(|woven| woven.len() == count));
                }
            }
        }
    }
}
