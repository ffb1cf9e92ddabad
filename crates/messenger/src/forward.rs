//! Forwarding: what somebody said, said again elsewhere under the first one's name.

use crate::message::announce_message;
use crate::store::{Appended, ForwardRecord, ForwardRefusal, StoreError};
use crate::{
    AttachmentId, Caller, ClientId, ConversationId, Message, MessageId, MessageStatus, Messenger, Timestamp,
};
use std::sync::Arc;

/// Most messages forwarded at once.
const MESSAGES_MAX: usize = 20;

/// Most conversations they go to.
const TARGETS_MAX: usize = 10;

/// Why messages are not forwarded.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No messages, or more than may be at once.
    #[error("one to twenty messages are forwarded at once")]
    MessagesInvalid,
    /// No conversations, or more than may be at once.
    #[error("messages are forwarded to one to ten conversations")]
    TargetsInvalid,
    /// One of the messages or conversations is none, or none the caller may know of.
    #[error("no such message or conversation")]
    NotFound,
    /// The caller is no longer in one of the conversations.
    #[error("you are not a member")]
    NotAMember,
    /// In one of them only administrators may post.
    #[error("posting is restricted")]
    PostingRestricted,
    /// One of the messages cannot be said again.
    #[error("this message cannot be forwarded")]
    NotForwardable,
    /// One of them is a tombstone.
    #[error("the message was deleted")]
    Deleted,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ForwardRefusal> for ForwardError {
    fn from(refusal: ForwardRefusal) -> Self {
        match refusal {
            ForwardRefusal::NotFound => Self::NotFound,
            ForwardRefusal::NotAMember => Self::NotAMember,
            ForwardRefusal::PostingRestricted => Self::PostingRestricted,
            ForwardRefusal::NotForwardable => Self::NotForwardable,
            ForwardRefusal::Deleted => Self::Deleted,
        }
    }
}

impl Messenger {
    /// Copies messages into conversations, all or none; the copies, for each conversation in the order of the messages.
    pub async fn forward(
        &self,
        caller: &Caller,
        messages: &[MessageId],
        to: &[ConversationId],
    ) -> Result<Vec<Message>, ForwardError> {
        let (messages, to) = (distinct(messages), distinct(to));
        if !(1..=MESSAGES_MAX).contains(&messages.len()) {
            return Err(ForwardError::MessagesInvalid);
        }
        if !(1..=TARGETS_MAX).contains(&to.len()) {
            return Err(ForwardError::TargetsInvalid);
        }
        let copies = messages.len() * to.len();
        let record = ForwardRecord {
            by: caller.user,
            messages,
            to,
            client_ids: (0..copies).map(|_| ClientId(uuid::Uuid::new_v4())).collect(),
            attachment_id: || AttachmentId(uuid::Uuid::new_v4()),
            at: Timestamp::now(),
        };
        let feed = Arc::clone(&self.feed);
        let receipts_members_max = self.options.receipts_members_max;
        let announce = move |forwarded: &Result<Vec<Appended>, ForwardRefusal>| {
            for appended in forwarded.iter().flatten() {
                announce_message(&*feed, appended, receipts_members_max);
            }
        };
        let forwarded = self.store.forward(record, Box::new(announce)).await??;
        let new = |appended: Appended| Message {
            status: Some(MessageStatus::Sent),
            ..appended.message
        };
        Ok(forwarded.into_iter().map(new).collect())
    }
}

/// Each once, in the order in which they were given.
fn distinct<T: Copy + PartialEq>(given: &[T]) -> Vec<T> {
    let mut distinct: Vec<T> = Vec::new();
    // What is far too long is refused for its length anyway.
    for &one in given.iter().take(MESSAGES_MAX * TARGETS_MAX) {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}
