//! Comparing what a command printed with what a page shows.

use std::sync::LazyLock;

use regex::Regex;

/// What differs from run to run, and its replacement.
static MASKS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    compiled(&[
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<id>"),
        (r"\b[0-9a-f]{12,64}\b", "<hash>"),
        (r"\b127\.\d+\.\d+\.\d+:\d+", "<sandbox>"),
        (r"\bprocess \d+", "process <number>"),
        (r"\b\d+(\.\d+)? ?m?s\b", "<duration>"),
        (r"/tmp/[^\s`]+", "<file>"),
        (r"(\S) {2,}", "$1  "),
    ])
});

/// What a page shows for what differs: the same for every author.
static EXAMPLES: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    compiled(&[
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-07-02T10:00:00Z"),
        (r"\b127\.\d+\.\d+\.\d+:\d+", "127.0.0.1:8765"),
        (r"\bprocess \d+", "process 4711"),
        (r"/tmp/oar-sandbox-\w+", "/tmp/oar-sandbox-x7Qm2a"),
    ])
});

fn compiled(patterns: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    patterns.iter().map(|(pattern, words)| (Regex::new(pattern).expect("a pattern"), *words)).collect()
}

fn replaced(line: &str, patterns: &[(Regex, &'static str)]) -> String {
    let replace =
        |line: String, (pattern, words): &(Regex, &str)| pattern.replace_all(&line, *words).into_owned();
    patterns.iter().fold(line.trim_end().to_owned(), replace)
}

/// `line` with a mask for everything that differs from run to run.
fn masked(line: &str) -> String {
    replaced(line, &MASKS)
}

/// `line` as a page shows it.
pub(super) fn example(line: &str) -> String {
    replaced(line, &EXAMPLES)
}

/// Whether `printed` matches `shown`; a line `...` in `shown` matches any lines, also none.
pub(super) fn same(shown: &[String], printed: &[String]) -> bool {
    match (shown.split_first(), printed.split_first()) {
        (None, None) => true,
        (Some((line, rest)), _) if line.trim() == "..." => {
            (0..=printed.len()).any(|left_out| same(rest, printed.get(left_out..).unwrap_or_default()))
        }
        (Some((line, shown)), Some((other, printed))) => {
            masked(line) == masked(other) && same(shown, printed)
        }
        _ => false,
    }
}

/// The lines that a page shows of what was printed: all but the log, with `~` for the home. Trailing empty lines are
/// left out.
pub(super) fn shown(printed: &str, home: &str) -> Vec<String> {
    let is_log =
        |line: &str| line.split_once(": ").is_some_and(|(time, _)| time.parse::<jiff::Timestamp>().is_ok());
    let lines = printed.lines().filter(|line| !is_log(line));
    let mut lines: Vec<String> = lines.map(|line| line.replace(home, "~").trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn what_differs_from_run_to_run_is_the_same_and_nothing_else() {
    for (shown, printed) in [
        ("at 2026-07-02T10:00:00Z", "at 2026-11-29T02:00:11Z"),
        ("commit ebf7546c89d3", "commit 0123456789ab"),
        ("http://127.31.9.4:8765/x", "http://127.0.0.1:1/x"),
        ("Pass   12s    by tester", "Pass  1s   by tester"),
        ("(process 9234)", "(process 12)"),
        ("a\n...\nd", "a\nb\nc\nd"),
        ("a\n...", "a"),
    ] {
        assert!(same(&lines(shown), &lines(printed)), "{shown}");
    }
    for (shown, printed) in [
        ("150001", "150002"),
        ("  a", "a"),
        ("a\n...\nd", "a\nb\nc"),
        ("a", "a\nb"),
        ("a\nb", "a"),
        ("4.19.1: Pass", "4.19.1: Fail"),
        ("", "a"),
    ] {
        assert!(!same(&lines(shown), &lines(printed)), "{shown}");
    }
}

#[test]
fn the_log_and_the_place_of_the_home_are_left_out() {
    let printed = "2026-07-02T06:55:57Z: INFO: x\ndone: a\n/x/home/.local\n\n";
    assert_eq!(shown(printed, "/x/home"), ["done: a", "~/.local"]);
}
