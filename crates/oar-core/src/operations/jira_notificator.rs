//! `oarctl jira-notificator`: one pass over the bugs that wait in `ON_QA`, or why one of them is treated as it is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::call::{Call, new_id};
use super::row::{About, Conclusion, Effect, Interruption, Operation, Program};
use crate::agents::notificator::{Explanation, Notificator, PassReport, Selection, WeekdayCalendar};
use crate::clients::Clients;
use crate::config::Credential;
use crate::error::ErrorClass;
use crate::flow::interrupt::Signal;
use crate::flow::outcome::TaskError;
use crate::ids::IssueKey;

pub use jiff::civil::Date as Day;

/// The day that `text` names in the one form `YYYY-MM-DD`; the error says what is wrong.
pub fn day(text: &str) -> Result<Day, String> {
    let day = text.parse::<Day>().ok().filter(|day| day.to_string() == text);
    day.ok_or_else(|| "expected a day as YYYY-MM-DD, for example 2026-06-01".to_owned())
}

/// How many issues a page of the search has.
pub const PAGE_SIZE: u8 = 100;

/// The operation, with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct JiraNotificator {
    /// Only bugs that became ON_QA after this day, such as 2026-06-01
    pub from_date: Option<Day>,
    /// How many bugs a page of the search has, 1 to 100
    pub search_batch_size: u8,
    /// Say why this bug is treated as it is and what comes next, and do nothing
    pub explain: Option<IssueKey>,
    /// Say what would be done, and do nothing
    pub dry_run: bool,
}

impl Default for JiraNotificator {
    fn default() -> Self {
        Self { from_date: None, search_batch_size: PAGE_SIZE, explain: None, dry_run: false }
    }
}

impl JiraNotificator {
    /// Fails where every pass would: a credential is missing, or a setting is wrong.
    pub fn check(&self, clients: &Clients) -> Result<(), TaskError> {
        clients.jira()?;
        clients.settings().notificator()?;
        clients.settings().prow()?;
        Ok(())
    }
}

/// What the pass did, or the explanation.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer {
    /// What the pass did.
    Pass(PassReport),
    /// Why one bug is treated as it is.
    Explained(Box<Explanation>),
}

impl Conclusion for Answer {
    fn class(&self) -> Option<ErrorClass> {
        match self {
            Self::Pass(report) if report.failed > 0 => Some(ErrorClass::Failed),
            _ => None,
        }
    }

    fn signal(&self) -> Option<Signal> {
        match self {
            Self::Pass(report) => report.signal,
            Self::Explained(_) => None,
        }
    }
}

impl Operation for JiraNotificator {
    const ABOUT: About = About::task(
        "jira-notificator",
        "Tell the people of bugs that wait in ON_QA, step by step",
        Effect::Writes,
    )
    .named(Program::Oarctl)
    .interrupted(Interruption::BetweenItems)
    .hints(&[
        "A call is one pass.",
        "The command makes a pass every so often with --interval.",
        "Ask with --explain why a bug is treated as it is.",
    ]);
    type Answer = Answer;

    async fn run(self, call: &Call) -> Result<Answer, TaskError> {
        let permit = call.permit_unless(self.dry_run || self.explain.is_some())?;
        let clients = call.clients();
        let jira = clients.jira()?;
        let has_token = call.settings().credentials().optional(Credential::GithubToken)?.is_some();
        let github = if has_token { Some(clients.github()?) } else { None };
        // `--explain` says it of its bug.
        if !has_token && self.explain.is_none() {
            tracing::warn!("GITHUB_TOKEN is not set, so no bug counts as verified before the merge");
        }
        let directory = clients.directory();
        let settings = call.settings().notificator()?;
        let notificator = Notificator {
            jira: &jira,
            github: github.as_ref(),
            directory: &directory,
            clock: call.clock(),
            interrupt: call.interrupt(),
            settings: &settings,
            calendar: WeekdayCalendar::new(settings.zone.clone(), settings.holidays.clone()),
            claim_lease: call.settings().prow()?.intent_lease,
            who: new_id(),
        };
        let selection = Selection {
            streams: call.settings().versions().streams().to_vec(),
            from_date: self.from_date,
            page_size: usize::from(self.search_batch_size),
        };
        Ok(match &self.explain {
            Some(key) => Answer::Explained(Box::new(Box::pin(notificator.explain(key, &selection)).await?)),
            None => Answer::Pass(Box::pin(notificator.pass(&selection, permit)).await?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_form() {
        assert_eq!(day("2026-06-01").unwrap().to_string(), "2026-06-01");
        for text in [
            "20260601",
            "2026-6-1",
            "2026-06-31",
            "2026-06-01T00:00",
            " 2026-06-01",
            "+002026-06-01",
            "today",
            "",
        ] {
            assert!(day(text).unwrap_err().contains("2026-06-01"), "{text}");
        }
    }
}
