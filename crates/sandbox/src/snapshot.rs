//! The state of all services at one moment, to go back to: many cases begin in the same prepared world.

use std::sync::atomic::Ordering;

use crate::services::{
    access, advisory_content, brew, catalog, errata, gcs, github, gitlab, google_oauth, jenkins, jira,
    kubernetes, mirror, prow, pyxis, registry, release_controller, sheets, slack,
};
use crate::world::World;

/// Every service is named here once. The world is destructured without `..`, so a missing service does not
/// compile.
macro_rules! snapshot {
    ($($service:ident: $state:ty),+ $(,)?) => {
        /// The result of [`World::snapshot`]. It is valid only for its own world, because it contains
        /// addresses.
        #[derive(Clone, Debug)]
        pub struct Snapshot {
            advanced: i64,
            latency: u64,
            $($service: $state,)+
        }

        impl World {
            /// The state of all services and how far the clock was advanced; neither faults nor what was asked.
            pub fn snapshot(&self) -> Snapshot {
                let Self { base_url: _, clock, requests: _, faults: _, unexpected: _, stop: _, latency, $($service,)+ } = self;
                Snapshot {
                    advanced: clock.advanced(),
                    latency: latency.load(Ordering::SeqCst),
                    $($service: $service.lock().clone(),)+
                }
            }

            /// Restores `snapshot`, without active faults and recorded requests.
            pub fn restore(&self, snapshot: &Snapshot) {
                self.faults.clear();
                self.clock.set_advanced(snapshot.advanced);
                self.latency.store(snapshot.latency, Ordering::SeqCst);
                $(self.$service.lock().clone_from(&snapshot.$service);)+
                self.requests.clear();
                self.unexpected.clear();
            }
        }
    };
}

snapshot! {
    github: github::State,
    slack: slack::State,
    errata: errata::State,
    jira: jira::State,
    gitlab: gitlab::State,
    release_controller: release_controller::State,
    mirror: mirror::State,
    catalog: catalog::State,
    public_catalog: catalog::State,
    jenkins: jenkins::State,
    prow: prow::State,
    pyxis: pyxis::State,
    advisory_content: advisory_content::State,
    registry: registry::State,
    access: access::State,
    brew: brew::State,
    google_oauth: google_oauth::State,
    sheets: sheets::State,
    gcs: gcs::State,
    kubernetes: kubernetes::State,
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::{Fault, FaultKind, Options, Sandbox};

    #[test]
    fn everything_is_as_it_was() {
        let sandbox = Sandbox::start(&Options::default()).unwrap();
        let world = sandbox.world();
        let before = world.snapshot();
        world.clock.advance(SignedDuration::from_hours(1));
        world.faults.add(Fault::anywhere(FaultKind::Hang));
        world.errata.lock().advisories.clear();
        world.jira.lock().issues.clear();
        world.restore(&before);
        assert_eq!(world.clock.advanced(), 0);
        assert!(world.faults.list().is_empty() && world.requests.all().is_empty());
        assert!(world.errata.lock().advisory(150_001).is_some());
        assert!(!world.jira.lock().issues.is_empty());
    }
}
