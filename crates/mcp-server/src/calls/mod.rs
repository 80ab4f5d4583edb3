//! Runs tools: each call with a log, a stop, a time limit and a place of its own.
//!
//! A call that takes longer than 20 seconds is answered with the id of its run, and the run goes on. Nothing here panics
//! because of a tool: a panic inside one is its failure.

mod attend;
mod command;
mod operation;
mod places;
mod progress;
mod runs;
#[cfg(test)]
mod tests;
mod workers;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use cli_support::Session;
use futures::FutureExt as _;
use oar_core::clients::Clients;
use oar_core::error::{Classified as _, ErrorClass};
use oar_core::operations::{Call, NoConsent, RESULT_LIMIT};
use oar_core::permit::WritePermit;
use oar_core::version::ReleaseVersion;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub use progress::{Progress, ProgressSender};
pub(crate) use runs::Run;

use crate::caller::{AccessScope, Caller};
use crate::documents::{DocumentAnswer, Documents};
use crate::result::{Answer, ToolFailure};
use crate::settings::Settings;
use crate::tools::{Arguments, DocumentTool, Kind, Tool, Vocabulary, is_offered};
use crate::transport::{Metrics, Outcome};
use attend::{attend, follow};
use command::CommandLine;
use places::{Places, Ticket};
use runs::{Notes, Runs, TO_STOP, carry_out, panicked};
use workers::Workers;

/// Asks a person by a form of the client.
#[async_trait]
pub trait Elicit: Send + Sync {
    /// Whether the person says yes; an error says why nobody could be asked.
    async fn ask(&self, question: &str) -> Result<bool, String>;
}

/// Around one call.
#[derive(Clone)]
pub struct CallContext {
    /// Who calls.
    pub caller: Arc<Caller>,
    /// Cancelled when the caller does not want the answer any more.
    pub cancelled: CancellationToken,
    /// Receives the progress.
    pub progress: Option<ProgressSender>,
    /// The form, where the client has one.
    pub elicit: Option<Arc<dyn Elicit>>,
    /// The trace that the call belongs to.
    pub trace: Option<String>,
    /// What is learnt of the call beside its answer.
    pub trail: Arc<Trail>,
}

/// What the audit line says of a call beside its answer.
#[derive(Debug, Default)]
pub struct Trail {
    run: OnceLock<String>,
    outcome: OnceLock<Outcome>,
}

impl Trail {
    fn runs(&self, id: &str) {
        // A call begins one run; a retry of a form is another call.
        let _ = self.run.set(id.to_owned());
    }

    fn ended(&self, outcome: Outcome) {
        let _ = self.outcome.set(outcome);
    }

    /// The id of the run that the call began.
    pub fn run(&self) -> Option<&str> {
        self.run.get().map(String::as_str)
    }

    /// How the call ended with `answer`.
    pub fn outcome(&self, answer: &Answer) -> Outcome {
        let of_answer = || if answer.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.outcome.get().copied().unwrap_or_else(of_answer)
    }
}

impl fmt::Debug for CallContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("CallContext").field("caller", &self.caller.name).finish_non_exhaustive()
    }
}

/// Runs tools. Cheap to clone.
#[derive(Clone)]
pub struct Calls(Arc<Inner>);

impl fmt::Debug for Calls {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Calls").field("running", &self.running()).finish_non_exhaustive()
    }
}

struct Inner {
    session: Session,
    clients: Clients,
    documents: Documents,
    settings: Arc<Settings>,
    runs: Runs,
    places: Places,
    workers: Workers,
}

impl Inner {
    fn redacted(&self, text: &str) -> String {
        self.session.redactor.redact(text).into_owned()
    }

    /// A run of a tool has ended: with this answer, without secrets, and in words that its caller knows.
    fn finish(&self, run: &Arc<Run>, tool: &'static Tool, caller: &Caller, answer: Answer) {
        let answer = match answer {
            Answer::Text { text, ok, untrusted } => {
                Answer::Text { text: self.redacted(&text), ok, untrusted }
            }
            // Documents are redacted value by value.
            other => other,
        };
        let offers = |tool: &Tool| is_offered(tool, caller, &self.settings.switches);
        self.runs.finish(run, Vocabulary::new(tool, &offers).answer(answer));
    }
}

impl Calls {
    /// Runs tools with these.
    pub fn new(
        session: Session,
        clients: Clients,
        documents: Documents,
        settings: Arc<Settings>,
        metrics: &Metrics,
    ) -> Self {
        let places = Places::new(settings.limits.calls, settings.limits.queue);
        let (runs, workers) = (Runs::new(metrics.running()), Workers::default());
        Self(Arc::new(Inner { session, clients, documents, settings, runs, places, workers }))
    }

    /// Calls a tool, and waits for its answer, but not longer than about 20 seconds.
    pub async fn call(&self, tool: &'static Tool, arguments: Arguments, context: CallContext) -> Answer {
        let work = AssertUnwindSafe(self.answer(tool, arguments, context)).catch_unwind();
        work.await.unwrap_or_else(|_| panicked(tool.name))
    }

    async fn answer(&self, tool: &'static Tool, arguments: Arguments, context: CallContext) -> Answer {
        let caller = &context.caller;
        if !tool.may_be_called_by(caller) {
            return ToolFailure::new(
                ErrorClass::Blocked,
                format!("{} was not called", tool.name),
                format!("{} lacks the scope {}", caller.name, tool.scope.name()),
                "Ask the owner of the token for it.",
            )
            .into();
        }
        match tool.kind {
            Kind::GetRun if arguments.flag("stop") && self.0.settings.switches.read_only => ToolFailure::new(
                ErrorClass::Blocked,
                "get_run stopped nothing",
                "this server runs only what changes nothing",
                "Let it end: nothing has to be undone.",
            )
            .into(),
            Kind::GetRun => follow(&self.0.runs, &arguments, &context, &self.0.session.redactor).await,
            Kind::Help => command::help(&self.0, &arguments),
            Kind::Document(document) => {
                if let Some(answer) = self.at_hand(tool, document, &arguments) {
                    return answer;
                }
                let work = move |inner: Arc<Inner>, run: Arc<Run>, _| async move {
                    document_of(&inner, tool, document, &arguments, &run).await
                };
                self.document(tool, context, work).await
            }
            Kind::Operation => {
                let work = move |inner: Arc<Inner>, run: Arc<Run>, context| async move {
                    operation::run(&inner, &run, tool, &arguments, &context).await
                };
                self.document(tool, context, work).await
            }
            Kind::Command { .. } | Kind::Generic(_) => match CommandLine::of(tool, &arguments) {
                Ok(line) => self.command(line, context).await,
                Err(failure) => failure.into(),
            },
        }
    }

    /// A run of this tool, and the right to wait for a place.
    fn begin(&self, tool: &'static Tool, context: &CallContext) -> Result<(Arc<Run>, Ticket), ToolFailure> {
        let caller = &context.caller;
        let ticket = self.0.places.enter(&caller.name)?;
        let kept = tool.operation().map_or(RESULT_LIMIT, |row| row.about.result_limit);
        let run = self.0.runs.begin(tool.name, &caller.name, tool.is_untrusted, kept)?;
        let trace = context.trace.as_deref().unwrap_or("none");
        tracing::debug!("{}: run {} of {}, trace {trace}", tool.name, run.id, caller.name);
        Ok((run, ticket))
    }

    async fn command(&self, line: CommandLine, context: CallContext) -> Answer {
        let tool = line.tool;
        let (run, ticket) = match self.begin(tool, &context) {
            Ok(begun) => begun,
            Err(failure) => return failure.into(),
        };
        let started = self.0.workers.start({
            let (inner, run) = (Arc::clone(&self.0), Arc::clone(&run));
            // Progress is told by who waits.
            let context = CallContext { progress: None, ..context.clone() };
            move || async move {
                let caller = Arc::clone(&context.caller);
                let work = || command::run(Arc::clone(&inner), Arc::clone(&run), line, context);
                let answer = carry_out(&run, ticket, inner.settings.time_limit, TO_STOP, work).await;
                inner.finish(&run, tool, &caller, answer);
            }
        });
        if let Err(error) = started {
            let failure = ToolFailure::new(
                ErrorClass::Unavailable,
                format!("{} was not started", tool.name),
                format!("the server cannot start more work: {error}"),
                "Call it again in a minute.",
            );
            self.0.runs.finish(&run, failure.into());
        }
        attend(&self.0.runs, tool, &run, &context, &self.0.session.redactor).await
    }

    /// The answer for which nothing has to be waited: the metadata of a release that is cached. It needs no run.
    fn at_hand(&self, tool: &Tool, document: DocumentTool, arguments: &Arguments) -> Option<Answer> {
        if document != DocumentTool::ReleaseMetadata {
            return None;
        }
        let release: ReleaseVersion = arguments.text("release")?.parse().ok()?;
        let cached = self.0.documents.cache().at_hand(&release)?;
        let document = cached.redacted(&self.0.session.redactor).clone();
        // What does not fit is said where all documents are looked at.
        tool.fits(&document).ok()?;
        Some(Answer::Document { document, whole: None, ok: true, untrusted: tool.is_untrusted, fits: true })
    }

    /// Does the work of a tool that answers with a document, in a run of its own.
    async fn document<F>(
        &self,
        tool: &'static Tool,
        context: CallContext,
        work: impl FnOnce(Arc<Inner>, Arc<Run>, CallContext) -> F + Send + 'static,
    ) -> Answer
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let (run, ticket) = match self.begin(tool, &context) {
            Ok(begun) => begun,
            Err(failure) => return failure.into(),
        };
        // What only reads has nothing to record.
        let to_stop = if tool.hints.read_only { Duration::ZERO } else { TO_STOP };
        let (inner, running, caller) = (Arc::clone(&self.0), Arc::clone(&run), Arc::clone(&context.caller));
        // Progress is told by who waits.
        let asked = CallContext { progress: None, ..context.clone() };
        tokio::spawn(async move {
            let work = || work(Arc::clone(&inner), Arc::clone(&running), asked);
            let answer = carry_out(&running, ticket, inner.settings.time_limit, to_stop, work).await;
            inner.finish(&running, tool, &caller, answer);
        });
        attend(&self.0.runs, tool, &run, &context, &self.0.session.redactor).await
    }

    /// The whole result of a caller's run.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub fn result(&self, run: &str, caller: &Caller) -> Result<String, &'static str> {
        let run = self.0.runs.find(run, &caller.name);
        let run = run.ok_or("no run of this id is known to this caller; results are kept for an hour")?;
        let text = run.result().ok_or("the run has not finished yet; get_run waits for its end")?;
        Ok(self.0.redacted(&text))
    }

    /// The server will end soon: from now on no call is answered with the id of a run, which nobody could follow.
    pub fn will_end(&self) {
        self.0.runs.will_end();
    }

    /// Tells every run to stop and waits until they have, but not longer than `limit`. No other is begun.
    pub async fn stop_all(&self, limit: Duration) {
        self.0.runs.close("the server is being stopped");
        let until = Instant::now() + limit;
        while self.running() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self.running() > 0 {
            tracing::warn!("{} runs did not record in time where they stopped", self.running());
        }
    }

    /// How many runs go on.
    pub fn running(&self) -> usize {
        self.0.runs.running()
    }
}

/// A call by the caller of this run, which may only read.
fn call_of(inner: &Inner, tool: &Tool, release: Option<&str>, run: &Run) -> Result<Call, ToolFailure> {
    let call = Call::new(inner.clients.clone(), run.interrupt.clone())
        .by(command::user(&run.caller))
        .named(run.id.clone())
        .observed_by(Arc::new(Notes(run.output.clone())));
    let Some(release) = release.and_then(|text| text.parse::<ReleaseVersion>().ok()) else {
        return Ok(call);
    };
    call.about(release).map_err(|error| {
        let why = inner.redacted(&error.to_string());
        let next = error.hint().unwrap_or_default();
        ToolFailure::new(error.class(), format!("{} was not called", tool.name), why, next)
    })
}

async fn document_of(
    inner: &Inner,
    tool: &'static Tool,
    document: DocumentTool,
    arguments: &Arguments,
    run: &Run,
) -> Answer {
    // The cache forgets a release whatever it is.
    let release = arguments.text("release").filter(|_| document != DocumentTool::CacheInvalidate);
    let mut call = match call_of(inner, tool, release, run) {
        Ok(call) => call,
        Err(failure) => return failure.into(),
    };
    if tool.scope != AccessScope::Read {
        call = call.permitted(WritePermit::granted_by_user_interface(), Arc::new(NoConsent));
    }
    let DocumentAnswer { document, whole, ok, untrusted, .. } =
        inner.documents.answer(document, arguments, call).await;
    let fits = tool.fits(&document).inspect_err(|why| {
        if ok {
            tracing::error!("{}: its result is not as its schema says: {why}", tool.name);
        }
    });
    debug_assert!(!ok || fits.is_ok(), "{}: {fits:?}", tool.name);
    let untrusted = untrusted || tool.is_untrusted;
    Answer::Document { document, whole: whole.map(Box::new), ok, untrusted, fits: fits.is_ok() }
}

/// A run that nobody carries out.
#[cfg(test)]
pub(crate) fn run_for_tests() -> Arc<Run> {
    match Runs::default().begin("oar_change_advisory_status", "model", false, RESULT_LIMIT) {
        Ok(run) => run,
        Err(failure) => panic!("{failure}"),
    }
}
