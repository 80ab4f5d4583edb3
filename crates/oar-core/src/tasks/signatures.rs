//! The release keys from the configuration.

use std::path::Path;

use super::ReleaseContext;
use crate::config::{armored_key, keys};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::signature::ReleaseKeys;

impl ReleaseContext {
    /// The keys that may sign releases: those in the configuration document, or Red Hat's if it names none.
    pub fn release_keys(&self) -> Result<ReleaseKeys, TaskError> {
        let settings = self.config().settings();
        let document = settings.document()?;
        let mut release_keys = ReleaseKeys::default();
        for name in document.names(&["release_keys"]) {
            let Some(value) = document.checked(&keys::RELEASE_KEY, &[name])? else { continue };
            let directory = settings.document_path().and_then(Path::parent).unwrap_or(Path::new(""));
            let armored = armored_key(value, directory)
                .map_err(|problem| keys::RELEASE_KEY.unusable(&[name], problem))?;
            release_keys
                .add(name, &armored)
                .map_err(|fault| keys::RELEASE_KEY.unusable(&[name], fault.to_string()))?;
        }
        if !release_keys.is_empty() {
            return Ok(release_keys);
        }
        ReleaseKeys::production().map_err(|fault| {
            Refusal::new(ErrorClass::Configuration, format!("a release key of the program {fault}")).into()
        })
    }
}
