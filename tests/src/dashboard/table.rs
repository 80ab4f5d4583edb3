//! The releases of the scenario, a row each.

/// A text that a page must show, and never obey.
pub const HOSTILE: &str =
    "<script>document.title='hacked'</script><img src=x onerror=alert(1)> \"quoted\" & \u{202e}drow";
/// A release whose texts are hostile.
pub const WITH_HOSTILE_TEXTS: &str = "4.12.98";
/// A release whose file is damaged.
pub const DAMAGED: &str = "4.17.60";
/// A release whose texts are long.
pub const WITH_LONG_TEXTS: &str = "4.21.11";
/// A release the record of whose tests is damaged.
pub const WITH_DAMAGED_RECORD: &str = "4.20.29";
/// A release whose candidate build ART has replaced since it was judged.
pub const WITH_REPLACED_BUILD: &str = "4.21.12";
/// A release whose promoted build has failed its tests.
pub const WITH_REJECTED_TESTS: &str = "4.15.81";
/// A release that changes while somebody looks.
pub const CHANGING: &str = "4.18.50";

/// Name, status, hours since its start, hours since its end.
pub(super) type TaskOf = (&'static str, &'static str, i64, Option<i64>);

/// The tests of a promoted build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tests {
    /// The build is not promoted.
    NotPromoted,
    Running,
    Accepted,
    Rejected,
    /// The record is no JSON.
    Damaged,
}

/// How far the advisories are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Advisories {
    NewFiles,
    Qe,
    Pushing,
    OnStaging,
    Shipped,
}

/// What ART has trouble with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    None,
    /// The shipment could not be released to stage.
    StageFailed,
    /// The candidate build was replaced after it was judged.
    BuildReplaced,
}

/// An issue of a StateBox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Issue {
    pub(super) text: &'static str,
    pub(super) blocks: bool,
    pub(super) task: &'static str,
    /// Hours since it was reported, and since it was resolved.
    pub(super) reported: i64,
    pub(super) resolved: Option<i64>,
}

/// One release.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) release: &'static str,
    /// In how many days its date is.
    pub(super) days: i64,
    pub(super) konflux: bool,
    /// The tasks of [`CHAIN`] that have passed.
    pub(super) passed: usize,
    /// How many hours longer ago than in [`CHAIN`].
    pub(super) earlier: i64,
    /// The tasks that have not passed.
    pub(super) tasks: &'static [TaskOf],
    pub(super) issues: &'static [Issue],
    pub(super) held: bool,
    pub(super) tests: Tests,
    pub(super) advisories: Advisories,
    pub(super) trouble: Trouble,
}

pub(super) const PASS: &str = "Pass";
pub(super) const FAIL: &str = "Fail";
pub(super) const IN_PROGRESS: &str = "In Progress";

/// The tasks of a release that goes well.
pub(super) const CHAIN: [TaskOf; 9] = [
    ("take-ownership", PASS, 70, Some(70)),
    ("check-cve-tracker-bug", PASS, 69, Some(69)),
    ("push-to-cdn-staging", PASS, 68, Some(60)),
    ("analyze-candidate-build", PASS, 58, Some(58)),
    ("image-consistency-check", PASS, 56, Some(50)),
    ("stage-testing", PASS, 56, Some(46)),
    ("analyze-promoted-build", PASS, 40, Some(40)),
    ("image-signed-check", PASS, 39, Some(39)),
    ("change-advisory-status", PASS, 30, Some(6)),
];
const OWNED: usize = 2;
const PUSHED: usize = 3;
const SIGNED: usize = 8;
const APPROVED: usize = 9;

const fn case(release: &'static str, days: i64) -> Case {
    Case {
        release,
        days,
        konflux: true,
        passed: OWNED,
        earlier: 0,
        tasks: &[],
        issues: &[],
        held: false,
        tests: Tests::NotPromoted,
        advisories: Advisories::Qe,
        trouble: Trouble::None,
    }
}

const fn on_staging(release: &'static str, days: i64, tests: Tests) -> Case {
    Case { passed: PUSHED, tests, advisories: Advisories::OnStaging, ..case(release, days) }
}

const fn issue(text: &'static str, blocks: bool, task: &'static str, reported: i64) -> Issue {
    Issue { text, blocks, task, reported, resolved: None }
}

/// The releases that ART has announced beside the two of the sandbox's own scenario.
pub(super) const CASES: &[Case] = &[
    Case { passed: 0, advisories: Advisories::NewFiles, ..case("4.22.3", 9) },
    Case {
        passed: SIGNED,
        earlier: 50,
        trouble: Trouble::BuildReplaced,
        ..on_staging(WITH_REPLACED_BUILD, 3, Tests::Accepted)
    },
    Case {
        earlier: 150,
        tasks: &[("stage-testing", FAIL, 180, Some(26))],
        ..on_staging(WITH_LONG_TEXTS, -3, Tests::Accepted)
    },
    Case {
        issues: &[issue(
            "L'équipe attend l'accès à l'environnement de préproduction — 影响整个版本，请联系发布负责人",
            true,
            "",
            20,
        )],
        ..case("4.20.30", 2)
    },
    Case {
        passed: SIGNED,
        earlier: 50,
        tasks: &[("change-advisory-status", IN_PROGRESS, 50, None)],
        ..on_staging(WITH_DAMAGED_RECORD, -1, Tests::Damaged)
    },
    Case { held: true, trouble: Trouble::StageFailed, tests: Tests::Running, ..case("4.18.51", 5) },
    Case {
        advisories: Advisories::NewFiles,
        tasks: &[("push-to-cdn-staging", FAIL, 48, Some(47))],
        issues: &[
            issue("Advisory 160061 is in NEW_FILES and cannot be pushed", true, "push-to-cdn-staging", 47),
            Issue {
                resolved: Some(48),
                ..issue("One tracker was missed", true, "check-cve-tracker-bug", 49)
            },
            issue("The worksheet was made late", false, "", 40),
        ],
        ..case(CHANGING, 1)
    },
    Case { passed: APPROVED, earlier: 50, ..on_staging("4.17.61", 0, Tests::Accepted) },
    Case {
        konflux: false,
        passed: APPROVED,
        earlier: 60,
        advisories: Advisories::Shipped,
        ..on_staging("4.16.71", -1, Tests::Accepted)
    },
    Case { konflux: false, ..case("4.16.70", 6) },
    Case {
        konflux: false,
        earlier: 30,
        tasks: &[("image-consistency-check", IN_PROGRESS, 20, None), ("stage-testing", IN_PROGRESS, 2, None)],
        ..on_staging("4.16.69", 1, Tests::Running)
    },
    on_staging(WITH_REJECTED_TESTS, 3, Tests::Rejected),
    Case {
        passed: 1,
        tasks: &[("check-cve-tracker-bug", FAIL, 29, Some(29))],
        issues: &[issue("OCPBUGS-61234 is missing in advisory 160121", true, "check-cve-tracker-bug", 29)],
        ..case("4.15.80", 4)
    },
    Case {
        advisories: Advisories::Pushing,
        tasks: &[("push-to-cdn-staging", IN_PROGRESS, 58, None)],
        ..case("4.13.94", 2)
    },
    Case { earlier: 200, ..case("4.13.93", -10) },
    Case { konflux: false, passed: 0, advisories: Advisories::NewFiles, ..case("4.12.99", 14) },
    Case {
        passed: 0,
        tasks: &[("take-ownership", FAIL, 30, Some(29))],
        issues: &[issue("The page is attacked: ", true, "stage-testing", 10)],
        ..case(WITH_HOSTILE_TEXTS, 2)
    },
];
