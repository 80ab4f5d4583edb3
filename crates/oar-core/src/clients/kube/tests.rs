use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

use super::*;
use crate::clients::testing::{base, ok, permit};
use crate::clock::Clock;
use crate::http::HttpSettings;
use crate::ids::BuildName;
use crate::redact::Redactor;
use crate::store::memory::SteppingClock;
use crate::version::Arch;

const PAYLOAD: &str = "/kube/apis/release.openshift.io/v1alpha1/namespaces/ocp/releasepayloads/4.20.5";
const LEASES: &str = "/kube/apis/coordination.k8s.io/v1/namespaces/tools/leases";

fn http() -> Http {
    let settings = HttpSettings { attempts: 1, timeout: Duration::from_secs(5), ..HttpSettings::default() };
    Http::new(settings, Clock::system(), Redactor::default()).unwrap()
}

fn client(server: &MockServer) -> KubeClient {
    KubeClient::new(
        &http(),
        ClusterAccess::with_token(&base(server, "/kube"), &"sha256~demo\n".into()).unwrap(),
    )
    .unwrap()
}

fn payload(label: Option<&str>, version: &str) -> ResponseTemplate {
    let mut metadata = json!({"name": "4.20.5", "namespace": "ocp", "resourceVersion": version});
    if let Some(label) = label {
        metadata["labels"] = json!({QE_LABEL: label});
    }
    ok(json!({
        "apiVersion": "release.openshift.io/v1alpha1", "kind": "ReleasePayload", "metadata": metadata,
    }))
}

fn status(code: u16, reason: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(code).set_body_json(json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
        "reason": reason, "code": code,
    }))
}

/// Returns the answers one after the other, then always the last one.
struct InTurn(Vec<ResponseTemplate>, AtomicUsize);

impl Respond for InTurn {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let turn = self.1.fetch_add(1, Ordering::SeqCst);
        self.0[turn.min(self.0.len() - 1)].clone()
    }
}

async fn answers(server: &MockServer, verb: &str, place: &str, answers: Vec<ResponseTemplate>) {
    Mock::given(method(verb))
        .and(path(place))
        .and(header("authorization", "Bearer sha256~demo"))
        .respond_with(InTurn(answers, AtomicUsize::new(0)))
        .mount(server)
        .await;
}

fn build() -> BuildName {
    "4.20.5".parse().unwrap()
}

async fn accept(server: &MockServer) -> Result<PayloadOutcome, ServiceError> {
    client(server).accept_payload(Arch::Amd64, &build(), &permit()).await
}

async fn patches(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .filter(|request| request.method == "PATCH")
        .map(|request| request.body_json().unwrap())
        .collect()
}

#[tokio::test]
async fn a_label_is_written_for_the_object_as_read_and_read_back() {
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(None, "7"), payload(Some(ACCEPTED), "8")]).await;
    Mock::given(method("PATCH"))
        .and(path(PAYLOAD))
        .and(header("content-type", "application/merge-patch+json"))
        .respond_with(payload(Some(ACCEPTED), "8"))
        .mount(&server)
        .await;
    assert_eq!(accept(&server).await.unwrap(), PayloadOutcome::Labelled);
    let expected = json!({"metadata": {"labels": {QE_LABEL: "Accepted"}, "resourceVersion": "7"}});
    assert_eq!(patches(&server).await, [expected]);
}

#[tokio::test]
async fn what_is_there_stays() {
    for (first, outcome) in [
        (payload(Some(ACCEPTED), "7"), PayloadOutcome::AlreadyLabelled),
        (payload(Some("Rejected"), "7"), PayloadOutcome::HasOther("Rejected".to_owned())),
        (
            status(404, "NotFound", "releasepayloads.release.openshift.io \"4.20.5\" not found"),
            PayloadOutcome::Absent,
        ),
    ] {
        let server = MockServer::start().await;
        answers(&server, "GET", PAYLOAD, vec![first]).await;
        assert_eq!(accept(&server).await.unwrap(), outcome);
        assert_eq!(patches(&server).await.len(), 0);
    }
}

#[tokio::test]
async fn a_conflict_is_read_again_and_another_s_verdict_wins() {
    let moved = || status(409, "Conflict", "the object has been modified");
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(None, "7"), payload(Some("Rejected"), "8")]).await;
    answers(&server, "PATCH", PAYLOAD, vec![moved()]).await;
    assert_eq!(accept(&server).await.unwrap(), PayloadOutcome::HasOther("Rejected".to_owned()));
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(None, "7")]).await;
    answers(&server, "PATCH", PAYLOAD, vec![moved()]).await;
    assert_eq!(accept(&server).await.unwrap_err().kind, ServiceErrorKind::Conflict);
    assert_eq!(patches(&server).await.len(), 4, "bounded");
}

#[tokio::test]
async fn an_unclear_answer_is_looked_up() {
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(None, "7"), payload(Some(ACCEPTED), "8")]).await;
    answers(&server, "PATCH", PAYLOAD, vec![ResponseTemplate::new(504)]).await;
    assert_eq!(accept(&server).await.unwrap(), PayloadOutcome::Labelled);
    assert_eq!(patches(&server).await.len(), 1);
}

#[tokio::test]
async fn a_label_that_shows_late_is_still_our_own() {
    let moved = || status(409, "Conflict", "the object has been modified");
    let none = || payload(None, "7");
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![none(), none(), none(), payload(Some(ACCEPTED), "8")]).await;
    answers(&server, "PATCH", PAYLOAD, vec![ResponseTemplate::new(504), moved()]).await;
    assert_eq!(accept(&server).await.unwrap(), PayloadOutcome::Labelled);
    assert_eq!(patches(&server).await.len(), 2);
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![none(), payload(Some(ACCEPTED), "8")]).await;
    answers(&server, "PATCH", PAYLOAD, vec![moved()]).await;
    assert_eq!(accept(&server).await.unwrap(), PayloadOutcome::AlreadyLabelled, "somebody else's");
}

#[tokio::test]
async fn a_label_that_does_not_stay_is_an_error() {
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(None, "7")]).await;
    answers(&server, "PATCH", PAYLOAD, vec![payload(Some(ACCEPTED), "8")]).await;
    assert_eq!(accept(&server).await.unwrap_err().kind, ServiceErrorKind::Malformed);
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    for (code, reason, kind, words) in [
        (401, "Unauthorized", ServiceErrorKind::Unauthorized, "OAR_KUBE_TOKEN"),
        (403, "Forbidden", ServiceErrorKind::Forbidden, "patch releasepayloads"),
    ] {
        let server = MockServer::start().await;
        answers(&server, "GET", PAYLOAD, vec![status(code, reason, "no, says the server")]).await;
        let error = accept(&server).await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(error.to_string().contains("no, says the server"), "{error}");
        assert!(error.hint.unwrap().contains(words));
    }
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![ResponseTemplate::new(404).set_body_string("404 page not found")])
        .await;
    assert_eq!(accept(&server).await.unwrap_err().kind, ServiceErrorKind::NotFound, "no such kind of object");
}

fn lease(holder: &str, version: &str, renewed: &str) -> ResponseTemplate {
    ok(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "controller", "namespace": "tools", "resourceVersion": version},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": 60, "renewTime": renewed, "leaseTransitions": 2},
    }))
}

fn holder(server: &MockServer) -> LeaseHolder {
    LeaseHolder::new(client(server), "tools", "controller", "me", Duration::from_mins(1))
}

async fn acquire(holder: &LeaseHolder) -> Result<LeaseState, ServiceError> {
    holder.acquire(&permit()).await
}

#[tokio::test]
async fn a_free_lease_is_made_and_a_silent_one_is_taken() {
    let one = format!("{LEASES}/controller");
    let server = MockServer::start().await;
    answers(
        &server,
        "GET",
        &one,
        vec![status(404, "NotFound", "leases.coordination.k8s.io \"controller\" not found")],
    )
    .await;
    answers(&server, "POST", LEASES, vec![lease("me", "1", "2026-07-02T12:00:00.000000Z")]).await;
    assert_eq!(acquire(&holder(&server)).await.unwrap(), LeaseState::Ours);

    let server = MockServer::start().await;
    answers(&server, "GET", &one, vec![lease("other", "5", "2020-01-01T00:00:00.000000Z")]).await;
    answers(&server, "PUT", &one, vec![lease("me", "6", "2026-07-02T12:00:00.000000Z")]).await;
    assert_eq!(acquire(&holder(&server)).await.unwrap(), LeaseState::Ours);
    let requests = server.received_requests().await.unwrap();
    let body: Value = requests.last().unwrap().body_json().unwrap();
    assert_eq!(body["metadata"]["resourceVersion"], "5");
    assert_eq!(
        (body["spec"]["holderIdentity"].clone(), body["spec"]["leaseTransitions"].clone()),
        (json!("me"), json!(3))
    );
    assert_eq!(body["spec"]["renewTime"].as_str().unwrap().len(), "2026-07-02T12:00:00.000000Z".len());
}

#[tokio::test]
async fn a_lease_that_another_renews_is_left_to_it() {
    let one = format!("{LEASES}/controller");
    let server = MockServer::start().await;
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    answers(&server, "GET", &one, vec![lease("other", "5", &now)]).await;
    let theirs = LeaseState::Theirs { holder: "other".to_owned() };
    assert_eq!(acquire(&holder(&server)).await.unwrap(), theirs);
    assert!(server.received_requests().await.unwrap().iter().all(|request| request.method == "GET"));

    // Two take an expired one at the same time: the slower one gets a conflict.
    let server = MockServer::start().await;
    let silent = lease("gone", "5", "2020-01-01T00:00:00.000000Z");
    answers(&server, "GET", &one, vec![silent, lease("other", "6", &now)]).await;
    answers(&server, "PUT", &one, vec![status(409, "Conflict", "the object has been modified")]).await;
    assert_eq!(acquire(&holder(&server)).await.unwrap(), theirs);
}

/// A lease whose `spec` is this, at the given version.
fn spelled(spec: &Value, version: &Value) -> ResponseTemplate {
    ok(json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec,
        "metadata": {
            "name": "controller", "namespace": "tools", "resourceVersion": version, "creationTimestamp": null,
            "labels": null, "annotations": {}, "managedFields": null,
        },
    }))
}

#[tokio::test]
async fn a_lease_that_says_nothing_of_its_holder_is_free_in_every_spelling() {
    let one = format!("{LEASES}/controller");
    for spec in [
        json!(null),
        json!({}),
        json!({"holderIdentity": null, "leaseDurationSeconds": null, "renewTime": null, "leaseTransitions": null}),
        // As client-go releases one.
        json!({"holderIdentity": "", "leaseDurationSeconds": 60, "leaseTransitions": 2}),
        json!({"holderIdentity": "", "leaseTransitions": i32::MAX, "renewTime": "2026-07-02T12:00:00.000000Z"}),
    ] {
        let server = MockServer::start().await;
        answers(&server, "GET", &one, vec![spelled(&spec, &json!("5"))]).await;
        answers(&server, "PUT", &one, vec![lease("me", "6", "2026-07-02T12:00:00.000000Z")]).await;
        assert_eq!(acquire(&holder(&server)).await.unwrap(), LeaseState::Ours, "{spec}");
        let requests = server.received_requests().await.unwrap();
        let body: Value = requests.last().unwrap().body_json().unwrap();
        assert!(body["spec"]["acquireTime"].is_string() && body["spec"]["renewTime"].is_string(), "{body}");
    }
}

#[tokio::test]
async fn a_holder_of_which_no_renewal_is_known_keeps_the_lease_until_it_was_watched() {
    let one = format!("{LEASES}/controller");
    for spec in [
        json!({"holderIdentity": "other"}),
        json!({"holderIdentity": "other", "renewTime": null, "leaseDurationSeconds": null}),
        json!({"holderIdentity": "other", "leaseDurationSeconds": 0, "leaseTransitions": 0}),
        json!({"holderIdentity": "other", "leaseDurationSeconds": 60, "acquireTime": null}),
    ] {
        let server = MockServer::start().await;
        answers(&server, "GET", &one, vec![spelled(&spec, &json!("5"))]).await;
        answers(&server, "PUT", &one, vec![lease("me", "6", "2026-07-02T12:00:00.000000Z")]).await;
        let (clock, time) = SteppingClock::start();
        let http = Http::new(HttpSettings::default(), clock, Redactor::default()).unwrap();
        let access = ClusterAccess::with_token(&base(&server, "/kube"), &"sha256~demo\n".into()).unwrap();
        let client = KubeClient::new(&http, access).unwrap();
        let holder = LeaseHolder::new(client, "tools", "controller", "me", Duration::from_mins(1));
        for _ in 0..2 {
            let theirs = LeaseState::Theirs { holder: "other".to_owned() };
            assert_eq!(acquire(&holder).await.unwrap(), theirs, "{spec}");
            time.advance(Duration::from_secs(31));
        }
        assert_eq!(acquire(&holder).await.unwrap(), LeaseState::Ours, "{spec}");
    }
}

#[tokio::test]
async fn a_lease_without_a_version_is_not_written_over() {
    for version in [json!(null), json!("")] {
        let server = MockServer::start().await;
        answers(&server, "GET", &format!("{LEASES}/controller"), vec![spelled(&json!({}), &version)]).await;
        assert_eq!(acquire(&holder(&server)).await.unwrap_err().kind, ServiceErrorKind::Malformed);
        let requests = server.received_requests().await.unwrap();
        assert!(requests.iter().all(|request| request.method == "GET"));
    }
}

#[tokio::test]
async fn a_lease_is_given_up_only_when_it_is_ours() {
    let one = format!("{LEASES}/controller");
    for (present, writes) in [("me", 1), ("other", 0)] {
        let server = MockServer::start().await;
        answers(&server, "GET", &one, vec![lease(present, "5", "2026-07-02T12:00:00.000000Z")]).await;
        answers(&server, "PUT", &one, vec![lease("", "6", "2026-07-02T12:00:00.000000Z")]).await;
        holder(&server).release(&permit()).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        assert_eq!(requests.iter().filter(|request| request.method == "PUT").count(), writes);
    }
}

#[tokio::test]
async fn a_kubeconfig_gives_server_and_token() {
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(Some(ACCEPTED), "7")]).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    let text = |extra: &str| {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: demo\ncontexts:\n- name: demo\n  context: {{cluster: demo, \
             user: demo}}\nclusters:\n- name: demo\n  cluster: {{server: \"{}/kube\"{extra}}}\nusers:\n- name: demo\n  \
             user: {{token: sha256~demo}}\n",
            server.uri()
        )
    };
    std::fs::write(&file, text("")).unwrap();
    let paths = [folder.path().join("none"), file.clone()];
    let access = ClusterAccess::of_kubeconfig(&paths).await.unwrap().unwrap();
    assert!(!format!("{access:?}").contains("sha256~demo"));
    let client = KubeClient::new(&http(), access).unwrap();
    assert_eq!(client.payload_label(Arch::Amd64, &build()).await.unwrap(), Some(Some(ACCEPTED.to_owned())));

    assert!(ClusterAccess::of_kubeconfig(&paths[..1]).await.unwrap().is_none());
    std::fs::write(&file, text(", insecure-skip-tls-verify: true")).unwrap();
    let error = ClusterAccess::of_kubeconfig(&paths).await.unwrap_err().to_string();
    assert!(error.contains("insecure-skip-tls-verify"), "{error}");
    std::fs::write(&file, "contexts: 7").unwrap();
    assert!(ClusterAccess::of_kubeconfig(&paths).await.is_err());
}

#[tokio::test]
async fn a_kubeconfig_is_read_with_empty_parts_and_a_token_file_with_a_line_break() {
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(Some(ACCEPTED), "7")]).await;
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("config"), folder.path().join("token"));
    std::fs::write(&token, "sha256~demo\n").unwrap();
    let token = token.display();
    for (user, extensions) in [
        (format!("tokenFile: \"{token}\""), "null"),
        (
            format!(
                "token: \"\", tokenFile: \"{token}\", client-certificate-data: \"\", client-key-data: \"\""
            ),
            "[]",
        ),
        (format!("token: old, tokenFile: \"{token}\", client-certificate: \"\", username: \"\""), "null"),
        ("token: \"sha256~demo\\n\", tokenFile: \"\", exec: null".to_owned(), "null"),
        ("token: sha256~demo, tokenFile: /does/not/exist".to_owned(), "null"),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: Config\npreferences: null\nextensions: {extensions}\ncurrent-context: demo\ncontexts:\n- \
             name: demo\n  context: {{cluster: demo, user: demo, namespace: \"\"}}\nclusters:\n- name: demo\n  cluster: \
             {{server: \"{}/kube\", certificate-authority-data: \"\", tls-server-name: \"\", proxy-url: \"\", \
             insecure-skip-tls-verify: false}}\nusers:\n- name: demo\n  user: {{{user}}}\n",
            server.uri()
        );
        std::fs::write(&file, text).unwrap();
        let access = ClusterAccess::of_kubeconfig(std::slice::from_ref(&file)).await.unwrap().unwrap();
        let client = KubeClient::new(&http(), access).unwrap();
        let label = client.payload_label(Arch::Amd64, &build()).await.unwrap();
        assert_eq!(label, Some(Some(ACCEPTED.to_owned())), "{user}");
    }
    std::fs::write(&file, "clusters: null\ncontexts: null\nusers: null\ncurrent-context: \"\"\n").unwrap();
    assert!(ClusterAccess::of_kubeconfig(&[file]).await.unwrap().is_none());
}

#[test]
fn a_pod_s_account_is_read_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let files = ServiceAccountFiles { folder: folder.path().to_owned() };
    let error = ClusterAccess::in_cluster("10.0.0.1", "443", &files).unwrap_err().to_string();
    assert!(error.contains("ca.crt"), "{error}");
    for (name, text) in
        [("ca.crt", "-----BEGIN CERTIFICATE-----\n"), ("token", "t0ken\n"), ("namespace", "tools\n")]
    {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let access = ClusterAccess::in_cluster("fd00::1", "443", &files).unwrap();
    assert_eq!(files.namespace().unwrap(), "tools");
    assert!(format!("{access:?}").contains("[fd00::1]"), "{access:?}");
    assert!(
        matches!(KubeClient::new(&http(), access), Err(AccessError::Certificates(_))),
        "a damaged authority"
    );
}

#[tokio::test]
async fn clones_share_one_client() {
    let server = MockServer::start().await;
    answers(&server, "GET", PAYLOAD, vec![payload(Some(ACCEPTED), "7")]).await;
    let client = client(&server);
    let other = client.clone();
    assert!(Arc::ptr_eq(&client.inner, &other.inner));
    for client in [client, other] {
        assert!(client.payload_label(Arch::Amd64, &build()).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn payloads_with_a_label_are_listed_page_by_page() {
    const LIST: &str = "/kube/apis/release.openshift.io/v1alpha1/namespaces/ocp/releasepayloads";
    let server = MockServer::start().await;
    let page = |names: &[&str], next: &str| {
        let items: Vec<Value> = names.iter().map(|name| json!({"metadata": {"name": name}})).collect();
        ok(json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"continue": next, "resourceVersion": "7"}, "items": items,
        }))
    };
    answers(&server, "GET", LIST, vec![page(&["4.20.5", "4.20.4"], "more"), page(&["4.21.1"], "")]).await;
    let labelled = client(&server).labelled_payloads(Arch::Amd64).await.unwrap();
    assert_eq!(labelled.into_iter().collect::<Vec<_>>(), ["4.20.4", "4.20.5", "4.21.1"]);
    let requests = server.received_requests().await.unwrap();
    let asked = |place: usize, name: &str| {
        let mut query = requests[place].url.query_pairs();
        query.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    assert_eq!((asked(0, "labelSelector"), asked(0, "continue")), (Some(QE_LABEL.to_owned()), None));
    assert_eq!(asked(1, "continue"), Some("more".to_owned()));
    assert!(requests[0].headers["accept"].to_str().unwrap().contains("as=PartialObjectMetadataList"));

    let server = MockServer::start().await;
    answers(&server, "GET", LIST, vec![page(&["4.20.5"], "more")]).await;
    let error = client(&server).labelled_payloads(Arch::Amd64).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Malformed, "a list without an end");
    let server = MockServer::start().await;
    answers(&server, "GET", LIST, vec![status(403, "Forbidden", "may not list")]).await;
    let error = client(&server).labelled_payloads(Arch::Amd64).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::Forbidden);
}
