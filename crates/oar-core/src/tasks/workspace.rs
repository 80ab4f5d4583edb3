//! A release's StateBox, opened as the settings say.

use std::sync::Arc;

use crate::clients::github::{GithubClient, Repository};
use crate::clock::Clock;
use crate::config::{ConfigError, Credential, Settings, StateLocation};
use crate::http::Http;
use crate::redact::Redactor;
use crate::service::Service;
use crate::statebox::StateBox;
use crate::statebox::store::Store;
use crate::statebox::store::github::GithubStore;
use crate::statebox::store::local::LocalStore;
use crate::version::ReleaseVersion;

/// The StateBox of `release` where the settings keep it; nothing is read yet.
pub fn open_statebox(
    settings: &Settings,
    release: &ReleaseVersion,
    http: &Http,
    clock: &Clock,
    redactor: &Redactor,
) -> Result<StateBox, ConfigError> {
    let state = settings.state();
    let store: Arc<dyn Store> = match &state.location {
        StateLocation::Local(folder) => Arc::new(LocalStore::new(folder, clock.clone())),
        StateLocation::Github => {
            let token = settings.credentials().require(Credential::GithubToken)?;
            let endpoints = settings.endpoints();
            let api = endpoints.base(Service::GithubApi).clone();
            let web = endpoints.base(Service::GithubWeb).clone();
            let repository: Repository =
                state.repository.parse().map_err(|error| ConfigError::BadVariable {
                    name: "OAR_STATE_REPO".into(),
                    problem: format!("{error}"),
                    expected: "owner/name".into(),
                })?;
            let client = GithubClient::new(http.clone(), api, Some(token));
            Arc::new(GithubStore::new(client, repository, state.branch.clone(), web))
        }
    };
    Ok(StateBox::new(release.clone(), store, clock.clone(), redactor.clone()))
}
