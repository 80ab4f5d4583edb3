//! Every citation `spec NN §X.Y` in code and pages leads to a heading, a numbered item or a row of `docs/spec/`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::root;
use regex::Regex;

/// One file of `docs/spec/`.
struct Spec {
    text: String,
}

impl Spec {
    /// The lines, each with the level and the number of the heading that it is.
    fn lines(&self) -> impl Iterator<Item = (Option<(usize, String)>, &str)> {
        let mut in_code = false;
        self.text.lines().map(move |line| {
            in_code ^= line.starts_with("```");
            let title = line.trim_start_matches('#');
            let is_heading = !in_code && title.len() < line.len();
            let number = title.split_whitespace().next().unwrap_or_default().trim_end_matches('.');
            (is_heading.then(|| (line.len() - title.len(), number.to_owned())), line)
        })
    }

    /// The text of the section `number` (`2.8`), its subsections included; a last number may be a list item or a table
    /// row of the section before it (`7.6.4`).
    fn section(&self, number: &str) -> Option<String> {
        let is_another = |(heading, _): &(Option<(usize, String)>, &str)| {
            heading.as_ref().is_none_or(|(_, other)| other != number)
        };
        let mut lines = self.lines().skip_while(is_another);
        if let Some((Some((level, _)), first)) = lines.next() {
            let of_it =
                lines.take_while(|(heading, _)| heading.as_ref().is_none_or(|(other, _)| *other > level));
            return Some(
                std::iter::once(first).chain(of_it.map(|(_, line)| line)).collect::<Vec<_>>().join("\n"),
            );
        }
        let (section, item) = number.rsplit_once('.')?;
        let section = self.section(section)?;
        let is_item =
            |line: &&str| line.starts_with(&format!("{item}. ")) || line.starts_with(&format!("| {item} |"));
        section.lines().find(is_item).map(str::to_owned)
    }

    /// Whether `text` has a row, an item or a bold word `label`.
    fn has_label(text: &str, label: &str) -> bool {
        text.lines().any(|line| {
            let line = line.trim_start_matches(['|', '-', '*', '#', ' ', '\t']);
            line.strip_prefix(label)
                .is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
        })
    }
}

fn specs() -> BTreeMap<String, Spec> {
    let entries = fs::read_dir(root().join("docs/spec")).expect("the folder of the specification");
    let paths = entries.map(|entry| entry.expect("a file").path());
    let read = |path: PathBuf| {
        let number = path.file_name()?.to_str()?.get(..2)?.to_owned();
        number.parse::<u8>().ok()?;
        Some((number, Spec { text: fs::read_to_string(path).expect("a readable file") }))
    };
    paths.filter_map(read).collect()
}

/// What `text` cites wrongly, and how many places it cites.
fn problems(text: &str, specs: &BTreeMap<String, Spec>) -> (usize, Vec<String>) {
    // A citation may go on in the next line of a comment.
    let line_break = Regex::new(r"\\?\n[ \t]*(///|//!|//|#|\*)?[ \t]*").expect("a pattern");
    let text = line_break.replace_all(text, " ");
    let citation = Regex::new(r"spec (\d\d)\b((?:,? (?:and |to )?(?:§\d+(?:\.\d+)*|[A-Z]{1,2}-?\d+\b))*)")
        .expect("a pattern");
    let place = Regex::new(r"§\d+(?:\.\d+)*|[A-Z]{1,2}-?\d+").expect("a pattern");
    let mut count = 0;
    let mut problems = Vec::new();
    for found in citation.captures_iter(&text) {
        let whole = &found[0];
        let Some(spec) = specs.get(&found[1]) else {
            problems.push(format!("`{whole}`: there is no file {} in docs/spec", &found[1]));
            continue;
        };
        if found[2].is_empty() {
            problems.push(format!("`{whole}` names no section"));
        }
        let mut within = spec.text.clone();
        for place in place.find_iter(&found[2]).map(|found| found.as_str()) {
            count += 1;
            if let Some(number) = place.strip_prefix('§') {
                match spec.section(number) {
                    Some(section) => within = section,
                    None => problems.push(format!("`{whole}`: spec {} has no {place}", &found[1])),
                }
            } else if !Spec::has_label(&within, place) {
                problems.push(format!("`{whole}`: there is no {place} in that section"));
            }
        }
    }
    (count, problems)
}

/// Files with code, tests and pages, but this one.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the working tree") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_ours = !matches!(name.as_str(), "target" | ".git" | ".venv" | "spec");
        if path.is_dir() && !path.is_symlink() && is_ours {
            files(&path, found);
        } else if ["rs", "md", "py", "toml", "yml", "yaml"]
            .iter()
            .any(|kind| name.ends_with(&format!(".{kind}")))
            && !path.ends_with("docs/citations.rs")
        {
            found.push(path);
        }
    }
}

#[test]
fn every_citation_leads_to_the_specification() {
    let specs = specs();
    let mut found = Vec::new();
    files(&root(), &mut found);
    let mut cited = 0;
    let mut wrong = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let (count, problems) = problems(&text, &specs);
        cited += count;
        wrong.extend(problems.into_iter().map(|problem| format!("{}: {problem}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cited > 300, "only {cited} citations were found");
}

#[test]
fn the_specification_refers_to_itself_rightly() {
    let specs = specs();
    let own = Regex::new(r"(?:\b(0[1-6]) )?§(\d+(?:\.\d+)*)").expect("a pattern");
    let mut wrong = Vec::new();
    for (number, spec) in &specs {
        for found in own.captures_iter(&spec.text) {
            let file = found.get(1).map_or(number.as_str(), |file| file.as_str());
            let known = specs.get(file).is_some_and(|spec| spec.section(&found[2]).is_some());
            if !known {
                wrong.push(format!("spec {number} refers to §{} of {file}, which does not exist", &found[2]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_wrong_citation_is_found() {
    let text = "# 01 — x\n## 1. One\n### 1.2 Two\n1. item\n| E3 | row |\n## 2. Three\n**J-4** x\n".to_owned();
    let specs = BTreeMap::from([("01".to_owned(), Spec { text })]);
    for good in [
        "spec 01 §1",
        "spec 01 §1.2, §2",
        "spec 01 §1.2.1",
        "spec 01 §1 E3",
        "spec 01 J-4",
        "spec 01 §1.2,\n  /// §2",
    ] {
        assert_eq!(problems(good, &specs).1, [""; 0], "{good}");
    }
    for bad in [
        "spec 02 §1",
        "spec 01 §1.3",
        "spec 01 §1.2.2",
        "spec 01 §2 E3",
        "spec 01 E33",
        "spec 01",
        "spec 01 §2,\n// §3",
    ] {
        assert_eq!(problems(bad, &specs).1.len(), 1, "{bad}");
    }
}
