//! A perl that exists only in memory, laid out as a table says.

use p5_spy::image::Symbol;
use p5_spy::layout::{BoundLayout, Layout, Table};
use p5_spy::memory::{Abi, FakeMemory, Field};
use p5_spy::perl::stack::{Variable, Variables};
use p5_spy::perl::values::context::PerlView;
use p5_spy::perl::values::ops::OpNumbers;

/// The subs and statements that every fake has.
pub struct Model;

impl Model {
    pub const SUBS: usize = 6;
    pub const COPS: usize = 9;

    pub fn file(cop: usize) -> String {
        format!("lib/File{}.pm", cop % 3)
    }

    pub fn line(cop: usize) -> u32 {
        100 + 7 * cop as u32
    }

    pub fn first_line(sub: usize) -> u32 {
        900 + sub as u32
    }

    const NAMES: [&'static str; Self::SUBS] = [
        "main::start",
        "Foo::Bar::run",
        "Foo::__ANON__",
        "Caf\u{e9}::men\u{fc}",
        "main::\u{65e5}\u{672c}",
        "X::y",
    ];
}

/// One context of a stack to build.
#[derive(Debug, Clone, Copy)]
pub enum Context {
    Sub {
        sub: usize,
        oldcop: usize,
    },
    Format {
        sub: usize,
        oldcop: usize,
    },
    EvalBlock {
        oldcop: usize,
    },
    EvalString {
        oldcop: usize,
    },
    Require {
        oldcop: usize,
    },
    /// Regex code in the enclosing sub: no frame. A plain block where perl has no such thing.
    FakeRegexSub {
        sub: usize,
    },
    /// try/catch: no frame. A plain block where perl has no such thing.
    Try,
    /// Some other type, no frame.
    Block(u8),
}

/// A stack to build: contexts of each stack info, the main one and the outermost first.
#[derive(Debug, Clone)]
pub struct StackModel {
    pub infos: Vec<Vec<Context>>,
    pub curcop: usize,
    pub garbage: u64,
}

#[derive(Debug, Clone, Copy)]
pub struct Sub {
    pub cv: u64,
    pub body: u64,
    /// Its name's HEK, where names are HEKs.
    pub hek: Option<u64>,
    pub name: &'static str,
}

pub struct Call {
    pub returns_to: u64,
}

#[derive(Clone)]
pub struct FakePerl {
    memory: FakeMemory,
    abi: Abi,
    layout: Layout,
    bound: BoundLayout,
    ops: OpNumbers,
    next: u64,
    random: fastrand::Rng,
    pub interpreter: u64,
    pub infos: Vec<u64>,
    pub subs: Vec<Sub>,
    cops: Vec<u64>,
    cxstacks: Vec<u64>,
    /// Where an unthreaded perl has its variables: each a global of its own.
    globals: Vec<(&'static str, u64)>,
}

const VARIABLES: [&str; 8] = [
    "Iop",
    "Icurcop",
    "Icurstackinfo",
    "Istack_sp",
    "Imarkstack_ptr",
    "Isavestack_ix",
    "Itmps_ix",
    "Icop_seqmax",
];

const OP_NAMES: [&str; 9] = [
    "null",
    "stub",
    "scope",
    "nextstate",
    "dbstate",
    "entersub",
    "leavesub",
    "return",
    "leaveeval",
];

impl FakePerl {
    pub fn build(table: &Table, stack: &StackModel) -> Self {
        let names: Vec<Option<String>> = OP_NAMES.iter().map(|n| Some((*n).to_owned())).collect();
        let mut perl = FakePerl {
            memory: FakeMemory::new(),
            abi: table.abi(),
            layout: table.layout().clone(),
            bound: table.layout().bind().unwrap(),
            ops: OpNumbers::from_names(&names).unwrap(),
            next: 0x10_0000,
            random: fastrand::Rng::with_seed(stack.garbage),
            interpreter: 0,
            infos: Vec::new(),
            subs: Vec::new(),
            cops: Vec::new(),
            cxstacks: Vec::new(),
            globals: Vec::new(),
        };
        perl.interpreter = perl.structure("interpreter");
        let bss = perl.allocate(VARIABLES.len() * 40);
        for (place, name) in VARIABLES.into_iter().enumerate() {
            perl.globals.push((name, bss + 40 * place as u64));
        }
        for cop in 0..Model::COPS {
            let made = perl.statement(&Model::file(cop), Model::line(cop), cop);
            perl.cops.push(made);
        }
        for sub in 0..Model::SUBS {
            let made = perl.sub(sub);
            perl.subs.push(made);
        }
        perl.stack(stack);
        perl
    }

    fn field(&self, structure: &str, name: &str) -> Option<Field> {
        self.layout.field(structure, name)
    }

    fn constant(&self, name: &str) -> u64 {
        self.layout.constant(name).unwrap_or(0)
    }

    /// Memory full of garbage, so that whoever reads what no table names is found out.
    fn allocate(&mut self, size: usize) -> u64 {
        let address = self.next;
        self.next += (size as u64).next_multiple_of(FakeMemory::GRAIN) + FakeMemory::GRAIN;
        let bytes = (0..size).map(|_| self.random.u8(..)).collect();
        self.memory.map(address, bytes);
        address
    }

    fn structure(&mut self, name: &str) -> u64 {
        let end = self
            .layout
            .fields()
            .filter(|(spec, _)| spec.structure == name)
            .map(|(_, field)| field.end())
            .max();
        self.allocate(end.unwrap_or(0) + 64)
    }

    pub fn put(&mut self, base: u64, structure: &str, name: &str, value: u64) {
        let Some(field) = self.field(structure, name) else {
            return;
        };
        let abi = self.abi;
        let (start, bytes) = self.memory.segment_mut(base).unwrap();
        let at = (base - start) as usize;
        field.set(abi, &mut bytes[at..], value).unwrap();
    }

    fn put_pointer(&mut self, address: u64, value: u64) {
        let abi = self.abi;
        let (start, bytes) = self.memory.segment_mut(address).unwrap();
        let at = (address - start) as usize;
        abi.store(bytes, at, usize::from(abi.pointer_size), value)
            .unwrap();
    }

    fn c_string(&mut self, text: &[u8]) -> u64 {
        let address = self.allocate(text.len() + 1);
        let (_, bytes) = self.memory.segment_mut(address).unwrap();
        bytes[..text.len()].copy_from_slice(text);
        bytes[text.len()] = 0;
        address
    }

    fn hek(&mut self, text: &str) -> u64 {
        let latin1: Option<Vec<u8>> = text
            .chars()
            .map(|c| u8::try_from(u32::from(c)).ok())
            .collect();
        let flagged = self.layout.constant("HVhek_UTF8").is_some();
        let (bytes, flag) = match latin1 {
            Some(bytes) if flagged => (bytes, 0),
            _ => (text.as_bytes().to_vec(), self.constant("HVhek_UTF8")),
        };
        let key = self.field("hek", "hek_key").unwrap().offset as usize;
        let hek = self.allocate(key + bytes.len() + 2);
        self.put(hek, "hek", "hek_len", bytes.len() as u64);
        let (_, memory) = self.memory.segment_mut(hek).unwrap();
        memory[key..key + bytes.len()].copy_from_slice(&bytes);
        memory[key + bytes.len()] = 0;
        memory[key + bytes.len() + 1] = flag as u8;
        hek
    }

    /// A value's head with a body of its own.
    fn value(&mut self, flags: u64, body: &str) -> (u64, u64) {
        let head = self.allocate(32);
        let body = self.structure(body);
        self.put(head, "sv", "sv_any", body);
        self.put(head, "sv", "sv_flags", flags);
        (head, body)
    }

    fn put_sv_u(&mut self, head: u64, value: u64) {
        if let Some(place) = self.field("sv", "sv_u") {
            self.put_pointer(head + u64::from(place.offset), value);
        }
    }

    fn stash(&mut self, name: &str) -> u64 {
        let flags = self.constant("SVt_PVHV") | self.constant("SVf_OOK");
        let (head, body) = self.value(flags, "xpvhv");
        if self.field("xpvhv", "xhv_name").is_some() {
            let text = self.c_string(name.as_bytes());
            self.put(body, "xpvhv", "xhv_name", text);
            return head;
        }
        let hek = self.hek(name);
        let aux = match self.field("xpvhv_with_aux", "xhv_aux") {
            Some(place) => {
                let whole = self.allocate(place.offset as usize + 128);
                self.put(head, "sv", "sv_any", whole);
                whole + u64::from(place.offset)
            }
            None => {
                let width = u64::from(self.abi.pointer_size);
                self.put(body, "xpvhv", "xhv_max", 7);
                let array = self.allocate(8 * width as usize + 128);
                self.put_sv_u(head, array);
                array + 8 * width
            }
        };
        self.put(aux, "xpvhv_aux", "xhv_name_u", hek);
        self.put(aux, "xpvhv_aux", "xhv_name_count", 0);
        head
    }

    fn glob(&mut self, stash: u64, name: &str) -> (u64, Option<u64>) {
        let flags = self.constant("SVt_PVGV") | self.constant("SVpgv_GP");
        let (head, body) = self.value(flags, "xpvgv");
        let gp = self.structure("gp");
        self.put(gp, "gp", "gp_egv", head);
        match self.field("xpvgv", "xgv_gp") {
            Some(_) => self.put(body, "xpvgv", "xgv_gp", gp),
            None => self.put_sv_u(head, gp),
        }
        self.put(body, "xpvgv", "xgv_stash", stash);
        let hek = self.field("xpvgv", "xgv_namehek").map(|_| self.hek(name));
        match hek {
            Some(hek) => self.put(body, "xpvgv", "xgv_namehek", hek),
            None => {
                let text = self.c_string(name.as_bytes());
                self.put(body, "xpvgv", "xgv_name", text);
                self.put(body, "xpvgv", "xgv_namelen", name.len() as u64);
            }
        }
        (head, hek)
    }

    /// Odd subs are named by a HEK where perl can do that, the others by a glob.
    fn sub(&mut self, index: usize) -> Sub {
        let name = Model::NAMES[index];
        let (package, own) = name.rsplit_once("::").unwrap();
        let stash = self.stash(package);
        let (cv, body) = self.value(self.constant("SVt_PVCV"), "xpvcv");
        let named = index % 2 == 1 && self.layout.constant("CVf_NAMED").is_some();
        let (gv, hek) = if named {
            let hek = self.hek(own);
            (hek, Some(hek))
        } else {
            self.glob(stash, own)
        };
        let first = self.statement("first.pm", Model::first_line(index), 50 + index);
        self.put(body, "xpvcv", "xcv_gv", gv);
        self.put(body, "xpvcv", "xcv_stash", stash);
        self.put(
            body,
            "xpvcv",
            "xcv_flags",
            if named { self.constant("CVf_NAMED") } else { 0 },
        );
        self.put(body, "xpvcv", "xcv_start", first);
        self.put(body, "xpvcv", "xcv_root", 0x1234);
        Sub {
            cv,
            body,
            hek,
            name,
        }
    }

    fn op(&mut self, op_type: &str) -> u64 {
        let op = self.allocate(128);
        self.put(op, "op", "op_type", number(op_type));
        self.put(op, "op", "op_flags", 0);
        self.put(op, "op", "op_sibling", 0);
        self.put(op, "op", "op_moresib", 0);
        self.put(op, "op", "op_targ", 0);
        op
    }

    fn statement(&mut self, file: &str, line: u32, seq: usize) -> u64 {
        let cop = self.op("nextstate");
        self.put(cop, "cop", "cop_line", u64::from(line));
        self.put(cop, "cop", "cop_seq", seq as u64);
        if self.field("cop", "cop_file").is_some() {
            let text = self.c_string(file.as_bytes());
            self.put(cop, "cop", "cop_file", text);
        } else {
            let (glob, _) = self.glob(0, &format!("_<{file}"));
            self.put(cop, "cop", "cop_filegv", glob);
        }
        cop
    }

    fn stack(&mut self, stack: &StackModel) {
        let size = self.field("context", "sizeof").unwrap().offset as usize;
        let mut below = 0;
        for (index, contexts) in stack.infos.iter().enumerate() {
            let info = self.structure("stackinfo");
            let room = contexts.len() + 3;
            let cxstack = self.allocate(room * size);
            self.put(info, "stackinfo", "si_cxstack", cxstack);
            self.put(
                info,
                "stackinfo",
                "si_cxix",
                (contexts.len() as u64).wrapping_sub(1),
            );
            self.put(info, "stackinfo", "si_cxmax", room as u64 - 1);
            let newest = contexts.iter().rposition(|c| match c {
                Context::FakeRegexSub { .. } => self.layout.constant("CXp_SUB_RE_FAKE").is_some(),
                Context::Try | Context::Block(_) => false,
                _ => true,
            });
            let newest = newest.map_or(u64::MAX, |index| index as u64);
            self.put(info, "stackinfo", "si_cxsubix", newest);
            let main = self.constant("PERLSI_MAIN");
            self.put(
                info,
                "stackinfo",
                "si_type",
                if index == 0 { main } else { main + 2 },
            );
            self.put(info, "stackinfo", "si_prev", below);
            self.put(info, "stackinfo", "si_next", 0);
            if below != 0 {
                self.put(below, "stackinfo", "si_next", info);
            }
            for (place, context) in contexts.iter().enumerate() {
                self.context_at(cxstack + (place * size) as u64, context);
            }
            below = info;
            self.infos.push(info);
            self.cxstacks.push(cxstack);
        }
        for (index, sub) in self.subs.clone().into_iter().enumerate() {
            let calls = stack.infos.iter().flatten();
            let depth = calls.filter(|c| matches!(c, Context::Sub { sub, .. } | Context::Format { sub, .. } if *sub == index));
            self.set_depth(sub, depth.count() as u64);
        }
        let curcop = self.cops[stack.curcop];
        for (name, value) in [("Icurstackinfo", below), ("Icurcop", curcop), ("Iop", 0)] {
            self.put_variable(name, value);
        }
    }

    fn context_at(&mut self, at: u64, context: &Context) {
        let number = |name: &str| self.constant(name);
        let reserved = ["CXt_SUB", "CXt_FORMAT", "CXt_EVAL"].map(number);
        let block = |wanted: u8| {
            let types = self.layout.constant("CXt_LAST").unwrap_or(13).min(13);
            (0..=types)
                .cycle()
                .skip(usize::from(wanted))
                .find(|t| !reserved.contains(t))
                .unwrap()
        };
        let flag = |name: &str| self.layout.constant(name);
        let (word, sub, oldcop) = match *context {
            Context::Sub { sub, oldcop } => (number("CXt_SUB"), Some(sub), oldcop),
            Context::Format { sub, oldcop } => (number("CXt_FORMAT"), Some(sub), oldcop),
            Context::EvalBlock { oldcop } => {
                (number("CXt_EVAL") | number("CXp_TRYBLOCK"), None, oldcop)
            }
            Context::EvalString { oldcop } => {
                (number("CXt_EVAL") | number("CXp_REAL"), None, oldcop)
            }
            Context::Require { oldcop } => (number("CXt_EVAL"), None, oldcop),
            Context::FakeRegexSub { sub } => match flag("CXp_SUB_RE_FAKE") {
                Some(fake) => (number("CXt_SUB") | fake, Some(sub), 0),
                None => (block(3), None, 0),
            },
            Context::Try => match flag("CXp_TRY") {
                Some(bit) => (number("CXt_EVAL") | bit | number("CXp_TRYBLOCK"), None, 0),
                None => (block(5), None, 0),
            },
            Context::Block(wanted) => (block(wanted), None, 0),
        };
        let oldcop = self.cops[oldcop];
        // The members of evals and subs overlap: only those of the right kind are set.
        if matches!(context, Context::Require { .. }) {
            self.put(at, "context", "blk_eval_old_namesv", 0);
        }
        if let Some(sub) = sub {
            let cv = self.subs[sub].cv;
            self.put(at, "context", "blk_sub_cv", cv);
            self.put(at, "context", "blk_sub_retop", 0);
        } else {
            self.put(at, "context", "blk_eval_retop", 0);
        }
        self.put(at, "context", "blk_oldcop", oldcop);
        self.put(at, "context", "cx_type", word);
    }

    /// What `caller` would say of the stack.
    pub fn expected(&self, stack: &StackModel) -> Vec<(String, String, u32)> {
        let place = |cop: usize| (Model::file(cop), Model::line(cop));
        let frames: Vec<(Option<usize>, String, usize)> = stack
            .infos
            .iter()
            .flatten()
            .rev()
            .filter_map(|context| match *context {
                Context::Sub { sub, oldcop } => {
                    Some((Some(sub), Model::NAMES[sub].to_owned(), oldcop))
                }
                Context::Format { sub, oldcop } => {
                    Some((None, Model::NAMES[sub].to_owned(), oldcop))
                }
                Context::EvalBlock { oldcop }
                | Context::EvalString { oldcop }
                | Context::Require { oldcop } => Some((None, "(eval)".to_owned(), oldcop)),
                _ => None,
            })
            .collect();
        let mut position = place(stack.curcop);
        let mut expected = Vec::new();
        for (index, (sub, name, oldcop)) in frames.iter().enumerate() {
            if let (0, Some(sub)) = (index, sub) {
                let caller = stack_cv(&frames, index + 1);
                if stack.curcop == *oldcop && caller != Some(*sub) {
                    position = ("first.pm".to_owned(), Model::first_line(*sub));
                }
            }
            expected.push((name.clone(), position.0, position.1));
            position = place(*oldcop);
        }
        expected.push(("(main)".to_owned(), position.0, position.1));
        expected
    }

    pub fn set_depth(&mut self, sub: Sub, depth: u64) {
        self.put(sub.body, "xpvcv", "xcv_depth", depth);
    }

    /// Makes the interpreter execute an op of that name.
    pub fn set_op(&mut self, name: &str) {
        let op = self.op(name);
        self.put_variable("Iop", op);
    }

    pub fn memory(&self) -> &FakeMemory {
        &self.memory
    }

    /// `PL_op_name`, as a perl has it in its data.
    pub fn op_names(&mut self) -> Symbol {
        let width = u64::from(self.abi.pointer_size);
        let address = self.allocate(OP_NAMES.len() * width as usize);
        for (place, name) in OP_NAMES.iter().enumerate() {
            let text = self.c_string(name.as_bytes());
            self.put_pointer(address + place as u64 * width, text);
        }
        let size = OP_NAMES.len() as u64 * width;
        Symbol { address, size }
    }

    /// Ops that run from a statement up to one that ends the code, and the first and the last of
    /// them.
    pub fn plant_ops(&mut self, cop: usize) -> [u64; 2] {
        let ops = ["stub", "entersub", "leaveeval"].map(|name| self.op(name));
        let chain = [self.cops[cop], ops[0], ops[1], ops[2], 0];
        for pair in chain.windows(2) {
            self.put(pair[0], "op", "op_next", pair[1]);
        }
        [ops[0], ops[2]]
    }

    /// The data of an unthreaded perl: where its variables are, and what it may have beside them.
    pub fn data(&self) -> (u64, u64) {
        let first = self.globals.first().unwrap().1;
        (first, first + VARIABLES.len() as u64 * 40)
    }

    /// Puts a word beside a variable of that data.
    pub fn put_beside(&mut self, variable: usize, value: u64) {
        let width = u64::from(self.abi.pointer_size);
        self.put_pointer(self.globals[variable].1 + 2 * width, value);
    }

    pub fn cop(&self, cop: usize) -> u64 {
        self.cops[cop]
    }

    /// Where an unthreaded perl has a variable.
    pub fn global(&self, name: &str) -> u64 {
        self.globals.iter().find(|(n, _)| *n == name).unwrap().1
    }

    /// Whether contexts say where their sub returns to.
    pub fn has_retops(&self) -> bool {
        self.field("context", "blk_sub_retop").is_some()
    }

    /// Sets where the sub in a context of the main stack info returns to.
    pub fn set_retop(&mut self, context: usize, op: u64) {
        let size = u64::from(self.field("context", "sizeof").unwrap().offset);
        self.put(
            self.cxstacks[0] + context as u64 * size,
            "context",
            "blk_sub_retop",
            op,
        );
    }

    /// Puts an op tree behind a statement: a parent whose children are a statement that was
    /// optimised away, on `line`, and a call.
    pub fn plant_statement(&mut self, cop: usize, line: u32) -> Call {
        let (parent, nulled, call, after) = (
            self.op("null"),
            self.op("null"),
            self.op("entersub"),
            self.op("stub"),
        );
        let cop = self.cops[cop];
        for (op, sibling) in [(cop, parent), (nulled, call)] {
            self.put(op, "op", "op_sibling", sibling);
            self.put(op, "op", "op_moresib", 1);
        }
        self.put(parent, "op", "op_flags", self.constant("OPf_KIDS"));
        self.put(parent, "unop", "op_first", nulled);
        self.put(parent, "op", "op_next", 0);
        self.put(nulled, "op", "op_next", call);
        self.put(nulled, "op", "op_targ", number("nextstate"));
        self.put(nulled, "cop", "cop_line", u64::from(line));
        self.put(call, "op", "op_next", after);
        Call { returns_to: after }
    }

    /// Overwrites eight bytes somewhere.
    pub fn damage(&mut self, segment: usize, offset: usize, value: u64) {
        let ranges: Vec<(u64, u64)> = self.memory.ranges().collect();
        let (start, length) = ranges[segment % ranges.len()];
        let at = start + (offset % (length - 7) as usize) as u64;
        // Half of the damage is a pointer to something that exists: that leads further astray.
        let value = if value & 1 == 0 {
            ranges[(value >> 1) as usize % ranges.len()].0
        } else {
            value
        };
        self.put_pointer(at, value);
    }

    fn variable(&self, name: &str) -> Variable {
        if let Some(field) = self.field("interpreter", name) {
            return Variable {
                address: self.interpreter + u64::from(field.offset),
                size: field.size,
            };
        }
        let (_, address) = self.globals.iter().find(|(n, _)| *n == name).unwrap();
        Variable {
            address: *address,
            size: self.abi.pointer_size,
        }
    }

    pub fn put_variable(&mut self, name: &str, value: u64) {
        let address = self.variable(name).address;
        self.put_pointer(address, value);
    }

    /// What a perl has as globals that has no threads.
    pub fn variable_names() -> [&'static str; 8] {
        VARIABLES
    }

    /// The word that a variable holds.
    pub fn word_of(&self, name: &str) -> u64 {
        let address = self.variable(name).address;
        let reader = p5_spy::memory::Reader::new(&self.memory, self.abi);
        reader.uint(address, 8).unwrap()
    }

    /// Maps something else beside it.
    pub fn map(&mut self, address: u64, bytes: Vec<u8>) {
        self.memory.map(address, bytes);
    }

    /// Writes a number of so many bytes.
    pub fn put_number(&mut self, address: u64, value: u64, size: usize) {
        let (start, bytes) = self.memory.segment_mut(address).unwrap();
        let at = (address - start) as usize;
        bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
    }

    pub fn variables(&self) -> Variables {
        let variable = |name: &str| self.variable(name);
        Variables {
            op: Some(variable("Iop")),
            curcop: variable("Icurcop"),
            curstackinfo: variable("Icurstackinfo"),
            stack_sp: variable("Istack_sp"),
            markstack_ptr: variable("Imarkstack_ptr"),
            savestack_ix: variable("Isavestack_ix"),
            tmps_ix: variable("Itmps_ix"),
            cop_seqmax: Some(variable("Icop_seqmax")),
            compiling: Default::default(),
        }
    }

    pub fn context(&self) -> PerlView<'_> {
        PerlView {
            memory: &self.memory,
            abi: self.abi,
            layout: &self.bound,
            ops: &self.ops,
            compiling: 0,
            pads: None,
        }
    }
}

fn number(op_name: &str) -> u64 {
    OP_NAMES.iter().position(|n| *n == op_name).unwrap() as u64
}

/// The sub or format of a reported frame.
fn stack_cv(frames: &[(Option<usize>, String, usize)], index: usize) -> Option<usize> {
    let (_, name, _) = frames.get(index)?;
    Model::NAMES.iter().position(|n| n == name)
}
