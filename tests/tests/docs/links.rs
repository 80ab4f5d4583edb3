//! Every relative link of the pages leads to a file that exists, and every anchor to one of its headings.

use std::collections::HashMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use end_to_end::root;
use regex::Regex;

/// The lines of a page outside code blocks, with their numbers from 1.
pub(super) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        (!in_code && !is_fence).then_some((index + 1, line))
    })
}

/// The anchors of a page's headings, made as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let headings = prose(text).filter_map(|(_, line)| line.strip_prefix('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
        let anchor: String = heading.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
        let count = seen.entry(anchor.clone()).or_default();
        *count += 1;
        if *count == 1 { anchor } else { format!("{anchor}-{}", *count - 1) }
    };
    headings.map(anchor).collect()
}

/// `link`, seen from the page `from`, without `.` and `..`.
fn resolved(from: &Path, link: &str) -> PathBuf {
    let mut path = from.parent().unwrap_or(Path::new("")).to_owned();
    for component in Path::new(link).components() {
        match component {
            Component::ParentDir => {
                path.pop();
            }
            Component::Normal(name) => path.push(name),
            _ => {}
        }
    }
    path
}

fn problems(pages: &[(PathBuf, String)]) -> (usize, Vec<String>) {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let code = Regex::new("`[^`]*`").expect("a pattern");
    let mut count = 0;
    let mut problems = Vec::new();
    for (page, text) in pages {
        for (number, line) in prose(text) {
            let text = code.replace_all(line, "``");
            for target in link.captures_iter(&text).filter_map(|found| found.get(1)) {
                let target = target.as_str();
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                count += 1;
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let path = if file.is_empty() { page.clone() } else { resolved(page, file) };
                let place = format!("{}:{number}: {target}", page.display());
                if !root().join(&path).exists() {
                    problems.push(format!("{place}: there is no {}", path.display()));
                } else if !anchor.is_empty() {
                    let text = fs::read_to_string(root().join(&path)).unwrap_or_default();
                    if !anchors(&text).iter().any(|known| known == anchor) {
                        problems.push(format!("{place}: {} has no such heading", path.display()));
                    }
                }
            }
        }
    }
    (count, problems)
}

#[test]
fn every_link_leads_somewhere() {
    let (count, problems) = problems(&super::pages());
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(count > 50, "only {count} links were found");
}

#[test]
fn every_page_can_be_reached_from_the_readme() {
    let pages = super::pages();
    let link = Regex::new(r"\]\(([^)#\s]+)").expect("a pattern");
    let mut reached = vec![PathBuf::from("README.md")];
    let mut next = 0;
    while let Some(page) = reached.get(next).cloned() {
        next += 1;
        let text = pages.iter().find(|(path, _)| *path == page).map_or("", |(_, text)| text.as_str());
        for target in link.captures_iter(text).filter_map(|found| found.get(1)) {
            let path = resolved(&page, target.as_str());
            if !reached.contains(&path) {
                reached.push(path);
            }
        }
    }
    let lost: Vec<_> = pages.iter().map(|(path, _)| path).filter(|path| !reached.contains(path)).collect();
    assert!(lost.is_empty(), "no link leads to {lost:?}");
}

#[test]
fn a_wrong_link_is_found() {
    let page = |text: &str| vec![(PathBuf::from("docs/x.md"), text.to_owned())];
    assert_eq!(
        problems(&page("[a](../README.md) [b](https://example.com) `[c](d)`\n```\n[e](f)\n```\n")).1,
        [""; 0]
    );
    for (text, why) in [
        ("[a](none.md)", "docs/x.md:1: none.md: there is no docs/none.md"),
        ("\n[a](../README.md#none)", "docs/x.md:2: ../README.md#none: README.md has no such heading"),
    ] {
        assert_eq!(problems(&page(text)).1, [why]);
    }
    let text = "# A `b-c`: d!\n```\n# no\n```\n## Two\n## Two\n";
    assert_eq!(anchors(text), ["a-b-c-d", "two", "two-1"]);
}
