//! Resolves mentions of people and groups that could not be looked up when a message was composed.

use super::outbox::with_hint;
use super::{Message, escape};
use crate::clients::slack::{Block, SlackClient, UnresolvedMention};
use crate::error::{Classified, ErrorClass, ServiceError};

/// Why a message cannot be sent now: its recipients cannot be looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unresolved(pub(super) String);

/// The message with its unresolved mentions resolved. Someone whom Slack does not know, or whom the bot may
/// not look up, is named as text. An outage is an error, because the message would notify nobody.
pub(super) async fn resolved(slack: &SlackClient, message: &Message) -> Result<Message, Unresolved> {
    let mut message = message.clone();
    let mut unasked = UnresolvedMention::within(&message.text);
    unasked.extend(message.blocks.iter().flat_map(|block| UnresolvedMention::within(words(block))));
    for (place, who) in unasked {
        if !message.text.contains(&place) && !message.blocks.iter().any(|block| words(block).contains(&place))
        {
            continue;
        }
        let mention = mention(slack, &who).await?;
        message.text = message.text.replace(&place, &mention);
        for block in &mut message.blocks {
            let text = words(block).replace(&place, &mention);
            *block = match block {
                Block::Header(_) => Block::Header(text),
                Block::Section(_) => Block::Section(text),
                Block::Context(_) => Block::Context(text),
                // Buttons have plain text, which mentions nobody.
                Block::Buttons(_) => continue,
            };
        }
    }
    Ok(message)
}

fn words(block: &Block) -> &str {
    match block {
        Block::Header(text) | Block::Section(text) | Block::Context(text) => text,
        Block::Buttons(_) => "",
    }
}

async fn mention(slack: &SlackClient, who: &UnresolvedMention) -> Result<String, Unresolved> {
    let (found, name) = match who {
        UnresolvedMention::Group(handle) => {
            (slack.usergroup_id(handle).await.map(|id| Some(id.to_string())), format!("@{}", escape(handle)))
        }
        UnresolvedMention::Person(login) => {
            let found = slack.user_id_by_login(login).await;
            (found.map(|user| user.map(|user| user.to_string())), escape(login))
        }
    };
    match found {
        Ok(mention) => Ok(mention.unwrap_or(name)),
        Err(error) if is_outage(&error) => Err(Unresolved(with_hint(&error))),
        Err(error) => {
            tracing::warn!("{name} is named without a notification: {}", with_hint(&error));
            Ok(name)
        }
    }
}

fn is_outage(error: &ServiceError) -> bool {
    error.class() == ErrorClass::Unavailable
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use wiremock::matchers::{path, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::clients::testing::{base, http, ok};
    use crate::notify::GroupMention;
    use crate::notify::outbox::{group_mention, person};

    fn client(server: &MockServer) -> SlackClient {
        SlackClient::new(http(1), base(server, ""), Some("t0ken".into()))
            .of_domain(Some("example.com".into()))
    }

    async fn answer(server: &MockServer, method: &str, status: u16, body: Value) {
        Mock::given(path(method))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(server)
            .await;
    }

    fn composed(group: &GroupMention, user: &str) -> Message {
        let text = format!("for {group}: {user} and {user}");
        let blocks = vec![Block::Header("4.19.1".into()), Block::Section(text.clone())];
        Message { blocks, ..Message::new("k", "#c", text) }
    }

    #[tokio::test]
    async fn who_was_composed_while_slack_was_down_is_mentioned_when_it_answers() {
        let down = MockServer::start().await;
        answer(&down, "/usergroups.list", 503, json!({})).await;
        answer(&down, "/users.lookupByEmail", 503, json!({})).await;
        let slack = client(&down);
        let group = group_mention(&slack, "demo-leads").await;
        let user = person(&slack, "demo-lead@example.com").await.unwrap().to_string();
        assert_eq!(person(&slack, "demo-lead@example.org").await, None, "another organisation's address");
        let message = composed(&group, &user);
        assert!(!message.text.contains("example.com"), "{message:?}");
        assert!(matches!(resolved(&slack, &message).await, Err(Unresolved(_))), "it waits");

        let up = MockServer::start().await;
        let groups =
            json!({"ok": true, "usergroups": [{"id": "S0AAA", "handle": "demo-leads"}, {"handle": null}]});
        answer(&up, "/usergroups.list", 200, groups).await;
        Mock::given(path("/users.lookupByEmail"))
            .and(query_param("email", "demo-lead@example.com"))
            .respond_with(ok(json!({"ok": true, "user": {"id": "U0AAA"}})))
            .expect(1)
            .mount(&up)
            .await;
        let sent = resolved(&client(&up), &message).await.unwrap();
        let text = "for <!subteam^S0AAA>: <@U0AAA> and <@U0AAA>";
        assert_eq!(sent.text, text);
        assert_eq!(sent.blocks, [Block::Header("4.19.1".into()), Block::Section(text.into())]);
    }

    #[tokio::test]
    async fn whom_slack_does_not_know_or_show_is_named() {
        let server = MockServer::start().await;
        answer(&server, "/usergroups.list", 200, json!({"ok": false, "error": "missing_scope"})).await;
        answer(&server, "/users.lookupByEmail", 200, json!({"ok": false, "error": "users_not_found"})).await;
        let message = composed(&GroupMention::Handle("demo-leads".into()), "<@demo-lead@>");
        let sent = resolved(&client(&server), &message).await.unwrap();
        assert_eq!(sent.text, "for @demo-leads: demo-lead and demo-lead");
    }
}
