//! Words of the API that are one of a few.

use chinwag_messenger::{Openness, ServerRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Person or program.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::messenger) enum UserKind {
    Human,
    Bot,
}

/// What an account may do on the whole server.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ServerRole)]
pub(in crate::messenger) enum ServerRoleWord {
    Owner,
    Admin,
    Member,
}

impl From<ServerRole> for ServerRoleWord {
    fn from(role: ServerRole) -> Self {
        match role {
            ServerRole::Owner => Self::Owner,
            ServerRole::Admin => Self::Admin,
            ServerRole::Member => Self::Member,
        }
    }
}

/// What a member may do in a conversation.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Role)]
pub(in crate::messenger) enum RoleWord {
    Owner,
    Admin,
    Member,
}

/// How many a conversation is for.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConversationKind)]
pub(in crate::messenger) enum ConversationWord {
    Direct,
    Group,
    /// With oneself.
    #[serde(rename = "self")]
    Own,
}

/// Whether somebody is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::messenger) enum PresenceState {
    Online,
    /// Connected, and nobody at the keyboard.
    Away,
    Offline,
}

/// For whom something is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Openness)]
pub(in crate::messenger) enum OpennessWord {
    Everyone,
    Contacts,
    Nobody,
}

impl OpennessWord {
    pub(in crate::messenger) fn meant(self) -> Openness {
        match self {
            Self::Everyone => Openness::Everyone,
            Self::Contacts => Openness::Contacts,
            Self::Nobody => Openness::Nobody,
        }
    }
}

impl From<Openness> for OpennessWord {
    fn from(openness: Openness) -> Self {
        match openness {
            Openness::Everyone => Self::Everyone,
            Openness::Contacts => Self::Contacts,
            Openness::Nobody => Self::Nobody,
        }
    }
}
