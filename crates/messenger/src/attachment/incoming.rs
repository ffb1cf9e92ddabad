//! Bytes that arrive: written to the disk as they come, in pieces of some size, never held as a whole.

use super::UploadError;
use super::files::{Busy, Leftovers, blocking};
use crate::AttachmentId;
use crate::blob::BlobError;
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;

/// Bytes collected before they are written.
const PIECE_BYTES: usize = 256 * 1024;

/// A file, or a part of one, that somebody is sending.
pub struct Incoming {
    pub(super) id: AttachmentId,
    pub(super) path: PathBuf,
    /// Lent to the thread that writes, together with the right to: when whoever sends goes away in the middle,
    /// nobody else gets it before the writing has ended.
    open: Option<Open>,
    piece: Vec<u8>,
    /// Bytes that are in the file, or will be with the next piece.
    length: u64,
    length_max: u64,
    /// Removes the file when it is not to be continued later.
    pub(super) leftovers: Leftovers,
}

struct Open {
    file: File,
    _busy: Option<Busy>,
}

impl Incoming {
    pub(super) fn new(
        id: AttachmentId,
        path: PathBuf,
        file: File,
        busy: Option<Busy>,
        length: u64,
        length_max: u64,
    ) -> Self {
        Self {
            id,
            path,
            open: Some(Open { file, _busy: busy }),
            piece: Vec::new(),
            length,
            length_max,
            leftovers: Leftovers::default(),
        }
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`UploadError::FileTooLarge`] when they are more than may come.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), UploadError> {
        self.length += bytes.len() as u64;
        if self.length > self.length_max {
            return Err(UploadError::FileTooLarge);
        }
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush(false).await?;
        }
        Ok(())
    }

    /// Brings to the disk what has come. Returns how many bytes there are now, with those that were there before.
    pub async fn pause(&mut self) -> Result<u64, UploadError> {
        self.flush(true).await?;
        Ok(self.length)
    }

    async fn flush(&mut self, to_disk: bool) -> Result<(), BlobError> {
        let lost = || BlobError::Failed("an upload was written to after it failed".into());
        let mut open = self.open.take().ok_or_else(lost)?;
        let piece = std::mem::take(&mut self.piece);
        let written = blocking(move || -> io::Result<_> {
            open.file.write_all(&piece)?;
            if to_disk {
                open.file.sync_data()?;
            }
            Ok(open)
        });
        self.open = Some(written.await?);
        Ok(())
    }
}
