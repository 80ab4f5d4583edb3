//! The record files of builds, for somebody who looks at many releases: which there are is read once for all of them.

use super::factory::{ClientError, Clients};
use super::github::{FolderFile, FolderTree};

/// The record files as they were when somebody listed them.
#[derive(Debug)]
struct ListedRecords(Option<FolderTree>);

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
}
