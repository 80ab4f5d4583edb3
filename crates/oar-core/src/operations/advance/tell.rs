//! Tells people what waits for them, in one Slack thread of the release. Each message is claimed in the StateBox first, so
//! that it is sent once, whatever ends in between.

use jiff::{SignedDuration, Timestamp};

use super::due::{Due, What, due, is_answered};
use super::{Planned, Ran};
use crate::clients::slack::Posted;
use crate::config::{ConfigError, DrivePolicy, SlackTeam};
use crate::drive::evaluate::Input;
use crate::drive::plan::{Request, assemble, ended};
use crate::flow::holder;
use crate::flow::nodes::Who;
use crate::flow::outcome::TaskError;
use crate::notify::outbox::{Delivery, PreviousSend, deliver, group_mention};
use crate::notify::{self, DriveThread, Message, MorningSummary, Open, Question};
use crate::operations::call::{Call, new_id};
use crate::permit::WritePermit;
use crate::statebox::{Asked, Change, Claimed, State, Teller, Telling, Thread};

/// For how long what is said of a release without a StateBox is not said again.
const SAID_FOR: SignedDuration = SignedDuration::from_hours(24);
/// Claims the beginning of the thread.
const THREAD: &str = "thread";

/// What people were told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// How many messages arrived.
    pub(super) messages: usize,
    /// That some did not.
    pub(super) missing: Option<String>,
}

/// Tells what nobody was told yet. What does not arrive is told by a later pass.
///
/// # Errors
///
/// The StateBox or the configuration cannot be read or written.
pub(super) async fn tell(
    call: &Call,
    state: &State,
    planned: &Planned,
    policy: &DrivePolicy,
) -> Result<Told, TaskError> {
    let now = call.clock().now();
    let (process, claim) = (holder::current(), new_id());
    let lease = SignedDuration::try_from(call.settings().prow()?.intent_lease).unwrap_or(SignedDuration::MAX);
    let teller = Teller { claim: &claim, process: process.as_deref(), ended, lease };
    let wanted = due(&planned.plan, state, now);
    let is_answered_now = |asked: &Asked| is_answered(asked, &planned.plan, &wanted);
    if unclaimed(&wanted, state, now, teller).is_empty()
        && !state.open_questions().iter().any(is_answered_now)
    {
        return Ok(Told::default());
    }
    let Some(channel) = channel(call)? else { return Ok(Told::default()) };
    let (statebox, permit, release) = (call.statebox()?, call.permit()?, call.release()?);
    let location = statebox.location();
    let (mut wanted, mut claimed) = (Vec::new(), Vec::new());
    let updated = statebox
        .update(permit, "Tell people what waits for them", |state| {
            let now = call.clock().now();
            // What is asked follows from the state as it is now: it may have been answered since the plan was made.
            let facts = &planned.facts;
            let input = Input { release, state: Some(state), location: &location, facts, policy, now, ended };
            let plan = assemble(input, false);
            wanted = due(&plan, state, now);
            let answered = state.answer_questions(now, |asked| is_answered(asked, &plan, &wanted));
            let mut tellings = unclaimed(&wanted, state, now, teller);
            if !tellings.is_empty() && state.drive_thread().is_none() {
                tellings.push(Telling { key: THREAD.to_owned(), node: None });
            }
            let claims = state.claim_questions(&tellings, now, teller, &mut claimed);
            Ok(answered.or(claims))
        })
        .await?;
    if claimed.is_empty() {
        return Ok(Told::default());
    }
    let (thread, mut problem) = match updated.state.drive_thread() {
        Some(thread) => (Some(thread), None),
        None => match begin(call, &channel, &claimed, permit).await {
            Ok(thread) => (thread, None),
            Err(error) => (None, Some(error)),
        },
    };
    let mut told: Vec<String> = Vec::new();
    if let Some(thread) = &thread {
        for due in &wanted {
            let Some(claim) = claimed.iter().find(|claim| claim.key == due.key) else { continue };
            match send(call, due, thread, claim, permit).await {
                Ok(true) => told.push(due.key.clone()),
                Ok(false) => {}
                Err(error) => problem = Some(error),
            }
        }
    }
    let messages = told.len();
    if thread.is_some() {
        told.push(THREAD.to_owned());
    }
    let not_told: Vec<String> =
        claimed.into_iter().map(|claim| claim.key).filter(|key| !told.contains(key)).collect();
    let now = call.clock().now();
    let message = if messages > 0 { "People were told what waits for them" } else { "People are told later" };
    statebox
        .update(permit, message, |state| {
            let begun = thread.as_ref().map_or(Change::Unchanged, |thread| state.set_drive_thread(thread));
            Ok(begun.or(state.told(&told, now)).or(state.not_told(&not_told)))
        })
        .await?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    Ok(Told::of(messages, not_told.len()))
}

impl Told {
    fn of(messages: usize, not_told: usize) -> Self {
        let missing = (not_told > 0).then(|| {
            let noun = if not_told == 1 { "message" } else { "messages" };
            format!("{not_told} {noun} to people did not arrive; a later pass sends what is missing")
        });
        Self { messages, missing }
    }
}

/// Tells people why a release has no StateBox: `ran` should have made it. Without one nothing is claimed, so Slack is asked whether
/// they were told in the last day.
///
/// # Errors
///
/// The configuration cannot be read.
pub(super) async fn tell_without_statebox(call: &Call, ran: &Ran) -> Result<Told, TaskError> {
    let Some(channel) = channel(call)? else { return Ok(Told::default()) };
    let (release, node) = (call.release()?, ran.node.id());
    let why = ran.detail.as_deref().unwrap_or("no reason is known");
    let open = Open {
        who: who(call, ran.node.row().who).await?,
        steps: vec![node.to_owned()],
        question: format!("the release has no StateBox, because making it failed: {why}"),
        choices: Vec::new(),
        commands: vec![ran.command.clone()],
    };
    let message =
        Question { release, key: node, telling: notify::Telling::New, open: &open }.message(&channel);
    let since = call.clock().now().checked_sub(SAID_FOR).ok();
    Ok(match delivered(call, &message, since, call.permit()?).await? {
        Delivery::Sent(_) => Told::of(1, 0),
        Delivery::AlreadySent(_) => Told::default(),
        Delivery::Pending(_) | Delivery::Unclear(_) => Told::of(0, 1),
    })
}

/// The channel in which people are told; `None` without a document, when the plan says the same.
fn channel(call: &Call) -> Result<Option<String>, TaskError> {
    let document = call.settings().document();
    match document.and_then(|document| document.slack_channel(SlackTeam::QeRelease)) {
        Ok(channel) => Ok(Some(channel.to_owned())),
        Err(error @ ConfigError::MissingVariable { .. }) => {
            tracing::warn!("nobody is told what waits for people: {error}");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// What nobody has told and nobody is telling.
fn unclaimed(wanted: &[Due], state: &State, now: Timestamp, teller: Teller<'_>) -> Vec<Telling> {
    let tellings: Vec<Telling> = wanted.iter().map(Due::telling).collect();
    state.untold(&tellings, now, teller).into_iter().cloned().collect()
}

/// Begins the thread of the release, when that is ours to do; `None` when it is not there.
async fn begin(
    call: &Call,
    channel: &str,
    claimed: &[Claimed],
    permit: &WritePermit,
) -> Result<Option<Thread>, TaskError> {
    let Some(claim) = claimed.iter().find(|claim| claim.key == THREAD) else { return Ok(None) };
    let message = DriveThread { release: call.release()? }.message(channel);
    let posted = posted(call, message, claim.perhaps_since, permit).await?;
    Ok(posted.map(|posted| Thread { channel: posted.channel, ts: posted.ts }))
}

/// Whether it arrived.
async fn send(
    call: &Call,
    due: &Due,
    thread: &Thread,
    claim: &Claimed,
    permit: &WritePermit,
) -> Result<bool, TaskError> {
    let (release, key) = (call.release()?, due.key.as_str());
    let message = match &due.what {
        What::Question(telling, request) => {
            let open = &open(call, request, who(call, request.who).await?);
            Question { release, key, telling: *telling, open }.message(&thread.channel)
        }
        What::Summary { open: requests, passed } => {
            // Everybody in it was mentioned when it was new.
            let named = |request: &Request| open(call, request, request.who.words().to_owned());
            let open: Vec<Open> = requests.iter().map(named).collect();
            MorningSummary { release, key, open: &open, passed }.message(&thread.channel)
        }
    };
    Ok(posted(call, message.in_thread(&thread.ts), claim.perhaps_since, permit).await?.is_some())
}

fn open(call: &Call, request: &Request, who: String) -> Open {
    // People and other programs write issues into the file as well.
    let redacted = |text: &String| call.redactor().redact(text).into_owned();
    Open {
        who,
        steps: request.nodes.iter().map(|node| node.id().to_owned()).collect(),
        question: redacted(&request.question),
        choices: request.choices.clone(),
        commands: request.commands.clone(),
    }
}

/// Posts a message; `None` when it did not arrive.
async fn posted(
    call: &Call,
    message: Message,
    since: Option<Timestamp>,
    permit: &WritePermit,
) -> Result<Option<Posted>, TaskError> {
    Ok(match delivered(call, &message, since, permit).await? {
        Delivery::Sent(posted) | Delivery::AlreadySent(posted) => Some(posted),
        Delivery::Pending(_) | Delivery::Unclear(_) => None,
    })
}

async fn delivered(
    call: &Call,
    message: &Message,
    since: Option<Timestamp>,
    permit: &WritePermit,
) -> Result<Delivery, TaskError> {
    let slack = call.clients().slack()?;
    let earlier = since.map_or(PreviousSend::NotSent, PreviousSend::PerhapsSince);
    let delivery = deliver(&slack, call.clock(), message, earlier, permit).await;
    if let Delivery::Pending(_) | Delivery::Unclear(_) = &delivery {
        tracing::warn!("people are told later: the message to {} is {delivery}", message.channel);
    }
    Ok(delivery)
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
