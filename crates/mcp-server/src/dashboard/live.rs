//! The stream of changes (server-sent events): which pages show something else now.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::board::{Board, Changed, Wants};
use crate::transport::connections::OfConnection;
use crate::transport::{Counted, Metrics};

/// The most viewers at the same time.
const MOST: usize = 500;
/// How many events wait for a slow viewer.
const WAITING: usize = 4;
/// How long a viewer may take nothing; then its connection is closed, and its page connects again.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often something is sent, so that both sides notice a lost connection.
const BEAT: Duration = Duration::from_secs(15);
/// When a page connects again, in milliseconds.
const AGAIN: Duration = Duration::from_secs(3);
/// The most pages that one event names; beyond it, every page may have changed.
const NAMED: usize = 100;

/// The viewers.
#[derive(Debug, Clone)]
pub(super) struct Viewers(Arc<Semaphore>);

impl Default for Viewers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

/// What is held while somebody looks.
struct Viewer {
    _place: OwnedSemaphorePermit,
    _counted: Counted,
    board: Board,
    wants: Wants,
    connection: Option<OfConnection>,
    stop: CancellationToken,
}

impl Viewers {
    /// A stream for one more viewer; `None` when there are too many.
    pub(super) fn stream(
        &self,
        board: &Board,
        wants: Wants,
        metrics: &Metrics,
        connection: Option<OfConnection>,
        stop: CancellationToken,
    ) -> Option<Response> {
        let place = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let viewer = Viewer {
            _place: place,
            _counted: metrics.viewer(),
            board: board.clone(),
            wants,
            connection,
            stop,
        };
        tokio::spawn(viewer.forward(sender));
        let events = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|event: Event| (Ok::<_, Infallible>(event), receiver))
        });
        Some(Sse::new(events).into_response())
    }
}

impl Viewer {
    /// Sends changes until the viewer is gone, or too slow, or the server stops.
    async fn forward(self, sender: mpsc::Sender<Event>) {
        let mut changes = self.board.listen();
        self.board.want(self.wants);
        let version = self.board.seen().version;
        let hello = event("hello", &Changed { version, pages: Vec::new() });
        let mut next = Some(hello.retry(AGAIN));
        loop {
            if let Some(event) = next.take() {
                match tokio::time::timeout(PATIENCE, sender.send(event)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return self.drop_connection(),
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = sender.closed() => return,
                heard = changes.recv() => match heard {
                    Ok(news) => next = Some(event("changed", &news)),
                    // It missed changes: its page connects again, and is read anew.
                    Err(RecvError::Lagged(_)) => return self.drop_connection(),
                    Err(RecvError::Closed) => return,
                },
                () = tokio::time::sleep(BEAT) => {
                    self.board.want(self.wants);
                    next = Some(Event::default().event("beat").data(self.board.seen().version.to_string()));
                }
            }
        }
    }

    /// Of a viewer that takes nothing the connection is closed, or it would stay for ever.
    fn drop_connection(&self) {
        tracing::debug!("a viewer of the dashboard took nothing for a while; its connection is closed");
        if let Some(connection) = &self.connection {
            connection.close();
        }
    }
}

fn event(name: &str, changed: &Changed) -> Event {
    let pages = if changed.pages.len() > NAMED { json!(["*"]) } else { json!(changed.pages) };
    let data = json!({ "version": changed.version, "pages": pages });
    Event::default().event(name).data(data.to_string())
}
