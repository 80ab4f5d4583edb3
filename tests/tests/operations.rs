//! The table of operations and the matrix of tests cover each other.

use end_to_end::matrix::table;
use end_to_end::{ERRATA, KONFLUX};
use oar_core::operations::{Effect, Flows, Program, Row, TABLE, row_of_line};

/// Whether a line of the matrix runs the command of `row`.
fn runs(line: &[&str], row: &Row) -> bool {
    let (program, words) = match line.split_first() {
        Some((&"oarctl", rest)) => (Program::Oarctl, rest),
        Some((&"job", rest)) => (Program::Job, rest),
        Some((&"jobctl", rest)) => (Program::Jobctl, rest),
        _ => (Program::Oar, line),
    };
    let (command, _) = row.about.words_and_option();
    let is_given = |option: &str| words.iter().any(|word| word.strip_prefix("--") == Some(option));
    let of_line = || row_of_line(program, command, is_given).is_some_and(|found| std::ptr::eq(found, row));
    program == row.about.program && words.starts_with(&command.split(' ').collect::<Vec<_>>()) && of_line()
}

#[test]
fn every_operation_has_a_line_of_the_matrix_in_each_of_its_flows() {
    let lines = table();
    let mut missing = Vec::new();
    for row in TABLE {
        let own: Vec<_> = lines.iter().filter(|line| runs(line.command, row)).collect();
        // What only looks is the same in both flows, unless it reads the build data.
        let flows: &[&str] = match (row.about.effect, row.about.flows) {
            (Effect::Reads, _) | (_, Flows::Neither) => &[],
            (_, Flows::Konflux) => &[KONFLUX],
            (_, Flows::Errata) => &[ERRATA],
            (_, Flows::Both) => &[KONFLUX, ERRATA],
        };
        if own.is_empty() {
            missing.push(row.about.id());
        }
        let by_hand = row.about.words_and_option().0.contains(' ');
        for flow in flows.iter().filter(|_| !by_hand) {
            if !own.iter().any(|line| line.release == *flow) {
                missing.push(format!("{} of {flow}", row.about.id()));
            }
        }
    }
    assert!(missing.is_empty(), "without a line in tests/src/matrix/table.rs: {missing:?}");
}

#[test]
fn every_line_of_the_matrix_is_an_operation() {
    for line in table() {
        let rows = TABLE.iter().filter(|row| runs(line.command, row)).count();
        // The bot is no operation: it runs those that people ask for.
        let expected = usize::from(line.command.get(1) != Some(&"slack-bot"));
        assert_eq!(rows, expected, "{}: {:?}", line.name, line.command);
    }
}
