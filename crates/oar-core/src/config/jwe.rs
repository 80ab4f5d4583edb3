//! The encrypted form of the configuration document: compact JWE with `dir` and `A128GCM` (spec 01 §1.2).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::{self, Dir, JweHeader};
use secrecy::{ExposeSecret, SecretString};

use super::environment::{self, Environment};
use super::error::ConfigError;

/// The largest encrypted document that the Python reference's library reads, in bytes.
pub const SIZE_LIMIT: usize = 250 * 1024;
const KEY_LENGTH: usize = 16;
const TAG_LENGTH: usize = 16;

/// Why a document cannot be encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JweError {
    /// The key has the wrong length.
    #[error("OAR_JWK must be exactly 16 bytes long, it has {length}{}", blanks(*.padded))]
    KeyLength {
        /// How many bytes it has.
        length: usize,
        /// Whether white space stands before or after it.
        padded: bool,
    },
    /// The text is longer than [`SIZE_LIMIT`].
    #[error("the encrypted document has {length} bytes, more than the {SIZE_LIMIT} that are allowed")]
    TooLarge {
        /// How many bytes it has.
        length: usize,
    },
    /// The text is plain JSON.
    #[error("this is a plain JSON document, not an encrypted one")]
    Plain,
    /// The text is not a compact JWE.
    #[error("this is not an encrypted document (compact JWE): {0}")]
    Malformed(String),
    /// The document is encrypted in another way than ours.
    #[error(
        "the document is encrypted with {found}, expected `alg` dir and `enc` A128GCM without compression"
    )]
    OtherMethod {
        /// What its header says.
        found: String,
    },
    /// The authentication tag does not fit.
    #[error(
        "the key does not open the document: OAR_JWK is not the key it was encrypted with, or the file was changed"
    )]
    WrongKey,
    /// The plaintext is not UTF-8.
    #[error("the decrypted document is not UTF-8 text")]
    NotText,
    /// The cryptographic library failed.
    #[error("cannot encrypt the document: {0}")]
    Library(String),
}

fn blanks(padded: bool) -> &'static str {
    if padded { " (white space stands before or after it)" } else { "" }
}

impl JweError {
    /// The next step.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::KeyLength { .. } => {
                "Set OAR_JWK to the 16 characters of the key themselves, not to a JSON Web Key; \
                 `oarctl config keygen` makes a new one."
            }
            Self::WrongKey => "Ask the person who encrypted the document for the key, or restore the file.",
            Self::TooLarge { .. } => "Shorten the document.",
            Self::Plain => "Encrypt it with `oarctl config encrypt`.",
            Self::Malformed(_) | Self::OtherMethod { .. } => {
                "Name another file with OAR_CONFIG, or encrypt the plain document with `oarctl config encrypt`."
            }
            Self::NotText | Self::Library(_) => {
                "Encrypt the plain document again with `oarctl config encrypt`."
            }
        }
    }
}

/// The value of `OAR_JWK`: sixteen bytes of text, used as they are (spec 01 §1.2).
#[derive(Debug, Clone)]
pub struct Key(SecretString);

impl Key {
    /// `text` as a key.
    pub fn new(text: SecretString) -> Result<Self, JweError> {
        let value = text.expose_secret();
        if value.len() == KEY_LENGTH {
            return Ok(Self(text));
        }
        Err(JweError::KeyLength { length: value.len(), padded: value.trim().len() != value.len() })
    }

    /// The key in `OAR_JWK`. White space belongs to it, as for the Python reference.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = &environment::OAR_JWK;
        let missing = ConfigError::MissingVariable { name: variable.name, purpose: variable.purpose };
        Ok(Self::new(environment.get(variable).ok_or(missing)?.into())?)
    }

    /// A new random key of sixteen letters and digits, that survives shells, YAML and copying.
    pub fn generate() -> Self {
        use rand::distr::{Alphanumeric, SampleString};
        Self(SecretString::from(Alphanumeric.sample_string(&mut rand::rng(), KEY_LENGTH)))
    }

    /// The key's text, to set `OAR_JWK` to.
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret().as_bytes()
    }
}

/// Encrypts `plain` with a fresh 12-byte IV; no line break at the end, as the Python reference's library wants it.
pub fn encrypt(plain: &str, key: &Key) -> Result<String, JweError> {
    let library = |error: josekit::JoseError| JweError::Library(error.to_string());
    let mut header = JweHeader::new();
    header.set_algorithm("dir");
    header.set_content_encryption("A128GCM");
    let encrypter = Dir.encrypter_from_bytes(key.bytes()).map_err(library)?;
    let text = jwe::serialize_compact(plain.as_bytes(), &header, &encrypter).map_err(library)?;
    if text.len() > SIZE_LIMIT {
        return Err(JweError::TooLarge { length: text.len() });
    }
    Ok(text)
}

/// Decrypts a document; white space around it is ignored, its IV may have 12 or 16 bytes.
pub fn decrypt(encrypted: &str, key: &Key) -> Result<SecretString, JweError> {
    let encrypted = encrypted.trim();
    if encrypted.len() > SIZE_LIMIT {
        return Err(JweError::TooLarge { length: encrypted.len() });
    }
    check_form(encrypted)?;
    let decrypter =
        Dir.decrypter_from_bytes(key.bytes()).map_err(|error| JweError::Library(error.to_string()))?;
    let (plain, _) = jwe::deserialize_compact(encrypted, &decrypter).map_err(|_| JweError::WrongKey)?;
    String::from_utf8(plain).map(SecretString::from).map_err(|_| JweError::NotText)
}

/// Refuses everything but our own method before the library sees it: it would take a shortened tag, and it stops
/// the program when the IV is missing.
fn check_form(encrypted: &str) -> Result<(), JweError> {
    let malformed = |words: String| JweError::Malformed(words);
    if encrypted.is_empty() {
        return Err(malformed("it is empty".into()));
    }
    if encrypted.starts_with('{') {
        return Err(JweError::Plain);
    }
    let parts: Vec<&str> = encrypted.split('.').collect();
    let [header, encrypted_key, iv, _ciphertext, tag] = parts.as_slice() else {
        return Err(malformed(format!("it has {} parts between dots instead of five", parts.len())));
    };
    let decoded = |name: &str, part: &str| {
        URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed(format!("its {name} is not base64url")))
    };
    let header: serde_json::Value = serde_json::from_slice(&decoded("header", header)?)
        .map_err(|_| malformed("its header is not JSON".into()))?;
    let claim = |name: &str| header.get(name).and_then(serde_json::Value::as_str).unwrap_or("none");
    let plain_method = claim("alg") == "dir" && claim("enc") == "A128GCM";
    if !plain_method || header.get("zip").is_some() || header.get("crit").is_some() {
        let short = |name: &str| claim(name).chars().take(40).collect::<String>();
        let mut found = format!("`alg` {} and `enc` {}", short("alg"), short("enc"));
        if header.get("zip").is_some() {
            found.push_str(" and compression");
        }
        if header.get("crit").is_some() {
            found.push_str(" and critical extensions");
        }
        return Err(JweError::OtherMethod { found });
    }
    if !encrypted_key.is_empty() {
        return Err(malformed("its second part, the encrypted key, is not empty".into()));
    }
    let iv = decoded("initialization vector", iv)?.len();
    if iv != 12 && iv != 16 {
        return Err(malformed(format!("its initialization vector has {iv} bytes instead of 12 or 16")));
    }
    let tag = decoded("authentication tag", tag)?.len();
    if tag != TAG_LENGTH {
        return Err(malformed(format!("its authentication tag has {tag} bytes instead of {TAG_LENGTH}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use josekit::jwe::JweContentEncryption;
    use josekit::jwe::enc::A128GCM;
    use proptest::prelude::*;

    const PLAIN: &str = r#"{"owners":{"default":"lead@example.com"}}"#;

    fn key() -> Key {
        Key::new("oar-demo-key-16b".to_owned().into()).unwrap()
    }

    fn sealed_with_iv(iv: &[u8]) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
        let (ciphertext, tag) =
            A128GCM.encrypt(key().bytes(), Some(iv), PLAIN.as_bytes(), header.as_bytes()).unwrap();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{header}..{}.{}.{}", part(iv), part(&ciphertext), part(&tag.unwrap()))
    }

    #[test]
    fn our_output_has_the_reference_header_a_short_iv_and_no_line_break() {
        let text = encrypt(PLAIN, &key()).unwrap();
        let parts: Vec<&str> = text.split('.').collect();
        assert_eq!(parts.len(), 5);
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[0]).unwrap(), br#"{"alg":"dir","enc":"A128GCM"}"#);
        assert_eq!(parts[1], "");
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 12);
        assert_eq!(text.trim_end(), text);
        assert_eq!(decrypt(&text, &key()).unwrap().expose_secret(), PLAIN);
    }

    #[test]
    fn both_iv_lengths_and_white_space_around_are_read() {
        for iv in [&[7u8; 12][..], &[7u8; 16][..]] {
            let text = format!("\n  {}\r\n", sealed_with_iv(iv));
            assert_eq!(decrypt(&text, &key()).unwrap().expose_secret(), PLAIN);
        }
        let error = decrypt(&sealed_with_iv(&[7; 8]), &key()).unwrap_err().to_string();
        assert!(error.contains("8 bytes instead of 12 or 16"), "{error}");
    }

    #[test]
    fn the_wrong_key_and_a_changed_file_are_told_as_such() {
        let text = encrypt(PLAIN, &key()).unwrap();
        let other = Key::new("another-key-16by".to_owned().into()).unwrap();
        let error = decrypt(&text, &other).unwrap_err();
        assert_eq!(error, JweError::WrongKey);
        assert!(error.to_string().contains("OAR_JWK is not the key it was encrypted with"));
        let changed = text.replace(text.split('.').nth(3).unwrap(), "AAAA");
        assert_eq!(decrypt(&changed, &key()).unwrap_err(), JweError::WrongKey);
    }

    #[test]
    fn a_key_of_another_length_says_how_long_it_is() {
        let error = Key::new("short".to_owned().into()).unwrap_err().to_string();
        assert!(error.contains("it has 5"), "{error}");
        let error = Key::new("oar-demo-key-16b\n".to_owned().into()).unwrap_err().to_string();
        assert!(error.contains("it has 17") && error.contains("white space"), "{error}");
        assert!(Key::new("schlüssel-16-byt".to_owned().into()).is_err(), "bytes are counted, not letters");
    }

    #[test]
    fn every_malformed_document_says_what_is_wrong() {
        let sealed = sealed_with_iv(&[1; 12]);
        let parts: Vec<&str> = sealed.split('.').collect();
        let with = |index: usize, part: &str| {
            let mut parts = parts.clone();
            parts[index] = part;
            parts.join(".")
        };
        let header = |json: &str| URL_SAFE_NO_PAD.encode(json);
        for (text, words) in [
            (String::new(), "it is empty"),
            (PLAIN.to_owned(), "plain JSON"),
            ("a.b.c".to_owned(), "3 parts between dots instead of five"),
            (with(0, "!"), "its header is not base64url"),
            (with(0, &header("x")), "its header is not JSON"),
            (with(0, &header(r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#)), "`alg` RSA-OAEP"),
            (with(0, &header(r#"{"alg":"dir","enc":"A256GCM"}"#)), "`enc` A256GCM"),
            (with(0, &header(r#"{"alg":"dir","enc":"A128GCM","zip":"DEF"}"#)), "compression"),
            (with(1, "AAAA"), "the encrypted key, is not empty"),
            (with(2, ""), "has 0 bytes instead of 12 or 16"),
            (with(4, ""), "authentication tag has 0 bytes"),
            (with(4, "AAAA"), "authentication tag has 3 bytes"),
            (format!("a.b.c.d.{}", "e".repeat(SIZE_LIMIT)), "more than the 256000"),
        ] {
            let error = decrypt(&text, &key()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        assert!(encrypt(&"x".repeat(SIZE_LIMIT), &key()).is_err());
    }

    #[test]
    fn generated_keys_are_keys_and_differ() {
        let (first, second) = (Key::generate(), Key::generate());
        assert_ne!(first.text().expose_secret(), second.text().expose_secret());
        assert!(Key::new(first.text().clone()).is_ok());
        assert!(!format!("{first:?}").contains(first.text().expose_secret()));
    }

    proptest! {
        #[test]
        fn what_is_encrypted_comes_back(plain in "\\PC{0,400}", key in "[ -~]{16}") {
            let key = Key::new(key.into()).unwrap();
            let text = encrypt(&plain, &key).unwrap();
            let opened = decrypt(&text, &key).unwrap();
            prop_assert_eq!(opened.expose_secret(), &plain);
        }

        #[test]
        fn decrypting_anything_never_panics(text in "[A-Za-z0-9_.-]{0,80}") {
            prop_assert!(decrypt(&text, &key()).is_err());
        }
    }
}
