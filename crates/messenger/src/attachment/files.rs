//! Where files are on their way to the place for files, and the turns for looking at them.

use super::UploadError;
use crate::AttachmentId;
use crate::blob::{BlobError, BlobId, Blobs};
use crate::media::{self, Bounds, Looked, Thumbnail, Unfit, VoiceNote};
use crate::store::{NewPart, StoreError};
use hashbrown::HashSet;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, RwLock, Semaphore};
use uuid::Uuid;

/// How long a file may wait for its turn to be looked at.
const TURN_TIMEOUT: Duration = Duration::from_secs(60);

/// What a look may take beyond its time, which it watches itself where it can.
const OVERTIME: Duration = Duration::from_secs(10);

/// Bytes read at once for a checksum.
const PIECE_BYTES: usize = 256 * 1024;

/// The place for files, and the way there.
pub(crate) struct Files {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(super) spool: PathBuf,
    /// Decoding an image may need hundreds of megabytes and a core for seconds; so one at once, or two.
    turns: Arc<Semaphore>,
    /// Held to read by who puts a file until something refers to it, to write by who removes what nothing refers to.
    pub(super) gate: RwLock<()>,
    /// Uploads that somebody is writing to.
    pub(super) busy: Arc<Mutex<HashSet<AttachmentId>>>,
    /// Something lost its last reference.
    pub(super) released: Notify,
}

/// An upload that nobody else may write to meanwhile.
pub(super) struct Busy {
    id: AttachmentId,
    all: Arc<Mutex<HashSet<AttachmentId>>>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

/// Files in the spool that go when this does.
#[derive(Debug, Default)]
pub(super) struct Leftovers(Vec<PathBuf>);

impl Leftovers {
    pub(super) fn add(&mut self, path: PathBuf) {
        self.0.push(path);
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        for path in &self.0 {
            // Moved away or never there, mostly. Else it is swept by its age.
            let _ = fs::remove_file(path);
        }
    }
}

impl Files {
    pub(super) fn new(blobs: Arc<dyn Blobs>, spool: &Path) -> io::Result<Self> {
        fs::create_dir_all(spool)?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            blobs,
            spool: spool.to_owned(),
            turns: Arc::new(Semaphore::new((cores / 2).clamp(1, 2))),
            gate: RwLock::default(),
            busy: Arc::default(),
            released: Notify::new(),
        })
    }

    /// Where an upload's bytes are collected.
    pub(super) fn place(&self, id: AttachmentId) -> PathBuf {
        self.spool.join(id.to_string())
    }

    /// A new name for a file of a moment.
    pub(super) fn scratch(&self) -> PathBuf {
        self.spool.join(format!("{}.tmp", Uuid::new_v4()))
    }

    /// The right to write to an upload; `None` while somebody else does.
    pub(super) fn occupy(&self, id: AttachmentId) -> Option<Busy> {
        let free = self.busy.lock().insert(id);
        free.then(|| Busy {
            id,
            all: Arc::clone(&self.busy),
        })
    }

    /// Says that something may have lost its last reference.
    pub(crate) fn release(&self) {
        self.released.notify_one();
    }

    /// Looks at a file when it is its turn.
    pub(super) async fn look(
        &self,
        path: &Path,
        cleaned: &Path,
        voice: Option<VoiceNote>,
        bounds: Bounds,
    ) -> Result<Looked, UploadError> {
        let (path, cleaned) = (path.to_owned(), cleaned.to_owned());
        let work = move || media::look(&path, &cleaned, voice.as_ref(), bounds);
        self.in_turn(bounds.time + OVERTIME, work).await
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl FnOnce() -> Result<T, Unfit> + Send + 'static,
    ) -> Result<T, UploadError> {
        let waiting = tokio::time::timeout(TURN_TIMEOUT, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = waiting.await else {
            return Err(StoreError::Unavailable("too many files wait to be looked at".into()).into());
        };
        // The turn goes along, for the thread works on even when nobody waits any more.
        let working = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            // A file that a decoder stumbles over is no file for us.
            std::panic::catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Unfit::ImageInvalid))
        });
        match tokio::time::timeout(time, working).await {
            Ok(Ok(done)) => Ok(done?),
            Ok(Err(error)) => Err(StoreError::Broken(error.to_string()).into()),
            Err(_) => {
                tracing::warn!("A file took too long to look at and is refused");
                Err(UploadError::ImageInvalid)
            }
        }
    }

    /// Puts a small picture into its place.
    pub(crate) async fn put_thumb(&self, thumb: Thumbnail) -> Result<NewPart, BlobError> {
        let path = self.scratch();
        let mut leftovers = Leftovers::default();
        leftovers.add(path.clone());
        let part = NewPart {
            size: thumb.size,
            blob: BlobId::of(&thumb.bytes),
            mime: thumb.mime.to_owned(),
            bytes: thumb.bytes.len() as u64,
            dimensions: (thumb.width, thumb.height),
        };
        let written = path.clone();
        blocking(move || fs::write(written, thumb.bytes)).await?;
        self.blobs.put(part.blob, &path).await?;
        Ok(part)
    }

    /// Puts a file into its place: its name there and its length.
    pub(super) async fn put(&self, path: &Path) -> Result<(BlobId, u64), BlobError> {
        let file = path.to_owned();
        let (id, length) = blocking(move || checksum(&file)).await?;
        self.blobs.put(id, path).await?;
        Ok((id, length))
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|error| BlobError::Failed(error.to_string()))??)
}

fn checksum(path: &Path) -> io::Result<(BlobId, u64)> {
    let mut file = File::open(path)?;
    let mut sum = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut length = 0;
    loop {
        let count = file.read(&mut piece)?;
        if count == 0 {
            return Ok((BlobId(sum.finalize().into()), length));
        }
        sum.update(&piece[..count]);
        length += count as u64;
    }
}
