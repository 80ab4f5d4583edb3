//! What the fixtures do: the data of `tests/mcp/fixtures.json`, answered as the suite's descriptions of its scenarios ask for.
//!
//! Of a tool: `answer` is its result; `says` messages and `progress` numbers come before it; `needs` a capability of the client;
//! `legacy` is what it asks the client in the middle of a call; `rounds` is what it asks in its answer, one after the other, with
//! a state that cannot be changed where it is `sealed`, and only what the client can answer where it is `only_declared`.
#![expect(
    deprecated,
    reason = "the revision 2025-11-25 is judged by logging, sampling and subscriptions too"
)]

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CompletionInfo,
    GetPromptRequestParams, GetPromptResponse, InputResponses, JsonObject, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, LoggingLevel,
    LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
    ReadResourceRequestParams, ReadResourceResponse, RequestStateCodec, ServerCapabilities, ServerConfig,
    SetLevelRequestParams, SubscribeRequestParams, SubscriptionFilter, Tool, UnsubscribeRequestParams,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const DATA: &str = include_str!("../../../mcp/fixtures.json");
/// Pauses between messages, so that a client gets them one by one.
const PAUSE: Duration = Duration::from_millis(50);

/// The fixtures.
#[derive(Clone)]
pub(super) struct Fixtures {
    data: Arc<Value>,
    codec: Arc<RequestStateCodec>,
}

fn typed<T: DeserializeOwned>(value: Value) -> Result<T, ErrorData> {
    serde_json::from_value(value).map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

/// The result of a request that is complete. The modern era wants it said; the library leaves it out in the other one.
fn completed<T: DeserializeOwned>(mut value: Value) -> Result<T, ErrorData> {
    value["resultType"] = "complete".into();
    typed(value)
}

/// `value` with the arguments in the places of their names in braces.
fn filled(value: &Value, arguments: &JsonObject) -> Value {
    let mut text = value.to_string();
    for (name, argument) in arguments {
        let argument = argument.as_str().map_or_else(|| argument.to_string(), str::to_owned);
        // As it stands within a JSON text, without its quotation marks.
        let quoted = Value::from(argument).to_string();
        let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        text = text.replace(&format!("{{{name}}}"), inner);
    }
    serde_json::from_str(&text).unwrap_or_default()
}

/// What comes of a request that may ask back.
enum Asked {
    /// It asks this.
    Back(Value),
    /// These are the answers.
    Done(InputResponses),
}

impl Fixtures {
    /// All of them.
    #[expect(clippy::expect_used, reason = "the file is part of this program")]
    pub(super) fn new() -> Self {
        let data = serde_json::from_str(DATA).expect("the fixtures are JSON");
        let codec = RequestStateCodec::try_new(vec![7; 32]).expect("32 bytes are a key");
        Self { data: Arc::new(data), codec: Arc::new(codec) }
    }

    fn entry(&self, kind: &str, key: &str, name: &str) -> Option<&Value> {
        let entries = self.data.get(kind)?.as_array()?;
        entries
            .iter()
            .find(|entry| entry.pointer(&format!("/definition/{key}")).is_some_and(|own| own == name))
    }

    fn definitions(&self, kind: &str) -> Vec<Value> {
        let entries = self.data.get(kind).and_then(Value::as_array).into_iter().flatten();
        entries.map(|entry| entry.get("definition").unwrap_or(entry).clone()).collect()
    }

    /// A list that may be kept for a minute by whoever asked.
    fn list<T: DeserializeOwned>(&self, kind: &str, member: &str) -> Result<T, ErrorData> {
        typed(json!({
            "resultType": "complete", "ttlMs": 60_000, "cacheScope": "private", (member): self.definitions(kind),
        }))
    }

    /// The next question of `entry`, or all the answers to the last one.
    fn ask(
        &self,
        name: &str,
        entry: &Value,
        responses: Option<InputResponses>,
        state: Option<&str>,
        context: &RequestContext<RoleServer>,
    ) -> Result<Asked, ErrorData> {
        let rounds = entry["rounds"].as_array().cloned().unwrap_or_default();
        let is_sealed = entry["sealed"] == true;
        let refused = |why: &str| ErrorData::invalid_params(format!("requestState: {why}"), None);
        let round = match state {
            Some(state) if is_sealed => {
                let (owner, round): (String, usize) =
                    self.codec.open_json(state).map_err(|error| refused(&error.to_string()))?;
                if owner != name {
                    return Err(refused("it is another tool's"));
                }
                round
            }
            _ => 0,
        };
        let questions = |round: usize| {
            let mut questions = rounds.get(round)?.as_object()?.clone();
            if entry["only_declared"] == true {
                let declared = context.client_capabilities().unwrap_or_default();
                questions.retain(|_, question| match question["method"].as_str() {
                    Some("elicitation/create") => declared.elicitation.is_some(),
                    Some("sampling/createMessage") => declared.sampling.is_some(),
                    _ => declared.roots.is_some(),
                });
            }
            Some(questions)
        };
        let responses = responses.unwrap_or_default();
        let this = questions(round).unwrap_or_default();
        let is_answered = !this.is_empty()
            && this
                .iter()
                .all(|(key, question)| responses.get(key).is_some_and(|answer| is_answer(question, answer)))
            && (state.is_some() || !is_sealed);
        let next = if is_answered {
            questions(round + 1).map(|next| (round + 1, next))
        } else {
            Some((round, this))
        };
        let Some((round, questions)) = next else { return Ok(Asked::Done(responses)) };
        let mut result = json!({"resultType": "input_required", "inputRequests": questions});
        if is_sealed {
            let sealed = self.codec.seal_json(&(name, round));
            let sealed = sealed.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
            result["requestState"] = sealed.into();
        }
        Ok(Asked::Back(result))
    }

    /// What a tool does before its answer.
    async fn before(&self, entry: &Value, context: &RequestContext<RoleServer>) {
        let is_modern = context.meta.protocol_version().is_some();
        let wants_log = !is_modern || context.meta.log_level().is_some();
        for text in entry["says"].as_array().into_iter().flatten().filter(|_| wants_log) {
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, text.clone());
            // A client that is gone gets no messages.
            let _ = context.peer.notify_logging_message(message).await;
            tokio::time::sleep(PAUSE).await;
        }
        let token = context.meta.get_progress_token();
        for step in entry["progress"].as_array().into_iter().flatten() {
            if let (Some(token), Some(step)) = (&token, step.as_f64()) {
                let note = ProgressNotificationParam::new(token.clone(), step).with_total(100.0);
                let _ = context.peer.notify_progress(note).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Asks the client in the middle of the call.
    async fn ask_legacy(
        &self,
        question: Value,
        begins: &str,
        context: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let parameters = question["params"].clone();
        let said = if question["method"] == "elicitation/create" {
            let answer = context.peer.create_elicitation(typed(parameters)?).await;
            answer.map(|answer| {
                let filled_in = answer.content.unwrap_or_default();
                format!("action={}, content={filled_in}", json!(answer.action).as_str().unwrap_or_default())
            })
        } else {
            let answer = context.peer.create_message(typed(parameters)?).await;
            answer.map(|answer| {
                let message = json!(answer);
                message.pointer("/content/text").and_then(Value::as_str).unwrap_or_default().to_owned()
            })
        };
        let (text, is_error) = match said {
            Ok(text) => (format!("{begins}{text}"), false),
            Err(error) => (error.to_string(), true),
        };
        Ok(CallToolResponse::Complete(completed(
            json!({"content": [{"type": "text", "text": text}], "isError": is_error}),
        )?))
    }
}

/// Whether `answer` is one to `question`.
fn is_answer(question: &Value, answer: &Value) -> bool {
    match question["method"].as_str() {
        Some("elicitation/create") => {
            let wanted = question.pointer("/params/requestedSchema/required").and_then(Value::as_array);
            let has = |name: &Value| name.as_str().is_some_and(|name| !answer["content"][name].is_null());
            match answer["action"].as_str() {
                Some("accept") => wanted.into_iter().flatten().all(has),
                Some("decline" | "cancel") => true,
                _ => false,
            }
        }
        Some("sampling/createMessage") => answer["content"].is_object() || answer["content"].is_array(),
        _ => answer["roots"].is_array(),
    }
}

impl ServerHandler for Fixtures {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_prompts()
            .enable_resources()
            .enable_resources_subscribe()
            .enable_completions()
            .enable_logging()
            .build();
        ServerConfig::new(capabilities).with_instructions("Fixtures of the conformance suite")
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.list("tools", "tools")
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        typed(self.entry("tools", "name", name)?["definition"].clone()).ok()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("no tool {}", request.name), None);
        let entry = self.entry("tools", "name", &request.name).ok_or_else(unknown)?;
        if let Some(needed) = entry.get("needs") {
            let declared = json!(context.client_capabilities());
            let names = needed.as_object().into_iter().flatten().map(|(name, _)| name);
            if names.into_iter().any(|name| declared[name].is_null()) {
                return Err(ErrorData::missing_required_client_capability(typed(needed.clone())?));
            }
        }
        if let Some(question) = entry.get("legacy") {
            let question = filled(question, &request.arguments.unwrap_or_default());
            return self.ask_legacy(question, entry["begins"].as_str().unwrap_or_default(), &context).await;
        }
        if entry.get("rounds").is_some() {
            let state = request.request_state.as_deref();
            return match self.ask(&request.name, entry, request.input_responses, state, &context)? {
                Asked::Back(question) => Ok(CallToolResponse::InputRequired(typed(question)?)),
                Asked::Done(answers) => {
                    let name =
                        answers.get("user_name").and_then(|answer| answer.pointer("/content/name")?.as_str());
                    let text = name.map_or_else(
                        || format!("state-ok: {}", json!(answers)),
                        |name| format!("Hello, {name}!"),
                    );
                    Ok(CallToolResponse::Complete(completed(
                        json!({"content": [{"type": "text", "text": text}]}),
                    )?))
                }
            };
        }
        self.before(entry, &context).await;
        Ok(CallToolResponse::Complete(completed(entry["answer"].clone())?))
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        self.list("prompts", "prompts")
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let unknown = || ErrorData::invalid_params(format!("no prompt {}", request.name), None);
        let entry = self.entry("prompts", "name", &request.name).ok_or_else(unknown)?;
        if entry.get("rounds").is_some() {
            let state = request.request_state.as_deref();
            return match self.ask(&request.name, entry, request.input_responses, state, &context)? {
                Asked::Back(question) => Ok(GetPromptResponse::InputRequired(typed(question)?)),
                Asked::Done(answers) => {
                    let text = json!({"type": "text", "text": json!(answers).to_string()});
                    Ok(GetPromptResponse::Complete(completed(
                        json!({"messages": [{"role": "user", "content": text}]}),
                    )?))
                }
            };
        }
        let answer = filled(&entry["answer"], &request.arguments.unwrap_or_default());
        Ok(GetPromptResponse::Complete(completed(answer)?))
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        self.list("resources", "resources")
    }

    async fn list_resource_templates(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        self.list("templates", "resourceTemplates")
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let uri = request.uri;
        let of_template = || {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({"id": id, "templateTest": true, "data": format!("Data for ID: {id}")});
            Some(json!({"uri": uri, "mimeType": "application/json", "text": data.to_string()}))
        };
        let known = self.entry("resources", "uri", &uri).map(|entry| entry["content"].clone());
        let Some(content) = known.or_else(of_template) else {
            return Err(ErrorData::invalid_params("Resource not found", Some(json!({"uri": uri}))));
        };
        let result = json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private", "contents": [content],
        });
        Ok(ReadResourceResponse::Complete(typed(result)?))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let known = ["park", "paris", "party"];
        let fitting = known.into_iter().filter(|value| value.starts_with(&request.argument.value));
        let values = CompletionInfo::with_all_values(fitting.map(str::to_owned).collect());
        Ok(CompleteResult::new(values.map_err(|error| ErrorData::internal_error(error, None))?))
    }

    async fn set_level(
        &self,
        _request: SetLevelRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    fn accepted_subscription_filter(&self, requested: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn subscribe(
        &self,
        _request: SubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }

    async fn unsubscribe(
        &self,
        _request: UnsubscribeRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        Ok(())
    }
}
