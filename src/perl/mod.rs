//! Perl itself, live: from an interpreter's memory to the frames of its stacks.
//!
//! `perl/stack/mod.rs` copies header, stack infos, context stacks, stack infos again and header again with
//! one vectored read. If the two copies differ, the target moved: it is read again, and `perl/sample.rs`,
//! which puts the verdicts together, tries again on the target's new CPU; after three tries, of four copies each, the
//! sample counts as torn. `perl/stack/mod.rs` judges the copy: headers and stack infos are equal, the chain of stack
//! infos ends at the main one and belongs to the interpreter; `info.rs` holds counts and sizes against
//! bounds. What it met before it fetches in advance, so the steady state is one call; ranges that are near
//! each other are one range of it (`memory/batch.rs`, `cover`), as each costs the kernel more than the bytes
//! between them. Of what is deeper than anybody looks it fetches both ends only (`perl/stack/known.rs`). It
//! also knows how many of the outermost contexts are, byte for byte, those of the sample before.
//!
//! `perl/stack/walk.rs` turns contexts into frames by the rules of perl's own `caller`, those that changed
//! only. `unfinished.rs` drops a top frame that perl has exposed but not filled, or has taken down but not
//! removed, and puts the line right of a sub whose callee is just gone: what the current op is
//! (`perl/values/op_types.rs`), `CvDEPTH`, `si_cxsubix` and the op tree tell. A context or a statement that
//! is none (`WalkError`, `NameError`) makes the try nonsense; torn if the target moved while names were read. `perl/compiling.rs` says which
//! code is being compiled: the line of `PL_compiling` tells, and not `PL_curcop`, which the optimiser moves
//! about.
//!
//! `perl/names/mod.rs` names frames: `perl/values/objects.rs` reads perl's values, `strings.rs` texts,
//! `statement.rs` the ops of a statement, `frames/frame.rs` keeps every frame once. What is cached of COPs
//! and CVs is compared with the target, as perl frees and reuses these; `perl/names/recheck.rs` has the rule
//! for what need not be: while `PL_cop_seqmax` stands still no COP takes another's place, and a CV that
//! executes a known statement is the one it was, but for the name of one that its glob does not hold
//! (anonymous, `set_subname`): that is read with every sample, all of a stack by one call. A layout without
//! that member costs a comparison of every frame. `naming.rs` makes frames of it: a `NamedStack` keeps those
//! of the last stack, and only what changed is named again. A frame keeps what `caller` says of it (`name`,
//! `file`, `line`) apart from what people are shown (`frames/label.rs`): tests compare the one, every text
//! uses the other. Labels are made once for each distinct frame; where a sub begins (the first statement from
//! `CvSTART`) is found once for each CV. `perl/names/callback.rs` turns the `si_type` of stack infos into
//! frames of their own. If anything was learned while the header moved, it is forgotten again and the sample
//! is repeated. Lines are refined through the op tree as `closest_cop` (util.c) does.
//!
//! `perl/leaf/running.rs` says what runs beside subs: the op, the pattern of a match
//! (`perl/values/regex.rs`), and for a call the C function (`perl/leaf/callee.rs`), which has no context.
//! Where the program's text names the function, the op tree says which one it is; for methods and code
//! references it is what the call took off the argument stack, unless perl is just entering a sub, when
//! arguments lie there. Once the function has overwritten that, the class of an object on the stack has the
//! method (`perl/values/packages.rs`). Functions that run while the current op is no call are told by the
//! statement (C that catches errors), or by what `goto &$code` keeps on the save stack until the function
//! returns (`perl/leaf/uncalled.rs`). What one walk read is fetched in advance at the next
//! (`memory/prefetch.rs`), and compared.
//!
//! `perl/entries.rs` tells where C called Perl: what is entered there returns to no op.
//!
//! `perl/values/fingerprint.rs` tells subs without a name of different string evals apart, by their ops and
//! constants: the text of an eval is gone once it was run. What walks through many small things reads them
//! through `memory/paged.rs`. `perl/locals.rs` finds `@_` and lexicals in the pads, for `dump --locals`;
//! `perl/values/describe.rs` puts values into words. `perl/leaf/mod.rs` makes of it the frame on top.
//! `frames/paths.rs` shortens names of files for people: what is in @INC it learns from packages and the
//! files in which their subs begin.

mod compiling;
pub mod entries;
pub mod leaf;
pub mod locals;
pub mod locate;
pub mod names;
pub mod sample;
pub mod stack;
pub mod values;
