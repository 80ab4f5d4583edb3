//! The record files of builds, for somebody who looks at many releases: which there are is read once for all of them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::factory::{ClientError, Clients};
use super::github::{FolderFile, FolderTree};

/// For how long a list serves: a pass over many releases.
const SERVES: Duration = Duration::from_secs(30);

/// The record files as they were when somebody listed them.
#[derive(Debug, Default)]
pub(super) struct ListedRecords(Mutex<Option<(Timestamp, Option<FolderTree>)>>);

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
        *self.listed_records().0.lock().unwrap_or_else(PoisonError::into_inner) = Some((at, found));
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
        let entry = {
            let listed = self.listed_records().0.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.clock().now();
            let serves =
                |at: Timestamp| Duration::try_from(now.duration_since(at)).is_ok_and(|age| age < SERVES);
            let listed = listed.as_ref().filter(|(at, _)| serves(*at));
            listed.map(|(_, tree)| {
                let mut entries = tree.iter().flat_map(|tree| &tree.entries);
                entries.find(|entry| entry.name == name && entry.is_file()).cloned()
            })
        };
        match entry {
            None => Ok(records.read_now(name).await?),
            Some(None) => Ok(None),
            Some(Some(entry)) => match records.read(&[entry]).await.pop() {
                Some(file) => Ok(Some(file?)),
                None => Ok(records.read_now(name).await?),
            },
        }
    }
}
