use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cli_support::{CliError, ExitCode, Session, Tone, files};
use oar_core::prow::names::{RegistryName, ResultName};
use oar_core::prow::verify::{Agreement, NoteKind, Verified, verify_file};
use oar_core::prow::view::JudgedBy;
use serde::Serialize;

use crate::records::{self, Registries};

/// Up to so many files are listed one by one; of more, those that there is something to say of.
const LISTED: usize = 20;

/// Check whether stored records agree with their runs
///
/// Recomputes the acceptance of every build from the runs in its record, and tells where the record disagrees, which
/// enabled jobs it lacks, and where its bytes are not those that the programs write. Latest files and registries are
/// checked too. Ends with 1 when a file disagrees or cannot be understood.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Records, latest files or registries, by their own names; a directory stands for all of them in it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Directory with the registries of test jobs, which say what is required; without it every job of a record is
    #[arg(long, value_name = "DIR")]
    registry: Option<PathBuf>,
    /// End with 1 also when a build was accepted on part of the evidence, or a file is not written exactly
    #[arg(long)]
    strict: bool,
}

/// How many files there are of each sort.
#[derive(Debug, Default, Serialize)]
struct Summary {
    files: usize,
    agree: usize,
    exceptions: usize,
    open: usize,
    disagree: usize,
    unreadable: usize,
    lacking_jobs: usize,
    no_majority: usize,
    odd_runs: usize,
    not_exact: usize,
}

pub(super) fn run(args: &Args, session: &Session) -> Result<ExitCode, CliError> {
    let registries = Registries::read(args.registry.as_deref())?;
    registries.warn(session);
    let paths = records::expand(&args.files)?;
    if paths.is_empty() {
        return Err(CliError::usage("the directories hold no record, latest file or registry"));
    }
    let (mut checked, mut unusable) = (Vec::new(), Vec::new());
    for path in &paths {
        if is_of_no_minor(&records::file_name(path)) {
            session.ui.note(format!("{} is ignored: it is the registry of no minor version", path.display()));
            continue;
        }
        match check(path, &registries) {
            Ok(verified) => checked.push(verified),
            Err(reason) => unusable.push(format!("{}: {reason}", path.display())),
        }
    }
    let summary = Summary::of(&checked);
    session.ui.json(&serde_json::json!({
        "files": checked,
        "unusable": unusable,
        "refused_registries": registries.refused,
        "summary": summary,
    }));
    let quiet = checked.len() > LISTED;
    for verified in checked.iter().filter(|verified| !quiet || has_news(verified)) {
        session.ui.text(render(verified));
    }
    for reason in &unusable {
        session.ui.warn(reason);
    }
    if args.registry.is_some() {
        for name in unknown_registries(&checked) {
            session
                .ui
                .note(format!("there is no {name}: its records are judged by the jobs that stand in them"));
        }
    }
    if !checked.is_empty() {
        session.ui.text(summary.text());
    }
    let bad = checked.iter().any(|verified| verified.is_bad() || (args.strict && verified.is_weak()));
    Ok(match (unusable.is_empty(), bad || !registries.refused.is_empty()) {
        (false, _) => ExitCode::Usage,
        (true, true) => ExitCode::Failed,
        (true, false) => ExitCode::Done,
    })
}

/// Whether this is named like a registry, but for something else than a minor version: `ocp-4.x-test-jobs-amd64.json`,
/// which no program reads (spec 04 §5.5).
fn is_of_no_minor(name: &str) -> bool {
    name.starts_with("ocp-") && name.contains("-test-jobs-") && name.parse::<RegistryName>().is_err()
}

fn check(path: &Path, registries: &Registries) -> Result<Verified, String> {
    let bytes = files::read_bytes(path)?;
    verify_file(&records::file_name(path), &bytes, |name| registries.find(name)).ok_or_else(|| {
        "this is the name neither of a record (ocp-test-result-4.20.27-amd64.json), nor of a latest file \
         (ocp-latest-4.20-stable-amd64.json), nor of a registry (ocp-4.20-test-jobs-amd64.json)"
            .to_owned()
    })
}

/// The registries that were wanted and are not there.
fn unknown_registries(checked: &[Verified]) -> BTreeSet<RegistryName> {
    let entries_only = checked.iter().filter(|verified| verified.judged_by == Some(JudgedBy::EntriesOnly));
    entries_only.filter_map(|verified| Some(verified.file.parse::<ResultName>().ok()?.registry())).collect()
}

fn has_news(verified: &Verified) -> bool {
    verified.agreement != Agreement::Agrees || !verified.notes.is_empty() || !verified.lacks.is_empty()
}

fn lacks(verified: &Verified) -> bool {
    verified.lacks.iter().any(|job| job.required && job.recorded_as.is_none())
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
        Agreement::Agrees if verified.recorded.is_none() => Tone::Good.paint("good"),
        Agreement::Agrees => {
            let word = word(verified.recorded);
            format!("{word}, {}", Tone::Good.paint("as its runs say"))
        }
        Agreement::Exception(why) => {
            details.push(why.clone());
            format!("{}, {}", word(verified.recorded), Tone::Attention.paint("by exception"))
        }
        Agreement::Open => {
            details.extend(verified.reasons.iter().cloned());
            Tone::Attention.paint("open")
        }
        Agreement::Disagrees(why) => {
            details.push(why.clone());
            Tone::Bad.paint("disagrees")
        }
        Agreement::Unreadable(problems) => {
            details.extend(problems.iter().map(|problem| match problem.place.as_str() {
                "" => problem.message.clone(),
                place => format!("{place}: {}", problem.message),
            }));
            Tone::Bad.paint("cannot be understood")
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

impl Summary {
    fn of(checked: &[Verified]) -> Self {
        let mut summary = Self { files: checked.len(), ..Self::default() };
        for verified in checked {
            let sort = match verified.agreement {
                Agreement::Agrees => &mut summary.agree,
                Agreement::Exception(_) => &mut summary.exceptions,
                Agreement::Open => &mut summary.open,
                Agreement::Disagrees(_) => &mut summary.disagree,
                Agreement::Unreadable(_) => &mut summary.unreadable,
            };
            *sort += 1;
            summary.lacking_jobs += usize::from(lacks(verified));
            let noted = |kind| usize::from(verified.notes.iter().any(|note| note.kind == kind));
            summary.no_majority += noted(NoteKind::NoMajority);
            summary.odd_runs += noted(NoteKind::OddRun);
            summary.not_exact += noted(NoteKind::Form);
        }
        summary
    }

    fn text(&self) -> String {
        let mut parts = vec![format!("{} agree", self.agree)];
        for (count, words) in [
            (self.exceptions, "by exception"),
            (self.open, "open"),
            (self.disagree, "disagree"),
            (self.unreadable, "cannot be understood"),
            (self.lacking_jobs, "without a required job"),
            (self.no_majority, "accepted without a majority"),
            (self.odd_runs, "with odd runs"),
            (self.not_exact, "not written exactly"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {words}"));
            }
        }
        let files = if self.files == 1 { "file" } else { "files" };
        format!("{} {files}: {}", self.files, parts.join(", "))
    }
}
