//! Conversations: direct, group and with oneself; opening them and listing them.

use crate::store::{GroupCreated, GroupRecord, GroupRefusal, ListPlace, ListQuery, StoreError};
use crate::{
    AccessError, Account, AttachmentId, Audience, Caller, ConversationId, Event, Feed, Member, MemberState,
    Message, Messenger, Openness, Policies, PolicyChange, StoreResult, Timestamp, UserId, text,
};
use std::sync::Arc;

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
    /// The picture a group is shown by.
    pub avatar: Option<AttachmentId>,
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
    /// The rev at which title, description or policies last changed.
    pub settings_rev: u64,
    /// What it allows whom.
    pub policies: Policies,
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
    /// Smallest delivered watermark of the others, and smallest seen one of those who share theirs with the viewer.
    pub others: Option<(u64, Option<u64>)>,
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

/// A group that was created.
#[derive(Debug, Clone)]
pub struct CreatedGroup {
    /// It.
    pub item: ListItem,
    /// Who does not let the caller add them, and is not in it.
    pub refused: Vec<UserId>,
}

/// A group to be created.
#[derive(Debug, Clone, Default)]
pub struct GroupWish {
    /// Its title as given.
    pub title: String,
    /// Its other members.
    pub members: Vec<UserId>,
    /// Policies that differ from the usual ones.
    pub policies: PolicyChange,
}

/// Why a direct conversation cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenDirectError {
    /// No such account, or it was deleted.
    #[error("no such user")]
    UnknownUser,
    /// It takes direct conversations only from contacts, or from nobody.
    #[error("this person does not take messages from everybody")]
    NotAllowed,
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
    /// The caller has created too many groups lately.
    #[error("too many groups within a day")]
    TooManyToday {
        /// Seconds until there is room for one.
        retry_after_s: u64,
    },
    /// The caller is in too many conversations.
    #[error("too many conversations")]
    TooManyConversations,
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
        let known = self.store.accounts_by_id(&[peer]).await?;
        if known.first().is_none_or(|account| account.deleted_at.is_some()) {
            return Err(OpenDirectError::UnknownUser);
        }
        let known = self.store.peers(caller.user).await?.contains(&peer) || peer == caller.user;
        if !known && !self.lets_write(caller.user, peer).await? {
            return Err(OpenDirectError::NotAllowed);
        }
        let (feed, at) = (Arc::clone(&self.feed), Timestamp::now());
        let announce = move |opened: &crate::store::ConversationOpened| {
            announce_added(&*feed, opened.conversation, &opened.members, at);
        };
        let opened = self
            .store
            .open_direct(caller.user, peer, self.options.policies, at, Box::new(announce))
            .await?;
        let item = self.item(caller, opened.conversation).await?;
        let item = item.ok_or_else(|| StoreError::Broken("an opened conversation is missing".into()))?;
        Ok(Opened {
            item,
            created: opened.created,
        })
    }

    /// Whether `peer` takes direct conversations from the user. Blocks do not count: refusing would tell of them.
    async fn lets_write(&self, user: UserId, peer: UserId) -> StoreResult<bool> {
        let privacy = self.privacy(&[peer]).await?;
        let rule = privacy
            .first()
            .map_or(Openness::Nobody, |(_, privacy)| privacy.who_can_dm);
        let is_contact =
            rule == Openness::Contacts && !self.store.owners_of_contact(user, &[peer]).await?.is_empty();
        Ok(rule.admits(is_contact))
    }

    /// A new group with the caller as owner. The others are members at once, and a system message says so; those who
    /// do not let the caller add them are left out.
    pub async fn create_group(
        &self,
        caller: &Caller,
        wish: GroupWish,
    ) -> Result<CreatedGroup, CreateGroupError> {
        let title = text::name(&wish.title);
        if title.is_empty() {
            return Err(CreateGroupError::TitleRequired);
        }
        if title.chars().count() > self.options.title_chars_max {
            return Err(CreateGroupError::TitleTooLong);
        }
        let mut others = wish.members;
        others.retain(|&user| user != caller.user);
        others.sort();
        others.dedup();
        if others.len() + 1 > self.options.group_members_max {
            return Err(CreateGroupError::TooManyMembers);
        }
        let known = self.accounts_by_id(&others).await?;
        if known
            .iter()
            .filter(|account| account.deleted_at.is_none())
            .count()
            < others.len()
        {
            return Err(CreateGroupError::UnknownUser);
        }
        let admitting = self
            .who_admit(caller.user, &others, |privacy| privacy.who_can_add_me)
            .await?;
        let (others, refused) = others.into_iter().partition(|user| admitting.contains(user));
        let (feed, at) = (Arc::clone(&self.feed), Timestamp::now());
        let announce = move |group: &GroupCreated| announce_group(&*feed, group, at);
        let record = GroupRecord {
            title,
            creator: caller.user,
            others,
            policies: wish.policies.applied_to(&self.options.policies),
            per_day_max: self.options.groups_per_day_max,
            conversations_max: self.options.conversations_max,
            at,
        };
        let group = match self.store.create_group(record, Box::new(announce)).await? {
            Ok(group) => group,
            Err(GroupRefusal::TooManyToday { retry_after_s }) => {
                return Err(CreateGroupError::TooManyToday { retry_after_s });
            }
            Err(GroupRefusal::TooManyConversations) => return Err(CreateGroupError::TooManyConversations),
        };
        let item = self.item(caller, group.conversation).await?;
        let item = item.ok_or_else(|| StoreError::Broken("a created group is missing".into()))?;
        Ok(CreatedGroup { item, refused })
    }

    /// The caller's conversations: pinned ones, then by newest activity. With `archived` only those in the
    /// archive, or only the others.
    pub async fn conversations(
        &self,
        caller: &Caller,
        archived: Option<bool>,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<ListItem>, ListError> {
        let limit = self.page_limit(limit).ok_or(ListError::LimitInvalid)?;
        let after = match cursor {
            Some(text) => Some(read_list_place(text).ok_or(ListError::CursorInvalid)?),
            None => None,
        };
        let query = ListQuery {
            archived,
            after,
            limit: limit + 1,
        };
        let mut items = self
            .store
            .list(caller.user, query, self.options.receipts_members_max)
            .await?;
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        Ok(Page {
            next_cursor: last.map(write_list_place),
            items,
        })
    }

    /// One of them.
    pub async fn conversation(&self, caller: &Caller, id: ConversationId) -> Result<ListItem, AccessError> {
        self.item(caller, id).await?.ok_or(AccessError::NotFound)
    }

    /// A conversation as it stands in somebody's list. For the feed.
    pub async fn item_of(&self, user: UserId, id: ConversationId) -> StoreResult<Option<ListItem>> {
        let members_max = self.options.receipts_members_max;
        self.store.list_item(user, id, members_max).await
    }

    /// The audience of a conversation: its active members. For the feed.
    pub async fn member_ids(&self, id: ConversationId) -> StoreResult<Vec<UserId>> {
        self.store.member_ids(id).await
    }

    pub(crate) async fn item(&self, caller: &Caller, id: ConversationId) -> StoreResult<Option<ListItem>> {
        self.store
            .list_item(caller.user, id, self.options.receipts_members_max)
            .await
    }

    /// The wished page size, the usual one without a wish, `None` when it is out of range.
    pub(crate) fn page_limit(&self, wished: Option<usize>) -> Option<usize> {
        let limit = wished.unwrap_or(self.options.page_size);
        (1..=self.options.page_size_max).contains(&limit).then_some(limit)
    }
}

fn announce_added(feed: &dyn Feed, conversation: ConversationId, members: &[(UserId, u64)], at: Timestamp) {
    for &(user, user_rev) in members {
        let event = Event::ConversationAdded {
            conversation,
            user_rev,
            at,
        };
        feed.deliver(&Audience::Users(vec![user]), &event);
    }
}

/// First each member learns that the group is in its list, then rev 1 and rev 2 follow to all.
fn announce_group(feed: &dyn Feed, group: &GroupCreated, at: Timestamp) {
    announce_added(feed, group.conversation, &group.members, at);
    let audience = Audience::Users(group.members.iter().map(|&(user, _)| user).collect());
    feed.deliver(
        &audience,
        &Event::MessageCreated {
            message: group.created.clone(),
            thread: None,
        },
    );
    if let Some((note, added)) = &group.added {
        let event = Event::MembersChanged {
            conversation: group.conversation,
            rev: note.rev,
            at,
            added: added.clone(),
            removed: Vec::new(),
            updated: Vec::new(),
            member_count: group.members.len() as u32,
            message: Some(note.clone()),
        };
        feed.deliver(&audience, &event);
    }
}

/// The place of an item in its list, as a cursor.
fn write_list_place(item: &ListItem) -> String {
    let id = item.conversation.id;
    match item.my.pinned_order {
        Some(order) => format!("p{order}.{id}"),
        None => write_place(item.conversation.last_activity_at, id),
    }
}

fn read_list_place(text: &str) -> Option<ListPlace> {
    match text.strip_prefix('p') {
        Some(pinned) => {
            let (order, id) = pinned.split_once('.')?;
            Some(ListPlace::Pinned(
                order.parse().ok()?,
                ConversationId(id.parse().ok()?),
            ))
        }
        None => read_place(text).map(|(at, id)| ListPlace::Active(at, id)),
    }
}

/// A place in a list by activity, as a cursor.
pub(crate) fn write_place(at: Timestamp, id: ConversationId) -> String {
    format!("{}.{}", at.0, id.0)
}

pub(crate) fn read_place(text: &str) -> Option<(Timestamp, ConversationId)> {
    let (at, id) = text.split_once('.')?;
    Some((Timestamp(at.parse().ok()?), ConversationId(id.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_reads_back_and_anything_else_does_not() {
        let place = (Timestamp(1_700_000_000_123), ConversationId(42));
        assert_eq!(read_place(&write_place(place.0, place.1)), Some(place));
        for faulty in ["", ".", "1", "1.", ".1", "1.2.3", "a.b", "99999999999999999999.1"] {
            assert_eq!(read_place(faulty), None, "{faulty:?}");
        }
    }
}
