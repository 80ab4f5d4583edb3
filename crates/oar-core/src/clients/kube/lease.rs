//! A lease: selects the active one of several replicas.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use ::kube::api::{GetParams, PostParams};
use ::kube::core::{ObjectMeta, Request};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::transport::Purpose;
use super::{KubeClient, refusal};
use crate::clients::write_or_look;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::Reply;
use crate::permit::WritePermit;
use crate::service::Service;

/// How much the clocks of two machines may differ: a lease that is expired for longer is taken immediately.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeaseState {
    /// This process, until it ends or is renewed.
    Ours,
    /// Another process.
    Theirs {
        /// The holder's identity.
        holder: String,
    },
}

/// One contender for a lease. The holder renews it well before its duration is over.
pub struct LeaseHolder {
    client: KubeClient,
    namespace: String,
    name: String,
    identity: String,
    duration: Duration,
    /// The holder's last renewal that was observed, and when it was first observed.
    observed: Mutex<Option<(Observation, Timestamp)>>,
}

/// The members of a lease that change with every renewal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Observation {
    holder: Option<String>,
    renewed: Option<Timestamp>,
    version: Option<String>,
}

impl fmt::Debug for LeaseHolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("LeaseHolder")
            .field("namespace", &self.namespace)
            .field("name", &self.name)
            .field("identity", &self.identity)
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}

impl LeaseHolder {
    /// A contender named `identity`, unique among the replicas, for the lease `name`.
    ///
    /// A holder that does not renew it for `duration` (at least a second) loses it.
    pub fn new(
        client: KubeClient,
        namespace: impl Into<String>,
        name: impl Into<String>,
        identity: impl Into<String>,
        duration: Duration,
    ) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            name: name.into(),
            identity: identity.into(),
            duration: duration.max(Duration::from_secs(1)),
            observed: Mutex::default(),
        }
    }

    /// Takes the lease when it is free or expired, and renews it when this process holds it.
    ///
    /// A lease is expired when no renewal was observed for its whole duration by the local clock, or when its
    /// last renewal is older than the duration and the allowed clock skew. Two contenders never both take it:
    /// the write names the resource version that was read.
    ///
    /// Every member of a lease's `spec` may be missing (kubernetes/api `coordination/v1/types.go`), and
    /// client-go leaves an empty holder and no renewal time when it releases a lease. A holder without a
    /// renewal time is observed for the whole duration, and a lease without a duration gets this contender's.
    pub async fn acquire(&self, _permit: &WritePermit) -> Result<LeaseState, ServiceError> {
        let now = self.client.clock().now();
        let Some(present) = self.read().await? else { return self.create(now).await };
        let spec = present.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().filter(|holder| !holder.is_empty());
        let ours = holder.as_deref() == Some(self.identity.as_str());
        if let Some(holder) = holder.filter(|_| !ours)
            && !self.is_silent(&present, now)
        {
            return Ok(LeaseState::Theirs { holder });
        }
        let transitions = spec.lease_transitions.unwrap_or(0).saturating_add(i32::from(!ours));
        let acquired = spec.acquire_time.clone().filter(|_| ours).or(Some(MicroTime(now)));
        let mut renewed = present;
        renewed.spec = Some(LeaseSpec {
            acquire_time: acquired,
            lease_transitions: Some(transitions),
            ..self.spec(now)
        });
        self.replace(&renewed).await
    }

    /// Releases the lease, so that another replica can take it immediately. Does nothing when this process
    /// does not hold it.
    pub async fn release(&self, _permit: &WritePermit) -> Result<(), ServiceError> {
        let Some(mut present) = self.read().await? else { return Ok(()) };
        let spec = present.spec.get_or_insert_with(LeaseSpec::default);
        if spec.holder_identity.as_deref() != Some(self.identity.as_str()) {
            return Ok(());
        }
        spec.holder_identity = Some(String::new());
        spec.renew_time = Some(MicroTime(self.client.clock().now()));
        // A process that took it in between keeps it.
        self.replace(&present).await.map(|_| ())
    }

    fn is_silent(&self, present: &Lease, now: Timestamp) -> bool {
        let spec = present.spec.as_ref();
        let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).filter(|seconds| *seconds > 0);
        let ours = || SignedDuration::try_from(self.duration).unwrap_or(SignedDuration::MAX);
        let duration = seconds.map_or_else(ours, |seconds| SignedDuration::from_secs(i64::from(seconds)));
        if renewed.is_some_and(|renewed| {
            now.duration_since(renewed).checked_sub(SKEW).is_some_and(|age| age > duration)
        }) {
            return true;
        }
        let seen = Observation {
            holder: spec.and_then(|spec| spec.holder_identity.clone()),
            renewed,
            version: present.metadata.resource_version.clone(),
        };
        let mut observed = self.observed.lock().unwrap_or_else(PoisonError::into_inner);
        match &*observed {
            Some((before, since)) if *before == seen => now.duration_since(*since) > duration,
            _ => {
                *observed = Some((seen, now));
                false
            }
        }
    }

    fn spec(&self, now: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(i32::try_from(self.duration.as_secs()).unwrap_or(i32::MAX)),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }
    }

    async fn read(&self) -> Result<Option<Lease>, ServiceError> {
        let request = Request::new(self.path()).get(&self.name, &GetParams::default());
        let reply = self.client.send(request, self.purpose("read a lease")).await?;
        match reply.failure_kind() {
            None => reply.json().map(Some),
            Some(ServiceErrorKind::NotFound) if super::words(&reply).contains(&self.name) => Ok(None),
            Some(kind) => Err(refusal(&reply, kind)),
        }
    }

    async fn create(&self, now: Timestamp) -> Result<LeaseState, ServiceError> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec { acquire_time: Some(MicroTime(now)), ..self.spec(now) }),
        };
        let request = Request::new(self.path()).create(&PostParams::default(), self.body(&lease)?);
        let reply = self.client.send(request, self.purpose("take a lease")).await;
        self.outcome(reply).await
    }

    async fn replace(&self, lease: &Lease) -> Result<LeaseState, ServiceError> {
        if lease.metadata.resource_version.as_deref().is_none_or(str::is_empty) {
            // Without one the write could overwrite another process's lease.
            let detail = "the lease has no resource version";
            return Err(self.purpose("take a lease").error(
                Service::Kube,
                ServiceErrorKind::Malformed,
                detail,
            ));
        }
        let request =
            Request::new(self.path()).replace(&self.name, &PostParams::default(), self.body(lease)?);
        let reply = self.client.send(request, self.purpose("take a lease")).await;
        self.outcome(reply).await
    }

    /// Who holds the lease after a write: by the answer, or by reading it again when the answer is unclear.
    async fn outcome(&self, reply: Result<Reply, ServiceError>) -> Result<LeaseState, ServiceError> {
        let write = async {
            let reply = reply?;
            reply.failure_kind().map_or(Ok(LeaseState::Ours), |kind| Err(refusal(&reply, kind)))
        };
        let look = async {
            let holder = self.read().await?.and_then(|lease| lease.spec?.holder_identity);
            let holder = holder.filter(|holder| !holder.is_empty());
            Ok::<_, ServiceError>(holder.map(|holder| {
                if holder == self.identity { LeaseState::Ours } else { LeaseState::Theirs { holder } }
            }))
        };
        let doubtful = [ServiceErrorKind::Conflict, ServiceErrorKind::Unclear];
        Ok(write_or_look(write, &doubtful, look).await?.into_inner())
    }

    fn body(&self, lease: &Lease) -> Result<Vec<u8>, ServiceError> {
        serde_json::to_vec(lease).map_err(|error| {
            self.purpose("take a lease")
                .error(Service::Kube, ServiceErrorKind::Rejected, "the lease cannot be written")
                .with_source(error)
        })
    }

    fn path(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    fn purpose(&self, operation: &'static str) -> Purpose {
        Purpose { operation, subject: format!("{} in {}", self.name, self.namespace) }
    }
}
