//! The key file of a service account, and assertions signed with it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use google_cloud_auth::credentials::service_account::Builder;
use google_cloud_auth::signer::Signer;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::Url;

use super::{KeyFile, OPERATION, Scope};
use crate::error::{ServiceError, ServiceErrorKind};
use crate::files;
use crate::service::Service;

/// The largest key file that is read, in bytes; a real one has 2400.
const LIMIT: u64 = 64 * 1024;
/// The members that a key file must have, each a string.
const MEMBERS: [&str; 5] = ["client_email", "private_key_id", "private_key", "project_id", "token_uri"];

/// The key of a service account.
pub(super) struct Key {
    signer: Signer,
    account: String,
    id: String,
    audience: String,
    file: KeyFile,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Key").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Key {
    /// Reads the file and checks that the key can sign.
    pub(super) async fn read(file: &KeyFile) -> Result<Self, ServiceError> {
        let text = files::read_text(&file.path, LIMIT).map_err(|error| problem(file, &error.to_string()))?;
        let text = SecretString::from(text);
        let key = Self::parse(&text, file)?;
        // The library parses the private key when it signs.
        key.sign("").await?;
        Ok(key)
    }

    fn parse(text: &SecretString, file: &KeyFile) -> Result<Self, ServiceError> {
        let key: Value = serde_json::from_str(text.expose_secret()).map_err(|error| {
            problem(file, &format!("it is not JSON (line {}, column {})", error.line(), error.column()))
        })?;
        let member = |name: &str| key.get(name).and_then(Value::as_str).map(str::trim).unwrap_or_default();
        match member("type") {
            "service_account" => {}
            "" => return Err(problem(file, "it has no `type`")),
            // Without the value, which may be a secret.
            _ => return Err(problem(file, "its `type` is not `service_account`")),
        }
        if let Some(missing) = MEMBERS.into_iter().find(|name| member(name).is_empty()) {
            return Err(problem(file, &format!("it has no `{missing}`")));
        }
        Url::parse(member("token_uri")).map_err(|_| problem(file, "its `token_uri` is not a URL"))?;
        let [account, id, audience] =
            ["client_email", "private_key_id", "token_uri"].map(|name| member(name).to_owned());
        let signer = Builder::new(key.clone())
            .build_signer()
            .map_err(|_| problem(file, "it is not as Google writes the key of a service account"))?;
        Ok(Self { signer, account, id, audience, file: file.clone() })
    }

    /// The signed assertion (a JSON Web Token) that requests a token for `scope`; times are seconds since
    /// 1970.
    ///
    /// Its audience is the token service that the key file names, whatever the configured address: behind a
    /// proxy the service still expects that name.
    pub(super) async fn statement(
        &self,
        scope: Scope,
        from: i64,
        until: i64,
    ) -> Result<SecretString, ServiceError> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let claims = json!({
            "iss": self.account,
            "scope": scope.uri(),
            "aud": self.audience,
            "iat": from,
            "exp": until,
        });
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let statement = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.sign(&statement).await?;
        Ok(SecretString::from(format!("{statement}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }

    async fn sign(&self, text: &str) -> Result<bytes::Bytes, ServiceError> {
        // The library's message may describe the key.
        self.signer.sign(text).await.map_err(|_| {
            problem(
                &self.file,
                "its `private_key` is not an RSA key in PEM form (`-----BEGIN PRIVATE KEY-----`)",
            )
        })
    }
}

fn problem(file: &KeyFile, what: &str) -> ServiceError {
    let detail = format!("the key file {}: {what}", file.path.display());
    ServiceError::new(Service::GoogleOauth, OPERATION, ServiceErrorKind::MissingCredential, detail).with_hint(
        format!(
            "{} names the key file of a Google service account: the JSON file that Google Cloud gives for a new key.",
            file.variable
        ),
    )
}
