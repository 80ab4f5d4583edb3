//! The images of a shipment.

use std::collections::{BTreeMap, HashMap};

use indexmap::IndexMap;

use super::report::{FoundIn, ImageFacts, ImageFinding, MatchedBy, ShippedImage, Similar, Verdict};
use super::{Candidate, ImageConsistency, at_once, content_key, words};
use crate::clients::registry::Look;
use crate::ids::{Digest, PullSpec};
use crate::operators::shipment::ShipmentFile;

/// The label that names the commit that an image was built from (spec 04 §9.2).
const COMMIT: &str = "vcs-ref";
/// The label that names an image's package.
const NAME: &str = "name";
/// The most images of the same name that are listed beside one that differs.
const SIMILAR: usize = 5;

/// One image of the shipment. Several components may be the same image, under several pull specs.
#[derive(Default)]
struct Shipped {
    components: Vec<String>,
    specs: Vec<PullSpec>,
    look: Option<(PullSpec, Look)>,
    labels: Option<BTreeMap<String, String>>,
    problem: Option<String>,
}

/// The images of a shipment, each content once.
pub(super) struct ShippedImages {
    images: Vec<Shipped>,
    lists: HashMap<Digest, usize>,
    manifests: HashMap<Digest, usize>,
    /// Parts of the shipment that could not be read.
    gaps: Vec<String>,
    /// Components without an image.
    without_image: Vec<String>,
}

impl ShippedImages {
    /// The images that the files name. Nothing is read from registries.
    pub(super) fn of(files: &[ShipmentFile]) -> Self {
        let (mut images, mut gaps, mut without_image) =
            (IndexMap::<String, Shipped>::new(), Vec::new(), Vec::new());
        for file in files {
            let components = match file.components() {
                Ok(Some(components)) => components,
                Ok(None) => {
                    gaps.push(format!("{} has no snapshot yet", file.path()));
                    continue;
                }
                Err(problem) => {
                    gaps.push(problem.to_string());
                    continue;
                }
            };
            for component in components {
                let name = component.name.clone();
                let Some(text) = &component.image else {
                    without_image.push(format!("the component {name} in {} names no image", file.path()));
                    continue;
                };
                let spec: PullSpec = match text.trim().parse() {
                    Ok(spec) => spec,
                    Err(error) => {
                        gaps.push(format!("the component {name} in {}: {error}", file.path()));
                        continue;
                    }
                };
                let image = images.entry(content_key(&spec)).or_default();
                if !image.components.contains(&name) {
                    image.components.push(name);
                }
                if !image.specs.contains(&spec) {
                    image.specs.push(spec);
                }
            }
        }
        let images = images.into_values().collect();
        Self { images, lists: HashMap::new(), manifests: HashMap::new(), gaps, without_image }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.images.len()
    }

    /// Reads the manifest or list of each.
    pub(super) async fn look(&mut self, check: &ImageConsistency) {
        let looks = at_once(self.images.iter().map(|image| check.look(&image.specs)).collect()).await;
        for (number, (image, look)) in self.images.iter_mut().zip(looks).enumerate() {
            match look {
                Some(Ok((spec, look))) => {
                    if let Some(list) = &look.list {
                        self.lists.entry(list.clone()).or_insert(number);
                    }
                    for manifest in &look.manifests {
                        self.manifests.entry(manifest.clone()).or_insert(number);
                    }
                    image.look = Some((spec, look));
                }
                Some(Err(error)) => image.problem = Some(words(&error)),
                None => {}
            }
        }
    }

    /// Reads the labels of each that could be looked at.
    pub(super) async fn read_labels(&mut self, check: &ImageConsistency) {
        let read = |image: &Shipped| {
            let known = image.look.clone();
            async move {
                let (spec, look) = known?;
                Some(check.registry.labels(&spec, &look).await)
            }
        };
        let labels = at_once(self.images.iter().map(read).collect()).await;
        for (image, labels) in self.images.iter_mut().zip(labels) {
            match labels {
                Some(Ok(labels)) => image.labels = Some(labels),
                Some(Err(error)) => image.problem = Some(words(&error)),
                None => {}
            }
        }
    }

    /// The image that has one of `digests`.
    pub(super) fn with_digest(&self, digests: &[Digest]) -> Option<FoundIn> {
        let find =
            |known: &HashMap<Digest, usize>| digests.iter().find_map(|digest| known.get(digest).copied());
        let (number, by) = find(&self.lists)
            .map(|number| (number, MatchedBy::ListDigest))
            .or_else(|| find(&self.manifests).map(|number| (number, MatchedBy::Digest)))?;
        Some(self.found(number, by))
    }

    /// The image that was built from the same commit.
    pub(super) fn with_commit(&self, labels: &BTreeMap<String, String>) -> Option<FoundIn> {
        let commit = label(labels, COMMIT)?;
        let all: Vec<&Shipped> =
            self.images.iter().filter(|image| image.label(COMMIT) == Some(commit)).collect();
        // Several packages may be built from one commit: prefer the one with the same name.
        let name = label(labels, NAME);
        let image = all.iter().find(|image| image.label(NAME) == name).or(all.first())?;
        Some(FoundIn::Shipment { component: image.component(), by: MatchedBy::VcsRef })
    }

    fn found(&self, number: usize, by: MatchedBy) -> FoundIn {
        let component = self.images.get(number).map(Shipped::component).unwrap_or_default();
        FoundIn::Shipment { component, by }
    }

    /// What could not be read of the shipment; `None` when everything could.
    fn unknown(&self) -> Option<String> {
        let unread = self
            .images
            .iter()
            .filter_map(|image| Some(format!("{}: {}", image.component(), image.problem.as_ref()?)));
        let gaps: Vec<String> = self.gaps.iter().cloned().chain(unread).collect();
        let first = gaps.first()?;
        Some(match gaps.len() {
            1 => format!("not everything of the shipment could be read: {first}"),
            count => format!("{count} parts of the shipment could not be read, the first: {first}"),
        })
    }

    /// The verdict on an image after all comparisons.
    pub(super) fn finding(&self, candidate: Candidate) -> ImageFinding {
        let facts = ImageFacts::of(candidate.look.as_ref().map(|(_, look)| look), candidate.labels.as_ref());
        let verdict = match (candidate.found, candidate.problem) {
            (Some(found), _) => Verdict::Consistent(found),
            (None, Some(why)) => Verdict::Unknown { why },
            (None, None) => match self.unknown() {
                Some(why) => Verdict::Unknown { why },
                None => Verdict::Inconsistent { similar: self.similar(candidate.labels.as_ref()) },
            },
        };
        let pull_spec = candidate.image.spec.map(|spec| spec.to_string()).ok();
        ImageFinding { name: candidate.image.name, pull_spec, facts, verdict }
    }

    /// Images with the same name, as a starting point for the reader.
    fn similar(&self, labels: Option<&BTreeMap<String, String>>) -> Vec<Similar> {
        let Some(name) = labels.and_then(|labels| label(labels, NAME)) else { return Vec::new() };
        let same = self.images.iter().filter(|image| image.label(NAME) == Some(name));
        let similar = same.take(SIMILAR).map(|image| Similar {
            component: image.component(),
            pull_spec: image.pull_spec(),
            facts: image.facts(),
        });
        similar.collect()
    }

    #[cfg(test)]
    pub(super) fn set_labels(&mut self, number: usize, labels: BTreeMap<String, String>) {
        self.images[number].labels = Some(labels);
    }

    /// Notes about the shipment.
    pub(super) fn notes(&self) -> Vec<String> {
        self.gaps.iter().chain(&self.without_image).cloned().collect()
    }

    pub(super) fn into_images(self) -> Vec<ShippedImage> {
        let images = self.images.into_iter().map(|image| ShippedImage {
            pull_spec: image.pull_spec(),
            facts: image.facts(),
            components: image.components,
            problem: image.problem,
        });
        images.collect()
    }
}

impl Shipped {
    fn component(&self) -> String {
        self.components.first().cloned().unwrap_or_default()
    }

    fn pull_spec(&self) -> String {
        self.specs.first().map(ToString::to_string).unwrap_or_default()
    }

    fn label(&self, name: &str) -> Option<&str> {
        label(self.labels.as_ref()?, name)
    }

    fn facts(&self) -> ImageFacts {
        ImageFacts::of(self.look.as_ref().map(|(_, look)| look), self.labels.as_ref())
    }
}

/// The value of a label; `None` when it is absent or empty.
pub(super) fn label<'a>(labels: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    labels.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
}
