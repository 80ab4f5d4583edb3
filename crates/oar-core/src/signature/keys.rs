//! The keys that may sign a release.

use std::borrow::Cow;

use jiff::Timestamp;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, VerifyingKey};

use super::sigstore::{PEM_START, SigstoreKey};

/// The most certificates in one text.
const CERTIFICATES_LIMIT: usize = 32;
/// The first line of an armored OpenPGP public key.
const ARMOR_START: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
/// Its last line.
const ARMOR_END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
/// ART's name of the key that signs previews (EC builds) (spec 01 §5.9).
const PREVIEW_NAME: &str = "beta2";
/// Its fingerprint.
const PREVIEW_FINGERPRINT: &str = "B08B659EE86AF623BC90E8DB938A80CAF21541EB";
/// Red Hat's published keys, by ART's names.
const PRODUCTION: [(&str, &str); 3] = [
    ("redhatrelease2", include_str!("../../../../config/release-keys/redhat-release-key-2.txt")),
    (PREVIEW_NAME, include_str!("../../../../config/release-keys/redhat-beta-key-2.txt")),
    ("redhat-sigstore", include_str!("../../../../config/release-keys/redhat-sigstore-release-key.pub")),
];

/// Why a text is not a release key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not a public key in text form.
    #[error(
        "is not an OpenPGP public key in text form (`-----BEGIN PGP PUBLIC KEY BLOCK-----`), nor one for Sigstore \
         (`-----BEGIN PUBLIC KEY-----`): {0}"
    )]
    NotAKey(String),
    /// A block without a key.
    #[error("holds no OpenPGP public key")]
    Empty,
    /// The key's self-signatures are not valid.
    #[error("holds the key {0}, which is damaged: {1}")]
    Damaged(String, String),
}

/// Whether a key may be used at a given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Validity {
    Good,
    NotYet,
    Expired(Timestamp),
    Revoked,
}

/// One primary key or signing subkey.
pub(super) struct Candidate<'a> {
    pub(super) certificate: &'a ReleaseKey,
    pub(super) key: &'a dyn VerifyingKey,
    pub(super) id: String,
    pub(super) fingerprint: String,
    pub(super) validity: Validity,
}

#[derive(Debug, Clone)]
pub(super) struct ReleaseKey {
    pub(super) name: String,
    pub(super) fingerprint: String,
    key: SignedPublicKey,
}

impl ReleaseKey {
    /// Whether it signs only previews.
    pub(super) fn is_preview(&self) -> bool {
        self.name == PREVIEW_NAME || self.fingerprint == PREVIEW_FINGERPRINT
    }
}

/// The keys that may sign a release, for OpenPGP and Sigstore.
#[derive(Debug, Clone, Default)]
pub struct ReleaseKeys {
    keys: Vec<ReleaseKey>,
    sigstore: Vec<SigstoreKey>,
}

/// Whether `text` is a key and not the path of a file with one. Published keys have lines of text before the
/// block.
pub fn is_key_text(text: &str) -> bool {
    text.contains("-----BEGIN ")
}

impl ReleaseKeys {
    /// The keys with which Red Hat signs releases; they are built into the program.
    pub fn production() -> Result<Self, KeyFault> {
        let mut keys = Self::default();
        for (name, text) in PRODUCTION {
            keys.add(name, text)?;
        }
        Ok(keys)
    }

    /// Adds the keys in a text under their name in the configuration: OpenPGP keys in one or several armored
    /// blocks, or one Sigstore key in PEM. Text around the blocks is ignored.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), KeyFault> {
        if text.contains(ARMOR_START) {
            let mut added = certificates(name, text)?;
            self.keys.append(&mut added);
        } else if text.contains(PEM_START) {
            self.sigstore.push(SigstoreKey::parse(name, text)?);
        } else {
            return Err(KeyFault::NotAKey("no such block is in the text".to_owned()));
        }
        Ok(())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.sigstore.is_empty()
    }

    /// Whether there is a Sigstore key.
    pub fn has_sigstore(&self) -> bool {
        !self.sigstore.is_empty()
    }

    pub(super) fn sigstore(&self) -> &[SigstoreKey] {
        &self.sigstore
    }

    /// The configured names and fingerprints of the Sigstore keys.
    pub(super) fn describe_sigstore(&self) -> String {
        let names: Vec<String> =
            self.sigstore.iter().map(|key| format!("{} ({})", key.name, key.fingerprint)).collect();
        names.join(", ")
    }

    /// The configured names and the fingerprints of the OpenPGP keys: `demo (0123…)`.
    pub fn describe(&self) -> String {
        let names: Vec<String> =
            self.keys.iter().map(|key| format!("{} ({})", key.name, key.fingerprint)).collect();
        names.join(", ")
    }

    /// Every key that may make signatures, with its validity at `now`.
    pub(super) fn candidates(&self, now: Timestamp) -> Vec<Candidate<'_>> {
        let mut candidates = Vec::new();
        for certificate in &self.keys {
            let key = &certificate.key;
            let primary = primary_validity(key, now);
            candidates.push(Candidate {
                certificate,
                key: &key.primary_key,
                id: upper_hex(key.legacy_key_id().as_ref()),
                fingerprint: certificate.fingerprint.clone(),
                validity: primary,
            });
            for subkey in &key.public_subkeys {
                let of_type =
                    |kind| subkey.signatures.iter().filter(move |binding| binding.typ() == Some(kind));
                let binding = newest(of_type(SignatureType::SubkeyBinding));
                let Some(binding) = binding.filter(|binding| binding.key_flags().sign()) else { continue };
                let own = if of_type(SignatureType::SubkeyRevocation).next().is_some() {
                    Validity::Revoked
                } else {
                    validity(subkey.key.created_at(), Some(binding), now)
                };
                candidates.push(Candidate {
                    certificate,
                    key: &subkey.key,
                    id: upper_hex(subkey.key.legacy_key_id().as_ref()),
                    fingerprint: upper_hex(subkey.key.fingerprint().as_bytes()),
                    // A subkey is not valid longer than its primary key.
                    validity: if primary == Validity::Good { own } else { primary },
                });
            }
        }
        candidates
    }
}

/// The OpenPGP certificates of every armored block of `text`.
fn certificates(name: &str, text: &str) -> Result<Vec<ReleaseKey>, KeyFault> {
    // The library's message may contain the whole block.
    let not_a_key =
        |error: pgp::errors::Error| KeyFault::NotAKey(error.to_string().chars().take(60).collect());
    let mut found = Vec::new();
    for block in blocks(text) {
        let (certificates, _) = SignedPublicKey::from_armor_many(block.as_bytes()).map_err(not_a_key)?;
        for certificate in certificates {
            let key = certificate.map_err(not_a_key)?;
            let fingerprint = upper_hex(key.fingerprint().as_bytes());
            if found.len() >= CERTIFICATES_LIMIT {
                return Err(KeyFault::NotAKey(format!("it holds more than {CERTIFICATES_LIMIT} keys")));
            }
            key.verify_bindings()
                .map_err(|error| KeyFault::Damaged(fingerprint.clone(), error.to_string()))?;
            found.push(ReleaseKey { name: name.to_owned(), fingerprint, key });
        }
    }
    if found.is_empty() { Err(KeyFault::Empty) } else { Ok(found) }
}

/// The armored blocks of a text, each from its first line to its last, with LF line ends.
fn blocks(text: &str) -> Vec<Cow<'_, str>> {
    let starts = text.match_indices(ARMOR_START).map(|(start, _)| start);
    starts
        .map(|start| {
            let rest = text.get(start..).unwrap_or_default();
            let end = rest.find(ARMOR_END).map_or(rest.len(), |end| end + ARMOR_END.len());
            let block = rest.get(..end).unwrap_or_default();
            if block.contains('\r') { Cow::Owned(block.replace('\r', "")) } else { Cow::Borrowed(block) }
        })
        .collect()
}

fn primary_validity(key: &SignedPublicKey, now: Timestamp) -> Validity {
    if !key.details.revocation_signatures.is_empty() {
        return Validity::Revoked;
    }
    let (id, fingerprint) = (key.legacy_key_id(), key.fingerprint());
    let about_users = key.details.users.iter().flat_map(|user| &user.signatures);
    let own = about_users.chain(&key.details.direct_signatures).filter(|signature| {
        let is_own = signature.issuer_key_id().contains(&&id)
            || signature.issuer_fingerprint().contains(&&fingerprint);
        is_own && (signature.is_certification() || signature.typ() == Some(SignatureType::Key))
    });
    validity(key.created_at(), newest(own), now)
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created().map(pgp::types::Timestamp::as_secs))
}

fn validity(created: pgp::types::Timestamp, binding: Option<&Signature>, now: Timestamp) -> Validity {
    let created = i64::from(created.as_secs());
    // Clocks may differ; a day covers mistakes with time zones.
    if created > now.as_second() + 86_400 {
        return Validity::NotYet;
    }
    let life = binding.and_then(Signature::key_expiration_time).map_or(0, |life| i64::from(life.as_secs()));
    if life == 0 {
        return Validity::Good;
    }
    match Timestamp::from_second(created + life) {
        Ok(end) if end <= now => Validity::Expired(end),
        _ => Validity::Good,
    }
}

pub(super) fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

/// Whether signatures over this hash are accepted: collisions of older hashes can be computed.
pub(super) fn is_strong(hash: HashAlgorithm) -> bool {
    matches!(
        hash,
        HashAlgorithm::Sha256
            | HashAlgorithm::Sha384
            | HashAlgorithm::Sha512
            | HashAlgorithm::Sha3_256
            | HashAlgorithm::Sha3_512
    )
}
