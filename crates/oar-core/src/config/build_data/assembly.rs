//! Assemblies: the entries of the build data, and how one inherits from another.

use indexmap::IndexMap;

use super::node::Node;
use super::{BuildDataError, SIZE_LIMIT};
use crate::version::{ReleaseVersion, YStream};

/// The whole build data of a y-stream.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildData {
    releases: IndexMap<String, Node>,
}

impl BuildData {
    /// Reads a `releases.yml`. Entries are looked at when they are asked for: one that is malformed spoils no other.
    pub fn parse(text: &str) -> Result<Self, BuildDataError> {
        if text.len() > SIZE_LIMIT {
            return Err(BuildDataError::Unreadable(format!("it has more than {SIZE_LIMIT} bytes")));
        }
        let root: Node =
            serde_yaml::from_str(text).map_err(|error| BuildDataError::Unreadable(error.to_string()))?;
        let found = match root {
            Node::Null => "the file is empty".to_owned(),
            Node::Map(mut root) => match root.shift_remove("releases") {
                Some(Node::Map(releases)) => return Ok(Self { releases }),
                Some(Node::Null) => return Ok(Self { releases: IndexMap::new() }),
                Some(other) => format!("`releases` is {}", other.describe()),
                None => "it has no key `releases`".to_owned(),
            },
            other => format!("it is {}", other.describe()),
        };
        Err(BuildDataError::Unreadable(format!("{found}, expected a mapping of releases under `releases`")))
    }

    /// The names of all entries, as they stand in the file: `4.19.7`, `rc.3`, `stream`, ….
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.releases.keys().map(String::as_str)
    }

    /// The assembly of an entry with all its parents; `None` when there is no such entry.
    pub fn assembly(&self, name: &str) -> Result<Option<Assembly<'_>>, BuildDataError> {
        if !self.releases.contains_key(name) {
            return Ok(None);
        }
        let mut levels: Vec<Level<'_>> = Vec::new();
        let mut next = name.to_owned();
        loop {
            let Some((own_name, entry)) = self.releases.get_key_value(next.as_str()) else {
                let child = levels.last().map_or(name, |level| level.name);
                return Err(BuildDataError::ParentMissing { assembly: child.into(), parent: next });
            };
            if levels.iter().any(|level| level.name == own_name) {
                let mut chain: Vec<&str> = levels.iter().map(|level| level.name).collect();
                chain.push(own_name);
                return Err(BuildDataError::Cycle { assembly: name.into(), chain: chain.join(" → ") });
            }
            let level = Level::new(own_name, entry)?;
            let parent = level.parent()?;
            levels.push(level);
            match parent {
                Some(parent) => parent.clone_into(&mut next),
                None => return Ok(Some(Assembly { levels })),
            }
        }
    }

    /// The assembly of a release (spec 01 §1.4 "Release key rule"); `None` when the file does not have it yet.
    pub fn release(&self, release: &ReleaseVersion) -> Result<Option<Assembly<'_>>, BuildDataError> {
        self.assembly(&release.assembly())
    }

    /// The releases of the file that stand nearest to `release`: at most two before it and two after it.
    pub fn closest(&self, release: &ReleaseVersion) -> Vec<String> {
        let stream = release.y_stream();
        let mut versions: Vec<(ReleaseVersion, &str)> =
            self.names().filter_map(|name| Some((version_of(name, stream)?, name))).collect();
        versions.sort();
        let place = versions.partition_point(|(version, _)| version < release);
        let near = place.saturating_sub(2)..versions.len().min(place + 2);
        versions[near].iter().map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// The version that an entry's name stands for: `4.19.0-rc.3` for `rc.3`.
fn version_of(name: &str, stream: YStream) -> Option<ReleaseVersion> {
    name.parse().ok().or_else(|| {
        let prerelease = name.starts_with("ec.") || name.starts_with("rc.");
        prerelease.then(|| format!("{stream}.0-{name}").parse().ok()).flatten()
    })
}

/// One entry of the chain of parents.
#[derive(Debug, Clone, Copy)]
struct Level<'a> {
    name: &'a str,
    assembly: &'a Node,
}

impl<'a> Level<'a> {
    fn new(name: &'a str, entry: &'a Node) -> Result<Self, BuildDataError> {
        let shape = |field: &str, found: String| BuildDataError::Shape {
            assembly: name.to_owned(),
            field: field.to_owned(),
            found,
            expected: "a mapping".into(),
        };
        let Node::Map(entries) = entry else { return Err(shape("releases", entry.describe())) };
        match entries.get("assembly") {
            Some(assembly @ Node::Map(_)) => Ok(Self { name, assembly }),
            Some(other) => Err(shape("assembly", other.describe())),
            None => Err(shape("assembly", "absent".into())),
        }
    }

    /// The section `name` of this level and whether it is marked `!`, which cuts the inheritance.
    fn section(&self, name: &str) -> Result<Option<(&'a Node, bool)>, BuildDataError> {
        let Some((section, marked)) = marked_or_plain(self.assembly, name) else { return Ok(None) };
        match section {
            Node::Map(_) => Ok(Some((section, marked))),
            other => Err(BuildDataError::Shape {
                assembly: self.name.into(),
                field: name.into(),
                found: other.describe(),
                expected: "a mapping".into(),
            }),
        }
    }

    fn parent(&self) -> Result<Option<&'a str>, BuildDataError> {
        let Some((basis, _)) = self.section("basis")? else { return Ok(None) };
        match marked_or_plain(basis, "assembly") {
            None => Ok(None),
            Some((Node::Text(parent), _)) => Ok(Some(parent)),
            Some((other, _)) => Err(BuildDataError::Shape {
                assembly: self.name.into(),
                field: "basis.assembly".into(),
                found: other.describe(),
                expected: "the name of another entry (for example 4.19.6)".into(),
            }),
        }
    }
}

/// ART's `key!` rule: `key!` wins over `key` of the same mapping. Null counts as absent, an empty mapping does not.
fn marked_or_plain<'a>(mapping: &'a Node, key: &str) -> Option<(&'a Node, bool)> {
    let marked = mapping.get(&format!("{key}!")).map(|value| (value, true));
    marked.or_else(|| mapping.get(key).map(|value| (value, false)))
}

/// An assembly together with all its parents.
#[derive(Debug, Clone)]
pub struct Assembly<'a> {
    levels: Vec<Level<'a>>,
}

impl<'a> Assembly<'a> {
    /// The entry's name.
    pub fn name(&self) -> &'a str {
        self.levels.first().map_or("", |level| level.name)
    }

    /// The names of its parents, nearest first.
    pub fn parents(&self) -> impl Iterator<Item = &'a str> {
        self.levels.iter().skip(1).map(|level| level.name)
    }

    /// The value of `section.key` with the name of the entry that it comes from: of the own entry `key!`, then
    /// `key`; then the same of the parent, and so on. Mappings of parent and child are never mixed, as the Python
    /// reference does not mix them either. A section that is itself marked `!` replaces those of all parents.
    pub(super) fn value(
        &self,
        section: &str,
        key: &str,
    ) -> Result<Option<(&'a str, &'a Node)>, BuildDataError> {
        for level in &self.levels {
            let Some((entries, cut)) = level.section(section)? else { continue };
            if let Some((value, _)) = marked_or_plain(entries, key) {
                return Ok(Some((level.name, value)));
            }
            if cut {
                return Ok(None);
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write as _;

    fn parse(text: &str) -> BuildData {
        BuildData::parse(text).unwrap()
    }

    fn value<'a>(data: &'a BuildData, name: &str, section: &str, key: &str) -> Option<&'a Node> {
        data.assembly(name).unwrap().unwrap().value(section, key).unwrap().map(|(_, value)| value)
    }

    const CHAIN: &str = "
releases:
  4.19.3: {assembly: {basis: {assembly: 4.19.2}, group: {release_jira: ART-3}}}
  4.19.2: {assembly: {basis: {assembly: rc.7, 'reference_releases!': {}}, group: {'advisories!': {rpm: 2}, advisories: {rpm: 9, image: 9}}}}
  rc.7: {assembly: {basis: {reference_releases: {x86_64: nightly}}, group: {advisories: {rpm: 7}, release_jira: ART-7, release_date: 2025-Jan-07}}}
  stream: {assembly: {type: stream}}
  broken: [1]
";

    #[test]
    fn values_come_from_the_nearest_entry_that_has_them() {
        let data = parse(CHAIN);
        assert_eq!(value(&data, "4.19.3", "group", "release_jira"), Some(&Node::Text("ART-3".into())));
        let advisories = value(&data, "4.19.3", "group", "advisories").unwrap();
        assert_eq!(
            advisories.get("rpm"),
            Some(&Node::Integer(2)),
            "the parent's `!` counts, and wins over its plain key"
        );
        assert_eq!(advisories.get("image"), None, "mappings are not mixed");
        assert_eq!(value(&data, "4.19.3", "group", "release_date"), Some(&Node::Text("2025-Jan-07".into())));
        assert_eq!(value(&data, "4.19.3", "basis", "reference_releases"), Some(&Node::Map(IndexMap::new())));
        let assembly = data.assembly("4.19.3").unwrap().unwrap();
        assert_eq!(assembly.parents().collect::<Vec<_>>(), ["4.19.2", "rc.7"]);
    }

    #[test]
    fn other_entries_spoil_nothing_and_a_missing_basis_is_no_error() {
        let data = parse(CHAIN);
        assert_eq!(value(&data, "stream", "group", "advisories"), None);
        assert!(data.assembly("4.19.9").unwrap().is_none());
        let error = data.assembly("broken").unwrap_err().to_string();
        assert_eq!(error, "`broken`: `releases` is a list, expected a mapping");
    }

    #[test]
    fn null_is_absent_and_a_marked_section_cuts_the_inheritance() {
        let data = parse(
            "releases:
  a: {assembly: {basis: {assembly: b}, group: {'advisories!': null, advisories: ~, release_jira: null}}}
  b: {assembly: {group: {advisories: {rpm: 1}, release_jira: ART-1}}}
  c: {assembly: {basis: {assembly: b}, 'group!': {release_jira: ART-9}}}
",
        );
        assert!(value(&data, "a", "group", "advisories").is_some());
        assert_eq!(value(&data, "a", "group", "release_jira"), Some(&Node::Text("ART-1".into())));
        assert_eq!(value(&data, "c", "group", "advisories"), None);
        assert_eq!(value(&data, "c", "group", "release_jira"), Some(&Node::Text("ART-9".into())));
    }

    #[test]
    fn cycles_and_missing_parents_are_named() {
        let data = parse(
            "releases:
  a: {assembly: {basis: {assembly: b}}}
  b: {assembly: {basis: {assembly: a}}}
  c: {assembly: {basis: {assembly: c}}}
  d: {assembly: {basis: {assembly: gone}}}
  e: {assembly: {basis: {assembly: [1]}}}
  f: {assembly: {basis: 7}}
  g: {}
",
        );
        let error = |name: &str| data.assembly(name).unwrap_err().to_string();
        assert_eq!(error("a"), "`a` inherits from itself: a → b → a");
        assert_eq!(error("c"), "`c` inherits from itself: c → c");
        assert_eq!(error("d"), "`d`: `basis.assembly` names `gone`, which is not under `releases`");
        assert!(error("e").contains("`basis.assembly` is a list"));
        assert!(error("f").contains("`basis` is the number 7"));
        assert!(error("g").contains("`assembly` is absent"));
    }

    #[test]
    fn a_file_that_is_none_is_refused() {
        for (text, words) in [
            ("", "empty"),
            ("[]", "a list"),
            ("x: 1", "no key `releases`"),
            ("releases: 5", "`releases` is the number 5"),
            ("releases: {a: b", "line 1"),
            ("<html>not found</html>", "the text `<html>"),
        ] {
            let error = BuildData::parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
        assert_eq!(parse("releases:").names().count(), 0);
    }

    #[test]
    fn the_closest_releases_are_those_before_and_after() {
        let data =
            parse("releases: {4.19.9: 1, 4.19.10: 1, 4.19.12: 1, 4.19.13: 1, rc.1: 1, ec.2: 1, stream: 1}");
        let closest = |release: &str| data.closest(&release.parse().unwrap());
        assert_eq!(closest("4.19.11"), ["4.19.9", "4.19.10", "4.19.12", "4.19.13"]);
        assert_eq!(closest("4.19.99"), ["4.19.12", "4.19.13"]);
        assert_eq!(closest("4.19.0-rc.0"), ["ec.2", "rc.1", "4.19.9"]);
    }

    /// What a key of a generated entry holds.
    #[derive(Debug, Clone, Copy)]
    enum Says {
        Nothing,
        Null,
        Id(u8),
    }

    impl Says {
        fn write(self, key: &str, yaml: &mut String) {
            match self {
                Self::Nothing => {}
                Self::Null => writeln!(yaml, "        {key}: null").unwrap(),
                Self::Id(id) => writeln!(yaml, "        {key}: {{rpm: {id}}}").unwrap(),
            }
        }

        fn id(self) -> Option<u8> {
            if let Self::Id(id) = self { Some(id) } else { None }
        }
    }

    /// What one entry of a generated chain says about `group.advisories`.
    #[derive(Debug, Clone)]
    struct Entry {
        marked: Says,
        plain: Says,
        has_group: bool,
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let says = || prop_oneof![Just(Says::Nothing), Just(Says::Null), any::<u8>().prop_map(Says::Id)];
        (says(), says(), any::<bool>()).prop_map(|(marked, plain, has_group)| Entry {
            marked,
            plain,
            has_group,
        })
    }

    proptest! {
        /// The rule, said once more in the simplest way: write down all places in order, take the first that is set.
        #[test]
        fn inheritance_takes_the_first_place_that_is_set(chain in proptest::collection::vec(entry(), 1..8)) {
            let mut yaml = String::from("releases:\n");
            for (index, entry) in chain.iter().enumerate() {
                writeln!(yaml, "  a{index}:\n    assembly:\n      type: standard").unwrap();
                if index + 1 < chain.len() {
                    writeln!(yaml, "      basis: {{assembly: a{}}}", index + 1).unwrap();
                }
                if entry.has_group {
                    yaml.push_str("      group:\n        other: 1\n");
                    entry.plain.write("advisories", &mut yaml);
                    entry.marked.write("advisories!", &mut yaml);
                }
            }
            let with_group = chain.iter().filter(|entry| entry.has_group);
            let expected = with_group.flat_map(|entry| [entry.marked.id(), entry.plain.id()]).flatten().next();
            let data = parse(&yaml);
            let found = value(&data, "a0", "group", "advisories").and_then(|node| node.get("rpm"));
            prop_assert_eq!(found.cloned(), expected.map(|id| Node::Integer(id.into())));
        }

        #[test]
        fn parsing_anything_never_panics(text in "(releases:\n)?[ a-z0-9:!{}\\[\\],\n-]{0,120}") {
            if let Ok(data) = BuildData::parse(&text) {
                for name in data.names() {
                    let _ = data.assembly(name);
                }
            }
        }
    }
}
