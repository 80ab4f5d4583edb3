//! Telling people, and what is finished beside it.

use std::sync::{Mutex, PoisonError};

use futures::future::{join, join_all};

use super::plan::Planned;
use super::run::Run;
use crate::flow::outcome::{TaskError, TaskOutcome};
use crate::flow::task::Task;
use crate::notify::Message;
use crate::permit::WritePermit;
use crate::statebox::{KEPT_LIMIT, State, TaskStatus};

impl<T: Task> Run<'_, T> {
    /// Tells people of `outcome` and makes the last changes at the same time; the outcome as these leave it.
    pub(super) async fn tell(
        &self,
        planned: &Planned<T::Plan>,
        outcome: TaskOutcome<T::Done>,
        state: Option<&State>,
        permit: &WritePermit,
    ) -> Result<TaskOutcome<T::Done>, TaskError> {
        // A message that must wait says nothing about the task.
        let words = permit.for_one_run();
        let told = async {
            if self.has_news(planned, &outcome) && self.task.tells(&outcome) {
                self.deliver(planned, &outcome, state, &words).await?;
            }
            Ok::<_, TaskError>(())
        };
        if !self.claimed.is_held() {
            told.await?;
            return Ok(outcome);
        }
        let last = self.task.finish(&planned.plan, outcome.clone(), permit, &self.recorder);
        let (told, finished) = join(told, last).await;
        told?;
        finished
    }

    /// Whether `outcome` is something new, or people are still owed an earlier message.
    fn has_news(&self, planned: &Planned<T::Plan>, outcome: &TaskOutcome<T::Done>) -> bool {
        let Planned { summary, open, is_pass, .. } = planned;
        match outcome.status {
            TaskStatus::Pass => !summary.steps.is_empty() || open.any() || !is_pass,
            TaskStatus::InProgress => {
                !self.recorder.is_empty() || !outcome.recorded.is_empty() || open.owes()
            }
            TaskStatus::Fail | TaskStatus::NotStarted => true,
        }
    }

    /// Sends the messages: each channel its own in their order, all channels at the same time.
    async fn deliver(
        &self,
        planned: &Planned<T::Plan>,
        outcome: &TaskOutcome<T::Done>,
        state: Option<&State>,
        permit: &WritePermit,
    ) -> Result<(), TaskError> {
        let open = &planned.open;
        let episode = open.episode.as_ref().map_or(&self.id, |(run, _)| run);
        let messages = self.task.notifications(&planned.plan, outcome).await.into_iter();
        let keyed = messages.map(|message| Message { key: format!("{}/{episode}", message.key), ..message });
        let mut parts: Vec<Message> = keyed.flat_map(Message::parts).collect();
        parts.retain(|part| !open.is_settled(&part.key));
        if !parts.is_empty() && !self.claimed.is_held() {
            // What is said to people is an effect too.
            self.begin(None, state, permit).await?;
        }
        let room = Mutex::new(state.map_or(KEPT_LIMIT, State::room_for_messages));
        let room = &room;
        join_all(by_channel(&parts).into_iter().map(|channel| async move {
            for part in channel {
                let delivery = self.runner.deliver.deliver(part, open.earlier(&part.key), permit).await;
                let mut room = room.lock().unwrap_or_else(PoisonError::into_inner);
                let record = self.runner.record_of(part, &delivery, *room);
                *room = room.saturating_sub(record.text.as_ref().map_or(0, String::len));
                self.progress().notifications.push(record);
            }
        }))
        .await;
        let place = |key: &str| parts.iter().position(|part| part.key == key);
        self.progress().notifications.sort_by_key(|record| place(&record.key));
        Ok(())
    }
}

fn by_channel(parts: &[Message]) -> Vec<Vec<&Message>> {
    let mut channels: Vec<Vec<&Message>> = Vec::new();
    for part in parts {
        let same =
            |channel: &&mut Vec<&Message>| channel.first().is_some_and(|first| first.channel == part.channel);
        match channels.iter_mut().find(same) {
            Some(channel) => channel.push(part),
            None => channels.push(vec![part]),
        }
    }
    channels
}
