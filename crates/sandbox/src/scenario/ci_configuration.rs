//! The CI configuration on GitHub, `openshift/release`: the names of the periodic jobs and of the tests behind them
//! (spec 04 §2.1 H6).

use std::fmt::Write as _;

use super::{prow, records};
use crate::world::World;

/// The repository.
pub const REPOSITORY: &str = "openshift/release";
/// The component whose jobs test builds.
const COMPONENT: &str = "openshift/openshift-tests-private";

/// Fills the repository.
pub fn load(world: &World) {
    let now = world.clock.now();
    let mut files = Vec::new();
    for minor in records::MINORS {
        let jobs = records::nightly_jobs(minor).into_iter().chain(records::stable_jobs(minor));
        let (mut periodics, mut tests) = ("periodics:\n".to_owned(), "tests:\n".to_owned());
        for (name, _) in jobs {
            // Writing to a text cannot fail.
            let _ = writeln!(periodics, "- agent: kubernetes\n  cron: 0 0 31 2 *\n  name: {name}");
            let test = name.rsplit_once("-automated-release-").map_or(name.as_str(), |(_, test)| test);
            let _ = writeln!(tests, "- as: {test}\n  cron: 0 0 31 2 *");
        }
        let _ = writeln!(
            periodics,
            "- agent: kubernetes\n  cron: 0 0 31 2 *\n  name: {}",
            prow::stage_testing_job(minor)
        );
        let branch = format!("release-{minor}");
        files.push((
            format!("ci-operator/jobs/{COMPONENT}/openshift-openshift-tests-private-{branch}-periodics.yaml"),
            periodics,
        ));
        files.push((
            format!("ci-operator/config/{COMPONENT}/openshift-openshift-tests-private-{branch}__automated-release.yaml"),
            tests,
        ));
        files.push((
            format!(
                "ci-operator/config/{COMPONENT}/openshift-openshift-tests-private-{branch}__stage-testing.yaml"
            ),
            "tests:\n- as: e2e-aws-ipi\n  cron: 0 0 31 2 *\n".to_owned(),
        ));
    }
    files.push((format!("ci-operator/jobs/{COMPONENT}/OWNERS"), "approvers: []\n".to_owned()));
    let mut github = world.github.lock();
    github.add_repository(REPOSITORY, &["main"], now);
    // Cannot fail: the repository and its branch were just made.
    let _ = github.put_all(REPOSITORY, "main", files, "CI configuration", now);
}
