//! The encrypted form of the configuration document: JWE with `dir` and `A128GCM` (spec 01 §1.2).
//!
//! Documents are written in the compact form, the only one that the Python tooling reads. The JSON forms of
//! RFC 7516 §7.2, general and flattened, which other tools write, are read as well.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwe::enc::A128GCM;
use josekit::jwe::{self, Dir, JweContentEncryption as _, JweHeader};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};

use super::environment::{self, Environment};
use super::error::ConfigError;

/// The largest encrypted document that the Python tooling's library reads, in bytes.
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
        /// Whether it has leading or trailing white space.
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
    /// The text to be encrypted is encrypted already.
    #[error("this document is encrypted already, and a document is never encrypted twice")]
    AlreadyEncrypted,
    /// The text is not a JWE.
    #[error("this is not an encrypted document (JWE): {0}")]
    Malformed(String),
    /// The document is encrypted with another method.
    #[error(
        "the document is encrypted with {found}, expected `alg` dir and `enc` A128GCM without compression"
    )]
    OtherMethod {
        /// What its header says.
        found: String,
    },
    /// The authentication tag does not match.
    #[error(
        "the key does not decrypt the document: OAR_JWK is not the key it was encrypted with, or the file was changed"
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
    if padded { " (there is white space before or after it)" } else { "" }
}

impl JweError {
    /// The next step.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::KeyLength { .. } => {
                "Set OAR_JWK to the 16 characters of the key themselves, not to a JSON Web Key; \
                 `oarctl config keygen` makes one for a new document."
            }
            Self::WrongKey => "Ask the person who encrypted the document for the key, or restore the file.",
            Self::TooLarge { .. } => "Shorten the document.",
            Self::Plain => "Encrypt it with `oarctl config encrypt`.",
            Self::AlreadyEncrypted => "Use it unchanged, or decrypt it first with `oarctl config decrypt`.",
            Self::Malformed(_) | Self::OtherMethod { .. } => {
                "Name another file with OAR_CONFIG, or encrypt the plain document with `oarctl config encrypt`."
            }
            Self::NotText | Self::Library(_) => {
                "Encrypt the plain document again with `oarctl config encrypt`."
            }
        }
    }
}

/// The value of `OAR_JWK`: sixteen bytes of text, used without decoding (spec 01 §1.2).
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

    /// The key in `OAR_JWK`. White space is part of it, as in the Python tooling.
    pub fn of(environment: &Environment) -> Result<Self, ConfigError> {
        let variable = &environment::OAR_JWK;
        let missing = ConfigError::MissingVariable { name: variable.name, purpose: variable.purpose };
        Ok(Self::new(environment.get(variable).ok_or(missing)?.into())?)
    }

    /// A new random key of sixteen letters and digits, which needs no quoting in shells or YAML.
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

/// Encrypts `plain` with a fresh 12-byte IV; without a line break at the end, as the Python tooling's library
/// demands.
///
/// # Errors
///
/// `plain` is encrypted already, or too large.
pub fn encrypt(plain: &str, key: &Key) -> Result<String, JweError> {
    if is_encrypted(plain) {
        return Err(JweError::AlreadyEncrypted);
    }
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

/// Whether `text` is a JWE, in any form and with any method.
pub fn is_encrypted(text: &str) -> bool {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str::<Map<String, Value>>(text).is_ok_and(|object| is_json_form(&object));
    }
    let parts: Vec<&str> = text.split('.').collect();
    let [header, _, _, _, _] = parts.as_slice() else { return false };
    let header = URL_SAFE_NO_PAD.decode(header).ok().and_then(|header| serde_json::from_slice(&header).ok());
    header.is_some_and(|header: Map<String, Value>| header.contains_key("enc"))
}

/// Whether a JSON object is a JWE: only a JWE has a ciphertext beside headers or recipients.
pub(super) fn is_json_form(object: &Map<String, Value>) -> bool {
    object.get("ciphertext").is_some_and(Value::is_string)
        && ["protected", "unprotected", "header", "recipients"].iter().any(|key| object.contains_key(*key))
}

/// Decrypts a document in any of the forms; white space around it is ignored, its IV may have 12 or 16 bytes.
pub fn decrypt(encrypted: &str, key: &Key) -> Result<SecretString, JweError> {
    let encrypted = encrypted.trim();
    if encrypted.len() > SIZE_LIMIT {
        return Err(JweError::TooLarge { length: encrypted.len() });
    }
    let sealed =
        if encrypted.starts_with('{') { Sealed::of_json(encrypted)? } else { Sealed::of_compact(encrypted)? };
    let opened = A128GCM.decrypt(
        key.bytes(),
        Some(&sealed.iv),
        &sealed.ciphertext,
        sealed.authenticated.as_bytes(),
        Some(&sealed.tag),
    );
    let plain = opened.map_err(|_| JweError::WrongKey)?;
    String::from_utf8(plain).map(SecretString::from).map_err(|_| JweError::NotText)
}

/// The parts of a JWE with the expected method. They are checked before the library gets them, because it
/// would accept a shortened tag and panic when the IV is missing.
struct Sealed {
    iv: Vec<u8>,
    ciphertext: Vec<u8>,
    tag: Vec<u8>,
    /// The additional authenticated data (RFC 7516 §5.1 step 14).
    authenticated: String,
}

fn malformed(words: impl Into<String>) -> JweError {
    JweError::Malformed(words.into())
}

fn decoded(name: &str, part: &str) -> Result<Vec<u8>, JweError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| malformed(format!("its {name} is not base64url")))
}

/// The protected header, decoded.
fn header_of(part: &str) -> Result<Map<String, Value>, JweError> {
    serde_json::from_slice(&decoded("header", part)?).map_err(|_| malformed("its header is not JSON"))
}

impl Sealed {
    fn of_compact(text: &str) -> Result<Self, JweError> {
        if text.is_empty() {
            return Err(malformed("it is empty"));
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [header, encrypted_key, iv, ciphertext, tag] = parts.as_slice() else {
            return Err(malformed(format!("it has {} parts between dots instead of five", parts.len())));
        };
        check_method(&header_of(header)?)?;
        if !encrypted_key.is_empty() {
            return Err(malformed("its second part, the encrypted key, is not empty"));
        }
        Self::new(iv, ciphertext, tag, (*header).to_owned())
    }

    fn of_json(text: &str) -> Result<Self, JweError> {
        let object: Map<String, Value> = serde_json::from_str(text)
            .map_err(|error| malformed(format!("it is not a JSON object ({error})")))?;
        if !is_json_form(&object) {
            return Err(JweError::Plain);
        }
        let text = |object: &Map<String, Value>, name: &str| match object.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(_) => Err(malformed(format!("its `{name}` is not a text"))),
        };
        let protected = text(&object, "protected")?;
        let mut shared = if protected.is_empty() { Map::new() } else { header_of(&protected)? };
        if let Some(Value::Object(unprotected)) = object.get("unprotected") {
            shared.extend(unprotected.clone());
        }
        // The flattened form has one recipient and no list.
        let recipients = match object.get("recipients") {
            Some(Value::Array(recipients)) => recipients.iter().filter_map(Value::as_object).collect(),
            _ => vec![&object],
        };
        let mut refused = malformed("it has no recipient");
        for recipient in recipients {
            let mut header = shared.clone();
            if let Some(Value::Object(own)) = recipient.get("header") {
                header.extend(own.clone());
            }
            match check_method(&header) {
                Ok(()) if text(recipient, "encrypted_key")?.is_empty() => {
                    let mut authenticated = protected;
                    let more = text(&object, "aad")?;
                    if !more.is_empty() {
                        authenticated = format!("{authenticated}.{more}");
                    }
                    let (iv, tag) = (text(&object, "iv")?, text(&object, "tag")?);
                    return Self::new(&iv, &text(&object, "ciphertext")?, &tag, authenticated);
                }
                Ok(()) => refused = malformed("its `encrypted_key` is not empty"),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn new(iv: &str, ciphertext: &str, tag: &str, authenticated: String) -> Result<Self, JweError> {
        let iv = decoded("initialization vector", iv)?;
        if iv.len() != 12 && iv.len() != 16 {
            return Err(malformed(format!(
                "its initialization vector has {} bytes instead of 12 or 16",
                iv.len()
            )));
        }
        let tag = decoded("authentication tag", tag)?;
        if tag.len() != TAG_LENGTH {
            return Err(malformed(format!(
                "its authentication tag has {} bytes instead of {TAG_LENGTH}",
                tag.len()
            )));
        }
        Ok(Self { iv, ciphertext: decoded("ciphertext", ciphertext)?, tag, authenticated })
    }
}

/// Refuses every other method.
fn check_method(header: &Map<String, Value>) -> Result<(), JweError> {
    let claim = |name: &str| header.get(name).and_then(Value::as_str).unwrap_or("none");
    let plain_method = claim("alg") == "dir" && claim("enc") == "A128GCM";
    if plain_method && !header.contains_key("zip") && !header.contains_key("crit") {
        return Ok(());
    }
    let short = |name: &str| claim(name).chars().take(40).collect::<String>();
    let mut found = format!("`alg` {} and `enc` {}", short("alg"), short("enc"));
    if header.contains_key("zip") {
        found.push_str(" and compression");
    }
    if header.contains_key("crit") {
        found.push_str(" and critical extensions");
    }
    Err(JweError::OtherMethod { found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

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

    /// The parts of [`PLAIN`], encrypted with `authenticated` as the additional authenticated data.
    fn sealed_parts(authenticated: &str) -> (String, String, String) {
        let iv = [3; 12];
        let (ciphertext, tag) =
            A128GCM.encrypt(key().bytes(), Some(&iv), PLAIN.as_bytes(), authenticated.as_bytes()).unwrap();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        (part(&iv), part(&ciphertext), part(&tag.unwrap()))
    }

    #[test]
    fn the_json_forms_are_read_wherever_their_header_stands() {
        let full = URL_SAFE_NO_PAD.encode(r#"{"enc":"A128GCM","alg":"dir"}"#);
        let half = URL_SAFE_NO_PAD.encode(r#"{"enc":"A128GCM"}"#);
        let (iv, ciphertext, tag) = sealed_parts(&full);
        let (iv2, ciphertext2, tag2) = sealed_parts(&half);
        let (iv3, ciphertext3, tag3) = sealed_parts(&format!("{full}.bW9yZQ"));
        let (iv4, ciphertext4, tag4) = sealed_parts("");
        let dir = json!({"alg": "dir"});
        let other = json!({"header": {"alg": "RSA-OAEP"}, "encrypted_key": "AAAA"});
        for form in [
            json!({"protected": full, "iv": iv, "ciphertext": ciphertext, "tag": tag}),
            json!({"protected": full, "iv": iv, "ciphertext": ciphertext, "tag": tag, "encrypted_key": "", "aad": null}),
            json!({"protected": full, "recipients": [{}], "iv": iv, "ciphertext": ciphertext, "tag": tag}),
            json!({"protected": half, "header": dir, "iv": iv2, "ciphertext": ciphertext2, "tag": tag2}),
            json!({"protected": half, "unprotected": dir, "iv": iv2, "ciphertext": ciphertext2, "tag": tag2}),
            json!({"protected": half, "recipients": [other, {"header": dir}], "iv": iv2, "ciphertext": ciphertext2,
                   "tag": tag2}),
            json!({"protected": full, "aad": "bW9yZQ", "iv": iv3, "ciphertext": ciphertext3, "tag": tag3}),
            json!({"unprotected": {"alg": "dir", "enc": "A128GCM"}, "iv": iv4, "ciphertext": ciphertext4, "tag": tag4}),
        ] {
            let text = format!("\n{form:#}\n");
            assert_eq!(decrypt(&text, &key()).unwrap().expose_secret(), PLAIN, "{form}");
            assert_eq!(encrypt(&text, &key()), Err(JweError::AlreadyEncrypted), "{form}");
        }
        let changed =
            json!({"protected": full, "iv": iv, "ciphertext": ciphertext, "tag": tag, "aad": "AAAA"});
        assert_eq!(decrypt(&changed.to_string(), &key()).unwrap_err(), JweError::WrongKey);
        for (form, words) in [
            (json!({"protected": half, "iv": iv2, "ciphertext": ciphertext2, "tag": tag2}), "`alg` none"),
            (
                json!({"protected": full, "ciphertext": ciphertext, "tag": tag}),
                "has 0 bytes instead of 12 or 16",
            ),
            (
                json!({"protected": full, "iv": iv, "ciphertext": ciphertext}),
                "authentication tag has 0 bytes",
            ),
            (
                json!({"protected": 7, "iv": iv, "ciphertext": ciphertext, "tag": tag}),
                "`protected` is not a text",
            ),
            (json!({"recipients": [], "iv": iv, "ciphertext": ciphertext, "tag": tag}), "no recipient"),
        ] {
            let error = decrypt(&form.to_string(), &key()).unwrap_err().to_string();
            assert!(error.contains(words), "{form}: {error}");
        }
    }

    #[test]
    fn a_document_is_never_encrypted_twice() {
        let once = encrypt(PLAIN, &key()).unwrap();
        assert_eq!(encrypt(&format!("  {once}\n"), &key()), Err(JweError::AlreadyEncrypted));
        assert!(!is_encrypted(PLAIN) && !is_encrypted("a.b.c.d.e") && !is_encrypted(""));
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
        fn decrypting_anything_never_panics(
            text in "[A-Za-z0-9_.-]{0,80}",
            parts in prop::collection::vec("(e30|[A-Za-z0-9_-]{0,24})", 6),
        ) {
            prop_assert!(decrypt(&text, &key()).is_err());
            let json = json!({"protected": parts[0], "iv": parts[1], "ciphertext": parts[2], "tag": parts[3],
                              "aad": parts[4], "encrypted_key": parts[5]});
            prop_assert!(decrypt(&json.to_string(), &key()).is_err());
        }
    }
}
