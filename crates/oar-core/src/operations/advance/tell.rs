//! Tells people what waits for them: each question once, in one Slack thread of the release.

use jiff::Timestamp;

use crate::clients::slack::Posted;
use crate::config::{ConfigError, SlackTeam};
use crate::drive::plan::{DrivePlan, Request};
use crate::flow::holder;
use crate::flow::nodes::Who;
use crate::flow::outcome::TaskError;
use crate::notify::outbox::{Delivery, PreviousSend, deliver, group_mention};
use crate::notify::{DriveThread, Message, Open, OpenQuestions, short_hash};
use crate::operations::call::Call;
use crate::permit::WritePermit;
use crate::statebox::{Claimed, State, Thread};

/// Tells what nobody was told yet; how many questions that were. A question whose telling fails is told by a later pass.
///
/// # Errors
///
/// The StateBox or the configuration cannot be read or written.
pub(super) async fn tell(call: &Call, state: &State, plan: &DrivePlan) -> Result<usize, TaskError> {
    let requests: Vec<(String, &Request)> =
        plan.people.iter().map(|request| (key(request), request)).collect();
    let mut keys: Vec<String> = requests.iter().map(|(key, _)| key.clone()).collect();
    if state.untold(&keys, call.clock().now(), ended).is_empty() {
        return Ok(0);
    }
    let document = call.settings().document();
    let channel = match document.and_then(|document| document.slack_channel(SlackTeam::QeRelease)) {
        Ok(channel) => channel.to_owned(),
        // Without a document nobody can be told, and the plan says the same.
        Err(error @ ConfigError::MissingVariable { .. }) => {
            tracing::warn!("nobody is told what waits for people: {error}");
            return Ok(0);
        }
        Err(error) => return Err(error.into()),
    };
    if state.drive_thread().is_none() {
        keys.push(THREAD.to_owned());
    }
    let (statebox, permit) = (call.statebox()?, call.permit()?);
    let mut claimed = Vec::new();
    let (now, process) = (call.clock().now(), holder::current());
    let updated = statebox
        .update(permit, "Tell people what waits for them", |state| {
            Ok(state.claim_questions(&keys, now, (process.as_deref(), ended), &mut claimed))
        })
        .await?;
    if claimed.is_empty() {
        return Ok(0);
    }
    let ours: Vec<String> = claimed.iter().map(|claimed| claimed.key.clone()).collect();
    let (begins, questions): (Vec<Claimed>, Vec<Claimed>) =
        claimed.into_iter().partition(|claimed| claimed.key == THREAD);
    let asked = Asked { requests: &requests, claimed: &questions, begins: begins.first(), channel: &channel };
    let told = asked.tell(call, updated.state.drive_thread(), permit).await;
    let now = call.clock().now();
    let arrived = matches!(told, Ok(Some(_)));
    let message = if arrived { "People were told what waits for them" } else { "People are told later" };
    let recorded = statebox
        .update(permit, message, |state| {
            let Ok(Some(thread)) = &told else { return Ok(state.not_told(&ours)) };
            Ok(state.set_drive_thread(thread).or(state.told(&ours, now)))
        })
        .await;
    told?;
    recorded?;
    Ok(if arrived { questions.len() } else { 0 })
}

/// Claims the beginning of the thread.
const THREAD: &str = "thread";

fn ended(process: &str) -> bool {
    holder::has_ended(process) == Some(true)
}

/// What this process tells now.
struct Asked<'a> {
    requests: &'a [(String, &'a Request)],
    claimed: &'a [Claimed],
    /// The claim of the thread's first message.
    begins: Option<&'a Claimed>,
    channel: &'a str,
}

impl Asked<'_> {
    /// Tells it; the thread in which it stands, or `None` when it did not arrive.
    async fn tell(
        &self,
        call: &Call,
        thread: Option<Thread>,
        permit: &WritePermit,
    ) -> Result<Option<Thread>, TaskError> {
        let release = call.release()?;
        let thread = match (thread, self.begins) {
            (Some(thread), _) => thread,
            (None, None) => return Ok(None),
            (None, Some(begins)) => {
                let message = DriveThread { release }.message(self.channel);
                let Some(posted) = posted(call, message, begins.perhaps_since, permit).await? else {
                    return Ok(None);
                };
                Thread { channel: posted.channel, ts: posted.ts }
            }
        };
        if self.claimed.is_empty() {
            return Ok(Some(thread));
        }
        let open = self.open(call).await?;
        let key = short_hash(self.claimed.iter().map(|question| question.key.as_str()));
        let message =
            OpenQuestions { release, key: &key, open: &open }.message(&thread.channel).in_thread(&thread.ts);
        let since = self.claimed.iter().filter_map(|question| question.perhaps_since).min();
        Ok(posted(call, message, since, permit).await?.map(|_| thread))
    }

    /// The questions, in the order of the plan.
    async fn open(&self, call: &Call) -> Result<Vec<Open>, TaskError> {
        let mut open = Vec::new();
        for (key, request) in self.requests {
            if self.claimed.iter().all(|question| question.key != *key) {
                continue;
            }
            open.push(Open {
                who: who(call, request.who).await?,
                steps: request.nodes.iter().map(|node| node.id().to_owned()).collect(),
                question: request.question.clone(),
                choices: request.choices.clone(),
                command: request.command.clone(),
            });
        }
        Ok(open)
    }
}

/// Identifies a question: the same steps, asked the same.
fn key(request: &Request) -> String {
    let node = request.nodes.first().map_or("", |node| node.id());
    short_hash([node, request.question.as_str()])
}

/// Posts a message; `None` when it did not arrive.
async fn posted(
    call: &Call,
    message: Message,
    since: Option<Timestamp>,
    permit: &WritePermit,
) -> Result<Option<Posted>, TaskError> {
    let slack = call.clients().slack()?;
    let earlier = since.map_or(PreviousSend::NotSent, PreviousSend::PerhapsSince);
    Ok(match deliver(&slack, call.clock(), &message, earlier, permit).await {
        Delivery::Sent(posted) | Delivery::AlreadySent(posted) => Some(posted),
        other => {
            tracing::warn!("people are told later: the message to {} is {other}", message.channel);
            None
        }
    })
}

/// Who is asked: mentioned where Slack has a group of them.
async fn who(call: &Call, who: Who) -> Result<String, TaskError> {
    let document = call.settings().document()?;
    let group = match who {
        Who::Owner | Who::Leads => document.release_leads(call.release()?.y_stream()).ok(),
        Who::Art => document.art_group().ok(),
        Who::ProductSecurity | Who::Operator => None,
    };
    Ok(match group {
        Some(group) => group_mention(&call.clients().slack()?, group).await.to_string(),
        None => who.words().to_owned(),
    })
}
