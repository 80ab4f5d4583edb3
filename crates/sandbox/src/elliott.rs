//! Simulates elliott, ART's command line: `find-bugs --cve-only`, with data from the sandbox's Jira and
//! made-up build data of the trackers' components (spec 02 §7).
//!
//! It accepts elliott's arguments and refuses others like elliott's option parser. Like the real one, it
//! omits trackers: it names only verified ones that no advisory has. For a tracker whose component has no
//! build it warns with `--permissive` and fails without.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{services::jira::Issue, world::World};

/// The kinds of advisories in an answer.
const KINDS: [&str; 6] = ["rpm", "image", "extras", "metadata", "microshift", "rhcos"];
/// The trackers of the two releases: key, build system of the component, kind of advisory that ships it.
const COMPONENTS: [(&str, &str, &str); 2] =
    [("OCPBUGS-60011", "konflux", "image"), ("OCPBUGS-61041", "brew", "metadata")];
/// Groups that the build data knows, with their assemblies.
const ASSEMBLIES: [(&str, &str); 2] = [("openshift-4.19", "4.19.1"), ("openshift-4.14", "4.14.60")];

/// A call of the program.
#[derive(Debug, Deserialize, Serialize)]
pub struct Call {
    /// The arguments after the program's name.
    pub arguments: Vec<String>,
    /// `JIRA_EMAIL`.
    pub email: Option<String>,
    /// `JIRA_TOKEN`.
    pub token: Option<String>,
}

/// The result of the call.
#[derive(Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// The exit code.
    pub code: u8,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

#[derive(Debug, Default)]
struct Arguments<'a> {
    group: Option<&'a str>,
    assembly: Option<&'a str>,
    build_system: Option<&'a str>,
    find_bugs: bool,
    cve_only: bool,
    permissive: bool,
    output: Option<&'a str>,
}

/// Answers a call.
pub fn call(world: &World, call: &Call) -> Ended {
    // The option ends the program before a command is read (art-tools, elliott/elliottlib/cli/common.py).
    if call.arguments.iter().any(|argument| argument == "--version") {
        return Ended { out: "Elliott v2.1.0\nPython v3.11.9\n".to_owned(), ..Ended::default() };
    }
    let arguments = match parse(&call.arguments) {
        Ok(arguments) => arguments,
        Err(words) => {
            let err = format!("Usage: elliott [OPTIONS] COMMAND [ARGS]...\n\nError: {words}\n");
            return Ended { code: 2, err, ..Ended::default() };
        }
    };
    let (group, assembly) = (arguments.group.unwrap_or_default(), arguments.assembly.unwrap_or_default());
    if !ASSEMBLIES.contains(&(group, assembly)) {
        let err =
            format!("ValueError: Assembly {assembly} is not defined in releases.yml of group {group}.\n");
        return Ended { code: 1, err, ..Ended::default() };
    }
    let attached: BTreeSet<String> = {
        let errata = world.errata.lock();
        errata.advisories.values().flat_map(|advisory| advisory.jira_issues.iter().cloned()).collect()
    };
    let jira = world.jira.lock();
    let knows = |login: &&crate::services::jira::Login| {
        Some(&login.email) == call.email.as_ref() && Some(&login.token) == call.token.as_ref()
    };
    if !jira.logins.iter().any(|login| knows(&login)) {
        let err = "jira.exceptions.JIRAError: JiraError HTTP 401: Client must be authenticated\n".to_owned();
        return Ended { code: 1, err, ..Ended::default() };
    }
    let stream = format!("{}.z", group.trim_start_matches("openshift-"));
    let system = arguments.build_system.unwrap_or("brew");
    let mut found: BTreeMap<&str, Vec<&str>> = KINDS.iter().map(|kind| (*kind, Vec::new())).collect();
    let mut homeless = Vec::new();
    let trackers = jira.issues.values().filter(|issue| is_tracker(issue, &stream));
    for issue in trackers.filter(|issue| issue.status == "Verified" && !attached.contains(&issue.key)) {
        match COMPONENTS.iter().find(|(key, _, _)| *key == issue.key) {
            Some((_, of_system, kind)) if *of_system == system => {
                found.entry(kind).or_default().push(issue.key.as_str());
            }
            Some(_) => {}
            None => homeless.push(format!("('{}', 'ose-demo')", issue.key)),
        }
    }
    let count: usize = found.values().map(Vec::len).sum();
    let mut err =
        format!("INFO {count} CVE trackers with target release {stream} for build system {system}\n");
    if !homeless.is_empty() {
        let words = format!(
            "No attached builds found in errata advisories for rpm tracker bugs (bug, package): [{}]. Either attach \
             builds or explicitly include/exclude the bug ids in the assembly definition",
            homeless.join(", ")
        );
        if !arguments.permissive {
            return Ended { code: 1, err: format!("{err}ValueError: {words}\n"), ..Ended::default() };
        }
        err = format!("{err}WARNING {words} Ignoring them because --permissive.\n");
    }
    Ended { code: 0, out: format!("{:#}\n", json!(found)), err }
}

/// Whether an issue that this account sees tracks a CVE in this y-stream.
fn is_tracker(issue: &Issue, target: &str) -> bool {
    let releases = issue.custom.get("customfield_10855").and_then(serde_json::Value::as_array);
    let targets = releases.is_some_and(|all| all.iter().any(|release| release["name"] == target));
    targets && !issue.hidden && issue.labels.iter().any(|label| label.starts_with("CVE-"))
}

fn parse(words: &[String]) -> Result<Arguments<'_>, String> {
    let mut arguments = Arguments::default();
    let mut words = words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("Option '{word}' requires an argument."));
        match (word, arguments.find_bugs) {
            ("--data-path", false) => drop(value()?),
            ("--group", false) => arguments.group = Some(value()?),
            ("--assembly", false) => arguments.assembly = Some(value()?),
            ("--build-system", false) => arguments.build_system = Some(value()?),
            ("find-bugs", false) => arguments.find_bugs = true,
            ("--cve-only", true) => arguments.cve_only = true,
            ("--permissive", true) => arguments.permissive = true,
            ("--output" | "-o", true) => arguments.output = Some(value()?),
            (option, _) if option.starts_with('-') => return Err(format!("No such option: {option}")),
            (other, _) => return Err(format!("No such command '{other}'.")),
        }
    }
    if !arguments.find_bugs {
        return Err("Missing command.".to_owned());
    }
    if !arguments.cve_only || arguments.output != Some("json") {
        return Err("the sandbox's elliott answers find-bugs --cve-only --output json only".to_owned());
    }
    if !matches!(arguments.build_system, Some("brew" | "konflux")) {
        return Err("Invalid value for '--build-system': choose from brew, konflux.".to_owned());
    }
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{credentials, services::testing::world};

    fn ask(world: &World, line: &str) -> Ended {
        let call = Call {
            arguments: line.split(' ').map(str::to_owned).collect(),
            email: Some(credentials::JIRA_USERNAME.to_owned()),
            token: Some(credentials::JIRA_TOKEN.to_owned()),
        };
        super::call(world, &call)
    }

    const KONFLUX: &str = "--data-path x --group openshift-4.19 --assembly 4.19.1 --build-system konflux \
                           find-bugs --cve-only -o json";

    fn verified(world: &World) {
        for key in ["OCPBUGS-60011", "OCPBUGS-61011", "OCPBUGS-61041"] {
            "Verified".clone_into(&mut world.jira.lock().issue_mut(key).unwrap().status);
        }
    }

    #[test]
    fn verified_trackers_come_from_jira_by_build_system_and_kind() {
        let world = world();
        let trackers = |line: &str| -> serde_json::Value {
            let ended = ask(&world, line);
            assert_eq!(ended.code, 0, "{ended:?}");
            serde_json::from_str(&ended.out).unwrap()
        };
        let errata = KONFLUX.replace("4.19.1", "4.14.60").replace("4.19", "4.14").replace("konflux", "brew");
        assert_eq!(trackers(KONFLUX)["image"], json!([]), "it is in ON_QA");
        verified(&world);
        assert_eq!(trackers(KONFLUX)["image"], json!([]), "it is on an advisory");
        assert_eq!(trackers(&errata)["metadata"], json!([]), "it is on an advisory");
        for advisory in world.errata.lock().advisories.values_mut() {
            advisory.jira_issues.retain(|key| key != "OCPBUGS-61041" && key != "OCPBUGS-60011");
        }
        assert_eq!(trackers(KONFLUX)["image"], json!(["OCPBUGS-60011"]));
        assert_eq!(trackers(&KONFLUX.replace("konflux", "brew"))["image"], json!([]));
        assert_eq!(trackers(&errata)["metadata"], json!(["OCPBUGS-61041"]));
        world.jira.lock().issue_mut("OCPBUGS-60011").unwrap().hidden = true;
        assert_eq!(trackers(KONFLUX)["image"], json!([]));
    }

    #[test]
    fn a_tracker_without_a_build_is_a_warning_or_the_end() {
        let world = world();
        verified(&world);
        for advisory in world.errata.lock().advisories.values_mut() {
            advisory.jira_issues.retain(|key| key != "OCPBUGS-61011");
        }
        let line = KONFLUX.replace("4.19.1", "4.14.60").replace("4.19", "4.14");
        let refused = ask(&world, &line);
        assert!(
            refused.code == 1 && refused.err.contains("ValueError") && refused.err.contains("OCPBUGS-61011")
        );
        let ended = ask(&world, &format!("{line} --permissive"));
        assert!(ended.code == 0 && ended.err.contains("('OCPBUGS-61011', 'ose-demo')"), "{ended:?}");
    }

    #[test]
    fn what_elliott_refuses_is_refused() {
        let world = world();
        for (line, code, words) in [
            ("--group openshift-4.19", 2, "Missing command"),
            ("--nothing", 2, "No such option: --nothing"),
            ("find-builds", 2, "No such command 'find-builds'"),
            (&KONFLUX.replace("4.19.1", "4.19.99"), 1, "Assembly 4.19.99 is not defined"),
            (&KONFLUX.replace("konflux", "make"), 2, "--build-system"),
            (&KONFLUX.replace(" -o json", " -o"), 2, "requires an argument"),
        ] {
            let ended = ask(&world, line);
            assert!(ended.code == code && ended.out.is_empty() && ended.err.contains(words), "{ended:?}");
        }
        let stranger = Call {
            arguments: KONFLUX.split(' ').map(str::to_owned).collect(),
            email: Some("nobody@example.com".to_owned()),
            token: None,
        };
        let ended = call(&world, &stranger);
        assert!(ended.code == 1 && ended.out.is_empty() && ended.err.contains("401"), "{ended:?}");
    }
}
