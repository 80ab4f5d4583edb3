//! The consent that a critical command asks for between its plan and its first effect.

use std::fmt;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::flow::outcome::{PlanSummary, Refusal, Step};
use crate::statebox::{CONSENT_LIFETIME, TaskName};
use crate::version::ReleaseVersion;

/// What consent is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The command that asks.
    pub command: &'a str,
    /// The task that the command belongs to; it is not always named like the command.
    pub task: TaskName,
    /// The release that is changed.
    pub release: &'a ReleaseVersion,
    /// What would be done. It has at least one step.
    pub plan: &'a PlanSummary,
    /// What a yes allows.
    pub allows: Allows,
}

/// What a yes to a [`Question`] allows. Every caller that asks words its question by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allows {
    /// The command makes the changes now, and they cannot be undone.
    Changes,
    /// The command uses build data that ART has changed.
    ChangedData,
    /// One run of the command may make the changes later, for as long as a recorded consent is valid.
    OneRun,
}

impl Question<'_> {
    /// The words of the command line that asks, after the release: `push-to-cdn-staging`.
    pub fn command_line(&self) -> String {
        match self.allows {
            Allows::Changes | Allows::ChangedData => self.command.to_owned(),
            Allows::OneRun => format!("consent {}", self.command),
        }
    }

    /// Why it is asked, as a sentence without its full stop.
    pub fn why(&self) -> String {
        let command = self.command;
        match self.allows {
            Allows::Changes => format!("{command} cannot be undone and needs your consent"),
            Allows::ChangedData => format!("{command} needs your consent to the changed build data"),
            Allows::OneRun => format!("the plan of {command} is recorded only with your consent"),
        }
    }

    /// The question itself.
    pub fn text(&self) -> String {
        match self.allows {
            Allows::Changes | Allows::ChangedData => {
                let changes = match self.plan.steps.len() {
                    1 => "this change".to_owned(),
                    several => format!("these {several} changes"),
                };
                format!("Make {changes} to {}?", self.release)
            }
            Allows::OneRun => {
                let hours = CONSENT_LIFETIME.as_hours();
                format!("Consent to this plan of {} for {hours} hours?", self.command)
            }
        }
    }

    /// What is true after anything but a yes.
    pub fn otherwise(&self) -> &'static str {
        match self.allows {
            Allows::Changes | Allows::ChangedData => "nothing was sent",
            Allows::OneRun => "nothing was recorded",
        }
    }
}

/// A plan by its content: everything that the person was shown, of which command and which release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PlanHash(String);

impl PlanHash {
    /// Of the plan that consent is asked for; `None` when it cannot be written down, which nobody can approve. The consent
    /// to a later run has the hash of the plan that this run will ask for.
    pub fn of(question: Question<'_>) -> Option<Self> {
        let shown =
            serde_json::to_vec(&(question.command, question.release.to_string(), question.plan)).ok()?;
        let digest = Sha256::digest(shown);
        Some(Self(format!("{digest:x}")))
    }
}

/// The note of a plan that says so when a consent to it covers what a later run does, [`PlanSummary::later`].
pub fn covers_later() -> String {
    format!("a consent to this plan covers what follows, within {} hours", CONSENT_LIFETIME.as_hours())
}

/// One change by its content, of which command and which release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepHash(String);

impl StepHash {
    /// Of each of `steps`; `None` when one cannot be written down.
    pub fn each(command: &str, release: &ReleaseVersion, steps: &[Step]) -> Option<Vec<Self>> {
        let hash = |step: &Step| {
            let shown = serde_json::to_vec(&(command, release.to_string(), step)).ok()?;
            Some(Self(format!("{:x}", Sha256::digest(shown))))
        };
        steps.iter().map(hash).collect()
    }
}

impl AsRef<str> for StepHash {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for PlanHash {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PlanHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Shows a plan to the user who is responsible for the command, and asks for consent.
///
/// The runner asks only when there is something to do, and before it writes anything of this run. A refusal ends the run:
/// nothing is sent, and the task stays as it is.
#[async_trait]
pub trait Consent: fmt::Debug + Send + Sync {
    /// Whether it was given beforehand, so that the plan is not shown.
    fn is_given(&self) -> bool {
        false
    }

    /// Whether there is somebody who can be asked now.
    fn can_ask(&self) -> bool {
        true
    }

    /// Returns when the plan may be applied.
    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal>;

    /// The same for something that consent in advance (`--yes`) does not cover.
    async fn ask_anew(&self, question: Question<'_>) -> Result<(), Refusal> {
        self.ask(question).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::outcome::Step;

    fn words(allows: Allows, steps: usize) -> [String; 4] {
        let release = "4.19.1".parse().unwrap();
        let steps = (0..steps).map(|number| Step::new("push", format!("advisory {number}"))).collect();
        let plan = PlanSummary::new(steps, Vec::new());
        let task = TaskName::PushToCdnStaging;
        let question =
            Question { command: "push-to-cdn-staging", task, release: &release, plan: &plan, allows };
        [question.command_line(), question.why(), question.text(), question.otherwise().to_owned()]
    }

    #[test]
    fn a_question_says_what_a_yes_allows() {
        let [line, why, text, otherwise] = words(Allows::Changes, 2);
        assert_eq!((line.as_str(), otherwise.as_str()), ("push-to-cdn-staging", "nothing was sent"));
        assert_eq!(why, "push-to-cdn-staging cannot be undone and needs your consent");
        assert_eq!(text, "Make these 2 changes to 4.19.1?");
        assert_eq!(words(Allows::ChangedData, 1)[2], "Make this change to 4.19.1?");
        let [line, why, text, otherwise] = words(Allows::OneRun, 2);
        assert_eq!(
            (line.as_str(), otherwise.as_str()),
            ("consent push-to-cdn-staging", "nothing was recorded")
        );
        assert!(!why.contains("undone"), "a consent can be withdrawn: {why}");
        assert_eq!(text, "Consent to this plan of push-to-cdn-staging for 24 hours?");
    }

    #[test]
    fn the_consent_to_a_later_run_has_the_hash_of_that_run_s_question() {
        let release = "4.19.1".parse().unwrap();
        let plan = PlanSummary::new(vec![Step::new("push", "advisory 150001")], Vec::new());
        let of = |command, allows| {
            let task = TaskName::ChangeAdvisoryStatus;
            PlanHash::of(Question { command, task, release: &release, plan: &plan, allows }).unwrap()
        };
        let whole = of("change-advisory-status", Allows::Changes);
        assert_eq!(whole, of("change-advisory-status", Allows::OneRun));
        assert_ne!(whole, of("add-qe-approval", Allows::Changes), "two commands of one task");
        assert_eq!(whole.as_ref().len(), 64);
    }
}
