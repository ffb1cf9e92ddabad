//! Threads: replies that hang on one message, who follows them and how far.

use crate::conversation::{read_place, write_place};
use crate::receipt::{UNREAD_MAX, announce_move};
use crate::store::{AdvanceRefusal, Followed, StoreError, ThreadAdvance, ThreadAdvanced, ThreadRefusal};
use crate::{
    AdvanceError, Audience, Caller, ConversationId, Event, HistoryRange, Message, MessageId, Messenger,
    Moved, Page, ThreadSummary, Timestamp, UserId,
};
use std::sync::Arc;

/// Where a reply belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadPlace {
    /// The message the thread hangs on.
    pub root: MessageId,
    /// Whether the reply shows in the conversation, too.
    pub also_in_timeline: bool,
}

/// What a thread comes to after something happened in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadChange {
    /// The message it hangs on.
    pub root: MessageId,
    /// Its replies.
    pub summary: ThreadSummary,
}

/// A thread as one member sees it.
#[derive(Debug, Clone)]
pub struct Thread {
    /// The message it hangs on.
    pub root: Message,
    /// Whether the member follows it.
    pub following: bool,
    /// How far the member has seen it.
    pub seen_seq: u64,
    /// Replies to read, 999 at most; only who follows has any.
    pub unread_count: u32,
    /// When the last reply came, by which threads are listed; also one that the member does not see.
    pub listed_at: Timestamp,
}

/// Part of a thread's replies, ascending.
#[derive(Debug, Clone)]
pub struct ThreadPage {
    /// The thread.
    pub thread: Thread,
    /// The replies.
    pub messages: Vec<Message>,
    /// There are older ones.
    pub has_more_before: bool,
    /// There are newer ones.
    pub has_more_after: bool,
}

/// How far the caller has seen a thread now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThreadWatermark {
    /// The conversation it is in.
    pub conversation: ConversationId,
    /// The message it hangs on.
    pub root: MessageId,
    /// Seen up to here; 0 for who does not follow it.
    pub seen_seq: u64,
    /// Replies to read, 999 at most.
    pub unread_count: u32,
}

/// Why a thread is not shown.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// No such message, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// A note or a reply has no thread.
    #[error("this message cannot have a thread")]
    NoRoot,
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a thread is not followed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// No such message, or none the caller may know of.
    #[error("no such message")]
    NotFound,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// A note or a reply has no thread.
    #[error("this message cannot have a thread")]
    NoRoot,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a list of threads is refused.
#[derive(Debug, thiserror::Error)]
pub enum ThreadsError {
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

impl From<ThreadRefusal> for ThreadError {
    fn from(refusal: ThreadRefusal) -> Self {
        match refusal {
            ThreadRefusal::NotFound | ThreadRefusal::NotAMember => Self::NotFound,
            ThreadRefusal::NoRoot => Self::NoRoot,
        }
    }
}

impl From<ThreadRefusal> for FollowError {
    fn from(refusal: ThreadRefusal) -> Self {
        match refusal {
            ThreadRefusal::NotFound => Self::NotFound,
            ThreadRefusal::NotAMember => Self::NotAMember,
            ThreadRefusal::NoRoot => Self::NoRoot,
        }
    }
}

impl Messenger {
    /// A page of the replies to a message. Looking marks nothing as seen.
    pub async fn thread(
        &self,
        caller: &Caller,
        root: MessageId,
        range: HistoryRange,
        limit: Option<usize>,
    ) -> Result<ThreadPage, ThreadError> {
        let limit = self.page_limit(limit).ok_or(ThreadError::LimitInvalid)?;
        let replies = self.store.thread(caller.user, root, range, limit).await??;
        let mut page = ThreadPage {
            thread: replies.thread,
            messages: replies.messages,
            has_more_before: replies.has_more_before,
            has_more_after: replies.has_more_after,
        };
        cap(&mut page.thread);
        self.personalise(caller.user, &mut page.messages).await?;
        self.personalise(caller.user, std::slice::from_mut(&mut page.thread.root))
            .await?;
        Ok(page)
    }

    /// The threads the caller follows, last reply first; or only those with something to read.
    pub async fn threads(
        &self,
        caller: &Caller,
        unread_only: bool,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Thread>, ThreadsError> {
        let limit = self.page_limit(limit).ok_or(ThreadsError::LimitInvalid)?;
        let after = match cursor {
            Some(text) => {
                let (at, id) = read_place(text).ok_or(ThreadsError::CursorInvalid)?;
                Some((at, MessageId(id.0)))
            }
            None => None,
        };
        let mut items = self
            .store
            .threads(caller.user, unread_only, after, limit + 1)
            .await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let mut roots: Vec<Message> = items.iter().map(|thread| thread.root.clone()).collect();
        self.personalise(caller.user, &mut roots).await?;
        for (thread, root) in items.iter_mut().zip(roots) {
            thread.root = root;
            cap(thread);
        }
        let last = items.last().filter(|_| more);
        let next_cursor = last.map(|thread| write_place(thread.listed_at, ConversationId(thread.root.id.0)));
        Ok(Page { items, next_cursor })
    }

    /// Follows a thread or stops. What there is when one begins counts as seen. The caller's other devices hear
    /// of it.
    pub async fn follow(
        &self,
        caller: &Caller,
        root: MessageId,
        following: bool,
    ) -> Result<ThreadWatermark, FollowError> {
        let at = Timestamp::now();
        let (feed, own_devices) = (Arc::clone(&self.feed), Audience::Users(vec![caller.user]));
        let announce = move |followed: &Result<Followed, ThreadRefusal>| {
            let Ok(followed) = followed else { return };
            let Some(user_rev) = followed.user_rev else { return };
            let event = Event::ThreadFollowed {
                conversation: followed.conversation,
                root,
                following,
                seen_seq: followed.seen_seq,
                user_rev,
                at,
            };
            feed.deliver(&own_devices, &event);
        };
        let followed = self
            .store
            .follow(caller.user, root, following, Box::new(announce))
            .await??;
        Ok(ThreadWatermark {
            conversation: followed.conversation,
            root,
            seen_seq: followed.seen_seq,
            unread_count: followed.unread.min(UNREAD_MAX),
        })
    }

    /// Moves the caller's watermark in a thread that it follows, never back. Its own devices are told, and authors of
    /// what was seen.
    pub async fn advance_thread(
        &self,
        caller: &Caller,
        wish: ThreadAdvance,
    ) -> Result<ThreadWatermark, AdvanceError> {
        self.advance_thread_of(caller.user, wish).await
    }

    pub(crate) async fn advance_thread_of(
        &self,
        user: UserId,
        wish: ThreadAdvance,
    ) -> Result<ThreadWatermark, AdvanceError> {
        let feed = Arc::clone(&self.feed);
        let members_max = self.options.receipts_members_max;
        let announce = move |advanced: &Result<ThreadAdvanced, AdvanceRefusal>| {
            let Ok(advanced) = advanced else { return };
            let Some(from) = advanced.from else { return };
            let moved = Moved {
                conversation: wish.conversation,
                user,
                thread_root: Some(wish.root),
                from: (advanced.delivered_seq, from),
                to: (advanced.delivered_seq, advanced.seen_seq),
            };
            let unread = Some((advanced.unread.min(UNREAD_MAX), 0));
            let authors = match advanced.members <= members_max {
                true => &advanced.authors[..],
                false => &[],
            };
            announce_move(&*feed, moved, unread, authors, members_max);
        };
        let advanced = self
            .store
            .advance_thread(user, wish, Box::new(announce))
            .await?
            .map_err(AdvanceError::from)?;
        Ok(ThreadWatermark {
            conversation: wish.conversation,
            root: wish.root,
            seen_seq: advanced.seen_seq,
            unread_count: advanced.unread.min(UNREAD_MAX),
        })
    }
}

fn cap(thread: &mut Thread) {
    thread.unread_count = thread.unread_count.min(UNREAD_MAX);
}
