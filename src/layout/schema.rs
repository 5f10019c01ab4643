//! Every struct member that p5-spy uses, declared once. The DWARF extractor, the table loader and
//! its lint, the dumper, the binder, the probes and the test generators are all driven by this
//! list.
//!
//! To use another member of perl's, add a line here: its name as perl spells it, what it is, when
//! it is needed, and where DWARF has it. A path in DWARF is a list of member names; each is looked
//! for in the structure before it and in the structures and unions embedded in that, at any
//! depth, so that the names of anonymous unions, which change between versions, do not matter.

use super::{BindError, Layout};
use crate::hash::Map;
use crate::memory::Field;
use std::sync::OnceLock;

/// What is stored in a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A pointer of the target's pointer size.
    Pointer,
    /// An integer or bit-field; its size varies between versions.
    Int,
    /// An embedded structure: only its offset counts.
    Embedded,
    /// Not a member: the size of the whole structure.
    Size,
}

/// When a layout may lack a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Never.
    Required,
    /// In the versions that the member's documentation names.
    Optional,
    /// Unthreaded perls have it as a global instead.
    Variable,
    /// The same, for one that only some features need: without it they say less.
    Extra,
}

/// One member of the schema.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    /// The structure's tag, as in perl's headers.
    pub structure: &'static str,
    /// The member, as perl's headers spell it in current versions.
    pub name: &'static str,
    /// What is stored there.
    pub kind: Kind,
    /// When it may be absent.
    pub need: Need,
    /// Paths to try in DWARF, `.` between the steps; empty means the name itself.
    pub dwarf: &'static [&'static str],
}

impl FieldSpec {
    /// The paths to try in DWARF.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        let own = self.dwarf.is_empty().then_some(self.name);
        own.into_iter().chain(self.dwarf.iter().copied())
    }
}

/// One number that no structure holds.
#[derive(Debug, Clone, Copy)]
pub struct ConstantSpec {
    /// The macro's or enumerator's name in perl's headers.
    pub name: &'static str,
    /// When it may be absent.
    pub need: Need,
}

/// The part of the schema with that name, if there is one.
pub fn field(structure: &str, name: &str) -> Option<&'static FieldSpec> {
    static BY_NAME: OnceLock<Map<(&str, &str), &FieldSpec>> = OnceLock::new();
    let by_name: &Map<(&str, &str), &'static FieldSpec> =
        BY_NAME.get_or_init(|| FIELDS.iter().map(|f| ((f.structure, f.name), f)).collect());
    by_name.get(&(structure, name)).copied()
}

/// The declaration of a constant, if there is one.
pub fn constant(name: &str) -> Option<&'static ConstantSpec> {
    CONSTANTS.iter().find(|c| c.name == name)
}

/// True when the schema has a structure of that name.
pub fn has_structure(name: &str) -> bool {
    FIELDS.iter().any(|f| f.structure == name)
}

macro_rules! bound_type {
    (Required) => { Field };
    (Optional) => { Option<Field> };
    (Variable) => { Option<Field> };
    (Extra) => { Option<Field> };
}

macro_rules! bind_field {
    ($layout:ident, Required, $structure:expr, $name:expr) => {
        $layout.require($structure, $name)?
    };
    ($layout:ident, $need:ident, $structure:expr, $name:expr) => {
        $layout.field($structure, $name)
    };
}

macro_rules! bound_constant {
    (Required) => { u64 };
    (Optional) => { Option<u64> };
}

macro_rules! bind_constant {
    ($layout:ident, Required, $name:expr) => {
        $layout.require_constant($name)?
    };
    ($layout:ident, Optional, $name:expr) => {
        $layout.constant($name)
    };
}

macro_rules! schema {
    (
        $(
            $(#[$sdoc:meta])*
            struct $structure:ident as $bound:ident {
                $(
                    $(#[$fdoc:meta])*
                    $name:ident: $kind:ident, $need:ident $(, $path:literal)*;
                )*
            }
        )*
        constants {
            $( $(#[$cdoc:meta])* $constant:ident: $cneed:ident; )*
        }
    ) => {
        /// All members, in the order in which tables list them.
        pub static FIELDS: &[FieldSpec] = &[
            $($(
                FieldSpec {
                    structure: stringify!($structure),
                    name: stringify!($name),
                    kind: Kind::$kind,
                    need: Need::$need,
                    dwarf: &[$($path),*],
                },
            )*)*
        ];

        /// All constants, in the order in which tables list them.
        pub static CONSTANTS: &[ConstantSpec] = &[
            $( ConstantSpec { name: stringify!($constant), need: Need::$cneed }, )*
        ];

        $(
            $(#[$sdoc])*
            #[allow(non_snake_case)]
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub struct $bound {
                $( $(#[$fdoc])* pub $name: bound_type!($need), )*
            }

            impl $bound {
                /// Bytes from the structure's start to the end of the last member that is used.
                pub fn span(&self) -> usize {
                    let members: &[Option<Field>] = &[$( self.$name.into(), )*];
                    members.iter().flatten().map(|f| f.end()).max().unwrap_or(0)
                }

                /// A member by its name.
                pub fn by_name(&self, name: &str) -> Option<Field> {
                    match name {
                        $( stringify!($name) => self.$name.into(), )*
                        _ => None,
                    }
                }

                fn bind(layout: &Layout) -> Result<Self, BindError> {
                    Ok($bound {
                        $( $name: bind_field!(layout, $need, stringify!($structure), stringify!($name)), )*
                    })
                }
            }
        )*

        /// Numbers that no structure holds.
        #[allow(non_snake_case)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Constants {
            $( $(#[$cdoc])* pub $constant: bound_constant!($cneed), )*
        }

        impl Constants {
            fn bind(layout: &Layout) -> Result<Self, BindError> {
                Ok(Constants {
                    $( $constant: bind_constant!(layout, $cneed, stringify!($constant)), )*
                })
            }
        }

        /// A complete and checked layout: plain integers, and all that the hot path sees.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct BoundLayout {
            $( $(#[$sdoc])* pub $structure: $bound, )*
            /// Numbers that no structure holds.
            pub constants: Constants,
        }

        impl BoundLayout {
            pub(super) fn bind(layout: &Layout) -> Result<Self, BindError> {
                Ok(BoundLayout {
                    $( $structure: $bound::bind(layout)?, )*
                    constants: Constants::bind(layout)?,
                })
            }
        }
    };
}

schema! {
    /// `struct interpreter` (intrpvar.h): the variables that perl's source calls `PL_x`. Builds
    /// without MULTIPLICITY have each as a global of that name instead.
    struct interpreter as Interpreter {
        /// Top of the argument stack.
        Istack_sp: Pointer, Variable, "Istack_sp", "Tstack_sp";
        /// The op that is being executed.
        Iop: Pointer, Variable, "Iop", "Top";
        /// Bottom of the argument stack.
        Istack_base: Pointer, Variable, "Istack_base", "Tstack_base";
        /// Depth of the save stack.
        Isavestack_ix: Int, Variable, "Isavestack_ix", "Tsavestack_ix";
        /// Top of the mark stack.
        Imarkstack_ptr: Pointer, Variable, "Imarkstack_ptr", "Tmarkstack_ptr";
        /// Depth of the stack of temporaries.
        Itmps_ix: Int, Variable, "Itmps_ix", "Ttmps_ix";
        /// The statement that is being executed.
        Icurcop: Pointer, Variable, "Icurcop", "Tcurcop";
        /// The innermost stack info.
        Icurstackinfo: Pointer, Variable, "Icurstackinfo", "Tcurstackinfo";
        /// `*DB::sub`, whose CV wraps every call under the debugger.
        IDBsub: Pointer, Extra;
        /// Where extensions keep what is global to an interpreter; threads.pm keeps its list there.
        Imodglobal: Pointer, Extra;
        /// The statement that stands for the code being compiled.
        Icompiling: Embedded, Variable;
        /// Number of the next statement to be compiled: grows with every one.
        Icop_seqmax: Int, Extra;
        /// The values of the pad in use.
        Icurpad: Pointer, Extra, "Icurpad", "Tcurpad";
        /// The sub that stands for the main program.
        Imain_cv: Pointer, Extra;
        /// What perl is doing at large: compiling, running, destroying (since 5.14).
        Iphase: Int, Extra;
        /// The regexes of all match ops, by `op_pmoffset` (threaded builds since 5.8).
        Iregex_pad: Pointer, Extra;
    }
    /// `struct stackinfo` (PERL_SI, cop.h).
    struct stackinfo as StackInfo {
        /// The context stack's first element.
        si_cxstack: Pointer, Required;
        /// The stack info below; NULL in the main one.
        si_prev: Pointer, Required;
        /// A stack info that is not in use, kept for the next call.
        si_next: Pointer, Required;
        /// Index of the top context; -1 when there is none.
        si_cxix: Int, Required;
        /// Highest index that there is room for.
        si_cxmax: Int, Required;
        /// Index of the topmost sub, eval or format (since 5.32).
        si_cxsubix: Int, Optional;
        /// What it was made for: PERLSI_MAIN and so on.
        si_type: Int, Required;
    }
    /// `struct context` (PERL_CONTEXT, cop.h).
    struct context as Context {
        /// `CxTYPE` and flags.
        cx_type: Int, Required, "blku_type", "cx_type";
        /// The statement that was being executed when the block was entered.
        blk_oldcop: Pointer, Required, "blku_oldcop";
        /// The CV of a sub or format.
        blk_sub_cv: Pointer, Required, "blku_sub.cv";
        /// Where a sub returns to (since 5.10; before, on a stack of its own).
        blk_sub_retop: Pointer, Optional, "blku_sub.retop";
        /// `CvDEPTH` before the call.
        blk_sub_olddepth: Int, Extra, "blku_sub.olddepth";
        /// The caller's `@_`.
        blk_sub_savearray: Pointer, Extra, "blku_sub.savearray";
        /// The sub's own `@_` (before 5.24; cperl has something else there).
        blk_sub_argarray: Pointer, Extra, "blku_sub.argarray";
        /// Whether the sub has an `@_` of its own (before 5.12; later, a flag of `cx_type`).
        blk_sub_hasargs: Int, Extra, "blku_sub.hasargs";
        /// Where an eval goes on (since 5.10).
        blk_eval_retop: Pointer, Optional, "blku_eval.retop";
        /// The SV with the file name that `require` looks up.
        blk_eval_old_namesv: Pointer, Optional, "blku_eval.old_namesv";
        /// The text of a string eval.
        blk_eval_cur_text: Pointer, Extra, "blku_eval.cur_text";
        /// The CV of a string eval or `require` (since 5.8).
        blk_eval_cv: Pointer, Extra, "blku_eval.cv";
        /// Bytes in the structure: the distance of two contexts.
        sizeof: Size, Required;
    }
    /// `struct op` (BASEOP, op.h).
    struct op as Op {
        /// The op to run after this one.
        op_next: Pointer, Required;
        /// The next sibling, or (where `op_moresib` is absent or 0) the parent or NULL.
        op_sibling: Pointer, Required, "op_sibling", "op_sibparent";
        /// For a null op the type that it had.
        op_targ: Int, Required;
        /// Index into `PL_op_name`.
        op_type: Int, Required;
        /// Whether `op_sibling` is one (since 5.22).
        op_moresib: Int, Optional;
        /// `OPf_KIDS` and others.
        op_flags: Int, Required;
    }
    /// `struct unop` (op.h).
    struct unop as Unop {
        /// The first child.
        op_first: Pointer, Required;
    }
    /// `struct unop_aux` (op.h, since 5.22): an op with a list of numbers and values, such as all the
    /// subscripts of `$x->{a}[0]`.
    struct unop_aux as UnopAux {
        /// The list; its length is the word before it.
        op_aux: Pointer, Extra;
    }
    /// `struct logop` (op.h): an op that branches.
    struct logop as Logop {
        /// Where it branches to; of a `substcont`, its substitution.
        op_other: Pointer, Extra;
    }
    /// `struct svop` (op.h): an op with a value, such as a glob in unthreaded builds.
    struct svop as Svop {
        /// The value; NULL where a threaded build has it in the pad, at `op_targ`.
        op_sv: Pointer, Extra;
    }
    /// `struct padop` (op.h): an op whose value is in the pad (threaded builds).
    struct padop as Padop {
        /// The index in the pad.
        op_padix: Int, Extra;
    }
    /// `struct methop` (op.h, since 5.22; before, an svop): a method call by name.
    struct methop as Methop {
        /// The method's name.
        op_meth_sv: Pointer, Extra;
    }
    /// `struct pmop` (op.h): a match, a substitution or qr//.
    struct pmop as Pmop {
        /// The regex (where there is no `op_pmoffset`).
        op_pmregexp: Pointer, Extra;
        /// The regex's index in `PL_regex_pad` (threaded builds since 5.8).
        op_pmoffset: Int, Extra;
    }
    /// `struct regexp` (regexp.h): a compiled regex; since 5.12 the body of an SV.
    struct regexp as Regexp {
        /// The pattern (before 5.12).
        precomp: Pointer, Extra;
        /// Bytes in the pattern (before 5.12).
        prelen: Int, Extra;
        /// Where in the SV's string `(?^:pattern)` the pattern starts (since 5.12).
        pre_prefix: Int, Extra;
        /// The SV's string, where it is not in the head (5.18 to 5.26).
        xpvlenu_pv: Pointer, Extra;
    }
    /// `struct cop` (cop.h): a statement.
    struct cop as Cop {
        /// Line number.
        cop_line: Int, Required;
        /// The file's name, a C string (threaded builds).
        cop_file: Pointer, Optional;
        /// The glob called `_<` and the file's name (unthreaded builds).
        cop_filegv: Pointer, Optional;
        /// Grows with every statement compiled: tells two COPs at one address apart.
        cop_seq: Int, Required;
    }
    /// `struct sv` (sv.h): the head of every value.
    struct sv as Sv {
        /// The body.
        sv_any: Pointer, Required;
        /// Owners.
        sv_refcnt: Int, Extra;
        /// Type and flags.
        sv_flags: Int, Required;
        /// String, array, reference or GP, by type (since 5.10; before, in the body).
        sv_u: Embedded, Optional;
    }
    /// `struct xpv` (sv.h): the body of a string.
    struct xpv as Xpv {
        /// Length in bytes.
        xpv_cur: Int, Required;
        /// The bytes (before 5.10; later, `sv_u`).
        xpv_pv: Pointer, Optional;
    }
    /// `struct xpvcv` (cv.h): the body of a sub.
    struct xpvcv as Xpvcv {
        /// The package it was compiled in.
        xcv_stash: Pointer, Required;
        /// Its first op.
        xcv_start: Pointer, Required;
        /// Its op tree, or for XSUBs the C function.
        xcv_root: Pointer, Required;
        /// Its GV, or where CvNAMED its name's HEK.
        xcv_gv: Pointer, Required;
        /// `CVf_NAMED` and others.
        xcv_flags: Int, Required;
        /// How many calls of it are active.
        xcv_depth: Int, Required, "xcv_depth", "xivu_i32";
        /// The C function of an XSUB; since 5.10 in one place with `xcv_root`.
        xcv_xsub: Embedded, Extra;
        /// Its pads, one per depth of recursion, and their names.
        xcv_padlist: Pointer, Extra;
    }
    /// `struct xpvgv` (gv.h): the body of a glob.
    struct xpvgv as Xpvgv {
        /// The name's HEK (since 5.10).
        xgv_namehek: Pointer, Optional, "xivu_namehek";
        /// The name's bytes (before 5.10).
        xgv_name: Pointer, Optional;
        /// The name's length (before 5.10).
        xgv_namelen: Int, Optional;
        /// The GP (before 5.10; later, `sv_u`).
        xgv_gp: Pointer, Optional;
        /// The package that the glob is in.
        xgv_stash: Pointer, Required;
    }
    /// `struct gp` (gv.h): what a glob holds.
    struct gp as Gp {
        /// The sub.
        gp_cv: Pointer, Required;
        /// The glob that this was made for: undoes aliasing.
        gp_egv: Pointer, Required;
    }
    /// `struct hek` (hv.h): a hash key.
    struct hek as Hek {
        /// Bytes in the key.
        hek_len: Int, Required;
        /// The key; a NUL and one byte of flags follow it.
        hek_key: Embedded, Required;
    }
    /// `struct xpvhv` (hv.h): the body of a hash.
    struct xpvhv as Xpvhv {
        /// Highest index of the bucket array.
        xhv_max: Int, Required;
        /// A package's name (before 5.10).
        xhv_name: Pointer, Optional;
    }
    /// `struct xpvhv_aux` (hv.h, since 5.10): what only some hashes have.
    struct xpvhv_aux as XpvhvAux {
        /// The package's name, or where the count is not 0 an array of names.
        xhv_name_u: Pointer, Optional, "xhv_name_u", "xhv_name";
        /// How many names the package has (since 5.14).
        xhv_name_count: Int, Optional;
    }
    /// `struct xpvhv_with_aux` (hv.h, since 5.36; before, the aux part stood behind the buckets).
    struct xpvhv_with_aux as XpvhvWithAux {
        /// The aux part.
        xhv_aux: Embedded, Optional;
    }
    /// `struct he` (hv.h): one entry of a hash.
    struct he as He {
        /// The next entry of the same bucket.
        hent_next: Pointer, Required;
        /// Its key.
        hent_hek: Pointer, Required;
        /// Its value.
        hent_val: Pointer, Required, "he_valu", "hent_val";
    }
    /// `struct xpviv` (sv.h): the body of an integer.
    struct xpviv as Xpviv {
        /// The integer.
        xiv_iv: Int, Required, "xivu_iv", "xiv_iv";
    }
    /// `struct xpvnv` (sv.h): the body of a number with a fraction.
    struct xpvnv as Xpvnv {
        /// The number, as the build's NV.
        xnv_nv: Embedded, Extra;
        /// Of a variable's name: the statement after which it is visible (5.10 to 5.20; before,
        /// in `xnv_nv`).
        xlow: Int, Extra, "xpad_cop_seq.xlow";
        /// Of a variable's name: the last statement where it is visible (5.10 to 5.20; before, in
        /// `xiv_iv`).
        xhigh: Int, Extra, "xpad_cop_seq.xhigh";
    }
    /// `struct xpvmg` (sv.h): the body of a value with magic or a class.
    struct xpvmg as Xpvmg {
        /// The class that it is blessed into.
        xmg_stash: Pointer, Extra;
    }
    /// `struct xpvav` (av.h): the body of an array.
    struct xpvav as Xpvav {
        /// Highest index in use.
        xav_fill: Int, Extra;
        /// The elements (before 5.10; later, `sv_u`).
        xav_array: Pointer, Extra;
    }
    /// `struct padlist` (pad.h, since 5.18; before, an array).
    struct padlist as Padlist {
        /// Highest index that there is room for.
        xpadl_max: Int, Extra;
        /// The names' list, then the pads, each an array.
        xpadl_alloc: Pointer, Extra, "xpadl_alloc", "xpadlarr_alloc";
    }
    /// `struct padnamelist` (pad.h, since 5.22; before, an array).
    struct padnamelist as Padnamelist {
        /// Highest index in use.
        xpadnl_fill: Int, Extra;
        /// The names.
        xpadnl_alloc: Pointer, Extra;
    }
    /// `struct padname` (pad.h, since 5.22; before, a string value).
    struct padname as Padname {
        /// The name, sigil included.
        xpadn_pv: Pointer, Extra;
        /// The package of an `our` variable, whose value is not in the pad.
        xpadn_ourstash: Pointer, Extra;
        /// The statement after which it is visible.
        xpadn_low: Int, Extra;
        /// The last statement where it is visible.
        xpadn_high: Int, Extra;
        /// Bytes in the name.
        xpadn_len: Int, Extra;
        /// `PADNAMEt_OUTER` and others.
        xpadn_flags: Int, Extra;
    }
    constants {
        /// The bits of `cx_type` that are the type (cop.h).
        CXTYPEMASK: Required;
        /// A sub call.
        CXt_SUB: Required;
        /// A format.
        CXt_FORMAT: Required;
        /// An eval, `require` or `do FILE`.
        CXt_EVAL: Required;
        /// The highest type.
        CXt_LAST: Optional;
        /// Flag of an eval context: eval STRING.
        CXp_REAL: Required;
        /// Flag of an eval context: eval BLOCK, or C code that catches exceptions.
        CXp_TRYBLOCK: Required;
        /// Flag of an eval context: the block of try/catch, no frame (since 5.34).
        CXp_TRY: Optional;
        /// Flag of a sub context: the sub has an `@_` of its own (since 5.12; before, a member).
        CXp_HASARGS: Optional;
        /// Flag of a sub context: regex code that runs in the enclosing sub, no frame (since 5.18).
        CXp_SUB_RE_FAKE: Optional;
        /// The bits of `sv_flags` that are the type (sv.h).
        SVTYPEMASK: Required;
        /// An integer or reference.
        SVt_IV: Optional;
        /// A compiled regex (since 5.12).
        SVt_REGEXP: Optional;
        /// The lowest type whose body has room for magic and a class.
        SVt_PVMG: Optional;
        /// A glob.
        SVt_PVGV: Required;
        /// An lvalue, which can hold a glob.
        SVt_PVLV: Required;
        /// An array.
        SVt_PVAV: Optional;
        /// A hash.
        SVt_PVHV: Required;
        /// A sub.
        SVt_PVCV: Required;
        /// A format.
        SVt_PVFM: Required;
        /// A file handle.
        SVt_PVIO: Optional;
        /// An object of `feature 'class'` (since 5.38).
        SVt_PVOBJ: Optional;
        /// Flag: there is an integer.
        SVf_IOK: Optional;
        /// Flag: there is a number with a fraction.
        SVf_NOK: Optional;
        /// Flag: there is a string.
        SVf_POK: Optional;
        /// Flag: it is a reference.
        SVf_ROK: Optional;
        /// Flag: the integer has no sign.
        SVf_IVisUV: Optional;
        /// Flag: it is blessed.
        SVs_OBJECT: Optional;
        /// Flag of a variable's name: it belongs to an outer sub (before 5.22).
        SVf_FAKE: Optional;
        /// Flag of a variable's name: `our`, whose value is not in the pad (before 5.22).
        SVpad_OUR: Optional;
        /// Flag in `xpadn_flags`: it belongs to an outer sub (since 5.22).
        PADNAMEt_OUTER: Optional;
        /// Flag: the hash has an aux part (since 5.10).
        SVf_OOK: Optional;
        /// Flag: a string is UTF-8.
        SVf_UTF8: Required;
        /// Flag: the glob has a GP (since 5.10).
        SVpgv_GP: Optional;
        /// Flag of a CV: `xcv_gv` is a HEK (since 5.18).
        CVf_NAMED: Optional;
        /// Flag of a CV: it is a C function (since 5.10; before, `xcv_xsub` tells).
        CVf_ISXSUB: Optional;
        /// Flag of a CV: a `my sub` (since 5.22).
        CVf_LEXICAL: Optional;
        /// Type of an entry of the save stack: a value that is freed with its scope (scope.h).
        SAVEt_FREESV: Optional;
        /// Flag of an op: it has children (op.h).
        OPf_KIDS: Required;
        /// Flag behind a HEK: UTF-8 (since 5.8).
        HVhek_UTF8: Optional;
        /// `si_type` of the outermost stack info (cop.h).
        PERLSI_MAIN: Required;
        /// `si_type` for methods of ties and other magic.
        PERLSI_MAGIC: Optional;
        /// `si_type` for comparators; from 5.10 to 5.22 for MULTICALL too.
        PERLSI_SORT: Optional;
        /// `si_type` for handlers of signals.
        PERLSI_SIGNAL: Optional;
        /// `si_type` for overloaded operators and constants.
        PERLSI_OVERLOAD: Optional;
        /// `si_type` for DESTROY.
        PERLSI_DESTROY: Optional;
        /// `si_type` for `$SIG{__WARN__}`.
        PERLSI_WARNHOOK: Optional;
        /// `si_type` for `$SIG{__DIE__}`.
        PERLSI_DIEHOOK: Optional;
        /// `si_type` for modules that perl itself loads, and since 5.20 for BEGIN blocks.
        PERLSI_REQUIRE: Optional;
        /// `si_type` for what C code calls again and again (since 5.24).
        PERLSI_MULTICALL: Optional;
        /// `si_type` for what compiling a regex calls (since 5.32).
        PERLSI_REGCOMP: Optional;
        /// `si_type` for what `~~` calls (since 5.42).
        PERLSI_SMARTMATCH: Optional;
        /// `si_type` for fields and ADJUST blocks of a class (since 5.42).
        PERLSI_CONSTRUCTOR: Optional;
    }
}
