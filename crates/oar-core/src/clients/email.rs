//! A person's e-mail address, as a type that does not print.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};

/// A person's e-mail address. It identifies people at several services and never reaches a log, an error or a
/// state file: neither `Debug` nor `Display` shows it; sending it takes [`EmailAddress::expose`].
///
/// Two addresses are equal when they differ in case only; the services treat them so.
#[derive(Clone)]
pub struct EmailAddress(SecretString);

/// The text is not an e-mail address. The text itself is not repeated, because it may be one with a typing error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an e-mail address: expected one `@` between a name and a host, without spaces, such as jdoe@example.com"
)]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// The address in clear text, for sending it to a service.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The part before the `@`, which names the person among colleagues without being an address.
    pub fn local_part(&self) -> &str {
        self.expose().split_once('@').map_or_else(|| self.expose(), |(name, _)| name)
    }

    /// Whether `text` is this address, ignoring case.
    pub fn is(&self, text: &str) -> bool {
        self.expose().eq_ignore_ascii_case(text.trim())
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let well_formed = text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty()
                && !host.is_empty()
                && !host.contains('@')
                && !text.chars().any(|character| character.is_whitespace() || character.is_control())
        });
        if well_formed { Ok(Self(text.into())) } else { Err(InvalidEmailAddress) }
    }
}

impl From<&crate::config::Email> for EmailAddress {
    fn from(configured: &crate::config::Email) -> Self {
        Self(configured.expose().into())
    }
}

impl PartialEq for EmailAddress {
    fn eq(&self, other: &Self) -> bool {
        self.is(other.expose())
    }
}

impl Eq for EmailAddress {}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress")
    }
}

impl<'de> serde::Deserialize<'de> for EmailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_without_case_and_never_printed() {
        let address: EmailAddress = " JDoe@Example.com ".parse().unwrap();
        assert!(address.is("jdoe@example.COM"));
        assert_eq!(address, "jdoe@example.com".parse().unwrap());
        assert_ne!(address, "jdoe2@example.com".parse().unwrap());
        assert!(!format!("{address:?}").to_lowercase().contains("jdoe"));
        let configured: crate::config::Email = "jdoe@example.com".parse().unwrap();
        assert_eq!(EmailAddress::from(&configured), address);
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        for text in ["", "jdoe", "@example.com", "jdoe@", "a@b@c", "j doe@example.com", "a@b\nc"] {
            let error = text.parse::<EmailAddress>().unwrap_err();
            assert!(error.to_string().contains("jdoe@example.com"), "{text}");
        }
        let error = serde_json::from_str::<EmailAddress>("\"secret.person at example\"").unwrap_err();
        assert!(!error.to_string().contains("secret.person"), "{error}");
    }
}
