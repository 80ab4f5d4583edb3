//! Removes secrets and people's addresses from everything that is written, sent or stored.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use regex::{Captures, Regex};
use secrecy::{ExposeSecret, SecretString};

#[cfg(test)]
mod tests;

/// The replacement of an e-mail address (`interop-exact`, spec 01 §2.5).
pub const EMAIL_MARK: &str = "[EMAIL_REDACTED]";
/// The replacement of a token, password or key.
pub const SECRET_MARK: &str = "[SECRET_REDACTED]";

/// The shortest secret value that is searched for, in characters; shorter ones would match ordinary words.
const SHORTEST_LITERAL: usize = 6;
/// The shortest value that is also searched for within base64, in bytes: of a shorter one too few characters
/// are fixed.
const SHORTEST_WITHIN_BASE64: usize = 8;
const URL_SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Replaces addresses, every known shape of token, and the exact values of this process's own secrets.
///
/// Redacting twice is the same as redacting once. Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor {
    literals: Option<Arc<Regex>>,
}

impl Redactor {
    /// A redactor that also knows these exact secret values (values shorter than six characters are ignored,
    /// because they would match ordinary words). They are also found percent-encoded, JSON-escaped and within
    /// base64 (basic authentication).
    pub fn new(literals: impl IntoIterator<Item = SecretString>) -> Self {
        let mut patterns: Vec<String> = Vec::new();
        for literal in literals {
            let value = literal.expose_secret().trim();
            let ordinary = EMAIL_MARK.contains(value) || SECRET_MARK.contains(value);
            if value.chars().count() >= SHORTEST_LITERAL && !ordinary {
                patterns.extend(forms(value));
            }
        }
        // The longest first, because one secret may be a prefix of another.
        patterns.sort_by(|left, right| right.len().cmp(&left.len()).then_with(|| left.cmp(right)));
        patterns.dedup();
        let literals = if patterns.is_empty() { None } else { Regex::new(&patterns.join("|")).ok() };
        Self { literals: literals.map(Arc::new) }
    }

    /// `text` without addresses and secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let without_literals = match &self.literals {
            Some(literals) => literals.replace_all(text, SECRET_MARK),
            None => Cow::Borrowed(text),
        };
        match without_literals {
            Cow::Borrowed(text) => shapes(text),
            Cow::Owned(text) => Cow::Owned(shapes(&text).into_owned()),
        }
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Redactor")
    }
}

/// The patterns of the encodings in which a value may occur in a text.
fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap_or_default();
    let encoded = utf8_percent_encode(value, URL_SAFE).to_string();
    let mut forms = vec![
        regex::escape(value),
        regex::escape(json.trim_matches('"')),
        regex::escape(&encoded),
        regex::escape(&encoded.replace("%20", "+")),
    ];
    if value.len() >= SHORTEST_WITHIN_BASE64 {
        // The text before the value (`user:`) shifts it by 0, 1 or 2 bytes; only the middle is the same in
        // all cases.
        for shift in 0..3 {
            let mut bytes = vec![0; shift];
            bytes.extend_from_slice(value.as_bytes());
            bytes.truncate(bytes.len() - bytes.len() % 3);
            let whole = STANDARD.encode(&bytes);
            let fixed = whole.get(if shift == 0 { 0 } else { 4 }..).unwrap_or_default();
            if fixed.len() >= SHORTEST_LITERAL {
                let fixed = regex::escape(fixed).replace('/', "[/_]").replace("\\+", "[-+]");
                forms.push(format!("[A-Za-z0-9+/_-]*{fixed}[A-Za-z0-9+/_=-]*"));
            }
        }
    }
    forms
}

/// One pattern of a secret: the text before it, which is kept; the secret; the text after it, which is kept;
/// and a test whether the match is ordinary words instead.
struct Shape {
    before: &'static str,
    secret: &'static str,
    after: &'static str,
    is_words: fn(&str) -> bool,
}

const fn token(secret: &'static str) -> Shape {
    value("", secret)
}

const fn value(before: &'static str, secret: &'static str) -> Shape {
    Shape { before, secret, after: "", is_words: |_| false }
}

/// A key whose value is secret, with the quotes and the sign that follow it. Values that look like words are
/// kept when they follow such a key as in prose (`token: missing`), unless it is a password's.
const KEYED: &str = r#"(?i:\b[a-z0-9_.-]*(?:passw(?:or)?d|passphrase|secret|token|(?:api|access|private)[_-]?key|x-(?:amz|goog)-signature)\\?["']?[ \t]*[:=][ \t]*)"#;

/// The patterns, in the order in which they are tried at one position of the text.
const SHAPES: &[Shape] = &[
    // Keys.
    token(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)"),
    // JWS and JWE in compact form; the header is a JSON object, so it starts with `eyJ`.
    token(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){2,4}"),
    // Credentials in an address.
    Shape { after: "@", ..value(r"\b[A-Za-z][A-Za-z0-9+.-]*://", r#"[^\s/?#"'<>]+"#) },
    value(r"\bhooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)/", r"[A-Za-z0-9/_-]+"),
    // Headers.
    Shape {
        is_words: is_word_about_a_scheme,
        ..value(
            r"(?i:\bauthorization\\?[\x22']?[ \t]*[:=][ \t]*\\?[\x22']?(?:basic|bearer|negotiate|token|digest)[ \t]+)",
            r#"[^\s"'\\]+"#,
        )
    },
    value(r"(?i:\b(?:basic|bearer|negotiate)[ \t]+)", r"[A-Za-z0-9+/_.~-]{20,}=*"),
    Shape {
        // A cookie is a name with a value.
        is_words: |line| !line.contains('='),
        ..value(r"(?i:\b(?:set-)?cookie[ \t]*:[ \t]*)", r"[^\r\n]+")
    },
    // GitHub, GitLab, Slack, Atlassian, Google, Kubernetes and OpenShift, Jenkins, AWS, registries, and others.
    token(r"(?:gh[pousr]_[A-Za-z0-9_]{10,}(?:[.-][A-Za-z0-9_-]+)*|github_pat_[A-Za-z0-9_]{10,})"),
    token(
        r"(?:gl(?:pat|dt|rt|rtr|cbt|ptt|ft|imt|agent|oas|soat|ffct|wt)-[A-Za-z0-9_=-]{10,}(?:\.[A-Za-z0-9_-]+)*|GR1348941[A-Za-z0-9_-]{16,})",
    ),
    token(r"(?:xox[a-z]\.)?(?:xox[a-z]|xapp)-[A-Za-z0-9-]{8,}"),
    token(r"(?:ATATT|ATCTT|ATOAT|ATSTT)[A-Za-z0-9+/_=-]{10,}"),
    token(
        r"\b(?:AIza[A-Za-z0-9_-]{30,}|ya29\.[A-Za-z0-9_.-]{10,}|GOCSPX-[A-Za-z0-9_-]{10,}|1//0[A-Za-z0-9_-]{20,})",
    ),
    token(r"sha(?:256|512)~[A-Za-z0-9_-]{16,}"),
    token(r"\b11[0-9a-f]{32}\b"),
    token(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
    token(r"\b(?:dckr_pat_|npm_|pypi-|hf_)[A-Za-z0-9_-]{20,}"),
    token(r"\bsk-[A-Za-z0-9_-]{20,}"),
    value(r#""auth"[ \t]*:[ \t]*""#, r"[A-Za-z0-9+/=]{8,}"),
];

/// The parts of the combined pattern that come before [`SHAPES`].
const KEYED_QUOTED: &str = r#"\\?"(?:[^"\\\r\n]|\\[^"])+|'[^'\r\n]+"#;
const KEYED_BARE: &str = r#"(?i:(?:basic|bearer|negotiate)[ \t]+)?[^\s"'&,;<>\\]+"#;
const EMAIL: &str =
    r"[\p{L}\p{N}_][\p{L}\p{N}._%+-]*(?:@|%40)[\p{L}\p{N}](?:[\p{L}\p{N}.-]*[\p{L}\p{N}])?\.[A-Za-z]{2,}";

/// All patterns combined. Groups 1 and 2: key and quoted value; 3 and 4: key and unquoted value; then three
/// groups per pattern; an address has none.
static COMBINED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let mut pattern = format!("({KEYED})({KEYED_QUOTED})|({KEYED})({KEYED_BARE})");
    for Shape { before, secret, after, .. } in SHAPES {
        pattern.extend(["|(", before, ")(", secret, ")(", after, ")"]);
    }
    // ASCII word boundaries keep the search fast on texts with other letters.
    let pattern = pattern.replace(r"\b", r"(?-u:\b)");
    Regex::new(&format!("{pattern}|{EMAIL}")).ok()
});

/// How often a text is looked at again. A replaced part may be the edge of a shape that was none before: in
/// `a@b.ccx_token=…` the key begins inside the address.
const LOOKS: usize = 4;

fn shapes(text: &str) -> Cow<'_, str> {
    // Cannot happen (the pattern is a tested constant); no text is better than a secret.
    let Some(combined) = &*COMBINED else { return Cow::Borrowed(SECRET_MARK) };
    let mut redacted = combined.replace_all(text, replacement);
    for _ in 1..LOOKS {
        let Cow::Owned(before) = &redacted else { break };
        let again = combined.replace_all(before, replacement);
        if again == *before {
            break;
        }
        redacted = Cow::Owned(again.into_owned());
    }
    redacted
}

fn replacement(found: &Captures<'_>) -> String {
    let group = |index: usize| found.get(index).map(|group| group.as_str());
    // The kept text may contain a secret of another pattern.
    let kept = |before: &str, words: &str| format!("{before}{}", shapes(words));
    if let (Some(key), Some(quoted)) = (group(1), group(2)) {
        let quote = quoted.find(['"', '\'']).map_or("", |index| quoted.get(..=index).unwrap_or_default());
        let words = quoted.get(quote.len()..).unwrap_or_default();
        if is_quoted_prose(key, words) {
            return kept(&format!("{key}{quote}"), words);
        }
        return format!("{key}{quote}{SECRET_MARK}");
    }
    if let (Some(key), Some(bare)) = (group(3), group(4)) {
        return if is_prose(key, bare) { kept(key, bare) } else { format!("{key}{SECRET_MARK}") };
    }
    for (index, shape) in SHAPES.iter().enumerate() {
        let first = 5 + 3 * index;
        if let (Some(before), Some(secret), Some(after)) = (group(first), group(first + 1), group(first + 2))
        {
            if (shape.is_words)(secret) {
                return format!("{}{after}", kept(before, secret));
            }
            return format!("{before}{SECRET_MARK}{after}");
        }
    }
    EMAIL_MARK.to_owned()
}

/// Words that say why a secret was refused and that are never secrets themselves.
const REASONS: &[&str] = &[
    "absent",
    "blank",
    "cannot",
    "denied",
    "disabled",
    "does",
    "empty",
    "expired",
    "failed",
    "found",
    "has",
    "incorrect",
    "invalid",
    "is",
    "lacks",
    "malformed",
    "missing",
    "must",
    "needed",
    "no",
    "none",
    "not",
    "null",
    "refused",
    "rejected",
    "required",
    "revoked",
    "unauthorized",
    "unknown",
    "unset",
    "was",
    "wrong",
];
/// Words that follow the name of an authentication scheme in a sentence about it.
const ABOUT_A_SCHEME: &[&str] =
    &["auth", "authentication", "authorization", "credentials", "header", "scheme", "token", "tokens"];

/// Names of services and standards that stand in messages of these programs and are not written as words are.
const NAMES: &[&str] =
    &["ConfigStore", "GitHub", "GitLab", "OAuth", "OpenShift", "StateBox", "access.redhat.com"];

/// The word without surrounding punctuation.
fn bare_word(word: &str) -> &str {
    word.trim_matches(['.', ',', '!', '?', ':', ';', '(', ')', '[', ']', '`'])
}

fn is_reason(word: &str) -> bool {
    REASONS.contains(&bare_word(word).to_lowercase().as_str())
}

fn is_word_about_a_scheme(word: &str) -> bool {
    is_reason(word) || ABOUT_A_SCHEME.contains(&bare_word(word).to_lowercase().as_str())
}

/// Whether it looks like a word: letters, the first possibly upper case, or a short name in upper case.
fn is_word(word: &str) -> bool {
    let word = bare_word(word);
    if NAMES.contains(&word) {
        return true;
    }
    let simple = word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let rest = word.get(1..).unwrap_or_default();
    let cased = rest.bytes().all(|byte| !byte.is_ascii_uppercase())
        || (word.len() <= 5 && word.bytes().all(|byte| !byte.is_ascii_lowercase()));
    // Longer ones and those with other characters may be keys that a person chose.
    let joined = word.len() < 16 && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'.' | b'-'));
    let code =
        word.contains('_') && word.split('_').all(|part| is_reason(part) || is_word_about_a_scheme(part));
    !word.is_empty() && ((simple && cased && word.len() <= 20) || joined || code)
}

/// Whether a key and its value are not a secret: words of a sentence (`token: Token was revoked`), a position
/// in a list of results, Jira's anti-forgery header. After a password's name only the reason of a refusal is
/// kept.
fn is_prose(key: &str, value: &str) -> bool {
    let name = key.trim_end().to_lowercase();
    let is_password = name.contains("pass");
    if name.contains("page") && !is_password {
        return true;
    }
    if !name.ends_with(':') {
        return false;
    }
    if let Some((_scheme, word)) = value.split_once([' ', '\t']) {
        return is_word_about_a_scheme(word.trim());
    }
    if is_password {
        return is_reason(value);
    }
    let status = value.len() == 3 && value.bytes().all(|byte| byte.is_ascii_digit());
    let nothing = value.bytes().all(|byte| byte.is_ascii_punctuation());
    is_word(value) || status || nothing || value.starts_with('`')
}

/// The same for a quoted value, which is a secret unless it says why one was refused: `"token": "has
/// expired"`.
fn is_quoted_prose(key: &str, value: &str) -> bool {
    let mut words = value.split_whitespace().peekable();
    let name = key.to_lowercase();
    words.peek().is_some()
        && !name.contains("pass")
        && words.clone().any(is_reason)
        && words.all(|word| is_word(word) || word.bytes().all(|byte| byte.is_ascii_punctuation()))
}
