//! What conversations allow, who may not come back, invites: the shapes around groups.

use chinwag_messenger as domain;
use chinwag_messenger::{EditHistory, Newcomers, Notify, Who};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Conversation, ListedMember, Moment, User};

/// What becomes of the words that an edit replaces.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EditHistory)]
pub(in crate::messenger) enum EditHistoryWord {
    Off,
    Restricted,
    Members,
}

impl From<EditHistory> for EditHistoryWord {
    fn from(history: EditHistory) -> Self {
        match history {
            EditHistory::Off => Self::Off,
            EditHistory::Restricted => Self::Restricted,
            EditHistory::Members => Self::Members,
        }
    }
}

impl From<EditHistoryWord> for EditHistory {
    fn from(word: EditHistoryWord) -> Self {
        match word {
            EditHistoryWord::Off => Self::Off,
            EditHistoryWord::Restricted => Self::Restricted,
            EditHistoryWord::Members => Self::Members,
        }
    }
}

/// Who may do something.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Who)]
pub(in crate::messenger) enum WhoWord {
    All,
    Admins,
}

impl From<Who> for WhoWord {
    fn from(who: Who) -> Self {
        match who {
            Who::All => Self::All,
            Who::Admins => Self::Admins,
        }
    }
}

impl From<WhoWord> for Who {
    fn from(word: WhoWord) -> Self {
        match word {
            WhoWord::All => Self::All,
            WhoWord::Admins => Self::Admins,
        }
    }
}

/// What newcomers see of the past.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HistoryForNewMembers)]
pub(in crate::messenger) enum NewcomersWord {
    All,
    SinceJoin,
}

impl From<Newcomers> for NewcomersWord {
    fn from(newcomers: Newcomers) -> Self {
        match newcomers {
            Newcomers::SeeAll => Self::All,
            Newcomers::SinceJoin => Self::SinceJoin,
        }
    }
}

impl From<NewcomersWord> for Newcomers {
    fn from(word: NewcomersWord) -> Self {
        match word {
            NewcomersWord::All => Self::SeeAll,
            NewcomersWord::SinceJoin => Self::SinceJoin,
        }
    }
}

/// What somebody wants to be notified of.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Notify)]
pub(in crate::messenger) enum NotifyWord {
    All,
    Mentions,
    None,
}

impl From<Notify> for NotifyWord {
    fn from(notify: Notify) -> Self {
        match notify {
            Notify::All => Self::All,
            Notify::Mentions => Self::Mentions,
            Notify::Nothing => Self::None,
        }
    }
}

impl From<NotifyWord> for Notify {
    fn from(word: NotifyWord) -> Self {
        match word {
            NotifyWord::All => Self::All,
            NotifyWord::Mentions => Self::Mentions,
            NotifyWord::None => Self::Nothing,
        }
    }
}

/// The policies of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Policies {
    edit_history: EditHistoryWord,
    edit_window_s: Option<u64>,
    delete_window_s: Option<u64>,
    post: WhoWord,
    invite: WhoWord,
    info: WhoWord,
    pin: WhoWord,
    history_for_new_members: NewcomersWord,
}

impl From<&domain::Policies> for Policies {
    fn from(policies: &domain::Policies) -> Self {
        Self {
            edit_history: policies.edit_history.into(),
            edit_window_s: policies.edit_window_s,
            delete_window_s: policies.delete_window_s,
            post: policies.post.into(),
            invite: policies.invite.into(),
            info: policies.info.into(),
            pin: policies.pin.into(),
            history_for_new_members: policies.newcomers.into(),
        }
    }
}

/// Policies that changed, with their new values.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ChangedPolicies {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    edit_history: Option<EditHistoryWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    edit_window_s: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    delete_window_s: Option<Option<u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    post: Option<WhoWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    invite: Option<WhoWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    info: Option<WhoWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pin: Option<WhoWord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    history_for_new_members: Option<NewcomersWord>,
}

impl From<&domain::PolicyChange> for ChangedPolicies {
    fn from(change: &domain::PolicyChange) -> Self {
        Self {
            edit_history: change.edit_history.map(Into::into),
            edit_window_s: change.edit_window_s,
            delete_window_s: change.delete_window_s,
            post: change.post.map(Into::into),
            invite: change.invite.map(Into::into),
            info: change.info.map(Into::into),
            pin: change.pin.map(Into::into),
            history_for_new_members: change.newcomers.map(Into::into),
        }
    }
}

/// What somebody has begun to write.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Draft {
    body: String,
    reply_to: Option<i64>,
    attachments: Vec<uuid::Uuid>,
    updated_at: Moment,
}

impl From<&domain::KeptDraft> for Draft {
    fn from(draft: &domain::KeptDraft) -> Self {
        Self {
            body: draft.body.clone(),
            reply_to: draft.reply_to.map(|id| id.0),
            attachments: draft.attachments.clone(),
            updated_at: Moment(draft.updated_at),
        }
    }
}

/// People after they were added.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Added<'a> {
    added: Vec<ListedMember<'a>>,
    unchanged: Vec<i64>,
}

impl<'a> From<&'a domain::Added> for Added<'a> {
    fn from(added: &'a domain::Added) -> Self {
        Self {
            added: added.added.iter().map(ListedMember::from).collect(),
            unchanged: added.unchanged.iter().map(|id| id.0).collect(),
        }
    }
}

/// Somebody who may not come back.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Ban<'a> {
    user: User<'a>,
    banned_by: i64,
    banned_at: Moment,
}

impl<'a> From<&'a domain::Ban> for Ban<'a> {
    fn from(ban: &'a domain::Ban) -> Self {
        Self {
            user: (&ban.account).into(),
            banned_by: ban.by.0,
            banned_at: Moment(ban.at),
        }
    }
}

/// An invite; its token only in the answer that creates it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Invite<'a> {
    id: uuid::Uuid,
    conversation_id: i64,
    created_by: i64,
    created_at: Moment,
    expires_at: Option<Moment>,
    max_uses: Option<u64>,
    uses: u64,
    revoked_at: Option<Moment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<&'a str>,
}

impl<'a> Invite<'a> {
    pub(in crate::messenger) fn with(token: Option<&'a str>, invite: &domain::Invite) -> Self {
        Self {
            id: invite.id.0,
            conversation_id: invite.conversation.0,
            created_by: invite.created_by.0,
            created_at: Moment(invite.created_at),
            expires_at: invite.expires_at.map(Moment),
            max_uses: invite.max_uses,
            uses: invite.uses,
            revoked_at: invite.revoked_at.map(Moment),
            token,
        }
    }
}

/// What is behind an invite.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct InvitePreview<'a> {
    conversation_id: i64,
    title: Option<&'a str>,
    description: Option<&'a str>,
    member_count: u32,
    is_member: bool,
}

impl<'a> InvitePreview<'a> {
    pub(in crate::messenger) fn new(conversation: &'a domain::Conversation, is_member: bool) -> Self {
        let Conversation {
            id,
            title,
            description,
            member_count,
            ..
        } = conversation.into();
        Self {
            conversation_id: id,
            title,
            description,
            member_count,
            is_member,
        }
    }
}
