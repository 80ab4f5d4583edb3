//! Minimal forms of types that other modules bring.

use std::collections::BTreeSet;
use std::str::FromStr;

/// Which tools a caller is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Profile {
    /// All rows of the catalogue.
    Reference,
    /// The few tools of everyday work.
    Daily,
    /// These tools.
    Only(BTreeSet<String>),
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim() {
            "reference" => Ok(Self::Reference),
            "daily" => Ok(Self::Daily),
            "" => Err("a profile is `reference`, `daily` or a list of tools".to_owned()),
            names => Ok(Self::Only(names.split(',').map(|name| name.trim().to_owned()).collect())),
        }
    }
}

/// What the server as a whole offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Switches {
    /// Only tools that change nothing.
    pub read_only: bool,
    /// Only these tools.
    pub only: Option<BTreeSet<String>>,
    /// Also the tools that run any command.
    pub generic: bool,
}

/// One caller in the configuration document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpCaller {
    /// Its name.
    pub name: String,
    /// The SHA-256 of its token, as 64 hexadecimal digits.
    pub token_sha256: String,
    /// The names of its scopes.
    pub scopes: Vec<String>,
    /// Its profile.
    pub profile: String,
    /// The tools that it may run without asking.
    pub standing_consent: Vec<String>,
    /// Whether a form of its client may ask for consent.
    pub elicitation: bool,
    /// The last day of its token.
    pub expires: Option<jiff::civil::Date>,
}
