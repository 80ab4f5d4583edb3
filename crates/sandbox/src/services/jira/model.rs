//! The records that Jira keeps.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// An Atlassian account.
#[derive(Clone, Debug)]
pub struct Account {
    /// `712020:…`.
    pub account_id: String,
    /// Full name.
    pub display_name: String,
    /// E-mail address.
    pub email: String,
    /// Whether others do not see the e-mail address.
    pub email_hidden: bool,
    /// Whether the account is in use.
    pub active: bool,
    /// Whether issues can be assigned to it.
    pub assignable: bool,
    /// `atlassian` for people, `app`, `customer` for portal accounts, `unknown`.
    pub account_type: String,
}

/// What a login may do with the issues that it sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Right {
    /// Assign.
    Assign,
    /// Change the status.
    Transition,
    /// Change fields.
    Edit,
    /// Comment.
    Comment,
    /// Create issues.
    Create,
    /// Browse users and groups, a right of the whole site.
    BrowseUsers,
}

/// An e-mail address with its API token.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name of Basic authentication.
    pub email: String,
    /// Password of Basic authentication.
    pub token: String,
    /// The account it stands for.
    pub account_id: String,
    /// What it may do.
    pub rights: BTreeSet<Right>,
}

/// A status of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Numeric id as text.
    pub id: String,
    /// Name.
    pub name: String,
    /// `new`, `indeterminate`, `done`.
    pub category: String,
}

/// A step of a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Numeric id as text.
    pub id: String,
    /// Name; often, but not always, that of the status.
    pub name: String,
    /// Statuses it starts from; any other than the target when empty.
    pub from: Vec<String>,
    /// Name of the status it leads to.
    pub to: String,
}

/// A project.
#[derive(Clone, Debug)]
pub struct Project {
    /// Numeric id as text.
    pub id: String,
    /// Key, `ART`.
    pub key: String,
    /// Name.
    pub name: String,
    /// Types of issues; the ones whose name begins with `Sub-` need a parent.
    pub issue_types: Vec<String>,
    /// Statuses; a new issue has the first.
    pub statuses: Vec<Status>,
    /// Steps between them.
    pub transitions: Vec<Transition>,
    /// Names of its versions; queries that name another target version are refused.
    pub versions: Vec<String>,
}

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Numeric id.
    pub id: u64,
    /// Account of the author.
    pub author: String,
    /// Wiki markup.
    pub body: String,
    /// Time of creation, as on the wire.
    pub created: String,
    /// Time of the last change, as on the wire.
    pub updated: String,
}

impl Comment {
    /// Accounts that Jira notifies because the text mentions them.
    pub fn mentions(&self) -> Vec<String> {
        super::text::mentions(&self.body)
    }
}

/// One field of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangelogItem {
    /// Name of the field, `status`.
    pub field: String,
    /// Value before: id, and what people read.
    pub from: (Option<String>, Option<String>),
    /// Value after.
    pub to: (Option<String>, Option<String>),
}

/// One change of an issue.
#[derive(Clone, Debug)]
pub struct ChangelogEntry {
    /// Numeric id.
    pub id: u64,
    /// Account that made it.
    pub author: String,
    /// When, as on the wire.
    pub created: String,
    /// What.
    pub items: Vec<ChangelogItem>,
}

/// A link to something outside.
#[derive(Clone, Debug)]
pub struct RemoteLink {
    /// Numeric id.
    pub id: u64,
    /// Address.
    pub url: String,
    /// Text.
    pub title: String,
}

/// A write that was carried out, also one that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// The issue was created.
    Created,
    /// `PUT …/assignee`: the account, `None` for nobody.
    Assigned(Option<String>),
    /// A transition, by name, to a status.
    Transitioned {
        /// Name of the transition.
        name: String,
        /// Status after it.
        to: String,
    },
    /// `PUT` on the issue: ids of the fields that it carried.
    Edited(Vec<String>),
    /// A comment with this id was added.
    Commented(u64),
    /// The comment with this id was changed.
    CommentEdited(u64),
}

/// An issue.
#[derive(Clone, Debug)]
pub struct Issue {
    /// Numeric id.
    pub id: u64,
    /// Key, `ART-14191`.
    pub key: String,
    /// Keys that it had in other projects before it was moved; they lead to it forever.
    pub former_keys: Vec<String>,
    /// Key of the project.
    pub project: String,
    /// Name of the type.
    pub issue_type: String,
    /// Title.
    pub summary: String,
    /// Wiki markup.
    pub description: Option<String>,
    /// Name of the status.
    pub status: String,
    /// Name of the priority.
    pub priority: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// Account.
    pub assignee: Option<String>,
    /// Account.
    pub reporter: Option<String>,
    /// Key of the parent issue.
    pub parent: Option<String>,
    /// Values of custom fields by id; people as `{"accountId": …}`.
    pub custom: BTreeMap<String, Value>,
    /// Comments, oldest first.
    pub comments: Vec<Comment>,
    /// Changes, oldest first.
    pub changelog: Vec<ChangelogEntry>,
    /// What programs keep at it.
    pub properties: BTreeMap<String, Value>,
    /// Links to pull requests and the like.
    pub remote_links: Vec<RemoteLink>,
    /// A security level keeps it from the programs' login.
    pub hidden: bool,
    /// Time of creation, as on the wire.
    pub created: String,
    /// Time of the last change, as on the wire.
    pub updated: String,
    /// Writes that were carried out through the interface, in order.
    pub writes: Vec<Write>,
}

impl Issue {
    /// How many assignments were carried out.
    pub fn assignments(&self) -> usize {
        self.count(|write| matches!(write, Write::Assigned(_)))
    }

    /// How many transitions were carried out.
    pub fn transitions(&self) -> usize {
        self.count(|write| matches!(write, Write::Transitioned { .. }))
    }

    /// How many edits were carried out.
    pub fn edits(&self) -> usize {
        self.count(|write| matches!(write, Write::Edited(_)))
    }

    fn count(&self, which: impl Fn(&Write) -> bool) -> usize {
        self.writes.iter().filter(|write| which(write)).count()
    }
}
