//! How image health is made from the configuration.

use std::sync::Arc;

use url::Url;

use super::Services;
use crate::clients::advisory_content::AdvisoryContentClient;
use crate::clients::catalog::CatalogClient;
use crate::clients::kerberos::Negotiate;
use crate::clients::pyxis::PyxisClient;
use crate::config::Origins;
use crate::config::keys::{self, Key};
use crate::config::{ConfigError, Document};
use crate::error::ErrorClass;
use crate::flow::outcome::{Refusal, TaskError};
use crate::operators::image_health::{Accepts, Grade, GradeCache, HealthPolicy, ImageHealth, Waiver};
use crate::service::Service;

/// The proxy through which Red Hat's staging catalogue is reached (spec 03 §1.3). It is not asked when another catalogue
/// is configured.
const CATALOG_PROXY: &str = "http://squid.corp.redhat.com:3128";

/// Within how many days a drop of a grade is told, where the configuration says nothing.
const GRADE_WARNING_DAYS: u16 = 30;

impl Services {
    /// Image health, as the configuration wants it.
    pub fn image_health(&self) -> Result<ImageHealth, TaskError> {
        let settings = self.config().settings();
        let document = settings.document()?;
        let endpoints = settings.endpoints();
        let base = endpoints.base(Service::CatalogStage).clone();
        let http = match self.catalog_proxy(document)? {
            None => self.http().clone(),
            Some(proxy) => self.http().through(&proxy)?,
        };
        let origins = Origins::new(
            document.checked(&keys::ADVISORY_ORIGINS, &[])?,
            endpoints.replacement(Service::AdvisoryContent),
        )
        .map_err(|error| Refusal::new(ErrorClass::Configuration, error.to_string()))?;
        let cache = settings.cache_directory().map(|directory| GradeCache::new(&directory, base.as_str()));
        Ok(ImageHealth {
            catalog: CatalogClient::new(http, base, settings.catalog_concurrency()?),
            advisory_content: AdvisoryContentClient::new(self.http().clone(), origins),
            pyxis: self.pyxis(),
            policy: health_policy(document)?,
            cache,
            clock: self.http().clock().clone(),
        })
    }

    /// Pyxis by build, which gets the Kerberos ticket of this process when it asks for one.
    fn pyxis(&self) -> PyxisClient {
        let settings = self.config().settings();
        let cache = settings.kerberos_cache();
        let authorize = Arc::new(Negotiate::new(Service::Pyxis).cache_setting(cache));
        let base = settings.endpoints().base(Service::Pyxis).clone();
        PyxisClient::new(self.http().clone(), base).signing_in(authorize)
    }

    fn catalog_proxy(&self, document: &Document) -> Result<Option<Url>, TaskError> {
        let unparsable = |_| bad(&keys::CATALOG_PROXY, "", "is not a URL".to_owned());
        match document.checked(&keys::CATALOG_PROXY, &[])? {
            Some("none") => Ok(None),
            Some(text) => Ok(Some(Url::parse(text).map_err(unparsable)?)),
            None if self.config().settings().endpoints().replacement(Service::CatalogStage).is_some() => {
                Ok(None)
            }
            None => Ok(Some(Url::parse(CATALOG_PROXY).map_err(unparsable)?)),
        }
    }
}

fn health_policy(document: &Document) -> Result<HealthPolicy, TaskError> {
    let allowed = document.checked(&keys::UNHEALTHY_ALLOWED, &[])?;
    let days = document.checked(&keys::GRADE_WARNING_DAYS, &[])?;
    let mut policy = HealthPolicy {
        unhealthy_allowed: allowed.and_then(|text| text.parse().ok()).unwrap_or(0),
        waivers: Vec::new(),
        warn_days: days.and_then(|text| text.parse().ok()).unwrap_or(GRADE_WARNING_DAYS),
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

pub(super) fn bad(key: &Key, name: &str, problem: String) -> TaskError {
    let error =
        ConfigError::BadKey { key: key.named(&[name]), problem, purpose: key.purpose, example: key.example };
    error.into()
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
