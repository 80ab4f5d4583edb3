//! Every tool with arguments that suit the sandbox, and what its answer is like (spec 05 §7.5).

use sandbox::scenario::records::{NIGHTLY_JOB, UPGRADE_JOB};
use sandbox::scenario::release_controller::NEW_NIGHTLY;
use serde_json::{Value, json};

use crate::LEAD;

/// What the answer to a tool's call is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A document with these keys when it succeeds, and with those when it fails.
    Document(&'static [&'static str], &'static [&'static str]),
    /// The result of an operation, with these keys when it succeeds.
    Operation(&'static [&'static str]),
    /// The same of what a person decides: without a person's word nothing is recorded.
    Decision,
    /// The outcome of a command line.
    Command,
    /// The outcome of a command line that a person must consent to.
    Critical,
    /// The help of a command line.
    Help,
    /// The outcome of a command line that the document must switch on.
    Generic,
}

/// A tool and a call of it.
#[derive(Debug, Clone)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// The arguments of the call.
    pub arguments: Value,
    /// What it answers.
    pub kind: Kind,
    /// Whether it asks a service, so that it fails when all of them do.
    pub asks: bool,
}

fn tool(name: &'static str, kind: Kind, arguments: Value) -> Tool {
    Tool { name, arguments, kind, asks: true }
}

impl Tool {
    fn alone(mut self) -> Self {
        self.asks = false;
        self
    }
}

/// Rows 1 to 36 and the tools of the engine, with `release` where one is wanted, in an order in which they can be called one after the other.
pub fn tools(release: &str) -> Vec<Tool> {
    let mut all = documents(release);
    all.extend(commands(release));
    all.extend(builds());
    all.extend(others(release));
    all.extend(engine(release));
    all
}

/// The keys of a StateBox.
const STATE: &[&str] =
    &["schema_version", "release", "created_at", "updated_at", "metadata", "tasks", "issues"];
/// Those of the metadata of a release.
const METADATA: &[&str] =
    &["release", "advisories", "jira_ticket", "candidate_builds", "shipment_mr", "release_date"];
/// Those of the statistics of the cache.
const CACHE: &[&str] = &["metrics", "cache_size", "max_size", "ttl_seconds", "ttl_human", "entries"];
/// Those of a change of an issue.
const ISSUE: &[&str] = &["success", "message", "issue", "release"];
/// Those of one that failed.
const NO_ISSUE: &[&str] = &["success", "error", "release"];

fn documents(release: &str) -> Vec<Tool> {
    use Kind::Document;
    let of = |more: Value| {
        let mut arguments = json!({"release": release});
        for (name, value) in more.as_object().into_iter().flatten() {
            arguments[name] = value.clone();
        }
        arguments
    };
    let none = || of(Value::Null);
    vec![
        tool("oar_get_release_metadata", Document(METADATA, &["error", "release"]), none()),
        tool(
            "oar_is_release_shipped",
            Document(&["shipped", "flow_type", "details"], &["error", "shipped", "details"]),
            none(),
        ),
        tool(
            "oar_get_release_status",
            Document(STATE, &["source", "error", "release", "overall_status", "tasks"]),
            none(),
        ),
        tool(
            "oar_update_task_status",
            Document(
                &["success", "release", "task", "status", "updated_systems", "message"],
                &["success", "error"],
            ),
            of(
                json!({"task_name": "analyze-candidate-build", "status": "Pass", "result": "all failures are known"}),
            ),
        ),
        tool("discover_active_releases", Document(&["releases"], &["error", "releases"]), json!({})),
        tool("mcp_cache_stats", Document(CACHE, &["error"]), json!({})).alone(),
        tool(
            "mcp_cache_warm",
            Document(&["success", "message", "releases"], &["success", "error"]),
            json!({"releases": release}),
        ),
        tool(
            "mcp_cache_invalidate",
            Document(&["success", "message", "release"], &["success", "error"]),
            none(),
        )
        .alone(),
        tool(
            "oar_add_issue",
            Document(ISSUE, NO_ISSUE),
            of(json!({"issue": "stage is down", "blocker": true, "related_tasks": "stage-testing"})),
        ),
        tool(
            "oar_get_issues",
            Document(
                &["success", "count", "issues", "filters", "release"],
                &["success", "error", "count", "issues"],
            ),
            of(json!({"unresolved_only": true})),
        ),
        tool(
            "oar_get_task_blocker",
            Document(
                &["success", "blocked", "blocker", "task_name", "release"],
                &["success", "error", "blocked", "blocker"],
            ),
            of(json!({"task_name": "stage-testing"})),
        ),
        tool(
            "oar_resolve_issue",
            Document(ISSUE, NO_ISSUE),
            of(json!({"issue": "stage is", "resolution": "it is up"})),
        ),
    ]
}

fn commands(release: &str) -> Vec<Tool> {
    use Kind::{Command, Critical};
    let of = || json!({"release": release});
    vec![
        tool("oar_create_test_report", Command, of()),
        tool("oar_take_ownership", Command, json!({"release": release, "email": LEAD})),
        tool("oar_update_bug_list", Command, json!({"release": release, "notify": false})),
        tool("oar_check_cve_tracker_bug", Command, json!({"release": release, "notify": false})),
        tool("oar_image_signed_check", Command, of()),
        tool("oar_check_greenwave_cvp_tests", Command, of()),
        tool("oar_image_consistency_check", Command, of()),
        tool("oar_stage_testing", Command, of()),
        tool("oar_drop_bugs", Critical, of()),
        tool("oar_push_to_cdn_staging", Critical, of()),
        tool("oar_add_qe_approval", Critical, of()),
        tool("oar_change_advisory_status", Critical, of()),
    ]
}

fn builds() -> Vec<Tool> {
    use Kind::Command;
    let payload = "quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";
    vec![
        tool("oarctl_start_release_detector", Command, json!({"release": "4.20"})),
        tool("oarctl_jira_notificator", Command, json!({"dry_run": true})),
        tool("job_run", Command, json!({"job_name": NIGHTLY_JOB, "payload": payload})),
        tool(
            "jobctl_start_controller",
            Command,
            json!({"release": "4.20", "nightly": true, "trigger_prow_job": false}),
        ),
        tool("jobctl_trigger_jobs_for_build", Command, json!({"build": NEW_NIGHTLY})),
        tool("jobctl_start_aggregator", Command, json!({})),
        tool("jobctl_promote_test_results", Command, json!({"build": NEW_NIGHTLY})),
        tool(
            "jobctl_update_retried_job_run",
            Command,
            json!({
                "build": NEW_NIGHTLY,
                "job_name": UPGRADE_JOB,
                "current_job_id": "0b8e7c1a-1111-4222-8333-944455557777",
                "new_job_id": "0b8e7c1a-1111-4222-8333-944455556666",
            }),
        ),
    ]
}

fn others(release: &str) -> Vec<Tool> {
    vec![
        tool("get_command_help", Kind::Help, json!({"cli": "oar", "command": "take-ownership"})).alone(),
        tool("oar_run_command", Kind::Generic, json!({"release": release, "command": "status"})),
        tool(
            "oarctl_run_command",
            Kind::Generic,
            json!({"command": "start-release-detector", "args": "-r 4.20"}),
        ),
        tool("jobctl_run_command", Kind::Generic, json!({"command": "start-controller", "args": "-r 4.20"})),
    ]
}

fn engine(release: &str) -> Vec<Tool> {
    use Kind::{Decision, Operation};
    let of = || json!({"release": release});
    let waive = json!({"release": release, "task": "analyze-candidate-build", "reason": "a hurried fix"});
    vec![
        tool("release_plan", Operation(&["release", "now", "people", "nodes", "unknown"]), of()),
        tool("release_advance", Operation(&["release", "runs", "told", "plan"]), of()),
        tool(
            "release_decide",
            Decision,
            json!({"release": release, "node": "analyze-promoted-build", "verdict": "accept", "reason": "seen"}),
        ),
        tool("release_waive", Decision, waive),
        tool("release_hold", Decision, json!({"release": release, "withdraw": true})),
        tool(
            "release_consent_plan",
            Operation(&["release", "command", "outcome", "consents"]),
            json!({"release": release, "task": "push-to-cdn-staging"}),
        ),
        tool("release_timeline", Operation(&["release"]), of()),
        tool("releases_overview", Operation(&["releases"]), json!({})),
        tool("doctor", Operation(&["ready", "checked_at", "findings"]), of()),
    ]
}
