//! Twenty releases as they are in life, for the pages of the dashboard: both flows, blocked, overdue, held, failed, done, with
//! long and foreign and hostile texts, and one file that is damaged.

use std::fmt::Write as _;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::{ERRATA, Harness, KONFLUX};

/// A text that a page must show, and never obey.
pub const HOSTILE: &str =
    "<script>document.title='hacked'</script><img src=x onerror=alert(1)> \"quoted\" & \u{202e}drow";
/// A release whose texts are hostile.
pub const WITH_HOSTILE_TEXTS: &str = "4.12.98";
/// A release whose file is damaged.
pub const DAMAGED: &str = "4.17.60";
/// A release whose texts are long.
pub const WITH_LONG_TEXTS: &str = "4.21.11";

/// One release.
struct Case {
    release: &'static str,
    /// In how many days its date is.
    days: i64,
    konflux: bool,
    /// Tasks: name, status, hours since their start, hours since their end.
    tasks: &'static [(&'static str, &'static str, i64, Option<i64>)],
    /// Issues: text, whether it blocks, its task, hours since it was reported, hours since it was resolved.
    issues: &'static [(&'static str, bool, &'static str, i64, Option<i64>)],
    /// Whether somebody holds it.
    held: bool,
}

const P: &str = "Pass";
const F: &str = "Fail";
const I: &str = "In Progress";
const OWNED: &[(&str, &str, i64, Option<i64>)] =
    &[("take-ownership", P, 70, Some(70)), ("check-cve-tracker-bug", P, 69, Some(69))];

const fn case(release: &'static str, days: i64) -> Case {
    Case { release, days, konflux: true, tasks: OWNED, issues: &[], held: false }
}

const CASES: &[Case] = &[
    Case { tasks: &[], ..case("4.22.3", 9) },
    Case {
        tasks: &[
            ("take-ownership", P, 120, Some(120)),
            ("check-cve-tracker-bug", P, 119, Some(119)),
            ("push-to-cdn-staging", P, 118, Some(110)),
            ("analyze-candidate-build", P, 100, Some(100)),
            ("image-consistency-check", P, 96, Some(90)),
            ("stage-testing", P, 96, Some(88)),
            ("analyze-promoted-build", P, 80, Some(80)),
            ("image-signed-check", P, 79, Some(79)),
            ("change-advisory-status", P, 30, Some(6)),
        ],
        ..case("4.17.61", 0)
    },
    Case {
        tasks: &[
            ("take-ownership", P, 120, Some(120)),
            ("check-cve-tracker-bug", P, 119, Some(119)),
            ("push-to-cdn-staging", P, 118, Some(110)),
            ("analyze-candidate-build", P, 100, Some(100)),
            ("image-consistency-check", P, 96, Some(90)),
            ("stage-testing", P, 96, Some(88)),
            ("analyze-promoted-build", P, 80, Some(80)),
            ("image-signed-check", P, 79, Some(79)),
        ],
        ..case("4.21.12", 3)
    },
    Case {
        tasks: &[
            ("take-ownership", P, 220, Some(220)),
            ("check-cve-tracker-bug", P, 219, Some(219)),
            ("push-to-cdn-staging", P, 218, Some(190)),
            ("stage-testing", F, 180, Some(26)),
        ],
        ..case("4.21.11", -3)
    },
    Case {
        issues: &[(
            "L'équipe attend l'accès à l'environnement de préproduction — 影响整个版本，请联系发布负责人",
            true,
            "",
            20,
            None,
        )],
        ..case("4.20.30", 2)
    },
    Case {
        tasks: &[
            ("take-ownership", P, 120, Some(120)),
            ("check-cve-tracker-bug", P, 119, Some(119)),
            ("push-to-cdn-staging", P, 118, Some(110)),
            ("image-consistency-check", P, 96, Some(90)),
            ("stage-testing", P, 96, Some(88)),
            ("analyze-promoted-build", P, 80, Some(80)),
            ("image-signed-check", P, 79, Some(79)),
            ("change-advisory-status", I, 50, None),
        ],
        ..case("4.20.29", -1)
    },
    Case { tasks: &[], ..case("4.18.52", 12) },
    Case { held: true, ..case("4.18.51", 5) },
    Case {
        tasks: &[
            ("take-ownership", P, 50, Some(50)),
            ("check-cve-tracker-bug", P, 49, Some(49)),
            ("push-to-cdn-staging", F, 48, Some(47)),
        ],
        issues: &[
            ("Advisory 150033 is in NEW_FILES and cannot be pushed", true, "push-to-cdn-staging", 47, None),
            ("One tracker was missed", true, "check-cve-tracker-bug", 49, Some(48)),
            ("The worksheet was made late", false, "", 40, None),
        ],
        ..case("4.18.50", 1)
    },
    Case { konflux: false, ..case("4.16.70", 6) },
    Case {
        konflux: false,
        tasks: &[
            ("take-ownership", P, 100, Some(100)),
            ("check-cve-tracker-bug", P, 99, Some(99)),
            ("push-to-cdn-staging", P, 98, Some(80)),
            ("image-consistency-check", I, 20, None),
            ("stage-testing", I, 20, None),
        ],
        ..case("4.16.69", 1)
    },
    Case {
        tasks: &[("take-ownership", P, 30, Some(30)), ("check-cve-tracker-bug", F, 29, Some(29))],
        issues: &[("OCPBUGS-61234 is missing in advisory 150044", true, "check-cve-tracker-bug", 29, None)],
        ..case("4.15.80", 4)
    },
    Case {
        tasks: &[
            ("take-ownership", P, 60, Some(60)),
            ("check-cve-tracker-bug", P, 59, Some(59)),
            ("push-to-cdn-staging", I, 58, None),
        ],
        ..case("4.13.94", 2)
    },
    Case { ..case("4.13.93", -10) },
    Case { ..case("4.13.95", 8) },
    Case { konflux: false, tasks: &[], ..case("4.12.99", 14) },
];

fn stamp(hours_ago: i64) -> String {
    let at = Timestamp::now().saturating_sub(SignedDuration::from_hours(hours_ago));
    at.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A text as YAML and JSON write it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// The StateBox file of a release.
fn file(case: &Case, result: &str, note: &str) -> String {
    let Case { release, days, konflux, tasks, issues, held } = case;
    let date = Timestamp::now().saturating_add(SignedDuration::from_hours(24 * days)).unwrap_or_default();
    let date = date.to_zoned(TimeZone::UTC).strftime("%Y-%b-%d");
    let created = stamp(tasks.iter().map(|task| task.2).max().unwrap_or(3) + 2);
    let number: u32 = release.bytes().map(u32::from).sum();
    let stream: Vec<&str> = release.splitn(3, '.').take(2).collect();
    let mut text = format!(
        "schema_version: '1.0'\nrelease: {release}\ncreated_at: '{created}'\nupdated_at: '{created}'\nmetadata:\n  \
         jira_ticket: ART-{number}\n  advisory_ids:\n    rpm: 15{number}1\n    rhcos: 15{number}2\n  release_date: {date}\n  \
         candidate_builds:\n    x86_64: {}.0-0.nightly-2026-11-20-161907\n",
        stream.join(".")
    );
    if *konflux {
        let _ = writeln!(
            text,
            "  shipment_mr: https://gitlab.example.com/hybrid-platforms/art/ocp-shipment-data/-/merge_requests/{number}"
        );
    }
    text.push_str(if tasks.is_empty() { "tasks: []\n" } else { "tasks:\n" });
    for (name, status, started, ended) in *tasks {
        let ended_at = ended.map_or("null".to_owned(), |hours| format!("'{}'", stamp(hours)));
        let result = if *status == P { "done\n".to_owned() } else { result.to_owned() };
        let _ = writeln!(
            text,
            "- name: {name}\n  status: {status}\n  started_at: '{}'\n  completed_at: {ended_at}\n  result: {}",
            stamp(*started),
            quoted(&result)
        );
        if let Some(ended) = ended {
            let outcome = status;
            let _ = writeln!(
                text,
                "  history:\n  - id: {name}-1\n    started: '{}'\n    finished: '{}'\n    by: robin\n    command: {name}\n    \
                 outcome: In Progress\n  - id: {name}-2\n    started: '{}'\n    finished: '{}'\n    by: drive\n    command: \
                 {name}\n    outcome: {outcome}\n    reason: {}",
                stamp(*started),
                stamp(*started),
                stamp(*ended),
                stamp(*ended),
                quoted(note),
            );
        }
    }
    text.push_str(if issues.is_empty() { "issues: []\n" } else { "issues:\n" });
    for (issue, blocker, task, reported, resolved) in *issues {
        let tasks = if task.is_empty() { " []".to_owned() } else { format!("\n  - {task}") };
        let (resolution, at) = match resolved {
            Some(hours) => {
                ("fixed".to_owned(), format!("\n  resolved_at: '{}'\n  resolved_by: robin", stamp(*hours)))
            }
            None => ("null".to_owned(), String::new()),
        };
        let _ = writeln!(
            text,
            "- issue: {}\n  reported_at: '{}'\n  resolved: {}\n  resolution: {resolution}\n  blocker: {blocker}\n  \
             related_tasks:{tasks}{at}",
            quoted(&format!("{issue}{}", if note == HOSTILE { note } else { "" })),
            stamp(*reported),
            resolved.is_some(),
        );
    }
    if *held {
        let _ = writeln!(
            text,
            "decisions:\n- id: h1\n  kind: hold\n  reason: {}\n  by: lead\n  at: '{}'",
            quoted("the errata server is moved this week"),
            stamp(5)
        );
    }
    text
}

/// Puts the twenty releases into the sandbox; two of them are known to all its services.
pub fn fill(harness: &Harness) {
    let line = "2026-11-26T06:55:57Z: ERROR: the build of zstreams/Stage-Pipeline is FAILURE: see its log\n";
    let long = line.repeat(30 * 1024 / line.len());
    for case in CASES {
        let result = if case.release == WITH_LONG_TEXTS { long.as_str() } else { line };
        harness.put_statebox(case.release, &file(case, result, "the job has not ended"));
    }
    let hostile = Case {
        tasks: &[("take-ownership", F, 30, Some(29))],
        issues: &[("The page is attacked: ", true, "stage-testing", 10, None)],
        ..case(WITH_HOSTILE_TEXTS, 2)
    };
    harness.put_statebox(hostile.release, &file(&hostile, HOSTILE, HOSTILE));
    harness.put_statebox(DAMAGED, "tasks: 3\n");
    for release in [KONFLUX, ERRATA] {
        harness.oar(release, &["create-test-report"]).expect(0);
    }
}
