//! Sends the gitlab crate's requests through [`Http`].

use async_trait::async_trait;
use bytes::Bytes;
use gitlab::api::{ApiError, AsyncClient, RestClient};
use http::header::{HeaderName, HeaderValue};
use http::{Request, Response};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::failure;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Repeat, join};
use crate::permit::Barrier;
use crate::service::Service;

/// One operation on GitLab, as the gitlab crate's endpoints need it: a client that knows the operation's
/// name, for errors.
pub(super) struct Operation<'a> {
    pub(super) http: &'a Http,
    pub(super) base: &'a Url,
    pub(super) token: Option<&'a SecretString>,
    pub(super) name: &'static str,
    pub(super) subject: String,
    pub(super) repeat: Repeat,
    pub(super) barrier: Option<Barrier>,
}

impl Operation<'_> {
    pub(super) fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        ServiceError::new(Service::Gitlab, self.name, kind, detail).about(self.subject.clone())
    }

    fn token_header(&self) -> Result<HeaderValue, ServiceError> {
        let token = self.token.ok_or_else(|| {
            self.error(ServiceErrorKind::MissingCredential, "GITLAB_TOKEN is not set").with_hint(
                "Set GITLAB_TOKEN to an access token with the scope `api`; it reads the shipment merge request and \
                 writes notes on it.",
            )
        })?;
        let mut value = HeaderValue::from_str(token.expose_secret()).map_err(|_| {
            self.error(
                ServiceErrorKind::Unauthorized,
                "GITLAB_TOKEN contains characters that are not allowed in a token",
            )
        })?;
        value.set_sensitive(true);
        Ok(value)
    }

    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Bytes>, ServiceError> {
        let token = self.token_header()?;
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| {
            self.error(ServiceErrorKind::Rejected, "not a valid address").with_source(error)
        })?;
        let call = Call::new(Service::Gitlab, self.name, parts.method, url)
            .about(self.subject.clone())
            .headers(parts.headers)
            .header(HeaderName::from_static("private-token"), token)
            .body(body)
            .repeat(self.repeat)
            .behind(self.barrier.clone());
        let reply = self.http.send(call).await?;
        if let Some(kind) = reply.failure_kind() {
            return Err(failure::of(&reply, kind));
        }
        let mut response = Response::new(reply.body);
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}

impl RestClient for Operation<'_> {
    type Error = ServiceError;

    fn rest_endpoint(&self, endpoint: &str) -> Result<Url, ApiError<Self::Error>> {
        Ok(join(self.base, &format!("api/v4/{endpoint}")))
    }
}

#[async_trait]
impl AsyncClient for Operation<'_> {
    async fn rest_async(
        &self,
        request: http::request::Builder,
        body: Vec<u8>,
    ) -> Result<Response<Bytes>, ApiError<Self::Error>> {
        let request = request.body(body).map_err(|error| {
            ApiError::client(
                self.error(ServiceErrorKind::Rejected, "the request cannot be built").with_source(error),
            )
        })?;
        self.exchange(request).await.map_err(ApiError::client)
    }
}
