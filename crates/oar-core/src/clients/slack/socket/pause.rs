//! How long to wait before the next connection is opened.

use std::time::Duration;

/// The pauses between attempts to connect: none is shorter than [`Pauses::SHORTEST`], because Slack counts the addresses
/// that are asked for, and each failure in a row doubles the next one.
#[derive(Debug, Clone, Default)]
pub(super) struct Pauses {
    failures: u32,
}

impl Pauses {
    /// The shortest pause after an attempt.
    pub(super) const SHORTEST: Duration = Duration::from_secs(3);
    /// The longest pause.
    pub(super) const LONGEST: Duration = Duration::from_mins(5);
    /// The first pause after Slack said that no connection is wanted.
    const UNWANTED: Duration = Duration::from_secs(30);

    /// A connection was of use: the next failure is the first one.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after a connection that failed or ended.
    pub(super) fn after_failure(&mut self) -> Duration {
        self.grown(Self::SHORTEST)
    }

    /// The pause after Slack refused a connection of this app: Socket Mode is turned off, or there are too many sockets, or too
    /// many addresses were asked for. Opening again at once makes it worse.
    pub(super) fn after_refusal(&mut self) -> Duration {
        self.grown(Self::UNWANTED)
    }

    fn grown(&mut self, first: Duration) -> Duration {
        let pause = first.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        pause.min(Self::LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_begin_anew() {
        let mut pauses = Pauses::default();
        let seconds: Vec<u64> = (0..9).map(|_| pauses.after_failure().as_secs()).collect();
        assert_eq!(seconds, [3, 6, 12, 24, 48, 96, 192, 300, 300]);
        pauses.reset();
        let refused: Vec<u64> = (0..5).map(|_| pauses.after_refusal().as_secs()).collect();
        assert_eq!(refused, [30, 60, 120, 240, 300]);
    }
}
