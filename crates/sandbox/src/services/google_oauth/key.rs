//! The key of the sandbox's service account, made when a process first needs it.

use std::sync::OnceLock;

use openssl::{
    error::ErrorStack,
    pkey::{PKey, Private},
    rsa::Rsa,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::TOKEN_PATH;

/// A key pair.
#[derive(Debug)]
pub struct ServiceKey {
    /// The key's id, as key files and statements name it.
    pub id: String,
    pub(super) private: PKey<Private>,
    pem: String,
}

/// The key of this process.
///
/// # Errors
/// The system's OpenSSL makes no key.
pub fn service_key() -> Result<&'static ServiceKey, String> {
    static KEY: OnceLock<Result<ServiceKey, String>> = OnceLock::new();
    KEY.get_or_init(|| generate().map_err(|error| error.to_string())).as_ref().map_err(Clone::clone)
}

fn generate() -> Result<ServiceKey, ErrorStack> {
    let private = PKey::from_rsa(Rsa::generate(2048)?)?;
    let pem = String::from_utf8_lossy(&private.private_key_to_pem_pkcs8()?).into_owned();
    Ok(ServiceKey { id: Uuid::new_v4().simple().to_string(), private, pem })
}

impl ServiceKey {
    /// The key file of the account with this address, as Google Cloud gives it.
    pub fn file(&self, account: &str, base_url: &str) -> Value {
        json!({
            "type": "service_account",
            "project_id": "oar-sandbox",
            "private_key_id": self.id,
            "private_key": self.pem,
            "client_email": account,
            "client_id": "100000000000000000001",
            "auth_uri": format!("{base_url}/google-oauth/auth"),
            "token_uri": format!("{base_url}{TOKEN_PATH}"),
            "auth_provider_x509_cert_url": format!("{base_url}/google-oauth/certs"),
            "client_x509_cert_url": format!("{base_url}/google-oauth/x509/{account}"),
            "universe_domain": "googleapis.com",
        })
    }
}
