//! The made-up world of the two releases: 4.19.1 (Konflux) and 4.14.60 (Errata).
//!
//! Data that several services share is here; the rest is in the service's own module.

use crate::world::World;

pub mod brew;
pub mod catalog;
pub mod ci_configuration;
pub mod errata;
pub mod gcs;
pub mod github;
pub mod gitlab;
pub mod google;
pub mod jenkins;
pub mod jira;
pub mod kubernetes;
pub mod notificator;
pub mod parties;
pub mod prow;
pub mod records;
pub mod registry;
pub mod release_controller;
pub mod sheets;
pub mod slack;

/// The release of the Konflux flow.
pub const KONFLUX_RELEASE: &str = "4.19.1";
/// The release of the Errata flow.
pub const ERRATA_RELEASE: &str = "4.14.60";

/// Path of the GitLab project that holds shipment merge requests.
pub const SHIPMENT_PROJECT: &str = "hybrid-platforms/art/ocp-shipment-data";
/// Number of the shipment merge request of [`KONFLUX_RELEASE`].
pub const SHIPMENT_IID: u64 = 612;

/// Advisories of [`KONFLUX_RELEASE`] by impetus.
pub const KONFLUX_ADVISORIES: [(&str, u64); 3] =
    [("rpm", 150_001), ("rhcos", 150_002), ("microshift", 150_003)];
/// Advisories of [`ERRATA_RELEASE`] by impetus.
pub const ERRATA_ADVISORIES: [(&str, u64); 5] =
    [("rpm", 140_001), ("image", 140_002), ("extras", 140_003), ("metadata", 140_004), ("rhcos", 140_005)];

/// Release ticket of [`KONFLUX_RELEASE`].
pub const KONFLUX_TICKET: &str = "ART-14191";
/// Release ticket of [`ERRATA_RELEASE`].
pub const ERRATA_TICKET: &str = "ART-14600";

/// A person who exists in every service.
#[derive(Clone, Copy, Debug)]
pub struct Person {
    /// Account name, the same everywhere.
    pub login: &'static str,
    /// Full name.
    pub name: &'static str,
    /// E-mail address.
    pub email: &'static str,
    /// Slack user id.
    pub slack_id: &'static str,
    /// Whether the account is in use.
    pub active: bool,
}

/// The people of the scenario. The first one takes ownership; the second one is another release lead.
pub const PEOPLE: [Person; 5] = [
    Person {
        login: "rlead",
        name: "Robin Lead",
        email: "demo-lead@example.com",
        slack_id: "U0000LEAD1",
        active: true,
    },
    Person {
        login: "slead",
        name: "Sam Lead",
        email: "second-lead@example.com",
        slack_id: "U0000LEAD2",
        active: true,
    },
    Person {
        login: "artbot",
        name: "Art Bot",
        email: "artbot@example.com",
        slack_id: "U0000ARTB1",
        active: true,
    },
    Person {
        login: "qcontact",
        name: "Quinn Contact",
        email: "qcontact@example.com",
        slack_id: "U0000QCON1",
        active: true,
    },
    Person {
        login: "gone",
        name: "Gerry Gone",
        email: "gone@example.com",
        slack_id: "U0000GONE1",
        active: false,
    },
];

/// Address of the shipment merge request on the sandbox's own GitLab.
pub fn shipment_url(world: &World) -> String {
    format!("{}/{SHIPMENT_PROJECT}/-/merge_requests/{SHIPMENT_IID}", world.url("/gitlab"))
}

/// Fills every service.
pub fn load(world: &World) {
    github::load(world);
    slack::load(world);
    errata::load(world);
    jira::load(world);
    gitlab::load(world);
    release_controller::load(world);
    catalog::load(world);
    registry::load(world);
    brew::load(world);
    jenkins::load(world);
    prow::load(world);
    google::load(world);
    sheets::load(world);
    records::load(world);
    ci_configuration::load(world);
    gcs::load(world);
    kubernetes::load(world);
}
