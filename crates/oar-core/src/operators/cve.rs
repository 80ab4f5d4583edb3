//! Which CVE trackers a release misses, and where each belongs (spec 02 §7, §8.3, spec 03 §10).
//!
//! elliott is asked for the builds of both build systems of a Konflux release, because a shipment holds the images
//! only: its RPM and RHCOS trackers belong to advisories of Errata Tool, and only the Brew answer names them. What
//! the Brew answer says about kinds that the release has no advisory for is left to the Konflux answer. In the Errata
//! flow every kind counts.
//!
//! elliott does not find all trackers. Therefore the issues of the release itself are also read from Jira:
//! trackers that are not verified, and those that cannot be seen. Jira also says which keys mean the same
//! tracker.

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::elliott::Trackers;
use crate::clients::errata::{Advisory, AdvisoryId, AdvisoryKind};
use crate::clients::jira::{Bug, IssueKey, IssueSet};

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
    /// What Jira says about every key that is named, by elliott or by the release.
    pub issues: IssueSet,
}

/// A tracker of the release that is in another state than elliott looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotVerified {
    /// The tracker.
    pub key: IssueKey,
    /// Its status, as Jira names it.
    pub status: String,
    /// What names it.
    pub holder: String,
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
    /// Trackers that the release names and that are not verified, by key.
    pub not_verified: Vec<NotVerified>,
    /// Issues in the release that Jira does not show: it is unknown whether they are trackers.
    pub unseen: Vec<IssueKey>,
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
    (comparison.not_verified, comparison.unseen) = attached.not_verified();
    comparison
}

enum Verdict {
    Attached,
    Elsewhere(String),
    Missing(String),
}

impl Attached {
    /// Every issue that the release names, with what names it; each key once.
    pub fn named(&self) -> BTreeMap<&IssueKey, String> {
        let mut named = BTreeMap::new();
        for (impetus, advisory) in self.advisories.iter().filter(|(_, advisory)| !advisory.is_dropped()) {
            for key in &advisory.jira_issues {
                named.entry(key).or_insert_with(|| format!("advisory {} ({impetus})", advisory.id));
            }
        }
        for file in self.shipment.iter().flatten() {
            for key in &file.keys {
                let place = Place::ShipmentFile(file.path.clone());
                named.entry(key).or_insert_with(|| place.to_string());
            }
        }
        named
    }

    fn not_verified(&self) -> (Vec<NotVerified>, Vec<IssueKey>) {
        let (mut open, mut unseen) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for (key, holder) in self.named() {
            let Some(bug) = self.issues.get(key).map(Bug::of) else {
                if self.issues.hidden.contains(key) {
                    unseen.push(key.clone());
                }
                continue;
            };
            let is_new = !seen.iter().any(|known| bug.has_key(known));
            seen.insert(key.clone());
            if is_new && bug.is_cve_tracker() && !bug.is_finished() {
                let status = bug.status.unwrap_or_else(|| "no status".to_owned());
                open.push(NotVerified { key: key.clone(), status, holder });
            }
        }
        (open, unseen)
    }

    /// Whether `keys` hold this tracker, by any of its keys.
    fn holds<'a>(&self, key: &IssueKey, keys: impl IntoIterator<Item = &'a IssueKey>) -> bool {
        let other = self.issues.get(key).map(|issue| &issue.other_keys);
        keys.into_iter().any(|held| held == key || other.is_some_and(|other| other.contains(held)))
    }

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
        let in_file = self.shipment.iter().flatten().find(|file| self.holds(key, &file.keys));
        let holders: Vec<&(String, Advisory)> =
            self.advisories.iter().filter(|(_, advisory)| self.holds(key, &advisory.jira_issues)).collect();
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
            ..Attached::default()
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
            issues: IssueSet::default(),
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
        let attached = Attached { advisories: vec![dropped], ..Attached::default() };
        let comparison = compare(&trackers(&[("extras", &[40])]), None, &attached);
        assert!(shown(&comparison)[0].contains("which was dropped"), "{comparison:?}");
    }

    #[test]
    fn nothing_needed_is_nothing_missing() {
        let comparison = compare(&trackers(&[("rpm", &[])]), Some(&Trackers::new()), &Attached::default());
        assert_eq!(comparison, Comparison::default());
    }

    fn issues(list: &[(u32, &str, &str)], hidden: &[u32]) -> IssueSet {
        let issue = |(number, summary, status): &(u32, &str, &str)| {
            let fields = serde_json::json!({"summary": summary, "status": {"name": status}});
            let value = serde_json::json!({"key": key(*number).as_str(), "fields": fields});
            (key(*number), serde_json::from_value(value).unwrap())
        };
        IssueSet {
            found: list.iter().map(issue).collect(),
            hidden: hidden.iter().map(|number| key(*number)).collect(),
        }
    }

    #[test]
    fn trackers_of_the_release_that_elliott_does_not_look_at_are_named() {
        let mut dropped = advisory("extras", 4, "RHSA", &[14]);
        dropped.1.state = AdvisoryState::DroppedNoShip;
        let attached = Attached {
            advisories: vec![advisory("rpm", 1, "RHSA", &[10, 11, 12, 13, 15]), dropped],
            shipment: Some(vec![file("image", &[50, 51])]),
            issues: issues(
                &[
                    (10, "CVE-2026-1 a", "ON_QA"),
                    (11, "CVE-2026-2 b", "Verified"),
                    (12, "an ordinary bug", "New"),
                    (14, "CVE-2026-3 c", "New"),
                    (15, "CVE-2026-4 d", "Release Pending"),
                    (50, "CVE-2026-5 e", "New"),
                ],
                &[13, 51],
            ),
        };
        let comparison = compare(&Trackers::new(), Some(&Trackers::new()), &attached);
        let shown: Vec<String> = comparison
            .not_verified
            .iter()
            .map(|one| format!("{} {} {}", one.key, one.status, one.holder))
            .collect();
        assert_eq!(
            shown,
            ["OCPBUGS-10 ON_QA advisory 1 (rpm)", "OCPBUGS-50 New shipment file 4.19.1.image.20260625.yaml"]
        );
        assert_eq!(comparison.unseen, [key(13), key(51)]);
        assert_eq!(comparison.count(), 0);
    }

    #[test]
    fn a_tracker_whose_key_has_changed_is_attached_by_its_old_one() {
        let mut issues = issues(&[(10, "CVE-2026-1 a", "Verified"), (99, "CVE-2026-1 a", "Verified")], &[]);
        // Jira knows OCPBUGS-10 as OCPBUGS-99 now.
        issues.found.get_mut(&key(10)).unwrap().other_keys.insert(key(99));
        issues.found.get_mut(&key(99)).unwrap().other_keys.insert(key(10));
        let attached =
            Attached { advisories: vec![advisory("rpm", 1, "RHSA", &[10])], issues, ..Attached::default() };
        let comparison = compare(&trackers(&[("rpm", &[99])]), None, &attached);
        assert_eq!((comparison.count(), comparison.attached), (0, 1), "{comparison:?}");
    }
}
