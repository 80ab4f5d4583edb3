//! The record files of builds, for somebody who looks at many releases: which there are is read once for all of them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::factory::{ClientError, Clients};
use super::github::{FolderFile, FolderTree};

/// The record files as they were when somebody listed them.
#[derive(Debug)]
struct ListedRecords(Option<FolderTree>);

/// When records were changed last, by their revisions: the commits that made the newest ones known.
#[derive(Debug, Clone, Default)]
struct RecordChanges(BTreeMap<String, Option<Timestamp>>);

/// How many changes are known at a time; a record more lets the others be read again.
const MOST_CHANGES: usize = 64;

impl Clients {
    /// Lists the record files, for [`Clients::record`] in the next seconds (one request, which does not count towards the rate
    /// limit while nothing has changed).
    ///
    /// # Errors
    ///
    /// They cannot be listed.
    pub async fn list_records(&self) -> Result<(), ClientError> {
        let at = self.clock().now();
        let found = self.records()?.list().await?;
        let _ = self.recent().keep(ListedRecords(found), at);
        Ok(())
    }

    /// The record file `name`: as it was when they were listed in the last seconds, otherwise as it is now; `None` when
    /// there is none. A content that was read before comes from the cache.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn record(&self, name: &str) -> Result<Option<FolderFile>, ClientError> {
        let records = self.records()?;
        let listed = self.recent().get::<ListedRecords>(self.clock().now());
        let entry = listed.map(|listed| {
            let mut entries = listed.0.iter().flat_map(|tree| &tree.entries);
            entries.find(|entry| entry.name == name && entry.is_file()).cloned()
        });
        match entry {
            None => Ok(records.read_now(name).await?),
            Some(None) => Ok(None),
            Some(Some(entry)) => match records.read(&[entry]).await.pop() {
                Some(file) => Ok(Some(file?)),
                None => Ok(records.read_now(name).await?),
            },
        }
    }

    /// When the record `file` was changed to what it is; `None` when nothing says so. One request, which serves for the next
    /// seconds as long as the record is the same.
    ///
    /// # Errors
    ///
    /// It cannot be read.
    pub async fn record_changed_at(&self, file: &FolderFile) -> Result<Option<Timestamp>, ClientError> {
        let known = || self.recent().get::<RecordChanges>(self.clock().now());
        if let Some(at) = known().and_then(|known| known.0.get(&file.sha).copied()) {
            return Ok(at);
        }
        let changed = self.records()?.changed_at(&file.name).await?;
        let RecordChanges(mut all) = known().map(|known| RecordChanges::clone(&known)).unwrap_or_default();
        if all.len() >= MOST_CHANGES {
            all.clear();
        }
        let _ = all.insert(file.sha.clone(), changed);
        let _ = self.recent().keep(RecordChanges(all), self.clock().now());
        Ok(changed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;
    use wiremock::matchers::{path_regex, query_param};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;
    use crate::config::{Environment, Settings};
    use crate::http::{Http, HttpSettings};
    use crate::redact::Redactor;
    use crate::store::memory::SteppingClock;

    #[tokio::test]
    async fn when_a_record_was_changed_is_read_once_for_each_of_its_revisions() {
        let server = MockServer::start().await;
        for (name, date) in [("a.json", "2026-07-02T10:00:00Z"), ("b.json", "2026-07-02T11:00:00Z")] {
            let commits = json!([{ "sha": "c0ffee", "commit": { "committer": { "date": date } } }]);
            Mock::given(path_regex("/commits$"))
                .and(query_param("path", format!("_releases/{name}")))
                .respond_with(ResponseTemplate::new(200).set_body_json(commits))
                .mount(&server)
                .await;
        }
        let uri = server.uri();
        let pairs = [("OAR_ENDPOINT_GITHUB_API", uri.as_str()), ("GITHUB_TOKEN", "token")];
        let environment = Environment::from_pairs(pairs);
        let (clock, time) = SteppingClock::start();
        let http = Http::new(HttpSettings::default(), clock, Redactor::default()).unwrap();
        let clients = Clients::new(Settings::load(&environment).unwrap(), http);
        let file = |name: &str, sha: &str| FolderFile {
            name: name.to_owned(),
            text: String::new(),
            sha: sha.to_owned(),
        };
        let mut expected = 0;
        for (name, sha, hour, is_read) in [
            ("a.json", "a1", 10, true),
            ("b.json", "b1", 11, true),
            ("a.json", "a1", 10, false),
            ("b.json", "b1", 11, false),
            ("a.json", "a2", 10, true),
        ] {
            let at = clients.record_changed_at(&file(name, sha)).await.unwrap().unwrap();
            assert_eq!(at.to_string(), format!("2026-07-02T{hour}:00:00Z"));
            expected += usize::from(is_read);
            assert_eq!(server.received_requests().await.unwrap().len(), expected, "{name} {sha}");
        }
        for number in 0..MOST_CHANGES {
            let _ = clients.record_changed_at(&file("a.json", &format!("x{number}"))).await.unwrap();
        }
        let known = clients.recent().get::<RecordChanges>(clients.clock().now()).unwrap();
        assert!(known.0.len() <= MOST_CHANGES);
        let before = server.received_requests().await.unwrap().len();
        time.advance(Duration::from_secs(31));
        let _ = clients.record_changed_at(&file("a.json", "x0")).await.unwrap();
        assert_eq!(server.received_requests().await.unwrap().len(), before + 1);
    }
}
