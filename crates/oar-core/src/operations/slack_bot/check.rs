//! What can be checked before the bot listens: `--dry-run`.

use serde::Serialize;

use super::bot::SlackBot;
use crate::config::{ConfigError, check_section};
use crate::error::{Classified as _, ErrorClass, ServiceErrorKind};
use crate::failures::Failures;
use crate::operators::doctor::{ScopeNeed, add_missing_scopes, channel_problem, class_of_named};

/// The section of the configuration document.
const SECTION: &str = "slack_bot";
/// What the bot's token has to allow, and what for.
const SCOPES: [ScopeNeed; 9] = [
    ("chat:write", "answers"),
    ("reactions:write", "the sign that a command was seen"),
    ("files:write", "long output"),
    ("usergroups:read", "who may give commands"),
    ("users:read", "who gave a command"),
    ("users:read.email", "the addresses of people in commands"),
    ("channels:read", "the names of channels"),
    ("channels:history", "messages, and what was written while no bot worked"),
    ("app_mentions:read", "mentions of the bot"),
];
/// The same for private channels.
const PRIVATE_SCOPES: [ScopeNeed; 2] =
    [("groups:read", "the names of private channels"), ("groups:history", "messages in private channels")];

/// What can be said before anything is done.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// The channels in which somebody may give commands, as far as the bot can answer there.
    pub channels: Vec<String>,
    /// What is not right, each with its next step.
    pub problems: Failures,
    /// Commands that did not end; none when it is not known.
    pub interrupted: Option<usize>,
}

impl SlackBot {
    /// Checks everything that can be checked without a socket, which would take events away from the replica that works.
    ///
    /// # Errors
    ///
    /// Something is not configured.
    pub async fn check(&self) -> Result<Readiness, ConfigError> {
        let mut problems = Failures::default();
        for problem in check_section(self.clients.settings().document()?, SECTION) {
            let hint = "Correct it in the configuration document.".to_owned();
            let text = format!("`{}` {}", problem.path, problem.message);
            problems.add_words(text, ErrorClass::Configuration, Some(hint));
        }
        if let Err(error) = self.clients.slack_sockets()?.check().await {
            problems.add(&error);
        }
        let (channels, has_private) = self.check_channels(&mut problems).await;
        self.check_scopes(has_private, &mut problems).await;
        self.check_groups(&mut problems).await;
        let interrupted = match self.desk.tools.notebook.read().await {
            Ok(memory) => Some(memory.interrupted(&self.desk.instance()).len()),
            Err(error) => {
                problems.add(&error);
                None
            }
        };
        Ok(Readiness { channels, problems, interrupted })
    }

    /// The channels in which the bot hears and answers, and whether one of all is private.
    async fn check_channels(&self, problems: &mut Failures) -> (Vec<String>, bool) {
        let (mut answered, mut has_private) = (Vec::new(), false);
        for channel in self.desk.permissions.channels() {
            let standing = match self.desk.tools.slack.standing_in(channel).await {
                Ok(standing) => standing,
                Err(error) => {
                    problems.add_words(error.to_string(), class_of_named(&error), error.hint());
                    continue;
                }
            };
            has_private |= standing.is_private;
            let Some((text, hint)) = channel_problem(standing, "`slack_bot.permissions`") else {
                answered.push(channel.to_owned());
                continue;
            };
            let text = format!("the channel {channel} {text}, so nothing is answered there");
            problems.add_words(text, ErrorClass::Configuration, Some(hint));
        }
        (answered, has_private)
    }

    async fn check_scopes(&self, has_private: bool, problems: &mut Failures) {
        let scopes = match self.desk.tools.slack.scopes().await {
            Ok(Some(scopes)) => scopes,
            Ok(None) => return,
            Err(error) => return problems.add(&error),
        };
        let private = PRIVATE_SCOPES.iter().filter(|_| has_private);
        add_missing_scopes(&scopes, SCOPES.iter().chain(private), problems);
    }

    async fn check_groups(&self, problems: &mut Failures) {
        for group in self.desk.permissions.all_groups() {
            let Err(error) = self.desk.tools.slack.group_members(group).await else { continue };
            let text = format!("the members of @{group} are not known, so they may do nothing: {error}");
            let hint = if error.kind == ServiceErrorKind::NotFound {
                Some(
                    "Correct the handle under `slack_bot.permissions` in the configuration document."
                        .to_owned(),
                )
            } else {
                error.hint()
            };
            problems.add_words(text, class_of_named(&error), hint);
        }
    }
}
