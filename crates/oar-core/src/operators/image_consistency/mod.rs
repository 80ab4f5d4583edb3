//! Whether the images of a release payload are those that its shipment ships (spec 05 §1, spec 04 §9).
//!
//! The verdicts are those of the Python tooling, which reads every image of both sides completely. Here only what a
//! verdict needs is read, the strongest evidence first: the digest in the pull spec, the digests in a list, the public
//! catalog, and last the commits that the images were built from. An image that cannot be read is unknown, never
//! consistent or inconsistent.

mod report;
mod shipped;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use futures::StreamExt as _;
use indexmap::IndexMap;
use regex::Regex;
pub use report::{
    ConsistencyReport, Counts, FoundIn, ImageFacts, ImageFinding, MatchedBy, ShippedImage, Similar, Verdict,
};
use shipped::ShippedImages;

use super::failures::could_not_look;
use super::shipment::Shipment;
use crate::clients::catalog::CatalogClient;
use crate::clients::gitlab::MergeRequestState;
use crate::clients::registry::{Look, PayloadImage, RegistryClient, ReleasePayload};
use crate::error::{ErrorClass, ServiceError};
use crate::flow::outcome::{Refusal, TaskError};
use crate::ids::{Digest, PullSpec, Reference};

/// The architecture whose images are compared, in Go's spelling (spec 05 §1).
const ARCHITECTURE: &str = "amd64";
/// How many images are looked at at the same time.
const IMAGES_CONCURRENCY: usize = 16;

/// The version in the title of a shipment merge request (`interop-exact`, spec 03 §3.2).
static TITLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)Shipment for ([0-9]+\.[0-9]+\.[0-9]+(?:-\S+)?)").ok());

/// Whether an image of this name is one of the operating system, which no shipment ships (spec 04 §9.1).
fn is_of_the_system(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("rhel-coreos") else { return name == "machine-os-content" };
    let version = rest.strip_suffix("-extensions").unwrap_or(rest);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    version.is_empty() || version.strip_prefix('-').is_some_and(is_number)
}

/// Compares payloads with shipments.
#[derive(Debug, Clone)]
pub struct ImageConsistency {
    /// Where the images are.
    pub registry: RegistryClient,
    /// The public catalog: images that were released.
    pub catalog: CatalogClient,
}

/// An image of the payload whose verdict is being found.
struct Candidate {
    image: PayloadImage,
    /// What was read, and from where: another image of the payload may be the same one in another repository.
    look: Option<(PullSpec, Look)>,
    labels: Option<BTreeMap<String, String>>,
    /// Why something about it is not known; the first reason.
    problem: Option<String>,
    found: Option<FoundIn>,
}

impl Candidate {
    fn new(image: PayloadImage) -> Self {
        let problem = image.spec.as_ref().err().cloned();
        Self { image, look: None, labels: None, problem, found: None }
    }

    fn spec(&self) -> Option<&PullSpec> {
        self.image.spec.as_ref().ok()
    }

    /// Its known digests.
    fn digests(&self) -> Vec<Digest> {
        match (&self.look, self.spec().map(PullSpec::reference)) {
            (Some((_, look)), _) => look.list.iter().chain(&look.manifests).cloned().collect(),
            (None, Some(Reference::Digest(digest))) => vec![digest.clone()],
            (None, _) => Vec::new(),
        }
    }

    fn note_problem(&mut self, problem: String) {
        self.problem.get_or_insert(problem);
    }
}

/// Refuses a shipment for another release than the payload's.
pub fn require_same_release(title: &str, version: &str) -> Result<(), Refusal> {
    let named = TITLE.as_ref().and_then(|pattern| pattern.captures(title));
    let named = named.as_ref().and_then(|found| found.get(1)).map(|found| found.as_str());
    let title: String = title.chars().take(200).collect();
    match named {
        Some(named) if named == version => Ok(()),
        Some(named) => Err(Refusal::new(
            ErrorClass::Failed,
            format!("the payload is {version} and the merge request ships {named}: nothing was compared"),
        )
        .with_hint("Name the merge request of the payload's release, or the payload of the merge request's release.")),
        None => Err(Refusal::new(
            ErrorClass::Failed,
            format!("the title of the merge request names no release: `{title}`; expected for example `Shipment for 4.19.1`"),
        )
        .with_hint("Check the number of the merge request.")),
    }
}

impl ImageConsistency {
    /// Compares the images of `payload`, which `spec` names, with those of `shipment`.
    ///
    /// # Errors
    ///
    /// The shipment is for another release, or its files cannot be listed. An image that cannot be read is part of the
    /// report.
    pub async fn check(
        &self,
        spec: &PullSpec,
        payload: ReleasePayload,
        shipment: &Shipment,
    ) -> Result<ConsistencyReport, TaskError> {
        let version = payload.metadata.version;
        require_same_release(&shipment.merge_request().title, &version)?;
        let files = shipment.files().await.map_err(could_not_look)?;
        let (of_the_system, images): (Vec<_>, Vec<_>) =
            payload.images.into_iter().partition(|image| is_of_the_system(&image.name));
        let mut candidates: Vec<Candidate> = images.into_iter().map(Candidate::new).collect();
        let mut shipped = ShippedImages::of(files);
        tracing::info!("comparing {} images with {} of the shipment", candidates.len(), shipped.len());
        shipped.look(self).await;
        self.by_digest(&mut candidates, &shipped).await;
        self.by_catalog(&mut candidates).await;
        self.by_commit(&mut candidates, &mut shipped).await;
        let images = candidates.into_iter().map(|candidate| shipped.finding(candidate)).collect();
        let mut notes = shipped.notes();
        if shipment.state() == MergeRequestState::Closed {
            let words =
                "the merge request was closed without a merge: ask ART which one the release ships with now";
            notes.push(words.to_owned());
        }
        if shipment.merge_request().is_draft() {
            notes.push("the merge request is a draft, which ART still prepares".to_owned());
        }
        Ok(ConsistencyReport::new(
            spec.to_string(),
            version,
            shipment.reference().to_string(),
            images,
            of_the_system.into_iter().map(|image| image.name).collect(),
            shipped.into_images(),
            notes,
        ))
    }

    /// Finds images by the digests in their pull specs, then reads the others: they may be lists.
    async fn by_digest(&self, candidates: &mut [Candidate], shipped: &ShippedImages) {
        for candidate in &mut *candidates {
            candidate.found = shipped.with_digest(&candidate.digests());
        }
        let same = same_images(unfound(candidates));
        let specs: Vec<Vec<PullSpec>> = same.iter().map(|images| distinct_specs(images)).collect();
        let looks = at_once(specs.iter().map(|specs| self.look(specs)).collect()).await;
        for (images, look) in same.into_iter().zip(looks) {
            let Some(look) = look.map(|look| look.map_err(|error| words(&error))) else { continue };
            for candidate in images {
                match &look {
                    Ok(look) => {
                        candidate.look = Some(look.clone());
                        candidate.found = shipped.with_digest(&candidate.digests());
                    }
                    Err(problem) => candidate.note_problem(problem.clone()),
                }
            }
        }
    }

    /// Searches the public catalog for the images that were not found.
    async fn by_catalog(&self, candidates: &mut [Candidate]) {
        // The catalog knows images of one architecture, never lists (spec 04 §9.2).
        let digests = |candidate: &Candidate| match &candidate.look {
            Some((_, look)) => look.manifests.clone(),
            None => candidate.digests(),
        };
        let wanted: BTreeSet<Digest> =
            unfound(candidates).flat_map(|candidate| digests(&*candidate)).collect();
        if wanted.is_empty() {
            return;
        }
        let known = self.catalog.images(&wanted).await;
        for candidate in unfound(candidates) {
            let own = digests(&*candidate);
            for answer in own.iter().filter_map(|digest| known.get(digest)) {
                match answer {
                    Ok(image) if image.records > 0 => candidate.found = Some(FoundIn::Catalog),
                    Ok(_) => {}
                    Err(error) => candidate.note_problem(words(error)),
                }
            }
        }
    }

    /// Compares commits for the images that were not found. This reads the labels of every image of the shipment.
    async fn by_commit(&self, candidates: &mut [Candidate], shipped: &mut ShippedImages) {
        let same = same_images(unfound(candidates).filter(|candidate| candidate.look.is_some()));
        if same.is_empty() {
            return;
        }
        let known: Vec<Option<(PullSpec, Look)>> =
            same.iter().map(|images| images.first().and_then(|candidate| candidate.look.clone())).collect();
        let read = async |known: &Option<(PullSpec, Look)>| {
            let (spec, look) = known.as_ref()?;
            Some(self.registry.labels(spec, look).await.map_err(|error| words(&error)))
        };
        let labels = at_once(known.iter().map(read).collect()).await;
        for (images, labels) in same.into_iter().zip(labels) {
            for candidate in images {
                match &labels {
                    Some(Ok(labels)) => candidate.labels = Some(labels.clone()),
                    Some(Err(problem)) => candidate.note_problem(problem.clone()),
                    None => {}
                }
            }
        }
        shipped.read_labels(self).await;
        for candidate in unfound(candidates) {
            candidate.found = candidate.labels.as_ref().and_then(|labels| shipped.with_commit(labels));
        }
    }

    /// Reads the first of `specs` that can be read: all have the same content. `None` when there are none.
    async fn look(&self, specs: &[PullSpec]) -> Option<Result<(PullSpec, Look), ServiceError>> {
        let mut failed = None;
        for spec in specs {
            match self.registry.look(spec, ARCHITECTURE).await {
                Ok(look) => return Some(Ok((spec.clone(), look))),
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map(Err)
    }
}

/// The text of an error, with the next step if the error has a specific one.
fn words(error: &ServiceError) -> String {
    match &error.hint {
        Some(hint) => format!("{error}. {hint}"),
        None => error.to_string(),
    }
}

/// The candidates that were not found yet.
fn unfound(candidates: &mut [Candidate]) -> impl Iterator<Item = &mut Candidate> {
    candidates.iter_mut().filter(|candidate| candidate.found.is_none())
}

/// What two pull specs of the same image have in common: the digest, and without one everything.
fn content_key(spec: &PullSpec) -> String {
    match spec.reference() {
        Reference::Digest(digest) => digest.to_string(),
        Reference::Tag(_) => spec.to_string(),
    }
}

/// The candidates, those of the same image together: each image is read once. Those without a pull spec are left out.
fn same_images<'a>(candidates: impl Iterator<Item = &'a mut Candidate>) -> Vec<Vec<&'a mut Candidate>> {
    let mut same = IndexMap::<String, Vec<&'a mut Candidate>>::new();
    for candidate in candidates {
        if let Some(key) = candidate.spec().map(content_key) {
            same.entry(key).or_default().push(candidate);
        }
    }
    same.into_values().collect()
}

fn distinct_specs(images: &[&mut Candidate]) -> Vec<PullSpec> {
    let mut specs = Vec::new();
    for spec in images.iter().filter_map(|candidate| candidate.spec()) {
        if !specs.contains(spec) {
            specs.push(spec.clone());
        }
    }
    specs
}

/// Runs `work` with bounded concurrency; the results keep its order.
async fn at_once<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    futures::stream::iter(work).buffered(IMAGES_CONCURRENCY).collect().await
}
