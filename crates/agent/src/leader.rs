//! Leader election among replicas: by a Lease in the cluster that they run in, or by a lock file on their
//! machine.

use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use cli_support::{CliError, Session};
use oar_core::clients::Clients;
use oar_core::clients::kube::{LeaseHolder, LeaseState};
use oar_core::config::Environment;
use oar_core::error::ErrorClass;
use oar_core::permit::WritePermit;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::schedule::Agent;

/// How often a standby replica checks whether it can become the leader.
pub(crate) const STANDBY_INTERVAL: Duration = Duration::from_secs(15);
/// How long a lease is valid after its last renewal.
const LEASE_DURATION: Duration = Duration::from_secs(90);
/// How often the holder renews it.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(20);

/// Makes contenders for leases in the cluster that this process runs in.
pub trait Leases {
    /// A contender for the lease `name`, as `identity`; the lease is valid for `duration` after its last
    /// renewal. `None` outside a cluster.
    fn lease(&self, name: &str, identity: &str, duration: Duration) -> Result<Option<LeaseHolder>, CliError>;
}

impl Leases for Clients {
    fn lease(&self, name: &str, identity: &str, duration: Duration) -> Result<Option<LeaseHolder>, CliError> {
        Ok(Self::lease(self, name, identity, duration)?)
    }
}

/// Which replica is the leader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leadership {
    /// This one.
    Ours,
    /// Another one; this one is on standby.
    Theirs,
    /// It could not be determined.
    Failed,
}

/// Unique among replicas, also among those in one process: the pod's or the machine's name, the process, and a random number.
fn identity() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let own = uuid::Uuid::new_v4().simple().to_string();
    format!("{host}/{}/{}", std::process::id(), own.get(..8).unwrap_or_default())
}

/// Determines whether this program is the leader: it holds all of its locks, or none.
pub(crate) struct Leader {
    /// In the order in which they are taken. None when no election is needed, because the program changes nothing.
    locks: Vec<Lock>,
    /// The lock that another program holds, by the last check.
    theirs: Option<String>,
}

impl Leader {
    /// The leader of a program that needs no election.
    pub(crate) const fn alone() -> Self {
        Self { locks: Vec::new(), theirs: None }
    }

    /// The kind of election for the replicas of `agent`.
    pub(crate) fn of(session: &Session, agent: &Agent<'_>) -> Result<Self, CliError> {
        let locks = agent.locks().into_iter().map(|name| Lock::of(session, agent, name));
        Ok(Self { locks: locks.collect::<Result<_, _>>()?, theirs: None })
    }

    /// Checks whose turn it is, and takes or renews the locks when it is this program's. A lock is never waited for, and none is
    /// kept without the others, so two programs that share some of theirs cannot wait for each other.
    pub(crate) async fn turn(&mut self) -> Leadership {
        self.theirs = None;
        for place in 0..self.locks.len() {
            let Some(lock) = self.locks.get_mut(place) else { break };
            let turn = lock.turn().await;
            if turn == Leadership::Ours {
                continue;
            }
            self.theirs = Some(lock.name.clone()).filter(|_| turn == Leadership::Theirs);
            for taken in self.locks.iter_mut().take(place) {
                taken.give_back().await;
            }
            return turn;
        }
        Leadership::Ours
    }

    /// The lock that another program holds, by the last check.
    pub(crate) fn theirs(&self) -> Option<&str> {
        self.theirs.as_deref()
    }

    /// Runs `work`, and renews the leases meanwhile if this program holds them. It continues even if another
    /// program takes one over: the records prevent conflicts between two programs.
    pub(crate) async fn during<T>(&mut self, session: &Session, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = session.clock.sleep(RENEWAL_INTERVAL) => {
                    for lock in &mut self.locks {
                        lock.renew().await;
                    }
                }
            }
        }
    }

    /// Releases the leadership.
    pub(crate) async fn give_up(mut self) {
        for lock in &mut self.locks {
            lock.give_back().await;
        }
    }
}

/// One lock: a lease in the cluster that the program runs in, or a file of the machine.
struct Lock {
    name: String,
    /// Whether this program held it at the last check.
    ours: bool,
    kind: Kind,
}

enum Kind {
    Lease(LeaseHolder),
    /// It stays locked as long as the file is open.
    File {
        path: PathBuf,
        file: File,
    },
}

impl Lock {
    fn of(session: &Session, agent: &Agent<'_>, name: String) -> Result<Self, CliError> {
        let identity = identity();
        if let Some(holder) = agent.leases.lease(&name, &identity, LEASE_DURATION)? {
            session.ui.note(format!("taking turns by the lease {name}, as {identity}"));
            return Ok(Self { name, ours: false, kind: Kind::Lease(holder) });
        }
        Self::of_machine(&session.environment, &name)
    }

    /// By a lock file in the first directory in which one can be opened.
    fn of_machine(environment: &Environment, name: &str) -> Result<Self, CliError> {
        let file = format!("{name}.lock");
        let mut refused = None;
        for directory in environment.lock_directories() {
            match made(&directory).and_then(|()| Self::of_file(name, directory.join(&file))) {
                Ok(lock) => return Ok(lock),
                Err(error) => refused = Some(refused.unwrap_or(error)),
            }
        }
        Err(refused.unwrap_or_else(|| refusal("there is no directory for the lock file".to_owned())))
    }

    fn of_file(name: &str, path: PathBuf) -> Result<Self, CliError> {
        let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| refusal(format!("cannot open {}: {error}", path.display())))?;
        Ok(Self { name: name.to_owned(), ours: false, kind: Kind::File { path, file } })
    }

    /// Checks whether it is this program's, and takes or renews it when it is free.
    async fn turn(&mut self) -> Leadership {
        let turn = match &self.kind {
            Kind::Lease(holder) => match holder.acquire(&WritePermit::granted_by_user_interface()).await {
                Ok(LeaseState::Ours) => Leadership::Ours,
                Ok(LeaseState::Theirs { holder }) => {
                    tracing::info!("{holder} has the lease {}; on standby", self.name);
                    Leadership::Theirs
                }
                Err(error) => {
                    tracing::error!("{error}");
                    Leadership::Failed
                }
            },
            Kind::File { .. } if self.ours => Leadership::Ours,
            Kind::File { path, file } => match flock(file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => Leadership::Ours,
                Err(Errno::WOULDBLOCK) => {
                    tracing::info!("another program holds {}; on standby", path.display());
                    Leadership::Theirs
                }
                Err(error) => {
                    tracing::error!("cannot lock {}: {error}", path.display());
                    Leadership::Failed
                }
            },
        };
        self.ours = turn == Leadership::Ours;
        turn
    }

    async fn renew(&mut self) {
        if self.ours && matches!(self.kind, Kind::Lease(_)) {
            let _ = self.turn().await;
        }
    }

    /// Gives it back if this program has it. A lease whose last renewal failed may still be this program's.
    async fn give_back(&mut self) {
        self.ours = false;
        match &self.kind {
            Kind::Lease(holder) => {
                if let Err(error) = holder.release(&WritePermit::granted_by_user_interface()).await {
                    tracing::warn!("the lease {} was not released and will expire: {error}", self.name);
                }
            }
            Kind::File { path, file } => {
                if let Err(error) = flock(file, FlockOperation::Unlock) {
                    tracing::warn!("{} stays locked until the program ends: {error}", path.display());
                }
            }
        }
    }
}

/// Why there is no lock file, with the next step.
fn refusal(words: String) -> CliError {
    CliError::new(ErrorClass::Configuration, words).with_hint(
        "The lock file keeps two programs from doing the same work. Let this user write it, or set HOME or \
         XDG_RUNTIME_DIR to a directory in which this user may write.",
    )
}

/// Creates a directory of lock files, accessible only by this user.
fn made(directory: &Path) -> Result<(), CliError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| refusal(format!("cannot make {}: {error}", directory.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_agents_of_one_process_have_two_identities() {
        assert_ne!(identity(), identity());
    }

    #[tokio::test]
    async fn one_with_a_runtime_directory_and_one_without_take_turns() {
        let home = tempfile::tempdir().unwrap();
        let runtime = tempfile::tempdir().unwrap();
        let [home_text, runtime_text] = [&home, &runtime].map(|folder| folder.path().to_str().unwrap());
        let login = Environment::from_pairs([("HOME", home_text), ("XDG_RUNTIME_DIR", runtime_text)]);
        let cron = Environment::from_pairs([("HOME", home_text)]);
        let mut first = Lock::of_machine(&login, "jobctl-demo").unwrap();
        let mut second = Lock::of_machine(&cron, "jobctl-demo").unwrap();
        assert_eq!((first.turn().await, second.turn().await), (Leadership::Ours, Leadership::Theirs));
    }

    #[tokio::test]
    async fn where_the_home_cannot_be_written_the_runtime_directory_holds_the_lock() {
        let runtime = tempfile::tempdir().unwrap();
        let file = runtime.path().join("file");
        std::fs::write(&file, "").unwrap();
        let [home, runtime_text] = [file.as_path(), runtime.path()].map(|path| path.to_str().unwrap());
        let both = [("HOME", home), ("XDG_RUNTIME_DIR", runtime_text)];
        let mut lock = Lock::of_machine(&Environment::from_pairs(both), "jobctl-demo").unwrap();
        assert_eq!(lock.turn().await, Leadership::Ours);
        assert!(runtime.path().join("release-tests/jobctl-demo.lock").exists());
        let error = Lock::of_machine(&Environment::from_pairs([both[0]]), "jobctl-demo").err().unwrap();
        assert!(error.message.contains("cannot make"), "{error:?}");
    }

    #[tokio::test]
    async fn one_of_two_has_the_lock_and_a_file_that_cannot_be_opened_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("jobctl-demo.lock");
        let mut first = Lock::of_file("jobctl-demo", path.clone()).unwrap();
        let mut second = Lock::of_file("jobctl-demo", path.clone()).unwrap();
        assert_eq!((first.turn().await, second.turn().await), (Leadership::Ours, Leadership::Theirs));
        assert_eq!(first.turn().await, Leadership::Ours);
        first.give_back().await;
        assert_eq!(second.turn().await, Leadership::Ours);

        let error = Lock::of_file("jobctl-demo", path.join("below")).err().unwrap();
        assert_eq!(error.code, cli_support::ExitCode::Configuration);
        assert!(error.hint.unwrap().contains("XDG_RUNTIME_DIR"));
    }

    #[tokio::test]
    async fn one_takes_all_of_its_locks_or_none() {
        let folder = tempfile::tempdir().unwrap();
        let leader = |names: &[&str]| Leader {
            locks: names
                .iter()
                .map(|name| Lock::of_file(name, folder.path().join(format!("{name}.lock"))).unwrap())
                .collect(),
            theirs: None,
        };
        let (mut one, mut both, mut other) = (leader(&["b"]), leader(&["a", "b"]), leader(&["a"]));
        assert_eq!(one.turn().await, Leadership::Ours);
        assert_eq!((both.turn().await, both.theirs()), (Leadership::Theirs, Some("b")));
        assert_eq!(other.turn().await, Leadership::Ours, "what was taken in vain is given back");
        other.give_up().await;
        one.give_up().await;
        assert_eq!((both.turn().await, both.theirs()), (Leadership::Ours, None));
        assert_eq!(leader(&["a"]).turn().await, Leadership::Theirs);
    }
}
