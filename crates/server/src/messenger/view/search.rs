//! What was found.

use chinwag_messenger as domain;
use chinwag_messenger::Total;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ListItem, Message, User};

/// A page of what was found, and how many there are in all.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Hits<T> {
    items: Vec<T>,
    next_cursor: Option<String>,
    /// A number up to 1,000, else `1000+`; absent where nothing is counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<TotalHits>, nullable = false)]
    total: Option<TotalHits>,
}

impl<'a, T: 'a> Hits<T> {
    pub(in crate::messenger) fn new(hits: &'a domain::Hits, view: impl Fn(&'a domain::Hit) -> T) -> Self {
        Self {
            items: hits.items.iter().map(view).collect(),
            next_cursor: hits.next_cursor.clone(),
            total: Some(match hits.total {
                Total::Exactly(count) => TotalHits::Exactly(count),
                Total::More => TotalHits::More(format!("{}+", domain::search::COUNTED_MAX)),
            }),
        }
    }
}

/// A number, or `1000+`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum TotalHits {
    Exactly(usize),
    More(String),
}

/// Something that was found, by the type that was looked for.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(in crate::messenger) enum Found<'a> {
    Message(Box<Hit<'a>>),
    Person(User<'a>),
    Conversation(Box<ListItem<'a>>),
}

/// A found message.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SearchHit)]
pub(in crate::messenger) struct Hit<'a> {
    message: Message<'a>,
    snippet: Snippet<'a>,
}

/// At most 160 characters of the message around its first match.
#[derive(Debug, Serialize, ToSchema)]
struct Snippet<'a> {
    text: &'a str,
    ranges: Vec<Range>,
}

/// Where something matched, in UTF-16 units.
#[derive(Debug, Serialize, ToSchema)]
struct Range {
    offset: u32,
    length: u32,
}

impl<'a> From<&'a domain::Hit> for Hit<'a> {
    fn from(hit: &'a domain::Hit) -> Self {
        let ranges = hit.snippet.ranges.iter();
        Self {
            message: (&hit.message).into(),
            snippet: Snippet {
                text: &hit.snippet.text,
                ranges: ranges.map(|&(offset, length)| Range { offset, length }).collect(),
            },
        }
    }
}
