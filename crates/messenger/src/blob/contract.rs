//! What every place for files keeps. A backend is done when this passes.

#![expect(clippy::unwrap_used, reason = "a test may")]

use super::{BlobError, BlobId, Blobs};
use crate::Timestamp;
use futures_util::TryStreamExt;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// Checks all of it. `scratch` is a folder for local files on the way there.
pub async fn check(blobs: Arc<dyn Blobs>, scratch: &Path) {
    what_was_put_is_there_whole_and_in_parts(&*blobs, scratch).await;
    the_same_again_changes_nothing(&*blobs, scratch).await;
    many_at_once_store_one(&blobs, scratch).await;
    what_was_deleted_is_gone(&*blobs, scratch).await;
    the_old_are_told_from_the_new(&*blobs, scratch).await;
}

async fn put(blobs: &dyn Blobs, scratch: &Path, name: &str, content: &[u8]) -> BlobId {
    let file = scratch.join(name);
    std::fs::write(&file, content).unwrap();
    let id = BlobId::of(content);
    blobs.put(id, &file).await.unwrap();
    id
}

async fn read(blobs: &dyn Blobs, id: BlobId, range: Range<u64>) -> Result<Vec<u8>, BlobError> {
    let pieces: Vec<_> = blobs.get(id, range).await?.try_collect().await?;
    Ok(pieces.concat())
}

async fn what_was_put_is_there_whole_and_in_parts(blobs: &dyn Blobs, scratch: &Path) {
    let content: Vec<u8> = (0..300_000u32).map(|n| (n % 251) as u8).collect();
    let id = put(blobs, scratch, "whole", &content).await;
    for range in [0..300_000, 0..1, 1..2, 299_999..300_000, 65_535..131_073, 7..7] {
        let expected = &content[range.start as usize..range.end as usize];
        assert_eq!(
            read(blobs, id, range.clone()).await.unwrap(),
            expected,
            "{range:?}"
        );
    }
    let empty = put(blobs, scratch, "empty", b"").await;
    assert_eq!(read(blobs, empty, 0..0).await.unwrap(), b"");
    let unknown = BlobId::of(b"never put");
    assert_eq!(read(blobs, unknown, 0..1).await, Err(BlobError::Missing));
}

async fn the_same_again_changes_nothing(blobs: &dyn Blobs, scratch: &Path) {
    let first = put(blobs, scratch, "first", b"the same bytes").await;
    let second = put(blobs, scratch, "second", b"the same bytes").await;
    assert_eq!(first, second);
    assert_eq!(read(blobs, first, 0..14).await.unwrap(), b"the same bytes");
}

async fn many_at_once_store_one(blobs: &Arc<dyn Blobs>, scratch: &Path) {
    let content = vec![7u8; 100_000];
    let id = BlobId::of(&content);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let file = scratch.join(format!("many{n}"));
        std::fs::write(&file, &content).unwrap();
        let blobs = Arc::clone(blobs);
        tasks.spawn(async move { blobs.put(id, &file).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(read(&**blobs, id, 0..100_000).await.unwrap(), content);
    let all = blobs.older_than(Timestamp(i64::MAX)).await.unwrap();
    assert_eq!(all.iter().filter(|&&found| found == id).count(), 1);
}

async fn what_was_deleted_is_gone(blobs: &dyn Blobs, scratch: &Path) {
    let id = put(blobs, scratch, "gone", b"soon gone").await;
    blobs.delete(id).await.unwrap();
    assert_eq!(read(blobs, id, 0..9).await, Err(BlobError::Missing));
    blobs.delete(id).await.unwrap();
    put(blobs, scratch, "back", b"soon gone").await;
    assert_eq!(read(blobs, id, 0..9).await.unwrap(), b"soon gone");
}

async fn the_old_are_told_from_the_new(blobs: &dyn Blobs, scratch: &Path) {
    let id = put(blobs, scratch, "aged", b"of some age").await;
    let now = Timestamp::now().0;
    let before = blobs.older_than(Timestamp(now - 60_000)).await.unwrap();
    assert!(!before.contains(&id));
    let after = blobs.older_than(Timestamp(now + 60_000)).await.unwrap();
    assert!(after.contains(&id));
}
