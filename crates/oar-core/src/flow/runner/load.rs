//! The first phase: the state as it should be, and what earlier runs still owe.

use super::run::Run;
use crate::flow::outcome::TaskError;
use crate::flow::task::Task;
use crate::permit::WritePermit;
use crate::statebox::{Change, State, StateBoxError};

impl<T: Task> Run<'_, T> {
    /// Takes the state as it was read. A run that may write puts back what another program wrote over, and sends what
    /// earlier runs could not tell.
    pub(super) async fn load(
        &self,
        loaded: Result<Option<State>, StateBoxError>,
    ) -> Result<Option<State>, TaskError> {
        let state = loaded.inspect_err(|_| self.progress().unreadable = true)?;
        let (Some(state), Some(permit)) = (&state, self.mode.permit()) else { return Ok(state) };
        let restored = self.restore(state, permit).await;
        let (state, sent) = self.runner.send_kept(restored.unwrap_or_else(|| state.clone()), permit).await;
        self.progress().earlier_notifications = sent;
        Ok(Some(state))
    }

    /// Puts back at once what another program wrote over: a run that ends without a word of its own would leave it to
    /// the next one.
    async fn restore(&self, state: &State, permit: &WritePermit) -> Option<State> {
        if state.losses().is_empty() {
            return None;
        }
        for loss in state.losses() {
            tracing::warn!("{loss}");
        }
        let message = "Restore what another program wrote over";
        match self.statebox().update(permit, message, |_| Ok(Change::Unchanged)).await {
            Ok(updated) => Some(updated.state),
            Err(error) => {
                tracing::warn!("it could not be put back: {error}");
                None
            }
        }
    }
}
