//! The keys of the configuration document: one table for getters, checks and documentation.

use jiff::SignedDuration;

use super::endpoints;
use super::error::ConfigError;
use crate::email::EmailAddress;
use crate::service::Service;
use crate::version::YStream;

/// Placeholders in a key's path.
const STREAM: &str = "<X.Y>";
const TEAM: &str = "<team>";
const SERVICE: &str = "<service>";
const NAME: &str = "<name>";
const CHANNEL: &str = "<channel>";

/// The format of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueFormat {
    /// A base URL.
    BaseUrl(Service),
    /// A base URL of the service that the key's last part names.
    NamedBaseUrl,
    /// The URL of the build data, with one `%s`.
    BuildDataUrl,
    /// An e-mail address.
    Email,
    /// Comma-separated e-mail addresses, or one Slack id.
    Approvers,
    /// A Slack channel.
    Channel,
    /// The handle of a Slack user group.
    Group,
    /// Handles of Slack user groups with commas between them.
    Groups,
    /// The id of a Google spreadsheet.
    Spreadsheet,
    /// An OpenPGP public key in text form, or the path of a file with one.
    PublicKey,
    /// A number, as a string.
    Count,
    /// The base URL of a proxy, or `none`.
    Proxy,
    /// Comma-separated URLs below which files may be fetched.
    Origins,
    /// A letter from A to F, or `Unknown`.
    WaivedGrade,
    /// A day: `2026-08-31`.
    Day,
    /// A day, or a time with its zone: `2026-12-24`, `2026-12-24T12:00:00Z`.
    Moment,
    /// Text for people, without addresses.
    Words,
    /// The path of a job, with its folders.
    JobName,
    /// `path` or `body`.
    TriggerForm,
    /// A repository of images: `registry.example.com/team/release`.
    Repository,
    /// The path of a GitLab project.
    Project,
    /// The name of a GitLab account.
    Account,
    /// The name of a time zone: `Europe/Prague`.
    TimeZone,
    /// Days with commas between them.
    Days,
    /// A label of Jira issues.
    Label,
    /// The id of a custom field of Jira.
    CustomField,
    /// A program of ours with a command that runs without a person, and its options.
    AgentCommand,
    /// How often an agent makes a pass, in seconds, written as a text.
    AgentInterval,
    /// The SHA-256 hash of a token, in hexadecimal digits.
    TokenHash,
    /// Scopes of a caller of the MCP server with commas between them.
    Scopes,
    /// Names of the MCP server's tools with commas between them; for a profile also the name of one.
    Tools,
    /// `yes` or `no`.
    YesNo,
    /// `auto`, `ask` or `never`.
    Leave,
    /// Whole hours, as a text.
    Hours,
}

/// Whether a key is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Without it, the commands of every release fail.
    Required,
    /// Without it, some commands fail.
    Wanted,
    /// There is a default, or only an optional step needs it.
    Optional,
}

/// One key of the document (spec 01 §1.3, spec 03 §1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its path; `<X.Y>`, `<team>` and `<service>` are placeholders for any y-stream, team and service.
    pub path: &'static [&'static str],
    /// What it holds.
    pub purpose: &'static str,
    /// A made-up value.
    pub example: &'static str,
    /// The format of its value.
    pub shape: ValueFormat,
    /// Whether it is needed.
    pub need: Requirement,
}

macro_rules! keys {
    ($($constant:ident = [$($path:expr),+], $shape:expr, $need:ident, $purpose:expr, $example:expr;)*) => {
        $(
            #[doc = concat!("Holds ", $purpose, ".")]
            pub const $constant: Key = Key {
                path: &[$($path),+],
                purpose: $purpose,
                example: $example,
                shape: $shape,
                need: Requirement::$need,
            };
        )*

        /// Every key, in the order of the documentation.
        pub const KEYS: &[Key] = &[$($constant),*];
    };
}

keys! {
    BUILD_DATA_URL = ["build_data_url"], ValueFormat::BuildDataUrl, Optional,
        "the address of ART's build data, with `%s` where the branch name goes",
        "https://raw.example.com/org/ocp-build-data/%s/releases.yml";
    OWNER_DEFAULT = ["owners", "default"], ValueFormat::Email, Required,
        "the e-mail address of the release owner for y-streams without their own",
        "lead@example.com";
    OWNER = ["owners", STREAM], ValueFormat::Email, Optional,
        "the e-mail address of the release owner of a y-stream",
        "lead@example.com";
    REPORT_TEMPLATE = ["report_templates", STREAM], ValueFormat::Spreadsheet, Optional,
        "the id of the Google spreadsheet with a y-stream's worksheets",
        "1AbC… (44 letters and digits)";
    JIRA_SERVER = ["jira_server"], ValueFormat::BaseUrl(Service::Jira), Optional,
        "the base URL of Jira", "https://example.atlassian.net";
    JENKINS_SERVER = ["jenkins_server"], ValueFormat::BaseUrl(Service::Jenkins), Optional,
        "the base URL of Jenkins", "https://jenkins.example.com";
    GITLAB_URL = ["gitlab_url"], ValueFormat::BaseUrl(Service::Gitlab), Optional,
        "the base URL of GitLab", "https://gitlab.example.com";
    RELEASE_URL = ["release_url"], ValueFormat::BaseUrl(Service::ReleaseController), Optional,
        "the base URL of the release controller", "https://releases.example.com/";
    SIGNATURE_URL = ["signature_url"], ValueFormat::BaseUrl(Service::Mirror), Optional,
        "the base URL of the release signatures", "https://mirror.example.com/sig/release/";
    ENDPOINT = ["endpoints", SERVICE], ValueFormat::NamedBaseUrl, Optional,
        "the base URL of a service, instead of its default", "https://jira.example.com";
    RELEASE_CHANNEL = ["contacts", "slack", "qe-release", "channel"], ValueFormat::Channel, Required,
        "the Slack channel in which releases are followed", "#team-qe-release-demo";
    RELEASE_LEADS = ["contacts", "slack", "qe-release", STREAM], ValueFormat::Group, Optional,
        "the handle of the Slack user group of a y-stream's release leads", "demo-leads-4-19";
    ART_CHANNEL = ["contacts", "slack", "art", "channel"], ValueFormat::Channel, Required,
        "the Slack channel in which ART is asked", "#forum-ocp-release-demo";
    ART_GROUP = ["contacts", "slack", "art", "id"], ValueFormat::Group, Required,
        "the handle of ART's Slack user group", "art-team-demo";
    APPROVER_CHANNEL = ["contacts", "slack", "approver", "channel"], ValueFormat::Channel, Wanted,
        "the Slack channel in which approvals are asked for", "#forum-approvals-demo";
    DOC_APPROVERS = ["contacts", "slack", "approver", "doc_id"], ValueFormat::Group, Wanted,
        "the handle of the Slack user group that approves documentation", "docs-team-demo";
    PRODSEC_APPROVERS = ["contacts", "slack", "approver", "prodsec_id"], ValueFormat::Approvers, Wanted,
        "the e-mail addresses of the product security approvers, comma-separated",
        "first@example.com,second@example.com";
    FORUM_CHANNEL = ["contacts", "slack", "qe-forum", "channel"], ValueFormat::Channel, Wanted,
        "the Slack channel in which QA contacts are reminded", "#forum-qe-demo";
    FORUM_GROUP = ["contacts", "slack", "qe-forum", "id"], ValueFormat::Group, Wanted,
        "the handle of the QE forum's Slack user group", "qe-forum-demo";
    QE_CHANNEL = ["contacts", "slack", "qe", "channel"], ValueFormat::Channel, Optional,
        "QE's own Slack channel", "#qe-demo";
    QE_GROUP = ["contacts", "slack", "qe", "id"], ValueFormat::Group, Optional,
        "the handle of QE's Slack user group", "openshift-qe-demo";
    IMAGE_CONSISTENCY_JOB = ["jobs", "image-consistency-check"], ValueFormat::JobName, Optional,
        "the name of the Prow job that checks the consistency of a release's images",
        "periodic-ci-demo-main-image-consistency-check";
    STAGE_TESTING_JOB = ["jobs", "stage-testing"], ValueFormat::JobName, Optional,
        "the path of the Jenkins job that tests a release on stage", "folder/Stage-Pipeline";
    GANGWAY_FORM = ["jobs", "gangway"], ValueFormat::TriggerForm, Optional,
        "where Gangway takes the name of the job from", "path";
    PAYLOAD_REPOSITORY = ["jobs", "payload-repository"], ValueFormat::Repository, Optional,
        "the repository of the release payloads that jobs are started with",
        "registry.example.com/releases/ocp-release";
    SHIPMENT_FORK = ["shipment", "fork"], ValueFormat::Project, Optional,
        "the path of the GitLab project to which drop-bugs commits: a fork of the one with the shipments",
        "release-bot/ocp-shipment-data";
    SHIPMENT_PROJECT = ["shipment", "project"], ValueFormat::Project, Optional,
        "the path of the GitLab project with the shipments; drop-bugs writes to no other one",
        "group/ocp-shipment-data";
    SHIPMENT_BOT = ["shipment", "bot_user"], ValueFormat::Account, Optional,
        "the name of the GitLab account that drop-bugs must act as", "release-bot";
    BOT_READERS = ["slack_bot", "permissions", CHANNEL, "read"], ValueFormat::Groups, Optional,
        "the handles of the Slack user groups whose members may give the bot commands that only read, with commas between \
         them; `<channel>` is the channel's id or name; nobody without this key",
        "openshift-qe-demo,art-team-demo";
    BOT_WRITERS = ["slack_bot", "permissions", CHANNEL, "write"], ValueFormat::Groups, Optional,
        "the handles of the Slack user groups whose members may also give the bot commands that write",
        "openshift-qe-demo";
    BOT_CRITICAL = ["slack_bot", "permissions", CHANNEL, "critical"], ValueFormat::Groups, Optional,
        "the handles of the Slack user groups whose members may also give the bot critical commands and approve their plans",
        "demo-leads-4-19";
    EMAIL_CONTACT = ["contacts", "email", TEAM], ValueFormat::Email, Optional,
        "the e-mail address of a team", "team@example.com";
    RELEASE_KEY = ["release_keys", NAME], ValueFormat::PublicKey, Optional,
        "a public key that signs releases, in text form (OpenPGP's `-----BEGIN PGP PUBLIC KEY BLOCK-----` or Sigstore's \
         `-----BEGIN PUBLIC KEY-----`), or the path of a file with it, seen from the configuration document; without one \
         Red Hat's keys count", "keys/release-key.asc";
    UNHEALTHY_ALLOWED = ["image_health", "unhealthy_allowed"], ValueFormat::Count, Optional,
        "how many unhealthy images are allowed, waived ones not counted; default 0", "0";
    GRADE_WARNING_DAYS = ["image_health", "warn_days"], ValueFormat::Count, Optional,
        "how many days ahead a scheduled drop of a grade is reported, 0 for never; default 30", "30";
    CATALOG_PROXY = ["image_health", "proxy"], ValueFormat::Proxy, Optional,
        "the proxy through which the staging container catalog is asked, or `none`", "http://proxy.example.com:3128";
    ADVISORY_ORIGINS = ["image_health", "advisory_origins"], ValueFormat::Origins, Optional,
        "the addresses below which stage advisories of a shipment may be fetched, comma-separated",
        "https://gitlab.example.com/group/advisories/";
    WAIVED_GRADE = ["image_health", "waivers", NAME, "grade"], ValueFormat::WaivedGrade, Optional,
        "the worst grade with which a component may ship, `Unknown` for no grade at all", "C";
    WAIVED_UNTIL = ["image_health", "waivers", NAME, "until"], ValueFormat::Day, Optional,
        "the last day on which a component's waiver counts", "2026-08-31";
    WAIVED_BY = ["image_health", "waivers", NAME, "who"], ValueFormat::Words, Optional,
        "who decided on a component's waiver; a name, no address", "demo-lead";
    WAIVED_BECAUSE = ["image_health", "waivers", NAME, "why"], ValueFormat::Words, Optional,
        "why a component's waiver was given", "ART-12345: the fix is in the next release";
    NOTIFICATOR_ZONE = ["jira_notificator", "zone"], ValueFormat::TimeZone, Optional,
        "the time zone whose days are weekdays or not for jira-notificator; default UTC", "America/New_York";
    NOTIFICATOR_HOLIDAYS = ["jira_notificator", "holidays"], ValueFormat::Days, Optional,
        "the days whose hours do not count for jira-notificator, with commas between them", "2026-12-24,2026-12-25";
    NOTIFICATOR_SNOOZE = ["jira_notificator", "snooze_label"], ValueFormat::Label, Optional,
        "the label of bugs that jira-notificator leaves alone; default ert:snooze", "ert:snooze";
    NOTIFICATOR_CAP = ["jira_notificator", "cap_per_day"], ValueFormat::Count, Optional,
        "how many comments of jira-notificator one person gets a day at most; default 0, any number", "5";
    NOTIFICATOR_QA_CONTACT = ["jira_notificator", "fields", "qa_contact"], ValueFormat::CustomField, Optional,
        "the id of Jira's field QA Contact", "customfield_10470";
    NOTIFICATOR_NEED_INFO = ["jira_notificator", "fields", "need_info"], ValueFormat::CustomField, Optional,
        "the id of Jira's field Need Info From", "customfield_10482";
    FREEZE_FROM = ["freezes", NAME, "from"], ValueFormat::Moment, Optional,
        "the day (from its beginning, UTC) or the time from which on nothing begins for any release", "2026-12-24";
    FREEZE_UNTIL = ["freezes", NAME, "until"], ValueFormat::Moment, Optional,
        "the last day (UTC) or the time of that freeze", "2027-01-01";
    FREEZE_WHY = ["freezes", NAME, "why"], ValueFormat::Words, Optional,
        "why there is that freeze", "shutdown at the end of the year";
    AGENT_COMMAND = ["agents", NAME, "run"], ValueFormat::AgentCommand, Optional,
        "the command of an agent that `oarctl agents run` keeps running", "oarctl start-release-detector --all";
    AGENT_INTERVAL = ["agents", NAME, "every"], ValueFormat::AgentInterval, Optional,
        "how often that agent makes a pass, in seconds", "600";
    MCP_TOKEN = ["mcp", "callers", NAME, "token_sha256"], ValueFormat::TokenHash, Optional,
        "the SHA-256 hash of the bearer token of a caller of the MCP server, in hexadecimal digits; never the token itself",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    MCP_CALLER_SCOPES = ["mcp", "callers", NAME, "scopes"], ValueFormat::Scopes, Optional,
        "what that caller may do, with commas between the scopes: release:read, release:write, release:critical, jobs:run, \
         admin:generic", "release:read,release:write";
    MCP_PROFILE = ["mcp", "callers", NAME, "profile"], ValueFormat::Tools, Optional,
        "the tools that the caller is offered: `reference` for all, `daily` for a few, `engine` for those that take a release \
         on, or names of tools with commas between them; default reference", "daily";
    MCP_STANDING_CONSENT = ["mcp", "callers", NAME, "standing_consent"], ValueFormat::Tools, Optional,
        "the tools that the caller may use without asking a person, of those that need consent or record what a person \
         decides, with commas between them; none without this key", "oar_push_to_cdn_staging";
    MCP_ELICITATION = ["mcp", "callers", NAME, "elicitation"], ValueFormat::YesNo, Optional,
        "whether a form that the caller's program shows to its user counts as a person's consent, `yes` or `no`; default no",
        "no";
    MCP_EXPIRES = ["mcp", "callers", NAME, "expires"], ValueFormat::Day, Optional,
        "the last day on which the caller's token is accepted (UTC); without it the token does not expire", "2026-12-31";
    MCP_PAID_JOBS_ASK = ["mcp", "paid_jobs_ask"], ValueFormat::YesNo, Optional,
        "whether jobs that cost money need a person's consent when they are started through the MCP server, `yes` or `no`; \
         default no", "yes";
    DRIVE = ["drive", NAME], ValueFormat::Leave, Optional,
        "whether the engine does a step of a release by itself (`auto`), asks first (`ask`), or leaves it to people \
         (`never`)", "ask";
    DRIVE_LIMIT = ["drive_limits", NAME], ValueFormat::Hours, Optional,
        "how many hours a step of a release may take before people are asked, where the engine has a limit for it; \
         default of `result-file`, the record of the promoted build's tests: 3", "5";
}

/// The longest time of a limit, in hours.
const MOST_HOURS: i64 = 720;

/// A length of time in whole hours, if the text is one.
pub(super) fn hours(text: &str) -> Option<SignedDuration> {
    let hours: i64 = text.trim().parse().ok()?;
    (1..=MOST_HOURS).contains(&hours).then(|| SignedDuration::from_hours(hours))
}

impl Key {
    /// The path with `names` for its placeholders, in order: `owners.4.19`.
    pub fn named(&self, names: &[&str]) -> String {
        let mut names = names.iter();
        let parts: Vec<&str> = self
            .path
            .iter()
            .map(|part| if part.starts_with('<') { names.next().copied().unwrap_or(part) } else { *part })
            .collect();
        parts.join(".")
    }

    /// The error for a value with the right format that cannot be used. `names` replace the placeholders of
    /// the path.
    pub fn unusable(&self, names: &[&str], problem: String) -> ConfigError {
        ConfigError::BadKey { key: self.named(names), problem, purpose: self.purpose, example: self.example }
    }

    /// Whether `path` is a path of this key.
    pub fn covers(&self, path: &[&str]) -> bool {
        self.path.len() == path.len() && self.leads_to(path)
    }

    /// Whether `path` is a path of this key or the beginning of one.
    pub fn leads_to(&self, path: &[&str]) -> bool {
        path.len() <= self.path.len()
            && self.path.iter().zip(path).all(|(expected, part)| match *expected {
                STREAM => part.parse::<YStream>().is_ok(),
                SERVICE => endpoints::service_of(part).is_some(),
                TEAM | NAME | CHANNEL => true,
                literal => literal == *part,
            })
    }

    /// What is wrong with `value`, without repeating it.
    pub fn problem(&self, path: &[&str], value: &str) -> Option<String> {
        let value = value.trim();
        if value.is_empty() {
            return Some("is empty".into());
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let plain = |extra: &[u8]| value.bytes().all(|byte| is_plain(byte) || extra.contains(&byte));
        let problem = match self.shape {
            ValueFormat::BaseUrl(service) => return endpoints::parse_base(service, value).err(),
            ValueFormat::NamedBaseUrl => {
                let service = path.last().and_then(|part| endpoints::service_of(part))?;
                return endpoints::parse_base(service, value).err();
            }
            ValueFormat::BuildDataUrl => return endpoints::check_build_data_url(value).err(),
            ValueFormat::PublicKey => return public_key_problem(value),
            ValueFormat::Origins => {
                return super::origins::Origins::new(Some(value), None)
                    .err()
                    .map(|_| "holds something that is no http or https address without query".into());
            }
            ValueFormat::Proxy if value != "none" && !is_proxy(value) => {
                "is neither `none` nor the http or https address of a proxy"
            }
            ValueFormat::Count if value.parse::<u16>().is_err() => "is not a number from 0 to 65535",
            ValueFormat::AgentCommand => return super::agents::command_problem(value),
            ValueFormat::AgentInterval
                if !value.parse::<u64>().is_ok_and(|seconds| (1..=86_400).contains(&seconds)) =>
            {
                "is not a number of seconds from 1 to 86400"
            }
            ValueFormat::WaivedGrade if !matches!(value, "A" | "B" | "C" | "D" | "E" | "F" | "Unknown") => {
                "is neither a letter from A to F nor `Unknown`"
            }
            ValueFormat::Day if value.parse::<jiff::civil::Date>().is_err() => {
                "is not a date such as 2026-08-31"
            }
            ValueFormat::Moment if value.parse::<crate::clock::Moment>().is_err() => {
                "is neither a day such as 2026-12-24 nor a time such as 2026-12-24T12:00:00Z"
            }
            ValueFormat::TimeZone if jiff::tz::TimeZone::get(value).is_err() => {
                "is not the name of a time zone that this machine knows, such as Europe/Prague"
            }
            ValueFormat::Days if !super::notificator::are_days(value) => {
                "is not a list of dates such as 2026-12-24,2026-12-25"
            }
            ValueFormat::Label if value.contains(char::is_whitespace) || value.len() > 255 => {
                "is not a label: labels hold no blanks"
            }
            ValueFormat::CustomField if !is_custom_field(value) => {
                "is not the id of a custom field, such as customfield_10470"
            }
            ValueFormat::Words if value.contains('@') || value.chars().any(char::is_control) => {
                "holds an address or more than one line"
            }
            ValueFormat::Email if value.parse::<EmailAddress>().is_err() => "is not an e-mail address",
            ValueFormat::Approvers if !approvers_are_good(value) => {
                "is neither comma-separated e-mail addresses nor one Slack id"
            }
            ValueFormat::Channel if !(plain(b"#") && value.len() > 1) => "is not a Slack channel name",
            ValueFormat::Group if value.starts_with('@') => {
                "is a handle without the leading `@`, but has one"
            }
            ValueFormat::Groups if !super::slack_bot::split(value).all(is_handle) => {
                "is not a list of handles of Slack user groups, without `@` and with commas between them"
            }
            ValueFormat::Group if !plain(b"") => "is not the handle of a Slack user group",
            ValueFormat::JobName if !plain(b"/") || value.parse::<crate::ids::JobPath>().is_err() => {
                "is not the name of a job"
            }
            ValueFormat::Hours if hours(value).is_none() => "is not a number of hours from 1 to 720",
            ValueFormat::Leave if value.parse::<super::drive::Leave>().is_err() => {
                "is neither `auto`, `ask` nor `never`"
            }
            ValueFormat::TriggerForm if !matches!(value, "path" | "body") => "is neither `path` nor `body`",
            ValueFormat::Repository if !(plain(b"/:") && value.contains('/') && takes_tag(value)) => {
                "is not a repository of images"
            }
            ValueFormat::Spreadsheet if !(plain(b"") && value.len() >= 20) => {
                "is not the id of a Google spreadsheet"
            }
            ValueFormat::Project
                if !(plain(b"/") && value.contains('/')) || value.split('/').any(str::is_empty) =>
            {
                "is not the path of a GitLab project, like group/project"
            }
            ValueFormat::Account if !plain(b"") => "is not the name of a GitLab account",
            ValueFormat::TokenHash if !super::mcp::is_hash(value) => {
                "is not the SHA-256 hash of a token: it has 64 hexadecimal digits"
            }
            ValueFormat::Scopes if !super::mcp::are_scopes(value) => {
                "is not a list of scopes with commas between them"
            }
            ValueFormat::Tools if !super::mcp::are_tools(value) => {
                "is not a list of names of tools with commas between them"
            }
            ValueFormat::YesNo if !matches!(value, "yes" | "no") => "is neither `yes` nor `no`",
            _ => return None,
        };
        Some(problem.into())
    }
}

fn public_key_problem(value: &str) -> Option<String> {
    if !crate::signature::is_key_text(value) {
        let bad = value.contains(char::is_whitespace) || value.len() > 4096;
        return bad.then(|| "is neither a public key in text form nor the path of a file".to_owned());
    }
    crate::signature::ReleaseKeys::default().add("key", value).err().map(|fault| fault.to_string())
}

fn is_custom_field(value: &str) -> bool {
    let number = value.strip_prefix("customfield_").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a repository and a tag make a valid pull spec.
fn takes_tag(repository: &str) -> bool {
    format!("{repository}:4.19.1-x86_64").parse::<crate::ids::PullSpec>().is_ok()
}

fn is_handle(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_proxy(value: &str) -> bool {
    url::Url::parse(value).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
    })
}

fn approvers_are_good(value: &str) -> bool {
    if !value.contains('@') {
        return value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    }
    value.split(',').all(|part| part.parse::<EmailAddress>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_recognised_with_y_streams_and_services_in_them() {
        assert!(OWNER.covers(&["owners", "4.19"]) && OWNER.covers(&["owners", "5.0"]));
        assert!(!OWNER.covers(&["owners", "default"]) && !OWNER.covers(&["owners", "4.19.1"]));
        assert!(OWNER.leads_to(&["owners"]) && !OWNER.leads_to(&["contacts"]));
        assert!(ENDPOINT.covers(&["endpoints", "github_raw"]) && !ENDPOINT.covers(&["endpoints", "GITHUB"]));
        assert_eq!(RELEASE_LEADS.named(&["4.19"]), "contacts.slack.qe-release.4.19");
    }

    #[test]
    fn every_example_fits_its_own_key() {
        for key in KEYS.iter().filter(|key| key.shape != ValueFormat::Spreadsheet) {
            let path: Vec<&str> = key
                .path
                .iter()
                .map(|part| match *part {
                    STREAM => "4.19",
                    SERVICE => "jira",
                    TEAM => "team",
                    NAME => "name",
                    CHANNEL => "#team-qe-release-demo",
                    literal => literal,
                })
                .collect();
            assert!(key.covers(&path), "{key:?}");
            assert_eq!(key.problem(&path, key.example), None, "{key:?}");
        }
    }

    #[test]
    fn every_shape_refuses_something() {
        for key in KEYS {
            let path = if key.shape == ValueFormat::NamedBaseUrl {
                vec!["endpoints", "jira"]
            } else {
                key.path.to_vec()
            };
            let several = if key.shape == ValueFormat::Words { "two\nlines" } else { "two words" };
            for bad in ["", several] {
                assert!(key.problem(&path, bad).is_some(), "{key:?} takes `{bad}`");
            }
        }
        assert!(RELEASE_LEADS.problem(&[], "@leads").unwrap().contains('@'));
    }
}
