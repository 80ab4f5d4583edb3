//! The headings of the page by error message are words that the programs say.

use std::fs;
use std::path::Path;

use end_to_end::root;
use regex::Regex;

/// All code of the programs, with the parts of string literals that are continued in the next line joined.
fn code(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of the working tree") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("sandbox") && !path.ends_with("tests") {
                code(&path, text);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            text.push_str(&fs::read_to_string(&path).expect("a readable file"));
        }
    }
}

#[test]
fn every_message_that_is_explained_is_one_that_the_programs_print() {
    let mut text = String::new();
    code(&root().join("crates"), &mut text);
    let text = Regex::new(r"\\\n\s*").expect("a pattern").replace_all(&text, "").into_owned();
    let page = fs::read_to_string(root().join("docs/troubleshooting.md")).expect("the page");
    let message = Regex::new("`([^`]+)`").expect("a pattern");
    let mut unknown = Vec::new();
    let mut count = 0;
    for (_, line) in super::links::prose(&page).filter(|(_, line)| line.starts_with("### ")) {
        for message in message.captures_iter(line).filter_map(|found| found.get(1)) {
            count += 1;
            let parts: Vec<String> = message.as_str().split('…').map(regex::escape).collect();
            // `…` replaces a placeholder, here a name in braces.
            let pattern = Regex::new(&parts.join(r"\{[^}]*\}")).expect("a pattern");
            if !pattern.is_match(&text) {
                unknown.push(message.as_str().to_owned());
            }
        }
    }
    assert!(unknown.is_empty(), "no program says {unknown:#?}");
    assert!(count > 20, "only {count} messages are explained");
}
