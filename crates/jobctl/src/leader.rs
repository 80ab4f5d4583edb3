//! Which of several programs works: the holder of a Lease in the cluster that they run in, or of a lock file on their
//! machine.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::time::Duration;

use cli_support::{CliError, Session};
use oar_core::clients::kube::{LeaseHolder, LeaseState};
use oar_core::error::ErrorClass;
use oar_core::flow::permit::WritePermit;
use rustix::fs::{FlockOperation, flock};

use crate::setup::Setup;

/// How often somebody who stands by looks whether it is their turn.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// How long a lease outlives its holder's last sign.
const LEASE: Duration = Duration::from_secs(90);
/// How often its holder gives one.
const RENEWAL: Duration = Duration::from_secs(20);

/// Unique among replicas: the pod's or the machine's name, and the process.
fn identity() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}/{}", std::process::id())
}

/// Tells whether it is this program's turn.
pub(crate) enum Leader {
    /// A lease in the cluster that the program runs in.
    Lease {
        /// Takes and renews it.
        holder: LeaseHolder,
        /// Whether it was ours when it was last looked at.
        ours: bool,
    },
    /// A lock file, held as long as the process lives.
    File {
        /// The file.
        path: PathBuf,
        /// The lock, when it is ours.
        held: Option<File>,
    },
}

impl Leader {
    /// How programs with this `role` agree here.
    pub(crate) fn of(setup: &Setup, session: &Session, role: &str) -> Result<Self, CliError> {
        let identity = identity();
        if let Some(holder) = setup.lease(&format!("jobctl-{role}"), &identity, LEASE)? {
            session.ui.note(format!("taking turns by the lease jobctl-{role}, as {identity}"));
            return Ok(Self::Lease { holder, ours: false });
        }
        let directory = setup.runtime_directory();
        std::fs::create_dir_all(&directory).map_err(|error| {
            CliError::new(ErrorClass::Configuration, format!("cannot make {}: {error}", directory.display()))
        })?;
        Ok(Self::File { path: directory.join(format!("jobctl-{role}.lock")), held: None })
    }

    /// Whether it is our turn, now.
    pub(crate) async fn leads(&mut self) -> bool {
        match self {
            Self::Lease { holder, ours } => {
                let taken = holder.acquire(&WritePermit::granted_by_user_interface()).await;
                match &taken {
                    Ok(LeaseState::Ours) => {}
                    Ok(LeaseState::Theirs { holder }) => {
                        tracing::info!("{holder} has the lease; standing by");
                    }
                    Err(error) => tracing::error!("{error}"),
                }
                *ours = matches!(taken, Ok(LeaseState::Ours));
                *ours
            }
            Self::File { held: Some(_), .. } => true,
            Self::File { path, held } => {
                let file = match OpenOptions::new().create(true).truncate(false).write(true).open(&*path) {
                    Ok(file) => file,
                    Err(error) => {
                        tracing::error!("cannot open {}: {error}", path.display());
                        return false;
                    }
                };
                if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
                    tracing::info!("another program holds {}; standing by", path.display());
                    return false;
                }
                *held = Some(file);
                true
            }
        }
    }

    /// Does `work`, and keeps the turn meanwhile when it is ours. That somebody else takes it over is no reason to stop:
    /// what records hold keeps two programs apart.
    pub(crate) async fn during<T>(&mut self, session: &Session, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = session.clock.sleep(RENEWAL) => self.renew().await,
            }
        }
    }

    async fn renew(&mut self) {
        if let Self::Lease { ours: true, .. } = self {
            let _ = self.leads().await;
        }
    }

    /// Leaves the turn to others.
    pub(crate) async fn give_up(self) {
        match self {
            Self::Lease { holder, .. } => {
                if let Err(error) = holder.release(&WritePermit::granted_by_user_interface()).await {
                    tracing::warn!("the lease is not given up, and ends by itself: {error}");
                }
            }
            Self::File { held, .. } => drop(held),
        }
    }
}
