//! ART's settings of a branch: `group.yml` with the assembly's `group` merged over it (spec 01 §1.4).

use indexmap::IndexMap;

use super::assembly::read;
use super::merge::{Content, Merged};
use super::node::Node;
use super::{Assembly, BuildDataError};
use crate::version::YStream;

/// The branch's settings for one assembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// The architectures that the release is built for, in Red Hat's spelling: `x86_64`.
    pub arches: Vec<String>,
    /// RHEL packages that ship with the release before RHEL ships them, and the tags that show whether they
    /// may.
    pub rpm_deliveries: Vec<RpmDelivery>,
    /// `pre-release`, `signing`, `release`, …; absent in older branches.
    pub lifecycle_phase: Option<String>,
}

/// One entry of `rpm_deliveries` (spec 02 §4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpmDelivery {
    /// The names of the packages: `kernel`, `kernel-rt`. Never empty.
    pub packages: Vec<String>,
    /// The tag of builds that must not ship: `early-kernel-stop-ship`.
    pub stop_ship_tag: Option<String>,
    /// The tag of builds that may ship.
    pub ship_ok_tag: Option<String>,
    /// The tag of builds that are waiting.
    pub integration_tag: Option<String>,
    /// The tag that they get when they ship.
    pub target_tag: Option<String>,
}

/// A parsed `group.yml`.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupFile(Node);

impl GroupFile {
    /// Reads a `group.yml`.
    pub fn parse(text: &str) -> Result<Self, BuildDataError> {
        match read(text)? {
            root @ Node::Map(_) => Ok(Self(root)),
            other => {
                Err(BuildDataError::Unreadable(format!("it is {}, expected a mapping", other.describe())))
            }
        }
    }
}

impl GroupConfig {
    /// The settings in `file` for `assembly`, a release of `stream`.
    ///
    /// The file must name its branch, as ART's own tools demand (`name`, checked: openshift-eng/art-tools,
    /// doozer and elliott, `runtime.py`). Otherwise it was cut off or copied from another branch, and is an
    /// error.
    pub fn of(file: &GroupFile, assembly: &Assembly<'_>, stream: YStream) -> Result<Self, BuildDataError> {
        let group = assembly.group_over(&file.0)?;
        let variables = Variables::of(&group);
        let (name, expected) = (group.get("name"), format!("openshift-{stream}"));
        match name.and_then(|name| variables.text(name)) {
            Some(name) if name == expected => {}
            Some(other) => {
                let other: String = other.chars().take(80).collect();
                return Err(BuildDataError::Unreadable(format!(
                    "its `name` is `{other}`, expected `{expected}`"
                )));
            }
            None => {
                return Err(BuildDataError::Unreadable(format!("it has no `name`, expected `{expected}`")));
            }
        }
        let phase = group.get("software_lifecycle").and_then(|lifecycle| lifecycle.get("phase"));
        Ok(Self {
            arches: texts(&group, "arches", "arches", &variables)?,
            rpm_deliveries: deliveries(&group, &variables)?,
            lifecycle_phase: phase.and_then(|phase| variables.text(phase)),
        })
    }
}

/// The longest text in which variables are replaced, and the longest value of a variable, in bytes.
const TEXT_LIMIT: usize = 256;

/// The values of `vars`, which texts refer to as `{MAJOR}`.
struct Variables(IndexMap<String, String>);

impl Variables {
    fn of(group: &Merged<'_>) -> Self {
        let mut variables = IndexMap::new();
        if let Some(Content::Map(entries)) = group.get("vars").map(|vars| &vars.content) {
            for (name, value) in entries {
                let value = match value.content {
                    Content::Plain(Node::Text(text)) => text.clone(),
                    Content::Plain(Node::Integer(number)) => number.to_string(),
                    _ => continue,
                };
                if value.len() > TEXT_LIMIT || value.contains('{') {
                    continue;
                }
                variables.insert(format!("{{{name}}}"), value);
            }
        }
        Self(variables)
    }

    /// A text with its variables replaced; `None` when the value is not a text or is blank.
    fn text(&self, value: &Merged<'_>) -> Option<String> {
        let mut text = value.text().filter(|text| !text.is_empty())?.to_owned();
        for (name, value) in &self.0 {
            if text.len() <= TEXT_LIMIT && text.contains('{') {
                text = text.replace(name, value);
            }
        }
        Some(text)
    }
}

fn deliveries(group: &Merged<'_>, variables: &Variables) -> Result<Vec<RpmDelivery>, BuildDataError> {
    const KEY: &str = "rpm_deliveries";
    let mut deliveries = Vec::new();
    for (index, entry) in items(group, KEY, KEY)?.iter().enumerate() {
        let field = format!("{KEY}[{index}]");
        let packages = texts(entry, "packages", &format!("{field}.packages"), variables)?;
        if packages.is_empty() {
            return Err(shape(&format!("{field}.packages"), entry, "names of packages (for example kernel)"));
        }
        let tag = |name: &str| match entry.get(name).filter(|tag| !tag.is_nothing()) {
            None => Ok(None),
            Some(tag) => match variables.text(tag) {
                Some(text) => Ok(Some(text)),
                None => Err(shape(&format!("{field}.{name}"), tag, "the name of a tag")),
            },
        };
        deliveries.push(RpmDelivery {
            stop_ship_tag: tag("stop_ship_tag")?,
            ship_ok_tag: tag("ship_ok_tag")?,
            integration_tag: tag("integration_tag")?,
            target_tag: tag("target_tag")?,
            packages,
        });
    }
    Ok(deliveries)
}

fn texts(
    section: &Merged<'_>,
    key: &str,
    field: &str,
    variables: &Variables,
) -> Result<Vec<String>, BuildDataError> {
    let text = |item| variables.text(item).ok_or_else(|| shape(field, item, "a list of names"));
    items(section, key, field)?.iter().map(text).collect()
}

/// The items of a list; empty when it is absent or empty.
fn items<'v, 'a>(
    section: &'v Merged<'a>,
    key: &str,
    field: &str,
) -> Result<&'v [Merged<'a>], BuildDataError> {
    match section.get(key) {
        None => Ok(&[]),
        Some(Merged { content: Content::List(items), .. }) => Ok(items),
        Some(nothing) if nothing.is_nothing() => Ok(&[]),
        Some(other) => Err(shape(field, other, "a list")),
    }
}

fn shape(field: &str, found: &Merged<'_>, expected: &str) -> BuildDataError {
    BuildDataError::ValueFormat {
        assembly: found.origin.into(),
        field: field.into(),
        found: found.describe(),
        expected: expected.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::BuildData;
    use super::*;

    const FILE: &str = "
vars: {MAJOR: 4, MINOR: 15, RHCOS_EL_MAJOR: 9}
name: openshift-{MAJOR}.{MINOR}
arches: [x86_64, s390x]
software_lifecycle: {phase: release}
rpm_deliveries:
- packages: [kernel, kernel-rt]
  rhel_tag: rhel-{RHCOS_EL_MAJOR}.2.0-z-candidate
  integration_tag: early-kernel-candidate
  stop_ship_tag: early-kernel-stop-ship
  target_tag: rhaos-{MAJOR}.{MINOR}-rhel-{RHCOS_EL_MAJOR}-candidate
";

    fn group(file: &str, group: &str) -> Result<GroupConfig, BuildDataError> {
        let data = BuildData::parse(&format!("releases: {{a: {{assembly: {{group: {group}}}}}}}")).unwrap();
        GroupConfig::of(&GroupFile::parse(file)?, &data.assembly("a").unwrap().unwrap(), YStream::new(4, 15))
    }

    #[test]
    fn the_branch_s_file_lies_beneath_the_assembly() {
        let plain = group(FILE, "{}").unwrap();
        assert_eq!(plain.arches, ["x86_64", "s390x"]);
        assert_eq!(plain.lifecycle_phase.as_deref(), Some("release"));
        let [delivery] = plain.rpm_deliveries.as_slice() else { panic!("{plain:?}") };
        assert_eq!(delivery.packages, ["kernel", "kernel-rt"]);
        assert_eq!(delivery.stop_ship_tag.as_deref(), Some("early-kernel-stop-ship"));
        assert_eq!(delivery.target_tag.as_deref(), Some("rhaos-4.15-rhel-9-candidate"));
        assert_eq!(delivery.ship_ok_tag, None);
        let own = group(
            FILE,
            "{'arches!': [x86_64], vars: {EL: 8}, rpm_deliveries: [{packages: [kernel], target_tag: '{EL}'}]}",
        );
        let own = own.unwrap();
        assert_eq!(own.arches, ["x86_64"]);
        assert_eq!(own.rpm_deliveries.len(), 2, "lists are joined");
        assert_eq!(own.rpm_deliveries[1].target_tag.as_deref(), Some("8"));
    }

    #[test]
    fn nothing_in_every_spelling_is_no_delivery_and_what_is_wrong_is_named() {
        for nothing in ["~", "''", "[]", "{}"] {
            let file = format!(
                "name: openshift-4.15\narches: {nothing}\nrpm_deliveries: {nothing}\nsoftware_lifecycle: {nothing}\n"
            );
            let read = group(&file, "{}").unwrap();
            assert_eq!((read.arches.len(), read.rpm_deliveries.len(), read.lifecycle_phase), (0, 0, None));
        }
        for (file, words) in [
            ("rpm_deliveries: 5", "`group.yml`: `rpm_deliveries` is the number 5, expected a list"),
            ("rpm_deliveries: [{packages: []}]", "`rpm_deliveries[0].packages`"),
            ("rpm_deliveries: [{packages: [[a]]}]", "is a list, expected a list of names"),
            (
                "rpm_deliveries: [{packages: [a], stop_ship_tag: [x]}]",
                "`rpm_deliveries[0].stop_ship_tag` is a list",
            ),
        ] {
            let error = group(&format!("name: openshift-4.15\n{file}"), "{}").unwrap_err().to_string();
            assert!(error.contains(words), "{file}: {error}");
        }
        assert!(group("[]", "{}").unwrap_err().to_string().contains("it is a list, expected a mapping"));
    }

    #[test]
    fn a_file_that_does_not_name_its_branch_says_nothing() {
        for (file, words) in [
            ("{}", "it has no `name`, expected `openshift-4.15`"),
            ("name: ''", "it has no `name`"),
            ("name: [openshift-4.15]", "it has no `name`"),
            ("name: openshift-4.16", "its `name` is `openshift-4.16`, expected `openshift-4.15`"),
            ("name: openshift-{MAJOR}.{MINOR}", "its `name` is `openshift-{MAJOR}.{MINOR}`"),
        ] {
            let error = group(file, "{}").unwrap_err().to_string();
            assert!(error.contains(words), "{file}: {error}");
        }
    }
}
