//! Threads as JSON.

use chinwag_messenger as domain;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Listed, Message, Moment};

/// What a thread comes to, in events.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ThreadChange {
    root_id: i64,
    reply_count: u32,
    last_reply_seq: Option<u64>,
    last_reply_at: Option<Moment>,
    participants: Vec<i64>,
}

impl From<&domain::ThreadChange> for ThreadChange {
    fn from(change: &domain::ThreadChange) -> Self {
        let summary = &change.summary;
        Self {
            root_id: change.root.0,
            reply_count: summary.reply_count,
            last_reply_seq: summary.last_reply_seq,
            last_reply_at: summary.last_reply_at.map(Moment),
            participants: summary.participants.iter().map(|id| id.0).collect(),
        }
    }
}

/// A thread as the caller sees it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Thread<'a> {
    root: Message<'a>,
    following: bool,
    seen_seq: u64,
    unread_count: u32,
}

impl<'a> From<&'a domain::Thread> for Thread<'a> {
    fn from(thread: &'a domain::Thread) -> Self {
        Self {
            root: (&thread.root).into(),
            following: thread.following,
            seen_seq: thread.seen_seq,
            unread_count: thread.unread_count,
        }
    }
}

/// A page of a thread's replies.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Replies<'a> {
    #[serde(flatten)]
    thread: Thread<'a>,
    items: Vec<Listed<'a>>,
    has_more_before: bool,
    has_more_after: bool,
}

impl<'a> From<&'a domain::ThreadPage> for Replies<'a> {
    fn from(page: &'a domain::ThreadPage) -> Self {
        Self {
            thread: (&page.thread).into(),
            items: page.messages.iter().map(Listed::from).collect(),
            has_more_before: page.has_more_before,
            has_more_after: page.has_more_after,
        }
    }
}

/// Whether the caller follows a thread, and where it stands in it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ThreadFollowed)]
pub(in crate::messenger) struct Followed {
    pub(in crate::messenger) conversation_id: i64,
    pub(in crate::messenger) following: bool,
    #[serde(flatten)]
    pub(in crate::messenger) mark: ThreadWatermark,
}

/// How far the caller has seen a thread.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ThreadWatermark {
    thread_root_id: i64,
    seen_seq: u64,
    unread_count: u32,
}

impl From<&domain::ThreadWatermark> for ThreadWatermark {
    fn from(mark: &domain::ThreadWatermark) -> Self {
        Self {
            thread_root_id: mark.root.0,
            seen_seq: mark.seen_seq,
            unread_count: mark.unread_count,
        }
    }
}
