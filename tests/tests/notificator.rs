//! `oarctl jira-notificator` as its users run it: who is told when, once, whatever goes wrong.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use end_to_end::directory::{Directory, Person};
use end_to_end::{Fault, FaultKind, Harness, Run, root, wait};
use jiff::{SignedDuration, Timestamp};
use sandbox::scenario::jira::account_id;
use sandbox::scenario::notificator::{self, PENDING, Shape, keys, moved, notice};
use sandbox::services::jira::{Issue, RemoteLink};
use serde_json::{Value, json};

const BUG: &str = "OCPBUGS-60010";
const CONTACT: &str = "712020:qcontact";
const NEED_INFO: &str = "customfield_10482";
const QA_CONTACT: &str = "customfield_10470";
const PEOPLE: [Person<'_>; 8] = [
    Person::new("contact0", &["contact-0@example.com"], &["boss"]),
    Person::new("contact1", &["contact-1@example.com"], &["boss"]),
    Person::new("contact2", &["contact-2@example.com"], &["boss"]),
    Person::new("contact3", &["contact-3@example.com"], &["boss"]),
    Person::new("contact4", &["contact-4@example.com"], &["boss"]),
    Person::new("contact5", &["contact-5@example.com"], &["boss"]),
    Person::new("second-lead", &["second-lead@example.com"], &["boss"]),
    Person::new("boss", &["boss@example.com", "demo-lead@example.com"], &[]),
];

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn ago(time: SignedDuration) -> Timestamp {
    Timestamp::now() - time
}

/// Two hundred bugs, every row among them.
fn many() -> Harness {
    let harness = Harness::new();
    notificator::load(harness.sandbox.world(), Timestamp::now());
    harness.sandbox.clear_requests();
    harness
}

/// One bug, which became `ON_QA` twenty days ago, changed by `change`.
fn one(change: impl FnOnce(&mut Issue)) -> Harness {
    prepared(Harness::new(), change)
}

fn prepared(harness: Harness, change: impl FnOnce(&mut Issue)) -> Harness {
    {
        let mut jira = harness.sandbox.world().jira.lock();
        for bug in jira.issues.values_mut().filter(|bug| bug.key.starts_with("OCPBUGS-") && bug.key != BUG) {
            "Verified".clone_into(&mut bug.status);
        }
        let bug = jira.issue_mut(BUG).unwrap();
        bug.changelog = vec![moved(1, "ON_QA", ago(hours(20 * 24)))];
        change(bug);
    }
    harness.sandbox.clear_requests();
    harness
}

/// The harness with a section `jira_notificator` in its configuration.
fn configured(section: &Value) -> Harness {
    let harness = Harness::new();
    let text = std::fs::read_to_string(root().join("config/config_store.example.json")).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    document["jira_notificator"] = section.clone();
    let (plain, encrypted) = (harness.home().join("plain.json"), harness.home().join("store.json"));
    std::fs::write(&plain, document.to_string()).unwrap();
    let paths = [plain.to_str().unwrap(), "-o", encrypted.to_str().unwrap()];
    harness.run("oarctl", ["config", "encrypt"].into_iter().chain(paths)).expect(0);
    let path = encrypted.to_str().unwrap().to_owned();
    harness.env("OAR_CONFIG", &path)
}

fn run(harness: &Harness, options: &[&str]) -> Run {
    let run = harness.run("oarctl", ["jira-notificator"].iter().chain(options));
    harness.sandbox.assert_no_unexpected();
    run
}

fn issue(harness: &Harness, key: &str) -> Issue {
    harness.sandbox.world().jira.lock().issue(key).unwrap().clone()
}

/// The labels of the notifications that were written to an issue, in their order.
fn told(harness: &Harness, key: &str) -> Vec<String> {
    let label = |body: &str| {
        let first = body.lines().next()?.strip_prefix("Errata Reliability Team Notification - ")?;
        first.strip_suffix(" Action Request").map(str::to_owned)
    };
    issue(harness, key).comments.iter().filter_map(|comment| label(&comment.body)).collect()
}

/// Who is asked for information.
fn asked(harness: &Harness, key: &str) -> Vec<String> {
    let issue = issue(harness, key);
    let list = issue.custom.get(NEED_INFO).and_then(Value::as_array).cloned().unwrap_or_default();
    list.iter().map(|person| person["accountId"].as_str().unwrap().to_owned()).collect()
}

fn writes(harness: &Harness) -> usize {
    harness.sandbox.writes().len()
}

fn status(code: u16) -> FaultKind {
    FaultKind::Status { code, body: None, headers: Vec::new() }
}

#[test]
fn every_row_of_the_table_gets_its_step_within_the_budget_and_a_second_pass_has_nothing_to_do() {
    let directory = Directory::start(&PEOPLE);
    let harness = directory.asked_by(many());
    let before: BTreeMap<String, usize> =
        all_keys().map(|key| (key.clone(), told(&harness, &key).len())).collect();
    let report = run(&harness, &["--output", "json"]).expect(0).json();
    let requests = harness.sandbox.requests().len();
    assert!(requests <= 340, "{requests} requests:\n{}", harness.request_lines());
    let expected: [(Shape, &[&str]); 6] = [
        (Shape::TellQaContact, &["QA Contact"]),
        (Shape::TellTeamLead, &["Team Lead"]),
        (Shape::TellManager, &["Manager"]),
        (Shape::TellAssignee, &["Assignee"]),
        (Shape::TellReporter, &["Reporter"]),
        (Shape::QaContactToldAmongMany, &[]),
    ];
    for (shape, _) in notificator::GROUPS {
        let new =
            expected.iter().find(|(known, _)| *known == shape).map(|(_, labels)| *labels).unwrap_or_default();
        for key in keys(shape) {
            let told = told(&harness, &key);
            assert_eq!(told[before[&key]..], *new, "{shape:?} {key}");
            let pending = issue(&harness, &key).labels.iter().any(|label| label == PENDING);
            let labelled = matches!(shape, Shape::AddLabel | Shape::Labelled | Shape::StandInTold);
            assert_eq!(pending, labelled, "{shape:?} {key}");
        }
    }
    for shape in
        [Shape::QaContactTold, Shape::QaContactToldAmongMany, Shape::TeamLeadTold, Shape::ManagerTold]
    {
        for key in keys(shape) {
            assert_eq!(issue(&harness, &key).edits(), 0, "nothing is due: {shape:?} {key}");
        }
    }
    let boss = account_id("demo-lead@example.com");
    for key in keys(Shape::TellManager) {
        assert_eq!(asked(&harness, &key), [boss.as_str()], "the manager, by the address that Jira knows");
    }
    for key in keys(Shape::TellAssignee) {
        assert_eq!(asked(&harness, &key), [account_id("second-lead@example.com"), boss.clone()]);
    }
    for key in keys(Shape::TellReporter) {
        assert_eq!(asked(&harness, &key), [account_id("bot@example.com")]);
    }
    assert_eq!(
        (&report["selected"], &report["told"], &report["failed"]),
        (&json!(200), &json!(44), &json!(0))
    );

    harness.sandbox.clear_requests();
    let again = run(&harness, &["--output", "json"]).expect(0).json();
    assert_eq!((writes(&harness), &again["told"]), (0, &json!(0)), "{again}");
}

fn all_keys() -> impl Iterator<Item = String> {
    notificator::GROUPS.into_iter().flat_map(|(shape, _)| keys(shape))
}

#[test]
fn a_comment_is_the_reference_s_and_mentions_who_is_told() {
    let harness = one(|_| {});
    let text = run(&harness, &[]).expect(0).stdout;
    assert!(text.contains("told the QA contact; asked the QA contact for information"), "{text}");
    let comment = issue(&harness, BUG).comments.pop().unwrap();
    assert!(comment.body.starts_with(
        "Errata Reliability Team Notification - QA Contact Action Request\nThis issue has been in the ON_QA state for \
         over 24 hours.\n[~accountId:712020:qcontact] please"
    ));
    assert_eq!(comment.mentions(), [CONTACT]);
    assert_eq!(asked(&harness, BUG), [CONTACT]);
}

#[test]
fn a_dry_run_writes_nothing_anywhere() {
    let directory = Directory::start(&PEOPLE);
    let harness = directory.asked_by(many());
    let text = run(&harness, &["--dry-run"]).expect(0).stdout;
    assert_eq!(writes(&harness), 0, "{}", harness.request_lines());
    for words in [
        "OCPBUGS-70058: would tell the QA contact; would ask the QA contact for information",
        "would tell the QA contact's manager",
        "would tell the assignee",
        "would add the label ert:pending-onqa-over-96hrs",
        "would remove the label ert:pending-onqa-over-96hrs",
        "200 bugs wait in ON_QA; nothing was changed",
    ] {
        assert!(text.contains(words), "{words}\n{text}");
    }
}

#[test]
fn a_bug_that_was_opened_again_is_escalated_again() {
    let old = |label: &str| notice(9, label, 24, CONTACT, ago(hours(30 * 24)));
    for label in ["QA Contact", "Assignee", "Reporter"] {
        let harness = one(|bug| bug.comments = vec![old(label)]);
        run(&harness, &[]).expect(0);
        assert_eq!(told(&harness, BUG).last().unwrap(), "QA Contact", "{label}");
        assert_eq!(told(&harness, BUG).len(), 2);
    }
    let harness = one(|bug| {
        bug.comments = vec![old("Assignee")];
        bug.custom.insert(QA_CONTACT.to_owned(), Value::Null);
        bug.assignee = None;
    });
    run(&harness, &[]).expect(0);
    assert_eq!(told(&harness, BUG), ["Assignee", "Reporter"]);
}

#[test]
fn somebody_whose_account_is_not_in_use_is_nobody() {
    let harness = one(|bug| {
        bug.custom.insert(QA_CONTACT.to_owned(), json!({"accountId": account_id("gone@example.com")}));
    });
    run(&harness, &[]).expect(0);
    assert_eq!(told(&harness, BUG), ["Reporter"]);
    let nobody = one(|bug| {
        bug.custom.insert(QA_CONTACT.to_owned(), Value::Null);
        bug.reporter = None;
    });
    let failed = run(&nobody, &[]).expect(1);
    assert!(failed.stderr.contains("error: OCPBUGS-60010: nobody can be told"), "{failed:?}");
}

#[test]
fn a_bug_that_fails_does_not_stop_the_others_and_is_told_by_the_next_pass() {
    let harness = many().env("OAR_INTENT_LEASE", "0");
    let broken = keys(Shape::TellQaContact)[3].clone();
    let path = format!("/rest/api/2/issue/{broken}/comment");
    harness.sandbox.faults().add(Fault::on("jira", status(400)).method("POST").path(&path).forever());
    // Without a directory the managers are unknown, too.
    let first = run(&harness, &[]).expect(1);
    assert!(first.stderr.contains(&format!("error: {broken}: could not tell the QA contact")), "{first:?}");
    assert!(!first.stdout.contains("could not"), "an error is said once: {first:?}");
    let lines = |begin: &str| first.stderr.lines().filter(|line| line.starts_with(begin)).count();
    assert!(lines("error: ") > 1 && lines("error: ") == lines("  next: "), "{first:?}");
    let done = keys(Shape::TellQaContact).iter().filter(|key| told(&harness, key) == ["QA Contact"]).count();
    assert_eq!(done, 19);
    assert!(told(&harness, &broken).is_empty());
    for key in keys(Shape::TellManager) {
        assert_eq!(
            told(&harness, &key),
            ["QA Contact", "Team Lead"],
            "a directory that is down is no missing manager"
        );
        assert!(first.stderr.contains(&format!("{key}: could not look up a manager")), "{first:?}");
    }
    harness.sandbox.faults().clear();
    run(&harness, &[]).expect(1);
    assert_eq!(told(&harness, &broken), ["QA Contact"]);
}

#[test]
fn histories_that_jira_cuts_are_read_whole() {
    let harness = one(|bug| {
        // Sixty later changes hide the one that counts, and forty comments the notification.
        let label = |place: u64| {
            let mut entry = moved(100 + place, "x", ago(hours(200)));
            "labels".clone_into(&mut entry.items[0].field);
            entry
        };
        bug.changelog.extend((0..60).map(label));
        bug.comments = vec![notice(9, "QA Contact", 24, CONTACT, ago(hours(19 * 24)))];
        let other = |place: u64| notificator::comment(1000 + place, "Another comment.", ago(hours(100)));
        bug.comments.extend((0..40).map(other));
    });
    run(&harness, &[]).expect(0);
    assert_eq!(
        told(&harness, BUG),
        ["QA Contact", "Team Lead"],
        "the second rung, and not the first once more"
    );
    harness.sandbox.world().jira.lock().hides_totals = true;
    run(&harness, &[]).expect(0);
    assert_eq!(told(&harness, BUG).len(), 2);
}

#[test]
fn a_search_that_lags_behind_tells_nobody_twice() {
    let harness = one(|_| {});
    harness.sandbox.world().jira.lock().search_lag = Some(hours(1));
    for _ in 0..3 {
        run(&harness, &[]).expect(0);
    }
    assert_eq!(told(&harness, BUG), ["QA Contact"]);
}

#[test]
fn two_notificators_at_once_tell_each_person_once() {
    let harness = many();
    harness.sandbox.set_latency(Duration::from_millis(3));
    let started: Vec<_> =
        (0..3).map(|_| harness.command("oarctl", ["jira-notificator"]).spawn().unwrap()).collect();
    let runs: Vec<Run> = started.into_iter().map(wait).collect();
    for shape in [Shape::TellQaContact, Shape::TellTeamLead, Shape::TellReporter] {
        for key in keys(shape) {
            let new = match shape {
                Shape::TellTeamLead => 2,
                _ => 1,
            };
            assert_eq!(told(&harness, &key).len(), new, "{key} {runs:#?}");
            assert_eq!(asked(&harness, &key).len(), 1, "{key}");
        }
    }
}

#[test]
fn a_claim_holds_as_long_as_its_lease_and_no_longer() {
    let since = ago(hours(20 * 24));
    let claimed = |at: Timestamp| {
        one(|bug| {
            bug.changelog = vec![moved(1, "ON_QA", since)];
            let name = format!("ert-notificator.qa-contact.{}.0", since.as_second());
            bug.properties.insert(name, json!({"at": at.to_string(), "by": "another"}));
        })
    };
    let held = claimed(ago(SignedDuration::from_secs(30)));
    let text = run(&held, &[]).expect(0).stdout;
    assert!(text.contains("did not tell the QA contact: it was begun at"), "{text}");
    let words = "by another program or an earlier pass; if there is no comment by";
    assert!(text.contains(words) && told(&held, BUG).is_empty(), "{text}");
    let text = run(&held, &["--explain", BUG]).expect(0).stdout;
    assert!(
        text.contains("next: tell the QA contact: the next pass, due since") && text.contains(words),
        "{text}"
    );
    let left = claimed(ago(hours(1)));
    let text = run(&left, &["--explain", BUG]).expect(0).stdout;
    assert!(!text.contains("begun"), "{text}");
    run(&left, &[]).expect(0);
    assert_eq!(told(&left, BUG), ["QA Contact"], "whoever claimed it has ended");
}

#[test]
fn a_limit_of_writes_to_one_bug_holds_up_that_bug_alone() {
    let directory = Directory::start(&PEOPLE);
    let harness = directory.asked_by(many());
    let limited = keys(Shape::TellQaContact)[3].clone();
    let path = format!("/rest/api/2/issue/{limited}/comment");
    let busy = FaultKind::RateLimited { retry_after: 3 };
    harness.sandbox.faults().add(Fault::on("jira", busy).method("POST").path(&path).times(1));
    // Not all bugs are at their comment at the same time.
    harness.sandbox.set_latency(Duration::from_millis(20));
    run(&harness, &[]).expect(0);
    for key in keys(Shape::TellQaContact) {
        assert_eq!(told(&harness, &key), ["QA Contact"], "{key}");
    }
    let requests = harness.sandbox.requests();
    let comments = requests.iter().filter(|it| it.method == "POST" && it.path.ends_with("/comment"));
    let (own, others): (Vec<_>, Vec<_>) = comments.partition(|request| request.path == path);
    assert_eq!(own.len(), 2, "{own:?}");
    let (refused, repeated) = (own[0], own[1]);
    assert!(repeated.at.duration_since(refused.at) >= SignedDuration::from_secs(3), "{own:?}");
    // Those that were on their way already tell nothing.
    let soon = refused.at + SignedDuration::from_millis(100);
    assert!(others.iter().any(|other| soon < other.at && other.at < repeated.at), "{own:?} {others:?}");
}

#[test]
fn a_comment_that_jira_refuses_fails_at_every_pass_and_is_written_when_jira_takes_it() {
    let harness = one(|_| ());
    let path = format!("/rest/api/2/issue/{BUG}/comment");
    let comment = |kind| Fault::on("jira", kind).method("POST").path(&path).forever();
    harness.sandbox.faults().add(comment(status(403)));
    for _ in 0..3 {
        let failed = run(&harness, &[]).expect(1);
        assert!(failed.stderr.contains(&format!("error: {BUG}: could not tell")), "{failed:?}");
    }
    assert_eq!((told(&harness, BUG).len(), issue(&harness, BUG).properties.len()), (0, 0));
    harness.sandbox.faults().clear();
    run(&harness, &[]).expect(0);
    assert_eq!(told(&harness, BUG), ["QA Contact"]);
    assert_eq!(issue(&harness, BUG).properties.len(), 1, "the claim of a comment stays behind");
}

#[test]
fn a_claim_that_cannot_be_given_back_holds_the_step_back() {
    let harness = one(|_| ());
    let forbidden =
        |method: &str, path: String| Fault::on("jira", status(403)).method(method).path(&path).forever();
    let faults = harness.sandbox.faults();
    faults.add(forbidden("POST", format!("/rest/api/2/issue/{BUG}/comment")));
    faults.add(forbidden("DELETE", format!("/rest/api/2/issue/{BUG}/properties/*")));
    run(&harness, &[]).expect(1);
    faults.clear();
    let held = run(&harness, &[]).expect(0).stdout;
    assert!(held.contains("did not tell the QA contact: it was begun at"), "{held}");
    assert!(told(&harness, BUG).is_empty());
}

#[test]
fn a_step_that_was_begun_many_times_in_vain_is_tried_once_a_day() {
    let since = ago(hours(20 * 24));
    let begun = |last: SignedDuration| {
        one(|bug| {
            bug.changelog = vec![moved(1, "ON_QA", since)];
            for attempt in 0..20 {
                let name = format!("ert-notificator.qa-contact.{}.{attempt}", since.as_second());
                let at = if attempt == 19 { ago(last) } else { ago(hours(40)) };
                bug.properties.insert(name, json!({"at": at.to_string(), "by": "another"}));
            }
        })
    };
    let often = begun(hours(1));
    let failed = run(&often, &[]).expect(1);
    assert!(failed.stderr.contains("begun many times"), "{failed:?}");
    assert_eq!((told(&often, BUG).len(), writes(&often)), (0, 0));
    let later = begun(hours(25));
    run(&later, &[]).expect(0);
    assert_eq!(told(&later, BUG), ["QA Contact"], "what kept the comment from being written may be gone");
}

#[test]
fn a_directory_that_does_not_answer_is_asked_once_and_stops_nobody_else() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://{}", silent.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counter = connections.clone();
    // Connections stay open, and nothing is ever answered.
    std::thread::spawn(move || {
        let mut open = Vec::new();
        while let Ok((stream, _)) = silent.accept() {
            counter.fetch_add(1, Ordering::SeqCst);
            open.push(stream);
        }
    });
    let harness = many().env("OAR_ENDPOINT_LDAP", &url).env("OAR_HTTP_TIMEOUT", "2");
    let failed = run(&harness, &[]).expect(1);
    for key in keys(Shape::TellQaContact) {
        assert_eq!(told(&harness, &key), ["QA Contact"], "{key}");
    }
    for key in [keys(Shape::TellManager), keys(Shape::TellAssignee)].concat() {
        assert!(failed.stderr.contains(&format!("{key}: could not look up a manager")), "{key} {failed:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "seven people have managers to be looked up");
}

#[test]
fn a_field_that_no_bug_shows_stops_the_pass_before_anybody_is_told() {
    for key in ["qa_contact", "need_info"] {
        let harness = prepared(configured(&json!({"fields": {key: "customfield_99999"}})), |_| {});
        let refused = run(&harness, &[]).expect(4);
        let words = format!("no bug shows the field customfield_99999 (jira_notificator.fields.{key})");
        assert!(refused.stderr.contains(&words), "{refused:?}");
        assert_eq!(writes(&harness), 0, "{key}");
    }
    let fields = json!({"qa_contact": "customfield_10470", "need_info": "customfield_10978"});
    let harness = prepared(configured(&json!({ "fields": fields })), |_| {});
    let warned = run(&harness, &["--dry-run"]).expect(0);
    let words = "customfield_10978 is Jira's field `SFDC Cases Counter`, expected `Need Info From`";
    assert!(warned.stderr.contains(words) && !warned.stderr.contains("QA Contact"), "{warned:?}");
    let failed = Fault::on("jira", status(500)).path("/rest/api/2/field").forever();
    harness.sandbox.faults().add(failed);
    run(&harness, &["--dry-run"]).expect(0);
}

#[test]
fn whoever_is_asked_for_information_while_the_comments_are_read_stays_in_the_list() {
    let harness = one(|bug| {
        let other = |place: u64| notificator::comment(1000 + place, "Another comment.", ago(hours(100)));
        bug.comments.extend((0..30).map(other));
    });
    let path = format!("/rest/api/2/issue/{BUG}/comment");
    // The second time they are read right before the comment is written: a pause of more than the five seconds for
    // which the list counts as just read.
    let pause =
        Fault::on("jira", FaultKind::RateLimited { retry_after: 6 }).method("GET").path(&path).skip(1);
    let pause = harness.sandbox.faults().add(pause);
    let child = harness.command("oarctl", ["jira-notificator"]).spawn().unwrap();
    let is_paused = || {
        std::thread::sleep(Duration::from_millis(5));
        harness.sandbox.faults().hits(pause) > 0
    };
    assert!((0..6000).any(|_| is_paused()), "{}", harness.request_lines());
    let other = account_id("second-lead@example.com");
    {
        let mut jira = harness.sandbox.world().jira.lock();
        let bug = jira.issue_mut(BUG).unwrap();
        bug.custom.insert(NEED_INFO.to_owned(), json!([{"accountId": other}]));
    }
    wait(child).expect(0);
    assert_eq!(told(&harness, BUG), ["QA Contact"]);
    assert_eq!(asked(&harness, BUG), [other.as_str(), CONTACT]);
}

#[test]
fn a_lost_answer_to_a_claim_or_a_comment_tells_nobody_twice() {
    let harness = one(|_| {});
    harness
        .sandbox
        .faults()
        .add(Fault::on("jira", FaultKind::DropAfter).method("PUT").path("/rest/api/2/issue/*/properties/*"));
    run(&harness, &[]).expect(1);
    assert!(told(&harness, BUG).is_empty());
    run(&harness, &[]).expect(0);
    assert!(told(&harness, BUG).is_empty(), "it may be another's claim: its lease is waited for");

    let harness = one(|_| {});
    harness
        .sandbox
        .faults()
        .add(Fault::on("jira", FaultKind::DropAfter).method("POST").path("/rest/api/2/issue/*/comment"));
    run(&harness, &[]).expect(0);
    assert_eq!((told(&harness, BUG).len(), asked(&harness, BUG).len()), (1, 1), "it is looked for and found");
}

#[test]
fn who_was_told_and_not_asked_for_information_is_asked_later() {
    let harness = one(|_| {}).env("OAR_INTENT_LEASE", "0");
    let edit =
        Fault::on("jira", status(400)).method("PUT").path(&format!("/rest/api/2/issue/{BUG}")).forever();
    harness.sandbox.faults().add(edit);
    let failed = run(&harness, &[]).expect(1);
    assert!(failed.stderr.contains("could not ask the QA contact for information"), "{failed:?}");
    harness.sandbox.faults().clear();
    run(&harness, &[]).expect(0);
    assert_eq!((told(&harness, BUG).len(), asked(&harness, BUG)), (1, vec![CONTACT.to_owned()]));
    // Whoever answered takes themselves off the list, and is not put there again.
    {
        let mut jira = harness.sandbox.world().jira.lock();
        let bug = jira.issue_mut(BUG).unwrap();
        bug.custom.insert(NEED_INFO.to_owned(), json!([]));
        let mut entry = moved(77, "", Timestamp::now());
        "Need Info From".clone_into(&mut entry.items[0].field);
        bug.changelog.push(entry);
    }
    run(&harness, &[]).expect(0);
    assert!(asked(&harness, BUG).is_empty());
}

#[test]
fn somebody_who_is_asked_already_is_not_asked_twice_and_others_stay() {
    let other = account_id("second-lead@example.com");
    let harness = one(|bug| {
        bug.custom.insert(NEED_INFO.to_owned(), json!([{"accountId": other}, {"accountId": CONTACT}]));
    });
    run(&harness, &[]).expect(0);
    assert_eq!(asked(&harness, BUG), [other.as_str(), CONTACT]);
    assert_eq!(issue(&harness, BUG).edits(), 0, "there was nothing to write");
}

#[test]
fn snoozed_bugs_are_left_alone_and_a_cap_holds_comments_back() {
    let harness = prepared(configured(&json!({"snooze_label": "quiet", "cap_per_day": "2"})), |_| {});
    let bugs = ["OCPBUGS-60010", "OCPBUGS-60011", "OCPBUGS-60020", "OCPBUGS-60021", "OCPBUGS-61010"];
    {
        let mut jira = harness.sandbox.world().jira.lock();
        // More than a weekend between them: times on one weekend are due at the same moment.
        for (days, key) in (20..).step_by(3).zip(bugs) {
            let bug = jira.issue_mut(key).unwrap();
            "ON_QA".clone_into(&mut bug.status);
            bug.custom.insert(QA_CONTACT.to_owned(), json!({"accountId": CONTACT}));
            bug.changelog = vec![moved(1, "ON_QA", ago(hours(days * 24)))];
        }
        // The one that waits longest.
        jira.issue_mut(bugs[4]).unwrap().labels.push("quiet".to_owned());
        jira.issue_mut(bugs[3]).unwrap().labels.push("ert:snooze".to_owned());
    }
    for _ in 0..2 {
        let text = run(&harness, &[]).expect(0).stdout;
        let held = "did not tell the QA contact: this person has reached the limit of comments per day";
        assert!(text.contains(held) && text.contains("1  snoozed by a label"), "{text}");
        let counts: Vec<usize> = bugs.iter().map(|key| told(&harness, key).len()).collect();
        assert_eq!(counts, [0, 0, 1, 1, 0], "the longest due come first");
    }
    let snoozed = run(&harness, &["--explain", bugs[4]]).expect(0).stdout;
    assert!(snoozed.contains("snoozed by a label (quiet)") && snoozed.contains("next: nothing"), "{snoozed}");
}

#[test]
fn pull_requests_that_were_verified_keep_people_from_being_told() {
    let verified = keys(Shape::Verified)[0].clone();
    let harness = many();
    harness.sandbox.world().github.lock().graphql_limit = Some(5);
    let text = run(&harness, &["--explain", &verified]).expect(0).stdout;
    assert!(text.contains("verified before the merge (row 0)") && text.contains("next: nothing"), "{text}");
    run(&harness, &[]).expect(1);
    for key in keys(Shape::Verified) {
        assert!(told(&harness, &key).is_empty(), "a query that is too heavy is asked in parts: {key}");
    }
    assert_eq!(told(&harness, &keys(Shape::TellQaContact)[0]), ["QA Contact"]);

    let linked = |labels: Option<&[&str]>| {
        let harness = one(|bug| {
            let url = "https://github.com/openshift/demo-operator/pull/7".to_owned();
            bug.remote_links = vec![RemoteLink { id: 1, url, title: "fix".to_owned() }];
        });
        let labels = labels.map(|labels| labels.iter().map(|label| (*label).to_owned()).collect());
        let pulls = labels.map(|labels| (7, labels));
        let mut github = harness.sandbox.world().github.lock();
        github.pull_requests.insert("openshift/demo-operator".to_owned(), pulls.into_iter().collect());
        drop(github);
        harness
    };
    for (labels, expected) in [
        (Some(&["verified"][..]), 0),
        (Some(&["verified", "verified-later"]), 1),
        (Some(&["lgtm"]), 1),
        (None, 1),
    ] {
        let harness = linked(labels);
        run(&harness, &[]).expect(0);
        assert_eq!(told(&harness, BUG).len(), expected, "{labels:?}");
    }
    let harness = linked(Some(&["verified"]));
    harness.sandbox.faults().add(Fault::on("github", status(500)).forever());
    let failed = run(&harness, &[]).expect(1);
    assert!(
        failed.stderr.contains("could not determine whether it was verified before the merge"),
        "{failed:?}"
    );
    assert!(told(&harness, BUG).is_empty());
    let harness = linked(Some(&["verified"])).env("GITHUB_TOKEN", "");
    let text = run(&harness, &["--explain", BUG]).expect(0).stdout;
    assert!(text.contains("pull requests: not checked: GITHUB_TOKEN is not set"), "{text}");
    let warned = run(&harness, &[]).expect(0);
    assert!(warned.stderr.contains("GITHUB_TOKEN is not set, so no bug counts as verified"), "{warned:?}");
    assert_eq!(told(&harness, BUG).len(), 1, "without a token none counts as verified");
}

#[test]
fn a_link_with_an_impossible_number_keeps_nobody_from_being_told() {
    let harness = many();
    let odd = keys(Shape::TellQaContact)[7].clone();
    {
        let mut jira = harness.sandbox.world().jira.lock();
        // The id of a comment in place of a number.
        let url = "https://github.com/openshift/demo-operator/pull/4211934690".to_owned();
        jira.issue_mut(&odd).unwrap().remote_links = vec![RemoteLink { id: 1, url, title: "x".to_owned() }];
    }
    let failed = run(&harness, &[]).expect(1);
    assert!(!failed.stderr.contains("verified before the merge"), "{failed:?}");
    for key in keys(Shape::TellQaContact) {
        assert_eq!(told(&harness, &key), ["QA Contact"], "{key}");
    }
    for key in keys(Shape::Verified) {
        assert!(told(&harness, &key).is_empty(), "{key}");
    }
}

#[test]
fn what_github_could_not_answer_is_not_known_and_nobody_is_told() {
    let harness = one(|bug| {
        let url = "https://github.com/openshift/demo-operator/pull/7".to_owned();
        bug.remote_links = vec![RemoteLink { id: 1, url, title: "fix".to_owned() }];
    });
    let body = json!({
        "data": {"p0": null},
        "errors": [{"path": ["p0"], "message": "Something went wrong while executing your query."}],
    });
    let partial = FaultKind::Status { code: 200, body: Some(body.to_string()), headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("github", partial).path("/graphql").forever());
    let failed = run(&harness, &[]).expect(1);
    let words =
        "could not determine whether it was verified before the merge: openshift/demo-operator#7: Something";
    assert!(failed.stderr.contains(words), "{failed:?}");
    assert_eq!(writes(&harness), 0);
}

#[test]
fn links_that_may_not_be_seen_count_as_not_verified() {
    let harness = one(|_| {});
    let hidden = Fault::on("jira", status(403)).path("/rest/api/2/issue/*/remotelink").forever();
    harness.sandbox.faults().add(hidden);
    let text = run(&harness, &["--explain", BUG]).expect(0).stdout;
    assert!(text.contains("pull requests: not verified before the merge"), "{text}");
    run(&harness, &[]).expect(0);
    assert_eq!(told(&harness, BUG), ["QA Contact"]);
}

#[test]
fn nothing_is_said_of_the_row_of_a_bug_whose_comments_could_not_be_read() {
    let harness = many();
    let broken = keys(Shape::QaContactToldAmongMany)[1].clone();
    let path = format!("/rest/api/2/issue/{broken}/comment");
    harness.sandbox.faults().add(Fault::on("jira", status(500)).method("GET").path(&path).forever());
    let report = run(&harness, &["--dry-run", "--output", "json"]).expect(1).json();
    let found = report["issues"].as_array().unwrap().iter().find(|issue| issue["issue"] == *broken).unwrap();
    assert_eq!((&found["state"], &found["row"]), (&json!("not known"), &Value::Null));
    assert_eq!((&found["since"], &found["due"]), (&Value::Null, &Value::Null));
    assert!(found["problem"].is_string(), "{found}");
}

#[test]
fn the_explanation_says_what_comes_next_and_changes_nothing() {
    let harness = one(|bug| bug.comments = vec![notice(9, "QA Contact", 24, CONTACT, ago(hours(19 * 24)))]);
    let text = run(&harness, &["--explain", BUG]).expect(0).stdout;
    assert!(text.contains("OCPBUGS-60010: the QA contact or a stand-in was notified (row 3)"), "{text}");
    assert!(text.contains("next: tell the QA contact again: the next pass, due since"), "{text}");
    let verified = run(&harness, &["--explain", "OCPBUGS-60011", "--output", "json"]).expect(0).json();
    assert_eq!(verified["left_out"], "its status is Verified, not ON_QA");
    assert!(verified["next"].is_null());
    let again = many();
    let text = run(&again, &["--explain", &keys(Shape::Reopened)[0]]).expect(0).stdout;
    assert!(text.contains("  now: remove the label ert:pending-onqa-over-96hrs\n"), "{text}");
    assert!(text.contains("next: tell the QA contact: the first pass after"), "{text}");
    let text = run(&again, &["--explain", &keys(Shape::Labelled)[0]]).expect(0).stdout;
    assert!(!text.contains("now:"), "{text}");
    // Jira says the same of a bug that does not exist and of one that may not be seen.
    run(&harness, &["--explain", "OCPBUGS-60999"]).expect(4);
    assert_eq!(writes(&harness), 0);
    run(&harness, &["--explain", "no-key"]).expect(2);
}

#[test]
fn options_are_checked_and_used() {
    let harness = many();
    for bad in ["2026-6-1", "20260601", "2026-02-30", "yesterday"] {
        let refused = run(&harness, &["--from-date", bad]).expect(2);
        assert!(refused.stderr.contains("2026-06-01"), "{refused:?}");
    }
    run(&harness, &["--search-batch-size", "0"]).expect(2);
    assert!(harness.sandbox.requests().is_empty());
    let searches = |harness: &Harness| {
        let requests = harness.sandbox.requests();
        requests.iter().filter(|request| request.path.ends_with("/search/jql")).count()
    };
    run(&harness, &["--dry-run", "--search-batch-size", "30"]);
    assert_eq!(searches(&harness), 7);
    harness.sandbox.clear_requests();
    harness.sandbox.world().jira.lock().expire_tokens = 1;
    let report = run(&harness, &["--dry-run", "--output", "json"]).json();
    assert_eq!((searches(&harness), &report["selected"]), (4, &json!(200)), "the search began once more");
    let later = (Timestamp::now() - hours(48)).strftime("%Y-%m-%d").to_string();
    let report = run(&harness, &["--dry-run", "--output", "json", "--from-date", &later]).json();
    assert_eq!(report["selected"], json!(64), "those that became ON_QA two hours ago");
}

#[test]
fn a_version_that_the_project_does_not_have_is_left_out() {
    let harness = one(|_| {});
    {
        let mut jira = harness.sandbox.world().jira.lock();
        let bugs = jira.projects.iter_mut().find(|project| project.key == "OCPBUGS").unwrap();
        bugs.versions.retain(|version| version != "5.0.z");
    }
    let run = run(&harness, &[]).expect(0);
    assert!(run.stderr.contains("OCPBUGS does not have 1 of the 12 versions yet"), "{run:?}");
    assert_eq!(told(&harness, BUG), ["QA Contact"]);
}

#[test]
fn a_clock_that_is_far_from_jira_s_tells_nobody() {
    for (jira, words) in [(-48, "hours ahead of Jira's"), (48, "hours behind Jira's")] {
        let harness = one(|_| {});
        harness.sandbox.clock().advance(hours(jira));
        let all: [&[&str]; 3] = [&[], &["--dry-run"], &["--explain", BUG]];
        for options in all {
            let refused = run(&harness, options).expect(4);
            assert!(refused.stderr.contains("the clock of this machine is 4"), "{options:?}: {refused:?}");
            assert!(
                refused.stderr.contains(words) && refused.stderr.contains("next: Set the clock"),
                "{refused:?}"
            );
        }
        assert_eq!((writes(&harness), told(&harness, BUG).len()), (0, 0));
    }
    let harness = one(|_| {});
    harness.sandbox.clock().advance(hours(3));
    run(&harness, &[]).expect(0);
    assert_eq!(told(&harness, BUG), ["QA Contact"]);
}

#[test]
fn missing_credentials_and_an_outage_end_the_pass() {
    let harness = one(|_| {});
    harness.sandbox.faults().add(Fault::on("jira", status(503)).forever());
    run(&harness, &[]).expect(4);
    let harness = one(|_| {}).env("JIRA_TOKEN", "");
    let refused = run(&harness, &[]).expect(3);
    assert!(refused.stderr.contains("JIRA_TOKEN"), "{refused:?}");
    assert!(harness.sandbox.requests().is_empty());
    let harness = configured(&json!({"zone": "Mars/Olympus"}));
    let refused = run(&harness, &[]).expect(3);
    assert!(refused.stderr.contains("jira_notificator.zone"), "{refused:?}");
}
