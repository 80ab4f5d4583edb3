//! Release streams and their payloads.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

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
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Ready, Self::Failed, Self::Accepted, Self::Rejected]
            .into_iter()
            .find(|phase| phase.name() == name)
    }
}

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
}

/// The release controller of one architecture.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Payloads by stream, `4-stable`, newest first.
    pub streams: BTreeMap<String, Vec<Payload>>,
}

impl State {
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

    /// `set-phase {"stream", "name", "phase"}`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        if operation != "set-phase" {
            return Err("operations: set-phase".to_owned());
        }
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let phase = Phase::parse(text("phase")?).ok_or("no such phase")?;
        self.payload_mut(text("stream")?, text("name")?).ok_or("no such payload")?.phase = phase;
        Ok(json!({"done": operation}))
    }
}
