//! Every switch with an opposite that takes it back, for defaults.

use clap::builder::Resettable;
use clap::{Arg, ArgAction};

/// An argument without its bonds to others, for where those are not.
pub(super) fn free(arg: &Arg) -> Arg {
    arg.clone()
        .requires(Resettable::Reset)
        .conflicts_with(Resettable::Reset)
        .overrides_with(Resettable::Reset)
}

/// `no-idle` of `idle`, `learn` of `no-learn`.
pub(super) fn opposite(name: &str) -> String {
    match name.strip_prefix("no-") {
        Some(bare) => bare.to_owned(),
        None => format!("no-{name}"),
    }
}

pub(super) fn with_opposites(command: clap::Command) -> clap::Command {
    let switches = command.get_arguments().filter_map(|arg| {
        let is_switch = matches!(arg.get_action(), ArgAction::SetTrue) && !arg.is_hide_set();
        let name = arg.get_long().filter(|_| is_switch)?;
        // Some have one that does more than that.
        let there = |other: &Arg| other.get_long() == Some(&opposite(name));
        if command.get_arguments().any(there) {
            return None;
        }
        // What it takes back may stand before or behind it.
        let opposite = Arg::new(opposite(name))
            .long(opposite(name))
            .action(ArgAction::SetTrue)
            .overrides_with(arg.get_id().clone())
            .hide(true);
        Some((arg.get_id().clone(), opposite))
    });
    let switches: Vec<(clap::Id, Arg)> = switches.collect();
    let mut command = command;
    for (id, opposite) in switches {
        let other = opposite.get_id().clone();
        command = command
            .arg(opposite)
            .mut_arg(id.as_str(), |arg| arg.overrides_with(other));
    }
    command
}
