//! A request about a repository: what it carries, and what its address names.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, Path, rejection::PathRejection},
    http::{HeaderMap, request::Parts},
};

use super::{State, identity::Caller, reply::not_found, repository::Repository};
use crate::{services::Refused, world::Shared};

/// A request about a repository.
pub(super) struct Asked {
    pub(super) world: Shared,
    pub(super) caller: Caller,
    pub(super) headers: HeaderMap,
    path: BTreeMap<String, String>,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = PathRejection;

    async fn from_request_parts(parts: &mut Parts, world: &Shared) -> Result<Self, PathRejection> {
        let Path(path) = Path::from_request_parts(parts, world).await?;
        Ok(Self {
            world: Shared::clone(world),
            caller: parts.extensions.get().cloned().unwrap_or(Caller(None)),
            headers: parts.headers.clone(),
            path,
        })
    }
}

impl Asked {
    /// A part of the address.
    pub(super) fn path(&self, name: &str) -> &str {
        self.path.get(name).map(String::as_str).unwrap_or_default()
    }

    /// The repository.
    pub(super) fn repository<'a>(&self, github: &'a State) -> Result<&'a Repository, Refused> {
        Ok(github.repository(self.path("owner"), self.path("repo")).ok_or_else(not_found)?)
    }

    /// The repository, for a caller who may push to it.
    pub(super) fn repository_to_change<'a>(
        &self,
        github: &'a mut State,
    ) -> Result<&'a mut Repository, Refused> {
        let may_push = self.caller.0.as_ref().is_some_and(|identity| identity.may_push);
        let found = github.repository_mut(self.path("owner"), self.path("repo"));
        Ok(found.filter(|_| may_push).ok_or_else(not_found)?)
    }
}
