//! Two hundred bugs that wait in `ON_QA`, every row of the notificator's decision table among them.
//!
//! They are no part of the world that a sandbox starts with: a test adds them, at a time of its own.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::jira::{account_id, issue};
use crate::services::jira::{Account, ChangelogEntry, ChangelogItem, Comment, Issue, RemoteLink};
use crate::world::World;

/// How many bugs there are.
pub const BUGS: usize = 200;
/// The label that says that nobody answered.
pub const PENDING: &str = "ert:pending-onqa-over-96hrs";
/// The label of bugs that are to be left alone.
pub const SNOOZE: &str = "ert:snooze";
/// The first bug's number; each group begins where the one before it ends.
const FIRST: u64 = 70_000;
/// The numbers of the fields QA Contact, Need Info From, and Target Version.
const QA_CONTACT: &str = "customfield_10470";
const NEED_INFO: &str = "customfield_10482";
const TARGET_VERSION: &str = "customfield_10855";

/// What holds for a group of bugs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Became `ON_QA` within the last weekday: nothing is due.
    Fresh,
    /// Row 2: the QA contact is to be told.
    TellQaContact,
    /// Row 3: told an hour ago.
    QaContactTold,
    /// The same with so many comments that Jira shows only the newest with the issue.
    QaContactToldAmongMany,
    /// Row 3: the QA contact is to be told again.
    TellTeamLead,
    /// Row 4: told again an hour ago.
    TeamLeadTold,
    /// Row 4: the manager is to be told.
    TellManager,
    /// Row 5: the manager was told an hour ago.
    ManagerTold,
    /// Row 5: the label is to be added.
    AddLabel,
    /// Row 5: it has the label.
    Labelled,
    /// Row 2: it became `ON_QA` anew and still has the label, which is to be removed.
    Reopened,
    /// No QA contact: the assignee is to be told.
    TellAssignee,
    /// Neither QA contact nor assignee: the reporter is to be told.
    TellReporter,
    /// No QA contact, and the assignee was told long ago: the label is to be added.
    StandInTold,
    /// Row 0: the QA contact would be told, but all pull requests were verified.
    Verified,
    /// The QA contact would be told, but somebody asked for silence.
    Snoozed,
    /// Row 1: no change of its history says when it became `ON_QA`.
    NoHistory,
}

/// The groups in the order of their numbers, and how many bugs each has.
pub const GROUPS: [(Shape, u64); 17] = [
    (Shape::Fresh, 58),
    (Shape::TellQaContact, 20),
    (Shape::QaContactTold, 20),
    (Shape::QaContactToldAmongMany, 4),
    (Shape::TellTeamLead, 8),
    (Shape::TeamLeadTold, 20),
    (Shape::TellManager, 6),
    (Shape::ManagerTold, 15),
    (Shape::AddLabel, 8),
    (Shape::Labelled, 8),
    (Shape::Reopened, 6),
    (Shape::TellAssignee, 6),
    (Shape::TellReporter, 4),
    (Shape::StandInTold, 3),
    (Shape::Verified, 8),
    (Shape::Snoozed, 3),
    (Shape::NoHistory, 3),
];

/// The keys of the bugs of a group.
pub fn keys(shape: Shape) -> Vec<String> {
    let mut first = FIRST;
    for (group, count) in GROUPS {
        if group == shape {
            return (first..first + count).map(|number| format!("OCPBUGS-{number}")).collect();
        }
        first += count;
    }
    Vec::new()
}

/// Adds the bugs, as they are at `now`, and takes those of the first scenario out of `ON_QA`.
pub fn load(world: &World, now: Timestamp) {
    let mut state = world.jira.lock();
    for bug in state.issues.values_mut().filter(|issue| issue.project == "OCPBUGS") {
        "Verified".clone_into(&mut bug.status);
    }
    for number in 0..6 {
        let email = format!("contact-{number}@example.com");
        state.accounts.push(Account {
            account_id: account_id(&email),
            display_name: format!("Contact {number}"),
            email,
            email_hidden: false,
            active: true,
            assignable: true,
            account_type: "atlassian".to_owned(),
        });
    }
    let mut pulls = Vec::new();
    let mut number = FIRST;
    for (shape, count) in GROUPS {
        for _ in 0..count {
            let bug = bug(number, shape, now);
            let verified = shape == Shape::Verified;
            pulls.push((
                number,
                if verified {
                    vec!["lgtm".to_owned(), "verified".to_owned()]
                } else {
                    vec!["lgtm".to_owned()]
                },
            ));
            state.issues.insert(bug.key.clone(), bug);
            number += 1;
        }
    }
    drop(state);
    let mut github = world.github.lock();
    github.pull_requests.entry("openshift/demo-operator".to_owned()).or_default().extend(pulls);
}

fn wire(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string()
}

/// A change of the status to `to` at `at`.
pub fn moved(id: u64, to: &str, at: Timestamp) -> ChangelogEntry {
    ChangelogEntry {
        id,
        author: account_id("bot@example.com"),
        created: wire(at),
        items: vec![ChangelogItem {
            field: "status".to_owned(),
            from: (Some("10003".to_owned()), Some("MODIFIED".to_owned())),
            to: (Some("10004".to_owned()), Some(to.to_owned())),
        }],
    }
}

/// A comment with this text.
pub fn comment(id: u64, body: &str, at: Timestamp) -> Comment {
    Comment {
        id,
        author: account_id("bot@example.com"),
        body: body.to_owned(),
        created: wire(at),
        updated: wire(at),
    }
}

/// A comment as the Python reference writes it.
pub fn notice(id: u64, label: &str, hours: u32, to: &str, at: Timestamp) -> Comment {
    let body = format!(
        "Errata Reliability Team Notification - {label} Action Request\nThis issue has been in the ON_QA state for over \
         {hours} hours.\n[~accountId:{to}] please have a look."
    );
    comment(id, &body, at)
}

fn bug(number: u64, shape: Shape, now: Timestamp) -> Issue {
    let ago = |time: SignedDuration| now - time;
    let (hour, day) = (SignedDuration::from_hours(1), SignedDuration::from_hours(24));
    let contact = account_id(&format!("contact-{}@example.com", number % 6));
    let kind = if number.is_multiple_of(5) { "Vulnerability" } else { "Bug" };
    let key = format!("OCPBUGS-{number}");
    let mut bug = issue(18_300_000 + number, &key, kind, "Made-up bug that waits for QE", "ON_QA");
    let stream = format!("4.{}.z", 12 + number % 11);
    bug.custom.insert(TARGET_VERSION.to_owned(), json!([{ "name": stream }]));
    let has_contact = !matches!(shape, Shape::TellAssignee | Shape::TellReporter | Shape::StandInTold);
    let person = if has_contact { json!({ "accountId": contact }) } else { Value::Null };
    bug.custom.insert(QA_CONTACT.to_owned(), person);
    if shape != Shape::TellReporter {
        bug.assignee = Some(account_id("second-lead@example.com"));
    }
    bug.remote_links = vec![RemoteLink {
        id: 19_000_000 + number,
        url: format!("https://github.com/openshift/demo-operator/pull/{number}"),
        title: "the fix".to_owned(),
    }];
    let since = match shape {
        Shape::Fresh | Shape::Reopened => ago(hour * 2),
        _ => ago(day * 20),
    };
    if shape != Shape::NoHistory {
        bug.changelog = vec![moved(17_100_000 + number, "ON_QA", since)];
    }
    if matches!(shape, Shape::Labelled | Shape::Reopened) {
        bug.labels.push(PENDING.to_owned());
    }
    if shape == Shape::Snoozed {
        bug.labels.push(SNOOZE.to_owned());
    }
    let told: &[(&str, u32, SignedDuration)] = match shape {
        Shape::QaContactTold | Shape::QaContactToldAmongMany => &[("QA Contact", 24, hour)],
        Shape::TellTeamLead | Shape::Reopened => &[("QA Contact", 24, day * 10)],
        Shape::TeamLeadTold => &[("QA Contact", 24, day * 10), ("Team Lead", 48, hour)],
        Shape::TellManager => &[("QA Contact", 24, day * 12), ("Team Lead", 48, day * 8)],
        Shape::ManagerTold => {
            &[("QA Contact", 24, day * 12), ("Team Lead", 48, day * 8), ("Manager", 72, hour)]
        }
        Shape::AddLabel | Shape::Labelled => {
            &[("QA Contact", 24, day * 16), ("Team Lead", 48, day * 12), ("Manager", 72, day * 8)]
        }
        Shape::StandInTold => &[("Assignee", 24, day * 18)],
        _ => &[],
    };
    for ((label, hours, before), id) in told.iter().zip(16_000_000 + number * 1000..) {
        bug.comments.push(notice(id, label, *hours, &contact, ago(*before)));
    }
    // Whoever was told an hour ago was asked for information, too, and has not answered.
    if told.last().is_some_and(|(_, _, before)| *before == hour) {
        bug.custom.insert(NEED_INFO.to_owned(), json!([{ "accountId": contact }]));
    }
    if shape == Shape::QaContactToldAmongMany {
        let others = (0..30).map(|place| {
            comment(
                16_000_500 + number * 1000 + place,
                "Another comment.",
                ago(SignedDuration::from_mins(30)),
            )
        });
        bug.comments.extend(others);
    }
    bug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_bugs_as_promised() {
        assert_eq!(GROUPS.iter().map(|(_, count)| count).sum::<u64>(), BUGS as u64);
        assert_eq!(keys(Shape::TellQaContact)[0], "OCPBUGS-70058");
    }
}
