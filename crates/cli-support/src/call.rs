//! A command line as a caller of operations.

use std::sync::Arc;

use oar_core::clients::Clients;
use oar_core::config::Settings;
use oar_core::flow::consent::Consent;
use oar_core::notify::ReleaseThread;
use oar_core::operations::{Call, Conclusion, Observer, Operation, Part, perform};
use oar_core::permit::WritePermit;

use crate::{CliError, ExitCode, Session, Ui};

impl Observer for Ui {
    fn note(&self, text: &str) {
        Ui::note(self, text);
    }

    fn warn(&self, text: &str) {
        Ui::warn(self, text);
    }
}

/// A [`Ui`] that also shows the parts of a result when they arrive.
struct PartsShown<F> {
    ui: Ui,
    show: F,
}

impl<F> std::fmt::Debug for PartsShown<F> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PartsShown").finish_non_exhaustive()
    }
}

impl<F: Fn(&Ui, Part<'_>) + Send + Sync> Observer for PartsShown<F> {
    fn note(&self, text: &str) {
        self.ui.note(text);
    }

    fn warn(&self, text: &str) {
        self.ui.warn(text);
    }

    fn part(&self, part: Part<'_>) {
        (self.show)(&self.ui, part);
    }
}

impl Session {
    /// A call of an operation by the user of this command line, with permission to write; `consent_given` is
    /// whether `--yes` was given.
    pub fn call(&self, consent_given: bool) -> Result<Call, CliError> {
        Ok(self.call_with(self.clients()?, consent_given))
    }

    /// A call of an operation that only reads what it is given, such as a file: it works with a damaged configuration,
    /// too.
    pub fn local_call(&self) -> Result<Call, CliError> {
        Ok(self.call_with(self.clients_of(Settings::local(&self.environment)?)?, false))
    }

    /// A call that examines the configuration: it works with a document that cannot be opened, too.
    pub fn call_to_examine(&self) -> Result<Call, CliError> {
        Ok(self.call_with(self.clients_of(Settings::load_to_examine(&self.environment)?)?, false))
    }

    /// The same with existing clients: an agent uses the same clients for all its passes.
    pub fn call_with(&self, clients: Clients, consent_given: bool) -> Call {
        // Who gives a command in a conversation is shown its plan there, whatever options they write.
        let consent: Arc<dyn Consent> = match &self.behalf {
            Some(behalf) => Arc::clone(&behalf.consent),
            None => Arc::new(self.consent(consent_given)),
        };
        let call = Call::new(clients, self.interrupt.clone())
            .permitted(WritePermit::granted_by_user_interface(), consent)
            .in_thread(self.thread())
            .observed_by(Arc::new(self.ui.clone()));
        match &self.behalf {
            Some(behalf) => call.named(&behalf.run),
            None => call,
        }
    }

    /// The conversation that asked for the command: that of the order, never that of this process, or the one in the
    /// environment.
    fn thread(&self) -> Option<ReleaseThread> {
        match &self.behalf {
            Some(behalf) => behalf.thread.clone(),
            None => ReleaseThread::of(&self.environment),
        }
    }

    /// The same call, with the parts of its result shown when they arrive.
    pub fn showing_parts(&self, call: Call, show: impl Fn(&Ui, Part<'_>) + Send + Sync + 'static) -> Call {
        call.observed_by(Arc::new(PartsShown { ui: self.ui.clone(), show }))
    }

    /// Calls an operation.
    pub async fn perform<O: Operation>(&self, operation: O, call: &Call) -> Result<O::Answer, CliError> {
        perform(operation, call).await.map_err(|error| CliError::of_task(&error))
    }
}

/// The exit code for an operation's conclusion.
pub fn exit_code(conclusion: &impl Conclusion) -> ExitCode {
    match (conclusion.signal(), conclusion.class()) {
        (Some(signal), _) => signal.into(),
        (None, Some(class)) => class.into(),
        (None, None) => ExitCode::Done,
    }
}

#[cfg(test)]
mod tests {
    use oar_core::clock::Clock;
    use oar_core::config::Environment;
    use oar_core::flow::interrupt::Interrupt;
    use oar_core::operations::NoConsent;
    use oar_core::redact::Redactor;

    use super::*;
    use crate::{Behalf, OutputFormat};

    /// An order from a thread of this channel, or from outside a conversation.
    fn order(channel: Option<&str>) -> Behalf {
        let thread = |channel: &str| ReleaseThread { channel: channel.to_owned(), ts: "1.5".to_owned() };
        Behalf { consent: Arc::new(NoConsent), run: "run".to_owned(), thread: channel.map(thread) }
    }

    /// The channel of the thread that a call in this environment belongs to.
    fn channel(variables: &[(&str, &str)], behalf: Option<Behalf>) -> Option<String> {
        let (redactor, (_, interrupt)) = (Redactor::default(), Interrupt::channel());
        let session = Session {
            ui: Ui::new(OutputFormat::Text, redactor.clone()),
            environment: Environment::from_pairs(variables.iter().copied()),
            clock: Clock::system(),
            redactor,
            interrupt,
            command_lines: &[],
            behalf,
        };
        session.call(false).unwrap().thread().map(|thread| thread.channel.clone())
    }

    #[test]
    fn a_command_belongs_to_the_thread_of_its_order_or_else_of_its_environment() {
        let variables = [("OAR_SLACK_CHANNEL", "C0ENV"), ("OAR_SLACK_THREAD", "1.0")];
        assert_eq!(channel(&variables, None).as_deref(), Some("C0ENV"));
        assert_eq!(channel(&[], None), None);
        assert_eq!(channel(&variables, Some(order(Some("C0ORDER")))).as_deref(), Some("C0ORDER"));
        assert_eq!(channel(&variables, Some(order(None))), None, "an order outside a conversation");
    }
}
