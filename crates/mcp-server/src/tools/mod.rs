//! The tools: what they are called, what they take and give, what they may change, and to whom they are offered.
//!
//! A tool is data. What it does is the operation that its row names; its description, and those of its parameters, are
//! the operation's.

mod output;
mod parameters;
mod profiles;
mod rows;
#[cfg(test)]
mod tests;
mod vocabulary;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, LazyLock, OnceLock};

use jsonschema::Validator;
use oar_core::operations::{Program, Row, row};
use rmcp::model::{JsonObject, ToolAnnotations};
use serde_json::Value;

pub use parameters::{Described, Parameter, Unset, Values, Word};
pub(crate) use parameters::{nearest, shown};
pub use profiles::Profile;
pub use vocabulary::Vocabulary;

use crate::caller::{Access, AccessScope, Caller};
use crate::result::ToolFailure;
use output::Key;

static CATALOGUE: LazyLock<Vec<Tool>> = LazyLock::new(rows::all);

/// Every tool, in the order in which they are listed.
pub fn catalogue() -> &'static [Tool] {
    &CATALOGUE
}

/// The tool of this name.
pub fn tool(name: &str) -> Option<&'static Tool> {
    catalogue().iter().find(|tool| tool.name == name)
}

/// The tool that is called like this, more or less.
pub fn nearest_tool(name: &str) -> Option<&'static str> {
    nearest(name, catalogue().iter().map(|tool| tool.name))
}

/// The tools that are offered to a caller: those of their profile that their scopes allow and that are switched on.
pub fn offered<'a>(
    caller: &'a Caller,
    switches: &'a Switches,
) -> impl Iterator<Item = &'static Tool> + use<'a> {
    catalogue().iter().filter(move |tool| is_offered(tool, caller, switches))
}

/// Whether a tool is offered to a caller.
pub fn is_offered(tool: &Tool, caller: &Caller, switches: &Switches) -> bool {
    caller.profile.has(tool.name) && tool.may_be_called_by(caller) && switches.allow(tool)
}

/// Which tools the server has at all.
#[derive(Debug, Clone, Default)]
pub struct Switches {
    /// Only tools that read.
    pub read_only: bool,
    /// Only these.
    pub only: Option<BTreeSet<String>>,
    /// Whether the tools are on that run any command.
    pub generic: bool,
}

impl Switches {
    /// Whether the server has this tool.
    pub fn allow(&self, tool: &Tool) -> bool {
        let is_generic = matches!(tool.kind, Kind::Generic(_));
        // Where nothing else changes anything, there is nothing that the end of a run changes.
        (tool.hints.read_only || tool.kind == Kind::GetRun || !self.read_only)
            && (self.generic || !is_generic)
            && self.only.as_ref().is_none_or(|only| only.contains(tool.name))
    }
}

/// What a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It runs this command line.
    Command {
        /// The program.
        program: Program,
        /// Its command.
        command: &'static str,
    },
    /// It performs its operation and gives the result.
    Operation,
    /// It gives a document.
    Document(DocumentTool),
    /// It runs the command line that the caller names.
    Generic(Program),
    /// It shows the help of a command.
    Help,
    /// It follows a run.
    GetRun,
}

/// The tools that give documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DocumentTool {
    /// The release's values in ART's build data.
    ReleaseMetadata,
    /// Whether the release is shipped.
    IsShipped,
    /// The release's state.
    ReleaseStatus,
    /// Sets the status of a task.
    UpdateTaskStatus,
    /// The releases in work.
    ActiveReleases,
    /// The cache's statistics.
    CacheStats,
    /// Forgets cached values.
    CacheInvalidate,
    /// Fetches values into the cache.
    CacheWarm,
    /// Records an issue.
    AddIssue,
    /// Resolves an issue.
    ResolveIssue,
    /// Lists issues.
    GetIssues,
    /// What blocks a task.
    GetTaskBlocker,
}

/// When a tool records what a person decides, and so waits for a person's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// Always.
    Always,
    /// When this flag is set.
    When(&'static str),
}

/// What a tool may change, as clients are told (spec 05 §7.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the four hints of the protocol")]
pub struct Hints {
    /// It changes nothing.
    pub read_only: bool,
    /// It may take away or do what cannot be undone.
    pub destructive: bool,
    /// Calling it twice changes no more than calling it once.
    pub idempotent: bool,
    /// It works with services outside.
    pub open_world: bool,
}

/// One tool.
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub kind: Kind,
    /// What a caller needs to use it.
    pub scope: AccessScope,
    /// What it may change.
    pub hints: Hints,
    /// What it takes.
    pub parameters: Vec<Parameter>,
    /// Whether its results contain text that others wrote.
    pub is_untrusted: bool,
    /// Whether it starts test jobs, which cost money; with the parameter of an existing job that it only follows, or
    /// an empty name.
    pub starts_jobs: Option<&'static str>,
    /// When it records what a person decides.
    pub decides: Option<Decides>,
    /// Whether it is the dry run of its operation, which only reads.
    pub is_dry: bool,
    operation: Option<(Program, &'static str)>,
    own: Option<(&'static str, &'static str)>,
    keys: Vec<Key>,
    definition: OnceLock<rmcp::model::Tool>,
    validator: OnceLock<Option<Validator>>,
}

impl fmt::Debug for Tool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Tool").field(&self.name).finish()
    }
}

impl Tool {
    /// Who may use it. Everybody may follow their own runs.
    pub fn access(&self) -> Access {
        if self.kind == Kind::GetRun { Access::Anybody } else { Access::With(self.scope) }
    }

    /// Whether the caller's scopes allow it.
    pub fn may_be_called_by(&self, caller: &Caller) -> bool {
        match self.access() {
            Access::Anybody => true,
            Access::With(scope) => caller.may(scope),
        }
    }

    fn new(name: &'static str, kind: Kind, scope: AccessScope, hints: Hints) -> Self {
        Self {
            name,
            kind,
            scope,
            hints,
            parameters: Vec::new(),
            is_untrusted: false,
            starts_jobs: None,
            decides: None,
            is_dry: false,
            operation: None,
            own: None,
            keys: Vec::new(),
            definition: OnceLock::new(),
            validator: OnceLock::new(),
        }
    }

    /// A command line. Its log may quote a service or a person.
    fn command(
        name: &'static str,
        program: Program,
        command: &'static str,
        scope: AccessScope,
        hints: Hints,
    ) -> Self {
        Self::new(name, Kind::Command { program, command }, scope, hints).like(program, command).untrusted()
    }

    fn document(name: &'static str, document: DocumentTool, scope: AccessScope, hints: Hints) -> Self {
        Self::new(name, Kind::Document(document), scope, hints)
    }

    fn performing(
        name: &'static str,
        program: Program,
        command: &'static str,
        scope: AccessScope,
        hints: Hints,
    ) -> Self {
        Self::new(name, Kind::Operation, scope, hints).like(program, command)
    }

    /// The same, which does what this operation does.
    fn like(self, program: Program, command: &'static str) -> Self {
        Self { operation: Some((program, command)), ..self }
    }

    /// The same, with a title and a description of its own.
    fn about(self, title: &'static str, description: &'static str) -> Self {
        Self { own: Some((title, description)), ..self }
    }

    fn taking(self, parameters: impl IntoIterator<Item = Parameter>) -> Self {
        Self { parameters: parameters.into_iter().collect(), ..self }
    }

    fn giving(self, keys: impl IntoIterator<Item = Key>) -> Self {
        Self { keys: keys.into_iter().collect(), ..self }
    }

    fn untrusted(self) -> Self {
        Self { is_untrusted: true, ..self }
    }

    fn starting_jobs(self, unless: &'static str) -> Self {
        Self { starts_jobs: Some(unless), ..self }
    }

    /// The same, which waits for a person's word.
    fn deciding(self, when: Decides) -> Self {
        Self { decides: Some(when), ..self }
    }

    /// The same as the dry run of its operation.
    fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }

    /// Whether a call with these arguments waits for a person's word.
    pub fn is_decision(&self, arguments: &Arguments) -> bool {
        match self.decides {
            None => false,
            Some(Decides::Always) => true,
            Some(Decides::When(name)) => arguments.flag(name),
        }
    }

    /// The operation that it runs or resembles.
    pub fn operation(&self) -> Option<&'static Row> {
        let (program, command) = self.operation?;
        row(program, command)
    }

    /// Its title.
    pub fn title(&self) -> String {
        if let Some((title, _)) = self.own {
            return title.to_owned();
        }
        // Without the program, unless one word is left.
        let short = self.name.split_once('_').map(|(_, words)| words).filter(|words| words.contains('_'));
        let words = short.unwrap_or(self.name);
        let word = |(index, word): (usize, &str)| match word {
            "cdn" | "cve" | "cvp" | "qe" => word.to_uppercase(),
            _ if index == 0 => {
                let (first, rest) = word.split_at(word.ceil_char_boundary(1));
                first.to_uppercase() + rest
            }
            _ => word.to_owned(),
        };
        words.split('_').enumerate().map(word).collect::<Vec<_>>().join(" ")
    }

    /// Its description: the operation's summary and hints.
    pub fn description(&self) -> String {
        let operation = self.operation().map(|row| &row.about);
        let summary =
            self.own.map(|(_, text)| text).or(operation.map(|about| about.summary)).unwrap_or_default();
        let mut text = format!("{summary}.");
        let offers = |tool: &Tool| !matches!(tool.kind, Kind::Generic(_));
        let vocabulary = Vocabulary::new(self, &offers);
        let hints = operation.map(|about| about.hints).unwrap_or_default().iter();
        // A hint about an option that only the command line has is none to callers of the tool.
        for hint in hints.filter_map(|hint| vocabulary.put_wholly(hint)) {
            text.push(' ');
            text.push_str(&hint);
        }
        if self.scope == AccessScope::Critical {
            text.push_str(
                " It cannot be undone: the answer is the plan until a person has consented to it. Cancelling undoes nothing.",
            );
        } else if let Some(decides) = self.decides {
            let when = match decides {
                Decides::Always => String::new(),
                Decides::When(name) => format!(" with `{name}`"),
            };
            let more = ": without a person's word nothing is recorded, and the answer says who can do it.";
            text.extend([" Only a person can decide it", &when, more]);
        } else if self.starts_jobs.is_some() {
            text.push_str(" Cancelling stops no job that was started.");
        }
        text
    }

    fn describe(&self, parameter: &Parameter) -> String {
        match parameter.described {
            Described::By(text) => text.to_owned(),
            Described::ByArgument(argument) => self
                .operation()
                .and_then(|row| {
                    let schema = row.arguments();
                    let text = schema.pointer(&format!("/properties/{argument}/description"))?;
                    text.as_str().map(str::to_owned)
                })
                .unwrap_or_default(),
        }
    }

    fn input_schema(&self) -> JsonObject {
        let mut properties = JsonObject::new();
        for parameter in &self.parameters {
            properties.insert(parameter.name.to_owned(), parameter.schema(&self.describe(parameter)));
        }
        let required = self.parameters.iter().filter(|parameter| parameter.unset == Unset::Required);
        let required: Vec<Value> = required.map(|parameter| parameter.name.into()).collect();
        let mut schema = JsonObject::new();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        schema.insert("additionalProperties".to_owned(), false.into());
        schema
    }

    fn output_schema(&self) -> JsonObject {
        if self.kind == Kind::Operation {
            return output::schema_of_long_work(&self.keys);
        }
        self.result_schema()
    }

    fn result_schema(&self) -> JsonObject {
        if self.keys.is_empty() { output::text_schema() } else { output::schema(&self.keys) }
    }

    /// What clients are told of it.
    pub fn definition(&self) -> &rmcp::model::Tool {
        self.definition.get_or_init(|| {
            let Hints { read_only, destructive, idempotent, open_world } = self.hints;
            let annotations = ToolAnnotations::with_title(self.title())
                .read_only(read_only)
                .destructive(destructive)
                .idempotent(idempotent)
                .open_world(open_world);
            rmcp::model::Tool::new(self.name, self.description(), Arc::new(self.input_schema()))
                .with_title(self.title())
                .with_raw_output_schema(Arc::new(self.output_schema()))
                .with_annotations(annotations)
        })
    }

    /// What clients of a server with these switches are told of it: where only reading tools are on, no run can be stopped.
    pub fn definition_under(&self, switches: &Switches) -> rmcp::model::Tool {
        let mut definition = self.definition().clone();
        if self.kind == Kind::GetRun && switches.read_only {
            let mut schema = JsonObject::clone(&definition.input_schema);
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                properties.remove("stop");
            }
            definition.input_schema = Arc::new(schema);
            definition.annotations = definition.annotations.map(|annotations| annotations.read_only(true));
        }
        definition
    }

    /// Whether the result of work that has ended is as its schema says; otherwise, where it is not.
    ///
    /// # Errors
    ///
    /// What does not fit.
    pub fn fits(&self, result: &Value) -> Result<(), String> {
        let compiled = || {
            let compiled = jsonschema::validator_for(&Value::Object(self.result_schema()));
            compiled
                .inspect_err(|error| tracing::error!("{}: its output schema is wrong: {error}", self.name))
                .ok()
        };
        match self.validator.get_or_init(compiled) {
            Some(validator) => validator.validate(result).map_err(|error| {
                format!("{} at `{}`", parameters::shown(&error.to_string()), error.instance_path())
            }),
            None => Err("its schema is wrong".to_owned()),
        }
    }

    /// Checks arguments, and fills in the defaults.
    ///
    /// # Errors
    ///
    /// What is wrong, what was expected, and an example.
    pub fn check(&self, arguments: Option<JsonObject>) -> Result<Arguments, ToolFailure> {
        let mut given = arguments.unwrap_or_default();
        let refused = |why: String, next: String| {
            Err(ToolFailure::usage(
                format!("{} was called wrongly, so nothing was done", self.name),
                why,
                next,
            ))
        };
        let known = || self.parameters.iter().map(|parameter| parameter.name);
        if let Some(unknown) = given.keys().find(|name| known().all(|known| known != name.as_str())) {
            let next = match (nearest(unknown, known()), known().collect::<Vec<_>>()) {
                (Some(near), _) => format!("Did you mean `{near}`?"),
                (None, all) if all.is_empty() => "It has no parameters.".to_owned(),
                (None, all) => format!("Its parameters are {}.", all.join(", ")),
            };
            return refused(format!("it has no parameter `{}`", shown(unknown)), next);
        }
        let mut checked = JsonObject::new();
        for parameter in &self.parameters {
            let name = parameter.name;
            let value = match given.remove(name) {
                None if parameter.unset == Unset::Required => {
                    return refused(
                        format!("`{name}` is missing"),
                        format!("Give it: {}.", self.describe(parameter)),
                    );
                }
                None => None,
                Some(value) => match parameter.check(&value) {
                    Ok(value) => value,
                    Err(why) => {
                        return refused(
                            format!("`{name}`: {why}"),
                            format!("`{name}` is: {}.", self.describe(parameter)),
                        );
                    }
                },
            };
            if let Some(value) = value.or_else(|| parameter.default_value()) {
                checked.insert(name.to_owned(), value);
            }
        }
        Ok(Arguments(checked))
    }

    /// The arguments of its operation.
    pub(crate) fn operation_arguments(&self, arguments: &Arguments) -> Value {
        // The release is that of the call.
        let is_meant = |name: &str, value: &Value| name != "release" && !value.is_null();
        let given = arguments.0.iter().filter(|(name, value)| is_meant(name, value));
        let mut given: JsonObject = given.map(|(name, value)| (name.clone(), value.clone())).collect();
        if self.is_dry {
            given.insert("dry_run".to_owned(), true.into());
        }
        Value::Object(given)
    }

    /// The words of the command line that does the same, without the program.
    pub fn words(&self, arguments: &Arguments) -> Vec<String> {
        let (Kind::Command { .. } | Kind::Operation, Some((_, command))) = (self.kind, self.operation) else {
            return Vec::new();
        };
        let (mut first, mut options, mut positional) = (Vec::new(), Vec::new(), Vec::new());
        for parameter in &self.parameters {
            let value = match arguments.0.get(parameter.name) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Bool(flag)) => flag.to_string(),
                _ => continue,
            };
            match parameter.word {
                Word::Nowhere => {}
                Word::ProgramOption(option) => first.push(format!("{option}={value}")),
                Word::Option(option) => options.push(format!("{option}={value}")),
                Word::Positional => positional.push(value),
                Word::When(option) => options.extend((value == "true").then(|| option.to_owned())),
                Word::Unless(option) => options.extend((value == "false").then(|| option.to_owned())),
            }
        }
        let mut words = first;
        words.extend(command.split(' ').map(str::to_owned));
        words.extend(options);
        if !positional.is_empty() {
            // Whatever a caller writes is never read as an option.
            words.push("--".to_owned());
            words.extend(positional);
        }
        words
    }
}

/// Arguments that were checked: nothing unknown, types as declared, defaults filled in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arguments(pub JsonObject);

impl Arguments {
    /// A text; `None` when it was not given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// A number; `None` when it was not given.
    pub fn count(&self, name: &str) -> Option<usize> {
        self.0.get(name).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok())
    }

    /// Whether a flag is set.
    pub fn flag(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }
}
