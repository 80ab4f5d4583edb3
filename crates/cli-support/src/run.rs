use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use oar_core::clients::Clients;
use oar_core::clock::{self, Clock};
use oar_core::config::{Environment, LogFormat, Settings, environment};
use oar_core::flow::consent::Consent;
use oar_core::flow::interrupt::Interrupt;
use oar_core::http::Http;
use oar_core::notify::ReleaseThread;
use oar_core::operations::slack_bot::Order;
use oar_core::redact::Redactor;

use crate::{Build, CliError, CommandLine, ExitCode, OutputFormat, Ui, complete, help, interrupt, logging};

/// The options of every program.
#[derive(Debug, Clone, clap::Args)]
pub struct CommonArgs {
    /// Output format
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        value_name = "FORM",
        help_heading = help::GLOBAL_OPTIONS
    )]
    pub output: OutputFormat,
    /// Show the log, including every request with its answer and time
    #[arg(
        short = 'v',
        long = "debug",
        visible_alias = "verbose",
        global = true,
        help_heading = help::GLOBAL_OPTIONS
    )]
    pub debug: bool,
}

/// What a command needs from its process.
#[derive(Debug, Clone)]
pub struct Session {
    /// The user interface.
    pub ui: Ui,
    /// The environment variables of the process.
    pub environment: Environment,
    /// The clock.
    pub clock: Clock,
    /// Redacts the secrets of the environment.
    pub redactor: Redactor,
    /// Fires when the user wants to stop.
    pub interrupt: Interrupt,
    /// The command lines whose commands this program can run for others.
    pub command_lines: &'static [CommandLine],
    /// Whose command it is, when it is not that of the person at the terminal.
    pub behalf: Option<Behalf>,
}

/// A command that somebody gave elsewhere, in a conversation with an agent.
#[derive(Debug, Clone)]
pub struct Behalf {
    /// How they consent to a critical command.
    pub consent: Arc<dyn Consent>,
    /// The id of its run in histories.
    pub run: String,
    /// The conversation in which they gave it, if it was one.
    pub thread: Option<ReleaseThread>,
}

impl Session {
    /// The clients of all services, from the environment and the configuration document. No request is sent
    /// yet.
    pub fn clients(&self) -> Result<Clients, CliError> {
        self.clients_of(Settings::load(&self.environment)?)
    }

    /// The clients of these settings.
    pub(crate) fn clients_of(&self, settings: Settings) -> Result<Clients, CliError> {
        let http = Http::new(settings.http().clone(), self.clock.clone(), self.redactor.clone())?;
        Ok(Clients::new(settings, http))
    }

    /// The session of a command that somebody gave elsewhere: it has their name, their conversation if there is one (never
    /// that of this process), their consent and a stop of its own.
    pub(crate) fn on_behalf_of(self, order: &Order) -> Self {
        let environment = self.environment.with_values([(environment::OAR_USER.name, order.user.as_str())]);
        let behalf = Behalf {
            consent: Arc::clone(&order.consent),
            run: order.run.clone(),
            thread: order.thread.clone(),
        };
        Self { environment, interrupt: order.interrupt.clone(), behalf: Some(behalf), ..self }
    }
}

/// A command line: its definition and its commands.
pub trait Program: clap::Parser {
    /// The options of every program.
    fn common(&self) -> &CommonArgs;

    /// How long it may take to end what others have begun with it, after it was told to stop: a server lets running
    /// calls end. Other commands take nothing.
    fn drain_time(&self) -> Duration {
        Duration::ZERO
    }

    /// Runs the parsed command. When [`Session::interrupt`] fires, a command that holds it gets time to
    /// return; any other is dropped.
    fn dispatch(self, session: Session) -> impl Future<Output = Result<ExitCode, CliError>>;
}

/// Parses `arguments` (the program's name first), runs the command, and returns the exit code. `build` is for
/// `--version`.
pub fn run<P: Program>(arguments: impl IntoIterator<Item = OsString>, build: Build) -> ExitCode {
    run_with::<P>(arguments, build, &[])
}

/// The same, for a program that can run the commands of these command lines for others.
pub fn run_with<P: Program>(
    arguments: impl IntoIterator<Item = OsString>,
    build: Build,
    command_lines: &'static [CommandLine],
) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let environment = Environment::of_process();
    let redactor = Redactor::new(environment.secrets());
    let format = LogFormat::of(&environment);
    let clock = Clock::system();
    let ui = |output: OutputFormat| {
        let ui = Ui::new(output, redactor.clone());
        if matches!(format, Ok(LogFormat::Json)) { ui.with_json_lines(clock.clone()) } else { ui }
    };
    if let Some(code) = complete::answer(P::command, &arguments, &environment, ui) {
        return code;
    }
    let mut definition = P::command().version(build.version());
    let parsed = definition.try_get_matches_from_mut(&arguments).and_then(|mut matches| {
        P::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut definition))
    });
    let program = match parsed {
        Ok(program) => program,
        Err(error) => return crate::usage::answer(&error, &arguments, ui),
    };
    let ui = ui(program.common().output);
    let format = match format {
        Ok(format) => format,
        Err(error) => return ui.fail(&error.into()),
    };
    if let Err(error) = clock::check_system_clock() {
        return ui.fail(&error.into());
    }
    logging::init(&ui, &redactor, &clock, format, program.common().debug);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return ui.fail(&CliError::new(
                oar_core::error::ErrorClass::Failed,
                format!("cannot start the asynchronous runtime: {error}"),
            ));
        }
    };
    let code = runtime.block_on(async {
        let watch = match crate::interrupt::listen(&ui, program.drain_time()) {
            Ok(watch) => watch,
            Err(error) => {
                let message = format!("cannot listen for signals: {error}");
                return ui.fail(&CliError::new(oar_core::error::ErrorClass::Failed, message));
            }
        };
        let interrupt = watch.interrupt.clone();
        let ui = ui.clone();
        let session = Session { ui, environment, clock, redactor, interrupt, command_lines, behalf: None };
        attended(program, session, || watch.heard()).await
    });
    // A blocking call that outlives the command (a ticket look-up at a dead KDC) must not delay the exit.
    runtime.shutdown_background();
    ui.settle(code)
}

/// Runs a parsed command until it ends or is interrupted; `heard` is called when it is.
pub(crate) async fn attended<P: Program>(program: P, session: Session, heard: impl FnOnce()) -> ExitCode {
    let (ui, interrupt) = (session.ui.clone(), session.interrupt.clone());
    let to_end = interrupt::HEARD + program.drain_time();
    let command = program.dispatch(session);
    tokio::pin!(command);
    let outcome = tokio::select! {
        biased;
        signal = interrupt.wait() => {
            heard();
            if interrupt.is_held() {
                match tokio::time::timeout(to_end, &mut command).await {
                    Ok(Ok(_)) => {}
                    Ok(Err(error)) => { ui.fail(&error); }
                    Err(_) => ui.warn(interrupt::UNRECORDED),
                }
            }
            return ExitCode::from(signal);
        }
        outcome = &mut command => outcome,
    };
    let code = match outcome {
        Ok(code) => code,
        Err(error) => ui.fail(&error),
    };
    // The signal decides the exit code, even if the command noticed it first and ended by itself.
    interrupt.signal().map_or(code, ExitCode::from)
}

/// Shows that a command line cannot be used.
pub(crate) fn failed(ui: &Ui, why: &str) -> ExitCode {
    ui.fail(&CliError::usage(why))
}
