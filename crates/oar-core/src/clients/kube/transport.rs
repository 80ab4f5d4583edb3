//! Carries kube's requests over the one HTTP stack.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderValue};
use ::kube::client::Body;
use bytes::Bytes;
use http_body_util::Full;
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http};
use crate::service::Service;

/// The largest object that is read, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;

/// What a request is for; it travels in the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Purpose {
    pub(super) operation: &'static str,
    pub(super) subject: String,
}

impl Purpose {
    pub(super) fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        ServiceError::new(Service::Kube, self.operation, kind, detail).about(self.subject.clone())
    }
}

/// The innermost service of kube's stack; it puts the whole answer into the response's extensions.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: Http,
}

impl Transport {
    pub(super) fn new(http: Http) -> Self {
        Self { http }
    }

    async fn exchange(
        http: Http,
        request: ::http::Request<Body>,
    ) -> Result<::http::Response<Full<Bytes>>, ServiceError> {
        let (parts, body) = request.into_parts();
        let purpose = parts
            .extensions
            .get::<Purpose>()
            .cloned()
            .unwrap_or_else(|| Purpose { operation: "send a request", subject: parts.uri.path().to_owned() });
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| {
            purpose.error(ServiceErrorKind::Rejected, "not a valid address").with_source(error)
        })?;
        let body = body.collect_bytes().await.map_err(|error| {
            purpose.error(ServiceErrorKind::Rejected, "the request's body cannot be read").with_source(error)
        })?;
        let mut headers = parts.headers;
        // The stack makes these itself.
        headers.remove(CONTENT_LENGTH);
        headers.remove(HOST);
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        let call = Call::new(Service::Kube, purpose.operation, parts.method, url)
            .about(purpose.subject)
            .headers(headers)
            .body(body)
            .body_limit(LARGEST);
        let reply = http.send(call).await?;
        let mut response = ::http::Response::new(Full::new(reply.body.clone()));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers.clone();
        response.extensions_mut().insert(reply);
        Ok(response)
    }
}

impl tower::Service<::http::Request<Body>> for Transport {
    type Response = ::http::Response<Full<Bytes>>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<Body>) -> Self::Future {
        Box::pin(Self::exchange(self.http.clone(), request))
    }
}
