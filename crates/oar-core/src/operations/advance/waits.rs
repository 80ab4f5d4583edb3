//! One look at what a release waits for.

use std::collections::BTreeSet;

use crate::flow::outcome::TaskError;
use crate::flow::runner::Runner;
use crate::operations::call::Call;
use crate::tasks::approval_wait::{Look, Watcher};

/// One look at the wait of the call's release, or at messages that could not be sent.
///
/// # Errors
///
/// The state cannot be read or written, or a setting is wrong.
pub async fn look(call: &Call) -> Result<Look, TaskError> {
    let policy = call.settings().wait_policy()?;
    let release = call.release()?;
    let call = &call.part_about(release)?;
    let services = call.services().await?;
    let statebox = call.statebox()?;
    let watcher = Watcher {
        services: &services,
        runner: Runner {
            statebox: &statebox,
            clock: call.clock(),
            interrupt: call.interrupt(),
            deliver: &services,
            user: call.user(),
            id: None,
        },
        who: format!("{}/drive-{}", call.user(), std::process::id()),
        policy,
        accepted: BTreeSet::new(),
        stays: false,
    };
    watcher.look(call.permit()?).await
}
