//! Carries octocrab's requests over the one HTTP stack.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use octocrab::OctoBody;
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http};
use crate::service::Service;

/// What an octocrab request is for; it travels in the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Purpose {
    pub(super) operation: &'static str,
    pub(super) subject: String,
}

impl Purpose {
    pub(super) fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        ServiceError::new(Service::GithubApi, self.operation, kind, detail).about(self.subject.clone())
    }
}

/// The innermost service of octocrab's stack.
///
/// It joins the request's relative address to the base URL (whose path prefix stays), sends it through [`Http`] and
/// puts the whole [`Reply`](crate::http::Reply) into the response's extensions, where the client reads it.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: Http,
    base: Url,
}

impl Transport {
    pub(super) fn new(http: Http, base: Url) -> Self {
        Self { http, base }
    }

    async fn exchange(
        http: Http,
        base: Url,
        request: ::http::Request<OctoBody>,
    ) -> Result<::http::Response<Full<Bytes>>, ServiceError> {
        let (parts, body) = request.into_parts();
        let purpose = parts
            .extensions
            .get::<Purpose>()
            .cloned()
            .unwrap_or_else(|| Purpose { operation: "send a request", subject: parts.uri.path().to_owned() });
        let address = format!("{}{}", base.as_str().trim_end_matches('/'), parts.uri);
        let url = Url::parse(&address).map_err(|error| {
            purpose.error(ServiceErrorKind::Rejected, "not a valid address").with_source(error)
        })?;
        let body = body.collect().await.map_err(|error| {
            purpose.error(ServiceErrorKind::Rejected, "the request's body cannot be read").with_source(error)
        })?;
        let mut headers = parts.headers;
        // The stack computes the length itself.
        headers.remove(::http::header::CONTENT_LENGTH);
        let call = Call::new(Service::GithubApi, purpose.operation, parts.method, url)
            .about(purpose.subject)
            .headers(headers)
            .body(body.to_bytes());
        let reply = http.send(call).await?;
        let mut response = ::http::Response::new(Full::new(reply.body.clone()));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers.clone();
        response.extensions_mut().insert(reply);
        Ok(response)
    }
}

impl tower::Service<::http::Request<OctoBody>> for Transport {
    type Response = ::http::Response<Full<Bytes>>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<OctoBody>) -> Self::Future {
        Box::pin(Self::exchange(self.http.clone(), self.base.clone(), request))
    }
}
