//! How image health is made from the configuration.

use std::path::PathBuf;

use super::ReleaseContext;
use crate::config::{Document, keys};
use crate::flow::outcome::TaskError;
use crate::operators::image_health::{Accepts, Grade, GradeCache, HealthPolicy, ImageHealth, Waiver};
use crate::service::Service;

impl ReleaseContext {
    /// Image health, as the configuration wants it.
    pub fn image_health(&self) -> Result<ImageHealth, TaskError> {
        let settings = self.config().settings();
        let document = settings.document()?;
        let base = settings.endpoints().base(Service::CatalogStage);
        let cache = self.cache_directory().map(|directory| GradeCache::new(&directory, base.as_str()));
        Ok(ImageHealth {
            catalog: self.clients().catalog()?,
            advisory_content: self.clients().advisory_content()?,
            pyxis: self.clients().pyxis(),
            policy: health_policy(document)?,
            cache,
            clock: self.clients().clock().clone(),
        })
    }

    /// `oar` in the user's cache directory; none without a home.
    fn cache_directory(&self) -> Option<PathBuf> {
        let environment = self.config().settings().environment();
        let absolute =
            |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let base = absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")))?;
        Some(base.join("oar"))
    }
}

fn health_policy(document: &Document) -> Result<HealthPolicy, TaskError> {
    let allowed = document.checked(&keys::UNHEALTHY_ALLOWED, &[])?;
    let mut policy = HealthPolicy {
        unhealthy_allowed: allowed.and_then(|text| text.parse().ok()).unwrap_or(0),
        waivers: Vec::new(),
    };
    for component in document.waived_components() {
        let waiver = document.waiver(component)?;
        policy.waivers.push(Waiver {
            component: component.to_owned(),
            accepts: waiver.grade.parse::<Grade>().map_or(Accepts::Ungraded, Accepts::Grade),
            until: waiver.until,
            who: waiver.who.to_owned(),
            why: waiver.why.to_owned(),
        });
    }
    Ok(policy)
}
