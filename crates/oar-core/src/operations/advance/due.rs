//! What people are to be told of a release now: pure.

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::drive::facts::FactKey;
use crate::drive::plan::{DrivePlan, Request};
use crate::drive::verdict::{NodePlan, Verdict};
use crate::notify::{Telling, short_hash};
use crate::statebox::{self, Asked, State, TaskStatus};

/// The hour, UTC, from which on the summary of a working day is due.
const MORNING: i8 = 7;

/// Something that people are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    /// Identifies it in the StateBox and in Slack.
    pub(super) key: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A question.
    Question(Telling, Request),
    /// What is open, on the morning of a working day.
    Summary {
        /// What waits for people.
        open: Vec<Request>,
        /// The tasks that have passed since the last such morning.
        passed: Vec<String>,
    },
}

impl Due {
    /// What is recorded of it in the StateBox.
    pub(super) fn telling(&self) -> statebox::Telling {
        let node = match &self.what {
            What::Question(_, request) => request.nodes.first().map(|node| node.id().to_owned()),
            What::Summary { .. } => None,
        };
        statebox::Telling { key: self.key.clone(), node }
    }
}

/// What verdicts are compared with: while one of these cannot be read, a verdict that is stale looks like one that is not.
const COMPARED: [FactKey; 4] =
    [FactKey::BuildData, FactKey::Promotion, FactKey::Tests, FactKey::StageRelease];

/// Whether what was told is answered: its step has got on, as far as that can be determined, and nothing waits for it any more.
pub(super) fn is_answered(asked: &Asked, plan: &DrivePlan, wanted: &[Due]) -> bool {
    if plan.unknown.iter().any(|unknown| COMPARED.contains(&unknown.fact)) {
        return false;
    }
    let Some(node) = asked.node.as_deref().filter(|_| asked.told.is_some()) else { return false };
    // A claim says that somebody tries, not that it has got on.
    let is_tried = |plan: &NodePlan| {
        plan.evidence
            .iter()
            .any(|evidence| evidence.field.rsplit_once('.').is_some_and(|(_, last)| last == "claim"))
    };
    let mut plans = plan.nodes.iter();
    let got_on = plans.any(|plan| {
        plan.node.id() == node
            && match plan.verdict {
                Verdict::Running { .. } => !is_tried(plan),
                Verdict::Ready => true,
                _ => plan.verdict.is_settled(),
            }
    });
    got_on && wanted.iter().all(|due| due.key != asked.key && format!("{}-again", due.key) != asked.key)
}

/// What the key of a question about paid jobs begins with; the jobs follow.
const JOBS: &str = "start-";

/// Identifies a question: the same step, asked about the same. A question about paid jobs is one that was `asked` about them
/// before, as long as that was about all of these: of several jobs one may be started first.
fn key(request: &Request, asked: &[Asked]) -> String {
    if request.is_about_jobs() {
        let names: Vec<&str> = request.nodes.iter().map(|node| node.id()).collect();
        let is_about_all = |known: &&Asked| {
            let about = known.key.strip_prefix(JOBS);
            about.is_some_and(|about| names.iter().all(|name| about.split('+').any(|job| job == *name)))
        };
        return match asked.iter().find(is_about_all) {
            Some(known) => known.key.clone(),
            None => format!("{JOBS}{}", names.join("+")),
        };
    }
    let node = request.nodes.first().map_or("", |node| node.id());
    short_hash([node, request.topic.as_deref().unwrap_or(&request.question)])
}

/// What is to be told at `now`, told or not: each question; the same again when its time is over and it had been told before;
/// and once on the morning of a working day what stays open.
pub(super) fn due(plan: &DrivePlan, state: &State, now: Timestamp) -> Vec<Due> {
    let asked = state.open_questions();
    let told = |key: &str| -> Option<Timestamp> {
        let known: &Asked = asked.iter().find(|known| known.key == key)?;
        known.told.as_ref()?.parse().ok()
    };
    let mut found = Vec::new();
    for request in &plan.people {
        let key = key(request, &asked);
        let deadline: Option<Timestamp> = request.deadline.as_ref().and_then(|time| time.parse().ok());
        let is_over = deadline
            .is_some_and(|deadline| deadline <= now && told(&key).is_some_and(|told| told < deadline));
        if is_over {
            let what = What::Question(Telling::Again, request.clone());
            found.push(Due { key: format!("{key}-again"), what });
        }
        found.push(Due { key, what: What::Question(Telling::New, request.clone()) });
    }
    if let Some((morning, before)) = mornings(now) {
        let is_open = |request: &&Request| told(&key(request, &asked)).is_some_and(|told| told < morning);
        let summaries = asked.iter().filter(|known| known.key.starts_with(statebox::SUMMARY));
        let last = summaries.filter_map(|known| told(&known.key)).filter(|told| *told < morning).max();
        let open: Vec<Request> = plan.people.iter().filter(is_open).cloned().collect();
        if !open.is_empty() {
            let key = format!("{}{}", statebox::SUMMARY, morning.to_zoned(TimeZone::UTC).date());
            let passed = passed(state, last.unwrap_or(before));
            found.push(Due { key, what: What::Summary { open, passed } });
        }
    }
    found
}

/// The morning of the day of `now`, if that is a working day and it is that late, and the one of the working day before.
fn mornings(now: Timestamp) -> Option<(Timestamp, Timestamp)> {
    let date = now.to_zoned(TimeZone::UTC).date();
    let days = match date.weekday() {
        Weekday::Saturday | Weekday::Sunday => return None,
        Weekday::Monday => 3,
        _ => 1,
    };
    let morning = date.at(MORNING, 0, 0, 0).to_zoned(TimeZone::UTC).ok()?.timestamp();
    let before = morning.checked_sub(SignedDuration::from_hours(24 * days)).ok()?;
    (morning <= now).then_some((morning, before))
}

/// The tasks that have passed after `since`.
fn passed(state: &State, since: Timestamp) -> Vec<String> {
    let tasks = state.tasks().into_iter().filter(|task| {
        let ended: Option<Timestamp> = task.completed_at.as_ref().and_then(|time| time.parse().ok());
        task.status == TaskStatus::Pass && ended.is_some_and(|ended| ended >= since)
    });
    tasks.map(|task| task.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drive::plan::START_JOBS;
    use crate::flow::nodes::{Node, Who};
    use crate::statebox::{ManualStatus, Metadata, TaskName};

    /// A Thursday.
    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn plan(deadline: Option<&str>) -> DrivePlan {
        let request = Request {
            who: Who::Owner,
            nodes: vec![Node::Task(TaskName::StageTesting)],
            question: "run it?".to_owned(),
            choices: Vec::new(),
            commands: Vec::new(),
            deadline: deadline.map(str::to_owned),
            topic: None,
            says_it: false,
        };
        DrivePlan {
            release: "4.19.1".to_owned(),
            flow: None,
            statebox: String::new(),
            at: String::new(),
            offline: false,
            held: Vec::new(),
            done: 0,
            total: 0,
            now: Vec::new(),
            people: vec![request],
            next_look: None,
            nodes: Vec::new(),
            facts: Vec::new(),
            unknown: Vec::new(),
            defects: Vec::new(),
        }
    }

    fn keys(plan: &DrivePlan, state: &State, now: &str) -> Vec<String> {
        due(plan, state, at(now)).into_iter().map(|due| due.key).collect()
    }

    fn told(plan: &DrivePlan, time: &str) -> (State, String) {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(time));
        let key = key(&plan.people[0], &[]);
        let telling = statebox::Telling { key: key.clone(), node: None };
        let lease = SignedDuration::from_mins(5);
        let teller = statebox::Teller { claim: "here", process: None, ended: |_| false, lease };
        let _ = state.claim_questions(&[telling], at(time), teller, &mut Vec::new());
        let _ = state.told(std::slice::from_ref(&key), at(time));
        (state, key)
    }

    #[test]
    fn a_question_is_repeated_when_its_time_is_over_and_it_was_told_before() {
        let plan = plan(Some("2026-07-02T12:00:00Z"));
        let (state, key) = told(&plan, "2026-07-02T08:00:00Z");
        assert_eq!(keys(&plan, &state, "2026-07-02T11:59:59Z"), std::slice::from_ref(&key));
        assert_eq!(keys(&plan, &state, "2026-07-02T12:00:00Z"), [format!("{key}-again"), key]);
        let (state, key) = told(&plan, "2026-07-02T12:00:00Z");
        assert_eq!(keys(&plan, &state, "2026-07-02T13:00:00Z"), [key], "it was told in the end first");
    }

    #[test]
    fn a_step_that_got_on_answers_a_question_only_when_what_it_is_compared_with_was_read() {
        use crate::drive::plan::FactUnknown;
        let (state, key) = told(&plan(None), "2026-07-02T08:00:00Z");
        let asked = Asked { node: Some("stage-testing".to_owned()), ..state.asked()[0].clone() };
        assert_eq!(asked.key, key);
        let release = "4.19.1".parse().unwrap();
        let mut done =
            crate::drive::plan::offline(&release, &state, "4.19.1.yaml", at("2026-07-02T09:00:00Z"));
        for node in done.nodes.iter_mut().filter(|node| node.node.id() == "stage-testing") {
            node.verdict = Verdict::Done;
        }
        done.unknown.clear();
        assert!(is_answered(&asked, &done, &[]));
        let unread = |fact| FactUnknown { fact, why: "unavailable".to_owned(), nodes: Vec::new() };
        done.unknown.push(unread(FactKey::Alerts));
        assert!(is_answered(&asked, &done, &[]));
        done.unknown.push(unread(FactKey::Tests));
        assert!(!is_answered(&asked, &done, &[]));
    }

    #[test]
    fn a_question_is_known_by_what_it_is_about() {
        let asked = |key: &str| Asked {
            key: key.to_owned(),
            node: None,
            since: String::new(),
            at: None,
            process: None,
            claim: None,
            told: None,
            answered: None,
        };
        let request = |question: &str, topic: Option<&'static str>, nodes: &[TaskName]| Request {
            question: question.to_owned(),
            topic: topic.map(str::to_owned),
            nodes: nodes.iter().copied().map(Node::Task).collect(),
            ..plan(None).people.remove(0)
        };
        let (stage, images) = (TaskName::StageTesting, TaskName::ImageConsistencyCheck);
        let of = |question: &str, topic| key(&request(question, topic, &[stage]), &[]);
        assert_ne!(of("3 bugs are open", None), of("2 bugs are open", None));
        assert_eq!(of("3 bugs are open", Some("bugs")), of("2 bugs are open", Some("bugs")));
        let jobs = |nodes: &[TaskName], known: &[&str]| {
            let known: Vec<Asked> = known.iter().map(|key| asked(key)).collect();
            key(&request(START_JOBS, None, nodes), &known)
        };
        let both = "start-image-consistency-check+stage-testing";
        assert_eq!(jobs(&[images, stage], &[]), both);
        assert_eq!(jobs(&[stage], &["other", both]), both, "the other one was started");
        assert_eq!(
            jobs(&[images, stage], &["start-stage-testing"]),
            both,
            "nobody was told of the other one"
        );
    }

    #[test]
    fn a_step_that_somebody_tries_is_no_answer() {
        let asked = Asked {
            key: "key".to_owned(),
            node: Some("stage-testing".to_owned()),
            since: String::new(),
            at: None,
            process: None,
            claim: None,
            told: Some("2026-07-02T08:00:00Z".to_owned()),
            answered: None,
        };
        let state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at("2026-07-02T08:00:00Z"));
        let release = "4.19.1".parse().unwrap();
        let mut plan = crate::drive::plan::offline(&release, &state, "", at("2026-07-02T08:00:00Z"));
        for (field, expected) in [("tasks.stage-testing.status", true), ("tasks.stage-testing.claim", false)]
        {
            let node = plan.nodes.iter_mut().find(|plan| plan.node.id() == "stage-testing").unwrap();
            node.verdict = Verdict::Running { what: "a run".to_owned() };
            node.evidence = vec![crate::drive::verdict::Evidence {
                address: String::new(),
                field: field.to_owned(),
                value: String::new(),
                at: None,
                age: None,
            }];
            assert_eq!(is_answered(&asked, &plan, &[]), expected, "{field}");
        }
    }

    #[test]
    fn a_summary_is_due_from_the_morning_of_a_working_day_on_while_something_older_is_open() {
        let plan = plan(None);
        let (mut state, key) = told(&plan, "2026-07-02T06:00:00Z");
        let with = |day: &str| vec![key.clone(), format!("summary-{day}")];
        assert_eq!(keys(&plan, &state, "2026-07-02T06:59:59Z"), std::slice::from_ref(&key));
        assert_eq!(keys(&plan, &state, "2026-07-02T07:00:00Z"), with("2026-07-02"));
        assert_eq!(keys(&plan, &state, "2026-07-03T23:00:00Z"), with("2026-07-03"));
        assert_eq!(keys(&plan, &state, "2026-07-04T12:00:00Z"), std::slice::from_ref(&key), "a Saturday");
        assert_eq!(keys(&plan, &state, "2026-07-06T07:00:00Z"), with("2026-07-06"));
        let (fresh, key) = told(&plan, "2026-07-02T07:30:00Z");
        assert_eq!(keys(&plan, &fresh, "2026-07-02T08:00:00Z"), [key], "it is new this morning");

        // From Friday morning on.
        for (task, time) in [
            (TaskName::TakeOwnership, "2026-07-03T06:59:00Z"),
            (TaskName::CheckCveTrackerBug, "2026-07-03T07:01:00Z"),
        ] {
            let manual = ManualStatus {
                id: task.to_string(),
                status: TaskStatus::Pass,
                by: "tester".to_owned(),
                reason: String::new(),
                at: at(time),
                result: None,
                force: false,
            };
            let _ = state.set_task(task, &manual).unwrap();
        }
        let found = due(&plan, &state, at("2026-07-06T07:00:00Z")).pop().unwrap().what;
        let open = plan.people.clone();
        assert_eq!(found, What::Summary { open, passed: vec!["check-cve-tracker-bug".to_owned()] });
    }
}
