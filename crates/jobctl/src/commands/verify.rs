use std::path::PathBuf;

use cli_support::{CliError, ExitCode, Session, TextStyle, exit_code};
use oar_core::operations::jobctl::verify::Verify;
use oar_core::prow::verification::Summary;
use oar_core::prow::verify::{Agreement, Verified};

use crate::records;

/// Up to this number, all files are listed; of more, only those with findings.
const LISTED: usize = 20;

/// Check whether stored records agree with their runs
///
/// Recomputes the acceptance of every build from the runs in its record, and reports where the record
/// disagrees, which enabled jobs it lacks, and where its bytes are not what the programs write. Latest files
/// and registries are checked too. Exits with 1 if a file disagrees or cannot be parsed.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Records, latest files or registries, under their own names; a directory means all of them in it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Directory with the registries of test jobs, which define the required jobs; without it every job of a
    /// record is required
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
    /// Exit with 1 also if a build was accepted without all required jobs, or a file is not byte-exact
    #[arg(long)]
    strict: bool,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let registry = records::registries(args.registry.as_deref())?;
    let paths = records::expand(&args.files)?;
    if paths.is_empty() {
        return Err(CliError::usage("the directories contain no record, latest file or registry"));
    }
    let files = paths.iter().map(|path| records::read(path)).collect();
    let answer =
        session.perform(Verify { files, registry, strict: args.strict }, &session.local_call()?).await?;
    session.ui.json(&answer);
    let verification = &answer.verification;
    let checked = &verification.files;
    let quiet = checked.len() > LISTED;
    for verified in checked.iter().filter(|verified| !quiet || has_news(verified)) {
        session.ui.text(render(verified));
    }
    for reason in &verification.unusable {
        session.ui.warn(reason);
    }
    if args.registry.is_some() {
        for name in verification.missing_registries() {
            session.ui.note(format!("there is no {name}: its records are judged by the jobs in them"));
        }
    }
    if !checked.is_empty() {
        session.ui.text(summary_text(&verification.summary));
    }
    Ok(exit_code(&answer))
}

fn has_news(verified: &Verified) -> bool {
    verified.agreement != Agreement::Agrees || !verified.notes.is_empty() || !verified.lacks.is_empty()
}

fn word(accepted: Option<bool>) -> &'static str {
    match accepted {
        Some(true) => "accepted",
        Some(false) => "rejected",
        None => "good",
    }
}

fn render(verified: &Verified) -> String {
    let mut details: Vec<String> = Vec::new();
    let verdict = match &verified.agreement {
        Agreement::Agrees if verified.recorded.is_none() => TextStyle::Good.paint("good"),
        Agreement::Agrees => {
            let word = word(verified.recorded);
            format!("{word}, {}", TextStyle::Good.paint("as its runs say"))
        }
        Agreement::Exception(why) => {
            details.push(why.clone());
            format!("{}, {}", word(verified.recorded), TextStyle::Attention.paint("by exception"))
        }
        Agreement::Open => {
            details.extend(verified.reasons.iter().cloned());
            TextStyle::Attention.paint("open")
        }
        Agreement::Disagrees(why) => {
            details.push(why.clone());
            TextStyle::Bad.paint("disagrees")
        }
        Agreement::Unreadable(problems) => {
            details.extend(problems.iter().map(|problem| match problem.place.as_str() {
                "" => problem.message.clone(),
                place => format!("{place}: {}", problem.message),
            }));
            TextStyle::Bad.paint("cannot be understood")
        }
    };
    details.extend(verified.notes.iter().map(|note| note.text.clone()));
    let told = details.join("\n");
    for job in &verified.lacks {
        let required = if job.required { "required" } else { "optional" };
        match &job.recorded_as {
            Some(other) => details.push(format!("has {other} where the registry has {}", job.job)),
            None if told.contains(&job.job) => {}
            None => details.push(format!("lacks {} (enabled, {required})", job.job)),
        }
    }
    let renamed =
        |job: &String| verified.lacks.iter().any(|missing| missing.recorded_as.as_ref() == Some(job));
    for job in verified.unknown.iter().filter(|job| !renamed(job)) {
        details.push(format!("the registry does not know {job}"));
    }
    let mut lines = vec![format!("{}: {verdict}", verified.file)];
    lines.extend(details.iter().map(|detail| format!("    {detail}")));
    lines.join("\n")
}

fn summary_text(summary: &Summary) -> String {
    let mut parts = vec![format!("{} agree", summary.agree)];
    for (count, words) in [
        (summary.exceptions, "by exception"),
        (summary.open, "open"),
        (summary.disagree, "disagree"),
        (summary.unreadable, "cannot be understood"),
        (summary.lacking_jobs, "without a required job"),
        (summary.no_majority, "accepted without a majority"),
        (summary.odd_runs, "with odd runs"),
        (summary.not_exact, "not written exactly"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    let files = if summary.files == 1 { "file" } else { "files" };
    format!("{} {files}: {}", summary.files, parts.join(", "))
}
