//! Which StateBox files change: one conditional request at a time for everybody who listens.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oar_core::clock::Clock;
use oar_core::tasks::statebox_files::{Listing, StateBoxFiles};
use oar_core::version::ReleaseVersion;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::address::Address;

/// How long the pause between two looks usually is.
pub const INTERVAL: Duration = Duration::from_secs(20);
/// How many changes a slow listener may be behind; beyond it, it hears that anything may have changed.
const BEHIND: usize = 64;

/// What changed between two looks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// The releases whose files changed, came or went.
    pub releases: BTreeSet<ReleaseVersion>,
    /// Whether files came or went.
    pub list: bool,
    /// Whether anything may have changed, because the listener missed changes.
    pub anything: bool,
}

impl Change {
    fn between(before: &Listing, after: &Listing) -> Self {
        let mut change = Self::default();
        for (release, file) in after {
            match before.get(release) {
                Some(known) if known.revision == file.revision => {}
                known => {
                    change.list |= known.is_none();
                    change.releases.insert(release.clone());
                }
            }
        }
        for release in before.keys().filter(|release| !after.contains_key(*release)) {
            change.list = true;
            change.releases.insert(release.clone());
        }
        change
    }

    /// Whether the resource at `address` may be another one now.
    pub(crate) fn concerns(&self, address: &Address) -> bool {
        self.anything
            || match address.release() {
                Some(release) => self.releases.contains(release),
                // Any file may decide whether its release is active.
                None => !self.releases.is_empty(),
            }
    }
}

/// Looks for changes as long as somebody listens. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: Arc<StateBoxFiles>,
    clock: Clock,
    interval: Duration,
    sender: broadcast::Sender<Arc<Change>>,
    poll: Mutex<Poll>,
}

#[derive(Debug, Default)]
struct Poll {
    is_running: bool,
    /// What the last look saw, before a pause too.
    known: Option<Arc<Listing>>,
}

/// Hears of changes.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Arc<Change>>);

impl Listener {
    /// The next change; `None` when there will be none, because the server ends.
    pub async fn next(&mut self) -> Option<Arc<Change>> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(RecvError::Lagged(_)) => {
                Some(Arc::new(Change { anything: true, list: true, ..Change::default() }))
            }
            Err(RecvError::Closed) => None,
        }
    }
}

impl Changes {
    /// Changes of `files`, looked for every `interval`. Makes no request until somebody listens.
    pub fn new(files: Arc<StateBoxFiles>, clock: Clock, interval: Duration) -> Self {
        let (sender, _) = broadcast::channel(BEHIND);
        Self(Arc::new(Inner { files, clock, interval, sender, poll: Mutex::default() }))
    }

    /// Listens from now on. The first listener starts the looks, and after the last one they end.
    pub fn listen(&self) -> Listener {
        let mut poll = self.poll();
        let listener = Listener(self.0.sender.subscribe());
        if !poll.is_running {
            poll.is_running = true;
            let changes = self.clone();
            tokio::spawn(async move { changes.run().await });
        }
        listener
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.0.sender.receiver_count()
    }

    fn poll(&self) -> std::sync::MutexGuard<'_, Poll> {
        // Its fields are changed one by one and each is right by itself, so a panic elsewhere does no harm.
        self.0.poll.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self) {
        let _panicked = Panicked(self);
        let mut is_failing = false;
        loop {
            match self.0.files.list().await {
                Ok(listing) => {
                    is_failing = false;
                    self.saw(&listing);
                }
                Err(error) if !is_failing => {
                    is_failing = true;
                    tracing::warn!("changes of StateBox files cannot be seen for now: {}", error.inner());
                }
                Err(_) => {}
            }
            self.0.clock.sleep(self.0.interval).await;
            let mut poll = self.poll();
            if self.listeners() == 0 {
                poll.is_running = false;
                return;
            }
        }
    }

    fn saw(&self, listing: &Arc<Listing>) {
        let before = self.poll().known.replace(Arc::clone(listing));
        let change = before.map_or_else(Change::default, |before| Change::between(&before, listing));
        if !change.releases.is_empty() {
            // An error means that nobody listens any more.
            let _ = self.0.sender.send(Arc::new(change));
        }
    }
}

/// Lets the next listener start the looks again after a panic.
struct Panicked<'a>(&'a Changes);

impl Drop for Panicked<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.poll().is_running = false;
        }
    }
}
