//! Jira at the start of the two releases.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{ERRATA_RELEASE, ERRATA_TICKET, KONFLUX_RELEASE, KONFLUX_TICKET, PEOPLE};
use crate::{
    credentials,
    services::jira::{
        Account, ChangelogEntry, ChangelogItem, Issue, Login, Project, Right, State, Status, Transition,
    },
    world::World,
};

/// Login of somebody who sees the issues and may do nothing.
pub const READER: (&str, &str) = ("reader@example.com", "sandbox-jira-reader");
/// Summaries of the subtasks that are QE's.
pub const QE_SUBTASKS: [&str; 3] = [
    "[Fri/Mon] QE moves advisories to REL_PREP",
    "[Wed-Fri] QE does release verification",
    "[Mon-Wed] QE notifies ON_QA bugzilla owners and analyze ci failures",
];
/// An issue that a security level hides.
pub const HIDDEN_ISSUE: &str = "OCPBUGS-60999";

const CREATED: &str = "2026-06-25T08:00:00.000+0000";

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.jira.lock();
    accounts(&mut state);
    projects(&mut state);
    ticket(&mut state, KONFLUX_TICKET, KONFLUX_RELEASE, 14_192);
    ticket(&mut state, ERRATA_TICKET, ERRATA_RELEASE, 14_601);
    bugs(&mut state);
}

/// The account id of the person with this e-mail address.
pub fn account_id(email: &str) -> String {
    let (local, host) = email.split_once('@').unwrap_or((email, ""));
    let tail = if host == "example.com" { String::new() } else { format!("-{}", host.replace('.', "-")) };
    format!("712020:{local}{tail}")
}

fn accounts(state: &mut State) {
    let own = [
        ("demo-lead@other.example.com", "Demo Lead Elsewhere"),
        ("demo-lead@example.com", "Demo Lead"),
        ("second-lead@example.com", "Second Lead"),
        ("bot@example.com", "Release Bot"),
        ("shy-lead@example.com", "Shy Lead"),
        ("former-lead@example.com", "Former Lead"),
        ("outsider@example.com", "Outside Collaborator"),
        (READER.0, "Only Reader"),
    ];
    let people = PEOPLE.iter().map(|person| (person.email, person.name, person.active));
    for (email, name, active) in own.map(|(email, name)| (email, name, true)).into_iter().chain(people) {
        if state.accounts.iter().any(|account| account.email == email) {
            continue;
        }
        state.accounts.push(Account {
            account_id: account_id(email),
            display_name: name.to_owned(),
            email: email.to_owned(),
            email_hidden: email == "shy-lead@example.com",
            active: active && email != "former-lead@example.com",
            assignable: email != "outsider@example.com",
            account_type: "atlassian".to_owned(),
        });
    }
    // The portal account of somebody who asked a service desk with the address that they work with.
    state.accounts.push(Account {
        account_id: "qm:second-lead".to_owned(),
        display_name: "second-lead".to_owned(),
        email: "second-lead@example.com".to_owned(),
        email_hidden: false,
        active: true,
        assignable: false,
        account_type: "customer".to_owned(),
    });
    let all =
        [Right::Assign, Right::Transition, Right::Edit, Right::Comment, Right::Create, Right::BrowseUsers];
    for (email, token, rights) in
        [(credentials::JIRA_USERNAME, credentials::JIRA_TOKEN, &all[..]), (READER.0, READER.1, &[])]
    {
        state.logins.push(Login {
            email: email.to_owned(),
            token: token.to_owned(),
            account_id: account_id(email),
            rights: rights.iter().copied().collect::<BTreeSet<_>>(),
        });
    }
}

fn project(
    id: &str,
    key: &str,
    types: &[&str],
    statuses: &[(&str, &str)],
    steps: &[(&str, &str)],
) -> Project {
    let texts = |items: &[&str]| items.iter().map(|item| (*item).to_owned()).collect::<Vec<String>>();
    Project {
        id: id.to_owned(),
        key: key.to_owned(),
        name: format!("Project {key}"),
        issue_types: texts(types),
        statuses: statuses
            .iter()
            .zip(10_000_u32..)
            .map(|((name, category), id)| Status {
                id: id.to_string(),
                name: (*name).to_owned(),
                category: (*category).to_owned(),
            })
            .collect(),
        transitions: steps
            .iter()
            .zip(1_u32..)
            .map(|((name, to), number)| Transition {
                id: (number * 10 + 1).to_string(),
                name: (*name).to_owned(),
                from: Vec::new(),
                to: (*to).to_owned(),
            })
            .collect(),
        versions: Vec::new(),
    }
}

fn projects(state: &mut State) {
    let plain = [("To Do", "new"), ("In Progress", "indeterminate"), ("Closed", "done")];
    let bug = [
        ("New", "new"),
        ("ASSIGNED", "indeterminate"),
        ("POST", "indeterminate"),
        ("MODIFIED", "indeterminate"),
        ("ON_QA", "indeterminate"),
        ("Verified", "indeterminate"),
        ("Release Pending", "indeterminate"),
        ("Closed", "done"),
    ];
    state.projects = vec![
        project(
            "10100",
            "ART",
            &["Task", "Sub-task"],
            &plain,
            &[("To Do", "To Do"), ("In Progress", "In Progress"), ("Closed", "Closed")],
        ),
        // Here the steps are not named like the statuses they lead to.
        project(
            "10200",
            "OCPBUGS",
            &["Bug", "Vulnerability"],
            &bug,
            &[("Send to QA", "ON_QA"), ("Accept", "Verified"), ("Done", "Closed")],
        ),
        project("10400", "CORENET", &["Bug"], &bug, &[("Accept", "Verified"), ("Done", "Closed")]),
        project("10300", "CVP", &["Bug"], &plain, &[("Start", "In Progress"), ("Close", "Closed")]),
    ];
    if let Some(bugs) = state.projects.iter_mut().find(|project| project.key == "OCPBUGS") {
        bugs.versions = (12..=22).map(|minor| format!("4.{minor}.z")).chain(["5.0.z".to_owned()]).collect();
    }
}

pub(super) fn issue(id: u64, key: &str, issue_type: &str, summary: &str, status: &str) -> Issue {
    Issue {
        id,
        key: key.to_owned(),
        former_keys: Vec::new(),
        project: key.split('-').next().unwrap_or_default().to_owned(),
        issue_type: issue_type.to_owned(),
        summary: summary.to_owned(),
        description: Some("Made-up description.".to_owned()),
        status: status.to_owned(),
        priority: Some("Major".to_owned()),
        labels: Vec::new(),
        assignee: None,
        reporter: Some(account_id("bot@example.com")),
        parent: None,
        custom: BTreeMap::new(),
        comments: Vec::new(),
        changelog: Vec::new(),
        properties: BTreeMap::new(),
        remote_links: Vec::new(),
        hidden: false,
        created: CREATED.to_owned(),
        updated: CREATED.to_owned(),
        writes: Vec::new(),
    }
}

/// A release ticket with QE's three subtasks among two of other teams.
fn ticket(state: &mut State, key: &str, release: &str, first_subtask: u64) {
    let mut add = |issue: Issue| state.issues.insert(issue.key.clone(), issue);
    let id = 18_000_000 + first_subtask;
    add(issue(id - 1, key, "Task", &format!("Release {release} [2026-Jul-07]"), "In Progress"));
    let [rel_prep, verification, notification] = QE_SUBTASKS;
    let summaries = [
        "[Mon] ART prepares the release",
        notification,
        verification,
        rel_prep,
        "[Tue] Docs publishes notes",
    ];
    for (number, summary) in (0..).zip(summaries) {
        let key = format!("ART-{}", first_subtask + number);
        let mut subtask = issue(id + number, &key, "Sub-task", summary, "To Do");
        subtask.parent = Some(format!("ART-{}", first_subtask - 1));
        add(subtask);
    }
}

fn bugs(state: &mut State) {
    let shapes: [(&str, &str, Option<&str>, &[&str]); 4] = [
        ("Made-up bug in the demo operator", "ON_QA", Some("Major"), &[]),
        ("CVE-2026-1000 openshift4/ose-demo: made up", "ON_QA", Some("Critical"), &["CVE-2026-1000"]),
        ("Another made-up bug", "Verified", None, &[]),
        ("Old made-up bug", "Closed", Some("Blocker"), &["TestBlocker"]),
    ];
    let numbers = [60_010, 60_011, 60_020, 60_021, 61_010, 61_011, 61_020, 61_021, 61_040, 61_041, 60_999];
    for (number, (summary, status, priority, labels)) in numbers.into_iter().zip(shapes.iter().cycle()) {
        let mut bug = issue(18_200_000 + number, &format!("OCPBUGS-{number}"), "Bug", summary, status);
        bug.priority = priority.map(str::to_owned);
        bug.labels = labels.iter().map(|label| (*label).to_owned()).collect();
        bug.hidden = bug.key == HIDDEN_ISSUE;
        let stream = if number < 61_000 { "4.19.z" } else { "4.14.z" };
        bug.custom.insert("customfield_10855".to_owned(), json!([{"name": stream}]));
        let contact = if number % 2 == 0 {
            json!({"accountId": account_id("qcontact@example.com")})
        } else {
            Value::Null
        };
        bug.custom.insert("customfield_10470".to_owned(), contact);
        bug.changelog.push(ChangelogEntry {
            id: 17_000_000 + number,
            author: account_id("bot@example.com"),
            created: "2026-06-30T14:10:20.862+0000".to_owned(),
            items: vec![ChangelogItem {
                field: "status".to_owned(),
                from: (Some("10003".to_owned()), Some("MODIFIED".to_owned())),
                to: (Some("10004".to_owned()), Some("ON_QA".to_owned())),
            }],
        });
        state.issues.insert(bug.key.clone(), bug);
    }
}
