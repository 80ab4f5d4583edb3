//! Changes of state and requests for approval (E-7, E-13, E-14; spec 02 §2.7, §2.11).

use std::future::ready;

use http::Method;

use super::model::ErratumAnswer;
use super::{
    Advisory, AdvisoryId, AdvisoryState, ErrataClient, ErrataError, SecurityApproval, WORTH_A_LOOK, with_form,
};
use crate::clients::{Effect, write_or_look};
use crate::error::ServiceError;
use crate::http::{Repeat, Reply};
use crate::permit::WritePermit;

impl ErrataClient {
    /// Moves an advisory to `wanted`, for a caller that has just read another state (one or two requests).
    ///
    /// The advisory's own state decides. An answer that shows this advisory in `wanted` is enough (spec 02
    /// §2.5: a success carries the whole advisory). After any other answer the advisory is read; an unclear
    /// answer, or a refusal because somebody else was faster, counts as success when it is in `wanted`. The
    /// error has the reasons of a refusal.
    pub async fn change_state(
        &self,
        id: AdvisoryId,
        wanted: &AdvisoryState,
        permit: &WritePermit,
    ) -> Result<Effect, ErrataError> {
        let path = format!("api/v1/erratum/{id}/change_state");
        let call = self.call("change state", Method::POST, id, &path)?.permitted(permit);
        let answer = self.send(with_form(call, "new_state", wanted.as_str()), id).await;
        match answer {
            Ok(reply) if shown(&reply, id).is_some_and(|advisory| advisory.state == *wanted) => {
                Ok(Effect::Changed)
            }
            Ok(_) => match self.erratum(id).await?.state {
                now if now == *wanted => Ok(Effect::Changed),
                now => Err(ErrataError::StateNotApplied { id, wanted: wanted.clone(), now }),
            },
            Err(error) => Ok(self.settle(id, error, |advisory| advisory.state == *wanted).await?),
        }
    }

    /// Asks docs to approve the advisory's text (E-13).
    pub async fn request_docs_approval(
        &self,
        id: AdvisoryId,
        permit: &WritePermit,
    ) -> Result<(), ServiceError> {
        let call = self
            .call("request docs approval", Method::PUT, id, &format!("api/v1/erratum/{id}"))?
            // Setting one field to one value has the same effect however often it is sent.
            .repeat(Repeat::Safe)
            .permitted(permit);
        self.send(with_form(call, "advisory[text_ready]", "1"), id).await?;
        Ok(())
    }

    /// Asks product security to approve an RHSA (E-14). Errata Tool accepts this only while no approval is
    /// requested.
    pub async fn request_security_approval(
        &self,
        id: AdvisoryId,
        permit: &WritePermit,
    ) -> Result<Effect, ServiceError> {
        let call = self
            .call("request product security approval", Method::PUT, id, &format!("api/v1/erratum/{id}"))?
            .permitted(permit);
        let is_requested = |advisory: &Advisory| advisory.security_approval != SecurityApproval::NotRequested;
        match self.send(with_form(call, "advisory[security_approved]", "False"), id).await {
            Ok(_) => Ok(Effect::Changed),
            Err(error) => self.settle(id, error, is_requested).await,
        }
    }

    /// Finds out what a failed write did where a read can tell; otherwise returns the failure.
    pub(super) async fn settle(
        &self,
        id: AdvisoryId,
        error: ServiceError,
        is_so: impl Fn(&Advisory) -> bool,
    ) -> Result<Effect, ServiceError> {
        let look = async { Ok::<_, ServiceError>(is_so(&self.erratum(id).await?).then_some(())) };
        Ok(write_or_look(ready(Err(error)), &WORTH_A_LOOK, look).await?.effect())
    }
}

/// The advisory in the answer to a write, when it is the one that was written.
fn shown(reply: &Reply, id: AdvisoryId) -> Option<Advisory> {
    reply.json::<ErratumAnswer>().ok()?.advisory(id).ok()
}
