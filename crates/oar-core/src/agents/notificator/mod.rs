//! The Jira notificator: tells the people of a bug that it waits in `ON_QA` (spec 05 §3).
//!
//! [`Ladder::decide`] is the decision table as a pure function of what is known about an issue, and [`Audience::of`] says
//! who is told. Both ask for nothing: what only some rows need, such as a manager, is looked up after the row is known.

mod audience;
mod calendar;
mod comment;
mod ladder;

pub use audience::{Audience, Manager, Managers, People};
pub use calendar::WeekdayCalendar;
pub use comment::{Notice, NoticeKind};
pub use ladder::{Decision, Facts, Ladder, Row, Step};
