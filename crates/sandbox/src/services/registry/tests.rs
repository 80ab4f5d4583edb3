use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::State;
use crate::{
    credentials::{REGISTRY_IDENTITY_TOKEN, REGISTRY_PASSWORD, REGISTRY_USER},
    scenario::{
        gitlab,
        registry::{RELEASE_IMAGES, SHIPPED_IMAGES, build, fill_release},
    },
    services::testing::{Answer, call, world},
    world::Shared,
};

const REPOSITORY: &str = "openshift-release-dev/ocp-release";
const ACCEPT: (&str, &str) = ("accept", "application/vnd.docker.distribution.manifest.v2+json");

async fn get(world: &Shared, path: &str, headers: &[(&str, &str)]) -> Answer {
    call(world, "GET", &format!("/registry{path}"), headers, "").await
}

async fn authorization(world: &Shared) -> String {
    let path = format!("/v2/auth?service=registry.example.test&scope=repository:{REPOSITORY}:pull");
    format!("Bearer {}", get(world, &path, &[]).await.json()["token"].as_str().unwrap())
}

#[tokio::test]
async fn anybody_gets_a_token_and_nobody_gets_along_without() {
    let world = world();
    let path = format!("/v2/{REPOSITORY}/manifests/4.19.1-x86_64");
    let answer = get(&world, &path, &[ACCEPT]).await;
    assert_eq!(answer.status, 401);
    let challenge = answer.header("www-authenticate").unwrap();
    assert!(challenge.contains(&format!("scope=\"repository:{REPOSITORY}:pull\"")), "{challenge}");
    let token = authorization(&world).await;
    let answer = get(&world, &path, &[ACCEPT, ("authorization", &token)]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(super::digest_of(answer.text.as_bytes()), answer.header("docker-content-digest").unwrap());
    let other = get(&world, "/v2/other/repository/manifests/x", &[ACCEPT, ("authorization", &token)]).await;
    assert_eq!(other.status, 401, "a token is good for one repository");
    let unknown =
        get(&world, &format!("/v2/{REPOSITORY}/manifests/4.99.1"), &[ACCEPT, ("authorization", &token)])
            .await;
    assert_eq!(
        (unknown.status, unknown.json()["errors"][0]["code"].as_str().unwrap()),
        (404, "MANIFEST_UNKNOWN")
    );
}

#[tokio::test]
async fn blobs_lie_elsewhere() {
    let world = world();
    let token = authorization(&world).await;
    let digest = world.registry.lock().blobs.keys().next().unwrap().clone();
    let answer = get(&world, &format!("/v2/{REPOSITORY}/blobs/{digest}"), &[("authorization", &token)]).await;
    assert_eq!(answer.status, 307);
    let place = answer.header("location").unwrap().to_owned();
    assert!(place.starts_with("http://127.0.0.1:8765/registry/storage/sha256:"), "{place}");
    let refused = get(&world, &format!("/storage/{digest}"), &[("authorization", "Bearer another")]).await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn the_release_controller_knows_the_digests() {
    let world = world();
    let answer =
        call(&world, "GET", "/release-controller/api/v1/releasestream/4-stable/release/4.19.1", &[], "")
            .await;
    let digest = answer.json()["changeLogJson"]["to"]["digest"].as_str().unwrap().to_owned();
    assert_eq!(world.registry.lock().digest(REPOSITORY, "4.19.1-x86_64"), Some(digest.as_str()));
}

#[tokio::test]
async fn what_is_private_is_for_accounts_alone() {
    let world = world();
    world.registry.lock().private.insert(REPOSITORY.to_owned());
    let path = format!("/v2/{REPOSITORY}/manifests/4.19.1-x86_64");
    let status = async |token: &str| get(&world, &path, &[ACCEPT, ("authorization", token)]).await.status;
    assert_eq!(status(&authorization(&world).await).await, 401);
    let scope = format!("service=registry.example.test&scope=repository:{REPOSITORY}:pull");
    let basic = |password: &str| format!("Basic {}", STANDARD.encode(format!("{REGISTRY_USER}:{password}")));
    let ask = format!("/v2/auth?{scope}");
    let refused = get(&world, &ask, &[("authorization", &basic("wrong"))]).await;
    assert_eq!(refused.status, 401);
    let given = get(&world, &ask, &[("authorization", &basic(REGISTRY_PASSWORD))]).await;
    assert_eq!(status(&format!("Bearer {}", given.json()["token"].as_str().unwrap())).await, 200);
    let form = |token: &str| format!("grant_type=refresh_token&client_id=x&refresh_token={token}&{scope}");
    let exchanged = call(&world, "POST", "/registry/v2/auth", &[], form(REGISTRY_IDENTITY_TOKEN)).await;
    assert_eq!(status(&format!("Bearer {}", exchanged.json()["token"].as_str().unwrap())).await, 200);
    assert_eq!(call(&world, "POST", "/registry/v2/auth", &[], form("wrong")).await.status, 401);
}

#[tokio::test]
async fn a_repository_that_is_not_there_looks_private() {
    let world = world();
    let path = "/v2/openshift-release-dev/ocp-relase/manifests/4.19.1-x86_64";
    let scope = "service=registry.example.test&scope=repository:openshift-release-dev/ocp-relase:pull";
    let token =
        get(&world, &format!("/v2/auth?{scope}"), &[]).await.json()["token"].as_str().unwrap().to_owned();
    let answer = get(&world, path, &[ACCEPT, ("authorization", &format!("Bearer {token}"))]).await;
    assert_eq!((answer.status, answer.json()["errors"][0]["code"].as_str().unwrap()), (401, "UNAUTHORIZED"));
}

#[tokio::test]
async fn a_release_consists_of_images_that_are_shipped_or_were_released() {
    let world = world();
    fill_release(&world, 3);
    let registry = world.registry.lock();
    let images = &registry.repositories[RELEASE_IMAGES];
    let built = State::default().put_build(&build("ose-4-19-demo-002"));
    assert!(images.manifests.contains_key(&built.amd64));
    assert!(registry.repositories[SHIPPED_IMAGES].manifests.contains_key(&built.list));
    let gitlab = world.gitlab.lock();
    let branch = &gitlab.projects[0].branches[gitlab::BRANCH];
    let file = &branch.files[gitlab::IMAGE_FILE];
    assert!(file.contains(&format!("containerImage: quay.io/{SHIPPED_IMAGES}@{}", built.list)), "{file}");
    assert!(!branch.files.values().any(|file| file.contains("$DIGEST")));
}
