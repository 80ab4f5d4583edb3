//! A report in the test steps' format: suites, counts, and unquoted names.

use super::Node;
use crate::prow::json::{Number, Value};

/// The suites of a text that is completely in this format; `None` for any other form.
///
/// ```text
/// openshift-extended-test:
///   total: 80
///   failingScenarios:
///     - the rest of this line is the name
/// ```
pub(super) fn read(text: &str) -> Option<Vec<(String, Node)>> {
    let mut suites: Vec<(String, Vec<(String, Node)>)> = Vec::new();
    // The indentation of names, while names may follow.
    let mut names: Option<usize> = None;
    for line in text.lines() {
        let content = line.trim();
        if content.is_empty() || content == "---" {
            continue;
        }
        let indent = line.len() - line.trim_start_matches(' ').len();
        let name = content.strip_prefix('-').filter(|rest| rest.is_empty() || rest.starts_with(' '));
        match (name, names) {
            (Some(name), Some(least)) if indent >= least => {
                let (_, entries) = suites.last_mut()?;
                let (_, list) = entries.last_mut()?;
                match list {
                    Node::List(list) => list.push(named(name.trim())),
                    first => *first = Node::List(vec![named(name.trim())]),
                }
            }
            (Some(_), _) => return None,
            (None, _) if indent == 0 => {
                suites.push((word(content.strip_suffix(':')?)?, Vec::new()));
                names = None;
            }
            (None, _) => {
                let (key, value) = content.split_once(':')?;
                let (_, entries) = suites.last_mut()?;
                let (key, value) = (word(key)?, value.trim());
                names = (key == "failingScenarios" && value.is_empty()).then_some(indent);
                entries.push((key, scalar(value)?));
            }
        }
    }
    let node = |entries: Vec<(String, Node)>| {
        if entries.is_empty() { Node::Scalar(Value::Null) } else { Node::Map(entries) }
    };
    Some(suites.into_iter().map(|(name, entries)| (name, node(entries))).collect())
}

/// A suite's or a count's name.
fn word(text: &str) -> Option<String> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    (!text.is_empty() && text.chars().all(fits)).then(|| text.to_owned())
}

/// The value of a count, or another plain word.
fn scalar(text: &str) -> Option<Node> {
    if text.is_empty() || text == "null" || text == "~" {
        return Some(Node::Scalar(Value::Null));
    }
    match Number::parse(text) {
        Some(number) => Some(Node::Scalar(Value::Number(number))),
        None => word(text).map(|word| Node::Scalar(word.into())),
    }
}

/// A scenario's name; a quoted one is unquoted.
fn named(text: &str) -> Node {
    if text.is_empty() || text == "null" || text == "~" {
        return Node::Scalar(Value::Null);
    }
    let quoted =
        text.len() > 1 && ['"', '\''].iter().any(|mark| text.starts_with(*mark) && text.ends_with(*mark));
    let inner = quoted.then(|| serde_yaml::from_str::<String>(text).ok()).flatten();
    Node::Scalar(inner.unwrap_or_else(|| text.to_owned()).into())
}
