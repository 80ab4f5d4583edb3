//! GitLab's REST API, as far as shipment merge requests need it (spec 03 §2).
//!
//! Requests are the gitlab crate's endpoints and are sent through [`Http`]. A project is named by its path,
//! escaped into one URL segment, so no request is needed for its number.

mod failure;
mod model;
mod pipelines;
mod repository;
mod review;
mod token;
mod transport;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use gitlab::api::common::SortOrder;
use gitlab::api::projects::merge_requests::MergeRequest as MergeRequestEndpoint;
use gitlab::api::projects::merge_requests::notes::{
    CreateMergeRequestNote, EditMergeRequestNote, MergeRequestNotes, NoteOrderBy,
};
use gitlab::api::users::{CurrentUser, Users};
use gitlab::api::{AsyncQuery, Endpoint, Pageable, Pagination, RestClient as _, paged};
use http::Uri;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use url::Url;

use model::UserHit;
pub use model::{
    HeadPipeline, InvalidMergeRequestAddress, MergeRequest, MergeRequestRef, MergeRequestState, Note, Notes,
    User,
};
pub use pipelines::{DownstreamPipeline, Job, Pipeline};
pub use repository::{Branch, Commit, CommitBase, Comparison, ForkedFrom, NewCommit, Project};
pub use review::{Approval, Approvals, ChangedFile, ChangedFiles, MergeWhen, NewMergeRequest};
pub use token::{ApprovalRule, TokenFacts};
use transport::Operation;

use crate::error::{ServiceError, ServiceErrorKind};
use crate::http::{Http, Repeat};
use crate::permit::WritePermit;

/// The most notes of one merge request that are read, newest first: ten pages.
const NOTES_LIMIT: usize = 1000;

/// The longest address of a request, in characters; GitLab's front refuses longer ones.
const ADDRESS_LIMIT: usize = 8 * 1024;

/// Reads, comments on, approves, creates and merges merge requests, and commits to projects. Cheap to clone.
#[derive(Clone)]
pub struct GitlabClient {
    http: Http,
    base: Arc<Url>,
    token: Option<Arc<SecretString>>,
}

impl std::fmt::Debug for GitlabClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GitlabClient").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl GitlabClient {
    /// A client of the GitLab at `base` (without `/api/v4`; it may have a path prefix).
    ///
    /// Without a token every call fails with [`ServiceErrorKind::MissingCredential`].
    pub fn new(http: Http, base: Url, token: Option<SecretString>) -> Self {
        let token = token
            .map(|token| SecretString::from(token.expose_secret().trim()))
            .filter(|token| !token.expose_secret().is_empty());
        Self { http, base: Arc::new(base), token: token.map(Arc::new) }
    }

    /// Reads a merge request, whatever its state.
    pub async fn merge_request(&self, reference: &MergeRequestRef) -> Result<MergeRequest, ServiceError> {
        let operation = self.read("read a merge request", reference.to_string());
        let endpoint = MergeRequestEndpoint::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let found: MergeRequest = query(endpoint, &operation).await?;
        if found.iid != reference.iid {
            let detail = format!("the answer is about the merge request !{}", found.iid);
            return Err(operation.error(ServiceErrorKind::Malformed, detail));
        }
        Ok(found)
    }

    /// Reads the newest notes of a merge request, at most a thousand, a hundred per request.
    pub async fn notes(&self, reference: &MergeRequestRef) -> Result<Notes, ServiceError> {
        let operation = self.read("read the notes of a merge request", reference.to_string());
        let endpoint = MergeRequestNotes::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .order_by(NoteOrderBy::CreatedAt)
            .sort(SortOrder::Descending)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        let notes: Vec<Note> = pages(endpoint, NOTES_LIMIT, &operation).await?;
        Ok(Notes { complete: notes.len() < NOTES_LIMIT, notes })
    }

    /// Adds a note.
    ///
    /// After [`ServiceErrorKind::Unclear`] the note may exist: the caller reads the notes and looks for its
    /// own marker before it adds one again.
    pub async fn add_note(
        &self,
        reference: &MergeRequestRef,
        body: &str,
        permit: &WritePermit,
    ) -> Result<Note, ServiceError> {
        let operation = self.write("add a note to a merge request", reference.to_string(), permit);
        let endpoint = CreateMergeRequestNote::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .body(body)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    /// Replaces the text of the note `note`. Sending it twice has the same effect as once.
    pub async fn edit_note(
        &self,
        reference: &MergeRequestRef,
        note: u64,
        body: &str,
        permit: &WritePermit,
    ) -> Result<Note, ServiceError> {
        let subject = format!("note {note} of {reference}");
        let operation = Operation {
            repeat: Repeat::Safe,
            ..self.write("edit a note of a merge request", subject, permit)
        };
        let endpoint = EditMergeRequestNote::builder()
            .project(reference.project.as_str())
            .merge_request(reference.iid)
            .note(note)
            .body(body)
            .build()
            .map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    /// Finds the active account that belongs to an e-mail address.
    ///
    /// GitLab's search is fuzzy and shows addresses only to some callers (spec 03 §2.3). The result is the
    /// one account that shows exactly this address (ignoring case). A single hit that shows no address at all
    /// is accepted too, because GitLab found it by a private address. Anything else is an error:
    /// [`ServiceErrorKind::NotFound`] without a matching account, [`ServiceErrorKind::Rejected`] when several
    /// match or the account is not active.
    pub async fn user_by_email(&self, address: &str) -> Result<User, ServiceError> {
        // Errors never contain the address.
        let operation = self.read("find an account", String::from("by e-mail address"));
        let address = address.trim();
        let endpoint =
            Users::builder().search(address).build().map_err(|error| unbuildable(&operation, error))?;
        // One page is enough: a search for a full address gives its owner among the first twenty. (Paging
        // would use keyset pagination, which the user search of older servers refuses.)
        let mut hits: Vec<UserHit> = query(endpoint, &operation).await?;
        let only_hit = hits.len() == 1;
        hits.retain(|hit| {
            hit.addresses().any(|shown| shown.eq_ignore_ascii_case(address))
                || (only_hit && hit.addresses().next().is_none())
        });
        match (hits.pop(), hits.len()) {
            (None, _) => Err(operation
                .error(ServiceErrorKind::NotFound, "no account shows this e-mail address")
                .with_hint(
                    "Check the address; the person may have to make it the public e-mail address of the GitLab \
                     profile.",
                )),
            (Some(hit), 0) if hit.state.as_deref().is_some_and(|state| state != "active") => Err(operation
                .error(ServiceErrorKind::Rejected, format!("the account {} is not active", hit.user.username))),
            (Some(hit), 0) => Ok(hit.user),
            (Some(_), others) => Err(operation
                .error(ServiceErrorKind::Rejected, format!("{} accounts show this e-mail address", others + 1))),
        }
    }

    /// The account that the token belongs to.
    pub async fn current_user(&self) -> Result<User, ServiceError> {
        let operation = self.read("read the own account", String::from("owner of GITLAB_TOKEN"));
        let endpoint = CurrentUser::builder().build().map_err(|error| unbuildable(&operation, error))?;
        query(endpoint, &operation).await
    }

    fn read(&self, name: &'static str, subject: String) -> Operation<'_> {
        Operation {
            http: &self.http,
            base: &self.base,
            token: self.token.as_deref(),
            name,
            subject,
            repeat: Repeat::Safe,
            barrier: None,
        }
    }
}

async fn query<T: DeserializeOwned + 'static>(
    endpoint: impl Endpoint + Sync,
    operation: &Operation<'_>,
) -> Result<T, ServiceError> {
    sendable(&endpoint, operation)?;
    endpoint.query_async(operation).await.map_err(|error| failure::of_library(error, operation))
}

/// The first `limit` items of a list, a hundred per request.
async fn pages<T: DeserializeOwned + Send + Sync + 'static>(
    endpoint: impl Endpoint + Pageable + Sync + Send,
    limit: usize,
    operation: &Operation<'_>,
) -> Result<Vec<T>, ServiceError> {
    sendable(&endpoint, operation)?;
    let answer = paged(endpoint, Pagination::Limit(limit)).query_async(operation).await;
    answer.map_err(|error| failure::of_library(error, operation))
}

/// Refuses a request with an invalid address. Names from build data and from GitLab's answers become part of
/// it, and the library assumes that every address is valid.
fn sendable(endpoint: &impl Endpoint, operation: &Operation<'_>) -> Result<(), ServiceError> {
    let refuse = |detail: String| operation.error(ServiceErrorKind::Rejected, detail);
    let path = endpoint.endpoint();
    let mut url = operation.rest_endpoint(&path).map_err(|error| refuse(format!("the address: {error}")))?;
    endpoint.parameters().add_to_url(&mut url);
    let length = url.as_str().len();
    if length > ADDRESS_LIMIT {
        return Err(refuse(format!(
            "the address of the request has {length} characters, more than the {ADDRESS_LIMIT} that are sent"
        )));
    }
    match url.as_str().parse::<Uri>() {
        Ok(_) => Ok(()),
        Err(error) => Err(refuse(format!("the address: {error}"))),
    }
}

fn unbuildable(operation: &Operation<'_>, error: impl std::fmt::Display) -> ServiceError {
    operation.error(ServiceErrorKind::Rejected, format!("the request is not valid: {error}"))
}
