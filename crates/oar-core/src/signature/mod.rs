//! Release signatures: signed documents that say which image a release is.
//!
//! A signature of a release payload is a binary OpenPGP message with its signature inside, often compressed, around
//! a small JSON document, the [`Claim`] ("atomic container signature"). The same payloads are signed in the Sigstore way,
//! too: a similar document beside the image. [`ReleaseKeys`] are the keys that count; [`verify`] and [`verify_sigstore`]
//! say whether one signature is a good one of one image, and if not, exactly why.

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

/// Why a file is no good signature of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// The OpenPGP message is not a valid signature of a configured key.
    #[error(transparent)]
    Message(#[from] MessageFault),
    /// The message is signed by a configured key, but what it says is about something else.
    #[error(transparent)]
    Claim(#[from] ClaimFault),
}

impl SignatureFault {
    /// Whether the file was changed, or is about another image than the place where it lies: not what a mirror holds
    /// by accident.
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::Message(fault) => matches!(fault, MessageFault::Tampered { .. }),
            Self::Claim(fault) => matches!(fault, ClaimFault::OtherDigest { .. }),
        }
    }
}

impl SignatureFault {
    /// Whether the file is of a form that this program cannot verify: it is neither good nor bad.
    pub fn is_unsupported(&self) -> bool {
        matches!(self, Self::Message(MessageFault::Unsupported { .. }))
    }
}

/// Checks that `file` is a signature by one of `keys`, valid at `now`, of the image `digest` under one of
/// `references`.
///
/// The content is believed only after the signature was found good; the digest and the reference must be equal to
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
