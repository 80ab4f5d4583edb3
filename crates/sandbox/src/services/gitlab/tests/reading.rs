use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::super::Commit;
use super::{REQUEST, get};
use crate::services::testing::world;

#[tokio::test]
async fn a_project_on_the_sandboxs_own_address() {
    let world = world();
    let project = get(&world, "projects/5150").await.json();
    assert_eq!(project["path_with_namespace"], "hybrid-platforms/art/ocp-shipment-data");
    assert_eq!(
        project["http_url_to_repo"],
        "http://127.0.0.1:8765/gitlab/hybrid-platforms/art/ocp-shipment-data.git"
    );
    assert_eq!(get(&world, "projects/hybrid-platforms%2Fart%2Focp-shipment-data").await.json(), project);
    assert_eq!(get(&world, "projects/none%2Fsuch").await.json(), json!({"message": "404 Project Not Found"}));
    assert_eq!(get(&world, "projects/5150/labels").await.json().as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn changed_files_are_new_and_readable() {
    let world = world();
    let request = get(&world, &format!("{REQUEST}/changes")).await.json();
    let changes = request["changes"].as_array().unwrap();
    assert_eq!((changes.len(), &request["overflow"]), (4, &json!(false)));
    let diffs = get(&world, &format!("{REQUEST}/diffs")).await;
    assert_eq!((diffs.json(), diffs.header("x-total")), (request["changes"].clone(), Some("4")));
    let branch = request["source_branch"].as_str().unwrap();
    for change in changes {
        assert_eq!(change["new_file"], true);
        let path = change["new_path"].as_str().unwrap().replace('/', "%2F");
        let file = get(&world, &format!("projects/5150/repository/files/{path}?ref={branch}")).await.json();
        let content = String::from_utf8(STANDARD.decode(file["content"].as_str().unwrap()).unwrap()).unwrap();
        let document: serde_yaml::Value = serde_yaml::from_str(&content).unwrap();
        assert_eq!(document["shipment"]["metadata"]["assembly"].as_str(), Some("4.19.1"));
        let lines = content.lines().count();
        assert!(change["diff"].as_str().unwrap().starts_with(&format!("@@ -0,0 +1,{lines} @@\n+shipment:")));
        let raw = get(&world, &format!("projects/5150/repository/files/{path}/raw?ref={branch}")).await;
        assert_eq!(raw.text, content);
    }
}

#[tokio::test]
async fn files_that_are_not_there() {
    let world = world();
    let file = |rest: &'static str| {
        let world = &world;
        async move { get(world, &format!("projects/5150/repository/files/{rest}")).await }
    };
    assert_eq!(file("README.md?ref=main").await.status, 200);
    assert_eq!(file("README.md?ref=none").await.json(), json!({"message": "404 Commit Not Found"}));
    assert_eq!(file("none.yaml?ref=main").await.json(), json!({"message": "404 File Not Found"}));
    assert_eq!(file("README.md").await.json(), json!({"error": "ref is missing"}));
    let head = get(&world, REQUEST).await.json()["sha"].as_str().unwrap().to_owned();
    let by_commit = get(&world, &format!("projects/5150/repository/files/README.md?ref={head}")).await;
    assert_eq!(by_commit.status, 200);
}

#[tokio::test]
async fn commits_are_compared_directly_or_since_they_parted() {
    let world = world();
    let request = get(&world, REQUEST).await.json();
    let (before, branch) =
        (request["sha"].as_str().unwrap().to_owned(), request["source_branch"].as_str().unwrap());
    let path = {
        let mut state = world.gitlab.lock();
        let branch = state.project_mut(5150).unwrap().branches.get_mut(branch).unwrap();
        let mut files = branch.files.clone();
        let path = files.keys().find(|path| path.contains(".image.")).unwrap().clone();
        files.get_mut(&path).unwrap().push_str("# more\n");
        branch.push(Commit::new(files, vec![before.clone()], "a <a@example.test> 1 +0000", "more\n"));
        path
    };
    let compare = |query: String| {
        let world = &world;
        async move { get(world, &format!("projects/5150/repository/compare?{query}")).await }
    };
    let now = get(&world, REQUEST).await.json()["sha"].as_str().unwrap().to_owned();
    let found = compare(format!("from={before}&to={now}&straight=true")).await.json();
    let [change] = &found["diffs"].as_array().unwrap()[..] else { panic!("{found:#}") };
    assert_eq!((change["new_path"].as_str(), &change["new_file"]), (Some(path.as_str()), &json!(false)));
    assert_eq!(found["compare_timeout"], false);
    assert_eq!((&found["commits"], &found["commit"]), (&json!([{"id": now}]), &json!({"id": now})));
    let back = compare(format!("from={now}&to={before}")).await.json();
    assert_eq!(back["diffs"], json!([]), "the older one has nothing that the newer one lacks");
    assert_eq!((&back["commits"], &back["commit"]), (&json!([]), &Value::Null));
    let back = compare(format!("from={now}&to={before}&straight=true")).await.json();
    assert_eq!(back["diffs"].as_array().unwrap().len(), 1);
    let gone = compare(format!("from={}&to={now}&straight=true", "0".repeat(40))).await;
    assert_eq!(gone.json(), json!({"message": "404 Ref Not Found"}));
    assert_eq!(compare(format!("from={now}")).await.json(), json!({"error": "to is missing"}));
}

#[tokio::test]
async fn pipelines_with_jobs_and_bridges() {
    let world = world();
    let pipelines = get(&world, &format!("{REQUEST}/pipelines")).await.json();
    assert_eq!((&pipelines[0]["id"], &pipelines[1]["id"]), (&json!(910_002), &json!(910_001)));
    assert_eq!(get(&world, "projects/5150/pipelines/910002").await.json(), pipelines[0]);
    let jobs = get(&world, "projects/5150/pipelines/910002/jobs").await.json();
    assert_eq!((jobs.as_array().unwrap().len(), &jobs[0]["status"]), (1, &json!("success")));
    let all = get(&world, "projects/5150/pipelines/910002/jobs?include_retried=true").await.json();
    assert_eq!(all.as_array().unwrap().len(), 2);
    let bridges = get(&world, "projects/5150/pipelines/910002/bridges?per_page=1").await;
    assert_eq!(bridges.json()[0]["stage"], "prod-release-triggers", "newest id first");
    assert!(
        bridges
            .header("link")
            .unwrap()
            .contains("/gitlab/api/v4/projects/5150/pipelines/910002/bridges?page=2")
    );
    assert_eq!(get(&world, "projects/5150/pipelines/1").await.status, 404);
}
