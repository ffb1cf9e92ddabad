//! The local disk keeps the contract of places for files, and says when it is full.

use chinwag_backends::DiskBlobs;
use chinwag_messenger::blob::contract;
use std::sync::Arc;

#[tokio::test]
async fn keeps_the_contract_of_blobs() {
    let folder = tempfile::tempdir().expect("a folder");
    let scratch = tempfile::tempdir().expect("a folder");
    let blobs = DiskBlobs::open(&folder.path().join("files")).expect("opened");
    contract::check(Arc::new(blobs), scratch.path()).await;
}

#[tokio::test]
async fn keeps_it_with_the_local_files_on_another_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let Ok(scratch) = tempfile::tempdir_in("/dev/shm") else {
        return; // No second disk here.
    };
    let blobs = DiskBlobs::open(folder.path()).expect("opened");
    contract::check(Arc::new(blobs), scratch.path()).await;
}
