//! A requested change of one advisory.

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Request},
    http::StatusCode,
    response::IntoResponse,
};

use super::{
    front::Caller,
    handlers::{Answer, find, number},
    params::Params,
    refusal::Refusal,
    state::State,
    views,
};
use crate::world::Shared;

/// Who asks for a change of which advisory, and with which parameters.
pub(super) struct Asked {
    pub(super) world: Shared,
    pub(super) caller: String,
    pub(super) params: Params,
    id: String,
}

impl FromRequest<Shared> for Asked {
    type Rejection = Refusal;

    async fn from_request(request: Request, world: &Shared) -> Result<Self, Refusal> {
        let (mut parts, body) = request.into_parts();
        let path: Result<Path<String>, _> = Path::from_request_parts(&mut parts, world).await;
        let caller = parts.extensions.get().map(|Caller(caller)| caller.clone()).unwrap_or_default();
        let headers = parts.headers.clone();
        let body = Bytes::from_request(Request::from_parts(parts, body), world).await.unwrap_or_default();
        let id = path.map(|Path(id)| id).unwrap_or_default();
        Ok(Self { world: Shared::clone(world), caller, params: Params::read(&headers, &body)?, id })
    }
}

impl Asked {
    /// The number of the advisory.
    pub(super) fn id(&self) -> Result<u32, Refusal> {
        number(&self.id)
    }

    /// A parameter that must be there.
    pub(super) fn needed(&self, name: &str) -> Result<&str, Refusal> {
        self.params.get(name).ok_or_else(|| Refusal::MissingParameter(name.to_owned()))
    }

    /// Carries the change out, and answers with the advisory.
    pub(super) fn change(&self, change: impl FnOnce(&mut State, u32) -> Result<(), Refusal>) -> Answer {
        let mut state = self.world.errata.lock();
        change(&mut state, self.id()?)?;
        let view = views::erratum(find(&state, &self.id)?, &self.caller);
        Ok((StatusCode::CREATED, Json(view)).into_response())
    }
}
