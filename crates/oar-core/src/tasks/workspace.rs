//! Opens a release's StateBox where the settings keep it.

use std::sync::Arc;

use crate::clients::Clients;
use crate::config::{ConfigError, StateLocation};
use crate::flow::outcome::TaskError;
use crate::service::Service;
use crate::statebox::{FreezeFile, StateBox};
use crate::store::Store;
use crate::store::github::GithubStore;
use crate::store::local::LocalStore;
use crate::version::{ReleaseVersion, YStream};

/// All releases of a y-stream that have a StateBox, oldest first.
pub async fn releases_with_state(
    clients: &Clients,
    stream: YStream,
) -> Result<Vec<ReleaseVersion>, TaskError> {
    let names = store(clients, false)?.list(&format!("_releases/{stream}/statebox")).await?;
    let release = |name: String| name.strip_suffix(".yaml")?.parse::<ReleaseVersion>().ok();
    let mut releases: Vec<ReleaseVersion> =
        names.into_iter().filter_map(release).filter(|release| release.y_stream() == stream).collect();
    releases.sort();
    Ok(releases)
}

/// The StateBox of `release` where the settings keep it; nothing is read yet.
pub fn open_statebox(clients: &Clients, release: &ReleaseVersion) -> Result<StateBox, ConfigError> {
    Ok(opened(clients, release, store(clients, false)?))
}

/// Like [`open_statebox`], for a command that creates the StateBox when it is absent; this saves a request.
pub fn open_statebox_to_create(clients: &Clients, release: &ReleaseVersion) -> Result<StateBox, ConfigError> {
    Ok(opened(clients, release, store(clients, true)?))
}

/// The store of the `StateBox` files, for what is kept beside them.
pub fn shared_store(clients: &Clients) -> Result<Arc<dyn Store>, ConfigError> {
    store(clients, false)
}

/// The file with the holds of every release, where the settings keep the state; nothing is read yet.
pub fn freeze_file(clients: &Clients) -> Result<FreezeFile, ConfigError> {
    // Its branch is that of the StateBox files, which are read as well.
    let store = store(clients, true)?;
    Ok(FreezeFile::new(store, clients.clock().clone(), clients.http().redactor().clone()))
}

fn opened(clients: &Clients, release: &ReleaseVersion, store: Arc<dyn Store>) -> StateBox {
    let redactor = clients.http().redactor().clone();
    let statebox = StateBox::new(release.clone(), store, clients.clock().clone(), redactor);
    let settings = clients.settings();
    let service = match settings.state().location {
        StateLocation::Local(_) => "",
        StateLocation::Github => settings.endpoints().base(Service::GithubApi).as_str(),
    };
    match settings.environment().state_home() {
        Some(home) => statebox.with_copy_in(&home.join("statebox"), service),
        None => statebox,
    }
}

fn store(clients: &Clients, believes_absence: bool) -> Result<Arc<dyn Store>, ConfigError> {
    let state = clients.settings().state();
    Ok(match &state.location {
        StateLocation::Local(folder) => Arc::new(LocalStore::new(folder, clients.clock().clone())),
        StateLocation::Github => {
            let web = clients.settings().endpoints().base(Service::GithubWeb).clone();
            let store =
                GithubStore::new(clients.github()?, state.repository.clone(), state.branch.clone(), web);
            Arc::new(if believes_absence { store.without_branch_check() } else { store })
        }
    })
}
