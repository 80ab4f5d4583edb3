use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::support::stack;
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
