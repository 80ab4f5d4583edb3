//! The path of a Jenkins job.

use std::fmt;
use std::str::FromStr;

/// The path of a job through its folders: `zstreams/Stage-Pipeline`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JobPath(String);

/// A text that is no path of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the path of a Jenkins job (for example folder/Job-Name)")]
pub struct ParseJobPathError(String);

impl JobPath {
    /// The folders and the job.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// The job without its folders.
    pub fn leaf(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// Whether `url` is the address of this job, below whatever base.
    pub(crate) fn is_at(&self, url: &str) -> bool {
        let tail: String = self.parts().flat_map(|part| ["/job/", part]).collect();
        let url = url.split(['?', '#']).next().unwrap_or_default().replace("%20", " ");
        let Some(before) = url.trim_end_matches('/').strip_suffix(&tail) else { return false };
        // One more folder in front would be another job.
        let mut parts = before.rsplit('/');
        let (_, folder) = (parts.next(), parts.next());
        folder != Some("job")
    }
}

impl FromStr for JobPath {
    type Err = ParseJobPathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_. ".contains(&byte))
        };
        let path = text.trim().trim_matches('/');
        if path.split('/').all(good) {
            Ok(Self(path.to_owned()))
        } else {
            Err(ParseJobPathError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for JobPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}
