//! Why perl's C code called Perl: the frames that `caller` does not give, from `si_type`.

use crate::layout::schema::Constants;
use crate::perl::stack::walk::Callback;

/// Which of them are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Synthetic {
    /// No frame of them.
    None,
    /// Those whose time cannot be seen otherwise: nobody wrote a call there.
    #[default]
    Default,
    /// Loading and compiling too, where the frames around them tell as much.
    All,
}

const SORT: &str = "(sort)";
const LEFT_OUT: &str = "(frames left out)";
pub(in crate::perl) const MULTICALL: &str = "(MULTICALL)";

/// Whether what looks like a sort may be a MULTICALL: from 5.10 to 5.22 that borrows the type of a
/// sort's stack info. A sort with a block is certain.
pub(in crate::perl) fn may_be_multicall(callback: &Callback, number: &Constants) -> bool {
    !callback.is_cut
        && number.PERLSI_MULTICALL.is_none()
        && callback.calls_sub
        && number.PERLSI_SORT == u64::try_from(callback.si_type).ok()
}

/// Whether perl itself catches the exceptions of what it calls there.
pub(in crate::perl) fn is_protected(callback: &Callback, number: &Constants) -> bool {
    let si_type = u64::try_from(callback.si_type).ok();
    !callback.is_cut
        && si_type.is_some()
        && [number.PERLSI_DESTROY, number.PERLSI_SIGNAL].contains(&si_type)
}

impl Synthetic {
    /// What is shown for a callback, if anything.
    pub(in crate::perl) fn name(
        self,
        callback: &Callback,
        number: &Constants,
    ) -> Option<&'static str> {
        if callback.is_cut {
            return Some(LEFT_OUT);
        }
        let si_type = u64::try_from(callback.si_type).ok();
        let is = |constant: Option<u64>| constant.is_some() && constant == si_type;
        let usual = [
            (number.PERLSI_MAGIC, "(tie/magic)"),
            (number.PERLSI_SORT, SORT),
            (number.PERLSI_SIGNAL, "(signal handler)"),
            (number.PERLSI_OVERLOAD, "(overload)"),
            (number.PERLSI_DESTROY, "(DESTROY)"),
            (number.PERLSI_WARNHOOK, "(warn hook)"),
            (number.PERLSI_DIEHOOK, "(die hook)"),
            (number.PERLSI_MULTICALL, MULTICALL),
            (number.PERLSI_SMARTMATCH, "(smartmatch)"),
        ];
        let rare = [
            (number.PERLSI_REQUIRE, "(require)"),
            (number.PERLSI_REGCOMP, "(regcomp)"),
            (number.PERLSI_CONSTRUCTOR, "(constructor)"),
        ];
        let among = |names: &[(Option<u64>, &'static str)]| {
            names.iter().find(|(t, _)| is(*t)).map(|(_, name)| *name)
        };
        match self {
            Synthetic::None => None,
            Synthetic::Default => among(&usual),
            Synthetic::All => among(&usual).or_else(|| among(&rare)).or(Some("(C code)")),
        }
    }
}
