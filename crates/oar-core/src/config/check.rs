//! Checks a whole configuration document against the keys that the programs read.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::agents::{clashes, interval_problem, name_problem};
use super::document::{Document, kind};
use super::error::ConfigError;
use super::freezes::DatedFreeze;
use super::keys::{self, KEYS, Key, Requirement};
use super::release_keys::armored_key;
use super::versions::SupportedVersions;
use crate::clock::Moment;
use crate::signature::ReleaseKeys;
use crate::version::YStream;

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A command will fail.
    Error,
    /// Nothing fails, but the value may be a mistake.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem of a document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The key's path; empty when the problem concerns the whole document.
    pub path: String,
    /// What is wrong; never a value of the document.
    pub message: String,
    /// Its severity.
    pub severity: Severity,
}

/// All problems of a document's plaintext: errors first, each group in the order of the document.
///
/// File paths in it are relative to `directory`, the document's own; without one, files are not checked.
pub fn check_document(text: &str, versions: &SupportedVersions, directory: Option<&Path>) -> Vec<Problem> {
    let mut problems = Problems::default();
    match Document::parse(text) {
        Err(error) => problems.error("", error.to_string()),
        Ok(document) => {
            for path in repeated_keys(text) {
                problems.error(&path, "occurs more than once; only the last one counts".into());
            }
            section(document.root(), &mut Vec::new(), &mut problems);
            if let Some(directory) = directory {
                release_keys(&document, directory, &mut problems);
            }
            waivers(&document, &mut problems);
            freezes(&document, &mut problems);
            agents(&document, &mut problems);
            mcp_callers(&document, &mut problems);
            required(&document, &mut problems);
            streams(&document, versions, &mut problems);
        }
    }
    problems.0.sort_by_key(|problem| problem.severity);
    problems.0
}

/// The callers of the MCP server whose tokens are refused at `now`, because their last day is over. A document that cannot be
/// understood has none.
pub fn check_expiry(text: &str, now: Timestamp) -> Vec<Problem> {
    let mut problems = Problems::default();
    if let Ok(document) = Document::parse(text) {
        let today = now.to_zoned(TimeZone::UTC).date();
        for caller in document.mcp_callers().unwrap_or_default() {
            if let Some(last) = caller.expires.filter(|last| today > *last) {
                problems.warning(
                    &keys::MCP_EXPIRES.named(&[&caller.name]),
                    format!("was {last}: this token is refused; give it a later day, or remove the caller"),
                );
            }
        }
    }
    problems.0
}

/// The problems of one section of a document.
pub fn check_section(document: &Document, name: &str) -> Vec<Problem> {
    let mut problems = Problems::default();
    if let Some(value) = document.root().get(name) {
        entry(value, &mut vec![name], &mut problems);
    }
    problems.0
}

#[derive(Default)]
struct Problems(Vec<Problem>);

impl Problems {
    fn error(&mut self, path: &str, message: String) {
        self.0.push(Problem { path: path.into(), message, severity: Severity::Error });
    }

    fn warning(&mut self, path: &str, message: String) {
        self.0.push(Problem { path: path.into(), message, severity: Severity::Warning });
    }
}

fn section<'a>(entries: &'a Map<String, Value>, path: &mut Vec<&'a str>, problems: &mut Problems) {
    for (name, value) in entries {
        path.push(name);
        entry(value, path, problems);
        path.pop();
    }
}

fn entry<'a>(value: &'a Value, path: &mut Vec<&'a str>, problems: &mut Problems) {
    let shown = path.join(".");
    if let Some(key) = KEYS.iter().find(|key| key.covers(path)) {
        match value {
            Value::String(text) => {
                if sends_in_the_clear(text) {
                    problems.warning(
                        &shown,
                        "is `http` to another machine: what is sent there can be read on the way".into(),
                    );
                }
                if let Some(problem) = key.problem(path, text) {
                    problems.error(
                        &shown,
                        format!("{problem}; it holds {} (for example {})", key.purpose, key.example),
                    );
                }
            }
            Value::Null => problems.warning(&shown, "is null, which counts as absent".into()),
            other => problems.error(&shown, format!("is {} instead of a text: {}", kind(other), key.purpose)),
        }
        return;
    }
    if KEYS.iter().any(|key| key.leads_to(path)) {
        match value {
            Value::Object(entries) => section(entries, path, problems),
            Value::Null => problems.warning(&shown, "is null, which counts as absent".into()),
            other => problems.error(&shown, format!("is {} instead of an object", kind(other))),
        }
        return;
    }
    match path.as_slice() {
        ["owners" | "report_templates", name] => {
            problems.error(&shown, format!("`{name}` is not a y-stream (for example 4.19)"));
        }
        ["endpoints", name] => {
            problems.error(&shown, format!("`{name}` is not the name of a service (for example jira)"));
        }
        // A right that does not count is worse than a value that does not.
        ["slack_bot", ..] => {
            let known = "`slack_bot.permissions.<channel>` holds `read`, `write` and `critical`";
            problems.error(&shown, format!("is not a key of the Slack bot: {known}"));
        }
        _ => problems.warning(&shown, "the programs do not read this key; it is kept".into()),
    }
}

/// Whether `text` is a URL without TLS on another machine.
fn sends_in_the_clear(text: &str) -> bool {
    let Ok(url) = url::Url::parse(text.trim()) else { return false };
    let here = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => true,
    };
    url.scheme() == "http" && !here
}

/// Checks that every release key is valid, also those in files.
fn release_keys(document: &Document, directory: &Path, problems: &mut Problems) {
    for name in document.names(&["release_keys"]) {
        // A value of the wrong form is reported elsewhere.
        let Ok(Some(value)) = document.checked(&keys::RELEASE_KEY, &[name]) else { continue };
        let armored = armored_key(value, directory);
        let added = armored.and_then(|armored| {
            ReleaseKeys::default().add(name, &armored).map_err(|fault| format!("names a file that {fault}"))
        });
        if let Err(problem) = added {
            problems.error(&keys::RELEASE_KEY.named(&[name]), problem);
        }
    }
}

/// Checks that every waiver is complete.
fn waivers(document: &Document, problems: &mut Problems) {
    for component in document.waived_components() {
        if let Err(error @ ConfigError::MissingKey { .. }) = document.waiver(component) {
            problems.error(&format!("image_health.waivers.{component}"), format!("is not complete: {error}"));
        }
    }
}

/// Whether every dated freeze is complete, and ends after it begins.
fn freezes(document: &Document, problems: &mut Problems) {
    for name in document.freeze_names() {
        let path = format!("freezes.{}", name.escape_debug());
        match document.freeze(name) {
            Ok(freeze) if ends_before_it_begins(&freeze) => {
                problems.error(&keys::FREEZE_UNTIL.named(&[name]), "is before `from`".to_owned());
            }
            Err(error @ ConfigError::MissingKey { .. }) => {
                problems.error(&path, format!("is not complete: {error}"));
            }
            // A value of the wrong form is reported elsewhere.
            Ok(_) | Err(_) => {}
        }
    }
}

fn ends_before_it_begins(freeze: &DatedFreeze) -> bool {
    let begins = match freeze.from {
        Moment::Day(day) => day.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp()),
        Moment::At(moment) => Ok(moment),
    };
    begins.is_ok_and(|begins| freeze.until.is_over(begins))
}

/// Whether every agent says what it runs and how often, and can work beside the others.
fn agents(document: &Document, problems: &mut Problems) {
    let mut complete = Vec::new();
    for name in document.names(&["agents"]) {
        if let Some(problem) = name_problem(name) {
            problems.error(&format!("agents.{}", name.escape_debug()), format!("is {problem}"));
            continue;
        }
        match document.agent(name) {
            Ok(agent) => {
                if let Some(problem) = interval_problem(&agent) {
                    problems.error(&keys::AGENT_INTERVAL.named(&[name]), problem);
                }
                complete.push(agent);
            }
            Err(error @ ConfigError::MissingKey { .. }) => {
                problems.error(&format!("agents.{name}"), format!("is not complete: {error}"));
            }
            // A value of the wrong form is reported elsewhere.
            Err(_) => {}
        }
    }
    for (name, problem) in clashes(&complete) {
        problems.error(&keys::AGENT_COMMAND.named(&[name]), problem);
    }
}

/// Whether every caller of the MCP server is complete, and has a token of its own.
fn mcp_callers(document: &Document, problems: &mut Problems) {
    let path = |name: &str| format!("mcp.callers.{}", name.escape_debug());
    let names = document.names(&["mcp", "callers"]);
    let mut is_read = true;
    for name in names {
        match document.mcp_caller(name) {
            Ok(_) => continue,
            Err(error @ ConfigError::MissingKey { .. }) => {
                problems.error(&path(name), format!("is not complete: {error}"));
            }
            Err(ConfigError::BadKey { problem, .. }) if problem.starts_with("belongs to a name") => {
                problems.error(&path(name), problem);
            }
            // A value of the wrong form is reported elsewhere.
            Err(_) => {}
        }
        is_read = false;
    }
    if let (true, Err(ConfigError::BadKey { key, problem, .. })) = (is_read, document.mcp_callers()) {
        problems.error(&key, problem);
    }
}

fn required(document: &Document, problems: &mut Problems) {
    for key in KEYS.iter().filter(|key| key.need != Requirement::Optional) {
        if !is_absent(document, key, &[]) {
            continue;
        }
        let (path, missing) =
            (key.named(&[]), format!("is missing: {} (for example {})", key.purpose, key.example));
        if key.need == Requirement::Required {
            problems.error(&path, missing);
        } else {
            problems.warning(&path, format!("{missing}; commands that need it will fail"));
        }
    }
}

/// Whether the key is absent. A wrong value is reported elsewhere.
fn is_absent(document: &Document, key: &Key, names: &[&str]) -> bool {
    matches!(document.text(key, names), Ok(None))
}

fn streams(document: &Document, versions: &SupportedVersions, problems: &mut Problems) {
    for stream in versions.streams() {
        let name = stream.to_string();
        if is_absent(document, &keys::RELEASE_LEADS, &[&name]) {
            let message = format!("is missing: messages about {name} cannot name its release leads");
            problems.warning(&keys::RELEASE_LEADS.named(&[&name]), message);
        }
    }
    for key in [&keys::OWNER, &keys::REPORT_TEMPLATE, &keys::RELEASE_LEADS] {
        let mut parent = document.root();
        let sections = key.path.len() - 1;
        let inner = key.path.iter().take(sections).try_fold((), |(), part| {
            parent = parent.get(*part)?.as_object()?;
            Some(())
        });
        if inner.is_none() {
            continue;
        }
        for name in parent.keys() {
            if name.parse::<YStream>().is_ok_and(|stream| !versions.supports(stream)) {
                problems
                    .warning(&key.named(&[name]), format!("{name} is not a supported y-stream ({versions})"));
            }
        }
    }
}

/// The paths of all keys that occur more than once in their object: JSON readers silently take the last one.
fn repeated_keys(text: &str) -> BTreeSet<String> {
    struct Repeats(BTreeSet<String>);

    struct RepeatVisitor;

    impl<'de> Deserialize<'de> for Repeats {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_any(RepeatVisitor)
        }
    }

    impl<'de> Visitor<'de> for RepeatVisitor {
        type Value = Repeats;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("JSON")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Repeats, A::Error> {
            let (mut seen, mut repeats) = (BTreeSet::new(), BTreeSet::new());
            while let Some((name, inner)) = access.next_entry::<String, Repeats>()? {
                repeats.extend(inner.0.into_iter().map(|path| format!("{name}.{path}")));
                if !seen.insert(name.clone()) {
                    repeats.insert(name);
                }
            }
            Ok(Repeats(repeats))
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Repeats, A::Error> {
            while access.next_element::<Repeats>()?.is_some() {}
            Ok(Repeats(BTreeSet::new()))
        }

        fn visit_bool<E>(self, _: bool) -> Result<Repeats, E> {
            Ok(Repeats(BTreeSet::new()))
        }

        fn visit_i64<E>(self, _: i64) -> Result<Repeats, E> {
            Ok(Repeats(BTreeSet::new()))
        }

        fn visit_u64<E>(self, _: u64) -> Result<Repeats, E> {
            Ok(Repeats(BTreeSet::new()))
        }

        fn visit_f64<E>(self, _: f64) -> Result<Repeats, E> {
            Ok(Repeats(BTreeSet::new()))
        }

        fn visit_str<E>(self, _: &str) -> Result<Repeats, E> {
            Ok(Repeats(BTreeSet::new()))
        }

        fn visit_unit<E>(self) -> Result<Repeats, E> {
            Ok(Repeats(BTreeSet::new()))
        }
    }

    serde_json::from_str::<Repeats>(text).map(|repeats| repeats.0).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::jwe;
    use super::*;
    use secrecy::ExposeSecret;
    use serde_json::json;

    fn versions() -> SupportedVersions {
        SupportedVersions::parse("y_streams: ['4.19', '5.0']", "test").unwrap()
    }

    fn good() -> Value {
        json!({
            "owners": {"default": "lead@example.com", "4.19": "demo-lead@example.com"},
            "contacts": {"slack": {
                "qe-release": {"channel": "#demo", "4.19": "demo-leads-4-19", "5.0": "demo-leads-5-0"},
                "art": {"channel": "#art", "id": "art-team-demo"},
                "approver": {"channel": "#approvals", "doc_id": "docs-team", "prodsec_id": "demo"},
                "qe-forum": {"channel": "#forum", "id": "forum-team"},
            }},
        })
    }

    #[test]
    fn a_misspelt_key_of_the_slack_bot_is_an_error() {
        let mut document = good();
        document["slack_bot"] = json!({
            "permisions": {}, "permissions": {"#demo": {"read": "qe-demo", "crtical": "leads"}},
        });
        let problems = problems_of(&document);
        let wrong = |path: &str| {
            let problem = problems.iter().find(|problem| problem.path == path).unwrap();
            (problem.severity, problem.message.contains("is not a key of the Slack bot"))
        };
        assert_eq!(wrong("slack_bot.permisions"), (Severity::Error, true));
        assert_eq!(wrong("slack_bot.permissions.#demo.crtical"), (Severity::Error, true));
        let document = Document::parse(&document.to_string()).unwrap();
        assert_eq!(check_section(&document, "slack_bot").len(), 2);
        assert_eq!(check_section(&document, "absent").len(), 0);
    }

    fn problems_of(value: &Value) -> Vec<Problem> {
        check_document(&value.to_string(), &versions(), None)
    }

    /// The valid document with one change must have exactly the expected problem.
    fn one(pointer: &str, value: Value, severity: Severity, path: &str, words: &str) {
        let mut document = good();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(name.into(), value);
        let problems = problems_of(&document);
        assert!(
            problems.iter().any(|problem| problem.path == path
                && problem.severity == severity
                && problem.message.contains(words)),
            "{pointer}: {problems:?}"
        );
        assert_eq!(problems.len(), 1, "{pointer}: {problems:?}");
    }

    #[test]
    fn a_good_document_has_no_problem() {
        assert_eq!(problems_of(&good()), []);
    }

    #[test]
    fn the_example_is_good_and_its_encrypted_form_is_made_from_it() {
        let plain = include_str!("../../../../config/config_store.example.json");
        let encrypted = include_str!("../../../../config/config_store.json");
        let key = jwe::Key::new("oar-demo-key-16b".to_owned().into()).unwrap();
        assert_eq!(jwe::decrypt(encrypted, &key).unwrap().expose_secret(), plain);
        assert_eq!(encrypted.trim(), encrypted, "the Python reference wants no line break at the end");
        assert_eq!(check_document(plain, &SupportedVersions::built_in().unwrap(), None), []);
    }

    #[test]
    fn every_section_is_checked() {
        use Severity::{Error, Warning};
        one("/owners/default", json!("nobody"), Error, "owners.default", "is not an e-mail address");
        one("/owners/4.19", json!(7), Error, "owners.4.19", "is a number instead of a text");
        one("/owners/4.19", json!(null), Warning, "owners.4.19", "counts as absent");
        one("/owners/4.19.1", json!("a@example.com"), Error, "owners.4.19.1", "is not a y-stream");
        one(
            "/owners/4.11",
            json!("a@example.com"),
            Warning,
            "owners.4.11",
            "not a supported y-stream (4.19, 5.0)",
        );
        one("/report_templates", json!([]), Error, "report_templates", "is a list instead of an object");
        one(
            "/report_templates",
            json!({"4.19": "x y"}),
            Error,
            "report_templates.4.19",
            "Google spreadsheet",
        );
        one("/build_data_url", json!("https://example.com"), Error, "build_data_url", "`%s` exactly once");
        one("/jira_server", json!("jira"), Error, "jira_server", "is not a URL");
        one("/endpoints", json!({"jira": "ftp://x"}), Error, "endpoints.jira", "scheme `ftp`");
        one(
            "/endpoints",
            json!({"JIRA": "https://x.test"}),
            Error,
            "endpoints.JIRA",
            "not the name of a service",
        );
        one(
            "/contacts/slack/art/id",
            json!("@art"),
            Error,
            "contacts.slack.art.id",
            "without the leading `@`",
        );
        one(
            "/contacts/slack/art/channel",
            json!("two words"),
            Error,
            "contacts.slack.art.channel",
            "channel",
        );
        one("/contacts/slack/other", json!({"a": 1}), Warning, "contacts.slack.other", "it is kept");
        one("/contacts/email", json!({"team": "x"}), Error, "contacts.email.team", "e-mail address");
        one("/new_section", json!({"a": 1}), Warning, "new_section", "it is kept");
    }

    #[test]
    fn what_a_command_would_refuse_later_is_found() {
        use Severity::Error;
        let waiver = json!({"waivers": {"demo": {"grade": "C", "who": "lead", "why": "known"}}});
        one("/image_health", waiver, Error, "image_health.waivers.demo", "`image_health.waivers.demo.until`");
        let jobs = |name: &str, value: &str| json!({name: value});
        one("/jobs", jobs("stage-testing", "a//b"), Error, "jobs.stage-testing", "is not the name of a job");
        one(
            "/jobs",
            jobs("payload-repository", "a/:b"),
            Error,
            "jobs.payload-repository",
            "is not a repository",
        );

        let detector =
            |options: &str| json!({"run": format!("oarctl start-release-detector {options}"), "every": "9"});
        let agents = json!({"one": detector("--all"), "two": detector("-r 4.20")});
        one("/agents", agents, Error, "agents.two.run", "looks at 4.20, as agents.one does");
        one("/agents", json!({"": detector("--all")}), Error, "agents.", "is an agent without a name");
        one("/agents", json!({"a\nb": detector("--all")}), Error, r"agents.a\nb", "control characters");
        one("/agents", json!({"one": detector("-v")}), Error, "agents.one.run", "no y-stream");
        let bot = json!({"bot": {"run": "oarctl slack-bot", "every": "31"}});
        one("/agents", bot, Error, "agents.bot.every", "from 1 to 30");

        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("no-key.asc"), "no key").unwrap();
        for (value, words) in [("no-key.asc", "is not an OpenPGP public key"), ("gone.asc", "cannot read")] {
            let mut document = good();
            document["release_keys"] = json!({"demo": value});
            let problems = check_document(&document.to_string(), &versions(), Some(directory.path()));
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert_eq!((problems[0].path.as_str(), problems[0].severity), ("release_keys.demo", Error));
            assert!(problems[0].message.contains(words), "{problems:?}");
            assert_eq!(problems_of(&document), [], "without a directory files are not looked at");
        }
    }

    #[test]
    fn a_token_whose_last_day_is_over_is_a_warning() {
        let caller = |digit: &str, expires: &str| json!({"token_sha256": digit.repeat(64), "scopes": "release:read", "expires": expires});
        let callers = json!({"old": caller("a", "2026-06-30"), "new": caller("b", "2026-07-01")});
        let text = json!({"mcp": {"callers": callers}}).to_string();
        let problems = |now: &str| check_expiry(&text, now.parse().unwrap());
        assert_eq!(problems("2026-06-30T23:59:59Z"), []);
        let found = problems("2026-07-01T00:00:00Z");
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(
            (found[0].path.as_str(), found[0].severity),
            ("mcp.callers.old.expires", Severity::Warning)
        );
        assert!(found[0].message.starts_with("was 2026-06-30: this token is refused"), "{found:?}");
        assert_eq!(check_expiry("{", "2026-07-01T00:00:00Z".parse().unwrap()), []);
    }

    #[test]
    fn a_document_that_is_still_encrypted_is_no_document() {
        let sealed = json!({"protected": "e30", "iv": "", "ciphertext": "AAAA", "tag": ""});
        let problems = problems_of(&sealed);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("it is encrypted"), "{problems:?}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let problems = problems_of(&json!({}));
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "owners.default",
                "contacts.slack.qe-release.channel",
                "contacts.slack.art.channel",
                "contacts.slack.art.id",
                "contacts.slack.approver.channel",
                "contacts.slack.approver.doc_id",
                "contacts.slack.approver.prodsec_id",
                "contacts.slack.qe-forum.channel",
                "contacts.slack.qe-forum.id",
                "contacts.slack.qe-release.4.19",
                "contacts.slack.qe-release.5.0",
            ]
        );
    }

    #[test]
    fn keys_that_stand_twice_are_found() {
        let text = good().to_string().replacen(
            "\"default\":",
            "\"default\":\"planted@example.com\",\"default\":",
            1,
        );
        let problems = check_document(&text, &versions(), None);
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].path, "owners.default");
        assert!(problems[0].message.contains("more than once"));
    }

    #[test]
    fn a_text_that_is_no_document_is_one_problem_without_content() {
        let problems = check_document("{\"owners\": planted", &versions(), None);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].message.contains("line 1") && !problems[0].message.contains("planted"));
    }
}
