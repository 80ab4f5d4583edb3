//! What the engine told people of a release: the Slack thread, and each question once.
//!
//! It stands under the key `drive` of the file, beside the tasks. A question is claimed before it is told, so that of two
//! engines one tells it; one whose telling was cut off is told by the next, which looks for it in Slack first.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::state::State;
use super::yaml::{Mapping, Node};
use crate::clock::stamp;
use crate::store::Change;

const DRIVE: &str = "drive";
/// The key of the thread in the file, and of the claim of its first message.
pub(super) const THREAD: &str = "thread";
/// What the keys of the summaries of a morning begin with: they ask nothing new.
pub const SUMMARY: &str = "summary-";
const ASKED: &str = "asked";
/// How many questions the file keeps; the oldest go first.
const LIMIT: usize = 60;

/// A question that was told, or is being told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Asked {
    /// Identifies the question.
    pub key: String,
    /// The node that it is about, where that was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When it was claimed first, `YYYY-MM-DDTHH:MM:SSZ`.
    pub since: String,
    /// When it was claimed last.
    pub at: Option<String>,
    /// Which process claimed it, where that can be seen.
    pub process: Option<String>,
    /// Which pass claimed it.
    pub claim: Option<String>,
    /// When it arrived; absent while that is not certain.
    pub told: Option<String>,
    /// When it was found to be answered. It is kept for the history; the same question is a new one afterwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
}

/// The Slack thread of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Thread {
    /// The channel's id.
    pub channel: String,
    /// The `ts` of its first message.
    pub ts: String,
}

/// Something that people are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telling {
    /// Identifies it.
    pub key: String,
    /// The step that waits for the answer, if it is a question.
    pub node: Option<String>,
}

/// Who tells people.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// This pass, which no other one has the name of.
    pub claim: &'a str,
    /// This process, where that can be said.
    pub process: Option<&'a str>,
    /// Whether a process is certain to have ended: it tells nothing more.
    pub ended: fn(&str) -> bool,
    /// How long a question belongs to who claimed it and has not told it.
    pub lease: SignedDuration,
}

/// A question that this process tells now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Which one.
    pub key: String,
    /// When somebody may have told it already.
    pub perhaps_since: Option<Timestamp>,
}

/// Whether nobody has answered what an entry of the file asks.
fn is_open(entry: &Mapping) -> bool {
    entry.text("answered").is_none()
}

/// Keeps the newest entries; of those that go, the answered ones go first.
fn keep_newest(list: &mut Vec<Node>) {
    let mut surplus = list.len().saturating_sub(LIMIT);
    list.retain(|node| {
        let goes = surplus > 0 && node.as_mapping().is_some_and(|entry| !is_open(entry));
        surplus -= usize::from(goes);
        !goes
    });
    list.drain(..surplus);
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

impl State {
    fn drive(&self) -> Option<&Mapping> {
        self.root.get(DRIVE).and_then(Node::as_mapping)
    }

    fn drive_mut(&mut self) -> Option<&mut Mapping> {
        if self.drive().is_none() {
            self.root.set(DRIVE, Node::mapping(Mapping::new()));
        }
        self.root.get_mut(DRIVE).and_then(Node::as_mapping_mut)
    }

    /// The Slack thread in which the engine tells people.
    pub fn drive_thread(&self) -> Option<Thread> {
        let thread = self.drive()?.get(THREAD)?.as_mapping()?;
        Some(Thread { channel: thread.text("channel")?.to_owned(), ts: thread.text("ts")?.to_owned() })
    }

    /// Records the Slack thread, unless there is one.
    pub fn set_drive_thread(&mut self, thread: &Thread) -> Change {
        if self.drive_thread().is_some() {
            return Change::Unchanged;
        }
        let record = self.record([("channel", Some(&thread.channel)), ("ts", Some(&thread.ts))]);
        match self.drive_mut() {
            Some(drive) => {
                drive.set(THREAD, Node::mapping(record));
                Change::Changed
            }
            None => Change::Unchanged,
        }
    }

    /// What people were asked and nobody has answered, the oldest first.
    pub fn open_questions(&self) -> Vec<Asked> {
        self.asked().into_iter().filter(|asked| asked.answered.is_none()).collect()
    }

    /// What people were asked, the oldest first.
    pub fn asked(&self) -> Vec<Asked> {
        let list = self.drive().and_then(|drive| drive.get(ASKED)).and_then(Node::as_sequence);
        let entries = list.unwrap_or_default().iter().filter_map(Node::as_mapping);
        entries
            .filter_map(|entry| {
                Some(Asked {
                    key: entry.text("key")?.to_owned(),
                    node: entry.text("node").map(str::to_owned),
                    since: entry.text("since").unwrap_or_default().to_owned(),
                    at: entry.text("at").map(str::to_owned),
                    process: entry.text("process").map(str::to_owned),
                    claim: entry.text("claim").map(str::to_owned),
                    told: entry.text("told").map(str::to_owned),
                    answered: entry.text("answered").map(str::to_owned),
                })
            })
            .collect()
    }

    /// Those of `tellings` that nobody has told, and that nobody is telling at `now`.
    pub fn untold<'t>(
        &self,
        tellings: &'t [Telling],
        now: Timestamp,
        Teller { claim, ended, lease, .. }: Teller<'_>,
    ) -> Vec<&'t Telling> {
        let asked = self.open_questions();
        let is_free = |telling: &&Telling| match asked.iter().find(|known| known.key == telling.key) {
            None => true,
            Some(Asked { told: Some(_), .. }) => false,
            // Our own claim, of whose write no answer came.
            Some(known) if known.claim.as_deref() == Some(claim) => true,
            Some(known) => {
                let until = time(known.at.as_deref()).and_then(|at| at.checked_add(lease).ok());
                until.is_none_or(|until| until <= now) || known.process.as_deref().is_some_and(ended)
            }
        };
        tellings.iter().filter(is_free).collect()
    }

    /// Claims those of `tellings` that are free ([`State::untold`]) for `teller`; they are put into `claimed`.
    pub fn claim_questions(
        &mut self,
        tellings: &[Telling],
        now: Timestamp,
        teller: Teller<'_>,
        claimed: &mut Vec<Claimed>,
    ) -> Change {
        let free: Vec<Telling> = self.untold(tellings, now, teller).into_iter().cloned().collect();
        let known = self.open_questions();
        claimed.clear();
        let entries: Vec<Mapping> = free
            .iter()
            .map(|Telling { key, node }| {
                let before = known.iter().find(|asked| asked.key == *key);
                let since = before.map(|asked| asked.since.clone());
                let perhaps_since =
                    since.as_deref().map(|since| time(Some(since)).unwrap_or(Timestamp::UNIX_EPOCH));
                claimed.push(Claimed { key: key.clone(), perhaps_since });
                let mut entry = Mapping::from([
                    ("key", Node::text(key)),
                    ("since", Node::text(since.unwrap_or_else(|| stamp(now)))),
                    ("at", Node::text(stamp(now))),
                ]);
                let more =
                    [("node", node.as_deref()), ("process", teller.process), ("claim", Some(teller.claim))];
                for (name, value) in more.into_iter().filter_map(|(name, value)| Some((name, value?))) {
                    entry.set(name, Node::text(value));
                }
                entry
            })
            .collect();
        self.change_asked(|list| {
            list.retain(|node| {
                let key =
                    node.as_mapping().filter(|entry| is_open(entry)).and_then(|entry| entry.text("key"));
                !free.iter().any(|free| key == Some(free.key.as_str()))
            });
            list.extend(entries.into_iter().map(Node::mapping));
            keep_newest(list);
        })
    }

    /// Gives up the claims of questions whose telling has failed. After the lease whoever claims them next looks for them first.
    pub fn not_told(&mut self, keys: &[String]) -> Change {
        self.change_asked(|list| {
            for entry in list.iter_mut().filter_map(Node::as_mapping_mut) {
                let is_ours = entry.text("key").is_some_and(|key| keys.iter().any(|ours| ours == key));
                if is_ours && is_open(entry) && entry.text("told").is_none() {
                    entry.remove("process");
                    entry.remove("claim");
                }
            }
        })
    }

    /// Records that the questions of which `is_answered` says so are answered: when the same is asked again, people are told
    /// again.
    pub fn answer_questions(&mut self, now: Timestamp, is_answered: impl Fn(&Asked) -> bool) -> Change {
        let open = self.open_questions().into_iter();
        let answered: Vec<String> = open.filter(is_answered).map(|asked| asked.key).collect();
        if answered.is_empty() {
            return Change::Unchanged;
        }
        self.change_asked(|list| {
            for entry in list.iter_mut().filter_map(Node::as_mapping_mut) {
                let is_it =
                    entry.text("key").is_some_and(|key| answered.iter().any(|answered| answered == key));
                if is_it && is_open(entry) {
                    entry.set("answered", Node::text(stamp(now)));
                }
            }
        })
    }

    /// Takes the thread, and what people were told and have answered, back from `copy`: another program has written an older
    /// file over it.
    pub(super) fn recover_asked(&mut self, copy: &Self) -> Change {
        let thread = copy.drive_thread().map_or(Change::Unchanged, |thread| self.set_drive_thread(&thread));
        let theirs = copy.drive().and_then(|drive| drive.get(ASKED)).and_then(Node::as_sequence);
        // The same telling, whatever is known of it since.
        let telling =
            |entry: &Mapping| Some((entry.text("key")?.to_owned(), entry.text("since")?.to_owned()));
        let asked = self.change_asked(|list| {
            for (place, entry) in theirs.unwrap_or_default().iter().filter_map(Node::as_mapping).enumerate() {
                let Some(id) = telling(entry) else { continue };
                let mut ours = list.iter_mut().filter_map(Node::as_mapping_mut);
                match ours.find(|ours| telling(ours).as_ref() == Some(&id)) {
                    Some(ours) => {
                        for name in ["told", "answered"] {
                            if let (None, Some(value)) = (ours.text(name), entry.text(name)) {
                                ours.set(name, Node::text(value));
                                ours.remove("process");
                                ours.remove("claim");
                            }
                        }
                    }
                    None => list.insert(place.min(list.len()), Node::mapping(entry.clone())),
                }
            }
            keep_newest(list);
        });
        thread.or(asked)
    }

    /// Records that the questions of `keys` arrived.
    pub fn told(&mut self, keys: &[String], now: Timestamp) -> Change {
        self.change_asked(|list| {
            for entry in list.iter_mut().filter_map(Node::as_mapping_mut) {
                let is_ours = entry.text("key").is_some_and(|key| keys.iter().any(|told| told == key));
                if is_ours && is_open(entry) && entry.text("told").is_none() {
                    entry.set("told", Node::text(stamp(now)));
                    entry.remove("process");
                    entry.remove("claim");
                }
            }
        })
    }

    fn change_asked(&mut self, change: impl FnOnce(&mut Vec<Node>)) -> Change {
        let before = self.drive().and_then(|drive| drive.get(ASKED)).cloned();
        let mut list = before.as_ref().and_then(Node::as_sequence).unwrap_or_default().to_vec();
        change(&mut list);
        let after = Node::sequence(list);
        if before.as_ref() == Some(&after)
            || (before.is_none() && after.as_sequence().is_some_and(<[_]>::is_empty))
        {
            return Change::Unchanged;
        }
        match self.drive_mut() {
            Some(drive) => {
                drive.set(ASKED, after);
                Change::Changed
            }
            None => Change::Unchanged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statebox::Metadata;

    fn at(minute: i64) -> Timestamp {
        "2026-07-01T10:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute)
    }

    fn teller(process: &str) -> Teller<'_> {
        let lease = SignedDuration::from_mins(5);
        Teller { claim: process, process: Some(process), ended: |process| process == "ended", lease }
    }

    fn tellings(keys: &[String]) -> Vec<Telling> {
        keys.iter().map(|key| Telling { key: key.clone(), node: Some("stage-testing".to_owned()) }).collect()
    }

    fn claim(state: &mut State, keys: &[String], minute: i64) -> Vec<Claimed> {
        let mut claimed = Vec::new();
        let pass = format!("pass at {minute}");
        let teller = Teller { claim: &pass, ..teller("here") };
        let _ = state.claim_questions(&tellings(keys), at(minute), teller, &mut claimed);
        claimed
    }

    fn read(state: &State) -> State {
        State::parse(&state.to_yaml()).unwrap()
    }

    #[test]
    fn a_question_is_told_by_one_and_told_once() {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let keys = ["push".to_owned(), "approve".to_owned()];
        let new = |key: &String| Claimed { key: key.clone(), perhaps_since: None };
        assert_eq!(claim(&mut state, &keys[..1], 0), [new(&keys[0])]);
        let mut state = read(&state);
        // Somebody else comes while it is being told, and gets the other one only.
        assert_eq!(claim(&mut state, &keys, 1), [new(&keys[1])]);
        assert_eq!(state.told(&keys[..1], at(1)), Change::Changed);
        assert_eq!(state.told(&keys[..1], at(2)), Change::Unchanged);
        let mut state = read(&state);
        // Whoever told the other one never said how it ended: it is looked for.
        assert_eq!(
            claim(&mut state, &keys, 7),
            [Claimed { key: keys[1].clone(), perhaps_since: Some(at(1)) }]
        );
        assert_eq!(
            claim(&mut state, &keys, 20),
            [Claimed { key: keys[1].clone(), perhaps_since: Some(at(1)) }],
            "from the first time on"
        );
        let _ = state.told(&keys, at(20));
        assert_eq!(claim(&mut state, &keys, 60), []);
        assert_eq!(state.asked().len(), 2);
    }

    #[test]
    fn what_was_not_told_is_free_after_the_lease_and_looked_for() {
        let key = ["push".to_owned()];
        let again = [Claimed { key: key[0].clone(), perhaps_since: Some(at(0)) }];
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let mut claimed = Vec::new();
        let _ = state.claim_questions(&tellings(&key), at(0), teller("ended"), &mut claimed);
        assert_eq!(claim(&mut read(&state), &key, 0), again, "its process has ended");
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let _ = claim(&mut state, &key, 0);
        assert_eq!(claim(&mut state, &key, 1), []);
        assert_eq!(state.not_told(&key), Change::Changed);
        assert_eq!(state.not_told(&key), Change::Unchanged);
        assert_eq!(claim(&mut read(&state), &key, 4), [], "not at each pass");
        assert_eq!(claim(&mut read(&state), &key, 5), again, "its telling has failed");
    }

    #[test]
    fn what_was_answered_is_told_again_when_it_is_asked_again() {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let keys = ["push".to_owned(), "approve".to_owned()];
        let _ = claim(&mut state, &keys, 0);
        let _ = state.told(&keys, at(0));
        let mut state = read(&state);
        assert_eq!(state.answer_questions(at(1), |asked| asked.node.is_none()), Change::Unchanged);
        let is_push = |asked: &Asked| asked.key == "push" && asked.node.as_deref() == Some("stage-testing");
        assert_eq!(state.answer_questions(at(1), is_push), Change::Changed);
        assert_eq!(state.answer_questions(at(2), is_push), Change::Unchanged);
        let mut state = read(&state);
        assert_eq!(claim(&mut state, &keys, 3), [Claimed { key: keys[0].clone(), perhaps_since: None }]);
        let _ = state.told(&keys, at(3));
        let asked = read(&state).asked();
        let told: Vec<_> = asked.iter().map(|asked| (asked.key.as_str(), asked.answered.is_some())).collect();
        assert_eq!(told, [("push", true), ("approve", false), ("push", false)]);
    }

    #[test]
    fn a_claim_whose_write_had_no_answer_is_recognised() {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let key = ["push".to_owned()];
        let _ = claim(&mut state, &key, 0);
        let mut state = read(&state);
        assert_eq!(claim(&mut state, &key, 0).len(), 1, "the same attempt");
        let mut claimed = Vec::new();
        let _ = state.claim_questions(&tellings(&key), at(0), teller("here"), &mut claimed);
        assert_eq!(claimed, [], "it is another pass of the same process, in the same second");
    }

    #[test]
    fn what_was_told_and_answered_comes_back_from_a_copy() {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        let keys = ["push".to_owned(), "approve".to_owned()];
        let _ = claim(&mut state, &keys[..1], 0);
        let mut older = read(&state);
        let _ = state.told(&keys, at(1));
        let _ = state.answer_questions(at(2), |asked| asked.key == "push");
        let _ = claim(&mut state, &keys[1..], 3);
        assert_eq!(older.recover_asked(&state), Change::Changed);
        assert_eq!(read(&older).asked(), state.asked());
        assert_eq!(older.recover_asked(&state), Change::Unchanged);
        assert_eq!(older.asked(), state.asked());
    }

    #[test]
    fn the_oldest_questions_go_and_the_first_thread_stays() {
        let mut state = State::new(&"4.19.1".parse().unwrap(), &Metadata::default(), at(0));
        assert_eq!(state.drive_thread(), None);
        let thread = Thread { channel: "C0AAA".to_owned(), ts: "1.5".to_owned() };
        assert_eq!(state.set_drive_thread(&thread), Change::Changed);
        let other = Thread { ts: "2.5".to_owned(), ..thread.clone() };
        assert_eq!(state.set_drive_thread(&other), Change::Unchanged);
        assert_eq!(read(&state).drive_thread(), Some(thread));
        for number in 0..LIMIT + 5 {
            let _ = claim(&mut state, &[number.to_string()], 0);
        }
        let asked = state.asked();
        assert_eq!((asked.len(), asked[0].key.as_str()), (LIMIT, "5"));
    }
}
