//! Plans whose buttons are to disappear: nobody answered them in time, they were answered elsewhere, or what answered them ended
//! before their message said so.

use futures::StreamExt as _;

use super::consent::{Closed, question_name};
use super::desk::{Desk, in_thread};
use super::words;
use crate::agents::bot::{Memory, MessageKey, OpenQuestion, Reply};
use crate::clients::Clients;
use crate::clients::slack::{Lookup, escape};
use crate::error::{Classified as _, ErrorClass};
use crate::tasks::open_statebox;
use crate::version::ReleaseVersion;

/// Releases whose state is read at the same time, to see which plans were answered elsewhere.
const LOOKS_AT_ONCE: usize = 4;
/// What stands at a question that nobody answered.
pub(super) const EXPIRED: &str =
    "Nobody answered within 24 hours; nothing was sent. Write the command again to see its plan of now.";

/// How a question is forgotten.
type Forget = fn(&mut Memory, &str);

impl Desk {
    /// Makes a question's message say how it ended, below its plan, and forgets the question. Where Slack lets nobody edit the message,
    /// the thread says it. What Slack did not take is left to the next look.
    pub(super) async fn settle(&self, open: &OpenQuestion, text: &str, change: &'static str, forget: Forget) {
        let text = self.tools.redactor.redact(text);
        let mut open = open.clone();
        let closed = match self.find_message(&mut open).await {
            Ok(()) => self.tools.close(&open, &text).await,
            Err(class) => Closed::Failed(class),
        };
        match (closed, &open.message) {
            (Closed::Refused, Some(ts)) => {
                let channel = open.question.command.channel.clone();
                let question = MessageKey { channel, ts: ts.clone() };
                let question = in_thread(question, &open.user, &open.thread);
                self.say(&question, &Reply::Message(text.into_owned())).await;
            }
            (Closed::Failed(class), _) if !open.question.is_given_up(self.tools.now()) => {
                let text = format!("{}: the buttons of its plan are still there", open.question.command);
                return self.not_now(&text, class);
            }
            (Closed::Done | Closed::Refused | Closed::Failed(_), _) => {}
        }
        let id = open.question.id.clone();
        let forgotten =
            self.tools.notebook.change(change, &self.tools.permit, move |memory| forget(memory, &id)).await;
        if let Err(error) = forgotten {
            self.not_now(&format!("a question that is over stays remembered: {error}"), error.class());
        }
    }

    /// Where the message of a question stands, when that was not written down any more.
    async fn find_message(&self, open: &mut OpenQuestion) -> Result<(), ErrorClass> {
        if open.message.is_some() {
            return Ok(());
        }
        let command = in_thread(open.question.command.clone(), &open.user, &open.thread);
        match self.thread(&command).look_for(&question_name(&open.question.id), "").await {
            Lookup::Found(posted) => open.message = Some(posted.ts),
            Lookup::NotFound => {}
            Lookup::Undetermined(why) => return Err(why.class()),
        }
        Ok(())
    }

    /// Takes the buttons away from the plans that a cancelled command was about to show.
    pub(super) async fn reject_plans_of(&self, command: &MessageKey) {
        let key = command.clone();
        let change = "Slack bot: a cancelled command asks no more";
        let rejected = self
            .tools
            .notebook
            .change(change, &self.tools.permit, move |memory| memory.reject_of(&key))
            .await;
        match rejected {
            Ok(rejected) => {
                for open in rejected {
                    self.settle(&open, words::CANCELLED, change, Memory::settle).await;
                }
            }
            Err(error) => {
                let text = format!("{command}: a plan of this cancelled command may still wait: {error}");
                self.failed(&text, error.class());
            }
        }
    }

    /// Something could not be done that the next look does; one look alone has no next.
    fn not_now(&self, what: &str, class: ErrorClass) {
        if self.is_brief() { self.failed(what, class) } else { tracing::warn!("{what}") }
    }

    fn is_answering(&self, open: &OpenQuestion) -> bool {
        self.answering.borrow().contains(&open.question.id)
    }
}

/// Takes the buttons away from questions that are over.
pub(super) async fn close_questions(desk: &Desk, clients: &Clients) {
    let tools = &desk.tools;
    let now = tools.now();
    let memory = match tools.notebook.read().await {
        Ok(memory) => memory,
        Err(error) => return desk.failed(&format!("open questions are not known: {error}"), error.class()),
    };
    for open in memory.answered_questions() {
        if let Some(answer) = open.question.answered
            && !desk.is_answering(&open)
        {
            let text = words::answered(answer, &open.answered_user);
            let change = "Slack bot: an answered plan is closed";
            desk.settle(&open, &text, change, Memory::settle).await;
        }
    }
    for open in memory.expired(now).into_iter().filter(|open| open.question.answered.is_none()) {
        if !desk.is_answering(&open) {
            let change = "Slack bot: a plan was not answered";
            desk.settle(&open, EXPIRED, change, Memory::settle_unanswered).await;
        }
    }
    let looks = memory.waiting(now).into_iter().map(async |(release, questions)| {
        for (open, what) in answered_elsewhere(desk, clients, &release, questions).await {
            let text = format!(
                "{}, so this plan is not asked about any more. `oar -r {release} status` shows how it stands; write the command again to see its plan of \
                 now.",
                escape(&what)
            );
            // Somebody may have approved it meanwhile, and its command runs.
            if !desk.is_answering(&open) {
                let change = "Slack bot: a plan was answered elsewhere";
                desk.settle(&open, &text, change, Memory::settle_unanswered).await;
            }
        }
    });
    futures::stream::iter(looks).buffer_unordered(LOOKS_AT_ONCE).collect::<()>().await;
}

/// Those of these questions that the release's state shows as answered, and by what.
async fn answered_elsewhere(
    desk: &Desk,
    clients: &Clients,
    release: &ReleaseVersion,
    questions: Vec<OpenQuestion>,
) -> Vec<(OpenQuestion, String)> {
    let state = match open_statebox(clients, release) {
        Ok(statebox) => statebox.find().await.map_err(|error| (error.to_string(), error.class())),
        Err(error) => Err((error.to_string(), error.class())),
    };
    let state = match state {
        Ok(Some(state)) => state,
        Ok(None) => return Vec::new(),
        // The buttons stay, and a click on them says how it is.
        Err((error, class)) => {
            let text = format!("whether a plan of {release} was answered elsewhere is not known: {error}");
            desk.not_now(&text, class);
            return Vec::new();
        }
    };
    let answer = |open: OpenQuestion| {
        let what = open.subject.as_ref()?.answered_by(&open.question, &state)?;
        Some((open, what))
    };
    questions.into_iter().filter_map(answer).collect()
}
