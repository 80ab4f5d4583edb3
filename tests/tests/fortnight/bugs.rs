//! Bugs in Jira: what people do with them, and what the table of spec 05 §3.3 says of each at an hour.
//!
//! The table is written down here once more, by what has passed and not by when something is due, without anything of the
//! notificator. Two rows differ from the Python tooling on purpose (defects N4 and N5): nothing counts from before the bug
//! became `ON_QA`, and a stand-in who was told counts as the rung that they stand in for.

use std::collections::{BTreeMap, BTreeSet};

use end_to_end::directory::Person;
use end_to_end::matrix::sample::Numbers;
use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sandbox::scenario::jira::account_id;
use sandbox::scenario::notificator::{PENDING, comment, moved, notice};
use sandbox::services::jira::{Account, ChangelogEntry, ChangelogItem, RemoteLink, State};
use sandbox::world::World;
use serde_json::{Value, json};

const NEED_INFO: &str = "customfield_10482";
const QA_CONTACT: &str = "customfield_10470";
const TARGET_VERSION: &str = "customfield_10855";
/// A bug of the scenario, which the others are made from.
const MODEL: &str = "OCPBUGS-60010";
const ASSIGNEE: &str = "second-lead@example.com";
const REPORTER: &str = "bot@example.com";
const BOSS: &str = "demo-lead@example.com";
/// The one contact whom nobody manages.
const ALONE: &str = "contact-4@example.com";

/// The directory of people.
pub(crate) const PEOPLE: [Person<'_>; 7] = [
    Person::new("contact0", &["contact-0@example.com"], &["boss"]),
    Person::new("contact1", &["contact-1@example.com"], &["boss"]),
    Person::new("contact2", &["contact-2@example.com"], &["boss"]),
    Person::new("contact3", &["contact-3@example.com"], &["boss"]),
    Person::new("contact4", &[ALONE], &[]),
    Person::new("second-lead", &[ASSIGNEE], &["boss"]),
    Person::new("boss", &[BOSS], &[]),
];

/// Whom a comment tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    QaContact,
    TeamLead,
    Manager,
    Assignee,
    Reporter,
}

const KINDS: [(Kind, &str, u32); 5] = [
    (Kind::QaContact, "QA Contact", 24),
    (Kind::TeamLead, "Team Lead", 48),
    (Kind::Manager, "Manager", 72),
    (Kind::Assignee, "Assignee", 24),
    (Kind::Reporter, "Reporter", 24),
];

/// What the table asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Nothing,
    Tell(Kind, Vec<String>),
    AddLabel,
    RemoveLabel,
    /// The label goes, and the QA contact or who stands in is told.
    RemoveLabelAndTell(Kind, Vec<String>),
}

#[derive(Debug)]
struct Bug {
    key: String,
    contact: Option<String>,
    assignee: Option<&'static str>,
    /// Every pull request was verified before the merge.
    verified: bool,
    on_qa: Option<Timestamp>,
    notices: Vec<(Kind, Timestamp)>,
    label: bool,
    need_info: BTreeSet<String>,
    /// How many of its comments were looked at.
    comments: usize,
}

/// All bugs, and what was seen of them.
#[derive(Debug)]
pub(crate) struct Bugs {
    all: Vec<Bug>,
    ids: u64,
    /// How often each thing was done.
    pub(crate) seen: BTreeMap<String, usize>,
}

/// How much of the time from `from` to `to` is on weekdays.
fn weekday_time(from: Timestamp, to: Timestamp) -> SignedDuration {
    let (mut at, mut sum) = (from, SignedDuration::ZERO);
    while at < to {
        let day = at.to_zoned(TimeZone::UTC).date();
        let end = day.tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp().min(to);
        if !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) {
            sum += end.duration_since(at);
        }
        at = end;
    }
    sum
}

fn passed(weekdays: i64, since: Timestamp, now: Timestamp) -> bool {
    weekday_time(since, now) > SignedDuration::from_hours(24 * weekdays)
}

fn manager(email: &str) -> Option<&'static str> {
    (![ALONE, BOSS, REPORTER].contains(&email)).then_some(BOSS)
}

impl Bug {
    /// What the table says now.
    fn due(&self, now: Timestamp) -> Step {
        // Rows 0 and 1, and bugs that wait for nobody.
        let Some(since) = self.on_qa.filter(|_| !self.verified) else { return Step::Nothing };
        let newest = |kinds: &[Kind]| {
            let told = self.notices.iter().filter(|(kind, at)| kinds.contains(kind) && *at >= since);
            told.map(|(_, at)| *at).max()
        };
        let stand_in = newest(&[Kind::Assignee, Kind::Reporter]);
        let label = |since| {
            if !self.label && passed(1, since, now) { Step::AddLabel } else { Step::Nothing }
        };
        let Some(contact) = &self.contact else {
            let Some(told) = stand_in else { return self.first(since, now, self.stand_in()) };
            // It stands for three rungs that tell nobody else.
            let all = !self.label && passed(3, told, now);
            return if all { Step::AddLabel } else { Step::Nothing };
        };
        let one = |kind, email: &str| Step::Tell(kind, vec![account_id(email)]);
        let Some(told) = newest(&[Kind::QaContact]) else {
            return self.first(since, now, one(Kind::QaContact, contact));
        };
        let Some(again) = newest(&[Kind::TeamLead]) else {
            return if passed(1, told, now) { one(Kind::TeamLead, contact) } else { Step::Nothing };
        };
        if let Some(last) = newest(&[Kind::Manager]).or(stand_in) {
            return label(last);
        }
        if !passed(1, again, now) {
            return Step::Nothing;
        }
        manager(contact).map_or_else(|| self.stand_in(), |manager| one(Kind::Manager, manager))
    }

    /// Row 2: nobody was told yet.
    fn first(&self, since: Timestamp, now: Timestamp, tell: Step) -> Step {
        match (passed(1, since, now), self.label, tell) {
            (false, false, _) => Step::Nothing,
            (false, true, _) => Step::RemoveLabel,
            (true, true, Step::Tell(kind, to)) => Step::RemoveLabelAndTell(kind, to),
            (true, _, tell) => tell,
        }
    }

    fn stand_in(&self) -> Step {
        let Some(assignee) = self.assignee else {
            return Step::Tell(Kind::Reporter, vec![account_id(REPORTER)]);
        };
        let both = [Some(assignee), manager(assignee)].into_iter().flatten();
        Step::Tell(Kind::Assignee, both.map(account_id).collect())
    }
}

impl Bugs {
    /// Adds `count` bugs, some of which were told of by the Python tooling.
    pub(crate) fn load(world: &World, count: u64, now: Timestamp, numbers: &mut Numbers) -> Self {
        let mut jira = world.jira.lock();
        let model = jira.issue(MODEL).unwrap().clone();
        for bug in jira.issues.values_mut().filter(|bug| bug.project == "OCPBUGS") {
            "Verified".clone_into(&mut bug.status);
        }
        for number in 0..5 {
            let email = format!("contact-{number}@example.com");
            jira.accounts.push(Account {
                account_id: account_id(&email),
                display_name: format!("Contact {number}"),
                email,
                email_hidden: false,
                active: true,
                assignable: true,
                account_type: "atlassian".to_owned(),
            });
        }
        // Searches show what was written minutes later.
        jira.search_lag = Some(SignedDuration::from_mins(5));
        let mut bugs = Self { all: Vec::new(), ids: 17_500_000, seen: BTreeMap::new() };
        let mut pulls = BTreeMap::new();
        for number in 0..count {
            let key = format!("OCPBUGS-{}", 80_000 + number);
            let mut issue = model.clone();
            issue.id = 18_400_000 + number;
            issue.key.clone_from(&key);
            (issue.comments, issue.changelog, issue.labels) = (Vec::new(), Vec::new(), Vec::new());
            issue.properties.clear();
            "MODIFIED".clone_into(&mut issue.status);
            issue.reporter = Some(account_id(REPORTER));
            let mut bug = Bug {
                key: key.clone(),
                contact: (number % 8 < 6).then(|| format!("contact-{}@example.com", number % 5)),
                assignee: (number % 8 != 7).then_some(ASSIGNEE),
                verified: number % 9 == 8,
                on_qa: None,
                notices: Vec::new(),
                label: false,
                need_info: BTreeSet::new(),
                comments: 0,
            };
            issue.assignee = bug.assignee.map(account_id);
            let contact = bug.contact.as_deref().map(account_id);
            issue.custom.insert(
                QA_CONTACT.to_owned(),
                contact.clone().map_or(Value::Null, |id| json!({ "accountId": id })),
            );
            issue.custom.insert(NEED_INFO.to_owned(), Value::Null);
            issue
                .custom
                .insert(TARGET_VERSION.to_owned(), json!([{ "name": format!("4.{}.z", 12 + number % 11) }]));
            issue.remote_links = vec![RemoteLink {
                id: 19_500_000 + number,
                url: format!("https://github.com/openshift/demo-operator/pull/{}", 80_000 + number),
                title: "the fix".to_owned(),
            }];
            let label = if bug.verified { "verified" } else { "lgtm" };
            pulls.insert(80_000 + number, vec![label.to_owned()]);
            let hours = |count: u64| SignedDuration::from_hours(i64::try_from(count).unwrap());
            let told: &[u64] = match number % 4 {
                1 if contact.is_some() => &[70],
                2 if contact.is_some() => &[150, 75],
                3 if contact.is_some() => &[220, 150, 80],
                _ => &[],
            };
            if number % 3 != 0 || !told.is_empty() {
                let since = now - hours(told.first().map_or(numbers.below(60), |first| first + 30));
                "ON_QA".clone_into(&mut issue.status);
                issue.changelog = vec![moved(bugs.next(), "ON_QA", since)];
                bug.on_qa = Some(since);
            }
            for ((kind, label, over), before) in KINDS.into_iter().zip(told) {
                let at = now - hours(*before) + SignedDuration::from_mins(i64::try_from(number).unwrap());
                issue.comments.push(notice(bugs.next(), label, over, contact.as_deref().unwrap(), at));
                bug.notices.push((kind, at));
            }
            bug.comments = issue.comments.len();
            jira.issues.insert(key, issue);
            bugs.all.push(bug);
        }
        drop(jira);
        world
            .github
            .lock()
            .pull_requests
            .entry("openshift/demo-operator".to_owned())
            .or_default()
            .extend(pulls);
        bugs
    }

    fn next(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    fn count(&mut self, what: &str) {
        *self.seen.entry(what.to_owned()).or_default() += 1;
    }

    /// Ten minutes of what people do.
    pub(crate) fn live(&mut self, world: &World, now: Timestamp, numbers: &mut Numbers) {
        let mut jira = world.jira.lock();
        for place in 0..self.all.len() {
            let waits = self.all[place].on_qa.is_some();
            match (waits, numbers.below(3600)) {
                (false, 0..30) => self.moves(&mut jira, place, "ON_QA", now),
                (true, 0..2) => self.moves(&mut jira, place, "Verified", now),
                (true, 2..4) => self.moves(&mut jira, place, "ASSIGNED", now),
                (true, 4..40) => self.answers(&mut jira, place, now),
                _ => {}
            }
        }
    }

    fn moves(&mut self, jira: &mut State, place: usize, status: &str, now: Timestamp) {
        let entry = moved(self.next(), status, now);
        let bug = &mut self.all[place];
        bug.on_qa = (status == "ON_QA").then_some(now);
        let issue = jira.issue_mut(&bug.key).unwrap();
        status.clone_into(&mut issue.status);
        issue.changelog.push(entry);
        self.count(status);
    }

    /// Everybody who was asked for information answers, and is not asked any more.
    fn answers(&mut self, jira: &mut State, place: usize, now: Timestamp) {
        let (first, second) = (self.next(), self.next());
        let bug = &mut self.all[place];
        let issue = jira.issue_mut(&bug.key).unwrap();
        issue.comments.push(comment(first, "I am looking at it.", now));
        bug.comments += 1;
        let before = issue.custom.insert(NEED_INFO.to_owned(), Value::Null).filter(|list| !list.is_null());
        bug.need_info.clear();
        if let Some(before) = before {
            issue.changelog.push(ChangelogEntry {
                id: second,
                author: account_id(ASSIGNEE),
                created: now.strftime("%Y-%m-%dT%H:%M:%S%.3f+0000").to_string(),
                items: vec![ChangelogItem {
                    field: "Need Info From".to_owned(),
                    from: (None, Some(before.to_string())),
                    to: (None, None),
                }],
            });
            self.count("answered");
        }
    }

    /// Compares what was written since the last comparison with the table: exactly that after whole passes, and nothing else
    /// after a pass that ended in the middle.
    pub(crate) fn compare(&mut self, world: &World, now: Timestamp, whole: bool) {
        let jira = world.jira.lock();
        let mut seen = Vec::new();
        for bug in &mut self.all {
            let issue = jira.issue(&bug.key).unwrap();
            let due = bug.due(now);
            let (tell, removes) = match &due {
                Step::Tell(kind, to) => (Some((*kind, to)), false),
                Step::RemoveLabelAndTell(kind, to) => (Some((*kind, to)), true),
                Step::RemoveLabel => (None, true),
                Step::Nothing | Step::AddLabel => (None, false),
            };
            let new = &issue.comments[bug.comments..];
            let context = || format!("{} at {now}: {due:?}, {bug:?}\n{new:#?}", bug.key);
            assert!(new.len() <= 1 && (new.is_empty() || tell.is_some()), "told without need: {}", context());
            assert!(!whole || new.len() == usize::from(tell.is_some()), "not told: {}", context());
            if let (Some((kind, to)), [comment]) = (tell, new) {
                let (_, label, over) = KINDS.into_iter().find(|(known, ..)| *known == kind).unwrap();
                let title = format!(
                    "Errata Reliability Team Notification - {label} Action Request\nThis issue has been in the ON_QA state \
                     for over {over} hours.\n"
                );
                assert!(comment.body.starts_with(&title), "another notification: {}", context());
                assert_eq!(comment.mentions(), *to, "somebody else: {}", context());
                bug.notices.push((kind, now));
                bug.need_info.extend(to.iter().cloned());
                bug.comments += 1;
                seen.push(format!("told {kind:?}"));
            }
            let labelled = issue.labels.iter().any(|label| label == PENDING);
            let after = if due == Step::AddLabel { true } else { bug.label && !removes };
            assert!(
                labelled == after || (!whole && labelled == bug.label),
                "{} at {now}: the label is there: {labelled}; {due:?}, {bug:?}",
                bug.key
            );
            if labelled != bug.label {
                seen.push((if labelled { "label added" } else { "label removed" }).to_owned());
            }
            bug.label = labelled;
            let list = issue.custom.get(NEED_INFO).and_then(Value::as_array).cloned().unwrap_or_default();
            let asked: BTreeSet<String> =
                list.iter().map(|person| person["accountId"].as_str().unwrap().to_owned()).collect();
            assert_eq!(asked.len(), list.len(), "{}: asked twice: {list:?}", bug.key);
            assert!(
                asked == bug.need_info || (!whole && asked.is_subset(&bug.need_info)),
                "{} at {now}: asked for information: {asked:?}; {bug:?}",
                bug.key
            );
        }
        drop(jira);
        for what in &seen {
            self.count(what);
        }
    }
}
