//! Who may give the Slack bot which commands: the section `slack_bot.permissions` of the configuration document.

use super::document::Document;
use super::error::ConfigError;
use super::keys::{self, Key};

/// The groups of one channel, by handle without `@`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelGroups {
    /// The channel: its id, or its name without `#`.
    pub channel: String,
    /// Whose members may read.
    pub read: Vec<String>,
    /// Whose members may write.
    pub write: Vec<String>,
    /// Whose members may give critical commands.
    pub critical: Vec<String>,
}

impl Document {
    /// Which groups may do what in which channel; a channel that is not named is none of the bot's.
    ///
    /// # Errors
    ///
    /// A value is no list of groups.
    pub fn slack_bot_permissions(&self) -> Result<Vec<ChannelGroups>, ConfigError> {
        let channels = self.names(&["slack_bot", "permissions"]);
        channels.into_iter().map(|channel| self.channel_groups(channel)).collect()
    }

    fn channel_groups(&self, channel: &str) -> Result<ChannelGroups, ConfigError> {
        let groups = |key: &Key| -> Result<Vec<String>, ConfigError> {
            let text = self.checked(key, &[channel])?;
            Ok(text.into_iter().flat_map(split).map(str::to_owned).collect())
        };
        Ok(ChannelGroups {
            channel: channel.trim_start_matches('#').to_owned(),
            read: groups(&keys::BOT_READERS)?,
            write: groups(&keys::BOT_WRITERS)?,
            critical: groups(&keys::BOT_CRITICAL)?,
        })
    }
}

/// The handles of a value.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_read_by_channel_and_level() {
        let document = json!({"slack_bot": {"permissions": {
            "#team-qe-release-demo": {"read": "qe-demo, art-team-demo", "critical": "demo-leads-4-19"},
            "C0AAA": {},
        }}});
        let document = Document::parse(&document.to_string()).unwrap();
        let expected = ChannelGroups {
            channel: "team-qe-release-demo".into(),
            read: vec!["qe-demo".into(), "art-team-demo".into()],
            write: vec![],
            critical: vec!["demo-leads-4-19".into()],
        };
        let nobody = ChannelGroups { channel: "C0AAA".into(), ..ChannelGroups::default() };
        assert_eq!(document.slack_bot_permissions().unwrap(), [expected, nobody]);
        assert_eq!(Document::default().slack_bot_permissions().unwrap(), []);
    }

    #[test]
    fn what_is_no_list_of_groups_is_refused() {
        for bad in [json!("@leads"), json!("a,,b"), json!("everyone here"), json!(true), json!("")] {
            let document = json!({"slack_bot": {"permissions": {"releases": {"write": bad}}}});
            let document = Document::parse(&document.to_string()).unwrap();
            let error = document.slack_bot_permissions().unwrap_err().to_string();
            assert!(error.contains("`slack_bot.permissions.releases.write`"), "{error}");
        }
    }
}
