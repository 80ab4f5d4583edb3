//! `is-shipped`: whether the release is shipped (spec 02 §8.7). It only reads.

use super::Services;
use crate::clients::errata::AdvisoryId;
use crate::config::{ConfigError, Flow};
use crate::operators::shipped::{ShippedCheck, ShippedReport};

/// Looks whether the release of `services` is shipped.
pub async fn is_shipped(services: &Services) -> Result<ShippedReport, ConfigError> {
    let config = services.config();
    let advisories: Vec<(String, AdvisoryId)> = config
        .advisories()
        .iter()
        .map(|(impetus, id)| (impetus.as_str().to_owned(), AdvisoryId::new(*id)))
        .collect();
    let reference = services.shipment().filter(|_| config.flow() == Flow::Konflux);
    let gitlab = reference.is_some().then(|| services.gitlab()).transpose()?;
    let errata = services.errata();
    let check = ShippedCheck {
        flow: config.flow(),
        advisories: &advisories,
        shipment: gitlab.as_ref().zip(reference.as_ref()),
        errata: &errata,
    };
    Ok(check.look().await)
}
