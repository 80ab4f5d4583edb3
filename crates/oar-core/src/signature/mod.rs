//! Release signatures: OpenPGP messages that say which image a release is.
//!
//! A signature of a release payload is a binary OpenPGP message with its signature inside, often compressed, around
//! a small JSON document, the [`Claim`] ("atomic container signature"). [`ReleaseKeys`] are the configured keys;
//! [`verify`] says whether one message is a good signature of one image, and if not, exactly why.

mod claim;
mod keys;
mod message;
#[cfg(test)]
pub(crate) mod tests;

pub use claim::{Claim, ClaimFault};
pub use keys::{KeyFault, ReleaseKeys};
pub use message::{MessageFault, Verified, open};

use jiff::Timestamp;

use crate::clients::Digest;

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
    Claim::parse(&content)?.is_of(digest, references)?;
    Ok(verified)
}
