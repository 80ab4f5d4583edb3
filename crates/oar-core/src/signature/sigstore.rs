//! Sigstore signatures made with a key, as `cosign sign --key` stores them beside an image in its registry.
//!
//! The signature is over the bytes of a small JSON document, the [`Claim`]. It names no key, so each is
//! tried. Protocol: github.com/sigstore/cosign, `specs/SIGNATURE_SPEC.md`. No transparency log is used,
//! because releases are signed without one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier as _;
use p256::pkcs8::{DecodePublicKey as _, EncodePublicKey as _};
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};

use super::claim::{Claim, ClaimFault, ClaimKind};
use super::keys::KeyFault;
use super::{ReleaseKeys, Verified};
use crate::ids::Digest;

/// The first line of a Sigstore public key.
pub(super) const PEM_START: &str = "-----BEGIN PUBLIC KEY-----";
const PEM_END: &str = "-----END PUBLIC KEY-----";
/// The shortest RSA key that is accepted, in bits.
const RSA_BITS: usize = 2048;
/// The largest payload, in bytes; a real one has about three hundred.
const PAYLOAD_LIMIT: usize = 64 * 1024;

/// Why a Sigstore signature does not prove the image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigstoreFault {
    /// Not base64, or a document that cannot be a claim.
    #[error("the signature is damaged: {0}")]
    Damaged(String),
    /// Made by none of the configured keys, or changed afterwards. The signature names no key, so the two
    /// cannot be distinguished.
    #[error("it fits none of the configured Sigstore keys: {configured}")]
    OtherKey {
        /// The configured keys.
        configured: String,
    },
    /// Made by a configured key, but about something else.
    #[error(transparent)]
    Claim(#[from] ClaimFault),
}

impl SigstoreFault {
    /// Whether a configured key signed another image than the one beside which the signature is stored.
    pub fn is_alarming(&self) -> bool {
        matches!(self, Self::Claim(ClaimFault::OtherDigest { .. }))
    }
}

/// A public key for Sigstore signatures.
#[derive(Debug, Clone)]
pub(super) struct SigstoreKey {
    pub(super) name: String,
    /// SHA-256 of the key in DER form (`SubjectPublicKeyInfo`), in upper case.
    pub(super) fingerprint: String,
    key: PublicKey,
}

#[derive(Debug, Clone)]
enum PublicKey {
    Rsa(Box<rsa::RsaPublicKey>),
    P256(Box<p256::ecdsa::VerifyingKey>),
}

impl SigstoreKey {
    /// Reads the first public key of `text` in PEM form (`-----BEGIN PUBLIC KEY-----`).
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, KeyFault> {
        let not_a_key = |problem: &str| KeyFault::NotAKey(problem.to_owned());
        let body = text.split_once(PEM_START).and_then(|(_, rest)| rest.split_once(PEM_END));
        let (body, _) = body.ok_or_else(|| not_a_key("the block has no end"))?;
        let body: String = body.chars().filter(|letter| !letter.is_ascii_whitespace()).collect();
        let der = STANDARD.decode(body).map_err(|_| not_a_key("the block is not base64"))?;
        let (key, der) = if let Ok(key) = p256::ecdsa::VerifyingKey::from_public_key_der(&der) {
            let canonical = key.to_public_key_der().map_err(|error| not_a_key(&error.to_string()))?;
            (PublicKey::P256(Box::new(key)), canonical)
        } else if let Ok(key) = rsa::RsaPublicKey::from_public_key_der(&der) {
            if key.n().bits() < RSA_BITS {
                return Err(not_a_key(&format!(
                    "an RSA key has {} bits, less than {RSA_BITS}",
                    key.n().bits()
                )));
            }
            let canonical = key.to_public_key_der().map_err(|error| not_a_key(&error.to_string()))?;
            (PublicKey::Rsa(Box::new(key)), canonical)
        } else {
            return Err(not_a_key("neither an RSA key nor an ECDSA key of the curve P-256"));
        };
        let fingerprint = super::keys::upper_hex(&Sha256::digest(der.as_bytes()));
        Ok(Self { name: name.to_owned(), fingerprint, key })
    }

    fn verifies(&self, payload: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            PublicKey::Rsa(key) => rsa::pkcs1v15::Signature::try_from(signature).is_ok_and(|signature| {
                let key = rsa::pkcs1v15::VerifyingKey::<Sha256>::new((**key).clone());
                key.verify(payload, &signature).is_ok()
            }),
            PublicKey::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(payload, &signature).is_ok()),
        }
    }
}

/// Checks that `signature` (base64) over `payload` is by one of the Sigstore keys among `keys`, and that the payload is
/// about the image `digest` under one of `references`.
pub fn verify_sigstore(
    payload: &[u8],
    signature: &str,
    keys: &ReleaseKeys,
    digest: &Digest,
    references: &[String],
) -> Result<Verified, SigstoreFault> {
    let damaged = |problem: &str| SigstoreFault::Damaged(problem.to_owned());
    if payload.len() > PAYLOAD_LIMIT {
        return Err(damaged("its document is larger than one can be"));
    }
    let signature = STANDARD.decode(signature.trim()).map_err(|_| damaged("it is not base64"))?;
    let key = keys.sigstore().iter().find(|key| key.verifies(payload, &signature));
    let Some(key) = key else {
        return Err(SigstoreFault::OtherKey { configured: keys.describe_sigstore() });
    };
    Claim::parse(payload, ClaimKind::Sigstore)?.is_of(digest, references)?;
    Ok(Verified {
        key: key.name.clone(),
        fingerprint: key.fingerprint.clone(),
        preview: false,
        made_at: None,
    })
}

#[cfg(test)]
mod tests {
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::sign::Signer;

    use super::*;

    const DIGEST: &str = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const REFERENCE: &str = "registry.example.com/demo/release:4.19.1-x86_64";

    fn rsa(bits: u32) -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap()
    }

    fn curve(nid: Nid) -> PKey<Private> {
        PKey::from_ec_key(EcKey::generate(&EcGroup::from_curve_name(nid).unwrap()).unwrap()).unwrap()
    }

    fn pem(key: &PKey<Private>) -> String {
        String::from_utf8(key.public_key_to_pem().unwrap()).unwrap()
    }

    fn keys(key: &PKey<Private>) -> ReleaseKeys {
        let mut keys = ReleaseKeys::default();
        keys.add("demo", &pem(key)).unwrap();
        keys
    }

    fn payload(digest: &str, reference: &str) -> Vec<u8> {
        serde_json::json!({"critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        }, "optional": null})
        .to_string()
        .into_bytes()
    }

    fn sign(key: &PKey<Private>, payload: &[u8]) -> String {
        let mut signer = Signer::new(MessageDigest::sha256(), key).unwrap();
        STANDARD.encode(signer.sign_oneshot_to_vec(payload).unwrap())
    }

    fn check(payload: &[u8], signature: &str, keys: &ReleaseKeys) -> Result<Verified, SigstoreFault> {
        verify_sigstore(payload, signature, keys, &DIGEST.parse().unwrap(), &[REFERENCE.to_owned()])
    }

    #[test]
    fn rsa_and_ecdsa_signatures_are_verified() {
        for key in [rsa(2048), curve(Nid::X9_62_PRIME256V1)] {
            let payload = payload(DIGEST, REFERENCE);
            let verified = check(&payload, &sign(&key, &payload), &keys(&key)).unwrap();
            assert_eq!(verified.key, "demo");
            let der = key.public_key_to_der().unwrap();
            assert_eq!(verified.fingerprint, super::super::keys::upper_hex(&Sha256::digest(&der)));
        }
    }

    #[test]
    fn what_does_not_prove_the_image_is_named() {
        let (key, other) = (curve(Nid::X9_62_PRIME256V1), curve(Nid::X9_62_PRIME256V1));
        let (keys, good) = (keys(&key), payload(DIGEST, REFERENCE));
        let words =
            |payload: &[u8], signature: &str| check(payload, signature, &keys).unwrap_err().to_string();
        assert!(words(&good, &sign(&other, &good)).contains("none of the configured Sigstore keys: demo ("));
        assert!(words(&payload(DIGEST, "other"), &sign(&key, &good)).contains("none of the configured"));
        assert!(words(&good, "%%").contains("not base64"));
        assert!(words(&good, "").contains("none of the configured"));
        let unlike = payload(&DIGEST.replace('a', "b"), REFERENCE);
        let fault = check(&unlike, &sign(&key, &unlike), &keys).unwrap_err();
        assert!(fault.is_alarming() && fault.to_string().contains("another digest"), "{fault}");
        let elsewhere = payload(DIGEST, "registry.example.com/demo/release:4.19.12-x86_64");
        assert!(words(&elsewhere, &sign(&key, &elsewhere)).contains("another reference"));
        // A claim of the other kind of signature is not accepted.
        let atomic = crate::signature::tests::claim_of(DIGEST, REFERENCE);
        assert!(words(&atomic, &sign(&key, &atomic)).contains("not a container signature"));
    }

    #[test]
    fn weak_and_odd_keys_are_refused() {
        let mut keys = ReleaseKeys::default();
        for (text, words) in [
            (pem(&rsa(1024)), "1024 bits"),
            (pem(&curve(Nid::SECP384R1)), "neither an RSA key"),
            (format!("{PEM_START}\n%%\n{PEM_END}"), "not base64"),
            (PEM_START.to_owned(), "no end"),
        ] {
            let fault = keys.add("demo", &text).unwrap_err().to_string();
            assert!(fault.contains(words), "{text}: {fault}");
        }
        assert!(keys.is_empty());
    }
}
