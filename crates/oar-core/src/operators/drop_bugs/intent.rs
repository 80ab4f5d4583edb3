//! What a run means to drop, as the history records it before the first effect. A run that is stopped leaves nothing
//! at the services that says which bugs it took out; its successor reads it here.

use std::collections::BTreeSet;
use std::fmt;

use crate::clients::errata::AdvisoryId;
use crate::clients::jira::IssueKey;

const DOCS: &str = "approved by docs: ";
const SECURITY: &str = "approved by product security: ";

/// What a run means to do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Intent {
    /// The bugs that it drops.
    pub keys: BTreeSet<IssueKey>,
    /// Advisories that documentation had approved before.
    pub docs: BTreeSet<AdvisoryId>,
    /// Advisories that product security had approved before.
    pub security: BTreeSet<AdvisoryId>,
}

impl Intent {
    /// Whether nothing is meant to be done.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.docs.is_empty() && self.security.is_empty()
    }

    /// Adds what the recorded command of another run says. A command without an intent adds nothing.
    pub fn add_command(&mut self, command: &str) {
        let Some((_, intent)) = command.split_once(": ") else { return };
        for part in intent.split("; ") {
            if let Some(list) = part.strip_prefix(DOCS) {
                self.docs.extend(numbers(list));
            } else if let Some(list) = part.strip_prefix(SECURITY) {
                self.security.extend(numbers(list));
            } else {
                self.keys.extend(part.split(", ").filter_map(|key| key.parse::<IssueKey>().ok()));
            }
        }
    }
}

fn numbers(list: &str) -> impl Iterator<Item = AdvisoryId> {
    list.split(", ").filter_map(|number| number.parse::<u64>().ok()).map(AdvisoryId::new)
}

fn list<T: fmt::Display>(items: &BTreeSet<T>) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for Intent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.keys.is_empty() {
            parts.push(list(&self.keys));
        }
        for (words, advisories) in [(DOCS, &self.docs), (SECURITY, &self.security)] {
            if !advisories.is_empty() {
                parts.push(format!("{words}{}", list(advisories)));
            }
        }
        formatter.write_str(&parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let intent = Intent {
            keys: ["A-1", "A-12"].map(|key| key.parse().unwrap()).into(),
            docs: [AdvisoryId::new(140_002)].into(),
            security: [AdvisoryId::new(140_004), AdvisoryId::new(140_005)].into(),
        };
        let command = format!("drop-bugs: {intent}");
        assert_eq!(
            command,
            "drop-bugs: A-1, A-12; approved by docs: 140002; approved by product security: 140004, 140005"
        );
        let mut read = Intent::default();
        read.add_command(&command);
        assert_eq!(read, intent);
        read.add_command("task set");
        read.add_command("drop-bugs");
        assert_eq!(read, intent);
    }
}
