//! The running sandbox and its handle.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::Duration,
};

use axum::{Router, middleware};
use tempfile::TempDir;
use tokio::sync::oneshot;

use crate::{
    clock::{Clock, ClockStart},
    connection::{Connection, CuttableListener},
    control, environment,
    faults::Faults,
    intercept,
    kerberos::{Kerberos, Tickets},
    place::Place,
    requests::RecordedRequest,
    scenario, services,
    unexpected::UnexpectedRequest,
    world::{Shared, World},
};

/// How a sandbox starts.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// Where the clock starts.
    pub clock: ClockStart,
    /// Every answer waits this long.
    pub latency: Duration,
    /// Files `openshift-<X.Y>-releases.yml` that replace the scenario's build data.
    pub build_data: Option<PathBuf>,
    /// StateBox files `<release>.yaml` that are there from the start.
    pub statebox: Option<PathBuf>,
    /// What the Kerberos cache of a product process holds.
    pub tickets: Tickets,
    /// The encrypted configuration document that `OAR_CONFIG` shall name; absent: see
    /// [`crate::environment::find_configuration`].
    pub configuration: Option<PathBuf>,
}

/// Why a sandbox did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The port is taken or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The port asked for.
        port: u16,
        /// Why.
        source: std::io::Error,
    },
    /// The server's thread or runtime could not be made.
    #[error("cannot start the server: {0}")]
    Runtime(std::io::Error),
    /// Files that the sandbox needs could not be written.
    #[error("cannot write the sandbox's files: {0}")]
    Files(std::io::Error),
    /// The key of the Google service account could not be made.
    #[error("cannot make a key: {0}")]
    Key(String),
    /// The user's build data or StateBox files could not be loaded.
    #[error(transparent)]
    Scenario(#[from] scenario::github::FilesError),
}

/// A handle on a running sandbox. Copies are cheap; the server ends with the last one.
#[derive(Clone, Debug)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    world: Shared,
    environment: Vec<(String, String)>,
    kerberos: Kerberos,
    server: Mutex<Option<Server>>,
    _files: TempDir,
}

#[derive(Debug)]
struct Server {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(server) = self.server.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Both fail only when the server has ended already.
            let _ = server.stop.send(());
            let _ = server.thread.join();
        }
    }
}

impl Sandbox {
    /// Starts a sandbox with the scenario's data, on its own thread.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let listen = |source| StartError::Listen { port: options.port, source };
        let place = Place::take(options.port).map_err(listen)?;

        let files = tempfile::Builder::new().prefix("oar-sandbox-").tempdir().map_err(StartError::Files)?;
        let world = Arc::new(World::new(format!("http://{}", place.address), options.clock));
        world.set_latency(options.latency);
        scenario::load(&world);
        if let Some(directory) = &options.build_data {
            scenario::github::load_build_data(&world, directory)?;
        }
        if let Some(directory) = &options.statebox {
            scenario::github::load_statebox(&world, directory)?;
        }

        let configuration = options.configuration.clone().or_else(environment::find_configuration);
        let configuration = configuration.map(|path| path.display().to_string());
        let kerberos = Kerberos::write(files.path(), place.address.ip()).map_err(StartError::Files)?;
        let google_key = scenario::google::write_key(&world.base_url, files.path())?;
        let environment = environment::environment(
            &world.base_url,
            configuration.as_deref(),
            &google_key.display().to_string(),
            &kerberos.environment(options.tickets),
        );
        let server = serve(Arc::clone(&world), environment.clone(), place)?;
        let inner = Inner { world, environment, kerberos, server: Mutex::new(Some(server)), _files: files };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// `http://127.31.9.4:8765`, without a slash at the end: an address that only this sandbox has.
    pub fn base_url(&self) -> &str {
        &self.inner.world.base_url
    }

    /// The environment variables for a product process, with credentials.
    pub fn environment(&self) -> Vec<(String, String)> {
        self.inner.environment.clone()
    }

    /// Kerberos configuration and ticket caches, for a process that shall have other tickets than
    /// [`Options::tickets`].
    pub fn kerberos(&self) -> &Kerberos {
        &self.inner.kerberos
    }

    /// The time in all services.
    pub fn clock(&self) -> &Clock {
        &self.inner.world.clock
    }

    /// The fault rules.
    pub fn faults(&self) -> &Faults {
        &self.inner.world.faults
    }

    /// The state of all services.
    pub fn world(&self) -> &World {
        &self.inner.world
    }

    /// Every answer from now on waits this long.
    pub fn set_latency(&self, latency: Duration) {
        self.inner.world.set_latency(latency);
    }

    /// All requests, in order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.inner.world.requests.all()
    }

    /// The requests that are writes.
    pub fn writes(&self) -> Vec<RecordedRequest> {
        self.requests().into_iter().filter(RecordedRequest::is_write).collect()
    }

    /// How many connections carried the recorded requests.
    pub fn connections(&self) -> usize {
        let numbers: BTreeSet<u64> = self.requests().iter().map(|request| request.connection).collect();
        numbers.len()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.inner.world.requests.clear();
    }

    /// The requests so far, which are forgotten: each is in one answer of this, however many come meanwhile.
    pub fn take_requests(&self) -> Vec<RecordedRequest> {
        self.inner.world.requests.take()
    }

    /// Requests that no service supports.
    pub fn unexpected(&self) -> Vec<UnexpectedRequest> {
        self.inner.world.unexpected.all()
    }

    /// For tests.
    ///
    /// # Panics
    /// When there was a request that no service supports.
    pub fn assert_no_unexpected(&self) {
        let unexpected = self.unexpected();
        assert!(unexpected.is_empty(), "requests that the sandbox does not know: {unexpected:#?}");
    }
}

fn serve(world: Shared, environment: Vec<(String, String)>, place: Place) -> Result<Server, StartError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(StartError::Runtime)?;
    let listeners = {
        let _guard = runtime.enter();
        let listeners = place.listeners.into_iter().map(tokio::net::TcpListener::from_std);
        listeners.collect::<Result<Vec<_>, _>>().map_err(StartError::Runtime)?
    };
    let app = Router::new()
        .merge(services::router())
        .layer(middleware::from_fn_with_state(Arc::clone(&world), intercept::intercept))
        .merge(control::router(environment))
        .with_state(world)
        .into_make_service_with_connect_info::<Connection>();
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::Builder::new()
        .name("oar-sandbox".to_owned())
        .spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = axum::serve(CuttableListener::new(listeners), app) => {}
                    _ = stopped => {}
                }
            });
            // Requests that still hang must not keep the test waiting.
            runtime.shutdown_background();
        })
        .map_err(StartError::Runtime)?;
    Ok(Server { stop, thread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::{Fault, FaultKind};

    async fn get(sandbox: &Sandbox, path: &str) -> reqwest::Result<reqwest::Response> {
        reqwest::Client::new().get(format!("{}{path}", sandbox.base_url())).send().await
    }

    #[tokio::test]
    async fn an_unknown_route_is_refused_and_remembered() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        assert_eq!(get(&sandbox, "/jira/nothing/here?x=1").await.unwrap().status(), 501);
        assert_eq!(get(&sandbox, "/nowhere").await.unwrap().status(), 501);
        let unexpected = sandbox.unexpected();
        assert_eq!(unexpected.len(), 2);
        assert_eq!((unexpected[0].service.as_str(), unexpected[0].path.as_str()), ("jira", "/nothing/here"));
        assert_eq!(unexpected[1].service, "unknown");
        assert_eq!(sandbox.requests()[0].status, Some(501));
        let failed = std::panic::catch_unwind(|| sandbox.assert_no_unexpected());
        assert!(failed.is_err());
    }

    #[tokio::test]
    async fn dropping_cuts_the_connection_before_or_after_acting() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        for (kind, acted) in [(FaultKind::DropBefore, false), (FaultKind::DropAfter, true)] {
            sandbox.clear_requests();
            sandbox.faults().add(Fault::on("github", kind));
            let error = get(&sandbox, "/github/rate_limit").await.unwrap_err();
            assert!(error.is_request(), "{error:?}");
            let requests = sandbox.requests();
            assert_eq!(requests.len(), 1);
            assert_eq!((requests[0].acted, requests[0].status), (acted, None));
        }
        assert!(get(&sandbox, "/github/rate_limit").await.is_ok());
    }

    #[tokio::test]
    async fn another_sandbox_on_the_same_port_is_not_met() {
        let before = Sandbox::start(&Options::default()).unwrap();
        let address = before.base_url().to_owned();
        let port = url::Url::parse(&address).unwrap().port().unwrap();
        drop(before);
        let now = Sandbox::start(&Options { port, ..Options::default() }).unwrap();
        for path in ["/github/rate_limit", "/_sandbox/clock"] {
            let error = reqwest::get(format!("{address}{path}")).await.unwrap_err();
            assert!(error.is_connect(), "{error}");
        }
        assert!(now.requests().is_empty());
        let by_hand = format!("http://127.0.0.1:{port}/github/rate_limit");
        assert_eq!(reqwest::get(by_hand).await.unwrap().status(), 200);
    }

    #[tokio::test]
    async fn connections_are_counted() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        let client = reqwest::Client::new();
        for _ in 0..3 {
            let url = format!("{}/github/rate_limit", sandbox.base_url());
            client.get(url).send().await.unwrap().text().await.unwrap();
        }
        assert_eq!(sandbox.connections(), 1);
        get(&sandbox, "/github/rate_limit").await.unwrap();
        assert_eq!((sandbox.requests().len(), sandbox.connections()), (4, 2));
    }

    #[tokio::test]
    async fn slow_and_stalled_answers() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        let client = reqwest::Client::builder().timeout(Duration::from_millis(300)).build().unwrap();
        let ask = async || client.get(format!("{}/github/rate_limit", sandbox.base_url())).send().await;
        sandbox.faults().add(Fault::on("github", FaultKind::HangAfter));
        assert!(ask().await.unwrap_err().is_timeout());
        assert!(sandbox.requests()[0].acted, "the request took effect before the answer stalled");
        sandbox.faults().add(Fault::on("github", FaultKind::Slow { ms: 60_000 }));
        assert!(ask().await.unwrap_err().is_timeout());
        assert!(!sandbox.requests()[1].acted);
        sandbox.set_latency(Duration::from_mins(1));
        assert!(ask().await.unwrap_err().is_timeout());
        sandbox.set_latency(Duration::ZERO);
        assert!(ask().await.is_ok());
    }

    #[tokio::test]
    async fn faults_that_answer() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        let faults = sandbox.faults();
        faults.add(Fault::on("github", FaultKind::Status { code: 502, body: None, headers: Vec::new() }));
        faults.add(Fault::on("github", FaultKind::RateLimited { retry_after: 3 }));
        faults.add(Fault::on("github", FaultKind::SecondaryRateLimit { retry_after: 4 }));
        faults.add(Fault::on("github", FaultKind::BusyBranch));
        faults.add(Fault::on("github", FaultKind::Garbage));
        let mut seen = Vec::new();
        for _ in 0..4 {
            let answer = get(&sandbox, "/github/rate_limit").await.unwrap();
            let wait = answer.headers().get("retry-after").map(|value| value.to_str().unwrap().to_owned());
            seen.push((answer.status().as_u16(), wait));
        }
        let wait = |seconds: &str| Some(seconds.to_owned());
        assert_eq!(seen, [(502, None), (429, wait("3")), (403, wait("4")), (409, None)]);
        let garbage = get(&sandbox, "/github/rate_limit").await.unwrap();
        assert_eq!(garbage.status(), 200);
        assert!(garbage.text().await.unwrap().starts_with("<html>"));
        assert!(sandbox.requests().iter().all(|request| !request.acted));
    }

    #[tokio::test]
    async fn a_truncated_body_is_seen_as_broken() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        sandbox.faults().add(Fault::on("jira", FaultKind::Truncate));
        let answer = get(&sandbox, "/jira/x").await.unwrap();
        assert!(answer.text().await.is_err());
    }

    #[tokio::test]
    async fn a_hanging_request_does_not_keep_the_sandbox_alive() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        sandbox.faults().add(Fault::on("jira", FaultKind::Hang));
        let client = reqwest::Client::builder().timeout(Duration::from_millis(200)).build().unwrap();
        let error = client.get(format!("{}/jira/x", sandbox.base_url())).send().await.unwrap_err();
        assert!(error.is_timeout());
        assert!(!sandbox.requests()[0].acted);
        drop(sandbox);
    }

    #[tokio::test]
    async fn the_control_interface() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        let url = |path: &str| format!("{}/_sandbox/{path}", sandbox.base_url());
        let client = reqwest::Client::new();
        let fault =
            serde_json::json!({"service": "jira", "times": 1, "kind": {"type": "status", "code": 418}});
        let send = |path: &str, body: &serde_json::Value| {
            client.post(url(path)).header("content-type", "application/json").body(body.to_string()).send()
        };
        assert_eq!(send("faults", &fault).await.unwrap().status(), 201);
        assert_eq!(get(&sandbox, "/jira/x").await.unwrap().status(), 418);
        let kind = serde_json::json!({"type": "hang"});
        let never = serde_json::json!({"type": "status", "code": 42});
        for refused in [
            serde_json::json!({"service": "githubb", "kind": kind}),
            serde_json::json!({"rate": 1.5, "kind": kind}),
            serde_json::json!({"kind": never}),
        ] {
            let answer = send("faults", &refused).await.unwrap();
            assert_eq!(answer.status(), 400, "{refused}");
        }
        let answer = send("faults", &serde_json::json!({"service": "githubb", "kind": kind})).await.unwrap();
        let words = answer.text().await.unwrap();
        assert!(words.contains("no service \\\"githubb\\\"; there are github, github-raw,"), "{words}");
        let far = serde_json::json!({"advance_seconds": i64::MAX});
        assert_eq!(send("clock", &far).await.unwrap().status(), 400);
        assert_eq!(send("stop", &serde_json::json!({})).await.unwrap().status(), 409);
        let before = sandbox.clock().now();
        send("clock", &serde_json::json!({"advance_seconds": 3600})).await.unwrap();
        assert!(sandbox.clock().now().as_second() - before.as_second() >= 3600);
        let log: Vec<serde_json::Value> =
            serde_json::from_str(&get(&sandbox, "/_sandbox/requests").await.unwrap().text().await.unwrap())
                .unwrap();
        assert_eq!(log.len(), 1, "requests to the control interface are not recorded");
        assert_eq!(log[0]["fault"], "status");
        client.delete(url("requests")).send().await.unwrap();
        assert!(sandbox.requests().is_empty());
        assert_eq!(get(&sandbox, "/_sandbox/state/github").await.unwrap().status(), 200);
        assert_eq!(get(&sandbox, "/_sandbox/state/nothing").await.unwrap().status(), 404);
        assert_eq!(send("state/jira/nothing", &serde_json::json!({})).await.unwrap().status(), 400);
    }
}
