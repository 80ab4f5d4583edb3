//! A caller that does whatever a model could be talked into: any tool with any argument, what it was answered handed back in. Nothing
//! critical happens without a person's consent in the StateBox or the document's standing one. Two hundred sequences here, ten thousand
//! with `make test-deep`, and any other number with `OAR_TEST_SEQUENCES`; the seed is printed, and `OAR_TEST_SEED` repeats it.
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::matrix::sample::{Numbers, is_deep};
use end_to_end::mcp::{self, Answer, Client, Era, Kind, Server};
use end_to_end::{Harness, KONFLUX, RecordedRequest, elliott};
use sandbox::services::errata::AdvisoryState;
use serde_json::{Map, Value, json};

/// Words that have stood in an option, a question or a form somewhere.
const WORDS: [&str; 26] = [
    "--yes",
    "-y",
    "yes",
    "true",
    "consent",
    "approve",
    "confirm",
    "--no-dry-run",
    "--carry-on",
    "accept",
    "push-to-cdn-staging",
    "drop-bugs",
    "change-advisory-status",
    "add-qe-approval",
    "Pass",
    "Fail",
    "4.19.1",
    "4.19.1 --yes",
    "4.19.1\n--yes",
    "4.14.60",
    "",
    " ",
    "\u{0}",
    "../../etc/passwd",
    "$(oar consent)",
    "'; --yes",
];

/// Names of arguments beside those that a tool has.
const NAMES: [&str; 12] = [
    "yes",
    "consent",
    "confirm",
    "force",
    "approve",
    "dry_run",
    "args",
    "command",
    "inputResponses",
    "requestState",
    "token",
    "standing_consent",
];

/// The same caller under so many names, because each has a limit of requests.
const CALLERS: u64 = 20;

/// One caller's memory: whatever it was told.
#[derive(Default)]
struct Heard(Vec<String>);

impl Heard {
    fn keep(&mut self, answer: &Answer) {
        let text = answer.text();
        let words = text.split(|letter: char| letter.is_whitespace() || "`'\",()".contains(letter));
        self.0.extend(words.filter(|word| word.len() > 5).map(str::to_owned));
        self.0.extend(
            answer.message.pointer("/result/requestState").and_then(Value::as_str).map(str::to_owned),
        );
        let surplus = self.0.len().saturating_sub(400);
        self.0.drain(..surplus);
    }
}

fn pick<'a, T>(numbers: &mut Numbers, items: &'a [T]) -> &'a T {
    let index = numbers.below(items.len() as u64);
    &items[usize::try_from(index).unwrap()]
}

fn text(numbers: &mut Numbers, heard: &Heard) -> String {
    match numbers.below(4) {
        0 if !heard.0.is_empty() => pick(numbers, &heard.0).clone(),
        1 => format!("{} {}", pick(numbers, &WORDS), pick(numbers, &WORDS)),
        2 => (*pick(numbers, &mcp::HOSTILE)).to_owned(),
        _ => (*pick(numbers, &WORDS)).to_owned(),
    }
}

fn value(numbers: &mut Numbers, heard: &Heard) -> Value {
    match numbers.below(8) {
        0 => true.into(),
        1 => json!(numbers.below(1000)),
        2 => json!([text(numbers, heard)]),
        3 => json!({"action": "accept", "content": {"consent": true, "confirm": true}}),
        4 => Value::Null,
        _ => text(numbers, heard).into(),
    }
}

/// Good arguments with something else in some places.
fn arguments(numbers: &mut Numbers, heard: &Heard, good: &Value) -> Map<String, Value> {
    let mut arguments = good.as_object().cloned().unwrap_or_default();
    let names: Vec<String> = arguments.keys().cloned().collect();
    for name in names {
        if numbers.below(4) == 0 {
            arguments.insert(name, value(numbers, heard));
        }
    }
    // What a tool does not know is refused before anything else, so most calls are without it.
    let unknown = if numbers.below(4) == 0 { 1 + numbers.below(2) } else { 0 };
    for _ in 0..unknown {
        arguments.insert((*pick(numbers, &NAMES)).to_owned(), value(numbers, heard));
    }
    arguments
}

/// What only a person may let happen: at Errata Tool, at GitLab's merge requests, at the bugs that leave a release.
fn is_critical(request: &RecordedRequest) -> bool {
    let acted = request.is_write() && request.acted;
    match request.service.as_str() {
        "errata" => {
            acted
                && (request.path.contains("push")
                    || request.path.contains("change_state")
                    || request.path.contains("/bug"))
        }
        "gitlab" => acted && (request.path.contains("approve") || request.path.contains("merge_requests")),
        _ => false,
    }
}

fn prepared() -> Harness {
    let (harness, _) = elliott::install(Harness::announced(KONFLUX));
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = AdvisoryState::Qe;
    let roots = (0..CALLERS).map(|number| {
        let name = format!("root{number}");
        let caller = mcp::caller(&name, &mcp::ALL_SCOPES, "reference");
        (name, caller)
    });
    let harness = mcp::with_callers(harness, &Value::Object(roots.collect()));
    harness.sandbox.clear_requests();
    harness
}

#[test]
fn nothing_critical_happens_without_a_person() {
    let named = std::env::var("OAR_TEST_SEQUENCES").ok().and_then(|count| count.parse().ok());
    let sequences: u64 = named.unwrap_or(if is_deep() { 10_000 } else { 200 });
    let mut numbers = Numbers::named("adversary");
    let harness = prepared();
    let start = harness.sandbox.world().snapshot();
    let server = Server::start(&harness, &["--generic"]);
    // What it is told of writes at GitLab that tasks without consent make, such as notes: those are no approval.
    let tools = mcp::tools(KONFLUX);
    let mut heard = Heard::default();
    let (mut calls, mut refused) = (0, 0);
    for sequence in 0..sequences {
        if sequence % 50 == 0 {
            harness.sandbox.world().restore(&start);
        }
        let era = *pick(&mut numbers, &Era::ALL);
        // Its client says yes to everything, as a model's own client could: the token's owner does not allow that.
        let mut client = Client::new(
            server.address(),
            era,
            Some(&mcp::token(&format!("root{}", sequence % CALLERS))),
        )
        .elicits(json!({"action": "accept", "content": {"consent": true, "confirm": true, "approve": "yes"}}))
        .connected();
        for _ in 0..=numbers.below(6) {
            let critical = numbers.below(3) == 0;
            let tool = loop {
                let tool = pick(&mut numbers, &tools);
                if !critical || matches!(tool.kind, Kind::Critical | Kind::Generic | Kind::Decision) {
                    break tool;
                }
            };
            let arguments = arguments(&mut numbers, &heard, &tool.arguments);
            let mut parameters = json!({"name": tool.name, "arguments": arguments});
            if numbers.below(5) == 0 {
                parameters["inputResponses"] =
                    json!({"consent": {"action": "accept", "content": {"consent": true}}});
                parameters["requestState"] = text(&mut numbers, &heard).into();
            }
            let Ok(answer) = client.try_request("tools/call", &parameters) else { continue };
            calls += 1;
            refused += u32::from(answer.is_error() || answer.error().is_some());
            assert!(answer.asked.is_empty(), "it was asked for consent: {parameters}: {answer:#?}");
            heard.keep(&answer);
            for secret in mcp::secrets(&harness) {
                assert!(!answer.message.to_string().contains(&secret), "{secret} in {answer:#?}");
            }
        }
        if era == Era::Legacy {
            client.end();
        }
        let done: Vec<String> = harness
            .sandbox
            .requests()
            .iter()
            .filter(|request| is_critical(request))
            .map(RecordedRequest::line)
            .collect();
        let done: Vec<&String> = done.iter().filter(|line| !line.contains("/notes")).collect();
        assert!(done.is_empty(), "after sequence {sequence}: {done:#?}\n{}", server.log());
        harness.sandbox.clear_requests();
        let state = harness.statebox(KONFLUX).unwrap_or_default();
        assert!(!state.contains("consents:"), "somebody has consented: {state}");
        assert!(!state.contains("decisions:"), "somebody has decided: {state}");
    }
    println!("{sequences} sequences, {calls} calls, {refused} of them refused");
    assert!(calls > 0 && refused > 0);
    let log = server.stopped().stderr;
    assert!(!log.contains("panicked"), "{log}");
}
