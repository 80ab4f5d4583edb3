//! Jenkins at the start of the two releases: the stage pipeline, with builds of other releases.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    credentials,
    services::jenkins::{Account, Build, Job, Visible},
    world::World,
};

/// The pipeline that tests a release on stage.
pub const STAGE_JOB: &str = "zstreams/Stage-Pipeline";
/// The password of the account whose API token the programs use; with it a crumb is needed.
pub const PASSWORD: &str = "sandbox-jenkins-password";

/// Fills the service.
pub fn load(world: &World) {
    let now = world.clock.now();
    let mut state = world.jenkins.lock();
    let account = |secret: &str, is_token: bool| Account {
        user: credentials::JENKINS_USER.to_owned(),
        secret: secret.to_owned(),
        is_token,
        may_build: true,
    };
    state.accounts = vec![account(credentials::JENKINS_TOKEN, true), account(PASSWORD, false)];
    let parameters = |version: &str, release: &str| -> Vec<(String, Value)> {
        let pull_spec = format!("quay.io/openshift-release-dev/ocp-release:{release}-x86_64");
        vec![
            ("VERSION".to_owned(), json!(version)),
            ("PULL_SPEC".to_owned(), json!(pull_spec)),
            ("METADATA_AD".to_owned(), json!("")),
            ("DRY_RUN".to_owned(), json!(false)),
            ("CREDENTIAL".to_owned(), Value::Null),
        ]
    };
    let build = |number: u64, version: &str, release: &str, outcome: &str, hours: i64| Build {
        number,
        // Jenkins does not know the item of the oldest one.
        item: (number > 1699).then_some(4300 + number - 1690),
        started: before(now, hours),
        duration: SignedDuration::from_hours(2),
        outcome: outcome.to_owned(),
        parameters: parameters(version, release),
        early: None,
    };
    state.jobs = vec![
        Job {
            path: STAGE_JOB.to_owned(),
            parameters: parameters("", ""),
            choices: BTreeMap::new(),
            disabled: false,
            visible: Visible::Whole,
            builds: vec![
                build(1699, "4.19", "4.19.0", "SUCCESS", 200),
                build(1700, "4.19", "4.19.12", "SUCCESS", 30),
                build(1701, "4.14", "4.14.59", "ABORTED", 20),
            ],
            next: 1702,
            script: std::collections::VecDeque::new(),
        },
        Job {
            path: "zstreams/plain".to_owned(),
            parameters: Vec::new(),
            choices: BTreeMap::new(),
            disabled: false,
            visible: Visible::Whole,
            builds: Vec::new(),
            next: 1,
            script: std::collections::VecDeque::new(),
        },
    ];
    state.last_item = 4410;
}

fn before(now: Timestamp, hours: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_hours(hours)).unwrap_or(now)
}
