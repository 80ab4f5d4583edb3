//! The client of Google Cloud Storage at a store that others wrote: `PyPI`'s `gcp-storage-emulator`.
//!
//! The emulator answers a download of what is not there with an empty 404, which no real answer is. A shim in front of it adds
//! the words that Google says then, and changes nothing else.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect by failing")]

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use end_to_end::root;
use oar_core::clients::gcs::{GcsClient, QE_BUCKET, RunLocation};
use oar_core::clients::prow::ProwState;
use oar_core::clock::Clock;
use oar_core::error::ServiceErrorKind;
use oar_core::http::{Http, HttpSettings};
use oar_core::redact::Redactor;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const JOB: &str = "periodic-ci-demo-automated-release-aws-f999";
const REPORT: &str = "artifacts/aws-f999/openshift-e2e-test-qe-report/artifacts/test-results.yaml";

struct Emulator {
    process: Child,
    base: String,
    /// The shim's address.
    front: String,
    _folder: TempDir,
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It ends with the test, however that ends.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Emulator {
    async fn start() -> Self {
        let folder = TempDir::new().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = root().join(".venv/bin/gcp-storage-emulator");
        let process = Command::new(&program)
            .args(["start", "-M", "-q", "-H", "127.0.0.1", "--default-bucket", QE_BUCKET])
            .args(["--port", &port.to_string()])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{} (`make deps`): {error}", program.display()));
        let base = format!("http://127.0.0.1:{port}");
        let front = shim(base.clone()).await;
        let emulator = Self { process, base, front, _folder: folder };
        let started = Instant::now();
        while reqwest::get(&emulator.base).await.is_err() {
            assert!(started.elapsed() < Duration::from_mins(1), "the emulator does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        emulator
    }

    async fn put(&self, name: &str, content: &str) {
        let url = format!("{}/upload/storage/v1/b/{QE_BUCKET}/o?uploadType=media", self.base);
        let request = reqwest::Client::new().post(url).query(&[("name", name)]);
        let request = request.header("content-type", "text/plain").body(content.to_owned());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }

    fn client(&self, bucket: &str) -> GcsClient {
        let settings = HttpSettings { attempts: 2, ..HttpSettings::default() };
        let http = Http::new(settings, Clock::system(), Redactor::default()).unwrap();
        GcsClient::anonymous(http, self.front.parse().unwrap(), bucket)
    }
}

/// Passes GET requests on to `base`; its own address.
async fn shim(base: String) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(pass_on(stream, base.clone()));
        }
    });
    address
}

async fn pass_on(mut stream: tokio::net::TcpStream, base: String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        // A connection that is closed without a request ends here.
        let Ok(byte) = stream.read_u8().await else { return };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap().to_owned();
    let answer = reqwest::get(format!("{base}{target}")).await.unwrap();
    let status = answer.status();
    let mut body = answer.bytes().await.unwrap().to_vec();
    let path = target.split('?').next().unwrap();
    if status == 404 && body.is_empty() && path.starts_with("/download/") {
        let object = path.trim_start_matches("/download/storage/v1/b/").replacen("/o/", "/", 1);
        body = format!("No such object: {}", object.replace("%2F", "/")).into_bytes();
    }
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    // The client may be gone.
    let _ = stream.write_all(head.as_bytes()).await;
    let _ = stream.write_all(&body).await;
}

#[tokio::test]
async fn reports_and_ends_of_runs_are_read() {
    let emulator = Emulator::start().await;
    let run = |number: u64| {
        RunLocation::of_page(&format!("https://deck.example.test/view/gs/{QE_BUCKET}/logs/{JOB}/{number}"))
            .unwrap()
    };
    let client = emulator.client(QE_BUCKET);
    assert_eq!(client.qe_report(&run(7)).await.unwrap(), None);
    assert_eq!(client.ended_run(&run(7), "id-7").await.unwrap(), None);

    emulator
        .put(
            &format!("logs/{JOB}/7/finished.json"),
            r#"{"timestamp": 1767330367, "passed": true, "result": "SUCCESS"}"#,
        )
        .await;
    assert_eq!(client.ended_run(&run(7), "id-7").await.unwrap(), None, "the pod's end is not the run's");
    let object =
        r#"{"metadata": {"name": "id-7"}, "spec": {}, "status": {"state": "success", "build_id": "7"}}"#;
    emulator.put(&format!("logs/{JOB}/7/prowjob.json"), object).await;
    emulator.put(&format!("logs/{JOB}/7/artifacts/aws-f999/build-log.txt"), "made up").await;
    emulator.put(&format!("logs/{JOB}/7/{REPORT}"), "demo: {total: 1}\n").await;
    emulator.put(&format!("logs/{JOB}/77/{REPORT}"), "another run's\n").await;
    // One level too deep for the pattern.
    emulator
        .put(&format!("logs/{JOB}/8/artifacts/a/{}", REPORT.trim_start_matches("artifacts/")), "wrong\n")
        .await;
    assert_eq!(client.qe_report(&run(7)).await.unwrap().as_deref(), Some("demo: {total: 1}\n"));
    assert_eq!(client.qe_report(&run(8)).await.unwrap(), None);
    let ended = client.ended_run(&run(7), "id-7").await.unwrap().unwrap();
    assert_eq!((ended.state, ended.completed.as_second()), (ProwState::Success, 1_767_330_367));

    let error = emulator.client("no-such-bucket").qe_report(&run(7)).await.unwrap_err();
    assert_eq!(error.kind, ServiceErrorKind::NotFound, "a bucket that is not there is no absent report");
}
