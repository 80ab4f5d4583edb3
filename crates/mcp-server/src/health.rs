//! What `/health` says of the server (the contract of spec 05 §7.2).

use std::time::Duration;

use async_trait::async_trait;
use oar_core::clients::Clients;
use oar_core::config::Environment;
use oar_core::error::ServiceErrorKind;

use crate::cache::Cache;
use crate::handler::{processors, threads};
use crate::settings::Settings;
use crate::tools::{Kind, catalogue};
use crate::transport::{
    CacheReport, EnvironmentReport, HealthReport, HealthSource, ThreadPool, TicketStatus, ToolCounts,
};

/// How long looking for a ticket may take; the reference gives `klist` as long.
const TICKET_LIMIT: Duration = Duration::from_secs(1);
/// What the tools need; the list of spec 05 §7.1, and the token of the state files, which the reference forgot.
const REQUIRED: [&str; 9] = [
    "OAR_JWK",
    "JIRA_TOKEN",
    "JIRA_USERNAME",
    "GCP_SA_FILE",
    "SLACK_BOT_TOKEN",
    "JENKINS_USER",
    "JENKINS_TOKEN",
    "GITLAB_TOKEN",
    "GITHUB_TOKEN",
];
/// What only some tools need.
const OPTIONAL: [&str; 3] = ["SLACK_APP_TOKEN", "APITOKEN", "GCS_CRED_FILE"];

/// Looks at the server's environment.
pub(crate) struct ServerHealth {
    environment: Environment,
    clients: Clients,
    cache: Cache,
    tools: ToolCounts,
}

impl ServerHealth {
    pub(crate) fn new(environment: Environment, clients: Clients, cache: Cache, settings: &Settings) -> Self {
        Self { environment, clients, cache, tools: counted(settings) }
    }

    fn missing(&self, names: &[&str]) -> Vec<String> {
        let is_missing = |name: &&&str| self.environment.get(**name).is_none();
        names.iter().filter(is_missing).map(|name| (*name).to_owned()).collect()
    }

    async fn ticket(&self) -> TicketStatus {
        match self.clients.check_ticket(TICKET_LIMIT).await {
            Ok(()) => TicketStatus::Valid,
            Err(error) => match error.kind {
                ServiceErrorKind::MissingCredential => TicketStatus::NoTicket,
                ServiceErrorKind::Unavailable => TicketStatus::TimedOut,
                _ => TicketStatus::Error(error.detail),
            },
        }
    }
}

/// The tools that are switched on, whoever calls.
fn counted(settings: &Settings) -> ToolCounts {
    let on = catalogue().iter().filter(|tool| settings.switches.allow(tool));
    let (mut total, mut api) = (0, 0);
    for tool in on {
        total += 1;
        api += usize::from(matches!(tool.kind, Kind::Operation | Kind::Document(_) | Kind::GetRun));
    }
    ToolCounts { total, cli: total - api, api }
}

#[async_trait]
impl HealthSource for ServerHealth {
    async fn check(&self) -> Result<HealthReport, String> {
        let cache = self.cache.summary();
        let cpu_count = processors();
        Ok(HealthReport {
            tools: self.tools.clone(),
            environment: EnvironmentReport {
                missing_required: self.missing(&REQUIRED),
                missing_optional: self.missing(&OPTIONAL),
            },
            kerberos: self.ticket().await,
            cache: CacheReport {
                enabled: true,
                size: cache.size,
                max_size: cache.max_size,
                hit_rate: cache.hit_rate,
                ttl_days: cache.ttl.as_secs() / (24 * 60 * 60),
            },
            thread_pool: ThreadPool { size: threads(cpu_count), cpu_count },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::documents::tests::World;
    use crate::settings::tests::local_options;

    #[tokio::test]
    async fn the_threads_are_those_that_the_runtime_has() {
        assert_eq!((threads(1), threads(64)), (1, 4));
        let world = World::new();
        let settings = Settings::new(&local_options(), &[], |_| true).unwrap();
        let clients = world.documents.clients().clone();
        let cache = world.documents.cache().clone();
        let environment = Environment::from_pairs([("HOME", "/")]);
        let report = ServerHealth::new(environment, clients, cache, &settings).check().await.unwrap();
        let ThreadPool { size, cpu_count } = report.thread_pool;
        assert!(size == threads(cpu_count) && cpu_count == processors(), "{size}, {cpu_count}");
    }
}
