//! The audit log: one line per call, and one per request that was refused before it could become a call.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oar_core::redact::Redactor;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::transport::Outcome;

/// The target of the audit lines.
pub const AUDIT_TARGET: &str = "mcp_server::audit";
/// The longest text in an argument, in characters.
const LONGEST_TEXT: usize = 80;
/// The most entries of an array or object in an argument.
const MOST_ENTRIES: usize = 20;
/// The deepest nesting of an argument.
const DEEPEST: usize = 4;
/// The longest rendering of all arguments, in characters.
const LONGEST: usize = 1000;
/// The longest name of a tool, as the protocol allows it.
const LONGEST_NAME: usize = 128;
/// How many refused requests of one caller, or of all unknown ones, get a line within [`WINDOW`]. The metrics count all.
const MOST_REFUSED: u32 = 60;
const WINDOW: Duration = Duration::from_mins(1);

/// Writes the audit log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    redactor: Redactor,
    /// By the name of the caller, `None` for unknown ones. Callers come from the configuration document, so there are few.
    refused: Arc<Mutex<HashMap<Option<String>, Refused>>>,
}

/// The refused requests of one caller.
#[derive(Debug)]
struct Refused {
    since: Instant,
    lines: u32,
    /// How many got no line since the last one.
    unlisted: u64,
}

/// A refused request, as the audit log shows it.
#[derive(Debug, Clone, Copy)]
pub struct RefusedEntry<'a> {
    /// Who sent it; `None` when nobody knows.
    pub caller: Option<&'a str>,
    /// The tool that it calls, as far as that is known.
    pub tool: Option<&'a str>,
    /// Why it was refused, in one word.
    pub reason: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// The address that it came from, which may be a proxy's.
    pub from: Option<IpAddr>,
}

/// One call, as the audit log shows it.
#[derive(Debug, Clone, Copy)]
pub struct AuditEntry<'a> {
    /// Who called.
    pub caller: &'a Caller,
    /// The tool's name as the caller wrote it.
    pub tool: &'a str,
    /// The arguments as the caller gave them.
    pub arguments: Option<&'a Map<String, Value>>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub duration: Duration,
    /// The id of the run, if one was made.
    pub run: Option<&'a str>,
    /// `traceparent` of the request's `_meta`.
    pub traceparent: Option<&'a str>,
}

impl Audit {
    /// An audit log whose lines pass through `redactor`.
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, refused: Arc::default() }
    }

    /// Writes the line of a refused request. Of a flood only the first ones get a line.
    pub fn refused(&self, entry: &RefusedEntry<'_>) {
        if let Some(line) = self.refused_line(entry) {
            tracing::info!(target: AUDIT_TARGET, "{line}");
        }
    }

    fn refused_line(&self, entry: &RefusedEntry<'_>) -> Option<String> {
        let unlisted = {
            let now = Instant::now();
            let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Refused { since: now, lines: 0, unlisted: 0 };
            let window = refused.entry(entry.caller.map(str::to_owned)).or_insert_with(new);
            if now.duration_since(window.since) >= WINDOW {
                (window.since, window.lines) = (now, 0);
            }
            if window.lines >= MOST_REFUSED {
                window.unlisted += 1;
                return None;
            }
            window.lines += 1;
            std::mem::take(&mut window.unlisted)
        };
        let name = |name: Option<&str>| name.map_or_else(|| "-".to_owned(), word);
        let mut line = format!(
            "audit: caller={} tool={} outcome={} reason={} status={}",
            name(entry.caller),
            name(entry.tool),
            Outcome::Refused.name(),
            entry.reason,
            entry.status,
        );
        // Writing to a text cannot fail.
        if let Some(from) = entry.from {
            let _ = write!(line, " from={from}");
        }
        if unlisted > 0 {
            let _ = write!(line, " unlisted={unlisted}");
        }
        Some(self.redactor.redact(&line).into_owned())
    }

    /// Writes the line of a call.
    pub fn called(&self, entry: &AuditEntry<'_>) {
        tracing::info!(target: AUDIT_TARGET, "{}", self.line(entry));
    }

    fn line(&self, entry: &AuditEntry<'_>) -> String {
        let mut line = format!(
            "audit: caller={} tool={} outcome={} seconds={:.3}",
            word(&entry.caller.name),
            word(entry.tool),
            entry.outcome.name(),
            entry.duration.as_secs_f64(),
        );
        let rest = [
            ("run", entry.run.map(word)),
            ("trace", entry.traceparent.and_then(trace_id).map(str::to_owned)),
        ];
        for (name, value) in rest {
            if let Some(value) = value {
                // Writing to a text cannot fail.
                let _ = write!(line, " {name}={value}");
            }
        }
        if let Some(arguments) = entry.arguments.filter(|arguments| !arguments.is_empty()) {
            let arguments = self.short_map(arguments, 0).to_string();
            let _ = if arguments.len() > LONGEST {
                write!(line, " arguments={}", shortened(&self.redactor.redact(&arguments), LONGEST))
            } else {
                write!(line, " arguments={arguments}")
            };
        }
        self.redactor.redact(&line).into_owned()
    }

    /// Redacted before it is shortened: half a secret has no shape any more.
    fn short(&self, value: &Value, depth: usize) -> Value {
        match value {
            Value::String(text) => Value::String(shortened(&self.redactor.redact(text), LONGEST_TEXT)),
            Value::Array(_) | Value::Object(_) if depth >= DEEPEST => Value::String("…".to_owned()),
            Value::Array(values) => {
                let shown = values.iter().take(MOST_ENTRIES).map(|value| self.short(value, depth + 1));
                let left_out = (values.len() > MOST_ENTRIES).then(|| Value::String("…".to_owned()));
                Value::Array(shown.chain(left_out).collect())
            }
            Value::Object(map) => self.short_map(map, depth + 1),
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    fn short_map(&self, map: &Map<String, Value>, depth: usize) -> Value {
        let shown = map.iter().take(MOST_ENTRIES).map(|(name, value)| {
            (shortened(&self.redactor.redact(name), LONGEST_TEXT), self.short(value, depth))
        });
        let left_out = (map.len() > MOST_ENTRIES).then(|| ("…".to_owned(), Value::Null));
        Value::Object(shown.chain(left_out).collect())
    }
}

/// The beginning of `text`, at most `most` characters, and how many more there are.
fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… {} more", &text[..end], text[end..].chars().count()),
    }
}

/// `text` as one word of the line, so that no caller can write a second one.
fn word(text: &str) -> String {
    let safe = |letter: char| if letter.is_ascii_graphic() && letter != '=' { letter } else { '?' };
    text.chars().take(LONGEST_NAME).map(safe).collect()
}

/// The trace id of a `traceparent` (W3C Trace Context): `00-<32 hex>-<16 hex>-<2 hex>`.
fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let hex = |part: Option<&'_ str>, length: usize| {
        part.is_some_and(|part| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    if !hex(parts.next(), 2) {
        return None;
    }
    let trace = parts.next();
    (hex(trace, 32) && hex(parts.next(), 16) && hex(parts.next(), 2)).then_some(trace).flatten()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;
    use serde_json::json;

    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn line(tool: &str, arguments: &Value, traceparent: Option<&str>) -> String {
        let audit = Audit::new(Redactor::new([SecretString::from("planted-secret-1")]));
        audit.line(&AuditEntry {
            caller: &Caller::local(),
            tool,
            arguments: arguments.as_object(),
            outcome: Outcome::Done,
            duration: Duration::from_millis(1234),
            run: Some("run-7"),
            traceparent,
        })
    }

    #[test]
    fn a_line_says_who_what_how_and_where_it_belongs() {
        let text = line("oar_take_ownership", &json!({"release": "4.19.1"}), Some(TRACE));
        assert_eq!(
            text,
            "audit: caller=local tool=oar_take_ownership outcome=done seconds=1.234 run=run-7 \
             trace=4bf92f3577b34da6a3ce929d0e0e4736 arguments={\"release\":\"4.19.1\"}"
        );
    }

    #[test]
    fn no_secret_and_no_address_is_written_even_where_a_text_is_cut() {
        let cut = format!("{}planted-secret-1", "x".repeat(LONGEST_TEXT - 8));
        let arguments =
            json!({"email": "someone@example.com", "note": cut, "deep": {"token": ["planted-secret-1"]}});
        let text = line("oar_add_issue", &arguments, None);
        assert!(!text.contains("planted") && !text.contains("someone@"), "{text}");
    }

    #[test]
    fn long_arguments_are_shortened() {
        let many: Vec<String> = (0..1000).map(|number| format!("value {number}")).collect();
        let nested = (0..50).fold(json!("inner"), |value, _| json!({ "in": value }));
        for arguments in
            [json!({"issue": "word ".repeat(10_000)}), json!({ "many": many }), json!({ "nested": nested })]
        {
            let text = line("oar_add_issue", &arguments, None);
            assert!(text.chars().count() < LONGEST + 200 && text.contains('…'), "{text}");
        }
    }

    #[test]
    fn a_caller_cannot_write_a_second_line_or_word() {
        let text =
            line("x outcome=done\naudit: caller=boss", &json!({"a\nb": "c\nd"}), Some("00-evil\n-0-0"));
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("tool=x?outcome?done?audit:?caller?boss "), "{text}");
        assert!(!text.contains("trace="), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_request_has_its_line_and_a_flood_has_few() {
        let audit = Audit::new(Redactor::default());
        let nobody = RefusedEntry {
            caller: None,
            tool: Some("oar_drop_bugs"),
            reason: "no-token",
            status: 401,
            from: Some(IpAddr::from([10, 0, 0, 7])),
        };
        assert_eq!(
            audit.refused_line(&nobody).unwrap(),
            "audit: caller=- tool=oar_drop_bugs outcome=refused reason=no-token status=401 from=10.0.0.7"
        );
        let lines = (0..1000).filter_map(|_| audit.refused_line(&nobody)).count();
        assert_eq!(lines, 59);
        let known = RefusedEntry { caller: Some("ci"), tool: None, reason: "rate", status: 429, from: None };
        assert_eq!(
            audit.refused_line(&known).unwrap(),
            "audit: caller=ci tool=- outcome=refused reason=rate status=429",
            "others have lines of their own"
        );
        tokio::time::advance(WINDOW).await;
        assert!(audit.refused_line(&nobody).unwrap().ends_with(" from=10.0.0.7 unlisted=941"));
    }

    #[test]
    fn only_a_whole_traceparent_names_a_trace() {
        assert_eq!(trace_id(TRACE), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        for bad in
            ["", "00", "00-4bf92f3577b34da6a3ce929d0e0e4736", &TRACE.replace("4bf", "xyz"), &TRACE[3..]]
        {
            assert_eq!(trace_id(bad), None, "{bad}");
        }
    }
}
