//! Deleting messages for everyone: a tombstone stays.

use crate::store::{DeleteRecord, DeleteRefusal, DeletedIn, StoreError};
use crate::{Audience, Caller, Event, Feed, MessageId, Messenger, Timestamp, UserId};
use std::sync::Arc;

/// Why messages cannot be deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// One of them is none, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// The caller was a member once.
    #[error("you are no longer a member")]
    NotAMember,
    /// One of them is not the caller's to delete.
    #[error("this message is not yours to delete")]
    NotAllowed,
    /// Too late.
    #[error("it is too late to delete this message")]
    WindowClosed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DeleteRefusal> for DeleteError {
    fn from(refusal: DeleteRefusal) -> Self {
        match refusal {
            DeleteRefusal::NotFound => Self::NotFound,
            DeleteRefusal::NotAMember => Self::NotAMember,
            DeleteRefusal::NotAllowed => Self::NotAllowed,
            DeleteRefusal::WindowClosed => Self::WindowClosed,
        }
    }
}

impl Messenger {
    /// Deletes messages for everyone, all or none.
    pub async fn delete(&self, caller: &Caller, ids: &[MessageId]) -> Result<(), DeleteError> {
        let (by, at) = (caller.user, Timestamp::now());
        let record = DeleteRecord {
            by,
            messages: distinct(ids),
            at,
        };
        let feed = Arc::clone(&self.feed);
        let announce = move |deleted: &Result<Vec<DeletedIn>, DeleteRefusal>| {
            for deleted in deleted.iter().flatten() {
                announce_deleted(&*feed, deleted, by, at);
            }
        };
        self.store.delete(record, Box::new(announce)).await??;
        self.release_files();
        Ok(())
    }
}

fn distinct(ids: &[MessageId]) -> Vec<MessageId> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn announce_deleted(feed: &dyn Feed, deleted: &DeletedIn, by: UserId, at: Timestamp) {
    let (conversation, rev) = (deleted.conversation, deleted.rev);
    let event = |items: &[(MessageId, u64)]| match items {
        [] => Event::Noop {
            conversation,
            rev,
            at,
        },
        items => Event::MessagesDeleted {
            conversation,
            rev,
            at,
            items: items.to_vec(),
            by,
            threads: deleted.threads.clone(),
        },
    };
    if !deleted.audience.is_empty() {
        feed.deliver(&Audience::Users(deleted.audience.clone()), &event(&deleted.items));
    }
    for (user, items) in &deleted.partly {
        feed.deliver(&Audience::Users(vec![*user]), &event(items));
    }
}
