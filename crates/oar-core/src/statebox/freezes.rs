//! Holds of every release at once, in a file of their own beside the StateBox files.

use std::sync::Arc;

use jiff::Timestamp;

use super::decisions::{DecisionKind, DecisionView, NewDecision, Records, views};
use super::yaml::{self, Mapping, Node};
use crate::clock::Clock;
use crate::error::{ErrorClass, classified};
use crate::permit::{Closed, WritePermit};
use crate::redact::Redactor;
use crate::store::transaction::{Policy, Start, Target, TransactionError, transact};
use crate::store::{Change, Store, StoreError, read_file};

/// Where the file is. No program of the Python tooling reads or writes it.
const PATH: &str = "_releases/holds.yaml";
const HOLDS: &str = "holds";
/// What the whole is called in refusals.
const EVERYTHING: &str = "every release";

/// Why the file could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum FreezeError {
    /// The file is there and cannot be understood; it is never overwritten.
    #[error("{location} cannot be used: {problem}")]
    Damaged {
        /// The file.
        location: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others changed the file at every attempt; nothing was written.
    #[error("{location} was changed by others at each attempt; nothing was written")]
    Contended {
        /// The file.
        location: String,
    },
}

classified! {
    FreezeError through Store;
    class {
        Self::Damaged { .. } => ErrorClass::Blocked,
        Self::Contended { .. } => ErrorClass::Conflict,
    }
    hint {
        Self::Damaged { .. } => Some(
            "Repair the file, or restore it from an earlier version; until then nothing begins for any release.".into(),
        ),
        Self::Contended { .. } => Some("Run the same command again.".into()),
    }
}

/// The holds of every release.
#[derive(Debug, Clone)]
pub struct Freezes {
    root: Mapping,
    redactor: Redactor,
}

impl Freezes {
    /// Reads the file's text; without a file nothing was ever held.
    fn parse(text: Option<&str>, redactor: Redactor) -> Result<Self, String> {
        let Some(text) = text else { return Ok(Self { root: Mapping::new(), redactor }) };
        let document = yaml::parse(text).map_err(|error| error.to_string())?;
        let Some(root) = document.root.as_mapping().cloned() else {
            return Err(format!("expected a mapping with the key `{HOLDS}`"));
        };
        let Some(list) = root.get(HOLDS).and_then(Node::as_sequence) else {
            return Err(format!("expected a list as `{HOLDS}`"));
        };
        let is_readable = |node: &Node| {
            let record = node.as_mapping()?;
            let view = DecisionView::from_mapping(record)?;
            let mark =
                record.get("withdrawn").is_none_or(|mark| mark.is_null() || mark.as_mapping().is_some());
            (view.kind == DecisionKind::Hold && mark).then_some(())
        };
        match list.iter().position(|node| is_readable(node).is_none()) {
            Some(place) => Err(format!("{HOLDS}[{place}] is no hold with kind, by, at and reason")),
            None => Ok(Self { root, redactor }),
        }
    }

    /// Every hold, the oldest first.
    pub fn all(&self) -> Vec<DecisionView> {
        views(self.root.get(HOLDS).and_then(Node::as_sequence).unwrap_or_default())
    }

    /// The holds that count at `now`, the oldest first.
    pub fn open(&self, now: Timestamp) -> Vec<DecisionView> {
        let mut all = self.all();
        all.retain(|hold| hold.counts_at(now));
        all
    }

    /// Why nothing may begin at `now`: the holds that count, the oldest first.
    pub fn closed(&self, now: Timestamp) -> Vec<Closed> {
        let open = self.open(now);
        open.iter().map(|hold| hold.closes(EVERYTHING, "oar hold --all --withdraw")).collect()
    }

    /// Records a hold; one that counts already and says the same is enough.
    pub fn add(&mut self, hold: &NewDecision) -> Change {
        self.change(|records| records.add(hold))
    }

    /// Takes back every hold that counts.
    pub fn withdraw(&mut self, by: &str, at: Timestamp) -> Change {
        if self.all().is_empty() {
            return Change::Unchanged;
        }
        self.change(|records| records.withdraw(DecisionKind::Hold, None, by, at))
    }

    fn change(&mut self, change: impl FnOnce(&mut Records<'_>) -> Change) -> Change {
        if self.root.get(HOLDS).and_then(Node::as_sequence).is_none() {
            self.root.set(HOLDS, Node::sequence(Vec::new()));
        }
        let Some(list) = self.root.get_mut(HOLDS).and_then(Node::as_sequence_mut) else {
            return Change::Unchanged;
        };
        change(&mut Records { list, redactor: &self.redactor })
    }

    fn to_yaml(&self) -> String {
        yaml::emit(&Node::mapping(self.root.clone()))
    }
}

/// The file in a store.
#[derive(Debug, Clone)]
pub struct FreezeFile {
    store: Arc<dyn Store>,
    clock: Clock,
    redactor: Redactor,
}

impl FreezeFile {
    /// The file in `store`. Makes no request.
    pub fn new(store: Arc<dyn Store>, clock: Clock, redactor: Redactor) -> Self {
        Self { store, clock, redactor }
    }

    /// Where it is, for people.
    pub fn location(&self) -> String {
        self.store.describe(PATH)
    }

    /// Reads it (one request; a repeated one is conditional).
    pub async fn read(&self) -> Result<Freezes, FreezeError> {
        let stored = read_file(&*self.store, PATH, &self.clock).await?;
        self.parse(stored.as_ref().map(|stored| stored.text.as_str()))
    }

    /// Changes it in a transaction; whether that changed anything. `change` may be called several times and takes ids and
    /// times from outside.
    pub async fn update(
        &self,
        permit: &WritePermit,
        message: &str,
        mut change: impl FnMut(&mut Freezes) -> Change + Send,
    ) -> Result<(Freezes, Change), FreezeError> {
        let mut result = None;
        let apply = |current: Option<&str>| -> Result<Option<String>, FreezeError> {
            let mut freezes = self.parse(current)?;
            let changed = change(&mut freezes).is_changed();
            let text = changed.then(|| freezes.to_yaml());
            result = Some(freezes);
            Ok(text)
        };
        let message = self.redactor.redact(message);
        let target = Target { store: &*self.store, path: PATH, message: &message };
        let committed = transact(target, permit, &self.clock, &Policy::default(), Start::Read, apply)
            .await
            .map_err(|error| match error {
            TransactionError::Apply(error) => error,
            TransactionError::Store(error) => error.into(),
            TransactionError::Contended { location, .. } => FreezeError::Contended { location },
        })?;
        let freezes = match result {
            Some(freezes) => freezes,
            None => self.parse(committed.stored.as_ref().map(|stored| stored.text.as_str()))?,
        };
        Ok((freezes, if committed.written { Change::Changed } else { Change::Unchanged }))
    }

    fn parse(&self, text: Option<&str>) -> Result<Freezes, FreezeError> {
        Freezes::parse(text, self.redactor.clone())
            .map_err(|problem| FreezeError::Damaged { location: self.location(), problem })
    }
}

#[cfg(test)]
mod tests {
    use super::super::decisions::Subject;
    use super::*;
    use crate::store::memory::MemoryStore;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn hold(id: &str, until: Option<&str>) -> NewDecision {
        NewDecision {
            id: id.to_owned(),
            subject: Subject::Hold { until: until.map(|until| until.parse().unwrap()) },
            by: "demo-lead".to_owned(),
            at: at("2026-07-02T10:00:00Z"),
            reason: "a defect in all of them".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_freeze_is_recorded_once_and_says_who_resumed() {
        let store = Arc::new(MemoryStore::default());
        let file = FreezeFile::new(Arc::clone(&store) as _, Clock::system(), Redactor::default());
        let permit = WritePermit::granted_by_user_interface();
        let now = at("2026-07-02T11:00:00Z");
        assert_eq!(file.read().await.unwrap().closed(now), []);
        let (_, change) = file.update(&permit, "hold", |freezes| freezes.withdraw("x", now)).await.unwrap();
        assert!(!change.is_changed() && store.text().is_none(), "nothing was held, so no file is made");
        for (id, expected) in [("a", true), ("b", false)] {
            let (_, change) =
                file.update(&permit, "hold", |freezes| freezes.add(&hold(id, None))).await.unwrap();
            assert_eq!(change.is_changed(), expected, "{id}");
        }
        let closed = file.read().await.unwrap().closed(now).remove(0);
        assert_eq!(
            closed.text,
            "every release is held by demo-lead since 2026-07-02T10:00:00Z: a defect in all of them"
        );
        assert_eq!(closed.hint.as_deref(), Some("When it may go on: oar hold --all --withdraw"));
        let (freezes, _) =
            file.update(&permit, "resume", |freezes| freezes.withdraw("other", now)).await.unwrap();
        assert_eq!((freezes.closed(now), freezes.all().len()), (vec![], 1));
        assert_eq!(freezes.all()[0].withdrawn.as_ref().unwrap().by, "other");
    }

    #[test]
    fn a_freeze_ends_with_its_last_day_and_one_whose_end_cannot_be_read_does_not_end() {
        let mut freezes = Freezes::parse(None, Redactor::default()).unwrap();
        assert!(freezes.add(&hold("a", Some("2026-07-03"))).is_changed());
        let text = freezes.to_yaml();
        for (now, held) in [("2026-07-03T23:59:00Z", true), ("2026-07-04T00:00:00Z", false)] {
            let again = Freezes::parse(Some(&text), Redactor::default()).unwrap();
            assert_eq!(!again.closed(at(now)).is_empty(), held, "{now}");
        }
        let odd = text.replace("2026-07-03", "someday");
        let odd = Freezes::parse(Some(&odd), Redactor::default()).unwrap();
        assert_eq!(odd.closed(at("2036-07-04T00:00:00Z")).len(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_no_empty_one() {
        for text in [
            "",
            "holds: 3\n",
            "a: 1\n",
            "holds:\n- 7\n",
            "holds:\n- id: a\n",
            "holds: [{kind: waiver}]\n",
            "holds: [{kind: hold, withdrawn: yes}]\n",
            "{",
        ] {
            assert!(Freezes::parse(Some(text), Redactor::default()).is_err(), "{text}");
        }
        assert!(Freezes::parse(Some("holds: []\n"), Redactor::default()).is_ok());
    }
}
