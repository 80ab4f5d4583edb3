//! Makes the image health check from the configuration.

use super::ReleaseContext;
use crate::config::Document;
use crate::flow::outcome::TaskError;
use crate::operators::image_health::{Accepts, Grade, GradeCache, HealthPolicy, ImageHealth, Waiver};
use crate::service::Service;

impl ReleaseContext {
    /// The image health check with the configured limits.
    pub fn image_health(&self) -> Result<ImageHealth, TaskError> {
        let settings = self.config().settings();
        let document = settings.document()?;
        let base = settings.endpoints().base(Service::CatalogStage);
        let cache = settings.cache_home().map(|directory| GradeCache::new(&directory, base.as_str()));
        Ok(ImageHealth {
            catalog: self.clients().catalog()?,
            advisory_content: self.clients().advisory_content()?,
            pyxis: self.clients().pyxis()?,
            policy: health_policy(document)?,
            cache,
            clock: self.clients().clock().clone(),
        })
    }
}

fn health_policy(document: &Document) -> Result<HealthPolicy, TaskError> {
    let mut policy = HealthPolicy {
        unhealthy_allowed: document.unhealthy_allowed()?,
        waivers: Vec::new(),
        warn_days: document.grade_warning_days()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_is_told_thirty_days_before_unless_the_document_says_otherwise() {
        let policy = |text: &str| health_policy(&Document::parse(text).unwrap()).unwrap();
        assert_eq!(policy("{}").warn_days, 30);
        assert_eq!(policy(r#"{"image_health": {"warn_days": "7"}}"#).warn_days, 7);
        assert_eq!(policy(r#"{"image_health": {"warn_days": "0"}}"#).warn_days, 0);
        let wrong = Document::parse(r#"{"image_health": {"warn_days": "a month"}}"#).unwrap();
        assert!(health_policy(&wrong).unwrap_err().inner().to_string().contains("image_health.warn_days"));
    }
}
