//! The digest by which an image is known.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::error::{Classified, ErrorClass};

/// The SHA-256 digest of a manifest or another content: `sha256:` and 64 hexadecimal digits in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Digest(String);

crate::schema::text_schema!(
    Digest,
    "Digest",
    "The digest of an image",
    ["sha256:0f1d58d5b2c4a4b4f9a4b1bb3c5e2f9e6d7c8b9a0f1e2d3c4b5a69788796a5b4"]
);

/// A text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an image digest; expected `sha256:` and 64 hexadecimal digits in lower case")]
pub struct InvalidDigest(String);

const ALGORITHM: &str = "sha256:";

impl Classified for InvalidDigest {
    fn class(&self) -> ErrorClass {
        ErrorClass::Failed
    }
}

impl Digest {
    /// The digest of `content`.
    pub fn of(content: &[u8]) -> Self {
        use fmt::Write as _;
        let mut text = String::from(ALGORITHM);
        for byte in Sha256::digest(content) {
            // Writing to a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The 64 hexadecimal digits.
    pub fn hex(&self) -> &str {
        self.0.get(ALGORITHM.len()..).unwrap_or_default()
    }

    /// The digest of a pull spec that ends with one: `registry.example.com/demo/image@sha256:…`.
    pub fn of_pull_spec(pull_spec: &str) -> Option<Self> {
        pull_spec.rsplit_once('@')?.1.parse().ok()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = text.strip_prefix(ALGORITHM).is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        });
        if good {
            return Ok(Self(text.to_owned()));
        }
        Err(InvalidDigest(text.chars().take(100).flat_map(char::escape_debug).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_digests_are_taken() {
        let hex = "0123456789abcdef".repeat(4);
        let digest: Digest = format!("sha256:{hex}").parse().unwrap();
        assert_eq!(digest.hex(), hex);
        let spec = format!("registry.example.com:5000/demo/image:1@{digest}");
        assert_eq!(Digest::of_pull_spec(&spec), Some(digest));
        let upper = hex.to_uppercase();
        for bad in [
            "",
            &hex,
            "sha256:",
            &format!("sha256:{upper}"),
            &format!("sha256:{hex}0"),
            &format!("sha512:{hex}"),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
        assert_eq!(Digest::of_pull_spec("registry.example.com/demo/image:1"), None);
    }
}
