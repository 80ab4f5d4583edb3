//! Signs like the release pipeline, with a throw-away key.

use std::sync::OnceLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use openssl::{hash::MessageDigest, pkey::PKey, sign::Signer};
use pgp::{
    composed::{Deserializable as _, MessageBuilder, SignedSecretKey},
    crypto::hash::HashAlgorithm,
    types::Password,
};
use rand_08::rngs::OsRng;
use serde_json::json;

/// The public half; the example configuration names it as a release key.
pub const PUBLIC_KEY: &str = include_str!("../../../data/release-key.asc");
/// The private half. It signs nothing but the sandbox's made-up releases.
const PRIVATE_KEY: &str = include_str!("../../../data/release-key-private.asc");

/// The public half of the key for Sigstore signatures; the example configuration names it, too.
pub const SIGSTORE_PUBLIC_KEY: &str = include_str!("../../../data/sigstore-key.pub");
/// The private half, as good for nothing else.
const SIGSTORE_PRIVATE_KEY: &str = include_str!("../../../data/sigstore-key-private.pem");

fn key() -> Result<&'static SignedSecretKey, String> {
    static KEY: OnceLock<Result<SignedSecretKey, String>> = OnceLock::new();
    KEY.get_or_init(|| {
        SignedSecretKey::from_string(PRIVATE_KEY).map(|(key, _)| key).map_err(|error| error.to_string())
    })
    .as_ref()
    .map_err(Clone::clone)
}

/// A signature of the image `digest` under the name `reference`, by the sandbox's key.
///
/// # Errors
/// The stored key cannot be used.
pub fn sign(digest: &str, reference: &str) -> Result<Vec<u8>, String> {
    let claim = json!({
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": "atomic container signature",
        },
        "optional": {"creator": "sandbox release signer", "timestamp": 1_782_900_000},
    });
    let mut message = MessageBuilder::from_bytes("", claim.to_string().into_bytes());
    message.sign(&key()?.primary_key, Password::empty(), HashAlgorithm::Sha256);
    message.to_vec(OsRng).map_err(|error| error.to_string())
}

/// A signature in the Sigstore way of the image `digest` under the name `reference`, by the sandbox's key: the signed
/// document, and its signature in base64.
///
/// # Errors
/// The stored key cannot be used.
pub fn sign_sigstore(digest: &str, reference: &str) -> Result<(Vec<u8>, String), String> {
    let document = json!({
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": null,
    })
    .to_string()
    .into_bytes();
    let sign = || {
        let key = PKey::private_key_from_pem(SIGSTORE_PRIVATE_KEY.as_bytes())?;
        Signer::new(MessageDigest::sha256(), &key)?.sign_oneshot_to_vec(&document)
    };
    let signature = sign().map_err(|error: openssl::error::ErrorStack| error.to_string())?;
    Ok((document, BASE64_STANDARD.encode(signature)))
}
