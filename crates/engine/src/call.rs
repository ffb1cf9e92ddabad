//! What a connection asks of the engine and what it is told, as plain data, so that protocols need no `async`.

use crate::channel::ChannelName;
use crate::presence::{Member, Roster};
use crate::publication::Publication;

/// A wish of a connection.
#[derive(Debug, Clone)]
pub enum Call {
    /// Listen to a channel; with a member, also be present on it. Answered.
    Subscribe {
        /// The channel.
        channel: ChannelName,
        /// Who to be on it.
        member: Option<Member>,
    },
    /// Stop listening. Not answered.
    Unsubscribe {
        /// The channel.
        channel: ChannelName,
    },
    /// Publish. Answered only when it could not be done.
    Publish(Publication),
}

/// What the engine answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// The connection listens now.
    Subscribed(Subscribed),
    /// It does not.
    SubscribeRefused {
        /// The channel it asked for.
        channel: ChannelName,
        /// Why not.
        why: SubscribeRefused,
    },
    /// The publication was not accepted.
    PublishRefused,
}

/// A subscription as it begins.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// The channel.
    pub channel: ChannelName,
    /// Who is present, the newcomer included; for presence channels.
    pub roster: Option<Roster>,
}

/// Why a subscription was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeRefused {
    /// The presence channel has all the members it may have.
    #[error("the channel is full")]
    ChannelFull,
    /// Broker or presence are away; the text is for the log.
    #[error("the engine is unavailable: {0}")]
    Unavailable(String),
}
