//! `is-shipped`: whether the release has shipped (spec 02 §8.7). It only reads.

use super::ReleaseContext;
use crate::clients::errata::AdvisoryId;
use crate::config::{ConfigError, Impetus, Pending};
use crate::operators::shipped::{ShippedCheck, ShippedReport};

/// Checks whether the release of `services` has shipped.
pub async fn is_shipped(services: &ReleaseContext) -> Result<ShippedReport, ConfigError> {
    let config = services.config();
    let advisories: Vec<(String, AdvisoryId)> =
        config.advisories().iter().map(|(impetus, id)| (impetus.as_str().to_owned(), *id)).collect();
    // A merge request that does not exist yet is handled below.
    let reference = services.shipment().ok().flatten();
    let gitlab = reference.is_some().then(|| services.clients().gitlab()).transpose()?;
    let errata = services.clients().errata();
    let check = ShippedCheck {
        flow: config.flow(),
        advisories: &advisories,
        shipment: gitlab.as_ref().zip(reference.as_ref()),
        errata: &errata,
    };
    let mut report = check.look().await;
    for pending in config.pending() {
        let detail = match pending {
            Pending::Shipment => "shipment_mr_status".to_owned(),
            Pending::Advisory(impetus) => format!("{impetus}_advisory"),
            Pending::Ticket => continue,
        };
        // MicroShift ships separately.
        if !matches!(pending, Pending::Advisory(impetus) if impetus.as_str() == Impetus::MICROSHIFT) {
            (report.shipped, report.unknown) = (Some(false), None);
        }
        report.details.insert(detail, "not there yet: ART has yet to make it".to_owned());
    }
    Ok(report)
}
