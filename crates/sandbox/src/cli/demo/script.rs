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
    /// `oarctl tick`, once the wait is due, and words that it prints.
    Tick(&'static str),
    /// Another party does something.
    Do(Action),
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
    /// The release, or the minor, that the actions are for.
    pub(super) subject: &'static str,
    /// The steps.
    pub(super) steps: Vec<Step>,
}

/// Everything, in order.
pub(super) fn scripts() -> [Script; 5] {
    [
        Script {
            title: format!("Release {KONFLUX_RELEASE}, Konflux flow"),
            subject: KONFLUX_RELEASE,
            steps: konflux(),
        },
        Script {
            title: format!("Release {ERRATA_RELEASE}, Errata flow"),
            subject: ERRATA_RELEASE,
            steps: errata(),
        },
        Script { title: format!("Nightly {NEW_NIGHTLY}"), subject: TESTED_MINOR, steps: nightly() },
        Script {
            title: "Bugs that nobody verifies".to_owned(),
            subject: KONFLUX_RELEASE,
            steps: unverified_bugs(),
        },
        Script {
            title: "An AI agent looks at both releases".to_owned(),
            subject: KONFLUX_RELEASE,
            steps: agent(),
        },
    ]
}

/// The commands of one release.
#[derive(Clone, Copy)]
struct Release(&'static str);

impl Release {
    /// A command that succeeds and prints these words.
    fn oar(self, line: &'static str, words: &str) -> Step {
        self.ends(line.split(' ').collect(), 0, words)
    }

    /// A command that ends with this code.
    fn ends(self, arguments: Vec<&'static str>, code: i32, words: &str) -> Step {
        Step::Run("oar", [vec!["-r", self.0], arguments].concat(), code, words.to_owned())
    }

    /// A task that ends with Pass.
    fn passes(self, line: &'static str) -> Step {
        let task = line.split(' ').next().unwrap_or(line);
        self.oar(line, &format!("{task} of {}: Pass", self.0))
    }

    fn refused(self, line: &'static str) -> Step {
        self.ends(line.split(' ').collect(), 6, "")
    }

    /// Tests the payload on stage and handles its bugs.
    fn stage_tests(self) -> [Step; 7] {
        [
            self.oar("stage-testing", "In Progress"),
            minutes(150, "the stage pipeline has ended"),
            self.passes("stage-testing"),
            self.by_hand("analyze-candidate-build", "all failures are known"),
            self.by_hand("analyze-promoted-build", "no failures"),
            Step::Do(Action::ContactsVerifyCves),
            self.passes("drop-bugs --yes"),
        ]
    }

    /// A task that is done by hand.
    fn by_hand(self, task: &'static str, reason: &'static str) -> Step {
        self.ends(vec!["task", "set", task, "Pass", "--reason", reason], 0, "Not Started -> Pass")
    }
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

fn konflux() -> Vec<Step> {
    let release = Release(KONFLUX_RELEASE);
    let [lead, other_lead, _, contact, _] = PEOPLE;
    let mut steps = vec![
        Step::Do(Action::ArtAnnounces),
        Step::Say("Cron looks for announced releases that nobody has begun, and begins them."),
        oarctl("start-release-detector -r 4.19", "4.19.1: created"),
        Step::Say("Robin takes the release."),
        release.passes("take-ownership -e demo-lead@example.com"),
        Step::Say("What is in it, and is it complete?"),
        release.oar("update-bug-list", "In Progress"),
        release.passes("check-cve-tracker-bug"),
        release.passes("image-signed-check"),
        Step::Say("To staging. One advisory is not ready, so nothing is pushed."),
        release.refused("push-to-cdn-staging --yes"),
        Step::Do(Action::ArtMovesAdvisories),
        release.ends(
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
        Step::Say("From here on the team works in Slack. Only the release leads may, by the configuration."),
        Step::Listen,
        Step::Ask(contact, "oar -r 4.19.1 push-to-cdn-staging", "only members of"),
        Step::Ask(lead, "oar -r 4.19.1 push-to-cdn-staging", "Approve this plan?"),
        Step::Click(other_lead, "Approve", "oar push-to-cdn-staging: done"),
        Step::StopListening,
        minutes(60, "the pushes have ended"),
        release.passes("push-to-cdn-staging --yes"),
        release.oar("image-consistency-check", "In Progress"),
        minutes(30, "the Prow job has ended"),
        release.passes("image-consistency-check"),
    ];
    steps.extend(release.stage_tests());
    steps.extend([
        release.passes("update-bug-list"),
        Step::Say("The approval. It waits until the release's metadata URL is up; a timer looks for it."),
        release.oar("change-advisory-status --yes --no-watch", "In Progress"),
        release.oar("status", "waits for"),
        minutes(6 * 60, "the portal has published the advisory"),
        Step::Tick("4.19.1: done"),
        release.ends(vec!["is-shipped"], 1, "not shipped"),
        Step::Do(Action::ArtShips),
        release.oar("is-shipped", "4.19.1 (konflux): shipped"),
        release.oar("status", "9 of 9 tasks are done"),
    ]);
    steps
}

fn errata() -> Vec<Step> {
    let release = Release(ERRATA_RELEASE);
    let mut steps = vec![
        release.passes("create-test-report"),
        release.passes("take-ownership -e demo-lead@example.com"),
        release.oar("update-bug-list", "In Progress"),
        release.passes("check-greenwave-cvp-tests"),
        release.passes("check-cve-tracker-bug"),
        release.passes("image-signed-check"),
        Step::Do(Action::ArtRunsConsistencyJob),
        release.oar("push-to-cdn-staging --yes", "In Progress"),
        minutes(60, "the job and the first pushes have ended"),
        release.ends(vec!["image-consistency-check", "-i", CONSISTENCY_JOB_ID], 0, "Pass"),
        Step::Say("The metadata advisory follows those that it lists."),
        release.oar("push-to-cdn-staging --yes", "In Progress"),
        minutes(60, "the last push has ended"),
        release.passes("push-to-cdn-staging --yes"),
    ];
    steps.extend(release.stage_tests());
    steps.extend([
        Step::Say("Two bugs are hidden from Robin's account, so nobody knows whether they are done."),
        release.refused("change-advisory-status --yes"),
        Step::Say("Product security looked at them. Robin answers for both."),
        release.passes("change-advisory-status --yes --accept-bug OCPBUGS-61050 --accept-bug OCPBUGS-61051"),
        Step::Do(Action::ArtShips),
        release.oar("is-shipped", "4.14.60 (errata): shipped"),
        release.oar("status", "9 of 9 tasks are done"),
    ]);
    steps
}

fn nightly() -> Vec<Step> {
    vec![
        Step::Do(Action::NightlyJobsFail),
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
