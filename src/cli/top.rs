//! `p5-spy top`.

use super::shared::SessionArgs;
use super::{Job, Order};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct TopArgs {
    #[command(flatten)]
    session: SessionArgs,
}

impl TopArgs {
    pub(super) fn order(self, can_ask: bool) -> Result<Order, clap::Error> {
        self.session.top("top", can_ask)
    }
}

impl SessionArgs {
    pub(super) fn top(self, words: &str, can_ask: bool) -> Result<Order, clap::Error> {
        let subprocesses = self.target.subprocesses;
        let (aim, find) = self.target.aim(words, can_ask)?;
        let job = Job::Top {
            subprocesses,
            aim,
            sampling: self.sampling.settings(),
            show: self.show.into(),
            layout: self.layout.into(),
        };
        Ok(Order { job, find })
    }
}
