//! What a client reads to be up to date: pages of history, of changes, and of the list of conversations.

use chinwag_messenger as domain;
use chinwag_messenger::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Conversation, ListItem, Listed, Me, Member, Moment, Outcome};

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct History<'a> {
    items: Vec<Listed<'a>>,
    has_more_before: bool,
    has_more_after: bool,
    last_seq: u64,
    last_rev: u64,
}

impl<'a> From<&'a domain::History> for History<'a> {
    fn from(history: &'a domain::History) -> Self {
        Self {
            items: history.messages.iter().map(Listed::from).collect(),
            has_more_before: history.has_more_before,
            has_more_after: history.has_more_after,
            last_seq: history.last_seq,
            last_rev: history.last_rev,
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Changes<'a> {
    items: Vec<Listed<'a>>,
    conversation: Option<Conversation<'a>>,
    members: Option<Vec<Member<'a>>>,
    upto_rev: u64,
    has_more: bool,
    reset: bool,
}

impl<'a> From<&'a domain::Changes> for Changes<'a> {
    fn from(changes: &'a domain::Changes) -> Self {
        Self {
            items: changes.messages.iter().map(Listed::from).collect(),
            conversation: changes.conversation.as_ref().map(Conversation::from),
            members: changes
                .members
                .as_ref()
                .map(|members| members.iter().map(Member::from).collect()),
            upto_rev: changes.upto_rev,
            has_more: changes.has_more,
            reset: changes.reset,
        }
    }
}

/// The changes of one conversation among several, or why there are none.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ChangesOf<'a> {
    pub(in crate::messenger) conversation_id: i64,
    #[serde(flatten)]
    pub(in crate::messenger) outcome: Outcome<Changes<'a>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct SyncPage<'a> {
    cursor: &'a str,
    server_time: Moment,
    user: SyncUser<'a>,
    items: Vec<ListItem<'a>>,
    removed: Vec<i64>,
    has_more: bool,
    reset: bool,
}

#[derive(Debug, Serialize, ToSchema)]
struct SyncUser<'a> {
    rev: u64,
    me: Me<'a>,
    /// Messages that the caller has hidden from itself.
    hidden_messages: Vec<HiddenPlace>,
}

#[derive(Debug, Serialize, ToSchema)]
struct HiddenPlace {
    conversation_id: i64,
    seq: u64,
}

impl<'a> SyncPage<'a> {
    pub(in crate::messenger) fn new(page: &'a domain::SyncPage, now: Timestamp) -> Self {
        Self {
            cursor: &page.cursor,
            server_time: Moment(now),
            user: SyncUser {
                rev: page.me.account.user_rev,
                me: (&page.me).into(),
                hidden_messages: page
                    .hidden
                    .iter()
                    .map(|place| HiddenPlace {
                        conversation_id: place.conversation.0,
                        seq: place.seq,
                    })
                    .collect(),
            },
            items: page.items.iter().map(ListItem::from).collect(),
            removed: page.removed.iter().map(|id| id.0).collect(),
            has_more: page.has_more,
            reset: false,
        }
    }
}
