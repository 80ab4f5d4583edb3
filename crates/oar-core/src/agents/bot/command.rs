//! What a message asks the bot for (spec 05 §4.2, §4.3).

use std::collections::BTreeMap;
use std::fmt;

use super::markup::{Piece, pieces};
use crate::clients::slack::UserId;

/// Letters that stand for a reference while words are split; nobody can type one that is meant.
const PLACES: std::ops::RangeInclusive<char> = '\u{e000}'..='\u{f8ff}';
/// The one of them that stands for `#`, with which a comment would begin in a shell.
const HASH: char = '\u{f8ff}';
/// The longest command, in characters.
const LONGEST: usize = 4000;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing: people talk to each other.
    Nothing,
    /// What the bot can do for this person.
    Help,
    /// To stop the command of this thread. Without a mention it is meant for the bot only where a command runs or a plan waits.
    Cancel,
    /// A command line.
    Command(Words),
    /// It is meant for the bot, which does not understand it.
    Unclear(Unclear),
}

/// Why something that is meant for the bot is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unclear {
    /// It begins with none of the programs.
    NoProgram,
    /// It has several lines.
    Lines,
    /// It stands in code formatting, or holds a code block.
    Code,
    /// A quotation mark has no second one.
    Quotes,
    /// It is longer than any command.
    TooLong,
    /// It holds characters that no command has.
    Characters,
}

impl fmt::Display for Unclear {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProgram => formatter.write_str("a command begins with oar, oarctl, job or jobctl"),
            Self::Lines => formatter.write_str("a command is one line; nothing was run"),
            Self::Code => formatter.write_str("a command in code formatting is an example and is not run"),
            Self::Quotes => formatter.write_str("a quotation mark is not closed; nothing was run"),
            Self::TooLong => write!(formatter, "a command has at most {LONGEST} characters; nothing was run"),
            Self::Characters => formatter.write_str("the command holds unusual characters; nothing was run"),
        }
    }
}

/// Who a message speaks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressee {
    /// The bot's own account; none when Slack did not say.
    pub bot: Option<UserId>,
    /// The names of the programs whose commands it runs.
    pub programs: &'static [&'static str],
}

impl Addressee {
    /// The program of this name.
    fn program(&self, name: &str) -> Option<&'static str> {
        self.programs.iter().copied().find(|program| *program == name)
    }
}

/// A person in a command whose address is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Slack does not tell the e-mail address of {0}: write the address itself")]
pub struct UnknownPerson(pub UserId);

/// The words of a command line, without the program's name. People are named by their accounts until their addresses were
/// looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    program: &'static str,
    words: Vec<Vec<Piece>>,
}

impl Words {
    /// The name of the program.
    pub fn program(&self) -> &'static str {
        self.program
    }

    /// The words after the program's name that are nothing but text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.words.iter().filter_map(|word| match word.as_slice() {
            [Piece::Text(text)] => Some(text.as_str()),
            _ => None,
        })
    }

    /// The people whose addresses the command needs, each once, in the order of the command.
    pub fn people(&self) -> Vec<&UserId> {
        let mut people = Vec::new();
        for piece in self.words.iter().flatten() {
            if let Piece::Person(user) = piece
                && !people.contains(&user)
            {
                people.push(user);
            }
        }
        people
    }

    /// The arguments, with the addresses of people in place of their accounts.
    ///
    /// # Errors
    ///
    /// Somebody's address is not among `addresses`.
    pub fn arguments(&self, addresses: &BTreeMap<String, String>) -> Result<Vec<String>, UnknownPerson> {
        let text = |piece: &Piece| match piece {
            Piece::Text(text) | Piece::Reference(text) => Ok(text.clone()),
            Piece::Person(user) => addresses.get(&user.0).cloned().ok_or_else(|| UnknownPerson(user.clone())),
        };
        self.words.iter().map(|word| word.iter().map(text).collect()).collect()
    }
}

/// What `text`, as Slack delivers it, asks the bot for.
///
/// A command stands at the beginning: after the bot's mention, or with the program's name as its first word. What stands in a
/// quote or in code, and what only mentions the bot somewhere, is none.
pub fn listen(text: &str, addressee: &Addressee) -> Heard {
    let mut pieces = pieces(text);
    let Some(is_addressed) = take_mentions(&mut pieces, addressee) else { return Heard::Nothing };
    match words_of(pieces, addressee) {
        Ok(words) => meaning(words, is_addressed, addressee),
        Err((problem, begins_with_program)) if is_addressed || begins_with_program => Heard::Unclear(problem),
        Err(_) => Heard::Nothing,
    }
}

/// Whether `text` begins with a mention of the bot, so that somebody waits for its answer.
pub fn is_addressed(text: &str, addressee: &Addressee) -> bool {
    take_mentions(&mut pieces(text), addressee) == Some(true)
}

/// Takes the mentions at the beginning away. Whether the bot was among them; `None` when only others were.
fn take_mentions(pieces: &mut Vec<Piece>, addressee: &Addressee) -> Option<bool> {
    let (mut bot, mut others) = (false, false);
    let count = pieces
        .iter()
        .take_while(|piece| match piece {
            Piece::Person(user) => {
                let is_bot = addressee.bot.as_ref() == Some(user);
                bot |= is_bot;
                others |= !is_bot;
                true
            }
            Piece::Text(text) => text.trim_matches(is_between_mentions).is_empty(),
            Piece::Reference(_) => false,
        })
        .count();
    pieces.drain(..count);
    (bot || !others).then_some(bot)
}

fn is_between_mentions(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, ',' | ':')
}

type Split = Vec<Vec<Piece>>;

/// The words, or why there are none and whether the text began with a program's name.
fn words_of(pieces: Vec<Piece>, addressee: &Addressee) -> Result<Split, (Unclear, bool)> {
    let mut references = Vec::new();
    let mut line = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) if text.contains(|letter| PLACES.contains(&letter)) => {
                return Err((Unclear::Characters, false));
            }
            Piece::Text(text) => line.push_str(&text),
            other => {
                let place = u32::try_from(references.len()).ok().and_then(|index| {
                    char::from_u32(u32::from(*PLACES.start()) + index).filter(|place| *place < HASH)
                });
                line.push(place.ok_or((Unclear::TooLong, false))?);
                references.push(other);
            }
        }
    }
    let line = typed(&line);
    let line = line.trim_start_matches(is_between_mentions).trim_end();
    let first = line.split(char::is_whitespace).next().unwrap_or_default();
    let begins = addressee.program(first).is_some();
    let problem = |problem: Unclear| Err((problem, begins));
    if line.chars().count() > LONGEST {
        return problem(Unclear::TooLong);
    }
    if line.starts_with('`') || line.contains("```") {
        return problem(Unclear::Code);
    }
    if line.starts_with('>') {
        return problem(Unclear::NoProgram);
    }
    if line.contains(['\n', '\r']) {
        return problem(Unclear::Lines);
    }
    if line.contains(char::is_control) {
        return problem(Unclear::Characters);
    }
    let Some(words) = shlex::split(&line.replace('#', &HASH.to_string())) else {
        return problem(Unclear::Quotes);
    };
    Ok(words.iter().map(|word| put_back(word, &references)).collect())
}

/// What was typed, without what keyboards make of it: curved quotation marks, a long dash for two, blanks that do not break. Inside
/// straight quotation marks, marks and dashes are text.
fn typed(text: &str) -> String {
    let (mut typed, mut inside) = (String::with_capacity(text.len()), None);
    for letter in text.chars() {
        match (letter, inside) {
            ('\u{a0}' | '\t', _) => typed.push(' '),
            (_, Some(mark)) => {
                typed.push(letter);
                if letter == mark {
                    inside = None;
                }
            }
            ('\u{201c}' | '\u{201d}', None) => typed.push('"'),
            ('\u{2018}' | '\u{2019}', None) => typed.push('\''),
            ('\u{2014}', None) => typed.push_str("--"),
            (_, None) => {
                inside = matches!(letter, '"' | '\'').then_some(letter);
                typed.push(letter);
            }
        }
    }
    typed
}

/// A word with the references in their places.
fn put_back(word: &str, references: &[Piece]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for letter in word.chars() {
        let letter = if letter == HASH { '#' } else { letter };
        let index = u32::from(letter).checked_sub(u32::from(*PLACES.start()));
        let reference = index.and_then(|index| references.get(usize::try_from(index).ok()?));
        match (reference, pieces.last_mut()) {
            (Some(reference), _) => pieces.push(reference.clone()),
            (None, Some(Piece::Text(text))) => text.push(letter),
            (None, _) => pieces.push(Piece::Text(letter.to_string())),
        }
    }
    pieces
}

fn meaning(mut words: Split, is_addressed: bool, addressee: &Addressee) -> Heard {
    let first = match words.first().map(Vec::as_slice) {
        None | Some([]) => return if is_addressed { Heard::Help } else { Heard::Nothing },
        Some([Piece::Text(text)]) => text.clone(),
        Some(_) => String::new(),
    };
    if let Some(program) = addressee.program(&first) {
        words.remove(0);
        return Heard::Command(Words { program, words });
    }
    match (first.to_ascii_lowercase().as_str(), is_addressed) {
        ("cancel", _) | ("stop", true) if words.len() == 1 => Heard::Cancel,
        (_, false) => Heard::Nothing,
        ("help" | "hello" | "hi", true) if words.len() == 1 => Heard::Help,
        _ => Heard::Unclear(Unclear::NoProgram),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROGRAMS: &[&str] = &["oar", "oarctl", "job", "jobctl"];

    fn bot() -> Addressee {
        Addressee { bot: Some(UserId("U0BOT".into())), programs: PROGRAMS }
    }

    fn heard(text: &str) -> Heard {
        listen(text, &bot())
    }

    fn command(text: &str) -> (&'static str, Vec<String>) {
        let addresses = BTreeMap::from([("U0ANN".to_owned(), "ann@example.com".to_owned())]);
        match heard(text) {
            Heard::Command(words) => (words.program(), words.arguments(&addresses).unwrap()),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn commands_stand_at_the_beginning() {
        let expected = ("oar", ["-r", "4.19.1", "status"].map(str::to_owned).to_vec());
        for text in [
            "oar -r 4.19.1 status",
            "  oar   -r 4.19.1\u{a0}status ",
            "<@U0BOT> oar -r 4.19.1 status",
            "<@U0BOT>oar -r 4.19.1 status",
            "<@U0BOT|bot>: oar -r 4.19.1 status",
            "<@U0ANN> <@U0BOT>, oar -r 4.19.1 status",
            "<@U0BOT> <@U0ANN> oar -r '4.19.1' \u{201c}status\u{201d}",
        ] {
            assert_eq!(command(text), expected, "{text}");
        }
        assert_eq!(command("<@U0BOT> oarctl \u{2014}version").1, ["--version"]);
        let quoted =
            "oar issue add \"down \u{2014} see \u{201c}it\u{201d}, it\u{2019}s bad\" \u{2014}no-blocker";
        let expected =
            ["issue", "add", "down \u{2014} see \u{201c}it\u{201d}, it\u{2019}s bad", "--no-blocker"];
        assert_eq!(command(quoted).1, expected, "inside straight quotation marks they are text");
        assert_eq!(command("jobctl show a").0, "jobctl");
        assert_eq!(
            command("oar issue add #12 is, late, <#C0AAA|qe>:").1,
            ["issue", "add", "#12", "is,", "late,", "#qe:"]
        );
    }

    #[test]
    fn addresses_people_and_entities_are_as_they_were_meant() {
        let (_, words) = command(
            "oar -r 4.19.1 take-ownership -e <mailto:a@example.com|A B> --other=<mailto:c@example.com|c@example.com> \
             <@U0ANN> 'R&amp;D &lt;x&gt;'",
        );
        assert_eq!(
            words[2..],
            ["take-ownership", "-e", "a@example.com", "--other=c@example.com", "ann@example.com", "R&D <x>"]
        );
        let Heard::Command(words) = heard("oar <@U0EVE> <@U0ANN> <@U0EVE>") else { panic!("no command") };
        assert_eq!(words.people().len(), 2);
        assert_eq!(words.arguments(&BTreeMap::new()), Err(UnknownPerson(UserId("U0EVE".into()))));
    }

    #[test]
    fn people_who_talk_are_left_alone() {
        for text in [
            "",
            "hello",
            "oarsman -r 4.19.1",
            "please run oar -r 4.19.1 status",
            "please ask <@U0BOT> oar -r 4.19.1 status",
            "<@U0ANN> oar -r 4.19.1 status",
            "&gt; oar -r 4.19.1 status",
            "`oar -r 4.19.1 status`",
            "```oar -r 4.19.1 status```",
            "<https://example.com|oar status>",
            "<mailto:oar|oar> status",
            "*oar* status",
            "help",
            "Hello there",
        ] {
            assert_eq!(heard(text), Heard::Nothing, "{text}");
        }
        let unknown = Addressee { bot: None, programs: PROGRAMS };
        assert_eq!(listen("<@U0BOT> oar status", &unknown), Heard::Nothing);
        assert!(matches!(listen("oar status", &unknown), Heard::Command(_)));
    }

    #[test]
    fn only_a_mention_at_the_beginning_waits_for_an_answer() {
        for (text, expected) in [
            ("<@U0BOT> oar status", true),
            ("<@U0ANN> <@U0BOT> cancel", true),
            ("oar status <@U0BOT>", false),
            ("<@U0ANN> cancel", false),
            ("job is done", false),
        ] {
            assert_eq!(is_addressed(text, &bot()), expected, "{text}");
        }
        assert_eq!(heard("<@U0ANN> cancel"), Heard::Nothing);
        assert_eq!(heard("cancel the meeting"), Heard::Nothing);
    }

    #[test]
    fn what_is_meant_for_the_bot_gets_an_answer() {
        for (text, expected) in [
            ("<@U0BOT>", Heard::Help),
            ("<@U0BOT> help", Heard::Help),
            ("<@U0BOT> Hello", Heard::Help),
            ("<@U0BOT> cancel", Heard::Cancel),
            ("Cancel ", Heard::Cancel),
            ("<@U0BOT> ship it", Heard::Unclear(Unclear::NoProgram)),
            ("<@U0BOT> &gt; oar status", Heard::Unclear(Unclear::NoProgram)),
            ("<@U0BOT> `oar status`", Heard::Unclear(Unclear::Code)),
            ("<@U0BOT> ```\noar status\n```", Heard::Unclear(Unclear::Code)),
            ("<@U0BOT> oar status\noar approve", Heard::Unclear(Unclear::Lines)),
            ("oar status\n&gt; quoted", Heard::Unclear(Unclear::Lines)),
            ("oar it's", Heard::Unclear(Unclear::Quotes)),
            ("<@U0BOT> \u{e000}", Heard::Unclear(Unclear::Characters)),
            ("<@U0BOT> <https://example.com|oar status>", Heard::Unclear(Unclear::NoProgram)),
        ] {
            assert_eq!(heard(text), expected, "{text}");
        }
        let long = format!("oar {}", "x".repeat(LONGEST));
        assert_eq!(heard(&long), Heard::Unclear(Unclear::TooLong));
        let many = format!("<@U0BOT> oar {}", "<@U1> ".repeat(7000));
        assert_eq!(heard(&many), Heard::Unclear(Unclear::TooLong));
    }

    proptest! {
        #[test]
        fn quoted_words_arrive_whole(words in prop::collection::vec("[ -~&&[^`]]{0,20}", 1..5)) {
            let line = shlex::try_join(words.iter().map(String::as_str)).unwrap();
            let (_, heard) = command(&format!("<@U0BOT> oar {}", crate::clients::slack::escape(&line)));
            prop_assert_eq!(heard, words);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = heard(&format!("<@U0BOT> {text}"));
        }
    }
}
