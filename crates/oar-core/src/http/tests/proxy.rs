use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::support::{Act, Server, UPGRADED, stack, to_upgrade};
use crate::error::{Classified as _, ServiceErrorKind};
use crate::http::{Call, HttpSettings};
use crate::service::Service;

#[tokio::test]
async fn a_stack_with_a_proxy_sends_everything_through_it() {
    let proxy = MockServer::start().await;
    Mock::given(path("/v1/images")).respond_with(ResponseTemplate::new(204)).expect(1).mount(&proxy).await;
    let (http, _) = stack(HttpSettings::default());
    let through = http.through(&proxy.uri().parse().unwrap()).unwrap();
    let url = "http://catalog.example.test/v1/images".parse().unwrap();
    let reply = through.send(Call::get(Service::CatalogStage, "read", url)).await.unwrap();
    assert_eq!(reply.status, 204);
}

#[tokio::test]
async fn a_socket_is_opened_through_the_proxy_too() {
    let proxy = Server::start([Act::AnswerAndHang(UPGRADED)]).await;
    let (http, _) = stack(HttpSettings::default());
    let through = http.through(&proxy.url).unwrap();
    through.upgrade(to_upgrade("http://sockets.example.test/link")).await.unwrap();
    assert_eq!(proxy.requests(), 1);
}

#[tokio::test]
async fn a_proxy_that_demands_credentials_for_a_socket_is_named() {
    let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
    let proxy = Server::start([Act::Answer(refusal)]).await;
    let (http, _) = stack(HttpSettings::default());
    let through = http.through(&proxy.url).unwrap();
    let error = through.upgrade(to_upgrade("http://sockets.example.test/link")).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Unavailable);
    assert!(error.to_string().contains("the proxy before") && error.hint().is_some(), "{error}");
}
