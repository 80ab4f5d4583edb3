//! Sends slack-morphism's requests through [`Http`].

use futures::FutureExt;
use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use slack_morphism::errors::{SlackClientApiError, SlackClientError, SlackClientSystemError};
use slack_morphism::multipart_form::FileMultipartData;
use slack_morphism::{
    ClientResult, SlackApiToken, SlackClientApiCallContext, SlackClientHttpConnector, SlackClientId,
    SlackClientSecret, SlackEnvelopeMessage,
};
use url::Url;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Repeat, Reply, join};
use crate::permit::{Barrier, WritePermit};
use crate::service::Service;

/// A connector for one operation, which its errors name. `POST` is never repeated after an unclear answer.
pub(super) struct Connector {
    pub(super) http: Http,
    pub(super) base: Url,
    pub(super) operation: &'static str,
    pub(super) subject: Option<String>,
    pub(super) repeat: Repeat,
    pub(super) barrier: Option<Barrier>,
}

impl Connector {
    /// The same for a write.
    pub(super) fn permitted(mut self, permit: &WritePermit) -> Self {
        self.barrier = permit.barrier();
        self
    }

    pub(super) fn error(&self, kind: ServiceErrorKind, detail: impl Into<String>) -> ServiceError {
        let mut error = ServiceError::new(Service::Slack, self.operation, kind, detail);
        error.subject.clone_from(&self.subject);
        error
    }

    /// The scopes of the token, which Slack names in the headers of its answers; `None` when it names none.
    pub(super) async fn scopes_of(&self, token: &SlackApiToken) -> Result<Option<Vec<String>>, ServiceError> {
        let reply = self.send(Method::GET, join(&self.base, "auth.test"), None, Some(token)).await?;
        // A refused token is answered with 200 as well.
        self.read::<serde::de::IgnoredAny>(&reply)
            .map_err(|error| super::failure::of_library(error, self))?;
        let scopes = reply.headers.get("x-oauth-scopes").and_then(|scopes| scopes.to_str().ok());
        Ok(scopes.map(|scopes| scopes.split(',').map(|scope| scope.trim().to_owned()).collect()))
    }

    async fn exchange<RS: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        context: SlackClientApiCallContext<'_>,
    ) -> ClientResult<RS> {
        let reply = self.send(method, url, body, context.token).await;
        self.read(&reply.map_err(wrapped)?)
    }

    async fn send(
        &self,
        method: Method,
        url: Url,
        body: Option<Vec<u8>>,
        token: Option<&SlackApiToken>,
    ) -> Result<Reply, ServiceError> {
        let mut call = Call::new(Service::Slack, self.operation, method, url).behind(self.barrier.clone());
        if self.repeat == Repeat::Safe {
            // Calls marked as repeatable are reads, although some are sent as POST.
            call = call.read();
        }
        if let Some(subject) = &self.subject {
            call = call.about(subject);
        }
        if let Some(token) = token {
            let mut value =
                HeaderValue::from_str(&format!("Bearer {}", token.token_value.0)).map_err(|_| {
                    self.error(
                        ServiceErrorKind::Unauthorized,
                        "SLACK_BOT_TOKEN contains characters that are not allowed in a token",
                    )
                })?;
            value.set_sensitive(true);
            call = call.header(AUTHORIZATION, value);
        }
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            call = call.header(CONTENT_TYPE, json).body(body);
        }
        self.http.send(call).await.map_err(|error| self.after_sending(error))
    }

    /// Slack answers 200 also to refused requests; `ok` and `error` show the result (spec 03 §8.1).
    fn read<RS: for<'de> Deserialize<'de>>(&self, reply: &Reply) -> ClientResult<RS> {
        if let Some(kind) = reply.failure_kind() {
            let words = reply.text().unwrap_or_default();
            return Err(wrapped(reply.failure(kind, words)));
        }
        if reply.status != StatusCode::OK {
            let error = reply.failure(ServiceErrorKind::Malformed, "a status that Slack does not use");
            return Err(wrapped(self.after_sending(error)));
        }
        let envelope: SlackEnvelopeMessage =
            reply.json().map_err(|error| wrapped(self.after_sending(error)))?;
        if !envelope.ok {
            let code = envelope.error.unwrap_or_else(|| String::from("unknown_error"));
            let body = reply.text().unwrap_or_default().to_owned();
            return Err(SlackClientError::ApiError(
                SlackClientApiError::new(code).with_http_response_body(body),
            ));
        }
        reply.json().map_err(|error| wrapped(self.after_sending(error)))
    }

    /// A write whose answer cannot be read may have taken effect.
    fn after_sending(&self, mut error: ServiceError) -> ServiceError {
        if self.repeat == Repeat::OnlyWhenRefused && error.kind == ServiceErrorKind::Malformed {
            error.kind = ServiceErrorKind::Unclear;
        }
        error
    }

    fn unused<'a, RS: Send + 'a>(&self, what: &str) -> BoxFuture<'a, ClientResult<RS>> {
        let error = self.error(ServiceErrorKind::Rejected, format!("{what} are not used by this program"));
        futures::future::ready(Err(wrapped(error))).boxed()
    }
}

/// Wraps this program's error in the library's.
fn wrapped(error: ServiceError) -> SlackClientError {
    SlackClientError::SystemError(SlackClientSystemError::new().with_cause(Box::new(error)))
}

impl SlackClientHttpConnector for Connector {
    fn http_get_uri<'a, RS>(
        &'a self,
        full_uri: Url,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        self.exchange(Method::GET, full_uri, None, context).boxed()
    }

    fn http_post_uri<'a, RQ, RS>(
        &'a self,
        full_uri: Url,
        request_body: &'a RQ,
        context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RQ: Serialize + Send + Sync,
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        async move {
            let body = serde_json::to_vec(request_body).map_err(|error| {
                let error = self
                    .error(ServiceErrorKind::Rejected, "the request cannot be written as JSON")
                    .with_source(error);
                wrapped(error)
            })?;
            self.exchange(Method::POST, full_uri, Some(body), context).await
        }
        .boxed()
    }

    fn create_method_uri_path(&self, method_relative_uri: &str) -> ClientResult<Url> {
        Ok(join(&self.base, method_relative_uri))
    }

    fn http_get_with_client_secret<'a, RS>(
        &'a self,
        _full_uri: Url,
        _client_id: &'a SlackClientId,
        _client_secret: &'a SlackClientSecret,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        self.unused("client secrets")
    }

    fn http_post_uri_multipart_form<'a, 'p, RS, PT, TS>(
        &'a self,
        _full_uri: Url,
        _file: Option<FileMultipartData<'p>>,
        _params: &'p PT,
        _context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
        PT: IntoIterator<Item = (&'p str, Option<TS>)> + Clone,
        TS: AsRef<str> + 'p + Send,
    {
        self.unused("forms with files")
    }

    fn http_post_uri_binary<'a, 'p, RS>(
        &'a self,
        _full_uri: Url,
        _content_type: String,
        _data: &'a [u8],
        _context: SlackClientApiCallContext<'a>,
    ) -> BoxFuture<'a, ClientResult<RS>>
    where
        RS: for<'de> Deserialize<'de> + Send + 'a,
    {
        self.unused("binary uploads")
    }
}
