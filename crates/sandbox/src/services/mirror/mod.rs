//! The signature mirror, under `/mirror` (spec 01 §5.9): `sha256=<hex>/signature-N`.
//!
//! Every accepted payload of the release controller is signed with the sandbox's own key, which opens nothing else.

mod sign;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use axum::{
    Router,
    extract::{Path, State as AxumState},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use jiff::Timestamp;
use serde_json::{Value, json};

pub use sign::{PUBLIC_KEY, SIGSTORE_PUBLIC_KEY, sign, sign_sigstore};

use crate::{
    services::release_controller::Phase,
    unexpected::unknown_route,
    world::{Shared, Simulated, World},
};

/// The repository that signatures name.
pub const REPOSITORY: &str = "quay.io/openshift-release-dev/ocp-release";

/// The mirror.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// Nothing is published yet.
    pub empty: bool,
    /// Files by digest and number that replace the sandbox's own signature; `None` means no file.
    pub files: BTreeMap<(String, u32), Option<Vec<u8>>>,
}

impl Simulated for State {
    fn snapshot(&self) -> Value {
        json!({"empty": self.empty, "replaced": self.files.len()})
    }

    /// `publish` and `withdraw`: whether there are signatures at all.
    fn change(&mut self, operation: &str, _body: &Value, _now: Timestamp) -> Result<Value, String> {
        match operation {
            "publish" => self.empty = false,
            "withdraw" => self.empty = true,
            _ => return Err("operations: publish, withdraw".to_owned()),
        }
        Ok(json!({"done": operation}))
    }
}

/// Its routes, without the prefix.
pub fn router() -> Router<Shared> {
    Router::new()
        .route("/", get(crate::services::front_page))
        .route("/{digest}/{file}", get(signature))
        .fallback(unknown_route)
        .method_not_allowed_fallback(unknown_route)
}

/// The tag under which an image is signed, when it belongs to a release that was accepted.
fn tag(world: &World, digest: &str) -> Option<String> {
    let accepted: Vec<(String, String)> = {
        let controller = world.release_controller.lock();
        let payloads = controller.streams.values().flatten();
        payloads
            .filter(|payload| payload.phase == Phase::Accepted)
            .map(|payload| (payload.digest.clone(), payload.name.clone()))
            .collect()
    };
    if let Some((_, name)) = accepted.iter().find(|(own, _)| own == digest) {
        return Some(format!("{name}-x86_64"));
    }
    // The other architectures have the name of the release in their tags.
    let registry = world.registry.lock();
    let tag = registry.tag_of(REPOSITORY.split_once('/')?.1, digest)?;
    accepted
        .iter()
        .any(|(_, name)| tag.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with('-')))
        .then(|| tag.to_owned())
}

async fn signature(
    AxumState(world): AxumState<Shared>,
    Path((digest, file)): Path<(String, String)>,
) -> Response {
    let missing = || (StatusCode::NOT_FOUND, "404 Not Found\n").into_response();
    let (Some(hex), Some(number)) = (
        digest.strip_prefix("sha256="),
        file.strip_prefix("signature-").and_then(|number| number.parse::<u32>().ok()),
    ) else {
        return missing();
    };
    let digest = format!("sha256:{hex}");
    let replaced = {
        let state = world.mirror.lock();
        if state.empty {
            return missing();
        }
        state.files.get(&(digest.clone(), number)).cloned()
    };
    let bytes = match replaced {
        Some(file) => file,
        None if number == 1 => {
            tag(&world, &digest).and_then(|tag| sign(&digest, &format!("{REPOSITORY}:{tag}")).ok())
        }
        None => None,
    };
    match bytes {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/octet-stream")], bytes).into_response(),
        None => missing(),
    }
}
