//! What the engine tells people of a release: one thread, and in it each question once.

use super::Message;
use crate::clients::slack::escape;
use crate::version::ReleaseVersion;

/// How much of a question is shown, in characters.
const LONGEST: usize = 600;

/// The first message of a release's thread.
#[derive(Debug, Clone, Copy)]
pub struct DriveThread<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
}

impl DriveThread<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let release = self.release;
        Message::new(
            format!("{release}/drive/thread"),
            channel,
            format!(
                "Release {release} is driven automatically. What waits for a person is said in this thread; \
                 `oar -r {release} drive` shows the whole plan."
            ),
        )
    }
}

/// Something that waits for a person.
#[derive(Debug, Clone)]
pub struct Open {
    /// Who, as a mention or in words.
    pub who: String,
    /// The steps that wait for it.
    pub steps: Vec<String>,
    /// What is asked.
    pub question: String,
    /// The answers.
    pub choices: Vec<String>,
    /// The command that answers.
    pub command: Option<String>,
}

/// The questions that are new.
#[derive(Debug, Clone)]
pub struct OpenQuestions<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// Identifies them.
    pub key: &'a str,
    /// The questions.
    pub open: &'a [Open],
}

impl OpenQuestions<'_> {
    /// The message.
    pub fn message(&self, channel: &str) -> Message {
        let mut lines = Vec::new();
        for Open { who, steps, question, choices, command } in self.open {
            let question: String = question.chars().take(LONGEST).collect();
            let choices = match choices.join(" / ") {
                none if none.is_empty() => none,
                choices => format!(" ({})", escape(&choices)),
            };
            let command =
                command.as_ref().map(|command| format!("\n`{}`", escape(command))).unwrap_or_default();
            let steps = escape(&steps.join(", "));
            lines.push(format!("{who} *{steps}*: {}{choices}{command}", escape(&question)));
        }
        let text = format!("{}: waits for people\n{}", self.release, lines.join("\n"));
        Message::new(format!("{}/drive/{}", self.release, self.key), channel, text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_who_what_and_the_command() {
        let release = "4.19.1".parse().unwrap();
        let open = [
            Open {
                who: "<!subteam^S0AAA>".to_owned(),
                steps: vec!["stage-testing".to_owned(), "image-consistency-check".to_owned()],
                question: "it can be run now: run it? <b>".to_owned(),
                choices: vec!["yes".to_owned(), "not yet".to_owned()],
                command: Some("oar -r 4.19.1 stage-testing".to_owned()),
            },
            Open {
                who: "ART".to_owned(),
                steps: vec!["promotion".to_owned()],
                question: "the release is Rejected".to_owned(),
                choices: Vec::new(),
                command: None,
            },
        ];
        let message = OpenQuestions { release: &release, key: "ab12", open: &open }.message("#x");
        assert_eq!(message.key, "4.19.1/drive/ab12");
        insta::assert_snapshot!(message.text, @r"
        4.19.1: waits for people
        <!subteam^S0AAA> *stage-testing, image-consistency-check*: it can be run now: run it? &lt;b&gt; (yes / not yet)
        `oar -r 4.19.1 stage-testing`
        ART *promotion*: the release is Rejected
        ");
        let thread = DriveThread { release: &release }.message("#x");
        assert_eq!(thread.key, "4.19.1/drive/thread");
        assert!(thread.text.contains("`oar -r 4.19.1 drive`"), "{}", thread.text);
    }
}
