//! The consent of a conversation: a critical command shows its plan in the thread and ends; a click runs it again, and the
//! plan that it makes then must be the one that was shown.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;

use super::notebook::Notebook;
use super::progress::EditTurns;
use super::thread::CommandThread;
use super::words;
use crate::agents::bot::{
    APPROVE, Access, Click, ClickMeans, IncomingMessage, OpenQuestion, PlanQuestion, PlanSubject, REJECT,
};
use crate::clients::slack::{Block, Button, ButtonStyle, Edit, Posted, SlackClient, escape};
use crate::clock::Clock;
use crate::error::{Classified as _, ErrorClass};
use crate::flow::consent::{Allows, Consent, PlanHash, Question};
use crate::flow::outcome::Refusal;
use crate::permit::WritePermit;
use crate::redact::Redactor;

/// Characters of a plan that stand in one block; a longer one is a file.
const LONGEST_PLAN: usize = 2800;
/// What stands in place of a longer one.
const IN_FILE: &str = "The whole plan is in the file above.";

/// What the bot works with, shared by everything that it does at the same time.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) slack: SlackClient,
    pub(super) notebook: Notebook,
    pub(super) clock: Clock,
    pub(super) redactor: Redactor,
    pub(super) permit: WritePermit,
    pub(super) edits: EditTurns,
}

impl Tools {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes a question's message say how it ended, below its plan and without its buttons.
    pub(super) async fn close(&self, open: &OpenQuestion, text: &str) -> Closed {
        let Some(ts) = &open.message else { return Closed::Done };
        let posted = Posted { channel: open.question.command.channel.clone(), ts: ts.clone() };
        let sections = [&open.shown, text].map(|text| Block::Section(text.to_owned()));
        let blocks = if open.shown.is_empty() { &sections[..0] } else { &sections };
        match self.slack.edit(&posted, text, blocks, &self.permit).await {
            Ok(Edit::Done) => Closed::Done,
            Ok(Edit::Refused(why)) => {
                tracing::warn!("the buttons of a question stay: {why}");
                Closed::Refused
            }
            Err(error) => {
                tracing::warn!("the buttons of a question stay for now: {error}");
                Closed::Failed(error.class())
            }
        }
    }
}

/// What became of the buttons of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// They are gone, or the message was never posted.
    Done,
    /// Slack lets nobody edit the message any more: a click on them is answered.
    Refused,
    /// Slack did not take it.
    Failed(ErrorClass),
}

/// A click on a question.
#[derive(Debug, Clone)]
pub(super) struct Clicked {
    pub(super) click: Click,
    pub(super) open: OpenQuestion,
}

/// How far the consent to one run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Nothing was asked yet.
    Nothing,
    /// The plan was the approved one.
    Approved,
    /// A plan was shown, and waits for its answer.
    Shown,
    /// The click did not count; the person was told why.
    Refused,
}

/// The consent to one run of a command.
#[derive(Debug)]
pub(super) struct ThreadConsent {
    pub(super) tools: Arc<Tools>,
    pub(super) command: IncomingMessage,
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
    /// The click that it runs for.
    pub(super) clicked: Option<Clicked>,
    pub(super) asked: Arc<Mutex<Asked>>,
}

impl ThreadConsent {
    fn asked(&self) -> Asked {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, asked: Asked) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    /// Whether the click approves this plan. `Ok(false)`: the plan is another one by now.
    async fn is_approved(&self, plan: &PlanHash) -> Result<bool, Refusal> {
        let Some(Clicked { click, open }) = &self.clicked else { return Ok(false) };
        if open.approved.contains(plan) {
            return Ok(true);
        }
        if self.asked() == Asked::Approved {
            // The click was for another plan of this command.
            return Ok(open.question.plan == *plan);
        }
        let now = self.tools.now();
        let attempt = uuid::Uuid::new_v4().simple().to_string();
        let (approval, approved) = (click.clone(), plan.clone());
        let means = self
            .tools
            .notebook
            .change("Slack bot: a plan was approved", &self.tools.permit, move |memory| {
                memory.click(&attempt, &approval, &Access::Allowed, Some(&approved), now)
            })
            .await
            .map_err(|error| could_not("the approval could not be recorded", &error))?;
        let words = match means {
            ClickMeans::GoOn => {
                self.set(Asked::Approved);
                tracing::info!("{}: its plan was approved by {}", self.command.key, click.user.0);
                // What becomes of the buttons is looked at when it has ended.
                self.tools.close(open, &words::approved_here(&click.user)).await;
                return Ok(true);
            }
            ClickMeans::AskAnew => {
                self.tools.close(open, words::CHANGED).await;
                return Ok(false);
            }
            ClickMeans::Answered(_) | ClickMeans::End => "the plan was answered before; nothing was sent",
            ClickMeans::Expired => "the plan waited for more than a day; nothing was sent",
            ClickMeans::Unknown | ClickMeans::NotAllowed(_) => {
                "the plan is not known any more; nothing was sent"
            }
        };
        self.set(Asked::Refused);
        Err(Refusal::blocked(words).with_hint("Write the command again to see its plan of now."))
    }

    async fn show(&self, plan: PlanHash, question: Question<'_>) -> Result<(), Refusal> {
        let Tools { slack, notebook, clock, redactor, permit, .. } = &*self.tools;
        let approved = self.clicked.as_ref().map(|Clicked { open, .. }| {
            let mut approved = open.approved.clone();
            approved.extend((self.asked() == Asked::Approved).then(|| open.question.plan.clone()));
            approved
        });
        let arguments = kept(&self.program, &self.arguments, redactor, question.allows)?;
        let text = redactor.redact(&words::plan(question)).into_owned();
        let plan_text = escape(&text).replace("```", "'''");
        let is_short = plan_text.chars().count() <= LONGEST_PLAN;
        let shown = if is_short { format!("```\n{plan_text}\n```") } else { IN_FILE.to_owned() };
        let now = clock.now();
        let id = uuid::Uuid::new_v4().simple().to_string();
        let open = OpenQuestion {
            question: PlanQuestion::new(id.clone(), self.command.key.clone(), plan, now),
            subject: Some(PlanSubject::of(question)),
            thread: self.command.reply_thread().to_owned(),
            user: self.command.user.0.clone(),
            program: self.program.clone(),
            arguments,
            message: None,
            shown: shown.clone(),
            approved: approved.unwrap_or_default(),
            answered_by: String::new(),
            answered_user: String::new(),
        };
        notebook
            .change("Slack bot: a plan waits for its answer", permit, move |memory| memory.ask(&open))
            .await
            .map_err(|error| could_not("the plan could not be kept", &error))?;
        let since = self.command.written().unwrap_or(now);
        let thread = CommandThread { slack, command: &self.command, since };
        if !is_short {
            let name = format!("The plan of {}", escape(question.command));
            match thread.upload(&name, &text, permit).await {
                Ok(true) => {}
                Ok(false) => return Err(self.not_shown(&id, &"Slack takes no file").await),
                Err(error) => return Err(self.not_shown(&id, &error).await),
            }
        }
        let ask = words::ask(question, &self.program_and_command(question));
        let buttons = [(APPROVE, "Approve", ButtonStyle::Primary), (REJECT, "Reject", ButtonStyle::Danger)];
        let buttons = buttons.map(|(action, label, style)| Button {
            action: action.to_owned(),
            label: label.to_owned(),
            value: id.clone(),
            style,
        });
        let blocks = [Block::Section(shown), Block::Section(ask.clone()), Block::Buttons(buttons.to_vec())];
        let posted = match thread.post(&ask, &blocks, &question_name(&id), permit).await {
            Ok(posted) => posted,
            Err(error) => return Err(self.not_shown(&id, &error).await),
        };
        let noted = notebook
            .change("Slack bot: a plan was shown", permit, move |memory| memory.posted(&id, &posted.ts))
            .await;
        if let Err(error) = noted {
            tracing::warn!("where a question stands is not remembered: {error}");
        }
        self.set(Asked::Shown);
        Ok(())
    }

    fn program_and_command(&self, question: Question<'_>) -> String {
        format!("{} -r {} {}", self.program, question.release, question.command_line())
    }

    async fn not_shown(&self, id: &str, why: &(dyn std::fmt::Display + Sync)) -> Refusal {
        let Tools { notebook, permit, .. } = &*self.tools;
        let question = id.to_owned();
        let settled = notebook
            .change("Slack bot: a plan could not be shown", permit, move |memory| memory.settle(&question));
        if let Err(error) = settled.await {
            tracing::warn!("a question that nobody sees is still remembered: {error}");
        }
        could_not("the plan could not be shown", why)
    }
}

/// The name of the message with the buttons of a question.
pub(super) fn question_name(id: &str) -> String {
    format!("question-{id}")
}

/// The arguments as they are kept until somebody answers, in a file that everybody can read.
///
/// # Errors
///
/// There is an address or a secret among them. Of the commands that ask, only `take-ownership` takes an address, and it asks
/// only about build data that ART has changed.
fn kept(
    program: &str,
    arguments: &[String],
    redactor: &Redactor,
    allows: Allows,
) -> Result<Vec<String>, Refusal> {
    // Together as well: a secret may be known by the option before it.
    let line = format!("{program} {}", arguments.join(" "));
    let is_public = |text: &str| redactor.redact(text) == text;
    if is_public(&line) && arguments.iter().all(|argument| is_public(argument)) {
        return Ok(arguments.to_vec());
    }
    let words = "the command holds an e-mail address or a secret, which is not kept until somebody approves; nothing was sent";
    Err(Refusal::blocked(words).with_hint(match allows {
        Allows::ChangedData => {
            "Write the command again with `--accept-metadata` when the new values are right."
        }
        Allows::Changes | Allows::OneRun => "Leave it out, or run the command at a terminal.",
    }))
}

fn could_not(what: &str, why: &(dyn std::fmt::Display + Sync)) -> Refusal {
    Refusal::new(ErrorClass::Unavailable, format!("{what}, so nothing was sent: {why}"))
        .with_hint("Write the command again in a few minutes.")
}

#[async_trait]
impl Consent for ThreadConsent {
    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        let plan = PlanHash::of(question).ok_or_else(|| {
            Refusal::new(ErrorClass::Failed, "the plan cannot be written down; nothing was sent")
        })?;
        if self.is_approved(&plan).await? {
            return Ok(());
        }
        self.show(plan, question).await?;
        Err(Refusal::blocked("the plan waits for its approval in the thread; nothing was sent yet"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::agents::bot::MessageKey;
    use crate::clients::slack::UserId;
    use crate::clients::testing::http;
    use crate::flow::outcome::{PlanSummary, Step};
    use crate::statebox::TaskName;
    use crate::store::memory::{MemoryStore, SteppingClock};

    /// What becomes of a plan of a command with these arguments, where Slack cannot be reached; and what was written.
    async fn asked(arguments: &[&str], allows: Allows) -> (Refusal, String) {
        let store = Arc::new(MemoryStore::default());
        let clock = SteppingClock::start().0;
        // Nobody listens there.
        let slack = SlackClient::new(http(1), "http://127.0.0.1:1/".parse().unwrap(), Some("t0ken".into()));
        let tools = Tools {
            slack,
            notebook: Notebook::new(store.clone(), clock.clone()),
            clock,
            redactor: Redactor::new(["planted-secret".to_owned().into()]),
            permit: WritePermit::granted_by_user_interface(),
            edits: EditTurns::default(),
        };
        let consent = ThreadConsent {
            tools: Arc::new(tools),
            command: IncomingMessage {
                key: MessageKey { channel: "C0AAA".into(), ts: "1.0".into() },
                user: UserId("U0ANN".into()),
                text: String::new(),
                thread: None,
                client_id: None,
            },
            program: "oar".into(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            clicked: None,
            asked: Arc::new(Mutex::new(Asked::Nothing)),
        };
        let release = "4.19.1".parse().unwrap();
        let plan = PlanSummary::new(vec![Step::new("push", "advisory 150001")], vec![]);
        let (command, task) = ("push-to-cdn-staging", TaskName::PushToCdnStaging);
        let question = Question { command, task, release: &release, plan: &plan, allows };
        let refusal = consent.ask(question).await.unwrap_err();
        (refusal, store.versions().join("\n"))
    }

    #[tokio::test]
    async fn an_address_or_a_secret_is_never_kept_with_a_plan() {
        let (refusal, written) = asked(&["-r", "4.19.1", "push-to-cdn-staging"], Allows::Changes).await;
        assert!(refusal.to_string().contains("could not be shown"), "{refusal}");
        assert!(
            written.contains("push-to-cdn-staging"),
            "it was kept, and then Slack did not take it: {written}"
        );
        for argument in ["ann@example.com", "planted-secret", "--token=abcdef0123456789abcdef"] {
            for (allows, hint) in
                [(Allows::Changes, "at a terminal"), (Allows::ChangedData, "`--accept-metadata`")]
            {
                let (refusal, written) =
                    asked(&["-r", "4.19.1", "push-to-cdn-staging", argument], allows).await;
                assert!(
                    refusal.to_string().contains("an e-mail address or a secret"),
                    "{argument}: {refusal}"
                );
                assert!(refusal.hint().unwrap().contains(hint), "{refusal}");
                assert_eq!(written, "", "{argument}");
            }
        }
    }
}
