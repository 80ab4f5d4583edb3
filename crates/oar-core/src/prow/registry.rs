//! The registry of test jobs: the jobs that test the builds of a minor version (spec 04 §5).

use serde::Serialize;
use strsim::levenshtein;

use super::json::{Map, Number, Value};
use super::names::{BuildKind, RegistryName};
use super::problem::{FileProblems, Findings, Problem, utf8};

/// The default number of retries of a failed job (spec 04 §5.2).
pub const DEFAULT_RETRIES: u32 = 2;
/// A larger number is treated as a mistake: each retry is an expensive run of hours.
const MOST_RETRIES: u32 = 20;
/// The keys of an entry besides its name.
const FIELDS: [&str; 4] = ["upgrade", "optional", "disabled", "retries"];

/// One job that builds are tested with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestJob {
    /// The full name of the Prow job.
    #[serde(rename = "prowJob")]
    pub name: String,
    /// Whether the job upgrades to the build instead of installing it.
    pub upgrade: bool,
    /// Whether the job is not retried and does not count for acceptance.
    pub optional: bool,
    /// Whether the job is not started.
    pub disabled: bool,
    /// The number of retries after a failed first run: even, so that a majority decides.
    pub retries: u32,
}

impl TestJob {
    /// A required job with this name that installs the build.
    pub fn required(name: impl Into<String>) -> Self {
        Self { name: name.into(), upgrade: false, optional: false, disabled: false, retries: DEFAULT_RETRIES }
    }

    /// The job as an entry of a registry, without default values.
    pub(super) fn to_value(&self) -> Value {
        let mut map = Map::of([("prowJob", self.name.as_str().into())]);
        for (key, value) in
            [("upgrade", self.upgrade), ("optional", self.optional), ("disabled", self.disabled)]
        {
            if value {
                map.set(key, true);
            }
        }
        if self.retries != DEFAULT_RETRIES {
            map.set("retries", u64::from(self.retries));
        }
        Value::Map(map)
    }
}

/// A valid registry of test jobs.
#[derive(Debug, Clone)]
pub struct TestJobRegistry {
    name: RegistryName,
    nightly: Vec<TestJob>,
    stable: Vec<TestJob>,
    warnings: Vec<Problem>,
    document: Value,
    final_newline: bool,
}

impl TestJobRegistry {
    /// Parses and checks the registry `name`. Errors name the file, the entry and the field.
    pub fn parse(name: RegistryName, bytes: &[u8]) -> Result<Self, FileProblems> {
        let mut findings = Findings::of(name);
        let text = match utf8(bytes) {
            Ok(text) => text,
            Err(reason) => return Err(findings.refuse("", reason)),
        };
        let document = match Value::parse(text) {
            Ok(document) => document,
            Err(error) => return Err(findings.refuse("", format!("it is not JSON: {error}"))),
        };
        let Some(map) = document.as_map() else {
            let message = format!("a map with `nightly` and `stable` was expected, not {}", document.kind());
            return Err(findings.refuse("", message));
        };
        let [nightly, stable] = BuildKind::ALL.map(|kind| section(map, kind, &mut findings));
        for (key, _) in map.iter() {
            let key = key.get();
            if BuildKind::ALL.iter().all(|kind| kind.text() != key) {
                unknown_key(&mut findings, "", &key, &["nightly", "stable"]);
            }
        }
        let warnings = findings.finish()?;
        Ok(Self { name, nightly, stable, warnings, document, final_newline: text.ends_with('\n') })
    }

    /// The file's name.
    pub fn name(&self) -> RegistryName {
        self.name
    }

    /// Warnings about its entries.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// The jobs for builds of this kind, disabled ones too, in the order of the file.
    pub fn jobs(&self, kind: BuildKind) -> &[TestJob] {
        match kind {
            BuildKind::Nightly => &self.nightly,
            BuildKind::Stable => &self.stable,
        }
    }

    /// The jobs that are started for builds of this kind.
    pub fn enabled(&self, kind: BuildKind) -> impl Iterator<Item = &TestJob> {
        self.jobs(kind).iter().filter(|job| !job.disabled)
    }

    /// The job with this name for builds of this kind.
    pub fn find(&self, kind: BuildKind, name: &str) -> Option<&TestJob> {
        self.jobs(kind).iter().find(|job| job.name == name)
    }

    /// The text of the file: unknown keys and the final newline are kept.
    pub fn to_text(&self) -> String {
        let mut text = self.document.to_text();
        if self.final_newline {
            text.push('\n');
        }
        text
    }
}

fn section(map: &Map, kind: BuildKind, findings: &mut Findings) -> Vec<TestJob> {
    let entries = match map.get(kind.text()) {
        Some(Value::List(entries)) => entries,
        Some(other) => {
            findings.error(kind.text(), format!("a list of jobs was expected, not {}", other.kind()));
            return Vec::new();
        }
        None => {
            findings
                .error(kind.text(), "it is missing; a registry without such jobs has an empty list: `[]`");
            return Vec::new();
        }
    };
    let mut jobs: Vec<TestJob> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(job) = read_job(entry, &format!("{kind}[{index}]"), findings) else { continue };
        match jobs.iter().position(|other| other.name == job.name) {
            None => jobs.push(job),
            Some(first) if jobs.get(first) == Some(&job) => {
                findings
                    .warn(place(kind, index, &job), format!("it repeats entry {first}; the first is used"));
            }
            Some(first) => {
                let words = format!("it contradicts entry {first} of the same job; the first is used");
                findings.warn(place(kind, index, &job), words);
            }
        }
    }
    jobs
}

fn place(kind: BuildKind, index: usize, job: &TestJob) -> String {
    format!("{kind}[{index}] ({})", job.name)
}

/// The job of one entry, in a registry or in the list of a result file; `None` when it has no usable name.
pub(super) fn read_job(entry: &Value, at: &str, findings: &mut Findings) -> Option<TestJob> {
    let Some(map) = entry.as_map() else {
        findings.error(
            at,
            format!("a map such as `{{\"prowJob\": \"periodic-ci-…\"}}` was expected, not {}", entry.kind()),
        );
        return None;
    };
    let name = match map.get("prowJob") {
        Some(Value::Text(name)) if is_job_name(&name.get()) => name.get().into_owned(),
        Some(Value::Text(name)) => {
            let name: String = name.get().chars().take(120).collect();
            let message = format!("`{}` is not the name of a Prow job", name.escape_debug());
            findings.error(format!("{at}.prowJob"), message);
            return None;
        }
        Some(other) => {
            findings.error(
                format!("{at}.prowJob"),
                format!("the name of a job was expected, not {}", other.kind()),
            );
            return None;
        }
        None => {
            findings.error(format!("{at}.prowJob"), "it is missing; it names the Prow job: `periodic-ci-…`");
            return None;
        }
    };
    let at = format!("{at} ({name})");
    let mut flag = |key: &str| match map.get(key) {
        None => false,
        Some(Value::Bool(value)) => *value,
        Some(other) => {
            findings
                .error(format!("{at}.{key}"), format!("true or false was expected, not {}", shown(other)));
            false
        }
    };
    let (upgrade, optional, disabled) = (flag("upgrade"), flag("optional"), flag("disabled"));
    let retries = read_retries(map.get("retries"), &format!("{at}.retries"), findings);
    for (key, _) in map.iter() {
        let key = key.get();
        if key != "prowJob" && !FIELDS.contains(&key.as_ref()) {
            unknown_key(findings, &format!("{at}."), &key, &FIELDS);
        }
    }
    Some(TestJob { name, upgrade, optional, disabled, retries })
}

/// The number of retries, made even as in the Python tooling (spec 04 §5.2).
fn read_retries(value: Option<&Value>, at: &str, findings: &mut Findings) -> u32 {
    let digits = match value {
        None | Some(Value::Null) => return DEFAULT_RETRIES,
        Some(Value::Number(number)) => Some(number.text().to_owned()),
        Some(Value::Text(text)) => Some(text.get().into_owned()),
        Some(_) => None,
    };
    let digits = digits.filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    let written = value.map(shown).unwrap_or_default();
    let Some(digits) = digits else {
        findings
            .warn(at, format!("{written} counts as {DEFAULT_RETRIES}; an even number from 2 was expected"));
        return DEFAULT_RETRIES;
    };
    let number = digits.parse::<u32>().ok().filter(|number| *number <= MOST_RETRIES);
    let Some(number) = number else {
        findings.error(at, format!("{written} is too many: at most {MOST_RETRIES} were expected"));
        return DEFAULT_RETRIES;
    };
    let even = (number - number % 2).max(DEFAULT_RETRIES);
    if even != number || !matches!(value, Some(Value::Number(_))) {
        findings.warn(at, format!("{written} counts as {even}; an even number from 2 was expected"));
    }
    even
}

/// Reports an unknown key. One that is similar to a known key is an error, because the known one may be
/// meant.
fn unknown_key(findings: &mut Findings, at: &str, key: &str, known: &[&str]) {
    let shown: String = key.chars().take(60).collect();
    let at = format!("{at}{}", shown.escape_debug());
    let letters = |text: &str| -> String {
        text.chars()
            .take(64)
            .filter(|character| character.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    let meant = known.iter().find(|known| levenshtein(&letters(key), known) <= known.len() / 3);
    match meant {
        Some(meant) => findings.error(at, format!("no such key; `{meant}` may be meant")),
        None => findings.warn(at, format!("no program reads this key; known are {}", known.join(", "))),
    }
}

/// Prow's own rule, which also makes the name safe in a URL.
pub(super) fn is_job_name(name: &str) -> bool {
    (1..=253).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

fn shown(value: &Value) -> String {
    let number = |number: &Number| number.text().chars().take(40).collect();
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => number(value),
        Value::Text(text) => {
            let text: String = text.get().chars().take(40).collect();
            format!("the string `{}`", text.escape_debug())
        }
        other => other.kind().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = r#"{
  "nightly": [
    {
      "prowJob": "periodic-ci-demo-4.20-install"
    },
    {
      "prowJob": "periodic-ci-demo-4.20-upgrade",
      "upgrade": true,
      "retries": 4
    }
  ],
  "stable": [
    {
      "prowJob": "periodic-ci-demo-4.20-upgrade",
      "optional": true,
      "disabled": true
    }
  ]
}
"#;

    fn name() -> RegistryName {
        "ocp-4.20-test-jobs-amd64.json".parse().unwrap()
    }

    fn parse(text: &str) -> Result<TestJobRegistry, FileProblems> {
        TestJobRegistry::parse(name(), text.as_bytes())
    }

    fn with_field(field: &str) -> Result<TestJobRegistry, FileProblems> {
        parse(&format!(r#"{{"nightly": [{{"prowJob": "a-job", {field}}}], "stable": []}}"#))
    }

    #[test]
    fn entries_are_typed_and_the_file_is_written_as_it_was() {
        let registry = parse(GOOD).unwrap();
        let upgrade =
            TestJob { upgrade: true, retries: 4, ..TestJob::required("periodic-ci-demo-4.20-upgrade") };
        assert_eq!(
            registry.jobs(BuildKind::Nightly),
            [TestJob::required("periodic-ci-demo-4.20-install"), upgrade.clone()]
        );
        assert_eq!(registry.find(BuildKind::Nightly, "periodic-ci-demo-4.20-upgrade"), Some(&upgrade));
        assert_eq!(registry.enabled(BuildKind::Stable).count(), 0);
        assert!(registry.warnings().is_empty());
        assert_eq!(registry.to_text(), GOOD);
        assert_eq!(parse(GOOD.trim_end()).unwrap().to_text(), GOOD.trim_end());
    }

    #[test]
    fn errors_name_file_entry_and_field() {
        for (text, place, words) in [
            ("[]", "", "`nightly` and `stable`"),
            ("{", "", "line 1, column 2"),
            (r#"{"nightly": []}"#, "stable", "missing"),
            (r#"{"nightly": [], "stable": {}}"#, "stable", "a list of jobs was expected, not a map"),
            (r#"{"nightly": [1], "stable": []}"#, "nightly[0]", "not a number"),
            (r#"{"nightly": [{}], "stable": []}"#, "nightly[0].prowJob", "missing"),
            (r#"{"nightly": [{"prowJob": null}], "stable": []}"#, "nightly[0].prowJob", "not null"),
            (r#"{"nightly": [{"prowJob": "a/b"}], "stable": []}"#, "nightly[0].prowJob", "`a/b`"),
        ] {
            let problems = parse(text).unwrap_err();
            let problem = problems.iter().next().unwrap();
            assert_eq!(
                (problem.file.as_str(), problem.place.as_str()),
                ("ocp-4.20-test-jobs-amd64.json", place),
                "{text}"
            );
            assert!(problem.message.contains(words), "{text}: {problem}");
        }
    }

    #[test]
    fn truth_values_are_true_or_false_and_nothing_else() {
        for field in ["upgrade", "optional", "disabled"] {
            for bad in ["\"false\"", "\"true\"", "1", "0", "null", "[]"] {
                let problems = with_field(&format!("\"{field}\": {bad}")).unwrap_err().to_string();
                assert!(
                    problems.contains(&format!("nightly[0] (a-job).{field}: true or false was expected")),
                    "{problems}"
                );
            }
        }
    }

    #[test]
    fn retries_become_the_number_that_the_reference_makes_of_them() {
        for (written, retries, warned) in [
            ("null", 2, false),
            ("2", 2, false),
            ("4", 4, false),
            ("6", 6, false),
            ("0", 2, true),
            ("-4", 2, true),
            ("1", 2, true),
            ("3", 2, true),
            ("5", 4, true),
            ("4.0", 2, true),
            ("\"4\"", 4, true),
            ("\"many\"", 2, true),
            ("true", 2, true),
            ("[]", 2, true),
        ] {
            let registry = with_field(&format!("\"retries\": {written}")).unwrap();
            assert_eq!(registry.jobs(BuildKind::Nightly)[0].retries, retries, "{written}");
            assert_eq!(!registry.warnings().is_empty(), warned, "{written}");
        }
        for bad in ["21", "1000", "99999999999999999999"] {
            assert!(
                with_field(&format!("\"retries\": {bad}")).unwrap_err().to_string().contains("at most 20")
            );
        }
    }

    #[test]
    fn a_misspelt_key_is_an_error_and_a_foreign_one_a_warning() {
        for key in ["optinal", "Optional", "retrys", "disable", "upgrades"] {
            let problems = with_field(&format!("\"{key}\": true")).unwrap_err().to_string();
            assert!(problems.contains("may be meant"), "{problems}");
        }
        let registry = with_field("\"comment\": \"x\"").unwrap();
        assert_eq!(registry.warnings()[0].place, "nightly[0] (a-job).comment");
    }

    #[test]
    fn an_entry_that_repeats_another_is_used_once() {
        let registry = parse(r#"{"nightly": [{"prowJob": "a"}, {"prowJob": "a"}], "stable": []}"#).unwrap();
        assert_eq!((registry.jobs(BuildKind::Nightly).len(), registry.warnings().len()), (1, 1));
        let text = r#"{"nightly": [], "stable": [{"prowJob": "a"}, {"prowJob": "a", "upgrade": true}]}"#;
        let registry = parse(text).unwrap();
        assert_eq!(registry.jobs(BuildKind::Stable), [TestJob::required("a")], "the first one counts");
        let warning = &registry.warnings()[0];
        assert_eq!(warning.place, "stable[1] (a)");
        assert!(warning.message.contains("contradicts entry 0"), "{warning}");
    }

    proptest! {
        #[test]
        fn any_registry_is_written_as_it_was_read(
            jobs in prop::collection::vec(("[a-z][a-z0-9.-]{0,60}", any::<bool>(), any::<bool>(), any::<bool>(), 1u32..10), 0..8),
            newline in any::<bool>(),
        ) {
            let list: Vec<Value> = jobs.iter().map(|(name, upgrade, optional, disabled, half)| {
                TestJob { name: name.clone(), upgrade: *upgrade, optional: *optional, disabled: *disabled, retries: half * 2 }.to_value()
            }).collect();
            let map = Map::of([("nightly", list.clone().into()), ("note", "kept".into()), ("stable", Vec::new().into())]);
            let text = Value::Map(map).to_text() + if newline { "\n" } else { "" };
            let registry = parse(&text).unwrap();
            prop_assert_eq!(registry.to_text(), text);
            for job in &jobs {
                let first = jobs.iter().position(|other| other.0 == job.0).unwrap();
                prop_assert_eq!(registry.find(BuildKind::Nightly, &job.0).unwrap().to_value(), list[first].clone());
            }
            let mut names: Vec<_> = jobs.iter().map(|job| &job.0).collect();
            names.sort();
            names.dedup();
            prop_assert_eq!(registry.jobs(BuildKind::Nightly).len(), names.len());
        }

        #[test]
        fn parsing_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = TestJobRegistry::parse(name(), &bytes);
        }
    }
}
