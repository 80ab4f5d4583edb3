//! The token that every write of a client requires, and what may keep it from being used.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::error::{Classified, ErrorClass};

/// Why no effect may begin now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Closed {
    /// [`ErrorClass::Blocked`] when something is held; another class when that cannot be found out.
    pub class: ErrorClass,
    /// Who holds what, since when, until when and why; or what cannot be found out.
    pub text: String,
    /// The next step.
    pub hint: Option<String>,
}

impl Classified for Closed {
    fn class(&self) -> ErrorClass {
        self.class
    }

    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}

/// Says before each effect whether it may begin.
#[async_trait]
pub trait Gate: fmt::Debug + Send + Sync {
    /// Whether an effect may begin now. What cannot be found out is an error: unknown is never open.
    async fn open(&self) -> Result<(), Closed>;
}

/// What is asked before each attempt of a request that writes: the gate of a permit. It permits nothing by itself.
#[derive(Debug, Clone)]
pub struct Barrier {
    gate: Arc<dyn Gate>,
    refused: Arc<Mutex<Option<Closed>>>,
}

impl Barrier {
    fn before(gate: Arc<dyn Gate>) -> Self {
        Self { gate, refused: Arc::default() }
    }

    /// Whether an effect may begin now; the permit remembers a refusal.
    ///
    /// # Errors
    ///
    /// It may not, or that cannot be found out; nothing may be sent.
    pub async fn open(&self) -> Result<(), Closed> {
        let opened = self.gate.open().await;
        if let Err(closed) = &opened {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(closed.clone());
        }
        opened
    }
}

/// The permission of a user interface to write.
///
/// Every client method that writes takes a reference to one and gives it to the request, which asks it before each attempt
/// ([`Call::permitted`](crate::http::Call::permitted)); a dry run has none, so it cannot write. Only a user interface (a command line, a server acting for a person) makes one,
/// after it has shown the plan if required. There is no `Clone` and no `Default`: a permit is passed by reference for one
/// command. What is derived from one may less, never more.
#[derive(Debug)]
pub struct WritePermit {
    barrier: Option<Barrier>,
}

impl WritePermit {
    /// Grants this command permission to write, on behalf of a user interface.
    ///
    /// The library itself never calls this outside its tests.
    #[must_use]
    pub fn granted_by_user_interface() -> Self {
        Self { barrier: None }
    }

    /// The same permission, of use only while `gate` is open.
    #[must_use]
    pub fn behind(&self, gate: Arc<dyn Gate>) -> Self {
        Self { barrier: Some(Barrier::before(gate)) }
    }

    /// The same permission for one run, which remembers what it refused.
    #[must_use]
    pub fn for_one_run(&self) -> Self {
        Self { barrier: self.barrier.as_ref().map(|barrier| Barrier::before(Arc::clone(&barrier.gate))) }
    }

    /// Asks before an effect whether it may begin.
    ///
    /// # Errors
    ///
    /// It may not, or that cannot be found out; nothing may be sent.
    pub async fn begin(&self) -> Result<(), Closed> {
        match &self.barrier {
            Some(barrier) => barrier.open().await,
            None => Ok(()),
        }
    }

    /// What a request asks before each attempt.
    pub fn barrier(&self) -> Option<Barrier> {
        self.barrier.clone()
    }

    /// Why an effect was refused last, if one was.
    pub fn refused(&self) -> Option<Closed> {
        self.barrier.as_ref()?.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Shut;

    #[async_trait]
    impl Gate for Shut {
        async fn open(&self) -> Result<(), Closed> {
            Err(Closed { class: ErrorClass::Blocked, text: "held".to_owned(), hint: None })
        }
    }

    #[tokio::test]
    async fn a_permit_behind_a_gate_is_of_no_use_while_that_is_closed_and_each_run_remembers_its_own() {
        let free = WritePermit::granted_by_user_interface();
        assert_eq!((free.begin().await, free.refused()), (Ok(()), None));
        let behind = free.behind(Arc::new(Shut));
        let run = behind.for_one_run();
        let closed = run.begin().await.unwrap_err();
        assert_eq!((closed.class, closed.to_string().as_str()), (ErrorClass::Blocked, "held"));
        assert_eq!((run.refused(), behind.refused()), (Some(closed), None));
        assert_eq!(behind.for_one_run().refused(), None);
    }
}
