//! `release-tests mcp` as whoever reaches it sees it: what is refused at the door, the pages beside MCP, its end, and standard input.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::time::{Duration, Instant};

use end_to_end::mcp::{
    self, Answer, Client, Connection, Era, LEGACY, MODERN, PATH, Pipes, Server, Stream, until,
};
use end_to_end::{Fault, FaultKind, Harness, KONFLUX, LEAD, RecordedRequest, Run};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const ACCEPT: (&str, &str) = ("Accept", "application/json, text/event-stream");

fn guarded() -> (Harness, Server) {
    let harness = mcp::with_usual_callers(Harness::announced(KONFLUX));
    harness.sandbox.clear_requests();
    let server = Server::start(&harness, &[]);
    (harness, server)
}

/// What becomes of a modern request for the tools with these headers beside it.
fn listed(server: &Server, caller: Option<&str>, headers: &[(&str, &str)]) -> (mcp::Reply, Answer) {
    let token = caller.map(mcp::token);
    let mut client = Client::new(server.address(), Era::Modern, token.as_deref());
    let message = client.message("tools/list", json!({}));
    let own = client.headers(&message);
    let mut all: Vec<(&str, &str)> =
        own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend(headers);
    let reply = Connection::open(server.address()).unwrap().ask("POST", PATH, &all, &message.to_string());
    let reply = reply.unwrap();
    let answer = Answer { status: reply.head.status, message: reply.json(), ..Answer::default() };
    (reply, answer)
}

#[test]
fn a_foreign_host_or_origin_is_refused_each_alone() {
    let (harness, server) = guarded();
    let own = server.address().to_string();
    for (headers, status) in [
        (vec![], 200),
        (vec![("Host", own.as_str())], 200),
        // A name of the attacker's that leads to this machine.
        (vec![("Host", "attacker.example.com")], 403),
        (vec![("Host", "attacker.example.com:8000"), ("Origin", "http://attacker.example.com:8000")], 403),
        // The browser of somebody here, on a page of the attacker's.
        (vec![("Origin", "http://attacker.example.com")], 403),
        (vec![("Origin", "https://127.0.0.1.attacker.example.com")], 403),
        (vec![("Origin", "null")], 403),
    ] {
        let (reply, _) = listed(&server, Some("lead"), &headers);
        assert_eq!(reply.head.status, status, "{headers:?}: {reply:?}");
        assert!(reply.head.header("access-control-allow-origin").is_none_or(|origin| origin != "*"));
    }
    drop(server);
    let options = ["--host", "mcp.example.com", "--origin", "https://desk.example.com"];
    let server = Server::start(&harness, &options);
    for (headers, status) in [
        (vec![("Host", "mcp.example.com"), ("Origin", "https://desk.example.com")], 200),
        (vec![("Host", "mcp.example.com"), ("Origin", "http://desk.example.com")], 403),
        (vec![("Host", "other.example.com"), ("Origin", "https://desk.example.com")], 403),
    ] {
        let (reply, _) = listed(&server, Some("lead"), &headers);
        assert_eq!(reply.head.status, status, "{headers:?}: {reply:?}");
    }
    server.stopped();
    assert!(harness.sandbox.requests().iter().all(|request| !request.is_write()));
}

#[test]
fn without_a_good_token_nothing_is_said_but_where_to_get_one() {
    let harness = Harness::announced(KONFLUX);
    let mut expired = mcp::caller("expired", &mcp::SCOPES, "reference");
    expired["expires"] = "2020-01-01".into();
    let callers = json!({"lead": mcp::caller("lead", &mcp::SCOPES, "reference"), "expired": expired});
    let harness = mcp::with_callers(harness, &callers);
    let server = Server::start(&harness, &[]);
    for caller in [None, Some("somebody else"), Some("expired")] {
        let (reply, answer) = listed(&server, caller, &[]);
        assert_eq!(reply.head.status, 401, "{caller:?}: {reply:?}");
        let challenge = reply.head.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Bearer ") && challenge.contains("resource_metadata="), "{challenge}");
        assert_eq!(challenge.contains("invalid_token"), caller.is_some(), "{challenge}");
        assert!(answer.message.get("result").is_none(), "{reply:?}");
        let mut legacy = Client::new(server.address(), Era::Legacy, caller.map(mcp::token).as_deref());
        assert_eq!(legacy.initialize().status, 401, "{caller:?}");
        assert_eq!(legacy.session(), None);
    }
    // In the address, in another scheme, with another one beside it.
    let lead = mcp::token("lead");
    let basic = format!("Basic {lead}");
    let (reply, _) = listed(&server, None, &[("Authorization", &basic)]);
    assert_eq!(reply.head.status, 401);
    let path = format!("{PATH}?access_token={lead}");
    let reply =
        Connection::open(server.address()).unwrap().ask("POST", &path, &[JSON, ACCEPT], "{}").unwrap();
    assert_eq!(reply.head.status, 401, "{reply:?}");
    let (reply, _) = listed(&server, Some("lead"), &[]);
    assert_eq!(reply.head.status, 200);
    for path in ["/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/mcp"] {
        let page = server.get(path);
        assert_eq!(page.head.status, 200, "{path}");
        let page = page.json();
        assert!(page["resource"].as_str().unwrap().ends_with(PATH), "{page}");
        let scopes = page["scopes_supported"].as_array().unwrap();
        assert!(scopes.contains(&json!("release:critical")), "{page}");
        assert_eq!(page["bearer_methods_supported"], json!(["header"]), "{page}");
    }
    let log = server.stopped().stderr;
    assert!(!log.contains(&lead), "a token stands in the log:\n{log}");
}

/// Whatever form the refusal has: nothing was done.
#[track_caller]
fn assert_refused(answer: &Answer, what: &str) {
    let refused = answer.status == 403 || answer.error().is_some() || answer.is_error();
    assert!(refused, "{what}: {answer:#?}");
}

#[test]
fn a_token_that_is_too_narrow_changes_nothing() {
    let (harness, server) = guarded();
    for era in Era::ALL {
        let mut reader = server.client(era, "reader");
        let names = reader.tool_names();
        assert!(names.iter().any(|name| name == "oar_get_release_status"), "{names:?}");
        for (tool, arguments) in [
            ("oar_take_ownership", json!({"release": KONFLUX, "email": LEAD})),
            ("oar_push_to_cdn_staging", json!({"release": KONFLUX})),
            ("oar_add_issue", json!({"release": KONFLUX, "issue": "stage is down"})),
            (
                "oar_update_task_status",
                json!({"release": KONFLUX, "task_name": "stage-testing", "status": "Pass"}),
            ),
            ("job_run", json!({"job_name": "periodic-ci-x", "payload": "quay.io/x/y:z"})),
            ("oar_run_command", json!({"release": KONFLUX, "command": "push-to-cdn-staging"})),
        ] {
            assert!(!names.iter().any(|name| name == tool), "{tool} is offered to a reader");
            assert_refused(&reader.call(tool, arguments), tool);
        }
    }
    let writes: Vec<String> = harness
        .sandbox
        .requests()
        .iter()
        .filter(|request| request.is_write())
        .map(RecordedRequest::line)
        .collect();
    assert_eq!(writes, Vec::<String>::new());
}

#[test]
fn what_is_too_large_or_no_message_is_refused_and_the_next_one_served() {
    let (_harness, server) = guarded();
    let bearer = format!("Bearer {}", mcp::token("lead"));
    let authorised = [JSON, ACCEPT, ("Authorization", bearer.as_str())];
    let ask = |headers: &[(&str, &str)], body: &str| {
        // A server may answer and close before it has read everything.
        let reply = Connection::open(server.address()).and_then(|mut at| at.ask("POST", PATH, headers, body));
        reply.map_or(0, |reply| reply.head.status)
    };
    let large = format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20));
    let status = ask(&authorised, &large);
    assert!(status == 413 || status == 0, "{status}");
    let status = ask(&[JSON, ACCEPT], &large);
    assert!(matches!(status, 401 | 413 | 0), "{status}");
    let long = "x".repeat(200_000);
    let mut with_long = authorised.to_vec();
    with_long.push(("X-Long", &long));
    let status = ask(&with_long, "{}");
    assert!(matches!(status, 400 | 431 | 0), "{status}");
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "[]", "null", "\u{0}", deep.as_str(), "{\"jsonrpc\":\"2.0\"}"] {
        let status = ask(&authorised, body);
        assert!((400..500).contains(&status), "{}: {status}", &body[..body.len().min(40)]);
    }
    let mut connection = Connection::open(server.address()).unwrap();
    connection.write(b"\x16\x03\x01\x02\x00 no HTTP at all\r\n\r\n").unwrap();
    assert!(connection.is_closed_within(Duration::from_secs(30)));
    assert!(!server.client(Era::Modern, "lead").tools().is_empty());
    let run = server.stopped();
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}

#[test]
fn nobody_is_kept_waiting_by_whoever_says_nothing() {
    let (_harness, server) = guarded();
    let bearer = format!("Bearer {}", mcp::token("lead"));
    let mut half_head = Connection::open(server.address()).unwrap();
    half_head.write(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ").unwrap();
    let mut half_body = Connection::open(server.address()).unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: {bearer}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nContent-Length: 1000\r\n\r\n{{",
        server.address()
    );
    half_body.write(head.as_bytes()).unwrap();
    // Far more than the server keeps.
    let idle: Vec<Connection> = (0..1200).filter_map(|_| Connection::open(server.address()).ok()).collect();
    assert!(idle.len() >= 700, "{}", idle.len());
    // They are still there on this side; whoever has a token is answered nevertheless.
    assert!(!server.client(Era::Modern, "lead").tools().is_empty());
    assert!(server.open_files() < 800, "{} files are open", server.open_files());
    assert!(half_head.is_closed_within(Duration::from_secs(40)), "half a head");
    assert!(half_body.is_closed_within(Duration::from_secs(40)), "half a body");
    assert_eq!(server.get("/livez").head.status, 200);
    drop(idle);
    until("its sockets are closed", || (server.open_files() < 100).then_some(()));
    server.stopped();
}

#[test]
fn only_the_known_paths_lead_anywhere() {
    let (_harness, server) = guarded();
    let bearer = format!("Bearer {}", mcp::token("lead"));
    for path in [
        "/mcp/",
        "/mcp/anything",
        "/mcp/../etc/passwd",
        "/mcp%2f..%2f..%2fetc%2fpasswd",
        "//mcp",
        "/sse",
        "/_sandbox/state/github",
        "/.well-known/oauth-protected-resource/../../etc/passwd",
    ] {
        for method in ["GET", "POST"] {
            let headers = [JSON, ACCEPT, ("Authorization", bearer.as_str())];
            let reply =
                Connection::open(server.address()).unwrap().ask(method, path, &headers, "{}").unwrap();
            assert!(matches!(reply.head.status, 400 | 404 | 405), "{method} {path}: {reply:?}");
            assert!(!reply.body.contains("root:"), "{reply:?}");
        }
    }
    for era in Era::ALL {
        let mut client = server.client(era, "lead");
        for uri in [
            "release://../../../../etc/passwd/state",
            "release://4.19.1/log/../../../etc/passwd",
            "release://4.19.1/log/..%2f..%2fetc%2fpasswd",
            "release://4.19.1/../4.14.60/state",
            "file:///etc/passwd",
            "release://4.19.1/state/\u{0}",
            "release://99.99.99/state",
            "",
        ] {
            let answer = client.request("resources/read", json!({"uri": uri}));
            assert!(answer.error().is_some() || answer.status >= 400, "{uri}: {answer:#?}");
            assert!(!answer.message.to_string().contains("root:"), "{uri}");
        }
        let answer = client.request("resources/read", json!({"uri": format!("release://{KONFLUX}/state")}));
        assert!(answer.message.to_string().contains("schema_version"), "{answer:#?}");
    }
}

#[test]
fn a_session_is_its_caller_s_and_nobody_has_endlessly_many() {
    let (_harness, server) = guarded();
    let mut lead = server.client(Era::Legacy, "lead");
    let session = lead.session().unwrap().to_owned();
    assert!(session.len() >= 32 && session.bytes().all(|byte| (0x21..0x7f).contains(&byte)), "{session}");
    // Another one's token with this session.
    let mut thief = Client::new(server.address(), Era::Legacy, Some(&mcp::token("reader")));
    thief.steal(&session);
    let answer = thief.request("tools/list", json!({}));
    assert_eq!((answer.status, answer.message.get("result")), (404, None), "{answer:#?}");
    assert_eq!(thief.end(), 404);
    let mut unknown = Client::new(server.address(), Era::Legacy, Some(&mcp::token("lead")));
    unknown.steal("no-such-session");
    assert_eq!(unknown.request("tools/list", json!({})).status, 404);
    assert!(!lead.tools().is_empty(), "the owner goes on");
    assert!(matches!(lead.end(), 200 | 202 | 204));
    let mut ended = Client::new(server.address(), Era::Legacy, Some(&mcp::token("lead")));
    ended.steal(&session);
    assert_eq!(ended.request("tools/list", json!({})).status, 404);
    // Sessions that nobody ends.
    let mut statuses = Vec::new();
    for _ in 0..64 {
        let mut client = Client::new(server.address(), Era::Legacy, Some(&mcp::token("daily")));
        statuses.push(client.initialize().status);
    }
    let opened = statuses.iter().filter(|status| **status == 200).count();
    assert!((1..64).contains(&opened), "{statuses:?}");
    assert!(statuses[opened..].iter().all(|status| *status == 429), "{statuses:?}");
    assert!(!server.client(Era::Legacy, "reader").tools().is_empty(), "others have their own");
    assert_eq!(listed(&server, Some("daily"), &[]).0.head.status, 200, "a modern request needs none");
}

#[test]
fn whoever_asks_too_often_is_told_when_to_come_back_and_others_are_served() {
    let (_harness, server) = guarded();
    let mut client = server.client(Era::Modern, "lead");
    let refused = (0..3000).find_map(|_| {
        let answer = client.try_request("tools/list", &json!({})).unwrap();
        (answer.status == 429).then_some(answer)
    });
    let refused = refused.expect("three thousand requests at once are too many");
    assert!(refused.message.get("result").is_none(), "{refused:#?}");
    let (reply, _) = listed(&server, Some("lead"), &[]);
    if reply.head.status == 429 {
        let seconds: u64 = reply.head.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
    }
    assert_eq!(listed(&server, Some("reader"), &[]).0.head.status, 200);
    assert_eq!(server.get("/livez").head.status, 200);
}

#[test]
fn the_pages_say_how_it_is() {
    let (_harness, server) = guarded();
    for path in ["/livez", "/readyz"] {
        assert_eq!(server.get(path).head.status, 200, "{path}");
    }
    server.client(Era::Legacy, "lead").call("mcp_cache_stats", json!({})).result();
    let health = until("the environment was looked at", || {
        let health = server.get("/health");
        health.json()["environment"].is_object().then_some(health)
    });
    let page = health.json();
    for key in [
        "status",
        "server",
        "version",
        "transport",
        "tools",
        "environment",
        "kerberos",
        "cache",
        "thread_pool",
        "timestamp",
    ] {
        assert!(!page[key].is_null(), "{key}: {page:#}");
    }
    assert_eq!((&page["server"], &page["transport"]), (&json!("release-tests-mcp"), &json!("http")));
    let tools = &page["tools"];
    assert_eq!(
        tools["total"].as_u64(),
        Some(tools["cli"].as_u64().unwrap() + tools["api"].as_u64().unwrap()),
        "{page:#}"
    );
    for key in ["valid", "missing_required", "missing_optional"] {
        assert!(!page["environment"][key].is_null(), "{key}: {page:#}");
    }
    for key in ["enabled", "size", "max_size", "hit_rate", "ttl_days"] {
        assert!(!page["cache"][key].is_null(), "{key}: {page:#}");
    }
    let is_well = page["environment"]["valid"] == true && page["kerberos"]["valid"] == true;
    assert_eq!((health.head.status == 200, page["status"] == "healthy"), (is_well, is_well), "{page:#}");
    let metrics = server.get("/metrics");
    assert_eq!(metrics.head.status, 200);
    assert!(metrics.body.contains("mcp_cache_stats") && metrics.body.contains("# TYPE "), "{}", metrics.body);
    for body in [&health.body, &metrics.body] {
        for name in ["lead", "reader"] {
            assert!(!body.contains(&mcp::token(name)), "{body}");
        }
    }
}

#[test]
fn without_an_environment_it_starts_and_says_what_is_missing() {
    let harness = Harness::new();
    let command = harness.shell(&format!(
        "exec env -u JIRA_TOKEN -u GITHUB_TOKEN {} mcp --listen 127.0.0.1:0",
        end_to_end::release_tests().display()
    ));
    let server = Server::start_program(command);
    assert_eq!(server.get("/livez").head.status, 200, "a restart would not help");
    let page = until("the environment was looked at", || {
        let health = server.get("/health");
        (health.head.status == 503).then(|| health.json())
    });
    assert_eq!(page["status"], "degraded", "{page:#}");
    let missing = page["environment"].to_string();
    assert!(missing.contains("JIRA_TOKEN") && missing.contains("GITHUB_TOKEN"), "{page:#}");
    assert!(server.get("/readyz").body.starts_with("ok\nmissing: "), "it takes calls all the same");
    // Whoever asks for what needs one is told so.
    let mut client = server.anonymous(Era::Modern);
    let answer = client.call("oar_get_release_status", json!({"release": KONFLUX}));
    assert!(answer.is_error() && answer.text().contains("GITHUB_TOKEN"), "{answer:#?}");
}

#[test]
fn it_listens_to_others_only_with_callers_and_behind_tls() {
    let harness = Harness::new();
    let run = harness.run("mcp", ["--listen", "0.0.0.0:0"]).expect(3);
    assert!(run.stderr.contains("callers"), "{run:?}");
    let harness = mcp::with_usual_callers(harness);
    let run = harness.run("mcp", ["--listen", "0.0.0.0:0"]).expect(3);
    assert!(run.stderr.contains("--public-url"), "{run:?}");
    let run = harness.run("mcp", ["--listen", "0.0.0.0:0", "--public-url", "http://mcp.example.com"]);
    assert!(matches!(run.code, Some(2 | 3)), "{run:?}");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = harness.run("mcp", ["--listen", &address]);
    assert!(run.code != Some(0) && run.stderr.contains(&address), "{run:?}");
}

#[test]
fn read_only_and_the_list_of_tools_hold_for_everybody() {
    let harness = mcp::with_usual_callers(Harness::announced(KONFLUX));
    harness.sandbox.clear_requests();
    let server = Server::start(&harness, &["--read-only"]);
    let mut client = server.client(Era::Modern, "lead");
    for tool in client.tools() {
        assert_eq!(tool["annotations"]["readOnlyHint"], true, "{tool:#}");
    }
    let call = client.call("oar_take_ownership", json!({"release": KONFLUX, "email": LEAD}));
    assert_refused(&call, "a change");
    assert!(harness.sandbox.requests().iter().all(|request| !request.is_write()));
    server.stopped();
    let server = Server::start(&harness, &["--tool", "oar_get_release_status", "--tool", "oar_add_issue"]);
    let mut client = server.client(Era::Modern, "lead");
    assert_eq!(client.tool_names(), ["oar_get_release_status", "oar_add_issue"]);
    assert_refused(&client.call("oar_get_issues", json!({"release": KONFLUX})), "another tool");
    server.stopped();
    let run = harness.run("mcp", ["--listen", "127.0.0.1:0", "--tool", "oar_get_release_stattus"]);
    assert!(run.code != Some(0) && run.stderr.contains("oar_get_release_stattus"), "{run:?}");
}

/// Waits until a call has come so far that the sandbox hangs at it.
fn hangs(harness: &Harness) {
    until("a request hangs", || {
        harness.sandbox.requests().iter().any(|request| request.fault.is_some()).then_some(())
    });
}

/// A call that outlasts the server's end is interrupted, its state says so, and whoever waits is told.
fn interrupted_at_the_end(era: Era) {
    // Longer than the server waits at its end.
    let harness = mcp::with_usual_callers(Harness::announced(KONFLUX)).env("OAR_HTTP_TIMEOUT", "120");
    let server = Server::start(&harness, &[]);
    // A change: by then the start of the run is recorded.
    harness.sandbox.faults().add(Fault::on("jira", FaultKind::Hang).method("PUT").forever());
    let mut client = server.client(era, "lead");
    let arguments = json!({"name": "oar_take_ownership", "arguments": {"release": KONFLUX, "email": LEAD}});
    let (connection, _) = client.begin("tools/call", arguments);
    hangs(&harness);
    let started = Instant::now();
    server.signal(Signal::SIGTERM);
    let said = Stream::of(connection).and_then(|mut stream| {
        stream.until(Duration::from_mins(1), |message| message.get("result").is_some())
    });
    let run: Run = server.ended();
    assert_eq!(run.code, Some(143), "{}", run.stderr);
    assert!(started.elapsed() < Duration::from_mins(1), "the end is bounded");
    harness.sandbox.faults().clear();
    let state = harness.statebox(KONFLUX).unwrap();
    assert!(state.contains("interrupted"), "{state}");
    assert_eq!(said.unwrap()["result"]["isError"], true);
    // The next one goes on.
    harness.oar(KONFLUX, &["take-ownership", "-e", LEAD]).expect(0);
}

#[test]
fn at_its_end_a_modern_call_that_runs_is_interrupted() {
    interrupted_at_the_end(Era::Modern);
}

#[test]
fn at_its_end_a_legacy_call_that_runs_is_interrupted() {
    interrupted_at_the_end(Era::Legacy);
}

#[test]
fn readiness_ends_before_the_server_does_and_new_calls_are_refused() {
    let (harness, server) = guarded();
    harness.sandbox.faults().add(Fault::anywhere(FaultKind::Slow { ms: 3000 }).forever());
    let mut client = server.client(Era::Modern, "lead");
    let mut waiting = Connection::open(server.address()).unwrap();
    let call = json!({"name": "oar_get_release_status", "arguments": {"release": KONFLUX}});
    let (connection, _) = client.begin("tools/call", call);
    hangs(&harness);
    server.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(200));
    // The connection was there before; a new one is not accepted any more, or told so.
    let reply = waiting.ask("GET", "/readyz", &[], "");
    assert!(reply.is_err() || reply.is_ok_and(|reply| reply.head.status == 503));
    harness.sandbox.faults().clear();
    let said = Stream::of(connection).and_then(|mut stream| {
        stream.until(Duration::from_mins(1), |message| message.get("result").is_some())
    });
    assert_eq!(server.ended().code, Some(143));
    assert!(said.is_ok(), "{said:?}");
}

#[test]
fn on_standard_input_both_eras_are_spoken_and_nothing_else_is_written() {
    let harness = Harness::announced(KONFLUX);
    let mut pipes = Pipes::start(&harness, &[]);
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
    });
    let answer = pipes.ask(&initialize);
    assert_eq!(answer["result"]["serverInfo"]["name"], "release-tests", "{answer:#}");
    assert_eq!(answer["result"]["protocolVersion"], LEGACY);
    pipes.write(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
    let call = |id: u64, meta: Value| {
        let mut parameters = json!({"name": "oar_get_release_status", "arguments": {"release": KONFLUX}});
        if !meta.is_null() {
            parameters["_meta"] = meta;
        }
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": parameters})
    };
    let answer = pipes.ask(&call(2, Value::Null));
    assert_eq!(answer["result"]["structuredContent"]["release"], KONFLUX, "{answer:#}");
    // Something that is no message is answered and does not end it.
    pipes.write("this is no JSON");
    let answer = pipes.read();
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &Value::Null), "{answer:#}");
    pipes.write(&format!("{{\"x\":\"{}\"}}", "x".repeat(2 << 20)));
    assert_eq!(pipes.read()["error"]["code"], -32600);
    let answer = pipes.ask(&call(3, Value::Null));
    assert_eq!(answer["result"]["structuredContent"]["release"], KONFLUX, "{answer:#}");
    let run = pipes.ended();
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run:?}");
    let mut pipes = Pipes::start(&harness, &[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let discover = json!({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}});
    let answer = pipes.ask(&discover);
    let versions = answer["result"]["supportedVersions"].as_array().unwrap().clone();
    assert!(versions.contains(&json!(MODERN)) && versions.contains(&json!(LEGACY)), "{answer:#}");
    let answer = pipes.ask(&call(2, meta));
    assert_eq!(answer["result"]["structuredContent"]["release"], KONFLUX, "{answer:#}");
    assert_eq!(answer["result"]["resultType"], "complete", "{answer:#}");
    let run = pipes.ended();
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), ""), "{run:?}");
}

#[test]
fn each_call_has_its_line_with_who_what_and_the_trace() {
    let (harness, server) = guarded();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parameters = json!({
        "name": "oar_add_issue",
        "arguments": {"release": KONFLUX, "issue": format!("ask {LEAD} about stage"), "blocker": false},
        "_meta": {"traceparent": format!("00-{trace}-00f067aa0ba902b7-01")},
    });
    server.client(Era::Modern, "lead").request("tools/call", parameters).result();
    let set = json!({"release": KONFLUX, "task_name": "stage-testing", "status": "Pass"});
    assert!(!server.client(Era::Modern, "lead").call("oar_update_task_status", set).is_error());
    server.client(Era::Legacy, "daily").call("oar_get_issues", json!({"release": KONFLUX})).result();
    // What is refused at the door has its line as well.
    server.client(Era::Modern, "reader").call("oar_drop_bugs", json!({"release": KONFLUX}));
    Client::new(server.address(), Era::Modern, Some(&mcp::token("nobody")))
        .call("oar_get_issues", json!({"release": KONFLUX}));
    server.anonymous(Era::Legacy).initialize();
    let of_lead = |line: &&str| line.contains("lead") && line.contains("oar_add_issue");
    let log = server.stopped().stderr;
    let line = log.lines().find(of_lead).unwrap_or_default();
    assert!(line.contains(trace) && line.contains(KONFLUX), "{log}");
    assert!(log.lines().any(|line| line.contains("daily") && line.contains("oar_get_issues")), "{log}");
    assert!(!log.contains(LEAD) && !log.contains(&mcp::token("lead")), "{log}");
    for line in [
        "caller=reader tool=oar_drop_bugs outcome=refused reason=narrow-token status=403 from=127.0.0.1",
        "caller=- tool=oar_get_issues outcome=refused reason=wrong-token status=401 from=127.0.0.1",
        "caller=- tool=- outcome=refused reason=no-token status=401 from=127.0.0.1",
    ] {
        assert!(log.contains(line), "{line}: {log}");
    }
    assert!(!log.contains(&mcp::token("nobody")), "{log}");
    // What changes a task stands in the history of the release as well, with its caller.
    let history = harness.oar(KONFLUX, &["history"]).expect(0).stdout;
    assert!(history.contains("by mcp:lead") && history.contains("reported by mcp:lead"), "{history}");
    assert!(!history.contains(LEAD), "{history}");
}

#[test]
fn one_service_that_hangs_slows_no_other_call() {
    let (harness, server) = guarded();
    harness.sandbox.faults().add(Fault::on("errata", FaultKind::Hang).forever());
    let mut client = server.client(Era::Modern, "daily");
    let waiting: Vec<(Connection, Value)> = (0..6)
        .map(|_| {
            let call =
                json!({"name": "oar_is_release_shipped", "arguments": {"release": end_to_end::ERRATA}});
            client.begin("tools/call", call)
        })
        .collect();
    hangs(&harness);
    // None of these waits for a request that hangs, or for a call that waits for one.
    let mut other = server.client(Era::Modern, "lead");
    for _ in 0..100 {
        let answer = other.call("oar_get_release_status", json!({"release": KONFLUX}));
        assert_eq!(answer.document()["release"], KONFLUX, "{answer:#?}");
    }
    let hanging = harness.sandbox.requests().iter().filter(|request| request.fault.is_some()).count();
    assert!(hanging > 0);
    assert_eq!(server.get("/livez").head.status, 200);
    for (connection, _) in waiting {
        connection.close();
    }
    harness.sandbox.faults().clear();
    server.stopped();
}
