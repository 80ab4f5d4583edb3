//! The Slack thread in which a command was requested (spec 03 §8.6).

use super::Message;
use crate::clients::slack::SlackClient;
use crate::config::Environment;

/// A conversation with the Slack bot about a release. Only a user interface says which one a call belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseThread {
    /// The channel's id.
    pub channel: String,
    /// The `ts` of the thread's first message.
    pub ts: String,
}

impl ReleaseThread {
    /// The thread in the environment of a command line; `None` unless both channel and message are set.
    pub fn of(environment: &Environment) -> Option<Self> {
        let (channel, ts) = environment.slack_thread()?;
        Some(Self { channel: channel.to_owned(), ts: ts.to_owned() })
    }

    /// Puts a message to the thread's channel into the thread, and shows it in the channel as well, because
    /// its recipients may not follow the thread. A message to another channel, or to one that cannot be
    /// compared, is not changed.
    pub async fn take(&self, message: Message, slack: &SlackClient) -> Message {
        if message.thread.is_some() {
            return message;
        }
        let wanted = message.channel.trim_start_matches('#');
        if wanted != self.channel {
            match slack.channel_name(&self.channel).await {
                Ok(name) if name == wanted => {}
                Ok(_) => return message,
                Err(error) => {
                    tracing::debug!("the thread's channel is not known: {error}");
                    return message;
                }
            }
        }
        Message { broadcast: true, ..message.in_thread(self.ts.as_str()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::testing::{base, http, ok};
    use serde_json::json;
    use wiremock::matchers::any;
    use wiremock::{Mock, MockServer};

    fn environment(channel: &str, thread: &str) -> Environment {
        Environment::from_pairs([("OAR_SLACK_CHANNEL", channel), ("OAR_SLACK_THREAD", thread)])
    }

    #[test]
    fn a_thread_needs_channel_and_message() {
        let thread = ReleaseThread { channel: "C0AAA".into(), ts: "1.5".into() };
        assert_eq!(ReleaseThread::of(&environment("C0AAA", "1.5")), Some(thread));
        assert_eq!(ReleaseThread::of(&environment("C0AAA", "")), None);
        assert_eq!(ReleaseThread::of(&environment(" ", "1.5")), None);
    }

    async fn taken(channel: &str, answer: serde_json::Value) -> Message {
        let server = MockServer::start().await;
        Mock::given(any()).respond_with(ok(answer)).mount(&server).await;
        let slack = SlackClient::new(http(5), base(&server, ""), Some("t0ken".into()));
        let thread = ReleaseThread::of(&environment("C0AAA", "1.5")).unwrap();
        thread.take(Message::new("k", channel, "x"), &slack).await
    }

    #[tokio::test]
    async fn a_message_to_the_threads_channel_goes_there_and_others_stay() {
        let answer = json!({"ok": true, "channel": {"id": "C0AAA", "name": "demo"}});
        for (channel, thread) in [("#demo", Some("1.5")), ("C0AAA", Some("1.5")), ("#other", None)] {
            let message = taken(channel, answer.clone()).await;
            assert_eq!(
                (message.thread.as_deref(), message.broadcast),
                (thread, thread.is_some()),
                "{channel}"
            );
            assert_eq!(message.channel, channel);
        }
        let hidden = taken("#demo", json!({"ok": false, "error": "missing_scope"})).await;
        assert_eq!((hidden.thread, hidden.broadcast), (None, false));
    }
}
