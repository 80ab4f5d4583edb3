//! What a page shows of stored text: masked, made visible, bounded, and escaped by the template of its type.

use askama::Template;
use askama::filters::HtmlSafe;
use cli_support::{is_plain, plain};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use oar_core::clock::{duration_words, stamp};
use oar_core::redact::Redactor;
use serde::{Serialize, Serializer};
use url::Url;

use crate::documents::bounds::{begin_of, end_of};

/// The longest text that a page shows, in bytes; the largest StateBox file has 41 KB.
const LONGEST: usize = 64 * 1024;
/// The longest text that stands in a line, in bytes.
const LONGEST_WORDS: usize = 300;
/// The longest text that is not folded, in bytes and in lines.
const UNFOLDED: usize = 500;
const UNFOLDED_LINES: usize = 6;
/// The longest address that becomes a link, in bytes.
const LONGEST_LINK: usize = 2000;

/// Makes stored text fit for a page: the only way to the types below.
#[derive(Debug, Clone)]
pub(super) struct Shower {
    redactor: Redactor,
    now: Timestamp,
}

/// A text that may be long; then it is folded. It stands where a block may stand.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% if self.is_long() %}<details class=\"long\"><summary><bdi>{{ self.beginning() }}</bdi></summary><pre \
              tabindex=\"0\"><bdi>{{ text }}</bdi></pre></details>{% else %}<bdi class=\"text\">{{ text }}</bdi>{% endif %}"
)]
pub(super) struct Text {
    text: String,
}

/// A text in a line.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = "<bdi>{{ text }}</bdi>")]
pub(super) struct Words {
    text: String,
}

/// A command that a person can run.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(ext = "html", source = "<code class=\"command\" translate=\"no\"><bdi>{{ text }}</bdi></code>")]
pub(super) struct Command {
    text: String,
}

/// A link to another site, or the text alone where it is no address that may be followed.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% match address %}{% when Some with (address) %}<a href=\"{{ address }}\" rel=\"noreferrer \
              noopener\"><bdi>{{ text }}</bdi></a>{% when None %}<bdi>{{ text }}</bdi>{% endmatch %}"
)]
pub(super) struct Link {
    text: String,
    address: Option<String>,
}

/// A moment, and how long ago it was.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% match at %}{% when Some with (at) %}<time datetime=\"{{ Self::iso(at) }}\">{{ self.shown(at) }}</time> <time \
              class=\"age\" data-age=\"long\" datetime=\"{{ Self::iso(at) }}\">({{ self.relative(at) }})</time>{% when None \
              %}<bdi>{{ text }}</bdi>{% endmatch %}"
)]
pub(super) struct Time {
    text: String,
    at: Option<Timestamp>,
    now: Timestamp,
}

/// How long ago a moment was, in as few letters as possible.
#[derive(Debug, Clone, PartialEq, Eq, Template)]
#[template(
    ext = "html",
    source = "{% match time.at %}{% when Some with (at) %}<time class=\"age\" data-age=\"short\" datetime=\"{{ Time::iso(at) }}\" title=\"{{ time.shown(at) }}\">{{ time.since(at) }}</time>{% when None %}<bdi>{{ time.text }}</bdi>{% \
              endmatch %}"
)]
pub(super) struct Age<'a> {
    time: &'a Time,
}

impl HtmlSafe for Text {}
impl HtmlSafe for Words {}
impl HtmlSafe for Command {}
impl HtmlSafe for Link {}
impl HtmlSafe for Time {}
impl HtmlSafe for Age<'_> {}

impl Shower {
    pub(super) fn new(redactor: Redactor, now: Timestamp) -> Self {
        Self { redactor, now }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Masked before it is cut, so that a cut secret is found as well.
    fn shown(&self, text: &str) -> String {
        let text = self.redactor.redact(text);
        if is_plain(&text) { text.into_owned() } else { plain(&text) }
    }

    pub(super) fn text(&self, text: &str) -> Text {
        Text { text: begin_of(&self.shown(text.trim_end()), LONGEST) }
    }

    /// The end of a log, which says how it went.
    pub(super) fn log(&self, text: &str) -> Text {
        Text { text: end_of(&self.shown(text.trim_end()), LONGEST, "") }
    }

    pub(super) fn words(&self, text: &str) -> Words {
        let text = self.shown(text);
        let line: String =
            text.chars().map(|letter| if letter.is_whitespace() { ' ' } else { letter }).collect();
        Words { text: begin_of(line.trim(), LONGEST_WORDS) }
    }

    pub(super) fn command(&self, text: &str) -> Command {
        Command { text: begin_of(&self.shown(text), UNFOLDED) }
    }

    /// `address` as a link, where it is one of the web without a login in it.
    pub(super) fn link(&self, address: &str) -> Link {
        self.named_link(address, address)
    }

    /// The same under another name.
    pub(super) fn named_link(&self, text: &str, address: &str) -> Link {
        let address = address.trim();
        let is_web = |url: &Url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
        };
        let can_be = address.len() <= LONGEST_LINK && self.shown(address) == address;
        let url = if can_be { Url::parse(address).ok().filter(is_web) } else { None };
        Link { text: self.words(text).text, address: url.map(String::from) }
    }

    pub(super) fn time(&self, text: &str) -> Time {
        let at = text.parse::<Timestamp>().ok();
        Time { text: self.words(text).text, at, now: self.now }
    }

    pub(super) fn moment(&self, at: Timestamp) -> Time {
        Time { text: stamp(at), at: Some(at), now: self.now }
    }
}

impl Text {
    pub(super) fn is_empty(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn is_long(&self) -> bool {
        self.text.len() > UNFOLDED || self.text.lines().count() > UNFOLDED_LINES
    }

    /// What stands for it while it is folded.
    fn beginning(&self) -> String {
        let line = self.text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        let cut: String = line.chars().take(160).collect();
        let more = if cut.len() < line.len() { "…" } else { "" };
        format!("{cut}{more} ({} lines, {} KB)", self.text.lines().count(), self.text.len().div_ceil(1024))
    }

    pub(super) fn raw(&self) -> &str {
        &self.text
    }
}

impl Link {
    /// Whether it can be followed.
    pub(super) fn is_link(&self) -> bool {
        self.address.is_some()
    }
}

impl Words {
    pub(super) fn raw(&self) -> &str {
        &self.text
    }
}

impl Time {
    fn iso(at: &Timestamp) -> String {
        stamp(*at)
    }

    fn shown(&self, at: &Timestamp) -> String {
        let zoned = at.to_zoned(TimeZone::UTC);
        let year = zoned.year() != self.now.to_zoned(TimeZone::UTC).year();
        zoned.strftime(if year { "%Y-%m-%d %H:%M UTC" } else { "%b %-d %H:%M UTC" }).to_string()
    }

    fn relative(&self, at: &Timestamp) -> String {
        let seconds = self.now.duration_since(*at).as_secs();
        match seconds {
            0.. => format!("{} ago", duration_words(seconds)),
            _ => format!("in {}", duration_words(-seconds)),
        }
    }

    fn since(&self, at: &Timestamp) -> String {
        let seconds = self.now.duration_since(*at).as_secs();
        let words = short_duration(seconds.saturating_abs());
        if seconds < 0 { format!("in {words}") } else { words }
    }

    pub(super) fn age(&self) -> Age<'_> {
        Age { time: self }
    }

    /// Whether it has passed; a time that cannot be read has.
    pub(super) fn is_over(&self) -> bool {
        self.at.is_none_or(|at| at <= self.now)
    }

    pub(super) fn at(&self) -> Option<Timestamp> {
        self.at
    }
}

/// A length of time in its largest unit: `3 d`, `5 h`, `12 min`; the script of the pages has the same rule.
fn short_duration(seconds: i64) -> String {
    match seconds {
        172_800.. => format!("{} d", seconds / 86_400),
        7200.. => format!("{} h", seconds / 3600),
        _ => format!("{} min", seconds / 60),
    }
}

fn serialized<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialized(&self.text, serializer)
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialized(&self.text, serializer)
    }
}

impl Serialize for Command {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialized(&self.text, serializer)
    }
}

impl Serialize for Link {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialized(self.address.as_deref().unwrap_or(&self.text), serializer)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialized(&self.at.map_or_else(|| self.text.clone(), stamp), serializer)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use secrecy::SecretString;

    pub(crate) fn shower() -> Shower {
        let redactor = Redactor::new([SecretString::from("pl4nted-s3cret".to_owned())]);
        Shower::new(redactor, "2026-07-02T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn markup_and_what_changes_the_direction_are_shown_and_not_obeyed() {
        let hostile = "<script>alert(1)</script>\"'&\u{202e}evil\u{1b}[2J";
        let shower = shower();
        for html in [
            shower.text(hostile).to_string(),
            shower.words(hostile).to_string(),
            shower.command(hostile).to_string(),
            shower.link(hostile).to_string(),
            shower.time(hostile).to_string(),
            shower.time(hostile).age().to_string(),
            shower.text(&hostile.repeat(100)).to_string(),
        ] {
            assert!(
                !html.contains("<script") && !html.contains('\u{202e}') && !html.contains('\u{1b}'),
                "{html}"
            );
            assert!(html.contains("&#60;script&#62;") && html.contains("\\u{202e}"), "{html}");
        }
    }

    #[test]
    fn secrets_are_masked_before_texts_are_cut() {
        let shower = shower();
        let long = format!("{}pl4nted-s3cret", "x".repeat(LONGEST - 5));
        for text in ["pl4nted-s3cret", "a <b> pl4nted-s3cret", &long] {
            assert!(!shower.text(text).to_string().contains("pl4nted"), "{text:.100}");
            assert!(!shower.log(text).to_string().contains("s3cret"), "{text:.100}");
        }
        let link = shower.link("https://example.com/?token=pl4nted-s3cret").to_string();
        assert!(!link.contains("pl4nted") && !link.contains("href"), "{link}");
    }

    #[test]
    fn only_addresses_of_the_web_become_links() {
        let shower = shower();
        for good in ["https://example.com/a?b=c&d=e", "http://127.0.0.1:8765/x"] {
            assert!(shower.link(good).to_string().starts_with("<a href=\"http"), "{good}");
        }
        let long = format!("https://example.com/{}", "x".repeat(3000));
        for bad in [
            "javascript:alert(1)",
            "data:text/html,<script>alert(1)</script>",
            "//example.com/",
            "https://user:word@example.com/",
            "file:///etc/passwd",
            "JaVaScRiPt:alert(1)",
            "https://",
            "",
            &long,
        ] {
            assert!(!shower.link(bad).to_string().contains("href"), "{bad}");
        }
    }

    #[test]
    fn long_texts_are_folded_and_bounded() {
        let shower = shower();
        let folded = shower.text(&"word ".repeat(6000)).to_string();
        assert!(folded.starts_with("<details") && folded.contains("30 KB"), "{folded:.200}");
        assert!(shower.text(&"x".repeat(1 << 20)).to_string().len() < LONGEST + 1000);
        assert!(!shower.text("short").to_string().contains("<details"));
    }

    #[test]
    fn times_say_how_long_ago_they_were() {
        let shower = shower();
        let html = shower.time("2026-07-02T08:40:00Z").to_string();
        assert!(html.contains("datetime=\"2026-07-02T08:40:00Z\">Jul 2 08:40 UTC<"), "{html}");
        assert!(html.contains("(3 h 20 min ago)"), "{html}");
        assert!(shower.time("2026-07-02T13:00:00Z").to_string().contains("(in 1 h 0 min)"));
        assert!(shower.time("2025-07-02T13:00:00Z").to_string().contains(">2025-07-02 13:00 UTC<"));
        assert!(shower.time("2026-06-29T12:00:00Z").age().to_string().contains(">3 d<"));
        assert_eq!(shower.time("soon").to_string(), "<bdi>soon</bdi>");
    }
}
