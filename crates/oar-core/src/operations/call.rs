//! The context of one call of an operation: the caller, permissions, receiver of messages, time limit.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::part::Part;
use crate::clients::Clients;
use crate::clock::Clock;
use crate::config::{ConfigError, ConfigStore, Settings};
use crate::error::ErrorClass;
use crate::flow::consent::{Consent, Question};
use crate::flow::interrupt::{Interrupt, InterruptSender, Signal};
use crate::flow::log::LogCapture;
use crate::flow::outcome::{Refusal, TaskError};
use crate::http::Http;
use crate::notify::ReleaseThread;
use crate::permit::WritePermit;
use crate::redact::Redactor;
use crate::statebox::{State, StateBox, StateBoxError};
use crate::tasks::ReleaseContext;
use crate::tasks::holds::{FrozenAll, Holds};
use crate::version::ReleaseVersion;

/// Receives progress while an operation runs. Results and errors are returned instead.
pub trait Observer: fmt::Debug + Send + Sync {
    /// Progress.
    fn note(&self, text: &str);

    /// A problem; the operation continues.
    fn warn(&self, text: &str);

    /// A part of the result is available. The result contains it too; this is for callers that do not want to
    /// wait for the whole.
    fn part(&self, _part: Part<'_>) {}
}

/// An observer that ignores everything; what matters later is in the log as well.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn note(&self, text: &str) {
        tracing::info!("{text}");
    }

    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
    }
}

/// Refuses every critical plan, because the caller cannot show one and ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConsent;

#[async_trait::async_trait]
impl Consent for NoConsent {
    fn can_ask(&self) -> bool {
        false
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        Err(Refusal::blocked(format!(
            "{}, and this caller cannot ask for it; {}",
            question.why(),
            question.otherwise()
        )))
    }
}

/// One call of an operation. It uses no process-wide state: calls at the same time do not affect each other.
#[derive(Debug)]
pub struct Call {
    clients: Clients,
    release: Option<ReleaseVersion>,
    /// Whether the release is held.
    holds: Option<Arc<Holds>>,
    /// What the parts of a call know of the holds of every release.
    frozen: Arc<FrozenAll>,
    /// The release's configuration, when the caller knows it.
    config: Option<ConfigStore>,
    user: String,
    permit: Option<Arc<WritePermit>>,
    consent: Arc<dyn Consent>,
    observer: Arc<dyn Observer>,
    interrupt: Interrupt,
    stop: Option<InterruptSender>,
    time_limit: Option<Duration>,
    thread: Option<ReleaseThread>,
    log: LogCapture,
    resumption: OnceLock<String>,
    /// The id of its first run in histories, and how many there were.
    run: Option<(String, AtomicU32)>,
    /// Whether a dry run of a critical command asks for consent as a run would.
    asks_only: bool,
}

impl Call {
    /// A call by the user of the settings that may only read, has no observer, and is stopped by `interrupt`.
    pub fn new(clients: Clients, interrupt: Interrupt) -> Self {
        let user = clients.settings().user().unwrap_or("unknown").to_owned();
        Self {
            clients,
            release: None,
            holds: None,
            frozen: Arc::default(),
            config: None,
            user,
            permit: None,
            consent: Arc::new(NoConsent),
            observer: Arc::new(NoObserver),
            interrupt,
            stop: None,
            time_limit: None,
            thread: None,
            log: LogCapture::default(),
            resumption: OnceLock::new(),
            run: None,
            asks_only: false,
        }
    }

    /// The same call about this release.
    ///
    /// # Errors
    ///
    /// The release's y-stream is not supported.
    pub fn about(mut self, release: ReleaseVersion) -> Result<Self, ConfigError> {
        self.settings().versions().check(&release)?;
        self.holds =
            Some(Arc::new(Holds::new(self.clients.clone(), release.clone(), Arc::clone(&self.frozen))));
        self.release = Some(release);
        Ok(self.behind_holds())
    }

    /// Every effect of a call about a release is behind its holds.
    fn behind_holds(mut self) -> Self {
        if let (Some(permit), Some(holds)) = (&self.permit, &self.holds) {
            self.permit = Some(Arc::new(permit.behind(Arc::<Holds>::clone(holds))));
        }
        self
    }

    /// The same call about the release of `config`, which its caller read before; nothing is read again.
    ///
    /// # Errors
    ///
    /// The release's y-stream is not supported.
    pub fn configured(mut self, config: ConfigStore) -> Result<Self, ConfigError> {
        self = self.about(config.release().clone())?;
        self.config = Some(config);
        Ok(self)
    }

    /// A call about `release` that is a part of this one: by the same caller, with the same rights, stopped with it.
    ///
    /// # Errors
    ///
    /// The release's y-stream is not supported.
    pub(super) fn part_about(&self, release: &ReleaseVersion) -> Result<Self, ConfigError> {
        let part = Self {
            user: self.user.clone(),
            permit: self.permit.clone(),
            consent: Arc::clone(&self.consent),
            observer: Arc::clone(&self.observer),
            thread: self.thread.clone(),
            frozen: Arc::clone(&self.frozen),
            ..Self::new(self.clients.clone(), self.interrupt.clone())
        };
        part.about(release.clone())
    }

    /// A call that is a part of this one and may only read. A dry run of a critical command asks `consent` there exactly
    /// when a run would ask, and does nothing after it.
    ///
    /// # Errors
    ///
    /// The call has no release.
    pub(super) fn part_that_asks(&self, consent: Arc<dyn Consent>) -> Result<Self, TaskError> {
        let part = self.part_about(self.release()?)?;
        Ok(Self { permit: None, consent, asks_only: true, ..part })
    }

    /// A call that is a part of this one, with the same rights, whose critical plans are put to `consent`.
    ///
    /// # Errors
    ///
    /// The call has no release.
    pub(super) fn part_that_consents(&self, consent: Arc<dyn Consent>) -> Result<Self, TaskError> {
        let part = self.part_about(self.release()?)?;
        Ok(Self { consent, ..part })
    }

    /// The caller's permission to write, for a consent that must write itself.
    pub(super) fn shared_permit(&self) -> Result<Arc<WritePermit>, Refusal> {
        self.permit()?;
        self.permit.clone().ok_or_else(|| Refusal::blocked("this caller may only read; nothing was changed"))
    }

    pub(super) fn asks_only(&self) -> bool {
        self.asks_only
    }

    /// The same call on behalf of `user`, the name in histories.
    #[must_use]
    pub fn by(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// The same call, whose runs have this id in histories; further ones are numbered.
    #[must_use]
    pub fn named(mut self, id: impl Into<String>) -> Self {
        self.run = Some((id.into(), AtomicU32::new(0)));
        self
    }

    /// The same call with permission to write; `consent` is asked before anything that cannot be undone.
    #[must_use]
    pub fn permitted(mut self, permit: WritePermit, consent: Arc<dyn Consent>) -> Self {
        self.permit = Some(Arc::new(permit));
        self.consent = consent;
        self.behind_holds()
    }

    /// The same call, with an observer of its progress.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The same call, with messages to the channel of this Slack thread posted in the thread.
    #[must_use]
    pub fn in_thread(mut self, thread: Option<ReleaseThread>) -> Self {
        self.thread = thread;
        self
    }

    /// The same call, which is stopped after `limit` as by a signal. Then only [`Call::stop`] can interrupt
    /// it as well.
    #[must_use]
    pub fn limited_to(mut self, limit: Duration) -> Self {
        let (sender, interrupt) = Interrupt::channel();
        self.interrupt = interrupt;
        self.stop = Some(sender);
        self.time_limit = Some(limit);
        self
    }

    /// Stops the call; only for one with a time limit.
    pub fn stop(&self) {
        if let Some(stop) = &self.stop {
            stop.send(Signal::Terminate);
        }
    }

    /// The clients of all services, which do not depend on the release.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Everything that is known before the first request.
    pub fn settings(&self) -> &Settings {
        self.clients.settings()
    }

    /// The HTTP stack.
    pub fn http(&self) -> &Http {
        self.clients.http()
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        self.clients.clock()
    }

    /// The redactor of secrets and addresses.
    pub fn redactor(&self) -> &Redactor {
        self.http().redactor()
    }

    /// The caller's name in histories.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The Slack thread for messages to its channel.
    pub fn thread(&self) -> Option<&ReleaseThread> {
        self.thread.as_ref()
    }

    /// The request to stop.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Asked for consent before anything that cannot be undone.
    pub fn consent(&self) -> &dyn Consent {
        &*self.consent
    }

    /// Receives its progress.
    pub fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// What was logged during the call so far.
    pub fn log(&self) -> String {
        self.log.text()
    }

    pub(super) fn capture(&self) -> &LogCapture {
        &self.log
    }

    pub(super) fn time_limit(&self) -> Option<Duration> {
        self.time_limit
    }

    /// The caller's permission to write.
    ///
    /// # Errors
    ///
    /// The caller may only read.
    pub fn permit(&self) -> Result<&WritePermit, Refusal> {
        self.permit.as_deref().ok_or_else(|| {
            Refusal::blocked("this caller may only read; nothing was changed")
                .with_hint("Call it as a dry run to see what would be done.")
        })
    }

    /// The same, or `None` for a dry run.
    pub(super) fn permit_unless(&self, dry_run: bool) -> Result<Option<&WritePermit>, Refusal> {
        if dry_run { Ok(None) } else { self.permit().map(Some) }
    }

    /// Records how to continue after a call that ends without a result.
    pub(super) fn resumed_by(&self, how: String) {
        // The first hint is kept: later ones belong to the same start.
        let _ = self.resumption.set(how);
    }

    /// How to continue after a call that ended without a result.
    pub(super) fn resumption(&self) -> Option<&str> {
        self.resumption.get().map(String::as_str)
    }

    /// The release of the call.
    ///
    /// # Errors
    ///
    /// The call has no release.
    pub fn release(&self) -> Result<&ReleaseVersion, Refusal> {
        self.release.as_ref().ok_or_else(|| {
            Refusal::new(ErrorClass::Usage, "no release was given")
                .with_hint("Name one, for example 4.19.1 or 4.22.0-rc.0.")
        })
    }

    /// The release's configuration (one request, unless the caller knew it).
    pub async fn config(&self) -> Result<ConfigStore, TaskError> {
        let release = self.release()?;
        match self.config.as_ref().filter(|known| known.release() == release) {
            Some(known) => Ok(known.clone()),
            None => Ok(self.settings().release(release, self.http()).await?),
        }
    }

    /// The context of the release's tasks (one request, for the configuration, unless the caller knew it).
    pub async fn services(&self) -> Result<ReleaseContext, TaskError> {
        let context = ReleaseContext::new(self.clients.clone(), self.config().await?)?;
        Ok(context.in_thread(self.thread.clone()))
    }

    /// The release's state, with what the call has read of it; nothing is read yet.
    pub fn statebox(&self) -> Result<Arc<StateBox>, TaskError> {
        Ok(self.holds()?.statebox()?)
    }

    /// Whether the release is held.
    pub(super) fn holds(&self) -> Result<&Arc<Holds>, TaskError> {
        let release = self.release()?;
        self.holds.as_ref().ok_or_else(|| {
            Refusal::new(ErrorClass::Failed, format!("the holds of {release} cannot be looked at")).into()
        })
    }

    /// Reads the state of `statebox`. What another program's save had removed is reported to the observer.
    pub(super) async fn load(&self, statebox: &StateBox) -> Result<State, StateBoxError> {
        let state = statebox.load().await?;
        for loss in state.losses() {
            self.observer().warn(&loss.to_string());
        }
        Ok(state)
    }

    /// The release's state as it is now ([`Call::load`]).
    pub(super) async fn state(&self) -> Result<State, TaskError> {
        let statebox = self.statebox()?;
        Ok(self.load(&statebox).await?)
    }

    /// The release's state, for an operation that creates it when it is absent.
    pub fn statebox_to_create(&self) -> Result<Arc<StateBox>, TaskError> {
        Ok(self.holds()?.statebox_to_create()?)
    }

    /// A unique name for this call.
    pub(super) fn who(&self) -> String {
        format!("{}/{}", self.user, new_id())
    }
}

impl Call {
    /// The id of the next run in the history, when the caller gave one.
    pub(super) fn run_id(&self) -> Option<String> {
        let (id, runs) = self.run.as_ref()?;
        Some(match runs.fetch_add(1, Ordering::SeqCst) {
            0 => id.clone(),
            earlier => format!("{id}-{}", earlier + 1),
        })
    }
}

/// A new id for an entry of the history.
pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
