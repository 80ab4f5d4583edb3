//! Who hears of changes: at once, and for the services a hundred cost no more than one.

use std::time::{Duration, Instant};

use end_to_end::KONFLUX;
use end_to_end::mcp::{self, Connection, Events, Server, until};
use serde_json::Value;

use super::{all_asked, filled, read, ready};

/// The events of a viewer.
pub(super) struct Viewer {
    connection: Connection,
    events: Events,
}

impl Viewer {
    fn ask(server: &Server, path: &str) -> Connection {
        let bearer = format!("Bearer {}", mcp::token("reader"));
        let mut connection = Connection::open(server.address()).unwrap();
        connection.send("GET", path, &[("Authorization", &bearer)], "").unwrap();
        connection
    }

    fn open(server: &Server) -> Self {
        Self::of(server, "/events")
    }

    pub(super) fn of(server: &Server, path: &str) -> Self {
        let mut connection = Self::ask(server, path);
        let head = connection.head().unwrap();
        assert!(head.status == 200 && head.is_stream(), "{head:?}");
        let mut viewer = Self { connection, events: Events::default() };
        let hello = viewer.next();
        assert!(hello["version"].is_number(), "{hello}");
        viewer
    }

    fn next(&mut self) -> Value {
        loop {
            let part = self.connection.part().unwrap().unwrap();
            if let Some(event) = self.events.add(&part).into_iter().next() {
                return serde_json::from_str(&event).unwrap();
            }
        }
    }

    /// Waits until `page` has changed.
    pub(super) fn hears(&mut self, page: &str) {
        let started = Instant::now();
        loop {
            let event = self.next();
            let pages = event["pages"].as_array().cloned().unwrap_or_default();
            if pages.iter().any(|name| name == page || name == "*") {
                return;
            }
            assert!(started.elapsed() < Duration::from_mins(1), "{page} did not change");
        }
    }
}

#[test]
fn a_change_arrives_and_a_hundred_viewers_cost_what_one_does() {
    let harness = filled();
    let server = Server::start(&harness, &["--poll", "1"]);
    ready(&server, "/");
    // What is counted below is the looking alone.
    all_asked(&server);
    let looks = || {
        let requests = harness.sandbox.requests();
        let trees = requests.iter().filter(|request| request.line().contains("git/trees/z-stream:_releases"));
        trees.count()
    };
    let count_for = |seconds: u64| {
        let before = looks();
        std::thread::sleep(Duration::from_secs(seconds));
        looks() - before
    };
    let mut one = Viewer::open(&server);
    let of_one = count_for(6);
    let mut viewers: Vec<Viewer> = (0..100).map(|_| Viewer::open(&server)).collect();
    // Others take nothing of what they are sent.
    let silent: Vec<Connection> = (0..20).map(|_| Viewer::ask(&server, "/events")).collect();
    until("all are counted", || (server.metric("release_tests_mcp_viewers ") == Some(121.0)).then_some(()));
    let of_many = count_for(6);
    assert!(of_many <= of_one + 3, "{of_one} looks for one viewer, {of_many} for a hundred");
    // A change is heard: at most one pause between two looks, and what the server needs.
    let file = harness.statebox(KONFLUX).unwrap();
    let issue = "issues:\n- issue: the stage is down\n  reported_at: '2026-11-01T00:00:00Z'\n  resolved: false\n  resolution: \
                 null\n  blocker: true\n  related_tasks: []\n";
    let started = Instant::now();
    harness.put_statebox(KONFLUX, &file.replace("issues: []\n", issue));
    one.hears(&format!("/releases/{KONFLUX}"));
    assert!(started.elapsed() < Duration::from_secs(1 + 2), "{:?}", started.elapsed());
    assert!(read(&server, "/").body.contains("the stage is down"));
    for viewer in &mut viewers {
        viewer.hears("/");
    }
    drop((viewers, silent));
    drop(one);
    until("the viewers are gone", || {
        (server.metric("release_tests_mcp_viewers ") == Some(0.0)).then_some(())
    });
    let run = server.stopped();
    assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
}
