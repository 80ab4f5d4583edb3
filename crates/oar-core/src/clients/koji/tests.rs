use wiremock::matchers::{body_string_contains, header, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, http};

fn client(server: &MockServer) -> KojiClient {
    KojiClient::new(http(2), base(server, "/brewhub"))
}

async fn answering(status: u16, body: &str) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/brewhub"))
        .and(header("content-type", "text/xml"))
        .and(body_string_contains("<methodName>listTags</methodName>"))
        .and(body_string_contains("<name>build</name><value><string>kernel-5.14.0-570.el9</string>"))
        .respond_with(ResponseTemplate::new(status).set_body_string(body))
        .mount(&server)
        .await;
    server
}

async fn list(server: &MockServer) -> Result<Vec<String>, ServiceError> {
    client(server).list_tags(&"kernel-5.14.0-570.el9".parse().unwrap()).await
}

fn fault(code: i64, text: &str) -> String {
    format!(
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>{code}</int></value></member>\
         <member><name>faultString</name><value><string>{text}</string></value></member></struct></value></fault></methodResponse>"
    )
}

#[tokio::test]
async fn tags_are_listed_without_a_credential() {
    let server = answering(
        200,
        "<methodResponse><params><param><value><array><data><value><struct><member><name>name</name>\
         <value><string>early-kernel-stop-ship</string></value></member></struct></value></data></array></value>\
         </param></params></methodResponse>",
    )
    .await;
    assert_eq!(list(&server).await.unwrap(), ["early-kernel-stop-ship"]);
    let requests = server.received_requests().await.unwrap();
    assert!(requests.iter().all(|request| !request.headers.contains_key("authorization")));
}

#[tokio::test]
async fn faults_are_told_apart() {
    for (code, text, kind) in [
        (1000, "No such build: 'kernel-5.14.0-570.el9'", ServiceErrorKind::NotFound),
        (1000, "something else", ServiceErrorKind::Rejected),
        (1014, "database outage", ServiceErrorKind::Unavailable),
    ] {
        let server = answering(200, &fault(code, text)).await;
        assert_eq!(list(&server).await.unwrap_err().kind, kind, "{text}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_never_no_tags() {
    for (status, body) in [
        (200, ""),
        (200, "<html></html>"),
        (200, "<methodResponse><params><param><value><nil/></value></param></params></methodResponse>"),
        (503, "later"),
        (302, "elsewhere"),
    ] {
        let server = answering(status, body).await;
        assert!(list(&server).await.is_err(), "{status} {body}");
    }
}
