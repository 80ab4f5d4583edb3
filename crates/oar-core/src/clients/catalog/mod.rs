//! The staging container catalogue, as far as image health needs it (spec 03 §4.3).
//!
//! Its interface is Pyxis: images are found with an RSQL filter. Many digests are asked for in one request
//! (`image_id=in=(…)`); a catalogue that refuses this is asked for each digest alone. No credentials are sent.

mod model;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::stream::{StreamExt as _, iter};
use serde::de::DeserializeOwned;
use url::Url;

pub use model::{CatalogImage, FreshnessGrade, Vulnerability};
use model::{ImageRecord, Page, VulnerabilityRecord};

use crate::clients::Digest;
use crate::config::join;
use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Call, Http};
use crate::service::Service;

/// How many requests run at the same time against the catalogue when nothing else is configured.
pub const PYXIS_CONCURRENCY: usize = 16;
/// Digests in one request: the address stays below four thousand characters, which every proxy takes.
const CHUNK: usize = 50;
/// Rows in one page, the catalogue's own default.
const PAGE_SIZE: usize = 100;
/// The most pages of one list that are read.
const PAGES: usize = 20;
/// What the programs read of an image; asking for it alone makes answers a hundredth of their size.
const INCLUDE: &str =
    "include=data.image_id&include=data.freshness_grades&include=data._links.vulnerabilities";

/// Reads the container catalogue. Cheap to clone.
#[derive(Clone)]
pub struct CatalogClient {
    http: Http,
    base: Arc<Url>,
    concurrency: usize,
    /// Set when the catalogue refused a filter over many digests.
    single: Arc<AtomicBool>,
}

impl std::fmt::Debug for CatalogClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("CatalogClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl CatalogClient {
    /// A client of the catalogue at `base` (`https://…/api/containers`), with at most `concurrency` requests at a
    /// time.
    pub fn new(http: Http, base: Url, concurrency: usize) -> Self {
        Self { http, base: Arc::new(base), concurrency: concurrency.max(1), single: Arc::default() }
    }

    /// Reads what the catalogue knows of each digest. Every digest has its own answer: an image that the catalogue
    /// does not know is an empty [`CatalogImage`], a failed request an error of the digests that it asked for.
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
            match answer {
                ChunkAnswer::Answered(images) => found.extend(images),
                ChunkAnswer::OneByOne(chunk) => alone.extend(chunk),
            }
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
            return ChunkAnswer::OneByOne(all().collect());
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
                ChunkAnswer::Answered(images.into_iter().map(|(digest, image)| (digest, Ok(image))).collect())
            }
            // This catalogue has no such filter, or not for so many: all others are asked for one by one.
            Err(error) if is_refusal(&error) => {
                if !self.single.swap(true, Ordering::Relaxed) {
                    tracing::info!(
                        "the catalogue refuses many images in one request ({error}); asking one by one"
                    );
                }
                ChunkAnswer::OneByOne(all().collect())
            }
            // What fails for many may work for one: a single odd record never hides the others.
            Err(error) if error.kind == ServiceErrorKind::Malformed => ChunkAnswer::OneByOne(all().collect()),
            Err(error) => {
                let error = Arc::new(error);
                ChunkAnswer::Answered(all().map(|digest| (digest, Err(Arc::clone(&error)))).collect())
            }
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

    /// Reads the vulnerabilities of an image by the link that the catalogue gave, every page up to a limit.
    pub async fn vulnerabilities(&self, image: &CatalogImage) -> Result<Vec<Vulnerability>, ServiceError> {
        let Some(link) = &image.vulnerabilities else { return Ok(Vec::new()) };
        let operation = "read vulnerabilities";
        // The link is a path below the interface's root; anything else would lead to another place.
        let good = link.starts_with('/')
            && !link.starts_with("//")
            && !link.contains("..")
            && link.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte));
        if !good {
            return Err(ServiceError::new(
                Service::CatalogStage,
                operation,
                ServiceErrorKind::Malformed,
                "the link to the vulnerabilities is not a path of the catalogue",
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
        let mut rows: Vec<T> = Vec::new();
        let separator = if path.contains('?') { '&' } else { '?' };
        for page in 0..PAGES {
            let url = join(&self.base, &format!("{path}{separator}page_size={PAGE_SIZE}&page={page}"));
            let call = Call::get(Service::CatalogStage, operation, url).about(subject);
            let reply = self.http.send(call).await?.success(crate::http::Reply::words)?;
            let answer: Page<T> = reply.json()?;
            let count = answer.data.len();
            rows.extend(answer.data);
            if count == 0 || answer.total.map_or(count < PAGE_SIZE, |total| rows.len() >= total) {
                return Ok(rows);
            }
        }
        Err(ServiceError::new(
            Service::CatalogStage,
            operation,
            ServiceErrorKind::Malformed,
            format!("more than {} rows", PAGES * PAGE_SIZE),
        )
        .about(subject))
    }
}

enum ChunkAnswer {
    Answered(Vec<(Digest, Result<CatalogImage, Arc<ServiceError>>)>),
    OneByOne(Vec<Digest>),
}

fn is_refusal(error: &ServiceError) -> bool {
    error.kind == ServiceErrorKind::Rejected || error.kind == ServiceErrorKind::NotFound
}
