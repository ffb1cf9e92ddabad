//! A member's private part of a conversation: what it mutes, archives, pins and has begun to write.

use crate::store::{MyStateChange, MyStateRefusal, MyStateSet, StoreError};
use crate::{
    Audience, Caller, ConversationId, Event, ListItem, MessageId, Messenger, StoreResult, Timestamp, text,
};
use std::sync::Arc;

/// What somebody wants to be notified of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notify {
    /// Every message.
    All,
    /// Mentions of oneself or of all, and answers to oneself.
    Mentions,
    /// Nothing.
    Nothing,
}

/// What somebody has begun to write, kept for all of its devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDraft {
    /// The words so far.
    pub body: String,
    /// The message they answer.
    pub reply_to: Option<MessageId>,
    /// Files that go with them.
    pub attachments: Vec<uuid::Uuid>,
    /// When they were stored.
    pub updated_at: Timestamp,
}

/// A draft to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftWish {
    /// The words so far.
    pub body: String,
    /// The message they answer.
    pub reply_to: Option<MessageId>,
    /// Files that go with them.
    pub attachments: Vec<uuid::Uuid>,
    /// The `updated_at` of the draft that this one goes on from: a newer one of another device is then kept.
    pub based_on: Option<Timestamp>,
}

/// A wish to change one's private part; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MyStateWish {
    /// No notifications until then, or again.
    pub muted_until: Option<Option<Timestamp>>,
    /// What to be notified of.
    pub notify: Option<Notify>,
    /// In the archive.
    pub archived: Option<bool>,
    /// Place among the pinned ones, or none.
    pub pinned_order: Option<Option<i64>>,
    /// Shown as unread.
    pub marked_unread: Option<bool>,
    /// What is being written, or nothing any more.
    pub draft: Option<Option<DraftWish>>,
}

/// Why the private part stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum MyStateError {
    /// No such conversation, or none the caller may know of.
    #[error("no such conversation")]
    NotFound,
    /// The draft is longer than a message may be.
    #[error("the draft is too long")]
    DraftTooLong,
    /// The draft has more files than a message may have.
    #[error("the draft has too many attachments")]
    TooManyAttachments,
    /// Another device has stored a newer draft.
    #[error("there is a newer draft")]
    DraftConflict,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Messenger {
    /// Changes the caller's private part, also of a conversation that was left. Its other devices hear of it.
    pub async fn set_my_state(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        mut wish: MyStateWish,
    ) -> Result<ListItem, MyStateError> {
        if let Some(Some(draft)) = &mut wish.draft {
            draft.body = text::body(&draft.body);
            let (bytes, chars) = (draft.body.len(), draft.body.chars().count());
            if bytes > self.options.body_bytes_max || chars > self.options.body_chars_max {
                return Err(MyStateError::DraftTooLong);
            }
            if draft.attachments.len() > self.options.attachments.per_message_max {
                return Err(MyStateError::TooManyAttachments);
            }
            if text::is_blank(&draft.body) && draft.reply_to.is_none() && draft.attachments.is_empty() {
                wish.draft = Some(None);
            }
        }
        match self
            .change_my_state(caller, conversation, MyStateChange::Set(Box::new(wish)))
            .await?
        {
            Ok(_) => {}
            Err(MyStateRefusal::NotFound) => return Err(MyStateError::NotFound),
            Err(MyStateRefusal::DraftConflict) => return Err(MyStateError::DraftConflict),
        }
        self.item(caller, conversation)
            .await?
            .ok_or(MyStateError::NotFound)
    }

    /// Clears what was said so far from the caller's own view; `None` when there is no such conversation.
    pub async fn clear_history(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> StoreResult<Option<ListItem>> {
        let changed = self
            .change_my_state(caller, conversation, MyStateChange::Clear { hide: false })
            .await?;
        match changed {
            Ok(_) => self.item(caller, conversation).await,
            Err(_) => Ok(None),
        }
    }

    /// The same, and takes the conversation from the caller's list until something is said in it.
    pub(crate) async fn clear_and_hide(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> StoreResult<Option<MyStateSet>> {
        let changed = self
            .change_my_state(caller, conversation, MyStateChange::Clear { hide: true })
            .await?;
        Ok(changed.ok())
    }

    async fn change_my_state(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        change: MyStateChange,
    ) -> StoreResult<Result<MyStateSet, MyStateRefusal>> {
        let (feed, at, user) = (Arc::clone(&self.feed), Timestamp::now(), caller.user);
        let announce = move |set: &MyStateSet| {
            let Some(user_rev) = set.user_rev else { return };
            let event = Event::MemberStateChanged {
                my: set.my.clone(),
                hidden: set.hidden,
                messages: None,
                user_rev,
                at,
            };
            feed.deliver(&Audience::Users(vec![user]), &event);
        };
        self.store
            .change_my_state(user, conversation, change, at, Box::new(announce))
            .await
    }
}
