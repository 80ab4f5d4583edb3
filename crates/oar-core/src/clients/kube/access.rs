//! How a cluster is reached: with a token, a kubeconfig, or the service account of the pod.

use std::fmt;
use std::path::{Path, PathBuf};

use ::kube::Config;
use ::kube::config::{KubeConfigOptions, Kubeconfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::kubeconfig;
use crate::error::{Classified, ErrorClass};
use crate::files;
use crate::http::Http;

/// The largest kubeconfig or certificate that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Why access to a cluster cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The address is invalid.
    #[error("the cluster's address cannot be used: {0}")]
    Address(String),
    /// A kubeconfig, or a file that it names, is wrong.
    #[error("the kubeconfig {} cannot be used: {problem}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The pod's service account is incomplete.
    #[error("the service account of this pod cannot be used: {}: {problem}", path.display())]
    ServiceAccount {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The certificates were not accepted.
    #[error("the cluster's certificates cannot be used: {0}")]
    Certificates(String),
}

impl Classified for AccessError {
    fn class(&self) -> ErrorClass {
        ErrorClass::Configuration
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::ServiceAccount { .. } => "Check that the pod's service account is mounted.".to_owned(),
            _ => "Log in to the cluster again, or set OAR_KUBE_TOKEN to a token for it.".to_owned(),
        })
    }
}

/// The files of a pod's service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccountFiles {
    /// The folder that holds `token`, `ca.crt` and `namespace`.
    pub folder: PathBuf,
}

impl Default for ServiceAccountFiles {
    fn default() -> Self {
        Self { folder: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount") }
    }
}

impl ServiceAccountFiles {
    /// The namespace that the pod runs in.
    pub fn namespace(&self) -> Result<String, AccessError> {
        let path = self.folder.join("namespace");
        let text = read(&path).map_err(|problem| AccessError::ServiceAccount { path, problem })?;
        Ok(text.trim().to_owned())
    }
}

/// How a cluster is reached. Cheap to clone.
#[derive(Clone)]
pub struct ClusterAccess {
    config: Box<Config>,
    /// The cluster's own certificate authorities, in PEM.
    authorities: Option<Vec<u8>>,
    /// The client's certificate and key, in PEM.
    identity: Option<SecretString>,
    /// The file with the token, which is replaced from time to time.
    token_file: Option<PathBuf>,
    source: String,
}

impl fmt::Debug for ClusterAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ClusterAccess")
            .field("source", &self.source)
            .field("server", &self.config.cluster_url)
            .finish_non_exhaustive()
    }
}

impl ClusterAccess {
    /// The API server at `server`, with a bearer token.
    pub fn with_token(server: &Url, token: &SecretString) -> Result<Self, AccessError> {
        let mut config = Config::new(address(server)?);
        config.auth_info.token = Some(SecretString::from(token.expose_secret().trim()));
        let (config, source) = (Box::new(config), "a token".to_owned());
        Ok(Self { config, authorities: None, identity: None, token_file: None, source })
    }

    /// The cluster of the current context of a kubeconfig; several files are merged as with `KUBECONFIG`.
    ///
    /// `None` when none of the files exists or they name no current context.
    pub async fn of_kubeconfig(paths: &[PathBuf]) -> Result<Option<Self>, AccessError> {
        let mut merged: Option<Kubeconfig> = None;
        let mut source = PathBuf::new();
        for path in paths.iter().filter(|path| path.is_file()) {
            let bad = |problem: String| AccessError::Kubeconfig { path: path.clone(), problem };
            let text = read(path).map_err(&bad)?;
            let folder = path.parent().unwrap_or(Path::new(""));
            let next = kubeconfig::parse(&text, folder).map_err(&bad)?;
            merged = Some(match merged {
                None => next,
                Some(earlier) => earlier.merge(next).map_err(|error| bad(error.to_string()))?,
            });
            source.clone_from(path);
        }
        let Some(kubeconfig) = merged else { return Ok(None) };
        if kubeconfig.current_context.is_none() {
            return Ok(None);
        }
        let bad = |problem: String| AccessError::Kubeconfig { path: source.clone(), problem };
        let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
            .await
            .map_err(|error| bad(error.to_string()))?;
        if config.accept_invalid_certs {
            return Err(bad(
                "it says `insecure-skip-tls-verify`; name the cluster's authority instead".to_owned()
            ));
        }
        if config.tls_server_name.is_some() {
            return Err(bad("it says `tls-server-name`, which is not supported".to_owned()));
        }
        let user = &config.auth_info;
        let certificate = part(user.client_certificate_data.as_deref(), user.client_certificate.as_deref());
        let key_data = user.client_key_data.as_ref().map(ExposeSecret::expose_secret);
        let key = part(key_data, user.client_key.as_deref());
        let identity = match (certificate.map_err(&bad)?, key.map_err(&bad)?) {
            (Some(certificate), Some(key)) => Some(SecretString::from(format!("{certificate}\n{key}\n"))),
            (None, None) => None,
            _ => return Err(bad("its user has only one of certificate and key".to_owned())),
        };
        let authorities = config.root_cert.as_ref().map(|certificates| pem(certificates));
        let token_file = config.auth_info.token_file.take().map(PathBuf::from);
        let token_file = match token_file.map(|file| (read_token(&file), file)) {
            None => None,
            // As in kubectl, a readable token file takes precedence over an inline token.
            Some((Ok(_), file)) => {
                config.auth_info.token = None;
                Some(file)
            }
            Some((Err(_), _)) if config.auth_info.token.is_some() => None,
            Some((Err(problem), file)) => return Err(bad(format!("{}: {problem}", file.display()))),
        };
        let source = format!("the kubeconfig {}", source.display());
        Ok(Some(Self { config: Box::new(config), authorities, identity, token_file, source }))
    }

    /// The cluster that this pod runs in: `host` and `port` are the variables `KUBERNETES_SERVICE_HOST` and `_PORT`.
    ///
    /// The token is read again as the cluster replaces it.
    pub fn in_cluster(host: &str, port: &str, files: &ServiceAccountFiles) -> Result<Self, AccessError> {
        let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        let server = Url::parse(&format!("https://{host}:{port}"))
            .map_err(|error| AccessError::Address(format!("https://{host}:{port} is not a URL ({error})")))?;
        let bad = |path: PathBuf, problem: String| AccessError::ServiceAccount { path, problem };
        let path = files.folder.join("ca.crt");
        let authorities = read(&path).map_err(|problem| bad(path, problem))?;
        let token = files.folder.join("token");
        read_token(&token).map_err(|problem| bad(token.clone(), problem))?;
        let mut config = Config::new(address(&server)?);
        config.default_namespace = files.namespace()?;
        Ok(Self {
            config: Box::new(config),
            authorities: Some(authorities.into_bytes()),
            identity: None,
            token_file: Some(token),
            source: "the service account of this pod".to_owned(),
        })
    }

    /// Where this access comes from, for people: `the kubeconfig /home/user/.kube/config`.
    pub fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    /// The token as it is in its file now; `None` when the token does not come from a file.
    pub(super) fn token(&self) -> Option<Result<SecretString, String>> {
        let file = self.token_file.as_ref()?;
        Some(read_token(file).map_err(|problem| format!("{}: {problem}", file.display())))
    }

    /// The HTTP stack for this cluster.
    pub(super) fn stack(&self, http: &Http) -> Result<Http, AccessError> {
        let mut http = http.clone();
        if let Some(proxy) = &self.config.proxy_url {
            let proxy = Url::parse(&proxy.to_string())
                .map_err(|error| AccessError::Address(format!("its proxy is not a URL ({error})")))?;
            http = http.through(&proxy).map_err(|error| AccessError::Certificates(error.to_string()))?;
        }
        if self.authorities.is_none() && self.identity.is_none() {
            return Ok(http);
        }
        http.with_certificates(self.authorities.as_deref(), self.identity.clone())
            .map_err(|error| AccessError::Certificates(error.to_string()))
    }
}

fn address(server: &Url) -> Result<http::Uri, AccessError> {
    server
        .as_str()
        .trim_end_matches('/')
        .parse()
        .map_err(|error| AccessError::Address(format!("{server} cannot be asked ({error})")))
}

/// The token in a file, without the line break that editors and mounts leave at its end.
fn read_token(path: &Path) -> Result<SecretString, String> {
    let text = read(path)?;
    let token = text.trim();
    if token.is_empty() {
        return Err("it holds no token".to_owned());
    }
    Ok(SecretString::from(token))
}

/// A PEM text that a kubeconfig has in base64, or in a file that it names.
fn part(data: Option<&str>, path: Option<&str>) -> Result<Option<String>, String> {
    match (data, path) {
        (Some(data), _) => {
            let bytes =
                STANDARD.decode(data.trim()).map_err(|_| "a certificate or key is not base64".to_owned())?;
            String::from_utf8(bytes).map(Some).map_err(|_| "a certificate or key is not PEM".to_owned())
        }
        (None, Some(path)) => read(Path::new(path)).map(Some),
        (None, None) => Ok(None),
    }
}

fn read(path: &Path) -> Result<String, String> {
    files::read_text(path, LARGEST).map_err(|error| error.to_string())
}

/// Certificates in DER form as one PEM text.
fn pem(certificates: &[Vec<u8>]) -> Vec<u8> {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(certificate);
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text.into_bytes()
}
