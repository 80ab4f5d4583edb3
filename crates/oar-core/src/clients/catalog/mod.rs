//! The container catalog: the staging one, as far as image health needs it (spec 03 §4.3), and the public one, which
//! knows what was released.
//!
//! It has the API of Pyxis: images are found with an RSQL filter. One request names many digests
//! (`image_id=in=(…)`); a catalog that refuses this gets one request per digest. A filter that it
//! misunderstands gives an empty list and no error, so a digest that a list leaves out gets its own request
//! before it counts as unknown. No credentials are sent.

pub(crate) mod model;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{StreamExt as _, iter};
use serde::de::DeserializeOwned;
use url::Url;

pub use model::{CatalogImage, FreshnessGrade, Vulnerability};
use model::{ImageRecord, Page, VulnerabilityRecord};

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http, Reply, join};
use crate::ids::Digest;
use crate::service::Service;

/// Digests in one request. The URL stays below four thousand characters, which every proxy accepts.
const CHUNK: usize = 50;
/// Rows in one page, the catalog's own default.
const PAGE_SIZE: usize = 100;
/// The most pages of one list that are read.
const PAGES: usize = 20;
/// The members that are read of an image. Naming them makes the answer a hundred times smaller.
const INCLUDE: &str = "include=data.image_id&include=data.deleted&include=data.freshness_grades\
     &include=data._links.vulnerabilities";

/// Reads the container catalog. Cheap to clone.
#[derive(Clone)]
pub struct CatalogClient {
    http: Http,
    base: Arc<Url>,
    concurrency: usize,
    service: Service,
    /// Set when the catalog refused a filter with many digests, or found none of them: one request per digest
    /// from then on.
    single: Arc<AtomicBool>,
}

impl std::fmt::Debug for CatalogClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CatalogClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl CatalogClient {
    /// A client of the staging catalog at `base` (`https://…/api/containers`), with at most `concurrency` requests at a
    /// time.
    pub fn new(http: Http, base: Url, concurrency: usize) -> Self {
        Self {
            http,
            base: Arc::new(base),
            concurrency: concurrency.max(1),
            service: Service::CatalogStage,
            single: Arc::default(),
        }
    }

    /// The same, of the public catalog.
    #[must_use]
    pub fn public(self) -> Self {
        Self { service: Service::Catalog, ..self }
    }

    /// Reads the catalog's records of each digest. Every digest has its own result: an empty [`CatalogImage`]
    /// when the catalog has no record, an error when the request that named it failed.
    pub async fn images(
        &self,
        digests: &BTreeSet<Digest>,
    ) -> HashMap<Digest, Result<CatalogImage, Arc<ServiceError>>> {
        let digests: Vec<&Digest> = digests.iter().collect();
        // Collected first: a stream over the closure itself is not `Send` for every lifetime.
        let looks: Vec<_> = digests.chunks(CHUNK).map(|chunk| self.chunk(chunk)).collect();
        let answers: Vec<_> = iter(looks).buffer_unordered(self.concurrency).collect().await;
        let mut found = HashMap::with_capacity(digests.len());
        let mut alone = Vec::new();
        for answer in answers {
            found.extend(answer.found);
            alone.extend(answer.alone);
        }
        let rest: Vec<_> = iter(alone.into_iter().map(|digest| self.one(digest)))
            .buffer_unordered(self.concurrency)
            .collect()
            .await;
        found.extend(rest);
        found
    }

    async fn chunk(&self, chunk: &[&Digest]) -> ChunkAnswer {
        let all = || chunk.iter().map(|digest| (*digest).clone());
        if chunk.len() == 1 || self.single.load(Ordering::Relaxed) {
            return ChunkAnswer::alone(all());
        }
        let list: Vec<&str> = chunk.iter().map(|digest| digest.as_str()).collect();
        match self.find(&format!("image_id=in=({})", list.join(",")), format!("{} images", chunk.len())).await
        {
            Ok(records) => {
                let mut images: HashMap<Digest, CatalogImage> =
                    all().map(|digest| (digest, CatalogImage::default())).collect();
                for record in records {
                    if let Some(image) = record.digest().and_then(|digest| images.get_mut(&digest)) {
                        image.add(record);
                    }
                }
                // A digest that a list leaves out may still exist: the catalog may have misunderstood the
                // filter.
                let (found, missing): (Vec<_>, Vec<_>) =
                    images.into_iter().partition(|(_, image)| image.records > 0);
                if found.is_empty() {
                    self.ask_one_by_one("found none of many images");
                }
                ChunkAnswer {
                    found: found.into_iter().map(|(digest, image)| (digest, Ok(image))).collect(),
                    alone: missing.into_iter().map(|(digest, _)| digest).collect(),
                }
            }
            // This catalog does not support the filter, or not for so many digests.
            Err(error) if is_refusal(&error) => {
                self.ask_one_by_one(&format!("refuses many images in one request ({error})"));
                ChunkAnswer::alone(all())
            }
            // One unreadable record must not hide the others.
            Err(error) if error.kind == ServiceErrorKind::Malformed => ChunkAnswer::alone(all()),
            Err(error) => {
                let error = Arc::new(error);
                let found = all().map(|digest| (digest, Err(Arc::clone(&error)))).collect();
                ChunkAnswer { found, alone: Vec::new() }
            }
        }
    }

    /// Sends one request per digest from now on.
    fn ask_one_by_one(&self, why: &str) {
        if !self.single.swap(true, Ordering::Relaxed) {
            tracing::info!("the catalog {why}; asking one by one");
        }
    }

    async fn one(&self, digest: Digest) -> (Digest, Result<CatalogImage, Arc<ServiceError>>) {
        let records = self.find(&format!("image_id=={digest}"), digest.to_string()).await;
        let image = records.map_err(Arc::new).map(|records| {
            let mut image = CatalogImage::default();
            for record in records.into_iter().filter(|record| record.digest().as_ref() == Some(&digest)) {
                image.add(record);
            }
            image
        });
        (digest, image)
    }

    async fn find(&self, filter: &str, subject: String) -> Result<Vec<ImageRecord>, ServiceError> {
        self.pages("read image grades", &format!("v1/images?filter={filter}&{INCLUDE}"), &subject).await
    }

    /// Reads the vulnerabilities of an image at the link that the catalog gave, every page up to a limit.
    pub async fn vulnerabilities(&self, image: &CatalogImage) -> Result<Vec<Vulnerability>, ServiceError> {
        let Some(link) = &image.vulnerabilities else { return Ok(Vec::new()) };
        let operation = "read vulnerabilities";
        // The link must be a path below the API's root; anything else could lead to another host.
        let good = link.starts_with('/')
            && !link.starts_with("//")
            && !link.contains("..")
            && link.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
        if !good {
            return Err(ServiceError::new(
                self.service,
                operation,
                ServiceErrorKind::Malformed,
                "the link to the vulnerabilities is not a path of the catalog",
            ));
        }
        let records: Vec<VulnerabilityRecord> = self.pages(operation, link, link).await?;
        Ok(records.into_iter().map(Vulnerability::from).collect())
    }

    /// Reads vulnerabilities of several images at the same time, in the order of `images`.
    pub async fn vulnerabilities_of(
        &self,
        images: &[&CatalogImage],
    ) -> Vec<Result<Vec<Vulnerability>, ServiceError>> {
        let looks: Vec<_> = images.iter().map(|image| self.vulnerabilities(image)).collect();
        iter(looks).buffered(self.concurrency).collect().await
    }

    async fn pages<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        path: &str,
        subject: &str,
    ) -> Result<Vec<T>, ServiceError> {
        let send = |address: String| {
            let call = Call::get(self.service, operation, join(&self.base, &address)).about(subject);
            async move { self.http.send(call).await?.success(Reply::words) }
        };
        read_pages(path, send).await
    }
}

/// Reads a Pyxis list page by page with `send`, which takes a path with a query, relative to the API's root.
///
/// Where `total` is missing or zero, the list ends with a page that is not full (spec 03 §4.3).
pub(crate) async fn read_pages<T, F>(path: &str, send: impl Fn(String) -> F) -> Result<Vec<T>, ServiceError>
where
    T: DeserializeOwned,
    F: Future<Output = Result<Reply, ServiceError>>,
{
    let mut rows: Vec<T> = Vec::new();
    let separator = if path.contains('?') { '&' } else { '?' };
    for page in 0..PAGES {
        let reply = send(format!("{path}{separator}page_size={PAGE_SIZE}&page={page}")).await?;
        let answer: Page<T> = page_of(&reply)?;
        let count = answer.data.len();
        rows.extend(answer.data);
        if count == 0 || answer.total.map_or(count < PAGE_SIZE, |total| rows.len() >= total) {
            return Ok(rows);
        }
        if page + 1 == PAGES {
            let detail = format!("more than {} rows", PAGES * PAGE_SIZE);
            return Err(reply.failure(ServiceErrorKind::Malformed, detail));
        }
    }
    Ok(rows)
}

/// Reads a page that has a list. Anything else, such as a proxy's page or `{}`, is an error.
fn page_of<T: DeserializeOwned>(reply: &Reply) -> Result<Page<T>, ServiceError> {
    let malformed = |detail: String| reply.failure(ServiceErrorKind::Malformed, detail);
    let value: serde_json::Value = serde_json::from_slice(&reply.body)
        .map_err(|_| malformed(format!("{} instead of a list", reply.words())))?;
    if value.get("data").is_none() {
        return Err(malformed("the answer has no list".to_owned()));
    }
    serde_json::from_value(value)
        .map_err(|error| malformed(format!("not the list that was expected: {error}")))
}

struct ChunkAnswer {
    found: Vec<(Digest, Result<CatalogImage, Arc<ServiceError>>)>,
    /// The digests that need a request each.
    alone: Vec<Digest>,
}

impl ChunkAnswer {
    fn alone(digests: impl Iterator<Item = Digest>) -> Self {
        Self { found: Vec::new(), alone: digests.collect() }
    }
}

fn is_refusal(error: &ServiceError) -> bool {
    error.kind == ServiceErrorKind::Rejected || error.kind == ServiceErrorKind::NotFound
}
