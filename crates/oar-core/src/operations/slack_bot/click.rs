//! What the bot does with a click on Approve or Reject.

use std::rc::Rc;

use super::consent::{Asked, Clicked, Closed};
use super::desk::{Desk, in_thread, new_instance};
use super::messages::CommandWords;
use super::questions::EXPIRED;
use super::run::Ran;
use super::words;
use crate::agents::bot::{
    Access, ClickMeans, IncomingClick, IncomingMessage, Level, Memory, MessageKey, OpenQuestion, PlanAnswer,
    Reply, RunningCommand,
};
use crate::clients::slack::UserId;
use crate::error::Classified as _;

/// The answer to a click on a question that is over.
const SETTLED: &str = "this question was settled before, so the click did nothing; the thread says how";

impl Desk {
    /// Handles a click on a button. Clicks are not delivered again, and can come twice.
    pub(super) async fn click(self: Rc<Self>, incoming: IncomingClick) {
        let IncomingClick { click, channel, message, thread } = incoming;
        let key = MessageKey { channel, ts: message.clone() };
        let at_click = in_thread(key, &click.user.0, &thread);
        let open = match self.tools.notebook.read().await {
            Ok(memory) => memory.question(&click.question).cloned(),
            Err(error) => {
                self.failed(&format!("a click was lost: {error}"), error.class());
                let text = "the bot cannot look at the plan now; click again in a few minutes";
                return self.say(&at_click, &Reply::Message(text.to_owned())).await;
            }
        };
        let Some(mut open) = open else {
            // What stands at the question, such as who approved it, must stay.
            return self.say(&at_click, &Reply::Message(SETTLED.to_owned())).await;
        };
        // Where it stands may not have been written down any more.
        open.message.get_or_insert(message);
        // Where the command was given counts, not where the click says that it was made.
        let access = self.access(&click.user, &open.question.command.channel, Level::Critical).await;
        let now = self.tools.now();
        // What the click would mean if the plan is still the same; only the run itself knows whether it is.
        let means = open.clone().question.click(&click, &access, Some(&open.question.plan), now);
        let closed = match means {
            ClickMeans::GoOn => {
                let id = open.question.id.clone();
                // Two clicks at the same moment are one.
                if self.answering.borrow_mut().insert(id.clone()) {
                    self.approved(Clicked { click, open }).await;
                    self.answering.borrow_mut().remove(&id);
                }
                return;
            }
            ClickMeans::End => {
                self.rejected(Clicked { click, open }, &at_click).await;
                return;
            }
            ClickMeans::NotAllowed(access) => {
                tracing::warn!("{}: {} may not answer its plan", open.question.command, click.user.0);
                let text = words::refused(&access, Level::Critical);
                let text = format!("{}: {text}", words::mention(&click.user));
                return self.say(&at_click, &Reply::Message(text)).await;
            }
            ClickMeans::Answered(answer) => {
                // Its message says so already, unless Slack let nobody edit it.
                let text = words::answered_before(answer);
                return self.say(&at_click, &Reply::Message(text.to_owned())).await;
            }
            ClickMeans::Expired => EXPIRED,
            ClickMeans::AskAnew | ClickMeans::Unknown => "This question was settled.",
        };
        if self.tools.close(&open, closed).await != Closed::Done {
            self.say(&at_click, &Reply::Message(closed.to_owned())).await;
        }
    }

    /// Rejects a plan, and answers `at_click` where that is not done; whether it is rejected.
    pub(super) async fn rejected(&self, clicked: Clicked, at_click: &IncomingMessage) -> bool {
        let id = clicked.open.question.id.clone();
        let is_first = self.answering.borrow_mut().insert(id.clone());
        let is_rejected = self.reject(clicked, at_click).await;
        if is_first {
            self.answering.borrow_mut().remove(&id);
        }
        is_rejected
    }

    async fn reject(&self, clicked: Clicked, at_click: &IncomingMessage) -> bool {
        let Clicked { click, open } = clicked;
        let now = self.tools.now();
        let attempt = new_instance();
        let rejection = click.clone();
        let recorded = self
            .tools
            .notebook
            .change("Slack bot: a plan was rejected", &self.tools.permit, move |memory| {
                memory.click(&attempt, &rejection, &Access::Allowed, None, now)
            })
            .await;
        let text = match recorded {
            Ok(ClickMeans::End) => words::answered(PlanAnswer::Reject, &click.user.0),
            Ok(ClickMeans::Answered(answer)) => {
                let text = words::answered_before(answer);
                self.say(at_click, &Reply::Message(text.to_owned())).await;
                return answer == PlanAnswer::Reject;
            }
            // It was settled meanwhile, and what stands there must stay.
            Ok(_) => {
                self.say(at_click, &Reply::Message(SETTLED.to_owned())).await;
                return false;
            }
            Err(error) => {
                self.failed(&format!("a rejection was not recorded: {error}"), error.class());
                let text = "the rejection could not be recorded; try again in a few minutes";
                self.say(at_click, &Reply::Message(text.to_owned())).await;
                return false;
            }
        };
        tracing::info!("{}: its plan was rejected by {}", open.question.command, click.user.0);
        self.settle(&open, &text, "Slack bot: a rejected plan is closed", Memory::settle).await;
        true
    }

    /// Runs the command again: only when its plan is still the one that was approved does it go on.
    async fn approved(&self, clicked: Clicked) {
        let Clicked { click, open } = &clicked;
        let asked = &open.question.command;
        let message = in_thread(asked.clone(), &open.user, &open.thread);
        let channel = asked.channel.clone();
        let words = CommandWords { program: open.program.clone(), arguments: open.arguments.clone() };
        let command = match self.lines.read(&words.program, &words.arguments) {
            Ok(command) => command,
            Err(unusable) => {
                tracing::error!("{asked}: {unusable:?}");
                let text = "the command is not understood any more; write it again";
                return self.say(&message, &Reply::Message(text.to_owned())).await;
            }
        };
        let Some(place) = self.line.enter(&channel, message.reply_thread(), &asked.ts) else {
            let text =
                "too many commands of this thread wait, so nothing was run; click again when some have ended";
            return self.say(&message, &Reply::Message(text.to_owned())).await;
        };
        let run = RunningCommand {
            command: asked.clone(),
            thread: message.reply_thread().to_owned(),
            words: self.shown(&words),
            instance: self.instance(),
            since: self.tools.now(),
        };
        let begun = self
            .tools
            .notebook
            .change("Slack bot: an approved command runs", &self.tools.permit, move |memory| {
                memory.begin(Some(&run));
            })
            .await;
        if let Err(error) = begun {
            self.failed(&format!("{asked}: {error}"), error.class());
            let text = "the approval could not be recorded, so nothing was run; click again in a few minutes";
            return self.say(&message, &Reply::Message(text.to_owned())).await;
        }
        let level = Level::from(command.row().about.effect);
        let (question, by) = (open.clone(), click.user.clone());
        let interrupt = self.begin_run(&message, level);
        let ran = self.run(message, command, words, Some(clicked), interrupt, place).await;
        self.after(&ran, question, &by).await;
    }

    /// Settles the questions that a click answered, after its command has run.
    async fn after(&self, ran: &Ran, question: OpenQuestion, by: &UserId) {
        let change = "Slack bot: a plan was answered";
        let is_asked_before = matches!(ran.asked, Asked::Approved | Asked::Shown);
        let (asking, user) = (question.clone(), by.0.clone());
        let standing = self.tools.notebook.change(change, &self.tools.permit, move |memory| {
            let is_approved = is_asked_before && memory.is_approved(&asking.question.id);
            let others = if is_approved { memory.approve_with(&asking, &user) } else { Vec::new() };
            (is_approved, others)
        });
        let (is_approved, others) = match standing.await {
            Ok(standing) => standing,
            // The next look settles it.
            Err(error) => return tracing::warn!("a question stays remembered: {error}"),
        };
        let text = match ran.asked {
            _ if is_approved => words::approved_here(by),
            Asked::Shown => words::CHANGED.to_owned(),
            // There is nothing to do any more, or it failed before it could ask.
            Asked::Nothing if !ran.was_stopped => {
                "This plan is not needed any more; what became of the command is below.".to_owned()
            }
            // It can be answered again, or somebody else has answered it.
            Asked::Nothing | Asked::Approved | Asked::Refused => return,
        };
        self.settle(&question, &text, change, Memory::settle).await;
        let text = format!("Approved by {} in another thread; it ran there.", words::mention(by));
        for other in others {
            self.settle(&other, &text, change, Memory::settle).await;
        }
    }
}
