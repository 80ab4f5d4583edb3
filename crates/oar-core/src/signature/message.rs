//! Opens and verifies a signed OpenPGP message.

use std::io::{Cursor, Read};

use jiff::Timestamp;
use pgp::composed::Message;
use pgp::packet::{Signature, SignatureVersion};
use serde::Serialize;

use super::keys::{Candidate, ReleaseKeys, Validity, is_strong, upper_hex};

/// The largest content of a release signature, unpacked, in bytes; a real one has about three hundred.
const CONTENT_LIMIT: u64 = 64 * 1024;
/// The most nested packets, such as compressed ones.
const LAYERS: usize = 4;
/// The most signatures in one message.
const SIGNATURES_LIMIT: usize = 16;
/// How far a signer's clock may be ahead of the local one, in seconds.
const CLOCK_TOLERANCE: i64 = 3600;

/// Why a file is not signed by a configured key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageFault {
    /// A file without content.
    #[error("the file is empty")]
    Empty,
    /// Not an OpenPGP message, or one that ends too early.
    #[error("the file is damaged or incomplete, not a whole OpenPGP message: {0}")]
    Damaged(String),
    /// A message with too much content.
    #[error("the message is larger than a release signature can be")]
    TooLarge,
    /// A message without a signature.
    #[error("the message holds no signature")]
    NotSigned,
    /// Signed in an old format that this program cannot verify: neither valid nor invalid.
    #[error("its signature packet has {version}, which is not supported, so it cannot be verified")]
    Unsupported {
        /// What is not supported: `version 3`.
        version: String,
    },
    /// Signed, but by none of the configured keys.
    #[error("it is signed by another key, {signer}; configured: {configured}")]
    OtherKey {
        /// The key that the signature names.
        signer: String,
        /// The configured keys.
        configured: String,
    },
    /// Names a configured key, but the signature does not match the content.
    #[error(
        "the signature does not fit the content: it was changed after {key} signed it, or never signed by it"
    )]
    Tampered {
        /// The configured key that the signature names.
        key: String,
    },
    /// Signed by a configured key that has expired.
    #[error("it is signed by the key {key}, which expired at {expired}")]
    ExpiredKey {
        /// The key.
        key: String,
        /// When it expired.
        expired: Timestamp,
    },
    /// Signed by a configured key that was revoked.
    #[error("it is signed by the key {key}, which was revoked")]
    RevokedKey {
        /// The key.
        key: String,
    },
    /// The signature itself has expired, or is not valid yet.
    #[error("the signature by {key} is not valid now: {why}")]
    NotNow {
        /// The key.
        key: String,
        /// Says whether it was made in the future or has expired.
        why: &'static str,
    },
    /// The signature uses a hash that can be forged.
    #[error("the signature by {key} uses the hash {hash}, which can be forged")]
    WeakHash {
        /// The key.
        key: String,
        /// The hash.
        hash: String,
    },
}

/// A valid signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Verified {
    /// The name that the configuration gives the key.
    pub key: String,
    /// The fingerprint of the key, or of its signing subkey.
    pub fingerprint: String,
    /// Whether the key signs only previews.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub preview: bool,
    /// When the signature was made, according to itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub made_at: Option<Timestamp>,
}

/// Opens a signed message and returns its content and which of `keys`, valid at `now`, signed it.
pub fn open(file: &[u8], keys: &ReleaseKeys, now: Timestamp) -> Result<(Vec<u8>, Verified), MessageFault> {
    if file.is_empty() {
        return Err(MessageFault::Empty);
    }
    let damaged = |error: pgp::errors::Error| MessageFault::Damaged(first_line(&error.to_string()));
    let mut message = Message::from_bytes(Cursor::new(file.to_vec())).map_err(damaged)?;
    for _ in 0..LAYERS {
        if !message.is_compressed() {
            break;
        }
        message = message.decompress().map_err(damaged)?;
    }
    if message.is_literal() {
        return Err(MessageFault::NotSigned);
    }
    if !message.is_signed() {
        return Err(MessageFault::Damaged("it is not signed data".to_owned()));
    }
    let mut content = Vec::new();
    (&mut message)
        .take(CONTENT_LIMIT + 1)
        .read_to_end(&mut content)
        .map_err(|error| MessageFault::Damaged(first_line(&error.to_string())))?;
    if content.len() as u64 > CONTENT_LIMIT {
        return Err(MessageFault::TooLarge);
    }
    let verified = verified_by(&message, keys, now)?;
    Ok((content, verified))
}

/// The first valid signature of the message; if there is none, the fault of the first.
fn verified_by(message: &Message<'_>, keys: &ReleaseKeys, now: Timestamp) -> Result<Verified, MessageFault> {
    let Message::Signed { reader, .. } = message else { return Err(MessageFault::NotSigned) };
    let candidates = keys.candidates(now);
    let mut fault = None;
    for index in 0..reader.num_signatures().min(SIGNATURES_LIMIT) {
        let checked = match reader.signature(index) {
            None => Err(MessageFault::Damaged("it ends before its signature".to_owned())),
            Some(signature) => check(message, index, signature, &candidates, keys, now),
        };
        match checked {
            Ok(verified) => return Ok(verified),
            Err(found) => {
                fault.get_or_insert(found);
            }
        }
    }
    Err(fault.unwrap_or(MessageFault::NotSigned))
}

fn check(
    message: &Message<'_>,
    index: usize,
    signature: &Signature,
    candidates: &[Candidate<'_>],
    keys: &ReleaseKeys,
    now: Timestamp,
) -> Result<Verified, MessageFault> {
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        let version = match signature.version() {
            SignatureVersion::V2 => "version 2".to_owned(),
            SignatureVersion::V3 => "version 3".to_owned(),
            other => format!("version {}", u8::from(other)),
        };
        return Err(MessageFault::Unsupported { version });
    }
    let fingerprints: Vec<String> =
        signature.issuer_fingerprint().iter().map(|print| upper_hex(print.as_bytes())).collect();
    let ids: Vec<String> = signature.issuer_key_id().iter().map(|id| upper_hex(id.as_ref())).collect();
    let named = candidates
        .iter()
        .find(|candidate| fingerprints.contains(&candidate.fingerprint) || ids.contains(&candidate.id));
    let Some(candidate) = named else {
        let signer = fingerprints.into_iter().chain(ids).next().unwrap_or_else(|| "unnamed".to_owned());
        return Err(MessageFault::OtherKey { signer, configured: keys.describe() });
    };
    let key = format!("{} ({})", candidate.certificate.name, candidate.fingerprint);
    if let Some(hash) = signature.hash_alg().filter(|hash| !is_strong(*hash)) {
        return Err(MessageFault::WeakHash { key, hash: hash.to_string() });
    }
    if message.verify_nested_explicit(index, candidate.key).is_err() {
        return Err(MessageFault::Tampered { key });
    }
    let why = match candidate.validity {
        Validity::Good => None,
        Validity::Expired(expired) => return Err(MessageFault::ExpiredKey { key, expired }),
        Validity::Revoked => return Err(MessageFault::RevokedKey { key }),
        Validity::NotYet => Some("its key was made in the future"),
    };
    let made = signature.created().map(|made| i64::from(made.as_secs()));
    let life = signature.signature_expiration_time().map_or(0, |life| i64::from(life.as_secs()));
    let why = why
        .or_else(|| {
            made.is_some_and(|made| made > now.as_second() + CLOCK_TOLERANCE)
                .then_some("it was made in the future")
        })
        .or_else(|| {
            let over = life > 0 && made.is_some_and(|made| made + life <= now.as_second());
            over.then_some("it has expired")
        });
    if let Some(why) = why {
        return Err(MessageFault::NotNow { key, why });
    }
    Ok(Verified {
        key: candidate.certificate.name.clone(),
        fingerprint: candidate.fingerprint.clone(),
        preview: candidate.certificate.is_preview(),
        made_at: made.and_then(|made| Timestamp::from_second(made).ok()),
    })
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}
