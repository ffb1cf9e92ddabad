//! Catching up: what changed since a client last looked.

use crate::store::StoreError;
use crate::{
    AccessError, Account, Caller, Conversation, ConversationId, ListItem, Member, Message, Messenger,
};

/// A page of what a client must know to be up to date.
#[derive(Debug, Clone)]
pub struct SyncPage {
    /// To be given next time; opaque.
    pub cursor: String,
    /// The caller's account.
    pub me: Account,
    /// Conversations touched since the cursor, each perhaps without need, none left out.
    pub items: Vec<ListItem>,
    /// Conversations no longer in the caller's list.
    pub removed: Vec<ConversationId>,
    /// Ask again with the new cursor.
    pub has_more: bool,
}

/// What changed in one conversation after a rev.
#[derive(Debug, Clone)]
pub struct Changes {
    /// Messages whose last change is later, as they are now, ascending rev.
    pub messages: Vec<Message>,
    /// The conversation, when it changed later.
    pub conversation: Option<Conversation>,
    /// Its members, when they changed later.
    pub members: Option<Vec<Member>>,
    /// All changes up to here are in what was returned.
    pub upto_rev: u64,
    /// There are more.
    pub has_more: bool,
    /// Too much has changed: these are the newest messages, forget how far you were.
    pub reset: bool,
}

/// Why synchronising is refused.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to the maximum (200).
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// What was touched since `cursor`; everything when there is none.
    pub async fn sync(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<SyncPage, SyncError> {
        let _ = (caller, cursor, limit);
        todo!()
    }

    /// What changed in one conversation; `limit` up to 200.
    pub async fn changes(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        after_rev: u64,
        limit: usize,
    ) -> Result<Changes, AccessError> {
        let _ = (caller, conversation, after_rev, limit);
        todo!()
    }
}
