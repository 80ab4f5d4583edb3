//! Sends the requests of third-party clients, which are built on tower, through [`Http`].

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::http::header::{CONTENT_LENGTH, HOST};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join};
use crate::permit::Barrier;
use crate::service::Service;

/// The operation of a request, for errors; it is in the request's extensions.
#[derive(Debug, Clone)]
pub(super) struct Purpose {
    pub(super) operation: &'static str,
    pub(super) subject: String,
}

/// Marks a request that changes nothing although its method is one of a write; it travels in the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnlyReads;

impl Purpose {
    pub(super) fn error(
        &self,
        service: Service,
        kind: ServiceErrorKind,
        detail: impl Into<String>,
    ) -> ServiceError {
        ServiceError::new(service, self.operation, kind, detail).about(self.subject.clone())
    }
}

/// The innermost service of such a client's stack.
///
/// It sends the request through [`Http`] and puts the whole [`Reply`] into the response's extensions, where
/// this program's client reads it.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    http: Http,
    service: Service,
    base: Option<Url>,
    largest: Option<usize>,
    refusal_wait: Option<fn(&Reply) -> Option<Duration>>,
}

impl Transport {
    pub(super) fn new(http: Http, service: Service) -> Self {
        Self { http, service, base: None, largest: None, refusal_wait: None }
    }

    /// Requests have relative addresses, which are joined to `base`; its path prefix is kept.
    pub(super) fn below(mut self, base: Url) -> Self {
        self.base = Some(base);
        self
    }

    /// Sets the largest answer that is read, in bytes.
    pub(super) fn largest(mut self, bytes: usize) -> Self {
        self.largest = Some(bytes);
        self
    }

    /// Sets the function that finds the wait in a refusal without a header for it ([`Call::refusal_wait`]).
    pub(super) fn refusal_wait(mut self, wait: fn(&Reply) -> Option<Duration>) -> Self {
        self.refusal_wait = Some(wait);
        self
    }

    async fn exchange<B>(
        self,
        request: ::http::Request<B>,
    ) -> Result<::http::Response<Full<Bytes>>, ServiceError>
    where
        B: BodyExt<Data = Bytes>,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let (parts, body) = request.into_parts();
        let purpose = parts
            .extensions
            .get::<Purpose>()
            .cloned()
            .unwrap_or_else(|| Purpose { operation: "send a request", subject: parts.uri.path().to_owned() });
        let reads = parts.extensions.get::<OnlyReads>().is_some();
        let barrier = parts.extensions.get::<Barrier>().cloned();
        let rejected = |detail| purpose.error(self.service, ServiceErrorKind::Rejected, detail);
        let address = parts.uri.to_string();
        let url = match &self.base {
            Some(base) => join(base, &address),
            None => {
                Url::parse(&address).map_err(|error| rejected("not a valid address").with_source(error))?
            }
        };
        let body = body
            .collect()
            .await
            .map_err(|error| rejected("the request's body cannot be read").with_source(error))?;
        let mut headers = parts.headers;
        // The stack sets these itself.
        headers.remove(CONTENT_LENGTH);
        headers.remove(HOST);
        let mut call = Call::new(self.service, purpose.operation, parts.method, url)
            .about(purpose.subject)
            .headers(headers)
            .body(body.to_bytes())
            .behind(barrier);
        if reads {
            call = call.read();
        }
        if let Some(largest) = self.largest {
            call = call.body_limit(largest);
        }
        if let Some(wait) = self.refusal_wait {
            call = call.refusal_wait(wait);
        }
        let reply = self.http.send(call).await?;
        let mut response = ::http::Response::new(Full::new(reply.body.clone()));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers.clone();
        response.extensions_mut().insert(reply);
        Ok(response)
    }
}

impl<B> tower::Service<::http::Request<B>> for Transport
where
    B: BodyExt<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Response = ::http::Response<Full<Bytes>>;
    type Error = ServiceError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: ::http::Request<B>) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}
