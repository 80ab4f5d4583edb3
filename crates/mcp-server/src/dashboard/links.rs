//! Where links lead: pages of other systems, and our own.

use oar_core::config::Endpoints;
use oar_core::ids::{AdvisoryId, IssueKey};
use oar_core::prow::names::BuildName;
use oar_core::service::Service;
use oar_core::version::Arch;

use super::text::{Link, Shower};

/// The page of an advisory.
pub(super) fn advisory(id: u64, endpoints: &Endpoints, shower: &Shower) -> Link {
    let base = endpoints.base(Service::Errata);
    let address = oar_core::clients::errata::advisory_link(base, AdvisoryId::new(id));
    shower.named_link(&id.to_string(), &address)
}

/// The page of a Jira issue.
pub(super) fn issue(key: &str, shower: &Shower) -> Link {
    match key.parse::<IssueKey>() {
        Ok(parsed) => shower.named_link(key, &parsed.link()),
        Err(_) => shower.link(key),
    }
}

/// Our page of a build's tests; `None` of what is no build's name.
pub(super) fn build_path(build: &str, arch: &str) -> Option<String> {
    let build: BuildName = build.parse().ok()?;
    let arch: Arch = match arch {
        // The names in the metadata of a release.
        "x86_64" => Arch::Amd64,
        "aarch64" => Arch::Arm64,
        arch => arch.parse().ok()?,
    };
    Some(match arch {
        Arch::Amd64 => format!("/builds/{build}"),
        arch => format!("/builds/{build}?arch={}", arch.text()),
    })
}
