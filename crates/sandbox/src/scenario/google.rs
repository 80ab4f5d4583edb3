//! The service account with which the programs use Google's services.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use crate::{
    sandbox::StartError,
    services::google_oauth::{Account, service_key},
    world::World,
};

/// The account's address.
pub const ACCOUNT: &str = "release-tools@oar-sandbox.example.test";

/// Fills the service.
pub fn load(world: &World) {
    let mut state = world.google_oauth.lock();
    state.accounts = vec![Account { email: ACCOUNT.to_owned(), key: service_key().ok() }];
}

/// Writes the account's key file into `directory`.
///
/// # Errors
/// There is no key, or the file cannot be written.
pub fn write_key(base_url: &str, directory: &Path) -> Result<PathBuf, StartError> {
    let key = service_key().map_err(StartError::Key)?;
    let path = directory.join("google-service-account.json");
    fs::write(&path, key.file(ACCOUNT, base_url).to_string()).map_err(StartError::Files)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(StartError::Files)?;
    Ok(path)
}
