//! A clock that records its waits, and a server that misbehaves on request.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{CONNECTION, UPGRADE};
use http::{HeaderValue, Method};
use jiff::Timestamp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use url::Url;

use crate::clock::{Clock, ClockSource};
use crate::http::{Call, Http, HttpSettings};
use crate::redact::Redactor;
use crate::service::Service;

/// The answer of a service that changes the protocol.
pub(crate) const UPGRADED: &str =
    "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";

/// A request for another protocol.
pub(crate) fn to_upgrade(url: &str) -> Call {
    Call::new(Service::Slack, "open", Method::GET, url.parse().unwrap())
        .header(CONNECTION, HeaderValue::from_static("Upgrade"))
        .header(UPGRADE, HeaderValue::from_static("websocket"))
}

pub(crate) const NOW: &str = "2026-07-01T10:00:00Z";

/// Always [`NOW`], with the smallest jitter; it records waits instead of waiting.
#[derive(Default)]
pub(crate) struct NotingClock {
    waits: Mutex<Vec<Duration>>,
    at_first_wait: Mutex<Option<BoxFuture<'static, ()>>>,
}

impl NotingClock {
    pub(crate) fn waits(&self) -> Vec<Duration> {
        self.waits.lock().unwrap().clone()
    }

    pub(crate) fn at_first_wait(&self, action: impl Future<Output = ()> + Send + 'static) {
        *self.at_first_wait.lock().unwrap() = Some(Box::pin(action));
    }
}

impl ClockSource for NotingClock {
    fn now(&self) -> Timestamp {
        NOW.parse().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.waits.lock().unwrap().push(duration);
        self.at_first_wait.lock().unwrap().take().unwrap_or_else(|| Box::pin(std::future::ready(())))
    }

    fn random(&self) -> f64 {
        0.0
    }
}

/// A stack with `settings` and a [`NotingClock`].
pub(crate) fn stack(settings: HttpSettings) -> (Http, Arc<NotingClock>) {
    let clock = Arc::new(NotingClock::default());
    let source: Arc<dyn ClockSource> = clock.clone();
    (Http::new(settings, Clock::new(source), Redactor::default()).unwrap(), clock)
}

/// What the server does with one connection.
#[derive(Clone)]
pub(crate) enum Act {
    /// Reads the request and answers with these bytes.
    Answer(&'static str),
    /// Reads the request and closes the connection: a service that acted and whose answer was lost.
    DropAfterReading,
    /// Reads the request and never answers.
    Hang,
    /// Reads the request, answers with these bytes and then keeps the connection open without the rest.
    AnswerAndHang(&'static str),
}

pub(crate) struct Server {
    pub(crate) url: Url,
    requests: Arc<AtomicUsize>,
}

impl Server {
    /// Performs one act per connection, in order; the last one for all further connections.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), acts)
    }

    pub(crate) fn on(listener: TcpListener, acts: impl IntoIterator<Item = Act>) -> Self {
        let url = format!("http://{}/path", listener.local_addr().unwrap()).parse().unwrap();
        let requests = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&requests);
        let mut acts: VecDeque<Act> = acts.into_iter().collect();
        tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                counter.fetch_add(1, Ordering::SeqCst);
                let act = if acts.len() > 1 { acts.pop_front() } else { acts.front().cloned() };
                match act.unwrap() {
                    Act::Answer(bytes) => stream.write_all(bytes.as_bytes()).await.unwrap(),
                    Act::DropAfterReading => {}
                    Act::Hang => held.push(stream),
                    Act::AnswerAndHang(bytes) => {
                        stream.write_all(bytes.as_bytes()).await.unwrap();
                        held.push(stream);
                    }
                }
            }
        });
        Self { url, requests }
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

/// Answers with `body` once two requests are open at the same time, and records the largest number of open
/// requests.
pub(crate) async fn pairing_server(body: &'static str) -> (Url, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let most = Arc::new(AtomicUsize::new(0));
    let noted = Arc::clone(&most);
    let present = Arc::new(AtomicUsize::new(0));
    let pair = Arc::new(Barrier::new(2));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (most, present, pair) = (Arc::clone(&most), Arc::clone(&present), Arc::clone(&pair));
            tokio::spawn(async move {
                read_request(&mut stream).await;
                most.fetch_max(present.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                pair.wait().await;
                present.fetch_sub(1, Ordering::SeqCst);
                let length = body.len();
                let answer =
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.unwrap();
            });
        }
    });
    (url, noted)
}

/// Reads a head and as many bytes of body as its `content-length` says.
pub(crate) async fn read_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let head = String::from_utf8_lossy(&seen).to_lowercase();
        if let Some((head, body)) = head.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length:"))
                .map_or(0, |length| length.trim().parse().unwrap());
            if body.len() >= length {
                return;
            }
        }
        let count = stream.read(&mut chunk).await.unwrap();
        assert_ne!(count, 0, "the client closed before its request was complete");
        seen.extend_from_slice(&chunk[..count]);
    }
}
