use oar_core::error::ErrorClass;

/// How a program ends. Scripts, cron jobs and Prow jobs branch on these numbers.
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
        }
    }
}
