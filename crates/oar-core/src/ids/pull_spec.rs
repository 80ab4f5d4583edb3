//! The address of an image.

use std::fmt;
use std::str::FromStr;

use super::Digest;
use crate::error::{Classified, ErrorClass};

/// A text that is not a pull spec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not {what}; expected for example `{example}`")]
pub struct InvalidReference {
    input: String,
    what: &'static str,
    example: &'static str,
}

impl InvalidReference {
    fn new(input: &str, what: &'static str, example: &'static str) -> Self {
        Self { input: input.chars().take(200).collect(), what, example }
    }
}

impl Classified for InvalidReference {
    fn class(&self) -> ErrorClass {
        ErrorClass::Failed
    }
}

/// What a pull spec names within its repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A name that can be moved to another image.
    Tag(String),
    /// Exactly one image.
    Digest(Digest),
}

impl Reference {
    /// Its spelling in a request's path.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(tag) => tag,
            Self::Digest(digest) => digest.as_str(),
        }
    }
}

/// The address of an image: `quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64`, or with `@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullSpec {
    registry: String,
    repository: String,
    reference: Reference,
}

impl PullSpec {
    /// The registry's host, with its port when it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository's path within the registry.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// What is named within the repository.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// The image with this digest in the same repository.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Self {
        Self { reference: Reference::Digest(digest), ..self.clone() }
    }

    /// The image with this tag in the same repository.
    #[must_use]
    pub(crate) fn tagged(&self, tag: String) -> Self {
        Self { reference: Reference::Tag(tag), ..self.clone() }
    }
}

impl fmt::Display for PullSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if matches!(self.reference, Reference::Tag(_)) { ':' } else { '@' };
        write!(formatter, "{}/{}{separator}{}", self.registry, self.repository, self.reference.as_str())
    }
}

crate::schema::read_from_text!(PullSpec);
crate::schema::text_schema!(PullSpec, "PullSpec", "The address of an image", [PULL_SPEC_EXAMPLE]);

const PULL_SPEC_EXAMPLE: &str = "quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64";

impl FromStr for PullSpec {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || InvalidReference::new(text, "a pull spec", PULL_SPEC_EXAMPLE);
        let (registry, rest) = text.split_once('/').ok_or_else(bad)?;
        let (repository, reference) = if let Some((repository, digest)) = rest.split_once('@') {
            (repository, Reference::Digest(digest.parse().map_err(|_| bad())?))
        } else {
            let (repository, tag) = rest.rsplit_once(':').ok_or_else(bad)?;
            (repository, Reference::Tag(tag.to_owned()))
        };
        let is_host = registry.contains(['.', ':']) || registry == "localhost";
        let host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let segment = |part: &str| {
            part.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        };
        let tag_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_tag = match &reference {
            Reference::Tag(tag) => {
                (1..=128).contains(&tag.len()) && tag.bytes().all(tag_byte) && !tag.starts_with(['.', '-'])
            }
            Reference::Digest(_) => true,
        };
        if !is_host || !registry.bytes().all(host_byte) || !repository.split('/').all(segment) || !is_tag {
            return Err(bad());
        }
        Ok(Self { registry: registry.to_owned(), repository: repository.to_owned(), reference })
    }
}
