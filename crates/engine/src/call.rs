//! What a connection asks of the engine and what it is told, as plain data, so that protocols need no `async`.

use crate::broker::History;
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
        /// What to be told at the beginning.
        beginning: Beginning,
    },
    /// Stop listening. Not answered.
    Unsubscribe {
        /// The channel.
        channel: ChannelName,
    },
    /// Publish. Answered only when it could not be done.
    Publish(Publication),
}

/// What a subscriber wants to be told when its subscription begins. Members are told the roster in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Beginning {
    /// Who is present.
    pub roster: bool,
    /// So many of the newest publications that the channel keeps.
    pub recent: usize,
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
    /// Who is present, the newcomer included.
    pub roster: Option<Roster>,
    /// What the channel keeps. What is delivered meanwhile may be among it: positions tell.
    pub history: Option<History>,
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
