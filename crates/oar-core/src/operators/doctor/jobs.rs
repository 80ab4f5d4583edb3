//! Where jobs run and what they leave: Jenkins, Gangway, artifacts, the cluster with the payloads, the worksheet.

use super::{Examination, Finding, Subject};
use crate::config::JobSettings;
use crate::ids::JobPath;
use crate::version::Arch;

pub(super) const JENKINS: &str = "jenkins";
pub(super) const GANGWAY: &str = "gangway-token";
pub(super) const ARTIFACTS: &str = "artifacts";
pub(super) const CLUSTER: &str = "cluster";
pub(super) const SPREADSHEET: &str = "spreadsheet";

/// The name of an object that no job writes.
const NO_OBJECT: &str = "release-tests/doctor/absent";

fn jobs(at: &Examination<'_>) -> Result<JobSettings, crate::config::ConfigError> {
    at.clients.settings().document()?.jobs()
}

/// Whether Jenkins accepts the token, and shows the job.
pub(super) async fn jenkins(at: &Examination<'_>) -> Vec<Finding> {
    let (jenkins, name) = match (at.clients.jenkins(), jobs(at)) {
        (Ok(jenkins), Ok(jobs)) => (jenkins, jobs.stage_testing),
        (Err(error), _) | (_, Err(error)) => return vec![Finding::of_error(JENKINS, &error)],
    };
    let Ok(job) = name.parse::<JobPath>() else {
        let words = format!("`{name}` is not the name of a job");
        return vec![Finding::missing(
            JENKINS,
            words,
            "Correct jobs.stage-testing in the configuration document.",
        )];
    };
    vec![match jenkins.job(&job).await {
        Ok(_) => Finding::ok(
            JENKINS,
            format!(
                "the token is accepted and sees {job}; Jenkins tells only a start whether it may start it"
            ),
        ),
        Err(error) => Finding::of_error(JENKINS, &error),
    }]
}

/// Whether Gangway accepts the token. An Errata release starts no Prow job.
pub(super) async fn gangway(at: &Examination<'_>) -> Vec<Finding> {
    let needed = !at.is_errata_flow().await;
    let gangway = match at.clients.gangway() {
        Ok(gangway) => gangway,
        Err(error) => return vec![Finding::of_error(GANGWAY, &error).needed_if(needed)],
    };
    // The production jobs of builds have no document; its default is the production job.
    let Ok(job) = jobs(at).or_else(|_| crate::config::Document::parse("{}").and_then(|empty| empty.jobs()))
    else {
        return vec![Finding::unknown(GANGWAY, "the name of the job is not known", "").needed_if(needed)];
    };
    vec![
        match gangway.executions(&job.image_consistency).await {
            Ok(_) => {
                Finding::ok(GANGWAY, "accepted; Gangway tells neither its expiry nor which jobs it may start")
            }
            Err(error) => Finding::of_error(GANGWAY, &error),
        }
        .needed_if(needed),
    ]
}

/// Whether the account may read the artifacts of QE's jobs.
pub(super) async fn artifacts(at: &Examination<'_>) -> Vec<Finding> {
    let artifacts = match at.clients.artifacts() {
        Ok(artifacts) => artifacts,
        Err(error) => return vec![Finding::of_error(ARTIFACTS, &error)],
    };
    vec![match artifacts.read(NO_OBJECT).await {
        Ok(_) => Finding::ok(ARTIFACTS, "the account of GCS_CRED_FILE may read the artifacts of QE's jobs"),
        Err(error) => Finding::of_error(ARTIFACTS, &error),
    }]
}

/// Whether the login to the cluster shows the payloads.
pub(super) async fn cluster(at: &Examination<'_>) -> Vec<Finding> {
    let cluster = match at.clients.cluster().await {
        Ok(cluster) => cluster,
        Err(error) => return vec![Finding::of_error(CLUSTER, &error)],
    };
    vec![match cluster.labelled_payloads(Arch::Amd64).await {
        Ok(_) => Finding::ok(
            CLUSTER,
            "the login sees the release payloads; the cluster tells only a change whether it may label them",
        ),
        Err(error) => Finding::of_error(CLUSTER, &error),
    }]
}

/// Whether the release has a worksheet; otherwise only some y-streams have one.
pub(super) fn needs_spreadsheet(at: &Examination<'_>) -> bool {
    let Subject::Release(release) = at.subject else { return false };
    let Ok(document) = at.clients.settings().document() else { return false };
    document.report_template(release.y_stream()).is_ok_and(|named| named.is_some())
}

/// Whether the worksheets of the y-stream can be read, where the document names a spreadsheet.
pub(super) async fn spreadsheet(at: &Examination<'_>) -> Vec<Finding> {
    let settings = at.clients.settings();
    let Ok(document) = settings.document() else {
        return vec![Finding::unknown(SPREADSHEET, "the configuration document is not open", "").optional()];
    };
    let streams = match at.subject {
        Subject::Release(release) => vec![release.y_stream()],
        _ => settings.versions().streams().to_vec(),
    };
    let mut named = Vec::new();
    for stream in streams {
        match document.report_template(stream) {
            Ok(Some(id)) => named.push((stream, id)),
            Ok(None) => {}
            Err(error) => return vec![Finding::of_error(SPREADSHEET, &error)],
        }
    }
    let needed = needs_spreadsheet(at);
    if named.is_empty() {
        return vec![Finding::ok(SPREADSHEET, "not used: report_templates names none").optional()];
    }
    let sheets = match at.clients.sheets() {
        Ok(Some(sheets)) => sheets,
        Ok(None) => {
            let words = "GCP_SA_FILE is not set, and report_templates names a spreadsheet";
            let next = "Set GCP_SA_FILE to the key file of the Google service account.";
            return vec![Finding::missing(SPREADSHEET, words, next).needed_if(needed)];
        }
        Err(error) => return vec![Finding::of_error(SPREADSHEET, &error).needed_if(needed)],
    };
    let count = named.len();
    for (stream, id) in named {
        if let Err(error) = sheets.worksheet(id, "template").await {
            let mut finding = Finding::of_named(SPREADSHEET, &error);
            finding.text = format!("the spreadsheet of {stream}: {}", finding.text);
            return vec![finding.needed_if(needed)];
        }
    }
    let what = if count == 1 { "the spreadsheet of report_templates is" } else { "all spreadsheets are" };
    vec![Finding::ok(SPREADSHEET, format!("{what} shared with the account of GCP_SA_FILE")).needed_if(needed)]
}
