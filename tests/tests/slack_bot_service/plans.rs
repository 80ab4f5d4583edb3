//! The plans of critical commands, which wait in their thread for Approve or Reject.

use super::*;

/// The plan of a push of 4.19.1 that `user` asked for: the thread, and the message with the buttons.
#[track_caller]
fn ask(harness: &Harness, user: &str) -> (String, Message) {
    let thread = say(harness, user, &format!("oar -r {KONFLUX} push-to-cdn-staging"));
    let shown = answer(harness, &thread, "Approve this plan?");
    settled(harness);
    (thread, shown)
}

/// Somebody clicks on a message; nothing where it shows no such button.
fn try_click(harness: &Harness, shown: &Message, user: &str, action: &str) -> Option<Value> {
    let body = json!({"channel": CHANNEL, "ts": shown.ts, "user": user, "action_id": action});
    let now = harness.sandbox.clock().now();
    harness.sandbox.world().with_service("slack", |slack| slack.change("click", &body, now))?.ok()
}

#[track_caller]
fn click(harness: &Harness, shown: &Message, user: &str, action: &str) {
    try_click(harness, shown, user, action).unwrap();
}

/// Whether a push is in the history of the release.
fn was_pushed(harness: &Harness) -> bool {
    harness.run("oar", ["-r", KONFLUX, "history"]).expect(0).stdout.contains("push-to-cdn-staging")
}

/// Whether a message of the bot shows buttons.
fn has_buttons(message: &Message) -> bool {
    message.blocks.as_ref().is_some_and(|blocks| blocks.to_string().contains("action_id"))
}

/// A message that was the question `shown`, and now says how it was answered.
#[track_caller]
fn closed(harness: &Harness, shown: &Message, words: &str) -> Message {
    let thread = shown.thread_ts.clone().unwrap();
    let closed = answer(harness, &thread, words);
    assert_eq!(closed.ts, shown.ts, "{closed:?}");
    assert!(!has_buttons(&closed), "{closed:?}");
    let blocks = closed.blocks.as_ref().unwrap().to_string();
    assert!(
        blocks.contains("push-to-cdn-staging of 4.19.1 will"),
        "who looks later sees the plan: {closed:?}"
    );
    closed
}

#[test]
fn a_critical_plan_is_approved_or_rejected_once() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);

    let (thread, shown) = ask(&harness, LEAD);
    let blocks = shown.blocks.as_ref().unwrap().to_string();
    assert!(blocks.contains("push") && blocks.contains("approve") && blocks.contains("reject"), "{blocks}");
    click(&harness, &shown, WRITER, "approve");
    answer(&harness, &thread, "may give critical commands");
    click(&harness, &shown, LEAD, "reject");
    let rejected = closed(&harness, &shown, "Rejected by <@U0000LEAD1>");
    assert!(!rejected.blocks.unwrap().to_string().contains("Approve this plan?"));
    assert!(!was_pushed(&harness));

    let (thread, shown) = ask(&harness, LEAD);
    say_in(&harness, &thread, WRITER, "cancel");
    answer(&harness, &thread, "the plan still waits");
    say_in(&harness, &thread, SECOND, "cancel");
    answer(&harness, &thread, "the plan that waited here is rejected; nothing was sent");
    closed(&harness, &shown, "Rejected by <@U0000LEAD2>");
    assert!(!was_pushed(&harness));

    let (_, same_plan) = ask(&harness, SECOND);
    let (thread, shown) = ask(&harness, LEAD);
    click(&harness, &shown, SECOND, "approve");
    // A second click comes before the first one has answered.
    let _ = try_click(&harness, &shown, LEAD, "approve");
    closed(&harness, &shown, "Approved by <@U0000LEAD2>; the result is in this thread");
    // One advisory is not ready for it yet; the other one is pushed.
    answer(&harness, &thread, "done: push to staging advisory 150001");
    closed(&harness, &same_plan, "Approved by <@U0000LEAD2> in another thread");
    settled(&harness);
    let answered: Vec<String> = answers(&harness, &thread).into_iter().map(|message| message.text).collect();
    let ended = answered.iter().filter(|text| text.starts_with("oar push-to-cdn-staging:")).count();
    assert_eq!(ended, 1, "{answered:#?}");
    let history = harness.run("oar", ["-r", KONFLUX, "history", "--output", "json"]).expect(0).stdout;
    assert!(history.contains(&format!("-{thread}\"")), "the message is the run's id: {history}");
    until("no plan is open", || memory(&harness)["questions"].as_array()?.is_empty().then_some(()));
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_click_on_buttons_that_stayed_is_answered_and_erases_nothing() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let (thread, shown) = ask(&harness, LEAD);
    change(&harness, "limits", &json!({"refuses_updates": "edit_window_closed"}));
    click(&harness, &shown, LEAD, "reject");
    let said = answer(&harness, &thread, "Rejected by <@U0000LEAD1>; nothing was sent.");
    assert_ne!(said.ts, shown.ts, "Slack let nobody edit the plan's message");
    until("no plan is open", || memory(&harness)["questions"].as_array()?.is_empty().then_some(()));
    change(&harness, "limits", &json!({"refuses_updates": ""}));
    for action in ["approve", "reject"] {
        click(&harness, &shown, SECOND, action);
    }
    let late = || {
        let late = answers(&harness, &thread).into_iter().filter(|it| it.text.contains("was settled before"));
        (late.count() == 2).then_some(())
    };
    until("both clicks have an answer", late);
    let now = answer(&harness, &thread, "Approve this plan?");
    assert_eq!((now.ts, now.blocks), (shown.ts, shown.blocks), "what stands there stays");
    assert!(!was_pushed(&harness));
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_a_kill_left_between_an_answer_and_its_message_is_closed_by_the_next_bot() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let (_, rejected) = ask(&harness, LEAD);
    let (_, approved) = ask(&harness, SECOND);
    let (_, open) = ask(&harness, LEAD);
    bot.killed();
    remember(&harness, |memory| {
        for (index, answer) in [(0, "reject"), (1, "approve")] {
            memory["questions"][index]["question"]["answered"] = json!(answer);
            memory["questions"][index]["answered_user"] = json!(SECOND);
        }
    });
    let bot = Bot::start(&harness);
    closed(&harness, &rejected, "Rejected by <@U0000LEAD2>; nothing was sent.");
    closed(&harness, &approved, "Approved by <@U0000LEAD2>.");
    until("only the third is open", || (memory(&harness)["questions"].as_array()?.len() == 1).then_some(()));
    assert!(has_buttons(&answer(&harness, &open.thread_ts.clone().unwrap(), "Approve this plan?")));
    assert!(!was_pushed(&harness), "an approval whose run a kill ended starts nothing by itself");
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_person_records_a_consent_in_a_conversation() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let command = format!("oar -r {KONFLUX} consent push-to-cdn-staging");
    let refused = say(&harness, WRITER, &command);
    answer(&harness, &refused, "may give critical commands");
    let thread = say(&harness, LEAD, &command);
    let shown = answer(&harness, &thread, "Consent to this plan of push-to-cdn-staging for 24 hours?");
    assert!(!shown.text.contains("undone"), "{}", shown.text);
    settled(&harness);
    let click = json!({"channel": CHANNEL, "ts": shown.ts, "user": SECOND, "action_id": "approve"});
    change(&harness, "click", &click);
    answer(&harness, &thread, "Approved by <@U0000LEAD2>");
    let done = answer(&harness, &thread, "oar consent: done");
    assert!(done.text.contains("is recorded: for one run with this plan"), "{}", done.text);
    settled(&harness);
    let history = harness.run("oar", ["-r", KONFLUX, "history", "--output", "json"]).expect(0).json();
    let consent = &history["consents"][0];
    assert_eq!(consent["consent"]["by"], "second-lead", "who consented counts: {history:#}");
    assert!(consent["standing"].as_str().unwrap().starts_with("valid until "), "{history:#}");
    assert!(harness.sandbox.world().errata.lock().advisory(150_001).unwrap().push_jobs.is_empty());
    let withdraw = say(&harness, LEAD, &format!("{command} --withdraw"));
    answer(&harness, &withdraw, "is withdrawn");
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_plan_that_has_changed_is_asked_anew_and_one_that_nobody_answers_expires() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} push-to-cdn-staging"));
    let shown = answer(&harness, &thread, "Approve this plan?");
    settled(&harness);
    // As if another plan had been shown.
    remember(&harness, |memory| memory["questions"][0]["question"]["plan"] = json!("0".repeat(64)));
    let click = json!({"channel": CHANNEL, "ts": shown.ts, "user": LEAD, "action_id": "approve"});
    change(&harness, "click", &click);
    closed(&harness, &shown, "The plan has changed");
    let anew = answer(&harness, &thread, "Approve this plan?");
    assert_ne!(anew.ts, shown.ts);
    until("only the new one is open", || {
        let questions = memory(&harness)["questions"].clone();
        (questions.as_array()?.len() == 1 && questions[0]["message"] == json!(anew.ts)).then_some(())
    });
    settled(&harness);
    remember(&harness, |memory| memory["questions"][0]["question"]["asked"] = json!("2026-01-01T00:00:00Z"));
    closed(&harness, &anew, "Nobody answered within 24 hours");
    let history = harness.run("oar", ["-r", KONFLUX, "history"]).expect(0).stdout;
    assert!(!history.contains("push-to-cdn-staging"), "{history}");
    bot.stopped();
}

#[test]
fn a_plan_that_was_answered_elsewhere_loses_its_buttons() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let (thread, shown) = ask(&harness, LEAD);
    // A command that is refused at a terminal answers nothing.
    harness.oar(KONFLUX, &["push-to-cdn-staging"]).expect(6);
    // The bot reads one StateBox in each of its looks.
    let looks = || {
        let is_look = |line: &&str| line.contains("GET") && line.contains("4.19.1.yaml");
        harness.request_lines().lines().filter(is_look).count()
    };
    let before = looks();
    until("the bot has looked twice", || (looks() >= before + 2).then_some(()));
    assert!(has_buttons(&answer(&harness, &thread, "Approve this plan?")), "still open");
    let (_, same_plan) = ask(&harness, LEAD);
    assert!(answers(&harness, &thread).iter().all(|message| !message.text.contains("not asked about")));
    // A consent that is recorded in Slack is no run.
    let recorded = say(&harness, LEAD, &format!("oar -r {KONFLUX} consent push-to-cdn-staging"));
    let question = answer(&harness, &recorded, "Consent to this plan");
    settled(&harness);
    let click = json!({"channel": CHANNEL, "ts": question.ts, "user": LEAD, "action_id": "approve"});
    change(&harness, "click", &click);
    answer(&harness, &recorded, "oar consent: done");
    for shown in [&shown, &same_plan] {
        let closed = closed(&harness, shown, "so this plan is not asked about any more");
        assert!(closed.text.contains("recorded their consent to this plan at 2"), "{}", closed.text);
        assert!(!closed.text.contains("ran"), "{}", closed.text);
    }
    harness.oar(KONFLUX, &["consent", "push-to-cdn-staging", "--withdraw"]).expect(0);
    let (_, shown) = ask(&harness, LEAD);
    harness.oar(KONFLUX, &["push-to-cdn-staging", "--yes"]).expect(6);
    let closed = closed(&harness, &shown, "so this plan is not asked about any more");
    assert!(
        closed.text.contains("ran push-to-cdn-staging at 2") && closed.text.contains("ended as Fail"),
        "{}",
        closed.text
    );
    until("no plan is open", || memory(&harness)["questions"].as_array()?.is_empty().then_some(()));
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

/// Slack answers posts of the bot only after this long.
fn slow_posts(harness: &Harness, ms: u64) {
    let slow = Fault::on("slack", FaultKind::Slow { ms }).path("*chat.postMessage").forever();
    harness.sandbox.faults().add(slow);
}

#[test]
fn a_command_that_is_cancelled_while_its_plan_is_shown_asks_nothing() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    slow_posts(&harness, 1500);
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} push-to-cdn-staging"));
    until("the plan is about to be shown", || memory(&harness)["questions"][0].is_object().then_some(()));
    say_in(&harness, &thread, LEAD, "cancel");
    answer(&harness, &thread, "oar push-to-cdn-staging: cancelled");
    until("no plan is open", || memory(&harness)["questions"].as_array()?.is_empty().then_some(()));
    settled(&harness);
    for shown in answers(&harness, &thread).iter().filter(|message| has_buttons(message)) {
        let _ = try_click(&harness, shown, LEAD, "approve");
        answer(&harness, &thread, "was settled before");
    }
    assert!(!was_pushed(&harness));
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn what_was_cancelled_while_no_bot_worked_is_not_run() {
    let harness = on_staging();
    let thread = say(&harness, WRITER, WAITS);
    say_in(&harness, &thread, WRITER, "cancel");
    let bot = Bot::start(&harness);
    answer(&harness, &thread, "`cancel` was written after this before it came here, so it was not run");
    let history = harness.run("oar", ["-r", KONFLUX, "history"]).expect(0).stdout;
    assert!(!history.contains("image-consistency-check"), "{history}");
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn buttons_that_slack_did_not_let_go_at_once_go_later() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let (thread, shown) = ask(&harness, LEAD);
    let out = FaultKind::Status { code: 500, body: None, headers: Vec::new() };
    harness.sandbox.faults().add(Fault::on("slack", out).path("*chat.update").forever());
    click(&harness, &shown, SECOND, "approve");
    answer(&harness, &thread, "done: push to staging advisory 150001");
    settled(&harness);
    assert!(has_buttons(&answer(&harness, &thread, "Approve this plan?")));
    harness.sandbox.faults().clear();
    closed(&harness, &shown, "Approved by <@U0000LEAD2>");
    until("no plan is open", || memory(&harness)["questions"].as_array()?.is_empty().then_some(()));
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_plan_whose_place_was_not_written_down_any_more_loses_its_buttons() {
    for way in ["a click", "nobody", "cancel"] {
        let harness = with_permissions();
        let bot = Bot::start(&harness);
        let (thread, shown) = ask(&harness, LEAD);
        bot.killed();
        remember(&harness, |memory| {
            memory["questions"][0]["message"] = Value::Null;
            if way == "nobody" {
                memory["questions"][0]["question"]["asked"] = json!("2026-01-01T00:00:00Z");
            }
        });
        let bot = Bot::start(&harness);
        match way {
            "a click" => click(&harness, &shown, SECOND, "reject"),
            "cancel" => drop(say_in(&harness, &thread, SECOND, "cancel")),
            _ => {}
        }
        let words = if way == "nobody" { "Nobody answered" } else { "Rejected by <@U0000LEAD2>" };
        closed(&harness, &shown, words);
        until("no plan is open", || memory(&harness)["questions"].as_array()?.is_empty().then_some(()));
        bot.stopped();
    }
}

#[test]
fn a_command_that_comes_after_its_cancel_is_not_run() {
    let harness = with_permissions();
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} issue add 'cancelled in time' --no-blocker"));
    // What was written while no bot worked comes late.
    let late = FaultKind::Slow { ms: 5000 };
    harness.sandbox.faults().add(Fault::on("slack", late).path("*conversations.history").times(1));
    let bot = Bot::start(&harness);
    say_in(&harness, &thread, OTHER, "cancel");
    say_in(&harness, &thread, LEAD, "cancel");
    answer(&harness, &thread, "`cancel` was written after this before it came here, so it was not run");
    let issues = harness.run("oar", ["-r", KONFLUX, "issue", "list"]).expect(0).stdout;
    assert!(!issues.contains("cancelled in time"), "{issues}");
    bot.stopped();
    harness.sandbox.assert_no_unexpected();
}

#[test]
fn a_command_does_not_wait_for_the_sign_that_it_was_seen() {
    let harness = with_permissions();
    let bot = Bot::start(&harness);
    let slow = Fault::on("slack", FaultKind::Slow { ms: 15_000 }).path("*reactions.add").forever();
    harness.sandbox.faults().add(slow);
    let thread = say(&harness, LEAD, &format!("oar -r {KONFLUX} status"));
    answer(&harness, &thread, "oar status: done");
    let requests = harness.sandbox.requests();
    let sign = requests.iter().find(|request| request.path.ends_with("reactions.add")).unwrap();
    assert!(!sign.acted, "{sign:?}");
    bot.stopped();
}
