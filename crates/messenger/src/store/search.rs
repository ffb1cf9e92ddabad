//! Searching: what is asked of a store, and what it answers.

use super::StoreError;
use crate::search::{SearchOrder, Term, Total};
use crate::{ConversationId, Message, MessageId, Timestamp, UserId};
use async_trait::async_trait;

/// What a message must be like to be found. Words and marks are those of [`crate::search::Document`].
#[derive(Debug, Clone)]
pub struct SearchQuery {
    /// Only in this conversation; else in all the searcher is or was in.
    pub within: Option<ConversationId>,
    /// All of these.
    pub wanted: Vec<Term>,
    /// None of these.
    pub unwanted: Vec<Term>,
    /// All of these marks.
    pub marks: Vec<String>,
    /// Stored before this time.
    pub before: Option<Timestamp>,
    /// Not stored before this time.
    pub since: Option<Timestamp>,
}

/// Where a page ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchPlace {
    /// By relevance: the page had come to messages that hold only other forms of the words.
    pub only_forms: bool,
    /// The next hits are older than this one.
    pub below: MessageId,
    /// How many there were.
    pub total: Total,
}

/// Which hits are wanted.
#[derive(Debug, Clone, Copy)]
pub struct SearchPage {
    /// In which order.
    pub order: SearchOrder,
    /// Those after this place; else the first.
    pub after: Option<SearchPlace>,
    /// At most so many.
    pub limit: usize,
}

/// A page of what was found.
#[derive(Debug, Clone)]
pub struct SearchFound {
    /// The messages in their order.
    pub messages: Vec<Message>,
    /// Where the next page begins, if there are more.
    pub next: Option<SearchPlace>,
    /// How many there are.
    pub total: Total,
}

/// Searching. Neither notes nor tombstones are found, nor what the searcher may not see or has hidden. What was
/// sent is found within a second; what was edited or deleted is found no more as soon as that is acknowledged.
#[async_trait]
pub trait Search {
    /// A page of messages; `None` when the searcher was never in the conversation.
    async fn search(
        &self,
        searcher: UserId,
        query: &SearchQuery,
        page: SearchPage,
    ) -> Result<Option<SearchFound>, StoreError>;
    /// What the user's active conversations are called, those with the newest activity first: groups by their
    /// titles, direct ones by the names of the other.
    async fn titles(&self, user: UserId) -> Result<Vec<(ConversationId, String)>, StoreError>;
}
