//! Who may call the MCP server: the section `mcp` of the configuration document.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::document::{Document, kind};
use super::error::ConfigError;
use super::keys::{self, Key};

/// The scopes that a caller can have (spec 05 §12.2.26).
pub const MCP_SCOPES: [&str; 5] =
    ["release:read", "release:write", "release:critical", "jobs:run", "admin:generic"];

/// The profiles with a name; any other is a list of tools.
pub const MCP_PROFILES: [&str; 3] = ["reference", "daily", "engine"];

/// The tools whose name is one word.
pub const MCP_SHORT_TOOLS: [&str; 1] = ["doctor"];

/// The keys of the section.
const SECTION_KEYS: [&str; 2] = ["callers", "paid_jobs_ask"];
/// The keys of one caller.
const CALLER_KEYS: [&str; 6] =
    ["token_sha256", "scopes", "profile", "standing_consent", "elicitation", "expires"];
/// The length of a SHA-256 hash in hexadecimal digits.
const HASH_LENGTH: usize = 64;
/// The longest name of a caller.
const LONGEST_NAME: usize = 40;

/// A caller of the MCP server.
#[derive(Clone, PartialEq, Eq)]
pub struct McpCaller {
    /// Its name, for histories and the audit log.
    pub name: String,
    /// The SHA-256 hash of its token: 64 lowercase hexadecimal digits.
    pub token_sha256: String,
    /// What it may do, from [`MCP_SCOPES`].
    pub scopes: Vec<String>,
    /// Which tools it is offered: one of [`MCP_PROFILES`], or names of tools with commas between them.
    pub profile: String,
    /// The tools that it may call without a person's consent to each plan.
    pub standing_consent: Vec<String>,
    /// Whether a form that its client shows to the user counts as a person's consent.
    pub elicitation: bool,
    /// The last day on which its token is accepted (UTC).
    pub expires: Option<Date>,
}

impl fmt::Debug for McpCaller {
    /// Leaves the hash out: who has it can look for the token.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("McpCaller")
            .field("name", &self.name)
            .field("scopes", &self.scopes)
            .field("profile", &self.profile)
            .field("standing_consent", &self.standing_consent)
            .field("elicitation", &self.elicitation)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

impl Document {
    /// The callers of the MCP server, in the document's order; without any, nobody has a token.
    ///
    /// # Errors
    ///
    /// One of them says something wrong, or not everything, or two of them have the same token.
    pub fn mcp_callers(&self) -> Result<Vec<McpCaller>, ConfigError> {
        self.check_mcp_section()?;
        let names = self.names(&["mcp", "callers"]).into_iter();
        let callers: Vec<McpCaller> =
            names.map(|name| self.mcp_caller(name)).collect::<Result<_, ConfigError>>()?;
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        for caller in &callers {
            if let Some(other) = known.insert(&caller.token_sha256, &caller.name) {
                let problem = format!("is the hash of the same token as that of `{other}`");
                return Err(keys::MCP_TOKEN.unusable(&[&caller.name], problem));
            }
        }
        Ok(callers)
    }

    /// Refuses what is misspelt or of another kind in the section: ignored, it would let callers in who have no token, or whose
    /// token has expired.
    fn check_mcp_section(&self) -> Result<(), ConfigError> {
        let Some(section) = self.root().get("mcp") else { return Ok(()) };
        let section = section_at("mcp", section, &SECTION_KEYS)?;
        let Some(callers) = section.get("callers") else { return Ok(()) };
        let Value::Object(callers) = callers else { return Err(wrong_kind("mcp.callers", callers)) };
        for (name, caller) in callers {
            let shown: String = name.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect();
            section_at(&format!("mcp.callers.{shown}"), caller, &CALLER_KEYS)?;
        }
        Ok(())
    }

    /// One caller of the MCP server.
    pub(super) fn mcp_caller(&self, name: &str) -> Result<McpCaller, ConfigError> {
        if !is_caller_name(name) {
            let shown: String = name.chars().take(LONGEST_NAME).collect();
            let problem = format!(
                "belongs to a name that is not made of 1 to {LONGEST_NAME} letters, digits, `-`, `_` and `.`"
            );
            return Err(keys::MCP_TOKEN.unusable(&[&shown.escape_debug().to_string()], problem));
        }
        let names = [name];
        let list = |key: &Key| -> Result<Vec<String>, ConfigError> {
            Ok(self.checked(key, &names)?.into_iter().flat_map(split).map(str::to_owned).collect())
        };
        let token_sha256 = self.required(&keys::MCP_TOKEN, &names)?.to_ascii_lowercase();
        self.required(&keys::MCP_CALLER_SCOPES, &names)?;
        let profile = self.checked(&keys::MCP_PROFILE, &names)?.unwrap_or("reference").to_owned();
        Ok(McpCaller {
            name: name.to_owned(),
            token_sha256,
            scopes: list(&keys::MCP_CALLER_SCOPES)?,
            profile,
            standing_consent: list(&keys::MCP_STANDING_CONSENT)?,
            elicitation: self.checked(&keys::MCP_ELICITATION, &names)? == Some("yes"),
            expires: self.parsed(&keys::MCP_EXPIRES, &names)?,
        })
    }

    /// Whether jobs that cost money need a person's consent when a model starts them.
    pub fn mcp_paid_jobs_ask(&self) -> Result<bool, ConfigError> {
        Ok(self.checked(&keys::MCP_PAID_JOBS_ASK, &[])? == Some("yes"))
    }
}

/// The section at `path`, which has no other keys than these.
fn section_at<'a>(
    path: &str,
    value: &'a Value,
    keys: &[&str],
) -> Result<&'a Map<String, Value>, ConfigError> {
    let Value::Object(section) = value else { return Err(wrong_kind(path, value)) };
    match section.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(section),
        Some(unknown) => {
            let shown: String = unknown.chars().take(LONGEST_NAME).flat_map(char::escape_debug).collect();
            Err(bad(
                format!("{path}.{shown}"),
                format!("is not known; the keys there are {}", keys.join(", ")),
            ))
        }
    }
}

fn wrong_kind(path: &str, value: &Value) -> ConfigError {
    bad(path.to_owned(), format!("is {} instead of a section", kind(value)))
}

fn bad(key: String, problem: String) -> ConfigError {
    let Key { purpose, example, .. } = keys::MCP_TOKEN;
    ConfigError::BadKey { key, problem, purpose, example }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim)
}

/// Whether it is the SHA-256 hash of something, in hexadecimal digits.
pub(super) fn is_hash(text: &str) -> bool {
    text.len() == HASH_LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether every part of a list with commas is a scope.
pub(super) fn are_scopes(list: &str) -> bool {
    split(list).all(|scope| MCP_SCOPES.contains(&scope))
}

/// Whether every part of a list with commas may be the name of a tool.
pub(super) fn are_tools(list: &str) -> bool {
    split(list).all(|name| {
        let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        // Nearly every tool has a name of several words, so that a misspelt profile is noticed here.
        let is_known = MCP_PROFILES.contains(&name) || MCP_SHORT_TOOLS.contains(&name);
        (name.contains('_') || is_known) && name.bytes().all(is_part)
    })
}

/// Whether a caller may have this name: it stands in histories and log lines.
fn is_caller_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HASH: &str = "9F86D081884C7D659A2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08";

    fn callers(callers: &Value) -> Result<Vec<McpCaller>, ConfigError> {
        let document = json!({ "mcp": { "callers": callers } });
        Document::parse(&document.to_string()).unwrap().mcp_callers()
    }

    #[test]
    fn callers_are_read_with_their_defaults() {
        let least = json!({ "token_sha256": HASH, "scopes": "release:read" });
        let all = json!({
            "token_sha256": HASH.replace('9', "8"), "scopes": "release:read, release:critical", "profile": "daily",
            "standing_consent": "oar_push_to_cdn_staging,oar_change_advisory_status", "elicitation": "yes",
            "expires": "2026-12-31",
        });
        let read = callers(&json!({ "assistant": least, "desk.2": all })).unwrap();
        let expected = McpCaller {
            name: "assistant".into(),
            token_sha256: HASH.to_lowercase(),
            scopes: vec!["release:read".into()],
            profile: "reference".into(),
            standing_consent: vec![],
            elicitation: false,
            expires: None,
        };
        assert_eq!(read[0], expected);
        assert_eq!(read[1].scopes, ["release:read", "release:critical"]);
        assert_eq!(read[1].standing_consent, ["oar_push_to_cdn_staging", "oar_change_advisory_status"]);
        assert_eq!((read[1].profile.as_str(), read[1].elicitation), ("daily", true));
        assert_eq!(read[1].expires, Some("2026-12-31".parse().unwrap()));
        assert!(!format!("{read:?}").contains(&HASH.to_lowercase()));
        assert_eq!(Document::default().mcp_callers().unwrap(), []);
    }

    #[test]
    fn a_token_in_the_place_of_its_hash_is_refused_and_not_shown() {
        let token = "planted-token-0123456789abcdef0123456789abcdef0123456789abcdef01";
        for bad in [token, &HASH[1..], &format!("{HASH}0"), &HASH.replace('9', "g")] {
            let error = callers(&json!({ "a": { "token_sha256": bad, "scopes": "release:read" } }));
            let error = error.unwrap_err().to_string();
            assert!(error.contains("`mcp.callers.a.token_sha256`") && !error.contains(bad), "{error}");
        }
    }

    #[test]
    fn a_section_of_another_form_lets_nobody_in() {
        let caller = json!({ "token_sha256": HASH, "scopes": "release:read" });
        let mut misspelt = caller.clone();
        misspelt["expire"] = json!("2020-01-01");
        for (section, named) in [
            (json!(null), "`mcp`"),
            (json!([]), "`mcp`"),
            (json!({ "caller": { "a": caller } }), "`mcp.caller`"),
            (json!({ "callers": [caller] }), "`mcp.callers`"),
            (json!({ "callers": "a" }), "`mcp.callers`"),
            (json!({ "callers": { "a": "x" } }), "`mcp.callers.a`"),
            (json!({ "callers": { "a": misspelt } }), "`mcp.callers.a.expire`"),
        ] {
            let document = Document::parse(&json!({ "mcp": section }).to_string()).unwrap();
            let error = document.mcp_callers().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    fn what_a_caller_lacks_or_says_wrong_is_named() {
        let with = |key: &str, value: &str| {
            let mut caller = json!({ "token_sha256": HASH, "scopes": "release:read" });
            caller[key] = json!(value);
            callers(&json!({ "a": caller })).unwrap_err().to_string()
        };
        for (key, value) in [
            ("scopes", "release:all"),
            ("scopes", "release:read,"),
            ("profile", "every day"),
            ("profile", "dayly"),
            ("standing_consent", "oar push"),
            ("elicitation", "true"),
            ("expires", "soon"),
        ] {
            let error = with(key, value);
            assert!(error.contains(&format!("`mcp.callers.a.{key}`")), "{error}");
        }
        for incomplete in [json!({ "scopes": "release:read" }), json!({ "token_sha256": HASH })] {
            assert!(matches!(callers(&json!({ "a": incomplete })), Err(ConfigError::MissingKey { .. })));
        }
        let caller = json!({ "token_sha256": HASH, "scopes": "release:read" });
        for name in ["", "a b", "a:b", "a\u{1b}b", &"a".repeat(41)] {
            assert!(callers(&json!({ (name): caller })).is_err(), "{name:?}");
        }
        let twice = callers(&json!({ "a": caller, "b": caller })).unwrap_err().to_string();
        assert!(twice.contains("`mcp.callers.b.token_sha256`") && twice.contains("`a`"), "{twice}");
    }

    #[test]
    fn paid_jobs_ask_only_where_the_document_says_so() {
        let asks = |value: Value| {
            let document = json!({ "mcp": { "paid_jobs_ask": value } });
            Document::parse(&document.to_string()).unwrap().mcp_paid_jobs_ask()
        };
        assert!(asks(json!("yes")).unwrap() && !asks(json!("no")).unwrap() && asks(json!(true)).is_err());
        assert!(!Document::default().mcp_paid_jobs_ask().unwrap());
    }
}
