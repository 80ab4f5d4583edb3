//! Kubernetes' API: the QE label of release payload objects (spec 04 §2.6), and leases.
//!
//! Requests are built by the crate `kube` and sent through [`Http`]. The crate also handles kubeconfig
//! contexts, token files and login plugins; only the text of a kubeconfig is parsed by [`crate::yaml`]. `oc`
//! is not needed.

mod access;
pub(crate) mod kubeconfig;
mod lease;
mod payload;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use ::kube::client::{Body, Client, ConfigExt as _};
use ::kube::core::Status;
use http::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;
use tower::{BoxError, ServiceBuilder};

pub use access::{AccessError, ClusterAccess, ServiceAccountFiles};
pub use lease::{LeaseHolder, LeaseState};
pub use payload::{ACCEPTED, PayloadOutcome, QE_LABEL};

use super::transport::{self, Purpose, Transport};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Http, Reply};
use crate::service::Service;

/// The largest object that is read, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// A client of one cluster's API server. Cheap to clone.
#[derive(Clone)]
pub struct KubeClient {
    inner: Arc<Inner>,
}

struct Inner {
    http: Http,
    access: ClusterAccess,
    // Made at the first call: it needs a running runtime, and a login plugin may run then.
    client: OnceCell<Client>,
}

impl fmt::Debug for KubeClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("KubeClient").field("access", &self.inner.access).finish_non_exhaustive()
    }
}

impl KubeClient {
    /// A client of the cluster that `access` leads to.
    ///
    /// The cluster's own certificate authority and the client certificate, if `access` has them, are used for
    /// this cluster only.
    pub fn new(http: &Http, access: ClusterAccess) -> Result<Self, AccessError> {
        let http = access.stack(http)?;
        Ok(Self { inner: Arc::new(Inner { http, access, client: OnceCell::new() }) })
    }

    /// The clock that this client uses.
    fn clock(&self) -> &crate::clock::Clock {
        self.inner.http.clock()
    }

    async fn client(&self, purpose: &Purpose) -> Result<&Client, ServiceError> {
        let Inner { http, access, client } = &*self.inner;
        client
            .get_or_try_init(|| async {
                let config = access.config();
                let login = config.auth_layer().map_err(|error| login_failure(purpose, error))?;
                let service = ServiceBuilder::new()
                    .layer(config.base_uri_layer())
                    .option_layer(login)
                    .map_err(BoxError::from)
                    .service(Transport::new(http.clone(), Service::Kube).largest(LARGEST));
                Ok(Client::new(service, config.default_namespace.clone()))
            })
            .await
    }

    /// Sends a request that `kube` built and returns the answer, whatever its status.
    async fn send(
        &self,
        request: Result<http::Request<Vec<u8>>, ::kube::core::request::Error>,
        purpose: Purpose,
    ) -> Result<Reply, ServiceError> {
        let mut request = request.map_err(|error| {
            purpose
                .error(Service::Kube, ServiceErrorKind::Rejected, "the request cannot be built")
                .with_source(error)
        })?;
        if let Some(token) = self.inner.access.token() {
            let refused = |problem: &str| {
                purpose
                    .error(Service::Kube, ServiceErrorKind::MissingCredential, problem)
                    .with_hint("Log in to the cluster again, or set OAR_KUBE_TOKEN to a token for it.")
            };
            let token = token.map_err(|problem| refused(&problem))?;
            let value = format!("Bearer {}", token.expose_secret());
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                refused("the token's file contains characters that are not allowed in a token")
            })?;
            value.set_sensitive(true);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        request.extensions_mut().insert(purpose.clone());
        let client = self.client(&purpose).await?;
        let mut response =
            client.send(request.map(Body::from)).await.map_err(|error| of_library(error, &purpose))?;
        response.extensions_mut().remove::<Reply>().ok_or_else(|| {
            purpose.error(
                Service::Kube,
                ServiceErrorKind::Malformed,
                "the answer was lost inside the program",
            )
        })
    }
}

/// Converts the library's error.
fn of_library(error: ::kube::Error, purpose: &Purpose) -> ServiceError {
    match error {
        ::kube::Error::Service(source) => match source.downcast::<ServiceError>() {
            Ok(error) => *error,
            Err(source) => match source.downcast::<::kube::Error>() {
                Ok(error) => login_failure(purpose, *error),
                Err(source) => purpose
                    .error(
                        Service::Kube,
                        ServiceErrorKind::Unclear,
                        "the connection to the cluster is closed",
                    )
                    .with_source(source),
            },
        },
        error => login_failure(purpose, error),
    }
}

/// The error for a login that failed before anything was sent.
fn login_failure(purpose: &Purpose, error: ::kube::Error) -> ServiceError {
    // A login plugin's message may contain its credentials.
    purpose
        .error(
            Service::Kube,
            ServiceErrorKind::MissingCredential,
            "the login of the kubeconfig's user failed",
        )
        .with_source(error)
        .with_hint("Log in to the cluster again, or set OAR_KUBE_TOKEN to a token for it.")
}

/// The API server's error message.
fn words(reply: &Reply) -> String {
    serde_json::from_slice::<Status>(&reply.body)
        .map(|status| status.message)
        .ok()
        .filter(|message| !message.is_empty())
        .unwrap_or_else(|| reply.words())
}

/// The error for an answer.
fn refusal(reply: &Reply, kind: ServiceErrorKind) -> ServiceError {
    let failure = reply.failure(kind, words(reply));
    match kind {
        ServiceErrorKind::Unauthorized => failure.with_hint(
            "The token for the cluster is wrong or expired: log in again, or set OAR_KUBE_TOKEN to a new one.",
        ),
        ServiceErrorKind::Forbidden => failure.with_hint(
            "The owner of the token lacks a right in the cluster: it needs to get and patch releasepayloads in the \
             namespaces `ocp` and `ocp-<architecture>`, and to get, create and update its leases.",
        ),
        _ => failure,
    }
}
