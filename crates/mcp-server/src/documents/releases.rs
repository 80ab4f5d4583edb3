//! What stands where: metadata, shipment, status, and the releases that are active (rows 17 to 21 of spec 05 §7.5).

use oar_core::config::{ConfigStore, ReleaseDate, ShipmentUrl};
use oar_core::error::ErrorClass;
use oar_core::operations::consent::CriticalTask;
use oar_core::operations::is_shipped::IsShipped;
use oar_core::operations::status::worksheet_of;
use oar_core::operations::task_set::TaskSet;
use oar_core::operations::{Call, perform};
use oar_core::operators::worksheet::Entry;
use oar_core::statebox::{StateBoxError, TaskName, TaskStatus};
use oar_core::tasks::status::StatusReport;
use serde_json::{Map, Value, json};

use super::bounds::begin_of;
use super::{Documents, Failure, Outcome, Shortened, required, state, text};
use crate::tools::Arguments;

/// How much of a result is repeated in the answer, in characters (`interop-exact`).
const PREVIEW: usize = 200;
/// How `updated_systems` names the two places of a status.
const STATEBOX: &str = "StateBox";
const WORKSHEET: &str = "Worksheet";

/// The document about a release's metadata. Absent facts are empty, as readers of the Python tooling's answers expect.
pub(crate) fn metadata(config: &ConfigStore) -> Value {
    let advisories: Map<String, Value> =
        config.advisories().iter().map(|(kind, id)| (kind.to_string(), json!(id.number()))).collect();
    let mut document = json!({
        "release": config.release().to_string(),
        "advisories": advisories,
        "jira_ticket": config.jira_ticket().map(ToString::to_string).unwrap_or_default(),
        "candidate_builds": config.candidate_builds(),
        "shipment_mr": config.shipment_mr().map(ShipmentUrl::as_str).unwrap_or_default(),
        "release_date": config.release_date().map(ReleaseDate::as_str).unwrap_or_default(),
    });
    // Absent in the usual case: what ART has yet to make, and what belongs to another release.
    if !config.pending().is_empty() {
        document["pending"] = json!(config.pending());
    }
    if !config.facts().not_ours.is_empty() {
        document["not_ours"] = json!(config.facts().not_ours);
    }
    document
}

impl Documents {
    pub(super) async fn release_metadata(&self, call: &Call) -> Outcome {
        let cached = self.cache.get(call.release()?).await.map_err(|error| Failure::of(&*error))?;
        Ok(cached.document.clone())
    }

    pub(super) async fn is_shipped(&self, call: Call) -> Outcome {
        let call = self.configured(call).await?;
        let report = perform(IsShipped {}, &call).await?;
        let Some(shipped) = report.shipped else {
            let detail = |key: &String| {
                format!("{key}: {}", report.details.get(key).map_or("not known", String::as_str))
            };
            let unknown: Vec<String> = report.not_known.iter().map(detail).collect();
            let words = format!("whether the release is shipped is not known ({})", unknown.join("; "));
            let class = report.unknown.unwrap_or(ErrorClass::Unavailable);
            return Err(Failure::new(class, words, "Ask again when the services answer."));
        };
        Ok(json!({ "shipped": shipped, "flow_type": report.flow_type, "details": report.details }))
    }

    pub(super) async fn release_status(&self, call: Call) -> Result<Shortened, Failure> {
        let statebox = call.statebox()?;
        let absent = match statebox.load().await {
            Ok(state) => {
                let report = StatusReport::of(&state, statebox.location(), call.clock().now());
                return Ok(state::document(&state, &report));
            }
            // Only a release that certainly has no StateBox can be an old one.
            Err(error @ StateBoxError::Absent { .. }) => error,
            Err(error) => return Err(Failure::of(&error)),
        };
        let call = self.configured(call).await?;
        let Some((worksheets, sheet)) = worksheet_of(&call).await? else { return Err(Failure::of(&absent)) };
        let shown = worksheets.statuses(&sheet).await.map_err(|error| Failure::of(&error))?;
        let tasks: Map<String, Value> =
            shown.tasks.into_iter().map(|(task, status)| (task.id().to_owned(), json!(status))).collect();
        let document = json!({
            "source": "worksheet",
            "release": call.release()?.to_string(),
            "overall_status": shown.overall.unwrap_or_else(|| "Unknown".to_owned()),
            "tasks": tasks,
        });
        Ok((document, None))
    }

    pub(super) async fn update_task_status(&self, arguments: &Arguments, call: Call) -> Outcome {
        let name = workflow_task(required(arguments, "task_name")?)?;
        let status = settable(required(arguments, "status")?)?;
        let result = text(arguments, "result").map(str::to_owned);
        // As at the terminal, which asks for a reason: what cannot be undone rests on this status.
        if status == TaskStatus::Pass && result.is_none() && name.id().parse::<CriticalTask>().is_ok() {
            return Err(Failure::usage(
                format!("{name} cannot be set to Pass without a reason"),
                "Give `result`: what shows that it is done, and who decided that.",
            ));
        }
        let reason = match &result {
            Some(result) => begin_of(result.lines().next().unwrap_or_default(), PREVIEW),
            None => format!("set by {}", call.user()),
        };
        let setting = TaskSet { name, status, reason, result: result.clone(), force: false, dry_run: false };
        let set = match perform(setting, &call).await {
            Ok(answer) => Ok(answer.changed),
            Err(error) if matches!(error.downcast_ref(), Some(StateBoxError::Absent { .. })) => Err(error),
            Err(error) => return Err(error.into()),
        };
        let mut updated = Vec::new();
        let mut warning = None;
        if matches!(set, Ok(true)) {
            updated.push(STATEBOX);
        }
        match self.enter(call, name, status).await {
            Ok(0) => {}
            Ok(_) => updated.push(WORKSHEET),
            // The StateBox decides; without one the worksheet is all that there is.
            Err(failure) if set.is_err() => return Err(failure),
            Err(failure) => {
                let words = format!("the worksheet is not up to date: {}", failure.error);
                tracing::warn!("{words}");
                warning = Some(words);
            }
        }
        match (updated.is_empty(), set) {
            (false, _) => {}
            (true, Err(absent)) => return Err(absent.into()),
            (true, Ok(_)) => {
                let words = match warning {
                    Some(warning) => format!("nothing was changed: {name} is {status} already; {warning}"),
                    None => format!("nothing was changed: {name} is {status} already"),
                };
                return Err(Failure::new(ErrorClass::Blocked, words, "There is nothing to do."));
            }
        }
        let release = required(arguments, "release")?;
        let mut document = json!({
            "success": true,
            "release": release,
            "task": name.id(),
            "status": status.text(),
            "updated_systems": updated,
            "message": format!("{name} is {status} ({})", updated.join(", ")),
        });
        if let Some(warning) = warning {
            document["warning"] = json!(warning);
        }
        if let Some(result) = result {
            let length = result.chars().count();
            let mut preview: String = result.chars().take(PREVIEW).collect();
            if length > PREVIEW {
                preview.push_str("...");
            }
            document["result_length"] = json!(length);
            document["result_preview"] = json!(preview);
        }
        Ok(document)
    }

    /// Enters a status in the worksheet, when the release has one; how many cells changed.
    async fn enter(&self, call: Call, name: TaskName, status: TaskStatus) -> Result<usize, Failure> {
        let call = self.configured(call).await?;
        let Some((worksheets, sheet)) = worksheet_of(&call).await? else { return Ok(0) };
        let entered = worksheets.enter(&sheet, &Entry::status(name, status), call.permit()?).await;
        entered.map_err(|error| Failure::of(&error))
    }

    pub(super) async fn active_releases(&self) -> Outcome {
        let active = self.files.active().await?;
        let names: Vec<String> = active.releases.iter().map(ToString::to_string).collect();
        let mut document = json!({ "releases": names });
        if !active.unknown.is_empty() {
            let unknown: Vec<Value> = active
                .unknown
                .iter()
                .take(20)
                .map(|(release, why)| json!({ "release": release.to_string(), "error": begin_of(why, 300) }))
                .collect();
            document["unknown"] = json!(unknown);
        }
        Ok(document)
    }
}

/// One of the nine tasks of the workflow.
fn workflow_task(text: &str) -> Result<TaskName, Failure> {
    let task = super::task_of(text)?;
    if TaskName::WORKFLOW.contains(&task) {
        return Ok(task);
    }
    let names = TaskName::WORKFLOW.map(TaskName::id).join(", ");
    Err(Failure::usage(format!("{task} is not a task of the workflow"), format!("Name one of {names}.")))
}

/// A status that a tool may set: one does not unmake work.
fn settable(text: &str) -> Result<TaskStatus, Failure> {
    match text.parse::<TaskStatus>() {
        Ok(status) if status != TaskStatus::NotStarted => Ok(status),
        Ok(_) | Err(_) => Err(Failure::usage(
            format!("`{}` is not a status that can be set", begin_of(text, 80)),
            "Use Pass, Fail or In Progress.",
        )),
    }
}
