//! `oarctl slack-bot`: answers commands in Slack.

use std::time::Duration;

use agent::{Agent, Pass, Service, Work};
use cli_support::{CliError, ExitCode, Session, SessionCommands, counted};
use oar_core::error::ErrorClass;
use oar_core::flow::outcome::TaskError;
use oar_core::operations::slack_bot::{Readiness, SlackBot};
use oar_core::permit::WritePermit;

/// Run commands that people write in Slack, and answer in their threads
///
/// Listens by Socket Mode, so no port has to be reachable. A message that begins with oar, oarctl, job or jobctl, or that
/// mentions the bot, is a command of these programs. Who may give which command in which channel stands in
/// `slack_bot.permissions` of the configuration document; by default nobody may do anything. Critical commands show their
/// plan and wait for Approve. Of several replicas one works, and the others stand by.
///
/// With --once it answers what was written in the last 50 minutes and has no answer yet, and what Slack delivers meanwhile, and
/// ends. An approval needs a bot that listens when somebody clicks.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check configuration, tokens and their scopes, channels and groups without listening, and end
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    service: Service,
}

pub(super) async fn run(args: Args, session: &Session) -> Result<ExitCode, CliError> {
    let Args { dry_run, service } = args;
    let clients = session.clients()?;
    if service.is_check_only() {
        drop(clients.slack_sockets()?);
        return Ok(ExitCode::Done);
    }
    let lines = Box::new(SessionCommands::new(session.clone()));
    let permit = WritePermit::granted_by_user_interface();
    let of_task = |error: &TaskError| CliError::of_task(error);
    let bot = SlackBot::new(&clients, lines, permit).await.map_err(|error| of_task(&error))?;
    if dry_run {
        let readiness = bot.check().await.map_err(|error| of_task(&error.into()))?;
        return Ok(show(session, &readiness));
    }
    let agent = Agent {
        program: "oarctl",
        role: "slack-bot",
        scope: "slack",
        parts: &[],
        about: "",
        dry_run: false,
        one_at_a_time: true,
        leases: &clients,
        activity: clients.http().activity(),
    };
    let mut listener = Listener { bot, session, over: None, has_begun: false };
    let code = service.run(session, agent, &mut listener).await?;
    match listener.over {
        Some(error) => Err(error),
        None => Ok(code),
    }
}

/// The bot as the work of an agent.
struct Listener<'a> {
    bot: SlackBot,
    session: &'a Session,
    /// Why it cannot work.
    over: Option<CliError>,
    /// Whether it works as the replica whose turn it is.
    has_begun: bool,
}

impl Work for Listener<'_> {
    async fn serve(&mut self, period: Duration) -> Pass {
        let mut pass = Pass::default();
        if let Err(error) = self.bot.serve(period, &self.session.interrupt).await {
            pass.add_problem(error.inner().to_string(), error.inner().class());
            self.over = Some(CliError::of_task(&error));
        }
        // The first period only begins.
        if std::mem::replace(&mut self.has_begun, true) && !self.bot.is_ready() {
            let words = "no command runs: which ones ran before is not known, as its file cannot be read";
            pass.add_problem(words, ErrorClass::Unavailable);
        }
        pass
    }

    async fn serve_once(&mut self) -> Pass {
        let mut pass = Pass::default();
        match self.bot.serve_once(&self.session.interrupt).await {
            Ok(round) => {
                let ui = &self.session.ui;
                ui.explain_failures("", &round.problems);
                for (text, class, _) in round.problems.iter() {
                    pass.add_problem(text, class);
                }
                ui.text(format!("{} answered", counted(round.messages, "message")));
                ui.json(&round);
            }
            Err(error) => {
                pass.add_problem(error.inner().to_string(), error.inner().class());
                self.over = Some(CliError::of_task(&error));
            }
        }
        pass
    }

    async fn stand_by(&mut self) {
        self.has_begun = false;
        self.bot.stand_by().await;
    }

    fn is_ready(&self) -> bool {
        self.bot.is_ready()
    }

    fn is_over(&self) -> bool {
        self.over.is_some()
    }
}

fn show(session: &Session, readiness: &Readiness) -> ExitCode {
    let ui = &session.ui;
    if readiness.channels.is_empty() && readiness.problems.is_empty() {
        ui.warn(
            "nobody may do anything: `slack_bot.permissions` of the configuration document names no channel",
        );
    }
    for channel in &readiness.channels {
        ui.text(format!("commands are answered in {channel}"));
    }
    ui.explain_failures("", &readiness.problems);
    if let Some(count) = readiness.interrupted {
        ui.text(format!("commands that were interrupted and not told yet: {count}"));
    }
    ui.text("dry run: no socket was opened");
    ui.json(readiness);
    readiness.problems.class().map_or(ExitCode::Done, ExitCode::from)
}
