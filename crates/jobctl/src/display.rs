//! Shows results.

use cli_support::{CliError, TextStyle, Ui};
use oar_core::error::ErrorClass;
use oar_core::prow::aggregator::Done;
use oar_core::prow::starter::JobStart;

/// Shows the results of starting jobs. Jobs that were not started are explained, each with its next step.
pub(crate) fn started_jobs(ui: &Ui, jobs: &[JobStart]) {
    for job in jobs {
        let (tone, words) = match (job.result, &job.problem) {
            ("started", _) => (TextStyle::Good, "started".to_owned()),
            ("found", _) => (TextStyle::Good, "found, it was started before".to_owned()),
            ("elsewhere", _) => (TextStyle::Faint, "left to another program".to_owned()),
            (_, Some(problem)) => {
                let class = job.class.unwrap_or(ErrorClass::Failed);
                let error = CliError::new(class, format!("{}: not started: {problem}", job.job));
                ui.explain(&CliError { hint: job.hint.clone(), ..error });
                (TextStyle::Bad, "not started".to_owned())
            }
            (other, None) => (TextStyle::Attention, other.to_owned()),
        };
        let id = job.id.as_deref().map(|id| format!(" as {id}")).unwrap_or_default();
        ui.text(format!("  {}: {}{id}", job.job, tone.paint(words)));
    }
}

/// What was done for a build: by job, with one line per run because the names of jobs are long; then for the
/// build.
pub(crate) fn done(done: &[Done]) -> Vec<String> {
    let mut jobs: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    let mut build = Vec::new();
    for Done { job, run, what } in done {
        let Some(job) = job else {
            build.push(what.clone());
            continue;
        };
        let place = jobs.iter().position(|(name, _)| name == job).unwrap_or_else(|| {
            jobs.push((job, Vec::new()));
            jobs.len() - 1
        });
        let Some((_, lines)) = jobs.get_mut(place) else { continue };
        match lines.iter_mut().find(|line| run.is_some() && line.run == run.as_deref()) {
            Some(line) => line.words.push(what),
            None => lines.push(Line { run: run.as_deref(), words: vec![what] }),
        }
    }
    let mut shown = Vec::new();
    for (job, lines) in jobs {
        shown.push(job.to_owned());
        shown.extend(lines.into_iter().map(|Line { run, words }| match run {
            Some(run) => format!("  {run}: {}", words.join(", ")),
            None => format!("  {}", words.join(", ")),
        }));
    }
    shown.extend(build);
    shown
}

/// What was done for one run of a job.
struct Line<'a> {
    run: Option<&'a str>,
    words: Vec<&'a str>,
}

/// The result of a build, in its style.
pub(crate) fn result(result: &str) -> String {
    let tone = match result {
        "accepted" => TextStyle::Good,
        "rejected" => TextStyle::Bad,
        "unknown" => TextStyle::Attention,
        _ => TextStyle::Faint,
    };
    tone.paint(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_stands_once_with_a_line_for_each_of_its_runs() {
        let item = |job: Option<&str>, run: Option<&str>, what: &str| Done {
            job: job.map(str::to_owned),
            run: run.map(str::to_owned),
            what: what.to_owned(),
        };
        let items = [
            item(Some("one"), Some("1a"), "failure"),
            item(Some("two"), Some("2a"), "success"),
            item(None, None, "completed the record: accepted"),
            item(Some("one"), Some("1a"), "test report read"),
            item(Some("one"), Some("1b"), "started"),
            item(Some("two"), None, "would be started"),
        ];
        let expected = "one\n  1a: failure, test report read\n  1b: started\n\
                        two\n  2a: success\n  would be started\n\
                        completed the record: accepted";
        assert_eq!(done(&items).join("\n"), expected);
    }
}
