//! A release's StateBox, opened as the settings say.

use std::sync::Arc;

use crate::clients::github::{GithubClient, Repository};
use crate::clock::Clock;
use crate::config::{ConfigError, Credential, Settings, StateLocation};
use crate::flow::outcome::TaskError;
use crate::http::Http;
use crate::redact::Redactor;
use crate::service::Service;
use crate::statebox::StateBox;
use crate::store::Store;
use crate::store::github::GithubStore;
use crate::store::local::LocalStore;
use crate::version::{ReleaseVersion, YStream};

/// How many releases of a y-stream are named: a release is open for some weeks, and the next one of
/// its y-stream comes after one or two.
const NEWEST: usize = 8;

/// The newest releases of a y-stream that have a StateBox, oldest first; at most eight: a
/// release that waits is among them.
pub async fn releases_with_state(
    settings: &Settings,
    stream: YStream,
    http: &Http,
    clock: &Clock,
) -> Result<Vec<ReleaseVersion>, TaskError> {
    let names = store(settings, http, clock, false)?.list(&format!("_releases/{stream}/statebox")).await?;
    let release = |name: String| name.strip_suffix(".yaml")?.parse::<ReleaseVersion>().ok();
    let mut releases: Vec<ReleaseVersion> =
        names.into_iter().filter_map(release).filter(|release| release.y_stream() == stream).collect();
    releases.sort();
    Ok(releases.split_off(releases.len().saturating_sub(NEWEST)))
}

/// The StateBox of `release` where the settings keep it; nothing is read yet.
pub fn open_statebox(
    settings: &Settings,
    release: &ReleaseVersion,
    http: &Http,
    clock: &Clock,
    redactor: &Redactor,
) -> Result<StateBox, ConfigError> {
    Ok(opened(settings, release, store(settings, http, clock, false)?, clock, redactor))
}

/// The same for a command that creates the StateBox when it is absent, which saves a request.
pub fn open_statebox_to_create(
    settings: &Settings,
    release: &ReleaseVersion,
    http: &Http,
    clock: &Clock,
    redactor: &Redactor,
) -> Result<StateBox, ConfigError> {
    Ok(opened(settings, release, store(settings, http, clock, true)?, clock, redactor))
}

fn opened(
    settings: &Settings,
    release: &ReleaseVersion,
    store: Arc<dyn Store>,
    clock: &Clock,
    redactor: &Redactor,
) -> StateBox {
    let statebox = StateBox::new(release.clone(), store, clock.clone(), redactor.clone());
    match settings.environment().state_home() {
        Some(home) => statebox.with_copy_in(&home.join("statebox")),
        None => statebox,
    }
}

fn store(
    settings: &Settings,
    http: &Http,
    clock: &Clock,
    believes_absence: bool,
) -> Result<Arc<dyn Store>, ConfigError> {
    let state = settings.state();
    Ok(match &state.location {
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
            let store = GithubStore::new(client, repository, state.branch.clone(), web);
            Arc::new(if believes_absence { store.believing_absence() } else { store })
        }
    })
}
