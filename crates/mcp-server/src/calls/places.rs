//! How much of one caller's work runs at the same time, and how much may wait.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use oar_core::error::ErrorClass;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::result::ToolFailure;

/// The places of all callers. Callers come from the configuration document, so there are few.
#[derive(Debug)]
pub(super) struct Places {
    at_once: usize,
    queue: usize,
    callers: Mutex<HashMap<String, Place>>,
}

#[derive(Debug, Clone)]
struct Place {
    admitted: Arc<Semaphore>,
    running: Arc<Semaphore>,
}

/// The right to wait for a place.
#[derive(Debug)]
pub(super) struct Ticket {
    admitted: OwnedSemaphorePermit,
    running: Arc<Semaphore>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    _admitted: OwnedSemaphorePermit,
    _running: Option<OwnedSemaphorePermit>,
}

impl Places {
    pub(super) fn new(at_once: usize, queue: usize) -> Self {
        Self { at_once, queue, callers: Mutex::default() }
    }

    /// Lets a call of this caller in.
    ///
    /// # Errors
    ///
    /// Too many wait already.
    pub(super) fn enter(&self, caller: &str) -> Result<Ticket, ToolFailure> {
        let place = {
            let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || Place {
                admitted: Arc::new(Semaphore::new(self.at_once + self.queue)),
                running: Arc::new(Semaphore::new(self.at_once)),
            };
            callers.entry(caller.to_owned()).or_insert_with(new).clone()
        };
        let Ok(admitted) = place.admitted.try_acquire_owned() else {
            return Err(ToolFailure::new(
                ErrorClass::Conflict,
                "too many calls at the same time, so nothing was done",
                format!("{} calls of {caller} run and {} wait", self.at_once, self.queue),
                "Wait until some have ended, then call it again.",
            ));
        };
        Ok(Ticket { admitted, running: place.running })
    }
}

impl Ticket {
    /// Waits for a place.
    pub(super) async fn place(self) -> Taken {
        // It is never closed, so that there is always a place in the end.
        let running = self.running.acquire_owned().await.ok();
        Taken { _admitted: self.admitted, _running: running }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn each_caller_has_places_and_a_queue_of_their_own() {
        let places = Places::new(2, 1);
        let first = places.enter("ann").unwrap().place().await;
        let _second = places.enter("ann").unwrap().place().await;
        let mut third = Box::pin(places.enter("ann").unwrap().place());
        assert!(third.as_mut().now_or_never().is_none());
        let refused = places.enter("ann").unwrap_err();
        assert!(refused.to_string().contains("2 calls of ann run and 1 wait"), "{refused}");
        assert!(places.enter("bob").is_ok());
        drop(first);
        assert!(third.now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_gives_up_waiting_leaves_the_queue() {
        let places = Places::new(1, 1);
        let _first = places.enter("ann").unwrap().place().await;
        let waiting = places.enter("ann").unwrap().place();
        assert!(places.enter("ann").is_err());
        drop(waiting);
        assert!(places.enter("ann").is_ok());
    }
}
