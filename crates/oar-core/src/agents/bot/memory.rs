//! What the bot remembers, in a file that all replicas share: what it handled, what runs, which plans wait for an answer.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::approval::{Click, ClickMeans, PlanAnswer, PlanQuestion};
use super::elsewhere::PlanSubject;
use super::handled::{Handled, HandledMessages};
use super::message::{IncomingMessage, MessageKey};
use super::permissions::Access;
use crate::flow::consent::PlanHash;
use crate::version::ReleaseVersion;

/// A command that was taken and has not answered yet. Whoever finds one of an instance that is gone says so in its thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningCommand {
    /// The message with the command.
    pub command: MessageKey,
    /// The first message of its thread.
    pub thread: String,
    /// The command in words, without secrets and addresses.
    pub words: String,
    /// The instance of the bot that runs it.
    pub instance: String,
    /// When it was taken.
    pub since: Timestamp,
}

/// A plan that waits for its answer, with what is needed to run its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenQuestion {
    /// The question.
    pub question: PlanQuestion,
    /// What the plan is about; unknown of questions that an older version asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<PlanSubject>,
    /// The first message of the thread.
    pub thread: String,
    /// The account of the person who gave the command.
    pub user: String,
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// The message with the buttons; none until it was posted.
    pub message: Option<String>,
    /// The plan as the message shows it, in Slack's markup, so that it stays readable when the buttons go.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shown: String,
    /// Plans of the same command that were approved before: one may ask more than once.
    pub approved: Vec<PlanHash>,
    /// The attempt to record the answer that succeeded.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answered_by: String,
    /// The account of the person who answered.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub answered_user: String,
}

/// The file's content.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    handled: Handled,
    runs: Vec<RunningCommand>,
    questions: Vec<OpenQuestion>,
}

impl Memory {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// It is not what [`Memory::text`] wrote.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The file's text.
    ///
    /// # Errors
    ///
    /// It cannot be written as JSON.
    pub fn text(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|text| text + "\n")
    }

    /// All messages that were handled.
    pub fn handled(&self) -> HandledMessages {
        self.handled.all()
    }

    /// Writes down that a message was answered that ran no command. It may be known already.
    pub fn answered(&mut self, message: &IncomingMessage, now: Timestamp) {
        let _ = self.handled.take(message, now);
    }

    /// Takes a message for handling, and writes down the command that it runs, if it does; false when somebody took it before.
    /// `attempt` names this handling, so that it finds itself after a lost answer.
    #[must_use]
    pub fn take(
        &mut self,
        attempt: &str,
        message: &IncomingMessage,
        run: Option<&RunningCommand>,
        now: Timestamp,
    ) -> bool {
        if !self.handled.take_by(attempt, message, now) {
            return false;
        }
        self.begin(run);
        true
    }

    /// Writes down a command that runs.
    pub fn begin(&mut self, run: Option<&RunningCommand>) {
        let Some(run) = run else { return };
        self.end(&run.command);
        self.runs.push(run.clone());
    }

    /// A command has answered.
    pub fn end(&mut self, command: &MessageKey) {
        self.runs.retain(|run| run.command != *command);
    }

    /// The commands of other instances than this one, which is the only one that works now.
    pub fn interrupted(&self, instance: &str) -> Vec<RunningCommand> {
        self.runs.iter().filter(|run| run.instance != instance).cloned().collect()
    }

    /// Writes down a plan that waits for its answer.
    pub fn ask(&mut self, question: &OpenQuestion) {
        self.settle(&question.question.id);
        self.questions.push(question.clone());
    }

    /// Where the buttons of a question stand.
    pub fn posted(&mut self, id: &str, ts: &str) {
        if let Some(open) = self.questions.iter_mut().find(|open| open.question.id == id) {
            open.message = Some(ts.to_owned());
        }
    }

    /// Whether somebody approved the question with this id.
    pub fn is_approved(&self, id: &str) -> bool {
        self.question(id).is_some_and(|open| open.question.answered == Some(PlanAnswer::Approve))
    }

    /// The question with this id, answered or not.
    pub fn question(&self, id: &str) -> Option<&OpenQuestion> {
        self.questions.iter().find(|open| open.question.id == id)
    }

    /// A click on a question ([`PlanQuestion::click`]). `attempt` names this handling, so that it finds its own answer after the
    /// store's was lost.
    pub fn click(
        &mut self,
        attempt: &str,
        click: &Click,
        access: &Access,
        plan: Option<&PlanHash>,
        now: Timestamp,
    ) -> ClickMeans {
        let Some(open) = self.questions.iter_mut().find(|open| open.question.id == click.question) else {
            return ClickMeans::Unknown;
        };
        match open.question.answered.filter(|_| !attempt.is_empty() && open.answered_by == attempt) {
            Some(PlanAnswer::Approve) => return ClickMeans::GoOn,
            Some(PlanAnswer::Reject) => return ClickMeans::End,
            None => {}
        }
        let means = open.question.click(click, access, plan, now);
        if matches!(means, ClickMeans::GoOn | ClickMeans::End) {
            attempt.clone_into(&mut open.answered_by);
            click.user.0.clone_into(&mut open.answered_user);
        }
        means
    }

    /// The open questions in other threads that ask the same about the same plan, which are answered with this one.
    fn others_of(&self, answered: &OpenQuestion) -> Vec<OpenQuestion> {
        let is_other = |open: &&OpenQuestion| {
            let PlanQuestion { id, plan, answered: answer, .. } = &open.question;
            let asks_the_same = open.subject == answered.subject && *plan == answered.question.plan;
            *id != answered.question.id && asks_the_same && answer.is_none()
        };
        self.questions.iter().filter(is_other).cloned().collect()
    }

    /// The questions that wait for an answer, by the release that they are about.
    pub fn waiting(&self, now: Timestamp) -> BTreeMap<ReleaseVersion, Vec<OpenQuestion>> {
        let mut by_release = BTreeMap::<_, Vec<_>>::new();
        for open in &self.questions {
            let release = open.subject.as_ref().and_then(PlanSubject::release);
            let waits = open.question.answered.is_none() && !open.question.is_expired(now);
            if let Some(release) = release.filter(|_| waits) {
                by_release.entry(release).or_default().push(open.clone());
            }
        }
        by_release
    }

    /// The questions that wait in this thread, and whose command was written before `message`.
    pub fn waiting_before(&self, message: &MessageKey, thread: &str, now: Timestamp) -> Vec<OpenQuestion> {
        let is_before = |open: &&OpenQuestion| {
            let PlanQuestion { command, answered, .. } = &open.question;
            let is_here = command.channel == message.channel && open.thread == thread;
            is_here && command.ts < message.ts && answered.is_none() && !open.question.is_expired(now)
        };
        self.questions.iter().filter(is_before).cloned().collect()
    }

    /// The questions whose answer is recorded, while nothing says yet that its message shows it.
    pub fn answered_questions(&self) -> Vec<OpenQuestion> {
        self.questions.iter().filter(|open| open.question.answered.is_some()).cloned().collect()
    }

    /// Nobody needs the question any more.
    pub fn settle(&mut self, id: &str) {
        self.questions.retain(|open| open.question.id != id);
    }

    /// The same, unless somebody has answered it.
    pub fn settle_unanswered(&mut self, id: &str) {
        self.questions.retain(|open| open.question.id != id || open.question.answered.is_some());
    }

    /// Rejects the plans of a command that was cancelled while they were shown; those that are rejected now. Nobody needs to have
    /// clicked.
    pub fn reject_of(&mut self, command: &MessageKey) -> Vec<OpenQuestion> {
        let of_command = self.questions.iter_mut().filter(|open| open.question.command == *command);
        let mut rejected = Vec::new();
        for open in of_command {
            if *open.question.answered.get_or_insert(PlanAnswer::Reject) == PlanAnswer::Reject {
                rejected.push(open.clone());
            }
        }
        rejected
    }

    /// The questions of one thread's commands that somebody approved with another question, `answered`, by `user`.
    pub fn approve_with(&mut self, answered: &OpenQuestion, user: &str) -> Vec<OpenQuestion> {
        let others: Vec<String> = self.others_of(answered).into_iter().map(|open| open.question.id).collect();
        let mut approved = Vec::new();
        for open in self.questions.iter_mut().filter(|open| others.contains(&open.question.id)) {
            open.question.answered = Some(PlanAnswer::Approve);
            user.clone_into(&mut open.answered_user);
            approved.push(open.clone());
        }
        approved
    }

    /// The questions that nobody answered in time.
    pub fn expired(&self, now: Timestamp) -> Vec<OpenQuestion> {
        self.questions.iter().filter(|open| open.question.is_expired(now)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::UserId;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn message(ts: &str) -> IncomingMessage {
        IncomingMessage {
            key: MessageKey { channel: "C0AAA".into(), ts: ts.into() },
            user: UserId("U0ANN".into()),
            text: "oar status".into(),
            thread: None,
            client_id: None,
        }
    }

    fn run(ts: &str, instance: &str) -> RunningCommand {
        RunningCommand {
            command: message(ts).key,
            thread: ts.to_owned(),
            words: "oar status".into(),
            instance: instance.to_owned(),
            since: at(0),
        }
    }

    #[test]
    fn a_command_is_taken_once_and_what_a_restart_interrupted_is_known() {
        let mut memory = Memory::default();
        assert!(memory.take("a", &message("1.0"), Some(&run("1.0", "one")), at(0)));
        assert!(memory.take("a", &message("1.0"), Some(&run("1.0", "one")), at(0)), "after a lost answer");
        assert!(!memory.take("b", &message("1.0"), Some(&run("1.0", "two")), at(1)));
        assert!(memory.take("c", &message("2.0"), Some(&run("2.0", "two")), at(1)));
        let mut memory = Memory::parse(&memory.text().unwrap()).unwrap();
        assert_eq!(memory.interrupted("two"), [run("1.0", "one")]);
        memory.end(&message("1.0").key);
        assert_eq!(memory.interrupted("two"), []);
        assert!(!memory.take("d", &message("1.0"), None, at(2)), "what has ended stays handled");
    }

    #[test]
    fn a_question_is_answered_once_and_forgotten_when_it_is_settled() {
        let plan: PlanHash = serde_json::from_str("\"abc\"").unwrap();
        let open = OpenQuestion {
            question: PlanQuestion::new("q".into(), message("1.0").key, plan.clone(), at(0)),
            subject: None,
            thread: "1.0".into(),
            user: "U0ANN".into(),
            program: "oar".into(),
            arguments: vec!["drop-bugs".into()],
            message: None,
            shown: String::new(),
            approved: vec![],
            answered_by: String::new(),
            answered_user: String::new(),
        };
        let mut memory = Memory::default();
        memory.ask(&open);
        memory.posted("q", "1.5");
        let mut memory = Memory::parse(&memory.text().unwrap()).unwrap();
        assert_eq!(memory.question("q").unwrap().message.as_deref(), Some("1.5"));
        let waiting = |memory: &Memory, ts: &str, thread: &str, now: i64| {
            memory.waiting_before(&message(ts).key, thread, at(now)).len()
        };
        let found = [("1.6", "1.0", 1), ("0.9", "1.0", 1), ("1.6", "2.0", 1), ("1.6", "1.0", 86_400)];
        assert_eq!(found.map(|(ts, thread, now)| waiting(&memory, ts, thread, now)), [1, 0, 0, 0]);
        let click = Click { question: "q".into(), answer: PlanAnswer::Approve, user: UserId("U0BEN".into()) };
        let means = |memory: &mut Memory, attempt: &str| {
            memory.click(attempt, &click, &Access::Allowed, Some(&plan), at(1))
        };
        assert_eq!(means(&mut memory, "a"), ClickMeans::GoOn);
        assert_eq!(means(&mut memory, "a"), ClickMeans::GoOn, "after a lost answer");
        assert_eq!(means(&mut memory, "b"), ClickMeans::Answered(PlanAnswer::Approve));
        assert_eq!(means(&mut memory, ""), ClickMeans::Answered(PlanAnswer::Approve));
        assert_eq!(memory.waiting_before(&message("1.6").key, "1.0", at(1)), []);
        let answered: Vec<_> =
            memory.answered_questions().into_iter().map(|open| open.answered_user).collect();
        assert_eq!(answered, ["U0BEN"]);
        assert_eq!(memory.expired(at(86_399)), []);
        assert_eq!(memory.expired(at(86_400)).len(), 1);
        memory.settle_unanswered("q");
        assert!(memory.question("q").is_some(), "it is answered");
        memory.settle("q");
        assert_eq!(means(&mut memory, "a"), ClickMeans::Unknown);
    }

    #[test]
    fn what_a_cancelled_command_asks_and_what_is_approved_in_another_thread_is_answered() {
        let mut memory = Memory::default();
        let ask = |memory: &mut Memory, id: &str, ts: &str| {
            let plan: PlanHash = serde_json::from_str("\"abc\"").unwrap();
            memory.ask(&OpenQuestion {
                question: PlanQuestion::new(id.into(), message(ts).key, plan, at(0)),
                subject: None,
                thread: ts.into(),
                user: "U0ANN".into(),
                program: "oar".into(),
                arguments: vec!["drop-bugs".into()],
                message: None,
                shown: String::new(),
                approved: vec![],
                answered_by: String::new(),
                answered_user: String::new(),
            });
        };
        let ids = |questions: Vec<OpenQuestion>| -> Vec<String> {
            questions.into_iter().map(|open| open.question.id).collect()
        };
        for (id, ts) in [("one", "1.0"), ("two", "2.0"), ("three", "3.0")] {
            ask(&mut memory, id, ts);
        }
        let one = memory.question("one").unwrap().clone();
        for _ in 0..2 {
            assert_eq!(ids(memory.reject_of(&message("2.0").key)), ["two"], "after a lost answer as well");
        }
        assert_eq!(ids(memory.approve_with(&one, "U0BEN")), ["three"]);
        assert_eq!(ids(memory.reject_of(&message("3.0").key)), [""; 0], "it is approved");
        let answered: Vec<_> = memory
            .answered_questions()
            .into_iter()
            .map(|it| (it.question.answered, it.answered_user))
            .collect();
        let expected = [(PlanAnswer::Reject, ""), (PlanAnswer::Approve, "U0BEN")];
        assert_eq!(answered, expected.map(|(answer, user)| (Some(answer), user.to_owned())));
        memory.settle_unanswered("one");
        assert!(memory.question("one").is_none());
    }

    #[test]
    fn an_empty_or_older_file_is_read_and_another_is_not() {
        assert_eq!(Memory::parse("{}").unwrap(), Memory::default());
        assert!(Memory::parse("7").is_err());
    }
}
