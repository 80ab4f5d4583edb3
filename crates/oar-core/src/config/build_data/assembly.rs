//! Assemblies: the entries of the build data, and how one inherits from another.

use indexmap::{IndexMap, IndexSet};

use super::merge::{Content, Merged, marked};
use super::node::Node;
use super::{BuildDataError, SIZE_LIMIT};
use crate::version::{ReleaseVersion, YStream};
use crate::yaml;

/// How many parents an assembly may have; the longest real chain has two.
const PARENTS_LIMIT: usize = 64;
/// The branch's own file, the source of values that no assembly sets.
pub(super) const GROUP_FILE: &str = "group.yml";

/// The whole build data of a y-stream.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildData {
    releases: IndexMap<String, Node>,
}

impl BuildData {
    /// Reads a `releases.yml`. Entries are checked when they are used, so that a malformed one does not
    /// affect others.
    pub fn parse(text: &str) -> Result<Self, BuildDataError> {
        let found = match read(text)? {
            Node::Null => "the file is empty".to_owned(),
            Node::Map(mut root) => match root.shift_remove("releases") {
                Some(Node::Map(releases)) => return Ok(Self { releases }),
                Some(nothing) if nothing.is_nothing() => return Ok(Self { releases: IndexMap::new() }),
                Some(other) => format!("`releases` is {}", other.describe()),
                None => "it has no key `releases`".to_owned(),
            },
            other => format!("it is {}", other.describe()),
        };
        Err(BuildDataError::Unreadable(format!("{found}, expected a mapping of releases under `releases`")))
    }

    /// The names of all entries, as in the file: `4.19.7`, `rc.3`, `stream`, ….
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.releases.keys().map(String::as_str)
    }

    /// The assembly of an entry with all its parents; `None` when there is no such entry.
    pub fn assembly(&self, name: &str) -> Result<Option<Assembly<'_>>, BuildDataError> {
        if !self.releases.contains_key(name) {
            return Ok(None);
        }
        let mut names: IndexSet<&str> = IndexSet::new();
        let mut levels: Vec<Level<'_>> = Vec::new();
        let mut next = name.to_owned();
        loop {
            let Some((own_name, entry)) = self.releases.get_key_value(next.as_str()) else {
                let child = levels.last().map_or(name, |level| level.name);
                return Err(BuildDataError::ParentMissing { assembly: child.into(), parent: next });
            };
            if !names.insert(own_name) {
                let mut chain: Vec<&str> = names.into_iter().collect();
                chain.push(own_name);
                return Err(BuildDataError::Cycle { assembly: name.into(), chain: chain.join(" → ") });
            }
            if names.len() > PARENTS_LIMIT + 1 {
                return Err(BuildDataError::TooManyParents { assembly: name.into(), limit: PARENTS_LIMIT });
            }
            let level = Level::new(own_name, entry)?;
            let parent = level.parent()?;
            levels.push(level);
            match parent {
                Some(parent) => parent.clone_into(&mut next),
                None => return Assembly::of(&levels).map(Some),
            }
        }
    }

    /// The assembly of a release (spec 01 §1.4 "Release key rule"); `None` when the file does not have it yet.
    pub fn release(&self, release: &ReleaseVersion) -> Result<Option<Assembly<'_>>, BuildDataError> {
        self.assembly(&release.assembly())
    }

    /// The releases in the file that are closest to `release`: at most two before it and two after it.
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

/// The version of an entry's name: `4.19.0-rc.3` for `rc.3`.
fn version_of(name: &str, stream: YStream) -> Option<ReleaseVersion> {
    name.parse().ok().or_else(|| {
        let prerelease = name.starts_with("ec.") || name.starts_with("rc.");
        prerelease.then(|| format!("{stream}.0-{name}").parse().ok()).flatten()
    })
}

/// Parses a text.
pub(super) fn read(text: &str) -> Result<Node, BuildDataError> {
    if text.len() > SIZE_LIMIT {
        return Err(BuildDataError::Unreadable(format!("it has more than {SIZE_LIMIT} bytes")));
    }
    yaml::from_str(text).map_err(|error| {
        BuildDataError::Unreadable(format!("line {}: {}", error.position.line, error.message))
    })
}

/// One entry of the chain of parents.
#[derive(Debug, Clone, Copy)]
struct Level<'a> {
    name: &'a str,
    assembly: &'a IndexMap<String, Node>,
}

impl<'a> Level<'a> {
    fn new(name: &'a str, entry: &'a Node) -> Result<Self, BuildDataError> {
        let shape = |field: &str, found: String| BuildDataError::ValueFormat {
            assembly: name.to_owned(),
            field: field.to_owned(),
            found,
            expected: "a mapping".into(),
        };
        let Node::Map(entries) = entry else { return Err(shape("releases", entry.describe())) };
        let assembly = match entries.get("assembly") {
            Some(Node::Map(assembly)) => assembly,
            Some(other) => return Err(shape("assembly", other.describe())),
            None => return Err(shape("assembly", "absent".into())),
        };
        match assembly.keys().find(|key| marked(key).1.is_some()) {
            None => Ok(Self { name, assembly }),
            Some(key) => Err(BuildDataError::TopLevelMarker { assembly: name.into(), key: key.clone() }),
        }
    }

    /// The section `name` of this level; `None` when it is absent.
    fn section(&self, name: &str) -> Result<Option<&'a Node>, BuildDataError> {
        match self.assembly.get(name) {
            None => Ok(None),
            Some(section @ Node::Map(_)) => Ok(Some(section)),
            // In ART's merge an empty section replaces the parent's.
            Some(section) if section.is_nothing() => Ok(Some(&Node::Null)),
            Some(other) => Err(BuildDataError::ValueFormat {
                assembly: self.name.into(),
                field: name.into(),
                found: other.describe(),
                expected: "a mapping".into(),
            }),
        }
    }

    fn parent(&self) -> Result<Option<&'a str>, BuildDataError> {
        let Some(basis) = self.section("basis")? else { return Ok(None) };
        let parent = basis.get("assembly!").or_else(|| basis.get("assembly"));
        match parent.filter(|parent| !parent.is_nothing()) {
            None => Ok(None),
            Some(Node::Text(parent)) => Ok(Some(parent.trim())),
            Some(other) => Err(BuildDataError::ValueFormat {
                assembly: self.name.into(),
                field: "basis.assembly".into(),
                found: other.describe(),
                expected: "the name of another entry (for example 4.19.6)".into(),
            }),
        }
    }
}

/// An assembly together with all its parents, merged by ART's rules.
#[derive(Debug, Clone)]
pub struct Assembly<'a> {
    names: Vec<&'a str>,
    levels: Vec<Level<'a>>,
    group: Merged<'a>,
    basis: Merged<'a>,
}

impl<'a> Assembly<'a> {
    /// `levels` are the entry itself, then its parents, nearest first.
    fn of(levels: &[Level<'a>]) -> Result<Self, BuildDataError> {
        let names: Vec<&str> = levels.iter().map(|level| level.name).collect();
        let own = names.first().copied().unwrap_or_default();
        let nothing = || Merged { origin: own, content: Content::Map(IndexMap::new()) };
        Ok(Self {
            group: section(levels, "group", nothing())?,
            basis: section(levels, "basis", nothing())?,
            names,
            levels: levels.to_vec(),
        })
    }

    /// The entry's name.
    pub fn name(&self) -> &'a str {
        self.names.first().copied().unwrap_or_default()
    }

    /// The names of its parents, nearest first.
    pub fn parents(&self) -> impl Iterator<Item = &'a str> {
        self.names.iter().skip(1).copied()
    }

    /// The value of `group.key` after inheritance; `None` when it is absent or null.
    pub(super) fn group(&self, key: &str) -> Option<&Merged<'a>> {
        self.group.get(key)
    }

    /// The value of `basis.key` after inheritance; `None` when it is absent or null.
    pub(super) fn basis(&self, key: &str) -> Option<&Merged<'a>> {
        self.basis.get(key)
    }

    /// The section `group`, merged over the branch's `group.yml`.
    pub(super) fn group_over(&self, file: &'a Node) -> Result<Merged<'a>, BuildDataError> {
        section(&self.levels, "group", Merged::layer(file, GROUP_FILE, None))
    }
}

/// The section `name` of all levels, merged over `below`, starting with the farthest parent.
fn section<'a>(levels: &[Level<'a>], name: &str, below: Merged<'a>) -> Result<Merged<'a>, BuildDataError> {
    let mut merged = below;
    for level in levels.iter().rev() {
        if let Some(own) = level.section(name)? {
            merged = Merged::layer(own, level.name, Some(merged));
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests;
