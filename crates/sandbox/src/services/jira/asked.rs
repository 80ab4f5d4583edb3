//! What every request of somebody who logged in carries.

use std::collections::BTreeMap;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use super::{
    front::{Caller, Version},
    model::Login,
    refusal::Refusal,
    state::{State, stamp},
    views::Views,
};
use crate::world::Shared;

/// A request with a login. Without one the answer says so, or that the issue in the address does not exist.
pub(super) struct Asked {
    pub(super) world: Shared,
    pub(super) login: Login,
    pub(super) version: Version,
    pub(super) query: Option<String>,
    /// The issue that the address names.
    pub(super) key: String,
    /// The comment that it names.
    pub(super) comment: String,
    /// The property that it names.
    pub(super) property: String,
}

impl FromRequestParts<Shared> for Asked {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, world: &Shared) -> Result<Self, Refusal> {
        let path: Result<Path<BTreeMap<String, String>>, _> = Path::from_request_parts(parts, world).await;
        let mut path = path.map(|Path(path)| path).unwrap_or_default();
        let key = path.remove("key");
        let login = parts.extensions.get::<Caller>().and_then(|caller| caller.0.clone());
        Ok(Self {
            world: Shared::clone(world),
            login: login.ok_or(if key.is_some() { Refusal::NoIssue } else { Refusal::LogIn })?,
            version: parts.extensions.get().copied().unwrap_or(Version::Two),
            query: parts.uri.query().map(str::to_owned),
            key: key.unwrap_or_default(),
            comment: path.remove("id").unwrap_or_default(),
            property: path.remove("name").unwrap_or_default(),
        })
    }
}

impl Asked {
    /// What is shown in an answer.
    pub(super) fn views<'a>(&self, state: &'a State) -> Views<'a> {
        Views { state, version: self.version, site: self.world.url("/jira") }
    }

    /// The time, as Jira writes it.
    pub(super) fn now(&self) -> String {
        stamp(self.world.clock.now())
    }
}
