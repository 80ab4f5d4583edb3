//! The bot's own words. What a command says is its program's.

use crate::agents::bot::{Access, Level, PlanAnswer};
use crate::clients::slack::{UserId, escape};
use crate::flow::consent::{Allows, Question};
use crate::flow::outcome::Verdict;
use crate::operations::{Effect, Row};

/// What stands at a question whose plan is another one by now.
pub(super) const CHANGED: &str = "The plan has changed since it was shown here; the new one is below.";

/// What stands at a question whose command runs in its thread.
pub(super) fn approved_here(by: &UserId) -> String {
    format!("Approved by {}; the result is in this thread.", mention(by))
}

/// What stands at a question whose command was cancelled.
pub(super) const CANCELLED: &str = "The command was cancelled; nothing was sent.";

/// Why somebody may not do something, in Slack's markup; empty when they may.
pub(super) fn refused(access: &Access, level: Level) -> String {
    match access {
        Access::Allowed => String::new(),
        Access::Refused { groups } if groups.is_empty() => {
            format!("nobody may {level} in this channel; nothing was run")
        }
        Access::Refused { groups } => {
            let groups: Vec<String> = groups.iter().map(|group| format!("`@{group}`")).collect();
            format!("only members of {} may {level} in this channel; nothing was run", groups.join(", "))
        }
        Access::Unknown(_) => {
            "whether you may do that could not be looked up, so nothing was run; write it again in a few minutes"
                .to_owned()
        }
    }
}

/// The answer to `help` of somebody who may do nothing, and who can change that.
pub(super) fn nothing_allowed(access: &Access) -> String {
    let why = match access {
        Access::Allowed => return "this bot has no command that you may give".to_owned(),
        Access::Unknown(_) => {
            return "what you may do here could not be looked up; write it again in a few minutes".to_owned();
        }
        Access::Refused { groups } if groups.is_empty() => {
            "Nobody may give commands in this channel.".to_owned()
        }
        Access::Refused { groups } => {
            let groups: Vec<String> = groups.iter().map(|group| format!("`@{group}`")).collect();
            format!(
                "You may give no commands here: only members of {} may read in this channel.",
                groups.join(", ")
            )
        }
    };
    format!(
        "{why} Who may is set under `slack_bot.permissions` in the configuration document: ask whoever maintains it, or the \
         managers of a user group to take you in."
    )
}

/// What somebody may do here, in plain text: a line for each effect, so that it stays one message.
pub(super) fn help(rows: &[&Row]) -> String {
    let lines = [
        (Effect::Reads, "read"),
        (Effect::Writes, "write"),
        (Effect::Critical, "critical (asks for approval)"),
    ];
    let line = |(effect, label): (Effect, &str)| {
        let names = rows.iter().filter(|row| row.about.effect == effect).map(|row| name(row));
        let names: Vec<String> = names.collect();
        (!names.is_empty()).then(|| format!("{label}: {}", names.join(", ")))
    };
    lines.into_iter().filter_map(line).collect::<Vec<_>>().join("\n")
}

/// `oar stage-testing`.
pub(super) fn name(row: &Row) -> String {
    format!("{} {}", row.about.program.name(), row.about.command)
}

/// A plan in plain text: everything that its hash covers.
pub fn plan(question: Question<'_>) -> String {
    let Question { command, release, plan, .. } = question;
    let mut lines = Vec::new();
    for check in &plan.checks {
        let mark = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Blocked => "blocked",
            Verdict::Unknown => "unknown",
        };
        lines.push(format!("  {mark:<8} {}", check.text));
        lines.extend(check.next.iter().map(|next| format!("{:11}next: {next}", "")));
    }
    lines.push(format!("{command} of {release} will:"));
    for (index, step) in plan.steps.iter().enumerate() {
        lines.push(format!("{:>3}. {step}", index + 1));
        lines.extend(step.with.iter().map(|detail| format!("{:5}with {detail}", "")));
    }
    lines.extend(plan.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

/// What is asked below a plan, in Slack's markup; `command` is the whole command that asks.
pub(super) fn ask(question: Question<'_>, command: &str) -> String {
    let ask = match question.allows {
        Allows::Changes => format!("`{}` cannot be undone. Approve this plan?", escape(command)),
        Allows::ChangedData | Allows::OneRun => escape(&question.text()),
    };
    format!("{ask} It can be answered for 24 hours.")
}

/// What stands at a question that somebody answered; nobody did when its command was cancelled.
pub(super) fn answered(answer: PlanAnswer, by: &str) -> String {
    match answer {
        PlanAnswer::Approve => format!("Approved by <@{by}>."),
        PlanAnswer::Reject if by.is_empty() => CANCELLED.to_owned(),
        PlanAnswer::Reject => format!("Rejected by <@{by}>; nothing was sent."),
    }
}

/// The reply to a click on a question that somebody answered before.
pub(super) fn answered_before(answer: PlanAnswer) -> &'static str {
    match answer {
        PlanAnswer::Approve => "this plan was approved before",
        PlanAnswer::Reject => "this plan was rejected before; nothing was sent",
    }
}

/// A person in Slack's markup. A mention notifies them, and it is their own click or command.
pub(super) fn mention(user: &UserId) -> String {
    format!("<@{}>", user.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::outcome::{Check, PlanSummary, Step};
    use crate::statebox::TaskName;

    #[test]
    fn a_refusal_names_the_groups_that_may() {
        let access = Access::Refused { groups: vec!["leads".into(), "qe".into()] };
        let text = "only members of `@leads`, `@qe` may write in this channel; nothing was run";
        assert_eq!(refused(&access, Level::Write), text);
        let nobody = refused(&Access::Refused { groups: vec![] }, Level::Read);
        assert_eq!(nobody, "nobody may read in this channel; nothing was run");
    }

    #[test]
    fn help_for_nothing_says_who_can_change_that() {
        let nobody = nothing_allowed(&Access::Refused { groups: vec![] });
        assert!(nobody.starts_with("Nobody may give commands in this channel."), "{nobody}");
        let others = nothing_allowed(&Access::Refused { groups: vec!["leads".into()] });
        assert!(others.contains("only members of `@leads` may read in this channel"), "{others}");
        for text in [nobody, others] {
            assert!(text.contains("`slack_bot.permissions`"), "{text}");
        }
        let unknown = nothing_allowed(&Access::Unknown("rate limited".into()));
        assert!(!unknown.contains("permissions") && unknown.contains("in a few minutes"), "{unknown}");
    }

    #[test]
    fn a_plan_shows_checks_steps_and_notes() {
        let plan = PlanSummary {
            checks: vec![Check::ok("no blocker is open")],
            steps: vec![Step::new("push", "advisory 150001").to("cdn_stage")],
            notes: vec!["advisory 150003 is dropped".to_owned()],
            later: Vec::new(),
        };
        let release = "4.19.1".parse().unwrap();
        let (command, task) = ("push-to-cdn-staging", TaskName::PushToCdnStaging);
        let question = Question { command, task, release: &release, plan: &plan, allows: Allows::Changes };
        let text = super::plan(question);
        assert_eq!(
            text,
            "  ok       no blocker is open\npush-to-cdn-staging of 4.19.1 will:\n  1. push advisory 150001: cdn_stage\n\
             note: advisory 150003 is dropped"
        );
        let whole = "oar -r 4.19.1 push-to-cdn-staging";
        assert_eq!(
            ask(question, whole),
            "`oar -r 4.19.1 push-to-cdn-staging` cannot be undone. Approve this plan? It can be answered for 24 hours."
        );
        let later = Question { allows: Allows::OneRun, ..question };
        assert_eq!(
            ask(later, whole),
            "Consent to this plan of push-to-cdn-staging for 24 hours? It can be answered for 24 hours."
        );
    }
}
