//! What stands where in a worksheet (spec 01 §6.2).

use crate::clients::jira::{Bug, IssueKey};
use crate::clients::sheets::{CellWrite, Rows};
use crate::config::Flow;
use crate::statebox::{TaskName, TaskStatus};

/// The block that holds the overall status in its first row, and those of all tasks.
pub(super) const STATUSES: &str = "B1:B19";
/// The block of the list of bugs: key, QA contact, status.
pub(super) const BUGS: &str = "C8:E";
/// The block of other issues.
pub(super) const OTHERS: &str = "H8:H";
/// The first row of the list of bugs and of other issues.
pub(super) const FIRST: usize = 8;

/// The cell of the overall status.
const OVERALL: &str = "B1";
/// What stands where a bug has no QA contact (`interop-exact`, spec 02 §5.3).
const NOBODY: &str = "Unknown";

/// The row of a task in column B, once for each flow; the reference maps it twice for Konflux (spec 01 §8 W1).
pub(super) fn task_row(task: TaskName, flow: Flow) -> Option<usize> {
    let errata = match task {
        TaskName::CreateTestReport => return None,
        TaskName::TakeOwnership => 8,
        TaskName::UpdateBugList => 9,
        TaskName::ImageConsistencyCheck => 10,
        TaskName::AnalyzeCandidateBuild => 11,
        TaskName::AnalyzePromotedBuild => 12,
        TaskName::CheckGreenwaveCvpTests => 13,
        TaskName::CheckCveTrackerBug => 14,
        TaskName::PushToCdnStaging => 15,
        TaskName::StageTesting => 16,
        TaskName::ImageSignedCheck => 17,
        TaskName::DropBugs => 18,
        TaskName::ChangeAdvisoryStatus => 19,
    };
    match (flow, errata) {
        (Flow::Errata, row) | (Flow::Konflux, row @ ..=12) => Some(row),
        (Flow::Konflux, 13) => None,
        (Flow::Konflux, row) => Some(row - 1),
    }
}

/// The overall status and those of the tasks as `column`, which is [`STATUSES`], shows them; what is empty is left out.
pub(super) fn shown(flow: Flow, column: &Rows) -> (Option<String>, Vec<(TaskName, String)>) {
    let at = |row: usize| {
        let cell = column.get(row - 1)?.first()?.trim();
        (!cell.is_empty()).then(|| cell.to_owned())
    };
    let tasks = TaskName::ALL.into_iter().filter_map(|task| Some((task, at(task_row(task, flow)?)?)));
    (at(1), tasks.collect())
}

/// The cells that give `task` its status and keep the overall one right. `column` is [`STATUSES`] as it shows.
pub(super) fn status_cells(task: TaskName, flow: Flow, status: TaskStatus, column: &Rows) -> Vec<CellWrite> {
    let Some(row) = task_row(task, flow) else { return Vec::new() };
    let at = |row: usize| column.get(row - 1).and_then(|cells| cells.first()).map_or("", |text| text.trim());
    let mut writes = Vec::new();
    let mut set = |cell: String, now: &str, wanted: &str| {
        if now != wanted {
            writes.push(CellWrite::one(cell, wanted));
        }
    };
    set(format!("B{row}"), at(row), status.text());
    let fails_elsewhere = TaskName::ALL
        .into_iter()
        .filter_map(|task| task_row(task, flow))
        .any(|other| other != row && at(other) == TaskStatus::Fail.text());
    match status {
        TaskStatus::Fail => set(OVERALL.to_owned(), at(1), "Red"),
        TaskStatus::Pass | TaskStatus::NotStarted if !fails_elsewhere && at(1) == "Red" => {
            set(OVERALL.to_owned(), at(1), "Green");
        }
        TaskStatus::Pass | TaskStatus::NotStarted | TaskStatus::InProgress => {}
    }
    writes
}

/// The formula of a link to an issue (`interop-exact`, spec 01 §6.4); it shows the key.
pub(super) fn hyperlink(key: &IssueKey) -> String {
    format!("=HYPERLINK(\"{}\",\"{key}\")", key.link())
}

/// The QA contact as the worksheet shows it. The worksheet is the team's own, and its readers look for the address.
pub(super) fn contact(bug: &Bug) -> String {
    let contact = bug.qa_contact.as_ref();
    let address =
        contact.and_then(|contact| contact.email.as_ref()).map(|address| address.expose().to_owned());
    let text = address.or_else(|| contact?.name.clone()).unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { NOBODY.to_owned() } else { text.to_owned() }
}

/// The text as it is typed, so that it is shown as it is: a name may look like a formula, a number or a date.
pub(super) fn typed(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|letter| letter.is_ascii_alphabetic() || matches!(letter, ' ' | '_'));
    let address = text.starts_with(|first: char| first.is_ascii_alphabetic()) && text.contains('@');
    let word = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
    if (plain && !word) || address { text.to_owned() } else { format!("'{text}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_worksheet_shows_the_statuses_of_its_flow() {
        let mut column: Rows = vec![Vec::new(); 19];
        column[0] = vec![" Red ".to_owned()];
        column[7] = vec!["Pass".to_owned()];
        column[13] = vec!["Fail".to_owned()];
        let (overall, errata) = shown(Flow::Errata, &column);
        assert_eq!(overall.as_deref(), Some("Red"));
        let pass = (TaskName::TakeOwnership, "Pass".to_owned());
        let fail = |task| (task, "Fail".to_owned());
        assert_eq!(errata, [pass.clone(), fail(TaskName::CheckCveTrackerBug)]);
        assert_eq!(shown(Flow::Konflux, &column).1, [pass, fail(TaskName::PushToCdnStaging)]);
        assert_eq!(shown(Flow::Errata, &Rows::new()), (None, Vec::new()));
    }

    #[test]
    fn each_task_has_its_own_row_in_both_flows() {
        for flow in [Flow::Errata, Flow::Konflux] {
            let rows: Vec<usize> =
                TaskName::ALL.into_iter().filter_map(|task| task_row(task, flow)).collect();
            assert_eq!(rows.iter().collect::<BTreeSet<_>>().len(), rows.len(), "{flow:?}");
        }
        assert_eq!(task_row(TaskName::StageTesting, Flow::Errata), Some(16));
        assert_eq!(task_row(TaskName::StageTesting, Flow::Konflux), Some(15));
        assert_eq!(task_row(TaskName::ChangeAdvisoryStatus, Flow::Konflux), Some(18));
        assert_eq!(task_row(TaskName::CheckGreenwaveCvpTests, Flow::Konflux), None);
    }

    #[test]
    fn the_overall_status_follows_the_failures_of_the_right_rows() {
        let mut column: Rows = vec![vec![String::new()]; 19];
        let cells = |task, flow, status, column: &Rows| {
            let writes = status_cells(task, flow, status, column);
            writes.iter().map(|write| format!("{}={}", write.cells, write.values[0][0])).collect::<Vec<_>>()
        };
        column[0] = vec!["Red".to_owned()];
        // Row 15 is stage-testing in the Konflux flow: when it passes, no failure is left.
        column[14] = vec!["Fail".to_owned()];
        assert_eq!(
            cells(TaskName::StageTesting, Flow::Konflux, TaskStatus::Pass, &column),
            ["B15=Pass", "B1=Green"]
        );
        // Row 15 is push-to-cdn-staging in the Errata flow: it stays failed.
        assert_eq!(cells(TaskName::StageTesting, Flow::Errata, TaskStatus::Pass, &column), ["B16=Pass"]);
        column[0] = vec!["Green".to_owned()];
        assert_eq!(
            cells(TaskName::UpdateBugList, Flow::Errata, TaskStatus::Fail, &column),
            ["B9=Fail", "B1=Red"]
        );
        column[8] = vec!["In Progress".to_owned()];
        assert!(cells(TaskName::UpdateBugList, Flow::Errata, TaskStatus::InProgress, &column).is_empty());
        assert_eq!(cells(TaskName::UpdateBugList, Flow::Errata, TaskStatus::Pass, &Rows::new()), ["B9=Pass"]);
    }

    #[test]
    fn texts_are_typed_so_that_they_are_shown() {
        for plain in ["qe@example.com", "Quinn Contact", "ON_QA", "Release Pending"] {
            assert_eq!(typed(plain), plain);
        }
        for other in ["=A1", "+1 555", "5 May", "TRUE", "1@example.com", "May 5"] {
            assert_eq!(typed(other), format!("'{other}"));
        }
    }
}
