//! The key of a Jira issue.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Where links to issues point (`interop-exact`: `<web>/browse/<KEY>`, spec 02 §5.1).
const PRODUCTION_WEB: &str = "https://redhat.atlassian.net";

/// The key of an issue, such as `ART-12345`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct IssueKey(String);

/// The text is not the key of an issue.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a Jira issue key: expected PROJECT-NUMBER in capital letters, such as ART-12345")]
pub struct InvalidIssueKey(String);

impl IssueKey {
    /// The key as Jira writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The issue's page.
    pub fn link(&self) -> String {
        format!("{PRODUCTION_WEB}/browse/{self}")
    }
}

impl fmt::Display for IssueKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for IssueKey {
    type Err = InvalidIssueKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = text.split_once('-').is_some_and(|(project, number)| {
            project.starts_with(|first: char| first.is_ascii_uppercase())
                && project
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
                && number.starts_with(|first: char| ('1'..='9').contains(&first))
                && number.bytes().all(|byte| byte.is_ascii_digit())
        });
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidIssueKey(text.to_owned())) }
    }
}

crate::schema::read_from_text!(IssueKey);
crate::schema::text_schema!(IssueKey, "IssueKey", "The key of a Jira issue", ["OCPBUGS-12345"]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_checked_and_link_to_their_page() {
        for text in ["ART-1", "OCPBUGS-60001", "A_B2-10"] {
            let key: IssueKey = text.parse().unwrap();
            assert_eq!(key.link(), format!("https://redhat.atlassian.net/browse/{text}"));
        }
        for text in
            ["", "ART", "ART-", "-1", "art-1", "ART-01", "ART-1x", "ART 1", "ART-1/../x", "1ART-1", "ART-1?a"]
        {
            let error = text.parse::<IssueKey>().unwrap_err();
            assert!(error.to_string().contains("ART-12345"), "{text}");
        }
    }
}
