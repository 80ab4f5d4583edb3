//! The library side of `oarctl statebox fmt` and `oarctl statebox validate`.

use super::diagnostic::{Diagnostics, Severity};
use super::validate;
use super::yaml::{self, Position, YamlError};
use crate::version::ReleaseVersion;

/// A file in the form in which this program writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Formatted {
    /// The text.
    pub text: String,
    /// Whether it differs from what was given.
    pub changed: bool,
    /// The positions of the lost comments.
    pub lost_comments: Vec<Position>,
    /// What was found; no errors among them.
    pub warnings: Diagnostics,
}

/// The text of a file's bytes, or where they are no text.
pub fn decode(bytes: Vec<u8>) -> Result<String, Diagnostics> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default()).into_owned();
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let position = Position {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        };
        YamlError { position, message: "the file is not UTF-8 text from here on".into() }.into()
    })
}

/// Formats a StateBox file: same values, same order, with PyYAML's quoting and folding.
///
/// Refuses what is not a StateBox, has errors, or has a newer schema version.
pub fn format_text(text: &str) -> Result<Formatted, Diagnostics> {
    let mut document = yaml::parse(text)?;
    let mut found = validate::check(&mut document.root);
    if let Some(version) = document.root.as_mapping().and_then(validate::newer_schema) {
        let message = format!("version {version} is newer than what this program may write");
        found.push(Severity::Error, document.root.position, "schema_version", message);
    }
    if found.has_errors() {
        return Err(found);
    }
    let formatted = yaml::emit(&document.root);
    let changed = formatted != text;
    let lost_comments = document.comments;
    Ok(Formatted { text: formatted, changed, lost_comments, warnings: found })
}

/// Everything that is to be said about a StateBox file: nothing when it is as it should be.
///
/// `named` is the release in the file's name, `None` when the name has none. The programs refuse a file whose key
/// `release` says another one.
pub fn validate_text(text: &str, named: Option<&ReleaseVersion>) -> Diagnostics {
    let mut document = match yaml::parse(text) {
        Ok(document) => document,
        Err(error) => return error.into(),
    };
    let mut found = validate::check(&mut document.root);
    let release = document.root.as_mapping().and_then(|root| root.get("release"));
    if let (Some(named), Some(release)) = (named, release)
        && let Some(says) = release.as_text()
        && says != named.to_string()
    {
        let says: String = says.chars().take(LONGEST_SHOWN).collect();
        let message = format!("`{says}` is not {named}, the release in the file's name");
        found.push(Severity::Error, release.position, "release", message);
        found.sort();
    }
    found
}

/// The longest text of a file that a message repeats, in characters.
const LONGEST_SHOWN: usize = 80;
