//! The table of vulnerabilities: one row per package, over all unhealthy images (spec 03 §4.5).

use std::collections::{BTreeMap, BTreeSet};

use crate::clients::catalog::Vulnerability;
use crate::notify::VulnerabilityRow;

#[derive(Default)]
struct Group {
    rank: u8,
    severity: String,
    cves: BTreeSet<String>,
    /// What fixes it, with the rank of the vulnerability that says so.
    fix: Option<(u8, BTreeSet<String>)>,
}

/// Groups vulnerabilities by package and version: the highest severity first, then by name.
///
/// The suggested packages are those of the highest severity that names any: a severer vulnerability without a fix
/// does not hide the fix of another one (spec 03 §12 D26).
pub(super) fn rows(vulnerabilities: impl IntoIterator<Item = Vulnerability>) -> Vec<VulnerabilityRow> {
    let mut groups: BTreeMap<(String, String), Group> = BTreeMap::new();
    for vulnerability in vulnerabilities {
        let severity = vulnerability.severity.unwrap_or_default();
        let rank = rank(&severity);
        for package in &vulnerability.affected {
            let group = groups.entry(package.clone()).or_default();
            if group.severity.is_empty() || rank > group.rank {
                group.rank = rank;
                group.severity.clone_from(&severity);
            }
            group.cves.extend(vulnerability.cve.clone());
            if vulnerability.fixed_in.is_empty() {
                continue;
            }
            let fixes = vulnerability.fixed_in.iter().cloned();
            match &mut group.fix {
                Some((known, packages)) if *known == rank => packages.extend(fixes),
                Some((known, _)) if *known > rank => {}
                fix => *fix = Some((rank, fixes.collect())),
            }
        }
    }
    let mut rows: Vec<(u8, VulnerabilityRow)> = groups
        .into_iter()
        .map(|((name, version), group)| {
            let row = VulnerabilityRow {
                package: if version.is_empty() { name } else { format!("{name}-{version}") },
                severity: if group.severity.is_empty() { "unknown".to_owned() } else { group.severity },
                cves: group.cves.into_iter().collect(),
                suggested: group.fix.map(|(_, packages)| packages.into_iter().collect()).unwrap_or_default(),
            };
            (group.rank, row)
        })
        .collect();
    // Stable: within a severity the order by name stays.
    rows.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn rank(severity: &str) -> u8 {
    match severity.to_ascii_lowercase().as_str() {
        "critical" => 4,
        "important" => 3,
        "moderate" => 2,
        "low" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vulnerability(cve: &str, severity: &str, package: &str, fixes: &[&str]) -> Vulnerability {
        Vulnerability {
            cve: Some(cve.into()),
            severity: Some(severity.into()),
            affected: vec![(package.into(), "1-1".into())],
            fixed_in: fixes.iter().map(|fix| (*fix).to_owned()).collect(),
        }
    }

    #[test]
    fn rows_are_grouped_sorted_and_keep_their_fixes() {
        let rows = rows([
            vulnerability("CVE-3", "Low", "zlib", &[]),
            vulnerability("CVE-2", "Moderate", "openssl", &["openssl-1:2.src"]),
            vulnerability("CVE-1", "Critical", "openssl", &[]),
            vulnerability("CVE-4", "Strange", "bash", &[]),
            vulnerability("CVE-5", "critical", "acl", &["acl-2.src"]),
            vulnerability("CVE-5", "critical", "acl", &["acl-2.src"]),
        ]);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                format!("{} {} {} {}", row.package, row.severity, row.cves.join(","), row.suggested.join(","))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "acl-1-1 critical CVE-5 acl-2.src",
                "openssl-1-1 Critical CVE-1,CVE-2 openssl-1:2.src",
                "zlib-1-1 Low CVE-3 ",
                "bash-1-1 Strange CVE-4 ",
            ]
        );
    }
}
