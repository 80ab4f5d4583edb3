//! Settings for Prow jobs and their clusters.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::environment::{
    Environment, KUBECONFIG, OAR_GANGWAY_FORM, OAR_GANGWAY_LIMIT, OAR_INTENT_LEASE, OAR_LEASE_NAMESPACE,
};
use super::error::ConfigError;

/// How many requests Gangway gets from one process: usually what its public configuration allows (spec 04 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests per minute; at least one.
    pub per_minute: u32,
    /// Requests that may be sent at once before the rate applies.
    pub burst: u32,
}

/// Where the name of the job to be started stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TriggerForm {
    /// `POST /v1/executions/<job>`, as the Python tooling sends it.
    #[default]
    JobInPath,
    /// `POST /v1/executions` with `job_name` in the body, as Prow defines it.
    JobInBody,
}

impl FromStr for TriggerForm {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "path" => Ok(Self::JobInPath),
            "body" => Ok(Self::JobInBody),
            _ => Err("is neither `path` nor `body`".to_owned()),
        }
    }
}

/// The address of the API server of the pod's own cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InClusterAddress {
    /// `KUBERNETES_SERVICE_HOST`.
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`.
    pub port: String,
}

/// The environment's settings for Prow jobs and their clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProwSettings {
    /// The kubeconfig files, in their order.
    pub kubeconfig: Vec<PathBuf>,
    /// The cluster that this process runs in.
    pub in_cluster: Option<InClusterAddress>,
    /// The namespace of leases, when it is not the pod's.
    pub lease_namespace: Option<String>,
    /// The rate limit of requests to Gangway.
    pub gangway: RateLimit,
    /// How the name of a job is sent to Gangway; `None` leaves it to the configuration document.
    pub gangway_form: Option<TriggerForm>,
    /// How long other programs leave the start of a job to the program that recorded it: at least two
    /// minutes, or zero when no other program starts jobs.
    pub intent_lease: Duration,
}

impl ProwSettings {
    pub(super) fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let home = environment.get("HOME").map(Path::new).filter(|home| home.is_absolute());
        let kubeconfig = match environment.get(&KUBECONFIG) {
            Some(paths) => paths.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
            None => home.map(|home| home.join(".kube/config")).into_iter().collect(),
        };
        let variable = |name: &str| environment.get(name).map(str::to_owned);
        let in_cluster = variable("KUBERNETES_SERVICE_HOST")
            .zip(variable("KUBERNETES_SERVICE_PORT"))
            .map(|(host, port)| InClusterAddress { host, port });
        let lease_namespace = environment.get(&OAR_LEASE_NAMESPACE).map(|name| name.trim().to_owned());
        if let Some(name) = &lease_namespace {
            let good = name.len() <= 63
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
                && !name.starts_with('-')
                && !name.ends_with('-');
            if !good {
                return Err(bad(
                    OAR_LEASE_NAMESPACE.name,
                    name,
                    "the name of a namespace (for example release-tools)",
                ));
            }
        }
        Ok(Self {
            kubeconfig,
            in_cluster,
            lease_namespace,
            gangway: limit(environment)?,
            gangway_form: form(environment)?,
            intent_lease: intent_lease(environment)?,
        })
    }
}

/// The largest number of requests that a limit may name.
const LARGEST_LIMIT: u32 = 100_000;

fn limit(environment: &Environment) -> Result<RateLimit, ConfigError> {
    let text = environment.get_or_default(&OAR_GANGWAY_LIMIT);
    let number = |text: &str| text.trim().parse::<u32>().ok().filter(|number| *number <= LARGEST_LIMIT);
    let parts = text.split_once('/').and_then(|(rate, burst)| Some((number(rate)?, number(burst)?)));
    match parts {
        Some((per_minute, burst)) if per_minute > 0 => Ok(RateLimit { per_minute, burst }),
        _ => {
            let expected =
                format!("two numbers up to {LARGEST_LIMIT}, the first above 0 (for example 20/10)");
            Err(bad(OAR_GANGWAY_LIMIT.name, text, &expected))
        }
    }
}

fn form(environment: &Environment) -> Result<Option<TriggerForm>, ConfigError> {
    let Some(text) = environment.get(&OAR_GANGWAY_FORM) else { return Ok(None) };
    text.trim().parse().map(Some).map_err(|_| bad(OAR_GANGWAY_FORM.name, text, "`path` or `body`"))
}

fn intent_lease(environment: &Environment) -> Result<Duration, ConfigError> {
    let text = environment.get_or_default(&OAR_INTENT_LEASE);
    // One start may take up to two minutes; zero is for a program that runs alone.
    let seconds = text.trim().parse::<u64>().ok().filter(|seconds| matches!(seconds, 0 | 120..=86_400));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        let expected =
            "whole seconds from 120 to 86400 (for example 600), or 0 if no other program starts jobs or tells people of bugs";
        bad(OAR_INTENT_LEASE.name, text, expected)
    })
}

fn bad(name: &'static str, value: &str, expected: &str) -> ConfigError {
    let short: String = value.chars().take(80).collect();
    ConfigError::BadVariable {
        name: name.into(),
        problem: format!("`{}` cannot be used", short.escape_debug()),
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(pairs: &[(&str, &str)]) -> Result<ProwSettings, ConfigError> {
        ProwSettings::of(&Environment::from_pairs(pairs.iter().copied()))
    }

    #[test]
    fn the_kubeconfig_is_below_the_home() {
        let found = settings(&[("HOME", "/home/lead")]).unwrap();
        assert_eq!(found.kubeconfig, [Path::new("/home/lead/.kube/config")]);
        assert_eq!((found.in_cluster, found.gangway), (None, RateLimit { per_minute: 20, burst: 10 }));
        let found = settings(&[("HOME", "/home/lead"), ("KUBECONFIG", "/a::/b")]).unwrap();
        assert_eq!(found.kubeconfig, [Path::new("/a"), Path::new("/b")]);
        assert_eq!(settings(&[]).unwrap().kubeconfig, Vec::<PathBuf>::new());
    }

    #[test]
    fn the_pod_s_cluster_is_told_by_two_variables() {
        let found = settings(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).unwrap();
        assert_eq!(found.in_cluster, None);
        let pairs = [("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("KUBERNETES_SERVICE_PORT", "443")];
        let address = settings(&pairs).unwrap().in_cluster.unwrap();
        assert_eq!((address.host.as_str(), address.port.as_str()), ("10.0.0.1", "443"));
    }

    #[test]
    fn wrong_values_are_refused_by_name() {
        let form = |text| settings(&[("OAR_GANGWAY_FORM", text)]).unwrap().gangway_form;
        assert_eq!(settings(&[]).unwrap().gangway_form, None);
        assert_eq!([form("path"), form("body")], [TriggerForm::JobInPath, TriggerForm::JobInBody].map(Some));
        let limit = settings(&[("OAR_GANGWAY_LIMIT", "6/0")]).unwrap().gangway;
        assert_eq!(limit, RateLimit { per_minute: 6, burst: 0 });
        for (text, seconds) in [("0", 0), ("120", 120), (" 86400 ", 86_400)] {
            let lease = settings(&[("OAR_INTENT_LEASE", text)]).unwrap().intent_lease;
            assert_eq!(lease, Duration::from_secs(seconds));
        }
        for (name, value) in [
            ("OAR_GANGWAY_LIMIT", "20"),
            ("OAR_GANGWAY_FORM", "query"),
            ("OAR_INTENT_LEASE", "soon"),
            ("OAR_INTENT_LEASE", "1"),
            ("OAR_INTENT_LEASE", "119"),
            ("OAR_INTENT_LEASE", "86401"),
            ("OAR_GANGWAY_LIMIT", "0/1"),
            ("OAR_GANGWAY_LIMIT", "a/b"),
            ("OAR_LEASE_NAMESPACE", "Not A Name"),
            ("OAR_LEASE_NAMESPACE", "../x"),
        ] {
            let error = settings(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
        let error = settings(&[("OAR_GANGWAY_LIMIT", "99999999999/1")]).unwrap_err().to_string();
        assert!(error.contains("100000"), "{error}");
    }
}
