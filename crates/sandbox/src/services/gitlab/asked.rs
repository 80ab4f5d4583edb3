//! What every request carries, and what its address names.

use std::{collections::BTreeMap, convert::Infallible};

use axum::{
    extract::{FromRequestParts, OriginalUri, Path},
    http::{HeaderMap, Uri, request::Parts},
    response::Response,
};
use serde_json::Value;

use super::{
    front::Caller,
    model::{AccessLevel, MergeRequest},
    pagination::{self, Query},
    projects::{self, Access},
    refusal::Refusal,
    state::State,
    views::Views,
};
use crate::world::Shared;

/// A request.
pub(super) struct Asked {
    pub(super) world: Shared,
    pub(super) caller: Caller,
    /// The whole address.
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    path: BTreeMap<String, String>,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, world: &Shared) -> Result<Self, Infallible> {
        let OriginalUri(uri) = OriginalUri::from_request_parts(parts, world).await?;
        let path: Result<Path<BTreeMap<String, String>>, _> = Path::from_request_parts(parts, world).await;
        Ok(Self {
            world: Shared::clone(world),
            caller: parts.extensions.get().copied().unwrap_or(Caller(None)),
            uri,
            headers: parts.headers.clone(),
            path: path.map(|Path(path)| path).unwrap_or_default(),
        })
    }
}

impl Asked {
    /// A part of the address.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The parameters of the query.
    pub(super) fn query(&self) -> Query {
        Query::read(self.uri.query())
    }

    /// The project, as far as the caller sees it.
    pub(super) fn project<'a>(&self, state: &'a State) -> Result<Access<'a>, Refusal> {
        projects::find(state, self.caller, self.path("project"))
    }

    /// The project, for a caller who changes it.
    pub(super) fn project_to_change<'a>(&self, state: &'a State) -> Result<Access<'a>, Refusal> {
        let access = self.project(state)?;
        if access.level < AccessLevel::Developer { Err(Refusal::Forbidden) } else { Ok(access) }
    }

    /// The merge request, and the caller's access to its project.
    pub(super) fn access<'a>(&self, state: &'a State) -> Result<(Access<'a>, &'a MergeRequest), Refusal> {
        let access = self.project(state)?;
        let iid: u64 = self
            .path("iid")
            .parse()
            .map_err(|_| Refusal::Parameter("merge_request_iid is invalid".to_owned()))?;
        let request = state.merge_request(access.project.id, iid).ok_or(Refusal::NotFound(""))?;
        Ok((access, request))
    }

    /// The merge request.
    pub(super) fn merge_request<'a>(&self, state: &'a State) -> Result<&'a MergeRequest, Refusal> {
        self.access(state).map(|(_, request)| request)
    }

    /// What is shown in an answer.
    pub(super) fn views<'a>(&self, state: &'a State) -> Views<'a> {
        Views { state, site: self.world.url("/gitlab") }
    }

    /// The requested page of `rows`.
    pub(super) fn answer(&self, rows: &[Value]) -> Result<Response, Refusal> {
        pagination::answer(&self.world.base_url, &self.uri, rows)
    }
}
