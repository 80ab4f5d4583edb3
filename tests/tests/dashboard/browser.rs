//! A browser at every page, with and without scripts, on paper, for a week.

use std::io::{BufRead as _, Write as _};

use end_to_end::dashboard::{
    CHANGING, WITH_HOSTILE_TEXTS, WITH_LONG_TEXTS, WITH_REJECTED_TESTS, WITH_REPLACED_BUILD,
};
use end_to_end::mcp::{self, Server};
use end_to_end::{Harness, KONFLUX};
use serde_json::{Value, json};

use super::{all_asked, filled, ready};

/// The pages of the browser by name.
fn pages(build: &str) -> Value {
    json!({
        "overview": "/",
        "filtered": "/?state=blocked",
        "release": format!("/releases/{KONFLUX}"),
        "failed": format!("/releases/{WITH_LONG_TEXTS}"),
        "hostile": format!("/releases/{WITH_HOSTILE_TEXTS}"),
        "stale": format!("/releases/{WITH_REPLACED_BUILD}"),
        "asks": format!("/releases/{WITH_REJECTED_TESTS}"),
        "live": format!("/releases/{CHANGING}"),
        "builds": "/builds",
        "build": format!("/builds/{build}"),
        "lead-time": "/lead-time",
    })
}

/// Answers what the browser asks for: changes of a release, and the end and the return of the server.
fn serve(
    harness: &Harness,
    options: &[&str],
    mut server: Option<Server>,
    child: &mut std::process::Child,
) -> Vec<Value> {
    let stdout = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    let (release, before) = (CHANGING, harness.statebox(CHANGING).unwrap());
    let address = server.as_ref().unwrap().address().to_string();
    let mut found = Vec::new();
    for line in stdout.lines().map_while(Result::ok) {
        let Some(wish) = line.strip_prefix("please ") else {
            found = serde_json::from_str(&line).unwrap_or_else(|_| vec![json!(line)]);
            continue;
        };
        match wish.split_once(' ') {
            Some(("change", number)) => {
                let text =
                    before.replace("The worksheet was made late", &format!("It was changed {number} times"));
                harness.put_statebox(release, &text);
            }
            _ if wish == "stop" => drop(server.take().map(Server::stopped_anyhow)),
            _ => {
                let options: Vec<&str> =
                    ["--listen", address.as_str()].iter().chain(options).copied().collect();
                server = Some(Server::start_program(harness.command("mcp", options)));
            }
        }
        let _ = writeln!(stdin, "done");
    }
    found
}

#[test]
fn a_person_with_a_browser_finds_nothing_wrong() {
    let harness = filled();
    let options = ["--poll", "1"];
    let server = Server::start(&harness, &options);
    ready(&server, "/");
    all_asked(&server);
    let builds = ready(&server, "/builds.json").json();
    let build = builds["builds"][0]["build"].as_str().unwrap();
    let browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists());
    let browser = browser.expect("a browser: run `make deps`");
    let packages = end_to_end::root().join(".venv/dashboard");
    assert!(packages.join("node_modules").exists(), "{} is missing: run `make deps`", packages.display());
    let mut command = mcp::outside("node/bin/node");
    command.arg(end_to_end::root().join("tests/dashboard/pages.mjs"));
    command
        .env("DASHBOARD_URL", format!("http://{}", server.address()))
        .env("DASHBOARD_TOKEN", mcp::token("reader"))
        .env("DASHBOARD_PAGES", pages(build).to_string())
        .env("DASHBOARD_BROWSER", browser)
        .env("DASHBOARD_PACKAGES", &packages)
        .env("HOME", harness.home())
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::inherit());
    // For whoever looks at them, or repairs one part.
    for name in ["DASHBOARD_PICTURES", "DASHBOARD_PARTS"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    let mut child = command.spawn().unwrap();
    let found = serve(&harness, &options, Some(server), &mut child);
    assert!(child.wait().unwrap().success());
    assert_eq!(found, Vec::<Value>::new());
}
