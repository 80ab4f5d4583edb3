//! The plan of a critical command that waits in its thread for Approve or Reject.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::message::MessageKey;
use super::permissions::Access;
use crate::clients::slack::UserId;
use crate::flow::consent::PlanHash;

/// How long a plan may be answered.
pub const PLAN_QUESTION_LIFETIME: Duration = Duration::from_hours(24);

/// What a person clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PlanAnswer {
    /// Approve.
    Approve,
    /// Reject.
    Reject,
}

/// A click on a button of a plan. The button carries the question's id and nothing else, because everybody can read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// The question that the button belongs to.
    pub question: String,
    /// Which button.
    pub answer: PlanAnswer,
    /// Whose click. An account's id, because names can be changed.
    pub user: UserId,
}

/// A plan that was shown, and waits for its answer. It is stored where the next leader finds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanQuestion {
    /// Its id, which its buttons carry: made at random, so that nobody can guess one.
    pub id: String,
    /// The message with the command.
    pub command: MessageKey,
    /// The plan that was shown.
    pub plan: PlanHash,
    /// When it was shown.
    pub asked: Timestamp,
    /// The answer that counted: the first one.
    pub answered: Option<PlanAnswer>,
}

/// What a click means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClickMeans {
    /// The command goes on. The buttons disappear.
    GoOn,
    /// The command ends without a change. The buttons disappear.
    End,
    /// The plan is another one by now: it is shown, with a question of its own. The old buttons disappear.
    AskAnew,
    /// It was answered before; nothing happens. The buttons disappear.
    Answered(PlanAnswer),
    /// It waited too long; nothing happens. The buttons disappear.
    Expired,
    /// The person may not answer, or it could not be found out whether they may; the question stays.
    NotAllowed(Access),
    /// The button belongs to another question.
    Unknown,
}

impl PlanQuestion {
    /// A question about this plan, asked now.
    pub fn new(id: String, command: MessageKey, plan: PlanHash, asked: Timestamp) -> Self {
        Self { id, command, plan, asked, answered: None }
    }

    /// Whether nobody may answer any more.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.asked.checked_add(PLAN_QUESTION_LIFETIME).is_ok_and(|end| now >= end)
    }

    /// Whether it has been over for so long that its buttons may stay, whatever Slack says.
    pub fn is_given_up(&self, now: Timestamp) -> bool {
        self.asked.checked_add(2 * PLAN_QUESTION_LIFETIME).is_ok_and(|end| now >= end)
    }

    /// What a click means, and records the answer when it counts. `plan` is the plan as it is computed at the click; `None`
    /// when it could not be computed, which approves nothing. A rejection needs no plan.
    ///
    /// Clicks can come twice, and by two people: the first one counts.
    pub fn click(
        &mut self,
        click: &Click,
        access: &Access,
        plan: Option<&PlanHash>,
        now: Timestamp,
    ) -> ClickMeans {
        if click.question != self.id {
            return ClickMeans::Unknown;
        }
        if let Some(answer) = self.answered {
            return ClickMeans::Answered(answer);
        }
        if self.is_expired(now) {
            return ClickMeans::Expired;
        }
        if !access.is_allowed() {
            return ClickMeans::NotAllowed(access.clone());
        }
        match click.answer {
            PlanAnswer::Approve if plan != Some(&self.plan) => ClickMeans::AskAnew,
            PlanAnswer::Approve => {
                self.answered = Some(PlanAnswer::Approve);
                ClickMeans::GoOn
            }
            PlanAnswer::Reject => {
                self.answered = Some(PlanAnswer::Reject);
                ClickMeans::End
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::consent::{Allows, Question};
    use crate::flow::outcome::{PlanSummary, Step};
    use crate::statebox::TaskName;
    use crate::version::ReleaseVersion;

    fn plan(step: &str, note: &str) -> PlanHash {
        let release: ReleaseVersion = "4.19.1".parse().unwrap();
        let plan = PlanSummary::new(vec![Step::new(step, "advisory 150001")], vec![note.to_owned()]);
        let (command, task) = ("change-advisory-status", TaskName::ChangeAdvisoryStatus);
        let question = Question { command, task, release: &release, plan: &plan, allows: Allows::Changes };
        PlanHash::of(question).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn question() -> PlanQuestion {
        let command = MessageKey { channel: "C0AAA".into(), ts: "1.0".into() };
        PlanQuestion::new("1".to_owned(), command, plan("push", ""), at(0))
    }

    fn click(answer: PlanAnswer) -> Click {
        Click { question: "1".to_owned(), answer, user: UserId("U0ANN".into()) }
    }

    #[test]
    fn a_plan_is_known_by_all_that_was_shown() {
        assert_eq!(plan("push", ""), plan("push", ""));
        assert_ne!(plan("push", ""), plan("drop", ""));
        assert_ne!(plan("push", ""), plan("push", "two bugs were added"));
        assert_eq!(plan("push", "").to_string().len(), 64);
    }

    #[test]
    fn the_first_answer_counts() {
        let (now, shown) = (at(10), plan("push", ""));
        let mut asked = question();
        assert_eq!(
            asked.click(&click(PlanAnswer::Approve), &Access::Allowed, Some(&shown), now),
            ClickMeans::GoOn
        );
        for answer in [PlanAnswer::Approve, PlanAnswer::Reject] {
            let again = asked.click(&click(answer), &Access::Allowed, Some(&shown), now);
            assert_eq!(again, ClickMeans::Answered(PlanAnswer::Approve));
        }
        let mut asked = question();
        assert_eq!(asked.click(&click(PlanAnswer::Reject), &Access::Allowed, None, now), ClickMeans::End);
        let again = asked.click(&click(PlanAnswer::Approve), &Access::Allowed, Some(&shown), now);
        assert_eq!(again, ClickMeans::Answered(PlanAnswer::Reject));
    }

    #[test]
    fn only_the_plan_that_was_shown_can_be_approved() {
        for plan in [None, Some(plan("drop", ""))] {
            let mut asked = question();
            let means = asked.click(&click(PlanAnswer::Approve), &Access::Allowed, plan.as_ref(), at(10));
            assert_eq!((means, asked.answered), (ClickMeans::AskAnew, None));
        }
    }

    #[test]
    fn who_may_not_answer_changes_nothing() {
        let refused = Access::Refused { groups: vec!["leads".into()] };
        for access in [refused, Access::Unknown("no answer".into())] {
            for answer in [PlanAnswer::Approve, PlanAnswer::Reject] {
                let mut asked = question();
                let means = asked.click(&click(answer), &access, Some(&plan("push", "")), at(10));
                assert_eq!((means, asked), (ClickMeans::NotAllowed(access.clone()), question()));
            }
        }
        let other = Click { question: "2".to_owned(), ..click(PlanAnswer::Approve) };
        let means = question().click(&other, &Access::Allowed, Some(&plan("push", "")), at(10));
        assert_eq!(means, ClickMeans::Unknown);
    }

    #[test]
    fn a_question_expires_after_a_day() {
        let day = i64::try_from(PLAN_QUESTION_LIFETIME.as_secs()).unwrap();
        let shown = plan("push", "");
        let mut asked = question();
        let mut late =
            |second| asked.click(&click(PlanAnswer::Approve), &Access::Allowed, Some(&shown), at(second));
        assert_eq!(late(day), ClickMeans::Expired);
        assert_eq!(late(day - 1), ClickMeans::GoOn);
    }
}
