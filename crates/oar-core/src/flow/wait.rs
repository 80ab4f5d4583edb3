//! Waiting for something outside: looks with pauses between them, until it is there, the time is over, or the
//! user wants to stop. The caller decides what is checked, and how often.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::interrupt::{Interrupt, Signal};
use crate::clock::Clock;

/// A wait of one call.
#[derive(Debug, Clone)]
pub struct Wait<'a> {
    clock: &'a Clock,
    interrupt: Option<&'a Interrupt>,
    deadline: Option<Timestamp>,
}

/// What follows a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Another look.
    Look,
    /// Nothing: the time is over.
    TimeIsOver,
    /// Nothing: the program was told to stop.
    Stop(Signal),
}

impl<'a> Wait<'a> {
    /// A wait that ends when what is waited for is there.
    pub fn new(clock: &'a Clock) -> Self {
        Self { clock, interrupt: None, deadline: None }
    }

    /// The same wait, ended by the user's request to stop. Whoever waits is given the time to say so.
    #[must_use]
    pub fn unless_stopped(self, interrupt: &'a Interrupt) -> Self {
        Self { interrupt: Some(interrupt), ..self }
    }

    /// The same wait, which is given up after `limit`.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        let deadline = Some(after(self.clock.now(), limit));
        Self { deadline, ..self }
    }

    /// Lets `pause` pass, or what is left of the time; what follows.
    pub async fn pause(&self, pause: Duration) -> Next {
        let now = self.clock.now();
        let left = self.deadline.map(|deadline| until(now, deadline));
        if left == Some(Duration::ZERO) {
            return Next::TimeIsOver;
        }
        let pause = left.map_or(pause, |left| left.min(pause));
        let Some(interrupt) = self.interrupt else {
            self.clock.sleep(pause).await;
            return Next::Look;
        };
        let _hold = interrupt.hold();
        tokio::select! {
            biased;
            signal = interrupt.wait() => Next::Stop(signal),
            () = self.clock.sleep(pause) => Next::Look,
        }
    }
}

/// `duration` after `time`.
pub fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let end = SignedDuration::try_from(duration).ok().and_then(|duration| time.checked_add(duration).ok());
    end.unwrap_or(Timestamp::MAX)
}

/// How long it is from `now` to `time`; nothing when that has passed.
pub fn until(now: Timestamp, time: Timestamp) -> Duration {
    Duration::try_from(time.duration_since(now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::SteppingClock;

    #[tokio::test]
    async fn a_wait_looks_until_its_time_is_over() {
        let (clock, _source) = SteppingClock::start();
        let begun = clock.now();
        let wait = Wait::new(&clock).at_most(Duration::from_secs(25));
        let mut looks = 1;
        while wait.pause(Duration::from_secs(10)).await == Next::Look {
            looks += 1;
        }
        assert_eq!((looks, until(begun, clock.now())), (4, Duration::from_secs(25)));
    }

    #[tokio::test]
    async fn a_wait_that_is_stopped_is_given_the_time_to_say_so() {
        let (clock, _source) = SteppingClock::start();
        let (sender, interrupt) = Interrupt::channel();
        let wait = Wait::new(&clock).unless_stopped(&interrupt);
        assert_eq!(wait.pause(Duration::from_secs(1)).await, Next::Look);
        let (next, held) = tokio::join!(wait.pause(Duration::from_hours(1)), async {
            let held = interrupt.is_held();
            sender.send(Signal::Interrupt);
            held
        });
        assert_eq!((next, held), (Next::Stop(Signal::Interrupt), true));
        assert!(!interrupt.is_held());
    }
}
