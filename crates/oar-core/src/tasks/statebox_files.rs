//! The StateBox files of all releases: which there are, which have changed, and which releases are active
//! (spec 05 §2.1).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::shared_store;
use crate::clients::Clients;
use crate::clients::github::{Tree, TreeEntry};
use crate::config::{ReleaseDate, StateLocation};
use crate::flow::outcome::TaskError;
use crate::statebox::{State, StateBox, TaskName, TaskStatus};
use crate::store::local::LocalStore;
use crate::store::{Revision, Stored};
use crate::version::{ReleaseVersion, YStream};

/// The folder with the files of all y-streams.
const RELEASES: &str = "_releases";
/// How many folders stand between it and a StateBox file.
const DEPTH: usize = 2;
/// How many releases of a y-stream, the newest ones, can be active.
const NEWEST: usize = 8;
/// For how many days after its date an approved release stays active: it is shipped then.
const DAYS_KEPT: i64 = 1;
/// For how many days after its date a release that is not approved stays active: it is late, and the dates of
/// StateBox files are not always moved. An older one was given up, or overtaken by a newer one of its y-stream.
const DAYS_LATE: i64 = 14;

/// The StateBox files by release.
pub type Listing = BTreeMap<ReleaseVersion, StateFile>;

/// One StateBox file, as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateFile {
    /// Changes whenever the file is written.
    pub revision: String,
    entry: Option<TreeEntry>,
}

/// Which releases are active.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Active {
    /// The active releases, in the order of their versions.
    pub releases: Vec<ReleaseVersion>,
    /// The releases of which this is not known, and why.
    pub unknown: Vec<(ReleaseVersion, String)>,
}

/// The StateBox files where the settings keep them. One that is shared costs one request for all its users, which
/// does not count towards the rate limit while nothing has changed.
#[derive(Debug)]
pub struct StateBoxFiles {
    clients: Clients,
    listed: tokio::sync::Mutex<Listed>,
    read: Mutex<HashMap<ReleaseVersion, (String, Facts)>>,
}

#[derive(Debug, Default)]
struct Listed {
    etag: Option<String>,
    sha: Option<String>,
    files: Arc<Listing>,
}

/// How long a release that is not approved counts as active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// Some days after its date.
    SomeDays,
    /// Until it is approved, while no newer release of its y-stream overtakes it; one that is overtaken, some days.
    UntilOvertaken,
}

/// What decides whether a release is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Facts {
    date: Option<Date>,
    is_approved: bool,
    /// Whether it waits for something, or has messages that could not be sent.
    owes: bool,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct ReadFile {
    /// The state in it.
    pub state: State,
    /// The file.
    pub stored: Stored,
}

impl StateBoxFiles {
    /// The files where the settings of `clients` keep them. Makes no request.
    pub fn new(clients: Clients) -> Self {
        Self { clients, listed: tokio::sync::Mutex::default(), read: Mutex::default() }
    }

    /// All files as they are now (one request, two when something has changed since they were listed last).
    pub async fn list(&self) -> Result<Arc<Listing>, TaskError> {
        let state = self.clients.settings().state();
        // Held, so that those who ask at the same time share the answer's entity tag.
        let mut listed = self.listed.lock().await;
        match &state.location {
            StateLocation::Local(folder) => {
                let store = LocalStore::new(folder, self.clients.clock().clone());
                let marks = store.marks(RELEASES, DEPTH).await?;
                let file = |(path, revision): (String, String)| {
                    Some((StateBox::release_of(&path)?, StateFile { revision, entry: None }))
                };
                listed.files = Arc::new(marks.into_iter().filter_map(file).collect());
            }
            StateLocation::Github if listed.sha.is_none() => {
                let client = self.clients.github()?;
                let found = client.files_below(&state.repository, &state.branch, RELEASES).await?;
                let (sha, files) = found.unzip();
                *listed = Listed { etag: None, sha, files: Arc::new(listing(files.unwrap_or_default())) };
            }
            StateLocation::Github => {
                let client = self.clients.github()?;
                let etag = listed.etag.as_deref();
                match client.tree(&state.repository, &state.branch, RELEASES, etag).await? {
                    Tree::Unchanged => {}
                    Tree::Absent => *listed = Listed::default(),
                    Tree::Found(tree) => {
                        if listed.sha.as_ref() != Some(&tree.sha) {
                            let files =
                                client.files_below(&state.repository, &state.branch, RELEASES).await?;
                            let files = files.map(|(_, files)| files);
                            listed.files = Arc::new(listing(files.unwrap_or_default()));
                            listed.sha = Some(tree.sha);
                        }
                        // Only now: after a failure everything is read again.
                        listed.etag = tree.etag;
                    }
                }
            }
        }
        Ok(Arc::clone(&listed.files))
    }

    /// Which releases are active now: around their dates. Only files that were not read before are read.
    pub async fn active(&self) -> Result<Active, TaskError> {
        let listing = self.list().await?;
        let candidates = candidates(&listing);
        let mut active = Active::default();
        let mut facts = self.known(&listing, &candidates);
        let missing: Vec<&ReleaseVersion> =
            candidates.iter().copied().filter(|release| !facts.contains_key(*release)).collect();
        for (release, text) in self.texts(&listing, &missing).await? {
            let read = text.and_then(|text| {
                State::parse(&text).map(|state| Facts::of(&state)).map_err(|_| "it is damaged".to_owned())
            });
            match read {
                Ok(found) => {
                    if let Some(file) = listing.get(&release) {
                        self.read().insert(release.clone(), (file.revision.clone(), found));
                    }
                    facts.insert(release, found);
                }
                Err(why) => active.unknown.push((release, why)),
            }
        }
        self.read().retain(|release, _| listing.contains_key(release));
        let today = today(self.clients.clock().now());
        let newest: HashMap<YStream, &ReleaseVersion> =
            listing.keys().map(|release| (release.y_stream(), release)).collect();
        for release in candidates {
            let is_newest = newest.get(&release.y_stream()) == Some(&release);
            if facts.get(release).is_some_and(|facts| facts.is_active(is_newest, today, Late::SomeDays)) {
                active.releases.push(release.clone());
            }
        }
        Ok(active)
    }

    /// The texts of all files, at most `most`: the newest releases of all y-streams. One that cannot be read does not affect
    /// the others.
    pub async fn newest(
        &self,
        most: usize,
    ) -> Result<Vec<(ReleaseVersion, Result<String, String>)>, TaskError> {
        let listing = self.list().await?;
        let releases: Vec<&ReleaseVersion> = listing.keys().collect();
        let newest = releases.get(releases.len().saturating_sub(most)..).unwrap_or_default();
        self.texts(&listing, newest).await
    }

    /// The texts of the files of the newest releases of each y-stream. One that cannot be read does not affect the others.
    pub async fn newest_of_streams(
        &self,
    ) -> Result<Vec<(ReleaseVersion, Result<String, String>)>, TaskError> {
        // Whoever makes the plans of many releases has listed them a moment ago.
        let listing = match self.clients.recent().get::<Listing>(self.clients.clock().now()) {
            Some(listing) => listing,
            None => self.list().await?,
        };
        self.texts(&listing, &candidates(&listing)).await
    }

    /// The active releases and, however old its date is, the newest of each y-stream that is not approved: those that
    /// somebody still has to bring to their end, with their files; and those of which it is not known, with why. A file that
    /// was read before is in the cache of this machine.
    pub async fn unfinished_states(
        &self,
    ) -> Result<Vec<(ReleaseVersion, Result<ReadFile, String>)>, TaskError> {
        let at = self.clients.clock().now();
        let listing = self.clients.recent().keep(Listing::clone(&*self.list().await?), at);
        let candidates = candidates(&listing);
        let newest: HashMap<YStream, &ReleaseVersion> =
            listing.keys().map(|release| (release.y_stream(), release)).collect();
        let today = today(self.clients.clock().now());
        let mut states = Vec::new();
        for (release, text) in self.texts(&listing, &candidates).await? {
            let is_newest = newest.get(&release.y_stream()) == Some(&&release);
            let revision = listing.get(&release).map(|file| file.revision.clone()).unwrap_or_default();
            let read = text.and_then(|text| {
                let state = State::parse(&text).map_err(|_| "it is damaged".to_owned())?;
                Ok(ReadFile { state, stored: Stored { text, revision: Revision::new(revision) } })
            });
            // Of one that cannot be read it is not known.
            let is_active = match &read {
                Ok(read) => Facts::of(&read.state).is_active(is_newest, today, Late::UntilOvertaken),
                Err(_) => true,
            };
            if is_active {
                states.push((release, read));
            }
        }
        Ok(states)
    }

    fn read(&self) -> std::sync::MutexGuard<'_, HashMap<ReleaseVersion, (String, Facts)>> {
        // Every change of the map is one call, so a panic elsewhere cannot leave it inconsistent.
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the present revisions.
    fn known(&self, listing: &Listing, releases: &[&ReleaseVersion]) -> HashMap<ReleaseVersion, Facts> {
        let read = self.read();
        let known = |release: &&ReleaseVersion| {
            let (revision, facts) = read.get(*release)?;
            let present = listing.get(*release)?;
            (*revision == present.revision).then(|| ((*release).clone(), *facts))
        };
        releases.iter().filter_map(known).collect()
    }

    /// The texts of files. One that cannot be read does not affect the others.
    async fn texts(
        &self,
        listing: &Listing,
        releases: &[&ReleaseVersion],
    ) -> Result<Vec<(ReleaseVersion, Result<String, String>)>, TaskError> {
        if releases.is_empty() {
            return Ok(Vec::new());
        }
        let entry =
            |release: &&ReleaseVersion| Some(((*release).clone(), listing.get(*release)?.entry.clone()?));
        let entries: Vec<(ReleaseVersion, TreeEntry)> = releases.iter().filter_map(entry).collect();
        if entries.len() == releases.len() {
            let state = self.clients.settings().state();
            let folder = self.clients.folder(state.repository.clone(), &state.branch, RELEASES)?;
            let (names, entries): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
            let files = folder.read(&entries).await.into_iter();
            let texts = files.map(|file| file.map(|file| file.text).map_err(|error| error.to_string()));
            return Ok(names.into_iter().zip(texts).collect());
        }
        let store = shared_store(&self.clients)?;
        let mut texts = Vec::new();
        for release in releases {
            let path = format!("{RELEASES}/{}/statebox/{release}.yaml", release.y_stream());
            let text = match store.read(&path).await {
                Ok(Some(stored)) => Ok(stored.text),
                // It was removed since it was listed.
                Ok(None) => continue,
                Err(error) => Err(error.to_string()),
            };
            texts.push(((*release).clone(), text));
        }
        Ok(texts)
    }
}

fn listing(files: Vec<TreeEntry>) -> Listing {
    let file = |entry: TreeEntry| {
        let release = StateBox::release_of(&format!("{RELEASES}/{}", entry.name))?;
        Some((release, StateFile { revision: entry.sha.clone(), entry: Some(entry) }))
    };
    files.into_iter().filter_map(file).collect()
}

/// The newest releases of each y-stream, in the order of their versions.
fn candidates(listing: &Listing) -> Vec<&ReleaseVersion> {
    let mut streams: BTreeMap<YStream, Vec<&ReleaseVersion>> = BTreeMap::new();
    for release in listing.keys() {
        streams.entry(release.y_stream()).or_default().push(release);
    }
    streams
        .into_values()
        .flat_map(|mut releases| releases.split_off(releases.len().saturating_sub(NEWEST)))
        .collect()
}

fn today(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}

impl Facts {
    fn of(state: &State) -> Self {
        let date = state.metadata().release_date;
        let date = date.and_then(|date| date.parse::<ReleaseDate>().ok()).map(|date| date.date());
        let approval = state.task(TaskName::ChangeAdvisoryStatus);
        let is_approved = approval.is_some_and(|task| task.status == TaskStatus::Pass);
        let owes = state.wait(TaskName::ChangeAdvisoryStatus).is_some() || !state.kept_messages().is_empty();
        Self { date, is_approved, owes }
    }

    /// Whether the release is active: the newest of its y-stream and those that are not approved, around their dates.
    /// One without a date is active when it is the newest and not approved. One that waits, or that owes messages, is not
    /// finished.
    fn is_active(self, is_newest: bool, today: Date, late: Late) -> bool {
        if self.owes && late == Late::UntilOvertaken {
            return true;
        }
        let until = |days: i64| {
            let end = self.date.and_then(|date| date.checked_add(Span::new().days(days)).ok());
            end.is_some_and(|end| today <= end)
        };
        match (self.is_approved, self.date) {
            (true, _) => is_newest && until(DAYS_KEPT),
            (false, Some(_)) => until(DAYS_LATE) || (is_newest && late == Late::UntilOvertaken),
            (false, None) => is_newest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::config::{Environment, Settings};
    use crate::http::Http;
    use crate::redact::Redactor;
    use crate::statebox::{ManualStatus, Metadata};

    fn files(folder: &std::path::Path) -> StateBoxFiles {
        let state = format!("local:{}", folder.display());
        let environment = Environment::from_pairs([("OAR_STATE", state.as_str())]);
        let settings = Settings::load(&environment).unwrap();
        let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
        StateBoxFiles::new(Clients::new(settings, http))
    }

    fn write(folder: &std::path::Path, release: &str, date: Option<Date>, is_approved: bool) {
        let release: ReleaseVersion = release.parse().unwrap();
        let date = date.map(|date| date.strftime("%Y-%b-%d").to_string());
        let metadata = Metadata { release_date: date, ..Metadata::default() };
        let mut state = State::new(&release, &metadata, Timestamp::now());
        let approval = ManualStatus {
            id: "x".into(),
            at: Timestamp::now(),
            by: "tester".into(),
            status: TaskStatus::Pass,
            reason: "approved".into(),
            result: None,
            force: false,
        };
        if is_approved {
            let _ = state.set_task(TaskName::ChangeAdvisoryStatus, &approval).unwrap();
        }
        let path = folder.join(format!("_releases/{}/statebox/{release}.yaml", release.y_stream()));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, state.to_yaml()).unwrap();
    }

    #[test]
    fn a_release_is_active_until_it_is_out_and_a_late_one_longer() {
        let today: Date = "2026-07-10".parse().unwrap();
        let day = |text: &str| Some(text.parse::<Date>().unwrap());
        for (date, is_approved, is_newest, expected) in [
            (day("2026-07-20"), false, false, true),
            (day("2026-07-20"), true, true, true),
            (day("2026-07-20"), true, false, false),
            (day("2026-07-09"), true, true, true),
            (day("2026-07-08"), true, true, false),
            (day("2026-07-08"), false, false, true),
            (day("2026-06-26"), false, false, true),
            (day("2026-06-25"), false, true, false),
            (None, false, true, true),
            (None, false, false, false),
            (None, true, true, false),
        ] {
            let facts = Facts { date, is_approved, owes: false };
            let active = |late| facts.is_active(is_newest, today, late);
            assert_eq!(active(Late::SomeDays), expected, "{facts:?} newest: {is_newest}");
            // One that is not approved and that nothing has overtaken is never forgotten.
            let unfinished = expected || (is_newest && !is_approved);
            assert_eq!(active(Late::UntilOvertaken), unfinished, "{facts:?} newest: {is_newest}");
            // Nor one that waits, or that has messages to send.
            let owes = Facts { owes: true, ..facts };
            assert!(owes.is_active(is_newest, today, Late::UntilOvertaken), "{owes:?}");
            assert_eq!(owes.is_active(is_newest, today, Late::SomeDays), expected, "{owes:?}");
        }
    }

    #[tokio::test]
    async fn active_releases_are_found_and_a_damaged_file_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let now = today(Timestamp::now());
        let in_days = |days: i64| now.checked_add(Span::new().days(days)).ok();
        let files = files(folder.path());
        assert_eq!(files.active().await.unwrap(), Active::default());
        write(folder.path(), "4.9.10", in_days(3), false);
        write(folder.path(), "4.9.9", in_days(-3), false);
        write(folder.path(), "4.9.8", in_days(-3), true);
        write(folder.path(), "4.20.1", None, false);
        std::fs::write(folder.path().join("_releases/4.9/statebox/4.9.11.yaml"), "tasks: 3\n").unwrap();
        std::fs::write(folder.path().join("_releases/4.9/statebox/notes.yaml"), "x\n").unwrap();
        let active = files.active().await.unwrap();
        let names: Vec<String> = active.releases.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["4.9.9", "4.9.10", "4.20.1"]);
        assert_eq!(active.unknown.len(), 1, "{:?}", active.unknown);
        assert_eq!(active.unknown[0].0.to_string(), "4.9.11");
        write(folder.path(), "4.20.1", in_days(-3), true);
        let names: Vec<String> =
            files.active().await.unwrap().releases.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["4.9.9", "4.9.10"], "a changed file is read again");
        write(folder.path(), "4.21.1", in_days(-150), false);
        write(folder.path(), "4.21.2", in_days(-120), false);
        let names = |active: Active| active.releases.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(names(files.active().await.unwrap()), ["4.9.9", "4.9.10"]);
        let states = files.unfinished_states().await.unwrap();
        let states: Vec<String> = states.iter().map(|(release, _)| release.to_string()).collect();
        assert_eq!(states, ["4.9.9", "4.9.10", "4.9.11", "4.21.2"]);
    }

    #[tokio::test]
    async fn an_unchanged_tree_is_not_listed_again() {
        use wiremock::matchers::{header, path, query_param};
        use wiremock::{Mock, MockServer, ResponseTemplate};
        let server = MockServer::start().await;
        let empty = serde_json::json!({"sha": "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "tree": [], "truncated": false});
        let tree = "/repos/example/states/git/trees/z-stream:_releases";
        Mock::given(path(tree))
            .and(query_param("recursive", "1"))
            .respond_with(ResponseTemplate::new(200).set_body_json(&empty))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(path(tree))
            .and(header("if-none-match", "\"t1\""))
            .respond_with(ResponseTemplate::new(304))
            .expect(1)
            .mount(&server)
            .await;
        Mock::given(path(tree))
            .respond_with(ResponseTemplate::new(200).insert_header("etag", "\"t1\"").set_body_json(&empty))
            .expect(1)
            .mount(&server)
            .await;
        let uri = server.uri();
        let environment = Environment::from_pairs([
            ("OAR_ENDPOINT_GITHUB_API", uri.as_str()),
            ("OAR_STATE_REPO", "example/states"),
            ("GITHUB_TOKEN", "t0ken"),
        ]);
        let settings = Settings::load(&environment).unwrap();
        let http = Http::new(settings.http().clone(), Clock::system(), Redactor::default()).unwrap();
        let files = StateBoxFiles::new(Clients::new(settings, http));
        for _ in 0..3 {
            assert!(files.list().await.unwrap().is_empty());
        }
    }
}
