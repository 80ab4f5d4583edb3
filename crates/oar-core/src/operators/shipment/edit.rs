//! Takes issues out of a shipment file: the places are found by a YAML parser, the text is cut there, and every other
//! byte stays.
//!
//! Nothing is taken on trust: the result is parsed again and must say what the file said before, less the issues.

use std::collections::BTreeSet;
use std::ops::Range;

use super::file::{self, FIXED, FileProblem, ShipmentFile};
use super::yaml::{self, Node, Problem, Value};
use crate::clients::jira::IssueKey;

/// A shipment file without some issues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The whole new text.
    pub content: String,
    /// The removed issues, in the file's order.
    pub removed: Vec<IssueKey>,
}

impl ShipmentFile {
    /// The file without `keys`, or `None` when its release notes name none of them.
    ///
    /// Only entries whose id is exactly one of the keys and whose source is Jira are taken out, with the lines they
    /// stand on; comments on lines of their own stay. A list that becomes empty is written `[]`.
    pub fn without(&self, keys: &BTreeSet<IssueKey>) -> Result<Option<Edit>, FileProblem> {
        let (mark, text) = match self.content().strip_prefix('\u{feff}') {
            Some(text) => ("\u{feff}", text),
            None => ("", self.content()),
        };
        let edit = remove(text, keys).map_err(|problem| file::in_file(self.path(), problem))?;
        Ok(edit.map(|edit| Edit { content: format!("{mark}{}", edit.content), ..edit }))
    }
}

fn remove(text: &str, keys: &BTreeSet<IssueKey>) -> Result<Option<Edit>, Problem> {
    let Some(root) = yaml::parse(text)? else { return Ok(None) };
    let Some((name, list)) = file::at(&root, &FIXED)? else { return Ok(None) };
    let Value::Sequence { items, flow } = &list.value else { return Ok(None) };
    let (mut drop, mut removed) = (Vec::with_capacity(items.len()), Vec::new());
    for (index, item) in items.iter().enumerate() {
        let issue = file::fixed_issue(index, item)?;
        let key = issue.id.parse::<IssueKey>().ok().filter(|key| issue.is_in_jira() && keys.contains(key));
        drop.push(key.is_some());
        removed.extend(key);
    }
    if removed.is_empty() {
        return Ok(None);
    }
    let text = Text::new(text);
    let cuts = if *flow { flow_cuts(list, items, &drop) } else { text.block_cuts(items, &drop) };
    let empty = drop.iter().all(|gone| *gone);
    let insertion = (empty && !*flow).then(|| text.after_colon(name)).flatten();
    let content = text.apply(&cuts, insertion);
    let intact = yaml::parse(&content).ok().flatten().is_some_and(|after| {
        let mut expected = root.clone();
        retain(&mut expected, &drop);
        expected.same(&after)
    });
    if !intact || (empty && !*flow && insertion.is_none()) {
        return Err(Problem {
            line: list.start.line,
            message: format!(
                "{} cannot be removed from {} without changing something else; remove them by hand",
                removed.iter().map(IssueKey::as_str).collect::<Vec<_>>().join(", "),
                FIXED.join(".")
            ),
        });
    }
    Ok(Some(Edit { content, removed }))
}

/// Removes the dropped items from the tree.
fn retain(root: &mut Node, drop: &[bool]) {
    let mut node = root;
    for key in FIXED {
        let Value::Mapping { entries, .. } = &mut node.value else { return };
        let Some((_, value)) = entries.iter_mut().find(|(name, _)| name.text() == Some(key)) else { return };
        node = value;
    }
    if let Value::Sequence { items, .. } = &mut node.value {
        let mut gone = drop.iter();
        items.retain(|_| !gone.next().copied().unwrap_or(false));
    }
}

/// The character behind the last one that belongs to a value. Block collections end with their last content.
fn last(node: &Node) -> usize {
    match &node.value {
        Value::Scalar { .. }
        | Value::Alias(_)
        | Value::Sequence { flow: true, .. }
        | Value::Mapping { flow: true, .. } => node.end,
        Value::Sequence { items, .. } => items.iter().map(last).max().unwrap_or(node.end),
        Value::Mapping { entries, .. } => entries
            .iter()
            // The place of an absent value may be where the next token begins.
            .map(|(key, value)| if value.is_null() { key.end.max(null_end(value)) } else { last(value) })
            .max()
            .unwrap_or(node.end),
    }
}

fn null_end(value: &Node) -> usize {
    if value.text() == Some("") { 0 } else { value.end }
}

/// What to cut out of a list in brackets: an item with what separates it from the next one, and at the end of the
/// list from the one before.
fn flow_cuts(list: &Node, items: &[Node], drop: &[bool]) -> Vec<Range<usize>> {
    let mut cuts = Vec::new();
    let Some(kept) = drop.iter().rposition(|gone| !gone) else {
        cuts.push(list.start.index + 1..list.end.saturating_sub(1));
        return cuts;
    };
    for (index, pair) in items.windows(2).enumerate() {
        if index < kept && drop[index] {
            cuts.push(pair[0].start.index..pair[1].start.index);
        }
    }
    if let (Some(keep), Some(end)) = (items.get(kept), items.last())
        && kept + 1 < items.len()
    {
        cuts.push(last(keep)..last(end));
    }
    cuts
}

/// A text by characters and lines.
struct Text {
    characters: Vec<char>,
    lines: Vec<usize>,
}

impl Text {
    fn new(text: &str) -> Self {
        let characters: Vec<char> = text.chars().collect();
        let breaks = characters.iter().enumerate().filter(|(_, c)| **c == '\n').map(|(index, _)| index + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { characters, lines }
    }

    /// The number, from 0, of the line on which a character stands.
    fn line(&self, index: usize) -> usize {
        self.lines.partition_point(|start| *start <= index).saturating_sub(1)
    }

    fn start_of(&self, line: usize) -> usize {
        self.lines.get(line).copied().unwrap_or(self.characters.len())
    }

    /// Whether the first thing on a line is the dash of a list item.
    fn is_item(&self, line: usize) -> bool {
        let (start, end) = (self.start_of(line), self.start_of(line + 1));
        let mut content =
            self.characters.get(start..end).unwrap_or_default().iter().skip_while(|c| **c == ' ');
        content.next() == Some(&'-') && content.next().is_none_or(|c| c.is_whitespace())
    }

    /// The lines of the dropped items: from the one with the dash to the one with the last content.
    fn block_cuts(&self, items: &[Node], drop: &[bool]) -> Vec<Range<usize>> {
        let gone = items.iter().zip(drop).filter(|(_, gone)| **gone);
        gone.map(|(item, _)| {
            let mut first = self.line(item.start.index);
            while first > 0 && !self.is_item(first) {
                first -= 1;
            }
            let end = self.line(last(item).saturating_sub(1));
            self.start_of(first)..self.start_of(end + 1)
        })
        .collect()
    }

    /// The character behind the colon of a key.
    fn after_colon(&self, key: &Node) -> Option<usize> {
        let rest = self.characters.get(key.end..)?;
        let blanks = rest.iter().take_while(|c| **c == ' ').count();
        (rest.get(blanks) == Some(&':')).then_some(key.end + blanks + 1)
    }

    /// The text without `cuts`, with an empty list at `insertion`.
    fn apply(&self, cuts: &[Range<usize>], insertion: Option<usize>) -> String {
        let mut cuts = cuts.iter().peekable();
        let mut result = String::with_capacity(self.characters.len());
        for (index, character) in self.characters.iter().enumerate() {
            if insertion == Some(index) {
                result.push_str(" []");
            }
            while cuts.next_if(|cut| cut.end <= index).is_some() {}
            if cuts.peek().is_none_or(|cut| !cut.contains(&index)) {
                result.push(*character);
            }
        }
        if insertion == Some(self.characters.len()) {
            result.push_str(" []");
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(list: &[&str]) -> BTreeSet<IssueKey> {
        list.iter().map(|key| key.parse().unwrap()).collect()
    }

    const HEAD: &str = "# héad\nshipment:\n  data:\n    releaseNotes:\n      description: |\n        - id: OCPBUGS-12\n          source: redhat.atlassian.net\n      issues:\n";
    const TAIL: &str = "      references: # why\n        - https://docs.example.test/OCPBUGS-12\n";

    fn edit(fixed: &str, drop: &[&str]) -> Option<Edit> {
        let file = ShipmentFile::new("x.yaml", format!("{HEAD}{fixed}{TAIL}"));
        file.without(&keys(drop)).unwrap()
    }

    /// The list after `drop` was taken out of `fixed`; everything else must be as before.
    #[track_caller]
    fn after(fixed: &str, drop: &[&str]) -> String {
        let edit = edit(fixed, drop).expect("nothing was taken out");
        let rest = edit.content.strip_prefix(HEAD).expect("the head changed");
        rest.strip_suffix(TAIL).expect("the tail changed").to_owned()
    }

    #[test]
    fn a_key_is_matched_whole() {
        let fixed = "        fixed:\n          - id: OCPBUGS-123\n            source: redhat.atlassian.net\n          - id: OCPBUGS-12\n            source: redhat.atlassian.net\n";
        let expected =
            "        fixed:\n          - id: OCPBUGS-123\n            source: redhat.atlassian.net\n";
        assert_eq!(after(fixed, &["OCPBUGS-12"]), expected);
        assert_eq!(edit(fixed, &["OCPBUGS-1"]), None);
        assert_eq!(edit(fixed, &["OCPBUGS-1234"]), None);
        assert_eq!(edit(fixed, &["OCPBUGS-12"]).unwrap().removed, ["OCPBUGS-12".parse().unwrap()]);
    }

    #[test]
    fn an_emptied_list_stays_a_list() {
        let item = "          - id: OCPBUGS-12\n            source: redhat.atlassian.net\n";
        for (name, expected) in [
            ("fixed:\n", "fixed: []\n"),
            ("fixed: # dropped by QE\n", "fixed: [] # dropped by QE\n"),
            ("'fixed' :\n", "'fixed' : []\n"),
        ] {
            assert_eq!(
                after(&format!("        {name}{item}"), &["OCPBUGS-12"]),
                format!("        {expected}")
            );
        }
        let flow = "        fixed: [ {id: OCPBUGS-12, source: redhat.atlassian.net} ]\n";
        assert_eq!(after(flow, &["OCPBUGS-12"]), "        fixed: []\n");
    }

    #[test]
    fn other_shapes_of_an_entry() {
        for item in [
            "        - source: redhat.atlassian.net\n          id: 'OCPBUGS-12' # the one\n",
            "        -\n          # about it\n          id: \"OCPBUGS-12\"\n          source: \"issues.redhat.com\"\n",
            "        - {id: OCPBUGS-12, source: redhat.atlassian.net}\n",
            "        -   id: OCPBUGS-12\n            source: redhat.atlassian.net\n            note: |\n              # not a comment\n\n              end\n",
            "        - id: OCPBUGS-12\n          source: redhat.atlassian.net\n          note:\n",
            "        - id: OCPBUGS-12\n          source: redhat.atlassian.net\n          more: [a,\n            b]\n",
        ] {
            let other = "        - id: OCPBUGS-7\n          source: redhat.atlassian.net\n";
            for fixed in [format!("{item}{other}"), format!("{other}{item}")] {
                let left = after(&format!("        fixed:\n{fixed}"), &["OCPBUGS-12"]);
                assert_eq!(left, format!("        fixed:\n{other}"), "{fixed}");
            }
            assert_eq!(
                after(&format!("        fixed:\n{item}"), &["OCPBUGS-12"]),
                "        fixed: []\n",
                "{item}"
            );
        }
    }

    #[test]
    fn another_tracker_with_the_same_id_stays() {
        let fixed = "        fixed:\n          - id: OCPBUGS-12\n            source: bugzilla.example.test\n";
        assert_eq!(edit(fixed, &["OCPBUGS-12"]), None);
    }

    #[test]
    fn lists_in_brackets() {
        let one = |key: &str| format!("{{id: {key}, source: redhat.atlassian.net}}");
        let list = |keys: &[&str]| {
            format!("        fixed: [{}]\n", keys.iter().map(|key| one(key)).collect::<Vec<_>>().join(", "))
        };
        let fixed = list(&["A-1", "A-2", "A-3", "A-4"]);
        assert_eq!(after(&fixed, &["A-1"]), list(&["A-2", "A-3", "A-4"]));
        assert_eq!(after(&fixed, &["A-2", "A-3"]), list(&["A-1", "A-4"]));
        assert_eq!(after(&fixed, &["A-3", "A-4", "A-1"]), list(&["A-2"]));
    }

    #[test]
    fn what_cannot_be_cut_cleanly_is_refused() {
        let fixed = "        fixed:\n          - &one {id: OCPBUGS-12, source: redhat.atlassian.net}\n        again: *one\n";
        let file = ShipmentFile::new("x.yaml", format!("{HEAD}{fixed}{TAIL}"));
        let problem = file.without(&keys(&["OCPBUGS-12"])).unwrap_err();
        assert!(problem.message.contains("OCPBUGS-12 cannot be removed"), "{problem}");
        let anchored =
            "        fixed: &list\n          - id: OCPBUGS-12\n            source: redhat.atlassian.net\n";
        assert!(
            ShipmentFile::new("x.yaml", format!("{HEAD}{anchored}{TAIL}"))
                .without(&keys(&["OCPBUGS-12"]))
                .is_err()
        );
    }

    #[test]
    fn a_file_without_a_last_line_break_and_with_a_byte_order_mark() {
        let text = "\u{feff}shipment: {a: é}\n";
        assert_eq!(ShipmentFile::new("x.yaml", text).without(&keys(&["A-1"])).unwrap(), None);
        let head = "\u{feff}shipment:\n  data:\n    releaseNotes:\n      issues:\n        fixed:";
        let file = ShipmentFile::new(
            "x.yaml",
            format!("{head}\n        - id: A-1\n          source: redhat.atlassian.net"),
        );
        assert_eq!(file.without(&keys(&["A-1"])).unwrap().unwrap().content, format!("{head} []\n"));
    }

    /// One way of writing an entry, and what stands before it on lines of its own.
    fn entry() -> impl Strategy<Value = (u32, u8, bool, bool)> {
        (1u32..40, 0u8..6, any::<bool>(), any::<bool>())
    }

    fn written(number: u32, shape: u8, comment: bool) -> String {
        let note = if comment { " # é OCPBUGS-1" } else { "" };
        let id = format!("OCPBUGS-{number}");
        let source = "redhat.atlassian.net";
        match shape {
            0 => format!("  - id: {id}{note}\n    source: {source}{note}\n"),
            1 => format!("  - source: {source}\n    id: '{id}'{note}\n"),
            2 => format!("  -\n    id: \"{id}\"{note}\n    source: issues.redhat.com\n"),
            3 => format!("  - {{source: {source}, id: {id}}}{note}\n"),
            4 => format!(
                "  - id: {id}\n    source: {source}\n    text: >-\n      - id: OCPBUGS-1\n\n      # no comment\n"
            ),
            _ => {
                format!("  - id: {id}\n    source: {source}\n    list:\n    - id: OCPBUGS-1\n    - b{note}\n")
            }
        }
    }

    proptest! {
        #[test]
        fn exactly_the_entries_of_the_keys_are_cut(
            entries in proptest::collection::vec(entry(), 1..8),
            drop in proptest::collection::btree_set(1u32..40, 1..20),
            windows in any::<bool>(),
            tail in any::<bool>(),
        ) {
            let ends = |text: String| if windows { text.replace('\n', "\r\n") } else { text };
            let head = "shipment:\n data:\n  releaseNotes:\n   issues:\n    fixed:".to_owned();
            let tail = if tail { "    other: OCPBUGS-1\n" } else { "" };
            let (mut before, mut after) = (head.clone(), head);
            let all = entries.iter().all(|(number, ..)| drop.contains(number));
            before.push('\n');
            after.push_str(if all { " []\n" } else { "\n" });
            let mut removed = Vec::new();
            for (number, shape, comment, above) in entries {
                let text = written(number, shape, comment).lines().fold(String::new(), |text, line| text + "  " + line.trim_end() + "\n");
                let above = if above { "    # - id: OCPBUGS-1\n\n" } else { "" };
                before.push_str(above);
                after.push_str(above);
                before.push_str(&text);
                if drop.contains(&number) {
                    removed.push(format!("OCPBUGS-{number}"));
                } else {
                    after.push_str(&text);
                }
            }
            before.push_str(tail);
            after.push_str(tail);
            let keys: BTreeSet<IssueKey> = drop.iter().map(|number| format!("OCPBUGS-{number}").parse().unwrap()).collect();
            let edit = ShipmentFile::new("x.yaml", ends(before)).without(&keys).unwrap();
            match edit {
                None => prop_assert!(removed.is_empty()),
                Some(edit) => {
                    prop_assert_eq!(edit.content, ends(after));
                    prop_assert_eq!(edit.removed.iter().map(ToString::to_string).collect::<Vec<_>>(), removed);
                }
            }
        }
    }
}
