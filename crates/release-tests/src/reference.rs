//! The reference of all command lines and environment variables, generated from their definitions.

use std::fmt::Write as _;

use oar_core::config::environment;

use crate::ProgramName;

/// The reference as Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Reference\n\nGenerated from the programs' own definitions by `make reference`; do not edit.\n",
    );
    for program in ProgramName::ALL {
        let mut definition = program.definition().term_width(100);
        definition.build();
        command(&mut text, &definition, program.name(), 2);
    }
    text.push_str("\n## Environment variables\n\n");
    text.push_str(&environment::reference());
    text
}

fn command(text: &mut String, definition: &clap::Command, path: &str, depth: usize) {
    let heading = "#".repeat(depth.min(4));
    let mut definition = definition.clone().bin_name(path.to_owned());
    let help = definition.render_long_help().to_string();
    let help: Vec<&str> = help.trim_end().lines().map(str::trim_end).collect();
    let _ = write!(text, "\n{heading} `{path}`\n\n```text\n{}\n```\n", help.join("\n"));
    for sub in definition.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        command(text, sub, &format!("{path} {}", sub.get_name()), depth + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reference.md");

    #[test]
    fn the_stored_reference_is_the_generated_one() {
        let stored = std::fs::read_to_string(STORED).unwrap_or_default();
        assert!(
            stored == markdown(),
            "crates/release-tests/reference.md is not what the programs say; run `make reference`"
        );
    }
}
