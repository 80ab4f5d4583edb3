//! The Jira notificator: notifies the people of a bug that it is waiting in `ON_QA` (spec 05 §3).
//!
//! [`Ladder::decide`] is the decision table as a pure function of an issue's facts, and [`Audience::of`] determines the
//! recipients. Both send no requests: what only some rows need, such as a manager, is looked up after the row is known.
//! [`Notificator::pass`] looks at all issues and does what is due; [`Notificator::explain`] says why for one of them.

mod apply;
mod audience;
mod calendar;
mod claim;
mod comment;
mod explain;
mod fields;
mod issue;
mod ladder;
mod managers;
mod pass;
mod report;
mod selection;
mod verified;

pub use audience::{Audience, Manager, Managers, People};
pub use calendar::WeekdayCalendar;
pub use comment::{Notice, NoticeKind, mentions};
pub use ladder::{Decision, Facts, Ladder, Row, Step};
pub use pass::Notificator;
pub use report::{
    Action, Explanation, IssueReport, NextStep, PassReport, StepReport, StepResult, ToldReport,
};
pub use selection::Selection;
