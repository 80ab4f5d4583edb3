mod engine;

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::result::Answer;

/// Spec 05 §7.5: name; parameters as `name: type = default`. `string*` is a plain string whose default is null.
const REFERENCE: &[(&str, &[&str])] = &[
    ("oar_check_cve_tracker_bug", &["release: string", "notify: bool = false"]),
    ("oar_image_signed_check", &["release: string"]),
    ("oar_image_consistency_check", &["release: string", "job_id: string = null"]),
    ("oar_stage_testing", &["release: string", "build_number: string = null"]),
    ("oar_create_test_report", &["release: string"]),
    ("oar_take_ownership", &["release: string", "email: string"]),
    ("oar_push_to_cdn_staging", &["release: string"]),
    ("oar_change_advisory_status", &["release: string"]),
    ("oarctl_start_release_detector", &["release: string"]),
    ("oarctl_jira_notificator", &["dry_run: bool = false", "from_date: string|null = null"]),
    ("job_run", &["job_name: string", "payload: string"]),
    (
        "jobctl_start_controller",
        &[
            "release: string",
            "nightly: bool = true",
            "trigger_prow_job: bool = true",
            "arch: string = \"amd64\"",
        ],
    ),
    ("jobctl_trigger_jobs_for_build", &["build: string", "arch: string = \"amd64\""]),
    ("jobctl_start_aggregator", &["arch: string = \"amd64\""]),
    ("jobctl_promote_test_results", &["build: string", "arch: string = \"amd64\""]),
    (
        "jobctl_update_retried_job_run",
        &[
            "build: string",
            "job_name: string",
            "current_job_id: string",
            "new_job_id: string",
            "arch: string = \"amd64\"",
        ],
    ),
    ("oar_get_release_metadata", &["release: string"]),
    ("oar_is_release_shipped", &["release: string"]),
    ("oar_get_release_status", &["release: string"]),
    (
        "oar_update_task_status",
        &["release: string", "task_name: string", "status: string", "result: string|null = null"],
    ),
    ("discover_active_releases", &[]),
    ("mcp_cache_stats", &[]),
    ("mcp_cache_invalidate", &["release: string|null = null"]),
    ("mcp_cache_warm", &["releases: string"]),
    (
        "oar_add_issue",
        &["release: string", "issue: string", "blocker: bool = true", "related_tasks: string|null = null"],
    ),
    ("oar_resolve_issue", &["release: string", "issue: string", "resolution: string"]),
    (
        "oar_get_issues",
        &[
            "release: string",
            "unresolved_only: bool = false",
            "blockers_only: bool = false",
            "task_name: string|null = null",
        ],
    ),
    ("oar_get_task_blocker", &["release: string", "task_name: string"]),
    ("oar_check_greenwave_cvp_tests", &["release: string"]),
    ("oar_update_bug_list", &["release: string", "notify: bool = true"]),
    ("oar_drop_bugs", &["release: string"]),
    ("oar_add_qe_approval", &["release: string"]),
    ("oar_run_command", &["release: string", "command: string", "args: string = \"\""]),
    ("oarctl_run_command", &["command: string", "args: string = \"\""]),
    ("jobctl_run_command", &["command: string", "args: string = \"\""]),
    ("get_command_help", &["cli: string", "command: string = \"\""]),
    ("get_run", &["run_id: string", "offset: integer = null", "stop: bool = false"]),
    ("release_plan", &["release: string"]),
    ("release_advance", &["release: string"]),
    (
        "release_decide",
        &[
            "release: string",
            "node: string",
            "verdict: string|null = null",
            "reason: string|null = null",
            "evidence: string|null = null",
            "withdraw: bool = false",
        ],
    ),
    (
        "release_waive",
        &[
            "release: string",
            "task: string",
            "reason: string|null = null",
            "until: string|null = null",
            "withdraw: bool = false",
        ],
    ),
    (
        "release_hold",
        &[
            "release: string|null = null",
            "reason: string|null = null",
            "until: string|null = null",
            "all: bool = false",
            "withdraw: bool = false",
        ],
    ),
    ("release_consent_plan", &["release: string", "task: string"]),
    ("release_timeline", &["release: string"]),
    ("releases_overview", &[]),
    ("doctor", &["release: string|null = null"]),
];

/// Spec 05 §7.7, and the tools that came later.
const READ_ONLY: &[&str] = &[
    "oar_get_release_metadata",
    "oar_is_release_shipped",
    "oar_get_release_status",
    "discover_active_releases",
    "mcp_cache_stats",
    "oar_get_issues",
    "oar_get_task_blocker",
    "get_command_help",
    "release_plan",
    "release_consent_plan",
    "release_timeline",
    "releases_overview",
    "doctor",
];
const DESTRUCTIVE: &[&str] = &[
    "oar_push_to_cdn_staging",
    "oar_change_advisory_status",
    "jobctl_start_aggregator",
    "jobctl_promote_test_results",
    "jobctl_update_retried_job_run",
    "oar_drop_bugs",
    "oar_run_command",
    "oarctl_run_command",
    "jobctl_run_command",
    "oar_add_qe_approval",
    "release_advance",
];
const IDEMPOTENT: &[&str] = &[
    "oar_create_test_report",
    "oar_update_task_status",
    "mcp_cache_invalidate",
    "mcp_cache_warm",
    "get_run",
    "release_decide",
    "release_waive",
    "release_hold",
];
const CLOSED_WORLD: &[&str] = &["mcp_cache_stats", "mcp_cache_invalidate", "get_command_help", "get_run"];

fn caller(profile: Profile, scopes: &[AccessScope]) -> Caller {
    Caller {
        name: "test".to_owned(),
        scopes: scopes.iter().copied().collect(),
        profile,
        standing_consent: BTreeSet::new(),
        may_elicit: false,
    }
}

fn named(name: &str) -> &'static Tool {
    tool(name).unwrap()
}

/// The parameters of a definition in the words of [`REFERENCE`], read from its schema alone.
fn parameters_of(definition: &rmcp::model::Tool) -> Vec<String> {
    let schema = &definition.input_schema;
    let required: Vec<&str> = schema
        .get("required")
        .map(|names| names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect())
        .unwrap_or_default();
    let mut all = Vec::new();
    for (name, property) in schema["properties"].as_object().unwrap() {
        let kind = match (property.get("type"), property.get("anyOf")) {
            (Some(kind), None) if kind == "boolean" => "bool".to_owned(),
            (Some(kind), None) => kind.as_str().unwrap().to_owned(),
            (None, Some(kinds)) => {
                let kinds = kinds.as_array().unwrap().iter();
                kinds.map(|kind| kind["type"].as_str().unwrap()).collect::<Vec<_>>().join("|")
            }
            other => panic!("{name}: {other:?}"),
        };
        let default = property.get("default").map(|default| format!(" = {default}")).unwrap_or_default();
        assert_eq!(required.contains(&name.as_str()), default.is_empty(), "{name}");
        all.push(format!("{name}: {kind}{default}"));
    }
    all
}

#[test]
fn names_parameters_types_and_defaults_are_those_of_the_reference() {
    let ours: Vec<(&str, Vec<String>)> =
        catalogue().iter().map(|tool| (tool.name, parameters_of(tool.definition()))).collect();
    let reference: Vec<(&str, Vec<String>)> = REFERENCE
        .iter()
        .map(|(name, parameters)| (*name, parameters.iter().map(|&text| text.to_owned()).collect()))
        .collect();
    for ((our_name, our_parameters), (name, parameters)) in ours.iter().zip(&reference) {
        assert_eq!(our_name, name);
        let sorted = |all: &[String]| all.iter().cloned().collect::<BTreeSet<_>>();
        assert_eq!(sorted(our_parameters), sorted(parameters), "{name}");
    }
    assert_eq!(ours.len(), reference.len());
}

#[test]
fn every_hint_is_said_and_is_that_of_the_specification() {
    for tool in catalogue() {
        let definition = tool.definition();
        let hints = definition.annotations.as_ref().unwrap();
        let name = tool.name;
        assert_eq!(hints.read_only_hint, Some(READ_ONLY.contains(&name)), "{name}");
        assert_eq!(hints.destructive_hint, Some(DESTRUCTIVE.contains(&name)), "{name}");
        assert_eq!(hints.idempotent_hint, Some(IDEMPOTENT.contains(&name)), "{name}");
        assert_eq!(hints.open_world_hint, Some(!CLOSED_WORLD.contains(&name)), "{name}");
        assert_eq!(hints.title, definition.title, "{name}");
        assert!(definition.title.as_ref().is_some_and(|title| title.len() > 5), "{name}");
    }
}

#[test]
fn every_tool_and_every_parameter_is_described_and_every_operation_exists() {
    for tool in catalogue() {
        let name = tool.name;
        assert!(tool.description().len() > 10, "{name}");
        if let Kind::Command { program, command } = tool.kind {
            assert!(row(program, command).is_some(), "{name}");
        }
        if tool.kind == Kind::Operation {
            let schema = tool.operation().unwrap().arguments();
            for parameter in tool.parameters.iter().filter(|parameter| parameter.name != "release") {
                let pointer = format!("/properties/{}", parameter.name);
                assert!(schema.pointer(&pointer).is_some(), "{name}: {}", parameter.name);
            }
            let has_dry_run = tool.operation().unwrap().has_dry_run();
            assert!(has_dry_run || !tool.is_dry && tool.decides.is_none(), "{name}");
        }
        assert_eq!(tool.operation.is_some(), tool.operation().is_some(), "{name}");
        for parameter in &tool.parameters {
            assert!(tool.describe(parameter).len() > 3, "{name}: {}", parameter.name);
        }
        let schema = Value::Object(JsonObject::clone(&tool.definition().input_schema));
        assert_eq!(schema["additionalProperties"], json!(false), "{name}");
        jsonschema::draft202012::meta::validate(&schema).unwrap();
        let output = Value::Object(tool.output_schema());
        assert_eq!(output["type"], "object", "{name}");
        jsonschema::draft202012::meta::validate(&output).unwrap();
    }
}

/// Options are of the command line; whoever reads a definition has parameters.
#[test]
fn no_definition_names_an_option() {
    let option = regex::Regex::new(r"(^|[\s`'(\[])--?[a-z]").unwrap();
    for tool in catalogue() {
        let definition = tool.definition();
        let mut texts = vec![tool.title(), tool.description()];
        texts.extend(tool.parameters.iter().map(|parameter| tool.describe(parameter)));
        for text in &texts {
            assert!(!option.is_match(text), "{}: {text}", tool.name);
        }
        assert!(!option.is_match(&serde_json::to_string(definition).unwrap()), "{}", tool.name);
    }
    assert!(option.is_match("makes a pass with --interval."));
}

/// What can be undone is offered to who may write; what cannot, only to who may do that.
#[test]
fn the_scope_is_that_of_the_effect() {
    use oar_core::operations::Effect;
    for tool in catalogue() {
        if !matches!(tool.kind, Kind::Command { .. } | Kind::Operation) {
            continue;
        }
        let about = tool.operation().unwrap().about;
        let (program, effect) = (about.program, about.effect);
        if tool.kind == Kind::Operation {
            assert_eq!(tool.hints.read_only, tool.is_dry || effect == Effect::Reads, "{}", tool.name);
            // What only a person may run, a model only asks for; a hold stops everything, and needs no word.
            let is_for_people = about.for_people && !tool.is_dry;
            assert_eq!(tool.decides.is_some(), is_for_people, "{}", tool.name);
            let whole = (tool.name != "release_hold").then_some(Decides::Always);
            assert!(!is_for_people || whole.is_none_or(|whole| tool.decides == Some(whole)), "{}", tool.name);
        } else {
            assert!(!about.for_people, "{}", tool.name);
        }
        match effect {
            _ if tool.is_dry => assert_eq!(tool.scope, AccessScope::Read, "{}", tool.name),
            Effect::Critical => assert_eq!(tool.scope, AccessScope::Critical, "{}", tool.name),
            Effect::Writes if matches!(program, Program::Job | Program::Jobctl) => {
                assert_eq!(tool.scope, AccessScope::Jobs, "{}", tool.name);
            }
            Effect::Writes => assert_eq!(tool.scope, AccessScope::Write, "{}", tool.name),
            Effect::Reads => assert_eq!(tool.scope, AccessScope::Read, "{}", tool.name),
        }
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the environment says whether the snapshot is rewritten")]
fn the_definitions_are_those_of_the_snapshot() {
    let definitions: Vec<_> = catalogue().iter().map(Tool::definition).collect();
    let now = serde_json::to_string_pretty(&definitions).unwrap() + "\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tools/tools.json");
    if std::env::var_os("OAR_UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap();
    if let Some((index, (now, kept))) =
        now.lines().zip(kept.lines()).enumerate().find(|(_, (now, kept))| now != kept)
    {
        panic!("line {}: `{now}`, in the snapshot `{kept}`; OAR_UPDATE_SNAPSHOTS=1 rewrites it", index + 1);
    }
    assert_eq!(now.len(), kept.len());
}

#[test]
fn the_daily_profile_is_small() {
    let caller = caller(Profile::Daily, &AccessScope::ALL);
    let listed: Vec<_> = offered(&caller, &Switches::default()).map(Tool::definition).collect();
    assert!(listed.len() <= 15 && listed.len() == profiles::DAILY.len(), "{}", listed.len());
    let size = serde_json::to_vec(&json!({ "tools": listed })).unwrap().len();
    assert!(size <= 12 * 1024, "{size} bytes");
}

#[test]
fn profiles_are_read() {
    assert_eq!("reference".parse(), Ok(Profile::Reference));
    assert_eq!(" daily ".parse(), Ok(Profile::Daily));
    assert_eq!("engine".parse(), Ok(Profile::Engine));
    let some: Profile = "oar_stage_testing, oar_drop_bugs".parse().unwrap();
    assert!(some.has("oar_drop_bugs") && some.has("get_run") && !some.has("oar_take_ownership"));
    let error = "oar_stage_testin".parse::<Profile>().unwrap_err().to_string();
    assert!(error.contains("did you mean `oar_stage_testing`"), "{error}");
    assert!("".parse::<Profile>().is_err());
}

#[test]
fn who_may_not_is_not_offered() {
    let names = |caller: &Caller, switches: &Switches| -> BTreeSet<&str> {
        offered(caller, switches).map(|tool| tool.name).collect()
    };
    let everything = caller(Profile::Reference, &AccessScope::ALL);
    assert_eq!(names(&everything, &Switches { generic: true, ..Switches::default() }).len(), 46);
    assert_eq!(names(&everything, &Switches::default()).len(), 43);
    let reader = caller(Profile::Reference, &[AccessScope::Read]);
    assert!(names(&reader, &Switches::default()).iter().all(|name| named(name).scope == AccessScope::Read));
    let read_only = Switches { read_only: true, generic: true, ..Switches::default() };
    assert_eq!(names(&everything, &read_only), READ_ONLY.iter().copied().chain(["get_run"]).collect());
    for tool in offered(&everything, &read_only) {
        let definition = tool.definition_under(&read_only);
        assert_eq!(definition.annotations.unwrap().read_only_hint, Some(true), "{}", tool.name);
        assert!(!definition.input_schema["properties"].as_object().unwrap().contains_key("stop"));
    }
    let only = Some(BTreeSet::from(["oar_get_issues".to_owned()]));
    assert_eq!(names(&everything, &Switches { only, ..Switches::default() }), ["oar_get_issues"].into());
}

fn check(name: &str, arguments: Value) -> Result<Arguments, String> {
    let Value::Object(arguments) = arguments else { panic!("{arguments}") };
    named(name).check(Some(arguments)).map_err(|failure| {
        assert!(!Answer::from(failure.clone()).is_ok());
        assert!(!failure.next.is_empty(), "{failure}");
        failure.to_string()
    })
}

#[test]
fn wrong_arguments_are_refused_with_what_was_expected() {
    let release = "4.19.1";
    for (name, arguments, expected) in [
        ("oar_stage_testing", json!({}), "`release` is missing"),
        ("oar_stage_testing", json!({ "release": null }), "it is null; expected a release such as 4.19.1"),
        (
            "oar_stage_testing",
            json!({ "release": 4.19 }),
            "it is a number; expected a release such as 4.19.1",
        ),
        ("oar_stage_testing", json!({ "release": "4.19" }), "4.19.1 or 4.22.0-rc.0"),
        ("oar_stage_testing", json!({ "release": "" }), "it is empty"),
        ("oar_stage_testing", json!({ "release": "../4.19.1" }), "a release version"),
        ("oar_stage_testing", json!({ "realese": release }), "Did you mean `release`?"),
        (
            "oar_stage_testing",
            json!({ "release": release, "zzzzzzzz": 1 }),
            "Its parameters are release, build_number",
        ),
        (
            "oar_stage_testing",
            json!({ "release": release, "build_number": "" }),
            "leave it out where none is meant",
        ),
        ("oar_stage_testing", json!({ "release": release, "build_number": "  " }), "it is empty"),
        (
            "oar_stage_testing",
            json!({ "release": release, "build_number": "12a" }),
            "expected the number of a build",
        ),
        ("oar_stage_testing", json!({ "release": release, "build_number": 12 }), "it is a number"),
        ("oar_image_consistency_check", json!({ "release": release, "job_id": "" }), "it is empty"),
        (
            "oar_check_cve_tracker_bug",
            json!({ "release": release, "notify": "yes" }),
            "expected true or false",
        ),
        ("oar_take_ownership", json!({ "release": release, "email": "a\u{0}b" }), "control character"),
        ("oar_take_ownership", json!({ "release": release, "email": "x".repeat(9000) }), "at most 8192"),
        ("jobctl_start_aggregator", json!({ "arch": "amd46" }), "amd64"),
        ("oarctl_start_release_detector", json!({ "release": "4.19.1" }), "4.19 or 5.0"),
        ("oarctl_jira_notificator", json!({ "from_date": "yesterday" }), "expected a day such as 2026-06-01"),
        (
            "oar_update_task_status",
            json!({ "release": release, "task_name": "stage-testin", "status": "Pass" }),
            "did you mean `stage-testing`?",
        ),
        (
            "oar_update_task_status",
            json!({ "release": release, "task_name": "stage-testing", "status": "Not Started" }),
            "expected one of Pass, Fail, In Progress",
        ),
        (
            "oar_update_task_status",
            json!({ "release": release, "task_name": "stage-testing", "status": "Pas" }),
            "did you mean `Pass`?",
        ),
        ("discover_active_releases", json!({ "release": release }), "It has no parameters."),
        (
            "release_decide",
            json!({ "release": release, "node": "promoton", "verdict": "accept" }),
            "did you mean `promotion`?",
        ),
        (
            "release_waive",
            json!({ "release": release, "task": "stage-testing", "until": "tomorrow" }),
            "2026-07-31T12:00:00Z",
        ),
        ("release_consent_plan", json!({ "release": release, "task": "stage-testing" }), "needs no consent"),
        ("release_hold", json!({ "all": "yes" }), "expected true or false"),
        ("get_command_help", json!({ "cli": "oarctrl" }), "did you mean `oarctl`?"),
        ("get_run", json!({ "run_id": "a", "offset": -1 }), "expected a whole number such as 8000"),
        ("get_run", json!({ "run_id": "a", "offset": "8000" }), "it is text; expected a whole number"),
    ] {
        let error = check(name, arguments.clone()).unwrap_err();
        assert!(error.contains(expected), "{name} {arguments}: {error}");
        assert!(error.contains(name) && error.len() < 800, "{error}");
    }
}

#[test]
fn defaults_are_filled_in_and_null_is_not_given() {
    for arguments in [json!({ "release": "4.19.1" }), json!({ "release": "4.19.1", "job_id": null })] {
        let checked = check("oar_image_consistency_check", arguments).unwrap();
        assert_eq!(checked.text("job_id"), None);
        assert_eq!(
            named("oar_image_consistency_check").words(&checked),
            ["--release=4.19.1", "image-consistency-check"]
        );
    }
    let checked = check("oar_update_bug_list", json!({ "release": "4.19.1" })).unwrap();
    assert!(checked.flag("notify"));
    let issues = json!({ "release": "4.19.1", "task_name": "" });
    assert_eq!(check("oar_get_issues", issues).unwrap().0["task_name"], Value::Null);
    let checked = named("discover_active_releases").check(None).unwrap();
    assert_eq!(checked, Arguments::default());
}

#[test]
fn arguments_become_words_that_are_never_read_as_options() {
    let words = |name: &str, arguments: Value| named(name).words(&check(name, arguments).unwrap());
    let release = "4.19.1";
    for (name, arguments, expected) in [
        (
            "oar_check_cve_tracker_bug",
            json!({ "release": release }),
            "--release=4.19.1 check-cve-tracker-bug --no-notify",
        ),
        (
            "oar_check_cve_tracker_bug",
            json!({ "release": release, "notify": true }),
            "--release=4.19.1 check-cve-tracker-bug",
        ),
        (
            "oar_take_ownership",
            json!({ "release": release, "email": "--yes" }),
            "--release=4.19.1 take-ownership --email=--yes",
        ),
        ("job_run", json!({ "job_name": "--yes", "payload": "-x" }), "run --payload=-x -- --yes"),
        (
            "jobctl_start_controller",
            json!({ "release": "4.20", "nightly": false, "trigger_prow_job": false, "arch": "arm64" }),
            "start-controller --release=4.20 --no-nightly --trigger-prow-job=false --arch=arm64",
        ),
        (
            "jobctl_start_controller",
            json!({ "release": "4.20" }),
            "start-controller --release=4.20 --trigger-prow-job=true --arch=amd64",
        ),
        ("oarctl_jira_notificator", json!({ "dry_run": true }), "jira-notificator --dry-run"),
        (
            "oarctl_jira_notificator",
            json!({ "from_date": "2026-06-01" }),
            "jira-notificator --from-date=2026-06-01",
        ),
        (
            "oar_change_advisory_status",
            json!({ "release": release }),
            "--release=4.19.1 change-advisory-status",
        ),
    ] {
        assert_eq!(words(name, arguments).join(" "), expected);
    }
}

#[test]
fn no_tool_gives_consent() {
    for tool in catalogue() {
        let arguments = tool.parameters.iter().map(|parameter| (parameter.name.to_owned(), json!(true)));
        let words = tool.words(&Arguments(arguments.collect()));
        assert!(!words.iter().any(|word| word.contains("yes") || word == "-y"), "{}: {words:?}", tool.name);
        let gives = tool.operation().is_some_and(|row| row.about.command == "consent");
        assert!(!gives || (tool.is_dry && tool.kind == Kind::Operation), "{}", tool.name);
    }
}

#[test]
fn results_are_compared_with_their_schema() {
    let tool = named("oar_get_task_blocker");
    let fits = json!({
        "success": true, "blocked": false, "blocker": null, "task_name": "stage-testing", "release": "4.19.1",
    });
    assert_eq!(tool.fits(&fits), Ok(()));
    let error = tool.fits(&json!({ "success": "true" })).unwrap_err();
    assert!(!error.is_empty());
    assert_eq!(named("oar_stage_testing").fits(&json!({ "result": "✓ Command succeeded" })), Ok(()));
    assert!(named("oar_stage_testing").fits(&json!({})).is_err());
}
