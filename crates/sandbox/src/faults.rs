//! Faults on demand: which requests fail, how, and how often.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::{Rng, SeedableRng, rngs::StdRng};
use serde::{Deserialize, Serialize};

use crate::services::PREFIXES;

/// The methods that the services are asked with.
const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FaultKind {
    /// This status instead of acting.
    Status {
        /// The HTTP status.
        code: u16,
        /// The body, sent as JSON when it starts like JSON; a short JSON message when absent.
        #[serde(default)]
        body: Option<String>,
        /// More headers.
        #[serde(default)]
        headers: Vec<(String, String)>,
    },
    /// 429 with `Retry-After`, without acting.
    RateLimited {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// GitHub's 403 for too many writes, with `Retry-After`, without acting.
    SecondaryRateLimit {
        /// Seconds in `Retry-After`.
        retry_after: u64,
    },
    /// GitHub's 409 of a branch to which somebody else commits at the same moment, without acting.
    BusyBranch,
    /// The connection closes and nothing was done.
    DropBefore,
    /// The request takes effect, then the connection closes without an answer.
    DropAfter,
    /// The request waits this long before it takes effect.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// No effect and no answer, for longer than any client waits.
    Hang,
    /// The request takes effect, and no answer comes for longer than any client waits.
    HangAfter,
    /// 200 with a body that is no JSON, without acting.
    Garbage,
    /// A read of a file in a GitHub repository answers its previous version. Other requests are not changed.
    StaleRead,
    /// The request takes effect; the answer's body ends in the middle and the connection closes.
    Truncate,
}

/// A rule: the requests it is for, and what happens to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Service name as in [`crate::requests::RecordedRequest::service`]; absent: every service.
    #[serde(default)]
    pub service: Option<String>,
    /// HTTP method; absent: every method.
    #[serde(default)]
    pub method: Option<String>,
    /// Pattern for the path inside the service: `*` is any text, slashes too, `?` one character; absent:
    /// every path.
    #[serde(default)]
    pub path: Option<String>,
    /// Number of matching requests that pass first.
    #[serde(default)]
    pub skip: u64,
    /// Number of requests that are hit before the rule is used up; absent: no limit. Default in Rust and
    /// JSON: 1, or no limit with a rate.
    #[serde(default)]
    pub times: Option<u64>,
    /// Never used up, whatever `times` is.
    #[serde(default)]
    pub forever: bool,
    /// Probability with which a matching request is hit; absent: each one.
    #[serde(default)]
    pub rate: Option<f64>,
    /// What goes wrong.
    pub kind: FaultKind,
}

impl Fault {
    /// Hits the next request of `service`.
    pub fn on(service: &str, kind: FaultKind) -> Self {
        Self { service: Some(service.to_owned()), ..Self::anywhere(kind) }
    }

    /// Hits the next request of any service.
    pub fn anywhere(kind: FaultKind) -> Self {
        Self {
            service: None,
            method: None,
            path: None,
            skip: 0,
            times: None,
            forever: false,
            rate: None,
            kind,
        }
    }

    /// Only requests with this method.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only requests whose path inside the service matches the pattern (`*`, `?`).
    #[must_use]
    pub fn path(mut self, pattern: &str) -> Self {
        self.path = Some(pattern.to_owned());
        self
    }

    /// Lets this number of matching requests pass first.
    #[must_use]
    pub fn skip(mut self, count: u64) -> Self {
        self.skip = count;
        self
    }

    /// Hits this number of requests instead of one.
    #[must_use]
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Hits every matching request.
    #[must_use]
    pub fn forever(mut self) -> Self {
        self.forever = true;
        self
    }

    /// Hits each matching request with this probability, without a limit unless [`Fault::times`] sets one.
    #[must_use]
    pub fn rate(mut self, probability: f64) -> Self {
        self.rate = Some(probability);
        self
    }

    /// Checks that the rule can hit as intended; the error says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let names = || PREFIXES.iter().map(|(_, name)| *name).collect::<Vec<_>>().join(", ");
        if let Some(service) = &self.service
            && !PREFIXES.iter().any(|(_, name)| name == service)
        {
            return Err(format!("no service {service:?}; there are {}", names()));
        }
        if let Some(method) = &self.method
            && !METHODS.iter().any(|name| name.eq_ignore_ascii_case(method))
        {
            return Err(format!(
                "no request has the method {method:?}; expected one of {}, or no method for all",
                METHODS.join(", ")
            ));
        }
        if let Some(rate) = self.rate
            && !(0.0..=1.0).contains(&rate)
        {
            return Err(format!(
                "rate {rate} is not a probability; expected a number from 0 to 1, such as 0.2"
            ));
        }
        if let FaultKind::Status { code, .. } = &self.kind
            && !(200..=599).contains(code)
        {
            return Err(format!("{code} is not an HTTP status; expected 200 to 599, such as 503"));
        }
        Ok(())
    }

    fn limit(&self) -> u64 {
        match (self.forever, self.times, self.rate) {
            (true, _, _) | (false, None, Some(_)) => u64::MAX,
            (false, Some(times), _) => times,
            (false, None, None) => 1,
        }
    }

    fn is_for(&self, service: &str, method: &str, path: &str) -> bool {
        self.service.as_deref().is_none_or(|name| name == service)
            && self.method.as_deref().is_none_or(|name| name.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|pattern| matches(pattern, path))
    }
}

/// A rule with its number and how often it hit.
#[derive(Clone, Debug, Serialize)]
pub struct ActiveFault {
    /// Number that [`Faults::add`] returned.
    pub id: u64,
    /// The rule.
    #[serde(flatten)]
    pub fault: Fault,
    /// Matching requests so far.
    pub seen: u64,
    /// Requests hit so far.
    pub hits: u64,
}

#[derive(Debug)]
struct Rules {
    active: Vec<ActiveFault>,
    next: u64,
    random: StdRng,
}

/// The active rules, in the order in which they were added: the first that hits decides.
#[derive(Debug)]
pub struct Faults {
    rules: Mutex<Rules>,
}

impl Default for Faults {
    fn default() -> Self {
        Self { rules: Mutex::new(Rules { active: Vec::new(), next: 1, random: StdRng::seed_from_u64(1) }) }
    }
}

impl Faults {
    fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a rule and returns its number.
    pub fn add(&self, fault: Fault) -> u64 {
        let mut rules = self.rules();
        let id = rules.next;
        rules.next += 1;
        rules.active.push(ActiveFault { id, fault, seen: 0, hits: 0 });
        id
    }

    /// Removes all rules.
    pub fn clear(&self) {
        self.rules().active.clear();
    }

    /// Seeds the generator behind the rates: the same requests in the same order are hit again.
    pub fn seed(&self, seed: u64) {
        self.rules().random = StdRng::seed_from_u64(seed);
    }

    /// All rules, including used-up ones.
    pub fn list(&self) -> Vec<ActiveFault> {
        self.rules().active.clone()
    }

    /// How many requests a rule hit.
    pub fn hits(&self, id: u64) -> u64 {
        self.rules().active.iter().find(|active| active.id == id).map_or(0, |active| active.hits)
    }

    /// Decides about one request.
    pub(crate) fn pick(&self, service: &str, method: &str, path: &str) -> Option<FaultKind> {
        let rules = &mut *self.rules();
        for active in &mut rules.active {
            if active.hits >= active.fault.limit() || !active.fault.is_for(service, method, path) {
                continue;
            }
            active.seen += 1;
            if active.seen <= active.fault.skip {
                continue;
            }
            let chosen = active.fault.rate.is_none_or(|rate| rules.random.random_bool(rate.clamp(0.0, 1.0)));
            if chosen {
                active.hits += 1;
                return Some(active.fault.kind.clone());
            }
        }
        None
    }
}

/// Whether `text` matches `pattern`, where `*` is any text and `?` is one character.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut from) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(from) {
            Some('*') => {
                star = Some((from, at));
                from += 1;
            }
            Some(expected) if *expected == '?' || text.get(at) == Some(expected) => {
                at += 1;
                from += 1;
            }
            _ => match star {
                Some((position, taken)) => {
                    star = Some((position, taken + 1));
                    from = position + 1;
                    at = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern.get(from..).is_some_and(|rest| rest.iter().all(|character| *character == '*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("/repos/*/contents/*", "/repos/a/b/contents/c/d.yaml", true),
            ("/repos/*/contents/*", "/repos/a/b/branches/c", false),
            ("/a?c", "/abc", true),
            ("/a?c", "/ac", false),
            ("*b*c", "abbc", true),
            ("*b*c", "abcd", false),
            ("", "a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn a_rule_skips_hits_and_is_spent() {
        let faults = Faults::default();
        let id = faults.add(Fault::on("jira", FaultKind::Garbage).skip(1).times(2));
        let hit: Vec<bool> = (0..5).map(|_| faults.pick("jira", "GET", "/x").is_some()).collect();
        assert_eq!(hit, [false, true, true, false, false]);
        assert_eq!(faults.hits(id), 2);
        assert!(faults.pick("errata", "GET", "/x").is_none());
    }

    #[test]
    fn rates_repeat_with_the_same_seed() {
        let faults = Faults::default();
        faults.add(Fault::anywhere(FaultKind::DropBefore).rate(0.3));
        let run = |seed| {
            faults.seed(seed);
            (0..200).map(|_| faults.pick("github", "PUT", "/").is_some()).collect::<Vec<bool>>()
        };
        let first = run(7);
        assert_eq!(first, run(7));
        assert_ne!(first, run(8));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((30..=90).contains(&hits), "{hits} of 200 at 0.3");
    }

    #[test]
    fn a_rule_that_can_hit_nothing_is_refused() {
        let rule = || Fault::on("slack", FaultKind::Hang);
        for method in METHODS {
            assert_eq!(rule().method(method).check(), Ok(()));
        }
        assert_eq!(rule().method("post").check(), Ok(()));
        for method in ["*", "", "P?ST", "GET ", "FETCH"] {
            let problem = rule().method(method).check().unwrap_err();
            assert!(
                problem.contains("GET, HEAD, POST") && problem.contains("no method for all"),
                "{problem}"
            );
        }
    }

    #[test]
    fn json_form() {
        let fault: Fault = serde_json::from_str(
            r#"{"service":"github","method":"PUT","path":"*/contents/*","kind":{"type":"status","code":500}}"#,
        )
        .unwrap();
        assert_eq!(fault.kind, FaultKind::Status { code: 500, body: None, headers: Vec::new() });
        assert_eq!(fault.limit(), 1);
        assert!(serde_json::from_str::<Fault>(r#"{"servce":"x","kind":{"type":"hang"}}"#).is_err());
    }
}
