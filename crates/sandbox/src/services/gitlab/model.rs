//! The records that GitLab keeps.

use std::collections::BTreeMap;

use super::git::Commit;

/// An account.
#[derive(Clone, Debug)]
pub struct User {
    /// Numeric id.
    pub id: u64,
    /// Account name, without `@`.
    pub username: String,
    /// Full name.
    pub name: String,
    /// The e-mail address that everybody sees, if there is one.
    pub public_email: Option<String>,
    /// `active`, `blocked`.
    pub state: String,
    /// Whether a token of a group or project created it.
    pub bot: bool,
}

/// What a token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Api,
    /// Reading.
    ReadApi,
    /// Reading one's own account.
    ReadUser,
}

impl Scope {
    /// Its name on the wire.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::ReadApi => "read_api",
            Self::ReadUser => "read_user",
        }
    }
}

/// An access token.
#[derive(Clone, Debug)]
pub struct Token {
    /// What is sent in `PRIVATE-TOKEN`.
    pub value: String,
    /// Id of the account it stands for.
    pub user: u64,
    /// What it may be used for.
    pub scope: Scope,
    /// Whether its time is over.
    pub expired: bool,
    /// The day on which it expires, `2026-12-31`; `None` for never.
    pub expires_at: Option<String>,
    /// Whether it is one of OAuth, of which GitLab shows nothing.
    pub oauth: bool,
}

/// Membership of a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessLevel {
    /// Reads and comments.
    Reporter,
    /// Changes merge requests.
    Developer,
    /// Changes other people's notes.
    Maintainer,
}

impl AccessLevel {
    /// Its number on the wire.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::Reporter => 20,
            Self::Developer => 30,
            Self::Maintainer => 40,
        }
    }
}

/// A branch: its files, and the commits that led to them.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    /// Contents by path. Files that differ from the newest commit count as one more commit.
    pub files: BTreeMap<String, String>,
    /// Commits, oldest first.
    pub commits: Vec<Commit>,
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(digit), 16));
        }
        text
    })
}

/// A private project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Numeric id.
    pub id: u64,
    /// Path with all groups.
    pub path: String,
    /// Name of the default branch.
    pub default_branch: String,
    /// Labels: name and colour.
    pub labels: Vec<(String, String)>,
    /// Members by account id; nobody else sees it.
    pub members: BTreeMap<u64, AccessLevel>,
    /// Rules of approval for its merge requests; `None` where the server's plan has none.
    pub approval_rules: Option<Vec<ApprovalRule>>,
    /// Branches by name.
    pub branches: BTreeMap<String, Branch>,
    /// Id of the project that it was forked from.
    pub forked_from: Option<u64>,
}

/// State of a merge request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRequestState {
    /// Open, draft or not.
    Opened,
    /// Abandoned.
    Closed,
    /// Merged.
    Merged,
    /// Being merged.
    Locked,
}

impl MergeRequestState {
    /// Name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::Merged => "merged",
            Self::Locked => "locked",
        }
    }

    /// Reads the name on the wire.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Opened, Self::Closed, Self::Merged, Self::Locked]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

/// A comment.
#[derive(Clone, Debug)]
pub struct Note {
    /// Numeric id.
    pub id: u64,
    /// Account id of the author.
    pub author: u64,
    /// Markdown.
    pub body: String,
    /// Written by GitLab itself.
    pub system: bool,
    /// Time of creation, as on the wire.
    pub created_at: String,
    /// Time of the last change, as on the wire.
    pub updated_at: String,
}

/// Who must approve.
#[derive(Clone, Debug)]
pub struct ApprovalRule {
    /// Name.
    pub name: String,
    /// How many approvals it needs.
    pub required: usize,
    /// Account ids of those who may give one.
    pub eligible: Vec<u64>,
}

/// A merge request.
#[derive(Clone, Debug)]
pub struct MergeRequest {
    /// Number over all projects.
    pub id: u64,
    /// Number in the project.
    pub iid: u64,
    /// Id of the project it goes to.
    pub project: u64,
    /// Id of the project that holds its source branch.
    pub source_project: u64,
    /// Title; a draft's begins with `Draft:`.
    pub title: String,
    /// Text.
    pub description: String,
    /// State.
    pub state: MergeRequestState,
    /// Labels.
    pub labels: Vec<String>,
    /// Branch that it brings.
    pub source_branch: String,
    /// Branch that it goes to.
    pub target_branch: String,
    /// Account id of the author.
    pub author: u64,
    /// Notes, oldest first.
    pub notes: Vec<Note>,
    /// Rules of approval; without any, no approval is needed and every developer may approve.
    pub approval_rules: Vec<ApprovalRule>,
    /// Account ids of those who approved.
    pub approved_by: Vec<u64>,
    /// Time of creation, as on the wire.
    pub created_at: String,
    /// Time of the last change, as on the wire.
    pub updated_at: String,
    /// How many notes were added through the interface.
    pub notes_added: u32,
    /// How many notes were changed through the interface.
    pub notes_edited: u32,
    /// How many updates (`PUT`) were carried out.
    pub updates: u32,
    /// Whether its commits become one when it is merged.
    pub squash: bool,
    /// Whether GitLab merges it when its pipeline succeeds.
    pub auto_merge: bool,
    /// Whether its source branch goes when it is merged.
    pub remove_source_branch: bool,
    /// How many more times it is read before GitLab has checked whether it can be merged.
    pub checks_left: u32,
    /// The commit that merged it.
    pub merge_commit: Option<String>,
}

impl MergeRequest {
    /// Approvals that are still needed, over all rules.
    pub fn approvals_left(&self) -> usize {
        self.approval_rules
            .iter()
            .map(|rule| {
                let given = self.approved_by.iter().filter(|id| rule.eligible.contains(id)).count();
                rule.required.saturating_sub(given)
            })
            .sum()
    }

    /// Whether the title says so.
    pub fn is_draft(&self) -> bool {
        let title = self.title.to_lowercase();
        ["draft:", "[draft]", "(draft)"].iter().any(|mark| title.starts_with(mark))
    }
}

/// A job, or a bridge to another pipeline.
#[derive(Clone, Debug)]
pub struct Job {
    /// Numeric id.
    pub id: u64,
    /// Name.
    pub name: String,
    /// Stage.
    pub stage: String,
    /// `created`, `running`, `success`, `failed` …
    pub status: String,
    /// Whether a later run replaced it; hidden unless requested.
    pub retried: bool,
    /// Whether the pipeline goes on when it fails.
    pub allow_failure: bool,
    /// Status of the pipeline that it started, where that differs from its own.
    pub downstream: Option<String>,
}

/// A pipeline of a merge request.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Numeric id.
    pub id: u64,
    /// Id of the project.
    pub project: u64,
    /// Number of the merge request.
    pub merge_request: u64,
    /// `running`, `manual`, `success` …
    pub status: String,
    /// Time of creation, as on the wire.
    pub created_at: String,
    /// Jobs.
    pub jobs: Vec<Job>,
    /// Trigger jobs.
    pub bridges: Vec<Job>,
}
