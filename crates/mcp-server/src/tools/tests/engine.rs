//! The tools of the engine, and their profile.

use super::*;

#[test]
fn the_profile_of_the_engine_is_small_and_does_nothing_that_asks_a_person() {
    let caller = caller(Profile::Engine, &AccessScope::ALL);
    let listed: Vec<_> = offered(&caller, &Switches { generic: true, ..Switches::default() }).collect();
    assert!(listed.len() <= 15 && listed.len() == profiles::ENGINE.len(), "{}", listed.len());
    let definitions: Vec<_> = listed.iter().map(|tool| tool.definition()).collect();
    let size = serde_json::to_vec(&json!({ "tools": definitions })).unwrap().len();
    assert!(size <= 14 * 1024, "{size} bytes");
    for tool in listed {
        assert!(!matches!(tool.scope, AccessScope::Critical | AccessScope::Jobs | AccessScope::Generic));
        assert!(tool.starts_jobs.is_none(), "{}", tool.name);
    }
}

#[test]
fn the_document_knows_profiles_tools_and_verdicts() {
    use oar_core::config::{MCP_PROFILES, MCP_SHORT_TOOLS};
    use oar_core::statebox::Verdict;
    for name in MCP_PROFILES {
        assert!(!matches!(name.parse(), Ok(Profile::Only(_)) | Err(_)), "{name}");
    }
    let short: Vec<_> = catalogue().iter().map(|tool| tool.name).filter(|name| !name.contains('_')).collect();
    assert_eq!(short, MCP_SHORT_TOOLS);
    let verdict = json!({ "release": "4.19.1", "node": "promotion", "verdict": "acept" });
    let error = check("release_decide", verdict).unwrap_err();
    assert!(Verdict::ALL.iter().all(|verdict| error.contains(verdict.text())), "{error}");
}

#[test]
fn a_tool_that_performs_an_operation_has_its_arguments_and_its_command_line() {
    for (name, arguments, expected, line) in [
        ("release_plan", json!({ "release": "4.19.1" }), json!({}), "--release=4.19.1 drive"),
        ("release_advance", json!({ "release": "4.19.1" }), json!({}), "--release=4.19.1 drive --once"),
        ("doctor", json!({}), json!({}), "doctor"),
        (
            "release_hold",
            json!({ "all": true, "reason": "freeze" }),
            json!({ "all": true, "reason": "freeze", "withdraw": false }),
            "hold --reason=freeze --all",
        ),
        (
            "release_decide",
            json!({ "release": "4.19.1", "node": "promotion", "verdict": "wait", "reason": "--yes" }),
            json!({ "node": "promotion", "verdict": "wait", "reason": "--yes", "withdraw": false }),
            "--release=4.19.1 decide --reason=--yes -- promotion wait",
        ),
        (
            "release_consent_plan",
            json!({ "release": "4.19.1", "task": "drop-bugs" }),
            json!({ "task": "drop-bugs", "dry_run": true }),
            "--release=4.19.1 consent -- drop-bugs",
        ),
    ] {
        let tool = named(name);
        let arguments = check(name, arguments).unwrap();
        assert_eq!(tool.operation_arguments(&arguments), expected, "{name}");
        assert_eq!(tool.words(&arguments).join(" "), line, "{name}");
    }
    let hold =
        |arguments: Value| named("release_hold").is_decision(&check("release_hold", arguments).unwrap());
    assert!(hold(json!({ "release": "4.19.1", "withdraw": true })));
    assert!(!hold(json!({ "release": "4.19.1", "reason": "a defect" })));
}
