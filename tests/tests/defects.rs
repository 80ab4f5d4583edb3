//! Every known defect of the Python reference is mapped to the tests that show that we do not have it
//! (`defects.md`, beside this file).
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::collections::BTreeMap;

/// The sections of the table, and the defects that each must hold, in this order: letter and how many.
const SECTIONS: &[(&str, &[(&str, usize)])] = &[
    ("Configuration, StateBox and tasks", &[("S", 18), ("T", 1), ("C", 27), ("K", 4), ("W", 2), ("D", 3)]),
    (
        "Errata Tool, Jira, LDAP, operators and approval",
        &[("E", 29), ("K", 1), ("P", 1), ("J", 21), ("L", 7), ("O", 22)],
    ),
    ("GitLab, Git, Jenkins, Slack and image health", &[("D", 36)]),
    ("Prow: job and jobctl", &[("D", 35)]),
    ("Payload and shipment", &[("IC", 2)]),
    ("Real data, the original beside us, and hostile input", &[("M", 45), ("MD", 1)]),
    ("Agents", &[("R", 3), ("C", 3), ("A", 8), ("N", 10), ("S", 6)]),
    ("MCP server, dashboard and units", &[("M", 14), ("D", 4), ("P", 1)]),
    ("Workflow", &[("W", 12)]),
];

/// Why a defect cannot occur starts so.
const NOT_APPLICABLE: &str = "n/a: ";

struct Row {
    defect: String,
    shown_by: String,
}

fn table() -> Vec<(String, Vec<Row>)> {
    let text = std::fs::read_to_string(end_to_end::root().join("tests/tests/defects.md")).unwrap();
    let mut sections: Vec<(String, Vec<Row>)> = Vec::new();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push((title.to_owned(), Vec::new()));
        } else if let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) {
            let (defect, shown_by) = cells.split_once(" | ").unwrap();
            if defect != "Defect" {
                let row = Row { defect: defect.to_owned(), shown_by: shown_by.to_owned() };
                sections.last_mut().unwrap().1.push(row);
            }
        }
    }
    sections
}

#[test]
fn every_defect_stands_in_the_table_once_and_in_order() {
    let table = table();
    assert_eq!(table.len(), SECTIONS.len());
    for ((title, rows), (expected_title, groups)) in table.iter().zip(SECTIONS) {
        assert_eq!(title, expected_title);
        let expected: Vec<String> = groups
            .iter()
            .flat_map(|(letter, count)| (1..=*count).map(move |number| format!("{letter}{number}")))
            .collect();
        let found: Vec<&str> = rows.iter().map(|row| row.defect.as_str()).collect();
        assert_eq!(found, expected, "{title}");
    }
}

#[test]
fn every_test_that_is_named_exists_and_every_reason_is_one() {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut problems = Vec::new();
    for (title, rows) in table() {
        for row in rows {
            let place = format!("{title}, {}", row.defect);
            if let Some(reason) = row.shown_by.strip_prefix(NOT_APPLICABLE) {
                if reason.split_whitespace().count() < 4 {
                    problems.push(format!("{place}: `{reason}` is no reason"));
                }
                continue;
            }
            for test in row.shown_by.split("<br>") {
                let named = test.strip_prefix('`').and_then(|test| test.strip_suffix('`'));
                let Some((file, function)) = named.and_then(|named| named.split_once("::")) else {
                    problems.push(format!("{place}: `{test}` is not `file::function`"));
                    continue;
                };
                let text = files.entry(file.to_owned()).or_insert_with(|| {
                    std::fs::read_to_string(end_to_end::root().join(file)).unwrap_or_default()
                });
                if !has_test(text, function) {
                    problems.push(format!("{place}: {file} has no test {function}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// Whether `text` has a function of this name with a test attribute, and without one that keeps it from running.
fn has_test(text: &str, function: &str) -> bool {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let heads = [format!("fn {function}("), format!("async fn {function}(")];
    let is_head = |line: &&str| heads.iter().any(|head| line.starts_with(head));
    lines.iter().enumerate().filter(|(_, line)| is_head(line)).any(|(index, _)| {
        let above = lines.get(..index).unwrap_or_default().iter().rev();
        let attributes: Vec<_> =
            above.take_while(|line| line.starts_with("#[") || line.starts_with("//")).collect();
        let has = |start: &str| attributes.iter().any(|line| line.starts_with(start));
        (has("#[test]") || has("#[tokio::test")) && !has("#[ignore")
    })
}

#[test]
fn a_function_that_does_not_run_as_a_test_is_none() {
    let text = "#[test]\nfn one() {}\n\n#[tokio::test]\n// why\nasync fn two() {}\n\nfn helper() {}\n\
                #[test]\n#[ignore]\nfn slow() {}\nproptest! {\n    #[test]\n    fn three(x in 0..2) {}\n}\n";
    for test in ["one", "two", "three"] {
        assert!(has_test(text, test), "{test}");
    }
    for none in ["helper", "slow", "on", "four"] {
        assert!(!has_test(text, none), "{none}");
    }
}
