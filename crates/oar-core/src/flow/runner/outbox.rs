//! Messages that earlier runs, of any task, could not send: the next command of the release sends them.

use crate::flow::runner::Runner;
use crate::notify::Message;
use crate::notify::outbox::{Delivery, PreviousSend};
use crate::permit::WritePermit;
use crate::statebox::{Change, Notification, NotificationState, State, TaskName};

const UPDATE_MESSAGE: &str = "Send kept messages";

impl Runner<'_> {
    /// Sends the messages that earlier runs could not send and `state` keeps; returns how many were sent.
    pub async fn deliver_kept(&self, state: State, permit: &WritePermit) -> usize {
        let (_, fates) = self.send_kept(state, permit).await;
        let say = |fate: &&Notification| {
            tracing::info!("sent a message that an earlier run could not send to {}", fate.channel);
        };
        fates.iter().filter(|fate| fate.state == NotificationState::Sent).inspect(say).count()
    }

    /// Sends the undelivered messages in `state`; returns the new state and the result of each message.
    ///
    /// Nothing here ever fails the run: a message that cannot be sent, or whose delivery cannot be recorded, stays kept.
    pub(super) async fn send_kept(&self, state: State, permit: &WritePermit) -> (State, Vec<Notification>) {
        let kept = state.kept_messages();
        if kept.is_empty() {
            return (state, Vec::new());
        }
        if let Err(closed) = permit.begin().await {
            tracing::info!("messages of earlier runs stay unsent: {closed}");
            return (state, Vec::new());
        }
        let (now, mut claimed) = (self.clock.now(), Vec::new());
        let claim = self.statebox.update(permit, UPDATE_MESSAGE, |state| {
            let (change, mine) = state.claim_messages(&kept, now);
            claimed = mine;
            Ok(change)
        });
        let state = match claim.await {
            Ok(updated) => updated.state,
            Err(error) => {
                tracing::warn!("messages of earlier runs stay unsent: {error}");
                return (state, Vec::new());
            }
        };
        let mut fates = Vec::new();
        for open in &claimed {
            let fate = self.send_again(&open.notification, permit).await;
            fates.push((open, fate));
        }
        let record = self.statebox.update(permit, UPDATE_MESSAGE, |state| {
            let mut change = Change::Unchanged;
            for (open, fate) in &fates {
                change = change.or(state.record_message(open, fate.clone()));
            }
            // Its runs are in the file only while they owe a message.
            change = change.or(state.remove_finished_record(TaskName::CreateTestReport));
            Ok(change)
        });
        let state = match record.await {
            Ok(updated) => updated.state,
            Err(error) => {
                tracing::warn!("what became of messages of earlier runs could not be recorded: {error}");
                state
            }
        };
        (state, fates.into_iter().map(|(_, fate)| fate).collect())
    }

    async fn send_again(&self, kept: &Notification, permit: &WritePermit) -> Notification {
        let mut message =
            Message::new(kept.key.as_str(), kept.channel.as_str(), kept.text.clone().unwrap_or_default());
        message.thread.clone_from(&kept.thread);
        // Pending messages were certainly not sent; all others may have been posted since then.
        let earlier = match (kept.state, kept.at.parse()) {
            (NotificationState::Pending, _) => PreviousSend::NotSent,
            (_, Ok(since)) => PreviousSend::PerhapsSince(since),
            (_, Err(_)) => PreviousSend::PerhapsSince(jiff::Timestamp::UNIX_EPOCH),
        };
        let delivery = self.deliver.deliver(&message, earlier, permit).await;
        // The time of the first uncertain post is kept: the message is looked for from then on.
        let at = match (&delivery, kept.state) {
            (Delivery::Unclear(_), NotificationState::Unclear) => kept.at.clone(),
            _ => self.clock.stamp(),
        };
        Notification { at, ..self.record_of(&message, &delivery, usize::MAX) }
    }

    /// The record of a message. The text of one that did not arrive stays, when it has no more than `room` bytes.
    pub(super) fn record_of(&self, message: &Message, delivery: &Delivery, room: usize) -> Notification {
        let (state, ts) = match delivery {
            Delivery::Sent(posted) | Delivery::AlreadySent(posted) => {
                tracing::info!("message to {}: {delivery}", message.channel);
                (NotificationState::Sent, Some(posted.ts.clone()))
            }
            Delivery::Pending(_) => {
                tracing::warn!("message to {}: {delivery}", message.channel);
                (NotificationState::Pending, None)
            }
            Delivery::Unclear(_) => {
                tracing::warn!("message to {}: {delivery}", message.channel);
                (NotificationState::Unclear, None)
            }
        };
        let keep = state != NotificationState::Sent && message.text.len() <= room;
        Notification {
            key: message.key.clone(),
            state,
            channel: message.channel.clone(),
            ts,
            at: self.clock.stamp(),
            thread: message.thread.clone(),
            text: keep.then(|| message.text.clone()),
        }
    }
}
