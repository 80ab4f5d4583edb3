//! The dashboard as whoever opens its pages sees it: every page and its JSON, who may look, what no page does, and that a change
//! arrives.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

mod browser;
mod viewers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use end_to_end::dashboard::{
    DAMAGED, HOSTILE, RELEASES, WITH_DAMAGED_RECORD, WITH_HOSTILE_TEXTS, WITH_LONG_TEXTS, fill,
};
use end_to_end::mcp::{self, Connection, Reply, Server, until};
use end_to_end::{ERRATA, Fault, FaultKind, Harness, KONFLUX};
use sandbox::scenario::github::RECORD_BRANCH;
use sandbox::services::github::STATE_REPOSITORY;
use serde_json::{Value, json};
use viewers::Viewer;

/// What every answer says to browsers.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
    frame-ancestors 'none'; base-uri 'none'; form-action 'self'";

fn filled() -> Harness {
    let harness = Harness::new();
    fill(&harness);
    let harness = mcp::with_callers(
        harness,
        &json!({
            "lead": mcp::caller("lead", &mcp::SCOPES, "reference"),
            "reader": mcp::caller("reader", &["release:read"], "reference"),
            "runner": mcp::caller("runner", &["jobs:run"], "reference"),
        }),
    );
    harness.sandbox.clear_requests();
    harness
}

fn ask(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    Connection::open(server.address()).unwrap().ask(method, path, headers, body).unwrap()
}

fn read(server: &Server, path: &str) -> Reply {
    let bearer = format!("Bearer {}", mcp::token("reader"));
    ask(server, "GET", path, &[("Authorization", &bearer), ("Accept", "text/html")], "")
}

/// A page once everything that it shows was read.
fn ready(server: &Server, path: &str) -> Reply {
    until(&format!("{path} is read"), || {
        let reply = read(server, path);
        (reply.head.status == 200 && !reply.body.contains("<h1>Reading")).then_some(reply)
    })
}

/// The overview once the services were asked about each release that can be read.
fn all_asked(server: &Server) -> Value {
    until("the services were asked", || {
        let page = read(server, "/releases.json").json();
        let rows = page["releases"].as_array()?;
        let all = rows.iter().filter(|row| row["release"] != DAMAGED).all(|row| !row["asked"].is_null());
        (all && rows.len() == RELEASES).then_some(page)
    })
}

fn form(token: &str, next: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .append_pair("token", token)
        .append_pair("next", next)
        .finish()
}

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");

/// Each build under test has its page, which says what `jobctl show` says.
fn builds_say_what_jobctl_says(harness: &Harness, server: &Server) {
    let builds = ready(server, "/builds");
    let builds_json = ready(server, "/builds.json").json();
    for build in builds_json["builds"].as_array().unwrap() {
        let (name, arch) = (build["build"].as_str().unwrap(), build["arch"].as_str().unwrap());
        assert!(builds.body.contains(name), "{name}");
        if name == WITH_DAMAGED_RECORD {
            let reply = read(server, &format!("/builds/{name}.json?arch={arch}"));
            assert!(reply.head.status == 502 && reply.json()["error"].is_string(), "{reply:?}");
            continue;
        }
        let page = ready(server, &format!("/builds/{name}.json?arch={arch}")).json();
        let shown = harness.run("jobctl", ["show", name, "--arch", arch, "--output", "json"]).json();
        assert_eq!(page["jobs"].as_array().unwrap().len(), shown["jobs"].as_array().unwrap().len(), "{name}");
        assert_eq!(page["verdict"]["word"].as_str(), build["verdict"]["word"].as_str(), "{name}");
    }
}

/// What an address must not name is an error on the page and in its JSON.
fn wrong_addresses_are_errors(server: &Server) {
    for (path, status) in [
        ("/?state=red", 400),
        ("/releases/4.19.99", 404),
        ("/releases/99.1.1", 404),
        ("/releases/../../etc/passwd", 404),
        ("/builds/4.19.99", 404),
        ("/nowhere", 404),
        ("/lead-time?since=June", 400),
    ] {
        let reply = read(server, path);
        assert_eq!(reply.head.status, status, "{path}: {reply:?}");
        assert!(reply.body.contains("role=\"alert\""), "{path}: {}", reply.body);
        let path = match path.split_once('?') {
            Some((path, query)) => format!("{}.json?{query}", path.replace("/?", "/releases?")),
            None => format!("{path}.json"),
        };
        let reply = read(server, &path.replace("/.json", "/releases.json"));
        assert_eq!(reply.head.status, status, "{path}: {reply:?}");
        assert!(reply.json()["error"].is_string(), "{path}: {reply:?}");
    }
}

#[test]
fn every_page_answers_and_its_json_says_the_same() {
    let harness = filled();
    let server = Server::start(&harness, &[]);
    let overview = ready(&server, "/");
    let json = all_asked(&server);
    let releases = json["releases"].as_array().unwrap();
    let own = harness.run("oar", ["releases", "--output", "json"]).json();
    let names = |rows: &Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| row["release"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&json["releases"]), names(&own["releases"]), "the order of `oar releases`");
    for row in releases {
        let release = row["release"].as_str().unwrap();
        assert!(overview.body.contains(&format!("href=\"/releases/{release}\"")), "{release}");
        if release == DAMAGED {
            continue;
        }
        let page = ready(&server, &format!("/releases/{release}"));
        let page_json = ready(&server, &format!("/releases/{release}.json")).json();
        assert_eq!(page_json["release"], release);
        for step in page_json["steps"].as_array().unwrap() {
            assert!(page.body.contains(step["step"].as_str().unwrap()), "{release}: {step}");
        }
        assert_eq!(page_json["standing"], row["standing"], "{release}");
        let by_hand = harness.oar(release, &["timeline", "--output", "json"]).expect(0).json();
        let seconds = |value: &Value, list: &str| -> Vec<i64> {
            value[list].as_array().unwrap().iter().map(|one| one["seconds"].as_i64().unwrap()).collect()
        };
        let (shown, told) = (seconds(&page_json["timeline"], "shares"), seconds(&by_hand, "totals"));
        assert_eq!(shown.len(), told.len(), "{release}");
        // Time passes between the two.
        let is_near = |(shown, told): (&i64, &i64)| (shown - told).abs() <= 600;
        assert!(shown.iter().zip(&told).all(is_near), "{release}: {shown:?}, {told:?}");
    }
    let damaged = read(&server, &format!("/releases/{DAMAGED}"));
    assert_eq!(damaged.head.status, 502, "an error looks like one: {damaged:?}");
    // With the services: the plan that `oar drive` makes.
    let nodes = |rows: &Value, of: fn(&Value) -> String| -> Vec<String> {
        rows.as_array().unwrap().iter().map(of).collect()
    };
    let page = until("the services were asked", || {
        let page = read(&server, &format!("/releases/{KONFLUX}.json")).json();
        (!page["asked"].is_null()).then_some(page)
    });
    let standings = |rows: &Value, of: fn(&Value) -> &Value| -> Vec<String> {
        rows.as_array().unwrap().iter().map(|row| of(row).as_str().unwrap().replace('_', " ")).collect()
    };
    let shown = all_asked(&server);
    let own = harness.run("oar", ["releases", "--output", "json"]).json();
    assert_eq!(
        standings(&shown["releases"], |row| &row["standing"]["word"]),
        standings(&own["releases"], |row| &row["status"]),
    );
    assert_eq!(names(&shown["releases"]), names(&own["releases"]));
    let plan = harness.oar(KONFLUX, &["drive", "--output", "json"]).expect(0).json();
    assert_eq!(
        nodes(&page["steps"], |step| step["step"].as_str().unwrap().to_owned()),
        nodes(&plan["nodes"], |node| node["node"].as_str().unwrap().to_owned())
    );
    assert_eq!((&page["done"], &page["total"]), (&plan["done"], &plan["total"]));
    assert_eq!(
        page["waits_for_people"].as_array().unwrap().len(),
        plan["people"].as_array().unwrap().len(),
        "{plan:#}"
    );
    builds_say_what_jobctl_says(&harness, &server);
    let lead_time = ready(&server, "/lead-time.json").json();
    let own = harness.run("oarctl", ["lead-time", "--output", "json"]).json();
    assert_eq!((&lead_time["median"], &lead_time["unfinished"]), (&own["median"], &own["unfinished"]));
    assert!(ready(&server, "/lead-time?since=2020-01-01").body.contains("Lead time"));
    // Filters.
    let blocked = ready(&server, "/releases.json?state=blocked&y=4.21").json();
    assert_eq!(names(&blocked["releases"]), [WITH_LONG_TEXTS]);
    wrong_addresses_are_errors(&server);
    let others = ["brewhub", "google-oauth"];
    let writes = harness.sandbox.writes();
    let writes: Vec<String> = writes
        .iter()
        .filter(|write| !others.contains(&write.service.as_str()) && !write.line().contains("graphql"))
        .map(end_to_end::RecordedRequest::line)
        .collect();
    assert_eq!(writes, Vec::<String>::new(), "looking changes nothing");
    let log = server.stopped().stderr;
    assert!(!log.contains("panicked"), "{log}");
}

#[test]
fn the_overview_shows_every_state_and_all_services_know_each_release() {
    let harness = filled();
    let server = Server::start(&harness, &[]);
    ready(&server, "/");
    let page = all_asked(&server);
    let mut states: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut standings = BTreeSet::new();
    for row in page["releases"].as_array().unwrap() {
        let release = row["release"].as_str().unwrap();
        standings.insert(row["standing"]["word"].as_str().unwrap());
        assert!(row["problem"].is_null(), "{row:#}");
        for step in row["steps"].as_array().unwrap() {
            let (state, step) = (step["state"].as_str().unwrap(), step["step"].as_str().unwrap());
            states.entry(state).or_default().push(format!("{release} {step}"));
        }
    }
    for state in
        ["done", "running", "ready", "waiting", "unknown", "blocked", "asks", "failed", "stale", "none"]
    {
        assert!(states.contains_key(state), "no step is {state}: {states:#?}");
    }
    let known = [DAMAGED, WITH_DAMAGED_RECORD];
    let unknown = states["unknown"].iter().filter(|step| !known.iter().any(|known| step.starts_with(known)));
    assert_eq!(unknown.collect::<Vec<_>>(), Vec::<&String>::new());
    let words = ["blocked", "complete", "in progress", "not started", "shipped", "unknown"];
    assert_eq!(standings, BTreeSet::from(words));
    let counts = &page["counts"];
    for count in ["blocked", "overdue", "waits_for_people", "held", "unknown"] {
        assert!(counts[count].as_u64().is_some_and(|count| count > 0), "{count}: {counts}");
    }
    let late = page["waits_for_people"].as_array().unwrap().iter().any(|item| item["overdue"] == true);
    assert!(late, "{:#}", page["waits_for_people"]);
    server.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_page_that_is_known_is_not_sent_again_and_a_large_one_is_packed() {
    let harness = filled();
    let server = Server::start(&harness, &[]);
    ready(&server, "/");
    let bearer = format!("Bearer {}", mcp::token("reader"));
    until("the same page is not sent again", || {
        let first = read(&server, "/");
        let tag = first.head.header("etag").unwrap().to_owned();
        let headers =
            [("Authorization", bearer.as_str()), ("Accept", "text/html"), ("If-None-Match", tag.as_str())];
        let second = ask(&server, "GET", "/", &headers, "");
        (second.head.status == 304 && second.body.is_empty()).then_some(())
    });
    let headers =
        [("Authorization", bearer.as_str()), ("Accept", "text/html"), ("Accept-Encoding", "gzip, br")];
    let mut connection = Connection::open(server.address()).unwrap();
    connection.send("GET", "/", &headers, "").unwrap();
    let head = connection.head().unwrap();
    assert_eq!(head.header("content-encoding"), Some("gzip"));
    let mut size = 0;
    while let Some(part) = connection.part().unwrap() {
        size += part.len();
    }
    assert!(size < 60 * 1024, "{size} bytes");
    server.stopped();
}

#[test]
fn nobody_looks_without_a_token_that_may_read() {
    let harness = filled();
    let server = Server::start(&harness, &[]);
    let own = format!("http://{}", server.address());
    let html = ("Accept", "text/html");
    let reply = ask(&server, "GET", "/releases/4.19.1", &[html], "");
    assert_eq!(reply.head.status, 303, "{reply:?}");
    assert_eq!(reply.head.header("location"), Some("/login?next=%2Freleases%2F4.19.1"));
    for path in ["/releases.json", "/events", "/releases/4.19.1.json", "/builds.json"] {
        let reply = ask(&server, "GET", path, &[], "");
        assert_eq!(reply.head.status, 401, "{path}: {reply:?}");
        assert!(!reply.body.contains("4.19.1"), "{reply:?}");
    }
    let page = ask(&server, "GET", "/login?next=%2Freleases%2F4.19.1", &[html], "");
    assert!(page.head.status == 200 && page.body.contains("value=\"/releases/4.19.1\""), "{page:?}");
    let enter = |token: &str, headers: &[(&str, &str)]| {
        let mut all = vec![FORM];
        all.extend(headers);
        ask(&server, "POST", "/login", &all, &form(token, "/releases/4.19.1"))
    };
    for (token, origin, status) in [
        ("wrong", own.as_str(), 401),
        ("", own.as_str(), 401),
        (&mcp::token("runner"), own.as_str(), 403),
        (&mcp::token("reader"), "http://evil.example.com", 403),
        (&mcp::token("reader"), "null", 403),
    ] {
        let reply = enter(token, &[("Origin", origin)]);
        assert_eq!(reply.head.status, status, "{origin}: {reply:?}");
        assert!(
            reply.head.header("set-cookie").is_none() && reply.body.contains("role=\"alert\""),
            "{reply:?}"
        );
        assert!(token.is_empty() || !reply.body.contains(token), "{reply:?}");
    }
    let reply = enter(&mcp::token("reader"), &[("Origin", own.as_str())]);
    assert_eq!(
        (reply.head.status, reply.head.header("location")),
        (303, Some("/releases/4.19.1")),
        "{reply:?}"
    );
    let cookie = reply.head.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let with = |path: &str| ask(&server, "GET", path, &[html, ("Cookie", pair)], "");
    let page = with("/lead-time");
    assert!(
        page.head.status == 200 && page.body.contains("reader") && page.body.contains("Log out"),
        "{page:?}"
    );
    // The cookie is for looking alone.
    let call = ask(&server, "POST", "/mcp", &[("Cookie", pair), ("Content-Type", "application/json")], "{}");
    assert_eq!(call.head.status, 401);
    let bearer = format!("Bearer {}", mcp::token("runner"));
    let reply = ask(&server, "GET", "/", &[html, ("Authorization", &bearer)], "");
    assert!(reply.head.status == 403 && reply.body.contains("release:read"), "{reply:?}");
    let reply =
        ask(&server, "POST", "/logout", &[("Cookie", pair), ("Origin", "http://evil.example.com")], "");
    assert_eq!(reply.head.status, 403);
    assert_eq!(with("/lead-time").head.status, 200);
    let reply = ask(&server, "POST", "/logout", &[("Cookie", pair), ("Origin", &own)], "");
    assert_eq!(reply.head.status, 303);
    assert_eq!(with("/lead-time").head.status, 303, "the login has ended");
    let large = form(&"x".repeat(100_000), "/");
    let status = Connection::open(server.address())
        .and_then(|mut at| at.ask("POST", "/login", &[FORM], &large))
        .map_or(0, |reply| reply.head.status);
    assert!(matches!(status, 413 | 0), "{status}");
    let log = server.stopped().stderr;
    assert!(!log.contains(&mcp::token("reader")), "{log}");
    assert!(log.contains("reader has logged in"), "{log}");
}

#[test]
fn a_trusted_proxy_signs_people_in() {
    let harness = filled();
    let options = ["--user-header", "X-Forwarded-User", "--trusted-proxy", "127.0.0.1"];
    let server = Server::start(&harness, &options);
    let html = ("Accept", "text/html");
    let page = ask(&server, "GET", "/lead-time", &[html, ("X-Forwarded-User", "ann <b>")], "");
    assert!(page.head.status == 200 && page.body.contains("ann &#60;b&#62;"), "{page:?}");
    assert_eq!(ask(&server, "GET", "/lead-time", &[html], "").head.status, 303);
    // For the pages alone.
    let headers = [("X-Forwarded-User", "ann"), ("Content-Type", "application/json")];
    assert_eq!(ask(&server, "POST", "/mcp", &headers, "{}").head.status, 401);
    server.stopped();
    let other = ["--user-header", "X-Forwarded-User", "--trusted-proxy", "10.9.8.7"];
    let server = Server::start(&harness, &other);
    let reply = ask(&server, "GET", "/lead-time", &[html, ("X-Forwarded-User", "ann")], "");
    assert_eq!(reply.head.status, 303, "{reply:?}");
    server.stopped();
}

#[test]
fn every_answer_has_the_policy() {
    let harness = filled();
    let server = Server::start(&harness, &[]);
    ready(&server, "/");
    let bearer = format!("Bearer {}", mcp::token("reader"));
    let static_files = read(&server, "/").body;
    let files: Vec<&str> = static_files.split('"').filter(|part| part.starts_with("/static/")).collect();
    assert_eq!(files.len(), 3, "{files:?}");
    let mut paths = vec![
        "/",
        "/releases",
        "/releases.json",
        "/builds",
        "/lead-time",
        "/login",
        "/nowhere",
        "/static/none",
        "/?state=red",
        "/releases/4.19.99",
        "/builds/x",
    ];
    paths.extend(&files);
    for path in paths {
        for (method, headers) in [
            ("GET", vec![("Authorization", bearer.as_str())]),
            ("GET", vec![]),
            ("POST", vec![]),
            ("DELETE", vec![]),
            ("GET", vec![("Host", "evil.example.com")]),
        ] {
            let reply = ask(&server, method, path, &headers, "");
            let header = |name: &str| reply.head.header(name).unwrap_or_default().to_owned();
            assert_eq!(header("content-security-policy"), POLICY, "{method} {path}: {reply:?}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{method} {path}");
            assert!(!header("cache-control").is_empty(), "{method} {path}");
            assert!(!reply.body.contains(" style=") && !reply.body.contains(" onclick="), "{method} {path}");
            if headers.iter().any(|(name, _)| *name == "Host") {
                assert_eq!(reply.head.status, 403, "{method} {path}");
            }
        }
    }
    // Nothing inline: a policy without exceptions must do.
    let page = read(&server, &format!("/releases/{KONFLUX}")).body;
    for (at, _) in page.match_indices("<script") {
        assert!(page[at..].starts_with("<script src=\"/static/"), "{}", &page[at..at + 80]);
    }
    assert!(!page.contains("<style"), "{page}");
    server.stopped();
}

#[test]
fn hostile_texts_are_shown_and_secrets_are_not() {
    let harness = filled();
    let mut texts = String::new();
    let secrets = mcp::secrets(&harness);
    // Somebody wrote credentials into an issue. The keys in files are not told to the program that masks texts.
    for secret in mcp::told(&harness) {
        texts.push_str(&secret);
        texts.push(' ');
    }
    let file = harness.statebox(KONFLUX).unwrap();
    let issue = format!(
        "issues:\n- issue: {}\n  reported_at: '2026-11-01T00:00:00Z'\n  resolved: false\n  resolution: null\n  blocker: true\n  \
         related_tasks: []\n",
        serde_json::to_string(&format!("{HOSTILE} {texts}")).unwrap()
    );
    harness.put_statebox(KONFLUX, &file.replace("issues: []\n", &issue));
    let server = Server::start(&harness, &[]);
    ready(&server, "/");
    until("the services were asked", || {
        let page = read(&server, &format!("/releases/{KONFLUX}.json")).json();
        (!page["asked"].is_null()).then_some(())
    });
    let hostile = format!("/releases/{WITH_HOSTILE_TEXTS}");
    let own = format!("/releases/{KONFLUX}");
    let long = format!("/releases/{WITH_LONG_TEXTS}");
    let errata = format!("/releases/{ERRATA}");
    for path in ["/", "/builds", "/lead-time", &hostile, &own, &long, &errata] {
        for path in [path.to_owned(), format!("{}.json", if path == "/" { "/releases" } else { path })] {
            let reply = ready(&server, &path);
            for secret in &secrets {
                assert!(!reply.body.contains(secret.as_str()), "{path}: {secret}");
            }
            assert!(!reply.body.contains('\u{202e}'), "{path}");
            if path.strip_suffix(".json").is_none() {
                assert!(!reply.body.contains("<script>") && !reply.body.contains("<img"), "{path}");
            }
        }
    }
    for path in [&hostile, &own] {
        let page = ready(&server, path).body;
        assert!(page.contains("&#60;script&#62;document.title="), "{path}: it is shown");
    }
    let long = ready(&server, &long).body;
    assert!(long.contains("<details>") && long.contains("Stage-Pipeline"), "{long:.500}");
    server.stopped();
}

#[test]
fn a_source_that_cannot_be_read_is_an_error_and_not_an_empty_page() {
    let harness = filled();
    let refused = FaultKind::Status { code: 401, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("github", refused).forever());
    let server = Server::start(&harness, &[]);
    let page = until("the look has failed", || {
        let page = read(&server, "/");
        (page.head.status != 200).then_some(page)
    });
    assert_eq!(page.head.status, 502, "{page:?}");
    assert!(page.body.contains("role=\"alert\"") && !page.body.contains("not started"), "{page:?}");
    server.stopped_anyhow();
}

#[test]
fn what_is_not_known_yet_is_not_said_to_be_otherwise() {
    let harness = filled();
    let slow = Fault::on("github", FaultKind::Slow { ms: 5000 }).forever();
    harness.sandbox.faults().add(slow);
    let server = Server::start(&harness, &[]);
    let page = read(&server, "/releases/4.18.50");
    assert!(page.body.contains("<h1>Reading") && !page.body.contains("not active"), "{page:?}");
    let json = read(&server, "/releases/4.18.50.json");
    assert_eq!(json.head.status, 503, "{json:?}");
    harness.sandbox.faults().clear();
    assert_eq!(ready(&server, "/releases/4.18.50.json").json()["active"], true);
    // A record that is there and cannot be used is not absent.
    let path = "_releases/ocp-test-result-4.19.77-amd64.json";
    let now = harness.sandbox.clock().now();
    let mut github = harness.sandbox.world().github.lock();
    github.put(STATE_REPOSITORY, RECORD_BRANCH, path, "{".to_owned(), "damage", now).unwrap();
    drop(github);
    assert_eq!(read(&server, "/builds/4.19.77").head.status, 502);
    server.stopped();
}

#[test]
fn records_that_do_not_come_delay_no_release() {
    let harness = filled();
    let hangs = Fault::on("github", FaultKind::Hang).path("*trees/record:*").forever();
    let fault = harness.sandbox.faults().add(hangs);
    let server = Server::start(&harness, &["--poll", "1"]);
    ready(&server, "/");
    all_asked(&server);
    assert!(read(&server, "/builds").body.contains("<h1>Reading"));
    let mut viewer = Viewer::of(&server, "/events?of=builds");
    until("the records are asked for", || (harness.sandbox.faults().hits(fault) > 0).then_some(()));
    for number in 0..3 {
        let before = harness.statebox("4.18.50").unwrap();
        let text = before.replace("The worksheet was made late", &format!("It was changed {number} times"));
        let text = text.replace(&format!("changed {} times", number - 1), &format!("changed {number} times"));
        let started = Instant::now();
        harness.put_statebox("4.18.50", &text);
        viewer.hears("/releases/4.18.50");
        assert!(started.elapsed() < Duration::from_secs(1 + 2), "{:?}", started.elapsed());
    }
    server.stopped_anyhow();
}

#[test]
fn a_file_that_cannot_be_read_any_more_leaves_its_questions() {
    let harness = filled();
    let server = Server::start(&harness, &["--poll", "1"]);
    let before = all_asked(&server);
    let row = |page: &Value| -> Value {
        let mut rows = page["releases"].as_array().unwrap().iter();
        rows.find(|row| row["release"] == "4.18.50").unwrap().clone()
    };
    assert_eq!(row(&before)["standing"]["word"], "blocked");
    harness.put_statebox("4.18.50", "tasks: 3\n");
    let after = until("the damage is seen", || {
        let page = ready(&server, "/releases.json").json();
        (row(&page)["standing"]["word"] == "unknown").then_some(page)
    });
    assert_eq!(
        row(&after)["steps"].as_array().unwrap().len(),
        row(&before)["steps"].as_array().unwrap().len()
    );
    let questions = |page: &Value| page["waits_for_people"].as_array().unwrap().len();
    assert_eq!(questions(&after), questions(&before));
    let mut own = after["waits_for_people"].as_array().unwrap().iter();
    let own = own.find(|item| item["releases"] == json!(["4.18.50"])).unwrap();
    assert_eq!(own["outdated"], true, "{own}");
    let page = ready(&server, "/releases/4.18.50").body;
    assert!(page.contains("the StateBox of this release cannot be read"), "{page}");
    server.stopped();
}
