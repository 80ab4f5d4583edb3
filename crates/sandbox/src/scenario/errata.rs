//! The Errata Tool at the start of the two releases.

use std::collections::{BTreeMap, BTreeSet};

use super::{ERRATA_ADVISORIES, KONFLUX_ADVISORIES, PEOPLE};
use crate::{
    services::errata::{
        Advisory, AdvisoryState, AdvisoryType, Build, ErrataUser, ExternalTest, Role, State, TpsJob,
    },
    world::World,
};

/// The account that the programs' Kerberos ticket stands for.
pub const BOT: &str = "bot@example.com";
/// A known account that may not use the Errata Tool.
pub const WITHOUT_ACCESS: &str = "visitor@example.com";
/// QE owner of every advisory before a release lead takes it.
pub const FIRST_OWNER: &str = "art-default@example.com";

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.errata.lock();
    BOT.clone_into(&mut state.token_user);
    users(&mut state);
    for (release, list) in [("4.19.1", &KONFLUX_ADVISORIES[..]), ("4.14.60", &ERRATA_ADVISORIES[..])] {
        for (impetus, id) in list {
            let Ok(id) = u32::try_from(*id) else { continue };
            state.advisories.insert(id, advisory(release, impetus, id));
        }
    }
    // ART makes the metadata advisory depend on those whose images it lists.
    if let Some(metadata) = state.advisory_mut(140_004) {
        metadata.blocking_advisories = vec![140_002];
    }
}

fn users(state: &mut State) {
    let people = PEOPLE.iter().filter(|person| person.active).map(|person| person.email);
    let own = ["demo-lead@example.com", "second-lead@example.com", BOT, FIRST_OWNER, WITHOUT_ACCESS];
    for (email, id) in own.into_iter().chain(people).zip(4_400_001..) {
        if state.user(email).is_none() {
            let roles = BTreeSet::from([Role::Devel, Role::Qa]);
            state.users.push(ErrataUser {
                id,
                email: email.to_owned(),
                roles,
                access: email != WITHOUT_ACCESS,
            });
        }
    }
}

fn advisory(release: &str, impetus: &str, id: u32) -> Advisory {
    let stream = release.rsplit_once('.').map_or(release, |(stream, _)| stream);
    let rpm = matches!(impetus, "rpm" | "microshift");
    let security = impetus == "metadata";
    let kind = if security { AdvisoryType::Rhsa } else { AdvisoryType::Rhba };
    let what = if impetus == "metadata" { "operators" } else { impetus };
    Advisory {
        id,
        kind,
        state: match (release, impetus) {
            ("4.19.1", "rhcos") => AdvisoryState::NewFiles,
            (_, "extras") => AdvisoryState::DroppedNoShip,
            _ => AdvisoryState::Qe,
        },
        synopsis: format!("OpenShift Container Platform {release} {what} update"),
        topic: format!("Made-up topic of {release} {what}."),
        description: format!("Made-up description of {release} {what}.\n\nIt has two paragraphs."),
        solution: "Made-up solution.".to_owned(),
        cve: if security { "CVE-2026-1000 CVE-2026-1001".to_owned() } else { String::new() },
        content_types: vec![if rpm { "rpm" } else { "docker" }.to_owned()],
        text_only: false,
        text_only_cpe: None,
        product: "RHOSE".to_owned(),
        release: format!("OSE {stream}"),
        package_owner: FIRST_OWNER.to_owned(),
        reporter: BOT.to_owned(),
        assigned_to: FIRST_OWNER.to_owned(),
        qe_group: "OpenShift QE".to_owned(),
        manager_id: 4_400_002,
        publish_date: Some("2026-07-07".to_owned()),
        publish_date_override: Some("2026-07-07".to_owned()),
        created_at: "2026-06-25T08:00:00Z".to_owned(),
        status_updated_at: "2026-06-30T10:12:13Z".to_owned(),
        actual_ship_date: None,
        respin_count: 1,
        blocking_advisories: Vec::new(),
        text_ready: false,
        doc_complete: true,
        security_approved: security.then_some(false),
        security_impact: security.then(|| "Moderate".to_owned()),
        bugs: vec![2_300_000 + id % 10_000],
        jira_issues: issues(id),
        builds: builds(stream, release, impetus, id, rpm),
        tps_jobs: if rpm { vec![TpsJob { rhnqa: false, state: "GOOD".to_owned() }] } else { Vec::new() },
        external_tests: if rpm {
            Vec::new()
        } else {
            vec![ExternalTest {
                id: id + 100_000,
                test_type: "greenwave_cvp".to_owned(),
                active: true,
                status: "PASSED".to_owned(),
                nvr: format!("ose-demo-{impetus}-container-v{release}-1"),
            }]
        },
        grade: (!rpm && impetus != "rhcos").then_some('A'),
        security_alerts: Vec::new(),
        security_alerts_block: false,
        stage_targets: vec![if rpm { "cdn_stage" } else { "cdn_docker_stage" }.to_owned()],
        live_targets: vec![if rpm { "cdn" } else { "cdn_docker" }.to_owned()],
        push_jobs: Vec::new(),
        push_scripts: std::collections::VecDeque::new(),
        alerts_block_at_refresh: None,
        comments: Vec::new(),
        edits: BTreeMap::new(),
        state_changes: Vec::new(),
    }
}

/// Two issues of its own: an issue is on one active advisory only.
fn issues(id: u32) -> Vec<String> {
    let first = if id >= 150_000 { 60_000 } else { 61_000 } + id % 1000 * 10;
    (first..first + 2).map(|number| format!("OCPBUGS-{number}")).collect()
}

fn builds(stream: &str, release: &str, impetus: &str, id: u32, rpm: bool) -> Vec<Build> {
    let names: &[&str] = match impetus {
        "rpm" => &["openshift-demo", "cri-demo"],
        "microshift" => &["microshift"],
        "rhcos" => &["rhcos-x86_64"],
        _ => &["ose-demo", "ose-other"],
    };
    names
        .iter()
        .zip(1u32..)
        .map(|(name, number)| {
            let nvr = match (impetus, rpm) {
                ("rhcos", _) => format!("{name}-{stream}.9.6.20260629-0"),
                (_, true) => format!("{name}-{release}-20260629{number:04}.p0.g0123456.el9"),
                (_, false) => format!("{name}-{impetus}-container-v{release}-20260629{number:04}.p0.el9"),
            };
            let file = if rpm { format!("{nvr}.x86_64.rpm") } else { format!("docker-image-{nvr}.tar.gz") };
            let files = BTreeMap::from([("x86_64".to_owned(), vec![file])]);
            Build {
                id: id * 10 + number,
                product_version: format!("OSE-{stream}-RHEL-9"),
                rpms_signed: rpm,
                files: BTreeMap::from([(format!("9Base-RHOSE-{stream}"), files)]),
                nvr,
            }
        })
        .collect()
}
