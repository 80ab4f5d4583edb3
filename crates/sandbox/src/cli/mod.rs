//! The command line of `oar-sandbox`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    clock::{self, ClockStart},
    faults::Fault,
    kerberos::Tickets,
    sandbox::{Options, Sandbox, StartError},
};
use running::Running;

mod demo;
mod remote;
mod run;
mod running;
mod serve;
mod start;

/// The variable with the address of a running sandbox, for `play` and `advance`.
const SANDBOX: &str = "OAR_SANDBOX";
/// The option with which `start` runs `serve`.
const BACKGROUND: &str = "--background";

/// Simulated GitHub, Errata Tool, Jira, GitLab, Jenkins, Prow, Slack and more on one port
///
/// It has two made-up releases: 4.19.1 (Konflux) and 4.14.60 (Errata). Programs in the sandbox never reach
/// the real services, and all state is lost when it ends.
#[derive(Debug, Parser)]
#[command(name = "oar-sandbox", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start a sandbox in the background: eval "$(oar-sandbox start)"
    ///
    /// Prints the environment as `export` lines for a shell when the sandbox is ready, and exits.
    /// `oar-sandbox stop` stops the sandbox.
    Start(Common),
    /// Stop the sandbox of this environment
    Stop,
    /// Serve in the foreground until interrupted; prints the environment as `export` lines for a shell
    Serve(Serve),
    /// Run a command in a fresh sandbox and exit with its exit code
    Run(Run),
    /// Take both releases from announced to shipped, showing each command and its output
    Demo(Demo),
    /// Simulate an action of another party in the running sandbox; without arguments, list the actions
    Play {
        /// The release: 4.19.1 or 4.14.60
        #[arg(requires = "action")]
        release: Option<String>,
        /// The action, such as art-ships
        action: Option<String>,
    },
    /// Move the clock of the running sandbox
    Advance {
        /// By how much, such as 30m or 6h
        #[arg(value_name = "DURATION", value_parser = duration)]
        by: jiff::SignedDuration,
    },
    /// Simulate elliott, ART's command line
    #[command(hide = true)]
    Elliott {
        #[arg(long)]
        sandbox: Option<String>,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
struct Demo {
    #[command(flatten)]
    common: Common,
    /// Show the log of the commands as well
    #[arg(long)]
    log: bool,
}

#[derive(Debug, Args)]
struct Common {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Directory with openshift-<X.Y>-releases.yml files to serve as build data
    #[arg(long, value_name = "DIR")]
    build_data: Option<PathBuf>,
    /// Directory with StateBox files <release>.yaml that exist from the start
    #[arg(long, value_name = "DIR")]
    statebox: Option<PathBuf>,
    /// The encrypted configuration document [default: the one of the installation or the working tree]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Content of the Kerberos ticket cache
    #[arg(long, value_enum, default_value_t = TicketChoice::Valid)]
    tickets: TicketChoice,
    /// Delay every answer by this many milliseconds
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// Freeze the services' clock at this time, such as 2026-07-02T10:00:00Z [default: the real time]
    #[arg(long, value_name = "INSTANT", value_parser = instant)]
    clock: Option<jiff::Timestamp>,
    /// A fault rule as JSON, such as '{"service":"jira","kind":{"type":"status","code":503}}'; repeatable. It
    /// hits one request unless it has `times`, `rate` or `forever`
    #[arg(long, value_name = "JSON", value_parser = fault)]
    fault: Vec<Fault>,
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    common: Common,
    /// Serve for `start`; the file gets standard error
    #[arg(long, value_name = "LOG", hide = true)]
    background: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    common: Common,
    /// Show the requests to the services on standard error
    #[arg(long)]
    show_requests: bool,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TicketChoice {
    /// Valid for a year
    Valid,
    /// Ended yesterday
    Expired,
    /// No cache
    None,
}

fn fault(text: &str) -> Result<Fault, String> {
    let fault: Fault = serde_json::from_str(text).map_err(|error| error.to_string())?;
    fault.check().map(|()| fault)
}

fn duration(text: &str) -> Result<jiff::SignedDuration, String> {
    text.parse().map_err(|_| "expected a number with a unit, such as 30m or 6h".to_owned())
}

fn instant(text: &str) -> Result<jiff::Timestamp, String> {
    let instant: jiff::Timestamp = text.parse().map_err(|error: jiff::Error| error.to_string())?;
    clock::in_range(instant).map(|()| instant).map_err(|error| error.to_string())
}

impl Common {
    fn start(&self) -> Result<Running, Failure> {
        let sandbox = Sandbox::start(&Options {
            port: self.port,
            clock: self.clock.map_or(ClockStart::Real, ClockStart::Frozen),
            latency: Duration::from_millis(self.latency),
            build_data: self.build_data.clone(),
            statebox: self.statebox.clone(),
            tickets: match self.tickets {
                TicketChoice::Valid => Tickets::Valid,
                TicketChoice::Expired => Tickets::Expired,
                TicketChoice::None => Tickets::None,
            },
            // The command may run in another directory.
            configuration: self
                .config
                .as_ref()
                .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
        })?;
        for fault in &self.fault {
            sandbox.faults().add(fault.clone());
        }
        Ok(Running::new(sandbox)?)
    }
}

/// Why a command of `oar-sandbox` failed.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("cannot run {program}: {source}")]
    Spawn { program: String, source: io::Error },
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "found neither release-tests nor all of {} beside {}; build them first: cargo build",
        demo::PROGRAMS.map(|(_, file)| file).join(", "),
        .0.display()
    )]
    NoPrograms(PathBuf),
    #[error(
        "the demonstration stopped: `{line}` ended with {status}, and {expected} was expected; it says: {why}"
    )]
    Step { line: String, status: String, expected: String, why: String },
    #[error("the demonstration stopped: {action}: {why}")]
    Action { action: &'static str, why: String },
    #[error("OAR_SANDBOX is not set; `eval \"$(oar-sandbox start)\"` starts a sandbox and sets it")]
    NoSandbox,
    #[error("the sandbox did not start: {0}")]
    NotStarted(String),
    #[error("the clock of this machine is wrong: {0}")]
    Clock(#[from] clock::OutOfRange),
    #[error("no sandbox runs at {0}; `eval \"$(oar-sandbox start)\"` starts one")]
    NotRunning(String),
    #[error("the sandbox at {0} does not answer: {1}")]
    Gone(String, String),
    #[error("{0}")]
    Refused(String),
    #[error("the demonstration stopped: this was done more than once: {0}")]
    Twice(String),
    #[error("the commands asked for what the sandbox does not simulate:\n{0}")]
    Unexpected(String),
}

/// Runs the program with the arguments of the process.
pub fn main() -> ExitCode {
    let command = match parsed() {
        Ok(command) => command,
        Err(code) => return code,
    };
    let outcome = clock::check_system_clock().map_err(Failure::from).and_then(|()| carry_out(command));
    outcome.unwrap_or_else(|failure| {
        start::fail_the_shell();
        say(&format!("oar-sandbox: {failure}"));
        ExitCode::FAILURE
    })
}

/// Parses the arguments. Help that cannot be written is an error too.
fn parsed() -> Result<Command, ExitCode> {
    Arguments::try_parse().map(|arguments| arguments.command).map_err(|error| {
        if error.use_stderr() {
            start::fail_the_shell();
        }
        let written = error.print().and_then(|()| io::stdout().flush());
        if written.is_err() && !error.use_stderr() {
            return ExitCode::FAILURE;
        }
        ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
    })
}

fn carry_out(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Start(_) => start::start(),
        Command::Stop => start::stop(),
        Command::Serve(arguments) => serve::serve(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Demo(arguments) => demo::demo(&arguments),
        Command::Play { release, action } => remote::play(release.as_deref(), action.as_deref()),
        Command::Advance { by } => remote::advance(by),
        Command::Elliott { sandbox, arguments } => remote::elliott(sandbox.as_deref(), &arguments),
    }
}

/// Says that the commands have no configuration document, when `environment` names none.
fn say_when_without_document(environment: &str) {
    if !environment.lines().any(|line| line.starts_with("export OAR_CONFIG=")) {
        say(
            "oar-sandbox: no config/config_store.json is beside this program, above it, or above this directory, so OAR_CONFIG \
             is not set, and commands that need the configuration document end with exit 3; name it with --config, or start \
             the sandbox in the repository",
        );
    }
}

/// Writes a line to standard error, ignoring errors.
fn say(line: &str) {
    let _ = writeln!(anstream::stderr(), "{line}");
}

/// Requests that no service supports, a line each.
fn unexpected_lines(sandbox: &Sandbox) -> Option<String> {
    let unexpected = sandbox.unexpected();
    let lines: Vec<String> = unexpected
        .iter()
        .map(|request| {
            format!("  {} {} {}: {}", request.method, request.service, request.path, request.reason)
        })
        .collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}
