//! Presence: who is on a channel. A user is there while one of its connections is.

pub mod contract;
pub(crate) mod memory;

use std::sync::Arc;

use async_trait::async_trait;

use crate::app::AppNumber;
use crate::channel::ChannelName;
use crate::publication::{ConnectionId, UserId};

/// A user on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// What the application says of it, as JSON text.
    pub info: Option<Arc<str>>,
}

/// Who is on a channel. Joins and leaves that are published afterwards carry higher versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    /// Each user once, with the information of its oldest connection, in the order of coming.
    pub members: Vec<Member>,
    /// Raised by every join and leave of a user. It never falls, not even when nobody was there in between: who
    /// watches a channel without being on it takes what has no higher version for known.
    pub version: u64,
}

/// Why a user cannot join.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// As many users as allowed are there. A further connection of a user already there is no further user.
    #[error("the channel is full")]
    Full,
    /// Presence is away; the text is for the log.
    #[error("presence is unavailable: {0}")]
    Unavailable(String),
}

/// Knows who is on each channel, over all nodes.
///
/// A user's first connection is published to the channel as `Joined` and its last one's going as `Left`, in
/// the order of their versions, so that whoever applies them to a roster knows who is there.
#[async_trait]
pub trait Presence: Send + Sync {
    /// The connection is on the channel as `member`; `users_max` of 0 is no limit. Joining twice changes
    /// nothing.
    async fn join(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        connection: ConnectionId,
        member: Member,
        users_max: usize,
    ) -> Result<Roster, JoinError>;

    /// The connection is gone from the channel.
    async fn leave(
        &self,
        app: AppNumber,
        channel: &ChannelName,
        connection: ConnectionId,
    ) -> Result<(), JoinError>;

    /// Who is there.
    async fn roster(&self, app: AppNumber, channel: &ChannelName) -> Result<Roster, JoinError>;
}
