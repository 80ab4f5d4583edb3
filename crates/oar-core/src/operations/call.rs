//! The context of one call of an operation: who asks, what may be done, where its words go, when it ends.

use std::fmt;
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
use crate::tasks::{ReleaseContext, open_statebox, open_statebox_to_create};
use crate::version::ReleaseVersion;

/// Receives what a caller should know while an operation runs. Results and errors are returned, not told.
pub trait Observer: fmt::Debug + Send + Sync {
    /// How it goes.
    fn note(&self, text: &str);

    /// Something is not as it should be, and the operation goes on.
    fn warn(&self, text: &str);

    /// A part of the result is there. The result has it, too: this is for whoever does not want to wait for the whole.
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

/// Refuses every critical plan: the caller has no way to show one and to ask.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoConsent;

#[async_trait::async_trait]
impl Consent for NoConsent {
    fn can_ask(&self) -> bool {
        false
    }

    async fn ask(&self, question: Question<'_>) -> Result<(), Refusal> {
        Err(Refusal::blocked(format!(
            "{} cannot be undone and needs consent, and this caller cannot ask for it; nothing was sent",
            question.task
        )))
    }
}

/// One call of an operation. Nothing in it belongs to the process: two calls at the same moment do not meet.
#[derive(Debug)]
pub struct Call {
    clients: Clients,
    release: Option<ReleaseVersion>,
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
}

impl Call {
    /// A call by the user of the settings that may change nothing, is told nothing, and is stopped by `interrupt`. The
    /// Slack thread is the one that the environment names, if it names one.
    pub fn new(clients: Clients, interrupt: Interrupt) -> Self {
        let thread = ReleaseThread::of(clients.settings().environment());
        let user = clients.settings().user().unwrap_or("unknown").to_owned();
        Self {
            clients,
            release: None,
            user,
            permit: None,
            consent: Arc::new(NoConsent),
            observer: Arc::new(NoObserver),
            interrupt,
            stop: None,
            time_limit: None,
            thread,
            log: LogCapture::default(),
            resumption: OnceLock::new(),
        }
    }

    /// The same call about this release.
    ///
    /// # Errors
    ///
    /// The release's y-stream is not a supported one.
    pub fn about(mut self, release: ReleaseVersion) -> Result<Self, ConfigError> {
        self.settings().versions().check(&release)?;
        self.release = Some(release);
        Ok(self)
    }

    /// A call about `release` that is a part of this one: by the same caller, with the same rights, stopped with it.
    ///
    /// # Errors
    ///
    /// The release's y-stream is not a supported one.
    pub(super) fn part_about(&self, release: &ReleaseVersion) -> Result<Self, ConfigError> {
        let part = Self {
            user: self.user.clone(),
            permit: self.permit.clone(),
            consent: Arc::clone(&self.consent),
            observer: Arc::clone(&self.observer),
            thread: self.thread.clone(),
            ..Self::new(self.clients.clone(), self.interrupt.clone())
        };
        part.about(release.clone())
    }

    /// The same call in the name of `user`, as histories record it.
    #[must_use]
    pub fn by(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// The same call, which may change the world; `consent` is asked before anything that cannot be undone.
    #[must_use]
    pub fn permitted(mut self, permit: WritePermit, consent: Arc<dyn Consent>) -> Self {
        self.permit = Some(Arc::new(permit));
        self.consent = consent;
        self
    }

    /// The same call, with an observer of its progress.
    #[must_use]
    pub fn observed_by(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// The same call, whose messages go into this Slack thread where they go to its channel.
    #[must_use]
    pub fn in_thread(mut self, thread: ReleaseThread) -> Self {
        self.thread = Some(thread);
        self
    }

    /// The same call, which is stopped as by a signal after `limit`. It listens to no other interruption then, but to
    /// [`Call::stop`].
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

    /// The clients of all services, which know nothing of the release.
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

    /// The time.
    pub fn clock(&self) -> &Clock {
        self.clients.clock()
    }

    /// What masks secrets and addresses.
    pub fn redactor(&self) -> &Redactor {
        self.http().redactor()
    }

    /// Who asks, as histories record it.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The request to stop.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    /// Who is asked before anything that cannot be undone.
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

    /// The consent of the caller to change the world.
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

    /// The same, unless it is only to be said what would be done.
    pub(super) fn permit_unless(&self, dry_run: bool) -> Result<Option<&WritePermit>, Refusal> {
        if dry_run { Ok(None) } else { self.permit().map(Some) }
    }

    /// Notes how to go on from a call that ends without a result.
    pub(super) fn resumed_by(&self, how: String) {
        // Whatever comes later belongs to what was noted first.
        let _ = self.resumption.set(how);
    }

    /// How to go on from a call that ended without a result.
    pub(super) fn resumption(&self) -> Option<&str> {
        self.resumption.get().map(String::as_str)
    }

    /// The release that the call is about.
    ///
    /// # Errors
    ///
    /// It names none.
    pub fn release(&self) -> Result<&ReleaseVersion, Refusal> {
        self.release.as_ref().ok_or_else(|| {
            Refusal::new(ErrorClass::Usage, "no release was given")
                .with_hint("Name one, for example 4.19.1 or 4.22.0-rc.0.")
        })
    }

    /// The release's configuration (one request).
    pub async fn config(&self) -> Result<ConfigStore, TaskError> {
        Ok(self.settings().release(self.release()?, self.http()).await?)
    }

    /// What the release's tasks work with (one request, for the configuration).
    pub async fn services(&self) -> Result<ReleaseContext, TaskError> {
        let context = ReleaseContext::open(self.clients.clone(), self.release()?).await?;
        Ok(context.in_thread(self.thread.clone()))
    }

    /// The release's state; nothing is read yet.
    pub fn statebox(&self) -> Result<StateBox, TaskError> {
        Ok(open_statebox(&self.clients, self.release()?)?)
    }

    /// Reads the state of `statebox`. Whoever listens hears what another program's save had taken from it.
    pub(super) async fn load(&self, statebox: &StateBox) -> Result<State, StateBoxError> {
        let state = statebox.load().await?;
        for loss in state.losses() {
            self.observer().warn(&loss.to_string());
        }
        Ok(state)
    }

    /// The release's state as it is now ([`Call::load`]).
    pub(super) async fn state(&self) -> Result<State, TaskError> {
        Ok(self.load(&self.statebox()?).await?)
    }

    /// The release's state, for an operation that creates it when it is absent.
    pub fn statebox_to_create(&self) -> Result<StateBox, TaskError> {
        Ok(open_statebox_to_create(&self.clients, self.release()?)?)
    }

    /// A name for this call that no other one has.
    pub(super) fn who(&self) -> String {
        format!("{}/{}", self.user, new_id())
    }
}

/// A new id for an entry of the history.
pub(super) fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}
