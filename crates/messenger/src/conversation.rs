//! Conversations: direct, group and with oneself; opening them and listing them.

use crate::store::StoreError;
use crate::{
    AccessError, Account, Caller, ConversationId, Member, MemberState, Message, Messenger, StoreResult,
    Timestamp, UserId,
};

/// What kind of conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConversationKind {
    /// Two people, for ever; one per pair.
    Direct,
    /// Any number of people under a title.
    Group,
    /// One's own notes.
    Own,
}

/// Who may post in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostPolicy {
    /// Every member.
    All,
    /// Owner and administrators.
    Admins,
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Its id.
    pub id: ConversationId,
    /// Its kind.
    pub kind: ConversationKind,
    /// The title of a group.
    pub title: Option<String>,
    /// What the group says of itself.
    pub description: Option<String>,
    /// The owner of a group.
    pub owner: Option<UserId>,
    /// Who opened it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Number of the last message. Dense: 1, 2, 3 …
    pub last_seq: u64,
    /// Number of the last change. Dense, and every message is also a change.
    pub last_rev: u64,
    /// The rev at which members last changed.
    pub members_rev: u64,
    /// When something was last said or changed.
    pub last_activity_at: Timestamp,
    /// Active members.
    pub member_count: u32,
    /// Who may post.
    pub post: PostPolicy,
}

/// A conversation as it stands in someone's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListItem {
    /// The conversation.
    pub conversation: Conversation,
    /// The viewer's own part.
    pub my: MemberState,
    /// Messages to read, 999 at most.
    pub unread_count: u32,
    /// Of them, those that mention the viewer.
    pub unread_mentions: u32,
    /// There are more than 999.
    pub unread_capped: bool,
    /// The newest message the viewer may see.
    pub last_message: Option<Message>,
    /// The other person of a direct conversation.
    pub peer: Option<Account>,
    /// Smallest delivered and seen watermark of the others.
    pub others: Option<(u64, u64)>,
    /// The active members with their watermarks; empty in conversations too large for receipts.
    pub members: Vec<Member>,
}

/// Part of a longer list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// This part.
    pub items: Vec<T>,
    /// Where the next part begins; opaque.
    pub next_cursor: Option<String>,
}

/// Opening a conversation twice yields the same one.
#[derive(Debug, Clone)]
pub struct Opened {
    /// It.
    pub item: ListItem,
    /// Whether it is new.
    pub created: bool,
}

/// Why a direct conversation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenDirectError {
    /// No such account, or it was deleted.
    #[error("no such user")]
    UnknownUser,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a group cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateGroupError {
    /// Nothing left after trimming.
    #[error("a group needs a title")]
    TitleRequired,
    /// Over the limit.
    #[error("the title is too long")]
    TitleTooLong,
    /// Over the limit.
    #[error("too many members")]
    TooManyMembers,
    /// One of the people does not exist.
    #[error("no such user")]
    UnknownUser,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a page of the list is refused.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// The caller's conversation with `peer`, created if there is none; with oneself: one's own notes.
    pub async fn open_direct(&self, caller: &Caller, peer: UserId) -> Result<Opened, OpenDirectError> {
        let _ = (caller, peer);
        todo!()
    }

    /// A new group with the caller as owner. The others are members at once, and a system message says so.
    pub async fn create_group(
        &self,
        caller: &Caller,
        title: &str,
        members: &[UserId],
    ) -> Result<ListItem, CreateGroupError> {
        let _ = (caller, title, members);
        todo!()
    }

    /// The caller's conversations, newest activity first.
    pub async fn conversations(
        &self,
        caller: &Caller,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<ListItem>, ListError> {
        let _ = (caller, cursor, limit);
        todo!()
    }

    /// One of them.
    pub async fn conversation(&self, caller: &Caller, id: ConversationId) -> Result<ListItem, AccessError> {
        let _ = (caller, id);
        todo!()
    }

    /// The audience of a conversation: its active members. For the feed.
    pub async fn member_ids(&self, id: ConversationId) -> StoreResult<Vec<UserId>> {
        let _ = id;
        todo!()
    }
}
