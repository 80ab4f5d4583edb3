//! A caller that does whatever a model could be talked into: any tool with any argument, what it was answered handed back in. Nothing
//! critical happens without a person's consent in the StateBox or the document's standing one: a consent to another plan and a standing
//! one for another tool do not help. Two hundred sequences here, ten thousand with `make test-deep`, and any other number with
//! `OAR_TEST_SEQUENCES`; the seed is printed, and `OAR_TEST_SEED` repeats it.
#![expect(
    clippy::disallowed_methods,
    reason = "the environment says how a test runs, and where programs are"
)]
#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use end_to_end::matrix::sample::{Numbers, is_deep};
use end_to_end::mcp::{self, Answer, Client, Era, Kind, Server, Tool};
use end_to_end::{Harness, KONFLUX, RecordedRequest, Snapshot, elliott, lines_of};
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
/// One of them has the document's standing consent for this tool.
const STANDING: &str = "oar_add_qe_approval";

/// The tool that follows and stops runs.
const FOLLOW: &str = "get_run";

/// One caller's memory: whatever it was told.
#[derive(Default)]
struct Heard(Vec<String>);

impl Heard {
    fn keep(&mut self, answer: &Answer) {
        let text = answer.message["result"].to_string();
        let words = text.split(|letter: char| letter.is_whitespace() || "`'\",()\\{}[]".contains(letter));
        self.0.extend(words.filter(|word| word.len() > 5).map(str::to_owned));
        let surplus = self.0.len().saturating_sub(400);
        self.0.drain(..surplus);
    }

    /// The ids of runs among it.
    fn runs(&self) -> Vec<&String> {
        let is_run = |word: &&String| word.len() == 32 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.0.iter().filter(is_run).collect()
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

/// What it asks for: a tool most of the time, also a resource or a prompt.
fn question(numbers: &mut Numbers, heard: &Heard, tools: &[Tool]) -> (&'static str, Value) {
    let release = |numbers: &mut Numbers| {
        if numbers.below(4) > 0 { KONFLUX.to_owned() } else { text(numbers, heard) }
    };
    match numbers.below(12) {
        0 => {
            let place = match (numbers.below(6), heard.runs().as_slice()) {
                (0, _) => text(numbers, heard),
                (1, _) => "releases://active".to_owned(),
                (2, runs @ [_, ..]) => format!("run://{}", pick(numbers, runs)),
                (other, _) => {
                    let last = ["state", "plan", "log/take-ownership"][usize::try_from(other % 3).unwrap()];
                    format!("release://{}/{last}", release(numbers))
                }
            };
            ("resources/read", json!({"uri": place}))
        }
        1 => {
            let name = pick(numbers, &["where_does_it_stand", "why_is_it_stuck", "next_step"]);
            ("prompts/get", json!({"name": name, "arguments": {"release": release(numbers)}}))
        }
        _ => ("tools/call", call(numbers, heard, tools)),
    }
}

fn call(numbers: &mut Numbers, heard: &Heard, tools: &[Tool]) -> Value {
    let critical = numbers.below(3) == 0;
    let tool = loop {
        let tool = pick(numbers, tools);
        if !critical || matches!(tool.kind, Kind::Critical | Kind::Generic | Kind::Decision) {
            break tool;
        }
    };
    let mut arguments = arguments(numbers, heard, &tool.arguments);
    if let (FOLLOW, runs @ [_, ..]) = (tool.name, heard.runs().as_slice()) {
        arguments.insert("run_id".to_owned(), pick(numbers, runs).as_str().into());
    }
    let mut parameters = json!({"name": tool.name, "arguments": arguments});
    if numbers.below(5) == 0 {
        parameters["inputResponses"] = json!({"consent": {"action": "accept", "content": {"consent": true}}});
        parameters["requestState"] = text(numbers, heard).into();
    }
    parameters
}

/// What only a person may let happen, at Errata Tool (pushes, states, the bugs that leave a release) and at GitLab (an approval).
fn is_critical(request: &RecordedRequest) -> bool {
    let acted = request.is_write() && request.acted && !request.path.contains("/notes");
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

/// Whether the document's standing consent allows it to a caller that has called its tool.
fn is_allowed(request: &RecordedRequest) -> bool {
    request.service == "gitlab" && request.path.ends_with("/approve")
}

fn critical(requests: &[RecordedRequest]) -> impl Iterator<Item = &RecordedRequest> {
    requests.iter().filter(|request| is_critical(request))
}

/// The consents and decisions in the state, wherever they stand.
fn given(harness: &Harness) -> Vec<String> {
    fn collect(value: &serde_yaml::Value, found: &mut Vec<String>) {
        for inner in value.as_sequence().into_iter().flatten() {
            collect(inner, found);
        }
        for (key, inner) in value.as_mapping().into_iter().flatten() {
            if [Some("consents"), Some("decisions")].contains(&key.as_str()) {
                found.push(serde_yaml::to_string(inner).unwrap());
            }
            collect(inner, found);
        }
    }
    let mut found = Vec::new();
    collect(&serde_yaml::from_str(&harness.statebox(KONFLUX).unwrap_or_default()).unwrap(), &mut found);
    found
}

fn put(harness: &Harness, state: AdvisoryState) {
    harness.sandbox.world().errata.lock().advisory_mut(150_002).unwrap().state = state;
}

fn prepared() -> Harness {
    let (harness, _) = elliott::install(Harness::announced(KONFLUX));
    put(&harness, AdvisoryState::Qe);
    let roots = (0..CALLERS).map(|number| {
        let name = format!("root{number}");
        let mut caller = mcp::caller(&name, &mcp::ALL_SCOPES, "reference");
        if number == 0 {
            caller["standing_consent"] = STANDING.into();
        }
        (name, caller)
    });
    let harness = mcp::with_callers(harness, &Value::Object(roots.collect()));
    harness.sandbox.clear_requests();
    harness
}

fn root(server: &Server, era: Era, number: u64) -> Client {
    // Its client says yes to everything, as a model's own client could: the token's owner does not allow that.
    Client::new(server.address(), era, Some(&mcp::token(&format!("root{number}"))))
        .elicits(json!({"action": "accept", "content": {"consent": true, "confirm": true, "approve": "yes"}}))
        .connected()
}

/// A world with its server, in which nothing that a caller does may change what people have consented to.
struct World {
    harness: Harness,
    server: Server,
    start: Snapshot,
    given: Vec<String>,
}

impl World {
    fn of(harness: Harness) -> Self {
        let (start, given) = (harness.sandbox.world().snapshot(), given(&harness));
        Self { server: Server::start(&harness, &["--generic"]), start, given, harness }
    }
}

/// A world without any consent, and one with a consent to a plan that is another one now.
fn worlds() -> [World; 2] {
    let consented = prepared();
    consented.oar(KONFLUX, &["consent", "push-to-cdn-staging", "--yes"]).expect(0);
    put(&consented, AdvisoryState::DroppedNoShip);
    let worlds = [World::of(prepared()), World::of(consented)];
    assert!(worlds[0].given.is_empty() && !worlds[1].given.is_empty());
    worlds
}

#[test]
fn nothing_critical_happens_without_a_person() {
    let named = std::env::var("OAR_TEST_SEQUENCES").ok().and_then(|count| count.parse().ok());
    let sequences: u64 = named.unwrap_or(if is_deep() { 10_000 } else { 200 });
    let mut numbers = Numbers::named("adversary");
    let worlds = worlds();
    let secrets: Vec<String> = worlds.iter().flat_map(|world| mcp::secrets(&world.harness)).collect();
    let mut tools = mcp::tools(KONFLUX);
    let follow = json!({"run_id": "", "offset": 0, "stop": true});
    tools.push(Tool { name: FOLLOW, arguments: follow, kind: Kind::Help, asks: false });
    let mut heard = Heard::default();
    let (mut calls, mut refused) = (0, 0);
    for sequence in 0..sequences {
        let World { harness, server, start, given: expected } = &worlds[usize::from(sequence % 100 >= 50)];
        if sequence % 50 == 0 {
            harness.sandbox.world().restore(start);
        }
        let era = *pick(&mut numbers, &Era::ALL);
        let caller = sequence % CALLERS;
        let mut client = root(server, era, caller);
        let mut is_standing = false;
        for _ in 0..=numbers.below(6) {
            let (method, parameters) = question(&mut numbers, &heard, &tools);
            is_standing |= caller == 0 && parameters["name"] == STANDING;
            let Ok(answer) = client.try_request(method, &parameters) else { continue };
            calls += 1;
            refused += u32::from(answer.is_error() || answer.error().is_some());
            assert!(answer.asked.is_empty(), "it was asked for consent: {parameters}: {answer:#?}");
            heard.keep(&answer);
            let message = answer.message.to_string();
            for secret in &secrets {
                assert!(!message.contains(secret), "{secret} in {answer:#?}");
            }
        }
        if era == Era::Legacy {
            client.end();
        }
        // What comes after is the next sequence's.
        let requests = harness.sandbox.take_requests();
        let done = critical(&requests).filter(|request| !(is_standing && is_allowed(request)));
        let done: Vec<String> = done.map(RecordedRequest::line).collect();
        assert!(done.is_empty(), "after sequence {sequence}: {done:#?}\n{}", server.log());
        assert_eq!(&given(harness), expected, "{}\n{}", lines_of(&requests), server.log());
    }
    for World { harness, server, .. } in &worlds {
        server.settled(harness);
        let requests = harness.sandbox.take_requests();
        assert_eq!(critical(&requests).count(), 0, "{}\n{}", lines_of(&requests), server.log());
    }
    println!("{sequences} sequences, {calls} calls, {refused} of them refused");
    assert!(calls > 0 && refused > 0);
    // When its plan is again what a person consented to, it does push: that would have been noticed.
    let [fresh, World { harness, server, start, .. }] = worlds;
    harness.sandbox.world().restore(&start);
    put(&harness, AdvisoryState::Qe);
    let push = json!({"release": KONFLUX});
    let answer = root(&server, Era::Modern, 1).call_to_its_end("oar_push_to_cdn_staging", push);
    assert!(!answer.is_error(), "{}", answer.text());
    let requests = harness.sandbox.requests();
    assert!(critical(&requests).any(|request| request.path.contains("push")), "{}", lines_of(&requests));
    for server in [fresh.server, server] {
        let log = server.stopped().stderr;
        assert!(!log.contains("panicked"), "{log}");
    }
}
