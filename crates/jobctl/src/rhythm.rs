//! One pass, or a pass every so often until the program is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use cli_support::{CliError, ExitCode, Session};
use oar_core::error::ErrorClass;
use oar_core::failures::gravest;
use oar_core::prow::LiveWorld;

use crate::leader::{Leader, PATIENCE, Turn};
use crate::metrics::Metrics;

/// How long a pass may go on after the program was told to stop. What it leaves undone, the next one does.
const LAST_PASS: Duration = Duration::from_secs(1);

/// How often a command does its work.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Rhythm {
    /// Make one pass and end; the default
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// Make a pass every so many seconds, until told to stop
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: Option<u64>,
    /// With --interval: serve /healthz and /metrics at this address, such as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS", requires = "interval")]
    listen: Option<SocketAddr>,
}

/// How a pass went.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    class: Option<ErrorClass>,
    /// How many jobs were started.
    pub(crate) started: usize,
    /// How many things went wrong.
    pub(crate) problems: usize,
    /// How many records there are, and how many of them are open.
    pub(crate) records: Option<(usize, usize)>,
}

impl Pass {
    /// Notes a problem, when there is one; the gravest one decides the exit code.
    pub(crate) fn problem(&mut self, class: Option<ErrorClass>) {
        self.add_problems(usize::from(class.is_some()), class);
    }

    /// Notes so many problems; `class` is that of the gravest.
    pub(crate) fn add_problems(&mut self, count: usize, class: Option<ErrorClass>) {
        self.class = gravest(self.class.into_iter().chain(class));
        self.problems += count;
    }

    pub(crate) fn is_good(&self) -> bool {
        self.class.is_none()
    }
}

impl Rhythm {
    /// Runs `pass` in this rhythm. Of several programs with the same role and scope that run on, one works and the others
    /// stand by; one that changes nothing keeps nobody from working.
    pub(crate) async fn beat<F>(
        self,
        session: &Session,
        live: &LiveWorld,
        (role, scope): (&'static str, &str),
        dry_run: bool,
        mut pass: impl FnMut() -> F,
    ) -> Result<ExitCode, CliError>
    where
        F: Future<Output = Pass>,
    {
        let Some(interval) = self.interval.map(Duration::from_secs) else {
            let _hold = session.interrupt.hold();
            return Ok(pass().await.class.map_or(ExitCode::Done, ExitCode::from));
        };
        let _hold = session.interrupt.hold();
        let metrics = Metrics::new(role, interval, session.clock.clone());
        let server = match self.listen {
            Some(address) => Some(metrics.serve(address).await?),
            None => None,
        };
        let mut leader = if dry_run {
            Leader::Alone
        } else {
            Leader::of(live.clients(), session, &format!("{role}-{scope}"))?
        };
        tracing::info!("a pass every {} s", interval.as_secs());
        loop {
            let turn = leader.turn().await;
            metrics.turn(turn);
            let leads = turn == Turn::Ours;
            if leads {
                live.refresh().await;
                let begun = session.clock.now();
                tokio::select! {
                    done = leader.during(session, pass()) => {
                        metrics.passed(&done, session.clock.now().duration_since(begun));
                    }
                    () = stopped(session, LAST_PASS) => break,
                }
            }
            let pause = if leads { session.clock.jittered(interval) } else { interval.min(PATIENCE) };
            tokio::select! {
                () = leader.during(session, session.clock.sleep(pause)) => {}
                () = stopped(session, Duration::ZERO) => break,
            }
        }
        leader.give_up().await;
        if let Some(server) = server {
            server.stop().await;
        }
        tracing::info!("stopped");
        Ok(ExitCode::Done)
    }
}

/// Waits until the program is told to stop, and then for `grace`.
async fn stopped(session: &Session, grace: Duration) {
    session.interrupt.wait().await;
    session.clock.sleep(grace).await;
}
