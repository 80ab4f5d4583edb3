//! Asks the person at the client by a form, in both eras of the protocol.
//!
//! Up to 2025-11-25 the server sends a request of its own in the middle of a call. From 2026-07-28 on a call that needs an
//! answer ends with `input_required`, and the client calls again with the answer and the state that it was given. That state
//! is sealed: it names the caller, the tool, its arguments and the question, and counts once. The question contains the plan,
//! so an answer counts for exactly the plan that was shown.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rmcp::ErrorData;
use rmcp::model::{
    CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputRequest, InputRequiredResult, RequestStateCodec, SealOptions,
};
use rmcp::service::{Peer, RoleServer};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::{mpsc, oneshot};

use crate::calls::Elicit;

/// The name of the question in `inputRequests`, and of the form's only field.
const CONSENT: &str = "consent";
/// How long an answer counts after its question.
const LIFETIME: Duration = Duration::from_mins(5);
/// The most answers that are remembered as used, each as long as it could be used again; more are not accepted.
const REMEMBERED: usize = 100_000;

fn form(message: &str) -> Result<ElicitRequestParams, String> {
    let schema = ElicitationSchema::builder()
        .required_bool_with(CONSENT, |field| {
            field.title("Consent").description("Whether exactly this may be done").with_default(false)
        })
        .build()
        .map_err(str::to_owned)?;
    Ok(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: message.to_owned(),
        requested_schema: schema,
    })
}

/// Whether a person ticked the field and sent the form.
fn consents(result: &ElicitResult) -> bool {
    let is_ticked =
        result.content.as_ref().and_then(|content| content.get(CONSENT)).is_some_and(|value| value == true);
    result.action == ElicitationAction::Accept && is_ticked
}

/// A question, and where its answer goes.
type Asked = (String, oneshot::Sender<Result<bool, String>>);

/// Asks by a request to the client, up to 2025-11-25.
pub(crate) struct AskNow(mpsc::Sender<Asked>);

/// The questions of one call. They must be sent in the task of the request: only what that task sends goes out on the
/// request's own stream.
pub(crate) struct Questions(mpsc::Receiver<Asked>);

impl AskNow {
    pub(crate) fn new() -> (Self, Questions) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Questions(receiver))
    }
}

impl Questions {
    /// Waits for the result of `call`, and sends what is asked meanwhile to `peer`.
    pub(crate) async fn during<T>(mut self, peer: &Peer<RoleServer>, call: impl Future<Output = T>) -> T {
        let sending = async {
            while let Some((question, answer)) = self.0.recv().await {
                let asked = match form(&question) {
                    Ok(form) => peer
                        .create_elicitation_with_timeout(form, Some(LIFETIME))
                        .await
                        .map(|result| consents(&result))
                        .map_err(|error| error.to_string()),
                    Err(why) => Err(why),
                };
                // Whoever asked may have been stopped meanwhile.
                let _ = answer.send(asked);
            }
            std::future::pending::<std::convert::Infallible>().await
        };
        tokio::select! {
            result = call => result,
            never = sending => match never {},
        }
    }
}

#[async_trait]
impl Elicit for AskNow {
    async fn ask(&self, question: &str) -> Result<bool, String> {
        let (sender, answer) = oneshot::channel();
        let gone = || "the client is gone".to_owned();
        self.0.send((question.to_owned(), sender)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// What a sealed state says; together with whom it was made for and the call it belongs to, it is one question.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    /// Names this question among all.
    id: String,
    /// The digest of the question.
    question: String,
}

/// Seals and opens states. They do not outlive the process, and neither do the runs.
pub(crate) struct Seal {
    codec: RequestStateCodec,
    used: Mutex<VecDeque<(Instant, String)>>,
}

impl Seal {
    /// With a new key.
    pub(crate) fn new() -> Result<Self, String> {
        let key: Vec<u8> = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()]
            .iter()
            .flat_map(|id| *id.as_bytes())
            .collect();
        let codec = RequestStateCodec::try_new(key).map_err(|error| error.to_string())?;
        Ok(Self { codec, used: Mutex::default() })
    }

    /// The first use of this state's id.
    fn is_first_use(&self, id: &str) -> bool {
        // Each change is one call, so a panic elsewhere leaves it right.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        while used.front().is_some_and(|(at, _)| at.elapsed() > 2 * LIFETIME) {
            used.pop_front();
        }
        if used.len() >= REMEMBERED || used.iter().any(|(_, known)| known == id) {
            return false;
        }
        used.push_back((Instant::now(), id.to_owned()));
        true
    }
}

/// What the state is bound to beside its content: the caller, the tool and its arguments.
fn bound_to(caller: &str, request: &CallToolRequestParams) -> Vec<u8> {
    let arguments = serde_json::to_string(&request.arguments).unwrap_or_default();
    digest(&[caller, &request.name, &arguments]).into_bytes()
}

fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    format!("{:x}", hash.finalize())
}

/// Asks by ending the call, from 2026-07-28 on.
pub(crate) struct AskByRetry {
    seal: Arc<Seal>,
    bound_to: Vec<u8>,
    /// The digest of the question that was answered, and the answer.
    answered: Option<(String, bool)>,
    /// The question to ask now.
    open: Mutex<Option<String>>,
}

impl AskByRetry {
    /// For this call, which may bring the answer to an earlier question.
    pub(crate) fn new(
        seal: &Arc<Seal>,
        caller: &str,
        request: &CallToolRequestParams,
    ) -> Result<Arc<Self>, ErrorData> {
        let bound_to = bound_to(caller, request);
        let answered = match (&request.request_state, &request.input_responses) {
            (Some(state), Some(responses)) => {
                let invalid = |why: &str| ErrorData::invalid_params(format!("requestState: {why}"), None);
                let state: State = seal
                    .codec
                    .open_json_with(state, &bound_to)
                    .map_err(|_| invalid("it is not one of this server for this call, or it has expired"))?;
                if !seal.is_first_use(&state.id) {
                    return Err(invalid("it was used before"));
                }
                let response = responses.get(CONSENT).cloned();
                let result = response.and_then(|value| serde_json::from_value::<ElicitResult>(value).ok());
                let result = result
                    .ok_or_else(|| ErrorData::invalid_params("inputResponses has no `consent`", None))?;
                Some((state.question, consents(&result)))
            }
            _ => None,
        };
        Ok(Arc::new(Self { seal: Arc::clone(seal), bound_to, answered, open: Mutex::default() }))
    }

    /// The result that asks what the call wanted to ask, if it did.
    pub(crate) fn question(&self) -> Option<Result<InputRequiredResult, String>> {
        let question = self.open.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some(self.result(&question))
    }

    fn result(&self, question: &str) -> Result<InputRequiredResult, String> {
        let state = State { id: uuid::Uuid::new_v4().to_string(), question: digest(&[question]) };
        let options = SealOptions::new().associated_data(&self.bound_to).ttl(LIFETIME);
        let state = self.seal.codec.seal_json_with(&state, &options).map_err(|error| error.to_string())?;
        let request = InputRequest::Elicitation(ElicitRequest::new(form(question)?));
        Ok(InputRequiredResult::new(Some(BTreeMap::from([(CONSENT.to_owned(), request)])), Some(state)))
    }
}

#[async_trait]
impl Elicit for AskByRetry {
    async fn ask(&self, question: &str) -> Result<bool, String> {
        if let Some((answered, yes)) = &self.answered
            && *answered == digest(&[question])
        {
            return Ok(*yes);
        }
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = Some(question.to_owned());
        Err("the client asks its user".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::JsonObject;
    use serde_json::{Value, json};

    use super::*;

    fn request(release: &str) -> CallToolRequestParams {
        let Value::Object(arguments) = json!({ "release": release }) else { panic!("no object") };
        let arguments: JsonObject = arguments;
        CallToolRequestParams::new("oar_push_to_cdn_staging").with_arguments(arguments)
    }

    fn answered(state: &str, release: &str, answer: Value) -> CallToolRequestParams {
        let mut request = request(release);
        request.request_state = Some(state.to_owned());
        request.input_responses = Some(BTreeMap::from([(CONSENT.to_owned(), answer)]));
        request
    }

    async fn asked(seal: &Arc<Seal>) -> String {
        let form = AskByRetry::new(seal, "model", &request("4.19.1")).unwrap();
        assert!(form.question().is_none());
        assert!(form.ask("the plan").await.is_err());
        form.question().unwrap().unwrap().request_state.unwrap()
    }

    fn yes() -> Value {
        json!({ "action": "accept", "content": { "consent": true } })
    }

    #[tokio::test]
    async fn an_answer_counts_once_for_its_question_caller_and_call() {
        let seal = Arc::new(Seal::new().unwrap());
        let state = asked(&seal).await;
        let with =
            |caller: &str, release: &str| AskByRetry::new(&seal, caller, &answered(&state, release, yes()));
        assert!(with("somebody else", "4.19.1").is_err());
        assert!(with("model", "4.19.2").is_err());
        let form = with("model", "4.19.1").unwrap();
        assert!(form.ask("another plan").await.is_err(), "the plan has changed");
        assert!(form.question().is_some(), "and is asked anew");
        assert_eq!(form.ask("the plan").await, Ok(true));
        assert!(with("model", "4.19.1").is_err(), "it was used");
        let others = Arc::new(Seal::new().unwrap());
        assert!(AskByRetry::new(&others, "model", &answered(&state, "4.19.1", yes())).is_err());
    }

    #[tokio::test]
    async fn an_answer_is_not_forgotten_for_many_others() {
        let seal = Arc::new(Seal::new().unwrap());
        let state = asked(&seal).await;
        let declined =
            || AskByRetry::new(&seal, "model", &answered(&state, "4.19.1", json!({ "action": "decline" })));
        declined().unwrap();
        for _ in 0..2000 {
            assert!(seal.is_first_use(&uuid::Uuid::new_v4().to_string()));
        }
        assert!(declined().is_err());
    }

    #[tokio::test]
    async fn only_a_ticked_form_that_was_sent_is_consent() {
        let seal = Arc::new(Seal::new().unwrap());
        for answer in [
            json!({ "action": "accept", "content": { "consent": false } }),
            json!({ "action": "accept", "content": { "consent": "true" } }),
            json!({ "action": "accept" }),
            json!({ "action": "decline", "content": { "consent": true } }),
            json!({ "action": "cancel" }),
        ] {
            let state = asked(&seal).await;
            let form = AskByRetry::new(&seal, "model", &answered(&state, "4.19.1", answer.clone())).unwrap();
            assert_eq!(form.ask("the plan").await, Ok(false), "{answer}");
        }
        for answer in [json!(true), json!({ "action": "agree" }), Value::Null] {
            let state = asked(&seal).await;
            assert!(AskByRetry::new(&seal, "model", &answered(&state, "4.19.1", answer)).is_err());
        }
    }
}
