mod consents;
mod decisions;
mod files;
mod jobs;
mod ledger;
mod model;
mod transactions;
mod waits;

use jiff::Timestamp;

use super::{Metadata, NewIssue, RunEnd, RunOutcome, RunStart, State, TaskName, TaskStatus};

pub(super) fn at(text: &str) -> Timestamp {
    format!("2026-07-02T{text}Z").parse().unwrap()
}

pub(super) fn metadata() -> Metadata {
    Metadata {
        pending: Vec::new(),
        jira_ticket: Some("ART-1".into()),
        advisory_ids: [("rpm".to_owned(), 100_001), ("rhcos".to_owned(), 100_002)].into_iter().collect(),
        release_date: Some("2026-Jul-07".into()),
        candidate_builds: [("x86_64".to_owned(), "4.19.0-0.nightly-2026-07-01-000000".to_owned())]
            .into_iter()
            .collect(),
        shipment_mr: Some("https://gitlab.example.com/g/p/-/merge_requests/1".into()),
    }
}

pub(super) fn fresh() -> State {
    State::new(&"4.19.1".parse().unwrap(), &metadata(), at("10:00:00"))
}

pub(super) fn start(id: &str, time: &str) -> RunStart {
    RunStart {
        id: id.into(),
        started: at(time),
        by: "lead".into(),
        command: "oar take-ownership".into(),
        force: false,
    }
}

pub(super) fn end(run: &RunStart, time: &str, status: TaskStatus, result: Option<&str>) -> RunEnd {
    RunEnd {
        run: run.clone(),
        finished: at(time),
        outcome: RunOutcome::from(status),
        status: Some(status),
        class: None,
        reason: None,
        result: result.map(str::to_owned),
        notifications: Vec::new(),
        links: Vec::new(),
        done: Vec::new(),
    }
}

pub(super) fn blocker(text: &str, tasks: &[TaskName]) -> NewIssue {
    NewIssue { text: text.into(), blocker: true, related_tasks: tasks.to_vec(), at: at("11:00:00") }
}
