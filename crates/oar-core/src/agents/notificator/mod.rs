//! The Jira notificator: notifies the people of a bug that it is waiting in `ON_QA` (spec 05 §3).
//!
//! [`Ladder::decide`] is the decision table as a pure function of an issue's facts, and [`Audience::of`]
//! determines the recipients. Both send no requests: what only some rows need, such as a manager, is looked
//! up after the row is known.

mod audience;
mod calendar;
mod comment;
mod ladder;

pub use audience::{Audience, Manager, Managers, People};
pub use calendar::WeekdayCalendar;
pub use comment::{Notice, NoticeKind};
pub use ladder::{Decision, Facts, Ladder, Row, Step};
