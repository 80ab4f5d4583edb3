//! The dashboard: how long a first page takes, and what two hundred viewers cost the server and its callers:
//! `bench dashboard [SECONDS]`.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use end_to_end::mcp::{self, Connection, Era, Events, Server, until};
use end_to_end::{Harness, KONFLUX, many_releases};
use serde_json::{Value, json};

use super::mcp::{TOOL, UNLIMITED, load};
use super::row;

/// How many releases there are, and how many people look at once.
const RELEASES: usize = 14;
const VIEWERS: usize = 200;
/// How often a first page is made, each after another change.
const PAGES: u32 = 10;
/// The header of the proxy that signs viewers in.
const USER: &str = "X-Forwarded-User";
/// How often a release changes while they look.
const CHANGE: Duration = Duration::from_secs(2);
/// Within which time browsers read a page that has changed, as the script of the pages does.
const SPREAD: Duration = Duration::from_millis(450);

pub(super) fn measure(arguments: &[String]) {
    let seconds = arguments.first().and_then(|seconds| seconds.parse().ok()).unwrap_or(10);
    let limit = Duration::from_secs(seconds);
    println!("\n{:<58} {:>9} {:>9} {:>9}", "dashboard", "minimum", "median", "maximum");
    let harness = mcp::with_usual_callers(many_releases::fourteen());
    let options = ["--poll", "1", "--user-header", USER, "--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&harness, &[&UNLIMITED[..], &options[..]].concat());
    until("every plan is made", || {
        let reply = server_page(&server, "/releases.json", "first");
        let releases = serde_json::from_str::<Value>(&reply.ok()?.0).ok()?;
        let rows = releases["releases"].as_array()?;
        (rows.len() == RELEASES && rows.iter().all(|row| !row["asked"].is_null())).then_some(())
    });
    first_pages(&harness, &server);
    let (lead, parameters) = (mcp::token("lead"), json!({"release": KONFLUX}));
    let calls =
        || load(server.address(), Some(&lead), Era::Modern, 1, limit, TOOL, &parameters, Some(&server));
    println!("tool calls without viewers:");
    calls();
    with_viewers(&harness, &server, || {
        println!("tool calls with {VIEWERS} viewers, a change every {} s:", CHANGE.as_secs());
        calls();
    });
    println!("tool calls without viewers, again:");
    calls();
    println!("  the goal: no slower with viewers than without");
}

fn server_page(server: &Server, path: &str, name: &str) -> io::Result<(String, usize)> {
    let mut connection = Connection::open(server.address())?;
    page(&mut connection, path, name, "identity")
}

/// A page, and how many bytes its body has on the wire.
fn page(connection: &mut Connection, path: &str, name: &str, coding: &str) -> io::Result<(String, usize)> {
    let headers = [(USER, name), ("Accept", "text/html"), ("Accept-Encoding", coding)];
    connection.send("GET", path, &headers, "")?;
    let head = connection.head()?;
    let mut body = Vec::new();
    while let Some(part) = connection.part()? {
        body.extend(part);
    }
    if head.status != 200 {
        return Err(io::Error::other(format!("{path} answers {}", head.status)));
    }
    let size = body.len();
    Ok((String::from_utf8_lossy(&body).into_owned(), size))
}

/// Pages that were not made before: each is the first one after a change.
fn first_pages(harness: &Harness, server: &Server) {
    let (mut times, mut size) = (Vec::new(), 0);
    let text = harness.statebox(KONFLUX).unwrap_or_default();
    let made = Connection::open(server.address()).and_then(|mut connection| {
        let (mut stream, mut events) = (stream(server.address(), 0)?, Events::default());
        for number in 0..PAGES {
            harness.put_statebox(KONFLUX, &with_issue(&text, 1000 + number));
            let is_changed = |event: &String| event.contains("\"/\"");
            while let Some(part) = stream.part()?
                && !events.add(&part).iter().any(is_changed)
            {}
            let started = Instant::now();
            let (_, bytes) = page(&mut connection, "/", "viewer 0", "gzip")?;
            times.push(started.elapsed().as_secs_f64() * 1000.0);
            size = size.max(bytes);
        }
        Ok(())
    });
    harness.put_statebox(KONFLUX, &text);
    if let Err(error) = made {
        println!("first page: not measured: {error}");
        return;
    }
    let whole = server_page(server, "/", "first").map_or(0, |(_, bytes)| bytes);
    let sizes = format!("{:.1} KB on the wire, {:.0} KB unpacked", kilobytes(size), kilobytes(whole));
    row(&format!("first page of {RELEASES} releases (ms)"), &times);
    println!("  {sizes}");
    println!("  the goal: 20 ms at the server, 60 KB on the wire");
}

fn kilobytes(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1024.0
}

/// What the viewers saw.
#[derive(Default)]
struct Seen {
    heard: AtomicUsize,
    pages: Mutex<Vec<f64>>,
    failed: AtomicUsize,
}

/// Does `work` while viewers look at releases that change, and says what they cost.
fn with_viewers(harness: &Harness, server: &Server, work: impl FnOnce()) {
    let before = server.usage().0;
    let (seen, stop) = (Seen::default(), AtomicBool::new(false));
    let mut streams = Vec::new();
    for number in 0..VIEWERS {
        match stream(server.address(), number) {
            Ok(stream) => streams.push(stream),
            Err(error) => return println!("viewer {number} cannot look: {error}"),
        }
    }
    let handles: Vec<_> = streams.iter().filter_map(|stream| stream.handle().ok()).collect();
    let memory = Mutex::new(server.usage().0);
    std::thread::scope(|scope| {
        for (number, stream) in streams.into_iter().enumerate() {
            let (seen, address) = (&seen, server.address());
            scope.spawn(move || look(stream, address, number, seen));
        }
        scope.spawn(|| {
            let text = harness.statebox(KONFLUX).unwrap_or_default();
            let (mut number, mut last) = (0, Instant::now());
            while !stop.load(Ordering::Relaxed) {
                if last.elapsed() >= CHANGE {
                    (number, last) = (number + 1, Instant::now());
                    harness.put_statebox(KONFLUX, &with_issue(&text, number));
                }
                let mut most = memory.lock().unwrap_or_else(PoisonError::into_inner);
                *most = most.max(server.usage().0);
                drop(most);
                std::thread::sleep(Duration::from_millis(200));
            }
            harness.put_statebox(KONFLUX, &text);
        });
        work();
        stop.store(true, Ordering::Relaxed);
        for handle in handles {
            // One that is closed already is as it should be.
            let _ = handle.shutdown(std::net::Shutdown::Both);
        }
    });
    let most = memory.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{:<58} {before:>9.1} MB without, {most:.1} MB at most",
        format!("resident memory with {VIEWERS} viewers")
    );
    println!("  the goal: below 50 MB");
    row(
        &format!("a page after a change, read by {VIEWERS} viewers (ms)"),
        &seen.pages.into_inner().unwrap_or_else(PoisonError::into_inner),
    );
    let (heard, failed) = (seen.heard.into_inner(), seen.failed.into_inner());
    println!("  {heard} changes heard, {failed} viewers that failed");
}

/// `text` with one issue, another one for each number.
fn with_issue(text: &str, number: u32) -> String {
    let issue = format!(
        "\nissues:\n- issue: change {number}\n  reported_at: '2026-11-01T00:00:00Z'\n  resolved: false\n  resolution: null\n  \
         blocker: false\n  related_tasks: []\n"
    );
    text.replacen("\nissues: []\n", "\nissues:\n", 1).replacen("\nissues:\n", &issue, 1)
}

/// The stream of changes of one viewer, whose head was read.
fn stream(address: SocketAddr, number: usize) -> io::Result<Connection> {
    let mut connection = Connection::open(address)?;
    connection.send("GET", "/events", &[(USER, &format!("viewer {number}"))], "")?;
    let head = connection.head()?;
    if head.is_stream() { Ok(connection) } else { Err(io::Error::other(format!("answer {}", head.status))) }
}

/// Reads the page whenever it has changed, until the stream is closed.
fn look(mut stream: Connection, address: SocketAddr, number: usize, seen: &Seen) {
    let (mut events, mut pages, name) = (Events::default(), None, format!("viewer {number}"));
    let pause = SPREAD * u32::try_from(number).unwrap_or_default() / u32::try_from(VIEWERS).unwrap_or(1);
    while let Ok(Some(part)) = stream.part() {
        let concerns = |event: &String| event.contains("\"/\"") || event.contains("\"*\"");
        if !events.add(&part).iter().any(concerns) {
            continue;
        }
        seen.heard.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(pause);
        let started = Instant::now();
        let kept = pages.take().map_or_else(|| Connection::open(address), Ok);
        let read = kept.and_then(|mut connection| {
            page(&mut connection, "/", &name, "gzip")?;
            Ok(connection)
        });
        match read {
            Ok(connection) => {
                pages = Some(connection);
                let took = started.elapsed().as_secs_f64() * 1000.0;
                seen.pages.lock().unwrap_or_else(PoisonError::into_inner).push(took);
            }
            Err(_) => {
                seen.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
