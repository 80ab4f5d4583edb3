//! Connections: accepted up to a cap, closed when their clients are too slow or idle. At the cap, those on which nobody has
//! shown a valid token give way.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody};
use axum::http::Request;
use axum::response::Response;
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::metrics::Metrics;
use super::refusal::Reason;
use crate::settings::Limits;

/// The pause after a connection could not be accepted: the process may have too many open files.
const PAUSE: Duration = Duration::from_millis(200);
/// The most headers of a request.
const MOST_HEADERS: usize = 100;
/// The most requests at the same time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 64;
/// How often, and for how long, an HTTP/2 client is asked whether it is still there.
const PING: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(10));

/// Accepts connections and serves them.
pub(super) struct Connections {
    builder: Builder<TokioExecutor>,
    limits: Limits,
    metrics: Metrics,
    tasks: TaskTracker,
    /// Cancelled when connections are to end as soon as their requests are answered.
    pub(super) drain: CancellationToken,
    /// Cancelled when they are to end at once.
    pub(super) abort: CancellationToken,
}

impl Connections {
    pub(super) fn new(limits: &Limits, metrics: Metrics) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        // hyper's time limit of a head also counts the time between requests; the shorter one for a head that has
        // begun is `Activity`'s.
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle_time.max(limits.head_time))
            .max_headers(MOST_HEADERS)
            .max_buf_size(limits.head.max(8 * 1024))
            .keep_alive(true);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
            .max_concurrent_streams(MOST_STREAMS)
            .keep_alive_interval(PING.0)
            .keep_alive_timeout(PING.1);
        Self {
            builder,
            limits: limits.clone(),
            metrics,
            tasks: TaskTracker::new(),
            drain: CancellationToken::new(),
            abort: CancellationToken::new(),
        }
    }

    /// Accepts connections until `drain` is cancelled.
    pub(super) async fn accept(self: &Arc<Self>, listener: TcpListener, router: &Router) {
        let places = Arc::new(Places::new(self.limits.connections));
        loop {
            let stream = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                accepted = accept_one(&listener) => accepted,
            };
            let (stream, peer) = match stream {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!("a connection could not be accepted: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let (place, is_full) = places.take();
            if is_full {
                self.metrics.refused(Reason::Connections);
            }
            // Without a place it is closed at once: an answer would need memory and time.
            let Some(place) = place else { continue };
            let (connections, router) = (Arc::clone(self), router.clone());
            self.tasks.spawn(async move {
                connections.serve(stream, peer, router, &place.activity).await;
            });
        }
    }

    /// Serves one connection until it ends.
    async fn serve(&self, stream: TcpStream, peer: IpAddr, router: Router, activity: &Arc<Activity>) {
        let _counted = self.metrics.connection();
        let io = TokioIo::new(Watched { stream, activity: Arc::clone(activity) });
        let of = OfConnection { activity: Arc::clone(activity), peer };
        let service = Tracked { router, of, metrics: self.metrics.clone() };
        let mut connection = pin!(self.builder.serve_connection(io, TowerToHyperService::new(service)));
        let mut overdue = pin!(activity.overdue(&self.limits));
        let mut is_draining = false;
        loop {
            tokio::select! {
                biased;
                () = self.abort.cancelled() => return,
                () = activity.gives_way.cancelled() => return,
                () = self.drain.cancelled(), if !is_draining => {
                    is_draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                ended = connection.as_mut() => {
                    if let Err(error) = ended {
                        // The client's doing: it went away, or sent what is no HTTP.
                        tracing::debug!("a connection ended: {error}");
                    }
                    return;
                }
                () = overdue.as_mut() => return,
            }
        }
    }

    /// Waits until all connections have ended.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// The next connection, set up.
async fn accept_one(listener: &TcpListener) -> io::Result<(TcpStream, IpAddr)> {
    let (stream, peer) = listener.accept().await?;
    // Otherwise the second part of an answer waits 40 ms for the client's acknowledgement of the first.
    stream.set_nodelay(true)?;
    Ok((stream, peer.ip()))
}

/// The places for connections.
struct Places {
    cap: usize,
    /// In the order in which they were accepted.
    taken: Mutex<BTreeMap<u64, Arc<Activity>>>,
}

/// The place of one connection, until it is dropped.
struct Place {
    places: Arc<Places>,
    number: u64,
    activity: Arc<Activity>,
}

impl Places {
    fn new(cap: usize) -> Self {
        Self { cap, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Activity>>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a new connection, and whether all were taken. Then the oldest connection without an authenticated
    /// request gives way, one on which nothing is answered first; without one there is no place.
    fn take(self: &Arc<Self>) -> (Option<Place>, bool) {
        let mut taken = self.taken();
        let is_full = taken.len() >= self.cap;
        if is_full {
            let unknown = taken.iter().map(|(number, activity)| (activity.standing(), *number));
            let unknown = unknown.filter(|((is_authenticated, _), _)| !is_authenticated);
            let Some((_, number)) = unknown.min() else { return (None, true) };
            if let Some(activity) = taken.remove(&number) {
                activity.gives_way.cancel();
            }
        }
        let number = taken.last_key_value().map_or(0, |(last, _)| last + 1);
        let activity = Arc::new(Activity::new());
        taken.insert(number, Arc::clone(&activity));
        (Some(Place { places: Arc::clone(self), number, activity }), is_full)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        // One that gave way may have left its number to another one.
        if taken.get(&self.number).is_some_and(|activity| Arc::ptr_eq(activity, &self.activity)) {
            taken.remove(&self.number);
        }
    }
}

/// What a request knows of its connection.
#[derive(Clone)]
pub(crate) struct OfConnection {
    activity: Arc<Activity>,
    /// The address of the other side, which may be a proxy's.
    pub(crate) peer: IpAddr,
}

impl OfConnection {
    /// The connection has carried a request of a known caller.
    pub(crate) fn authenticated(&self) {
        self.activity.times().is_authenticated = true;
    }

    /// Closes the connection, whatever is answered on it: its other side takes nothing any more.
    pub(crate) fn close(&self) {
        self.activity.gives_way.cancel();
    }

    /// Of a connection that nobody serves.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        Self { activity: Arc::new(Activity::new()), peer: IpAddr::from([127, 0, 0, 1]) }
    }

    /// Whether it is to be closed.
    #[cfg(test)]
    pub(crate) fn is_closed(&self) -> bool {
        self.activity.gives_way.is_cancelled()
    }
}

/// What happens on one connection.
struct Activity {
    times: Mutex<Times>,
    /// Cancelled when it is closed in favour of another one.
    gives_way: CancellationToken,
}

struct Times {
    /// Requests that are answered now.
    open: usize,
    /// When it was accepted, or when the last request ended.
    since: Instant,
    /// Whether there was a request of a known caller.
    is_authenticated: bool,
    /// When the first byte after the last request arrived.
    head: Option<Instant>,
}

impl Activity {
    fn new() -> Self {
        let times = Times { open: 0, since: Instant::now(), is_authenticated: false, head: None };
        Self { times: Mutex::new(times), gives_way: CancellationToken::new() }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it has carried a request of a known caller, and whether a request is answered on it.
    fn standing(&self) -> (bool, bool) {
        let times = self.times();
        (times.is_authenticated, times.open > 0)
    }

    fn read(&self) {
        let mut times = self.times();
        if times.open == 0 && times.head.is_none() {
            times.head = Some(Instant::now());
        }
    }

    fn begin(self: &Arc<Self>) -> OpenRequest {
        let mut times = self.times();
        times.open += 1;
        times.head = None;
        OpenRequest(Arc::clone(self))
    }

    /// When the connection is to be closed, unless something happens.
    fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let times = self.times();
        match times.head {
            _ if times.open > 0 => None,
            Some(begun) => Some(begun + limits.head_time),
            None if times.is_authenticated => Some(times.since + limits.idle_time),
            None => Some(times.since + limits.head_time),
        }
    }

    /// Waits until the connection is to be closed.
    async fn overdue(&self, limits: &Limits) {
        // Looking now and then is cheaper than to be woken by every byte.
        let pause = (limits.head_time / 2).max(Duration::from_millis(10));
        loop {
            let now = Instant::now();
            match self.deadline(limits) {
                Some(deadline) if deadline <= now => return,
                Some(deadline) => tokio::time::sleep_until(deadline.min(now + pause)).await,
                None => tokio::time::sleep(pause).await,
            }
        }
    }
}

/// A request that is answered now.
struct OpenRequest(Arc<Activity>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        let mut times = self.0.times();
        times.open = times.open.saturating_sub(1);
        times.since = Instant::now();
    }
}

/// `response`, which holds `held` until it has been sent or its client is gone.
pub(crate) fn holding<T: Send + 'static>(response: Response, held: T) -> Response {
    response.map(|body| {
        Body::new(body.map_err(move |error| {
            // Named only to be owned by the body.
            let _ = &held;
            error
        }))
    })
}

/// Answers the requests of one connection.
#[derive(Clone)]
struct Tracked {
    router: Router,
    of: OfConnection,
    metrics: Metrics,
}

impl<B> Service<Request<B>> for Tracked
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Service::<Request<B>>::poll_ready(&mut self.router, context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let open = self.of.activity.begin();
        request.extensions_mut().insert(self.of.clone());
        let metrics = self.metrics.clone();
        let answer = self.router.call(request);
        Box::pin(async move {
            let response = answer.await?;
            metrics.answered(response.status());
            Ok(holding(response, open))
        })
    }
}

/// A socket of which the reads are noted.
struct Watched {
    stream: TcpStream,
    activity: Arc<Activity>,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.read();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn accepted_sockets_send_at_once() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (accepted, client) = tokio::join!(accept_one(&listener), TcpStream::connect(address));
        assert!(accepted.unwrap().0.nodelay().unwrap());
        drop(client.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_closed_when_it_is_slow_or_idle_and_not_while_it_is_answered() {
        let limits = Limits { head_time: Duration::from_secs(10), ..Limits::default() };
        let activity = Arc::new(Activity::new());
        let due = |activity: &Activity| activity.deadline(&limits).map(|deadline| deadline - Instant::now());
        assert_eq!(due(&activity), Some(limits.head_time), "no byte yet");
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.read();
        tokio::time::advance(Duration::from_secs(4)).await;
        activity.read();
        let left = Duration::from_secs(10 - 4);
        assert_eq!(due(&activity), Some(left), "more bytes give no more time");
        let (first, second) = (activity.begin(), activity.begin());
        activity.read();
        drop(first);
        assert_eq!(due(&activity), None, "one request is still answered");
        drop(second);
        assert_eq!(due(&activity), Some(limits.head_time), "nobody has shown a token");
        OfConnection { activity: Arc::clone(&activity), ..OfConnection::alone() }.authenticated();
        assert_eq!(due(&activity), Some(limits.idle_time));
        activity.read();
        assert_eq!(due(&activity), Some(limits.head_time), "the next head has begun");
        let begun = Instant::now();
        activity.overdue(&limits).await;
        assert_eq!(begun.elapsed(), limits.head_time);
    }

    #[test]
    fn at_the_cap_the_oldest_unknown_connection_gives_way() {
        let places = Arc::new(Places::new(3));
        let known = |place: &Place| {
            OfConnection { activity: Arc::clone(&place.activity), ..OfConnection::alone() }.authenticated();
        };
        let take = || places.take();
        let (first, second, third) = (take().0.unwrap(), take().0.unwrap(), take().0.unwrap());
        known(&first);
        let open = second.activity.begin();
        let (fourth, is_full) = take();
        let fourth = fourth.unwrap();
        assert!(is_full && third.activity.gives_way.is_cancelled(), "the one on which nothing is answered");
        assert!(!second.activity.gives_way.is_cancelled() && !first.activity.gives_way.is_cancelled());
        known(&fourth);
        let fifth = take().0.unwrap();
        assert!(second.activity.gives_way.is_cancelled(), "although something is answered there");
        known(&fifth);
        drop((open, second, third));
        let (none, is_full) = take();
        assert!(none.is_none() && is_full, "all are known");
        assert_eq!(places.taken().len(), 3);
        drop(first);
        assert!(take().0.is_some());
    }
}
