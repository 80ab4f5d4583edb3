use crate::{
    services::testing::{Answer, call, world},
    world::Shared,
};

const KERNEL: &str = "kernel-5.14.0-570.12.1.el9_6";

async fn hub(world: &Shared, parameter: &str) -> Answer {
    let body = format!(
        "<?xml version='1.0'?><methodCall><methodName>listTags</methodName><params><param><value>{parameter}</value></param></params></methodCall>"
    );
    call(world, "POST", "/brewhub", &[("content-type", "text/xml")], body).await
}

#[tokio::test]
async fn arguments_may_be_named_or_not() {
    let world = world();
    let named = format!(
        "<struct><member><name>build</name><value><string>{KERNEL}</string></value></member>\
         <member><name>__starstar</name><value><boolean>1</boolean></value></member></struct>"
    );
    for parameter in [named, format!("<string>{KERNEL}</string>"), KERNEL.to_owned()] {
        let answer = hub(&world, &parameter).await;
        assert_eq!(answer.status, 200);
        assert!(answer.text.contains("<string>rhel-9.6.0-z</string>"), "{}", answer.text);
        assert_eq!(answer.header("content-type"), Some("text/xml"));
    }
}

#[tokio::test]
async fn an_unknown_build_and_an_outage_are_faults() {
    let world = world();
    assert!(hub(&world, "kernel-0-0").await.text.contains("<int>1000</int>"));
    world.brew.lock().offline = true;
    assert!(hub(&world, KERNEL).await.text.contains("<int>1014</int>"));
    assert_eq!(
        call(&world, "POST", "/brewhub", &[("content-type", "application/json")], "{}").await.status,
        400
    );
}

#[tokio::test]
async fn the_root_has_the_document_and_wants_no_ticket() {
    let world = world();
    let path = "/brewroot/packages/rhcos-x86_64/4.14.9.6.20260629/0/metadata.json";
    let document = call(&world, "GET", path, &[], "").await.json();
    assert!(document["output"][0].get("components").is_none(), "a log has none");
    assert_eq!(document["output"][1]["components"], "", "RHCOS says so for every disk image");
    assert!(
        document["output"][4]["components"].as_array().unwrap().iter().any(|rpm| rpm["name"] == "kernel")
    );
    assert_eq!(call(&world, "GET", path, &[("authorization", "Negotiate abc")], "").await.status, 501);
    assert_eq!(call(&world, "GET", &path.replace("/0/", "/1/"), &[], "").await.status, 404);
}
