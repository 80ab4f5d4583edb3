//! Slack: the tokens and their scopes, the channels, the user groups. The Slack bot's own check uses it too.

use super::{Examination, Finding, Subject};
use crate::clients::slack::{ChannelStanding, SlackClient};
use crate::config::{Credential, Document, SlackTeam};
use crate::error::{Classified as _, ErrorClass, ServiceError, ServiceErrorKind};
use crate::failures::Failures;

pub(super) const TOKEN: &str = "slack-token";
pub(super) const CHANNELS: &str = "slack-channels";
pub(super) const GROUPS: &str = "slack-groups";
pub(super) const APP_TOKEN: &str = "slack-app-token";
pub(super) const BOT_SCOPES: &str = "slack-bot-scopes";

/// A scope of the bot's token, and what it is for.
pub type ScopeNeed = (&'static str, &'static str);

/// What messages need (spec 03 §8.1).
const SCOPES: [ScopeNeed; 6] = [
    ("chat:write", "messages"),
    ("users:read", "mentions of people"),
    ("users:read.email", "mentions of people"),
    ("usergroups:read", "mentions of groups"),
    ("channels:read", "the ids of channels"),
    ("channels:history", "finding a message that may have been sent"),
];
/// The same in private channels.
const PRIVATE_SCOPES: [ScopeNeed; 2] = [
    ("groups:read", "the ids of private channels"),
    ("groups:history", "finding a message in a private channel"),
];
/// What the bot that takes commands needs beside [`SCOPES`]; its own check (`oarctl slack-bot --dry-run`) says more.
const BOT_ONLY: [ScopeNeed; 3] = [
    ("app_mentions:read", "mentions of the bot"),
    ("reactions:write", "the sign that a command was seen"),
    ("files:write", "long output"),
];
/// The teams to whose channels messages go.
const TEAMS: [SlackTeam; 4] = [SlackTeam::QeRelease, SlackTeam::Art, SlackTeam::Approver, SlackTeam::QeForum];

/// Adds each of `wanted` that is not in `scopes` to `problems`.
pub fn add_missing_scopes<'a>(
    scopes: &[String],
    wanted: impl IntoIterator<Item = &'a ScopeNeed>,
    problems: &mut Failures,
) {
    for (scope, purpose) in lacking(scopes, wanted) {
        let text = format!("SLACK_BOT_TOKEN lacks the scope `{scope}`: {purpose}");
        problems.add_words(text, ErrorClass::Configuration, Some(give(scope)));
    }
}

fn lacking<'a>(scopes: &[String], wanted: impl IntoIterator<Item = &'a ScopeNeed>) -> Vec<ScopeNeed> {
    wanted.into_iter().filter(|(scope, _)| !scopes.iter().any(|given| given == scope)).copied().collect()
}

fn give(scope: &str) -> String {
    format!("Give the Slack app the scope `{scope}` and install it again.")
}

/// What is wrong with a channel for a bot that is to write there, and the next step.
pub fn channel_problem(standing: ChannelStanding, place: &str) -> Option<(&'static str, String)> {
    if standing.is_archived {
        Some(("is archived", format!("Remove it from {place} in the configuration document.")))
    } else if !standing.is_member {
        let invite = "Invite it there: /invite followed by the bot's name.";
        Some(("does not have the bot as a member", invite.to_owned()))
    } else {
        None
    }
}

/// The class of a failed look-up of something that the configuration document names: what is not there is a mistake in it.
pub fn class_of_named(error: &ServiceError) -> ErrorClass {
    match error.kind {
        ServiceErrorKind::NotFound => ErrorClass::Configuration,
        _ => error.class(),
    }
}

/// The token, the channels and the groups.
pub(super) async fn check(at: &Examination<'_>) -> Vec<Finding> {
    let closed = |check| Finding::unknown(check, "not looked at without a token", "");
    let unopened = |check| Finding::unknown(check, "the configuration document is not open", "");
    let slack = match at.clients.slack() {
        Ok(slack) => slack,
        Err(error) => return vec![Finding::of_error(TOKEN, &error), closed(CHANNELS), closed(GROUPS)],
    };
    let scopes = match slack.scopes().await {
        Ok(scopes) => scopes,
        Err(error) => return vec![Finding::of_error(TOKEN, &error), closed(CHANNELS), closed(GROUPS)],
    };
    let Ok(document) = at.clients.settings().document() else {
        return vec![of_token(scopes.as_deref(), false), unopened(CHANNELS), unopened(GROUPS)];
    };
    let ((channels, has_private), groups) =
        tokio::join!(channels(&slack, document), groups(at, &slack, document));
    vec![of_token(scopes.as_deref(), has_private), channels, groups]
}

fn of_token(scopes: Option<&[String]>, has_private: bool) -> Finding {
    let private = PRIVATE_SCOPES.iter().filter(|_| has_private);
    let wanted = SCOPES.iter().chain(private);
    of_scopes(TOKEN, scopes, wanted, "with the scopes that messages need; Slack tells no expiry")
}

fn of_scopes<'a>(
    check: &'static str,
    scopes: Option<&[String]>,
    wanted: impl IntoIterator<Item = &'a ScopeNeed>,
    good: &str,
) -> Finding {
    let Some(scopes) = scopes else {
        return Finding::untold(check, "accepted; Slack does not name its scopes", "");
    };
    let lacking = lacking(scopes, wanted);
    if lacking.is_empty() {
        return Finding::ok(check, format!("accepted, {good}"));
    }
    let names = lacking.iter().map(|(scope, _)| format!("`{scope}`")).collect::<Vec<_>>().join(", ");
    let next = format!("Give the Slack app these scopes and install it again: {names}");
    Finding::missing(check, format!("accepted, but it lacks the scopes {names}"), next)
}

/// The scopes of the bot that takes commands.
pub(super) async fn bot_scopes(at: &Examination<'_>) -> Vec<Finding> {
    let finding = match at.clients.slack() {
        Ok(slack) => match slack.scopes().await {
            Ok(scopes) => {
                let good = "with the scopes that the bot needs beside those of messages";
                of_scopes(BOT_SCOPES, scopes.as_deref(), &BOT_ONLY, good)
            }
            Err(error) => Finding::of_error(BOT_SCOPES, &error),
        },
        Err(_) => Finding::unknown(BOT_SCOPES, "not looked at without a token", ""),
    };
    vec![finding.optional()]
}

/// Whether the bot may write in each channel of the document; whether one of them is private.
async fn channels(slack: &SlackClient, document: &Document) -> (Finding, bool) {
    let mut names = Vec::new();
    for team in TEAMS {
        match document.slack_channel(team) {
            Ok(channel) if !names.contains(&channel) => names.push(channel),
            Ok(_) => {}
            Err(error) => return (Finding::of_error(CHANNELS, &error), false),
        }
    }
    let (mut has_private, mut worst) = (false, None::<Finding>);
    // One after the other: the names of channels are found in the same list, which is kept.
    for channel in &names {
        let finding = match slack.standing_in(channel).await {
            Ok(standing) => {
                has_private |= standing.is_private;
                let Some((words, next)) = channel_problem(standing, "contacts.slack") else { continue };
                Finding::missing(CHANNELS, format!("{channel} {words}"), next)
            }
            Err(error) => Finding::of_named(CHANNELS, &error),
        };
        worst = Some(match worst {
            None => finding,
            Some(worst) => worst.beside(finding),
        });
    }
    let found = worst.unwrap_or_else(|| Finding::ok(CHANNELS, format!("the bot is in {}", names.join(", "))));
    (found, has_private)
}

/// Whether the groups that messages mention exist.
async fn groups(at: &Examination<'_>, slack: &SlackClient, document: &Document) -> Finding {
    let mut handles = vec![document.art_group(), document.doc_approvers()];
    if let Subject::Release(release) = at.subject {
        handles.push(document.release_leads(release.y_stream()));
    } else {
        let streams = at.clients.settings().versions().streams();
        handles.extend(streams.iter().map(|stream| document.release_leads(*stream)));
    }
    let (mut count, mut worst) = (0, None::<Finding>);
    for handle in handles {
        let finding = match handle {
            Err(error) => Finding::of_error(GROUPS, &error),
            Ok(handle) => match slack.usergroup_id(handle).await {
                Ok(_) => {
                    count += 1;
                    continue;
                }
                Err(error) => Finding::of_named(GROUPS, &error),
            },
        };
        worst = Some(match worst {
            None => finding,
            Some(worst) => worst.beside(finding),
        });
    }
    worst.unwrap_or_else(|| Finding::ok(GROUPS, format!("the {count} groups that messages mention exist")))
}

/// The token of the sockets. It can be tried only by opening one, which would take events away from a bot that works.
pub(super) fn app_token(at: &Examination<'_>) -> Vec<Finding> {
    let token = at.clients.settings().credentials().require(Credential::SlackAppToken);
    vec![
        match token {
            Ok(_) => Finding::untold(
                APP_TOKEN,
                "SLACK_APP_TOKEN is set; only asking for a socket shows whether it is good",
                "oarctl slack-bot --dry-run",
            ),
            Err(error) => Finding::of_error(APP_TOKEN, &error),
        }
        .optional(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::FindingVerdict;
    use super::*;

    #[test]
    fn a_token_must_have_every_scope_and_more_for_private_channels() {
        let all: Vec<String> = SCOPES.iter().map(|(scope, _)| (*scope).to_owned()).collect();
        assert_eq!(of_token(Some(&all), false).verdict, FindingVerdict::Ok);
        let private = of_token(Some(&all), true);
        assert_eq!(private.verdict, FindingVerdict::Missing);
        assert!(private.text.contains("`groups:read`, `groups:history`"), "{}", private.text);
        assert_eq!(of_token(None, false).verdict, FindingVerdict::Unknown);
        let mut problems = Failures::default();
        add_missing_scopes(&all[1..], &SCOPES, &mut problems);
        assert_eq!(problems.texts(), ["SLACK_BOT_TOKEN lacks the scope `chat:write`: messages"]);
        assert!(problems.hint().unwrap().contains("`chat:write`"));
    }

    #[test]
    fn a_channel_without_the_bot_or_closed_is_a_problem() {
        let standing = |is_member, is_archived| ChannelStanding { is_member, is_private: false, is_archived };
        assert!(channel_problem(standing(true, false), "x").is_none());
        assert!(channel_problem(standing(false, false), "x").unwrap().1.contains("/invite"));
        assert!(channel_problem(standing(true, true), "`y`").unwrap().1.contains("`y`"));
    }
}
