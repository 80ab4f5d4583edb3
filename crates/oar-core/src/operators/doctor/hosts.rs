//! Hosts that are asked without a login, their certificates and clocks; build data, registry, directory.

use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::{Examination, Finding, FindingVerdict, Subject};
use crate::clients::{ClientError, Reached};
use crate::clock::stamp;
use crate::error::{Classified as _, ServiceErrorKind};
use crate::ids::PullSpec;
use crate::service::Service;

pub(super) const BUILD_DATA: &str = "build-data";
pub(super) const HOSTS: &str = "hosts";
pub(super) const CLOCK: &str = "clock";
pub(super) const CERTIFICATES: &str = "certificates";
pub(super) const REGISTRY: &str = "registry";
pub(super) const DIRECTORY: &str = "directory";

/// A difference of the clocks from which Kerberos refuses tickets (MIT's default `clockskew`).
const TOO_FAR: SignedDuration = SignedDuration::from_mins(5);
/// A difference that a machine with NTP does not have.
const FAR: SignedDuration = SignedDuration::from_secs(30);
/// Certificates are renewed earlier than this before their end.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_hours(14 * 24);
/// How long the release's flow is waited for before a host that depends on it is asked.
const FLOW_TIME_LIMIT: Duration = Duration::from_secs(3);

/// The build data of the release, and what ART has not entered yet.
pub(super) async fn build_data(at: &Examination<'_>) -> Vec<Finding> {
    let config = match at.read_config().await {
        None => {
            let words = "not looked at without a release: its build data, its flow, its shipment";
            let next = "Name a release: `oar -r RELEASE doctor`.";
            return vec![Finding::untold(BUILD_DATA, words, next).optional()];
        }
        Some(Err(finding)) => return vec![finding.clone()],
        Some(Ok(config)) => config,
    };
    let pending: Vec<String> = config.pending().iter().map(ToString::to_string).collect();
    let what = format!("{} is a release of the {} flow", config.release(), config.flow().as_str());
    vec![if pending.is_empty() {
        Finding::ok(BUILD_DATA, what)
    } else {
        let words = format!("{what}; ART has not entered yet: {}", pending.join(", "));
        Finding::warning(BUILD_DATA, words, "Wait for ART, or ask them.")
    }]
}

/// A host's service, and what it answered.
type Answered = (Service, Result<Reached, ClientError>);

/// The hosts that the subject needs in any case.
fn wanted(subject: &Subject) -> Vec<Service> {
    let mut wanted = vec![Service::ReleaseController, Service::Prow];
    if *subject != Subject::Builds {
        wanted.extend([Service::Mirror, Service::Access, Service::Brewhub, Service::Brewroot]);
    }
    if matches!(subject, Subject::Releases | Subject::NoRelease) {
        wanted.extend([Service::CatalogStage, Service::Pyxis]);
    }
    wanted
}

/// The host with the images of a release, which depends on its flow.
async fn catalog(at: &Examination<'_>) -> Option<Answered> {
    let Subject::Release(_) = at.subject else { return None };
    let is_errata = tokio::time::timeout(FLOW_TIME_LIMIT, at.is_errata_flow()).await.unwrap_or(false);
    let service = if is_errata { Service::Pyxis } else { Service::CatalogStage };
    Some((service, at.clients.reach(service).await))
}

/// The host with the build data; of a release, reading them has shown it.
async fn build_data_host(at: &Examination<'_>) -> Option<Answered> {
    let streams = at.clients.settings().versions().streams();
    let stream = streams.last().filter(|_| matches!(at.subject, Subject::Releases | Subject::NoRelease))?;
    Some((Service::GithubRaw, at.clients.reach_build_data(*stream).await))
}

/// All hosts in one finding, and what they say of the clock. They are asked at the same time.
pub(super) async fn check(at: &Examination<'_>) -> Vec<Finding> {
    let reached = wanted(at.subject)
        .into_iter()
        .map(|service| async move { (service, at.clients.reach(service).await) });
    let (mut answers, catalog, build_data) =
        tokio::join!(join_all(reached), catalog(at), build_data_host(at));
    answers.extend(catalog.into_iter().chain(build_data));
    let differences: Vec<SignedDuration> =
        answers.iter().filter_map(|(_, answer)| answer.as_ref().ok()?.clock_ahead).collect();
    vec![of_hosts(&answers), of_clock(differences)]
}

fn of_hosts(answers: &[Answered]) -> Finding {
    let mut worst = None::<Finding>;
    for (_, answer) in answers {
        let Err(error) = answer else { continue };
        let finding = match error {
            ClientError::Service(error) if error.detail.contains("certificate") => {
                Finding::of_named(HOSTS, error)
            }
            error => Finding::of_error(HOSTS, error),
        };
        worst = Some(match worst {
            None => finding,
            Some(worst) => worst.beside(finding),
        });
    }
    let names = answers.iter().map(|(service, _)| service.name()).collect::<Vec<_>>().join(", ");
    worst.unwrap_or_else(|| {
        Finding::ok(HOSTS, format!("all answer, and their certificates are trusted: {names}"))
    })
}

/// The certificates of the hosts that the other checks have asked over TLS; nothing without any.
pub(super) fn certificates(ends: &[(String, Timestamp)], now: Timestamp) -> Option<Finding> {
    let (host, first) = ends.iter().min_by_key(|(_, end)| *end)?;
    let soon: Vec<String> = ends
        .iter()
        .filter(|(_, end)| end.duration_since(now) < RENEWED_BEFORE)
        .map(|(host, end)| format!("{host} until {}", end.strftime("%Y-%m-%d")))
        .collect();
    let mut finding = if soon.is_empty() {
        let day = first.strftime("%Y-%m-%d");
        Finding::ok(
            CERTIFICATES,
            format!("of {} hosts; the first one that ends is that of {host}, on {day}", ends.len()),
        )
    } else {
        let words =
            format!("valid for less than {} days: {}", RENEWED_BEFORE.as_hours() / 24, soon.join(", "));
        Finding::warning(CERTIFICATES, words, "Tell whoever runs the host: it is refused from that day on.")
    };
    finding.expires = Some(stamp(*first));
    Some(finding)
}

/// The median of the differences, so that one host with a wrong clock changes nothing. Of the two in the middle the smaller
/// one counts.
fn of_clock(mut differences: Vec<SignedDuration>) -> Finding {
    differences.sort_unstable();
    let middle = [differences.len().saturating_sub(1) / 2, differences.len() / 2];
    let middle = middle.into_iter().filter_map(|place| differences.get(place).copied());
    let Some(ahead) = middle.min_by_key(|difference| difference.abs()) else {
        return Finding::unknown(CLOCK, "no host told the time", "");
    };
    let seconds = ahead.as_secs();
    let side = if seconds < 0 { "behind" } else { "ahead of" };
    let text = format!("this machine's clock is {} s {side} those of the hosts", seconds.abs());
    let next = "Set the clock, for example with NTP.";
    match ahead.abs() {
        difference if difference >= TOO_FAR => {
            Finding::missing(CLOCK, format!("{text}: Kerberos and Google refuse it"), next)
        }
        difference if difference >= FAR => Finding::warning(CLOCK, text, next),
        _ => Finding::ok(CLOCK, text),
    }
}

/// Whether the registry with the payloads can be read: the release's own payload, when it is there.
pub(super) async fn registry(at: &Examination<'_>) -> Vec<Finding> {
    let repository = match at.clients.settings().document().and_then(crate::config::Document::jobs) {
        Ok(jobs) => jobs.payload_repository,
        Err(error) => return vec![Finding::of_error(REGISTRY, &error)],
    };
    let tag = match at.subject {
        Subject::Release(release) => format!("{release}-x86_64"),
        // No payload has this tag: that the registry says so shows that it can be read.
        _ => "release-tests-doctor".to_owned(),
    };
    let Ok(spec) = format!("{repository}:{tag}").parse::<PullSpec>() else {
        let words = format!("`{repository}` is not a repository");
        let next = "Correct jobs.payload-repository in the configuration document.";
        return vec![Finding::missing(REGISTRY, words, next)];
    };
    let finding = match at.clients.registry().digest(&spec).await {
        Ok(_) => Finding::ok(REGISTRY, format!("{spec} can be read")),
        Err(error) if error.kind == ServiceErrorKind::NotFound => {
            Finding::ok(REGISTRY, format!("{} answers; it has no {tag} yet", spec.registry()))
        }
        Err(error) => Finding::of_error(REGISTRY, &error),
    };
    vec![match at.subject {
        Subject::Release(_) => finding,
        _ if finding.verdict == FindingVerdict::Ok => {
            finding.saying(format!("{} answers for {}", spec.registry(), spec.repository()))
        }
        _ => finding,
    }]
}

/// Whether the company directory answers. Without it, reminders reach no manager.
pub(super) async fn directory(at: &Examination<'_>) -> Vec<Finding> {
    vec![
        match at.clients.directory().reach().await {
            Ok(()) => Finding::ok(DIRECTORY, "the company directory answers"),
            Err(error) => Finding::of_error(DIRECTORY, &error)
                .then(error.hint().unwrap_or_else(|| "Check the network (VPN).".to_owned())),
        }
        .optional(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ServiceError;

    #[test]
    fn the_clock_is_judged_by_the_median() {
        use FindingVerdict::{Missing, Ok as Good, Unknown, Warning};
        for (seconds, expected, words) in [
            (&[][..], Unknown, "no host"),
            (&[1], Good, "1 s ahead of"),
            (&[-2], Good, "2 s behind"),
            (&[0, 1, 9000], Good, "1 s ahead of"),
            (&[-9000, 2], Good, "2 s ahead of"),
            (&[2, 9000], Good, "2 s ahead of"),
            (&[45, 44, 46], Warning, "45 s ahead of"),
            (&[-400, -401, -399], Missing, "400 s behind"),
        ] {
            let found = of_clock(seconds.iter().map(|one| SignedDuration::from_secs(*one)).collect());
            assert_eq!(found.verdict, expected, "{seconds:?}");
            assert!(found.text.contains(words), "{}", found.text);
        }
    }

    #[test]
    fn a_certificate_that_ends_within_two_weeks_is_a_warning_that_names_its_host() {
        let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
        let of = |hosts: &[(&str, &str)]| {
            let ends: Vec<_> =
                hosts.iter().map(|(host, end)| ((*host).to_owned(), end.parse().unwrap())).collect();
            certificates(&ends, now)
        };
        assert_eq!(of(&[]), None);
        let good = [("a.example.com", "2026-08-01T00:00:00Z"), ("b.example.com", "2026-07-15T00:00:00Z")];
        let found = of(&good).unwrap();
        assert_eq!(found.verdict, FindingVerdict::Ok, "{found:?}");
        assert!(found.text.contains("that of b.example.com, on 2026-07-15"), "{found:?}");
        let found = of(&[good[0], ("b.example.com", "2026-07-14T23:59:59Z")]).unwrap();
        assert_eq!(found.verdict, FindingVerdict::Warning, "{found:?}");
        assert!(found.text.ends_with("days: b.example.com until 2026-07-14"), "{found:?}");
        assert_eq!((found.expires.as_deref(), found.class()), (Some("2026-07-14T23:59:59Z"), None));
        assert!(found.next.is_some());
    }

    #[test]
    fn a_certificate_that_nobody_trusts_is_missing_and_a_silent_host_unknown() {
        let good = || (Service::Mirror, Ok(Reached { status: 200, clock_ahead: None }));
        let bad = |detail: &str| {
            let error =
                ServiceError::new(Service::Access, "reach the host", ServiceErrorKind::Unavailable, detail);
            (Service::Access, Err(ClientError::from(error)))
        };
        assert_eq!(of_hosts(&[good()]).verdict, FindingVerdict::Ok);
        assert_eq!(of_hosts(&[good(), bad("no connection")]).verdict, FindingVerdict::Unknown);
        let untrusted = bad("no connection to x:443: invalid peer certificate: UnknownIssuer");
        let both = of_hosts(&[bad("no connection"), untrusted]);
        assert_eq!(both.verdict, FindingVerdict::Missing);
        assert!(both.text.contains("no connection;"), "both are told: {}", both.text);
    }
}
