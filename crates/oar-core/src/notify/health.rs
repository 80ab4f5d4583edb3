//! Messages of image-consistency-check about unhealthy images (spec 03 §9 row 8).

use std::fmt;

use super::compose::{Composition, bulleted};
use super::{GroupMention, Message, Reference, escape, short_hash};
use crate::version::ReleaseVersion;

const ADVICE: &str = "Look for known issues before asking ART.";

/// A build whose grade is not good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnhealthyBuild {
    /// Name, version and release.
    pub nvr: String,
    /// The architecture.
    pub architecture: String,
    /// The grade, such as `C`; `None` when the catalog has none.
    pub grade: Option<String>,
}

/// An advisory whose overall grade is not good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnhealthyAdvisory {
    /// The advisory.
    pub advisory: Reference,
    /// Its overall grade; `None` when it has none.
    pub grade: Option<String>,
    /// The builds that cause it.
    pub builds: Vec<UnhealthyBuild>,
}

/// Advisories of an Errata release contain unhealthy images.
#[derive(Debug, Clone)]
pub struct UnhealthyAdvisories<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The advisories; not empty.
    pub advisories: &'a [UnhealthyAdvisory],
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl UnhealthyAdvisories<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let first = format!("{} Release {} has advisories with unhealthy images.", self.leads, self.release);
        let mut composition =
            Composition::titled(format!("{}: unhealthy advisories", self.release), first).footer(ADVICE);
        for advisory in self.advisories.iter().take(SHOWN_ADVISORIES) {
            let title = format!("Advisory {}, grade {}", advisory.advisory, Grade(advisory.grade.as_deref()));
            let builds = bulleted(&title, &advisory.builds);
            composition = composition.paragraph(if builds.is_empty() { title } else { builds });
        }
        if let Some(more) = self.advisories.len().checked_sub(SHOWN_ADVISORIES).filter(|more| *more > 0) {
            let total = self.advisories.len();
            composition = composition.paragraph(format!("… and {more} advisories more, {total} in all"));
        }
        let facts = self.advisories.iter().flat_map(|advisory| {
            let builds = advisory.builds.iter().flat_map(|build| [build.nvr.as_str(), &build.architecture]);
            std::iter::once(advisory.advisory.url.as_str()).chain(builds)
        });
        let key = format!("{}/image-consistency-check/unhealthy/{}", self.release, short_hash(facts));
        composition.message(key, channel)
    }
}

/// The most advisories that are shown with their builds, so that the message remains readable.
const SHOWN_ADVISORIES: usize = 10;

/// An image of a shipment whose grade is not good enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnhealthyImage {
    /// The component's name.
    pub component: String,
    /// The architecture.
    pub architecture: String,
    /// The grade, such as `C`; `None` when the catalog has none.
    pub grade: Option<String>,
}

/// A shipment contains images that are unhealthy or whose health is unknown.
#[derive(Debug, Clone)]
pub struct UnhealthyImages<'a> {
    /// The release.
    pub release: &'a ReleaseVersion,
    /// The shipment merge request, which has the whole list.
    pub merge_request: &'a Reference,
    /// Number of checked images.
    pub scanned: usize,
    /// Number of images whose health is unknown.
    pub unknown: usize,
    /// The unhealthy images, the worst first.
    pub unhealthy: &'a [UnhealthyImage],
    /// The release leads of the y-stream.
    pub leads: &'a GroupMention,
}

impl UnhealthyImages<'_> {
    /// The message to the QE release channel.
    pub fn message(&self, channel: &str) -> Message {
        let first = format!(
            "{} Release {}: {} of {} images are unhealthy, {} could not be judged. All of them: {}",
            self.leads,
            self.release,
            self.unhealthy.len(),
            self.scanned,
            self.unknown,
            self.merge_request
        );
        let facts = self.unhealthy.iter().flat_map(|image| [image.component.as_str(), &image.architecture]);
        let unknown = self.unknown.to_string();
        let hash = short_hash(facts.chain([unknown.as_str()]));
        let key = format!("{}/image-consistency-check/unhealthy/{hash}", self.release);
        Composition::titled(format!("{}: unhealthy images", self.release), first)
            .paragraph(bulleted("Unhealthy", self.unhealthy))
            .footer(ADVICE)
            .message(key, channel)
    }
}

struct Grade<'a>(Option<&'a str>);

impl fmt::Display for Grade<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.map_or_else(|| String::from("unknown"), escape))
    }
}

impl fmt::Display for UnhealthyBuild {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = Grade(self.grade.as_deref());
        write!(formatter, "{} ({}): {grade}", escape(&self.nvr), escape(&self.architecture))
    }
}

impl fmt::Display for UnhealthyImage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = Grade(self.grade.as_deref());
        write!(formatter, "{} ({}): {grade}", escape(&self.component), escape(&self.architecture))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::slack::GroupId;

    fn build(nvr: &str, grade: Option<&str>) -> UnhealthyBuild {
        UnhealthyBuild {
            nvr: nvr.to_owned(),
            architecture: "x86_64".to_owned(),
            grade: grade.map(str::to_owned),
        }
    }

    fn leads() -> GroupMention {
        GroupMention::Known(GroupId("S0AAA".into()))
    }

    #[test]
    fn every_advisory_is_named_with_its_builds() {
        let advisories = [
            UnhealthyAdvisory {
                advisory: Reference::new("https://errata.example.test/advisory/1001", "1001"),
                grade: Some("C".into()),
                builds: vec![build("demo-operator-v4.14-1", Some("C")), build("demo<x>-1", None)],
            },
            UnhealthyAdvisory {
                advisory: Reference::new("https://errata.example.test/advisory/1002", "1002"),
                grade: None,
                builds: Vec::new(),
            },
        ];
        let message = UnhealthyAdvisories {
            release: &"4.14.60".parse().unwrap(),
            advisories: &advisories,
            leads: &leads(),
        }
        .message("#team-qe-release-demo");
        insta::assert_snapshot!(message.text, @r"
        <!subteam^S0AAA> Release 4.14.60 has advisories with unhealthy images.
        Advisory <https://errata.example.test/advisory/1001|1001>, grade C:
        • demo-operator-v4.14-1 (x86_64): C
        • demo&lt;x&gt;-1 (x86_64): unknown
        Advisory <https://errata.example.test/advisory/1002|1002>, grade unknown
        Look for known issues before asking ART.
        ");
        assert_eq!(message.blocks.len(), 5);
    }

    #[test]
    fn hundreds_of_images_are_counted_and_the_first_are_named() {
        let images: Vec<UnhealthyImage> = (0..701)
            .map(|number| UnhealthyImage {
                component: format!("ose-4-19-demo-{number:03}"),
                architecture: "amd64".into(),
                grade: Some("D".into()),
            })
            .collect();
        let message = UnhealthyImages {
            release: &"4.19.1".parse().unwrap(),
            merge_request: &Reference::new("https://gitlab.example.test/g/p/-/merge_requests/612", "g/p!612"),
            scanned: 851,
            unknown: 3,
            unhealthy: &images,
            leads: &leads(),
        }
        .message("#team-qe-release-demo");
        assert!(message.text.contains("701 of 851 images are unhealthy, 3 could not be judged"));
        assert!(message.text.contains("more, 701 in all"));
        assert!(message.text.chars().count() <= super::super::split::TEXT_LIMIT);
        assert_eq!(message.clone().parts().len(), 1);
        assert!(!message.blocks.is_empty());
    }

    #[test]
    fn many_advisories_are_counted_too() {
        let advisories: Vec<UnhealthyAdvisory> = (1001..1031)
            .map(|number| UnhealthyAdvisory {
                advisory: Reference::new(
                    format!("https://errata.example.test/advisory/{number}"),
                    number.to_string(),
                ),
                grade: Some("C".into()),
                builds: vec![build("demo-1", Some("C"))],
            })
            .collect();
        let release = "4.14.60".parse().unwrap();
        let message = UnhealthyAdvisories { release: &release, advisories: &advisories, leads: &leads() }
            .message("#team-qe-release-demo");
        assert!(message.text.contains("… and 20 advisories more, 30 in all"), "{}", message.text);
    }
}
