//! The generated parts of the documentation: the reference of all command lines with the table of their
//! effects, and the table of environment variables.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use oar_core::config::environment;
use oar_core::operations::{Effect, Interruption, Row, TABLE};

use crate::BINARIES;

/// The page with the reference, relative to the root of the working tree.
const REFERENCE: &str = "docs/reference.md";
/// The page with the table of environment variables between [`BEGIN`] and [`END`].
const CONFIGURATION: &str = "docs/configuration.md";
const BEGIN: &str = "<!-- generated: environment (`make reference` writes this table) -->\n";
const END: &str = "<!-- end of generated -->\n";

/// The reference as Markdown.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Reference\n\nThe help texts of all programs, generated from their definitions by `make reference`; do not \
         edit. The environment variables are in [Configuration](configuration.md#environment-variables).\n",
    );
    for binary in BINARIES {
        let mut definition = (binary.definition)().term_width(100);
        definition.build();
        command(&mut text, &definition, binary.name, 2);
    }
    text.push_str(&effects());
    text
}

/// The table of the effects of all operations.
fn effects() -> String {
    let mut text = String::from(
        "\n## Effects\n\nWhat each command does to the world, from the table of operations. A command that *reads* changes \
         nothing. One that *writes* changes what can be changed back, or tells people something. What is *critical* cannot \
         be undone, so its plan is consented to first. `oarctl config` and `oarctl statebox fmt` work on local files and \
         are not listed.\n\n\
         | Command | Effect | Flows | Dry run | Where it can be interrupted |\n|---|---|---|---|---|\n",
    );
    for row in TABLE {
        text.push_str(&effects_of(row));
    }
    text
}

fn effects_of(row: &Row) -> String {
    let about = &row.about;
    let dry_run = match (row.has_dry_run(), about.effect) {
        (true, _) => "yes",
        (false, Effect::Reads) => "–",
        (false, _) => "no",
    };
    let interruption = match about.interruption {
        Interruption::Anywhere => "anywhere",
        Interruption::Recorded => "anywhere; the state records it",
        Interruption::BetweenItems => "between two items; the next run finds the one under way",
    };
    let (program, command, effect, flows) = (about.program.name(), about.command, about.effect, about.flows);
    format!("| `{program} {command}` | {effect} | {flows} | {dry_run} | {interruption} |\n")
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

/// `page` with the present table of environment variables; `None` when it has no markers for it.
fn with_environment(page: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some([before, BEGIN, "\n", &environment::reference(), "\n", END, after].concat())
}

/// Updates the generated parts of the documentation in the working tree at `root`.
///
/// # Errors
/// When a page cannot be read or written, or has no markers for its generated part.
pub fn write(root: &Path) -> io::Result<()> {
    fs::write(root.join(REFERENCE), markdown())?;
    let page = root.join(CONFIGURATION);
    let text = with_environment(&fs::read_to_string(&page)?).ok_or_else(|| {
        io::Error::other(format!("{CONFIGURATION} does not contain `{}`", BEGIN.trim_end()))
    })?;
    fs::write(page, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(page: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(page)).unwrap_or_default()
    }

    #[test]
    fn the_stored_reference_is_the_generated_one() {
        let same = stored(REFERENCE) == markdown();
        assert!(same, "{REFERENCE} is not what the programs say; run `make reference`");
    }

    #[test]
    fn the_stored_table_of_variables_is_the_generated_one() {
        let page = stored(CONFIGURATION);
        let same = with_environment(&page).is_some_and(|generated| generated == page);
        assert!(same, "the table in {CONFIGURATION} is not what the programs read; run `make reference`");
    }
}
