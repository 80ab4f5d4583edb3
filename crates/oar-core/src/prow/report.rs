//! The test report of a run, and its summary in records (spec 04 §2.2 E9, §6.1).

mod lines;

use std::fmt;

use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::json::{Map, Number, Text, Value};
use crate::yaml::Events;

/// The name of the report below the artifacts of a run.
pub const REPORT_SUFFIX: &str = "/openshift-e2e-test-qe-report/artifacts/test-results.yaml";
/// The largest report that is read, in bytes; real ones have a few kilobytes.
pub const LARGEST_REPORT: usize = 1024 * 1024;
/// The most failing scenarios of a suite in a record; `failures` is the full number.
const MOST_SCENARIOS: usize = 100;
/// The deepest nesting of a report.
const DEEPEST: usize = 16;

/// The report cannot be summarised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the test report cannot be read: {0}")]
pub struct ReportError(String);

/// The summary of a report: its suites, in order; `None` when it has none. A suite that is not in the report
/// is not in the summary, and has not passed.
///
/// The test steps write block YAML without any quoting, so a scenario's name may make the text invalid YAML
/// (spec 04 §2.7). Their format is read line by line, and a name is the rest of its line. Other forms are
/// read as YAML.
///
/// The report may have a suite twice (`ginkgo`): suites with the same name are numbered `ginkgo-1`,
/// `ginkgo-2`. The Python tooling replaces text for that, which damages other names (§10 D26); here the keys
/// are numbered while they are read.
pub fn summarise(text: &str) -> Result<Option<Map>, ReportError> {
    if text.len() > LARGEST_REPORT {
        return Err(ReportError(format!("it has {} bytes, more than {LARGEST_REPORT}", text.len())));
    }
    let suites = match lines::read(text) {
        Some(suites) => suites,
        None => read_yaml(text)?,
    };
    if suites.is_empty() {
        return Ok(None);
    }
    let mut summary = Map::default();
    for (name, suite) in &suites {
        let named = |wanted: &str| suites.iter().filter(|(other, _)| other == wanted).count();
        let mut key = name.clone();
        if named(name) > 1 {
            let mut number = 1;
            key = format!("{name}-1");
            // A suite that already has this name keeps it.
            while named(&key) > 0 || summary.contains(&key) {
                number += 1;
                key = format!("{name}-{number}");
            }
        }
        let value = match suite {
            Node::Map(entries) => to_suite(&key, entries)?,
            // A test step that died before it counted anything.
            Node::Scalar(Value::Null) => Map::default(),
            Node::Scalar(_) | Node::List(_) => {
                return Err(ReportError(format!("the suite `{}` is not a map of numbers", shown(name))));
            }
        };
        summary
            .append(Text::new(&key), Value::Map(value))
            .map_err(|_| ReportError(format!("`{}` twice", shown(&key))))?;
    }
    Ok(Some(summary))
}

/// Reads a report in another form than the test steps'. The YAML library accepts duplicate keys, which is
/// needed, but is very slow for deep nesting, so the text is checked against the YAML limits first.
fn read_yaml(text: &str) -> Result<Vec<(String, Node)>, ReportError> {
    Events::check(text).map_err(|error| ReportError(error.to_string()))?;
    let Entries(suites) = serde_yaml::from_str(text).map_err(|error| ReportError(error.to_string()))?;
    Ok(suites)
}

fn to_suite(name: &str, entries: &[(String, Node)]) -> Result<Map, ReportError> {
    let mut suite = Map::default();
    for (key, node) in entries {
        let wrong = |expected: &str| {
            Err(ReportError(format!("`{}` of the suite `{}` is not {expected}", shown(key), shown(name))))
        };
        let value = match (key.as_str(), node) {
            ("total" | "failures" | "errors" | "skipped", Node::Scalar(Value::Number(number)))
                if number.as_u64().is_some() =>
            {
                Value::Number(number.clone())
            }
            // Null counts and lists of names are ignored.
            ("total" | "failures" | "errors" | "skipped" | "failingScenarios", Node::Scalar(Value::Null)) => {
                continue;
            }
            ("total" | "failures" | "errors" | "skipped", _) => return wrong("a whole number"),
            ("failingScenarios", Node::List(list)) => {
                // An empty name is ignored: there were more failures than names.
                let named = list.iter().filter(|scenario| !matches!(scenario, Node::Scalar(Value::Null)));
                Value::List(named.take(MOST_SCENARIOS).map(scenario_name).collect())
            }
            ("failingScenarios", _) => return wrong("a list of names"),
            (_, node) => node.to_value(),
        };
        if suite.append(Text::new(key), value).is_err() {
            return Err(ReportError(format!("`{}` occurs twice in the suite `{}`", shown(key), shown(name))));
        }
    }
    Ok(suite)
}

/// A scenario's name, whatever its YAML type.
fn scenario_name(node: &Node) -> Value {
    match node {
        Node::Scalar(value @ Value::Text(_)) => value.clone(),
        Node::Scalar(value) => value.to_text().into(),
        // Without quotation marks `a: b` is a map.
        Node::Map(entries) => match entries.as_slice() {
            [(key, Node::Scalar(value))] => {
                let value = match value {
                    Value::Text(text) => text.get().into_owned(),
                    other => other.to_text(),
                };
                format!("{key}: {value}").into()
            }
            _ => node.to_value(),
        },
        Node::List(_) => node.to_value(),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

/// A YAML value whose mappings may have duplicate keys.
enum Node {
    Scalar(Value),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

/// The entries of the report itself.
struct Entries(Vec<(String, Node)>);

impl Node {
    /// The value; of duplicate keys the last one counts, as in Python.
    fn to_value(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::List(list) => Value::List(list.iter().map(Self::to_value).collect()),
            Self::Map(entries) => {
                let mut map = Map::default();
                for (key, node) in entries {
                    map.set(key, node.to_value());
                }
                Value::Map(map)
            }
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Scalar(_) => 0,
            Self::List(list) => 1 + list.iter().map(Self::depth).max().unwrap_or_default(),
            Self::Map(entries) => 1 + entries.iter().map(|(_, node)| node.depth()).max().unwrap_or_default(),
        }
    }
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            node if node.depth() > DEEPEST => {
                Err(de::Error::custom(format!("it is nested deeper than {DEEPEST}")))
            }
            Node::Map(entries) => Ok(Self(entries)),
            Node::Scalar(Value::Null) => Ok(Self(Vec::new())),
            Node::Scalar(_) | Node::List(_) => Err(de::Error::custom("a map of suites was expected")),
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E: de::Error>(self) -> Result<Node, E> {
        self.visit_unit()
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Node, E> {
        // A number that JSON does not have is kept as text.
        let text = format!("{value:?}");
        Ok(Node::Scalar(Number::parse(&text).map_or_else(|| text.into(), Value::Number)))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = access.next_element()? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), node)) = access.next_entry()? {
            entries.push((key, node));
        }
        Ok(Node::Map(entries))
    }
}

/// A key as text, whatever its YAML type.
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Node::deserialize(deserializer)? {
            Node::Scalar(Value::Text(text)) => Ok(Self(text.get().into_owned())),
            Node::Scalar(value) => Ok(Self(value.to_text())),
            Node::List(_) | Node::Map(_) => Err(de::Error::custom("a key is not a word")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(report: &str) -> String {
        summarise(report).unwrap().unwrap().to_text()
    }

    #[test]
    fn a_report_is_summed_up_in_its_order() {
        let report = "openshift-extended-test: {total: 80, failures: 1, errors: 0, skipped: 18, failingScenarios: [\"[sig-x] made-up case\"]}\n\
                      cucushift-e2e:\n  total: 17\n  failures: 0\n  errors: 0\n  skipped: 0\n";
        insta::assert_snapshot!(text(report), @r#"
        {
          "openshift-extended-test": {
            "total": 80,
            "failures": 1,
            "errors": 0,
            "skipped": 18,
            "failingScenarios": [
              "[sig-x] made-up case"
            ]
          },
          "cucushift-e2e": {
            "total": 17,
            "failures": 0,
            "errors": 0,
            "skipped": 0
          }
        }
        "#);
    }

    #[test]
    fn suites_of_the_same_name_are_numbered_and_no_other_text_changes() {
        let report = "ginkgo: {total: 1, failures: 1, failingScenarios: [\"a ginkgo case of g1 and g2\"]}\n\
                      ginkgo-extra: {total: 2}\nginkgo: {total: 3}\ng1: {total: 4}\n";
        let summary = summarise(report).unwrap().unwrap();
        let suites: Vec<_> = summary.iter().map(|(name, _)| name.get().into_owned()).collect();
        assert_eq!(suites, ["ginkgo-1", "ginkgo-extra", "ginkgo-2", "g1"]);
        assert!(summary.to_text().contains("a ginkgo case of g1 and g2"));
        let suites = |report: &str| -> Vec<String> {
            summarise(report).unwrap().unwrap().iter().map(|(name, _)| name.get().into_owned()).collect()
        };
        assert_eq!(suites("ginkgo: {total: 1}\n"), ["ginkgo"]);
        assert_eq!(suites("other: {}\nother: {}\nother: {}\n"), ["other-1", "other-2", "other-3"]);
        assert_eq!(suites("a: {}\na: {}\na-1: {}\n").len(), 3, "a suite is not lost to a number");
    }

    #[test]
    fn long_lists_are_cut_and_unknown_keys_kept() {
        let cases: Vec<String> = (0..500).map(|number| format!("\"case {number}\"")).collect();
        let report = format!(
            "s: {{total: 900, failures: 500, note: {{a: [1.5, yes, null]}}, failingScenarios: [{}]}}",
            cases.join(",")
        );
        let summary = summarise(&report).unwrap().unwrap();
        let suite = summary.get("s").unwrap().as_map().unwrap();
        assert_eq!(suite.get("failingScenarios").unwrap().as_list().unwrap().len(), MOST_SCENARIOS);
        assert_eq!(suite.get("failures").unwrap().to_text(), "500");
        assert!(suite.get("note").unwrap().to_text().contains("1.5"));
        let odd = summarise("s: {failingScenarios: [1, true, 2.5]}").unwrap().unwrap();
        assert!(odd.to_text().contains("\"true\""), "{}", odd.to_text());
    }

    #[test]
    fn an_empty_report_has_no_summary_and_an_odd_scenario_costs_no_count() {
        for report in ["", "# nothing yet\n", "---\n", "{}", "null"] {
            assert_eq!(summarise(report), Ok(None), "{report:?}");
        }
        let report = "s:\n  total: 3\n  failures: 2\n  failingScenarios:\n    - plain\n    - OCP-2: case\n";
        insta::assert_snapshot!(text(report), @r#"
        {
          "s": {
            "total": 3,
            "failures": 2,
            "failingScenarios": [
              "plain",
              "OCP-2: case"
            ]
          }
        }
        "#);
        let report = "s:\n  total: 3\n  failures: 0\n  failingScenarios:\n  skipped: 1\n";
        insta::assert_snapshot!(text(report), @r#"
        {
          "s": {
            "total": 3,
            "failures": 0,
            "skipped": 1
          }
        }
        "#);
    }

    #[test]
    fn what_is_no_report_is_refused_with_the_reason() {
        for (report, words) in [
            ("[]", "map of suites"),
            ("text", "map of suites"),
            ("s: 1", "the suite `s` is not a map"),
            ("s: {total: many}", "`total` of the suite `s` is not a whole number"),
            ("s: {total: -1}", "whole number"),
            ("s: {total: 1, total: 2}", "`total` occurs twice"),
            ("s: {failingScenarios: x}", "a list of names"),
            ("s: {", "cannot be read"),
        ] {
            let error = summarise(report).unwrap_err().to_string();
            assert!(error.contains(words), "{report}: {error}");
        }
        assert!(summarise(&" ".repeat(LARGEST_REPORT + 1)).unwrap_err().to_string().contains("more than"));
        let deep = format!("s: {}{}", "{a: ".repeat(60), "}".repeat(60));
        assert!(summarise(&deep).is_err());
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n\
                    d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                    g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: &h [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
        assert!(summarise(bomb).is_err());
    }

    #[test]
    fn a_name_that_is_no_yaml_costs_nothing_but_itself() {
        let names = [
            "Console: Monitoring: the page shows two columns",
            "[sig-demo] Made-up case one should pass",
            "\"quoted\" then more",
            "{braces} and # no comment",
            "*star &and !bang |pipe >more %percent @at `tick 'single",
            "- another dash",
            "key:",
            "1.50",
            "true",
            "  spaces before",
        ];
        let list = names.map(|name| format!("    - {name}\n")).concat();
        let report = format!(
            "openshift-extended-web-tests:\n  type: web\n  total: 40\n  failures: {}\n  errors: 0\n  skipped: 2\n  \
             failingScenarios:\n{list}    -\n    - \ncucushift-e2e:\n  total: 7\n  failures: 0\n  errors: 0\n  skipped: 0\n",
            names.len() + 2
        );
        let summary = summarise(&report).unwrap().unwrap();
        let suite = summary.get("openshift-extended-web-tests").unwrap().as_map().unwrap();
        assert_eq!(
            (suite.get("total").unwrap().to_text(), suite.get("failures").unwrap().to_text()),
            ("40".into(), "12".into())
        );
        let found: Vec<String> = suite
            .get("failingScenarios")
            .unwrap()
            .as_list()
            .unwrap()
            .iter()
            .map(|name| serde_json::from_str::<String>(&name.to_text()).unwrap())
            .collect();
        assert_eq!(found, names.map(|name| name.trim().to_owned()), "empty names are none");
        assert!(summary.get("cucushift-e2e").unwrap().to_text().contains("\"total\": 7"));
        // Names with Go's escapes are YAML.
        let quoted =
            "s:\n  total: 1\n  failures: 1\n  failingScenarios:\n    - \"[sig-x] a \\\"case\\\" \\u00e4\"\n";
        assert!(text(quoted).contains("[sig-x] a \\\"case\\\" \\u00e4"), "{}", text(quoted));
    }

    #[test]
    fn a_suite_without_counts_is_there_and_has_none() {
        for report in ["s:\nt:\n  total: 1\n", "s: null\nt: {total: 1}\n", "s:\n  total:\nt:\n  total: 1\n"] {
            let summary = summarise(report).unwrap().unwrap();
            let suites: Vec<_> =
                summary.iter().map(|(name, suite)| (name.get().into_owned(), suite.to_text())).collect();
            assert_eq!(suites[0], ("s".to_owned(), "{}".to_owned()), "{report}");
        }
    }

    #[test]
    fn deep_nesting_is_refused_at_once() {
        for (open, begin) in [("[", "a: "), ("{a: ", "a: "), ("- ", "a:\n  ")] {
            let report = format!("{begin}{}", open.repeat(200_000));
            let error = summarise(&report).unwrap_err().to_string();
            assert!(error.contains("nested deeper"), "{open}: {error}");
        }
    }

    proptest! {
        #[test]
        fn names_of_any_kind_cost_no_count(name in "[ -~]{0,40}", total in 0_u32..1000) {
            let report = format!("s:\n  total: {total}\n  failures: 1\n  failingScenarios:\n    - {name}\n");
            let summary = summarise(&report).unwrap().unwrap();
            let suite = summary.get("s").unwrap().as_map().unwrap();
            prop_assert_eq!(suite.get("total").unwrap().to_text(), total.to_string());
            prop_assert_eq!(suite.get("failures").unwrap().to_text(), "1");
        }

        #[test]
        fn no_suite_is_lost_and_every_name_is_there_once(names in prop::collection::vec("(ginkgo|ginkgo-1|a|b-2|b)", 1..8)) {
            let report: Vec<String> = names.iter().map(|name| format!("{name}: {{total: 1}}")).collect();
            let report = report.join("\n");
            let summary = summarise(&report).unwrap().unwrap();
            prop_assert_eq!(summary.len(), names.len());
        }

        #[test]
        fn reading_never_panics(text in "[a-c:{}\\[\\], \n&*!'\"0-9.-]{0,60}") {
            let _ = summarise(&text);
        }
    }
}
