//! Job registries on `main` and record files on `record` of `openshift/release-tests`: made up, in the forms of spec 04
//! §5 and §6.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::{github::RECORD_BRANCH, release_controller::RECORDED_NIGHTLY};
use crate::{
    services::{
        github::STATE_REPOSITORY,
        prow::{JobState, Pace, ProwJob},
        release_controller::{Payload, Phase},
    },
    world::World,
};

/// The minors with a registry for amd64.
pub const MINORS: [&str; 5] = ["4.14", "4.19", "4.20", "4.21", "5.0"];
/// A job of the nightlies of 4.20.
pub const NIGHTLY_JOB: &str =
    "periodic-ci-openshift-openshift-tests-private-release-4.20-automated-release-aws-demo-f999";
/// An upgrade job of the nightlies of 4.20, which starts from the recorded stable release.
pub const UPGRADE_JOB: &str = "periodic-ci-openshift-openshift-tests-private-release-4.20-automated-release-stable-4.20-\
     upgrade-from-stable-4.20-aws-demo-f999";

/// The folder of registries and record files.
const FOLDER: &str = "_releases";

/// One entry of a registry: name of the job, and whether it upgrades to the build.
pub type Entry = (String, bool);

fn name(minor: &str, tail: &str) -> String {
    format!("periodic-ci-openshift-openshift-tests-private-release-{minor}-automated-release-{tail}-f999")
}

fn upgrade(minor: &str, from: &str, platform: &str) -> Entry {
    (name(minor, &format!("stable-{minor}-upgrade-from-stable-{from}-{platform}-demo")), true)
}

/// The minor before one: 4.22 before 5.0, as far as these files know.
fn before(minor: &str) -> String {
    match minor.split_once('.') {
        Some((major, number)) if number != "0" => {
            format!("{major}.{}", number.parse::<u64>().unwrap_or(1).saturating_sub(1))
        }
        _ => "4.22".to_owned(),
    }
}

/// The six jobs of a minor's nightlies, in the registry's order.
pub fn nightly_jobs(minor: &str) -> Vec<Entry> {
    let plain = |tail: &str| (name(minor, tail), false);
    vec![
        plain("aws-demo"),
        plain("azure-demo-fips"),
        plain("gcp-demo"),
        plain("aws-demo-disruptive"),
        upgrade(minor, &before(minor), "gcp"),
        upgrade(minor, minor, "aws"),
    ]
}

/// The three jobs of a minor's stable builds.
pub fn stable_jobs(minor: &str) -> Vec<Entry> {
    vec![
        upgrade(minor, &before(minor), "aws"),
        upgrade(minor, &before(minor), "azure"),
        upgrade(minor, minor, "vsphere"),
    ]
}

/// The registry of every architecture that has one for 4.20 beside amd64: its nightly jobs.
const OTHERS: [(&str, &str); 2] = [("arm64", "aws-arm-demo"), ("multi", "aws-multi-demo")];

/// Every job of every registry.
pub fn jobs() -> Vec<String> {
    let mut jobs: Vec<String> = MINORS
        .iter()
        .flat_map(|minor| nightly_jobs(minor).into_iter().chain(stable_jobs(minor)))
        .map(|(name, _)| name)
        .collect();
    jobs.extend(OTHERS.iter().map(|(_, tail)| name("4.20", tail)));
    jobs.sort();
    jobs.dedup();
    jobs
}

/// The text of a registry.
pub fn registry(nightly: &[Entry], stable: &[Entry]) -> String {
    let entries =
        |jobs: &[Entry]| -> Vec<Value> {
            jobs.iter()
                .map(|(name, upgrade)| {
                    if *upgrade {
                        json!({"prowJob": name, "upgrade": true})
                    } else {
                        json!({"prowJob": name})
                    }
                })
                .collect()
        };
    format!("{:#}\n", json!({"nightly": entries(nightly), "stable": entries(stable)}))
}

/// How the runs of one job went, in a record file: the first one, then the retries.
pub type Runs<'a> = (&'a str, &'a [&'a str]);

/// A finished or unfinished run of a job. States without an end have no completion time.
pub fn run(job: &str, state: &str, started: Timestamp, number: u64) -> Value {
    let id = uuid::Uuid::from_u128(u128::from(number) | (0xdead_u128 << 96) | (0x4 << 76) | (0x8 << 60));
    let stamp = |time: Timestamp| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut fields = Map::new();
    fields.insert("jobStartTime".to_owned(), stamp(started).into());
    fields.insert("jobID".to_owned(), id.to_string().into());
    if !matches!(state, "scheduling" | "triggered" | "error") {
        let page = format!(
            "https://deck.example.test/view/gs/qe-private-deck/logs/{job}/{}",
            2_088_000_000_000_000_000 + number
        );
        fields.insert("jobURL".to_owned(), page.into());
    }
    fields.insert("jobState".to_owned(), state.into());
    if !matches!(state, "scheduling" | "triggered" | "pending") {
        let end = started.saturating_add(SignedDuration::from_hours(3)).unwrap_or(started);
        fields.insert("jobCompletionTime".to_owned(), stamp(end).into());
    }
    Value::Object(fields)
}

/// The text of a result file: every job with its runs, then the build, then `flags` in their order.
pub fn result_file(
    stream: &str,
    build: &str,
    started: Timestamp,
    jobs: &[(String, Runs<'_>)],
    flags: &[(&str, bool)],
) -> String {
    // Ids differ between builds, and stay the same between runs of the sandbox (FNV-1a).
    let hash = |sum: u64, byte: u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut number = build.bytes().fold(0xcbf2_9ce4_8422_2325, hash) >> 24;
    let mut next = |job: &str, state: &str| {
        number += 1;
        run(job, state, started, number)
    };
    let result: Vec<Value> = jobs
        .iter()
        .map(|(job, (first, retries))| {
            let first = next(job, first);
            let retries: Vec<Value> = retries.iter().map(|state| next(job, state)).collect();
            json!({"jobName": job, "firstJob": first, "retriedJobs": retries})
        })
        .collect();
    let mut file = json!({"result": result, "build": payload(stream, build)});
    for (flag, value) in flags {
        file[*flag] = json!(value);
    }
    format!("{file:#}")
}

/// A build as the release controller shows it.
fn payload(stream: &str, build: &str) -> Value {
    json!({
        "name": build,
        "phase": "Accepted",
        "pullSpec": Payload::new(build, Phase::Accepted).pull_spec(stream),
        "downloadURL": format!("https://openshift-release-artifacts.example.test/{build}"),
    })
}

/// Makes the result files of amd64 `total`, of which `open` have runs that Prow has begun, as after years of use.
pub fn grow(world: &World, total: usize, open: usize) {
    let paths = world.github.lock().paths(STATE_REPOSITORY, RECORD_BRANCH);
    let is_result = |path: &&String| path.contains("/ocp-test-result-") && path.ends_with("-amd64.json");
    let present = paths.iter().filter(is_result).count();
    fill(world, total.saturating_sub(open + present));
    fill_open(world, open);
}

/// When builds were tested whose records are part of the scenario: some time ago.
fn earlier(now: Timestamp) -> Timestamp {
    now.saturating_sub(SignedDuration::from_hours(7 * 24)).unwrap_or(now)
}

/// Puts `count` final result files of stable builds `4.<minor>.<n>` onto the record branch, as years of use do.
pub fn fill(world: &World, count: usize) {
    let now = world.clock.now();
    let jobs: Vec<(String, Runs<'_>)> =
        stable_jobs("4.14").into_iter().map(|(job, _)| (job, ("success", &[][..]))).collect();
    let mut files = Vec::new();
    let tested = earlier(now);
    for number in 0..count {
        let build = format!("4.{}.{}", 12 + number % 2, 100 + number / 2);
        let text =
            result_file("4-stable", &build, tested, &jobs, &[("aggregated", true), ("accepted", true)]);
        files.push((format!("{FOLDER}/ocp-test-result-{build}-amd64.json"), text));
    }
    // Cannot fail: the repository and its branch are part of the scenario.
    let _ = world.github.lock().put_all(STATE_REPOSITORY, RECORD_BRANCH, files, "Earlier records", now);
}

/// Puts `count` open result files of stable builds `4.19.<n>` onto the record branch, whose runs Prow has begun.
fn fill_open(world: &World, count: usize) {
    let now = world.clock.now();
    let jobs: Vec<(String, Runs<'_>)> =
        stable_jobs("4.19").into_iter().map(|(job, _)| (job, ("pending", &[][..]))).collect();
    let mut files = Vec::new();
    for number in 0..count {
        let build = format!("4.19.{}", 200 + number);
        let text = result_file("4-stable", &build, now, &jobs, &[]);
        let file: Value = serde_json::from_str(&text).unwrap_or_default();
        for entry in file["result"].as_array().into_iter().flatten() {
            begin(world, entry);
        }
        files.push((format!("{FOLDER}/ocp-test-result-{build}-amd64.json"), text));
    }
    // Cannot fail, as above.
    let _ = world.github.lock().put_all(STATE_REPOSITORY, RECORD_BRANCH, files, "Builds under test", now);
}

/// Lets Prow run the first run of a record's entry, for days.
fn begin(world: &World, entry: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let first = &entry["firstJob"];
    let number = text(&first["jobURL"]).rsplit('/').next().and_then(|number| number.parse().ok());
    world.prow.lock().jobs.push(ProwJob {
        id: text(&first["jobID"]),
        job: text(&entry["jobName"]),
        started: world.clock.now().saturating_sub(SignedDuration::from_mins(5)).unwrap_or_default(),
        outcome: JobState::Success,
        duration: SignedDuration::from_hours(24 * 30),
        build: number.unwrap_or_default(),
        replaced: Vec::new(),
        envs: BTreeMap::new(),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        pace: Pace::default(),
    });
}

/// Fills both branches.
pub fn load(world: &World) {
    let now = world.clock.now();
    let mut main = Vec::new();
    for minor in MINORS {
        let text = registry(&nightly_jobs(minor), &stable_jobs(minor));
        main.push((format!("{FOLDER}/ocp-{minor}-test-jobs-amd64.json"), text));
    }
    for (architecture, tail) in OTHERS {
        let text = registry(&[(name("4.20", tail), false)], &[]);
        main.push((format!("{FOLDER}/ocp-4.20-test-jobs-{architecture}.json"), text));
    }
    // The reference's own test has a file of no version there.
    main.push((
        format!("{FOLDER}/ocp-4.x-test-jobs-amd64.json"),
        registry(&[("periodic-ci-demo".to_owned(), false)], &[]),
    ));

    let mut record = Vec::new();
    let latest = |minor: &str, kind: &str, architecture: &str, stream: &str, build: &str| {
        let path = format!("{FOLDER}/ocp-latest-{minor}-{kind}-{architecture}.json");
        (path, format!("{:#}\n", payload(stream, build)))
    };
    for (minor, kind, architecture, stream, build) in [
        ("4.14", "stable", "amd64", "4-stable", "4.14.60"),
        ("4.19", "stable", "amd64", "4-stable", "4.19.1"),
        ("4.20", "stable", "amd64", "4-stable", "4.20.5"),
        ("4.21", "stable", "amd64", "4-stable", "4.21.2"),
        ("5.0", "stable", "amd64", "5-stable", "5.0.0-ec.3"),
        ("4.19", "nightly", "amd64", "4.19.0-0.nightly", "4.19.0-0.nightly-2026-06-29-100000"),
        ("4.20", "nightly", "amd64", "4.20.0-0.nightly", RECORDED_NIGHTLY),
        ("4.21", "nightly", "amd64", "4.21.0-0.nightly", "4.21.0-0.nightly-2026-07-01-080000"),
        ("5.0", "nightly", "amd64", "5.0.0-0.nightly", "5.0.0-0.nightly-2026-07-01-070000"),
        ("4.20", "nightly", "arm64", "4.20.0-0.nightly-arm64", "4.20.0-0.nightly-arm64-2026-07-01-120000"),
        ("4.20", "nightly", "multi", "4.20.0-0.nightly-multi", "4.20.0-0.nightly-multi-2026-07-01-130000"),
    ] {
        record.push(latest(minor, kind, architecture, stream, build));
    }
    let all = |jobs: Vec<Entry>, runs: &[Runs<'static>]| -> Vec<(String, Runs<'static>)> {
        jobs.into_iter()
            .map(|(job, _)| job)
            .zip(runs.iter().copied().chain(std::iter::repeat(("success", &[][..]))))
            .collect()
    };
    let accepted: &[(&str, bool)] = &[("aggregated", true), ("accepted", true)];
    let promoted: &[(&str, bool)] = &[("aggregated", true), ("accepted", false), ("manual_promotion", true)];
    let mut result = |stream: &str, build: &str, jobs: &[(String, Runs<'_>)], flags: &[(&str, bool)]| {
        let text = result_file(stream, build, earlier(now), jobs, flags);
        record.push((format!("{FOLDER}/ocp-test-result-{build}-amd64.json"), text));
    };
    let recovered: Runs<'static> = ("failure", &["success", "success"]);
    let rejected: Runs<'static> = ("failure", &["failure", "success"]);
    for (minor, build) in [("4.14", "4.14.60"), ("4.19", "4.19.1"), ("4.20", "4.20.4"), ("4.21", "4.21.1")] {
        result("4-stable", build, &all(stable_jobs(minor), &[]), accepted);
    }
    result("4-stable", "4.20.5", &all(stable_jobs("4.20"), &[recovered]), accepted);
    result("4-stable", "4.21.2", &all(stable_jobs("4.21"), &[rejected]), promoted);
    result("5-stable", "5.0.0-ec.3", &all(stable_jobs("5.0"), &[]), accepted);
    result("4.20.0-0.nightly", RECORDED_NIGHTLY, &all(nightly_jobs("4.20"), &[]), accepted);
    let flags: &[(&str, bool)] = &[("aggregated", true), ("accepted", false)];
    result(
        "4.19.0-0.nightly",
        "4.19.0-0.nightly-2026-06-29-100000",
        &all(nightly_jobs("4.19"), &[rejected]),
        flags,
    );

    let mut github = world.github.lock();
    // Cannot fail: the repository and its branches were just made.
    let _ = github.put_all(STATE_REPOSITORY, "main", main, "Test job registries", now);
    let _ = github.put_all(STATE_REPOSITORY, RECORD_BRANCH, record, "Records", now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{scenario::release_controller::NEW_NIGHTLY, services::testing::world};

    #[test]
    fn the_jobs_of_the_constants_are_in_the_registry() {
        let names: Vec<String> = nightly_jobs("4.20").into_iter().map(|(name, _)| name).collect();
        assert!(
            names.contains(&NIGHTLY_JOB.to_owned()) && names.contains(&UPGRADE_JOB.to_owned()),
            "{names:#?}"
        );
    }

    #[test]
    fn record_files_have_the_bytes_of_the_reference() {
        let world = world();
        let text = world
            .github
            .lock()
            .text(STATE_REPOSITORY, RECORD_BRANCH, "_releases/ocp-test-result-4.21.2-amd64.json")
            .unwrap();
        assert!(text.starts_with("{\n  \"result\": [\n    {\n      \"jobName\""), "{text}");
        assert!(
            text.ends_with(
                "  \"aggregated\": true,\n  \"accepted\": false,\n  \"manual_promotion\": true\n}"
            ),
            "{text}"
        );
        assert!(text.contains("\"retriedJobs\": []"), "{text}");
    }

    #[test]
    fn the_newest_nightly_is_not_recorded() {
        let world = world();
        let newest = world.release_controller.lock().newest("4.20.0-0.nightly", |_| true)[0].name.clone();
        assert_eq!(newest, NEW_NIGHTLY);
        let path = format!("_releases/ocp-test-result-{NEW_NIGHTLY}-amd64.json");
        assert!(world.github.lock().text(STATE_REPOSITORY, RECORD_BRANCH, &path).is_none());
    }
}
