//! The signed document of a release signature: the "atomic container signature" of containers/image, and its
//! variant for Sigstore.

use serde::Deserialize;

use crate::ids::Digest;

/// The kind of signature that contains the document; each has its own document type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimKind {
    /// Inside an OpenPGP message (github.com/containers/image, `docs/containers-signature.5.md`).
    Openpgp,
    /// Beside an image (github.com/sigstore/cosign, `specs/SIGNATURE_SPEC.md`).
    Sigstore,
}

impl ClaimKind {
    fn name(self) -> &'static str {
        match self {
            Self::Openpgp => "atomic container signature",
            Self::Sigstore => "cosign container image signature",
        }
    }
}

/// The signed document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The image's name: `quay.io/openshift-release-dev/ocp-release:4.19.1-x86_64`.
    pub reference: String,
    /// The digest of the image's manifest: `sha256:…`.
    pub digest: String,
}

/// Why a signed document is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaimFault {
    /// It is not the JSON document of a container signature.
    #[error("the signed content is not a container signature: {0}")]
    NotAClaim(String),
    /// It is about another image.
    #[error("it is signed for another digest: {found}, expected {expected}")]
    OtherDigest {
        /// The signed digest.
        found: String,
        /// The expected digest.
        expected: String,
    },
    /// It is about the image under another name.
    #[error("it is signed for another reference: {found}, expected {expected}")]
    OtherReference {
        /// The signed reference.
        found: String,
        /// The references that are accepted.
        expected: String,
    },
}

#[derive(Deserialize)]
struct Document {
    critical: Critical,
    // `optional` (creator, time) decides nothing.
}

/// Everything critical must be understood, so unknown members are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Claim {
    /// Reads the signed content of a signature of this kind.
    pub fn parse(content: &[u8], kind: ClaimKind) -> Result<Self, ClaimFault> {
        let document: Document =
            serde_json::from_slice(content).map_err(|error| ClaimFault::NotAClaim(error.to_string()))?;
        let critical = document.critical;
        if critical.kind != kind.name() {
            let (found, expected) = (shown(&critical.kind), kind.name());
            return Err(ClaimFault::NotAClaim(format!("its type is `{found}` instead of `{expected}`")));
        }
        Ok(Self { reference: critical.identity.reference, digest: critical.image.digest })
    }

    /// Checks that it is about the image `digest` under one of `references`.
    pub fn is_of(&self, digest: &Digest, references: &[String]) -> Result<(), ClaimFault> {
        if self.digest != digest.as_str() {
            let (found, expected) = (shown(&self.digest), digest.as_str().to_owned());
            return Err(ClaimFault::OtherDigest { found, expected });
        }
        if !references.contains(&self.reference) {
            let (found, expected) = (shown(&self.reference), references.join(" or "));
            return Err(ClaimFault::OtherReference { found, expected });
        }
        Ok(())
    }
}

/// Text from outside, shortened and without control characters.
fn shown(text: &str) -> String {
    text.chars().take(200).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const REFERENCE: &str = "registry.example.com/demo/release:4.19.1-x86_64";

    fn document(digest: &str, reference: &str) -> String {
        String::from_utf8(crate::signature::tests::claim_of(digest, reference)).unwrap()
    }

    #[test]
    fn only_our_digest_and_our_reference_will_do() {
        let (digest, references) = (OURS.parse().unwrap(), [REFERENCE.to_owned()]);
        let is_of = |found: &str, reference: &str| {
            Claim::parse(document(found, reference).as_bytes(), ClaimKind::Openpgp)
                .unwrap()
                .is_of(&digest, &references)
        };
        assert_eq!(is_of(OURS, REFERENCE), Ok(()));
        assert!(matches!(is_of("sha256:b", REFERENCE), Err(ClaimFault::OtherDigest { .. })));
        assert!(matches!(is_of(&OURS.to_uppercase(), REFERENCE), Err(ClaimFault::OtherDigest { .. })));
        for other in ["registry.example.com/demo/release:4.19.12-x86_64", "", &REFERENCE[1..]] {
            assert!(matches!(is_of(OURS, other), Err(ClaimFault::OtherReference { .. })), "{other}");
        }
    }

    #[test]
    fn what_is_critical_must_be_understood() {
        let good = document(OURS, REFERENCE);
        for (old, new) in [
            ("\"type\"", "\"more\":1,\"type\""),
            ("atomic container signature", "something else"),
            ("docker-manifest-digest", "other-digest"),
            ("\"docker-reference\":", "\"docker-reference\":1,\"x\":"),
            ("{", ""),
        ] {
            let bad = good.replacen(old, new, 1);
            assert!(
                matches!(Claim::parse(bad.as_bytes(), ClaimKind::Openpgp), Err(ClaimFault::NotAClaim(_))),
                "{bad}"
            );
        }
        let odd = good.replace("\"optional\":{}", "\"optional\":{\"anything\":[1]}");
        assert!(Claim::parse(odd.as_bytes(), ClaimKind::Openpgp).is_ok(), "nothing optional decides");
    }
}
