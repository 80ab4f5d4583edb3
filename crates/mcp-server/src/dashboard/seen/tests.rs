use oar_core::drive::facts::FactKey;
use oar_core::drive::plan::Request;
use oar_core::drive::verdict::{Lack, NodePlan};
use oar_core::flow::nodes::Who;
use oar_core::redact::Redactor;
use oar_core::statebox::{NewDecision, Subject, TaskName, TaskStatus, Teller, Telling};
use oar_core::store::{Revision, Stored};

use super::*;
use crate::cache::tests::release;
use crate::dashboard::text::Shower;
use crate::dashboard::views::builds::BuildsPage;
use crate::dashboard::views::overview::{Filter, Overview};
use crate::dashboard::views::{Bound, PersonItem, ProblemItem};
use crate::documents::tests::{new_state, set};

const RELEASE: &str = "4.19.1";
const NOON: &str = "2026-07-02T12:00:00Z";

/// So many minutes after noon.
fn at(minutes: i64) -> Timestamp {
    NOON.parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

fn shower() -> Shower {
    Shower::new(Redactor::default(), at(0))
}

fn file(state: &State, revision: &str) -> ReadFile {
    let stored = Stored { text: state.to_yaml(), revision: Revision::new(revision) };
    ReadFile { state: state.clone(), stored }
}

/// What is known after a look; the look before was a minute earlier.
fn look(before: Option<&Known>, read: ReadFile, minutes: i64) -> Known {
    tried(before, Ok(read), minutes)
}

/// The same after a look that may have failed.
fn tried(before: Option<&Known>, read: Result<ReadFile, String>, minutes: i64) -> Known {
    Known::after(before, &release(RELEASE), read, "there", (Some(at(minutes - 1)), at(minutes)))
}

fn approved() -> State {
    let mut state = new_state(RELEASE);
    set(&mut state, TaskName::ChangeAdvisoryStatus, TaskStatus::Pass, "approved");
    state
}

/// A plan of the services, in which `change` has been done to every node.
fn plan(known: &Known, change: impl Fn(&mut NodePlan)) -> Arc<DrivePlan> {
    let mut plan = known.shown_plan().unwrap().clone();
    plan.nodes.iter_mut().for_each(change);
    Arc::new(plan)
}

/// The same, in which everything else is done.
fn settled(known: &Known, change: impl Fn(&mut NodePlan)) -> Arc<DrivePlan> {
    plan(known, |node| {
        (node.verdict, node.lacks, node.since) = (Verdict::Done, None, None);
        change(node);
    })
}

fn of(known: Known) -> Seen {
    let releases = BTreeMap::from([(release(RELEASE), Arc::new(known))]);
    Seen { looked: Some(at(0)), releases, ..Seen::default() }
}

#[test]
fn a_file_that_cannot_be_read_any_more_leaves_what_was_known_and_makes_its_release_unknown() {
    let good = look(None, file(&approved(), "1"), 0);
    assert_eq!(good.row(&release(RELEASE), at(0)).status, Standing::Complete);
    let broken = || Err("GitHub answers 503".to_owned());
    let bad = tried(Some(&good), broken(), 1);
    assert_eq!((bad.state().is_ok(), bad.at, bad.revision()), (true, at(0), "1"));
    assert_eq!(bad.problem.as_ref().unwrap().since, at(1));
    let row = bad.row(&release(RELEASE), at(1));
    assert_eq!((row.status, row.concerns[0].kind), (Standing::Unknown, Concern::Unknown));
    assert!(row.concerns[0].text.ends_with("GitHub answers 503"), "{row:?}");
    assert_eq!(of(bad.clone()).pages_that_differ(&of(good.clone())), ["/", "/releases/4.19.1"]);
    // Found again a minute later, it goes on; after a week in which nobody looked, it is a new one.
    assert_eq!(tried(Some(&bad), broken(), 2).problem.unwrap().since, at(1));
    let pause = (Some(at(1)), at(10_000));
    let later = Known::after(Some(&bad), &release(RELEASE), broken(), "there", pause);
    assert_eq!(later.problem.unwrap().since, at(10_000));
    let again = look(Some(&bad), file(&approved(), "2"), 3);
    assert_eq!((again.problem.as_ref(), again.at, again.revision()), (None, at(3), "2"));
    let never = tried(None, broken(), 0);
    assert_eq!(never.state().unwrap_err(), "GitHub answers 503");
}

#[test]
fn a_plan_of_an_older_file_is_said_to_be_one_until_there_is_a_newer_one() {
    let mut known = look(None, file(&new_state(RELEASE), "1"), 0);
    // Nothing is recorded before a plan exists: one whose making was given up is due as before.
    assert!(known.is_plan_due(at(0)) && !known.is_outdated());
    known.planned("1".to_owned(), Ok(plan(&known, |_| {})), at(0));
    assert!(!known.is_plan_due(at(0)) && !known.is_outdated());
    let changed = look(Some(&known), file(&approved(), "2"), 1);
    assert!(changed.is_plan_due(at(1)) && changed.is_outdated() && changed.is_partly_unknown());
    let mut failed = changed.clone();
    failed.planned("2".to_owned(), Err(Problem::new("no connection", at(1))), at(1));
    assert!(failed.is_outdated() && !failed.is_plan_due(at(1)) && failed.is_plan_due(at(2)));
    let same = changed.plan.plan.clone().unwrap();
    let mut planned = changed.clone();
    planned.planned("2".to_owned(), Ok(same), at(1));
    assert!(!planned.is_outdated() && !planned.is_plan_due(at(1)) && planned.is_plan_due(at(6)));
    // The plan says the same, and the page another thing.
    assert_eq!(of(planned).pages_that_differ(&of(changed)), ["/", "/releases/4.19.1"]);
}

#[test]
fn an_approved_release_has_shipped_when_its_plan_says_so() {
    let mut known = look(None, file(&approved(), "1"), 0);
    let status = |known: &Known| known.row(&release(RELEASE), at(0)).status;
    assert_eq!(status(&known), Standing::Complete, "nobody has asked");
    let shipped = |verdict: &Verdict| {
        settled(&known, |node| {
            if node.node == Node::Shipped {
                node.verdict = verdict.clone();
            }
        })
    };
    let waiting =
        |unknown| Verdict::Waiting { what: "the shipping: the errata is in QE".to_owned(), unknown };
    let plans = [Verdict::Done, waiting(false), waiting(true)].map(|verdict| shipped(&verdict));
    let lack = Lack { fact: FactKey::Shipped, why: "the errata is in QE".to_owned() };
    let lacking = settled(&known, |node| {
        if node.node == Node::Shipped {
            (node.verdict, node.lacks) = (waiting(true), Some(lack.clone()));
        }
    });
    let plans = plans.into_iter().chain([lacking]);
    let mut rows = plans.map(|plan| {
        known.planned("1".to_owned(), Ok(plan), at(0));
        known.row(&release(RELEASE), at(0))
    });
    assert_eq!(rows.next().unwrap().status, Standing::Shipped);
    let row = rows.next().unwrap();
    assert_eq!((row.status, row.concerns.len()), (Standing::Complete, 0));
    for why in ["the shipping: the errata is in QE", "the errata is in QE"] {
        let row = rows.next().unwrap();
        assert_eq!((row.status, row.concerns[0].kind), (Standing::Complete, Concern::Unknown));
        assert_eq!(row.concerns[0].text, format!("whether it has shipped cannot be determined: {why}"));
    }
}

/// The overview, in HTML.
fn overview(known: Known, filter: &str) -> String {
    overview_of(&of(known), filter, None)
}

fn overview_of(seen: &Seen, filter: &str, problem: Option<ProblemItem>) -> String {
    let filter = Filter::parse(filter).unwrap();
    askama::Template::render(&Overview::new(seen, "there", &filter, problem, &shower())).unwrap()
}

#[test]
fn nobody_is_waited_for_only_where_everything_is_known() {
    let mut known = look(None, file(&new_state(RELEASE), "1"), 0);
    let (certain, uncertain) = ("Nobody is waited for", "As far as is known");
    let mut nobody = DrivePlan::clone(&settled(&known, |_| {}));
    nobody.people = Vec::new();
    known.alone = None;
    for filter in ["", "state=asks", "who=leads"] {
        let page = overview(known.clone(), filter);
        assert!(page.contains(uncertain) && !page.contains(certain), "not asked, {filter}: {page}");
    }
    assert!(overview(known.clone(), "y=4.20").contains(certain));
    known.planned("1".to_owned(), Ok(Arc::new(nobody.clone())), at(0));
    assert!(overview(known.clone(), "").contains(certain));
    let problem = || ProblemItem {
        what: "the StateBox files",
        why: shower().text("GitHub answers 503"),
        next: None,
        since: shower().moment(at(0)),
    };
    let none = Seen { looked: Some(at(0)), ..Seen::default() };
    for seen in [of(known.clone()), none] {
        let page = overview_of(&seen, "", Some(problem()));
        assert!(page.contains(uncertain) && !page.contains(certain) && !page.contains("Of "), "{page}");
        assert!(
            page.contains("badge unknown\"><span class=\"sign\" aria-hidden=\"true\">?</span>0 wait"),
            "{page}"
        );
    }
    nobody.nodes[0].verdict = Verdict::Waiting { what: "an answer".to_owned(), unknown: true };
    known.planned("1".to_owned(), Ok(Arc::new(nobody)), at(0));
    assert!(overview(known.clone(), "").contains(uncertain));
    let unreadable = tried(None, Err("it is damaged".to_owned()), 0);
    assert!(overview(unreadable, "").contains(uncertain));
}

#[test]
fn what_changes_with_the_time_alone_concerns_its_page() {
    let mut state = new_state(RELEASE);
    let decision = NewDecision {
        id: "h".to_owned(),
        subject: Subject::Hold { until: Some("2026-07-02T12:30:00Z".parse().unwrap()) },
        by: "lead".to_owned(),
        at: at(-10),
        reason: "the network is rebuilt".to_owned(),
    };
    let _ = state.decide(&decision);
    let held = look(None, file(&state, "1"), 29);
    let same = look(Some(&held), file(&state, "1"), 29);
    let free = look(Some(&held), file(&state, "1"), 31);
    assert_eq!(of(same).pages_that_differ(&of(held.clone())), Vec::<String>::new());
    assert_eq!(of(free).pages_that_differ(&of(held)), ["/", "/releases/4.19.1"]);
}

#[test]
fn a_change_names_the_pages_that_it_concerns() {
    let recorded = |of: &[(&str, &str)]| {
        let recorded = |(build, why): &(&str, &str)| {
            let build = build.parse().unwrap();
            let name = ResultName { build, arch: oar_core::version::Arch::Amd64 };
            BuildSeen { name, view: Err(Unusable::Damaged((*why).to_owned())), at: at(0), problem: None }
        };
        let recorded = Arc::new(of.iter().map(recorded).collect());
        Builds { looked: Some(at(0)), recorded, ..Builds::default() }
    };
    let seen = |builds: Builds| Seen { builds, ..of(look(None, file(&new_state(RELEASE), "1"), 0)) };
    let before = seen(recorded(&[("4.19.1", "a"), ("4.19.2", "b"), ("4.19.3", "c")]));
    let after = Seen { builds: recorded(&[("4.19.1", "a"), ("4.19.2", "x")]), ..before.clone() };
    assert_eq!(after.pages_that_differ(&before), ["/builds", "/builds/4.19.2", "/builds/4.19.3"]);
    let builds = Builds { problem: Some(Problem::new("no", at(0))), ..before.builds.clone() };
    let failed = Seen { builds, ..before.clone() };
    assert_eq!(failed.pages_that_differ(&before).len(), 4, "all of them say so");
    assert_eq!(before.pages_that_differ(&before), Vec::<String>::new());
    // Lead times follow from the files alone.
    let mut planned = before.clone();
    let known = Arc::make_mut(planned.releases.get_mut(&release(RELEASE)).unwrap());
    known.planned("1".to_owned(), Err(Problem::new("no", at(0))), at(0));
    assert_eq!(planned.pages_that_differ(&before), ["/", "/releases/4.19.1"]);
    let changed = Seen { builds: before.builds.clone(), ..of(look(None, file(&approved(), "2"), 1)) };
    assert_eq!(changed.pages_that_differ(&before), ["/", "/lead-time", "/releases/4.19.1"]);
}

#[test]
fn a_record_that_cannot_be_read_for_a_moment_leaves_what_was_known() {
    let [name, other] = ["4.19.1", "4.19.2"]
        .map(|build| ResultName { build: build.parse().unwrap(), arch: oar_core::version::Arch::Amd64 });
    let good = |name: &ResultName| {
        let text = format!(
            r#"{{"result": [], "build": {{"name": "{}"}}, "aggregated": true, "accepted": true}}"#,
            name.build
        );
        let file = oar_core::prow::record::ResultFile::parse(name, text.as_bytes()).unwrap();
        (name.clone(), Ok(BuildView::of(&file, None)))
    };
    let unread = |name: &ResultName| (name.clone(), Err(Unusable::Unread("GitHub answers 503".to_owned())));
    let first = Builds::after(&Builds::default(), vec![good(&name), good(&other)], at(0));
    let known = |builds: &Builds, name: &ResultName| {
        let known = builds.build(name).unwrap();
        (known.view.is_ok(), known.at, known.problem.as_ref().map(|problem| problem.since))
    };
    assert_eq!(known(&first, &name), (true, at(0), None));
    let after = Builds::after(&first, vec![unread(&name), good(&other)], at(1));
    assert_eq!(known(&after, &name), (true, at(0), Some(at(1))), "it is as old as it was");
    assert_eq!(known(&after, &other), (true, at(1), None), "the other one was read");
    assert!(after.problem.is_none() && after.looked == Some(at(1)));
    let seen = |builds: &Builds| Seen { builds: builds.clone(), ..Seen::default() };
    assert_eq!(seen(&after).pages_that_differ(&seen(&first)), ["/builds", "/builds/4.19.1"]);
    let page = askama::Template::render(&BuildsPage::new(&after, None, &shower())).unwrap();
    assert!(page.matches("GitHub answers 503").count() == 1 && page.contains("0 passed"), "{page}");
    // A problem is its own record's, and goes on from look to look.
    let both = Builds::after(&after, vec![unread(&name), unread(&other)], at(2));
    assert_eq!(known(&both, &name), (true, at(0), Some(at(1))));
    assert_eq!(known(&both, &other), (true, at(1), Some(at(2))));
    let again = Builds::after(&both, vec![good(&name), unread(&other)], at(3));
    assert_eq!(known(&again, &name), (true, at(3), None));
    assert_eq!(known(&again, &other), (true, at(1), Some(at(2))));
    let damaged = (name.clone(), Err(Unusable::Damaged("no JSON".to_owned())));
    let damaged = Builds::after(&first, vec![damaged], at(1));
    let never = Builds::after(&Builds::default(), vec![unread(&name)], at(0));
    for (builds, words) in
        [(damaged, "cannot be used: no JSON"), (never, "could not be read: GitHub answers 503")]
    {
        let BuildSeen { view, problem, .. } = builds.build(&name).unwrap();
        assert_eq!((unusable_words(view.as_ref().unwrap_err()).as_str(), problem), (words, &None));
        let page = askama::Template::render(&BuildsPage::new(&builds, None, &shower())).unwrap();
        assert!(page.contains(words) && !page.contains("passed"), "{page}");
    }
}

#[test]
fn a_question_is_late_by_its_own_deadline_and_as_old_as_its_open_entry() {
    let node = Node::Task(TaskName::ChangeAdvisoryStatus);
    let mut state = new_state(RELEASE);
    let telling = Telling { key: "k".to_owned(), node: Some(node.id().to_owned()) };
    let teller = Teller { claim: "c", process: None, ended: |_| false, lease: SignedDuration::from_mins(5) };
    let mut claimed = Vec::new();
    for minutes in [-10_000, -30] {
        let _ = state.claim_questions(std::slice::from_ref(&telling), at(minutes), teller, &mut claimed);
        if minutes < -30 {
            let _ = state.answer_questions(at(-9_000), |_| true);
        }
    }
    let item = |told_again: i64, deadline: Option<i64>| {
        let mut known = look(None, file(&state, "1"), 0);
        let mut asks = DrivePlan::clone(&settled(&known, |plan| {
            if plan.node == node {
                plan.deadline = deadline.map(|minutes| at(minutes).to_string());
            }
        }));
        asks.people = vec![Request {
            who: Who::Owner,
            nodes: vec![node],
            question: "approve it?".to_owned(),
            choices: Vec::new(),
            commands: Vec::new(),
            deadline: Some(at(told_again).to_string()),
            topic: None,
            says_it: false,
        }];
        known.planned("1".to_owned(), Ok(Arc::new(asks)), at(0));
        PersonItem::all(&known, &shower()).remove(0)
    };
    // The day from which it may be approved has come: it can be asked only now.
    let asked = item(-60, None);
    assert!(!asked.overdue && asked.told_again.is_none() && asked.deadline.is_none(), "{asked:?}");
    assert_eq!(since(&asked), Some((at(-30), Bound::AtLeast)));
    let late = item(-60, Some(-60));
    assert!(late.overdue && late.told_again.is_none() && late.deadline.is_some(), "{late:?}");
    let early = item(60, Some(60));
    assert!(!early.overdue && early.told_again.is_some() && early.deadline.is_some(), "{early:?}");
}

/// What is asked about `next` when everything else is done: `change` the node, and `words` the question.
fn asked_about(
    next: TaskName,
    state: &State,
    change: &dyn Fn(&mut NodePlan),
    words: &dyn Fn(&mut Request),
) -> PersonItem {
    let mut known = look(None, file(state, "1"), 0);
    let mut asks = DrivePlan::clone(&settled(&known, |plan| {
        if plan.node == Node::Task(next) {
            plan.verdict = Verdict::Ready;
            change(plan);
        }
    }));
    asks.at = at(0).to_string();
    let mut request = Request {
        who: Who::Owner,
        nodes: vec![Node::Task(next)],
        question: "it can be run now: run it?".to_owned(),
        choices: Vec::new(),
        commands: Vec::new(),
        deadline: None,
        topic: None,
        says_it: true,
    };
    words(&mut request);
    asks.people = vec![request];
    known.planned("1".to_owned(), Ok(Arc::new(asks)), at(0));
    PersonItem::all(&known, &shower()).remove(0)
}

/// Since when it is asked, and what that says.
fn since(item: &PersonItem) -> Option<(Timestamp, Bound)> {
    item.since.as_ref().map(|since| (since.at.at().unwrap(), since.is))
}

#[test]
fn the_text_of_an_issue_is_shown_as_it_is() {
    let question = |says_it: bool| {
        let words = |request: &mut Request| {
            (request.question, request.says_it) = ("it crashes on arm64".to_owned(), says_it);
        };
        let item = asked_about(TaskName::TakeOwnership, &new_state(RELEASE), &|_| {}, &words);
        serde_json::to_value(&item).unwrap()["question"].clone()
    };
    assert_eq!(question(false), "it crashes on arm64");
    assert_eq!(question(true), "take-ownership crashes on arm64");
}

#[test]
fn a_question_names_its_step_and_says_of_its_beginning_what_is_recorded() {
    let (first, next) = (TaskName::CreateTestReport, TaskName::TakeOwnership);
    let item = |state: &State, change: &dyn Fn(&mut NodePlan)| asked_about(next, state, change, &|_| {});
    let mut state = new_state(RELEASE);
    let json = serde_json::to_value(item(&state, &|_| {})).unwrap();
    assert_eq!(json["question"], "take-ownership can be run now: run it?");
    let nothing = (json.get("since"), json.get("since_is"));
    assert_eq!(nothing, (None, None), "nothing says when the step before it was done");
    set(&mut state, first, TaskStatus::Pass, "made");
    let done = "2026-07-01T11:00:00Z".parse().unwrap();
    let ready = item(&state, &|_| {});
    assert_eq!(since(&ready), Some((done, Bound::AtTheEarliest)));
    let json = serde_json::to_value(ready).unwrap();
    assert!(json["since"] == "2026-07-01T11:00:00Z" && json["since_is"] == "at_the_earliest", "{json}");
    let exact = item(&state, &|plan| plan.since = Some(at(-5).to_string()));
    assert_eq!(since(&exact), Some((at(-5), Bound::Exact)));
    let failed = |plan: &mut NodePlan| {
        plan.verdict = Verdict::Asks { question: "and now?".to_owned(), choices: Vec::new() };
    };
    assert_eq!(since(&item(&state, &failed)), None, "only what became ready follows what came before");
}

#[test]
fn whoever_is_asked_at_a_deadline_or_about_a_change_was_not_asked_before_it() {
    let state = new_state(RELEASE);
    let item = |deadline: Option<i64>, stale: bool| {
        let change = |plan: &mut NodePlan| {
            plan.verdict = Verdict::Asks { question: "wait further?".to_owned(), choices: Vec::new() };
            plan.since = Some(at(-600).to_string());
            plan.deadline = deadline.map(|minutes| at(minutes).to_string());
            plan.stale = stale.then(|| "the build is another one".to_owned());
        };
        since(&asked_about(TaskName::StageTesting, &state, &change, &|_| {}))
    };
    assert_eq!(item(Some(-30), false), Some((at(-30), Bound::Exact)));
    assert_eq!(item(Some(30), false), Some((at(-600), Bound::Exact)), "it asks for another reason");
    assert_eq!(item(None, false), Some((at(-600), Bound::Exact)));
    assert_eq!(item(None, true), Some((at(-600), Bound::AtTheEarliest)), "the task had passed then");
}

#[test]
fn what_comes_first_only_by_habit_says_nothing_of_when_a_step_became_ready() {
    let (report, next) = (TaskName::CreateTestReport, TaskName::AnalyzeCandidateBuild);
    let mut state = new_state(RELEASE);
    set(&mut state, report, TaskStatus::Pass, "made");
    let done = "2026-07-01T11:00:00Z".parse().unwrap();
    let item = asked_about(next, &state, &|_| {}, &|_| {});
    assert_eq!(since(&item), Some((done, Bound::AtTheEarliest)), "nobody has taken the ownership");
}
