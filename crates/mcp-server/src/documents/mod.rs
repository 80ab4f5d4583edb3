//! The tools that answer with a document: rows 17 to 28 of spec 05 §7.5, as projections of operations and of the
//! StateBox. The keys of the documents are `interop-exact`, of success and of failure.

pub(crate) mod bounds;
mod issues;
mod releases;
mod state;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;

use oar_core::clients::Clients;
use oar_core::config::ConfigStore;
use oar_core::error::{Classified, ErrorClass};
use oar_core::flow::outcome::{Refusal, TaskError};
use oar_core::operations::Call;
use oar_core::statebox::TaskName;
use oar_core::tasks::statebox_files::StateBoxFiles;
use oar_core::version::ReleaseVersion;
use serde_json::{Value, json};

use crate::cache::Cache;
use crate::tools::{Arguments, DocumentTool, shown};

pub(crate) use releases::metadata;

/// The most releases that one call warms.
const WARMED: usize = 50;

/// The document of one call.
#[derive(Debug, Clone, PartialEq)]
pub struct DocumentAnswer {
    /// The document.
    pub document: Value,
    /// The same with everything that it leaves out.
    pub whole: Option<Value>,
    /// Whether the tool did what it was asked for; otherwise the document has the keys of a failure.
    pub ok: bool,
    /// The class of the failure, when it did not.
    pub class: Option<ErrorClass>,
    /// Whether it contains text that others wrote.
    pub untrusted: bool,
}

/// Answers the tools. Cheap to clone.
#[derive(Clone)]
pub struct Documents {
    clients: Clients,
    cache: Cache,
    files: Arc<StateBoxFiles>,
}

impl fmt::Debug for Documents {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Documents").field("cache", &self.cache).finish_non_exhaustive()
    }
}

/// Why a tool did not do what it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Failure {
    class: ErrorClass,
    error: String,
    next: Option<String>,
}

impl Failure {
    fn new(class: ErrorClass, error: impl Into<String>, next: impl Into<String>) -> Self {
        Self { class, error: error.into(), next: Some(next.into()) }
    }

    fn of(error: &(impl Classified + ?Sized)) -> Self {
        Self { class: error.class(), error: error.to_string(), next: error.hint() }
    }

    fn usage(error: impl Into<String>, next: impl Into<String>) -> Self {
        Self::new(ErrorClass::Usage, error, next)
    }
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Self {
        Self::of(error.inner())
    }
}

impl From<Refusal> for Failure {
    fn from(error: Refusal) -> Self {
        Self::of(&error)
    }
}

type Outcome = Result<Value, Failure>;

/// A document, and the whole of it where it leaves something out.
type Shortened = (Value, Option<Value>);

impl Documents {
    /// Documents about what `clients` reach; build data comes from `cache`.
    pub fn new(clients: Clients, cache: Cache) -> Self {
        let files = Arc::new(StateBoxFiles::new(clients.clone()));
        Self { clients, cache, files }
    }

    /// The StateBox files, which others may list too.
    pub fn files(&self) -> &Arc<StateBoxFiles> {
        &self.files
    }

    /// The cache of build data.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// The clients.
    pub fn clients(&self) -> &Clients {
        &self.clients
    }

    /// Answers `tool`. A failure is a document too, with the keys that the tool's failures have, and beside its `error` the
    /// `next` step where there is one.
    pub async fn answer(&self, tool: DocumentTool, arguments: &Arguments, call: Call) -> DocumentAnswer {
        let redactor = call.redactor().clone();
        let release = arguments.0.get("release").and_then(Value::as_str).map(str::to_owned);
        // Boxed, because the future of all clients is too large for a caller's stack.
        let outcome = Box::pin(self.outcome(tool, arguments, call)).await;
        let class = outcome.as_ref().err().map(|failure| failure.class);
        let (mut document, mut whole) = match outcome {
            Ok(shortened) => shortened,
            Err(failure) => (failed(tool, release.as_deref(), arguments, &failure), None),
        };
        for document in std::iter::once(&mut document).chain(&mut whole) {
            bounds::redact(document, &redactor);
        }
        // What is wrong with the arguments is in words of this program; other failures may quote a service or a person.
        let quotes = class.is_some_and(|class| class != ErrorClass::Usage);
        DocumentAnswer {
            document,
            whole,
            ok: class.is_none(),
            class,
            untrusted: quotes || is_untrusted(tool),
        }
    }

    async fn outcome(
        &self,
        tool: DocumentTool,
        arguments: &Arguments,
        call: Call,
    ) -> Result<Shortened, Failure> {
        let document = match tool {
            DocumentTool::ReleaseMetadata => self.release_metadata(&call).await,
            DocumentTool::IsShipped => self.is_shipped(call).await,
            DocumentTool::ReleaseStatus => return self.release_status(call).await,
            DocumentTool::UpdateTaskStatus => self.update_task_status(arguments, call).await,
            DocumentTool::ActiveReleases => self.active_releases().await,
            DocumentTool::CacheStats => Ok(self.cache.statistics().await),
            DocumentTool::CacheInvalidate => self.cache_invalidate(arguments).await,
            DocumentTool::CacheWarm => self.cache_warm(arguments).await,
            DocumentTool::AddIssue => issues::add(arguments, &call).await,
            DocumentTool::ResolveIssue => issues::resolve(arguments, &call).await,
            DocumentTool::GetIssues => return issues::list(arguments, &call).await,
            DocumentTool::GetTaskBlocker => issues::task_blocker(arguments, &call).await,
        };
        Ok((document?, None))
    }

    async fn cache_invalidate(&self, arguments: &Arguments) -> Outcome {
        let release = text(arguments, "release").map(release_of).transpose()?;
        let dropped = self.cache.invalidate(release.as_ref()).await;
        let message = match (&release, dropped) {
            (Some(release), 0) => {
                format!("{release} was not cached; its build data is read anew when it is needed")
            }
            (Some(release), _) => format!("{release} is no longer cached"),
            (None, 1) => "1 release is no longer cached".to_owned(),
            (None, count) => format!("{count} releases are no longer cached"),
        };
        let release = release.map_or_else(|| "all".to_owned(), |release| release.to_string());
        Ok(json!({ "success": true, "message": message, "release": release }))
    }

    async fn cache_warm(&self, arguments: &Arguments) -> Outcome {
        let names = list(arguments, "releases")?;
        let example = "Name releases with commas between them, for example 4.19.1,4.20.3.";
        if names.is_empty() {
            return Err(Failure::usage("no release is named", example));
        }
        if names.len() > WARMED {
            let words = format!("{} releases are named, and the cache keeps {WARMED}", names.len());
            return Err(Failure::usage(words, example));
        }
        let releases = names.into_iter().map(release_of).collect::<Result<Vec<_>, _>>()?;
        let mut warmed = Vec::new();
        let mut failures = Vec::new();
        for (release, result) in self.cache.warm(releases).await {
            match result {
                Ok(_) => warmed.push(release.to_string()),
                Err(error) => failures.push((release, error)),
            }
        }
        if let Some((_, first)) = failures.first() {
            let words: Vec<String> =
                failures.iter().map(|(release, error)| format!("{release}: {error}")).collect();
            let warm = if warmed.is_empty() { "none".to_owned() } else { warmed.join(", ") };
            let words = format!("not cached: {}; cached: {warm}", words.join("; "));
            return Err(Failure { error: bounds::begin_of(&words, 4096), ..Failure::of(&**first) });
        }
        let message = match warmed.as_slice() {
            [one] => format!("{one} is cached"),
            all => format!("{} releases are cached", all.len()),
        };
        Ok(json!({ "success": true, "message": message, "releases": warmed }))
    }

    /// The same call with the build data of the cache.
    async fn configured(&self, call: Call) -> Result<Call, Failure> {
        let config = self.config(&call).await?;
        call.configured(config).map_err(|error| Failure::of(&error))
    }

    async fn config(&self, call: &Call) -> Result<ConfigStore, Failure> {
        let cached = self.cache.get(call.release()?).await.map_err(|error| Failure::of(&*error))?;
        Ok(cached.config.clone())
    }
}

/// Whether a tool's documents contain texts that others wrote: issues, logs, findings.
fn is_untrusted(tool: DocumentTool) -> bool {
    match tool {
        DocumentTool::IsShipped
        | DocumentTool::ReleaseStatus
        | DocumentTool::AddIssue
        | DocumentTool::ResolveIssue
        | DocumentTool::GetIssues
        | DocumentTool::GetTaskBlocker => true,
        DocumentTool::ReleaseMetadata
        | DocumentTool::UpdateTaskStatus
        | DocumentTool::ActiveReleases
        | DocumentTool::CacheStats
        | DocumentTool::CacheInvalidate
        | DocumentTool::CacheWarm => false,
    }
}

/// The document of a failure.
fn failed(tool: DocumentTool, release: Option<&str>, arguments: &Arguments, failure: &Failure) -> Value {
    let given = |name: &str| arguments.0.get(name).cloned().unwrap_or(Value::Null);
    let error = &failure.error;
    let mut document = match tool {
        DocumentTool::ReleaseMetadata => json!({ "error": error, "release": release }),
        DocumentTool::IsShipped => json!({ "error": error, "shipped": false, "details": {} }),
        DocumentTool::ReleaseStatus => json!({
            "source": "error", "error": error, "release": release, "overall_status": "Unknown", "tasks": {},
        }),
        DocumentTool::UpdateTaskStatus => json!({
            "success": false, "error": error, "release": release, "task": given("task_name"),
            "status": given("status"),
        }),
        DocumentTool::ActiveReleases => json!({ "error": error, "releases": [] }),
        DocumentTool::CacheStats => json!({ "error": error }),
        DocumentTool::CacheInvalidate => json!({
            "success": false, "error": error, "message": "nothing was changed",
            "release": release.unwrap_or("all"),
        }),
        DocumentTool::CacheWarm => json!({ "success": false, "error": error }),
        DocumentTool::AddIssue | DocumentTool::ResolveIssue => {
            json!({ "success": false, "error": error, "release": release })
        }
        DocumentTool::GetIssues => json!({
            "success": false, "error": error, "count": 0, "issues": [], "filters": issues::filters(arguments),
            "release": release,
        }),
        DocumentTool::GetTaskBlocker => json!({
            "success": false, "error": error, "blocked": false, "blocker": null,
            "task_name": given("task_name"), "release": release,
        }),
    };
    if let Some(next) = &failure.next {
        document["next"] = json!(next);
    }
    document
}

/// The text of an argument; `None` when it is absent, null or blank.
fn text<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a str> {
    arguments.0.get(name).and_then(Value::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn required<'a>(arguments: &'a Arguments, name: &str) -> Result<&'a str, Failure> {
    text(arguments, name).ok_or_else(|| {
        Failure::usage(format!("the argument `{name}` is missing or empty"), format!("Give `{name}` a text."))
    })
}

fn flag(arguments: &Arguments, name: &str, default: bool) -> bool {
    arguments.0.get(name).and_then(Value::as_bool).unwrap_or(default)
}

/// The parts of an argument that has commas between them; none where it is absent.
fn list<'a>(arguments: &'a Arguments, name: &str) -> Result<Vec<&'a str>, Failure> {
    let Some(text) = text(arguments, name) else { return Ok(Vec::new()) };
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().any(|part| part.is_empty()) {
        let words = format!("`{name}` has a comma without a name beside it: `{}`", shown(text));
        return Err(Failure::usage(words, "Give names with one comma between two of them."));
    }
    Ok(parts)
}

fn release_of(text: &str) -> Result<ReleaseVersion, Failure> {
    text.parse::<ReleaseVersion>()
        .map_err(|error| Failure::usage(error.to_string(), "Name a release, for example 4.19.1."))
}

fn task_of(text: &str) -> Result<TaskName, Failure> {
    text.parse::<TaskName>().map_err(|error| Failure::of(&error))
}
