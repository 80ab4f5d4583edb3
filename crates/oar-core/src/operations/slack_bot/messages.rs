//! What the bot does with one message: whether it is for it and new, what it asks for, and who may.

use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::SignedDuration;

use super::desk::{Desk, Earlier, place_of};
use super::line::Place as PlaceInLine;
use super::order::{ReadCommand, Unusable};
use super::{allowed_operations, can_be_meant, words};
use crate::agents::bot::{
    Access, Heard, IncomingMessage, Level, Memory, Reply, RunningCommand, Words, is_addressed, listen,
};
use crate::clients::slack::{UserId, escape};
use crate::error::{Classified as _, ErrorClass};

/// What is said when it is not known whether a command was taken.
const NOT_RECORDED: &str =
    "the bot cannot write down that it runs this, so nothing was run; write it again in a few minutes";
/// What is said when it is not known whether a command ran before.
const NOT_KNOWN: &str = "the bot could not find out whether it has run this before, so it did not run it now; `oar history` shows what was done \
     with a release: write the command again if it is missing there";
/// What is said of a command that nobody ran in time: whoever wrote it may have gone on without it.
const TOO_LATE: &str = "this was written more than 15 minutes before a bot came to it, so it was not run; write it again if it is still \
     wanted";
/// How old a command may be that is run when the bot comes back: longer than Slack delivers again.
const RUN_WITHIN: SignedDuration = SignedDuration::from_mins(15);
/// What is said of a command that comes after its `cancel`.
const CANCELLED_BEFORE: &str = "`cancel` was written after this before it came here, so it was not run";
/// How many `cancel` are remembered.
const MOST_CANCELS: usize = 1000;
/// What is said when too many commands wait in one thread.
const TOO_MANY: &str =
    "too many commands of this thread wait, so this one was not run; write it again when some have ended";

/// What a message comes to.
enum Decision {
    Say(Reply),
    Run(Box<dyn ReadCommand>, Level, CommandWords),
}

/// Whether a message was handled before.
enum Standing {
    /// Nobody has handled it.
    New,
    /// Somebody has, or the bot ends and somebody will.
    Settled,
    /// It could not be found out.
    Unknown,
}

/// A command line with the addresses in it.
pub(super) struct CommandWords {
    pub(super) program: String,
    pub(super) arguments: Vec<String>,
}

impl Desk {
    /// Handles a message, whichever of its forms came and however often. `again`: it was delivered or written before, perhaps to
    /// another instance.
    pub(super) async fn hear(self: Rc<Self>, message: IncomingMessage, again: bool) {
        if self.addressee.bot.as_ref() == Some(&message.user) {
            return;
        }
        let heard = listen(&message.text, &self.addressee);
        let is_addressed = is_addressed(&message.text, &self.addressee);
        let channel = &message.key.channel;
        let is_sentence = matches!(&heard, Heard::Command(words) if !is_addressed && !can_be_meant(words));
        if heard == Heard::Nothing || is_sentence {
            return;
        }
        if !self.heard.borrow_mut().is_new(&message) {
            return;
        }
        // In the order in which they come, before anything is waited for.
        let place = match heard {
            Heard::Command(_) => self.line.enter(channel, message.reply_thread(), &message.key.ts).ok_or(()),
            _ => Err(()),
        };
        // `job` begins sentences as well, and `cancel` is said to people.
        if !is_addressed && !self.works_in(channel).await {
            return;
        }
        if heard == Heard::Cancel {
            self.remember_cancel(&message);
        }
        match self.standing(&message, &heard, again).await {
            Standing::New => {}
            Standing::Settled => return,
            Standing::Unknown => {
                // The commands that follow in its thread need not wait until this is said.
                drop(place);
                let text = format!("{}: whether it ran before is not known, so it was not run", message.key);
                self.failed(&text, ErrorClass::Unavailable);
                return self.say_not_taken(&message, NOT_KNOWN).await;
            }
        }
        let is_late = self.may_be_known(&message, again) && self.is_late(&message);
        if heard == Heard::Cancel {
            let cancelled = self.cancel(&message).await;
            // What is said to people is not answered, and neither is what nobody waits for any more.
            if !cancelled.is_nothing() || (is_addressed && !is_late) {
                self.taken.update(|count| count + 1);
                self.finish_cancel(&message, cancelled).await;
                self.tools.notebook.answered(&message);
            }
            return;
        }
        if is_late && matches!(heard, Heard::Command(_)) {
            drop(place);
            return self.say_not_taken(&message, TOO_LATE).await;
        }
        if let (Heard::Command(_), Err(())) = (&heard, &place) {
            return self.say_not_taken(&message, TOO_MANY).await;
        }
        match self.decide(&message, heard).await {
            Decision::Run(command, level, words) => {
                let Ok(place) = place else { return };
                if self.is_cancelled(&message, level).await {
                    drop(place);
                    return self.say_not_taken(&message, CANCELLED_BEFORE).await;
                }
                self.take(message, command, level, words, place).await;
            }
            Decision::Say(reply) => {
                drop(place);
                self.taken.update(|count| count + 1);
                self.say(&message, &reply).await;
                self.tools.notebook.answered(&message);
            }
        }
    }

    /// A command that was written before this and comes later is not run.
    fn remember_cancel(&self, message: &IncomingMessage) {
        let mut cancels = self.cancels.borrow_mut();
        if cancels.len() >= MOST_CANCELS {
            cancels.pop_front();
        }
        cancels.push_back(message.clone());
    }

    /// Whether somebody who may has written `cancel` after this command, before it came here.
    async fn is_cancelled(&self, message: &IncomingMessage, level: Level) -> bool {
        let thread = message.reply_thread();
        let is_for_it = |cancel: &&IncomingMessage| {
            let is_here = cancel.key.channel == message.key.channel && cancel.reply_thread() == thread;
            is_here && cancel.key.ts > message.key.ts
        };
        let cancels: Vec<UserId> =
            self.cancels.borrow().iter().filter(is_for_it).map(|cancel| cancel.user.clone()).collect();
        for user in cancels {
            if self.access(&user, &message.key.channel, level).await.is_allowed() {
                return true;
            }
        }
        false
    }

    /// Whether it is too late to run what a message says. One without a time is as old as its delivery.
    fn is_late(&self, message: &IncomingMessage) -> bool {
        message.written().is_some_and(|written| self.tools.now().duration_since(written) > RUN_WITHIN)
    }

    /// Whether the message was handled before. What was just written to this bot is new, unless it is a command: that one waits until
    /// the file of those that ran can be read.
    async fn standing(&self, message: &IncomingMessage, heard: &Heard, again: bool) -> Standing {
        let is_command = matches!(heard, Heard::Command(_));
        let may_be_known = self.may_be_known(message, again);
        if !is_command && !may_be_known {
            return Standing::New;
        }
        let file = match self.earlier().await {
            Earlier::Known(earlier) if earlier.contains(message) => return Standing::Settled,
            Earlier::Stopped => return Standing::Settled,
            Earlier::Unknown if is_command => Standing::Unknown,
            // What is no command does no harm when it is said twice.
            Earlier::Known(_) | Earlier::Unknown => Standing::New,
        };
        if !may_be_known {
            return file;
        }
        // One that was refused is in no file, and may have been written again since.
        match self.has_answer(message).await {
            Ok(true) => Standing::Settled,
            Ok(false) => file,
            Err(error) => {
                tracing::warn!("{}: whether it has an answer is not known: {error}", message.key);
                let may_be_known_later = error.class() == ErrorClass::Unavailable;
                // What Slack never says must not keep anybody from anything.
                if is_command && may_be_known_later { Standing::Unknown } else { file }
            }
        }
    }

    /// Takes a command, so that nobody else does, and runs it when its turn comes.
    async fn take(
        &self,
        message: IncomingMessage,
        command: Box<dyn ReadCommand>,
        level: Level,
        words: CommandWords,
        place: PlaceInLine<'_>,
    ) {
        let run = RunningCommand {
            command: message.key.clone(),
            thread: message.reply_thread().to_owned(),
            words: self.shown(&words),
            instance: self.instance(),
            since: self.tools.now(),
        };
        // From now on it can be cancelled.
        let interrupt = self.begin_run(&message, level);
        let (attempt, now) = (super::desk::new_instance(), self.tools.now());
        let taken = {
            let message = message.clone();
            let change = move |memory: &mut Memory| memory.take(&attempt, &message, Some(&run), now);
            self.tools.notebook.change("Slack bot: a command was taken", &self.tools.permit, change).await
        };
        match taken {
            Ok(true) => {
                self.taken.update(|count| count + 1);
                // The store may have been out for long.
                if self.is_late(&message) {
                    drop(self.end_run(&message.key));
                    drop(place);
                    self.say_not_taken(&message, TOO_LATE).await;
                    return self.record_end(&message.key).await;
                }
                self.run(message, command, words, None, interrupt, place).await;
            }
            Ok(false) => drop(self.end_run(&message.key)),
            Err(error) => {
                drop(self.end_run(&message.key));
                drop(place);
                self.failed(&format!("{}: {error}", message.key), error.class());
                self.say_not_taken(&message, NOT_RECORDED).await;
            }
        }
    }

    async fn decide(&self, message: &IncomingMessage, heard: Heard) -> Decision {
        let say = |text: String| Decision::Say(Reply::Message(text));
        match heard {
            Heard::Nothing | Heard::Cancel => say(String::new()),
            Heard::Unclear(why) => {
                say(escape(&format!("{why}. Mention the bot with `help` to see what you may do.")))
            }
            Heard::Help => Decision::Say(self.help(message).await),
            Heard::Command(words) => match self.command(message, &words).await {
                Ok((command, level, words)) => Decision::Run(command, level, words),
                Err(reply) => Decision::Say(reply),
            },
        }
    }

    async fn help(&self, message: &IncomingMessage) -> Reply {
        let channel = &message.key.channel;
        let name = self.channel_name(channel).await;
        let place = place_of(channel, &name);
        let groups = self.permissions.groups(place, Level::Read);
        let memberships = self.groups.memberships(&message.user, &groups, self.tools.now()).await;
        let rows = allowed_operations(&self.permissions, place, &memberships, |row| self.lines.offers(row));
        if rows.is_empty() {
            let access = self.access(&message.user, channel, Level::Read).await;
            return Reply::Message(words::nothing_allowed(&access));
        }
        let headline = "You may use these commands here; each has --help. `cancel` in its thread stops one.";
        Reply::new(headline, &words::help(&rows))
    }

    /// The command of these words, when this person may give it; otherwise the answer.
    async fn command(
        &self,
        message: &IncomingMessage,
        words: &Words,
    ) -> Result<(Box<dyn ReadCommand>, Level, CommandWords), Reply> {
        let channel = &message.key.channel;
        let may = async |level: Level| match self.access(&message.user, channel, level).await {
            Access::Allowed => Ok(()),
            access => Err(Reply::Message(words::refused(&access, level))),
        };
        // Who may do nothing here learns nothing either.
        may(Level::Read).await?;
        let mut addresses = BTreeMap::new();
        for user in words.people() {
            match self.tools.slack.address_of(user).await {
                Ok(Some(address)) => drop(addresses.insert(user.0.clone(), address.expose().to_owned())),
                Ok(None) => {}
                Err(error) => {
                    let text = format!(
                        "the people of the command could not be looked up, so nothing was run: {error}"
                    );
                    return Err(Reply::Message(escape(&self.tools.redactor.redact(&text))));
                }
            }
        }
        let arguments =
            words.arguments(&addresses).map_err(|error| Reply::Message(escape(&error.to_string())))?;
        let program = words.program().to_owned();
        // What a program says of a line repeats its words, in which addresses stand by now.
        let redacted = |text: &str| self.tools.redactor.redact(text).into_owned();
        let command = self.lines.read(&program, &arguments).map_err(|unusable| match unusable {
            Unusable::Help(text) => Reply::new("", &redacted(&text)),
            Unusable::Wrong(text) => {
                Reply::new(&format!("{program}: not understood, nothing was run"), &redacted(&text))
            }
            Unusable::Refused(why) => Reply::Message(escape(&redacted(&format!("{why}; nothing was run")))),
        })?;
        let level = Level::from(command.row().about.effect);
        may(level).await?;
        Ok((command, level, CommandWords { program, arguments }))
    }

    /// A command as it may be shown.
    pub(super) fn shown(&self, words: &CommandWords) -> String {
        let text = format!("{} {}", words.program, words.arguments.join(" "));
        let text: String = self.tools.redactor.redact(&text).chars().take(200).collect();
        text.trim_end().to_owned()
    }

    /// The name of a person in histories: that of their address, otherwise their account.
    pub(super) async fn name_of(&self, user: &UserId) -> String {
        match self.tools.slack.address_of(user).await {
            Ok(Some(address)) => address.local_part().to_owned(),
            Ok(None) | Err(_) => format!("slack-{}", user.0),
        }
    }
}
