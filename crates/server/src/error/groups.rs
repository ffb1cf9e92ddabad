//! Refusals about groups: their settings, members, roles, invites and bans.

use super::{Problem, conflict, cursor_invalid, limit_invalid, not_a_member, not_allowed, refused};
use axum::http::StatusCode;
use chinwag_messenger::{
    AddMembersError, CreateGroupError, InviteError, JoinError, ListMembersError, MemberError, UpdateError,
};

impl From<CreateGroupError> for Problem {
    fn from(error: CreateGroupError) -> Self {
        match error {
            CreateGroupError::TitleRequired => Self::field("title", "title_required", "A group has a title."),
            CreateGroupError::TitleTooLong => {
                Self::field("title", "title_too_long", "The title is too long.")
            }
            CreateGroupError::TooManyMembers => Self::field(
                "member_ids",
                "too_many_members",
                "These are more members than a group may have.",
            ),
            CreateGroupError::UnknownUser => Self::not_found(),
            CreateGroupError::TooManyToday { retry_after_s } => Self::rate_limited(retry_after_s),
            CreateGroupError::TooManyConversations => too_many_conversations(),
            CreateGroupError::Store(error) => error.into(),
        }
    }
}

fn too_many_conversations() -> Problem {
    conflict("too_many_conversations", "You are in too many conversations.")
}

fn group_full() -> Problem {
    conflict("group_full", "The group has as many members as it may have.")
}

fn gone(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::GONE, code, detail)
}

impl From<UpdateError> for Problem {
    fn from(error: UpdateError) -> Self {
        match error {
            UpdateError::NotFound => Self::not_found(),
            UpdateError::NotAMember => not_a_member(),
            UpdateError::NotAllowed => not_allowed(),
            UpdateError::TitleRequired => Self::field("title", "title_required", "A group has a title."),
            UpdateError::TitleTooLong => Self::field("title", "title_too_long", "The title is too long."),
            UpdateError::DescriptionTooLong => Self::field(
                "description",
                "description_too_long",
                "The description is too long.",
            ),
            UpdateError::Avatar(error) => error.into(),
            UpdateError::PurgeExistingRequired => Self::field(
                "purge_existing",
                "purge_existing_required",
                "Say whether the versions kept so far are purged.",
            ),
            UpdateError::Store(error) => error.into(),
        }
    }
}

impl From<ListMembersError> for Problem {
    fn from(error: ListMembersError) -> Self {
        match error {
            ListMembersError::NotFound => Self::not_found(),
            ListMembersError::CursorInvalid => cursor_invalid(),
            ListMembersError::LimitInvalid => limit_invalid(),
            ListMembersError::QueryTooLong => Self::field("q", "query_too_long", "The query is too long."),
            ListMembersError::Store(error) => error.into(),
        }
    }
}

impl From<AddMembersError> for Problem {
    fn from(error: AddMembersError) -> Self {
        match error {
            AddMembersError::NotFound => Self::not_found(),
            AddMembersError::NotAMember => not_a_member(),
            AddMembersError::NotAllowed => not_allowed(),
            AddMembersError::GroupFull => group_full(),
            AddMembersError::Store(error) => error.into(),
        }
    }
}

impl From<MemberError> for Problem {
    fn from(error: MemberError) -> Self {
        match error {
            MemberError::NotFound => Self::not_found(),
            MemberError::NotAMember => not_a_member(),
            MemberError::NotAllowed => not_allowed(),
            MemberError::LastOwner => {
                conflict("last_owner", "The owner has to give the group to another first.")
            }
            MemberError::TooManyAdmins => conflict(
                "too_many_admins",
                "The group has as many administrators as it may have.",
            ),
            MemberError::Store(error) => error.into(),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NotFound => Self::not_found(),
            InviteError::NotAMember => not_a_member(),
            InviteError::NotAllowed => not_allowed(),
            InviteError::LifeInvalid => Self::field(
                "expires_in_s",
                "expires_in_invalid",
                "The life of an invite is out of range.",
            ),
            InviteError::MaxUsesInvalid => Self::field(
                "max_uses",
                "max_uses_invalid",
                "The number of uses is out of range.",
            ),
            InviteError::TooMany => conflict("too_many_invites", "Revoke some of the invites first."),
            InviteError::CursorInvalid => cursor_invalid(),
            InviteError::LimitInvalid => limit_invalid(),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<JoinError> for Problem {
    fn from(error: JoinError) -> Self {
        match error {
            JoinError::NotFound => Self::not_found(),
            JoinError::Expired => gone("invite_expired", "The invite has expired."),
            JoinError::UsedUp => gone("invite_used_up", "The invite has been used up."),
            JoinError::Revoked => gone("invite_revoked", "The invite was revoked."),
            JoinError::Banned => refused("banned", "You are banned from this group."),
            JoinError::GroupFull => group_full(),
            JoinError::TooManyConversations => too_many_conversations(),
            JoinError::Store(error) => error.into(),
        }
    }
}
