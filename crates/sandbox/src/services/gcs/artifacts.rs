//! What finished Prow jobs leave in their bucket.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::model::{Object, Report, State};
use crate::{
    services::prow::{JobState, ProwJob, yaml},
    world::World,
};

/// The objects of a bucket whose names begin with `prefix`, by name.
pub(super) fn objects(world: &World, bucket: &str, prefix: &str) -> Option<BTreeMap<String, Object>> {
    let now = world.clock.now();
    let base = world.url("/prow");
    let jobs: Vec<ProwJob> = world.prow.lock().jobs.clone();
    let state = world.gcs.lock();
    if !state.buckets.contains(bucket) {
        return None;
    }
    let mut found: BTreeMap<String, Object> = BTreeMap::new();
    for job in jobs.iter().filter(|job| job.bucket() == bucket && job.has_page(now)) {
        for former in &job.replaced {
            let root = format!("logs/{}/{former}/", job.job);
            if root.starts_with(prefix) || prefix.starts_with(&root) {
                replaced(job, *former, now, &base, &root, &mut found);
            }
        }
        let root = format!("logs/{}/{}/", job.job, job.build);
        if root.starts_with(prefix) || prefix.starts_with(&root) {
            run(&state, job, now, &base, &root, &mut found);
        }
    }
    for ((owner, name), object) in &state.objects {
        if owner == bucket {
            found.insert(name.clone(), object.clone());
        }
    }
    found.retain(|name, _| name.starts_with(prefix));
    Some(found)
}

/// What a pod left that was evicted: its own end, and Prow's object of the time when it still ran.
fn replaced(
    job: &ProwJob,
    build: u64,
    now: Timestamp,
    base: &str,
    root: &str,
    found: &mut BTreeMap<String, Object>,
) {
    let pending = ProwJob {
        build,
        duration: now.duration_since(job.started) + jiff::SignedDuration::from_hours(1),
        outcome: JobState::Failure,
        ..job.clone()
    };
    let object: serde_json::Value = serde_yaml::from_str(&yaml(&pending, now, base)).unwrap_or_default();
    let finished = json!({"timestamp": job.started.as_second() + 60, "passed": false, "result": "FAILURE"});
    for (name, text) in [("prowjob.json", object.to_string()), ("finished.json", finished.to_string())] {
        let name = format!("{root}{name}");
        let written = Object::new(&name, text, job.started);
        found.insert(name, written);
    }
}

/// What one run has written so far.
fn run(
    state: &State,
    job: &ProwJob,
    now: Timestamp,
    base: &str,
    root: &str,
    found: &mut BTreeMap<String, Object>,
) {
    let mut put = |name: String, text: String, at: Timestamp| {
        let name = format!("{root}{name}");
        let object = Object::new(&name, text, at);
        found.insert(name, object);
    };
    let started = json!({"timestamp": job.started.as_second(), "repos": {}});
    put("started.json".to_owned(), started.to_string(), job.started);
    let object: serde_json::Value = serde_yaml::from_str(&yaml(job, now, base)).unwrap_or_default();
    put("prowjob.json".to_owned(), object.to_string(), job.started);
    let Some(completed) = job.completed(now).filter(|_| job.state_at(now).is_final()) else { return };
    let passed = job.outcome == JobState::Success;
    let result = job.outcome.name().to_uppercase();
    let finished = json!({"timestamp": completed.as_second(), "passed": passed, "result": result});
    put("finished.json".to_owned(), finished.to_string(), completed);
    put("build-log.txt".to_owned(), "made up\n".to_owned(), completed);
    let step = job.target();
    for number in 0..state.clutter {
        let name = format!("artifacts/{step}/gather-extra/artifacts/pods/demo-{number:05}.log");
        put(name, String::new(), completed);
    }
    if let Some(text) = report(state, job, passed) {
        let name = format!("artifacts/{step}/openshift-e2e-test-qe-report/artifacts/test-results.yaml");
        put(name, text, completed);
    }
}

fn report(state: &State, job: &ProwJob, passed: bool) -> Option<String> {
    let usual = if job.job.contains("upgrade") { Report::Absent } else { Report::Fitting };
    match state.reports.get(&job.job).unwrap_or(&usual) {
        Report::Absent => None,
        Report::Text(text) => Some(text.clone()),
        Report::Repeated => Some(
            "ginkgo: {total: 10, failures: 0, errors: 0, skipped: 2}\n\
             openshift-extended-test: {total: 80, failures: 1, errors: 0, skipped: 18, failingScenarios: \
             [\"[sig-demo] a case of ginkgo, made up\"]}\n\
             ginkgo: {total: 12, failures: 0, errors: 0, skipped: 3}\n"
                .to_owned(),
        ),
        Report::Fitting if passed => Some(
            "cucushift-e2e:\n  total: 20\n  failures: 0\n  errors: 0\n  skipped: 4\n\
             openshift-extended-test:\n  total: 80\n  failures: 0\n  errors: 0\n  skipped: 18\n"
                .to_owned(),
        ),
        Report::Fitting => Some(
            "openshift-extended-test:\n  total: 80\n  failures: 1\n  errors: 0\n  skipped: 18\n  \
             failingScenarios:\n    - \"[sig-demo] made-up case\"\n"
                .to_owned(),
        ),
    }
}
