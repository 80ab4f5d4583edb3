//! How results are shown.

use cli_support::{Session, Tone};
use oar_core::prow::starter::BegunJob;

/// Shows what became of jobs that were to be started.
pub(crate) fn begun(session: &Session, jobs: &[BegunJob]) {
    for job in jobs {
        let (tone, words) = match (job.result, &job.problem) {
            ("started", _) => (Tone::Good, "started".to_owned()),
            ("found", _) => (Tone::Good, "found, it was started before".to_owned()),
            ("elsewhere", _) => (Tone::Faint, "left to another program".to_owned()),
            (_, Some(problem)) => (Tone::Bad, format!("not started: {problem}")),
            (other, None) => (Tone::Attention, other.to_owned()),
        };
        let id = job.id.as_deref().map(|id| format!(" as {id}")).unwrap_or_default();
        session.ui.text(format!("  {}: {}{id}", job.job, tone.paint(words)));
    }
}

/// The result of a build, in its tone.
pub(crate) fn result(result: &str) -> String {
    let tone = match result {
        "accepted" => Tone::Good,
        "rejected" => Tone::Bad,
        "unknown" => Tone::Attention,
        _ => Tone::Faint,
    };
    tone.paint(result)
}
