//! An answer that refuses.

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};

use crate::unexpected::Unexpected;

/// A refusal, as an error of the look-up.
#[derive(Debug)]
pub struct Refused(Box<Response>);

impl Refused {
    /// Its status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }
}

impl From<Response> for Refused {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<Unexpected> for Refused {
    fn from(unexpected: Unexpected) -> Self {
        unexpected.into_response().into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}
