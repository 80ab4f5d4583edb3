//! Whether a release is held, asked before each effect: by its StateBox, by the file for every release, and by the dated
//! freezes of the configuration document.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::join;
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::workspace::{freeze_file, open_statebox, open_statebox_to_create};
use crate::clients::Clients;
use crate::config::{ConfigError, DatedFreeze};
use crate::error::{Classified, ErrorClass};
use crate::permit::{Closed, Gate};
use crate::statebox::{FreezeFile, Freezes, StateBox};
use crate::version::ReleaseVersion;

/// How old a look may be: after a hold was recorded nothing begins for longer than this.
pub const LOOK_AGE: Duration = Duration::from_secs(5);

/// What the file with the holds of every release is about, in the words of its failures.
const EVERY_RELEASE: &str = "every release";

/// The holds of every release, read by whoever asks first and shared by all parts of a call.
#[derive(Debug, Default)]
pub struct FrozenAll {
    file: OnceLock<FreezeFile>,
    /// The last look and what came of it: when the file was asked for, or when it could not be read.
    seen: Mutex<Option<(Timestamp, Result<Freezes, Closed>)>>,
}

/// The holds of one release. It shares the release's StateBox with the run, so that a state that was just read or written
/// is not read again.
#[derive(Debug)]
pub struct Holds {
    clients: Clients,
    release: ReleaseVersion,
    statebox: OnceLock<Arc<StateBox>>,
    all: Arc<FrozenAll>,
}

impl Holds {
    /// The holds of `release` and those of every release. Makes no request.
    pub fn new(clients: Clients, release: ReleaseVersion, all: Arc<FrozenAll>) -> Self {
        Self { clients, release, statebox: OnceLock::new(), all }
    }

    /// The release's StateBox.
    pub fn statebox(&self) -> Result<Arc<StateBox>, ConfigError> {
        self.opened(|| open_statebox(&self.clients, &self.release))
    }

    /// The same, for a command that creates it when it is absent.
    pub fn statebox_to_create(&self) -> Result<Arc<StateBox>, ConfigError> {
        self.opened(|| open_statebox_to_create(&self.clients, &self.release))
    }

    fn opened(
        &self,
        open: impl FnOnce() -> Result<StateBox, ConfigError>,
    ) -> Result<Arc<StateBox>, ConfigError> {
        if let Some(known) = self.statebox.get() {
            return Ok(Arc::clone(known));
        }
        let opened = Arc::new(open()?);
        Ok(Arc::clone(self.statebox.get_or_init(|| opened)))
    }

    /// What is recorded of every release, at most [`LOOK_AGE`] old (one request, conditional when it is repeated). That it
    /// could not be read is known as long: others do not try the same again one after another.
    pub async fn freezes(&self) -> Result<Freezes, Closed> {
        let file = if let Some(file) = self.all.file.get() {
            file
        } else {
            let opened = freeze_file(&self.clients).map_err(|error| self.unknown(&error))?;
            self.all.file.get_or_init(|| opened)
        };
        let clock = self.clients.clock();
        let mut seen = self.all.seen.lock().await;
        if let Some((at, found)) = seen.as_ref()
            && is_fresh(*at, clock.now())
        {
            return found.clone();
        }
        let asked = clock.now();
        let found = file.read().await.map_err(|error| unknown(EVERY_RELEASE, &error));
        let at = if found.is_ok() { asked } else { clock.now() };
        *seen = Some((at, found.clone()));
        found
    }

    /// Everything that keeps effects from beginning now, and what cannot be found out of that.
    pub async fn reasons(&self) -> Vec<Closed> {
        let (of_release, of_all) = join(self.of_release(), self.of_all()).await;
        let by_date = dated(&self.clients).map_err(|error| self.unknown(&error));
        [of_release, of_all, by_date]
            .into_iter()
            .flat_map(|found| found.unwrap_or_else(|closed| vec![closed]))
            .collect()
    }

    async fn of_release(&self) -> Result<Vec<Closed>, Closed> {
        let statebox = self.statebox().map_err(|error| self.unknown(&error))?;
        let state = statebox.recent(LOOK_AGE).await.map_err(|error| self.unknown(&error))?;
        Ok(state.map(|state| state.closed(self.clients.clock().now())).unwrap_or_default())
    }

    async fn of_all(&self) -> Result<Vec<Closed>, Closed> {
        Ok(self.freezes().await?.closed(self.clients.clock().now()))
    }

    fn unknown(&self, error: &dyn Classified) -> Closed {
        unknown(&self.release.to_string(), error)
    }
}

/// What cannot be looked at is not known, and nothing begins. A file that is there and cannot be understood stays so until a
/// person repairs it.
fn unknown(what: &str, error: &dyn Classified) -> Closed {
    let class = match error.class() {
        ErrorClass::Blocked => ErrorClass::Blocked,
        class => class.of_unknown(),
    };
    let text = format!("whether {what} is held cannot be found out, so nothing begins: {error}");
    Closed { class, text, hint: error.hint() }
}

/// The dated freezes that last now.
fn dated(clients: &Clients) -> Result<Vec<Closed>, ConfigError> {
    let now = clients.clock().now();
    let freezes = clients.settings().document()?.freezes()?;
    Ok(freezes.iter().filter(|freeze| freeze.lasts_at(now)).map(by_date).collect())
}

/// Why nothing begins for any release now, and what cannot be found out of that (one request).
pub async fn reasons_for_all(clients: &Clients) -> Vec<Closed> {
    let unknown = |error: &dyn Classified| vec![unknown(EVERY_RELEASE, error)];
    let recorded = match freeze_file(clients) {
        Ok(file) => match file.read().await {
            Ok(freezes) => freezes.closed(clients.clock().now()),
            Err(error) => unknown(&error),
        },
        Err(error) => unknown(&error),
    };
    let dated = dated(clients).unwrap_or_else(|error| unknown(&error));
    recorded.into_iter().chain(dated).collect()
}

#[async_trait]
impl Gate for Holds {
    async fn open(&self) -> Result<(), Closed> {
        let reasons = self.reasons().await;
        // What certainly holds it says more than what could not be looked at.
        let certain = reasons.iter().find(|closed| closed.class == ErrorClass::Blocked);
        certain.or(reasons.first()).map_or(Ok(()), |closed| Err(closed.clone()))
    }
}

fn by_date(freeze: &DatedFreeze) -> Closed {
    let DatedFreeze { name, from, until, why } = freeze;
    Closed {
        class: ErrorClass::Blocked,
        text: format!(
            "every release is held from {from} until {until} by the configuration document (`freezes.{name}`): {why}"
        ),
        hint: Some(format!(
            "It ends by itself. When it may go on before: change or remove `freezes.{name}` (oarctl config edit)."
        )),
    }
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < LOOK_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Settings};
    use crate::http::{Http, HttpSettings};
    use crate::redact::Redactor;
    use crate::store::memory::SteppingClock;

    #[tokio::test]
    async fn that_the_file_of_every_release_could_not_be_read_is_known_for_as_long_as_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let state = format!("local:{}", folder.path().display());
        let environment = Environment::from_pairs([("OAR_STATE", state.as_str())]);
        let (clock, time) = SteppingClock::start();
        let http = Http::new(HttpSettings::default(), clock, Redactor::default()).unwrap();
        let clients = Clients::new(Settings::load(&environment).unwrap(), http);
        let all = Arc::new(FrozenAll::default());
        let holds = |release: &str| Holds::new(clients.clone(), release.parse().unwrap(), Arc::clone(&all));
        let (one, other) = (holds("4.19.1"), holds("4.18.9"));
        let file = folder.path().join("_releases/holds.yaml");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "holds: 3\n").unwrap();
        let failure = one.freezes().await.unwrap_err();
        assert!(failure.text.starts_with("whether every release is held cannot be found out"), "{failure}");
        std::fs::write(&file, "holds: []\n").unwrap();
        assert_eq!(
            other.freezes().await.unwrap_err(),
            failure,
            "the file is not read again for another release"
        );
        time.advance(LOOK_AGE);
        assert_eq!(other.freezes().await.unwrap().all().len(), 0);
        std::fs::write(&file, "holds: 3\n").unwrap();
        assert!(one.freezes().await.is_ok());
        time.advance(LOOK_AGE);
        assert!(one.freezes().await.is_err());
    }
}
