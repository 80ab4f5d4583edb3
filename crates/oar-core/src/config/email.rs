//! E-mail addresses: they identify people, so they print only when asked to.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::redact::EMAIL_MARK;

/// A text that is not an e-mail address. The text itself is not repeated: it may be a person's address after all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an e-mail address; expected a name, an `@` and a host such as example.com")]
pub struct ParseEmailError;

/// An e-mail address. Its `Debug` form hides it, and it has no `Display` form, so it cannot slip into a log line.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The address, for a call to a service or an answer to the user's own question.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The part before the `@`: the person's login name at the company.
    pub fn local_part(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(local, _)| local)
    }
}

impl FromStr for Email {
    type Err = ParseEmailError;

    /// The form that `take-ownership -e` accepts (spec 01 §3.2): letters, digits and `._%+-`, an `@`, a domain of
    /// letters, digits, dots and hyphens, a dot and at least two letters.
    fn from_str(input: &str) -> Result<Self, Self::Err> {
        let input = input.trim();
        let (local, domain) = input.split_once('@').ok_or(ParseEmailError)?;
        let (host, top) = domain.rsplit_once('.').ok_or(ParseEmailError)?;
        let good = !local.is_empty()
            && local.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte))
            && !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
            && top.len() >= 2
            && top.bytes().all(|byte| byte.is_ascii_alphabetic());
        if good { Ok(Self(input.to_owned())) } else { Err(ParseEmailError) }
    }
}

impl fmt::Debug for Email {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(EMAIL_MARK)
    }
}

impl Serialize for Email {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_other_texts_and_never_shown() {
        let email: Email = " demo-lead@example.com ".parse().unwrap();
        assert_eq!(email.expose(), "demo-lead@example.com");
        assert_eq!(email.local_part(), "demo-lead");
        assert!(!format!("{email:?}").contains("demo-lead"));
        for bad in [
            "",
            "lead",
            "@example.com",
            "lead@",
            "lead@example",
            "lead@example.c",
            "a b@example.com",
            "a@b@c.com",
        ] {
            let error = bad.parse::<Email>().unwrap_err().to_string();
            assert!(error.contains("lead@example.com"), "{error}");
        }
    }
}
