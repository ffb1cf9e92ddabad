//! Invites: links that let people join a group by themselves.

use crate::member::announce_acted;
use crate::store::{ActRefusal, Acted, InvitePreview, JoinRefusal, Joining, StoreError};
use crate::token::Secret;
use crate::{
    Caller, ClientId, ConversationId, Draft, InviteId, ListItem, MemberError, Messenger, OpenDirectError,
    Page, SendError, StoreResult, Timestamp, UserId,
};
use std::sync::Arc;

/// An invite as those who run the group see it. Its secret is only known to whom it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// Its public name.
    pub id: InviteId,
    /// Where it leads.
    pub conversation: ConversationId,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// How many people it lets in.
    pub max_uses: Option<u64>,
    /// How many it has let in.
    pub uses: u64,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
}

/// An invite to be stored.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// Its public name.
    pub id: InviteId,
    /// SHA-256 of its secret, in hex.
    pub secret_hash: String,
    /// Where it leads.
    pub conversation: ConversationId,
    /// Who makes it.
    pub creator: UserId,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// How many people it lets in.
    pub max_uses: Option<u64>,
    /// Most invites of one group that still let people in.
    pub invites_max: usize,
    /// When.
    pub at: Timestamp,
}

/// What an invite is to be like.
#[derive(Debug, Clone, Copy, Default)]
pub struct InviteWish {
    /// Seconds until it ends: `None` as usual, `Some(None)` never.
    pub life_s: Option<Option<u64>>,
    /// How many people it lets in; any number without.
    pub max_uses: Option<u64>,
}

/// A fresh invite with its secret, which is shown this once.
#[derive(Debug, Clone)]
pub struct CreatedInvite {
    /// The invite.
    pub invite: Invite,
    /// What lets people in.
    pub token: String,
}

/// Why there is no invite.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// No such conversation or invite, or none the caller may know of.
    #[error("no such conversation or invite")]
    NotFound,
    /// The caller was a member once.
    #[error("you are not a member")]
    NotAMember,
    /// The caller's role does not allow it, or it is no group.
    #[error("you may not invite here")]
    NotAllowed,
    /// Not between a second and ten years.
    #[error("the life of an invite is out of range")]
    LifeInvalid,
    /// Not between one and a million.
    #[error("the number of uses is out of range")]
    MaxUsesInvalid,
    /// Others have to be taken back first.
    #[error("there are too many invites")]
    TooMany,
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

/// Why an invite does not let somebody in.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// There is none, or its group is no more.
    #[error("no such invite")]
    NotFound,
    /// Its time is over.
    #[error("the invite has expired")]
    Expired,
    /// It has let in as many as it was made for.
    #[error("the invite is used up")]
    UsedUp,
    /// It was taken back.
    #[error("the invite was revoked")]
    Revoked,
    /// The caller is kept out.
    #[error("you are banned from this group")]
    Banned,
    /// There is no room.
    #[error("the group is full")]
    GroupFull,
    /// The caller is in too many conversations.
    #[error("you are in too many conversations")]
    TooManyConversations,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<JoinRefusal> for JoinError {
    fn from(refusal: JoinRefusal) -> Self {
        match refusal {
            JoinRefusal::Unknown => Self::NotFound,
            JoinRefusal::Expired => Self::Expired,
            JoinRefusal::UsedUp => Self::UsedUp,
            JoinRefusal::Revoked => Self::Revoked,
            JoinRefusal::Banned => Self::Banned,
            JoinRefusal::GroupFull => Self::GroupFull,
            JoinRefusal::TooManyConversations => Self::TooManyConversations,
        }
    }
}

impl From<ActRefusal> for InviteError {
    fn from(refusal: ActRefusal) -> Self {
        match refusal {
            ActRefusal::NotFound | ActRefusal::NoSuchMember => Self::NotFound,
            ActRefusal::NotAMember => Self::NotAMember,
            ActRefusal::GroupFull => Self::TooMany,
            ActRefusal::NotAllowed
            | ActRefusal::LastOwner
            | ActRefusal::TooManyAdmins
            | ActRefusal::PurgeExistingRequired
            | ActRefusal::Avatar(_) => Self::NotAllowed,
        }
    }
}

impl From<MemberError> for InviteError {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::NotFound => Self::NotFound,
            MemberError::NotAMember => Self::NotAMember,
            MemberError::NotAllowed | MemberError::LastOwner | MemberError::TooManyAdmins => Self::NotAllowed,
            MemberError::Store(error) => Self::Store(error),
        }
    }
}

/// Somebody who has come by an invite.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The group.
    pub item: ListItem,
    /// Whether it was joined just now.
    pub new: bool,
}

/// Longest life of an invite: ten years.
pub(crate) const LIFE_S_MAX: u64 = 10 * 366 * 24 * 60 * 60;

/// Most people one invite can be made for.
pub(crate) const USES_MAX: u64 = 1_000_000;

impl Messenger {
    /// A new invite to a group, if the caller may invite there.
    pub async fn create_invite(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        wish: InviteWish,
    ) -> Result<CreatedInvite, InviteError> {
        let life_s = wish.life_s.unwrap_or(Some(self.options.invite_life_s));
        if life_s.is_some_and(|life| !(1..=LIFE_S_MAX).contains(&life)) {
            return Err(InviteError::LifeInvalid);
        }
        if wish.max_uses.is_some_and(|uses| !(1..=USES_MAX).contains(&uses)) {
            return Err(InviteError::MaxUsesInvalid);
        }
        let secret = Secret::generate()
            .map_err(|error| StoreError::Unavailable(format!("no randomness for an invite: {error}")))?;
        let at = Timestamp::now();
        let new = NewInvite {
            id: InviteId(uuid::Uuid::new_v4()),
            secret_hash: secret.hash().as_str().to_owned(),
            conversation,
            creator: caller.user,
            expires_at: life_s.map(|life| Timestamp(at.0 + life as i64 * 1_000)),
            max_uses: wish.max_uses,
            invites_max: self.options.invites_max,
            at,
        };
        let invite = self.store.create_invite(new).await??;
        Ok(CreatedInvite {
            invite,
            token: secret.reveal().to_owned(),
        })
    }

    /// Sends somebody whom the caller may not add to a group an invite to it, for one person, in their direct
    /// conversation. `link` makes a link of the token. `Ok(false)`: that may not be, either.
    pub async fn invite_by_message(
        &self,
        caller: &Caller,
        group: ConversationId,
        user: UserId,
        link: impl Fn(&str) -> String + Send,
    ) -> StoreResult<bool> {
        let direct = match self.open_direct(caller, user).await {
            Ok(opened) => opened.item.conversation.id,
            Err(OpenDirectError::UnknownUser | OpenDirectError::NotAllowed) => return Ok(false),
            Err(OpenDirectError::Store(error)) => return Err(error),
        };
        let Some(item) = self.item(caller, group).await? else {
            return Ok(false);
        };
        let wish = InviteWish {
            life_s: None,
            max_uses: Some(1),
        };
        let invite = match self.create_invite(caller, group, wish).await {
            Ok(invite) => invite,
            Err(InviteError::Store(error)) => return Err(error),
            Err(_) => return Ok(false),
        };
        let title = item.conversation.title.unwrap_or_default();
        let draft = Draft {
            client_id: ClientId(uuid::Uuid::new_v4()),
            body: format!("{title}: {}", link(&invite.token)),
            attachments: Vec::new(),
            reply_to: None,
            thread: None,
            // The caller may have unread messages there.
            advance_seen: false,
        };
        match self.send(caller, direct, draft).await {
            Ok(_) => Ok(true),
            Err(SendError::Store(error)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// The invites of a group, newest first, for those who may invite.
    pub async fn invites(
        &self,
        caller: &Caller,
        conversation: ConversationId,
        cursor: Option<&str>,
        limit: Option<usize>,
    ) -> Result<Page<Invite>, InviteError> {
        let limit = self.page_limit(limit).ok_or(InviteError::LimitInvalid)?;
        let after = match cursor {
            Some(text) => {
                let id = uuid::Uuid::try_parse(text).map_err(|_| InviteError::CursorInvalid)?;
                Some(InviteId(id))
            }
            None => None,
        };
        let (found, my) = self.active_standing(caller, conversation).await?;
        if found.owner.is_none() || !found.policies.invite.includes(my.role) {
            return Err(InviteError::NotAllowed);
        }
        let mut items = self.store.invites(conversation, after, limit + 1).await?;
        let more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| more);
        Ok(Page {
            next_cursor: last.map(|invite| invite.id.0.to_string()),
            items,
        })
    }

    /// Takes an invite back; whoever made it may, and those who run the group.
    pub async fn revoke_invite(&self, caller: &Caller, id: InviteId) -> Result<(), InviteError> {
        let revoked = self
            .store
            .revoke_invite(caller.user, id, Timestamp::now())
            .await?;
        Ok(revoked?)
    }

    /// What is behind an invite, for somebody who thinks about joining.
    pub async fn preview_invite(&self, caller: &Caller, token: &str) -> Result<InvitePreview, JoinError> {
        let hash = Secret::given(token).ok_or(JoinError::NotFound)?.hash();
        let preview = self
            .store
            .preview(caller.user, hash.as_str(), Timestamp::now())
            .await?;
        Ok(preview?)
    }

    /// Joins the group behind an invite. Who is a member already stays one.
    pub async fn join(&self, caller: &Caller, token: &str) -> Result<Joined, JoinError> {
        let hash = Secret::given(token).ok_or(JoinError::NotFound)?.hash();
        let at = Timestamp::now();
        let joining = Joining {
            user: caller.user,
            secret_hash: hash.as_str().to_owned(),
            members_max: self.options.group_members_max,
            conversations_max: self.options.conversations_max,
            at,
        };
        let feed = Arc::clone(&self.feed);
        let announce = move |acted: &Acted| announce_acted(&*feed, acted, at);
        let acted = self.store.join(joining, Box::new(announce)).await??;
        let item = self.item(caller, acted.conversation.id).await?;
        // Somebody may have been quick to remove the newcomer.
        let item = item.ok_or(JoinError::NotFound)?;
        Ok(Joined {
            item,
            new: !acted.steps.is_empty(),
        })
    }
}
