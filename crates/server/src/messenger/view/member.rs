//! Members as others see them, and one's own part of a conversation.

use chinwag_messenger as domain;
use chinwag_messenger::Role;
use serde::Serialize;
use utoipa::ToSchema;

use super::words::RoleWord;
use super::{Draft, Moment, NotifyWord, User};

fn role(role: Role) -> RoleWord {
    match role {
        Role::Owner => RoleWord::Owner,
        Role::Admin => RoleWord::Admin,
        Role::Member => RoleWord::Member,
    }
}

/// A member in a list item, in changes and in events: what ticks are drawn from.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct Member<'a> {
    user: User<'a>,
    role: RoleWord,
    joined_seq: u64,
    delivered_seq: u64,
    /// Null where the member or the caller keeps that to itself.
    seen_seq: Option<u64>,
}

impl<'a> From<&'a domain::Member> for Member<'a> {
    fn from(member: &'a domain::Member) -> Self {
        Self {
            user: (&member.account).into(),
            role: role(member.role),
            joined_seq: member.joined_seq,
            delivered_seq: member.delivered_seq,
            seen_seq: member.seen_seq,
        }
    }
}

/// A member whose role has changed, in events: what goes to all holds no watermarks.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ChangedMember<'a> {
    user: User<'a>,
    role: RoleWord,
    joined_seq: u64,
}

impl<'a> From<&'a domain::Member> for ChangedMember<'a> {
    fn from(member: &'a domain::Member) -> Self {
        Self {
            user: (&member.account).into(),
            role: role(member.role),
            joined_seq: member.joined_seq,
        }
    }
}

/// A member in the list of members.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct ListedMember<'a> {
    #[serde(flatten)]
    member: Member<'a>,
    joined_at: Moment,
}

impl<'a> From<&'a domain::Member> for ListedMember<'a> {
    fn from(member: &'a domain::Member) -> Self {
        Self {
            member: member.into(),
            joined_at: Moment(member.joined_at),
        }
    }
}

/// One's own part of a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::messenger) struct My {
    role: RoleWord,
    joined_seq: u64,
    delivered_seq: u64,
    seen_seq: u64,
    history_from_seq: u64,
    cleared_seq: u64,
    muted_until: Option<Moment>,
    archived: bool,
    pinned_order: Option<i64>,
    marked_unread: bool,
    notify: NotifyWord,
    hidden_from_list: bool,
    draft: Option<Draft>,
    left_at: Option<Moment>,
}

impl My {
    pub(super) fn new(state: &domain::MemberState, hidden_from_list: bool) -> Self {
        Self {
            role: role(state.role),
            joined_seq: state.joined_seq,
            delivered_seq: state.delivered_seq,
            seen_seq: state.seen_seq,
            history_from_seq: state.history_from_seq,
            cleared_seq: state.cleared_seq,
            muted_until: state.muted_until.map(Moment),
            archived: state.archived,
            pinned_order: state.pinned_order,
            marked_unread: state.marked_unread,
            notify: state.notify.into(),
            hidden_from_list,
            draft: state.draft.as_ref().map(Draft::from),
            left_at: state.left_at.map(Moment),
        }
    }
}
