use serde_json::json;

use super::*;
use crate::tools::tool;

fn is_no_runner(tool: &Tool) -> bool {
    !matches!(tool.kind, Kind::Generic(_))
}

fn put(name: &str, text: &str) -> String {
    Vocabulary::new(tool(name).unwrap(), &is_no_runner).put(text)
}

#[test]
fn commands_are_called_by_their_tools_and_options_by_their_parameters() {
    for (name, text, expected) in [
        (
            "oar_stage_testing",
            "next: Run `oar -r 4.19.1 create-test-report` first.",
            "next: Run `oar_create_test_report` (release 4.19.1) first.",
        ),
        (
            "oar_change_advisory_status",
            "           next: oar -r 4.19.1 image-consistency-check -i JOB_ID (the id of the Prow job)",
            "           next: `oar_image_consistency_check` (release 4.19.1, job_id JOB_ID) (the id of the Prow job)",
        ),
        (
            "oar_change_advisory_status",
            "judge the tests, then: oar -r 4.19.1 task set analyze-candidate-build Pass --reason TEXT",
            "judge the tests, then: `oar_update_task_status` (release 4.19.1, task_name analyze-candidate-build, \
             status Pass, result TEXT)",
        ),
        (
            "oar_push_to_cdn_staging",
            "next: oar -r 4.19.1 issue resolve 'stage is down' --resolution '<how>'",
            "next: `oar_resolve_issue` (release 4.19.1, issue stage is down, resolution <how>)",
        ),
        (
            "oar_stage_testing",
            "next: when it is resolved: oar -r 4.19.1 issue resolve 'It is down.' --resolution '<how>'",
            "next: when it is resolved: `oar_resolve_issue` (release 4.19.1, issue It is down., resolution <how>)",
        ),
        (
            "oar_add_issue",
            "Resolve the open blocker first, or report this one with --no-blocker.",
            "Resolve the open blocker first, or report this one with `blocker false`.",
        ),
        (
            "oar_stage_testing",
            "Look for it in Jenkins, and name its number: `stage-testing -n NUMBER`.",
            "Look for it in Jenkins, and name its number: `oar_stage_testing` (build_number NUMBER).",
        ),
        (
            "oar_take_ownership",
            "error: invalid value 'x' for '--email <EMAIL>': no address",
            "error: invalid value 'x' for '`email <EMAIL>`': no address",
        ),
        ("oar_image_consistency_check", "use --job-id=7", "use `job_id 7`"),
    ] {
        assert_eq!(put(name, text), expected);
    }
}

#[test]
fn what_no_tool_does_is_a_person_s() {
    for (name, text, by_person) in [
        ("oar_update_task_status", "Add --force and a reason to set it anyway.", "`--force`"),
        (
            "oar_stage_testing",
            "start ours: oar -r 4.19.1 stage-testing --again",
            "`oar -r 4.19.1 stage-testing --again`",
        ),
        (
            "oar_change_advisory_status",
            "Run `change-advisory-status --accept-metadata` when the new value is right.",
            "`change-advisory-status --accept-metadata`",
        ),
        ("oar_stage_testing", "nobody is checking: run stage-testing --wait", "`--wait`"),
        ("job_run", "Use --upgrade_from for it.", "`--upgrade_from`"),
        ("jobctl_promote_test_results", "Look at the build first: `jobctl show`.", "`jobctl show`"),
        ("oar_get_issues", "Run `oarctl config check` to see every problem.", "`oarctl config check`"),
    ] {
        let put = put(name, text);
        assert_eq!(put, format!("{text} (A person does that at a terminal: {by_person}.)"));
    }
    for said in [
        "A person looks at the plan and runs `oar -r 4.19.1 consent drop-bugs`.",
        "Next: A person runs it themselves: `oar --release=4.19.1 stage-testing`.",
    ] {
        assert_eq!(put("oar_drop_bugs", said), said);
    }
    // A tool that is not offered is none.
    let nothing = |_: &Tool| false;
    let put = Vocabulary::new(tool("oar_drop_bugs").unwrap(), &nothing).put("run `create-test-report` first");
    assert!(put.ends_with("(A person does that at a terminal: `create-test-report`.)"), "{put}");
}

#[test]
fn other_words_stay_as_they_are() {
    for text in [
        "",
        "Get a ticket with `kinit -k -t <keytab> <principal>`.",
        "`oc whoami -t` prints it after a login there",
        "a job run of the oar tooling - and of others -- is no option",
        "the job run is over; see https://example.com/--/a-b",
        "it's `quoted` 'two words",
        "make its folder first: mkdir -p /x",
        "é …—é",
        "error: invalid value '--yes' for it",
    ] {
        assert_eq!(put("oar_stage_testing", text), text);
    }
}

#[test]
fn only_what_a_program_says_itself_is_put_into_other_words() {
    let text = "✗ Command failed (exit code 6)\n\n2026-07-02T06:55:57Z: INFO: --force was meant\nissue: use --force\n  \
                next: Add --force.";
    let answer = Answer::Text { text: text.to_owned(), ok: false, untrusted: true };
    let of = |name: &str| Vocabulary::new(tool(name).unwrap(), &is_no_runner).answer(answer.clone()).text();
    assert_eq!(of("oar_stage_testing"), format!("{text} (A person does that at a terminal: `--force`.)"));
    assert_eq!(of("oar_run_command"), text, "whoever names options has them");
}

#[test]
fn each_next_step_says_who_does_it() {
    let next = |offers: &dyn Fn(&Tool) -> bool| {
        let document = json!({
            "next": ["stage-testing", "analyze-candidate-build"],
            "tasks": [{ "name": "x", "waits": "run stage-testing --wait" }],
        });
        let answer = Answer::Document { document, whole: None, ok: true, untrusted: true, fits: true };
        let answer = Vocabulary::new(tool("oar_get_release_status").unwrap(), offers).answer(answer);
        let Answer::Document { document, .. } = answer else { panic!("{answer:?}") };
        assert!(document["tasks"][0]["waits"].as_str().unwrap().contains("A person"), "{document}");
        document["next"].clone()
    };
    assert_eq!(
        next(&is_no_runner),
        json!([
            "stage-testing: call oar_stage_testing",
            "analyze-candidate-build: a person judges it, and oar_update_task_status records the verdict",
        ])
    );
    assert_eq!(
        next(&|_| false),
        json!([
            "stage-testing: a person runs `oar -r RELEASE stage-testing`",
            "analyze-candidate-build: a person judges it",
        ])
    );
}

#[test]
fn the_commands_of_a_plan_are_tools_the_engine_s_or_a_person_s() {
    let document = || {
        json!({
            "now": [{"command": "oar -r 4.19.1 take-ownership -e ADDRESS"}],
            "people": [
                {"commands": [
                    "oar -r 4.19.1 decide analyze-promoted-build VERDICT --reason TEXT",
                    "oar -r 4.19.1 consent push-to-cdn-staging",
                ]},
                {"commands": []},
            ],
            "nodes": [
                {"to_do": {"do": "run", "command": "oar -r 4.19.1 stage-testing --again"}},
                {"to_do": {"do": "consent", "command": "oar -r 4.19.1 consent push-to-cdn-staging"}},
            ],
            "runs": [{"command": "oar -r 4.19.1 drop-bugs"}],
            "findings": [{"next": "Name a release: `oar -r RELEASE doctor`."}],
        })
    };
    let of = |offers: &dyn Fn(&Tool) -> bool| {
        let mut document = document();
        Vocabulary::new(tool("release_plan").unwrap(), offers).document(&mut document);
        document
    };
    let all = of(&is_no_runner);
    assert_eq!(all["now"][0]["command"], "`oar_take_ownership` (release 4.19.1, email ADDRESS)");
    assert_eq!(
        all["people"][0]["commands"][0],
        "`release_decide` (release 4.19.1, node analyze-promoted-build, verdict VERDICT, reason TEXT)"
    );
    for consent in [&all["people"][0]["commands"][1], &all["nodes"][1]["to_do"]["command"]] {
        let consent = consent.as_str().unwrap();
        assert!(consent.contains("A person does that at a terminal: `oar -r 4.19.1 consent"), "{consent}");
    }
    assert_eq!(all["nodes"][0]["to_do"]["command"], "`release_advance` does it");
    assert_eq!(all["runs"], document()["runs"]);
    assert_eq!(all["findings"][0]["next"], "Name a release: `doctor` (release RELEASE).");
    let engine = of(&|tool| tool.name == "release_advance");
    assert_eq!(engine["now"][0]["command"], "`release_advance` does it");
    let nothing = of(&|_| false)["now"][0]["command"].to_string();
    assert!(nothing.contains("A person does that at a terminal"), "{nothing}");
}

/// What a service or a person has written may stand in it.
#[test]
fn no_text_is_too_odd() {
    use proptest::prelude::*;
    let words = prop::sample::select(vec![
        "`oar",
        "oar",
        "-r",
        "4.19.1",
        "stage-testing`",
        "task",
        "set",
        "--",
        "--x=",
        "'",
        "-n",
        "é`",
        "--no-blocker",
        "\n",
        ".",
        "`job",
        "run`",
        "--release",
        "issue",
    ]);
    proptest!(|(words in prop::collection::vec(words, 0..12), glue in prop::sample::select(vec![" ", ""]))| {
        let text = words.join(glue);
        for name in ["oar_add_issue", "job_run"] {
            put(name, &text);
        }
    });
}
