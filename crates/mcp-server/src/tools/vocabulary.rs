//! The command line's words in the vocabulary of tools.
//!
//! Operations say what to do next to people at a command line. Whoever calls a tool has other names for the same: a command
//! that a tool runs is called by the tool's name here, an option by that of its parameter. What no tool of the caller can do
//! is left as it stands, and the text says that a person does it.

#[cfg(test)]
mod tests;

use oar_core::operations::{Program, row};
use serde_json::Value;

use super::parameters::{Parameter, Word};
use super::{Kind, Tool, catalogue};
use crate::result::Answer;

/// The beginnings of the lines in which a program speaks to its user about itself; others are results, or the log.
const SPOKEN: [&str; 8] = ["next:", "Next:", "note:", "error:", "warning:", "because:", "tip:", "✗"];
/// The longest command, in words.
const LONGEST_COMMAND: usize = 3;
/// The marks before and after a word.
const BEFORE: [char; 5] = ['`', '(', '[', '"', '\''];
const AFTER: [char; 12] = ['`', ')', ']', '"', '\'', '.', ',', ';', ':', '?', '!', '…'];

/// What a caller of one tool can use, and by which names.
pub struct Vocabulary<'a> {
    tool: &'a Tool,
    offers: &'a dyn Fn(&Tool) -> bool,
}

impl std::fmt::Debug for Vocabulary<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Vocabulary").field(&self.tool.name).finish()
    }
}

/// A word of a text, without the marks around it. A value in quotes is one word.
#[derive(Debug, Clone, Copy)]
struct Token<'t> {
    start: usize,
    end: usize,
    /// Its end with the quote that it began with.
    quoted_end: usize,
    bare: &'t str,
    begins_code: bool,
    /// Whether code or a part of a sentence ends after it.
    is_last: bool,
}

/// What stands in place of a part of a text.
struct Put {
    start: usize,
    end: usize,
    text: String,
}

/// Who runs the commands in a part of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doer {
    /// The caller, or a person.
    Caller,
    /// The engine.
    Engine,
    /// The engine has run them.
    Done,
}

/// A command in a text: what stands in its place where a tool does it, and otherwise the command; and the token after it.
type Mention = (Result<Put, String>, usize);

impl<'a> Vocabulary<'a> {
    /// That of a caller of `tool` to whom the server offers the tools for which `offers` is true.
    pub fn new(tool: &'a Tool, offers: &'a dyn Fn(&Tool) -> bool) -> Self {
        Self { tool, offers }
    }

    /// The text in the words of tools.
    pub fn put(&self, text: &str) -> String {
        // What a person is to do is said in the words of the command line, which are theirs.
        if text.to_lowercase().contains("a person ") {
            return text.to_owned();
        }
        let (mut put, by_person) = self.found(text);
        if !by_person.is_empty() {
            let list: Vec<String> = by_person.into_iter().map(|what| format!("`{what}`")).collect();
            put.push_str(" (A person does that at a terminal: ");
            put.push_str(&list.join(", "));
            put.push_str(".)");
        }
        put
    }

    /// The text in the words of tools; `None` where it names an option that the tool does not have.
    pub(super) fn put_wholly(&self, text: &str) -> Option<String> {
        let is_option = |what: &String| what.starts_with('-');
        (!self.found(text).1.iter().any(is_option)).then(|| self.put(text))
    }

    /// An answer in which programs speak in the words of tools. Whoever names commands and options themselves gets them as
    /// they are.
    pub fn answer(&self, answer: Answer) -> Answer {
        if matches!(self.tool.kind, Kind::Generic(_) | Kind::Help | Kind::GetRun) {
            return answer;
        }
        match answer {
            Answer::Text { text, ok, untrusted } => {
                let line = |line: &str| {
                    let is_spoken = SPOKEN.iter().any(|begin| line.trim_start().starts_with(begin));
                    if is_spoken { self.put(line) } else { line.to_owned() }
                };
                let lines: Vec<String> = text.split('\n').map(line).collect();
                Answer::Text { text: lines.join("\n"), ok, untrusted }
            }
            Answer::Document { mut document, mut whole, ok, untrusted, fits } => {
                std::iter::once(&mut document)
                    .chain(whole.as_deref_mut())
                    .for_each(|document| self.document(document));
                Answer::Document { document, whole, ok, untrusted, fits }
            }
            run @ Answer::Run { .. } => run,
        }
    }

    /// What a document says itself: its error and next steps, and why tasks wait.
    pub(crate) fn document(&self, document: &mut Value) {
        if self.tool.kind == Kind::Operation {
            return self.steps(document, Doer::Caller);
        }
        let speak = |value: &mut Value| {
            if let Value::String(text) = value {
                *text = self.put(text);
            }
        };
        for key in ["error", "message", "warning"] {
            document.get_mut(key).into_iter().for_each(speak);
        }
        match document.get_mut("next") {
            Some(Value::Array(tasks)) => {
                for task in tasks {
                    if let Value::String(name) = task {
                        *name = self.step(name);
                    }
                }
            }
            next => next.into_iter().for_each(speak),
        }
        if let Some(Value::Array(tasks)) = document.get_mut("tasks") {
            tasks.iter_mut().filter_map(|task| task.get_mut("waits")).for_each(speak);
        }
    }

    /// The errors, next steps and commands anywhere in the result of an operation.
    fn steps(&self, value: &mut Value, doer: Doer) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.steps(value, doer)),
            Value::Object(fields) => {
                let is_run = fields.get("do").is_some_and(|what| what == "run");
                let doer = if is_run { Doer::Engine } else { doer };
                for (name, value) in fields {
                    match (name.as_str(), value, doer) {
                        ("error" | "next", Value::String(text), _)
                        | ("command", Value::String(text), Doer::Caller) => *text = self.put(text),
                        ("command", Value::String(text), Doer::Engine) => *text = self.engine_step(text),
                        ("commands", Value::Array(commands), Doer::Caller) => {
                            for command in commands {
                                if let Value::String(text) = command {
                                    *text = self.put(text);
                                }
                            }
                        }
                        ("now", value, _) => self.steps(value, Doer::Engine),
                        ("runs", value, _) => self.steps(value, Doer::Done),
                        (_, value, _) => self.steps(value, Doer::Caller),
                    }
                }
            }
            _ => {}
        }
    }

    /// A command that the engine runs: as the tool that does the same, otherwise as a part of a pass.
    fn engine_step(&self, command: &str) -> String {
        let (put, by_person) = self.found(command);
        match self.tool_for(Program::Oar, "drive --once") {
            _ if by_person.is_empty() => put,
            Some(pass) => format!("`{}` does it", pass.name),
            None => self.put(command),
        }
    }

    /// A task that can be done now, and who does it.
    fn step(&self, task: &str) -> String {
        let who = match (self.tool_for(Program::Oar, task), row(Program::Oar, task)) {
            (Some(tool), _) => format!("call {}", tool.name),
            (None, Some(_)) => format!("a person runs `oar -r RELEASE {task}`"),
            (None, None) => match self.tool_for(Program::Oar, "task set") {
                Some(tool) => format!("a person judges it, and {} records the verdict", tool.name),
                None => "a person judges it".to_owned(),
            },
        };
        format!("{task}: {who}")
    }

    fn tool_for(&self, program: Program, command: &str) -> Option<&'static Tool> {
        // A dry run does not do what the command does.
        let does = |tool: &&Tool| {
            tool.operation.is_some_and(|(of, name)| of == program && name == command)
                && !tool.is_dry
                && (self.offers)(tool)
        };
        catalogue().iter().find(does)
    }

    /// The text in the words of tools, and what in it only a person can use.
    fn found(&self, text: &str) -> (String, Vec<String>) {
        let tokens = tokens(text);
        let (mut puts, mut by_person) = (Vec::new(), Vec::<String>::new());
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let found = if let Some((found, until)) = self.mention(text, &tokens, at) {
                at = until;
                found
            } else {
                at += 1;
                match option(token.bare) {
                    Some((name, value)) => self.bare_option(text, token, name, value),
                    None => continue,
                }
            };
            match found {
                Ok(put) => puts.push(put),
                Err(what) if what.is_empty() || by_person.contains(&what) => {}
                Err(what) => by_person.push(what),
            }
        }
        let (mut put, mut done) = (String::new(), 0);
        for Put { start, end, text: words } in puts {
            put.push_str(&text[done..start]);
            put.push_str(&words);
            done = end;
        }
        put.push_str(&text[done..]);
        (put, by_person)
    }

    /// An option of the tool's own command; an empty text where it is none, as a single letter may be another program's.
    fn bare_option(
        &self,
        text: &str,
        token: &Token<'_>,
        name: &str,
        value: Option<&str>,
    ) -> Result<Put, String> {
        let Some(parameter) = parameter(self.tool, name) else {
            // In quotes it is what somebody wrote.
            let is_said = name.len() > 1 && !text[..token.start].ends_with('\'');
            return Err(if is_said { format!("--{name}") } else { String::new() });
        };
        let words = as_argument(parameter, value);
        let is_code = text[..token.start].ends_with('`') || text[token.end..].starts_with('`');
        let text = if is_code { words } else { format!("`{words}`") };
        Ok(Put { start: token.start, end: token.end, text })
    }

    /// The command that begins at a token: of a program, or as code the command alone.
    fn mention(&self, text: &str, tokens: &[Token<'_>], at: usize) -> Option<Mention> {
        let first = tokens.get(at)?;
        let (program, mut next) = match Program::of_name(first.bare) {
            // That word is more than a program.
            Some(Program::Job) if !first.begins_code => return None,
            Some(_) if first.is_last => return None,
            Some(program) => (program, at + 1),
            None if first.begins_code => {
                (self.tool.operation.map_or(Program::Oar, |(program, _)| program), at)
            }
            None => return None,
        };
        let mut release = None;
        while next > at
            && let Some(token) = tokens.get(next)
            && let Some((name, value)) = option(token.bare)
        {
            if token.is_last {
                return None;
            }
            next += 1;
            if matches!(name, "r" | "release") {
                release = if let Some(value) = value {
                    Some(value)
                } else {
                    next += 1;
                    Some(tokens.get(next - 1).filter(|token| !token.is_last)?.bare)
                };
            }
        }
        let found = (1..=LONGEST_COMMAND).rev().find_map(|count| {
            let words = tokens.get(next..next + count)?;
            let (_, before) = words.split_last()?;
            if before.iter().any(|word| word.is_last) {
                return None;
            }
            let name: Vec<&str> = words.iter().map(|word| word.bare).collect();
            row(program, &name.join(" ")).map(|row| (row.about.command, next + count))
        });
        let Some((command, mut until)) = found else {
            // A command of a program that is no operation, such as those of the configuration document.
            let is_code = next > at && first.begins_code;
            let last = tokens.iter().skip(next).position(|token| token.is_last).filter(|_| is_code)?;
            let until = next + last + 1;
            return Some((Err(text[first.start..tokens[until - 1].end].to_owned()), until));
        };
        let tool = self.tool_for(program, command);
        let has_release = |tool: &Tool| tool.parameters.iter().any(|parameter| parameter.name == "release");
        let mut arguments: Vec<String> = release
            .filter(|_| tool.is_some_and(has_release))
            .map(|release| format!("release {release}"))
            .into_iter()
            .collect();
        let positional = tool.map(|tool| tool.parameters.as_slice()).unwrap_or_default().iter();
        let mut positional = positional.filter(|parameter| parameter.word == Word::Positional);
        let mut is_whole = true;
        while let Some(token) = tokens.get(until)
            && !tokens[until - 1].is_last
        {
            let Some((name, value)) = option(token.bare) else {
                match positional.next() {
                    Some(parameter) => arguments.push(as_argument(parameter, Some(token.bare))),
                    None if first.begins_code => is_whole = false,
                    None => break,
                }
                until += 1;
                continue;
            };
            until += 1;
            let parameter = tool.and_then(|tool| parameter(tool, name));
            let takes_value = parameter.is_none_or(|parameter| matches!(parameter.word, Word::Option(_)));
            let follows = tokens.get(until).filter(|next| {
                takes_value && value.is_none() && !token.is_last && option(next.bare).is_none()
            });
            // What follows an option that is not known is its value if it looks like one.
            let follows = follows.filter(|next| parameter.is_some() || looks_like_a_value(text, next));
            until += usize::from(follows.is_some());
            match parameter {
                Some(parameter) => {
                    arguments.push(as_argument(parameter, value.or(follows.map(|next| next.bare))));
                }
                None => is_whole = false,
            }
        }
        let (mut start, mut end) = (first.start, tokens[until - 1].quoted_end);
        let Some(tool) = tool.filter(|_| is_whole) else {
            return Some((Err(text[start..end].to_owned()), until));
        };
        if text[..start].ends_with('`') && text[end..].starts_with('`') {
            (start, end) = (start - 1, end + 1);
        }
        let arguments =
            if arguments.is_empty() { String::new() } else { format!(" ({})", arguments.join(", ")) };
        Some((Ok(Put { start, end, text: format!("`{}`{arguments}", tool.name) }), until))
    }
}

/// The parameter that an option of the tool's command is.
fn parameter<'t>(tool: &'t Tool, option: &str) -> Option<&'t Parameter> {
    tool.parameters.iter().find(|parameter| {
        let long = match parameter.word {
            Word::Option(long) | Word::ProgramOption(long) | Word::When(long) | Word::Unless(long) => {
                long.strip_prefix("--")
            }
            Word::Nowhere | Word::Positional => None,
        };
        long == Some(option) || parameter.short.is_some_and(|short| option == short.to_string())
    })
}

fn as_argument(parameter: &Parameter, value: Option<&str>) -> String {
    let name = parameter.name;
    match (parameter.word, value) {
        (Word::When(_), _) => format!("{name} true"),
        (Word::Unless(_), _) => format!("{name} false"),
        (_, Some(value)) => format!("{name} {value}"),
        (_, None) => name.to_owned(),
    }
}

/// The name of an option, without its hyphens, and its value where that is written with it.
fn option(word: &str) -> Option<(&str, Option<&str>)> {
    if let Some(long) = word.strip_prefix("--") {
        let end = long.find(|letter: char| !letter.is_ascii_alphanumeric() && !matches!(letter, '-' | '_'));
        let (name, rest) = long.split_at(end.unwrap_or(long.len()));
        let value = rest.strip_prefix(['=', ' ']).filter(|value| !value.is_empty());
        let is_name = name.starts_with(|letter: char| letter.is_ascii_lowercase());
        return (is_name && (rest.is_empty() || value.is_some())).then_some((name, value));
    }
    let short = word.strip_prefix('-')?;
    (short.len() == 1 && short.starts_with(|letter: char| letter.is_ascii_alphabetic()))
        .then_some((short, None))
}

/// Whether a word after an option is its value, and not the next word of a sentence.
fn looks_like_a_value(text: &str, token: &Token<'_>) -> bool {
    let is_placeholder = |letter: char| letter.is_ascii_uppercase() || letter == '_';
    text[..token.start].ends_with(['\'', '"', '<']) || token.bare.chars().all(is_placeholder)
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(offset) = text[at..].find(|letter: char| !letter.is_whitespace()) {
        let begin = at + offset;
        let next_blank =
            |from: usize| text[from..].find(char::is_whitespace).map_or(text.len(), |to| from + to);
        let mut stop = next_blank(begin);
        let is_open = |word: &str| word.starts_with('\'') && word.matches('\'').count() == 1;
        if is_open(&text[begin..stop])
            && let Some(close) = text[stop..].find('\'')
        {
            stop = next_blank(stop + close);
        }
        let word = &text[begin..stop];
        let start = begin + (word.len() - word.trim_start_matches(BEFORE).len());
        // In quotes everything is part of what they hold.
        let close = text[start..stop].rfind('\'').filter(|_| text[begin..start].contains('\''));
        let bare = match close {
            Some(close) => &text[start..start + close],
            None => text[start..stop].trim_end_matches(AFTER),
        };
        let end = start + bare.len();
        let quoted_end = end + usize::from(close.is_some());
        let ends = ['`', ')', '.', ',', ';', ':', '?', '!'];
        found.push(Token {
            start,
            end,
            quoted_end,
            bare,
            begins_code: text[begin..start].contains('`'),
            is_last: text[quoted_end..stop].contains(ends),
        });
        at = stop;
    }
    found
}
