//! Who wants to hear of which resource, in both eras of the protocol.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use rmcp::ErrorData;
use rmcp::model::{ResourceUpdatedNotificationParam, SubscriptionFilter};
use rmcp::service::{Peer, RoleServer, SubscriptionContext};
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::changes::{Change, Changes, Listener};

/// The most resources that one session or one stream may follow.
pub(super) const FOLLOWED: usize = 64;

/// The resources that a session of the legacy era follows (`resources/subscribe`). Each session has its own; when it is
/// dropped, nothing is sent any more. Changes of the list of resources need no subscription in this era.
#[derive(Debug, Clone, Default)]
pub struct Subscriptions(Arc<Followed>);

#[derive(Debug, Default)]
struct Followed {
    addresses: Mutex<BTreeSet<String>>,
    is_forwarded: AtomicBool,
    /// Cancelled when this is dropped.
    end: CancellationToken,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

impl Followed {
    fn addresses(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        // Every change of the set is one call, so a panic elsewhere cannot leave it inconsistent.
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn concerned(&self, change: &Change) -> Vec<String> {
        let addresses = self.addresses();
        addresses.iter().filter(|text| concerns(change, text)).cloned().collect()
    }
}

impl Subscriptions {
    /// Follows the resource at `address`.
    ///
    /// # Errors
    ///
    /// There is no such resource, or the session follows too many.
    pub fn follow(&self, address: &str) -> Result<(), ErrorData> {
        let Some(parsed) = Address::parse(address) else { return Err(Address::unknown(address)) };
        let mut addresses = self.0.addresses();
        if addresses.len() >= FOLLOWED && !addresses.contains(address) {
            let message =
                format!("a session may follow at most {FOLLOWED} resources; unsubscribe from one first");
            return Err(ErrorData::invalid_params(message, None));
        }
        addresses.insert(parsed.to_string());
        Ok(())
    }

    /// Follows the resource at `address` no longer.
    pub fn leave(&self, address: &str) {
        self.0.addresses().remove(address);
    }

    /// The addresses of the followed resources that `change` concerns.
    pub fn concerned(&self, change: &Change) -> Vec<String> {
        self.0.concerned(change)
    }

    /// Tells `peer` of changes of the list of resources and of the resources that are followed, until the session ends.
    pub(super) fn forward(&self, changes: &Changes, peer: Peer<RoleServer>) {
        if self.0.is_forwarded.swap(true, Ordering::SeqCst) {
            return;
        }
        let (followed, end) = (Arc::downgrade(&self.0), self.0.end.clone());
        let mut listener = changes.listen();
        tokio::spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = forward(&followed, &mut listener, &peer) => {}
            }
        });
    }
}

async fn forward(followed: &Weak<Followed>, listener: &mut Listener, peer: &Peer<RoleServer>) {
    while let Some(change) = listener.next().await {
        // Not held while the peer is told, because the end of the session drops it.
        let Some(concerned) = followed.upgrade().map(|followed| followed.concerned(&change)) else { return };
        for address in concerned {
            let update = ResourceUpdatedNotificationParam::new(address);
            if peer.notify_resource_updated(update).await.is_err() {
                return;
            }
        }
        if change.list && peer.notify_resource_list_changed().await.is_err() {
            return;
        }
    }
}

/// The part of a filter that this server serves: its own resources, a bounded number of them, and the list of
/// resources.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::new();
    accepted.resources_list_changed = requested.resources_list_changed.filter(|wanted| *wanted);
    let addresses = requested.resource_subscriptions.iter().flatten();
    let known: Vec<String> =
        addresses.filter(|text| Address::parse(text).is_some()).take(FOLLOWED).cloned().collect();
    accepted.resource_subscriptions = (!known.is_empty()).then_some(known);
    accepted
}

/// Serves a stream of the modern era (`subscriptions/listen`) until it is cancelled or the server ends.
pub(super) async fn serve(changes: &Changes, context: &SubscriptionContext) {
    let mut listener = changes.listen();
    let sink = context.sink();
    loop {
        let change = tokio::select! {
            () = context.cancelled() => return,
            change = listener.next() => change,
        };
        let Some(change) = change else { return };
        let followed = context.accepted().resource_subscriptions.iter().flatten();
        for address in followed.filter(|text| concerns(&change, text)) {
            if sink.notify_resource_updated(address.clone()).await.is_err() {
                return;
            }
        }
        if change.list
            && context.accepted().resources_list_changed == Some(true)
            && sink.notify_resource_list_changed().await.is_err()
        {
            return;
        }
    }
}

fn concerns(change: &Change, address: &str) -> bool {
    Address::parse(address).is_some_and(|address| change.concerns(&address))
}
