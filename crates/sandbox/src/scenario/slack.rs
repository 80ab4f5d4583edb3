//! Slack at the start of the two releases: the channels and groups that the example configuration names.

use crate::{
    credentials,
    scenario::PEOPLE,
    services::slack::state::{Token, User},
    world::World,
};

/// Channels that the bot is in.
const CHANNELS: [&str; 5] =
    ["team-qe-release-demo", "forum-ocp-release-demo", "forum-approvals-demo", "forum-qe-demo", "qe-demo"];

/// Groups of the release leads, one for each y-stream.
const LEADS: [&str; 12] =
    ["4-12", "4-13", "4-14", "4-15", "4-16", "4-17", "4-18", "4-19", "4-20", "4-21", "4-22", "5-0"];

/// Other groups.
const GROUPS: [&str; 4] = ["art-team-demo", "docs-team-demo", "qe-forum-demo", "openshift-qe-demo"];

/// Approvers who have an account in Slack only.
const APPROVERS: [(&str, &str); 2] = [("first-approver", "U0000APPR1"), ("second-approver", "U0000APPR2")];

/// Fills the service.
pub fn load(world: &World) {
    let mut slack = world.slack.lock();
    let token = |scopes: &[&str]| Token {
        user: "U0000BOT01".to_owned(),
        bot: "B0000BOT01".to_owned(),
        scopes: scopes.iter().map(|scope| (*scope).to_owned()).collect(),
    };
    let all = [
        "chat:write",
        "users:read",
        "users:read.email",
        "usergroups:read",
        "channels:read",
        "channels:history",
        "app_mentions:read",
        "files:write",
        "reactions:write",
    ];
    let opens = vec!["connections:write".to_owned()];
    slack.sockets.app_tokens.insert(credentials::SLACK_APP_TOKEN.to_owned(), opens);
    slack.tokens.insert(credentials::SLACK_BOT_TOKEN.to_owned(), token(&all));
    slack.tokens.insert(credentials::SLACK_BOT_TOKEN_NARROW.to_owned(), token(&["chat:write", "users:read"]));
    for name in CHANNELS {
        slack.add_channel(name);
    }
    slack.add_channel("closed-demo").is_archived = true;
    slack.add_channel("uninvited-demo").is_member = false;
    for person in PEOPLE {
        slack.users.push(User {
            id: person.slack_id.to_owned(),
            name: person.login.to_owned(),
            real_name: person.name.to_owned(),
            email: person.email.to_owned(),
            deleted: !person.active,
        });
    }
    for (login, id) in APPROVERS {
        slack.users.push(User {
            id: id.to_owned(),
            name: login.to_owned(),
            real_name: login.to_owned(),
            email: format!("{login}@example.com"),
            deleted: false,
        });
    }
    let [first, second, ..] = PEOPLE;
    for stream in LEADS {
        slack.add_group(&format!("demo-leads-{stream}"), &[first.slack_id, second.slack_id]);
    }
    for handle in GROUPS {
        slack.add_group(handle, &[]);
    }
    slack.add_group("old-leads-demo", &[]).disabled = true;
}
