//! Release streams and their payloads.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::world::Simulated;

/// Life of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Being made.
    Pending,
    /// Being tested.
    Ready,
    /// Could not be made.
    Failed,
    /// Tests passed.
    Accepted,
    /// Tests failed.
    Rejected,
    /// Its record is missing at that moment.
    Unknown,
}

impl Phase {
    /// Name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Ready => "Ready",
            Self::Failed => "Failed",
            Self::Accepted => "Accepted",
            Self::Rejected => "Rejected",
            Self::Unknown => "Unknown",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Ready, Self::Failed, Self::Accepted, Self::Rejected, Self::Unknown]
            .into_iter()
            .find(|phase| phase.name() == name)
    }
}

/// When the images of the scenario were made: 2026-06-25.
const CREATED: Timestamp = Timestamp::constant(1_782_345_600, 0);

/// One tag of a stream.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Name, `4.19.1`.
    pub name: String,
    /// Phase.
    pub phase: Phase,
    /// `sha256:…` of the image, empty until the controller knows it.
    pub digest: String,
    /// Whether the changelog, which carries the digest, was rendered.
    pub has_changelog: bool,
    /// When its image was made, as the changelog says.
    pub created: Timestamp,
}

/// The release controllers of all architectures. A stream's name says which one has it.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Payloads by stream, `4-stable`, newest first.
    pub streams: BTreeMap<String, Vec<Payload>>,
    /// How long a release takes to be shown with its changelog.
    pub changelog_delay: Duration,
    /// Whether the changelogs that are being rendered are too many: 429 with `Retry-After: 60`.
    pub changelog_busy: bool,
    /// Whether looking up a release fails inside, which the controller answers with 404 too.
    pub lookups_fail: bool,
}

/// The architecture whose controller has a stream: `4-stable-arm64` belongs to `arm64`.
pub fn architecture(stream: &str) -> &'static str {
    ARCHITECTURES
        .into_iter()
        .find(|name| stream.strip_suffix(name).is_some_and(|rest| rest.ends_with('-')))
        .unwrap_or("amd64")
}

/// Architectures with a controller of their own besides amd64.
const ARCHITECTURES: [&str; 4] = ["arm64", "multi", "ppc64le", "s390x"];

impl Payload {
    /// A payload that nothing is known of but its name.
    pub fn new(name: &str, phase: Phase) -> Self {
        let hash = Sha256::digest(name);
        let digest: String = hash.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
        Self {
            name: name.to_owned(),
            phase,
            digest: format!("sha256:{digest}"),
            has_changelog: true,
            created: CREATED,
        }
    }

    /// Where its image is (spec 04 §4.3). A multi-architecture nightly is named by its digest alone.
    pub fn pull_spec(&self, stream: &str) -> String {
        let (name, architecture) = (&self.name, architecture(stream));
        if !stream.contains("nightly") {
            let machine = match architecture {
                "amd64" => "x86_64",
                "arm64" => "aarch64",
                other => other,
            };
            return format!("quay.io/openshift-release-dev/ocp-release:{name}-{machine}");
        }
        match architecture {
            "amd64" if name.starts_with("4.") => format!("registry.ci.openshift.org/ocp/release:{name}"),
            "amd64" => {
                let major = name.split('.').next().unwrap_or_default();
                format!("registry.ci.openshift.org/ocp/release-{major}:{name}")
            }
            "multi" => format!("quay.io/openshift-release-dev/ocp-release-nightly@{}", self.digest),
            other => format!("registry.ci.openshift.org/ocp-{other}/release-{other}:{name}"),
        }
    }
}

impl State {
    /// A new payload, the newest of its stream.
    pub fn add(&mut self, stream: &str, name: &str, phase: Phase) {
        self.streams.entry(stream.to_owned()).or_default().insert(0, Payload::new(name, phase));
    }

    /// Recycles a payload; whether it was there.
    pub fn remove(&mut self, stream: &str, name: &str) -> bool {
        let Some(payloads) = self.streams.get_mut(stream) else { return false };
        let before = payloads.len();
        payloads.retain(|payload| payload.name != name);
        payloads.len() < before
    }

    /// The newest accepted payload leaves `Accepted`, so that `latest` goes back to the one before; its name.
    pub fn step_back(&mut self, stream: &str, prefix: &str) -> Option<String> {
        let name = self.newest(stream, |payload| payload.name.starts_with(prefix)).first()?.name.clone();
        self.payload_mut(stream, &name)?.phase = Phase::Ready;
        Some(name)
    }

    /// The accepted payloads of a stream that are `wanted`, highest version first.
    pub fn newest(&self, stream: &str, wanted: impl Fn(&Payload) -> bool) -> Vec<&Payload> {
        let payloads = self.streams.get(stream).into_iter().flatten();
        let mut found: Vec<&Payload> =
            payloads.filter(|payload| payload.phase == Phase::Accepted && wanted(payload)).collect();
        found.sort_by_key(|payload| std::cmp::Reverse(version_key(&payload.name)));
        found
    }

    /// A payload, to prepare a case.
    pub fn payload_mut(&mut self, stream: &str, name: &str) -> Option<&mut Payload> {
        self.streams.get_mut(stream)?.iter_mut().find(|payload| payload.name == name)
    }
}

/// Order of version names: numbers by value, a pre-release before its release.
pub(super) fn version_key(name: &str) -> (Vec<u64>, bool, Vec<(u64, String)>) {
    let (release, pre) = match name.split_once('-') {
        Some((release, pre)) => (release, Some(pre)),
        None => (name, None),
    };
    let numbers = release.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    let words =
        pre.unwrap_or_default().split(['.', '-']).map(|part| (part.parse().unwrap_or(0), part.to_owned()));
    (numbers, pre.is_none(), words.collect())
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let streams: Map<String, Value> = self
            .streams
            .iter()
            .map(|(stream, payloads)| {
                let view: Map<String, Value> = payloads
                    .iter()
                    .map(|payload| (payload.name.clone(), json!(payload.phase.name())))
                    .collect();
                (stream.clone(), Value::Object(view))
            })
            .collect();
        json!({"streams": streams})
    }

    /// `set-phase` and `add` `{"stream", "name", "phase"}`, `remove {"stream", "name"}` (all of the stream without a
    /// name), `step-back {"stream", "prefix"}`, `changelog {"busy", "delay_milliseconds"}`, `fail-lookups {"on"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let flag = |name: &str| body.get(name).and_then(Value::as_bool);
        match operation {
            "set-phase" => {
                let phase = Phase::parse(text("phase")?).ok_or("no such phase")?;
                self.payload_mut(text("stream")?, text("name")?).ok_or("no such payload")?.phase = phase;
            }
            "add" => {
                let phase = Phase::parse(text("phase")?).ok_or("no such phase")?;
                self.add(text("stream")?, text("name")?, phase);
            }
            "remove" => {
                let stream = text("stream")?;
                let removed = match body.get("name").and_then(Value::as_str) {
                    Some(name) => self.remove(stream, name),
                    None => self.streams.remove(stream).is_some(),
                };
                if !removed {
                    return Err("no such payload or stream".to_owned());
                }
            }
            "step-back" => {
                let prefix = body.get("prefix").and_then(Value::as_str).unwrap_or_default();
                let name = self.step_back(text("stream")?, prefix).ok_or("no accepted payload")?;
                return Ok(json!({"left_accepted": name}));
            }
            "changelog" => {
                self.changelog_busy = flag("busy").unwrap_or(self.changelog_busy);
                if let Some(delay) = body.get("delay_milliseconds").and_then(Value::as_u64) {
                    self.changelog_delay = Duration::from_millis(delay);
                }
            }
            "fail-lookups" => self.lookups_fail = flag("on").ok_or("fail-lookups needs on")?,
            _ => {
                return Err(
                    "operations: set-phase, add, remove, step-back, changelog, fail-lookups".to_owned()
                );
            }
        }
        Ok(json!({"done": operation}))
    }
}
