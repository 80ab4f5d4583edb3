//! The keys that may sign a release.

use jiff::Timestamp;
use pgp::composed::{Deserializable as _, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, VerifyingKey};

/// The most certificates in one block; more is no list of release keys.
const CERTIFICATES_LIMIT: usize = 32;

/// Why a text is no release key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// Not an armored public key block.
    #[error("is not an OpenPGP public key in text form (`-----BEGIN PGP PUBLIC KEY BLOCK-----`): {0}")]
    NotAKey(String),
    /// A block without a key.
    #[error("holds no OpenPGP public key")]
    Empty,
    /// What the key says about itself is not signed by itself.
    #[error("holds the key {0}, which is damaged: {1}")]
    Damaged(String, String),
}

/// Whether a key may be used at a moment.
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

/// The keys by which a release may be signed.
#[derive(Debug, Clone, Default)]
pub struct ReleaseKeys {
    keys: Vec<ReleaseKey>,
}

impl ReleaseKeys {
    /// Adds the certificates of an armored block under the name that the configuration gives them.
    pub fn add(&mut self, name: &str, armored: &str) -> Result<(), KeyFault> {
        let not_a_key = |error: pgp::errors::Error| KeyFault::NotAKey(error.to_string());
        let (certificates, _) =
            SignedPublicKey::from_armor_many(armored.trim_start().as_bytes()).map_err(not_a_key)?;
        let mut added = Vec::new();
        for certificate in certificates.take(CERTIFICATES_LIMIT) {
            let key = certificate.map_err(not_a_key)?;
            let fingerprint = upper_hex(key.fingerprint().as_bytes());
            key.verify_bindings()
                .map_err(|error| KeyFault::Damaged(fingerprint.clone(), error.to_string()))?;
            added.push(ReleaseKey { name: name.to_owned(), fingerprint, key });
        }
        if added.is_empty() {
            return Err(KeyFault::Empty);
        }
        self.keys.append(&mut added);
        Ok(())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The configured names and the fingerprints: `demo (0123…)`.
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
                    // A subkey lives no longer than its primary key.
                    validity: if primary == Validity::Good { own } else { primary },
                });
            }
        }
        candidates
    }
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
    // A clock may be a little off; a day covers every mistake about zones.
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

/// Whether a signature over this hash can be believed: collisions of the older ones can be made.
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
