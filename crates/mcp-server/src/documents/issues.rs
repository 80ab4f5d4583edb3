//! Issues (rows 25 to 28 of spec 05 §7.5).

use oar_core::operations::issue::{IssueAdd, IssueResolve};
use oar_core::operations::{Call, perform};
use oar_core::statebox::IssueFilter;
use serde_json::{Value, json};

use super::bounds::{LIMIT, shorten};
use super::{Failure, Outcome, Shortened, flag, list as parts, required, state, task_of, text};
use crate::tools::Arguments;

/// Records an issue. One that is open already in these words is enough: that is said, and nothing changes.
pub(super) async fn add(arguments: &Arguments, call: &Call) -> Outcome {
    let issue = required(arguments, "issue")?.to_owned();
    let blocker = flag(arguments, "blocker", true);
    let task = parts(arguments, "related_tasks")?.into_iter().map(task_of).collect::<Result<Vec<_>, _>>()?;
    let operation = IssueAdd { text: issue, task, no_blocker: !blocker, dry_run: false };
    let changed = perform(operation, call).await?;
    let message = if changed.changed {
        format!("The issue is recorded for {}.", changed.release)
    } else {
        "The same issue is open already; nothing was changed.".to_owned()
    };
    Ok(json!({
        "success": true,
        "message": message,
        "issue": changed.stored.as_ref().map_or_else(|| json!({}), state::issue),
        "release": changed.release.to_string(),
    }))
}

/// Resolves an issue.
pub(super) async fn resolve(arguments: &Arguments, call: &Call) -> Outcome {
    let search = required(arguments, "issue")?.to_owned();
    let resolution = required(arguments, "resolution")?.to_owned();
    let operation = IssueResolve { text: search, resolution, dry_run: false };
    let changed = perform(operation, call).await?;
    let message = if changed.changed {
        format!("The issue of {} is resolved.", changed.release)
    } else {
        "The issue was resolved in these words before; nothing was changed.".to_owned()
    };
    Ok(json!({
        "success": true,
        "message": message,
        "issue": changed.stored.as_ref().map_or_else(|| json!({}), state::issue),
        "release": changed.release.to_string(),
    }))
}

/// What the list was restricted to.
pub(super) fn filters(arguments: &Arguments) -> Value {
    json!({
        "unresolved_only": flag(arguments, "unresolved_only", false),
        "blockers_only": flag(arguments, "blockers_only", false),
        "task_name": text(arguments, "task_name"),
    })
}

/// Lists issues, in the order of the file.
pub(super) async fn list(arguments: &Arguments, call: &Call) -> Result<Shortened, Failure> {
    let task = text(arguments, "task_name").map(task_of).transpose()?;
    let filter = IssueFilter {
        open: flag(arguments, "unresolved_only", false).then_some(true),
        blocker: flag(arguments, "blockers_only", false).then_some(true),
        task,
    };
    let state = call.statebox()?.load().await.map_err(|error| Failure::of(&error))?;
    let issues: Vec<Value> = state.issues_where(filter).iter().map(state::issue).collect();
    let mut document = json!({
        "success": true,
        "count": issues.len(),
        "issues": issues,
        "filters": filters(arguments),
        "release": call.release()?.to_string(),
    });
    let whole = shorten(&mut document, "issues", LIMIT);
    Ok((document, whole))
}

/// What blocks a task: a blocker that names it, or one of the whole release.
pub(super) async fn task_blocker(arguments: &Arguments, call: &Call) -> Outcome {
    let task = task_of(required(arguments, "task_name")?)?;
    let state = call.statebox()?.load().await.map_err(|error| Failure::of(&error))?;
    let blocker = state.task_blocker(task).or_else(|| state.general_blockers().into_iter().next());
    Ok(json!({
        "success": true,
        "blocked": blocker.is_some(),
        "blocker": blocker.as_ref().map(state::issue),
        "task_name": task.id(),
        "release": call.release()?.to_string(),
    }))
}
