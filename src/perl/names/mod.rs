//! From addresses to names: CV, GV, HEK and COP into text. Everything is cached, and what is
//! cached is compared with the target at every use: perl frees and reuses these structures.

pub(in crate::perl) mod callback;
pub(in crate::perl) mod naming;
pub(in crate::perl) mod recheck;

use super::leaf::level::LeafLevel;
use super::stack::StackReader;
use super::stack::walk::{ContextKind, Position, RawFrame};
use super::values::objects::{BodySpan, CopCheck, Cv, CvCheck};
use super::values::statement::StatementTree;
use crate::frames::label::{Naming, eval_number, merged_file};
use crate::frames::{FrameId, UNKNOWN};
use crate::hash::{Map, OrderedSet, Set};
use crate::perl::values::context::{NameError, PerlView};
pub use callback::Synthetic;
use naming::FrameKey;
pub use naming::NamedStack;
use recheck::Recheck;
use std::sync::Arc;

/// Cached entries, each under 200 bytes, before everything is forgotten.
const MAX_CACHED: usize = 1 << 18;

/// One of the strings of a [`Names`].
pub(in crate::perl) type StringId = u32;

#[derive(Debug, Clone)]
pub(in crate::perl) struct CopEntry {
    pub(in crate::perl) check: CopCheck,
    file: StringId,
    /// The number of the string eval that the file is.
    eval: Option<u32>,
    /// The name of its file could be had.
    has_file: bool,
    /// `None` until somebody asks.
    tree: Option<Arc<StatementTree>>,
}

#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct CvEntry {
    check: CvCheck,
    pub(in crate::perl) name: StringId,
    /// Its name could be had.
    has_name: bool,
    /// The glob that names it does not hold it: it is anonymous, or got its name at run time. Then it
    /// may get another, and another sub may come to its address, without a compiler.
    is_given: bool,
    pub(in crate::perl) naming: Naming,
    /// `None` until somebody asks.
    first: Option<First>,
    /// What tells one without a name that a string eval made from others; `None` until somebody asks.
    made: Option<EvalSub>,
    /// `CvDEPTH` as last read.
    depth: u64,
}

/// The first statement of a sub.
#[derive(Debug, Clone, Copy)]
pub(in crate::perl) struct First {
    /// 0 where there is none.
    cop: u64,
    pub(in crate::perl) spot: SourceSpot,
}

/// What is known of a sub without a name that a string eval made.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::perl) struct EvalSub {
    /// `Package::name` of the glob in its package that holds it.
    pub(in crate::perl) kept_as: Option<StringId>,
    /// A number for what it does.
    pub(in crate::perl) fingerprint: Option<StringId>,
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::perl) struct SourceSpot {
    pub(in crate::perl) file: StringId,
    /// The number of the string eval that the file is.
    pub(in crate::perl) eval: Option<u32>,
    pub(in crate::perl) line: u32,
}

/// What a [`Names`] makes of what it reads.
#[derive(Debug, Clone, Copy, Default)]
pub struct NameOptions {
    /// Every string eval is in a file called `(eval)`: perl numbers them, and a program that
    /// compiles one again and again would have no two stacks alike.
    pub merge_evals: bool,
    /// Which frames are shown that `caller` does not give.
    pub synthetic: Synthetic,
    /// `use` is one frame, and not the three that perl makes of it.
    pub single_use: bool,
    /// What is shown on top of Perl's own frames.
    pub beyond: LeafLevel,
}

/// Names and lines of the frames of one process.
#[derive(Debug, Default)]
pub struct Names {
    pub(in crate::perl) cops: Map<u64, CopEntry>,
    pub(in crate::perl) cvs: Map<u64, CvEntry>,
    strings: OrderedSet<Arc<str>>,
    pub(in crate::perl) frames: Map<FrameKey, FrameId>,
    asked: Set<u64>,
    learned_cops: Vec<u64>,
    learned_cvs: Vec<u64>,
    has_replaced: bool,
    demands_names: bool,
    pub(in crate::perl) options: NameOptions,
}

impl Names {
    /// Nothing cached yet; frames as `caller` gives them and no others.
    pub fn new() -> Self {
        Self::with(NameOptions {
            merge_evals: false,
            single_use: false,
            synthetic: Synthetic::None,
            beyond: LeafLevel::Nothing,
        })
    }

    /// Nothing cached yet.
    pub fn with(options: NameOptions) -> Self {
        Names {
            options,
            ..Self::default()
        }
    }

    /// Whether a sub or file whose name cannot be had is an error, as with a wrong layout, and not
    /// called `(unknown)`.
    pub(in crate::perl) fn demand_names(&mut self, yes: bool) {
        self.demands_names = yes;
    }

    /// A name; `None` where it cannot be had and none is demanded.
    fn believed(&self, name: Result<String, NameError>) -> Result<Option<String>, NameError> {
        match name {
            Err(e) if !self.demands_names && e.is_of_one_object() => Ok(None),
            name => name.map(Some),
        }
    }

    fn file_string(&mut self, file: &str) -> StringId {
        let merged = if self.options.merge_evals {
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
        view: &PerlView<'_>,
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
        recheck.at(copy.cop_seqmax());
        let mut has_given = false;
        for (index, frame) in frames.iter().enumerate() {
            let cop = frame.position.cop;
            let (cv_known, cop_known) = (
                self.cvs.contains_key(&frame.cv),
                self.cops.contains_key(&cop),
            );
            // The top sub's depth is needed anew in any case.
            let is_top = index + 1 == frames.len();
            let is_given = self.is_given(frame.cv);
            has_given |= is_given;
            let sub_is_sure = !is_top && cv_known && !is_given && recheck.is_sure_of_sub(frame);
            if frame.cv != 0 && !sub_is_sure && self.asked.insert(frame.cv) {
                let body = self.cvs.get(&frame.cv).map(|entry| entry.check.any);
                recheck.need_sub(frame.cv, body);
            }
            let statement_is_sure = cop_known && recheck.is_sure_of_statement(cop);
            if cop != 0 && !statement_is_sure && self.asked.insert(cop) {
                recheck.need_statement(cop);
            }
        }
        recheck.read(view)?;
        let given = recheck.given_names(view, has_given)?;
        let named = PerlView {
            memory: &given,
            ..*view
        };
        for (cv, head, body) in recheck.subs(copy) {
            self.verify_sub(&named, cv, head?, body)?;
            self.settle(view, copy)?;
        }
        if has_given {
            recheck.keep_given_names(given.used());
        }
        for (cop, bytes) in recheck.statements(copy) {
            self.verify_statement(view, cop, view.cop_check(bytes?)?)?;
            self.settle(view, copy)?;
        }
        let fleeting = |cop: u64| self.is_fleeting(cop);
        recheck.end(frames, &fleeting);
        Ok(())
    }

    /// Whether the statement `here` is within the eval BLOCK of the statement `outer` that goes on at
    /// the op `next`.
    pub(in crate::perl) fn is_in_eval(
        &mut self,
        view: &PerlView<'_>,
        outer: u64,
        next: u64,
        here: u64,
    ) -> Result<bool, NameError> {
        self.know_statement(view, outer)?;
        let tree = self.tree(view, outer)?;
        Ok(tree.is_none_or(|tree| tree.is_in_eval(next, here)))
    }

    /// Whether two statements are in two files, or one of them in code that is being compiled: so
    /// are those on both sides of a string eval or a `require`.
    pub(in crate::perl) fn is_other_file(&self, one: u64, other: u64) -> bool {
        match (self.cops.get(&one), self.cops.get(&other)) {
            (Some(a), Some(b)) => {
                let compiling = a.check.op_type == 0 || b.check.op_type == 0;
                compiling || (a.file, a.eval) != (b.file, b.eval)
            }
            _ => true,
        }
    }

    /// Gets to know a statement that is not known yet.
    pub(in crate::perl) fn know_statement(
        &mut self,
        view: &PerlView<'_>,
        cop: u64,
    ) -> Result<(), NameError> {
        if self.cops.contains_key(&cop) {
            return Ok(());
        }
        self.learn_statement(view, cop)
    }

    /// True for a statement whose address always holds something else: those of code that is being
    /// compiled.
    pub(in crate::perl) fn is_fleeting(&self, cop: u64) -> bool {
        self.cops.get(&cop).is_none_or(|e| e.check.op_type == 0)
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

    /// Keeps what was learned for good if the target has not moved since the copy. To learn all of
    /// a deep stack takes longer than a program stands still, so that is done in portions.
    ///
    /// # Errors
    /// [`NameError`] when the target has moved.
    pub fn settle(&mut self, view: &PerlView<'_>, copy: &StackReader) -> Result<(), NameError> {
        /// What is learned in less time than a wake-up takes.
        const PORTION: usize = 16;
        if self.learned_cops.len() + self.learned_cvs.len() < PORTION {
            return Ok(());
        }
        match copy.still(view.memory, view.abi) {
            Ok(true) => {
                self.learned_cops.clear();
                self.learned_cvs.clear();
                Ok(())
            }
            _ => Err(NameError::Nonsense("the target has moved")),
        }
    }

    /// Takes back what was learned since [`Names::verify`] began, or since it was settled.
    pub fn forget_learned(&mut self) {
        for cop in self.learned_cops.drain(..) {
            self.cops.remove(&cop);
        }
        for cv in self.learned_cvs.drain(..) {
            self.cvs.remove(&cv);
        }
    }

    /// Whether a sub has a name that may change while nothing is compiled.
    pub(in crate::perl) fn is_given(&self, cv: u64) -> bool {
        self.cvs.get(&cv).is_some_and(|entry| entry.is_given)
    }

    /// `CvDEPTH` of a sub of the stack verified last.
    pub fn depth(&self, cv: u64) -> Option<u64> {
        self.cvs.get(&cv).map(|entry| entry.depth)
    }

    fn verify_sub(
        &mut self,
        view: &PerlView<'_>,
        cv: u64,
        head: &[u8],
        body: Option<(u64, &[u8])>,
    ) -> Result<(), NameError> {
        let span = BodySpan::of_cv(view.layout);
        let any = view.get(view.layout.sv.sv_any, head)?;
        let fetched;
        let body = match body {
            Some((known, bytes)) if known == any => bytes,
            _ => {
                let start = any.wrapping_add(span.start as u64);
                fetched = view.reader().bytes(start, span.length)?;
                &fetched
            }
        };
        let start = span.start;
        let sub = Cv { head, body, start };
        let check = sub.check(view)?;
        let depth = sub.get(view, view.layout.xpvcv.xcv_depth)?;
        let same = match self.cvs.get_mut(&cv) {
            Some(entry) if entry.check == check => {
                entry.depth = depth;
                if entry.has_name && !entry.is_given {
                    return Ok(());
                }
                Some(entry.name)
            }
            _ => None,
        };
        let name = self.believed(sub.name(view, &check))?;
        if let Some(known) = same
            && name.as_ref().is_none_or(|name| *self.text(known) == **name)
        {
            return Ok(());
        }
        let has_name = name.is_some();
        let name = name.unwrap_or_else(|| UNKNOWN.into());
        let entry = CvEntry {
            check,
            name: self.string(&name),
            has_name,
            is_given: check.is_given(view, cv),
            naming: Naming::of_sub(&name),
            first: None,
            made: None,
            depth,
        };
        self.has_replaced |= self.cvs.insert(cv, entry).is_some();
        self.learned_cvs.push(cv);
        Ok(())
    }

    fn verify_statement(
        &mut self,
        view: &PerlView<'_>,
        cop: u64,
        check: CopCheck,
    ) -> Result<(), NameError> {
        // PL_compiling and its copies (type 0) change their file under the same address.
        let known = self.cops.get(&cop).filter(|e| e.check == check);
        if known.is_some_and(|e| e.has_file) && check.op_type != 0 {
            return Ok(());
        }
        if check.op_type != 0 && !view.ops.is_statement(check.op_type) {
            let what = "what should be a statement is another op";
            return Err(NameError::Nonsense(what));
        }
        let known_without = known.is_some_and(|e| !e.has_file);
        let file = self.believed(view.file_name(check.file))?;
        if known_without && file.is_none() {
            return Ok(());
        }
        let has_file = file.is_some();
        let file = file.unwrap_or_else(|| UNKNOWN.into());
        let entry = CopEntry {
            check,
            file: self.file_string(&file),
            eval: eval_number(&file),
            has_file,
            tree: None,
        };
        let known = self.cops.insert(cop, entry);
        self.has_replaced |= known.is_some();
        self.learned_cops.push(cop);
        Ok(())
    }

    pub(in crate::perl) fn string(&mut self, text: &str) -> StringId {
        let known = self.strings.get_index_of(text);
        let index = known.unwrap_or_else(|| self.strings.insert_full(text.into()).0);
        StringId::try_from(index).unwrap_or(StringId::MAX)
    }

    pub(in crate::perl) fn text(&self, id: StringId) -> Arc<str> {
        self.strings
            .get_index(id as usize)
            .cloned()
            .unwrap_or_else(|| UNKNOWN.into())
    }

    /// Where the innermost frame is. A sub that was just entered has run no statement yet, and
    /// `PL_curcop` is still its caller's: then it is at its first statement. (A call from within
    /// the same sub looks the same when it is legitimate, so that is taken as it is.)
    pub(in crate::perl) fn entered_position(
        &mut self,
        view: &PerlView<'_>,
        frame: &RawFrame,
        caller: u64,
    ) -> Result<Position, NameError> {
        let entered = frame.kind == ContextKind::Sub
            && frame.position.cop == frame.call_site
            && !frame.position.op_is_next
            && frame.cv != caller;
        if !entered {
            return Ok(frame.position);
        }
        match self.first(view, frame.cv)? {
            Some(first) if first.cop != 0 => {
                self.learn_statement(view, first.cop)?;
                Ok(Position {
                    cop: first.cop,
                    op: 0,
                    op_is_next: false,
                })
            }
            _ => Ok(frame.position),
        }
    }

    /// Where a sub of the stack begins.
    pub(in crate::perl) fn first(
        &mut self,
        view: &PerlView<'_>,
        cv: u64,
    ) -> Result<Option<First>, NameError> {
        let Some(entry) = self.cvs.get(&cv) else {
            return Ok(None);
        };
        if entry.first.is_some() {
            return Ok(entry.first);
        }
        let first = match self.read_first(view, entry.check.any) {
            // A comparator written in C has no ops, and something else in their place.
            Err(e) if e.is_of_one_object() => None,
            read => read?,
        };
        let unknown = self.string(UNKNOWN);
        let first = first.unwrap_or(First {
            cop: 0,
            spot: SourceSpot {
                file: unknown,
                eval: None,
                line: 0,
            },
        });
        if let Some(entry) = self.cvs.get_mut(&cv) {
            entry.first = Some(first);
            self.learned_cvs.push(cv);
        }
        Ok(Some(first))
    }

    /// What tells a sub of the stack that a string eval has made from others that have no name. The
    /// numbers of string evals do that where they are not merged.
    pub(in crate::perl) fn made(
        &mut self,
        view: &PerlView<'_>,
        cv: u64,
    ) -> Result<EvalSub, NameError> {
        let Some(entry) = self.cvs.get(&cv) else {
            return Ok(EvalSub::default());
        };
        if let Some(made) = entry.made {
            return Ok(made);
        }
        let stash = view.member(entry.check.any, view.layout.xpvcv.xcv_stash)?;
        let kept_as = of_this_object(view.kept_as(stash, cv))?;
        let fingerprint = match kept_as {
            None if self.options.merge_evals => of_this_object(view.fingerprint(cv))?,
            _ => None,
        };
        let made = EvalSub {
            kept_as: kept_as.map(|name| self.string(&name)),
            fingerprint: fingerprint.map(|f| self.string(&format!("#{:06x}", f & 0xff_ffff))),
        };
        if let Some(entry) = self.cvs.get_mut(&cv) {
            entry.made = Some(made);
            self.learned_cvs.push(cv);
        }
        Ok(made)
    }

    fn read_first(&mut self, view: &PerlView<'_>, body: u64) -> Result<Option<First>, NameError> {
        let Some(cop) = view.first_statement(body)? else {
            return Ok(None);
        };
        self.learn_statement(view, cop)?;
        let entry = self.cops.get(&cop);
        Ok(entry.map(|entry| First {
            cop,
            spot: SourceSpot {
                file: entry.file,
                eval: entry.eval,
                line: u32::try_from(entry.check.line).unwrap_or(u32::MAX),
            },
        }))
    }

    pub(in crate::perl) fn learn_statement(
        &mut self,
        view: &PerlView<'_>,
        cop: u64,
    ) -> Result<(), NameError> {
        let size = view.layout.cop.span().max(view.layout.op.span());
        let bytes = view.reader().bytes(cop, size)?;
        self.verify_statement(view, cop, view.cop_check(&bytes)?)
    }

    /// File and line of a position, the line refined within the statement.
    pub(in crate::perl) fn spot(
        &mut self,
        view: &PerlView<'_>,
        position: Position,
    ) -> Result<SourceSpot, NameError> {
        let Some(entry) = self.cops.get(&position.cop) else {
            return Ok(SourceSpot {
                file: self.string(UNKNOWN),
                eval: None,
                line: 0,
            });
        };
        let (file, eval, own) = (entry.file, entry.eval, entry.check.line);
        let refined = match position.op {
            0 => None,
            op => self
                .tree(view, position.cop)?
                .and_then(|tree| tree.line_of(op, position.op_is_next)),
        };
        let line = u32::try_from(refined.unwrap_or(own)).unwrap_or(u32::MAX);
        Ok(SourceSpot { file, eval, line })
    }

    /// The ops of a statement; `None` where it has none.
    pub(in crate::perl) fn tree(
        &mut self,
        view: &PerlView<'_>,
        cop: u64,
    ) -> Result<Option<Arc<StatementTree>>, NameError> {
        let Some(entry) = self.cops.get_mut(&cop) else {
            return Ok(None);
        };
        // Copies of PL_compiling have no op tree behind them.
        if entry.check.op_type == 0 || cop == view.compiling {
            return Ok(None);
        }
        if entry.tree.is_none() {
            entry.tree = Some(Arc::new(view.statement_tree(cop)?));
            self.learned_cops.push(cop);
        }
        Ok(entry.tree.clone())
    }
}

/// Nothing, where something could not be had for a reason that is not the whole target's.
pub(in crate::perl) fn of_this_object<T>(
    found: Result<Option<T>, NameError>,
) -> Result<Option<T>, NameError> {
    match found {
        Err(e) if e.is_of_one_object() => Ok(None),
        other => other,
    }
}
