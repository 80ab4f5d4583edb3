//! Delivers each message once. A failure never affects the task.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;

use super::mentions::{self, Unresolved};
use super::{GroupMention, Message};
use crate::clients::slack::{Lookup, Posted, SlackClient, UserId, Wanted};
use crate::clients::{Attempt, attempt};
use crate::clock::{CLOCK_SKEW, Clock};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::permit::WritePermit;

/// The wait until Slack shows a message whose post got no answer.
const SETTLE: Duration = Duration::from_secs(1);
/// Refusals of a thread: the channel is there all the same.
const THREAD_REFUSALS: [&str; 4] = [
    "thread_not_found",
    "cannot_reply_to_message",
    "restricted_action_non_threadable_channel",
    "restricted_action_thread_locked",
];
/// Refusals of blocks; the message is then posted as text.
const BLOCK_REFUSALS: [&str; 2] = ["msg_blocks_too_long", "invalid_blocks"];

/// Whether an earlier run may have sent a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PreviousSend {
    /// It certainly has not been sent.
    NotSent,
    /// It may have been sent, at this time or later: the message is looked for first.
    PerhapsSince(Timestamp),
}

/// The result of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// This run posted it.
    Sent(Posted),
    /// It was posted before; nothing was sent.
    AlreadySent(Posted),
    /// It was not sent; the reason. A later run may send it.
    Pending(String),
    /// It may be posted, and that cannot be checked; the reason. It must not be sent again without a check.
    Unclear(String),
}

impl fmt::Display for Delivery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(_) => formatter.write_str("sent"),
            Self::AlreadySent(_) => formatter.write_str("sent already by an earlier run"),
            Self::Pending(reason) => write!(formatter, "not sent: {reason}"),
            Self::Unclear(reason) => write!(formatter, "perhaps sent, and not sent again: {reason}"),
        }
    }
}

/// Delivers `message`. People and groups that could not be looked up when it was composed are looked up now;
/// if Slack does not answer, the message remains pending.
///
/// A message that may already be posted, by an earlier run or by a post without an answer, is looked for by
/// its key before it is sent again. If that cannot be determined, it is not sent again.
pub async fn deliver(
    slack: &SlackClient,
    clock: &Clock,
    message: &Message,
    earlier: PreviousSend,
    permit: &WritePermit,
) -> Delivery {
    let message = &match mentions::resolved(slack, message).await {
        Ok(message) => message,
        Err(Unresolved(reason)) => {
            return match earlier {
                PreviousSend::NotSent => Delivery::Pending(reason),
                PreviousSend::PerhapsSince(_) => Delivery::Unclear(reason),
            };
        }
    };
    if let PreviousSend::PerhapsSince(since) = earlier {
        match look_for(slack, message, since).await {
            Lookup::Found(posted) => return Delivery::AlreadySent(posted),
            Lookup::Undetermined(reason) => return Delivery::Unclear(reason.words()),
            Lookup::NotFound => {}
        }
    }
    let started = clock.now();
    let post = message.to_post();
    for _ in 0..2 {
        let look = async {
            clock.sleep(SETTLE).await;
            match look_for(slack, message, started).await {
                Lookup::Found(posted) => Ok(Some(posted)),
                Lookup::NotFound => Ok(None),
                Lookup::Undetermined(reason) => Err(reason.words()),
            }
        };
        let error = match attempt(slack.post(&post, permit), &[ServiceErrorKind::Unclear], look).await {
            Attempt::Done(posted) => return Delivery::Sent(posted.into_inner()),
            Attempt::Unseen(error, reason) => return Delivery::Unclear(format!("{error}; {reason}")),
            Attempt::Absent(_) => continue,
            Attempt::Failed(error) => error,
        };
        let simpler = match error.detail.as_str() {
            code if THREAD_REFUSALS.contains(&code) && message.thread.is_some() => {
                Some(Message { thread: None, broadcast: false, ..message.clone() })
            }
            code if BLOCK_REFUSALS.contains(&code) && !message.blocks.is_empty() => {
                Some(Message { blocks: Vec::new(), ..message.clone() })
            }
            _ => None,
        };
        return match simpler {
            Some(simpler) => Box::pin(deliver(slack, clock, &simpler, PreviousSend::NotSent, permit)).await,
            None => Delivery::Pending(with_hint(&error)),
        };
    }
    Delivery::Pending(String::from("Slack did not answer twice, and the message is not in the channel"))
}

/// Looks for a message that was sent at `since` or later.
pub async fn look_for(slack: &SlackClient, message: &Message, since: Timestamp) -> Lookup {
    let since = since.checked_sub(CLOCK_SKEW).unwrap_or(since);
    let wanted = Wanted {
        channel: &message.channel,
        thread: message.thread.as_deref(),
        key: &message.key,
        text: &message.text,
        since,
    };
    slack.find(wanted).await
}

pub(super) fn with_hint(error: &ServiceError) -> String {
    match &error.hint {
        Some(hint) => format!("{error}. {hint}"),
        None => error.to_string(),
    }
}

/// The mention of the group with this handle; if it cannot be looked up, one that is resolved when the
/// message is sent.
pub async fn group_mention(slack: &SlackClient, handle: &str) -> GroupMention {
    match slack.usergroup_id(handle).await {
        Ok(id) => GroupMention::Known(id),
        Err(error) => {
            tracing::debug!("the group is asked for again when the message is sent: {error}");
            GroupMention::Handle(handle.to_owned())
        }
    }
}

/// The Slack account with this e-mail address; if it cannot be looked up, one that is resolved when the
/// message is sent. `None` when there is no account, or the address belongs to another organisation.
pub async fn person(slack: &SlackClient, address: &str) -> Option<UserId> {
    match slack.user_id_by_email(address).await {
        Ok(user) => user,
        Err(error) => {
            let unasked = slack.login_of(address).and_then(UserId::of_login);
            if unasked.is_some() {
                tracing::debug!("the person is asked for again when the message is sent: {error}");
            } else {
                tracing::warn!("the person is not notified in Slack: {}", with_hint(&error));
            }
            unasked
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures::future::BoxFuture;
    use serde_json::{Value, json};
    use wiremock::matchers::path;
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http, ok, permit};
    use crate::clock::ClockSource;
    use crate::http::{Http, HttpSettings};
    use crate::redact::Redactor;

    struct NoWaiting;

    impl ClockSource for NoWaiting {
        fn now(&self) -> Timestamp {
            "2026-07-01T10:00:00Z".parse().unwrap()
        }
        fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
            Box::pin(futures::future::ready(()))
        }
        fn random(&self) -> f64 {
            0.5
        }
    }

    fn message() -> Message {
        Message::new("4.19.1/t/x", "C0AAA", "done")
    }

    fn history(keys: &[&str]) -> ResponseTemplate {
        let messages: Vec<Value> = keys
            .iter()
            .map(|key| {
                json!({"ts": "1.5", "metadata": {"event_type": "oar_notification", "event_payload": {"key": key}}})
            })
            .collect();
        ok(json!({"ok": true, "messages": messages}))
    }

    fn sent() -> ResponseTemplate {
        ok(json!({"ok": true, "channel": "C0AAA", "ts": "1.5"}))
    }

    fn refused(code: &str) -> ResponseTemplate {
        ok(json!({"ok": false, "error": code}))
    }

    /// Delivers to a Slack that answers posts and look-ups in this order (the last answer repeats); returns
    /// the outcome and the number of requests of each.
    async fn run(
        posts: Vec<ResponseTemplate>,
        looks: Vec<ResponseTemplate>,
        earlier: PreviousSend,
    ) -> (Delivery, usize, usize) {
        let server = MockServer::start().await;
        for (name, answers) in [("/chat.postMessage", posts), ("/conversations.history", looks)] {
            let last = answers.len().saturating_sub(1);
            for (index, answer) in answers.into_iter().enumerate() {
                let mock = Mock::given(path(name)).respond_with(answer);
                let mock = if index == last { mock } else { mock.up_to_n_times(1) };
                mock.mount(&server).await;
            }
        }
        let clock = Clock::new(Arc::new(NoWaiting));
        let http = Http::new(HttpSettings::default(), clock.clone(), Redactor::default()).unwrap();
        let slack = SlackClient::new(http, base(&server, ""), Some("t0ken".into()));
        let permit = permit();
        let delivery = deliver(&slack, &clock, &message(), earlier, &permit).await;
        let requests = server.received_requests().await.unwrap();
        let count = |name: &str| requests.iter().filter(|request| request.url.path() == name).count();
        (delivery, count("/chat.postMessage"), count("/conversations.history"))
    }

    fn place() -> Posted {
        Posted { channel: "C0AAA".into(), ts: "1.5".into() }
    }

    fn perhaps() -> PreviousSend {
        PreviousSend::PerhapsSince("2026-07-01T09:00:00Z".parse().unwrap())
    }

    #[tokio::test]
    async fn a_new_message_is_sent_without_a_look() {
        assert_eq!(run(vec![sent()], vec![], PreviousSend::NotSent).await, (Delivery::Sent(place()), 1, 0));
    }

    #[tokio::test]
    async fn a_message_of_an_earlier_run_is_not_sent_again() {
        let looks = vec![history(&["other", "4.19.1/t/x"])];
        assert_eq!(run(vec![], looks, perhaps()).await, (Delivery::AlreadySent(place()), 0, 1));
        let looks = vec![history(&["other"])];
        assert_eq!(run(vec![sent()], looks, perhaps()).await, (Delivery::Sent(place()), 1, 1));
        let (delivery, posts, _) = run(vec![sent()], vec![refused("missing_scope")], perhaps()).await;
        assert!(
            matches!(&delivery, Delivery::Unclear(reason) if reason.contains("missing_scope")),
            "{delivery}"
        );
        assert_eq!(posts, 0);
    }

    #[tokio::test]
    async fn a_post_without_an_answer_is_looked_for() {
        let lost = || ResponseTemplate::new(502);
        let outcome = run(vec![lost()], vec![history(&["4.19.1/t/x"])], PreviousSend::NotSent).await;
        assert_eq!(outcome, (Delivery::Sent(place()), 1, 1));
        let outcome = run(vec![lost(), sent()], vec![history(&[])], PreviousSend::NotSent).await;
        assert_eq!(outcome, (Delivery::Sent(place()), 2, 1));
        let (delivery, posts, _) = run(vec![lost()], vec![history(&[])], PreviousSend::NotSent).await;
        assert!(matches!(delivery, Delivery::Pending(_)), "{delivery}");
        assert_eq!(posts, 2);
        let (delivery, posts, _) =
            run(vec![lost()], vec![refused("missing_scope")], PreviousSend::NotSent).await;
        assert!(matches!(delivery, Delivery::Unclear(_)), "{delivery}");
        assert_eq!(posts, 1);
    }

    #[tokio::test]
    async fn a_message_whose_thread_is_gone_goes_to_the_channel() {
        let server = MockServer::start().await;
        Mock::given(wiremock::matchers::body_partial_json(json!({"thread_ts": "1.2"})))
            .respond_with(refused("thread_not_found"))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(path("/chat.postMessage")).respond_with(sent()).expect(1).mount(&server).await;
        let clock = Clock::new(Arc::new(NoWaiting));
        let http = Http::new(HttpSettings::default(), clock.clone(), Redactor::default()).unwrap();
        let slack = SlackClient::new(http, base(&server, ""), Some("t0ken".into()));
        let permit = permit();
        let message = Message { broadcast: true, ..message().in_thread("1.2") };
        let delivery = deliver(&slack, &clock, &message, PreviousSend::NotSent, &permit).await;
        assert_eq!(delivery, Delivery::Sent(place()));
    }

    #[tokio::test]
    async fn a_message_is_sent_without_what_slack_refuses_of_it() {
        for code in THREAD_REFUSALS.into_iter().chain(BLOCK_REFUSALS) {
            let server = MockServer::start().await;
            let refused_part = if BLOCK_REFUSALS.contains(&code) { "blocks" } else { "thread_ts" };
            let has_part = move |request: &wiremock::Request| {
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                body.get(refused_part).is_some()
            };
            Mock::given(has_part).respond_with(refused(code)).expect(1).mount(&server).await;
            Mock::given(path("/chat.postMessage")).respond_with(sent()).expect(1).mount(&server).await;
            let clock = Clock::new(Arc::new(NoWaiting));
            let http = Http::new(HttpSettings::default(), clock.clone(), Redactor::default()).unwrap();
            let slack = SlackClient::new(http, base(&server, ""), Some("t0ken".into()));
            let permit = permit();
            let blocks = vec![crate::clients::slack::Block::Section("x".into())];
            let message = Message { blocks, ..message().in_thread("1.2") };
            let delivery = deliver(&slack, &clock, &message, PreviousSend::NotSent, &permit).await;
            assert_eq!(delivery, Delivery::Sent(place()), "{code}");
        }
    }

    #[tokio::test]
    async fn a_refused_message_stays_pending_with_its_reason_and_advice() {
        let (delivery, posts, looks) =
            run(vec![refused("not_in_channel")], vec![], PreviousSend::NotSent).await;
        assert_eq!((posts, looks), (1, 0));
        let words = delivery.to_string();
        assert!(words.starts_with("not sent: ") && words.contains("/invite"), "{words}");
    }

    #[tokio::test]
    async fn a_failed_look_up_costs_only_the_mention() {
        let server = MockServer::start().await;
        Mock::given(wiremock::matchers::any()).respond_with(refused("missing_scope")).mount(&server).await;
        let slack = SlackClient::new(http(5), base(&server, ""), Some("t0ken".into()));
        assert_eq!(group_mention(&slack, "demo-leads").await, GroupMention::Handle("demo-leads".into()));
        assert_eq!(person(&slack, "demo@example.com").await, None);
    }
}
