//! Members: an account in a conversation, what it may do and how far it has read.

use crate::store::{Act, ActRefusal, Acted, MemberQuery, StepKind, StoreError};
use crate::{
    Account, Audience, Caller, Conversation, ConversationId, ConversationKind, Event, Feed, KeptDraft,
    Messenger, Notify, Page, RemovalReason, StoreResult, Timestamp, UserId, text,
};

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Has the group; exactly one.
    Owner,
    /// Runs it.
    Admin,
    /// Takes part.
    Member,
}

/// An account in a conversation, with its watermarks and its private part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// The conversation.
    pub conversation: ConversationId,
    /// The account.
    pub user: UserId,
    /// What it may do.
    pub role: Role,
    /// When it joined.
    pub joined_at: Timestamp,
    /// `last_seq` just before it joined: older messages were never unread for it.
    pub joined_seq: u64,
    /// The first message it may read.
    pub history_from_seq: u64,
    /// When it left.
    pub left_at: Option<Timestamp>,
    /// The last message it may read, when it left.
    pub left_seq: Option<u64>,
    /// The last change it heard of, when it left.
    pub left_rev: Option<u64>,
    /// All messages up to here have reached one of its devices.
    pub delivered_seq: u64,
    /// All messages up to here have been shown to it.
    pub seen_seq: u64,
    /// Messages up to here are cleared from its view.
    pub cleared_seq: u64,
    /// No notifications until then.
    pub muted_until: Option<Timestamp>,
    /// In the archive.
    pub archived: bool,
    /// Place among the pinned ones.
    pub pinned_order: Option<i64>,
    /// Shown as unread by the user's own wish.
    pub marked_unread: bool,
    /// What it wants to be notified of.
    pub notify: Notify,
    /// Out of the list until there is a later message than this one.
    pub hidden_seq: Option<u64>,
    /// What it has begun to write.
    pub draft: Option<KeptDraft>,
}

impl MemberState {
    /// Whether the conversation is out of the user's list, given its last message.
    pub fn hidden(&self, last_seq: u64) -> bool {
        self.hidden_seq.is_some_and(|seq| last_seq <= seq)
    }
}

/// A member as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub account: Account,
    /// What it may do.
    pub role: Role,
    /// When it joined.
    pub joined_at: Timestamp,
    /// `last_seq` just before it joined.
    pub joined_seq: u64,
    /// How far messages have reached it.
    pub delivered_seq: u64,
    /// How far it has seen; not told where it, or who looks, keeps that to itself.
    pub seen_seq: Option<u64>,
}

/// Why a conversation, or something in it, is not shown.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is none, or the caller may not know about it.
    #[error("no such thing")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Somebody who may not come back.
#[derive(Debug, Clone)]
pub struct Ban {
    /// Who.
    pub account: Account,
    /// Who decided that.
    pub by: UserId,
    /// When.
    pub at: Timestamp,
}

/// People after they were added.
#[derive(Debug, Clone)]
pub struct Added {
    /// Who came.
    pub added: Vec<Member>,
    /// Who was a member already.
    pub unchanged: Vec<UserId>,
    /// Who cannot be added by the caller.
    pub refused: Vec<UserId>,
    /// Those of them who could come by an invite: only they themselves are in the way.
    pub invitable: Vec<UserId>,
}

/// Why a page of members is refused.
#[derive(Debug, thiserror::Error)]
pub enum ListMembersError {
    /// There is none, or the caller may not know about it.
    #[error("no such conversation")]
    NotFound,
    /// Not one of ours.
    #[error("the cursor is not valid")]
    CursorInvalid,
    /// Outside 1 to the maximum.
    #[error("the limit is out of range")]
    LimitInvalid,
    /// Over 200 characters.
    #[error("the query is too long")]
    QueryTooLong,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why people are not added.
#[derive(Debug, thiserror::Error)]
pub enum AddMembersError {
    /// No such conversation, or none the caller may know of; or one of the people does not exist.
    #[error("no such conversation or person")]
    NotFound,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// The caller's role does not allow it, or it is no group.
    #[error("you may not add people here")]
    NotAllowed,
    /// There is no room for so many.
    #[error("the group is full")]
    GroupFull,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a member stays as it is.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// No such conversation, or none the caller may know of; or the person is no member of it.
    #[error("no such conversation or member")]
    NotFound,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// The caller's role does not allow it, or it is no group.
    #[error("you may not do this here")]
    NotAllowed,
    /// The group has to be given to another first.
    #[error("the owner has to give the group to another first")]
    LastOwner,
    /// There is no room for another administrator.
    #[error("there are too many administrators")]
    TooManyAdmins,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ActRefusal> for MemberError {
    fn from(refusal: ActRefusal) -> Self {
        match refusal {
            ActRefusal::NotFound | ActRefusal::NoSuchMember => Self::NotFound,
            ActRefusal::NotAMember => Self::NotAMember,
            ActRefusal::LastOwner => Self::LastOwner,
            ActRefusal::TooManyAdmins => Self::TooManyAdmins,
            ActRefusal::NotAllowed
            | ActRefusal::GroupFull
            | ActRefusal::PurgeExistingRequired
            | ActRefusal::Avatar(_) => Self::NotAllowed,
        }
    }
}

/// Longest query for members.
const QUERY_CHARS_MAX: usize = 200;

impl Messenger {
    /// The members by id, in pages; with a query those whose username, or a word of whose display name, begins
    /// with it. Who left sees them as they were then.
    pub async fn members(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        query: Option<&str>,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Member>, ListMembersError> {
        let limit = self.page_limit(limit).ok_or(ListMembersError::LimitInvalid)?;
        let after = match cursor {
            Some(text) => Some(UserId(text.parse().map_err(|_| ListMembersError::CursorInvalid)?)),
            None => None,
        };
        if query.is_some_and(|query| query.chars().count() > QUERY_CHARS_MAX) {
            return Err(ListMembersError::QueryTooLong);
        }
        let prefix = query.map(text::prefix).filter(|prefix| !prefix.is_empty());
        let standing = self.store.standing(caller.user, conversation).await?;
        let (head, my) = standing.ok_or(ListMembersError::NotFound)?;
        let wanted = MemberQuery {
            prefix,
            after,
            limit: limit + 1,
            until: my.left_at.map(|at| (at, my.left_seq.unwrap_or(0))),
            viewer: caller.user,
            direct: head.kind == ConversationKind::Direct,
        };
        let mut items = self.store.find_members(conversation, wanted).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        Ok(Page {
            next_cursor: last.map(|member| member.account.id.to_string()),
            items,
        })
    }

    /// Adds people to a group; they are members at once. Those who cannot be added are left out: they are banned, or
    /// do not let the caller add them.
    pub async fn add_members(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        users: &[UserId],
    ) -> Result<Added, AddMembersError> {
        let mut users = users.to_vec();
        users.sort();
        users.dedup();
        if users.len() > self.options.group_members_max {
            return Err(AddMembersError::GroupFull);
        }
        let known = self.accounts_by_id(&users).await?;
        if known
            .iter()
            .filter(|account| account.deleted_at.is_none())
            .count()
            < users.len()
        {
            return Err(AddMembersError::NotFound);
        }
        let invitable = self.not_admitting(caller, conversation, &users).await?;
        users.retain(|user| !invitable.contains(user));
        let act = Act::Add {
            users,
            members_max: self.options.group_members_max,
        };
        match self.act(caller, conversation, act).await? {
            Ok(acted) => {
                let added = acted.steps.into_iter().find_map(|step| match step.what {
                    StepKind::Members { added, .. } => Some(added),
                    StepKind::Settings(_) | StepKind::Deleted => None,
                });
                Ok(Added {
                    added: added.unwrap_or_default(),
                    unchanged: acted.unchanged,
                    refused: [acted.banned, invitable.clone()].concat(),
                    invitable,
                })
            }
            Err(ActRefusal::NotFound) => Err(AddMembersError::NotFound),
            Err(ActRefusal::NotAMember) => Err(AddMembersError::NotAMember),
            Err(ActRefusal::GroupFull) => Err(AddMembersError::GroupFull),
            Err(_) => Err(AddMembersError::NotAllowed),
        }
    }

    /// Those of `users` who are no members and do not let the caller add them.
    async fn not_admitting(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        users: &[UserId],
    ) -> StoreResult<Vec<UserId>> {
        let admitting = self
            .who_admit(caller.user, users, |privacy| privacy.who_can_add_me)
            .await?;
        let mut refusing: Vec<UserId> = users.to_vec();
        refusing.retain(|user| !admitting.contains(user) && *user != caller.user);
        if !refusing.is_empty() {
            let members = self.store.member_ids(conversation).await?;
            refusing.retain(|user| members.binary_search(user).is_err());
        }
        Ok(refusing)
    }

    /// Removes a member, and with `ban` keeps it out. Oneself: leaves, unless one is the owner.
    pub async fn remove_member(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        user: UserId,
        ban: bool,
    ) -> Result<(), MemberError> {
        self.act(caller, conversation, Act::Remove { user, ban })
            .await??;
        Ok(())
    }

    /// Leaves a group. An owner's place goes to the oldest administrator, else to the oldest member.
    pub async fn leave(&self, caller: &Caller, conversation: ConversationId) -> Result<(), MemberError> {
        self.act(caller, conversation, Act::Leave).await??;
        Ok(())
    }

    /// Makes a member an administrator, or a member again. The owner's role is given on, not changed.
    pub async fn set_role(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        user: UserId,
        role: Role,
    ) -> Result<(), MemberError> {
        let act = match role {
            Role::Owner => Act::Transfer { to: user },
            Role::Admin | Role::Member => Act::SetRole {
                user,
                role,
                admins_max: self.options.group_admins_max,
            },
        };
        self.act(caller, conversation, act).await??;
        Ok(())
    }

    /// Gives the group to another member.
    pub async fn transfer(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        to: UserId,
    ) -> Result<(), MemberError> {
        self.act(caller, conversation, Act::Transfer { to }).await??;
        Ok(())
    }

    /// Who is kept out of a group, for those who run it.
    pub async fn bans(&self, caller: &Caller, conversation: ConversationId) -> Result<Vec<Ban>, MemberError> {
        let (_, my) = self.active_standing(caller, conversation).await?;
        if my.role == Role::Member {
            return Err(MemberError::NotAllowed);
        }
        Ok(self.store.bans(conversation).await?)
    }

    /// Lets a banned person come back.
    pub async fn lift_ban(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<(), MemberError> {
        self.act(caller, conversation, Act::Lift { user }).await??;
        Ok(())
    }

    /// The conversation and the caller's part in it, which must not be a past one.
    pub(crate) async fn active_standing(
        &self,
        caller: &Caller,
        conversation: ConversationId,
    ) -> Result<(Conversation, MemberState), MemberError> {
        match self.store.standing(caller.user, conversation).await? {
            Some((_, my)) if my.left_at.is_some() => Err(MemberError::NotAMember),
            Some(standing) => Ok(standing),
            None => Err(MemberError::NotFound),
        }
    }

    /// Whether the user is an active member: the gate of the conversation's channel. With the number of
    /// members, since large conversations have another kind of channel.
    pub async fn membership(&self, user: UserId, conversation: ConversationId) -> StoreResult<Option<u32>> {
        let standing = self.store.standing(user, conversation).await?;
        let active = standing.filter(|(_, member)| member.left_at.is_none());
        Ok(active.map(|(conversation, _)| conversation.member_count))
    }
}

/// First those who came learn that it is in their list, then each step goes to all, then those who went learn it.
pub(crate) fn announce_acted(feed: &dyn Feed, acted: &Acted, at: Timestamp) {
    let conversation = acted.conversation.id;
    for &(user, user_rev) in &acted.arrived {
        let event = Event::ConversationAdded {
            conversation,
            user_rev,
            at,
        };
        feed.deliver(&Audience::Users(vec![user]), &event);
    }
    let mut reason = RemovalReason::Removed;
    let audience = Audience::Users(acted.audience.clone());
    for step in &acted.steps {
        let (rev, message) = (step.rev, step.note.clone());
        let event = match &step.what {
            StepKind::Members {
                added,
                removed,
                updated,
            } => {
                let by_oneself = |note: &crate::Message| removed.contains(&note.author);
                if step.note.as_ref().is_some_and(by_oneself) {
                    reason = RemovalReason::Left;
                }
                Event::MembersChanged {
                    conversation,
                    rev,
                    at,
                    added: added.clone(),
                    removed: removed.clone(),
                    updated: updated.clone(),
                    member_count: acted.conversation.member_count,
                    message,
                }
            }
            StepKind::Settings(changed) => Event::ConversationUpdated {
                conversation,
                rev,
                at,
                changed: changed.clone(),
                message,
            },
            StepKind::Deleted => {
                reason = RemovalReason::Deleted;
                Event::ConversationDeleted {
                    conversation,
                    rev,
                    at,
                }
            }
        };
        feed.deliver(&audience, &event);
    }
    for &(user, user_rev) in &acted.departed {
        let event = Event::ConversationRemoved {
            conversation,
            user,
            user_rev,
            at,
            reason,
        };
        feed.deliver(&Audience::Users(vec![user]), &event);
    }
}
