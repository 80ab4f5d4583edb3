//! The MCP server under load, with a compiled client for both eras: `bench mcp [SECONDS]`, where the seconds are those after which its
//! memory is taken, or for another server that runs already `bench mcp SECONDS URL TOOL ARGUMENTS`, such as the Python tooling's.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use end_to_end::mcp::{self, Client, Connection, Era, PATH, Server};
use end_to_end::{Harness, KONFLUX};
use serde_json::{Value, json};

use super::row;

/// Clients at the same time.
const CLIENTS: [usize; 2] = [1, 16];
/// How long each rate is measured, in seconds.
const RATE: u64 = 5;
/// How often the start is measured.
const STARTS: usize = 15;
/// Sessions that nobody ends, and connections that nobody uses.
const ABANDONED: usize = 10_000;

/// The limit of requests of a caller is for people and their agents, not for this.
pub(super) const UNLIMITED: [&str; 2] = ["--requests-per-minute", "100000000"];

/// What is called: the cached metadata of a release.
pub(super) const TOOL: &str = "oar_get_release_metadata";

pub(super) fn measure(arguments: &[String]) {
    let seconds = arguments.first().and_then(|seconds| seconds.parse().ok()).unwrap_or(RATE);
    let limit = Duration::from_secs(seconds);
    if let [_, url, tool, parameters] = arguments {
        let address = url.trim_start_matches("http://").split('/').next().and_then(|text| text.parse().ok());
        let Some(address) = address else { return println!("no address in {url}") };
        let parameters = serde_json::from_str(parameters).unwrap_or_else(|_| json!({}));
        for era in Era::ALL {
            for clients in CLIENTS {
                load(address, None, era, clients, limit, tool, &parameters, None);
            }
        }
        return;
    }
    println!("\n{:<58} {:>9} {:>9} {:>9}", "MCP server", "minimum", "median", "maximum");
    let harness = Harness::announced(KONFLUX);
    let starts: Vec<f64> = (0..STARTS)
        .map(|_| {
            let started = Instant::now();
            let server = Server::start(&harness, &[]);
            server.get("/livez");
            let elapsed = started.elapsed();
            drop(server);
            elapsed.as_secs_f64() * 1000.0
        })
        .collect();
    row("start to first answer (ms)", &starts);
    let server = Server::start(&harness, &UNLIMITED);
    println!("{:<58} {:>9.1} MB", "memory at start", server.usage().0);
    let parameters = json!({"release": KONFLUX});
    for era in Era::ALL {
        for clients in CLIENTS {
            load(
                server.address(),
                None,
                era,
                clients,
                Duration::from_secs(RATE),
                TOOL,
                &parameters,
                Some(&server),
            );
        }
    }
    std::thread::scope(|scope| {
        for era in Era::ALL {
            let half = CLIENTS.into_iter().max().unwrap_or_default() / Era::ALL.len();
            let (address, parameters) = (server.address(), &parameters);
            scope.spawn(move || load(address, None, era, half, limit, TOOL, parameters, None));
        }
    });
    let name = format!("memory after these clients of both eras, {seconds} s");
    println!("{name:<58} {:>9.1} MB", server.usage().0);
    by_python(&server, &parameters);
    streamed(&server);
    beside_what_hangs(Duration::from_secs(RATE));
    abandoned(&server);
}

/// One client's calls until it is told to stop: how long each took, and how many were refused.
fn calls(
    address: SocketAddr,
    token: Option<&str>,
    era: Era,
    tool: &str,
    parameters: &Value,
    stop: &AtomicBool,
) -> io::Result<(Vec<u32>, usize)> {
    // The handshake of a session, and what each request says of itself.
    let mut client = Client::new(address, era, token).connected();
    let message = client.message("tools/call", json!({"name": tool, "arguments": parameters}));
    let headers = client.headers(&message);
    let headers: Vec<(&str, &str)> =
        headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut connection = Connection::open(address)?;
    let (mut times, mut refused, mut id) = (Vec::with_capacity(1 << 16), 0, 10_u64);
    let mut message = message;
    message["id"] = "ID".into();
    let template = message.to_string();
    while !stop.load(Ordering::Relaxed) {
        id += 1;
        let body = template.replacen("\"ID\"", &id.to_string(), 1);
        let started = Instant::now();
        let reply = connection.ask("POST", PATH, &headers, &body)?;
        let elapsed = started.elapsed();
        if reply.head.status == 200 && reply.body.contains("\"result\"") {
            times.push(u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX));
        } else {
            refused += 1;
        }
    }
    Ok((times, refused))
}

#[expect(clippy::too_many_arguments, reason = "what a table row of a benchmark consists of")]
pub(super) fn load(
    address: SocketAddr,
    token: Option<&str>,
    era: Era,
    clients: usize,
    limit: Duration,
    tool: &str,
    parameters: &Value,
    server: Option<&Server>,
) {
    let stop = AtomicBool::new(false);
    let before = server.map(Server::usage);
    let started = Instant::now();
    let (mut times, mut refused, mut failed) = (Vec::new(), 0, None);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..clients)
            .map(|_| scope.spawn(|| calls(address, token, era, tool, parameters, &stop)))
            .collect();
        std::thread::sleep(limit);
        stop.store(true, Ordering::Relaxed);
        for thread in threads {
            match thread.join() {
                Ok(Ok((own, others))) => {
                    times.extend(own);
                    refused += others;
                }
                Ok(Err(error)) => failed = Some(error.to_string()),
                Err(_) => failed = Some("a client has panicked".to_owned()),
            }
        }
    });
    let elapsed = started.elapsed();
    times.sort_unstable();
    let name = format!("{era:?}, {clients:>2} client(s)");
    if times.is_empty() {
        return println!("{name:<58} no answers ({refused} refused): {}", failed.unwrap_or_default());
    }
    let count = f64::from(u32::try_from(times.len()).unwrap_or(u32::MAX));
    let at = |part: usize| times.get(times.len() * part / 1000).copied().unwrap_or_default();
    let cost = before.zip(server.map(Server::usage)).map_or(f64::NAN, |(before, after)| {
        (after.1.saturating_sub(before.1)).as_secs_f64() * 1000.0 / count
    });
    println!(
        "{name:<30} {:>9.0} calls/s, p50 {:>7.2} ms, p99 {:>7.2} ms, {cost:.3} ms of processor a call{}",
        count / elapsed.as_secs_f64(),
        f64::from(at(500)) / 1000.0,
        f64::from(at(990)) / 1000.0,
        if refused > 0 { format!(", {refused} refused") } else { String::new() }
    );
    if let Some(why) = failed {
        println!("  {why}");
    }
}

/// The same load by the official client for Python, where it is installed (`make deps`): it is slower than the server.
fn by_python(server: &Server, parameters: &Value) {
    let clients = CLIENTS.into_iter().max().unwrap_or_default();
    let name = format!("Python (mcp 1.x), {clients} client(s)");
    if !end_to_end::root().join(".venv/mcp/mcp1").exists() {
        return println!("{name:<58} not installed");
    }
    let mut command = mcp::outside("mcp1/bin/python");
    command.arg(end_to_end::root().join("tests/mcp/load.py")).env("MCP_URL", server.url());
    command.env("MCP_LOAD", json!([TOOL, parameters, clients, RATE]).to_string());
    let before = server.usage().1;
    let run = match command.output() {
        Ok(run) => run,
        Err(error) => return println!("{name:<58} cannot be started: {error}"),
    };
    let numbers: Value = serde_json::from_slice(&run.stdout).unwrap_or_default();
    let number = |key: &str| numbers[key].as_f64();
    let (Some(rate), Some(p50), Some(p99)) = (number("rate"), number("p50"), number("p99")) else {
        return println!("{name:<58} no answers: {}", String::from_utf8_lossy(&run.stderr));
    };
    let calls = rate * Duration::from_secs(RATE).as_secs_f64();
    let cost = (server.usage().1.saturating_sub(before)).as_secs_f64() * 1000.0 / calls;
    println!(
        "{name:<30} {rate:>9.0} calls/s, p50 {p50:>7.2} ms, p99 {p99:>7.2} ms, {cost:.3} ms of processor a call"
    );
}

/// Calls whose answer is a stream, one after the other: where a socket waits before it sends, each takes 40 ms.
fn streamed(server: &Server) {
    let mut client = Client::new(server.address(), Era::Legacy, None).connected();
    let call = json!({"name": TOOL, "arguments": {"release": KONFLUX}, "_meta": {"progressToken": "1"}});
    let times: Vec<f64> = (0..200)
        .map(|_| {
            let started = Instant::now();
            client.request("tools/call", call.clone());
            started.elapsed().as_secs_f64() * 1000.0
        })
        .collect();
    row("one streamed call (ms)", &times);
}

/// The same load while all the calls that another caller may have hang at a service.
fn beside_what_hangs(limit: Duration) {
    let harness = mcp::with_usual_callers(Harness::announced(KONFLUX));
    let server = Server::start_beside(&harness, &UNLIMITED, &mcp::Silent::start());
    let mut client = Client::new(server.address(), Era::Modern, Some(&mcp::token("daily")));
    // A caller's calls at the same time, and those of it that wait.
    let hanging: Vec<_> = (0..24)
        .map(|_| {
            let call =
                json!({"name": "oar_is_release_shipped", "arguments": {"release": end_to_end::ERRATA}});
            client.begin("tools/call", call)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(1));
    println!("with {} calls that hang:", hanging.len());
    let (lead, parameters) = (mcp::token("lead"), json!({"release": KONFLUX}));
    load(server.address(), Some(&lead), Era::Modern, 16, limit, TOOL, &parameters, Some(&server));
}

/// Sessions that nobody ends and connections that nobody uses: both are capped.
fn abandoned(server: &Server) {
    let before = server.usage().0;
    let mut opened = 0;
    for _ in 0..ABANDONED {
        let mut client = Client::new(server.address(), Era::Legacy, None);
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| client.initialize().status));
        opened += usize::from(status.is_ok_and(|status| status == 200));
    }
    let after = server.usage().0;
    println!("{ABANDONED} sessions begun and abandoned: {opened} taken, {:+.1} MB", after - before);
    let (mut kept, before) = (Vec::new(), server.usage().0);
    for _ in 0..ABANDONED {
        // This process may not have so many open at once; the server closes those past its cap at once.
        if let Ok(connection) = Connection::open(server.address()) {
            kept.push(connection);
            if kept.len() > 800 {
                kept.clear();
            }
        }
    }
    let after = server.usage().0;
    println!(
        "{ABANDONED} connections without a word: {} files open, {:+.1} MB",
        server.open_files(),
        after - before
    );
}
