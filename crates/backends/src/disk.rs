//! Files on the local disk, by the SHA-256 of their content: `ab/cdef…` below one folder.
//!
//! A file is copied or moved to a temporary name, brought to the disk, and only then gets its own name; so one that
//! has its name is whole, also after a loss of power.

use chinwag_messenger::Timestamp;
use chinwag_messenger::blob::{BlobError, BlobId, BlobStream, Blobs};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

/// Bytes read at once for a download.
const PIECE_BYTES: usize = 64 * 1024;

/// A folder of files.
#[derive(Debug, Clone)]
pub struct DiskBlobs {
    folder: PathBuf,
}

impl DiskBlobs {
    /// Files below this folder, which is created when there is none.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// The file of this name.
    pub(crate) fn file(&self, id: BlobId) -> io::Result<File> {
        File::open(self.place(id).1)
    }

    /// Takes over what is read, which must have this name.
    pub(crate) fn take_in(&self, id: BlobId, mut from: impl Read) -> io::Result<()> {
        let (folder, file) = self.place(id);
        fs::create_dir_all(&folder)?;
        let temporary = folder.join(format!("{}.part", uuid::Uuid::new_v4()));
        let mut taking = Summed {
            file: File::create_new(&temporary)?,
            sum: Sha256::new(),
        };
        let taken = io::copy(&mut from, &mut taking).and_then(|_| {
            if BlobId(taking.sum.finalize().into()) != id {
                let text = format!("the file {id} is not what its name says");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            put(&folder, &file, &temporary)
        });
        if taken.is_err() {
            // It is found by its age otherwise.
            let _ = fs::remove_file(&temporary);
        }
        taken
    }

    /// The folder of a file, and the file.
    fn place(&self, id: BlobId) -> (PathBuf, PathBuf) {
        let name = id.to_string();
        let folder = self.folder.join(&name[..2]);
        let file = folder.join(&name[2..]);
        (folder, file)
    }
}

#[async_trait::async_trait]
impl Blobs for DiskBlobs {
    async fn put(&self, id: BlobId, from: &Path) -> Result<(), BlobError> {
        let (folder, file) = self.place(id);
        let from = from.to_owned();
        blocking(move || put(&folder, &file, &from)).await
    }

    async fn get(&self, id: BlobId, range: Range<u64>) -> Result<BlobStream, BlobError> {
        let (_, path) = self.place(id);
        let mut file = tokio::fs::File::open(path).await?;
        if range.start > 0 {
            file.seek(io::SeekFrom::Start(range.start)).await?;
        }
        let part = file.take(range.end.saturating_sub(range.start));
        let pieces = ReaderStream::with_capacity(part, PIECE_BYTES);
        Ok(pieces.boxed())
    }

    async fn delete(&self, id: BlobId) -> Result<(), BlobError> {
        let (_, file) = self.place(id);
        blocking(move || match fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            done => done,
        })
        .await
    }

    async fn older_than(&self, before: Timestamp) -> Result<Vec<BlobId>, BlobError> {
        let root = self.folder.clone();
        blocking(move || older_than(&root, before)).await
    }
}

/// A file and the checksum of what was written to it.
struct Summed {
    file: File,
    sum: Sha256,
}

impl Write for Summed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.sum.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BlobError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| BlobError::Failed(error.to_string()))?;
    Ok(done?)
}

fn put(folder: &Path, file: &Path, from: &Path) -> io::Result<()> {
    if let Ok(known) = File::options().append(true).open(file) {
        // So that nobody who looks for old ones takes this for one.
        known.set_modified(SystemTime::now())?;
        return remove(from);
    }
    if !folder.is_dir() {
        fs::create_dir_all(folder)?;
        sync_folder(folder.parent())?;
    }
    let source = File::open(from)?;
    source.sync_all()?;
    match fs::rename(from, file) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => copy(folder, file, from)?,
        Err(error) => return Err(error),
    }
    let placed = File::options().append(true).open(file)?;
    placed.set_modified(SystemTime::now())?;
    sync_folder(Some(folder))
}

/// For a local file that lies on another disk.
fn copy(folder: &Path, file: &Path, from: &Path) -> io::Result<()> {
    let temporary = folder.join(format!("{}.part", uuid::Uuid::new_v4()));
    let copied = fs::copy(from, &temporary)
        .and_then(|_| File::open(&temporary)?.sync_all())
        .and_then(|()| fs::rename(&temporary, file));
    if copied.is_err() {
        // It is found by its age otherwise.
        let _ = fs::remove_file(&temporary);
    }
    copied?;
    remove(from)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Brings the names in a folder to the disk.
fn sync_folder(folder: Option<&Path>) -> io::Result<()> {
    match folder {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn older_than(root: &Path, before: Timestamp) -> io::Result<Vec<BlobId>> {
    let since_epoch = Duration::from_millis(before.0.max(0) as u64);
    let before = SystemTime::UNIX_EPOCH.checked_add(since_epoch);
    let mut found = Vec::new();
    for folder in fs::read_dir(root)? {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        for file in fs::read_dir(folder.path())? {
            let file = file?;
            let Ok(metadata) = file.metadata() else {
                continue; // Deleted meanwhile.
            };
            if before.is_some_and(|before| metadata.modified().is_ok_and(|at| at >= before)) {
                continue;
            }
            let name = [folder.file_name(), file.file_name()].map(|name| name.to_string_lossy().into_owned());
            match BlobId::parse(&name.concat()) {
                Some(id) => found.push(id),
                // What a copy that was cut short left behind.
                None if name[1].ends_with(".part") => remove(&file.path())?,
                None => {}
            }
        }
    }
    Ok(found)
}
