//! Removing what nobody refers to: at once what was deleted, and after a day what never was used.

use super::files::blocking;
use crate::blob::{BlobError, BlobId};
use crate::{Messenger, StoreResult, Timestamp};
use std::time::{Duration, SystemTime};

/// Files looked at in one go.
const BATCH: usize = 200;

impl Messenger {
    /// Returns when something has lost its last reference, for whoever calls [`Messenger::sweep`] then.
    pub async fn files_released(&self) {
        match &self.files {
            Some(files) => files.released.notified().await,
            None => std::future::pending().await,
        }
    }

    /// Removes the files that have lost their last reference.
    pub async fn sweep(&self) -> StoreResult<()> {
        let files = self.files()?;
        loop {
            let released = self.store.released_blobs(BATCH).await?;
            if released.is_empty() {
                return Ok(());
            }
            // Nobody may come to refer to one of them between the question and its end.
            let _closed = files.gate.write().await;
            self.remove(&released).await?;
            self.store.forget_released(&released).await?;
        }
    }

    /// Removes uploads that nobody has used in time, and files that nothing knows of: what a crash left behind.
    pub async fn sweep_unused(&self, now: Timestamp) -> StoreResult<()> {
        let files = self.files()?;
        let unused = Duration::from_secs(self.options.attachments.unused_s);
        let before = Timestamp(now.0 - unused.as_millis() as i64);
        loop {
            let expired = self.store.expire_attachments(before, BATCH).await?;
            for &id in &expired {
                drop(std::fs::remove_file(files.place(id)));
            }
            if expired.len() < BATCH {
                break;
            }
        }
        self.sweep().await?;
        let old = files.blobs.older_than(before).await?;
        for batch in old.chunks(BATCH) {
            let _closed = files.gate.write().await;
            self.remove(batch).await?;
        }
        let spool = files.spool.clone();
        Ok(blocking(move || remove_older(&spool, unused)).await?)
    }

    /// Removes those of the files that nothing refers to.
    async fn remove(&self, ids: &[BlobId]) -> Result<(), crate::store::StoreError> {
        let files = self.files()?;
        for id in self.store.unreferenced(ids).await? {
            match files.blobs.delete(id).await {
                Ok(()) | Err(BlobError::Missing) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Files of a moment that have outlived it: twice the time, since uploads have their own end.
fn remove_older(spool: &std::path::Path, unused: Duration) -> std::io::Result<()> {
    let now = SystemTime::now();
    for file in std::fs::read_dir(spool)? {
        let file = file?;
        let age = file.metadata().and_then(|metadata| metadata.modified());
        let age = age.ok().and_then(|at| now.duration_since(at).ok());
        if age.is_some_and(|age| age > unused * 2) {
            drop(std::fs::remove_file(file.path()));
        }
    }
    Ok(())
}
