use std::sync::atomic::AtomicUsize;

use oar_core::statebox::TaskStatus;
use rmcp::model::ArgumentInfo;
use serde_json::Value;

use super::*;
use crate::documents::tests::{SECRET, World, new_state, set};

fn content(world: &World) -> Content {
    Content::new(world.documents.clone(), Duration::from_millis(1))
}

async fn text(content: &Content, uri: &str) -> String {
    let read = serde_json::to_value(content.read(uri, &|_| true).await.unwrap()).unwrap();
    assert_eq!((&read["cacheScope"], &read["contents"][0]["uri"]), (&json!("private"), &json!(uri)));
    assert!(read["ttlMs"].is_u64());
    read["contents"][0]["text"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_state_is_read_as_it_is_stored_without_secrets() {
    let world = World::new();
    let mut state = new_state("4.19.1");
    set(&mut state, TaskName::StageTesting, TaskStatus::Fail, &format!("broken\nby {SECRET}"));
    world.write("4.19.1", &state);
    let content = content(&world);
    let read = text(&content, "release://4.19.1/state").await;
    assert!(read.starts_with("schema_version: '1.0'\nrelease: 4.19.1\n"), "{read}");
    assert!(!read.contains(SECRET));
    let active: Value = serde_json::from_str(&text(&content, "releases://active").await).unwrap();
    assert_eq!(active, json!({"releases": ["4.19.1"], "unknown": []}));
    for name in ["stage-testing", "run-of-stage-testing"] {
        let log = text(&content, &format!("release://4.19.1/log/{name}")).await;
        assert!(log.starts_with("stage-testing of 4.19.1: Fail\n") && !log.contains(SECRET), "{log}");
    }
    assert!(text(&content, "release://4.19.1/log/stage-testing").await.contains("\nbroken\n"));
}

#[tokio::test]
async fn a_large_state_is_cut_and_stays_yaml() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    let file = world.file("4.19.1");
    let more = "# a comment of somebody\n".repeat(20_000);
    let long = std::fs::read_to_string(&file).unwrap() + &more;
    std::fs::write(&file, &long).unwrap();
    let read = text(&content(&world), "release://4.19.1/state").await;
    assert!(read.len() <= LARGEST + 100 && read.len() > LARGEST - 100, "{}", read.len());
    let last = read.lines().last().unwrap();
    assert!(last.starts_with("# … ") && last.ends_with(" bytes left out"), "{last}");
    assert!(State::parse(&read).is_ok());
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_that_says_why() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    let content = content(&world);
    for (uri, code) in [
        ("release://4.19.1/../../etc/passwd", -32002),
        ("file:///etc/passwd", -32002),
        ("release://4.19.2/state", -32002),
        ("release://4.19.1/log/no-such-run", -32002),
    ] {
        let error = content.read(uri, &|_| true).await.unwrap_err();
        assert_eq!(error.code.0, code, "{uri}: {}", error.message);
        assert_eq!(error.data.unwrap()["uri"], uri);
    }
    let outage = World::with_state(tempfile::tempdir().unwrap(), "github");
    for uri in ["release://4.19.1/state", "releases://active", "release://4.19.1/log/stage-testing"] {
        let error = Content::new(outage.documents.clone(), INTERVAL).read(uri, &|_| true).await.unwrap_err();
        assert_eq!(error.code.0, -32603, "an outage does not look like an absent file: {}", error.message);
    }
}

#[tokio::test]
async fn lists_name_what_there_is_and_may_be_kept_by_their_reader_alone() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    let content = content(&world);
    let resources = serde_json::to_value(content.resources().await).unwrap();
    let uris: Vec<&str> =
        resources["resources"].as_array().unwrap().iter().map(|one| one["uri"].as_str().unwrap()).collect();
    assert_eq!(uris, ["releases://active", "release://4.19.1/state", "release://4.19.1/plan"]);
    let templates = serde_json::to_value(content.templates()).unwrap();
    let templates_of = templates["resourceTemplates"].as_array().unwrap();
    let addresses: Vec<_> = templates_of.iter().map(|one| one["uriTemplate"].as_str().unwrap()).collect();
    assert_eq!(addresses, [address::STATE, address::PLAN, address::LOG, address::RUN]);
    let prompts = serde_json::to_value(content.prompts()).unwrap();
    assert_eq!(prompts["prompts"].as_array().unwrap().len(), 3);
    for list in [resources, templates, prompts] {
        assert_eq!(list["cacheScope"], "private");
        assert!(list["ttlMs"].is_u64());
    }
    let outage = World::with_state(tempfile::tempdir().unwrap(), "github");
    let resources = Content::new(outage.documents.clone(), INTERVAL).resources().await;
    assert_eq!(resources.resources.len(), 1);
}

#[tokio::test]
async fn names_are_completed() {
    let world = World::new();
    for patch in 1..120 {
        world.write(&format!("4.19.{patch}"), &new_state(&format!("4.19.{patch}")));
    }
    world.write("4.20.3", &new_state("4.20.3"));
    let content = content(&world);
    let complete = async |reference: Reference, name: &str, value: &str| {
        content.complete(&CompleteRequestParams::new(reference, ArgumentInfo::new(name, value))).await
    };
    let found = complete(Reference::for_prompt("next_step"), "release", "4.2").await.unwrap();
    assert_eq!(
        (found.values, found.total, found.has_more),
        (vec!["4.20.3".to_owned()], Some(1), Some(false))
    );
    let found = complete(Reference::for_resource("release://{release}/state"), "release", "").await.unwrap();
    assert_eq!((found.values.len(), found.total, found.has_more), (100, Some(120), Some(true)));
    assert_eq!(&found.values[..3], ["4.20.3", "4.19.119", "4.19.118"], "active ones first, then the newest");
    let found = complete(Reference::for_resource(address::PLAN), "release", "4.20").await.unwrap();
    assert_eq!(found.values, ["4.20.3"]);
    let found =
        complete(Reference::for_resource("release://{release}/log/{run}"), "run", "image-").await.unwrap();
    assert_eq!(found.values, ["image-consistency-check", "image-signed-check"]);
    for (reference, name) in [
        (Reference::for_prompt("other"), "release"),
        (Reference::for_prompt("next_step"), "task"),
        (Reference::for_resource("release://{release}/state"), "run"),
        (Reference::for_resource("release://{release}/plan"), "run"),
        (Reference::for_resource("file:///{path}"), "path"),
    ] {
        assert_eq!(complete(reference, name, "").await.unwrap_err().code.0, -32602);
    }
}

#[tokio::test]
async fn a_change_is_told_to_all_listeners_and_nobody_looks_without_one() {
    let world = World::new();
    world.write("4.19.1", &new_state("4.19.1"));
    world.write("4.19.2", &new_state("4.19.2"));
    let content = content(&world);
    let changes = content.changes().clone();
    let (mut one, mut other) = (changes.listen(), changes.listen());
    // The first look has been made, as soon as the next one can be told of something.
    let session = Subscriptions::default();
    session.follow("release://4.19.1/state").unwrap();
    session.follow("release://4.19.2/log/stage-testing").unwrap();
    let seen = AtomicUsize::new(0);
    let write = async {
        let mut state = new_state("4.19.1");
        loop {
            let number = seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            set(&mut state, TaskName::StageTesting, TaskStatus::InProgress, &"x".repeat(number + 1));
            world.write("4.19.1", &state);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let hear = async { (one.next().await.unwrap(), other.next().await.unwrap()) };
    let (first, second) = tokio::select! {
        heard = hear => heard,
        () = write => unreachable!("it writes for ever"),
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("no change was told"),
    };
    for change in [first, second] {
        assert_eq!(change.releases.iter().map(ToString::to_string).collect::<Vec<_>>(), ["4.19.1"]);
        assert!(!change.list);
        assert_eq!(session.concerned(&change), ["release://4.19.1/state"]);
    }
    drop((one, other));
    assert_eq!(changes.listeners(), 0);
}

#[test]
fn what_came_went_or_was_missed_is_a_change() {
    let release = |text: &str| text.parse::<ReleaseVersion>().unwrap();
    let change = Change { releases: [release("4.19.1")].into(), ..Change::default() };
    let all = Change { anything: true, ..Change::default() };
    for (text, concerned) in [
        ("releases://active", true),
        ("release://4.19.1/state", true),
        ("release://4.19.1/plan", true),
        ("release://4.19.1/log/stage-testing", true),
        ("release://4.19.2/state", false),
        ("release://4.19.2/plan", false),
    ] {
        let address = Address::parse(text).unwrap();
        assert_eq!(change.concerns(&address), concerned, "{text}");
        assert!(all.concerns(&address) && !Change::default().concerns(&address));
    }
}

#[test]
fn a_session_follows_a_bounded_number_of_known_resources() {
    let session = Subscriptions::default();
    for patch in 0..FOLLOWED {
        session.follow(&format!("release://4.19.{patch}/state")).unwrap();
    }
    session.follow("release://4.19.0/state").unwrap();
    assert_eq!(session.follow("release://4.20.1/state").unwrap_err().code.0, -32602);
    session.leave("release://4.19.0/state");
    session.follow("release://4.20.1/state").unwrap();
    assert!(session.follow("file:///etc/passwd").is_err());
    let mut filter = SubscriptionFilter::new();
    filter.tools_list_changed = Some(true);
    filter.resources_list_changed = Some(true);
    let many = (0..200).map(|patch| format!("release://4.19.{patch}/state"));
    filter.resource_subscriptions = Some(many.chain(["file:///x".to_owned()]).collect());
    let accepted = subscriptions::accepted(&filter);
    assert_eq!((accepted.tools_list_changed, accepted.resources_list_changed), (None, Some(true)));
    assert_eq!(accepted.resource_subscriptions.unwrap().len(), FOLLOWED);
    assert_eq!(subscriptions::accepted(&SubscriptionFilter::new()), SubscriptionFilter::new());
}
