//! The help page of a program with its commands in groups.

use std::fmt::Write as _;

use clap::builder::styling::Styles;

/// A group of commands: its heading, and their names in the displayed order.
pub type Group = (&'static str, &'static [&'static str]);

/// The heading of the options of every command of a program.
pub const GLOBAL_OPTIONS: &str = "Global options";

/// The heading of commands without a group.
const OTHERS: &str = "Other commands";
/// The width of the list of commands, in columns.
const WIDTH: usize = 80;
/// The text before a command.
const INDENT: &str = "  ";
/// The columns between a command and its description.
const GAP: usize = 2;

/// The help template (see [`clap::Command::help_template`]) of a program with the subcommands of `C`, in groups. clap
/// itself has one list of commands only.
pub fn template<C: clap::Subcommand>(groups: &[Group]) -> String {
    let program = C::augment_subcommands(clap::Command::new("program"));
    let styles = Styles::styled();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    let groups = complete(&program, groups);
    let names = groups.iter().flat_map(|(_, commands)| commands).map(|(name, _)| name.len());
    let indent = INDENT.len() + names.max().unwrap_or(0) + GAP;
    for (heading, commands) in groups {
        let _ = write!(text, "\n{header}{heading}:{header:#}\n");
        for (name, about) in commands {
            let gap = " ".repeat(indent - INDENT.len() - name.len());
            let about = wrap(&about, WIDTH - indent).join(&format!("\n{}", " ".repeat(indent)));
            let _ = writeln!(text, "{INDENT}{literal}{name}{literal:#}{gap}{about}");
        }
    }
    // For the program itself these include its own `--help` and `--version`.
    let _ = write!(text, "\n{header}{GLOBAL_OPTIONS}:{header:#}\n{{options}}{{after-help}}");
    text
}

/// The groups with the description of each command, followed by the commands without a group.
fn complete<'a>(
    program: &clap::Command,
    groups: &[(&'a str, &[&str])],
) -> Vec<(&'a str, Vec<(String, String)>)> {
    let row = |command: &clap::Command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        (command.get_name().to_owned(), about)
    };
    let visible = || program.get_subcommands().filter(|command| !command.is_hide_set());
    let mut all: Vec<(&str, Vec<(String, String)>)> = groups
        .iter()
        .map(|(heading, names)| {
            let commands =
                names.iter().filter_map(|name| visible().find(|command| command.get_name() == *name));
            (*heading, commands.map(row).collect())
        })
        .collect();
    let in_a_group =
        |command: &&clap::Command| groups.iter().any(|(_, names)| names.contains(&command.get_name()));
    let mut others: Vec<_> = visible().filter(|command| !in_a_group(command)).map(row).collect();
    let help = ("help".to_owned(), "Show the help of a command".to_owned());
    if let Some((_, commands)) = all.last_mut().filter(|_| others.is_empty()) {
        commands.push(help);
    } else {
        others.push(help);
        all.push((OTHERS, others));
    }
    all
}

/// `text` in lines of at most `width` characters, if its words allow it.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use clap::Subcommand as _;

    use super::*;

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        /// Look at what there is, as long as there is something to look at and somebody who wants to know
        Look,
        /// Do something
        Act,
        /// Nobody is meant to see it
        #[command(hide = true)]
        Hidden,
    }

    fn page(groups: &[Group]) -> String {
        let program = Command::augment_subcommands(clap::Command::new("program").about("A program"));
        program.help_template(template::<Command>(groups)).render_help().to_string()
    }

    #[test]
    fn commands_stand_below_their_headings_in_the_given_order_and_within_80_columns() {
        insta::assert_snapshot!(page(&[("Do", &["act"]), ("See", &["look"])]), @r"
        A program

        Usage: program [COMMAND]

        Do:
          act   Do something

        See:
          look  Look at what there is, as long as there is something to look at and
                somebody who wants to know
          help  Show the help of a command

        Global options:
          -h, --help  Print help
        ");
    }

    #[test]
    fn a_command_that_was_forgotten_is_shown_all_the_same() {
        let page = page(&[("Do", &["act"])]);
        assert!(page.contains("\nOther commands:\n  look") && !page.contains("hidden"), "{page}");
    }
}
