//! The note about image health on a shipment merge request (spec 03 §4.5).
//!
//! It is one note, edited in place and identified by a hidden line. Its size is bounded: the worst rows are
//! shown and the rest is counted.

use std::fmt::Write as _;

/// GitLab's own limit of a note, in characters.
pub const NOTE_LIMIT: usize = 1_000_000;
/// The most images that are listed.
const IMAGE_ROWS: usize = 200;
/// The most images with a soon dropping grade that are listed.
const DROPS: usize = 50;
/// The most packages that are listed.
const PACKAGE_ROWS: usize = 100;
/// The most CVE ids or suggestions in one cell.
const CELL_ITEMS: usize = 15;
/// The longest name from another source, in characters.
const NAME: usize = 120;
/// The longest item of a list in a cell, in characters.
const ITEM: usize = 80;
/// The longest pull spec or sentence, in characters.
const SENTENCE: usize = 250;

/// One image that is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// The component.
    pub component: String,
    /// The architecture.
    pub architecture: String,
    /// The grade's letter, `None` when it is unknown.
    pub grade: Option<char>,
    /// The image.
    pub pull_spec: String,
    /// Who granted a waiver for it, and why.
    pub waived: Option<String>,
}

/// One package with vulnerabilities.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct VulnerabilityRow {
    /// Name and version.
    pub package: String,
    /// The highest severity.
    pub severity: String,
    /// The CVE ids, sorted.
    pub cves: Vec<String>,
    /// The source packages that fix it.
    pub suggested: Vec<String>,
}

/// The content of the note.
#[derive(Debug, Clone)]
pub struct ImageHealthNote<'a> {
    /// The release.
    pub release: &'a str,
    /// Number of checked images.
    pub scanned: usize,
    /// Images of grade A or B.
    pub healthy: usize,
    /// Images of grade C or worse.
    pub unhealthy: usize,
    /// Images without a known grade.
    pub unknown: usize,
    /// Images that a waiver accepts.
    pub waived: usize,
    /// The most unhealthy images that are allowed.
    pub allowed: usize,
    /// Whether everything could be checked.
    pub complete: bool,
    /// The images that are not healthy.
    pub rows: Vec<ImageRow>,
    /// Healthy images whose grade drops soon, one sentence each, the earliest first.
    pub drops: Vec<String>,
    /// What "soon" means, in days.
    pub warn_days: u16,
    /// The packages with vulnerabilities, the worst first.
    pub vulnerabilities: &'a [VulnerabilityRow],
    /// What could not be checked.
    pub gaps: Vec<&'a str>,
}

/// The hidden line that identifies the note; browsers do not show it.
fn marker(release: &str) -> String {
    format!("<!-- oar:image-health:{release} -->")
}

/// Whether `body` is the image health note of `release`.
pub fn is_image_health_note(body: &str, release: &str) -> bool {
    body.trim_start().starts_with(&marker(release))
}

impl ImageHealthNote<'_> {
    /// The note's text. Every line of prose ends with two spaces, Markdown's line break.
    pub fn text(&self) -> String {
        let mut text = format!("{}\n", marker(self.release));
        let mut line = |words: String| {
            text.push_str(&words);
            text.push_str("  \n");
        };
        line(format!("Images scanned: {}", self.scanned));
        line(format!("Unhealthy components: {}", self.unhealthy));
        line(format!("Components without a known grade: {}", self.unknown));
        if self.waived > 0 {
            line(format!("Waived: {}", self.waived));
        }
        if self.allowed > 0 {
            line(format!("Unhealthy components that are allowed: {}", self.allowed));
        }
        if !self.complete {
            line("**Not everything could be checked; this result is not complete.**".to_owned());
        }
        self.images(&mut text);
        self.drops(&mut text);
        self.packages(&mut text);
        self.gaps(&mut text);
        text
    }

    fn images(&self, text: &mut String) {
        if self.rows.is_empty() {
            return;
        }
        let mut rows: Vec<&ImageRow> = self.rows.iter().collect();
        rows.sort_by_key(|row| {
            (row.waived.is_some(), std::cmp::Reverse(row.grade), &row.component, &row.architecture)
        });
        text.push_str("\n| Component | Grade | Architecture | Image |\n|---|---|---|---|\n");
        for row in rows.iter().take(IMAGE_ROWS) {
            let grade = row.grade.map_or_else(|| "Unknown".to_owned(), String::from);
            let waived =
                row.waived.as_ref().map(|by| format!(" (waived by {})", cell(by, NAME))).unwrap_or_default();
            let image = code(&row.pull_spec);
            let _ = writeln!(
                text,
                "| {} | {grade}{waived} | {} | {image} |",
                cell(&row.component, NAME),
                cell(&row.architecture, NAME)
            );
        }
        if rows.len() > IMAGE_ROWS {
            let _ = writeln!(text, "\n{} of {} are shown, the worst first.  ", IMAGE_ROWS, rows.len());
            let mut totals: std::collections::BTreeMap<String, usize> = std::collections::BTreeMap::new();
            for row in &rows {
                let grade = row.grade.map_or_else(|| "unknown".to_owned(), |grade| format!("grade {grade}"));
                *totals.entry(grade).or_default() += 1;
            }
            let totals: Vec<String> =
                totals.into_iter().map(|(grade, count)| format!("{grade}: {count}")).collect();
            let _ = writeln!(text, "In all: {}.  ", totals.join(", "));
        }
    }

    fn drops(&self, text: &mut String) {
        if self.drops.is_empty() {
            return;
        }
        let _ = writeln!(text, "\nHealthy today, and not in {} days:  \n", self.warn_days);
        for drop in self.drops.iter().take(DROPS) {
            let _ = writeln!(text, "- {}", cell(drop, SENTENCE));
        }
        if self.drops.len() > DROPS {
            let _ = writeln!(text, "- and {} more", self.drops.len() - DROPS);
        }
    }

    fn packages(&self, text: &mut String) {
        if self.vulnerabilities.is_empty() {
            return;
        }
        text.push_str(
            "\nPackages with vulnerabilities in unhealthy components (one architecture of each was read):  \n\n\
             | Affected package | Severity | CVEs | Suggested package |\n|---|---|---|---|\n",
        );
        for row in self.vulnerabilities.iter().take(PACKAGE_ROWS) {
            let suggested = if row.suggested.is_empty() { "N/A".to_owned() } else { listed(&row.suggested) };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {suggested} |",
                cell(&row.package, NAME),
                cell(&row.severity, NAME),
                listed(&row.cves)
            );
        }
        if self.vulnerabilities.len() > PACKAGE_ROWS {
            let total = self.vulnerabilities.len();
            let _ = writeln!(text, "\n{PACKAGE_ROWS} of {total} packages are shown, the worst first.  ");
        }
    }

    fn gaps(&self, text: &mut String) {
        if self.gaps.is_empty() {
            return;
        }
        text.push_str("\nNot checked:  \n\n");
        for gap in self.gaps.iter().take(20) {
            let _ = writeln!(text, "- {}", cell(gap, SENTENCE));
        }
        if self.gaps.len() > 20 {
            let _ = writeln!(text, "- and {} more", self.gaps.len() - 20);
        }
    }
}

fn listed(items: &[String]) -> String {
    let mut shown: Vec<String> = items.iter().take(CELL_ITEMS).map(|item| cell(item, ITEM)).collect();
    if items.len() > CELL_ITEMS {
        shown.push(format!("and {} more", items.len() - CELL_ITEMS));
    }
    shown.join(", ")
}

/// Escapes text from another source for a table cell: it cannot start a cell, markup or a mention.
fn cell(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars().take(limit) {
        match letter {
            '|' | '<' | '>' | '`' | '*' | '_' | '[' | ']' | '\\' | '@' | '!' | '#' | '~' | '&' => {
                out.push('\\');
                out.push(letter);
            }
            letter if letter.is_control() => out.push(' '),
            letter => out.push(letter),
        }
    }
    if text.chars().count() > limit {
        out.push('…');
    }
    out
}

/// Formats text from another source as code: a pull spec, whose `@` must not mention anybody.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let clean: String = text
        .chars()
        .take(SENTENCE)
        .filter(|letter| !matches!(letter, '`' | '|') && !letter.is_control())
        .collect();
    format!("`{clean}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(component: &str, grade: Option<char>) -> ImageRow {
        ImageRow {
            component: component.into(),
            architecture: "amd64".into(),
            grade,
            pull_spec: "registry.example.com/demo@sha256:00".into(),
            waived: None,
        }
    }

    fn note(rows: Vec<ImageRow>, vulnerabilities: &[VulnerabilityRow]) -> ImageHealthNote<'_> {
        ImageHealthNote {
            release: "4.19.1",
            scanned: 3,
            healthy: 0,
            unhealthy: 2,
            unknown: 1,
            waived: 1,
            allowed: 0,
            complete: false,
            rows,
            drops: vec!["ose-demo (amd64) drops to C on 2026-08-01".into()],
            warn_days: 30,
            vulnerabilities,
            gaps: vec!["image.yaml names no stage advisory"],
        }
    }

    #[test]
    fn the_note_reads_well() {
        let vulnerabilities = [VulnerabilityRow {
            package: "openssl-libs-3.2.2-6.el9".into(),
            severity: "Important".into(),
            cves: vec!["CVE-2027-1".into(), "CVE-2027-2".into()],
            suggested: Vec::new(),
        }];
        let waived = ImageRow { waived: Some("demo: known | wrong".into()), ..row("alpha", Some('C')) };
        let text = note(vec![waived, row("gamma", None), row("beta", Some('D'))], &vulnerabilities).text();
        insta::assert_snapshot!(text.replace("  \n", "··\n"), @r"
        <!-- oar:image-health:4.19.1 -->
        Images scanned: 3··
        Unhealthy components: 2··
        Components without a known grade: 1··
        Waived: 1··
        **Not everything could be checked; this result is not complete.**··

        | Component | Grade | Architecture | Image |
        |---|---|---|---|
        | beta | D | amd64 | `registry.example.com/demo@sha256:00` |
        | gamma | Unknown | amd64 | `registry.example.com/demo@sha256:00` |
        | alpha | C (waived by demo: known \| wrong) | amd64 | `registry.example.com/demo@sha256:00` |

        Healthy today, and not in 30 days:··

        - ose-demo (amd64) drops to C on 2026-08-01

        Packages with vulnerabilities in unhealthy components (one architecture of each was read):··

        | Affected package | Severity | CVEs | Suggested package |
        |---|---|---|---|
        | openssl-libs-3.2.2-6.el9 | Important | CVE-2027-1, CVE-2027-2 | N/A |

        Not checked:··

        - image.yaml names no stage advisory
        ");
        assert!(is_image_health_note(&text, "4.19.1"));
        assert!(
            !is_image_health_note(&text, "4.19.12") && !is_image_health_note("Images scanned: 3", "4.19.1")
        );
    }

    #[test]
    fn however_much_is_found_the_note_stays_within_gitlabs_limit() {
        let long = "x".repeat(10_000);
        let rows: Vec<ImageRow> = (0..5000)
            .map(|number| ImageRow {
                component: format!("{number}{long}"),
                pull_spec: long.clone(),
                waived: Some(long.clone()),
                ..row("", Some('F'))
            })
            .collect();
        let vulnerabilities: Vec<VulnerabilityRow> = (0..5000)
            .map(|number| VulnerabilityRow {
                package: format!("{number}{long}"),
                severity: "Low".into(),
                cves: vec!["|".repeat(10_000); 30],
                suggested: vec!["|".repeat(10_000); 30],
            })
            .collect();
        let mut note = note(rows, &vulnerabilities);
        note.gaps = vec![long.as_str(); 500];
        let text = note.text();
        assert!(text.chars().count() <= NOTE_LIMIT, "{}", text.chars().count());
        assert!(text.contains("200 of 5000 are shown") && text.contains("100 of 5000 packages"));
        assert!(text.contains("In all: grade F: 5000."));
    }

    #[test]
    fn text_from_elsewhere_is_text() {
        let odd = row("@everyone <b>|\n/close", Some('F'));
        let text = note(vec![odd], &[]).text();
        assert!(text.contains(r"\@everyone \<b\>\| /close"), "{text}");
    }
}
