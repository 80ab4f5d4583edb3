//! Checked text arguments of jobs.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::schema::{read_from_text, text_schema};

/// The text is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {0}")]
pub struct InvalidText(&'static str);

/// The text without surrounding spaces, if it is one word. A script with an empty variable must not start a
/// job without its image.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let good =
        !text.is_empty() && !text.contains(|letter: char| letter.is_whitespace() || letter.is_control());
    good.then(|| text.to_owned())
}

/// The name of a job, or a part that no other job's name has. What begins with `periodic-ci-` is a whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobText(String);

/// The pull spec of an image, which is passed to a job unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image(String);

/// The id of a run in Prow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobId(String);

/// The key of a start. The run with this key is looked for before one is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub Uuid);

impl JobText {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Image {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl JobId {
    /// The text.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl FromStr for JobText {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let expected = "the name of a job or a part of it, such as 4.20-automated-release";
        word(text).map(Self).ok_or(InvalidText(expected))
    }
}

impl FromStr for Image {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let expected =
            "the pull spec of an image, such as quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64";
        word(text).map(Self).ok_or(InvalidText(expected))
    }
}

impl FromStr for JobId {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let id = text.trim();
        let good = (1..=253).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        let expected = "the id of a Prow job, such as 0b8e7c1a-1111-4222-8333-944455556666";
        if good { Ok(Self(id.to_owned())) } else { Err(InvalidText(expected)) }
    }
}

impl FromStr for Key {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        let expected = "the key that an earlier start printed, such as 0198c0de-7000-7000-8000-000000000001";
        text.trim().parse().map(Self).map_err(|_| InvalidText(expected))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

read_from_text!(JobText, Image, JobId, Key);
text_schema!(
    JobText,
    "JobText",
    "The whole name of a job, or a part that no other job's name has",
    ["periodic-ci-demo-release-4.20-install", "4.20-automated-release"]
);
text_schema!(
    Image,
    "Image",
    "The pull spec of an image",
    ["quay.io/openshift-release-dev/ocp-release:4.20.5-x86_64"]
);
text_schema!(JobId, "JobId", "The id of a Prow job", ["0b8e7c1a-1111-4222-8333-944455556666"]);
text_schema!(Key, "Key", "The key that an earlier start printed", ["0198c0de-7000-7000-8000-000000000001"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_or_several_words_names_nothing() {
        for bad in ["", " ", "a b", "a\nb", "a\u{7}"] {
            assert!(bad.parse::<JobText>().is_err() && bad.parse::<Image>().is_err(), "{bad:?}");
            assert!(bad.parse::<JobId>().is_err() && bad.parse::<Key>().is_err(), "{bad:?}");
        }
        assert_eq!(" 4.20-demo ".parse::<JobText>().unwrap().text(), "4.20-demo");
        assert!("../x".parse::<JobId>().is_err());
        let read = serde_json::from_str::<Image>("\"a b\"").unwrap_err().to_string();
        assert!(read.contains("expected the pull spec of an image"), "{read}");
    }
}
