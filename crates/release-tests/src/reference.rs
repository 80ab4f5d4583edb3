//! The generated parts of the documentation: the reference of all command lines with the table of their
//! effects, and the tables of environment variables and of the MCP server's tools.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use mcp_server::caller::{Access, AccessScope};
use mcp_server::tools::{Profile, catalogue};
use oar_core::config::environment;
use oar_core::operations::{Effect, Interruption, Row, TABLE};

use crate::BINARIES;

/// The page with the reference, relative to the root of the working tree.
const REFERENCE: &str = "docs/reference.md";

/// A part of a page that is generated: between `<!-- generated: NAME …` and [`END`].
struct Part {
    page: &'static str,
    name: &'static str,
    text: fn() -> String,
}

/// Every such part.
const PARTS: [Part; 2] = [
    Part { page: "docs/configuration.md", name: "environment", text: environment::reference },
    Part { page: "docs/mcp.md", name: "tools", text: tools },
];
const END: &str = "<!-- end of generated -->\n";

impl Part {
    fn begin(&self) -> String {
        format!("<!-- generated: {} (`make reference` writes this table) -->\n", self.name)
    }

    /// `page` with the present text; `None` when it has no markers for it.
    fn renewed(&self, page: &str) -> Option<String> {
        let begin = self.begin();
        let (before, rest) = page.split_once(&begin)?;
        let (_, after) = rest.split_once(END)?;
        Some([before, &begin, "\n", &(self.text)(), "\n", END, after].concat())
    }
}

/// The table of the tools of the MCP server.
fn tools() -> String {
    let mut text =
        String::from("| Tool | What it does | Scope | Profiles | Changes |\n|---|---|---|---|---|\n");
    for tool in catalogue() {
        let profiles = [(Profile::Daily, "`daily`"), (Profile::Engine, "`engine`")].into_iter();
        let profiles = profiles.filter_map(|(profile, name)| profile.has(tool.name).then_some(name));
        let profiles = profiles.collect::<Vec<_>>().join(", ");
        let changes = match (tool.hints.read_only, tool.scope) {
            (true, _) => "nothing",
            (false, AccessScope::Critical) => "what cannot be undone",
            (false, _) => "yes",
        };
        let scope = match tool.access() {
            Access::Anybody => "any".to_owned(),
            Access::With(scope) => format!("`{}`", scope.name()),
        };
        let (name, title) = (tool.name, tool.title());
        let _ = writeln!(text, "| `{name}` | {title} | {scope} | {profiles} | {changes} |");
    }
    text.trim_end().to_owned()
}

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

/// Updates the generated parts of the documentation in the working tree at `root`.
///
/// # Errors
/// When a page cannot be read or written, or has no markers for its generated part.
pub fn write(root: &Path) -> io::Result<()> {
    fs::write(root.join(REFERENCE), markdown())?;
    for part in PARTS {
        let page = root.join(part.page);
        let text = part.renewed(&fs::read_to_string(&page)?).ok_or_else(|| {
            io::Error::other(format!("{} does not contain `{}`", part.page, part.begin().trim_end()))
        })?;
        fs::write(page, text)?;
    }
    Ok(())
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
    fn the_stored_parts_of_pages_are_the_generated_ones() {
        for part in PARTS {
            let page = stored(part.page);
            let same = part.renewed(&page).is_some_and(|generated| generated == page);
            assert!(
                same,
                "the {} in {} are not what the programs say; run `make reference`",
                part.name, part.page
            );
        }
    }
}
