//! Logins to registries from the files of podman and docker (spec 04 §9.4).
//!
//! The crate `docker_credential` decodes entries and runs credential helpers. The order of the files, and the
//! entry for a repository, are decided here: the crate has neither podman's order nor entries for a part of a registry.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use secrecy::SecretString;
use serde_json::{Map, Value};
use tokio::task::JoinError;

use crate::clients::empty::is_nothing;
use crate::files;

/// The largest file with logins that is read, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;
/// How long a credential helper may take.
const HELPER_LIMIT: Duration = Duration::from_secs(30);
/// The file of old docker versions, which has the entries at the top level.
const LEGACY: &str = ".dockercfg";
/// The message of a helper that has no login for a registry (docker/docker-credential-helpers, `credentials/error.go`).
const NOT_FOUND: &str = "credentials not found in native keychain";

/// A login to a registry.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// An account.
    Password {
        /// Its name.
        user: String,
        /// Its password.
        password: SecretString,
    },
    /// A token that is exchanged for others (OAuth 2.0's refresh token).
    Identity(SecretString),
}

impl From<DockerCredential> for Login {
    fn from(credential: DockerCredential) -> Self {
        match credential {
            DockerCredential::UsernamePassword(user, password) => {
                Self::Password { user, password: SecretString::from(password) }
            }
            DockerCredential::IdentityToken(token) => Self::Identity(SecretString::from(token)),
        }
    }
}

/// The files with logins; the first one that has a login for a repository is used.
#[derive(Debug, Clone, Default)]
pub(super) struct Logins {
    files: Arc<[PathBuf]>,
    /// The problems that the user was warned of.
    warned: Arc<Mutex<BTreeSet<String>>>,
    /// The registries whose login took too long, and why there is none. They are asked without one from then on: every
    /// repository would wait as long.
    hanging: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Logins {
    pub(super) fn new(files: Vec<PathBuf>) -> Self {
        Self { files: files.into(), ..Self::default() }
    }

    /// Warns of a login that could not be read, once for each reason: every repository asks for its login.
    pub(super) fn warn(&self, registry: &str, problem: &str) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(problem.to_owned()) {
            tracing::warn!("{registry} is asked without your login: {problem}");
        }
    }

    /// The login for `repository` at `registry` (a host, with its port when it has one).
    ///
    /// # Errors
    ///
    /// A file, or a helper that it names, that could not be read, in words without anything secret. Later
    /// files are not read then: they may have another account.
    pub(super) async fn find(&self, registry: &str, repository: &str) -> Result<Option<Login>, String> {
        if self.files.is_empty() {
            return Ok(None);
        }
        if let Some(why) = self.hanging.lock().unwrap_or_else(PoisonError::into_inner).get(registry) {
            return Err(why.clone());
        }
        let asked = registry;
        let (files, registry, repository) =
            (Arc::clone(&self.files), registry.to_owned(), repository.to_owned());
        // Files may be on slow disks, and a helper is another program.
        let look = tokio::task::spawn_blocking(move || {
            for file in files.iter() {
                let Some(text) = read(file)? else { continue };
                let legacy = file.file_name().is_some_and(|name| name == LEGACY);
                let found = login_of(&text, legacy, &registry, &repository);
                if let Some(login) = found.map_err(|why| format!("{}: {why}", file.display()))? {
                    return Ok(Some(login));
                }
            }
            Ok(None)
        });
        self.in_time(asked, look).await
    }

    /// The answer of `look` for the login to `registry`, unless it takes too long.
    async fn in_time(
        &self,
        registry: &str,
        look: impl Future<Output = Result<Result<Option<Login>, String>, JoinError>>,
    ) -> Result<Option<Login>, String> {
        match tokio::time::timeout(HELPER_LIMIT, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err("the logins could not be read".to_owned()),
            Err(_) => {
                let limit = HELPER_LIMIT.as_secs();
                let why = format!("reading the logins took longer than {limit} s, and is not tried again");
                let mut hanging = self.hanging.lock().unwrap_or_else(PoisonError::into_inner);
                hanging.insert(registry.to_owned(), why.clone());
                Err(why)
            }
        }
    }
}

/// The content of a file; `None` when there is none.
fn read(path: &Path) -> Result<Option<Vec<u8>>, String> {
    match files::read(path, FILE_LIMIT) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The login that a file has for a repository.
///
/// Entries may be for a registry, for a part of it, or for one repository: the longest name is used. Helpers only have
/// logins for registries, and the helper of a registry comes before all entries (containers/image,
/// `pkg/docker/config/config.go`).
pub(crate) fn login_of(
    text: &[u8],
    legacy: bool,
    registry: &str,
    repository: &str,
) -> Result<Option<Login>, String> {
    // `podman logout` may leave an empty file.
    if text.trim_ascii().is_empty() {
        return Ok(None);
    }
    let document: Value = serde_json::from_slice(text)
        .map_err(|error| format!("it is not JSON (line {}, column {})", error.line(), error.column()))?;
    let Value::Object(mut document) = document else { return Err("it is not a JSON object".to_owned()) };
    if legacy {
        document = Map::from_iter([("auths".to_owned(), Value::Object(document))]);
    }
    // Docker writes an empty entry when a helper has the login.
    document.retain(|_, value| !is_nothing(value));
    if let Some(entries) = document.get_mut("auths").and_then(Value::as_object_mut) {
        for entry in entries.values_mut().filter_map(Value::as_object_mut) {
            entry.retain(|_, value| !is_nothing(value));
        }
        entries.retain(|_, entry| !is_nothing(entry));
    }
    let has = |name: &str| document.get("auths").is_some_and(|entries| entries.get(name).is_some());
    let helper = document.get("credHelpers").and_then(|helpers| helpers.get(registry));
    let has_helper = helper.is_some_and(|helper| !is_nothing(helper));
    let name = names(registry, repository)
        .find(|name| !has_helper && has(name))
        .unwrap_or_else(|| registry.to_owned());
    let text = Value::Object(document.clone()).to_string();
    match get_credential_from_reader(text.as_bytes(), &name) {
        Ok(credential) => Ok(Some(credential.into())),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure { stdout, .. }) if stdout.trim() == NOT_FOUND => Ok(None),
        // The output of a helper may be secret.
        Err(CredentialRetrievalError::HelperFailure { helper, .. }) => {
            Err(format!("{helper} failed for {name}"))
        }
        Err(CredentialRetrievalError::ConfigReadError) => {
            Err("it does not look like a file with logins".to_owned())
        }
        Err(error) => Err(format!("the login for {name} cannot be used: {error}")),
    }
}

/// The names that an entry for a repository may have, the longest first.
fn names(registry: &str, repository: &str) -> impl Iterator<Item = String> {
    let whole = format!("{registry}/{repository}");
    std::iter::successors(Some(whole), |name| Some(name.rsplit_once('/')?.0.to_owned()))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn entry(user: &str) -> Value {
        json!({"auth": STANDARD.encode(format!("{user}:se:cret"))})
    }

    fn account(text: &Value, registry: &str, repository: &str) -> Option<String> {
        let login = login_of(text.to_string().as_bytes(), false, registry, repository).unwrap()?;
        Some(match login {
            Login::Password { user, password } => format!("{user} {}", password.expose_secret()),
            Login::Identity(token) => format!("token {}", token.expose_secret()),
        })
    }

    #[test]
    fn the_longest_name_decides() {
        let text = json!({"auths": {
            "quay.io": entry("whole"),
            "quay.io/demo": entry("part"),
            "quay.io/demo/art-images": entry("one"),
            "https://registry.example.com/v1/": entry("old"),
            "other.example.com:5000": {"identitytoken": "refresh"},
        }});
        for (registry, repository, expected) in [
            ("quay.io", "demo/art-images", Some("one se:cret")),
            ("quay.io", "demo/art-fbc", Some("part se:cret")),
            ("quay.io", "demonstration/x", Some("whole se:cret")),
            ("registry.example.com", "a/b", Some("old se:cret")),
            ("other.example.com:5000", "a/b", Some("token refresh")),
            ("other.example.com", "a/b", None),
            ("io", "demo/art-images", None),
        ] {
            assert_eq!(account(&text, registry, repository).as_deref(), expected, "{registry}/{repository}");
        }
    }

    #[test]
    fn the_helper_of_a_registry_comes_before_the_entries_for_parts_of_it() {
        let entries = json!({"quay.io/demo": entry("part"), "quay.io": entry("whole")});
        let with = |helpers: Value| json!({"credHelpers": helpers, "auths": entries});
        let text = with(json!({"quay.io": "there-is-no-such-helper"})).to_string();
        let why = login_of(text.as_bytes(), false, "quay.io", "demo/x").unwrap_err();
        assert!(why.contains("the login for quay.io cannot be used"), "{why}");
        for others in [json!({"quay.io": ""}), json!({"other.example.com": "there-is-no-such-helper"})] {
            let found = account(&with(others.clone()), "quay.io", "demo/x");
            assert_eq!(found.as_deref(), Some("part se:cret"), "{others}");
        }
    }

    #[test]
    fn nothing_is_no_login_in_every_spelling() {
        for nothing in [
            json!({}),
            json!({"auths": null}),
            json!({"auths": {}}),
            json!({"auths": {"quay.io": null}}),
            json!({"auths": {"quay.io": {}}}),
            json!({"auths": {"quay.io": {"auth": ""}}}),
            json!({"auths": {"quay.io": {"auth": "", "username": "", "password": null}}, "credHelpers": {}}),
            json!({"auths": {"quay.io": {}}, "credsStore": "", "credHelpers": null}),
        ] {
            assert_eq!(account(&nothing, "quay.io", "demo/x"), None, "{nothing}");
        }
        assert!(login_of(b" \n", false, "quay.io", "demo/x").unwrap().is_none());
        let legacy = json!({"quay.io": entry("old")}).to_string();
        assert!(login_of(legacy.as_bytes(), true, "quay.io", "demo/x").unwrap().is_some());
        assert!(login_of(legacy.as_bytes(), false, "quay.io", "demo/x").unwrap().is_none());
    }

    #[test]
    fn what_cannot_be_used_is_named_and_not_shown() {
        let secret = STANDARD.encode("no-colon-here");
        for (text, words) in [
            ("{", "not JSON"),
            ("[]", "not a JSON object"),
            (r#"{"auths": []}"#, ""),
            (r#"{"auths": ["x"]}"#, "does not look like"),
            (format!(r#"{{"auths": {{"quay.io": {{"auth": "{secret}"}}}}}}"#).as_str(), "cannot be used"),
            (r#"{"credHelpers": {"quay.io": "there-is-no-such-helper"}}"#, "cannot be used"),
        ] {
            match login_of(text.as_bytes(), false, "quay.io", "demo/x") {
                Ok(found) => assert!(found.is_none() && words.is_empty(), "{text}"),
                Err(why) => {
                    assert!(!words.is_empty() && why.contains(words), "{text}: {why}");
                    assert!(!why.contains(&secret), "{why}");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_login_that_takes_too_long_is_waited_for_once_for_each_registry() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("auth.json");
        std::fs::write(
            &file,
            json!({"auths": {"quay.io": entry("x"), "other.example.com": entry("y")}}).to_string(),
        )
        .unwrap();
        let logins = Logins::new(vec![file]);
        let why = logins.in_time("quay.io", std::future::pending()).await.unwrap_err();
        assert!(why.contains("longer than 30 s"), "{why}");
        // The clones of one client share what they know.
        assert_eq!(logins.clone().find("quay.io", "demo/x").await.unwrap_err(), why);
        assert!(logins.find("other.example.com", "demo/x").await.unwrap().is_some());
    }

    #[tokio::test]
    async fn the_first_file_that_has_a_login_decides_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let first = file("first.json", &json!({"auths": {"other.example.com": entry("x")}}).to_string());
        let second = file("second.json", &json!({"auths": {"quay.io": entry("second")}}).to_string());
        let third = file("third.json", "{");
        let absent = folder.path().join("absent/auth.json");
        let logins = Logins::new(vec![absent, first.clone(), second, third.clone()]);
        let Some(Login::Password { user, .. }) = logins.find("quay.io", "demo/x").await.unwrap() else {
            panic!("no login")
        };
        assert_eq!(user, "second");
        let why = Logins::new(vec![first.clone(), third]).find("quay.io", "demo/x").await.unwrap_err();
        assert!(why.contains("third.json") && why.contains("not JSON"), "{why}");
        assert!(Logins::new(vec![first]).find("quay.io", "demo/x").await.unwrap().is_none());
    }
}
