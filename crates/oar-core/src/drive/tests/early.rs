//! Cases: from the announcement to staging.

use indexmap::IndexMap;

use super::{Case, World, first, fresh, hours, metadata, record, refused, release, seen, unknown, with};
use crate::drive::facts::{Alerts, BuildData, FactKey, Pushes, Tests};
use crate::flow::nodes::Node;
use crate::statebox::{Metadata, RunOutcome, State, TaskClaim, TaskName as T, TaskStatus};

/// Build data with placeholders.
fn without(fields: &[&str]) -> BuildData {
    let pending = fields.iter().map(|field| (*field).to_owned()).collect();
    BuildData::Present { metadata: Box::new(Metadata { pending, ..metadata(true) }), has_owner: true }
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn early() -> Vec<Case> {
    let node = Node::Task;
    vec![
        ("A is there", node(T::CreateTestReport), fresh(), "done", ""),
        ("A can be made", node(T::CreateTestReport), with(fresh(), |w| w.state = None), "ready", ""),
        (
            "A waits for ART",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                w.facts.build_data = seen(BuildData::Absent("no assembly 4.19.1".to_owned()), w.now);
            }),
            "waiting",
            "no assembly",
        ),
        (
            "A without a date is ART's",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                let metadata = Box::new(Metadata { release_date: None, ..metadata(true) });
                w.facts.build_data = seen(BuildData::Present { metadata, has_owner: true }, w.now);
            }),
            "blocked",
            "no release date",
        ),
        (
            "A waits for an advisory that ART has not created",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                w.facts.build_data = seen(without(&["advisory_ids.rpm"]), w.now);
            }),
            "waiting",
            "placeholder for advisory_ids.rpm",
        ),
        (
            "A waits for no ticket, and not for MicroShift",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                w.facts.build_data = seen(without(&["jira_ticket", "advisory_ids.microshift"]), w.now);
            }),
            "ready",
            "",
        ),
        (
            "B waits for the ticket",
            node(T::TakeOwnership),
            with(fresh(), |w| w.facts.build_data = seen(without(&["jira_ticket"]), w.now)),
            "waiting",
            "placeholder for jira_ticket",
        ),
        (
            "A is unknown",
            node(T::CreateTestReport),
            with(fresh(), |w| {
                w.state = None;
                w.facts.build_data = unknown(w);
            }),
            "waiting",
            "cannot be determined",
        ),
        (
            "B waits for A",
            node(T::TakeOwnership),
            with(fresh(), |w| w.state = None),
            "waiting",
            "create-test-report",
        ),
        ("B is ready", node(T::TakeOwnership), fresh(), "ready", ""),
        (
            "B without an owner asks",
            node(T::TakeOwnership),
            with(fresh(), |w| {
                let metadata = Box::new(metadata(true));
                w.facts.build_data = seen(BuildData::Present { metadata, has_owner: false }, w.now);
            }),
            "asks",
            "who takes it",
        ),
        (
            "B was killed",
            node(T::TakeOwnership),
            with(fresh(), |w| w.killed(T::TakeOwnership)),
            "ready",
            "did not reach its end",
        ),
        (
            "B is being run",
            node(T::TakeOwnership),
            with(fresh(), |w| {
                let claim = TaskClaim {
                    run: "r".to_owned(),
                    by: "somebody".to_owned(),
                    process: None,
                    since: w.now,
                    lease_until: w.now + hours(1),
                };
                let _ = w.state().claim_task(T::TakeOwnership, &claim, |_| false).unwrap();
            }),
            "running",
            "somebody runs it",
        ),
        ("bugs wait for B", node(T::UpdateBugList), fresh(), "waiting", "take-ownership"),
        ("bugs are ready", node(T::UpdateBugList), first(), "ready", ""),
        (
            "bugs wait for the next day",
            node(T::UpdateBugList),
            with(first(), |w| w.run(T::UpdateBugList, 1, RunOutcome::InProgress, None)),
            "waiting",
            "the next day",
        ),
        ("X is at once ready", node(T::AnalyzeCandidateBuild), fresh(), "ready", "accepted"),
        (
            "X without a build is recorded",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| {
                let without = Metadata { candidate_builds: IndexMap::new(), ..metadata(true) };
                w.state = Some(State::new(&release(), &without, w.now));
            }),
            "ready",
            "no candidate build",
        ),
        (
            "X without a record is recorded",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = seen(Tests::Absent, w.now)),
            "ready",
            "no record",
        ),
        (
            "X waits for the end of the tests",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = seen(record(false, None, false), w.now)),
            "waiting",
            "the end of the tests",
        ),
        (
            "X asks about rejected tests",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = seen(record(true, Some(false), false), w.now)),
            "asks",
            "rejected",
        ),
        (
            "X says not available",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.issue("its result is not available", false, &[T::AnalyzeCandidateBuild])),
            "not_applicable",
            "not available",
        ),
        (
            "X has a verdict",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.set(T::AnalyzeCandidateBuild, TaskStatus::Fail)),
            "done",
            "only informs",
        ),
        (
            "X is unknown",
            node(T::AnalyzeCandidateBuild),
            with(fresh(), |w| w.facts.candidate_tests = unknown(w)),
            "waiting",
            "cannot be determined",
        ),
        ("C waits for B", node(T::CheckCveTrackerBug), fresh(), "waiting", "take-ownership"),
        ("C is ready", node(T::CheckCveTrackerBug), fresh().passed(&[T::TakeOwnership]), "ready", ""),
        (
            "C is blocked by its issue",
            node(T::CheckCveTrackerBug),
            with(first(), |w| {
                w.set(T::CheckCveTrackerBug, TaskStatus::Fail);
                w.issue("a tracker is missing", true, &[T::CheckCveTrackerBug]);
            }),
            "blocked",
            "a tracker is missing",
        ),
        (
            "C failed and is tried again",
            node(T::CheckCveTrackerBug),
            with(first(), |w| w.set(T::CheckCveTrackerBug, TaskStatus::Fail)),
            "failed",
            "for the test",
        ),
        ("D waits for C", Node::SecurityAlerts, fresh(), "waiting", "check-cve-tracker-bug"),
        ("D is done", Node::SecurityAlerts, first(), "done", ""),
        (
            "D is done whatever the alerts say",
            Node::SecurityAlerts,
            with(first(), |w| {
                w.facts.alerts = seen(Alerts::Read { blocking: true, alerts: vec!["CVE".to_owned()] }, w.now);
            }),
            "done",
            "block the approval",
        ),
        (
            "D has none",
            Node::SecurityAlerts,
            with(first(), |w| w.facts.alerts = seen(Alerts::NotSecurity("RHBA".to_owned()), w.now)),
            "not_applicable",
            "RHBA",
        ),
        (
            "D without a ticket asks",
            Node::SecurityAlerts,
            with(first(), |w| {
                let unknown = refused(w);
                w.facts.set_unknown(FactKey::Alerts, unknown);
            }),
            "asks",
            "Run kinit.",
        ),
        ("D is not in the Errata flow", Node::SecurityAlerts, World::new(false), "not_applicable", "Errata"),
        ("E waits for C and D", node(T::PushToCdnStaging), fresh(), "waiting", "check-rhcos-security-alerts"),
        ("E is ready", node(T::PushToCdnStaging), first(), "ready", "advisory 1"),
        (
            "E runs",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let running = vec!["advisory 1: RUNNING".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, running, ..Pushes::default() }, w.now);
            }),
            "running",
            "RUNNING",
        ),
        (
            "E can be recorded",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                w.facts.pushes = seen(Pushes { total: 2, complete: 2, ..Pushes::default() }, w.now);
            }),
            "ready",
            "2 of 2",
        ),
        (
            "E is refused",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let refused = vec!["advisory 2: is in NEW_FILES".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, complete: 1, refused, ..Pushes::default() }, w.now);
            }),
            "blocked",
            "NEW_FILES",
        ),
        (
            "E is odd",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let odd = vec!["advisory 2: NEW_WORD".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, odd, ..Pushes::default() }, w.now);
            }),
            "asks",
            "NEW_WORD",
        ),
        (
            "E could not be read in part",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let unread = vec!["advisory 2: 503".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, complete: 1, unread, ..Pushes::default() }, w.now);
            }),
            "waiting",
            "could not be read",
        ),
        (
            "E with no advisory is not done",
            node(T::PushToCdnStaging),
            with(first(), |w| w.facts.pushes = seen(Pushes::default(), w.now)),
            "waiting",
            "nothing is known",
        ),
        (
            "E takes too long",
            node(T::PushToCdnStaging),
            with(first(), |w| {
                let running = vec!["advisory 1: WAITING_ON_PUB".to_owned()];
                w.facts.pushes = seen(Pushes { total: 2, running, ..Pushes::default() }, w.now);
                w.run(T::PushToCdnStaging, 1, RunOutcome::InProgress, None);
                w.now += hours(48);
            }),
            "asks",
            "stuck",
        ),
    ]
}
