//! Sessions of the protocol's older revisions: capped per caller and in all, and each belongs to the caller that
//! opened it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio::sync::OwnedSemaphorePermit;

use super::metrics::{Counted, Metrics};
use crate::settings::Limits;

tokio::task_local! {
    /// The place for a session that the request which is answered in this task may open.
    static PLACE: Mutex<Option<Place>>;
}

/// The place of one session in the caps. It is free again when this is dropped.
pub(super) struct Place {
    pub(super) owner: String,
    /// In the caller's cap and in that of all callers.
    pub(super) _permits: [OwnedSemaphorePermit; 2],
}

struct Open {
    place: Place,
    _counted: Counted,
}

/// Why a session cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error("no place is reserved for a new session")]
    NoPlace,
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// The sessions of the server.
pub(super) struct Sessions {
    inner: LocalSessionManager,
    open: Mutex<HashMap<SessionId, Open>>,
    metrics: Metrics,
}

impl Sessions {
    pub(super) fn new(limits: &Limits, metrics: Metrics) -> Self {
        let mut inner = LocalSessionManager::default();
        inner.session_config.keep_alive = Some(limits.session_time);
        Self { inner, open: Mutex::default(), metrics }
    }

    /// Answers a request that may open a session in `place`.
    pub(super) async fn with_place<T>(place: Option<Place>, answer: impl Future<Output = T>) -> T {
        PLACE.scope(Mutex::new(place), answer).await
    }

    /// Whether the session is the caller's; `None` when there is no such session.
    pub(super) fn owned_by(&self, id: &str, caller: &str) -> Option<bool> {
        self.opened().get(id).map(|open| open.place.owner == caller)
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<SessionId, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for Sessions {
    type Error = SessionError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), Self::Error> {
        let take = |place: &Mutex<Option<Place>>| place.lock().unwrap_or_else(PoisonError::into_inner).take();
        let place = PLACE.try_with(take).ok().flatten().ok_or(SessionError::NoPlace)?;
        let (id, transport) = self.inner.create_session().await?;
        let open = Open { place, _counted: self.metrics.session() };
        self.opened().insert(Arc::clone(&id), open);
        Ok((id, transport))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, Self::Error> {
        Ok(self.inner.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, Self::Error> {
        Ok(self.inner.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), Self::Error> {
        let closed = self.inner.close_session(id).await;
        drop(self.opened().remove(id));
        Ok(closed?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.create_stream(id, message).await?)
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), Self::Error> {
        Ok(self.inner.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, Self::Error> {
        Ok(self.inner.resume(id, last_event_id).await?)
    }
}
