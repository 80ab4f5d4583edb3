//! The script of the demonstration.

use jiff::SignedDuration;

use crate::scenario::{
    ERRATA_RELEASE, KONFLUX_RELEASE, PEOPLE, Person,
    parties::{Action, CONSISTENCY_JOB_ID, TESTED_MINOR},
    release_controller::NEW_NIGHTLY,
};

/// One step of the demonstration.
pub(super) enum Step {
    /// A paragraph for the reader.
    Say(&'static str),
    /// A program with its arguments, its exit code, and words that it prints.
    Run(&'static str, Vec<&'static str>, i32, String),
    /// `oarctl drive`, as a timer starts it, and words that it prints; then what people are asked in Slack.
    Drive(&'static [&'static str]),
    /// The owner answers a question about a release: a command of `oar`, its exit code, and words that it prints.
    Answer(&'static str, Vec<&'static str>, i32, &'static str),
    /// Another party does something about a release, or a minor.
    Do(Action, &'static str),
    /// `oarctl slack-bot` begins to listen.
    Listen,
    /// Somebody mentions the bot with a command, and it answers with these words.
    Ask(Person, &'static str, &'static str),
    /// Somebody clicks a button, and the bot answers with these words.
    Click(Person, &'static str, &'static str),
    /// The bot is stopped.
    StopListening,
    /// An AI agent asks where a release stands, and is told these words of one of its tasks.
    AskAgent(&'static str, &'static str),
    /// Time passes.
    Pass(SignedDuration, &'static str),
}

/// A group of steps.
pub(super) struct Script {
    /// The heading.
    pub(super) title: String,
    /// The steps.
    pub(super) steps: Vec<Step>,
}

/// Everything, in order.
pub(super) fn scripts() -> [Script; 4] {
    [
        Script {
            title: format!("Releases {KONFLUX_RELEASE} (Konflux flow) and {ERRATA_RELEASE} (Errata flow)"),
            steps: releases(),
        },
        Script { title: format!("Nightly {NEW_NIGHTLY}"), steps: nightly() },
        Script { title: "Bugs that nobody verifies".to_owned(), steps: unverified_bugs() },
        Script { title: "An AI agent looks at both releases".to_owned(), steps: agent() },
    ]
}

fn oar(release: &'static str, line: &'static str, words: &str) -> Step {
    Step::Run("oar", [vec!["-r", release], line.split(' ').collect()].concat(), 0, words.to_owned())
}

/// The owner answers by a command that succeeds.
fn answer(release: &'static str, line: &'static str, words: &'static str) -> Step {
    Step::Answer(release, line.split(' ').collect(), 0, words)
}

fn jobctl(line: &'static str, words: &'static str) -> Step {
    Step::Run("jobctl", line.split(' ').collect(), 0, words.to_owned())
}

fn oarctl(line: &'static str, words: &'static str) -> Step {
    Step::Run("oarctl", line.split(' ').collect(), 0, words.to_owned())
}

fn minutes(count: i64, why: &'static str) -> Step {
    Step::Pass(SignedDuration::from_mins(count), why)
}

/// Both releases, from announced to shipped.
fn releases() -> Vec<Step> {
    let (konflux, errata) = (KONFLUX_RELEASE, ERRATA_RELEASE);
    let [lead, other_lead, _, contact, _] = PEOPLE;
    vec![
        Step::Do(Action::ArtAnnounces, konflux),
        Step::Do(Action::ArtAnnounces, errata),
        Step::Say("Cron looks for announced releases that nobody has begun, and begins them."),
        oarctl("start-release-detector -r 4.19", "4.19.1: created"),
        oarctl("start-release-detector -r 4.14", "4.14.60: created"),
        Step::Say("From now on cron takes both on, every few minutes: it does whatever can be done."),
        Step::Drive(&["take-ownership: done", "push-to-cdn-staging: running"]),
        Step::Do(Action::ArtMovesAdvisories, konflux),
        Step::Answer(
            konflux,
            vec![
                "issue",
                "resolve",
                "Advisories in NEW_FILES: 150002.",
                "--resolution",
                "ART moved it to QE",
            ],
            0,
            "issue resolved",
        ),
        Step::Drive(&["push-to-cdn-staging: running"]),
        Step::Do(Action::ArtPromotes, konflux),
        Step::Do(Action::ArtPromotes, errata),
        Step::Do(Action::ArtRunsConsistencyJob, errata),
        minutes(60, "the first pushes to staging and ART's job have ended"),
        Step::Drive(&["stage-testing: running", "push-to-cdn-staging: running: 3 of 4"]),
        minutes(60, "the last push has ended"),
        Step::Drive(&["push-to-cdn-staging: done: all 4 advisories", "stage-testing: running"]),
        Step::Answer(errata, vec!["image-consistency-check", "-i", CONSISTENCY_JOB_ID], 0, "Pass"),
        Step::Do(Action::ContactsVerifyBugs, konflux),
        Step::Do(Action::ContactsVerifyCves, errata),
        minutes(150, "the tests on stage have ended"),
        Step::Drive(&["stage-testing: done", "image-signed-check: done"]),
        Step::Say(
            "The rest cannot be undone, so people decide. Every bug of 4.19.1 is verified, so nobody is asked to drop any there. In Slack only \
             the release leads may answer, by the configuration.",
        ),
        Step::Listen,
        Step::Ask(contact, "oar -r 4.19.1 consent change-advisory-status", "only members of"),
        Step::Ask(lead, "oar -r 4.19.1 consent change-advisory-status", "Consent to this plan"),
        Step::Click(other_lead, "Approve", "oar consent: done"),
        Step::StopListening,
        answer(errata, "consent drop-bugs --yes", "is recorded"),
        Step::Drive(&["drop-bugs: done", "change-advisory-status: running"]),
        Step::Say(
            "Two bugs of 4.14.60 are hidden from the account, so nobody knows whether they are done. Robin asked product \
             security, and approves with both.",
        ),
        Step::Answer(
            errata,
            vec![
                "change-advisory-status",
                "--yes",
                "--accept-bug",
                "OCPBUGS-61050",
                "--accept-bug",
                "OCPBUGS-61051",
            ],
            0,
            "change-advisory-status of 4.14.60: Pass",
        ),
        minutes(6 * 60, "the portal has published the advisory of 4.19.1, for which the approval waits"),
        Step::Drive(&["change-advisory-status: done"]),
        Step::Do(Action::ArtShips, konflux),
        Step::Do(Action::ArtShips, errata),
        oar(konflux, "is-shipped", "4.19.1 (konflux): shipped"),
        oar(errata, "is-shipped", "4.14.60 (errata): shipped"),
    ]
}

fn nightly() -> Vec<Step> {
    vec![
        Step::Do(Action::NightlyJobsFail, TESTED_MINOR),
        Step::Say("ART's controller has a new nightly. Cron starts the jobs of its registry."),
        jobctl("start-controller -r 4.20", "as the latest build"),
        minutes(60, "the jobs have ended"),
        Step::Say("Cron collects the results. Two jobs failed: each is run twice more."),
        jobctl("start-aggregator", "0 of 2 retries succeeded, 2 open"),
        minutes(60, "the retries have ended"),
        Step::Say("Two of three runs is a majority. The payload is labelled, the record completed."),
        jobctl("start-aggregator", "accepted"),
        Step::Run("jobctl", vec!["show", NEW_NIGHTLY], 0, "accepted".to_owned()),
    ]
}

fn unverified_bugs() -> Vec<Step> {
    vec![
        Step::Say("Bugs wait in ON_QA. Cron tells whoever has to act; the dry run shows whom."),
        oarctl("jira-notificator --dry-run", "nothing was changed"),
        oarctl("jira-notificator", "failed: 0"),
        Step::Say("The next hour nobody is told again."),
        oarctl("jira-notificator", "comments written: 0; failed: 0"),
        Step::Say("What the agents of this machine did last:"),
        oarctl("agents list", "oarctl-jira-notificator-ocpbugs"),
    ]
}

fn agent() -> Vec<Step> {
    let approved = "change-advisory-status: Pass";
    vec![
        Step::Say(
            "The same operations are tools of an MCP server, which a client on this machine starts by itself.",
        ),
        Step::AskAgent(KONFLUX_RELEASE, approved),
        Step::AskAgent(ERRATA_RELEASE, approved),
    ]
}
