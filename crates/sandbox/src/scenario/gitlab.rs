//! GitLab at the start of the two releases.

use std::collections::BTreeMap;

use super::{KONFLUX_RELEASE, PEOPLE, SHIPMENT_IID, SHIPMENT_PROJECT, registry};
use crate::{
    credentials,
    services::gitlab::{
        AccessLevel, ApprovalRule, Branch, Job, MergeRequest, MergeRequestState, Pipeline, Project, Scope,
        State, Token, User,
    },
    world::World,
};

/// Id of the project with the shipment merge requests.
pub const PROJECT: u64 = 5150;
/// Id of the release bot's fork of it.
pub const FORK: u64 = 5151;
/// Path of the fork.
pub const FORK_PROJECT: &str = "demo-release-bot/ocp-shipment-data";
/// Account of the programs' token.
pub const BOT: u64 = 7001;
/// Account of ART, the author of shipment merge requests.
pub const ART: u64 = 7002;
/// A token that may only read.
pub const READ_ONLY_TOKEN: &str = "glpat-sandbox-read-only";
/// A token that may only read its own account.
pub const ACCOUNT_TOKEN: &str = "glpat-sandbox-read-user";
/// A token whose time is over.
pub const EXPIRED_TOKEN: &str = "glpat-sandbox-expired";
/// A token of somebody who is no member of the project.
pub const OUTSIDER_TOKEN: &str = "glpat-sandbox-outsider";
/// A token of a member who may comment and no more.
pub const REPORTER_TOKEN: &str = "glpat-sandbox-reporter";

/// Source branch of the shipment merge request.
pub const BRANCH: &str = "prepare-shipment-4.19.1-20260625080910";
const FOLDER: &str = "shipment/ocp/openshift-4.19";
/// The shipment of the images of the payload.
pub const IMAGE_FILE: &str =
    "shipment/ocp/openshift-4.19/openshift-4-19/prod/4.19.1.image.20260625080910.yaml";

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.gitlab.lock();
    users(&mut state);
    tokens(&mut state);
    project(&mut state);
    merge_requests(&mut state);
    pipelines(&mut state);
}

fn users(state: &mut State) {
    let mut add = |id: u64, username: &str, name: &str, email: Option<&str>, active: bool| {
        if state.users.iter().any(|user| user.public_email.as_deref() == email && email.is_some()) {
            return;
        }
        state.users.push(User {
            id,
            username: username.to_owned(),
            name: name.to_owned(),
            public_email: email.map(str::to_owned),
            state: if active { "active" } else { "blocked" }.to_owned(),
            bot: username.contains("_bot_"),
        });
    };
    add(BOT, "group_9_bot_ab12", "release bot", None, true);
    add(ART, "group_8_bot_cd34", "art bot", None, true);
    add(7101, "demolead", "Demo Lead", Some("demo-lead@example.com"), true);
    add(7102, "secondlead", "Second Lead", Some("second-lead@example.com"), true);
    add(7103, "shylead", "Shy Lead", None, true);
    for (person, id) in PEOPLE.iter().zip(7110..) {
        add(id, person.login, person.name, Some(person.email), person.active);
    }
    // Newer than the person whose address is a part of this one, so it comes first in a list.
    add(7250, "xdemolead", "Xenia Demo", Some("x-demo-lead@example.com"), true);
    add(7251, "xrlead", "Xaver Lead", Some("x-demo-lead@example.com"), true);
}

fn tokens(state: &mut State) {
    for (value, user, scope, expired) in [
        (credentials::GITLAB_TOKEN, BOT, Scope::Api, false),
        (READ_ONLY_TOKEN, BOT, Scope::ReadApi, false),
        (ACCOUNT_TOKEN, BOT, Scope::ReadUser, false),
        (EXPIRED_TOKEN, BOT, Scope::Api, true),
        (OUTSIDER_TOKEN, 7250, Scope::Api, false),
        (REPORTER_TOKEN, 7102, Scope::Api, false),
    ] {
        let (value, expires_at) = (value.to_owned(), Some("2199-12-31".to_owned()));
        state.tokens.push(Token { value, user, scope, expired, expires_at, oauth: false });
    }
}

fn project(state: &mut State) {
    let mut main = Branch::new(BTreeMap::from([("README.md".to_owned(), "# Shipment data\n".to_owned())]));
    main.commits = main.history();
    let mut source = main.clone();
    for (kind, application, content) in [
        ("image", "openshift-4-19", include_str!("gitlab/image.yaml")),
        ("extras", "openshift-4-19", include_str!("gitlab/extras.yaml")),
        ("metadata", "openshift-4-19", include_str!("gitlab/metadata.yaml")),
        ("fbc", "fbc-openshift-4-19", include_str!("gitlab/fbc.yaml")),
    ] {
        let path = format!("{FOLDER}/{application}/prod/{KONFLUX_RELEASE}.{kind}.20260625080910.yaml");
        source.files.insert(path, registry::with_digests(content));
    }
    state.projects.push(Project {
        id: PROJECT,
        path: SHIPMENT_PROJECT.to_owned(),
        default_branch: "main".to_owned(),
        labels: ["prod-release-success", "stage-release-success", "stage-testing-success"]
            .map(|name| (name.to_owned(), "#428BCA".to_owned()))
            .into(),
        members: BTreeMap::from([
            (BOT, AccessLevel::Developer),
            (ART, AccessLevel::Maintainer),
            (7101, AccessLevel::Developer),
            (7102, AccessLevel::Reporter),
        ]),
        approval_rules: Some(vec![ApprovalRule {
            name: "QE".to_owned(),
            required: 1,
            eligible: vec![BOT, 7101],
        }]),
        branches: BTreeMap::from([("main".to_owned(), main.clone()), (BRANCH.to_owned(), source)]),
        forked_from: None,
    });
    state.projects.push(Project {
        id: FORK,
        path: FORK_PROJECT.to_owned(),
        default_branch: "main".to_owned(),
        labels: Vec::new(),
        members: BTreeMap::from([(BOT, AccessLevel::Maintainer)]),
        approval_rules: Some(Vec::new()),
        branches: BTreeMap::from([("main".to_owned(), main)]),
        forked_from: Some(PROJECT),
    });
    state.checking_reads = 1;
}

fn merge_requests(state: &mut State) {
    for (iid, title, request_state, branch, labels) in [
        (611, "Shipment for 4.19.0 (ship date: 2026-Jun-16)", MergeRequestState::Merged, "gone", 2),
        (SHIPMENT_IID, "Shipment for 4.19.1 (ship date: 2026-Jul-07)", MergeRequestState::Opened, BRANCH, 1),
        (613, "Draft: Shipment for 4.19.2 (ship date: 2026-Jul-21)", MergeRequestState::Opened, "later", 0),
    ] {
        let all = ["stage-release-success", "prod-release-success"];
        state.merge_requests.push(MergeRequest {
            id: 880_000 + iid,
            iid,
            project: PROJECT,
            source_project: PROJECT,
            title: title.to_owned(),
            description: "Created by job: https://ci.example.test/1".to_owned(),
            state: request_state,
            labels: all.iter().take(labels).map(|label| (*label).to_owned()).collect(),
            source_branch: branch.to_owned(),
            target_branch: "main".to_owned(),
            author: ART,
            notes: Vec::new(),
            approval_rules: vec![ApprovalRule {
                name: "QE".to_owned(),
                required: 1,
                eligible: vec![BOT, 7101],
            }],
            approved_by: Vec::new(),
            created_at: format!("2026-06-25T08:0{}:10.000Z", iid - 610),
            updated_at: "2026-06-30T10:00:00.000Z".to_owned(),
            notes_added: 0,
            notes_edited: 0,
            updates: 0,
            squash: false,
            auto_merge: false,
            remove_source_branch: false,
            checks_left: 0,
            merge_commit: None,
        });
    }
}

fn pipelines(state: &mut State) {
    let job = |id: u64, name: &str, stage: &str, status: &str, retried: bool| Job {
        id,
        name: name.to_owned(),
        stage: stage.to_owned(),
        status: status.to_owned(),
        retried,
        allow_failure: false,
        downstream: None,
    };
    for (id, status, stage_status) in [(910_001, "failed", "failed"), (910_002, "manual", "success")] {
        state.pipelines.push(Pipeline {
            id,
            project: PROJECT,
            merge_request: SHIPMENT_IID,
            status: status.to_owned(),
            created_at: format!("2026-06-2{}T08:00:00.000Z", id - 909_996),
            jobs: vec![
                job(id * 10 + 1, "validate", "check", "failed", true),
                job(id * 10 + 2, "validate", "check", "success", false),
            ],
            bridges: vec![
                job(id * 10 + 3, "stage-job", "stage-release-triggers", stage_status, false),
                job(id * 10 + 4, "prod-job", "prod-release-triggers", "manual", false),
            ],
        });
    }
}
