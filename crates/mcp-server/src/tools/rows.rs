//! The tools themselves: one row each, in the order of the reference's table (spec 05 §7.5), whose names, parameters, types
//! and defaults are `interop-exact`; and those of the engine.

use oar_core::operations::Program;

use super::output::{Shape, key, maybe};
use super::parameters::{Described, Parameter, Unset, Values, Word};
use super::{Decides, DocumentTool, Hints, Kind, Tool};
use crate::caller::AccessScope;

use AccessScope::{Critical, Generic, Jobs, Read, Write};
use Described::{By, ByArgument};
use Program::{Jobctl, Oar, Oarctl};

/// It only reads.
const READS: Hints = Hints { read_only: true, destructive: false, idempotent: false, open_world: true };
/// It changes something, and takes nothing away.
const CHANGES: Hints = Hints { read_only: false, destructive: false, idempotent: false, open_world: true };
/// It changes something; a second call changes nothing more.
const CHANGES_ONCE: Hints = Hints { idempotent: true, ..CHANGES };
/// It may do what cannot be undone.
const DESTROYS: Hints = Hints { destructive: true, ..CHANGES };

fn release() -> Parameter {
    let described = By("The release, such as 4.19.1 or 4.22.0-rc.0");
    Parameter::required("release", Values::Release, described)
        .as_word(Word::ProgramOption("--release"))
        .short('r')
}

fn build() -> Parameter {
    Parameter::required("build", Values::Build, ByArgument("build")).as_word(Word::Option("--build"))
}

fn arch() -> Parameter {
    Parameter::or("arch", Values::Arch, Unset::Text("amd64"), ByArgument("arch"))
        .as_word(Word::Option("--arch"))
}

fn notify(default: bool, described: &'static str) -> Parameter {
    Parameter::or("notify", Values::Flag, Unset::Flag(default), By(described))
        .as_word(Word::Unless("--no-notify"))
}

fn words_of_command() -> [Parameter; 2] {
    [
        Parameter::required(
            "command",
            Values::Text,
            By("The command, such as `issue list`; get_command_help explains it"),
        ),
        Parameter::or("args", Values::Text, Unset::Text(""), By("Its arguments, quoted as for a shell")),
    ]
}

/// Every tool.
pub(super) fn all() -> Vec<Tool> {
    let mut tools = of_releases();
    tools.extend(of_jobs());
    tools.extend(of_documents());
    tools.extend(of_further_tasks());
    tools.extend(of_all());
    tools.extend(of_engine());
    tools
}

/// Rows 1 to 8.
fn of_releases() -> Vec<Tool> {
    vec![
        Tool::command("oar_check_cve_tracker_bug", Oar, "check-cve-tracker-bug", Write, CHANGES)
            .taking([release(), notify(false, "Whether ART is notified of missing trackers in Slack")]),
        Tool::command("oar_image_signed_check", Oar, "image-signed-check", Write, CHANGES)
            .taking([release()]),
        Tool::command("oar_image_consistency_check", Oar, "image-consistency-check", Write, CHANGES)
            .taking([
                release(),
                Parameter::or("job_id", Values::Text, Unset::Absent, ByArgument("job_id"))
                    .as_word(Word::Option("--job-id"))
                    .short('i')
                    .never_empty(),
            ])
            .starting_jobs("job_id"),
        Tool::command("oar_stage_testing", Oar, "stage-testing", Write, CHANGES)
            .taking([
                release(),
                Parameter::or("build_number", Values::Number, Unset::Absent, ByArgument("build_number"))
                    .as_word(Word::Option("--build-number"))
                    .short('n')
                    .never_empty(),
            ])
            .starting_jobs("build_number"),
        Tool::command("oar_create_test_report", Oar, "create-test-report", Write, CHANGES_ONCE)
            .taking([release()]),
        Tool::command("oar_take_ownership", Oar, "take-ownership", Write, CHANGES).taking([
            release(),
            Parameter::required("email", Values::Text, ByArgument("email"))
                .as_word(Word::Option("--email"))
                .short('e'),
        ]),
        Tool::command("oar_push_to_cdn_staging", Oar, "push-to-cdn-staging", Critical, DESTROYS)
            .taking([release()]),
        Tool::command("oar_change_advisory_status", Oar, "change-advisory-status", Critical, DESTROYS)
            .taking([release()]),
    ]
}

/// Rows 9 to 16.
fn of_jobs() -> Vec<Tool> {
    vec![
        Tool::command("oarctl_start_release_detector", Oarctl, "start-release-detector", Write, CHANGES)
            .taking([Parameter::required("release", Values::YStream, By("The minor version, such as 4.19"))
                .as_word(Word::Option("--minor-release"))
                .short('r')]),
        Tool::command("oarctl_jira_notificator", Oarctl, "jira-notificator", Write, CHANGES).taking([
            Parameter::or("dry_run", Values::Flag, Unset::Flag(false), ByArgument("dry_run"))
                .as_word(Word::When("--dry-run")),
            Parameter::or("from_date", Values::Day, Unset::Null, ByArgument("from_date"))
                .as_word(Word::Option("--from-date")),
        ]),
        Tool::command("job_run", Program::Job, "run", Jobs, CHANGES)
            .taking([
                Parameter::required("job_name", Values::Text, ByArgument("job")).as_word(Word::Positional),
                Parameter::required("payload", Values::Text, By("Pull spec of the payload to test"))
                    .as_word(Word::Option("--payload")),
            ])
            .starting_jobs(""),
        Tool::command("jobctl_start_controller", Jobctl, "start-controller", Jobs, CHANGES)
            .taking([
                Parameter::required("release", Values::YStream, By("The minor version, such as 4.20"))
                    .as_word(Word::Option("--release"))
                    .short('r'),
                Parameter::or(
                    "nightly",
                    Values::Flag,
                    Unset::Flag(true),
                    By("Whether nightly builds are checked, or stable ones"),
                )
                .as_word(Word::Unless("--no-nightly")),
                Parameter::or(
                    "trigger_prow_job",
                    Values::Flag,
                    Unset::Flag(true),
                    ByArgument("trigger_prow_job"),
                )
                .as_word(Word::Option("--trigger-prow-job")),
                arch(),
            ])
            .starting_jobs(""),
        Tool::command("jobctl_trigger_jobs_for_build", Jobctl, "trigger-jobs-for-build", Jobs, CHANGES)
            .taking([build(), arch()])
            .starting_jobs(""),
        Tool::command("jobctl_start_aggregator", Jobctl, "start-aggregator", Jobs, DESTROYS)
            .taking([arch()])
            .starting_jobs(""),
        Tool::command("jobctl_promote_test_results", Jobctl, "promote-test-results", Jobs, DESTROYS)
            .taking([build(), arch()]),
        Tool::command("jobctl_update_retried_job_run", Jobctl, "update-retried-job-run", Jobs, DESTROYS)
            .taking([
                build(),
                Parameter::required("job_name", Values::Text, ByArgument("job_name"))
                    .as_word(Word::Option("--job-name")),
                Parameter::required("current_job_id", Values::Text, ByArgument("current_job_id"))
                    .as_word(Word::Option("--current-job-id")),
                Parameter::required("new_job_id", Values::Text, ByArgument("new_job_id"))
                    .as_word(Word::Option("--new-job-id")),
                arch(),
            ]),
    ]
}

/// Rows 17 to 28.
#[expect(clippy::too_many_lines, reason = "a table")]
fn of_documents() -> Vec<Tool> {
    use DocumentTool as D;
    use Shape::{Any, Flag, List, Map, Number, Text};
    // The words of documents are those of the operation that they resemble; none of them runs a command line.
    let task =
        |described| Parameter::required("task_name", Values::Task, described).as_word(Word::Positional);
    vec![
        Tool::document("oar_get_release_metadata", D::ReleaseMetadata, Read, READS)
            .like(Oar, "metadata")
            .taking([release()])
            .giving([
                key("release", Text),
                key("advisories", Map),
                key("jira_ticket", Text),
                key("candidate_builds", Map),
                key("shipment_mr", Text),
                key("release_date", Text),
            ]),
        Tool::document("oar_is_release_shipped", D::IsShipped, Read, READS)
            .like(Oar, "is-shipped")
            .taking([release()])
            .giving([key("shipped", Flag), key("flow_type", Text), key("details", Map)]),
        Tool::document("oar_get_release_status", D::ReleaseStatus, Read, READS)
            .like(Oar, "status")
            .about(
                "Get release status",
                "Show the whole state of a release: each task with its status and result, the issues, the metadata; of a release without a state file, its worksheet",
            )
            .taking([release()])
            .giving([
                key("release", Text),
                maybe("metadata", Map),
                maybe("tasks", Any),
                maybe("issues", List),
                maybe("source", Text),
                maybe("overall_status", Text),
            ])
            .untrusted(),
        Tool::document("oar_update_task_status", D::UpdateTaskStatus, Write, CHANGES_ONCE)
            .like(Oar, "task set")
            .taking([
                release(),
                task(ByArgument("name")),
                Parameter::required("status", Values::Status, ByArgument("status")).as_word(Word::Positional),
                Parameter::or("result", Values::Text, Unset::Null, By("What is kept as the task's result"))
                    .as_word(Word::Option("--reason")),
            ])
            .giving([
                key("success", Flag),
                key("release", Text),
                key("task", Text),
                key("status", Text),
                key("updated_systems", List),
                key("message", Text),
                maybe("result_length", Number),
                maybe("result_preview", Text),
            ]),
        Tool::document("discover_active_releases", D::ActiveReleases, Read, READS)
            .about("Discover active releases", "List the releases that are in work: announced, and not shipped for long")
            .giving([key("releases", List)]),
        Tool::document("mcp_cache_stats", D::CacheStats, Read, Hints { open_world: false, ..READS })
            .about("Show cache statistics", "Show the statistics of this server's cache of build data, with the age of each entry")
            .giving([
                key("metrics", Map),
                key("cache_size", Number),
                key("max_size", Number),
                key("ttl_seconds", Number),
                key("ttl_human", Text),
                key("entries", List),
            ]),
        Tool::document("mcp_cache_invalidate", D::CacheInvalidate, Read, Hints { open_world: false, ..CHANGES_ONCE })
            .about("Invalidate the cache", "Forget the cached build data of a release, or of all")
            .taking([Parameter::or("release", Values::Release, Unset::Null, By("The release; without one, all"))])
            .giving([key("success", Flag), key("message", Text), key("release", Text)]),
        Tool::document("mcp_cache_warm", D::CacheWarm, Read, CHANGES_ONCE)
            .about("Warm the cache", "Fetch the build data of releases into this server's cache")
            .taking([Parameter::required("releases", Values::Text, By("Releases with commas between, such as 4.19.1,4.20.3"))])
            .giving([key("success", Flag), key("message", Text), key("releases", List)]),
        Tool::document("oar_add_issue", D::AddIssue, Write, CHANGES)
            .like(Oar, "issue add")
            .taking([
                release(),
                Parameter::required("issue", Values::Text, ByArgument("text")).as_word(Word::Positional),
                Parameter::or("blocker", Values::Flag, Unset::Flag(true), By("Whether it blocks the tasks"))
                    .as_word(Word::Unless("--no-blocker")),
                Parameter::or(
                    "related_tasks",
                    Values::Text,
                    Unset::Null,
                    By("The tasks that it blocks, with commas between; without any it concerns the whole release"),
                )
                .as_word(Word::Option("--task")),
            ])
            .giving([key("success", Flag), key("message", Text), key("issue", Map), key("release", Text)])
            .untrusted(),
        Tool::document("oar_resolve_issue", D::ResolveIssue, Write, CHANGES)
            .like(Oar, "issue resolve")
            .taking([
                release(),
                Parameter::required("issue", Values::Text, ByArgument("text")).as_word(Word::Positional),
                Parameter::required("resolution", Values::Text, ByArgument("resolution"))
                    .as_word(Word::Option("--resolution")),
            ])
            .giving([key("success", Flag), key("message", Text), key("issue", Map), key("release", Text)])
            .untrusted(),
        Tool::document("oar_get_issues", D::GetIssues, Read, READS)
            .like(Oar, "issue list")
            .about("Get issues", "List the issues of a release: what blocks it, and what was resolved")
            .taking([
                release(),
                Parameter::or("unresolved_only", Values::Flag, Unset::Flag(false), By("Only unresolved ones")),
                Parameter::or("blockers_only", Values::Flag, Unset::Flag(false), By("Only blockers")),
                Parameter::or("task_name", Values::Task, Unset::Null, ByArgument("task"))
                    .as_word(Word::Option("--task")),
            ])
            .giving([
                key("success", Flag),
                key("count", Number),
                key("issues", List),
                key("filters", Map),
                key("release", Text),
            ])
            .untrusted(),
        Tool::document("oar_get_task_blocker", D::GetTaskBlocker, Read, READS)
            .about("Get task blocker", "Show the unresolved issue that blocks a task, if there is one")
            .taking([release(), task(By("The task"))])
            .giving([
                key("success", Flag),
                key("blocked", Flag),
                key("blocker", Any),
                key("task_name", Text),
                key("release", Text),
            ])
            .untrusted(),
    ]
}

/// Rows 29 to 31, and 36, which the reference only describes.
fn of_further_tasks() -> Vec<Tool> {
    vec![
        Tool::command("oar_check_greenwave_cvp_tests", Oar, "check-greenwave-cvp-tests", Write, CHANGES)
            .taking([release()]),
        Tool::command("oar_update_bug_list", Oar, "update-bug-list", Write, CHANGES)
            .taking([release(), notify(true, "Whether the QA contacts of the bugs are reminded")]),
        Tool::command("oar_drop_bugs", Oar, "drop-bugs", Critical, DESTROYS).taking([release()]),
        Tool::command("oar_add_qe_approval", Oar, "add-qe-approval", Critical, DESTROYS).taking([release()]),
    ]
}

/// Rows 32 to 35, and what follows a run that takes long.
fn of_all() -> Vec<Tool> {
    let generic = |name, program: Program, title, about| {
        Tool::new(name, Kind::Generic(program), Generic, DESTROYS).about(title, about).untrusted()
    };
    let [command, args] = words_of_command();
    vec![
        generic("oar_run_command", Oar, "Run an oar command", "Run a command of oar with the arguments given; what it changes depends on the command")
            .taking([release(), command, args]),
        generic("oarctl_run_command", Oarctl, "Run an oarctl command", "Run a command of oarctl with the arguments given; what it changes depends on the command")
            .taking([command, args]),
        generic("jobctl_run_command", Jobctl, "Run a jobctl command", "Run a command of jobctl with the arguments given; what it changes depends on the command")
            .taking([command, args]),
        Tool::new("get_command_help", Kind::Help, Read, Hints { open_world: false, ..READS })
            .about("Get command help", "Show the help of a program or of one of its commands")
            .taking([
                Parameter::required("cli", Values::Program, By("The program")),
                Parameter::or("command", Values::Text, Unset::Text(""), By("The command; without one, the program's own help")),
            ]),
        Tool::new("get_run", Kind::GetRun, Read, Hints { open_world: false, ..CHANGES_ONCE })
            .about(
                "Follow a run",
                "Follow work that another tool began and that took longer than 20 seconds: waits for its end up to 20 seconds, and shows its result or how far it is. Call it again until `state` is `finished`",
            )
            .taking([
                Parameter::required("run_id", Values::Text, By("The id that the other tool's answer named")),
                Parameter::or(
                    "offset",
                    Values::Count,
                    Unset::Absent,
                    By("Where in the whole result to begin, in bytes: for what an answer left out"),
                ),
                Parameter::or(
                    "stop",
                    Values::Flag,
                    Unset::Flag(false),
                    By("Stop it at the next point at which nothing is half done; what it started elsewhere goes on"),
                ),
            ])
            .giving([key("run_id", Shape::Text), key("state", Shape::Text), key("result", Shape::Text)])
            .untrusted(),
    ]
}

/// Those of the engine: what stands where in releases, taking one on, and what people decide about it.
#[expect(clippy::too_many_lines, reason = "a table")]
fn of_engine() -> Vec<Tool> {
    use Shape::{Flag, List, Map, Number, Text};
    let text = |name: &'static str, word, described| {
        Parameter::or(name, Values::Text, Unset::Null, described).as_word(Word::Option(word))
    };
    let reason = || text("reason", "--reason", By("Why; needed unless `withdraw` is true"));
    let until = || {
        Parameter::or("until", Values::Moment, Unset::Null, ByArgument("until"))
            .as_word(Word::Option("--until"))
    };
    let flag = |name: &'static str, word| {
        Parameter::or(name, Values::Flag, Unset::Flag(false), ByArgument(name)).as_word(Word::When(word))
    };
    let withdraw = || flag("withdraw", "--withdraw");
    let optional_release = |described| {
        Parameter::or("release", Values::Release, Unset::Null, By(described))
            .as_word(Word::ProgramOption("--release"))
            .short('r')
    };
    let decision = || [key("outcome", Text), key("changed", Flag)];
    vec![
        Tool::performing("release_plan", Oar, "drive", Read, READS)
            .taking([release()])
            .giving([
                key("release", Text),
                key("done", Number),
                key("total", Number),
                key("now", List),
                key("people", List),
                key("nodes", List),
                key("unknown", List),
                key("defects", List),
            ])
            .untrusted(),
        Tool::performing("release_advance", Oar, "drive --once", Write, DESTROYS)
            .taking([release()])
            .giving([
                key("release", Text),
                key("runs", List),
                key("told", Number),
                key("warnings", List),
                key("plan", Map),
            ])
            .untrusted(),
        Tool::performing("release_decide", Oar, "decide", Write, CHANGES_ONCE)
            .taking([
                release(),
                Parameter::required("node", Values::Node, ByArgument("node")).as_word(Word::Positional),
                Parameter::or("verdict", Values::Verdict, Unset::Null, By("How it counts: accept, reject or wait"))
                    .as_word(Word::Positional),
                reason(),
                text("evidence", "--evidence", ByArgument("evidence")),
                withdraw(),
            ])
            .giving(decision())
            .deciding(Decides::Always)
            .untrusted(),
        Tool::performing("release_waive", Oar, "waive", Write, CHANGES_ONCE)
            .taking([
                release(),
                Parameter::required("task", Values::Task, ByArgument("task")).as_word(Word::Positional),
                reason(),
                until(),
                withdraw(),
            ])
            .giving(decision())
            .deciding(Decides::Always)
            .untrusted(),
        Tool::performing("release_hold", Oar, "hold", Write, CHANGES_ONCE)
            .taking([
                optional_release("The release; without one, `all` must be true"),
                reason(),
                until(),
                flag("all", "--all"),
                withdraw(),
            ])
            .giving(decision())
            .deciding(Decides::When("withdraw"))
            .untrusted(),
        Tool::performing("release_consent_plan", Oar, "consent", Read, READS)
            .about(
                "Show a plan that needs consent",
                "Show exactly what a critical task would do now, which is what a person consents to, and the consents \
                 that are valid; it gives none",
            )
            .taking([
                release(),
                Parameter::required("task", Values::Critical, ByArgument("task")).as_word(Word::Positional),
            ])
            .giving([key("command", Text), key("outcome", Text), key("consents", List)])
            .dry()
            .untrusted(),
        Tool::performing("release_timeline", Oar, "timeline", Read, READS)
            .taking([release()])
            .giving([key("release", Text)])
            .untrusted(),
        Tool::performing("releases_overview", Oar, "releases", Read, READS)
            .giving([key("releases", List)])
            .untrusted(),
        Tool::performing("doctor", Oar, "doctor", Read, READS)
            .taking([optional_release("The release; without one, what every release needs is checked")])
            .giving([key("checked_at", Text), key("findings", List)])
            .untrusted(),
    ]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_program_has_help() {
        let names: Vec<_> = oar_core::operations::Program::ALL.iter().map(|program| program.name()).collect();
        assert_eq!(names, crate::tools::parameters::PROGRAMS);
    }
}
