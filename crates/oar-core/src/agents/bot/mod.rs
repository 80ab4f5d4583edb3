//! The Slack bot: commands that people write in a channel (spec 05 §4).
//!
//! Everything here is pure: what a message asks for ([`Heard`]), whether it was handled before ([`Handled`]), who may do what
//! ([`Permissions`]), how an answer becomes messages ([`Reply`]), and what a click on Approve means ([`PlanQuestion`]). The
//! socket that messages come from is [`clients::slack::socket`](crate::clients::slack::socket).

mod approval;
mod click;
mod command;
mod elsewhere;
mod handled;
mod markup;
mod memory;
mod message;
mod permissions;
mod reply;

pub use approval::{Click, ClickMeans, PLAN_QUESTION_LIFETIME, PlanAnswer, PlanQuestion};
pub use click::{APPROVE, IncomingClick, REJECT};
pub use command::{Addressee, Heard, Unclear, UnknownPerson, Words, is_addressed, listen};
pub use elsewhere::PlanSubject;
pub use handled::{ATTEMPTS, HANDLED_FOR, Handled, HandledMessages};
pub use memory::{Memory, OpenQuestion, RunningCommand};
pub use message::{Ignored, IncomingMessage, InvalidEvent, MessageKey};
pub use permissions::{Access, Level, Membership, Permissions, Place};
pub use reply::{Reply, pages};
