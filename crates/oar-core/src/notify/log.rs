//! A command's log for the Slack thread in which it was requested (spec 03 §8.6).

use super::Message;
use super::split::{TEXT_LIMIT, code_block, split};
use crate::version::ReleaseVersion;

/// The most messages of a log; of a longer log the middle is left out.
const PARTS: usize = 20;

/// The log of a command.
#[derive(Debug, Clone)]
pub struct CommandLog<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The task, such as `change-advisory-status`.
    pub task: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// The captured log, without secrets and addresses.
    pub log: &'a str,
}

impl CommandLog<'_> {
    /// The messages to the thread, in order: code blocks that together contain the log. Empty for an empty
    /// log.
    pub fn messages(&self, channel: &str, thread: &str) -> Vec<Message> {
        if self.log.trim().is_empty() {
            return Vec::new();
        }
        let mut parts = split(&code_block(self.log), TEXT_LIMIT);
        if parts.len() > PARTS {
            let tail = parts.split_off(parts.len() - PARTS / 2);
            let left_out = parts.len() - PARTS / 2;
            parts.truncate(PARTS / 2);
            parts.push(format!("… {left_out} parts of the log are left out …"));
            parts.extend(tail);
        }
        let part = |(index, text): (usize, String)| {
            let key = format!("{}/{}/log/{}/{}", self.release, self.task, self.run, index + 1);
            Message::new(key, channel, text).in_thread(thread)
        };
        parts.into_iter().enumerate().map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(log: &str) -> Vec<Message> {
        let release = "4.19.1".parse().unwrap();
        CommandLog { release: &release, task: "change-advisory-status", run: "r1", log }
            .messages("C0AAA", "1.5")
    }

    #[test]
    fn a_log_is_a_code_block_in_its_thread() {
        let [message] = &messages("2026-07-01T10:00:00Z: INFO: a <b>\nnext\n")[..] else {
            panic!("one part")
        };
        insta::assert_snapshot!(message.text, @r"
        ```
        2026-07-01T10:00:00Z: INFO: a &lt;b&gt;
        next
        ```
        ");
        assert_eq!(message.key, "4.19.1/change-advisory-status/log/r1/1");
        assert_eq!((message.channel.as_str(), message.thread.as_deref()), ("C0AAA", Some("1.5")));
        assert!(messages(" \n").is_empty());
    }

    #[test]
    fn a_long_log_comes_in_code_blocks_and_a_very_long_one_without_its_middle() {
        let lines: Vec<String> =
            (0..300).map(|line| format!("line {line} of the log, with some words\n")).collect();
        let log = lines.concat();
        let parts = messages(&log);
        assert!(parts.len() > 1);
        assert!(parts.iter().all(|part| part.text.starts_with("```\n") && part.text.ends_with("\n```")));
        let parts = messages(&log.repeat(30));
        assert_eq!(parts.len(), PARTS + 1);
        assert!(parts[PARTS / 2].text.contains("are left out"));
        assert!(parts[PARTS].text.contains("line 299 of the log"));
    }
}
