use serde_json::json;

use super::{GradeWindow, Image};
use crate::services::testing::{call, world};

const ONE: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";

fn put(world: &crate::world::Shared) {
    world.catalog.lock().images.insert(
        ONE.to_owned(),
        Image {
            id: "65f0aa".to_owned(),
            architecture: "amd64".to_owned(),
            repository: "demo/image".to_owned(),
            deleted: false,
            grades: Some(vec![GradeWindow::since("A", "2026-01-01T00:00:00+00:00")]),
            vulnerabilities: (0..150).map(|number| json!({"cve_id": format!("CVE-2026-{number}")})).collect(),
        },
    );
}

#[tokio::test]
async fn images_are_found_alone_and_in_lists_escaped_or_not() {
    let world = world();
    put(&world);
    for filter in [
        format!("image_id=={ONE}"),
        format!("image_id%3D%3D{}", ONE.replace(':', "%3A")),
        format!("image_id=in=(sha256:00,{ONE})"),
    ] {
        let path = format!("/catalog-stage/v1/images?filter={filter}&page_size=100&page=0");
        let answer = call(&world, "GET", &path, &[], "").await.json();
        assert_eq!(answer["total"], 1, "{filter}");
        assert_eq!(answer["data"][0]["freshness_grades"][0]["grade"], "A");
    }
    let path = format!("/catalog-stage/v1/images?filter=image_id=={ONE}&include=data.image_id");
    let answer = call(&world, "GET", &path, &[], "").await.json();
    assert_eq!(answer["data"][0], json!({"image_id": ONE}));
    let unknown = call(&world, "GET", "/catalog-stage/v1/images?filter=image_id==sha256:00", &[], "").await;
    assert_eq!(unknown.json()["data"], json!([]));
    let other = call(&world, "GET", "/catalog-stage/v1/images?filter=architecture==amd64", &[], "").await;
    assert_eq!(other.status, 501);
}

#[tokio::test]
async fn vulnerabilities_come_in_pages() {
    let world = world();
    put(&world);
    let page = |number: usize| {
        format!("/catalog-stage/v1/images/id/65f0aa/vulnerabilities?page_size=100&page={number}")
    };
    let count = |answer: &serde_json::Value| answer["data"].as_array().unwrap().len();
    assert_eq!(count(&call(&world, "GET", &page(0), &[], "").await.json()), 100);
    assert_eq!(count(&call(&world, "GET", &page(1), &[], "").await.json()), 50);
    let gone = call(&world, "GET", "/catalog-stage/v1/images/id/none/vulnerabilities", &[], "").await;
    assert_eq!(gone.status, 404);
    let large =
        call(&world, "GET", "/catalog-stage/v1/images?filter=image_id==a&page_size=1000", &[], "").await;
    assert_eq!(large.status, 400);
}

#[tokio::test]
async fn the_public_catalog_knows_what_was_released_and_nothing_else() {
    let world = world();
    put(&world);
    let path = format!("/catalog/v1/images?filter=image_id=={ONE}&page_size=100&page=0");
    assert_eq!(call(&world, "GET", &path, &[], "").await.json()["total"], 0);
    crate::scenario::registry::release_to_public(&world, ONE);
    assert_eq!(call(&world, "GET", &path, &[], "").await.json()["total"], 1);
}
