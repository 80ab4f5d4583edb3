//! What a command runs on when nobody starts each of its passes: a schedule, one leader among replicas, health and
//! metrics.
//!
//! An agent is a command whose work is a [`Pass`] that may be repeated. The command flattens [`Schedule`] into its
//! options, describes itself as an [`Agent`], and hands its pass to [`Schedule::run`]. Without `--interval` one pass is
//! made and the agent ends, so that cron can start it; with it a pass is made every so often until the program is told
//! to stop. Passes never overlap.
//!
//! What an agent does is not known here, nor which services it uses: those it needs for leadership come as
//! [`Leases`].

mod leader;
mod metrics;
mod pass;
mod schedule;

pub use leader::Leases;
pub use pass::Pass;
pub use schedule::{Agent, Schedule};
