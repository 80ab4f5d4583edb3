//! [`ConfigStore`]: everything that is known about one release before its first task.

use http::StatusCode;
use http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
use indexmap::IndexMap;
use serde::Serialize;
use url::Url;

use std::sync::Arc;

use super::build_data::{
    Advisories, BuildData, BuildDataError, GroupConfig, GroupFile, Pending, ReleaseDate, ReleaseFacts,
    SIZE_LIMIT, ShipmentUrl,
};
use super::document::SlackTeam;
use super::environment::Environment;
use super::error::ConfigError;
use super::files;
use super::settings::Settings;
use crate::email::EmailAddress;
use crate::error::ServiceErrorKind;
use crate::http::{Call, Http};
use crate::ids::IssueKey;
use crate::service::Service;
use crate::version::{ReleaseVersion, YStream};

/// How a release ships. Detected, never chosen by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Flow {
    /// The build data names a shipment merge request.
    Konflux,
    /// Advisories only.
    Errata,
}

impl Flow {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Konflux => "konflux",
            Self::Errata => "errata",
        }
    }
}

/// The result of `oar metadata`.
#[derive(Debug, Clone, Serialize, schemars::JsonSchema)]
pub struct Metadata {
    /// The release.
    pub release: ReleaseVersion,
    /// How it ships.
    pub flow: Flow,
    /// Its facts in the build data.
    #[serde(flatten)]
    pub facts: ReleaseFacts,
    /// The owner; `None` when the document names none.
    pub owner: Option<EmailAddress>,
}

/// Everything that is known about one release before its first task. It never changes.
#[derive(Debug, Clone)]
pub struct ConfigStore {
    settings: Settings,
    release: ReleaseVersion,
    facts: ReleaseFacts,
    build_data: Arc<BuildData>,
}

impl ConfigStore {
    /// Loads the settings and then the release.
    pub async fn open(
        release: &ReleaseVersion,
        environment: &Environment,
        http: &Http,
    ) -> Result<Self, ConfigError> {
        Settings::load(environment)?.release(release, http).await
    }

    pub(super) async fn download(
        settings: Settings,
        release: &ReleaseVersion,
        http: &Http,
    ) -> Result<Self, ConfigError> {
        settings.versions().check(release)?;
        let file = BuildDataFile::download(&settings, release.y_stream(), None, http).await?;
        Self::of_file(settings, release, &file)
    }

    pub(super) fn of_file(
        settings: Settings,
        release: &ReleaseVersion,
        file: &BuildDataFile,
    ) -> Result<Self, ConfigError> {
        settings.versions().check(release)?;
        let wrong = |source| ConfigError::BuildData { location: file.location.to_string(), source };
        let Some(assembly) = file.data.release(release).map_err(wrong)? else {
            return Err(ConfigError::ReleaseNotReady {
                release: release.clone(),
                assembly: release.assembly(),
                location: file.location.to_string(),
                closest: file.data.closest(release),
            });
        };
        let facts = ReleaseFacts::of(&assembly).map_err(wrong)?;
        Ok(Self { settings, release: release.clone(), facts, build_data: Arc::clone(&file.data) })
    }

    /// The settings of the branch's `group.yml` for the release, with its assembly merged over them (one
    /// request).
    pub async fn group(&self, http: &Http) -> Result<GroupConfig, ConfigError> {
        let url = self.settings.endpoints().group_file(self.y_stream())?;
        let text = read(&url, self.y_stream(), http).await?;
        self.group_of_text(&text).map_err(|source| ConfigError::BuildData { location: url.into(), source })
    }

    fn group_of_text(&self, text: &str) -> Result<GroupConfig, BuildDataError> {
        let file = GroupFile::parse(text)?;
        let name = self.release.assembly();
        let assembly = self.build_data.assembly(&name)?;
        let assembly = assembly.ok_or_else(|| BuildDataError::Unreadable(format!("it has no `{name}`")))?;
        GroupConfig::of(&file, &assembly, self.y_stream())
    }

    /// A ConfigStore from build data that was read before; `location` names its source in errors.
    pub fn of_text(
        settings: Settings,
        release: &ReleaseVersion,
        build_data: &str,
        location: &str,
    ) -> Result<Self, ConfigError> {
        let file = BuildDataFile::of_text(release.y_stream(), build_data, location)?;
        Self::of_file(settings, release, &file)
    }

    /// The release.
    pub fn release(&self) -> &ReleaseVersion {
        &self.release
    }

    /// The release's y-stream.
    pub fn y_stream(&self) -> YStream {
        self.release.y_stream()
    }

    /// The settings that the release was read with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The facts of the release in the build data.
    pub fn facts(&self) -> &ReleaseFacts {
        &self.facts
    }

    /// How the release ships: Konflux exactly when the build data has a shipment, even while its merge
    /// request does not exist yet.
    pub fn flow(&self) -> Flow {
        if self.facts.has_shipment() { Flow::Konflux } else { Flow::Errata }
    }

    /// What ART has announced and not created yet.
    pub fn pending(&self) -> &[Pending] {
        &self.facts.pending
    }

    /// Refuses a release with identifiers of another release, because commands would change the other one.
    pub fn check_ours(&self) -> Result<(), ConfigError> {
        match self.facts.not_ours.as_slice() {
            [] => Ok(()),
            values => {
                Err(ConfigError::InheritedId { release: self.release.clone(), values: values.to_vec() })
            }
        }
    }

    /// The advisories by kind; empty when the build data names none.
    pub fn advisories(&self) -> &Advisories {
        &self.facts.advisories
    }

    /// The key of ART's Jira ticket.
    pub fn jira_ticket(&self) -> Option<&IssueKey> {
        self.facts.jira_ticket.as_ref()
    }

    /// The candidate build of each architecture; empty when the build data names none.
    pub fn candidate_builds(&self) -> &IndexMap<String, String> {
        &self.facts.candidate_builds
    }

    /// The planned date.
    pub fn release_date(&self) -> Option<&ReleaseDate> {
        self.facts.release_date.as_ref()
    }

    /// The shipment merge request.
    pub fn shipment_mr(&self) -> Option<&ShipmentUrl> {
        self.facts.shipment_mr.as_ref()
    }

    /// The owner of the y-stream's releases.
    pub fn owner(&self) -> Result<EmailAddress, ConfigError> {
        self.settings.document()?.owner(self.y_stream())
    }

    /// The Slack channel of a team.
    pub fn slack_channel(&self, team: SlackTeam) -> Result<&str, ConfigError> {
        self.settings.document()?.slack_channel(team)
    }

    /// The handle of the Slack user group of the release leads.
    pub fn release_leads(&self) -> Result<&str, ConfigError> {
        self.settings.document()?.release_leads(self.y_stream())
    }

    /// The handle of ART's Slack user group.
    pub fn art_group(&self) -> Result<&str, ConfigError> {
        self.settings.document()?.art_group()
    }

    /// The handle of the Slack user group that approves documentation.
    pub fn doc_approvers(&self) -> Result<&str, ConfigError> {
        self.settings.document()?.doc_approvers()
    }

    /// The approvers for product security.
    pub fn prodsec_approvers(&self) -> Result<Vec<&str>, ConfigError> {
        self.settings.document()?.prodsec_approvers()
    }

    /// The id of the y-stream's Google spreadsheet, when it has one.
    pub fn report_template(&self) -> Result<Option<&str>, ConfigError> {
        self.settings.document()?.report_template(self.y_stream())
    }

    /// The result of `oar metadata`. A document without an owner is not an error here.
    pub fn metadata(&self) -> Result<Metadata, ConfigError> {
        let owner = match self.owner() {
            Ok(owner) => Some(owner),
            Err(ConfigError::MissingKey { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Metadata { release: self.release.clone(), flow: self.flow(), facts: self.facts.clone(), owner })
    }
}

/// The build data of one y-stream as it was read, for any of its releases. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BuildDataFile {
    stream: YStream,
    location: Arc<str>,
    data: Arc<BuildData>,
    etag: Option<HeaderValue>,
}

impl BuildDataFile {
    /// Build data that was read elsewhere; `location` names its source in errors.
    pub fn of_text(stream: YStream, text: &str, location: &str) -> Result<Self, ConfigError> {
        let data = BuildData::parse(text)
            .map_err(|source| ConfigError::BuildData { location: location.into(), source })?;
        Ok(Self { stream, location: location.into(), data: Arc::new(data), etag: None })
    }

    /// Whether both are the same text of the same file: a read that found nothing new gives what was known.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.data, &other.data)
    }

    /// Reads it, conditionally when it is known: an unchanged file is answered without a body, and stays what it was.
    pub(super) async fn download(
        settings: &Settings,
        stream: YStream,
        known: Option<&Self>,
        http: &Http,
    ) -> Result<Self, ConfigError> {
        settings.versions().check_stream(stream)?;
        settings.document()?;
        let url = settings.endpoints().build_data(stream)?;
        let known = known.filter(|known| known.stream == stream && *known.location == *url.as_str());
        let etag = known.and_then(|known| known.etag.as_ref());
        match (look(&url, stream, etag, http).await?, known) {
            (None, Some(known)) => Ok(known.clone()),
            (None, None) => Err(ConfigError::BuildDataNotFound { stream, location: url.into() }),
            (Some(fetched), _) => {
                let file = Self::of_text(stream, &fetched.text, url.as_str())?;
                Ok(Self { etag: fetched.etag, ..file })
            }
        }
    }
}

/// A file as it was read.
struct Fetched {
    text: String,
    etag: Option<HeaderValue>,
}

async fn read(url: &Url, stream: YStream, http: &Http) -> Result<String, ConfigError> {
    let fetched = look(url, stream, None, http).await?;
    let absent = || ConfigError::BuildDataNotFound { stream, location: url.to_string() };
    fetched.map(|fetched| fetched.text).ok_or_else(absent)
}

/// Reads the file at `url`; `None` when it is still the one with this entity tag.
async fn look(
    url: &Url,
    stream: YStream,
    etag: Option<&HeaderValue>,
    http: &Http,
) -> Result<Option<Fetched>, ConfigError> {
    if url.scheme() == "file" {
        return Ok(Some(Fetched { text: read_file(url, stream)?, etag: None }));
    }
    let mut call = Call::get(Service::GithubRaw, "read the build data", url.clone())
        .about(format!("openshift-{stream}"));
    if let Some(etag) = etag {
        call = call.header(IF_NONE_MATCH, etag.clone());
    }
    let reply = http.send(call).await?;
    if etag.is_some() && reply.status == StatusCode::NOT_MODIFIED {
        return Ok(None);
    }
    match reply.failure_kind() {
        None => {
            let etag = reply.headers.get(ETAG).cloned();
            Ok(Some(Fetched { text: reply.text()?.to_owned(), etag }))
        }
        Some(ServiceErrorKind::NotFound) => {
            Err(ConfigError::BuildDataNotFound { stream, location: url.to_string() })
        }
        Some(kind @ (ServiceErrorKind::Unauthorized | ServiceErrorKind::Forbidden)) => Err(reply
            .failure(kind, reply.text().unwrap_or_default())
            .with_hint(
                "The build data is read without a credential: set OAR_ENDPOINT_GITHUB_RAW, or build_data_url in the \
                 configuration document, to an address that needs none.",
            )
            .into()),
        Some(kind) => Err(reply.failure(kind, reply.text().unwrap_or_default()).into()),
    }
}

fn read_file(url: &Url, stream: YStream) -> Result<String, ConfigError> {
    let not_found = || ConfigError::BuildDataNotFound { stream, location: url.to_string() };
    let path = url.to_file_path().map_err(|()| not_found())?;
    match files::read_text("the build data", &path, SIZE_LIMIT as u64) {
        Err(ConfigError::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            Err(not_found())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::jwe::{self, Key};
    use super::*;
    use crate::clients::testing::count;
    use crate::clock::Clock;
    use crate::error::{Classified, ErrorClass};
    use crate::http::HttpSettings;
    use crate::redact::Redactor;
    use serde_json::json;
    use std::path::Path;
    use std::time::Duration;
    use wiremock::matchers::{header, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    const KEY: &str = "oar-demo-key-16b";
    const DOCUMENT: &str = r##"{"owners": {"default": "lead@example.com"},
        "contacts": {"slack": {"qe-release": {"channel": "#demo", "4.19": "demo-leads-4-19"}}}}"##;
    const BUILD_DATA: &str = "
releases:
  4.19.1:
    assembly:
      basis: {reference_releases: {x86_64: 4.19.0-0.nightly-2025-01-01-000000}}
      group:
        advisories: {rpm: 100001, rhcos: 100002}
        release_jira: ART-1
        release_date: 2025-Jan-07
        shipment: {url: 'https://gitlab.example.com/g/p/-/merge_requests/12'}
  4.19.2: {assembly: {group: {shipment: {env: stage}}}}
  4.19.3: {assembly: {basis: {assembly: gone}}}
  4.19.4: {assembly: {group: {shipment: {}}}}
  4.19.5: {assembly: {basis: {assembly: 4.19.1}}}
";

    fn environment(directory: &Path, pairs: &[(&str, &str)], document: &str) -> Environment {
        let file = directory.join("document.json");
        let key = Key::new(KEY.to_owned().into()).unwrap();
        std::fs::write(&file, jwe::encrypt(document, &key).unwrap()).unwrap();
        let own = [("OAR_JWK", KEY), ("OAR_CONFIG", file.to_str().unwrap())];
        Environment::from_pairs(own.iter().chain(pairs).copied())
    }

    fn http() -> Http {
        let settings =
            HttpSettings { attempts: 1, timeout: Duration::from_secs(5), ..HttpSettings::default() };
        Http::new(settings, Clock::system(), Redactor::default()).unwrap()
    }

    async fn open(server: &MockServer, release: &str) -> Result<ConfigStore, ConfigError> {
        let directory = tempfile::tempdir().unwrap();
        let base = format!("{}/raw", server.uri());
        let environment = environment(directory.path(), &[("OAR_ENDPOINT_GITHUB_RAW", &base)], DOCUMENT);
        ConfigStore::open(&release.parse().unwrap(), &environment, &http()).await
    }

    async fn server(answer: ResponseTemplate) -> MockServer {
        let server = MockServer::start().await;
        Mock::given(method("GET"))
            .and(path("/raw/openshift-eng/ocp-build-data/openshift-4.19/releases.yml"))
            .respond_with(answer)
            .expect(1..)
            .mount(&server)
            .await;
        server
    }

    #[tokio::test]
    async fn a_konflux_release_is_read_with_one_request() {
        let server = server(ResponseTemplate::new(200).set_body_string(BUILD_DATA)).await;
        let store = open(&server, "4.19.1").await.unwrap();
        assert_eq!(count(&server).await, 1);
        assert_eq!(
            serde_json::to_value(store.metadata().unwrap()).unwrap(),
            json!({
                "release": "4.19.1",
                "flow": "konflux",
                "advisories": {"rpm": 100_001, "rhcos": 100_002},
                "jira_ticket": "ART-1",
                "candidate_builds": {"x86_64": "4.19.0-0.nightly-2025-01-01-000000"},
                "release_date": "2025-Jan-07",
                "shipment_mr": "https://gitlab.example.com/g/p/-/merge_requests/12",
                "shipment_kinds": [],
                "pending": [],
                "not_ours": [],
                "owner": "lead@example.com",
            })
        );
        assert_eq!(store.release_leads().unwrap(), "demo-leads-4-19");
        assert_eq!(store.slack_channel(SlackTeam::QeRelease).unwrap(), "#demo");
        assert!(!format!("{store:?}").contains("lead@example.com"));
    }

    #[tokio::test]
    async fn build_data_that_is_known_is_read_conditionally_and_stays_when_it_is_unchanged() {
        let server = MockServer::start().await;
        Mock::given(header("if-none-match", "\"one\""))
            .respond_with(ResponseTemplate::new(304))
            .up_to_n_times(1)
            .expect(1)
            .mount(&server)
            .await;
        let changed = BUILD_DATA.replace("ART-1", "ART-2");
        Mock::given(header("if-none-match", "\"one\""))
            .respond_with(ResponseTemplate::new(200).set_body_string(changed))
            .expect(1)
            .mount(&server)
            .await;
        let first = ResponseTemplate::new(200).insert_header("etag", "\"one\"").set_body_string(BUILD_DATA);
        Mock::given(method("GET")).respond_with(first).expect(1).mount(&server).await;
        let directory = tempfile::tempdir().unwrap();
        let base = format!("{}/raw", server.uri());
        let environment = environment(directory.path(), &[("OAR_ENDPOINT_GITHUB_RAW", &base)], DOCUMENT);
        let settings = Settings::load(&environment).unwrap();
        let (stream, http) = (YStream::new(4, 19), http());
        let known = settings.build_data(stream, None, &http).await.unwrap();
        let same = settings.build_data(stream, Some(&known), &http).await.unwrap();
        assert!(same.is_same(&known));
        let other = settings.build_data(stream, Some(&same), &http).await.unwrap();
        assert!(!other.is_same(&known));
        let ticket = |file: &BuildDataFile| {
            let config = settings.release_in(&"4.19.1".parse().unwrap(), file).unwrap();
            config.jira_ticket().unwrap().to_string()
        };
        assert_eq!((ticket(&known).as_str(), ticket(&other).as_str()), ("ART-1", "ART-2"));
        let absent = settings.release_in(&"4.19.9".parse().unwrap(), &known).unwrap_err();
        assert!(matches!(absent, ConfigError::ReleaseNotReady { .. }), "{absent}");
    }

    #[tokio::test]
    async fn a_shipment_without_merge_request_is_konflux_and_absent_facts_are_null_or_empty() {
        let server = server(ResponseTemplate::new(200).set_body_string(BUILD_DATA)).await;
        let store = open(&server, "4.19.2").await.unwrap();
        assert_eq!(
            serde_json::to_value(store.metadata().unwrap()).unwrap(),
            json!({
                "release": "4.19.2", "flow": "konflux", "advisories": {}, "jira_ticket": null,
                "candidate_builds": {}, "release_date": null, "shipment_mr": null, "shipment_kinds": [],
                "pending": ["shipment_mr"], "not_ours": [], "owner": "lead@example.com",
            })
        );
        assert_eq!(open(&server, "4.19.4").await.unwrap().flow(), Flow::Errata);
    }

    #[tokio::test]
    async fn identifiers_of_another_release_are_refused_by_name() {
        let server = server(ResponseTemplate::new(200).set_body_string(BUILD_DATA)).await;
        assert!(open(&server, "4.19.1").await.unwrap().check_ours().is_ok());
        let error = open(&server, "4.19.5").await.unwrap().check_ours().unwrap_err();
        assert_eq!(error.class(), ErrorClass::Blocked);
        let text = error.to_string();
        assert!(text.contains("of 4.19.5") && text.contains("advisory_ids.rpm 100001 of 4.19.1"), "{text}");
    }

    #[tokio::test]
    async fn the_group_file_stands_beside_the_releases_and_is_read_when_it_is_asked_for() {
        let server = server(ResponseTemplate::new(200).set_body_string(BUILD_DATA)).await;
        let store = open(&server, "4.19.1").await.unwrap();
        let mount = |text: &str| {
            Mock::given(method("GET"))
                .and(path("/raw/openshift-eng/ocp-build-data/openshift-4.19/group.yml"))
                .respond_with(ResponseTemplate::new(200).set_body_string(text))
                .up_to_n_times(1)
                .mount(&server)
        };
        mount("name: openshift-4.19\nrpm_deliveries: [{packages: [kernel], stop_ship_tag: stop}]").await;
        let group = store.group(&http()).await.unwrap();
        assert_eq!(group.rpm_deliveries[0].packages, ["kernel"]);
        mount("<html>").await;
        let error = store.group(&http()).await.unwrap_err();
        assert!(error.to_string().contains("a web page instead of data"), "{error}");
        mount("a: [").await;
        let error = store.group(&http()).await.unwrap_err();
        assert!(error.to_string().contains("group.yml: the build data cannot be read"), "{error}");
        assert!(store.group(&http()).await.unwrap_err().to_string().contains("was not found"));
    }

    #[tokio::test]
    async fn a_release_that_is_not_there_names_place_and_neighbours() {
        let server = server(ResponseTemplate::new(200).set_body_string(BUILD_DATA)).await;
        let error = open(&server, "4.19.9").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Blocked);
        let text = error.to_string();
        assert!(
            text.starts_with(
                "the build data of 4.19.9 is not ready: no `4.19.9` under `releases` in http://"
            ),
            "{text}"
        );
        assert!(text.ends_with("(the closest there: 4.19.4, 4.19.5)"), "{text}");
        let error = open(&server, "4.19.0-rc.1").await.unwrap_err().to_string();
        assert!(error.contains("no `rc.1`"), "{error}");
        let error = open(&server, "4.19.3").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Blocked);
        assert!(error.to_string().contains("names `gone`"), "{error}");
    }

    #[tokio::test]
    async fn a_missing_branch_an_outage_and_an_empty_file_are_told_apart() {
        for (status, class, words) in [
            (404, ErrorClass::Configuration, "the build data of 4.19 was not found"),
            (500, ErrorClass::Unavailable, "GitHub raw files: cannot read the build data (openshift-4.19)"),
            (200, ErrorClass::Blocked, "the file is empty"),
        ] {
            let server = server(ResponseTemplate::new(status)).await;
            let error = open(&server, "4.19.1").await.unwrap_err();
            assert_eq!(error.class(), class, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[tokio::test]
    async fn an_unsupported_release_is_refused_before_any_request() {
        let server = MockServer::start().await;
        let error = open(&server, "4.3.1").await.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Usage);
        assert_eq!(count(&server).await, 0);
    }

    #[tokio::test]
    async fn build_data_may_stand_in_a_local_file() {
        let directory = tempfile::tempdir().unwrap();
        let branch = directory.path().join("openshift-4.19");
        std::fs::create_dir(&branch).unwrap();
        std::fs::write(branch.join("releases.yml"), BUILD_DATA).unwrap();
        let document =
            json!({"build_data_url": format!("file://{}/%s/releases.yml", directory.path().display())})
                .to_string();
        let environment = environment(directory.path(), &[], &document);
        let store = ConfigStore::open(&"4.19.1".parse().unwrap(), &environment, &http()).await.unwrap();
        assert_eq!(store.flow(), Flow::Konflux);
        assert!(store.metadata().unwrap().owner.is_none());
        let error = ConfigStore::open(&"4.20.1".parse().unwrap(), &environment, &http()).await.unwrap_err();
        assert!(error.to_string().contains("the build data of 4.20 was not found: file:///"), "{error}");
    }
}
