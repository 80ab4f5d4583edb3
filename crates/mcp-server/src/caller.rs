//! Who calls, and what they may do.

use std::collections::BTreeSet;
use std::fmt;

use crate::tools::Profile;

/// A group of tools that a token gives access to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessScope {
    /// Tools that change nothing.
    Read,
    /// Tools that change a release's records, issues and messages.
    Write,
    /// Tools whose effects cannot be undone.
    Critical,
    /// Tools that start and follow test jobs.
    Jobs,
    /// Tools that run any command.
    Generic,
}

impl AccessScope {
    /// All of them, the most harmless first.
    pub const ALL: [Self; 5] = [Self::Read, Self::Write, Self::Critical, Self::Jobs, Self::Generic];

    /// Its name in the configuration document and on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "release:read",
            Self::Write => "release:write",
            Self::Critical => "release:critical",
            Self::Jobs => "jobs:run",
            Self::Generic => "admin:generic",
        }
    }

    /// The scope with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.name() == name)
    }
}

/// Who may use a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Every caller.
    Anybody,
    /// Callers with this scope.
    With(AccessScope),
}

impl fmt::Display for AccessScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One caller. The transport adds it to each request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The name in histories and in the audit log.
    pub name: String,
    /// What it may do.
    pub scopes: BTreeSet<AccessScope>,
    /// Which tools it is offered.
    pub profile: Profile,
    /// The names of the tools that the configuration document lets it run without a person's consent.
    pub standing_consent: BTreeSet<String>,
    /// Whether a form of its client may ask for consent.
    pub may_elicit: bool,
}

impl Caller {
    /// The name of the caller on a server without configured callers.
    pub const LOCAL: &'static str = "local";

    /// The only caller of a server that listens on the loopback interface without configured callers, and of stdio:
    /// everything but the generic tools, and no standing consent.
    pub fn local() -> Self {
        Self {
            name: Self::LOCAL.to_owned(),
            scopes: AccessScope::ALL.into_iter().filter(|scope| *scope != AccessScope::Generic).collect(),
            profile: Profile::Reference,
            standing_consent: BTreeSet::new(),
            may_elicit: false,
        }
    }

    /// Whether it has `scope`.
    pub fn may(&self, scope: AccessScope) -> bool {
        self.scopes.contains(&scope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_found_by_their_names() {
        for scope in AccessScope::ALL {
            assert_eq!(AccessScope::of_name(scope.name()), Some(scope));
        }
        assert_eq!(AccessScope::of_name("release:*"), None);
        assert_eq!(AccessScope::of_name(""), None);
    }

    #[test]
    fn the_local_caller_has_neither_generic_tools_nor_consent() {
        let local = Caller::local();
        let may: Vec<bool> = AccessScope::ALL.into_iter().map(|scope| local.may(scope)).collect();
        assert_eq!(may, [true, true, true, true, false]);
        assert!(local.standing_consent.is_empty() && !local.may_elicit);
    }
}
