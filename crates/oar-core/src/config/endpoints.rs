//! The base URL of every service: defaults and their replacements.

use url::Url;

use super::document::Document;
use super::environment::{Environment, endpoint_variable};
use super::error::ConfigError;
use super::keys::{self, Key};
use crate::http::join;
use crate::service::Service;
use crate::version::{Arch, YStream};

const ARCHITECTURE: &str = "{arch}";
const BUILD_DATA_PATH: &str = "openshift-eng/ocp-build-data";

/// The production base URL of `service`.
///
/// The addresses of [`Service::Registry`] and [`Service::Kube`] come from pull specs and the kubeconfig;
/// their default is only an example, see [`Endpoints::replacement`].
pub fn default_base(service: Service) -> &'static str {
    match service {
        Service::GithubApi => "https://api.github.com",
        Service::GithubRaw => "https://raw.githubusercontent.com",
        Service::GithubWeb => "https://github.com",
        Service::Errata => "https://errata.devel.redhat.com",
        Service::Jira => "https://redhat.atlassian.net",
        Service::Gitlab | Service::AdvisoryContent => "https://gitlab.cee.redhat.com",
        Service::Jenkins => "https://jenkins-csb-openshift-qe-mastern.dno.corp.redhat.com",
        Service::Slack => "https://slack.com/api",
        Service::Gangway => "https://gangway-ci.apps.ci.l2s4.p1.openshiftapps.com",
        Service::Prow => "https://prow.ci.openshift.org",
        Service::ReleaseController => "https://{arch}.ocp.releases.ci.openshift.org",
        Service::Mirror => "https://mirror.openshift.com/pub/openshift-v4/signatures/openshift/release",
        Service::Access => "https://access.redhat.com",
        Service::Pyxis => "https://pyxis.engineering.redhat.com",
        Service::Catalog => "https://catalog.redhat.com/api/containers",
        Service::CatalogStage => "https://catalog.stage.redhat.com/api/containers",
        Service::Brewhub => "https://brewhub.engineering.redhat.com/brewhub",
        Service::Brewroot => "https://download.engineering.redhat.com/brewroot",
        Service::Ldap => "ldaps://ldap.corp.redhat.com",
        Service::GoogleOauth => "https://oauth2.googleapis.com",
        Service::GoogleSheets => "https://sheets.googleapis.com",
        Service::Gcs => "https://storage.googleapis.com",
        Service::Registry => "https://quay.io",
        Service::Kube => "https://api.ci.l2s4.p1.openshiftapps.com:6443",
    }
}

/// The service whose base URL `endpoints.<key>` of the document replaces.
pub fn service_of(key: &str) -> Option<Service> {
    Service::ALL.into_iter().find(|service| service.key().to_ascii_lowercase() == key)
}

/// A base URL; for the release controller one with a placeholder for the architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    url: Url,
    /// Text with `{arch}`, when the URL differs by architecture.
    template: Option<String>,
    /// Whether the environment or the document set it.
    replaced: bool,
}

/// Parses `text` as the base URL of `service` (with `amd64` for `{arch}`); the error says what is wrong.
///
/// The error does not repeat the text, which may contain a password.
pub(super) fn parse_base(service: Service, text: &str) -> Result<Url, String> {
    parse(service, text).map(|base| base.url)
}

fn parse(service: Service, text: &str) -> Result<Base, String> {
    let text = text.trim();
    let template =
        (service == Service::ReleaseController && text.contains(ARCHITECTURE)).then(|| text.to_owned());
    if template.is_none() && text.contains('{') {
        return Err("holds a `{`; only the release controller's base URL may hold `{arch}`".into());
    }
    let url = Url::parse(&text.replace(ARCHITECTURE, "amd64"))
        .map_err(|error| format!("is not a URL ({error})"))?;
    let schemes: &[&str] = if service == Service::Ldap { &["ldap", "ldaps"] } else { &["http", "https"] };
    if !schemes.contains(&url.scheme()) {
        return Err(format!("has the scheme `{}` instead of {}", url.scheme(), schemes.join(" or ")));
    }
    check_parts(&url)?;
    if url.query().is_some() {
        return Err("has a query, which a base URL cannot have".into());
    }
    Ok(Base { url, template, replaced: true })
}

fn check_parts(url: &Url) -> Result<(), String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("contains a user name or a password; credentials have their own variables".into());
    }
    if url.fragment().is_some() {
        return Err("has a fragment (`#…`), which means nothing to a server".into());
    }
    if url.host_str().is_none_or(str::is_empty) && url.scheme() != "file" {
        return Err("names no host".into());
    }
    Ok(())
}

/// Checks a `build_data_url`: it has one `%s`, and with a branch name instead it is an `http`, `https` or
/// `file` URL.
pub(super) fn check_build_data_url(pattern: &str) -> Result<(), String> {
    build_data_url(pattern, YStream::new(4, 19)).map(|_| ())
}

fn build_data_url(pattern: &str, stream: YStream) -> Result<Url, String> {
    if pattern.matches("%s").count() != 1 {
        return Err("must hold `%s` exactly once, where the branch name goes".into());
    }
    let text = pattern.trim().replace("%s", &format!("openshift-{stream}"));
    let url = Url::parse(&text).map_err(|error| format!("is not a URL ({error})"))?;
    if !["http", "https", "file"].contains(&url.scheme()) {
        return Err(format!("has the scheme `{}` instead of http, https or file", url.scheme()));
    }
    check_parts(&url)?;
    Ok(url)
}

/// The base URLs of one process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// One per service, in the order of [`Service::ALL`].
    bases: [Base; Service::ALL.len()],
    /// `build_data_url` of the document, unless an endpoint of higher precedence replaces it.
    build_data: Option<String>,
}

impl Endpoints {
    /// The base URLs, in this order of precedence: the environment, the document's `endpoints`, the
    /// document's older keys, the defaults.
    pub fn new(environment: &Environment, document: Option<&Document>) -> Result<Self, ConfigError> {
        let mut bases = Vec::with_capacity(Service::ALL.len());
        for service in Service::ALL {
            bases.push(match configured(service, environment, document)? {
                Some(base) => base,
                None => parse(service, default_base(service))
                    .map(|base| Base { replaced: false, ..base })
                    .map_err(|problem| bad_endpoint(format!("the default of {service}"), problem, service))?,
            });
        }
        let replaced = |service: Service| bases.get(service as usize).is_some_and(|base| base.replaced);
        let build_data = match document.map(Document::build_data_url).transpose()?.flatten() {
            Some(_) if replaced(Service::GithubRaw) => None,
            other => other,
        };
        let bases = bases.try_into().map_err(|_| ConfigError::BadEndpoint {
            setting: "endpoints".into(),
            problem: "a service has no base URL".into(),
            expected: "one per service".into(),
        })?;
        Ok(Self { bases, build_data })
    }

    fn of(&self, service: Service) -> &Base {
        // In range: the array has one place per service, and a service's number is its place in `Service::ALL`.
        &self.bases[service as usize]
    }

    /// The base URL of `service`; for the release controller that of amd64
    /// (others: [`Endpoints::release_controller`]).
    pub fn base(&self, service: Service) -> &Url {
        &self.of(service).url
    }

    /// The base URL of `service` when the environment or the document set it.
    pub fn replacement(&self, service: Service) -> Option<&Url> {
        Some(self.of(service)).filter(|base| base.replaced).map(|base| &base.url)
    }

    /// The release controller's base URL for an architecture.
    pub fn release_controller(&self, arch: Arch) -> Result<Url, ConfigError> {
        let service = Service::ReleaseController;
        let bad = |problem| bad_endpoint(endpoint_variable(service), problem, service);
        match &self.of(service).template {
            Some(template) => parse_base(service, &template.replace(ARCHITECTURE, arch.text())).map_err(bad),
            None => Ok(self.base(service).clone()),
        }
    }

    /// The URL of the build data of `stream`: at a replaced [`Service::GithubRaw`], otherwise the document's
    /// `build_data_url`, otherwise at GitHub (spec 01 §1.4).
    pub fn build_data(&self, stream: YStream) -> Result<Url, ConfigError> {
        if let Some(pattern) = &self.build_data {
            return build_data_url(pattern, stream)
                .map_err(|problem| bad_key(&keys::BUILD_DATA_URL, problem));
        }
        let branch = format!("openshift-{stream}");
        Ok(join(self.base(Service::GithubRaw), &format!("{BUILD_DATA_PATH}/{branch}/releases.yml")))
    }

    /// The URL of the `group.yml` of `stream`: beside the build data.
    pub fn group_file(&self, stream: YStream) -> Result<Url, ConfigError> {
        let mut url = self.build_data(stream)?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop().push("group.yml");
        }
        Ok(url)
    }
}

fn configured(
    service: Service,
    environment: &Environment,
    document: Option<&Document>,
) -> Result<Option<Base>, ConfigError> {
    let variable = endpoint_variable(service);
    if let Some(text) = environment.get(&variable) {
        return parse(service, text).map(Some).map_err(|problem| bad_endpoint(variable, problem, service));
    }
    let Some(document) = document else { return Ok(None) };
    let name = service.key().to_ascii_lowercase();
    if let Some(text) = document.text(&keys::ENDPOINT, &[&name])? {
        let key = keys::ENDPOINT.named(&[&name]);
        return parse(service, text).map(Some).map_err(|problem| bad_endpoint(key, problem, service));
    }
    let older = match service {
        Service::Jira => &keys::JIRA_SERVER,
        Service::Jenkins => &keys::JENKINS_SERVER,
        Service::Gitlab => &keys::GITLAB_URL,
        Service::ReleaseController => &keys::RELEASE_URL,
        Service::Mirror => &keys::SIGNATURE_URL,
        _ => return Ok(None),
    };
    let Some(text) = document.text(older, &[])? else { return Ok(None) };
    // The older key names only amd64's host; those of the other architectures are derived from it.
    let text = match text.split_once("//amd64.") {
        Some((scheme, rest)) if service == Service::ReleaseController => {
            format!("{scheme}//{ARCHITECTURE}.{rest}")
        }
        _ => text.to_owned(),
    };
    parse(service, &text).map(Some).map_err(|problem| bad_key(older, problem))
}

fn bad_key(key: &Key, problem: String) -> ConfigError {
    ConfigError::BadKey { key: key.named(&[]), problem, purpose: key.purpose, example: key.example }
}

fn bad_endpoint(setting: String, problem: String, service: Service) -> ConfigError {
    let example = default_base(service);
    ConfigError::BadEndpoint {
        setting,
        problem,
        expected: format!("the base URL of {service}, for example {example}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Classified, ErrorClass};

    fn endpoints(pairs: &[(&str, &str)], document: &str) -> Result<Endpoints, ConfigError> {
        let document = Document::parse(document).unwrap();
        Endpoints::new(&Environment::from_pairs(pairs.iter().copied()), Some(&document))
    }

    fn base(pairs: &[(&str, &str)], document: &str, service: Service) -> String {
        endpoints(pairs, document).unwrap().base(service).to_string()
    }

    #[test]
    fn environment_then_endpoints_then_older_key_then_default() {
        let older = r#"{"jira_server": "https://older.example.com"}"#;
        let both = r#"{"jira_server": "https://older.example.com", "endpoints": {"jira": "https://newer.example.com"}}"#;
        let pairs = [("OAR_ENDPOINT_JIRA", "http://127.0.0.1:8765/jira")];
        assert_eq!(base(&pairs, both, Service::Jira), "http://127.0.0.1:8765/jira");
        assert_eq!(base(&[], both, Service::Jira), "https://newer.example.com/");
        assert_eq!(base(&[], older, Service::Jira), "https://older.example.com/");
        assert_eq!(base(&[], "{}", Service::Jira), "https://redhat.atlassian.net/");
        assert_eq!(base(&[("OAR_ENDPOINT_JIRA", "")], older, Service::Jira), "https://older.example.com/");
    }

    #[test]
    fn every_older_key_is_read() {
        let document = r#"{"jira_server": "https://a.test", "jenkins_server": "https://b.test", "gitlab_url":
            "https://c.test", "release_url": "https://d.test/", "signature_url": "https://e.test/sig/"}"#;
        for (service, url) in [
            (Service::Jira, "https://a.test/"),
            (Service::Jenkins, "https://b.test/"),
            (Service::Gitlab, "https://c.test/"),
            (Service::ReleaseController, "https://d.test/"),
            (Service::Mirror, "https://e.test/sig/"),
        ] {
            assert_eq!(base(&[], document, service), url);
        }
    }

    #[test]
    fn every_service_has_a_default_and_its_own_place() {
        let endpoints = Endpoints::new(&Environment::default(), None).unwrap();
        for (place, service) in Service::ALL.into_iter().enumerate() {
            assert_eq!(service as usize, place);
            assert_eq!(endpoints.replacement(service), None);
            assert!(!endpoints.base(service).host_str().unwrap().is_empty());
        }
        let pairs = [("OAR_ENDPOINT_REGISTRY", "http://127.0.0.1:5000")];
        let endpoints = Endpoints::new(&Environment::from_pairs(pairs), None).unwrap();
        assert_eq!(endpoints.replacement(Service::Registry).unwrap().as_str(), "http://127.0.0.1:5000/");
    }

    #[test]
    fn bad_urls_are_refused_by_name_and_never_shown() {
        for (value, words) in [
            ("nonsense", "is not a URL"),
            ("ftp://example.com", "scheme `ftp` instead of http or https"),
            ("https://planted:word@example.com", "user name or a password"),
            ("https://planted@example.com", "user name or a password"),
            ("https://example.com/?a=planted", "query"),
            ("https://example.com/#planted", "fragment"),
            ("https://{arch}.example.com", "only the release controller"),
        ] {
            let from_environment = endpoints(&[("OAR_ENDPOINT_JIRA", value)], "{}").unwrap_err();
            let document = serde_json::json!({"endpoints": {"jira": value}}).to_string();
            let from_document = endpoints(&[], &document).unwrap_err();
            let older = serde_json::json!({"jira_server": value}).to_string();
            let from_older = endpoints(&[], &older).unwrap_err();
            for (error, name) in [
                (from_environment, "OAR_ENDPOINT_JIRA"),
                (from_document, "endpoints.jira"),
                (from_older, "jira_server"),
            ] {
                assert_eq!(error.class(), ErrorClass::Configuration);
                let text = error.to_string();
                assert!(text.contains(name) && text.contains(words) && !text.contains("planted"), "{text}");
            }
        }
    }

    #[test]
    fn ldap_wants_its_own_schemes() {
        assert_eq!(
            base(&[("OAR_ENDPOINT_LDAP", "ldap://127.0.0.1:1389")], "{}", Service::Ldap),
            "ldap://127.0.0.1:1389"
        );
        assert!(endpoints(&[("OAR_ENDPOINT_LDAP", "https://example.com")], "{}").is_err());
    }

    #[test]
    fn the_release_controller_differs_by_architecture() {
        let url = |pairs: &[(&str, &str)], document: &str, arch: &str| {
            let arch: Arch = arch.parse().unwrap();
            endpoints(pairs, document).unwrap().release_controller(arch).unwrap().to_string()
        };
        assert_eq!(url(&[], "{}", "arm64"), "https://arm64.ocp.releases.ci.openshift.org/");
        let pairs = [("OAR_ENDPOINT_RELEASE_CONTROLLER", "http://127.0.0.1:1/rc/{arch}")];
        assert_eq!(url(&pairs, "{}", "multi"), "http://127.0.0.1:1/rc/multi");
        assert_eq!(base(&pairs, "{}", Service::ReleaseController), "http://127.0.0.1:1/rc/amd64");
        let document = r#"{"release_url": "https://amd64.releases.example.com/"}"#;
        assert_eq!(url(&[], document, "s390x"), "https://s390x.releases.example.com/");
        let document = r#"{"release_url": "https://releases.example.com/"}"#;
        assert_eq!(url(&[], document, "s390x"), "https://releases.example.com/");
    }

    #[test]
    fn build_data_comes_from_the_raw_host_or_the_pattern() {
        let stream = YStream::new(4, 19);
        let url = |pairs: &[(&str, &str)], document: &str| {
            endpoints(pairs, document).unwrap().build_data(stream).unwrap().to_string()
        };
        let path = "openshift-eng/ocp-build-data/openshift-4.19/releases.yml";
        let pattern = r#"{"build_data_url": "https://raw.example.com/x/%s/releases.yml"}"#;
        assert_eq!(url(&[], "{}"), format!("https://raw.githubusercontent.com/{path}"));
        assert_eq!(url(&[], pattern), "https://raw.example.com/x/openshift-4.19/releases.yml");
        let pairs = [("OAR_ENDPOINT_GITHUB_RAW", "http://127.0.0.1:8765/github-raw/")];
        assert_eq!(url(&pairs, pattern), format!("http://127.0.0.1:8765/github-raw/{path}"));
        let file = r#"{"build_data_url": "file:///srv/%s/releases.yml"}"#;
        assert_eq!(url(&[], file), "file:///srv/openshift-4.19/releases.yml");
        for bad in [
            "https://example.com/releases.yml",
            "https://%s/%s",
            "ftp://example.com/%s",
            "https://a:b@c.test/%s",
        ] {
            assert!(check_build_data_url(bad).is_err(), "{bad}");
        }
    }
}
