use std::io::BufRead;
use std::time::Duration;

use async_trait::async_trait;
use oar_core::flow::consent::{Consent, Question};
use oar_core::flow::outcome::Refusal;

use crate::{Session, TextStyle, Ui, checks, steps};

/// How long a question waits for its answer, because a plan becomes outdated.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(10);
/// The longest answer that is read.
const LONGEST_ANSWER: usize = 80;

/// How the user of a command line consents to a critical command: by `--yes`, or at the terminal.
#[derive(Debug, Clone)]
pub struct AskUser {
    ui: Ui,
    given: bool,
}

impl Session {
    /// The consent to a critical command; `given` is whether `--yes` was given.
    pub fn consent(&self, given: bool) -> AskUser {
        AskUser { ui: self.ui.clone(), given }
    }
}

#[async_trait]
impl Consent for AskUser {
    fn is_given(&self) -> bool {
        self.given
    }

    fn can_ask(&self) -> bool {
        self.ui.is_interactive()
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        if self.given { Ok(()) } else { self.ask_anew(question).await }
    }

    async fn ask_anew(&self, question: Question<'_>) -> Result<(), Refusal> {
        let (command, release, otherwise) = (question.command_line(), question.release, question.otherwise());
        self.ui.note(shown(question));
        if !self.ui.is_interactive() {
            return Err(Refusal::blocked(format!(
                "{}, and there is no terminal to ask on; {otherwise}",
                question.why()
            ))
            .with_hint(format!(
                "See the plan (`oar -r {release} {command} --dry-run`), then call it with `--yes`."
            )));
        }
        let text = question.text();
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        self.ui.ask(format!("{} {rest} [y/N] ", TextStyle::Strong.paint(verb)));
        match tokio::time::timeout(ANSWER_TIMEOUT, tokio::task::spawn_blocking(answer)).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err(Refusal::blocked(format!("{command} was not confirmed; {otherwise}"))
                .with_hint("Answer `y` to continue, or run the command with `--yes`.")),
            Err(_) => Err(Refusal::blocked(format!(
                "nobody answered within {} minutes; {otherwise}",
                ANSWER_TIMEOUT.as_secs() / 60
            ))
            .with_hint("Run the command again: it makes a new plan.")),
        }
    }
}

/// Whether the next line of standard input is a yes. Anything else, including its end, is a no.
fn answer() -> bool {
    let mut line = Vec::new();
    // One line of bounded length; a terminal returns at most one line per read.
    let read =
        std::io::Read::take(std::io::stdin().lock(), LONGEST_ANSWER as u64).read_until(b'\n', &mut line);
    read.is_ok() && is_yes(&String::from_utf8_lossy(&line))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn shown(question: Question<'_>) -> String {
    let Question { command, release, plan, .. } = question;
    let mut lines = checks(&plan.checks);
    lines.push(format!("{command} of {release} will:"));
    lines.extend(steps(&plan.steps));
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use oar_core::flow::consent::Allows;
    use oar_core::flow::outcome::{PlanSummary, Step};
    use oar_core::statebox::TaskName;

    #[test]
    fn only_a_clear_yes_is_consent() {
        for yes in ["y", "Y\n", "yes\r\n", " YES "] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yess", "y n", "4.19.1", "ye"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn the_whole_plan_is_shown_with_old_and_new_values() {
        let plan = PlanSummary {
            checks: vec![oar_core::flow::outcome::Check::ok("no blocker is open")],
            steps: vec![Step::new("push", "advisory 140001 (rpm)").from(Some("FAILED")).to("cdn_stage")],
            notes: vec!["advisory 140003 is dropped".to_owned()],
            later: Vec::new(),
        };
        let release = "4.14.60".parse().unwrap();
        let (command, task) = ("push-to-cdn-staging", TaskName::PushToCdnStaging);
        let text = shown(Question { command, task, release: &release, plan: &plan, allows: Allows::Changes });
        assert_eq!(
            crate::plain(&text),
            "  ok       no blocker is open\npush-to-cdn-staging of 4.14.60 will:\n  1. push advisory 140001 (rpm): FAILED -> cdn_stage\n\
             note: advisory 140003 is dropped"
        );
    }
}
