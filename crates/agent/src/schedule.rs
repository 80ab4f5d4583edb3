//! The schedule of passes: one, or one at every interval until the program is told to stop.

use std::net::SocketAddr;
use std::time::Duration;

use cli_support::{CliError, ExitCode, Session};
use oar_core::flow::wait::{Next, Wait};

use crate::leader::{Leader, Leadership, Leases, STANDBY_INTERVAL};
use crate::metrics::Metrics;
use crate::pass::Pass;

/// How long a pass may continue after the program was told to stop. The next run does what it leaves undone.
const GRACE: Duration = Duration::from_secs(1);

/// The options for an agent's schedule.
#[derive(Debug, Clone, clap::Args)]
pub struct Schedule {
    /// Make one pass and end; the default
    #[arg(long, conflicts_with = "interval")]
    once: bool,
    /// Make a pass at this interval, in seconds, until stopped
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    interval: Option<u64>,
    /// With --interval: serve /healthz and /metrics at this address, such as 127.0.0.1:9090
    #[arg(long, value_name = "ADDRESS", requires = "interval")]
    listen: Option<SocketAddr>,
}

/// An agent, as its replicas and its metrics name it.
#[derive(Clone, Copy)]
pub struct Agent<'a> {
    /// The program, which begins the names of its metrics: `jobctl`.
    pub program: &'static str,
    /// What it does there: `controller`.
    pub role: &'static str,
    /// What it does it for. Of the agents with the same role and scope one is active, and the others are on
    /// standby.
    pub scope: &'a str,
    /// Whether its passes change nothing. Then it takes no lease and does not affect other replicas.
    pub dry_run: bool,
    /// The leases for leader election in a cluster.
    pub leases: &'a dyn Leases,
}

impl Schedule {
    /// Makes one pass, or one at every interval until the program is told to stop.
    ///
    /// The exit code of one pass is that of its gravest problem. An agent that was told to stop ends with the code of
    /// the signal ([`cli_support::run()`]): 129, 130 or 143. Errors: the address of `--listen` cannot be used, or leader
    /// election cannot be set up.
    pub async fn run<F>(
        self,
        session: &Session,
        agent: Agent<'_>,
        mut pass: impl FnMut() -> F,
    ) -> Result<ExitCode, CliError>
    where
        F: Future<Output = Pass>,
    {
        let Some(interval) = self.interval.map(Duration::from_secs) else {
            let _hold = session.interrupt.hold();
            return Ok(pass().await.class().map_or(ExitCode::Done, ExitCode::from));
        };
        let _hold = session.interrupt.hold();
        let metrics = Metrics::new(agent, interval, session.clock.clone());
        let server = match self.listen {
            Some(address) => Some(metrics.serve(address).await?),
            None => None,
        };
        let mut leader = if agent.dry_run { Leader::Alone } else { Leader::of(session, agent)? };
        tracing::info!("a pass every {} s", interval.as_secs());
        loop {
            let turn = leader.turn().await;
            metrics.turn(turn);
            let leads = turn == Leadership::Ours;
            if leads {
                let started = session.clock.now();
                tokio::select! {
                    done = leader.during(session, pass()) => {
                        metrics.passed(&done, session.clock.now().duration_since(started));
                    }
                    () = stopped(session) => break,
                }
            }
            let pause = if leads { session.clock.jittered(interval) } else { interval.min(STANDBY_INTERVAL) };
            let wait = Wait::new(&session.clock).unless_stopped(&session.interrupt);
            if leader.during(session, wait.pause(pause)).await != Next::Look {
                break;
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

/// Waits until the program is told to stop, and then for [`GRACE`].
async fn stopped(session: &Session) {
    session.interrupt.wait().await;
    session.clock.sleep(GRACE).await;
}
