//! Objects with versions, and who may do what with them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    services::release_controller,
    world::{Simulated, World},
};

/// What kind of object; its place in the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A release payload, a custom resource.
    ReleasePayload,
    /// A lease.
    Lease,
}

impl Kind {
    /// The name in addresses.
    pub fn plural(self) -> &'static str {
        match self {
            Self::ReleasePayload => "releasepayloads",
            Self::Lease => "leases",
        }
    }

    /// The group of its interface.
    pub fn group(self) -> &'static str {
        match self {
            Self::ReleasePayload => "release.openshift.io",
            Self::Lease => "coordination.k8s.io",
        }
    }

    /// Group and version.
    pub fn api_version(self) -> String {
        let version = match self {
            Self::ReleasePayload => "v1alpha1",
            Self::Lease => "v1",
        };
        format!("{}/{version}", self.group())
    }

    /// The name in objects.
    pub fn name(self) -> &'static str {
        match self {
            Self::ReleasePayload => "ReleasePayload",
            Self::Lease => "Lease",
        }
    }
}

/// One object: everything but its kind.
#[derive(Clone, Debug)]
pub struct Object {
    /// Labels and annotations and everything else that callers may write below `metadata`.
    pub labels: BTreeMap<String, String>,
    /// The same for annotations.
    pub annotations: BTreeMap<String, String>,
    /// What stands beside the metadata: `spec`, `status`.
    pub rest: Map<String, Value>,
    /// The number of the last change.
    pub version: u64,
    /// When it was made.
    pub created: Timestamp,
    uid: String,
    follows_stream: bool,
}

/// A caller.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its name in refusals.
    pub name: String,
    /// The namespaces where it may do anything; everywhere else, and with payloads, it may read.
    pub writes: BTreeSet<String>,
    /// Whether it may do anything at all.
    pub reads: bool,
}

/// Everything that the API server knows.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Bearer tokens and their owners.
    pub accounts: BTreeMap<String, Account>,
    /// Objects by kind, namespace and name.
    pub objects: BTreeMap<(Kind, String, String), Object>,
    version: u64,
}

/// The namespace with the payloads of an architecture.
pub(super) fn namespace(architecture: &str) -> String {
    if architecture == "amd64" { "ocp".to_owned() } else { format!("ocp-{architecture}") }
}

impl State {
    /// The number of the next change.
    pub(super) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version + 100_000
    }

    /// A new object.
    pub(super) fn create(&mut self, kind: Kind, namespace: &str, name: &str, now: Timestamp) -> &mut Object {
        let version = self.next_version();
        let object = Object {
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            rest: Map::new(),
            version,
            created: now,
            uid: uuid::Uuid::new_v4().to_string(),
            follows_stream: false,
        };
        let key = (kind, namespace.to_owned(), name.to_owned());
        self.objects.entry(key).insert_entry(object).into_mut()
    }

    /// A release payload's object.
    pub fn payload(&self, namespace: &str, name: &str) -> Option<&Object> {
        self.objects.get(&(Kind::ReleasePayload, namespace.to_owned(), name.to_owned()))
    }

    /// Labels a release payload like another person, creating its object if there is none.
    pub fn label(&mut self, namespace: &str, name: &str, label: &str, value: &str) -> Result<(), String> {
        if self.payload(namespace, name).is_none() {
            self.create(Kind::ReleasePayload, namespace, name, Timestamp::UNIX_EPOCH);
        }
        let version = self.next_version();
        let key = (Kind::ReleasePayload, namespace.to_owned(), name.to_owned());
        let object = self.objects.get_mut(&key).ok_or("no such payload")?;
        object.labels.insert(label.to_owned(), value.to_owned());
        object.version = version;
        Ok(())
    }

    /// The payloads of an architecture that carry a label with a value.
    pub fn payloads_with(&self, architecture: &str, label: &str, value: &str) -> BTreeSet<String> {
        let wanted = namespace(architecture);
        self.objects
            .iter()
            .filter(|((kind, namespace, _), _)| *kind == Kind::ReleasePayload && *namespace == wanted)
            .filter(|(_, object)| object.labels.get(label).is_some_and(|found| found == value))
            .map(|((_, _, name), _)| name.clone())
            .collect()
    }

    /// An object as the server shows it.
    pub(super) fn view(&self, kind: Kind, namespace: &str, name: &str) -> Option<Value> {
        let object = self.objects.get(&(kind, namespace.to_owned(), name.to_owned()))?;
        let mut metadata = json!({
            "name": name,
            "namespace": namespace,
            "uid": object.uid,
            "resourceVersion": object.version.to_string(),
            "creationTimestamp": object.created.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            "generation": 1,
        });
        if let Some(fields) = metadata.as_object_mut() {
            for (field, entries) in [("labels", &object.labels), ("annotations", &object.annotations)] {
                if !entries.is_empty() {
                    fields.insert(field.to_owned(), json!(entries));
                }
            }
        }
        let mut view = Map::new();
        view.insert("apiVersion".to_owned(), kind.api_version().into());
        view.insert("kind".to_owned(), kind.name().into());
        view.insert("metadata".to_owned(), metadata);
        view.extend(object.rest.clone());
        Some(Value::Object(view))
    }
}

/// Lets the payload objects follow the streams: every payload has one, and a recycled payload's goes.
pub(super) fn follow_streams(world: &World) {
    let now = world.clock.now();
    let mut wanted: BTreeMap<(Kind, String, String), Value> = BTreeMap::new();
    for (stream, payloads) in &world.release_controller.lock().streams {
        let namespace = namespace(release_controller::architecture(stream));
        for payload in payloads {
            let spec = json!({"payloadCoordinates": {
                "namespace": namespace, "imagestreamName": "release", "imagestreamTagName": payload.name,
            }});
            wanted.insert((Kind::ReleasePayload, namespace.clone(), payload.name.clone()), spec);
        }
    }
    let mut state = world.kubernetes.lock();
    state.objects.retain(|key, object| !object.follows_stream || wanted.contains_key(key));
    for ((kind, namespace, name), spec) in wanted {
        if state.objects.contains_key(&(kind, namespace.clone(), name.clone())) {
            continue;
        }
        let object = state.create(kind, &namespace, &name, now);
        object.follows_stream = true;
        object.rest.insert("spec".to_owned(), spec);
    }
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        let mut kinds: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
        for ((kind, namespace, name), object) in &self.objects {
            let view = json!({"labels": object.labels, "version": object.version, "rest": object.rest});
            kinds.entry(kind.plural()).or_default().insert(format!("{namespace}/{name}"), view);
        }
        json!(kinds)
    }

    /// `label {"namespace", "name", "label", "value"}`; `namespace` defaults to `ocp`.
    fn change(&mut self, operation: &str, body: &Value, _now: Timestamp) -> Result<Value, String> {
        if operation != "label" {
            return Err("operations: label".to_owned());
        }
        let text = |name: &str| {
            body.get(name).and_then(Value::as_str).ok_or_else(|| format!("{operation} needs the text {name}"))
        };
        let namespace = body.get("namespace").and_then(Value::as_str).unwrap_or("ocp");
        self.label(namespace, text("name")?, text("label")?, text("value")?)?;
        Ok(json!({"done": operation}))
    }
}
