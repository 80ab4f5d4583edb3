//! The client of Google Cloud Storage at a store that others wrote: `PyPI`'s `gcp-storage-emulator`.
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

const JOB: &str = "periodic-ci-demo-automated-release-aws-f999";
const REPORT: &str = "artifacts/aws-f999/openshift-e2e-test-qe-report/artifacts/test-results.yaml";

struct Emulator {
    process: Child,
    base: String,
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
        let emulator = Self { process, base: format!("http://127.0.0.1:{port}"), _folder: folder };
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
        GcsClient::anonymous(http, self.base.parse().unwrap(), bucket)
    }
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
