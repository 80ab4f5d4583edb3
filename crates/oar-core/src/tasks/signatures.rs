//! How the check of signatures is made from the configuration.

use std::path::Path;

use super::Services;
use super::health::bad;
use crate::clients::mirror::MirrorClient;
use crate::clients::release_controller::ReleaseControllerClient;
use crate::config::keys;
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::service::Service;
use crate::signature::{ReleaseKeys, is_key_text};

/// The largest file with a release key, in bytes.
const KEY_FILE_LIMIT: u64 = 1024 * 1024;

impl Services {
    /// The release controller of amd64.
    pub fn release_controller(&self) -> ReleaseControllerClient {
        let base = self.config().settings().endpoints().base(Service::ReleaseController).clone();
        ReleaseControllerClient::new(self.http().clone(), base)
    }

    /// The signature mirror.
    pub fn mirror(&self) -> MirrorClient {
        let base = self.config().settings().endpoints().base(Service::Mirror).clone();
        MirrorClient::new(self.http().clone(), base)
    }

    /// The keys by which releases may be signed: those of the configuration document, or, where it names none, the ones
    /// with which Red Hat signs.
    pub fn release_keys(&self) -> Result<ReleaseKeys, TaskError> {
        let settings = self.config().settings();
        let document = settings.document()?;
        let mut release_keys = ReleaseKeys::default();
        for name in document.names(&["release_keys"]) {
            let Some(value) = document.checked(&keys::RELEASE_KEY, &[name])? else { continue };
            let armored = if is_key_text(value) {
                value.to_owned()
            } else {
                let directory = settings.document_path().and_then(Path::parent).unwrap_or(Path::new(""));
                read_key(&directory.join(value))?
            };
            release_keys
                .add(name, &armored)
                .map_err(|fault| bad(&keys::RELEASE_KEY, name, fault.to_string()))?;
        }
        if !release_keys.is_empty() {
            return Ok(release_keys);
        }
        ReleaseKeys::production().map_err(|fault| {
            Refusal::new(ErrorClass::Configuration, format!("a release key of the program {fault}")).into()
        })
    }
}

fn read_key(path: &Path) -> Result<String, TaskError> {
    let unreadable = |problem: String| {
        Refusal::new(ErrorClass::Configuration, format!("the release key {} {problem}", path.display()))
            .with_hint(
                "Correct the path under `release_keys` of the configuration document: oarctl config edit.",
            )
    };
    let size = std::fs::metadata(path).map_err(|error| unreadable(format!("cannot be read: {error}")))?.len();
    if size > KEY_FILE_LIMIT {
        return Err(unreadable(format!("is larger than {KEY_FILE_LIMIT} bytes")).into());
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(format!("cannot be read: {error}")).into())
}
