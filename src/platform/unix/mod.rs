//! What Unix systems have in common.

pub mod bytes;
pub(crate) mod clocks;
pub mod execute;
pub mod files;
mod gaps;
mod ground;
mod inherited;
pub(crate) mod limits;
pub(crate) mod open_at;
pub mod opened;
mod orphans;
pub mod places;
pub mod poll;
pub mod sandbox;
pub mod signals;
mod spawn;
mod stamp;
pub mod suspend;
mod system;
mod terminal;
mod users;

pub use clocks::{monotonic, own_cpu_time, thread_cpu_time};
pub use gaps::Gaps;
pub use ground::Ground;
pub use inherited::was_ignored;
pub use limits::allow_many_watches;
pub use orphans::{adopt_orphans, adopted, descendants, forget_helper, start_helper};
pub use spawn::{Child, exit_code};
pub use stamp::Stamp;
pub use system::system;
pub use terminal::{NO_ESCAPES, takes_escapes};
pub use users::{ALMIGHTY, effective_user, is_someones, sees_all, user_name};
