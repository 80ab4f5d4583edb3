//! A person's e-mail address, as a type that does not print.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer};

/// A person's e-mail address. It identifies people in several services and never reaches a log, an error or a
/// state file: neither `Debug` nor `Display` shows it; sending it requires [`EmailAddress::expose`].
///
/// Two addresses that differ only in case are equal, as in the services.
#[derive(Clone)]
pub struct EmailAddress(SecretString);

/// The text is not an e-mail address. It is not repeated in the error, because it may be one with a typing
/// error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an e-mail address; expected a name, an `@` and a host such as example.com, without spaces")]
pub struct InvalidEmailAddress;

impl EmailAddress {
    /// The address in clear text, for sending it to a service or for an answer to the user's own question.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The part before the `@`, which identifies the person among colleagues without being an address.
    pub fn local_part(&self) -> &str {
        self.expose().split_once('@').map_or_else(|| self.expose(), |(name, _)| name)
    }

    /// Whether `text` is this address, ignoring case.
    pub fn is(&self, text: &str) -> bool {
        self.expose().eq_ignore_ascii_case(text.trim())
    }

    /// An address from a service. Services use forms that users may not enter here, such as a host without a
    /// dot or an apostrophe in the name.
    pub fn from_service(text: &str) -> Result<Self, InvalidEmailAddress> {
        let text = text.trim();
        let (name, host) = text.split_once('@').ok_or(InvalidEmailAddress)?;
        let good = !name.is_empty()
            && !host.is_empty()
            && !host.contains('@')
            && !text.chars().any(|character| character.is_whitespace() || character.is_control());
        if good { Ok(Self(text.into())) } else { Err(InvalidEmailAddress) }
    }
}

impl FromStr for EmailAddress {
    type Err = InvalidEmailAddress;

    /// Accepts the form that a user may enter (spec 01 §3.2): letters, digits and `._%+-`, an `@`, a domain
    /// of letters, digits, dots and hyphens, a dot and at least two letters.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let (name, domain) = text.split_once('@').ok_or(InvalidEmailAddress)?;
        let (host, top) = domain.rsplit_once('.').ok_or(InvalidEmailAddress)?;
        let good = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._%+-".contains(&byte))
            && !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
            && top.len() >= 2
            && top.bytes().all(|byte| byte.is_ascii_alphabetic());
        if good { Ok(Self(text.into())) } else { Err(InvalidEmailAddress) }
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

/// Serializing shows the address; only results that the user requested are serialized.
impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> serde::Deserialize<'de> for EmailAddress {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_service(&text).map_err(serde::de::Error::custom)
    }
}

crate::schema::text_schema!(EmailAddress, "EmailAddress", "An e-mail address", ["lead@example.com"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_compared_without_case_and_never_printed() {
        let address: EmailAddress = " JDoe@Example.com ".parse().unwrap();
        assert_eq!(address.expose(), "JDoe@Example.com");
        assert_eq!(address.local_part(), "JDoe");
        assert!(address.is("jdoe@example.COM"));
        assert_eq!(address, "jdoe@example.com".parse().unwrap());
        assert_ne!(address, "jdoe2@example.com".parse().unwrap());
        assert!(!format!("{address:?}").to_lowercase().contains("jdoe"));
    }

    #[test]
    fn what_is_no_address_is_refused_without_repeating_it() {
        let neither = ["", "lead", "@example.com", "lead@", "a@b@c.com", "j doe@example.com", "a@b.com\nc"];
        for text in neither {
            let error = text.parse::<EmailAddress>().unwrap_err();
            assert!(error.to_string().contains("a host such as example.com"), "{text}");
            assert!(EmailAddress::from_service(text).is_err(), "{text}");
        }
        let error = serde_json::from_str::<EmailAddress>("\"secret.person at example\"").unwrap_err();
        assert!(!error.to_string().contains("secret.person"), "{error}");
    }

    #[test]
    fn a_service_may_give_forms_that_nobody_may_type() {
        for text in ["lead@example", "lead@example.c", "o'hara@example.com"] {
            assert!(text.parse::<EmailAddress>().is_err(), "{text}");
            assert_eq!(EmailAddress::from_service(text).unwrap().expose(), text);
        }
    }
}
