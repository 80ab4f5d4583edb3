//! What is on this machine: the key and the document, the environment, the Kerberos ticket, elliott.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;

use super::{Examination, Finding};
use crate::clock::duration_words;
use crate::config::{
    ConfigError, Document, Problem, Severity, SupportedVersions, check_document, check_environment,
    check_expiry, find_document, jwe, open_document,
};
use crate::flow::nodes::{unknown_limits, unknown_steps};

pub(super) const KEY: &str = "key";
pub(super) const DOCUMENT: &str = "document";
pub(super) const ENVIRONMENT: &str = "environment";
pub(super) const TICKET: &str = "kerberos-ticket";
pub(super) const ERRATA: &str = "errata-tool";
pub(super) const ELLIOTT: &str = "elliott";

/// How long making a Kerberos token, or asking elliott for its version, may take.
const TIME_LIMIT: Duration = Duration::from_secs(7);
/// A ticket that ends in less than this, in seconds, is worth a warning: the longest command is shorter.
const SHORT_TICKET: i64 = 60 * 60;

/// Everything that is wrong with a document's plaintext at `now`: errors first. Without `directory` the files that it names are
/// not read.
pub fn document_problems(
    text: &str,
    versions: &SupportedVersions,
    directory: Option<&Path>,
    now: Timestamp,
) -> Vec<Problem> {
    let mut problems = check_document(text, versions, directory);
    problems.extend(check_expiry(text, now));
    if let Ok(document) = Document::parse(text) {
        let unknown = unknown_steps(document.names(&["drive"]));
        let unknown = unknown.into_iter().chain(unknown_limits(document.names(&["drive_limits"])));
        let problem = |(path, message)| Problem { path, message, severity: Severity::Error };
        problems.extend(unknown.map(problem));
    }
    problems.sort_by_key(|problem| problem.severity);
    problems
}

/// The key, and the document that it opens. The production jobs of builds have neither.
pub(super) fn document(at: &Examination<'_>) -> Vec<Finding> {
    let settings = at.clients.settings();
    let needed = !at.is_about_builds();
    let closed = || Finding::unknown(DOCUMENT, "not read without its key", "").needed_if(needed);
    let key = match jwe::Key::of(settings.environment()) {
        Ok(key) => key,
        Err(error) => return vec![Finding::of_error(KEY, &error).needed_if(needed), closed()],
    };
    let opened = find_document(settings.environment())
        .and_then(|path| open_document(&path, &key).map(|plain| (path, plain)));
    let (path, plain) = match opened {
        Ok(opened) => opened,
        Err(ConfigError::Encrypted { path, source: jwe::JweError::WrongKey }) => {
            let words = format!(
                "OAR_JWK is a key, and does not open {}: it is another one's, or the file was changed",
                path.display()
            );
            let key = Finding::missing(KEY, words, jwe::JweError::WrongKey.hint());
            return vec![key.needed_if(needed), closed()];
        }
        Err(error) => {
            let key = Finding::untold(KEY, "OAR_JWK is a key; whether it is the document's is not known", "");
            return vec![key.needed_if(needed), Finding::of_error(DOCUMENT, &error).needed_if(needed)];
        }
    };
    let now = at.clients.clock().now();
    let problems = document_problems(plain.expose_secret(), settings.versions(), path.parent(), now);
    vec![
        Finding::ok(KEY, "OAR_JWK opens the document").needed_if(needed),
        judged(DOCUMENT, &path.display().to_string(), &problems).needed_if(needed),
    ]
}

/// Everything that the programs read from their environment.
pub(super) fn environment(at: &Examination<'_>) -> Vec<Finding> {
    let problems = check_environment(at.clients.settings().environment());
    vec![judged(ENVIRONMENT, "the environment variables", &problems)]
}

fn judged(check: &'static str, what: &str, problems: &[Problem]) -> Finding {
    let errors: Vec<String> = problems
        .iter()
        .filter(|problem| problem.severity == Severity::Error)
        .map(|problem| format!("{} {}", problem.path, problem.message))
        .collect();
    let next = "oarctl config check";
    match (errors.as_slice(), problems.len()) {
        ([], 0) => Finding::ok(check, format!("{what}: no problem found")),
        ([], warnings) => Finding::warning(check, format!("{what}: {}", counted(warnings, "warning")), next),
        ([first, rest @ ..], _) => {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} more)", rest.len()) };
            Finding::missing(check, format!("{what}: {first}{more}"), next)
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The ticket and its end, and whether it opens Errata Tool.
pub(super) async fn kerberos(at: &Examination<'_>) -> Vec<Finding> {
    let (lifetime, errata) =
        tokio::join!(at.clients.ticket_lifetime(TIME_LIMIT), at.clients.check_errata_ticket(TIME_LIMIT));
    let ticket = match lifetime {
        Err(error) => Finding::of_error(TICKET, &error),
        Ok(lifetime) => {
            let seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX);
            let end = at.clients.clock().now().checked_add(SignedDuration::from_secs(seconds)).ok();
            let text = format!("valid for {}", duration_words(seconds));
            let mut finding = if seconds < SHORT_TICKET {
                Finding::warning(TICKET, text, "Renew it: kinit <user>@REALM")
            } else {
                Finding::ok(TICKET, text)
            };
            finding.expires = end.map(crate::clock::stamp);
            finding
        }
    };
    let errata = match errata {
        Ok(()) => Finding::ok(ERRATA, "the Kerberos server gives a ticket for Errata Tool"),
        Err(error) => Finding::of_error(ERRATA, &error),
    };
    vec![ticket, errata]
}

/// Whether elliott is installed, and which version.
pub(super) async fn elliott(at: &Examination<'_>) -> Vec<Finding> {
    let elliott = match at.clients.elliott() {
        Ok(elliott) => elliott,
        Err(error) => return vec![Finding::of_error(ELLIOTT, &error)],
    };
    vec![match elliott.version(TIME_LIMIT).await {
        Ok(version) => Finding::ok(ELLIOTT, version),
        Err(error) => Finding::of_error(ELLIOTT, &error),
    }]
}

#[cfg(test)]
mod tests {
    use super::super::FindingVerdict;
    use super::*;

    #[test]
    fn steps_that_no_release_has_and_tokens_that_have_expired_are_problems() {
        let versions = SupportedVersions::built_in().unwrap();
        let text = r#"{"drive": {"stage-testin": "auto", "stage-testing": "auto"}}"#;
        let found = document_problems(text, &versions, None, "2026-07-01T00:00:00Z".parse().unwrap());
        let of_steps: Vec<&Problem> = found.iter().filter(|one| one.path.starts_with("drive")).collect();
        assert_eq!(of_steps.len(), 1, "{found:#?}");
        assert_eq!(
            (of_steps[0].path.as_str(), of_steps[0].severity),
            ("drive.stage-testin", Severity::Error)
        );
        assert!(of_steps[0].message.contains("stage-testing"), "{}", of_steps[0].message);
    }

    #[test]
    fn errors_of_the_document_are_missing_and_warnings_are_warnings() {
        let problem =
            |severity, path: &str| Problem { path: path.into(), message: "is wrong".into(), severity };
        let one = judged(DOCUMENT, "x.json", &[problem(Severity::Error, "owners.default")]);
        assert_eq!(one.verdict, FindingVerdict::Missing);
        assert_eq!(one.text, "x.json: owners.default is wrong");
        let all =
            [problem(Severity::Error, "a"), problem(Severity::Error, "b"), problem(Severity::Warning, "c")];
        assert!(judged(DOCUMENT, "x", &all).text.ends_with("(and 1 more)"));
        let warning = judged(DOCUMENT, "x", &[problem(Severity::Warning, "a")]);
        assert_eq!((warning.verdict, warning.text.as_str()), (FindingVerdict::Warning, "x: 1 warning"));
        assert_eq!(judged(DOCUMENT, "x", &[]).verdict, FindingVerdict::Ok);
    }
}
