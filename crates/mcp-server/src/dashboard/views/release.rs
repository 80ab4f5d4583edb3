//! The page of a release: what comes next and why it waits, then everything that is known of it.

use askama::Template;
use askama::filters::HtmlSafe;
use oar_core::config::{Endpoints, Leave};
use oar_core::drive::case::Case;
use oar_core::drive::plan::DrivePlan;
use oar_core::drive::verdict::{Evidence, NodePlan};
use oar_core::statebox::{IssueView, Job, RunOutcome, RunView, State, TaskStatus, TaskView, Timeline};
use oar_core::tasks::status::{DecisionRow, HeldRow, StatusReport, StatusRow};
use oar_core::version::ReleaseVersion;
use serde::Serialize;

use super::picture::Picture;
use super::{Badge, ConcernItem, HeldItem, PersonItem, ProblemItem, Tone, verdict_words};
use crate::dashboard::links::{advisory, build_path, issue};
use crate::dashboard::seen::Known;
use crate::dashboard::text::{Command, Link, Shower, Text, Time, Words};

/// The most runs of a task that are shown, the newest ones.
const RUNS: usize = 50;
/// The most resolved issues that are shown, the newest ones.
const RESOLVED: usize = 100;

/// The page.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any may hold beside any")]
#[derive(Debug, Serialize, Template)]
#[template(path = "release.html")]
pub(in crate::dashboard) struct ReleasePage {
    release: String,
    /// Whether it is one of the active releases, for which the services are asked.
    active: bool,
    standing: Badge,
    flow: Option<&'static str>,
    date: Option<String>,
    countdown: String,
    overdue: bool,
    /// The file.
    statebox: Link,
    /// When it was read.
    read: Time,
    /// When it was changed.
    updated: Option<Time>,
    /// When the services were asked.
    asked: Option<Time>,
    /// Whether the StateBox has changed since.
    outdated: bool,
    problems: Vec<ProblemItem>,
    held: Vec<HeldItem>,
    concerns: Vec<ConcernItem>,
    waits_for_people: Vec<PersonItem>,
    /// Whether it may wait for people without this being known.
    partly_unknown: bool,
    /// What the engine would do now.
    now: Vec<RunNow>,
    next_look: Option<Time>,
    done: usize,
    total: usize,
    steps: Vec<NodeItem>,
    facts: Vec<FactItem>,
    unknown: Vec<UnknownItem>,
    defects: Vec<Words>,
    open_issues: Vec<IssueItem>,
    resolved_issues: Vec<IssueItem>,
    tasks: Vec<TaskItem>,
    jira: Option<Link>,
    merge_request: Option<Link>,
    advisories: Vec<AdvisoryItem>,
    builds: Vec<BuildItem>,
    /// What ART has announced and not made yet.
    pending: Vec<Words>,
    timeline: Picture,
    decisions: Vec<DecisionItem>,
}

impl HtmlSafe for ReleasePage {}

#[derive(Debug, Serialize)]
struct RunNow {
    step: &'static str,
    command: Command,
    only_looks: bool,
}

/// One step of the plan.
#[derive(Debug, Serialize)]
struct NodeItem {
    step: &'static str,
    state: Badge,
    what: Option<Text>,
    note: Option<Text>,
    stale: Option<Text>,
    since: Option<Time>,
    next_look: Option<Time>,
    deadline: Option<Time>,
    who: Option<&'static str>,
    policy: &'static str,
    evidence: Vec<EvidenceItem>,
    case: Option<CaseItem>,
}

#[derive(Debug, Serialize)]
struct EvidenceItem {
    address: Link,
    field: Words,
    value: Words,
    at: Option<Time>,
}

/// The case of a build whose tests are not accepted.
#[derive(Debug, Serialize)]
struct CaseItem {
    recommendation: String,
    reasons: Vec<Words>,
    scenarios: Vec<ScenarioItem>,
    unexplained: Vec<UnexplainedItem>,
    flaky: Vec<Words>,
}

#[derive(Debug, Serialize)]
struct ScenarioItem {
    name: Words,
    platforms: Vec<String>,
    critical: bool,
    known: Option<Words>,
    runs: Vec<Link>,
}

#[derive(Debug, Serialize)]
struct UnexplainedItem {
    job: Words,
    reason: Words,
    run: Option<Link>,
}

#[derive(Debug, Serialize)]
struct FactItem {
    fact: &'static str,
    address: Link,
    at: Time,
}

#[derive(Debug, Serialize)]
struct UnknownItem {
    fact: &'static str,
    why: Text,
    steps: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct IssueItem {
    badge: Badge,
    text: Text,
    reported: Option<Time>,
    reported_by: Option<Words>,
    tasks: Vec<Words>,
    resolution: Option<Text>,
    resolved: Option<Time>,
    resolved_by: Option<Words>,
}

/// One task.
#[derive(Debug, Serialize)]
struct TaskItem {
    task: Words,
    status: Badge,
    started: Option<Time>,
    completed: Option<Time>,
    by: Option<Words>,
    waits: Option<Text>,
    job: Option<JobItem>,
    undelivered: usize,
    consents: Vec<Words>,
    runs: Vec<RunItem>,
    runs_left_out: usize,
    log: Option<Text>,
}

#[derive(Debug, Serialize)]
struct JobItem {
    name: Words,
    system: Words,
    page: Option<Link>,
    state: Option<Words>,
    triggered: Option<Time>,
}

#[derive(Debug, Serialize)]
struct RunItem {
    outcome: Badge,
    started: Option<Time>,
    finished: Option<Time>,
    by: Option<Words>,
    command: Option<Command>,
    reason: Option<Text>,
    links: Vec<Link>,
}

#[derive(Debug, Serialize)]
struct AdvisoryItem {
    kind: Words,
    advisory: Link,
}

#[derive(Debug, Serialize)]
struct BuildItem {
    what: Words,
    build: Words,
    #[serde(skip)]
    path: Option<String>,
}

#[derive(Debug, Serialize)]
struct DecisionItem {
    what: Words,
    standing: Words,
    counts: bool,
    reason: Text,
    by: Words,
    at: Time,
    until: Option<Words>,
    evidence: Option<Link>,
}

/// What a page of a release is made of.
pub(in crate::dashboard) struct Sources<'a> {
    pub(in crate::dashboard) release: &'a ReleaseVersion,
    pub(in crate::dashboard) known: &'a Known,
    pub(in crate::dashboard) state: &'a State,
    pub(in crate::dashboard) location: String,
    pub(in crate::dashboard) active: bool,
    /// What holds every release.
    pub(in crate::dashboard) held: &'a [HeldRow],
    pub(in crate::dashboard) problems: Vec<ProblemItem>,
    pub(in crate::dashboard) endpoints: &'a Endpoints,
}

impl ReleasePage {
    pub(in crate::dashboard) fn new(sources: Sources<'_>, shower: &Shower) -> Self {
        let Sources { release, known, state, location, active, held, problems, endpoints } = sources;
        let row = known.row(release, shower.now());
        let report = StatusReport::of(state, location.clone(), shower.now());
        let plan = known.shown_plan();
        let nodes = || plan.into_iter().flat_map(|plan| &plan.nodes);
        let time = |text: &Option<String>| text.as_deref().map(|text| shower.time(text));
        let (resolved, open): (Vec<IssueView>, Vec<IssueView>) =
            state.issues().into_iter().partition(|issue| issue.resolved);
        let mut open: Vec<IssueItem> = open.iter().map(|issue| issue_item(issue, shower)).collect();
        open.sort_by_key(|issue| issue.badge.tone != Tone::Blocked);
        let metadata = &report.metadata;
        let rows = report.tasks.iter().chain(&report.others);
        let views = state.tasks();
        let view = |row: &StatusRow| views.iter().find(|view| view.name == row.name);
        let mut builds: Vec<BuildItem> = metadata
            .candidate_builds
            .iter()
            .map(|(arch, build)| BuildItem {
                what: shower.words(&format!("candidate, {arch}")),
                build: shower.words(build),
                path: build_path(build, arch),
            })
            .collect();
        let promoted = release.to_string();
        builds.push(BuildItem {
            what: shower.words("promoted"),
            path: build_path(&promoted, "amd64"),
            build: shower.words(&promoted),
        });
        Self {
            release: promoted,
            active,
            standing: Badge::of_standing(row.status),
            flow: plan.and_then(|plan| plan.flow),
            date: row.date.clone(),
            countdown: row.countdown(),
            overdue: row.overdue,
            statebox: shower.link(&location),
            read: shower.moment(known.at),
            updated: time(&report.updated_at),
            asked: known.plan.asked().map(|plan| shower.time(&plan.at)),
            outdated: known.is_outdated(),
            partly_unknown: known.is_partly_unknown() || !problems.is_empty(),
            problems,
            held: held.iter().chain(&report.held).map(|held| HeldItem::new(held, shower)).collect(),
            concerns: ConcernItem::all(&row, shower),
            waits_for_people: PersonItem::sorted(PersonItem::all(known, shower)),
            now: plan.map(|plan| runs_now(plan, shower)).unwrap_or_default(),
            next_look: plan.and_then(|plan| time(&plan.next_look)),
            done: plan.map_or(0, |plan| plan.done),
            total: plan.map_or(0, |plan| plan.total),
            steps: nodes().map(|node| step(node, shower)).collect(),
            facts: plan.map(|plan| facts(plan, shower)).unwrap_or_default(),
            unknown: plan.map(|plan| unknown(plan, shower)).unwrap_or_default(),
            defects: plan
                .map(|plan| plan.defects.iter().map(|defect| shower.words(defect)).collect())
                .unwrap_or_default(),
            open_issues: open,
            resolved_issues: resolved
                .iter()
                .rev()
                .take(RESOLVED)
                .map(|issue| issue_item(issue, shower))
                .collect(),
            tasks: rows.map(|row| task_item(row, view(row), shower)).collect(),
            jira: metadata.jira_ticket.as_deref().map(|key| issue(key, shower)),
            merge_request: metadata.shipment_mr.as_deref().map(|address| shower.link(address)),
            advisories: metadata
                .advisory_ids
                .iter()
                .map(|(kind, id)| AdvisoryItem {
                    kind: shower.words(kind),
                    advisory: advisory(*id, endpoints, shower),
                })
                .collect(),
            builds,
            pending: metadata.pending.iter().map(|what| shower.words(what)).collect(),
            timeline: Picture::new(&Timeline::of(state, shower.now()), shower),
            decisions: DecisionRow::all(state, shower.now())
                .iter()
                .rev()
                .map(|row| decision(row, shower))
                .collect(),
        }
    }
}

fn runs_now(plan: &DrivePlan, shower: &Shower) -> Vec<RunNow> {
    let run = |run: &oar_core::drive::plan::PlannedRun| RunNow {
        step: run.node.id(),
        command: shower.command(&run.command),
        only_looks: run.only_looks,
    };
    plan.now.iter().map(run).collect()
}

fn facts(plan: &DrivePlan, shower: &Shower) -> Vec<FactItem> {
    let fact = |fact: &oar_core::drive::plan::FactRead| FactItem {
        fact: fact.fact.id(),
        address: shower.link(&fact.address),
        at: shower.time(&fact.at),
    };
    plan.facts.iter().map(fact).collect()
}

fn unknown(plan: &DrivePlan, shower: &Shower) -> Vec<UnknownItem> {
    let unknown = |unknown: &oar_core::drive::plan::FactUnknown| UnknownItem {
        fact: unknown.fact.id(),
        why: shower.text(&unknown.why),
        steps: unknown.nodes.iter().map(|node| node.id()).collect(),
    };
    plan.unknown.iter().map(unknown).collect()
}

fn step(plan: &NodePlan, shower: &Shower) -> NodeItem {
    let text = |text: &Option<String>| text.as_deref().map(|text| shower.text(text));
    let time = |text: &Option<String>| text.as_deref().map(|text| shower.time(text));
    NodeItem {
        step: plan.node.id(),
        state: Badge::of_node(Tone::of(plan)),
        what: verdict_words(&plan.verdict).map(|words| shower.text(words)),
        note: text(&plan.note),
        stale: text(&plan.stale),
        since: time(&plan.since),
        next_look: time(&plan.next_look),
        deadline: time(&plan.deadline),
        who: plan.person.map(oar_core::flow::nodes::Who::words),
        policy: match plan.policy {
            Leave::Auto => "by itself",
            Leave::Ask => "after consent",
            Leave::Never => "by people",
        },
        evidence: plan.evidence.iter().map(|evidence| evidence_item(evidence, shower)).collect(),
        case: plan.case.as_ref().map(|case| case_item(case, shower)),
    }
}

fn evidence_item(evidence: &Evidence, shower: &Shower) -> EvidenceItem {
    EvidenceItem {
        address: shower.link(&evidence.address),
        field: shower.words(&evidence.field),
        value: shower.words(&evidence.value),
        at: evidence.at.as_deref().map(|at| shower.time(at)),
    }
}

fn case_item(case: &Case, shower: &Shower) -> CaseItem {
    CaseItem {
        recommendation: case.recommendation.to_string(),
        reasons: case.reasons.iter().map(|reason| shower.words(reason)).collect(),
        scenarios: case
            .scenarios
            .iter()
            .map(|scenario| ScenarioItem {
                name: shower.words(&scenario.name),
                platforms: scenario.platforms.iter().cloned().collect(),
                critical: scenario.critical,
                known: scenario.known.as_deref().map(|known| shower.words(known)),
                runs: scenario.runs.iter().map(|run| shower.link(run)).collect(),
            })
            .collect(),
        unexplained: case
            .unexplained
            .iter()
            .map(|job| UnexplainedItem {
                job: shower.words(&job.job),
                reason: shower.words(&job.reason),
                run: job.url.as_deref().map(|url| shower.link(url)),
            })
            .collect(),
        flaky: case.flaky_jobs.iter().map(|job| shower.words(job)).collect(),
    }
}

fn issue_item(issue: &IssueView, shower: &Shower) -> IssueItem {
    let words = |text: &Option<String>| text.as_deref().map(|text| shower.words(text));
    let time = |text: &Option<String>| text.as_deref().map(|text| shower.time(text));
    IssueItem {
        badge: match (issue.resolved, issue.blocker) {
            (true, _) => Badge::new(Tone::Done, "resolved"),
            (false, true) => Badge::new(Tone::Blocked, "blocker"),
            (false, false) => Badge::new(Tone::Waiting, "noted"),
        },
        text: shower.text(&issue.issue),
        reported: time(&issue.reported_at),
        reported_by: words(&issue.reported_by),
        tasks: issue.related_tasks.iter().map(|task| shower.words(task)).collect(),
        resolution: issue.resolution.as_deref().map(|text| shower.text(text)),
        resolved: time(&issue.resolved_at),
        resolved_by: words(&issue.resolved_by),
    }
}

fn status_badge(status: TaskStatus) -> Badge {
    let tone = match status {
        TaskStatus::Pass => Tone::Done,
        TaskStatus::Fail => Tone::Failed,
        TaskStatus::InProgress => Tone::Running,
        TaskStatus::NotStarted => Tone::Waiting,
    };
    Badge::new(tone, status.text())
}

fn task_item(row: &StatusRow, view: Option<&TaskView>, shower: &Shower) -> TaskItem {
    let time = |text: &Option<String>| text.as_deref().map(|text| shower.time(text));
    let history = view.map(|view| view.history.as_slice()).unwrap_or_default();
    let result = view.and_then(|view| view.result.as_deref());
    TaskItem {
        task: shower.words(&row.name),
        status: status_badge(row.status),
        started: time(&row.started_at),
        completed: time(&row.completed_at),
        by: row.by.as_deref().map(|by| shower.words(by)),
        waits: row.waits.as_deref().map(|waits| shower.text(waits)),
        job: row.job.as_ref().map(|job| job_item(job, shower)),
        undelivered: row.undelivered,
        consents: row
            .consents
            .iter()
            .map(|consent| {
                let words = format!("{} consented to `{}` at {}", consent.by, consent.command, consent.at);
                shower.words(&words)
            })
            .collect(),
        runs: history.iter().rev().take(RUNS).map(|run| run_item(run, shower)).collect(),
        runs_left_out: history.len().saturating_sub(RUNS),
        log: result.map(|result| shower.log(result)).filter(|log| !log.is_empty()),
    }
}

fn job_item(job: &Job, shower: &Shower) -> JobItem {
    let id = job.id.as_deref().unwrap_or("not started yet");
    JobItem {
        name: shower.words(&format!("{} {id}", job.name)),
        system: shower.words(job.system.name()),
        page: job.url.as_deref().map(|url| shower.link(url)),
        state: job.state.as_deref().map(|state| shower.words(state)),
        triggered: job.triggered_at.as_deref().map(|at| shower.time(at)),
    }
}

fn run_item(run: &RunView, shower: &Shower) -> RunItem {
    let tone = match run.outcome {
        Some(RunOutcome::Pass) => Tone::Done,
        Some(RunOutcome::Fail) => Tone::Failed,
        Some(RunOutcome::InProgress) | None => Tone::Running,
        Some(RunOutcome::NotStarted) => Tone::Waiting,
        Some(RunOutcome::Blocked) => Tone::Blocked,
        Some(RunOutcome::Unknown | RunOutcome::Interrupted) => Tone::Unknown,
    };
    RunItem {
        outcome: Badge::new(tone, run.outcome.map_or("no end recorded", RunOutcome::text)),
        started: run.started.as_deref().map(|at| shower.time(at)),
        finished: run.finished.as_deref().map(|at| shower.time(at)),
        by: run.by.as_deref().map(|by| shower.words(by)),
        command: run.command.as_deref().map(|command| shower.command(command)),
        reason: run.reason.as_deref().map(|reason| shower.text(reason)),
        links: run.links.iter().map(|link| shower.link(link)).collect(),
    }
}

fn decision(row: &DecisionRow, shower: &Shower) -> DecisionItem {
    let view = &row.decision;
    let verdict = view.verdict.map(|verdict| format!(" {}", verdict.text())).unwrap_or_default();
    let of = view.node.as_deref().map(|node| format!(" of {node}")).unwrap_or_default();
    DecisionItem {
        what: shower.words(&format!("{}{of}{verdict}", view.kind.text())),
        standing: shower.words(&row.standing),
        counts: row.counts,
        reason: shower.text(&view.reason),
        by: shower.words(&view.by),
        at: shower.time(&view.at),
        until: view.until.as_deref().map(|until| shower.words(until)),
        evidence: view.evidence.as_deref().map(|address| shower.link(address)),
    }
}
