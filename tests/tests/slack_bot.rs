//! What the Slack bot's parts do at the sandbox's Slack: memberships, answers, files.

#![expect(clippy::unwrap_used, reason = "tests say what they expect by failing")]

use std::io::Write as _;
use std::pin::Pin;
use std::time::Duration;

use end_to_end::{Harness, KONFLUX, slack_bot};
use jiff::{Timestamp, ToSpan};
use oar_core::agents::bot::{IncomingMessage, Membership, MessageKey, Reply};
use oar_core::clients::slack::{Block, Button, ButtonStyle, Edit, Post, Posted, SlackClient, UserId};
use oar_core::clock::Clock;
use oar_core::flow::interrupt::Interrupt;
use oar_core::http::{Http, HttpSettings};
use oar_core::operations::slack_bot::{
    CommandLines, CommandThread, Groups, Order, ReadCommand, SlackBot, Unusable,
};
use oar_core::operations::{Program, Row, row};
use oar_core::permit::WritePermit;
use oar_core::redact::Redactor;
use sandbox::services::slack::state::Message;
use sandbox::{Fault, FaultKind, Options, Sandbox, credentials};
use serde_json::{Value, json};

const CHANNEL: &str = "qe-demo";
const LEAD: &str = "U0000LEAD1";

fn start() -> (Sandbox, SlackClient, WritePermit) {
    let sandbox = Sandbox::start(&Options::default()).unwrap();
    let http = Http::new(HttpSettings::default(), Clock::system(), Redactor::default()).unwrap();
    let base = format!("{}/slack/api", sandbox.base_url()).parse().unwrap();
    let slack = SlackClient::new(http, base, Some(credentials::SLACK_BOT_TOKEN.to_owned().into()));
    (sandbox, slack, WritePermit::granted_by_user_interface())
}

fn change(sandbox: &Sandbox, operation: &str, body: &Value) -> Value {
    let now = sandbox.clock().now();
    sandbox.world().with_service("slack", |slack| slack.change(operation, body, now)).unwrap().unwrap()
}

/// A command that somebody wrote in a thread.
fn command(sandbox: &Sandbox) -> IncomingMessage {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let first = change(sandbox, "message", &json!({"channel": CHANNEL, "text": "a release", "user": LEAD}));
    let body = json!({"channel": CHANNEL, "text": "oar status", "user": LEAD, "thread_ts": first["ts"]});
    let said = change(sandbox, "message", &body);
    IncomingMessage {
        key: MessageKey { channel: text(&said["channel"]), ts: text(&said["ts"]) },
        user: UserId(LEAD.into()),
        text: "oar status".into(),
        thread: Some(text(&first["ts"])),
        client_id: None,
    }
}

fn answers(sandbox: &Sandbox) -> Vec<Message> {
    let messages = sandbox.world().slack.lock().messages_in(CHANNEL);
    messages.into_iter().filter(|message| message.bot_id.is_some()).collect()
}

#[tokio::test]
async fn a_channel_that_is_renamed_has_its_new_name_after_minutes() {
    let (sandbox, slack, _) = start();
    let groups = Groups::new(slack);
    let said = change(&sandbox, "message", &json!({"channel": CHANNEL, "text": "hello", "user": LEAD}));
    let id = said["channel"].as_str().unwrap();
    let now = Timestamp::now();
    let rename = |name: &str| {
        let mut slack = sandbox.world().slack.lock();
        slack.channels.iter_mut().find(|channel| channel.id == id).unwrap().name = name.to_owned();
    };
    rename("renamed");
    assert_eq!(groups.channel_name(id, now).await.unwrap(), "renamed");
    rename(CHANNEL);
    assert_eq!(groups.channel_name(id, now + 2.minutes()).await.unwrap(), "renamed");
    assert_eq!(groups.channel_name(id, now + 3.minutes()).await.unwrap(), CHANNEL);
    let refused = FaultKind::Status { code: 403, body: None, headers: vec![] };
    sandbox.faults().add(Fault::on("slack", refused).path("/conversations.info"));
    assert!(groups.channel_name(id, now + 10.minutes()).await.is_err());
}

#[tokio::test]
async fn a_membership_is_looked_up_kept_for_minutes_and_never_guessed() {
    let (sandbox, slack, _) = start();
    let groups = Groups::new(slack);
    let of = async |user: &str, handle: &str, now: Timestamp| {
        groups.memberships(&UserId(user.into()), &[handle], now).await.remove(handle).unwrap()
    };
    let now = Timestamp::now();
    assert_eq!(of(LEAD, "demo-leads-4-19", now).await, Membership::Member);
    assert_eq!(of("U0000OTHER", "demo-leads-4-19", now).await, Membership::NotMember);
    change(&sandbox, "group", &json!({"handle": "demo-leads-4-19", "users": ["U0000OTHER"]}));
    assert_eq!(of(LEAD, "demo-leads-4-19", now + 1.minute()).await, Membership::Member);
    assert_eq!(of(LEAD, "demo-leads-4-19", now + 4.minutes()).await, Membership::NotMember);
    assert_eq!(of("U0000OTHER", "demo-leads-4-19", now + 4.minutes()).await, Membership::Member);
    for handle in ["nobody-knows", "old-leads-demo"] {
        assert!(matches!(of(LEAD, handle, now).await, Membership::Unknown(_)), "{handle}");
    }
    let refused = FaultKind::Status { code: 403, body: None, headers: vec![] };
    sandbox.faults().add(Fault::on("slack", refused).path("/usergroups.users.list"));
    assert!(matches!(of(LEAD, "openshift-qe-demo", now).await, Membership::Unknown(_)));
    assert_eq!(of(LEAD, "openshift-qe-demo", now).await, Membership::NotMember, "not kept");
}

#[tokio::test]
async fn answers_stand_in_the_thread_of_the_first_message_once() {
    let (sandbox, slack, permit) = start();
    let command = command(&sandbox);
    let thread =
        CommandThread { slack: &slack, command: &command, since: sandbox.clock().now() - 1.minute() };
    sandbox.faults().add(Fault::on("slack", FaultKind::DropAfter).path("/chat.postMessage"));
    thread.answer(&Reply::new("oar status: done", "all & well"), &permit).await.unwrap();
    let answers = answers(&sandbox);
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].thread_ts, command.thread);
    assert_eq!(answers[0].text, "oar status: done\n```\nall &amp; well\n```");
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn long_output_is_a_file_and_messages_where_slack_takes_none() {
    let (sandbox, slack, permit) = start();
    let command = command(&sandbox);
    let thread =
        CommandThread { slack: &slack, command: &command, since: sandbox.clock().now() - 1.minute() };
    let output = "one more line\n".repeat(600);
    let reply = Reply::new("oar status: done", &output);
    thread.answer(&reply, &permit).await.unwrap();
    {
        let slack = sandbox.world().slack.lock();
        let (_, file) = slack.files.first().unwrap();
        assert_eq!((file.content.as_deref(), &file.thread_ts), (Some(output.as_str()), &command.thread));
    }
    assert_eq!(answers(&sandbox).len(), 1, "the comment of the file");
    change(&sandbox, "limits", &json!({"refuses_files": "file_uploads_disabled"}));
    thread.answer(&reply, &permit).await.unwrap();
    let messages = answers(&sandbox);
    let lines: usize =
        messages[1..].iter().map(|message| message.text.matches("one more line").count()).sum();
    assert_eq!((messages.len(), lines), (5, 600), "the headline, and three pages");
    sandbox.assert_no_unexpected();
}

#[tokio::test]
async fn a_message_is_edited_and_what_slack_refuses_is_said() {
    let (sandbox, slack, permit) = start();
    let command = command(&sandbox);
    let button = Button {
        action: "approve".into(),
        label: "Approve".into(),
        value: "question-1".into(),
        style: ButtonStyle::Primary,
    };
    let post = Post {
        channel: command.key.channel.clone(),
        text: "a plan".into(),
        blocks: vec![Block::Section("a plan".into()), Block::Buttons(vec![button])],
        thread: command.thread.clone(),
        broadcast: false,
        key: None,
    };
    let posted = slack.post(&post, &permit).await.unwrap();
    let click = json!({"channel": posted.channel, "ts": posted.ts, "user": LEAD, "action_id": "approve"});
    assert_eq!(change(&sandbox, "click", &click), json!({"delivered": false}), "it has its button");
    assert_eq!(slack.edit(&posted, "approved", &[], &permit).await.unwrap(), Edit::Done);
    let shown = answers(&sandbox).pop().unwrap();
    assert_eq!((shown.text.as_str(), shown.blocks), ("approved", Some(json!([]))), "the buttons are gone");
    let long = "x".repeat(4001);
    assert_eq!(slack.edit(&posted, &long, &[], &permit).await.unwrap(), Edit::Refused("msg_too_long".into()));
    let theirs = Posted { channel: command.key.channel.clone(), ts: command.key.ts.clone() };
    let refused = slack.edit(&theirs, "x", &[], &permit).await.unwrap();
    assert_eq!(refused, Edit::Refused("cant_update_message".into()));
    for _ in 0..2 {
        slack.react(&theirs, "eyes", &permit).await.unwrap();
    }
    assert_eq!(sandbox.world().slack.lock().reactions.len(), 1);
    assert_eq!(slack.own_account().await.unwrap(), Some(UserId("U0000BOT01".into())));
    let address = slack.address_of(&UserId(LEAD.into())).await.unwrap().unwrap();
    assert_eq!(address.expose(), "demo-lead@example.com");
}

/// A command that tells something new each second, for a minute.
#[derive(Debug, Clone)]
struct Talkative(Clock);

impl CommandLines for Talkative {
    fn read(&self, _program: &str, _arguments: &[String]) -> Result<Box<dyn ReadCommand>, Unusable> {
        Ok(Box::new(self.clone()))
    }

    fn offers(&self, _row: &Row) -> bool {
        true
    }
}

impl ReadCommand for Talkative {
    fn row(&self) -> &'static Row {
        row(Program::Oar, "status").unwrap()
    }

    fn run(self: Box<Self>, order: Order) -> Pin<Box<dyn Future<Output = u8>>> {
        Box::pin(async move {
            for step in 0..60 {
                writeln!(order.output.notes(), "step {step}").unwrap();
                self.0.sleep(Duration::from_secs(1)).await;
            }
            0
        })
    }
}

#[tokio::test]
async fn the_progress_of_many_commands_is_edited_no_more_often_than_slack_lets_an_app() {
    const COMMANDS: usize = 16;
    let harness = slack_bot::with_permissions(Harness::announced(KONFLUX));
    for _ in 0..COMMANDS {
        let body = json!({"channel": CHANNEL, "text": "oar -r 4.19.1 status", "user": LEAD});
        slack_bot::change(&harness, "message", &body);
    }
    let clock = slack_bot::racing_clock(20);
    let clients = slack_bot::clients(&harness, clock.clone());
    let lines = Box::new(Talkative(clock.clone()));
    let mut bot = SlackBot::new(&clients, lines, WritePermit::granted_by_user_interface()).await.unwrap();
    let (_stop, interrupt) = Interrupt::channel();
    let (begun, mut looks) = (clock.now(), 0);
    let said = |words: &str| {
        let messages = harness.sandbox.world().slack.lock().messages_in(CHANNEL);
        messages.iter().filter(|message| message.bot_id.is_some() && message.text.contains(words)).count()
    };
    while said("`oar status` has ended.") < COMMANDS {
        bot.serve(Duration::from_secs(5), &interrupt).await.unwrap();
        looks += 1;
        assert!(looks < 400, "{} were answered", said(": done"));
    }
    let passed = clock.now().duration_since(begun).as_secs_f64();
    let edits = harness.sandbox.requests().iter().filter(|request| request.path == "/chat.update").count();
    let (fewest, most) = (2 * COMMANDS, passed / 1.5 + 1.0);
    assert!(f64::from(u32::try_from(edits).unwrap()) <= most, "{edits} edits in {passed} s");
    assert!(edits >= fewest, "progress is shown: {edits} edits in {passed} s");
    assert_eq!((said(": done"), said("is running")), (COMMANDS, 0));
    bot.stand_by().await;
}
