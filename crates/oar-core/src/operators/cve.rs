//! Which CVE trackers a release misses, and where each belongs (spec 02 §7, §8.3, spec 03 §10).
//!
//! elliott is asked for the builds of both build systems of a Konflux release, because a shipment holds the images
//! only: its RPM and RHCOS trackers belong to advisories of Errata Tool, and only the Brew answer names them. What
//! the Brew answer says about kinds that the release has no advisory for is left to the Konflux answer. In the Errata
//! flow every kind counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::elliott::Trackers;
use crate::clients::errata::{Advisory, AdvisoryId, AdvisoryKind};
use crate::clients::jira::IssueKey;

/// One file of a shipment and the issues that its release notes name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShippedIssues {
    /// The file's path.
    pub path: String,
    /// The issues.
    pub keys: BTreeSet<IssueKey>,
}

/// What the trackers are compared with.
#[derive(Debug, Clone, Default)]
pub struct Attached {
    /// The release's advisories by kind.
    pub advisories: Vec<(String, Advisory)>,
    /// The files of the shipment; `None` in the Errata flow.
    pub shipment: Option<Vec<ShippedIssues>>,
}

/// Where trackers of one kind belong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// An advisory of Errata Tool.
    Advisory(AdvisoryId),
    /// A file of the shipment.
    ShipmentFile(String),
    /// The shipment, which has no file of this kind.
    Shipment,
    /// The build data names no advisory of this kind.
    Nowhere,
}

impl std::fmt::Display for Place {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Advisory(id) => write!(formatter, "advisory {id}"),
            Self::ShipmentFile(path) => {
                write!(formatter, "shipment file {}", path.rsplit('/').next().unwrap_or(path))
            }
            Self::Shipment => formatter.write_str("the shipment, which has no file of this kind"),
            Self::Nowhere => formatter.write_str("no advisory of this kind in the build data"),
        }
    }
}

/// A tracker that the release misses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingTracker {
    /// The tracker.
    pub key: IssueKey,
    /// Why it counts as missing.
    pub why: String,
}

/// The missing trackers of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingOfKind {
    /// The kind, as elliott names it.
    pub kind: String,
    /// Where they belong.
    pub place: Place,
    /// The trackers, at least one, sorted.
    pub trackers: Vec<MissingTracker>,
}

/// Everything that the comparison shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What is missing, by kind; each tracker once.
    pub missing: Vec<MissingOfKind>,
    /// How many trackers stand where they count.
    pub attached: usize,
    /// What the reader should know: trackers that count though they stand elsewhere than elliott's kind says.
    pub notes: Vec<String>,
}

impl Comparison {
    /// How many trackers are missing.
    pub fn count(&self) -> usize {
        self.missing.iter().map(|kind| kind.trackers.len()).sum()
    }
}

/// Compares what elliott says is needed with what is attached. `konflux` is `None` in the Errata flow.
pub fn compare(brew: &Trackers, konflux: Option<&Trackers>, attached: &Attached) -> Comparison {
    let mut needed: BTreeMap<&IssueKey, &str> = BTreeMap::new();
    let has_advisory = |kind: &str| attached.advisories.iter().any(|(impetus, _)| impetus == kind);
    // Brew first: a tracker that both answers name belongs to the advisory.
    for (kind, keys) in brew.iter().filter(|(kind, _)| konflux.is_none() || has_advisory(kind)) {
        for key in keys {
            needed.entry(key).or_insert(kind);
        }
    }
    for (kind, keys) in konflux.into_iter().flatten() {
        for key in keys {
            needed.entry(key).or_insert(kind);
        }
    }
    let mut comparison = Comparison::default();
    let mut missing: BTreeMap<&str, Vec<MissingTracker>> = BTreeMap::new();
    for (key, kind) in needed {
        match attached.verdict(key, kind) {
            Verdict::Attached => comparison.attached += 1,
            Verdict::Elsewhere(where_) => {
                comparison.attached += 1;
                comparison.notes.push(format!("{key} ({kind}) counts: it is attached to {where_}"));
            }
            Verdict::Missing(why) => {
                missing.entry(kind).or_default().push(MissingTracker { key: key.clone(), why });
            }
        }
    }
    comparison.missing = missing
        .into_iter()
        .map(|(kind, trackers)| MissingOfKind {
            kind: kind.to_owned(),
            place: attached.place(kind),
            trackers,
        })
        .collect();
    comparison
}

enum Verdict {
    Attached,
    Elsewhere(String),
    Missing(String),
}

impl Attached {
    /// Where trackers of `kind` belong.
    fn place(&self, kind: &str) -> Place {
        if let Some((_, advisory)) = self.advisories.iter().find(|(impetus, _)| impetus == kind) {
            return Place::Advisory(advisory.id);
        }
        let Some(files) = &self.shipment else { return Place::Nowhere };
        // ART names a file `<release>.<kind>.<date>.yaml` (spec 03 §3.4).
        let of_kind = files.iter().find(|file| {
            let name = file.path.rsplit('/').next().unwrap_or(&file.path);
            name.contains(&format!(".{kind}."))
        });
        of_kind.map_or(Place::Shipment, |file| Place::ShipmentFile(file.path.clone()))
    }

    fn verdict(&self, key: &IssueKey, kind: &str) -> Verdict {
        let in_file = self.shipment.iter().flatten().find(|file| file.keys.contains(key));
        let holders: Vec<&(String, Advisory)> =
            self.advisories.iter().filter(|(_, advisory)| advisory.jira_issues.contains(key)).collect();
        // A tracker is published by a security advisory only (spec 02 §7: RHSA).
        let counts = |advisory: &Advisory| advisory.kind == AdvisoryKind::Security && !advisory.is_dropped();
        let place = self.place(kind);
        if let Some((impetus, advisory)) = holders.iter().find(|(_, advisory)| counts(advisory)) {
            if place == Place::Advisory(advisory.id) {
                return Verdict::Attached;
            }
            return Verdict::Elsewhere(format!("advisory {} ({impetus})", advisory.id));
        }
        if let Some(file) = in_file {
            if place == Place::ShipmentFile(file.path.clone()) || place == Place::Shipment {
                return Verdict::Attached;
            }
            return Verdict::Elsewhere(Place::ShipmentFile(file.path.clone()).to_string());
        }
        match holders.first() {
            Some((impetus, advisory)) if advisory.is_dropped() => Verdict::Missing(format!(
                "attached to advisory {} ({impetus}) only, which was dropped",
                advisory.id
            )),
            Some((impetus, advisory)) => Verdict::Missing(format!(
                "attached to advisory {} ({impetus}) already, but that is {}, and only RHSA publishes CVEs: ART \
                 has to make it RHSA",
                advisory.id, advisory.kind
            )),
            None if self.shipment.is_some() => {
                Verdict::Missing("in no advisory and in no shipment file of the release".to_owned())
            }
            None => Verdict::Missing("in no advisory of the release".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::errata::{AdvisoryState, SecurityApproval};

    fn key(number: u32) -> IssueKey {
        format!("OCPBUGS-{number}").parse().unwrap()
    }

    fn trackers(kinds: &[(&str, &[u32])]) -> Trackers {
        let keys = |numbers: &[u32]| numbers.iter().map(|number| key(*number)).collect();
        kinds.iter().map(|(kind, numbers)| ((*kind).to_owned(), keys(numbers))).collect()
    }

    fn advisory(impetus: &str, id: u64, kind: &str, issues: &[u32]) -> (String, Advisory) {
        let advisory = Advisory {
            id: AdvisoryId::new(id),
            kind: AdvisoryKind::from(kind),
            state: AdvisoryState::Qe,
            state_since: None,
            full_name: None,
            synopsis: String::new(),
            text_only: false,
            content_types: Vec::new(),
            text_ready: false,
            doc_complete: false,
            security_approval: SecurityApproval::NotRequested,
            blocking: Vec::new(),
            jira_issues: issues.iter().map(|number| key(*number)).collect(),
            bugs: Vec::new(),
            cves: Vec::new(),
        };
        (impetus.to_owned(), advisory)
    }

    fn file(kind: &str, issues: &[u32]) -> ShippedIssues {
        ShippedIssues {
            path: format!("shipment/ocp/prod/4.19.1.{kind}.20260625.yaml"),
            keys: issues.iter().map(|number| key(*number)).collect(),
        }
    }

    fn shown(comparison: &Comparison) -> Vec<String> {
        let line = |kind: &MissingOfKind| {
            let keys: Vec<String> =
                kind.trackers.iter().map(|tracker| format!("{}: {}", tracker.key, tracker.why)).collect();
            format!("{} -> {}: {}", kind.kind, kind.place, keys.join("; "))
        };
        comparison.missing.iter().map(line).collect()
    }

    #[test]
    fn every_kind_of_an_errata_release_counts_and_only_rhsa_holds_trackers() {
        let attached = Attached {
            advisories: vec![
                advisory("rpm", 1, "RHSA", &[10]),
                advisory("image", 2, "RHBA", &[20]),
                advisory("metadata", 3, "RHSA", &[30]),
            ],
            shipment: None,
        };
        let brew =
            trackers(&[("rpm", &[10, 11]), ("image", &[20, 21, 30]), ("extras", &[40]), ("metadata", &[])]);
        let comparison = compare(&brew, None, &attached);
        assert_eq!(
            shown(&comparison),
            [
                "extras -> no advisory of this kind in the build data: OCPBUGS-40: in no advisory of the release",
                "image -> advisory 2: OCPBUGS-20: attached to advisory 2 (image) already, but that is RHBA, and only \
                 RHSA publishes CVEs: ART has to make it RHSA; OCPBUGS-21: in no advisory of the release",
                "rpm -> advisory 1: OCPBUGS-11: in no advisory of the release",
            ]
        );
        assert_eq!((comparison.count(), comparison.attached), (4, 2));
        assert_eq!(comparison.notes, ["OCPBUGS-30 (image) counts: it is attached to advisory 3 (metadata)"]);
    }

    #[test]
    fn a_konflux_release_has_its_images_in_the_shipment_and_its_packages_in_advisories() {
        let attached = Attached {
            advisories: vec![advisory("rpm", 1, "RHSA", &[10])],
            shipment: Some(vec![file("image", &[50]), file("extras", &[])]),
        };
        let brew = trackers(&[("rpm", &[10, 11]), ("image", &[60])]);
        let konflux = trackers(&[("rpm", &[10, 11]), ("image", &[50, 51]), ("metadata", &[70])]);
        let comparison = compare(&brew, Some(&konflux), &attached);
        assert_eq!(
            shown(&comparison),
            [
                "image -> shipment file 4.19.1.image.20260625.yaml: OCPBUGS-51: in no advisory and in no shipment \
                 file of the release",
                "metadata -> the shipment, which has no file of this kind: OCPBUGS-70: in no advisory and in no \
                 shipment file of the release",
                "rpm -> advisory 1: OCPBUGS-11: in no advisory and in no shipment file of the release",
            ],
            "brew's images are Konflux's business, and what both name is told once"
        );
        assert!(comparison.notes.is_empty());
    }

    #[test]
    fn a_tracker_in_a_dropped_advisory_is_missing() {
        let mut dropped = advisory("extras", 4, "RHSA", &[40]);
        dropped.1.state = AdvisoryState::DroppedNoShip;
        let attached = Attached { advisories: vec![dropped], shipment: None };
        let comparison = compare(&trackers(&[("extras", &[40])]), None, &attached);
        assert!(shown(&comparison)[0].contains("which was dropped"), "{comparison:?}");
    }

    #[test]
    fn nothing_needed_is_nothing_missing() {
        let comparison = compare(&trackers(&[("rpm", &[])]), Some(&Trackers::new()), &Attached::default());
        assert_eq!(comparison, Comparison::default());
    }
}
