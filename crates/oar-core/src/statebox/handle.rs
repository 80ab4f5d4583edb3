//! The handle of one release's StateBox.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::copy::LocalCopy;
use super::diagnostic::Diagnostics;
use super::error::StateError;
use super::ledger::{Loss, UnrecordedEnd};
use super::names::TaskName;
use super::runs::RunEnd;
use super::state::State;
use super::views::Metadata;
use crate::clock::{Clock, stamp};
use crate::error::{ErrorClass, classified};
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::store::Change;
use crate::store::transaction::{Committed, Policy, Start, Target, TransactionError, transact};
use crate::store::{Revision, Store, StoreError, Stored, read_file};
use crate::version::ReleaseVersion;

/// For how long what was read is recent enough to say that nothing is to be changed.
const RECENT: Duration = Duration::from_secs(10);
/// How often a read that gives a revision which this handle itself replaced is repeated.
const STALE_READS: u32 = 4;
/// How often a file is read from which something seems to be lost.
const LOSS_READS: u32 = 3;
const STALE_PAUSE: Duration = Duration::from_millis(250);
/// How many replaced revisions are remembered.
const REMEMBERED: usize = 16;
/// The longest commit message, in characters.
const MESSAGE_LIMIT: usize = 200;

/// Why the state could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StateBoxError {
    /// The release has no state yet.
    #[error("release {release} has no StateBox ({location} does not exist)")]
    Absent {
        /// The release.
        release: ReleaseVersion,
        /// Where the file would be.
        location: String,
    },
    /// The file exists and cannot be understood; it is never overwritten.
    #[error("the StateBox cannot be used: {}", diagnostics.lines(location).collect::<Vec<_>>().join("\n"))]
    Invalid {
        /// The file.
        location: String,
        /// What is wrong.
        diagnostics: Diagnostics,
    },
    /// The file is another release's.
    #[error("{location} says that it belongs to release `{found}`, not {expected}")]
    WrongRelease {
        /// The file.
        location: String,
        /// The release that the file names.
        found: String,
        /// The requested release.
        expected: ReleaseVersion,
    },
    /// A newer program wrote the file; this one may read it only.
    #[error("{location} has schema version {version}, which is newer than what this program may write")]
    NewerSchema {
        /// The file.
        location: String,
        /// Its schema version.
        version: String,
    },
    /// The change was refused.
    #[error(transparent)]
    State(#[from] StateError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others changed the file at every attempt; nothing was written.
    #[error(
        "{location} was changed by others at each of {attempts} attempts in {seconds} s; nothing was written"
    )]
    Contended {
        /// The file.
        location: String,
        /// How many writes were tried.
        attempts: u32,
        /// For how long.
        seconds: u64,
    },
}

classified! {
    StateBoxError through State Store;
    class {
        Self::Absent { .. } | Self::Invalid { .. } | Self::WrongRelease { .. } => ErrorClass::Blocked,
        Self::NewerSchema { .. } => ErrorClass::Configuration,
        Self::Contended { .. } => ErrorClass::Conflict,
    }
    hint {
        Self::Absent { release, .. } => Some(format!("Run `oar -r {release} create-test-report` first.")),
        Self::Invalid { .. } => Some(
            "Repair the lines named above; `oarctl statebox validate FILE` checks the result.".into(),
        ),
        Self::WrongRelease { .. } => Some("Correct the key `release` in the file, or its name.".into()),
        Self::NewerSchema { .. } => Some("Install a newer version of this program.".into()),
        Self::Contended { .. } => Some("Run the same command again.".into()),
    }
}

/// How an update ended.
#[derive(Debug, Clone)]
pub struct Updated {
    /// The state as it is now.
    pub state: State,
    /// Whether this update changed it.
    pub change: Change,
    /// Whether there was no file before it.
    pub created: bool,
}

/// How a creation ended.
#[derive(Debug, Clone)]
pub enum Created {
    /// The file is new.
    Now(State),
    /// The file existed and was not changed.
    Before(State),
}

/// The state of one release in a store.
///
/// Remembers what it read or wrote last, so that an update after a load, or after another update, costs one write
/// and no read. Updates through one handle follow one another; handles and processes may compete.
#[derive(Debug)]
pub struct StateBox {
    release: ReleaseVersion,
    path: String,
    store: Arc<dyn Store>,
    clock: Clock,
    redactor: Redactor,
    policy: Policy,
    copy: Option<LocalCopy>,
    memory: Mutex<Memory>,
    carried: std::sync::Mutex<Option<Carried>>,
    earlier: std::sync::Mutex<Option<Earlier>>,
}

/// An earlier version of the file that has what a later one lost, if there is one.
#[derive(Debug)]
struct Earlier {
    /// The revision for which it was searched.
    of: Revision,
    text: Option<String>,
}

/// What the build data says, to be taken over by the next write.
#[derive(Debug, Clone)]
struct Carried {
    metadata: Metadata,
    at: Timestamp,
    by: String,
}

#[derive(Debug, Default)]
struct Memory {
    known: Option<Known>,
    replaced: VecDeque<Revision>,
}

#[derive(Debug)]
struct Known {
    stored: Option<Stored>,
    at: Timestamp,
}

impl StateBox {
    /// The state of `release` in `store`. Makes no request.
    pub fn new(release: ReleaseVersion, store: Arc<dyn Store>, clock: Clock, redactor: Redactor) -> Self {
        let path = format!("_releases/{}/statebox/{release}.yaml", release.y_stream());
        let (policy, memory) = (Policy::default(), Mutex::default());
        let (carried, earlier) = (std::sync::Mutex::default(), std::sync::Mutex::default());
        Self { release, path, store, clock, redactor, policy, copy: None, memory, carried, earlier }
    }

    /// The release whose state the file at `path` of a store is; `None` for every other file.
    pub fn release_of(path: &str) -> Option<ReleaseVersion> {
        let (stream, name) = path.strip_prefix("_releases/")?.split_once("/statebox/")?;
        let release: ReleaseVersion = name.strip_suffix(".yaml")?.parse().ok()?;
        (release.y_stream().to_string() == stream).then_some(release)
    }

    /// The same handle with other limits for its transactions.
    #[must_use]
    pub fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same handle, which keeps a copy of what it writes below `folder` of this machine, to notice what other
    /// programs write over. `service` is where the store is reached: the file of a sandbox has the same address for
    /// people as the real one, or as that of another sandbox, and must never be compared with it.
    #[must_use]
    pub fn with_copy_in(mut self, folder: &Path, service: &str) -> Self {
        let place = format!("{service} {}", self.location());
        self.copy = Some(LocalCopy::new(folder, &place, &self.release.to_string()));
        self
    }

    /// The release.
    pub fn release(&self) -> &ReleaseVersion {
        &self.release
    }

    /// The file's path in its store: `_releases/4.19/statebox/4.19.1.yaml` (`interop-exact`, spec 01 §2.1).
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Where the file is, for people: an address or a path.
    pub fn location(&self) -> String {
        self.store.describe(&self.path)
    }

    /// Reads the state; [`StateBoxError::Absent`] when there is none.
    ///
    /// The caller expects a file, so the read of an absent one is repeated: a replica may not have it yet.
    pub async fn load(&self) -> Result<State, StateBoxError> {
        for _ in 1..STALE_READS {
            if let Some(state) = self.find().await? {
                return Ok(state);
            }
            self.clock.sleep(self.clock.jittered(STALE_PAUSE)).await;
        }
        self.find().await?.ok_or_else(|| self.absent())
    }

    /// Reads the state; `default` when there is none. Writes nothing.
    pub async fn load_or(&self, default: State) -> Result<State, StateBoxError> {
        let found = self.find().await?;
        Ok(found.unwrap_or_else(|| default.with_redactor(self.redactor.clone())))
    }

    /// Reads the state, if there is one.
    pub async fn find(&self) -> Result<Option<State>, StateBoxError> {
        let mut memory = self.memory.lock().await;
        let mut stored = read_file(&*self.store, &self.path, &self.clock).await?;
        for _ in 1..STALE_READS {
            let existed = memory.known.as_ref().is_some_and(|known| known.stored.is_some());
            let outdated = match &stored {
                Some(stored) => memory.replaced.contains(&stored.revision),
                None => existed,
            };
            if !outdated {
                break;
            }
            // A replica that has not seen our own write yet.
            self.clock.sleep(self.clock.jittered(STALE_PAUSE)).await;
            stored = read_file(&*self.store, &self.path, &self.clock).await?;
        }
        let mut state = stored.as_ref().map(|stored| self.parse(&stored.text)).transpose();
        for _ in 1..LOSS_READS {
            if !matches!(&state, Ok(Some(state)) if !state.losses().is_empty()) {
                break;
            }
            // What seems to be lost may only not have reached this replica yet.
            self.clock.sleep(self.clock.jittered(STALE_PAUSE)).await;
            stored = read_file(&*self.store, &self.path, &self.clock).await?;
            state = stored.as_ref().map(|stored| self.parse(&stored.text)).transpose();
        }
        if let (Ok(Some(found)), Some(stored)) = (&state, &stored)
            && self.look_back(found, &stored.revision).await
        {
            state = self.parse(&stored.text).map(Some);
        }
        memory.known = Some(Known { stored, at: self.clock.now() });
        state
    }

    /// Takes over what somebody began to read of the file at `at`, unless this handle has read it.
    pub async fn know(&self, stored: Stored, at: Timestamp) {
        let mut memory = self.memory.lock().await;
        if memory.known.is_none() {
            memory.known = Some(Known { stored: Some(stored), at });
        }
    }

    /// The state as this handle read or wrote it less than `age` ago, otherwise as it is now.
    pub async fn recent(&self, age: Duration) -> Result<Option<State>, StateBoxError> {
        match self.known(age).await {
            Some(stored) => stored.map(|stored| self.parse(&stored.text)).transpose(),
            None => self.find().await,
        }
    }

    /// The state as somebody read it less than `age` ago for this handle, if anybody did; reads nothing.
    pub async fn already_read(&self, age: Duration) -> Result<Option<State>, StateBoxError> {
        self.known(age).await.flatten().map(|stored| self.parse(&stored.text)).transpose()
    }

    /// The file as it was less than `age` ago, when that is known.
    async fn known(&self, age: Duration) -> Option<Option<Stored>> {
        let memory = self.memory.lock().await;
        let is_recent = |known: &&Known| {
            Duration::try_from(self.clock.now().duration_since(known.at)).is_ok_and(|was| was < age)
        };
        memory.known.as_ref().filter(is_recent).map(|known| known.stored.clone())
    }

    /// Looks for the results that `found`, the file at `revision`, lacks in its earlier versions; whether there is one.
    async fn look_back(&self, found: &State, revision: &Revision) -> bool {
        if !found.losses().iter().any(|loss| matches!(loss, Loss::Result { .. })) {
            return false;
        }
        if self.earlier().as_ref().is_some_and(|earlier| earlier.of == *revision) {
            return false;
        }
        let wanted = |text: &str| State::parse(text).is_ok_and(|earlier| earlier.has_results_for(found));
        let text = match self.store.earlier(&self.path, &wanted).await {
            Ok(text) => text,
            Err(error) => {
                tracing::warn!("earlier versions of the state cannot be read: {error}");
                None
            }
        };
        let is_found = text.is_some();
        *self.earlier() = Some(Earlier { of: revision.clone(), text });
        is_found
    }

    fn earlier(&self) -> std::sync::MutexGuard<'_, Option<Earlier>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state in a transaction. The file must exist.
    ///
    /// `change` is applied to the state as it is when the write succeeds; it may be called several times and must
    /// take ids and times from outside, so that applying it to its own result changes nothing. Without a change
    /// nothing is written; with one, `updated_at` is set.
    pub async fn update(
        &self,
        permit: &WritePermit,
        message: &str,
        change: impl FnMut(&mut State) -> Result<Change, StateError> + Send,
    ) -> Result<Updated, StateBoxError> {
        self.commit(permit, message, None, change).await
    }

    /// Changes the state in a transaction; when there is none, creates it from `default` with the change applied, in
    /// one write.
    pub async fn update_or_create(
        &self,
        permit: &WritePermit,
        message: &str,
        default: State,
        change: impl FnMut(&mut State) -> Result<Change, StateError> + Send,
    ) -> Result<Updated, StateBoxError> {
        self.commit(permit, message, Some(default), change).await
    }

    /// Creates the state; an existing one is returned unchanged.
    pub async fn create(
        &self,
        permit: &WritePermit,
        message: &str,
        state: State,
    ) -> Result<Created, StateBoxError> {
        let updated = self.commit(permit, message, Some(state), |_| Ok(Change::Unchanged)).await?;
        Ok(match updated.change {
            Change::Changed => Created::Now(updated.state),
            Change::Unchanged => Created::Before(updated.state),
        })
    }

    /// Has the next write take over what the build data says, `metadata`, in the name of `by`.
    pub fn carry_metadata(&self, metadata: Metadata, by: &str) {
        let carried = Carried { metadata, at: self.clock.now(), by: by.to_owned() };
        *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = Some(carried);
    }

    /// Writes what [`StateBox::carry_metadata`] was given, when no write has taken it over.
    pub async fn settle_metadata(&self, permit: &WritePermit) -> Result<(), StateBoxError> {
        let Some(Carried { metadata, at, by }) = self.carried() else { return Ok(()) };
        self.update(permit, "Update metadata", |state| Ok(state.take_metadata(&metadata, at, &by))).await?;
        *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(())
    }

    fn carried(&self) -> Option<Carried> {
        self.carried.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn commit(
        &self,
        permit: &WritePermit,
        message: &str,
        default: Option<State>,
        mut change: impl FnMut(&mut State) -> Result<Change, StateError> + Send,
    ) -> Result<Updated, StateBoxError> {
        let default = default.map(|state| state.with_redactor(self.redactor.clone()));
        let message = self.message(message);
        let mut memory = self.memory.lock().await;
        let start = match memory.known.take() {
            None => {
                let stored = read_file(&*self.store, &self.path, &self.clock).await?;
                if let Some(stored) = &stored
                    && let Ok(found) = self.parse(&stored.text)
                {
                    self.look_back(&found, &stored.revision).await;
                }
                Start::JustRead(stored)
            }
            Some(known) => {
                let age = Duration::try_from(self.clock.now().duration_since(known.at)).unwrap_or_default();
                Start::Known { stored: known.stored, recent: age < RECENT }
            }
        };
        let carried = self.carried();
        let mut result: Option<State> = None;
        let apply = |current: Option<&str>| -> Result<Option<String>, StateBoxError> {
            let mut state = match (current, &default) {
                (Some(text), _) => self.parse_for_change(text)?,
                (None, Some(default)) => default.clone(),
                (None, None) => return Err(self.absent()),
            };
            let restored = !state.losses().is_empty();
            let changed = change(&mut state)?.is_changed() || restored;
            if let Some(Carried { metadata, at, by }) = carried.as_ref().filter(|_| changed) {
                let _ = state.take_metadata(metadata, *at, by);
            }
            if changed {
                state.set_updated_at(&stamp(self.clock.now()));
            }
            if changed || current.is_none() {
                state.write_ledger();
            }
            let text = (changed || current.is_none()).then(|| state.to_yaml());
            result = Some(state);
            Ok(text)
        };
        let target = Target { store: &*self.store, path: &self.path, message: &message };
        let Committed { stored, written, replaced, .. } =
            transact(target, permit, &self.clock, &self.policy, start, apply).await.map_err(|error| {
                match error {
                    TransactionError::Apply(error) => error,
                    TransactionError::Store(error) => error.into(),
                    TransactionError::Contended { location, attempts, seconds } => {
                        StateBoxError::Contended { location, attempts, seconds }
                    }
                }
            })?;
        // A finding is reported once, even if the file needed no change.
        let told = result.as_ref().is_some_and(|state| !state.losses().is_empty());
        if let (Some(copy), Some(stored)) = (&self.copy, &stored)
            && (written || told)
        {
            copy.write(&stored.text);
        }
        if let Some(state) = &result {
            // What is recorded need not be kept.
            for (path, _) in self.kept_ends().into_iter().filter(|(_, end)| end.is_recorded(state)) {
                if let Err(error) = std::fs::remove_file(&path) {
                    tracing::debug!("{} stays: {error}", path.display());
                }
            }
        }
        let now = stored.as_ref().map(|stored| &stored.revision);
        let created = written && replaced.is_none();
        memory.replaced.extend(replaced);
        if memory.replaced.len() > REMEMBERED {
            memory.replaced.pop_front();
        }
        if let Some(now) = now {
            // A change that was taken back gives an earlier revision again.
            memory.replaced.retain(|revision| revision != now);
        }
        memory.known = Some(Known { stored, at: self.clock.now() });
        let state = result.ok_or_else(|| self.absent())?;
        if written {
            // What others write from now on is newer.
            *self.carried.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(Updated { state, change: if written { Change::Changed } else { Change::Unchanged }, created })
    }

    /// Keeps on this machine how a run of `task` was interrupted, because the state could not be written in time; whoever
    /// reads the state here next sees it, and the next write records it. Whether that was possible.
    pub fn keep_end(&self, task: TaskName, end: &RunEnd) -> bool {
        let Some(copy) = &self.copy else { return false };
        let kept = copy.keep_end(&end.run.id, &UnrecordedEnd::new(task, end).to_text());
        if let Err(error) = &kept {
            tracing::debug!("the end of the run is not kept: {error}");
        }
        kept.is_ok()
    }

    fn kept_ends(&self) -> Vec<(PathBuf, UnrecordedEnd)> {
        let ends = self.copy.iter().flat_map(LocalCopy::ends);
        ends.filter_map(|(path, text)| Some((path, UnrecordedEnd::from_text(&text)?))).collect()
    }

    /// The message as one line without secrets: it is public.
    fn message(&self, message: &str) -> String {
        let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
        self.redactor.redact(&line).chars().take(MESSAGE_LIMIT).collect()
    }

    fn absent(&self) -> StateBoxError {
        StateBoxError::Absent { release: self.release.clone(), location: self.location() }
    }

    fn parse(&self, text: &str) -> Result<State, StateBoxError> {
        let state = State::parse(text)
            .map_err(|diagnostics| StateBoxError::Invalid { location: self.location(), diagnostics })?;
        match state.release() {
            Some(found) if found != self.release.to_string() => Err(StateBoxError::WrongRelease {
                location: self.location(),
                found: found.chars().take(80).collect(),
                expected: self.release.clone(),
            }),
            _ => {
                let mut state = state.with_redactor(self.redactor.clone());
                let copy = self.copy.as_ref().and_then(LocalCopy::read);
                // A copy that is damaged, or of another release, counts as missing.
                let copy = copy.and_then(|text| State::parse(&text).ok());
                let earlier = self.earlier().as_ref().and_then(|earlier| earlier.text.clone());
                let earlier = earlier.and_then(|text| State::parse(&text).ok());
                state.recover(
                    copy.filter(|copy| copy.release() == state.release()).as_ref(),
                    earlier.as_ref(),
                );
                state.recover_ends(&self.kept_ends().into_iter().map(|(_, end)| end).collect::<Vec<_>>());
                Ok(state)
            }
        }
    }

    fn parse_for_change(&self, text: &str) -> Result<State, StateBoxError> {
        let state = self.parse(text)?;
        match state.newer_schema() {
            Some(version) => Err(StateBoxError::NewerSchema {
                location: self.location(),
                version: version.chars().take(80).collect(),
            }),
            None => Ok(state),
        }
    }
}
