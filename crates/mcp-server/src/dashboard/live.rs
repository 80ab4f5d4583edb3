//! The stream of changes (server-sent events): which pages show something else now.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::board::{Board, Changed, Wants};
use crate::transport::connections::{OfConnection, holding};
use crate::transport::{Counted, Metrics};

/// The most viewers at the same time.
const MOST: usize = 500;
/// How many events wait for a slow viewer.
const WAITING: usize = 4;
/// How long a viewer may take nothing; then its connection is closed, and its page connects again.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// After this time a stream ends and its page connects again: whoever may not look any more hears nothing more, and whoever reads
/// nothing keeps no place.
const LONGEST: Duration = Duration::from_hours(1);
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

/// A place among the viewers, and in their number.
type Place = (OwnedSemaphorePermit, Counted);

/// Somebody who looks.
struct Viewer {
    /// Kept here where the end of the stream ends its connection, otherwise in the answer.
    _place: Option<Place>,
    board: Board,
    wants: Wants,
    connection: Option<OfConnection>,
    stop: CancellationToken,
}

impl Viewers {
    /// A stream for one more viewer; `None` when there are too many. One that takes nothing loses its `connection`, where that
    /// carries nothing else; otherwise it keeps its place as long as its stream is there.
    pub(super) fn stream(
        &self,
        board: &Board,
        wants: Wants,
        metrics: &Metrics,
        connection: Option<OfConnection>,
        stop: CancellationToken,
    ) -> Option<Response> {
        let place = (Arc::clone(&self.0).try_acquire_owned().ok()?, metrics.viewer());
        let (own, of_answer) = if connection.is_some() { (Some(place), None) } else { (None, Some(place)) };
        let (sender, receiver) = mpsc::channel(WAITING);
        let viewer = Viewer { _place: own, board: board.clone(), wants, connection, stop };
        tokio::spawn(viewer.forward(sender));
        let events = futures::stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|event: Event| (Ok::<_, Infallible>(event), receiver))
        });
        Some(holding(Sse::new(events).into_response(), of_answer))
    }
}

impl Viewer {
    /// Sends changes until the viewer is gone, or too slow, or the server stops.
    async fn forward(self, sender: mpsc::Sender<Event>) {
        let mut changes = self.board.listen();
        let version = self.board.seen().version;
        let hello = event("hello", &Changed { version, pages: Vec::new() });
        let mut next = Some(hello.retry(AGAIN));
        let mut end = pin!(tokio::time::sleep(LONGEST));
        loop {
            self.board.want(self.wants);
            if let Some(event) = next.take() {
                match tokio::time::timeout(TAKEN_WITHIN, sender.send(event)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(_) => return self.drop_connection(),
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                () = sender.closed() => return,
                () = &mut end => return self.end(&sender).await,
                heard = changes.recv() => match heard {
                    Ok(news) => next = Some(event("changed", &news)),
                    // It missed changes: its page connects again, and is read anew.
                    Err(RecvError::Lagged(_)) => return self.drop_connection(),
                    Err(RecvError::Closed) => return,
                },
                () = tokio::time::sleep(BEAT) => {
                    next = Some(Event::default().event("beat").data(self.board.seen().version.to_string()));
                }
            }
        }
    }

    /// Asks the page to connect again, and ends its stream.
    async fn end(&self, sender: &mpsc::Sender<Event>) {
        let said = async {
            sender.send(Event::default().event("again").data("0")).await.ok()?;
            // What nobody takes would keep the connection open.
            sender.reserve_many(WAITING).await.ok().map(drop)
        };
        if tokio::time::timeout(TAKEN_WITHIN, said).await.is_err() {
            self.drop_connection();
        }
    }

    /// Of a viewer that takes nothing the connection is closed, or it would stay for ever. One that carries others' answers as
    /// well is not: the client has asked for each of them, and resets what it does not take.
    fn drop_connection(&self) {
        if let Some(connection) = &self.connection {
            tracing::debug!("a viewer of the dashboard took nothing for a while; its connection is closed");
            connection.close();
        }
    }
}

fn event(name: &str, changed: &Changed) -> Event {
    let pages = if changed.pages.len() > NAMED { json!(["*"]) } else { json!(changed.pages) };
    let data = json!({ "version": changed.version, "pages": pages });
    Event::default().event(name).data(data.to_string())
}

#[cfg(test)]
mod tests {
    use axum::body::BodyDataStream;
    use futures::StreamExt as _;
    use tokio::time::{Instant, sleep, timeout};

    use super::*;
    use crate::content::Content;
    use crate::documents::tests::World;

    struct Room {
        _world: World,
        board: Board,
        viewers: Viewers,
        metrics: Metrics,
    }

    fn room() -> Room {
        let world = World::new();
        let content = Content::new(world.documents.clone(), Duration::from_hours(1));
        // Nobody looks by this board: what has changed is told to it.
        let stop = CancellationToken::new();
        stop.cancel();
        let board = Board::new(content, stop);
        let metrics = Metrics::new(board.clock());
        Room { _world: world, board, viewers: Viewers::default(), metrics }
    }

    impl Room {
        fn enter(&self, connection: &OfConnection) -> BodyDataStream {
            self.enter_by(Some(connection.clone()))
        }

        /// By a connection of their own, or one that carries other answers as well.
        fn enter_by(&self, connection: Option<OfConnection>) -> BodyDataStream {
            let stop = CancellationToken::new();
            let stream = self.viewers.stream(&self.board, Wants::Releases, &self.metrics, connection, stop);
            stream.unwrap().into_body().into_data_stream()
        }

        fn looking(&self) -> usize {
            MOST - self.viewers.0.available_permits()
        }
    }

    /// Reads until `words` come.
    async fn hears(events: &mut BodyDataStream, words: &str) {
        let heard = async {
            while let Some(part) = events.next().await {
                if String::from_utf8_lossy(&part.unwrap()).contains(words) {
                    return;
                }
            }
            panic!("the stream ended without {words}");
        };
        timeout(Duration::from_secs(1), heard).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_viewer_that_takes_nothing_is_closed_and_the_others_hear_at_once() {
        let room = room();
        let (silent, other) = (OfConnection::alone(), OfConnection::alone());
        let _untaken = room.enter(&silent);
        let mut events = room.enter(&other);
        hears(&mut events, "event: hello").await;
        // Numbers of one length, so that none is the beginning of another one.
        for version in 1001..=2000 {
            room.board.tell(Changed { version, pages: vec!["/".to_owned()] });
            hears(&mut events, &format!("\"version\":{version}")).await;
        }
        assert!(!silent.is_closed() && room.looking() == 2);
        sleep(TAKEN_WITHIN + Duration::from_secs(1)).await;
        assert!(silent.is_closed() && !other.is_closed() && room.looking() == 1);
        room.board.tell(Changed { version: 2001, pages: vec!["/".to_owned()] });
        hears(&mut events, "\"version\":2001").await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_changes_the_beats_find_who_takes_nothing() {
        let room = room();
        let silent = OfConnection::alone();
        let _untaken = room.enter(&silent);
        let entered = Instant::now();
        while !silent.is_closed() {
            sleep(Duration::from_secs(1)).await;
            assert!(entered.elapsed() < Duration::from_mins(2), "it keeps its place");
        }
        assert_eq!(room.looking(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_shared_connection_a_viewer_that_takes_nothing_keeps_its_place_with_its_stream() {
        let room = room();
        let mut untaken = room.enter_by(None);
        let dropped = room.enter_by(None);
        sleep(LONGEST + TAKEN_WITHIN + BEAT).await;
        assert_eq!(room.looking(), 2, "the streams are still there");
        drop(dropped);
        assert_eq!(room.looking(), 1);
        while let Some(part) = untaken.next().await {
            part.unwrap();
        }
        drop(untaken);
        assert_eq!(room.looking(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_after_an_hour_and_its_connection_stays() {
        let room = room();
        let connection = OfConnection::alone();
        let mut events = room.enter(&connection);
        let entered = Instant::now();
        let mut last = String::new();
        while let Some(part) = events.next().await {
            last = String::from_utf8_lossy(&part.unwrap()).into_owned();
        }
        assert!(last.contains("event: again"), "{last}");
        assert!(
            entered.elapsed() >= LONGEST && entered.elapsed() < LONGEST + BEAT,
            "{:?}",
            entered.elapsed()
        );
        assert!(!connection.is_closed() && room.looking() == 0);
    }
}
