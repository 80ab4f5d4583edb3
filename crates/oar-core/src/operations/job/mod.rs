//! The operations of `job`: single Prow jobs, started once and looked at. The work is in [`crate::prow::jobs`].

pub mod get_payloads;
pub mod get_results;
pub mod list;
pub mod run_required;
pub mod start;

use super::call::Call;
use super::part::Part;
use crate::prow::jobs::Event;

/// Passes events to the caller's observer.
fn tell(call: &Call, event: Event<'_>) {
    let observer = call.observer();
    match event {
        Event::Note(text) => observer.note(&text),
        Event::Warning(text) => observer.warn(&text),
        Event::Started(run) => observer.part(Part::Started(run)),
        Event::Required(job, failure) => observer.part(Part::Required(job, failure)),
        Event::Newest(release, failure) => observer.part(Part::Newest(release, failure)),
    }
}
