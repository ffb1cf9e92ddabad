//! Where the bytes of files lie: by the SHA-256 of their content, so that what is the same is kept once. Who may
//! read them is decided elsewhere, and so is when nobody needs them any more.

#[cfg(feature = "testing")]
pub mod contract;

use crate::Timestamp;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use sha2::{Digest, Sha256};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::pin::Pin;

/// The SHA-256 of a file's content, which is its name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobId(pub [u8; 32]);

impl BlobId {
    /// The name of these bytes.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Reads what [`fmt::Display`] writes.
    pub fn parse(hex: &str) -> Option<Self> {
        let mut id = [0; 32];
        hex::decode_to_slice(hex, &mut id).ok()?;
        Some(Self(id))
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobId({self})")
    }
}

/// Part of a file on its way to a reader, piece by piece.
pub type BlobStream = Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>;

/// Why a blob cannot be had, or kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// There is none by this name.
    #[error("there is no such blob")]
    Missing,
    /// There is no room left.
    #[error("the place for files is full")]
    Full,
    /// Something that should not happen; the text is for the log only.
    #[error("the place for files failed: {0}")]
    Failed(String),
}

impl From<std::io::Error> for BlobError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            std::io::ErrorKind::NotFound => Self::Missing,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// A place for files. What was put survives a loss of power, and is there whole or not at all.
#[async_trait]
pub trait Blobs: Send + Sync {
    /// Takes over a finished local file whose content has this name. The file may be gone afterwards. What is
    /// there already stays as it is, and is then as new as if it had been put now.
    async fn put(&self, id: BlobId, from: &Path) -> Result<(), BlobError>;
    /// The bytes of this range, which lies within the blob.
    async fn get(&self, id: BlobId, range: Range<u64>) -> Result<BlobStream, BlobError>;
    /// Removes it; that there is none is no failure.
    async fn delete(&self, id: BlobId) -> Result<(), BlobError>;
    /// Those last put before this time.
    async fn older_than(&self, before: Timestamp) -> Result<Vec<BlobId>, BlobError>;
}
