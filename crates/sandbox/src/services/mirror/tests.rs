use crate::services::testing::{call, status, world};

#[tokio::test]
async fn only_accepted_payloads_have_a_signature() {
    let world = world();
    let path = |stream: &str, name: &str, number: u32| {
        let digest = world.release_controller.lock().payload_mut(stream, name).unwrap().digest.clone();
        format!("/mirror/{}/signature-{number}", digest.replace(':', "="))
    };
    assert_eq!(status(&world, &path("4-stable", "4.19.1", 1)).await, 200);
    assert_eq!(status(&world, &path("4-stable", "4.19.1", 2)).await, 404);
    assert_eq!(status(&world, &path("5-stable", "5.0.0-ec.4", 1)).await, 404);
    assert_eq!(status(&world, "/mirror/sha256=00/signature-1").await, 404);
    world.mirror.lock().empty = true;
    assert_eq!(status(&world, &path("4-stable", "4.19.1", 1)).await, 404);
    assert_eq!(call(&world, "GET", "/mirror/x", &[], "").await.status, 501);
}
