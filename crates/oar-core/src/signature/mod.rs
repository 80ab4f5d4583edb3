//! Release signatures: signed documents that name the image of a release.
//!
//! The signature of a release payload is a binary, often compressed OpenPGP message that contains a small
//! JSON document, the [`Claim`] ("atomic container signature"). The same payloads also have Sigstore
//! signatures: similar documents stored beside the image. [`ReleaseKeys`] are the accepted keys; [`verify`]
//! and [`verify_sigstore`] check one signature of one image and return exactly why it is not accepted.

mod claim;
mod keys;
mod message;
mod sigstore;
#[cfg(test)]
pub(crate) mod tests;

pub use claim::{Claim, ClaimFault, ClaimKind};
pub use keys::{KeyFault, ReleaseKeys, is_key_text};
pub use message::{MessageFault, Verified, open};
pub use sigstore::{SigstoreFault, verify_sigstore};

use jiff::Timestamp;

use crate::ids::Digest;

/// Why a file is not a valid signature of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The OpenPGP message is not a valid signature of a configured key.
    #[error(transparent)]
    Message(#[from] MessageFault),
    /// The message is signed by a configured key, but is about something else.
    #[error(transparent)]
    Claim(#[from] ClaimFault),
}

impl SignatureFault {
    /// Whether the file was changed or is about another image than its location says, which does not happen
    /// by accident.
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::Message(fault) => matches!(fault, MessageFault::Tampered { .. }),
            Self::Claim(fault) => matches!(fault, ClaimFault::OtherDigest { .. }),
        }
    }
}

impl SignatureFault {
    /// Whether the file has a format that this program cannot verify: it is neither valid nor invalid.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Message(MessageFault::Unsupported { .. }))
    }
}

/// Checks that `file` is a signature by one of `keys`, valid at `now`, of the image `digest` under one of
/// `references`.
///
/// The content is used only after the signature was verified; the digest and the reference must be equal to
/// the expected ones, character by character.
pub fn verify(
    file: &[u8],
    keys: &ReleaseKeys,
    digest: &Digest,
    references: &[String],
    now: Timestamp,
) -> Result<Verified, SignatureFault> {
    let (content, verified) = open(file, keys, now)?;
    Claim::parse(&content, ClaimKind::Openpgp)?.is_of(digest, references)?;
    Ok(verified)
}
