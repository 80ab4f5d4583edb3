//! Sessions of the protocol's older revisions: capped per caller and in all, and each belongs to the caller that
//! opened it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::metrics::{Counted, Metrics};
use crate::settings::Limits;

/// How long a session must not have been used before it is closed for a new one of the same caller.
const ABANDONED: Duration = Duration::from_secs(10);

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
    /// How many of its requests and streams are open.
    requests: usize,
    /// When it was last used.
    used: Instant,
}

/// While this exists, a request or a stream of a session is open, and the session is not closed for another one.
pub(super) struct InUse {
    sessions: Arc<Sessions>,
    id: SessionId,
}

impl Drop for InUse {
    fn drop(&mut self) {
        if let Some(open) = self.sessions.opened().get_mut(&self.id) {
            open.requests = open.requests.saturating_sub(1);
            open.used = Instant::now();
        }
    }
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

    /// The session is in use until the returned value is dropped; `None` when there is no such session.
    pub(super) fn used(self: &Arc<Self>, id: &str) -> Option<InUse> {
        let mut opened = self.opened();
        let (id, _) = opened.get_key_value(id)?;
        let id = Arc::clone(id);
        let open = opened.get_mut(&id)?;
        open.requests += 1;
        open.used = Instant::now();
        Some(InUse { sessions: Arc::clone(self), id })
    }

    /// Closes the caller's session that was not used for the longest time, and for [`ABANDONED`] at least: many clients
    /// never close theirs. Whether there was one.
    pub(super) async fn close_abandoned(&self, caller: &str) -> bool {
        let abandoned = {
            let opened = self.opened();
            let idle = opened.iter().filter(|(_, open)| open.place.owner == caller && open.requests == 0);
            idle.min_by_key(|(_, open)| open.used)
                .filter(|(_, open)| open.used.elapsed() >= ABANDONED)
                .map(|(id, _)| Arc::clone(id))
        };
        let Some(id) = abandoned else { return false };
        // An error means that it has ended by itself.
        let _ = self.close_session(&id).await;
        true
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
        let open = Open { place, _counted: self.metrics.session(), requests: 0, used: Instant::now() };
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
