//! The gate: what clients say on an application's channels, for an application that hears it first.

use crate::channel::ChannelName;
use crate::publication::{ConnectionId, Publication};

/// Hears what connections of one app do on its channels. Calls come from many threads and must not block.
pub trait Gate: Send + Sync {
    /// A connection wishes to publish. `true`: the gate keeps it, and nobody else hears it.
    fn keeps(&self, publication: &Publication) -> bool;

    /// A connection listens to the channel no more. It published nothing on it after that.
    fn left(&self, channel: &ChannelName, connection: ConnectionId);
}
