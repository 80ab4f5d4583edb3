//! Advisories of Errata Tool.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The web host of the production Errata Tool, which links point to.
const PRODUCTION_WEB: &str = "https://errata.devel.redhat.com";

/// The number of an advisory, such as 169293.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub struct AdvisoryId(u64);

impl AdvisoryId {
    /// The advisory with this number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// The advisory's page on the production Errata Tool.
    pub fn link(self) -> String {
        format!("{PRODUCTION_WEB}/advisory/{self}")
    }
}

impl fmt::Display for AdvisoryId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The text is not the number of an advisory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an advisory number: expected digits, such as 169293")]
pub struct InvalidAdvisoryId(String);

impl FromStr for AdvisoryId {
    type Err = InvalidAdvisoryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if digits && number > 0 => Ok(Self(number)),
            _ => Err(InvalidAdvisoryId(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advisory_numbers_are_plain_digits() {
        assert_eq!("169293".parse(), Ok(AdvisoryId::new(169_293)));
        for text in ["", "0", "+5", "-1", "RHSA-2026:1", "1 ", "99999999999999999999"] {
            let error = text.parse::<AdvisoryId>().unwrap_err();
            assert!(error.to_string().contains("169293"), "{text}");
        }
    }
}
