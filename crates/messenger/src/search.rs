//! Searching: messages in one conversation or in all of the caller's, and conversations by their titles. People are
//! found by [`Messenger::search_people`].
//!
//! A message is indexed as a [`Document`]: its words as they stand and, marked, the stems of those that have
//! another one, together with marks for what filters ask for. A store keeps documents and answers queries made of
//! the same words; it knows no language.

mod query;
mod snippet;
mod words;

pub use query::{Exact, Term};
pub use snippet::Snippet;

use crate::store::{SearchPage, SearchPlace, SearchQuery, StoreError};
use crate::{
    Attachment, AttachmentKind, Caller, ConversationId, ListItem, Message, MessageId, Messenger, UserId,
    Username,
};
use query::Misunderstood;
use std::collections::BTreeSet;

/// Stands before a stem, so that it is no word.
const FORM: char = '~';

/// Hits in a page, and what it may be at most.
const PAGE_MAX: usize = 20;

/// Changes when the words of a text would be other ones: then stores index everything anew.
pub const WORDS_VERSION: i64 = 1;

/// Hits are counted up to here.
pub const COUNTED_MAX: usize = 1_000;

/// What a message can be filtered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// A picture or a film.
    Media,
    /// A file that is neither these nor spoken.
    File,
    /// Something spoken.
    Voice,
    /// An address of the web in its words.
    Link,
    /// It belongs to a thread.
    Thread,
}

impl Feature {
    fn named(filter: &str, value: &str) -> Option<Self> {
        match (filter, value.to_ascii_lowercase().as_str()) {
            ("has", "media") => Some(Self::Media),
            ("has", "file") => Some(Self::File),
            ("has", "voice") => Some(Self::Voice),
            ("has", "link") => Some(Self::Link),
            ("in", "thread") => Some(Self::Thread),
            _ => None,
        }
    }

    fn of(kind: AttachmentKind) -> Self {
        match kind {
            AttachmentKind::Image | AttachmentKind::Video => Self::Media,
            AttachmentKind::Voice => Self::Voice,
            AttachmentKind::Audio | AttachmentKind::File => Self::File,
        }
    }

    fn mark(self) -> String {
        let word = match self {
            Self::Media => "media",
            Self::File => "file",
            Self::Voice => "voice",
            Self::Link => "link",
            Self::Thread => "thread",
        };
        format!("!{word}")
    }
}

/// What is indexed of a message.
#[derive(Debug, Clone, Copy)]
pub struct Searchable<'a> {
    /// Where it was said.
    pub conversation: ConversationId,
    /// Who said it.
    pub author: UserId,
    /// Whether it belongs to a thread.
    pub in_thread: bool,
    /// Its words.
    pub body: &'a str,
    /// What came with it, which is found by its names.
    pub attachments: &'a [Attachment],
}

/// A message as it is found. None of its parts holds anything but letters, digits, their marks, and `~ # @ !` at
/// the beginning of those that are no words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its words in their order. An empty one stands between the texts, so that no phrase is found across them.
    pub words: Vec<String>,
    /// What else it is found by, in no order.
    pub marks: Vec<String>,
}

impl Document {
    /// What is indexed of this message.
    pub fn of(message: &Searchable<'_>) -> Self {
        let text = |text: &str| words::words(text).into_iter().map(|word| word.text);
        let mut words: Vec<String> = text(message.body).collect();
        for attachment in message.attachments {
            words.push(String::new());
            words.extend(text(&attachment.name));
        }
        let stems = words.iter().filter_map(|word| words::stem(word));
        let mut marks: BTreeSet<String> = stems.map(|stem| format!("{FORM}{stem}")).collect();
        marks.insert(conversation_mark(message.conversation));
        marks.insert(author_mark(message.author));
        if ["http://", "https://"]
            .iter()
            .any(|start| message.body.contains(start))
        {
            marks.insert(Feature::Link.mark());
        }
        for attachment in message.attachments {
            marks.insert(Feature::of(attachment.kind).mark());
        }
        if message.in_thread {
            marks.insert(Feature::Thread.mark());
        }
        Self {
            words,
            marks: marks.into_iter().collect(),
        }
    }
}

/// What every document of the conversation is marked with.
pub fn conversation_mark(id: ConversationId) -> String {
    format!("#{}", id.0)
}

fn author_mark(id: UserId) -> String {
    format!("@{}", id.0)
}

/// In which order hits come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SearchOrder {
    /// From the newest down.
    #[default]
    Newest,
    /// Those that hold the words as they were typed before those that hold other forms of them; the newest first.
    Relevance,
}

/// How many messages match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// So many.
    Exactly(usize),
    /// More than [`COUNTED_MAX`].
    More,
}

/// A wish to search.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchWish<'a> {
    /// As it was typed.
    pub query: &'a str,
    /// The order of the hits.
    pub order: SearchOrder,
    /// Where the page before ended.
    pub cursor: Option<&'a str>,
    /// Hits in a page.
    pub limit: Option<usize>,
}

/// A found message.
#[derive(Debug, Clone)]
pub struct Hit {
    /// It.
    pub message: Message,
    /// The part that shows why.
    pub snippet: Snippet,
}

/// A page of hits.
#[derive(Debug, Clone)]
pub struct Hits {
    /// The hits.
    pub items: Vec<Hit>,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
    /// How many there are.
    pub total: Total,
}

/// Why a search is refused.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// No word and no filter in it.
    #[error("there is nothing to look for")]
    EmptyQuery,
    /// More than 200 characters.
    #[error("the query is too long")]
    QueryTooLong,
    /// A filter with a value it does not know, or twice.
    #[error("a filter is not valid")]
    FilterInvalid,
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to 20.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// No such conversation, or none the caller may know of.
    #[error("no such conversation")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Misunderstood> for SearchError {
    fn from(why: Misunderstood) -> Self {
        match why {
            Misunderstood::Empty => Self::EmptyQuery,
            Misunderstood::TooLong => Self::QueryTooLong,
            Misunderstood::Filter => Self::FilterInvalid,
        }
    }
}

impl Messenger {
    /// Messages of one conversation, or of all the caller is or was in, as far as the caller may see them.
    pub async fn search(
        &self,
        caller: &Caller,
        within: Option<ConversationId>,
        wish: SearchWish<'_>,
    ) -> Result<Hits, SearchError> {
        let limit = wish.limit.unwrap_or(PAGE_MAX);
        if !(1..=PAGE_MAX).contains(&limit) {
            return Err(SearchError::LimitInvalid);
        }
        let after = match wish.cursor {
            Some(cursor) => Some(read_cursor(cursor, wish.order).ok_or(SearchError::CursorInvalid)?),
            None => None,
        };
        let typed = query::read(wish.query)?;
        let mut marks: Vec<String> = typed.features.iter().map(|feature| feature.mark()).collect();
        if let Some(name) = &typed.from {
            // Nobody of that name says nothing, as does somebody who hides.
            marks.push(author_mark(self.author(caller, name).await?.unwrap_or(UserId(0))));
        }
        let query = SearchQuery {
            within,
            wanted: typed.wanted,
            unwanted: typed.unwanted,
            marks,
            before: typed.before,
            since: typed.after,
        };
        let page = SearchPage {
            order: wish.order,
            after,
            limit,
        };
        let found = self.store.search(caller.user, &query, page).await?;
        let mut found = found.ok_or(SearchError::NotFound)?;
        self.personalise(caller.user, &mut found.messages).await?;
        let hit = |message: Message| Hit {
            snippet: shown(&message, &query.wanted),
            message,
        };
        let next = found.next.map(|place| write_cursor(&place, wish.order));
        Ok(Hits {
            items: found.messages.into_iter().map(hit).collect(),
            next_cursor: next,
            total: found.total,
        })
    }

    async fn author(&self, caller: &Caller, name: &str) -> Result<Option<UserId>, StoreError> {
        if name == "me" {
            return Ok(Some(caller.user));
        }
        let Ok(username) = Username::parse(name) else {
            return Ok(None);
        };
        let credentials = self.store.credentials(&username).await?;
        Ok(credentials.map(|credentials| credentials.account.id))
    }

    /// The caller's conversations of whose title, or of whose other person's names, every word of `query` begins a
    /// word: those with the newest activity first, 20 at most.
    pub async fn search_conversations(
        &self,
        caller: &Caller,
        query: &str,
    ) -> Result<Vec<ListItem>, SearchError> {
        if query.chars().count() > query::QUERY_CHARS_MAX {
            return Err(SearchError::QueryTooLong);
        }
        let wanted = words::words(query);
        if wanted.is_empty() {
            return Err(SearchError::EmptyQuery);
        }
        let mut items = Vec::new();
        for (id, title) in self.store.titles(caller.user).await? {
            let title = words::words(&title);
            let found = |wanted: &words::Word| title.iter().any(|word| word.text.starts_with(&wanted.text));
            if wanted.iter().all(found)
                && let Some(item) = self.item(caller, id).await?
            {
                items.push(item);
                if items.len() == PAGE_MAX {
                    break;
                }
            }
        }
        Ok(items)
    }
}

/// The part of its words that matched, or the name of what came with it that did.
fn shown(message: &Message, wanted: &[Term]) -> Snippet {
    let of_body = snippet::snippet(&message.body, wanted);
    let names = message.attachments.iter().map(|attachment| &attachment.name);
    let mut of_names = names.map(|name| snippet::snippet(name, wanted));
    match of_body.ranges.is_empty() {
        true => of_names.find(|name| !name.ranges.is_empty()).unwrap_or(of_body),
        false => of_body,
    }
}

/// A place among hits as a cursor. The number of all is in it, for it was expensive.
fn write_cursor(place: &SearchPlace, order: SearchOrder) -> String {
    let order = match order {
        SearchOrder::Newest => 'n',
        SearchOrder::Relevance => 'r',
    };
    let total = match place.total {
        Total::Exactly(count) => count,
        Total::More => COUNTED_MAX + 1,
    };
    let rank = if place.only_forms { 'f' } else { 'e' };
    format!("{order}{rank}{}.{total}", place.below.0)
}

fn read_cursor(text: &str, wished: SearchOrder) -> Option<SearchPlace> {
    let order = match wished {
        SearchOrder::Newest => 'n',
        SearchOrder::Relevance => 'r',
    };
    let rest = text.strip_prefix(order)?;
    let (only_forms, rest) = match rest.strip_prefix('f') {
        Some(rest) => (true, rest),
        None => (false, rest.strip_prefix('e')?),
    };
    let (below, total) = rest.split_once('.')?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(below) || !plain(total) {
        return None;
    }
    let total: usize = total.parse().ok()?;
    Some(SearchPlace {
        only_forms,
        below: MessageId(below.parse().ok()?),
        total: if total > COUNTED_MAX {
            Total::More
        } else {
            Total::Exactly(total)
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_hold_words_stems_and_marks() {
        let document = Document::of(&Searchable {
            conversation: ConversationId(7),
            author: UserId(3),
            in_thread: true,
            body: "The Runners were running: https://x.org",
            attachments: &[],
        });
        assert_eq!(
            document.words,
            ["the", "runners", "were", "running", "https", "x", "org"]
        );
        assert_eq!(
            document.marks,
            ["!link", "!thread", "#7", "@3", "~run", "~runner"]
        );
    }

    #[test]
    fn cursors_read_back_and_nothing_else_does() {
        for total in [Total::Exactly(0), Total::Exactly(1_000), Total::More] {
            for (order, only_forms) in [(SearchOrder::Newest, false), (SearchOrder::Relevance, true)] {
                let below = MessageId(42);
                let place = SearchPlace {
                    only_forms,
                    below,
                    total,
                };
                assert_eq!(read_cursor(&write_cursor(&place, order), order), Some(place));
            }
        }
        for wrong in [
            "",
            "n",
            "ne",
            "ne5",
            "nx5.1",
            "ne-5.1",
            "ne5.x",
            "re5.1",
            "ne99999999999999999999.1",
        ] {
            assert_eq!(read_cursor(wrong, SearchOrder::Newest), None, "{wrong}");
        }
    }
}
