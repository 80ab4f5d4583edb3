//! One YAML file of a shipment and its content (spec 03 §3.3).

use std::collections::BTreeSet;

use super::yaml::{self, Node, Problem, Value};
use crate::clients::jira::IssueKey;

/// The values of `source` that mean Jira: today's, and the one of older data (`interop-exact`).
pub const JIRA_SOURCES: [&str; 2] = ["redhat.atlassian.net", "issues.redhat.com"];

/// Where the fixed issues stand.
pub(super) const FIXED: [&str; 5] = ["shipment", "data", "releaseNotes", "issues", "fixed"];

/// Where the components of the snapshot stand.
const COMPONENTS: [&str; 4] = ["shipment", "snapshot", "spec", "components"];

/// A file of a shipment that cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}, line {line}: {message}")]
pub struct FileProblem {
    /// The file's path in its project.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub message: String,
}

/// An environment that a shipment is released to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Environment {
    /// The stage registry, for tests.
    Stage,
    /// Production.
    Prod,
}

impl Environment {
    /// Its name in shipment files, labels and stages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stage => "stage",
            Self::Prod => "prod",
        }
    }
}

/// A component of the snapshot that is shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// The pull spec of its image; `None` when the file names none.
    pub image: Option<String>,
}

/// One entry of `releaseNotes.issues.fixed`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FixedIssue {
    pub(super) id: String,
    pub(super) source: String,
}

impl FixedIssue {
    /// Whether it is in Jira.
    pub(super) fn is_in_jira(&self) -> bool {
        JIRA_SOURCES.contains(&self.source.as_str())
    }
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Facts {
    keys: Vec<IssueKey>,
    stage_advisory: Option<String>,
    prod_advisory: Option<String>,
    components: Option<Vec<Component>>,
}

/// One YAML file that a shipment merge request adds or changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShipmentFile {
    path: String,
    content: String,
    facts: Result<Facts, FileProblem>,
}

impl ShipmentFile {
    /// Reads `content`. Errors are reported when a fact is read.
    pub fn new(path: impl Into<String>, content: impl Into<String>) -> Self {
        let (path, content) = (path.into(), content.into());
        let facts = facts(&content).map_err(|problem| in_file(&path, problem));
        Self { path, content, facts }
    }

    /// Its path in its project.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its bytes as text.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// Whether it ships a file-based catalog, which has no advisory and no release notes (spec 03 §4.2).
    pub fn is_catalog(&self) -> bool {
        self.path.to_lowercase().contains(".fbc.")
    }

    /// The Jira issues that its release notes name as fixed, in the file's order, each once.
    pub fn jira_keys(&self) -> Result<&[IssueKey], FileProblem> {
        Ok(&self.facts()?.keys)
    }

    /// The internal address of the stage advisory that CI writes into the file after the stage release; `None` when
    /// it does not stand there.
    pub fn stage_advisory_url(&self) -> Result<Option<&str>, FileProblem> {
        Ok(self.facts()?.stage_advisory.as_deref())
    }

    /// The same for production.
    pub fn prod_advisory_url(&self) -> Result<Option<&str>, FileProblem> {
        Ok(self.facts()?.prod_advisory.as_deref())
    }

    /// The components of the snapshot; `None` while it has no snapshot: what it ships is unknown then, not nothing.
    pub fn components(&self) -> Result<Option<&[Component]>, FileProblem> {
        Ok(self.facts()?.components.as_deref())
    }

    fn facts(&self) -> Result<&Facts, FileProblem> {
        self.facts.as_ref().map_err(Clone::clone)
    }
}

pub(super) fn in_file(path: &str, problem: Problem) -> FileProblem {
    FileProblem { path: path.to_owned(), line: problem.line, message: problem.message }
}

/// The value at a path of keys; `None` when it or anything above it is absent or null. Anything above that is no
/// mapping is a problem.
pub(super) fn at<'a>(root: &'a Node, keys: &[&str]) -> Result<Option<&'a (Node, Node)>, Problem> {
    let mut node = root;
    let mut found = None;
    for (depth, key) in keys.iter().enumerate() {
        if node.is_null() {
            return Ok(None);
        }
        if !matches!(node.value, Value::Mapping { .. }) {
            let place = if depth == 0 { "the document".to_owned() } else { keys[..depth].join(".") };
            let message = format!("{place} is {} instead of a mapping", node.kind());
            return Err(Problem { line: node.start.line, message });
        }
        let Some(entry) = node.entry(key) else { return Ok(None) };
        found = Some(entry);
        node = &entry.1;
    }
    Ok(found.filter(|(_, value)| !value.is_null()))
}

fn text_at(root: &Node, keys: &[&str]) -> Result<Option<String>, Problem> {
    let Some((_, value)) = at(root, keys)? else { return Ok(None) };
    match value.text() {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(Problem {
            line: value.start.line,
            message: format!("{} is {} instead of a text", keys.join("."), value.kind()),
        }),
    }
}

/// The items of a list; none when the list is absent or null.
fn items<'a>(root: &'a Node, keys: &[&str]) -> Result<&'a [Node], Problem> {
    match at(root, keys)?.map(|(_, value)| value) {
        None => Ok(&[]),
        Some(Node { value: Value::Sequence { items, .. }, .. }) => Ok(items),
        Some(other) => Err(Problem {
            line: other.start.line,
            message: format!("{} is {} instead of a list", keys.join("."), other.kind()),
        }),
    }
}

/// The entry number `index` of the fixed issues.
pub(super) fn fixed_issue(index: usize, item: &Node) -> Result<FixedIssue, Problem> {
    let place = format!("{}[{index}]", FIXED.join("."));
    let problem = |message: String| Problem { line: item.start.line, message };
    if !matches!(item.value, Value::Mapping { .. }) {
        return Err(problem(format!("{place} is {} instead of a mapping with id and source", item.kind())));
    }
    let field = |name: &str| match item.entry(name).map(|(_, value)| value) {
        Some(value) if !value.is_null() && value.text().is_some_and(|text| !text.trim().is_empty()) => {
            Ok(value.text().unwrap_or_default().to_owned())
        }
        Some(value) if !value.is_null() && value.text().is_none() => {
            Err(problem(format!("{place}.{name} is {} instead of a text", value.kind())))
        }
        _ => Err(problem(format!("{place} has no {name}"))),
    };
    Ok(FixedIssue { id: field("id")?, source: field("source")? })
}

fn facts(content: &str) -> Result<Facts, Problem> {
    let text = content.strip_prefix('\u{feff}').unwrap_or(content);
    let Some(root) = yaml::parse(text)? else {
        return Err(Problem { line: 1, message: "the file is empty".to_owned() });
    };
    let mut keys = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, item) in items(&root, &FIXED)?.iter().enumerate() {
        let issue = fixed_issue(index, item)?;
        if !issue.is_in_jira() {
            continue;
        }
        let key: IssueKey = issue.id.parse().map_err(|error| Problem {
            line: item.start.line,
            message: format!("{}[{index}].id: {error}", FIXED.join(".")),
        })?;
        if seen.insert(key.clone()) {
            keys.push(key);
        }
    }
    let advisory = |environment: Environment, name: &str| {
        text_at(&root, &["shipment", "environments", environment.name(), "advisory", name])
    };
    let known = at(&root, &COMPONENTS)?.is_some();
    let mut components = Vec::new();
    for (index, item) in items(&root, &COMPONENTS)?.iter().enumerate() {
        let Some(name) = text_at(item, &["name"])? else {
            let message = format!("shipment.snapshot.spec.components[{index}] has no name");
            return Err(Problem { line: item.start.line, message });
        };
        components.push(Component { name, image: text_at(item, &["containerImage"])? });
    }
    Ok(Facts {
        keys,
        stage_advisory: advisory(Environment::Stage, "internal_url")?,
        prod_advisory: advisory(Environment::Prod, "internal_url")?,
        components: known.then_some(components),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_fixed(fixed: &str) -> ShipmentFile {
        let text = format!(
            "shipment:\n  environments:\n    stage:\n      advisory:\n        internal_url: https://a.example.test/x\n  data:\n    releaseNotes:\n      issues:\n{fixed}"
        );
        ShipmentFile::new("shipment/4.19.1.image.yaml", text)
    }

    fn keys(file: &ShipmentFile) -> Vec<&str> {
        file.jira_keys().unwrap().iter().map(IssueKey::as_str).collect()
    }

    #[test]
    fn jira_issues_of_both_hosts_count_and_others_do_not() {
        let file = with_fixed(
            "        fixed:\n          - id: OCPBUGS-2\n            source: redhat.atlassian.net\n          - source: 'issues.redhat.com'\n            id: \"OCPBUGS-1\"\n          - {id: '2300001', source: bugzilla.example.test}\n          - id: OCPBUGS-2\n            source: redhat.atlassian.net\n",
        );
        assert_eq!(keys(&file), ["OCPBUGS-2", "OCPBUGS-1"]);
        assert_eq!(file.stage_advisory_url().unwrap(), Some("https://a.example.test/x"));
        assert_eq!(file.prod_advisory_url().unwrap(), None);
    }

    #[test]
    fn null_empty_and_absent_lists_are_no_keys() {
        for fixed in
            ["        fixed:\n", "        fixed: null\n", "        fixed: []\n", "        other: 1\n", ""]
        {
            assert!(keys(&with_fixed(fixed)).is_empty(), "{fixed}");
        }
        assert!(keys(&ShipmentFile::new("x.yaml", "shipment:\n  metadata: {fbc: true}\n")).is_empty());
        assert!(keys(&ShipmentFile::new("x.yaml", "shipment:\n")).is_empty());
    }

    #[test]
    fn what_is_broken_is_named_with_its_file_and_place() {
        let head = 8;
        for (fixed, line, words) in [
            ("        fixed: OCPBUGS-1\n", head + 1, "fixed is a text instead of a list"),
            ("        fixed:\n          - OCPBUGS-1\n", head + 2, "fixed[0] is a text instead of a mapping"),
            ("        fixed:\n          - id: OCPBUGS-1\n", head + 2, "fixed[0] has no source"),
            ("        fixed:\n          - source: redhat.atlassian.net\n", head + 2, "fixed[0] has no id"),
            (
                "        fixed:\n          - id:\n            source: redhat.atlassian.net\n",
                head + 2,
                "fixed[0] has no id",
            ),
            (
                "        fixed:\n          - id: [1]\n            source: redhat.atlassian.net\n",
                head + 2,
                "fixed[0].id is a list",
            ),
            (
                "        fixed:\n          - id: 12\n            source: redhat.atlassian.net\n",
                head + 2,
                "`12` is not a Jira issue key",
            ),
            ("        fixed: [\n", head + 2, "not valid YAML"),
            ("        fixed: []\n        fixed: []\n", head + 2, "the key `fixed` occurs twice"),
        ] {
            let problem = with_fixed(fixed).jira_keys().unwrap_err();
            assert_eq!(problem.path, "shipment/4.19.1.image.yaml");
            assert!(problem.message.contains(words), "{fixed}: {problem}");
            assert!(problem.line >= head && problem.line <= line, "{fixed}: {problem}");
        }
        for (text, words) in [
            ("", "the file is empty"),
            ("- a\n", "the document is a list instead of a mapping"),
            ("shipment: 1\n", "shipment is a text instead of a mapping"),
            ("a: 1\n---\nb: 2\n", "a second document"),
            (
                "shipment: {snapshot: {spec: {components: [{containerImage: x}]}}}\n",
                "components[0] has no name",
            ),
        ] {
            let problem = ShipmentFile::new("x.yaml", text).jira_keys().unwrap_err();
            assert!(
                problem.to_string().starts_with("x.yaml, line ") && problem.message.contains(words),
                "{problem}"
            );
        }
    }

    #[test]
    fn catalogs_are_known_by_their_name() {
        assert!(ShipmentFile::new("a/prod/4.19.1.FBC.2026.yaml", "shipment:\n").is_catalog());
        assert!(!ShipmentFile::new("fbc/prod/4.19.1.image.2026.yaml", "shipment:\n").is_catalog());
    }

    #[test]
    fn components_are_read() {
        let text = "shipment:\n  snapshot:\n    spec:\n      components:\n        - name: a\n          containerImage: q@sha256:1\n        - name: b\n";
        let file = ShipmentFile::new("x.yaml", text);
        let expected = [
            Component { name: "a".into(), image: Some("q@sha256:1".into()) },
            Component { name: "b".into(), image: None },
        ];
        assert_eq!(file.components().unwrap(), Some(&expected[..]));
        let file = |text: &str| ShipmentFile::new("x.yaml", text.to_owned());
        for unknown in ["shipment:\n", "shipment: {snapshot: }\n", "shipment: {snapshot: {spec: {}}}\n"] {
            assert_eq!(file(unknown).components().unwrap(), None, "{unknown}");
        }
        let none = "shipment: {snapshot: {spec: {components: []}}}\n";
        assert_eq!(file(none).components().unwrap(), Some(&[][..]));
    }
}
