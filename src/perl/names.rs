//! From addresses to names: CV, GV, HEK and COP into text. Everything is cached, and what is
//! cached is compared with the target at every use: perl frees and reuses these structures.

pub use super::frame::{Frame, FrameId, FrameKind, FrameTable, UNKNOWN};
use super::objects::{BodySpan, CopCheck, Cv, CvCheck};
pub use super::objects::{NameContext, NameError};
use super::recheck::Recheck;
use super::stack::StackReader;
use super::statement::StatementTree;
use super::walk::{ContextKind, Position, RawFrame};
use indexmap::IndexSet;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Cached entries, each under 200 bytes, before everything is forgotten.
const MAX_CACHED: usize = 1 << 18;

/// One of the strings of a [`Names`].
type StringId = u32;

#[derive(Debug, Clone)]
struct CopEntry {
    check: CopCheck,
    file: StringId,
    /// `None` until somebody asks.
    tree: Option<Arc<StatementTree>>,
}

#[derive(Debug, Clone, Copy)]
struct CvEntry {
    check: CvCheck,
    name: StringId,
    /// The first statement; `None` until somebody asks, 0 where there is none.
    first_statement: Option<u64>,
    /// `CvDEPTH` as last read.
    depth: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct FrameKey {
    kind: FrameKind,
    name: StringId,
    detail: Option<StringId>,
    file: StringId,
    line: u32,
}

/// Names and lines of the frames of one process.
#[derive(Debug, Default)]
pub struct Names {
    cops: HashMap<u64, CopEntry>,
    cvs: HashMap<u64, CvEntry>,
    strings: IndexSet<Arc<str>>,
    frames: HashMap<FrameKey, FrameId>,
    asked: HashSet<u64>,
    learned_cops: Vec<u64>,
    learned_cvs: Vec<u64>,
    has_replaced: bool,
    merge_evals: bool,
}

impl Names {
    /// Nothing cached yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Like [`Names::new`], but every string eval is in a file called `(eval)`: perl numbers
    /// them, and a program that compiles one again and again would have no two stacks alike.
    pub fn merging_evals() -> Self {
        Names {
            merge_evals: true,
            ..Self::default()
        }
    }

    fn file_string(&mut self, file: &str) -> StringId {
        let merged = if self.merge_evals {
            merged_file(file)
        } else {
            file
        };
        self.string(merged)
    }

    /// Compares what is cached of the subs and statements of some frames with the target, and
    /// learns what is not cached. `copy` is the copy of the stack that they come from, made with the
    /// ranges of `recheck`.
    ///
    /// # Errors
    /// [`NameError`] when a structure is not what it should be.
    pub fn verify(
        &mut self,
        target: &NameContext<'_>,
        frames: &[RawFrame],
        copy: &StackReader,
        recheck: &mut Recheck,
    ) -> Result<(), NameError> {
        self.learned_cops.clear();
        self.learned_cvs.clear();
        self.has_replaced = false;
        if self.cops.len() + self.cvs.len() > MAX_CACHED {
            self.cops.clear();
            self.cvs.clear();
        }
        recheck.begin();
        // Recursion puts the same CV and the same COP on the stack again and again.
        self.asked.clear();
        for frame in frames {
            if frame.cv != 0 && self.asked.insert(frame.cv) {
                let body = self.cvs.get(&frame.cv).map(|entry| entry.check.any);
                recheck.need_sub(frame.cv, body);
            }
            let cop = frame.position.cop;
            if cop != 0 && self.asked.insert(cop) {
                recheck.need_statement(cop);
            }
        }
        recheck.read(target)?;
        for (cv, head, body) in recheck.subs(copy) {
            self.verify_sub(target, cv, head?, body)?;
        }
        for (cop, bytes) in recheck.statements(copy) {
            self.verify_statement(target, cop, target.cop_check(bytes?)?)?;
        }
        recheck.end();
        Ok(())
    }

    /// True when something was learned since [`Names::verify`] began: then the caller has to make
    /// sure that the target has not moved meanwhile.
    pub fn has_learned(&self) -> bool {
        !self.learned_cops.is_empty() || !self.learned_cvs.is_empty()
    }

    /// True when something that was known turned out to be another since [`Names::verify`] began.
    pub fn has_replaced(&self) -> bool {
        self.has_replaced
    }

    /// Takes back what was learned since [`Names::verify`] began.
    pub fn forget_learned(&mut self) {
        for cop in self.learned_cops.drain(..) {
            self.cops.remove(&cop);
        }
        for cv in self.learned_cvs.drain(..) {
            self.cvs.remove(&cv);
        }
    }

    /// `CvDEPTH` of a sub of the stack verified last.
    pub fn depth(&self, cv: u64) -> Option<u64> {
        self.cvs.get(&cv).map(|entry| entry.depth)
    }

    fn verify_sub(
        &mut self,
        target: &NameContext<'_>,
        cv: u64,
        head: &[u8],
        body: Option<(u64, &[u8])>,
    ) -> Result<(), NameError> {
        let span = BodySpan::of_cv(target.layout);
        let any = target.get(target.layout.sv.sv_any, head)?;
        let fetched;
        let body = match body {
            Some((known, bytes)) if known == any => bytes,
            _ => {
                let start = any.wrapping_add(span.start as u64);
                fetched = target.reader().bytes(start, span.length)?;
                &fetched
            }
        };
        let start = span.start;
        let sub = Cv { head, body, start };
        let check = sub.check(target)?;
        let depth = sub.get(target, target.layout.xpvcv.xcv_depth)?;
        match self.cvs.get_mut(&cv) {
            Some(entry) if entry.check == check => entry.depth = depth,
            _ => {
                let name = sub.name(target, &check)?;
                let entry = CvEntry {
                    check,
                    name: self.string(&name),
                    first_statement: None,
                    depth,
                };
                self.has_replaced |= self.cvs.insert(cv, entry).is_some();
                self.learned_cvs.push(cv);
            }
        }
        Ok(())
    }

    fn verify_statement(
        &mut self,
        target: &NameContext<'_>,
        cop: u64,
        check: CopCheck,
    ) -> Result<(), NameError> {
        // PL_compiling and its copies (type 0) change their file under the same address.
        let cached = self.cops.get(&cop).is_some_and(|e| e.check == check);
        if cached && check.op_type != 0 {
            return Ok(());
        }
        if check.op_type != 0 && !target.ops.is_statement(check.op_type) {
            let what = "what should be a statement is another op";
            return Err(NameError::Nonsense(what));
        }
        let file = target.file_name(check.file)?;
        let file = self.file_string(&file);
        let tree = None;
        let known = self.cops.insert(cop, CopEntry { check, file, tree });
        self.has_replaced |= known.is_some();
        self.learned_cops.push(cop);
        Ok(())
    }

    fn string(&mut self, text: &str) -> StringId {
        let known = self.strings.get_index_of(text);
        let index = known.unwrap_or_else(|| self.strings.insert_full(text.into()).0);
        StringId::try_from(index).unwrap_or(StringId::MAX)
    }

    fn text(&self, id: StringId) -> Arc<str> {
        self.strings
            .get_index(id as usize)
            .cloned()
            .unwrap_or_else(|| UNKNOWN.into())
    }

    /// One frame of a stack, outermost first, that was verified, and whether it is shown where it is
    /// going to be, as it was only just entered.
    ///
    /// # Errors
    /// [`NameError`].
    pub fn name(
        &mut self,
        target: &NameContext<'_>,
        frames: &[RawFrame],
        index: usize,
        table: &mut FrameTable,
    ) -> Result<Option<FrameId>, NameError> {
        let Some(frame) = frames.get(index) else {
            return Ok(None);
        };
        let position = if index + 1 == frames.len() {
            let below = index.checked_sub(1).and_then(|i| frames.get(i));
            self.entered_position(target, frame, below.map_or(0, |f| f.cv))?
        } else {
            frame.position
        };
        self.frame(target, frame, position, table).map(Some)
    }

    /// Where the innermost frame is. A sub that was just entered has run no statement yet, and
    /// `PL_curcop` is still its caller's: then it is at its first statement. (A call from within
    /// the same sub looks the same when it is legitimate, so that is taken as it is.)
    fn entered_position(
        &mut self,
        target: &NameContext<'_>,
        frame: &RawFrame,
        caller: u64,
    ) -> Result<Position, NameError> {
        let entered = frame.kind == ContextKind::Sub
            && frame.position.cop == frame.call_site
            && !frame.position.op_is_next
            && frame.cv != caller;
        let Some(entry) = self.cvs.get_mut(&frame.cv).filter(|_| entered) else {
            return Ok(frame.position);
        };
        let first = match entry.first_statement {
            Some(first) => first,
            None => {
                let any = entry.check.any;
                let first = target.first_statement(any)?.unwrap_or(0);
                entry.first_statement = Some(first);
                self.learned_cvs.push(frame.cv);
                first
            }
        };
        if first == 0 {
            return Ok(frame.position);
        }
        self.learn_statement(target, first)?;
        Ok(Position {
            cop: first,
            op: 0,
            op_is_next: false,
        })
    }

    fn learn_statement(&mut self, target: &NameContext<'_>, cop: u64) -> Result<(), NameError> {
        let size = target.layout.cop.span().max(target.layout.op.span());
        let bytes = target.reader().bytes(cop, size)?;
        self.verify_statement(target, cop, target.cop_check(&bytes)?)
    }

    fn frame(
        &mut self,
        target: &NameContext<'_>,
        frame: &RawFrame,
        position: Position,
        table: &mut FrameTable,
    ) -> Result<FrameId, NameError> {
        let (file, line) = self.place(target, position)?;
        let (kind, name, detail) = match frame.kind {
            ContextKind::Main => (FrameKind::Main, self.string("(main)"), None),
            ContextKind::Sub | ContextKind::Format => {
                let kind = if frame.kind == ContextKind::Sub {
                    FrameKind::Sub
                } else {
                    FrameKind::Format
                };
                let name = self.cvs.get(&frame.cv).map(|entry| entry.name);
                (kind, name.unwrap_or_else(|| self.string(UNKNOWN)), None)
            }
            ContextKind::EvalBlock => (
                FrameKind::Eval,
                self.string("(eval)"),
                Some(self.string("block")),
            ),
            ContextKind::EvalString => (
                FrameKind::Eval,
                self.string("(eval)"),
                Some(self.string("string")),
            ),
            ContextKind::Require => {
                let detail = target.string_value(frame.namesv).unwrap_or(None);
                let detail = detail.map(|text| self.string(&text));
                (FrameKind::Require, self.string("(eval)"), detail)
            }
        };
        Ok(self.intern(
            FrameKey {
                kind,
                name,
                detail,
                file,
                line,
            },
            table,
        ))
    }

    fn intern(&mut self, key: FrameKey, table: &mut FrameTable) -> FrameId {
        if let Some(id) = self.frames.get(&key) {
            return *id;
        }
        let id = table.intern(Frame {
            kind: key.kind,
            name: self.text(key.name),
            detail: key.detail.map(|d| self.text(d)),
            file: self.text(key.file),
            line: key.line,
        });
        self.frames.insert(key, id);
        id
    }

    /// File and line of a position, the line refined within the statement.
    fn place(
        &mut self,
        target: &NameContext<'_>,
        position: Position,
    ) -> Result<(StringId, u32), NameError> {
        let Some(entry) = self.cops.get(&position.cop) else {
            return Ok((self.string(UNKNOWN), 0));
        };
        let (file, own) = (entry.file, entry.check.line);
        // Copies of PL_compiling have no op tree behind them.
        let plain =
            position.op == 0 || entry.check.op_type == 0 || position.cop == target.compiling;
        let line = if plain {
            own
        } else {
            let tree = match &entry.tree {
                Some(tree) => tree.clone(),
                None => {
                    let tree = Arc::new(target.statement_tree(position.cop)?);
                    if let Some(entry) = self.cops.get_mut(&position.cop) {
                        entry.tree = Some(tree.clone());
                    }
                    self.learned_cops.push(position.cop);
                    tree
                }
            };
            tree.line_of(position.op, position.op_is_next)
                .unwrap_or(own)
        };
        Ok((file, u32::try_from(line).unwrap_or(u32::MAX)))
    }
}

/// The name of a string eval's file without its number: `(eval 17)` (pp_entereval, pp_ctl.c) and
/// before 5.18 `(re_eval 17)` (regcomp.c).
fn merged_file(file: &str) -> &str {
    let number = |kind: &str| file.strip_prefix(kind)?.strip_suffix(')');
    let is_number = |text: Option<&str>| {
        text.is_some_and(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit()))
    };
    if is_number(number("(eval ")) {
        "(eval)"
    } else if is_number(number("(re_eval ")) {
        "(re_eval)"
    } else {
        file
    }
}

#[cfg(test)]
mod tests {
    use super::merged_file;

    #[test]
    fn only_what_perl_numbers_is_merged() {
        assert_eq!(merged_file("(eval 17)"), "(eval)");
        assert_eq!(merged_file("(re_eval 3)"), "(re_eval)");
        for other in [
            "(eval )",
            "(eval 1",
            "(eval x)",
            "lib/(eval 1).pm",
            "(eval 1)[a.pl:3]",
        ] {
            assert_eq!(merged_file(other), other);
        }
    }
}
