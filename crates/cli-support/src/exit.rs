use oar_core::error::ErrorClass;
use oar_core::failures::gravest;

/// The exit codes of the programs. Scripts, cron jobs and Prow jobs depend on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done: the task is Pass, or In Progress as it should be.
    Done = 0,
    /// The task is Fail, or the check found what it looks for.
    Failed = 1,
    /// The command was called wrongly.
    Usage = 2,
    /// Configuration or credentials are missing or were refused.
    Configuration = 3,
    /// An external service is unavailable or refused after retries; nothing half-done, run again.
    Unavailable = 4,
    /// The state was changed or is held by somebody else; nothing was written.
    Conflict = 5,
    /// A precondition or a blocker stands in the way.
    Blocked = 6,
    /// Interrupted (SIGINT); the state says so.
    Interrupted = 130,
    /// Terminated (SIGTERM); the state says so.
    Terminated = 143,
    /// The terminal is gone (SIGHUP); the state says so.
    HungUp = 129,
}

impl ExitCode {
    /// The number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// Its error class; `None` for success and for signals.
    const fn class(self) -> Option<ErrorClass> {
        match self {
            Self::Failed => Some(ErrorClass::Failed),
            Self::Usage => Some(ErrorClass::Usage),
            Self::Configuration => Some(ErrorClass::Configuration),
            Self::Unavailable => Some(ErrorClass::Unavailable),
            Self::Conflict => Some(ErrorClass::Conflict),
            Self::Blocked => Some(ErrorClass::Blocked),
            Self::Done | Self::Interrupted | Self::Terminated | Self::HungUp => None,
        }
    }

    /// The code of a run with parts: a signal decides, then the gravest class.
    pub fn of_all(codes: impl IntoIterator<Item = Self>) -> Self {
        let (classes, others): (Vec<_>, Vec<_>) = codes.into_iter().partition(|code| code.class().is_some());
        let signal = others.into_iter().find(|code| *code != Self::Done);
        let class = || gravest(classes.into_iter().filter_map(Self::class)).map(Self::from);
        signal.or_else(class).unwrap_or(Self::Done)
    }
}

impl From<ErrorClass> for ExitCode {
    fn from(class: ErrorClass) -> Self {
        match class {
            ErrorClass::Failed => Self::Failed,
            ErrorClass::Usage => Self::Usage,
            ErrorClass::Configuration => Self::Configuration,
            ErrorClass::Unavailable => Self::Unavailable,
            ErrorClass::Conflict => Self::Conflict,
            ErrorClass::Blocked => Self::Blocked,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_documented_number() {
        let numbers = [
            (ErrorClass::Failed, 1),
            (ErrorClass::Usage, 2),
            (ErrorClass::Configuration, 3),
            (ErrorClass::Unavailable, 4),
            (ErrorClass::Conflict, 5),
            (ErrorClass::Blocked, 6),
        ];
        for (class, number) in numbers {
            assert_eq!(ExitCode::from(class).number(), number, "{class:?}");
            assert_eq!(ExitCode::from(class).class(), Some(class));
        }
    }

    #[test]
    fn the_gravest_of_several_decides_and_a_signal_over_it() {
        use ExitCode::{Configuration, Done, Failed, Terminated, Unavailable};
        for (codes, expected) in [
            (&[][..], Done),
            (&[Done, Done], Done),
            (&[Done, Unavailable, Configuration], Configuration),
            (&[Configuration, Unavailable, Failed, Done], Failed),
            (&[Failed, Terminated, Unavailable], Terminated),
        ] {
            assert_eq!(ExitCode::of_all(codes.iter().copied()), expected, "{codes:?}");
        }
    }
}
