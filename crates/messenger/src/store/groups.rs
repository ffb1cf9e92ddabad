//! What happens to a conversation besides messages: settings, members, its end.

use super::{Announce, StoreError};
use crate::{
    AttachmentId, AvatarError, Ban, Conversation, ConversationId, Invite, InviteId, Member, Message,
    NewInvite, PolicyChange, Role, SettingsChange, Timestamp, UserId,
};
use async_trait::async_trait;

/// Something a member does to a conversation.
#[derive(Debug, Clone)]
pub struct Acting {
    /// Who.
    pub actor: UserId,
    /// To which.
    pub conversation: ConversationId,
    /// What.
    pub act: Act,
    /// When.
    pub at: Timestamp,
}

/// What a member can do to a conversation.
#[derive(Debug, Clone)]
pub enum Act {
    /// Change settings. Title, description, picture and policies are a change each; what is so already is none.
    Update {
        /// The new title.
        title: Option<String>,
        /// The new description, or that there is none.
        description: Option<Option<String>>,
        /// The new picture, brought by the actor and free, or that there is none. The old one is deleted.
        avatar: Option<Option<AttachmentId>>,
        /// The policies to change.
        policies: PolicyChange,
        /// Whether old versions go when the edit history is switched off; that has to be said.
        purge_existing: Option<bool>,
    },
    /// Add people, who exist and are named once.
    Add {
        /// Who.
        users: Vec<UserId>,
        /// Most members there may be then.
        members_max: usize,
    },
    /// Remove a member.
    Remove {
        /// Who.
        user: UserId,
        /// Keep it from coming back.
        ban: bool,
    },
    /// Let a banned person come back; no change that others see.
    Lift {
        /// Who.
        user: UserId,
    },
    /// Leave. The place of an owner goes to the oldest administrator, else to the oldest member.
    Leave,
    /// Make a member an administrator or a member again.
    SetRole {
        /// Who.
        user: UserId,
        /// `Admin` or `Member`.
        role: Role,
        /// Most administrators, the owner not counted.
        admins_max: usize,
    },
    /// Give the group to another member, and stay as administrator.
    Transfer {
        /// To whom.
        to: UserId,
    },
    /// Delete it for all.
    Delete,
}

/// What was done: one step for each rev.
#[derive(Debug, Clone)]
pub struct Acted {
    /// The conversation as it is now.
    pub conversation: Conversation,
    /// The changes in their order; none when all was so already.
    pub steps: Vec<Step>,
    /// Who hears of them: the active members, ascending. Of a deletion those that were.
    pub audience: Vec<UserId>,
    /// Those in whose list it is new, with their raised `user_rev`.
    pub arrived: Vec<(UserId, u64)>,
    /// Those from whose list it went, likewise.
    pub departed: Vec<(UserId, u64)>,
    /// People to be added who are members already.
    pub unchanged: Vec<UserId>,
    /// People to be added who are banned.
    pub banned: Vec<UserId>,
}

/// One change.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its number.
    pub rev: u64,
    /// What changed.
    pub what: StepKind,
    /// The note about it in the conversation.
    pub note: Option<Message>,
}

/// What changed.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Who is in it, or what they may do.
    Members {
        /// Who came.
        added: Vec<Member>,
        /// Who went.
        removed: Vec<UserId>,
        /// Whose role changed.
        updated: Vec<Member>,
    },
    /// Its settings.
    Settings(SettingsChange),
    /// It is no more.
    Deleted,
}

/// Why nothing was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActRefusal {
    /// No such conversation, or the actor never was a member.
    NotFound,
    /// The actor is a member no more.
    NotAMember,
    /// The actor may not.
    NotAllowed,
    /// The person is no member, or not banned.
    NoSuchMember,
    /// It is the owner, who has to give the group to another first.
    LastOwner,
    /// There is no room for so many members.
    GroupFull,
    /// There is no room for another administrator.
    TooManyAdmins,
    /// It must be said what becomes of old versions.
    PurgeExistingRequired,
    /// The picture does not fit.
    Avatar(AvatarError),
}

/// Which members to list.
#[derive(Debug, Clone)]
pub struct MemberQuery {
    /// With a search key that begins so.
    pub prefix: Option<String>,
    /// After this one.
    pub after: Option<UserId>,
    /// At most so many.
    pub limit: usize,
    /// As it was for somebody who left: at that time, with watermarks up to that seq.
    pub until: Option<(Timestamp, u64)>,
    /// Who looks, which decides on watermarks.
    pub viewer: UserId,
    /// In a direct conversation: one who blocks the viewer shows it no newer watermarks.
    pub direct: bool,
}

/// Settings, members and the end of conversations.
#[async_trait]
pub trait Groups {
    /// Checks and does it. Each step raises `last_rev` by one and is stamped with it; nothing of it is ever unread.
    async fn act(
        &self,
        acting: Acting,
        announce: Announce<Acted>,
    ) -> Result<Result<Acted, ActRefusal>, StoreError>;
    /// Members by id.
    async fn find_members(&self, id: ConversationId, query: MemberQuery) -> Result<Vec<Member>, StoreError>;
    /// Who is kept out, by id.
    async fn bans(&self, id: ConversationId) -> Result<Vec<Ban>, StoreError>;
    /// Takes the content out of up to `limit` messages of deleted conversations. `false`: nothing is left.
    async fn purge_deleted(&self, limit: usize, at: Timestamp) -> Result<bool, StoreError>;
}

/// Why an invite did not let somebody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinRefusal {
    /// There is none, or its group is no more.
    Unknown,
    /// Its time is over.
    Expired,
    /// So many have come already.
    UsedUp,
    /// It was taken back.
    Revoked,
    /// The person is kept out.
    Banned,
    /// The group is full.
    GroupFull,
    /// The person is in too many conversations.
    TooManyConversations,
}

/// What an invite shows before one joins.
#[derive(Debug, Clone)]
pub struct InvitePreview {
    /// Where it leads.
    pub conversation: Conversation,
    /// Whether the viewer is a member already.
    pub member: bool,
}

/// Somebody at the door with an invite.
#[derive(Debug, Clone)]
pub struct Joining {
    /// Who.
    pub user: UserId,
    /// SHA-256 of the invite's secret, in hex.
    pub secret_hash: String,
    /// Most members of a group.
    pub members_max: usize,
    /// Most conversations of the user.
    pub conversations_max: usize,
    /// When.
    pub at: Timestamp,
}

/// Invites to groups.
#[async_trait]
pub trait Invites {
    /// Stores an invite, if its creator may invite.
    async fn create_invite(&self, new: NewInvite) -> Result<Result<Invite, ActRefusal>, StoreError>;
    /// Those of the conversation, newest first, after the given one.
    async fn invites(
        &self,
        id: ConversationId,
        after: Option<InviteId>,
        limit: usize,
    ) -> Result<Vec<Invite>, StoreError>;
    /// Takes an invite back, if the user made it or may invite. Again: nothing happens.
    async fn revoke_invite(
        &self,
        user: UserId,
        id: InviteId,
        at: Timestamp,
    ) -> Result<Result<(), ActRefusal>, StoreError>;
    /// Where an invite leads, if it still lets somebody in.
    async fn preview(
        &self,
        user: UserId,
        secret_hash: &str,
        at: Timestamp,
    ) -> Result<Result<InvitePreview, JoinRefusal>, StoreError>;
    /// Lets somebody in. A member already: nothing happens, and the invite is not used.
    async fn join(
        &self,
        joining: Joining,
        announce: Announce<Acted>,
    ) -> Result<Result<Acted, JoinRefusal>, StoreError>;
}
