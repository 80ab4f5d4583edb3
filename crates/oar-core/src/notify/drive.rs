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
    /// The commands that answer.
    pub commands: Vec<String>,
}

/// Why a question is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// It is new.
    New,
    /// Nobody has answered it in time.
    Again,
}

/// A question to people.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// Identifies it.
    pub key: &'a str,
    /// Why it is told.
    pub telling: Telling,
    /// The question.
    pub open: &'a Open,
}

impl Question<'_> {
    /// The message.
    pub fn message(&self, channel: &str) -> Message {
        let begin = match self.telling {
            Telling::New => "waits for people",
            Telling::Again => "still waits for people, and its time is over",
        };
        let text = format!("{}: {begin}\n{}", self.release, self.open.line());
        Message::new(format!("{}/drive/{}", self.release, self.key), channel, text)
    }
}

/// What stands open in a release, said on the morning of a working day.
#[derive(Debug, Clone, Copy)]
pub struct MorningSummary<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// Identifies it.
    pub key: &'a str,
    /// What waits for people.
    pub open: &'a [Open],
    /// The tasks that have passed since the last summary was due.
    pub passed: &'a [String],
}

impl MorningSummary<'_> {
    /// The message.
    pub fn message(&self, channel: &str) -> Message {
        let mut lines = vec![format!("{}: still waits for people", self.release)];
        lines.extend(self.open.iter().map(Open::line));
        if !self.passed.is_empty() {
            lines.push(format!("Passed since the last working morning: {}", escape(&self.passed.join(", "))));
        }
        Message::new(format!("{}/drive/{}", self.release, self.key), channel, lines.join("\n"))
    }
}

impl Open {
    fn line(&self) -> String {
        let Self { who, steps, question, choices, commands } = self;
        let question: String = question.chars().take(LONGEST).collect();
        let choices = match choices.join(" / ") {
            none if none.is_empty() => none,
            choices => format!(" ({})", escape(&choices)),
        };
        let mut line = format!("{who} *{}*: {}{choices}", escape(&steps.join(", ")), escape(&question));
        for command in commands {
            line.push_str("\n`");
            line.push_str(&escape(command));
            line.push('`');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open() -> [Open; 2] {
        [
            Open {
                who: "<!subteam^S0AAA>".to_owned(),
                steps: vec!["stage-testing".to_owned(), "image-consistency-check".to_owned()],
                question: "it can be run now: run it? <b>".to_owned(),
                choices: vec!["yes".to_owned(), "not yet".to_owned()],
                commands: vec!["oar -r 4.19.1 stage-testing".to_owned()],
            },
            Open {
                who: "ART".to_owned(),
                steps: vec!["promotion".to_owned()],
                question: "the release is Rejected".to_owned(),
                choices: Vec::new(),
                commands: Vec::new(),
            },
        ]
    }

    #[test]
    fn a_question_names_who_what_and_the_command() {
        let release = "4.19.1".parse().unwrap();
        let [first, second] = open();
        let question = Question { release: &release, key: "ab12", telling: Telling::New, open: &first };
        let message = question.message("#x");
        assert_eq!(message.key, "4.19.1/drive/ab12");
        insta::assert_snapshot!(message.text, @r"
        4.19.1: waits for people
        <!subteam^S0AAA> *stage-testing, image-consistency-check*: it can be run now: run it? &lt;b&gt; (yes / not yet)
        `oar -r 4.19.1 stage-testing`
        ");
        let again = Question { telling: Telling::Again, open: &second, ..question }.message("#x");
        insta::assert_snapshot!(again.text, @r"
        4.19.1: still waits for people, and its time is over
        ART *promotion*: the release is Rejected
        ");
        let thread = DriveThread { release: &release }.message("#x");
        assert_eq!(thread.key, "4.19.1/drive/thread");
        assert!(thread.text.contains("`oar -r 4.19.1 drive`"), "{}", thread.text);
    }

    #[test]
    fn a_summary_keeps_what_people_must_do_and_what_is_done_apart() {
        let release = "4.19.1".parse().unwrap();
        let (open, passed) = (open(), ["take-ownership".to_owned(), "push-to-cdn-staging".to_owned()]);
        let summary =
            MorningSummary { release: &release, key: "summary-2026-07-02", open: &open, passed: &passed };
        let message = summary.message("#x");
        assert_eq!(message.key, "4.19.1/drive/summary-2026-07-02");
        insta::assert_snapshot!(message.text, @r"
        4.19.1: still waits for people
        <!subteam^S0AAA> *stage-testing, image-consistency-check*: it can be run now: run it? &lt;b&gt; (yes / not yet)
        `oar -r 4.19.1 stage-testing`
        ART *promotion*: the release is Rejected
        Passed since the last working morning: take-ownership, push-to-cdn-staging
        ");
        let summary = MorningSummary { passed: &[], ..summary };
        assert!(!summary.message("#x").text.contains("Passed"), "nothing was done");
    }
}
