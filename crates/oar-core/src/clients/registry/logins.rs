//! Logins to registries from the files of podman and docker (spec 04 §9.4).
//!
//! The crate `docker_credential` decodes entries. The order of the files, and the entry for a repository, are decided here: the
//! crate has neither podman's order nor entries for a part of a registry. Credential helpers are asked by [`super::helper`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::helper::Helper;
use crate::clients::empty::is_nothing;
use crate::files;

/// The largest file with logins that is read, in bytes.
const FILE_LIMIT: u64 = 1024 * 1024;
/// How long a credential helper may take.
const HELPER_LIMIT: Duration = Duration::from_secs(30);
/// The file of old docker versions, which has the entries at the top level.
const LEGACY: &str = ".dockercfg";

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

/// What a file says of the login for a repository.
#[derive(Debug)]
pub(crate) enum Entry {
    /// Nothing.
    Nothing,
    /// It has the login.
    Login(Login),
    /// This program has it, if anybody.
    Helper(Helper),
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
        self.in_time(registry, HELPER_LIMIT, self.look(registry, repository)).await
    }

    async fn look(&self, registry: &str, repository: &str) -> Result<Option<Login>, String> {
        for number in 0..self.files.len() {
            let (files, registry, repository) =
                (Arc::clone(&self.files), registry.to_owned(), repository.to_owned());
            // Files may be on slow disks.
            let entry = tokio::task::spawn_blocking(move || {
                let Some(file) = files.get(number) else { return Ok(Entry::Nothing) };
                entry_of(file, &registry, &repository)
            });
            let found = match entry.await.map_err(|_| "the logins could not be read".to_owned())?? {
                Entry::Nothing => None,
                Entry::Login(login) => Some(login),
                Entry::Helper(helper) => helper.ask().await.map_err(|why| self.in_file(number, &why))?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn in_file(&self, number: usize, why: &str) -> String {
        self.files.get(number).map_or_else(|| why.to_owned(), |file| format!("{}: {why}", file.display()))
    }

    /// The answer of `look` for the login to `registry`, unless it takes longer than `limit`: then what it does is ended.
    async fn in_time(
        &self,
        registry: &str,
        limit: Duration,
        look: impl Future<Output = Result<Option<Login>, String>>,
    ) -> Result<Option<Login>, String> {
        if let Ok(found) = tokio::time::timeout(limit, look).await {
            return found;
        }
        let limit = limit.as_secs();
        let why = format!("reading the logins took longer than {limit} s, and is not tried again");
        let mut hanging = self.hanging.lock().unwrap_or_else(PoisonError::into_inner);
        hanging.insert(registry.to_owned(), why.clone());
        Err(why)
    }
}

/// What a file says of the login for `repository` at `registry`.
fn entry_of(file: &Path, registry: &str, repository: &str) -> Result<Entry, String> {
    let Some(text) = read(file)? else { return Ok(Entry::Nothing) };
    let legacy = file.file_name().is_some_and(|name| name == LEGACY);
    let found = login_of(&text, legacy, registry, repository);
    found.map_err(|why| format!("{}: {why}", file.display()))
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
pub(crate) fn login_of(text: &[u8], legacy: bool, registry: &str, repository: &str) -> Result<Entry, String> {
    // `podman logout` may leave an empty file.
    if text.trim_ascii().is_empty() {
        return Ok(Entry::Nothing);
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
    let text_of = |value: &Value| value.as_str().map(str::to_owned);
    let helper = document.get("credHelpers").and_then(|helpers| helpers.get(registry)).and_then(text_of);
    if let Some(helper) = helper.filter(|helper| !helper.is_empty()) {
        return Ok(Entry::Helper(Helper::named(&helper, registry)));
    }
    let store = document.get("credsStore").and_then(text_of);
    let name = names(registry, repository).find(|name| has(name)).unwrap_or_else(|| registry.to_owned());
    // Without the helpers, which the crate would run.
    let entries = Map::from_iter(document.get("auths").map(|entries| ("auths".to_owned(), entries.clone())));
    match get_credential_from_reader(Value::Object(entries).to_string().as_bytes(), &name) {
        Ok(credential) => Ok(Entry::Login(credential.into())),
        Err(CredentialRetrievalError::NoCredentialConfigured) => {
            Ok(store.map_or(Entry::Nothing, |store| Entry::Helper(Helper::named(&store, &name))))
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
    use std::os::unix::fs::PermissionsExt as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use secrecy::ExposeSecret as _;
    use serde_json::json;

    use super::*;

    fn entry(user: &str) -> Value {
        json!({"auth": STANDARD.encode(format!("{user}:se:cret"))})
    }

    fn words(login: &Login) -> String {
        match login {
            Login::Password { user, password } => format!("{user} {}", password.expose_secret()),
            Login::Identity(token) => format!("token {}", token.expose_secret()),
        }
    }

    fn account(text: &Value, registry: &str, repository: &str) -> Option<String> {
        match login_of(text.to_string().as_bytes(), false, registry, repository).unwrap() {
            Entry::Nothing => None,
            Entry::Login(login) => Some(words(&login)),
            Entry::Helper(Helper { program, server }) => Some(format!("{} for {server}", program.display())),
        }
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
        let found = account(&with(json!({"quay.io": "demo"})), "quay.io", "demo/x");
        assert_eq!(found.as_deref(), Some("docker-credential-demo for quay.io"));
        for others in [json!({"quay.io": ""}), json!({"other.example.com": "there-is-no-such-helper"})] {
            let found = account(&with(others.clone()), "quay.io", "demo/x");
            assert_eq!(found.as_deref(), Some("part se:cret"), "{others}");
        }
        let stored = json!({"auths": entries, "credsStore": "all"});
        assert_eq!(account(&stored, "quay.io", "demo/x").as_deref(), Some("part se:cret"));
        let elsewhere = account(&stored, "other.example.com", "demo/x");
        assert_eq!(elsewhere.as_deref(), Some("docker-credential-all for other.example.com"));
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
        let found = |text: &[u8], legacy| login_of(text, legacy, "quay.io", "demo/x").unwrap();
        assert!(matches!(found(b" \n", false), Entry::Nothing));
        let legacy = json!({"quay.io": entry("old")}).to_string();
        assert!(matches!(found(legacy.as_bytes(), true), Entry::Login(_)));
        assert!(matches!(found(legacy.as_bytes(), false), Entry::Nothing));
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
        ] {
            match login_of(text.as_bytes(), false, "quay.io", "demo/x") {
                Ok(found) => assert!(matches!(found, Entry::Nothing) && words.is_empty(), "{text}"),
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
        let why = logins.in_time("quay.io", HELPER_LIMIT, std::future::pending()).await.unwrap_err();
        assert!(why.contains("longer than 30 s"), "{why}");
        // The clones of one client share what they know.
        assert_eq!(logins.clone().find("quay.io", "demo/x").await.unwrap_err(), why);
        assert!(logins.find("other.example.com", "demo/x").await.unwrap().is_some());
    }

    /// A helper that is this script.
    fn helper(folder: &Path, script: &str) -> Helper {
        let program = folder.join("helper");
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Helper { program: program.into(), server: "quay.io".to_owned() }
    }

    #[tokio::test]
    async fn what_a_helper_says_is_a_login_nothing_or_a_problem_that_shows_nothing_of_it() {
        let folder = tempfile::tempdir().unwrap();
        for (script, expected) in [
            (
                r#"read -r name; echo "{\"Username\": \"$1 $name\", \"Secret\": \"s\"}""#,
                Ok(Some("get quay.io s")),
            ),
            (r#"echo '{"Username": "<token>", "Secret": "s"}'"#, Ok(Some("token s"))),
            ("echo 'credentials not found in native keychain'; exit 1", Ok(None)),
            ("echo planted-secret; exit 1", Err("helper failed")),
            ("echo planted-secret", Err("no login")),
            ("head -c 100000 /dev/zero", Err("no answer that can be read")),
        ] {
            match (helper(folder.path(), script).ask().await, expected) {
                (Ok(login), Ok(expected)) => assert_eq!(login.as_ref().map(words).as_deref(), expected),
                (Err(why), Err(words)) => {
                    assert!(why.contains(words) && why.contains("the login for quay.io"), "{why}");
                    assert!(!why.contains("planted"), "{why}");
                }
                (answer, _) => panic!("{script}: {answer:?}"),
            }
        }
        let missing = Helper::named("there-is-no-such-helper", "quay.io").ask().await.unwrap_err();
        assert!(missing.contains("docker-credential-there-is-no-such-helper cannot be started"), "{missing}");
    }

    #[tokio::test]
    async fn a_helper_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script =
            format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; echo $$ >> {0}; wait", pids.display());
        let (helper, logins) = (helper(folder.path(), &script), Logins::default());
        let why = logins.in_time("quay.io", Duration::from_secs(4), helper.ask()).await.unwrap_err();
        assert!(why.contains("longer than 4 s"), "{why}");
        crate::clients::testing::assert_gone(&pids, 2);
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
