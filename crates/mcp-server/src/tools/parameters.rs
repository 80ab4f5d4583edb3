//! The parameters of tools: their types and defaults, and how a value becomes words of a command line.

use std::fmt::Display;
use std::str::FromStr;

use oar_core::clock::Moment;
use oar_core::operations::consent::CriticalTask;
use oar_core::prow::names::BuildName;
use oar_core::statebox::{NodeName, TaskName, Verdict};
use oar_core::version::{Arch, ReleaseVersion, YStream};
use serde_json::{Map, Value, json};

/// The longest text of one argument, in bytes.
const LONGEST_TEXT: usize = 8 * 1024;
/// The statuses that a caller may set.
const STATUSES: &[&str] = &["Pass", "Fail", "In Progress"];
/// The programs that have help.
pub(super) const PROGRAMS: &[&str] = &["oar", "oarctl", "job", "jobctl"];
/// What a person may decide.
const VERDICTS: &[&str] = &["accept", "reject", "wait"];
/// The architectures of builds.
const ARCHES: &[&str] = &["amd64", "arm64", "multi", "ppc64le", "s390x"];

/// What a parameter's value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// Any text.
    Text,
    /// True or false.
    Flag,
    /// A whole number from 0 on.
    Count,
    /// A release.
    Release,
    /// A minor version.
    YStream,
    /// A build's whole name.
    Build,
    /// An architecture.
    Arch,
    /// A task that a state file holds.
    Task,
    /// A task whose plan needs consent.
    Critical,
    /// A task or a checkpoint.
    Node,
    /// What a person decides.
    Verdict,
    /// A status that a caller may set.
    Status,
    /// A day.
    Day,
    /// A day or a time.
    Moment,
    /// A number of a build, as text.
    Number,
    /// A program that has help.
    Program,
}

/// When a parameter has no value, what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// It must be given.
    Required,
    /// Absent; the schema's type is text alone, as the reference's clients know it.
    Absent,
    /// Absent; the schema's type is text or null.
    Null,
    /// This text.
    Text(&'static str),
    /// This.
    Flag(bool),
}

/// How a value stands in the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It does not.
    Nowhere,
    /// As the value of this option.
    Option(&'static str),
    /// As the value of this option of the program, before the command.
    ProgramOption(&'static str),
    /// By itself.
    Positional,
    /// As this option when it is true.
    When(&'static str),
    /// As this option when it is false.
    Unless(&'static str),
}

/// Where a parameter's description comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Described {
    /// The argument of this name of the tool's operation.
    ByArgument(&'static str),
    /// This text.
    By(&'static str),
}

/// One parameter of a tool.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What its value must be.
    pub values: Values,
    /// What it is without a value.
    pub unset: Unset,
    /// How it stands in the command line.
    pub word: Word,
    /// The letter of that option, where it has one.
    pub short: Option<char>,
    /// Where its description comes from.
    pub described: Described,
    /// Whether an empty text is refused instead of meaning "not given".
    pub refuses_empty: bool,
}

impl Parameter {
    /// A parameter that must be given.
    pub(super) fn required(name: &'static str, values: Values, described: Described) -> Self {
        let unset = Unset::Required;
        Self { name, values, unset, word: Word::Nowhere, short: None, described, refuses_empty: true }
    }

    /// A parameter with a default.
    pub(super) fn or(name: &'static str, values: Values, unset: Unset, described: Described) -> Self {
        Self { unset, refuses_empty: false, ..Self::required(name, values, described) }
    }

    /// The same, in the command line.
    pub(super) fn as_word(self, word: Word) -> Self {
        Self { word, ..self }
    }

    /// The same, whose option has this letter.
    pub(super) fn short(self, letter: char) -> Self {
        Self { short: Some(letter), ..self }
    }

    /// The same, with an empty text refused.
    pub(super) fn never_empty(self) -> Self {
        Self { refuses_empty: true, ..self }
    }

    /// Its JSON schema.
    pub(super) fn schema(&self, description: &str) -> Value {
        let mut schema = Map::new();
        let kind = match self.values {
            Values::Flag => "boolean",
            Values::Count => "integer",
            _ => "string",
        };
        if self.unset == Unset::Null {
            schema.insert("anyOf".to_owned(), json!([{ "type": kind }, { "type": "null" }]));
        } else {
            schema.insert("type".to_owned(), kind.into());
        }
        if self.values == Values::Count {
            schema.insert("minimum".to_owned(), 0.into());
        }
        if let Some(words) = self.values.all()
            && self.unset != Unset::Null
        {
            schema.insert("enum".to_owned(), words.into());
        }
        schema.insert("description".to_owned(), description.into());
        if let Some(default) = self.default_value() {
            schema.insert("default".to_owned(), default);
        }
        Value::Object(schema)
    }

    /// Its default; `None` where it must be given.
    pub fn default_value(&self) -> Option<Value> {
        match self.unset {
            Unset::Required => None,
            Unset::Absent | Unset::Null => Some(Value::Null),
            Unset::Text(text) => Some(text.into()),
            Unset::Flag(flag) => Some(flag.into()),
        }
    }

    /// The value to use; `Ok(None)` where it counts as not given.
    ///
    /// # Errors
    ///
    /// What was expected, with an example.
    pub(super) fn check(&self, value: &Value) -> Result<Option<Value>, String> {
        match value {
            Value::Null if self.unset == Unset::Required => {
                Err(format!("it is null; {}", self.values.expected()))
            }
            Value::Null => Ok(None),
            Value::Bool(_) if self.values == Values::Flag => Ok(Some(value.clone())),
            Value::Number(number) if self.values == Values::Count && number.is_u64() => {
                Ok(Some(value.clone()))
            }
            Value::String(text) if !matches!(self.values, Values::Flag | Values::Count) => {
                if text.trim().is_empty() {
                    return if self.refuses_empty {
                        Err(format!("it is empty; {}{}", self.values.expected(), self.leave_out()))
                    } else {
                        Ok(None)
                    };
                }
                if text.len() > LONGEST_TEXT {
                    return Err(format!("it has {} bytes; at most {LONGEST_TEXT} are accepted", text.len()));
                }
                let is_odd = |character: char| character.is_control() && !matches!(character, '\n' | '\t');
                if text.contains(is_odd) {
                    return Err("it contains a control character; expected plain text".to_owned());
                }
                self.values.check(text)?;
                Ok(Some(value.clone()))
            }
            _ => Err(format!("it is {}; {}", kind_of(value), self.values.expected())),
        }
    }

    fn leave_out(&self) -> &'static str {
        if self.unset == Unset::Required { "" } else { "; leave it out where none is meant" }
    }
}

impl Values {
    /// Every value, where these are few.
    fn all(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Arch => Some(ARCHES),
            Self::Status => Some(STATUSES),
            Self::Verdict => Some(VERDICTS),
            Self::Program => Some(PROGRAMS),
            _ => None,
        }
    }

    /// What is expected, with an example.
    fn expected(self) -> String {
        match self {
            Self::Text => "expected text".to_owned(),
            Self::Flag => "expected true or false".to_owned(),
            Self::Count => "expected a whole number such as 8000".to_owned(),
            Self::Release => "expected a release such as 4.19.1".to_owned(),
            Self::YStream => "expected a minor version such as 4.19".to_owned(),
            Self::Build => {
                "expected a build's whole name, such as 4.20.27 or 4.20.0-0.nightly-2026-07-01-161907"
                    .to_owned()
            }
            Self::Task => format!("expected a task such as {}", TaskName::StageTesting),
            Self::Critical => {
                let names: Vec<&str> = CriticalTask::all().map(CriticalTask::command).collect();
                format!("expected one of {}", names.join(", "))
            }
            Self::Node => format!("expected a task or checkpoint such as {}", TaskName::AnalyzePromotedBuild),
            Self::Day => "expected a day such as 2026-06-01".to_owned(),
            Self::Moment => {
                "expected a day such as 2026-06-01 or a time such as 2026-06-01T12:00:00Z".to_owned()
            }
            Self::Number => "expected the number of a build as text, such as \"1234\"".to_owned(),
            Self::Arch | Self::Verdict | Self::Status | Self::Program => {
                format!("expected one of {}", self.all().unwrap_or_default().join(", "))
            }
        }
    }

    fn check(self, text: &str) -> Result<(), String> {
        match self {
            Self::Text | Self::Flag | Self::Count => Ok(()),
            Self::Release => parsed::<ReleaseVersion>(text),
            Self::YStream => parsed::<YStream>(text),
            Self::Build => parsed::<BuildName>(text),
            Self::Arch => parsed::<Arch>(text),
            Self::Task => parsed::<TaskName>(text),
            Self::Critical => parsed::<CriticalTask>(text),
            Self::Node => parsed::<NodeName>(text),
            Self::Verdict => parsed::<Verdict>(text),
            Self::Moment => parsed::<Moment>(text),
            Self::Day => text.parse::<jiff::civil::Date>().map(drop).map_err(|_| self.not(text)),
            Self::Number => text.parse::<std::num::NonZeroU64>().map(drop).map_err(|_| self.not(text)),
            Self::Status | Self::Program => {
                if self.all().unwrap_or_default().contains(&text) {
                    Ok(())
                } else {
                    Err(self.not(text))
                }
            }
        }
    }

    fn not(self, text: &str) -> String {
        let near = self.all().and_then(|all| nearest(text, all.iter().copied()));
        let near = near.map(|word| format!(" (did you mean `{word}`?)")).unwrap_or_default();
        format!("`{}` is not one; {}{near}", shown(text), self.expected())
    }
}

fn parsed<T: FromStr<Err: Display>>(text: &str) -> Result<(), String> {
    text.parse::<T>().map(drop).map_err(|error| error.to_string())
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A text of the caller, short enough to repeat.
pub(crate) fn shown(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let short = short.escape_debug().to_string();
    if text.chars().count() > 80 { format!("{short}…") } else { short }
}

/// The word among `words` that `input` was probably meant to be.
pub(crate) fn nearest<'a>(input: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if input.len() > 100 {
        return None;
    }
    let best = words.into_iter().map(|word| (strsim::damerau_levenshtein(input, word), word)).min()?;
    (best.0 <= (best.1.len() / 3).max(1)).then_some(best.1)
}
